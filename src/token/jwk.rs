//! One verification key from a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use super::Algorithm;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use std::fmt;

/// Smallest RSA modulus in bits (RFC 7518 §3.3, §3.5).
pub const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus in bits: verification costs time that grows with its square.
pub const MAX_RSA_BITS: usize = 8192;
/// Longest shared secret in bytes.
pub const MAX_SECRET: usize = 1024;

/// A key that can verify signatures.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// `kid`.
    pub kid: Option<String>,
    kind: Kind,
    algorithm: Option<Algorithm>,
    jwk: String,
}

/// Without the material, which may be a secret.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = formatter.debug_struct("Key");
        parts.field("kid", &self.kid).field("kind", &self.kind).field("algorithm", &self.algorithm);
        parts.finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
    /// Length in bytes.
    Secret(usize),
}

impl Key {
    /// Reads one JWK.
    ///
    /// # Errors
    /// Why it cannot verify anything here, in a few words that name no key material.
    pub fn parse(jwk: &Map<String, Value>) -> Result<Key, &'static str> {
        if jwk.get("use").is_some_and(|usage| usage != "sig") {
            return Err("`use` is not `sig`");
        }
        if let Some(operations) = jwk.get("key_ops") {
            let verifies = operations.as_array().is_some_and(|list| list.iter().any(|item| item == "verify"));
            if !verifies {
                return Err("`key_ops` lacks `verify`");
            }
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(value) => Some(
                value
                    .as_str()
                    .and_then(Algorithm::parse)
                    .ok_or("`alg` is no supported signature algorithm")?,
            ),
        };
        let kid = match jwk.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= super::parse::MAX_KID => Some(kid.clone()),
            Some(_) => return Err("`kid` is no string of at most 256 bytes"),
        };
        let kty = text(jwk, "kty")?;
        if kty != "oct" && ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| jwk.contains_key(*name))
        {
            return Err("it is a private key, and published ones are not to be believed");
        }
        let (kind, material) = match kty {
            "RSA" => rsa(jwk)?,
            "EC" => curve(jwk)?,
            "OKP" => edwards(jwk)?,
            "oct" => secret(&octets(jwk, "k")?)?,
            _ => return Err("`kty` is not supported"),
        };
        let key = Key { kid, kind, algorithm, jwk: material.to_string() };
        match algorithm {
            Some(algorithm) if !key.fits(algorithm) => {
                Err("`alg` does not fit the key's type, curve or length")
            }
            _ => Ok(key),
        }
    }

    /// A shared secret for HS*.
    ///
    /// # Errors
    /// As [`Key::parse`].
    pub fn secret(bytes: &[u8]) -> Result<Key, &'static str> {
        let (kind, material) = secret(bytes)?;
        Ok(Key { kid: None, kind, algorithm: None, jwk: material.to_string() })
    }

    /// Whether the key may verify `algorithm`: by its type, curve and length, and by its own `alg`. A public key
    /// never fits HS*, so a token cannot choose to have it taken for a secret (RFC 8725 §2.1).
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => self.kind == Kind::Rsa,
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => self.kind == Kind::Rsa,
            Algorithm::ES256 => self.kind == Kind::P256,
            Algorithm::ES384 => self.kind == Kind::P384,
            Algorithm::EdDSA => self.kind == Kind::Ed25519,
            // At least as long as the hash (RFC 7518 §3.2).
            Algorithm::HS256 => matches!(self.kind, Kind::Secret(length) if length >= 32),
            Algorithm::HS384 => matches!(self.kind, Kind::Secret(length) if length >= 48),
            Algorithm::HS512 => matches!(self.kind, Kind::Secret(length) if length >= 64),
        };
        kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// The key as a JWK that holds the key material and nothing else, so that an importer (Web Crypto) has no
    /// `alg`, `use` or `key_ops` to trip over. For HS* it is the secret: never log it.
    pub fn jwk(&self) -> &str {
        &self.jwk
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<&'a str, &'static str> {
    jwk.get(name).and_then(Value::as_str).ok_or("a member is missing or no string")
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    Base64UrlUnpadded::decode_vec(text(jwk, name)?).map_err(|_| "a member is not base64url")
}

/// Big-endian without leading zero octets, which some writers add although RFC 7518 §6.3.1.1 says not to.
fn integer(mut bytes: &[u8]) -> &[u8] {
    while let Some((0, rest)) = bytes.split_first() {
        bytes = rest;
    }
    bytes
}

fn rsa(jwk: &Map<String, Value>) -> Result<(Kind, Value), &'static str> {
    let (n, e) = (octets(jwk, "n")?, octets(jwk, "e")?);
    let (n, e) = (integer(&n), integer(&e));
    let zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = n.len().saturating_mul(8).saturating_sub(zeros);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err("the RSA modulus is not of 2048 to 8192 bits");
    }
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(n) || !odd(e) || e.len() > 4 || e == [1] {
        return Err("the RSA modulus or exponent is weak");
    }
    let encode = Base64UrlUnpadded::encode_string;
    Ok((Kind::Rsa, json!({ "kty": "RSA", "n": encode(n), "e": encode(e) })))
}

fn curve(jwk: &Map<String, Value>) -> Result<(Kind, Value), &'static str> {
    let crv = text(jwk, "crv")?;
    let (kind, length) = match crv {
        "P-256" => (Kind::P256, 32),
        "P-384" => (Kind::P384, 48),
        _ => return Err("`crv` is not supported"),
    };
    if octets(jwk, "x")?.len() != length || octets(jwk, "y")?.len() != length {
        return Err("a coordinate has the wrong length");
    }
    // Whether the point lies on the curve is for the host, which refuses the key on import if not.
    Ok((kind, json!({ "kty": "EC", "crv": crv, "x": text(jwk, "x")?, "y": text(jwk, "y")? })))
}

fn edwards(jwk: &Map<String, Value>) -> Result<(Kind, Value), &'static str> {
    if text(jwk, "crv")? != "Ed25519" {
        return Err("`crv` is not supported");
    }
    if octets(jwk, "x")?.len() != 32 {
        return Err("a coordinate has the wrong length");
    }
    Ok((Kind::Ed25519, json!({ "kty": "OKP", "crv": "Ed25519", "x": text(jwk, "x")? })))
}

fn secret(bytes: &[u8]) -> Result<(Kind, Value), &'static str> {
    if !(32..=MAX_SECRET).contains(&bytes.len()) {
        return Err("the secret is not of 32 to 1024 bytes");
    }
    let k = Base64UrlUnpadded::encode_string(bytes);
    Ok((Kind::Secret(bytes.len()), json!({ "kty": "oct", "k": k })))
}
