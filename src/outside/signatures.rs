//! Signatures natively, with `ring`.

use super::{Failed, Pair};
use crate::token::Algorithm;
use base64ct::{Base64UrlUnpadded, Encoding};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

/// Whether `signature` is one of `message` under a JWK that fits the algorithm.
///
/// # Errors
/// A member of the key is missing or malformed.
pub fn verify(
    algorithm: Algorithm,
    jwk: &Map<String, Value>,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, Failed> {
    let rsa = |parameters| {
        let components = RsaPublicKeyComponents { n: octets(jwk, "n")?, e: octets(jwk, "e")? };
        Ok(components.verify(parameters, message, signature).is_ok())
    };
    let curve = |parameters: &'static signature::EcdsaVerificationAlgorithm| {
        let point = [vec![4], octets(jwk, "x")?, octets(jwk, "y")?].concat();
        Ok(UnparsedPublicKey::new(parameters, point).verify(message, signature).is_ok())
    };
    let secret = |hash| {
        let key = hmac::Key::new(hash, &octets(jwk, "k")?);
        Ok(hmac::verify(&key, message, signature).is_ok())
    };
    match algorithm {
        Algorithm::HS256 => secret(hmac::HMAC_SHA256),
        Algorithm::HS384 => secret(hmac::HMAC_SHA384),
        Algorithm::HS512 => secret(hmac::HMAC_SHA512),
        Algorithm::RS256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => curve(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => curve(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => {
            let key = UnparsedPublicKey::new(&signature::ED25519, octets(jwk, "x")?);
            Ok(key.verify(message, signature).is_ok())
        }
    }
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Failed> {
    let text = jwk.get(name).and_then(Value::as_str);
    let text = text.ok_or_else(|| Failed("a member of the key is missing".into()))?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| Failed("a member of the key is not base64url".into()))
}

/// HMAC with SHA-256 (RFC 2104): 32 bytes.
///
/// # Errors
/// Never here; where Node does it, if that does not answer.
pub fn hmac_sha256(secret: &[u8], message: &[u8]) -> Result<Vec<u8>, Failed> {
    Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec())
}

/// A private key of ES256.
pub struct PrivateKey(EcdsaKeyPair);

const SIGNING: &signature::EcdsaSigningAlgorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;

/// Where `ring`'s PKCS #8 documents of P-256 keys hold the private scalar. The pair is rebuilt from it, which fails
/// if the document should ever look different.
const SCALAR: std::ops::Range<usize> = 36..68;

impl PrivateKey {
    /// A new pair from the system's randomness.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate() -> Result<Pair, Failed> {
        let failed = |_| Failed("no key could be generated".into());
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(SIGNING, &random).map_err(failed)?;
        let unread = || Failed("the generated key cannot be read".into());
        let pair = EcdsaKeyPair::from_pkcs8(SIGNING, document.as_ref(), &random).map_err(|_| unread())?;
        let scalar = document.as_ref().get(SCALAR).and_then(|scalar| scalar.try_into().ok());
        let point = pair.public_key().as_ref().get(1..).map(<[u8]>::to_vec);
        match (scalar, point) {
            (Some(scalar), Some(point)) => Ok(Pair { scalar, point }),
            _ => Err(unread()),
        }
    }

    /// The key of a pair.
    ///
    /// # Errors
    /// The private half does not belong to the public one.
    pub fn new(pair: &Pair) -> Result<Self, Failed> {
        let point = [&[4], pair.point.as_slice()].concat();
        let random = SystemRandom::new();
        let read = EcdsaKeyPair::from_private_key_and_public_key(SIGNING, &pair.scalar, &point, &random);
        read.map(PrivateKey).map_err(|_| Failed("the private key does not belong to the public one".into()))
    }

    /// Signs by ES256: the two numbers, 64 bytes (RFC 7518 §3.4).
    ///
    /// # Errors
    /// There is no randomness to sign with.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        signature
            .map(|bytes| bytes.as_ref().to_vec())
            .map_err(|_| Failed("no randomness to sign with".into()))
    }
}
