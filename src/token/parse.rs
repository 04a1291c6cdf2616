//! From text to an untrusted token: the compact serialisation of a JWS (RFC 7515 §7.1), strictly.
//!
//! `jwt-compact` splits, decodes (base64url without padding, whitespace or stray trailing bits) and reads the
//! header; what it lets pass and RFC 8725 would not is refused here. Of the header only `alg`, `kid` and `typ` are
//! ever used: a key that a token brings or points at (`jwk`, `jku`, `x5c`, `x5u`) proves nothing.

use super::Algorithm;
use super::strict::{Strict, object};
use crate::fault::Reason;
use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::UntrustedToken;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// Longest token in bytes. Longer ones are refused unread.
pub const MAX_TOKEN: usize = 8 * 1024;
/// Longest `kid` in bytes.
pub const MAX_KID: usize = 256;

/// A well-formed JWS in compact form, with an algorithm that the gateway knows. Its payload may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws<'a> {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub kid: Option<String>,
    /// `typ` as sent.
    pub typ: Option<String>,
    /// What was signed: header and payload as they were sent, with the dot between.
    pub signing_input: &'a str,
    /// The signature's octets.
    pub signature: Vec<u8>,
    /// The payload as it was sent: valid base64url.
    payload: &'a str,
}

/// A JWS whose payload is a set of claims. Nothing of it is to be believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Untrusted<'a> {
    /// The signed envelope.
    pub jws: Jws<'a>,
    /// The claims, without duplicates at any level.
    pub claims: Map<String, Value>,
}

impl Untrusted<'_> {
    /// The `iss` claim, if it is a string.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// Parses a JSON Web Token.
///
/// # Errors
/// As [`jws`]; [`Reason::TokenMalformed`] also if the payload is not a JSON object with unique names.
pub fn token(text: &str) -> Result<Untrusted<'_>, Reason> {
    let jws = jws(text)?;
    let payload = Base64UrlUnpadded::decode_vec(jws.payload).map_err(|_| Reason::TokenMalformed)?;
    let claims = object(&payload).ok_or(Reason::TokenMalformed)?;
    Ok(Untrusted { jws, claims })
}

/// Parses a JWS without looking into its payload.
///
/// # Errors
/// [`Reason::TokenMalformed`] for anything longer than [`MAX_TOKEN`], not of three parts (a JWE has five), not
/// strict base64url, with a header that is not an object of unique names, or with one that asks for what the
/// gateway does not do (`crit`, `b64`, `zip`, `enc`). [`Reason::TokenUnsigned`] for the algorithm `none`, in any
/// case; [`Reason::TokenAlgorithm`] for unknown ones.
pub fn jws(text: &str) -> Result<Jws<'_>, Reason> {
    if text.len() > MAX_TOKEN {
        return Err(Reason::TokenMalformed);
    }
    let (signing_input, _) = text.rsplit_once('.').ok_or(Reason::TokenMalformed)?;
    let (_, payload) = signing_input.split_once('.').ok_or(Reason::TokenMalformed)?;
    let parsed = UntrustedToken::<Extensions>::try_from(text).map_err(|_| Reason::TokenMalformed)?;
    let header = parsed.header();
    let kid = header.key_id.clone();
    if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
        return Err(Reason::TokenMalformed);
    }
    let unknown = match parsed.algorithm().eq_ignore_ascii_case("none") {
        true => Reason::TokenUnsigned,
        false => Reason::TokenAlgorithm,
    };
    let algorithm = Algorithm::parse(parsed.algorithm()).ok_or(unknown)?;
    let signature = parsed.signature_bytes().to_vec();
    if signature.is_empty() {
        return Err(Reason::TokenMalformed);
    }
    let typ = header.token_type.clone();
    Ok(Jws { algorithm, kid, typ, signing_input, signature, payload })
}

/// The header's members beyond those that `jwt-compact` reads: none that changes the meaning, none twice.
#[derive(Debug)]
struct Extensions;

impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ExtensionsVisitor)
    }
}

struct ExtensionsVisitor;

impl<'de> Visitor<'de> for ExtensionsVisitor {
    type Value = Extensions;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Extensions, A::Error> {
        // Not a list: a header of hundreds of names would be compared with itself.
        let mut seen: BTreeSet<String> = BTreeSet::new();
        while let Some((name, Strict(_))) = members.next_entry::<String, Strict>()? {
            if matches!(name.as_str(), "crit" | "b64" | "zip" | "enc") || seen.contains(&name) {
                return Err(A::Error::custom("unsupported or duplicate header member"));
            }
            seen.insert(name);
        }
        Ok(Extensions)
    }
}
