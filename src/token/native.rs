//! Signatures outside the edge, with `ring`: for the simulator, the tests, and the development issuer of
//! `tollgate token`. At the edge Web Crypto does this.

use super::{Algorithm, keys::Key};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair, RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{digest, hmac};
use serde_json::{Map, Value, json};
use std::fmt;

/// Why a signature could not be checked or made. Says nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError(&'static str);

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for KeyError {}

/// Whether `signature` is one of `signing_input` under a JWK, as Web Crypto's import and verify would say.
///
/// # Errors
/// If the JWK cannot be read or does not fit the algorithm.
pub fn verify(
    algorithm: Algorithm,
    jwk: &str,
    signing_input: &str,
    signature: &[u8],
) -> Result<bool, KeyError> {
    let key = object(jwk).and_then(|jwk| Key::parse(&jwk).map_err(KeyError))?;
    if !key.fits(algorithm) {
        return Err(KeyError("the key does not fit the algorithm"));
    }
    // In the form that the host gets, without what makes importers stumble.
    let jwk = object(key.jwk())?;
    let message = signing_input.as_bytes();
    let rsa = |parameters| {
        let components = RsaPublicKeyComponents { n: octets(&jwk, "n")?, e: octets(&jwk, "e")? };
        Ok(components.verify(parameters, message, signature).is_ok())
    };
    let curve = |parameters: &'static signature::EcdsaVerificationAlgorithm| {
        let point = [vec![4], octets(&jwk, "x")?, octets(&jwk, "y")?].concat();
        Ok(UnparsedPublicKey::new(parameters, point).verify(message, signature).is_ok())
    };
    let secret = |hash| {
        let key = hmac::Key::new(hash, &octets(&jwk, "k")?);
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
            let key = UnparsedPublicKey::new(&signature::ED25519, octets(&jwk, "x")?);
            Ok(key.verify(message, signature).is_ok())
        }
    }
}

fn object(json: &str) -> Result<Map<String, Value>, KeyError> {
    serde_json::from_str(json).map_err(|_| KeyError("the key is no JSON object"))
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyError> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or(KeyError("a member of the key is missing"))?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| KeyError("a member of the key is not base64url"))
}

/// The development issuer's ES256 key.
pub struct DevelopmentKey {
    pair: EcdsaKeyPair,
    private: [u8; 32],
}

impl fmt::Debug for DevelopmentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DevelopmentKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

const SIGNING: &signature::EcdsaSigningAlgorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;

/// What stands before the point in a P-256 key's SubjectPublicKeyInfo (RFC 5480 §2).
const SPKI_P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// Where `ring`'s PKCS #8 documents of P-256 keys hold the private scalar. The pair is rebuilt from it, which fails
/// if the document should ever look different.
const SCALAR: std::ops::Range<usize> = 36..68;

impl DevelopmentKey {
    /// A new key pair from the system's randomness.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate() -> Result<DevelopmentKey, KeyError> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(SIGNING, &random)
            .map_err(|_| KeyError("no key could be generated"))?;
        let pair = EcdsaKeyPair::from_pkcs8(SIGNING, document.as_ref(), &random)
            .map_err(|_| KeyError("the generated key cannot be read"))?;
        let scalar = document.as_ref().get(SCALAR).ok_or(KeyError("the generated key cannot be read"))?;
        DevelopmentKey::from_parts(scalar, pair.public_key().as_ref())
    }

    /// Reads [`DevelopmentKey::private_jwk`] back.
    ///
    /// # Errors
    /// If the text is no P-256 JWK whose `d` belongs to its `x` and `y`.
    pub fn from_jwk(json: &str) -> Result<DevelopmentKey, KeyError> {
        let jwk = object(json)?;
        if jwk.get("kty").is_none_or(|kty| kty != "EC") || jwk.get("crv").is_none_or(|crv| crv != "P-256") {
            return Err(KeyError("the key is not of the curve P-256"));
        }
        let point = [vec![4], octets(&jwk, "x")?, octets(&jwk, "y")?].concat();
        DevelopmentKey::from_parts(&octets(&jwk, "d")?, &point)
    }

    fn from_parts(scalar: &[u8], point: &[u8]) -> Result<DevelopmentKey, KeyError> {
        let wrong = KeyError("the private key does not belong to the public one");
        let private = scalar.try_into().map_err(|_| wrong)?;
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(SIGNING, scalar, point, &SystemRandom::new())
                .map_err(|_| wrong)?;
        Ok(DevelopmentKey { pair, private })
    }

    /// The whole key as a JWK, to be kept in a file that only its owner reads.
    pub fn private_jwk(&self) -> String {
        let mut jwk = self.members();
        jwk.insert("d".into(), Base64UrlUnpadded::encode_string(&self.private).into());
        Value::Object(jwk).to_string()
    }

    /// The public half as a JWK Set, as an issuer publishes it.
    pub fn public_set(&self) -> String {
        let mut jwk = self.members();
        jwk.insert("use".into(), "sig".into());
        jwk.insert("alg".into(), "ES256".into());
        jwk.insert("kid".into(), self.kid().into());
        json!({ "keys": [jwk] }).to_string()
    }

    /// The key's id: its thumbprint (RFC 7638).
    pub fn kid(&self) -> String {
        // The members of a serde_json map may stand in any order; the thumbprint needs this one.
        let (x, y) = self.point();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Base64UrlUnpadded::encode_string(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    }

    /// A signed token with these claims and, if given, this `typ`.
    ///
    /// # Errors
    /// If there is no randomness to sign with.
    pub fn sign(&self, claims: &Map<String, Value>, typ: Option<&str>) -> Result<String, KeyError> {
        let mut header = json!({ "alg": "ES256", "kid": self.kid() });
        if let (Some(typ), Some(members)) = (typ, header.as_object_mut()) {
            members.insert("typ".into(), typ.into());
        }
        let claims = serde_json::to_string(claims).map_err(|_| KeyError("the claims cannot be written"))?;
        let encode = Base64UrlUnpadded::encode_string;
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.as_bytes()));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), input.as_bytes())
            .map_err(|_| KeyError("no randomness to sign with"))?;
        Ok(format!("{input}.{}", encode(signature.as_ref())))
    }

    /// A JWS of this signing input by HMAC-SHA-256 whose secret is the public key as PEM: what attackers try where a
    /// verifier lets the token choose the algorithm (RFC 8725 §2.1).
    pub fn confuse(&self, input: &str) -> String {
        let info = [SPKI_P256, self.pair.public_key().as_ref()].concat();
        let text = Base64::encode_string(&info);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (at, character) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pem.as_bytes()), input.as_bytes());
        format!("{input}.{}", Base64UrlUnpadded::encode_string(tag.as_ref()))
    }

    fn members(&self) -> Map<String, Value> {
        let (x, y) = self.point();
        let mut jwk = Map::new();
        jwk.insert("kty".into(), "EC".into());
        jwk.insert("crv".into(), "P-256".into());
        jwk.insert("x".into(), x.into());
        jwk.insert("y".into(), y.into());
        jwk
    }

    fn point(&self) -> (String, String) {
        let point = self.pair.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at_checked(32).unwrap_or_default();
        (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y))
    }
}

#[cfg(test)]
mod tests;
