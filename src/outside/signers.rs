//! Keys of made-up issuers, in every algorithm that the gateway verifies: for tests of route files.
//!
//! Whoever has the sources has these keys. No gateway believes them but a simulated one.

use super::Failed;
use crate::token::Algorithm;
use base64ct::{Base64UrlUnpadded, Encoding};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

/// The one RSA key, PKCS #8. Making one takes seconds, and what tells keys apart is their id.
const RSA: &[u8] = include_bytes!("rsa.pk8");

/// A key that signs.
pub struct Signer {
    key: Key,
}

enum Key {
    Hmac(hmac::Key),
    Ec(&'static str, EcdsaKeyPair),
    Rsa(&'static dyn RsaEncoding, RsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// A new key. `secret` is what signer and verifier share (HS*).
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Signer, Failed> {
        let ec = |curve, with: &'static EcdsaSigningAlgorithm| {
            let random = SystemRandom::new();
            let wrong = |_| Failed("no key could be generated".into());
            let document = EcdsaKeyPair::generate_pkcs8(with, &random).map_err(wrong)?;
            let pair = EcdsaKeyPair::from_pkcs8(with, document.as_ref(), &random);
            Ok(Key::Ec(curve, pair.map_err(|_| Failed("the generated key cannot be read".into()))?))
        };
        let rsa = |encoding| {
            let pair =
                RsaKeyPair::from_pkcs8(RSA).map_err(|_| Failed("the RSA key cannot be read".into()))?;
            Ok(Key::Rsa(encoding, pair))
        };
        let key = match algorithm {
            Algorithm::HS256 => Ok(Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret))),
            Algorithm::HS384 => Ok(Key::Hmac(hmac::Key::new(hmac::HMAC_SHA384, secret))),
            Algorithm::HS512 => Ok(Key::Hmac(hmac::Key::new(hmac::HMAC_SHA512, secret))),
            Algorithm::RS256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(&RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(&RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(&RSA_PSS_SHA512),
            Algorithm::ES256 => ec("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let wrong = |_| Failed("no key could be generated".into());
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(wrong)?;
                let pair = Ed25519KeyPair::from_pkcs8(document.as_ref());
                Ok(Key::Ed(pair.map_err(|_| Failed("the generated key cannot be read".into()))?))
            }
        };
        Ok(Signer { key: key? })
    }

    /// The public half as a JWK without an id; `None` for a shared secret, which nobody publishes.
    pub fn jwk(&self) -> Option<Value> {
        let text = Base64UrlUnpadded::encode_string;
        Some(match &self.key {
            Key::Hmac(_) => return None,
            Key::Ec(curve, pair) => {
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at_checked(point.len() / 2).unwrap_or_default();
                json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
            }
            Key::Rsa(_, pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": text(&n), "e": text(&e) })
            }
            Key::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
        })
    }

    /// The signature of a signing input.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Failed> {
        let random = SystemRandom::new();
        let failed = |_| Failed("no randomness to sign with".into());
        match &self.key {
            Key::Hmac(key) => Ok(hmac::sign(key, input).as_ref().to_vec()),
            Key::Ec(_, pair) => pair.sign(&random, input).map(|s| s.as_ref().to_vec()).map_err(failed),
            Key::Ed(pair) => Ok(pair.sign(input).as_ref().to_vec()),
            Key::Rsa(encoding, pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, input, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::verify;

    #[test]
    fn what_is_signed_verifies_under_its_own_key_alone() {
        for algorithm in Algorithm::ALL {
            let signer = Signer::new(*algorithm, b"a secret of thirty-two octets...").unwrap();
            let signature = signer.sign(b"a.b").unwrap();
            let Some(Value::Object(jwk)) = signer.jwk() else {
                assert!(algorithm.is_symmetric());
                continue;
            };
            assert!(verify(*algorithm, &jwk, b"a.b", &signature).unwrap(), "{}", algorithm.name());
            assert!(!verify(*algorithm, &jwk, b"a.c", &signature).unwrap());
        }
    }
}
