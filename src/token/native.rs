//! Signatures outside the edge: for the simulator, the tests, and the development issuer of `tollgate token`. At the
//! edge Web Crypto does this.

use super::{Algorithm, keys::Key};
use crate::outside::{self, Failed, Pair, PrivateKey};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fmt;

/// Why a signature could not be checked or made. Says nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

impl From<&str> for KeyError {
    fn from(why: &str) -> Self {
        KeyError(why.to_owned())
    }
}

impl From<Failed> for KeyError {
    fn from(why: Failed) -> Self {
        KeyError(why.0)
    }
}

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
    let key = Key::parse(&object(jwk)?)?;
    if !key.fits(algorithm) {
        return Err("the key does not fit the algorithm".into());
    }
    // In the form that the host gets, without what makes importers stumble.
    let jwk = object(key.jwk())?;
    Ok(outside::verify(algorithm, &jwk, signing_input.as_bytes(), signature)?)
}

fn object(json: &str) -> Result<Map<String, Value>, KeyError> {
    serde_json::from_str(json).map_err(|_| "the key is no JSON object".into())
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyError> {
    let text = jwk.get(name).and_then(Value::as_str).ok_or("a member of the key is missing")?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| "a member of the key is not base64url".into())
}

/// The development issuer's ES256 key.
pub struct DevelopmentKey {
    pair: Pair,
    key: PrivateKey,
}

impl fmt::Debug for DevelopmentKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DevelopmentKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

/// What stands before the point in a P-256 key's SubjectPublicKeyInfo (RFC 5480 §2).
const SPKI_P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";

impl DevelopmentKey {
    /// A new key pair from the system's randomness.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn generate() -> Result<DevelopmentKey, KeyError> {
        DevelopmentKey::from_pair(PrivateKey::generate()?)
    }

    /// Reads [`DevelopmentKey::private_jwk`] back.
    ///
    /// # Errors
    /// If the text is no P-256 JWK whose `d` belongs to its `x` and `y`.
    pub fn from_jwk(json: &str) -> Result<DevelopmentKey, KeyError> {
        let jwk = object(json)?;
        if jwk.get("kty").is_none_or(|kty| kty != "EC") || jwk.get("crv").is_none_or(|crv| crv != "P-256") {
            return Err("the key is not of the curve P-256".into());
        }
        let scalar = octets(&jwk, "d")?.try_into();
        let scalar = scalar.map_err(|_| "the private key does not belong to the public one")?;
        let point = [octets(&jwk, "x")?, octets(&jwk, "y")?].concat();
        DevelopmentKey::from_pair(Pair { scalar, point })
    }

    fn from_pair(pair: Pair) -> Result<DevelopmentKey, KeyError> {
        Ok(DevelopmentKey { key: PrivateKey::new(&pair)?, pair })
    }

    /// The whole key as a JWK, to be kept in a file that only its owner reads.
    pub fn private_jwk(&self) -> String {
        let mut jwk = self.members();
        jwk.insert("d".into(), Base64UrlUnpadded::encode_string(&self.pair.scalar).into());
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
        Base64UrlUnpadded::encode_string(&Sha256::digest(canonical.as_bytes()))
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
        let claims = serde_json::to_string(claims).map_err(|_| "the claims cannot be written")?;
        let encode = Base64UrlUnpadded::encode_string;
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.as_bytes()));
        let signature = self.key.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", encode(&signature)))
    }

    /// A JWS of this signing input by HMAC-SHA-256 whose secret is the public key as PEM: what attackers try where a
    /// verifier lets the token choose the algorithm (RFC 8725 §2.1).
    ///
    /// # Errors
    /// If nobody makes the HMAC.
    pub fn confuse(&self, input: &str) -> Result<String, KeyError> {
        let info = [SPKI_P256, &self.pair.point].concat();
        let text = Base64::encode_string(&info);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (at, character) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        let tag = outside::hmac_sha256(pem.as_bytes(), input.as_bytes())?;
        Ok(format!("{input}.{}", Base64UrlUnpadded::encode_string(&tag)))
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
        let (x, y) = self.pair.point.split_at_checked(32).unwrap_or_default();
        (Base64UrlUnpadded::encode_string(x), Base64UrlUnpadded::encode_string(y))
    }
}

#[cfg(test)]
mod tests;
