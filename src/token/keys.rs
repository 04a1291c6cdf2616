//! Keys of an issuer: a JWK Set (RFC 7517 §5), which of its keys a token may be verified with, and a set by URL
//! that refreshes itself ([`Cached`]).

use super::strict::object;
use super::{Algorithm, Issuer, Keys};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

mod cached;
mod source;

pub use super::jwk::{Key, MAX_RSA_BITS, MAX_SECRET, MIN_RSA_BITS};
pub use cached::{Cached, Need, RETRY, Ticket, Timing};
pub use source::{FETCH_DEADLINE, Source};

/// Longest JWK Set in bytes.
pub const MAX_SET: usize = 64 * 1024;
/// Most keys in a set.
pub const MAX_KEYS: usize = 100;
/// Most keys that one token is tried with, where several share its `kid`.
pub const MAX_CANDIDATES: usize = 4;

/// Why a text is no usable JWK Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// Longer than [`MAX_SET`].
    TooLong,
    /// Not a JSON object with unique names and a `keys` array.
    Malformed,
    /// More than [`MAX_KEYS`].
    TooMany,
    /// No key in it can verify a signature.
    Empty,
}

impl fmt::Display for SetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            SetError::TooLong => "the key set is longer than 64 KiB",
            SetError::Malformed => "the key set is no JSON object with a `keys` array and unique names",
            SetError::TooMany => "the key set has more than 100 keys",
            SetError::Empty => "the key set has no key that can verify a signature",
        })
    }
}

impl std::error::Error for SetError {}

/// The usable keys of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Arc<Key>>,
    skipped: Vec<(usize, &'static str)>,
    /// One shared secret: it is meant whatever `kid` a token names.
    secret: bool,
}

impl KeySet {
    /// Reads a JWK Set. Keys that cannot be used are skipped (RFC 7517 §5), so that one new kind of key does not
    /// take the others away.
    ///
    /// # Errors
    /// If nothing in it can be used, or it is too large to look at.
    pub fn parse(json: &str) -> Result<KeySet, SetError> {
        if json.len() > MAX_SET {
            return Err(SetError::TooLong);
        }
        let set = object(json.as_bytes()).ok_or(SetError::Malformed)?;
        let list = set.get("keys").and_then(Value::as_array).ok_or(SetError::Malformed)?;
        if list.len() > MAX_KEYS {
            return Err(SetError::TooMany);
        }
        let mut keys = Vec::new();
        let mut skipped = Vec::new();
        for (index, jwk) in list.iter().enumerate() {
            match jwk.as_object().ok_or("it is no object").and_then(Key::parse) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(why) => skipped.push((index, why)),
            }
        }
        if keys.is_empty() {
            return Err(SetError::Empty);
        }
        Ok(KeySet { keys, skipped, secret: false })
    }

    /// The set of one shared secret, for [`Keys::Secret`]: the binding's text, its UTF-8 octets being the key.
    ///
    /// # Errors
    /// [`SetError::Empty`] if it is shorter than 32 bytes (too short for any HS*) or longer than [`MAX_SECRET`].
    pub fn secret(text: &str) -> Result<KeySet, SetError> {
        let key = Key::secret(text.as_bytes()).map_err(|_| SetError::Empty)?;
        Ok(KeySet { keys: vec![Arc::new(key)], skipped: Vec::new(), secret: true })
    }

    /// Keys that were skipped: position in the set and why. For `check` and the events of the operator.
    pub fn skipped(&self) -> &[(usize, &'static str)] {
        &self.skipped
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never true: a set without keys is an error.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a token may be verified with, to be tried in order. A `kid` selects the keys of that id, at
    /// most [`MAX_CANDIDATES`]. A token without one matches only if exactly one key fits its algorithm.
    pub fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<Arc<Key>> {
        let kid = if self.secret { None } else { kid };
        let fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        match kid {
            Some(_) => {
                fitting.filter(|key| key.kid.as_deref() == kid).take(MAX_CANDIDATES).cloned().collect()
            }
            None => {
                let mut few = fitting.take(2);
                match (few.next(), few.next()) {
                    (Some(only), None) => vec![Arc::clone(only)],
                    _ => Vec::new(),
                }
            }
        }
    }

    /// Whether there is any such key.
    pub fn has(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        !self.candidates(kid, algorithm).is_empty()
    }
}

/// Checks what an issuer's definition says of algorithms and keys: for `check`, and for the plan's reader.
///
/// # Errors
/// One sentence for the route file's author.
pub fn consistent(issuer: &Issuer) -> Result<(), String> {
    if issuer.algorithms.is_empty() {
        return Err("an issuer needs at least one algorithm".into());
    }
    if issuer.audiences.is_empty() {
        return Err("an issuer needs at least one audience".into());
    }
    let symmetric = issuer.algorithms.iter().filter(|algorithm| algorithm.is_symmetric()).count();
    if symmetric != 0 && symmetric != issuer.algorithms.len() {
        return Err("HS* cannot stand together with public-key algorithms".into());
    }
    match &issuer.keys {
        Keys::Secret(_) if symmetric == 0 => Err("a shared secret needs HS256, HS384 or HS512".into()),
        Keys::Jwks { .. } if symmetric != 0 => Err("HS* needs a secret binding, not published keys".into()),
        Keys::Inline(json) => {
            if symmetric != 0 {
                return Err("HS* needs a secret binding: a secret in a route file is none".into());
            }
            let set = KeySet::parse(json).map_err(|error| error.to_string())?;
            match issuer.algorithms.iter().find(|algorithm| !set.keys.iter().any(|key| key.fits(**algorithm)))
            {
                Some(algorithm) => Err(format!("no key of the set fits {}", algorithm.name())),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
