//! Caching by RFC 9111: what may be stored, under which key, for how long, and what to say about it.
//!
//! Pure: decides; the host looks up and stores.

use serde::{Deserialize, Serialize};

/// A route's cache rule. Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Freshness in milliseconds where the origin states none (heuristics are never used); `None`: only what the
    /// origin's own `Cache-Control` or `Expires` allows.
    pub ttl: Option<u32>,
    /// `ttl` rules even where the origin states another freshness.
    pub override_origin: bool,
    /// What beside host and path makes a key. Empty: the whole query.
    pub key: Vec<KeyPart>,
    /// Largest body stored, in bytes.
    pub max_bytes: u64,
}

/// A part of the cache key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyPart {
    /// The consumer: entries are never shared between callers.
    Consumer,
    /// One query parameter.
    Query(String),
    /// The whole query, in the order given.
    AllQuery,
    /// A request header, lower case.
    Header(String),
}
