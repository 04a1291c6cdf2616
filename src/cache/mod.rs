//! Caching by RFC 9111: what may be stored, under which key, for how long, and what to say about it.
//!
//! Pure: decides; the host looks up and stores. A request's way through it:
//! [`request_may_use`] → [`key`] → (look up) → [`judge`] → [`Hit::edits`], or on a miss → forward → [`storable`]
//! → [`Stored::edits`] → (store).
//!
//! Safe by default: only GET is stored (HEAD is answered from a stored GET); `no-store`, `private`, `no-cache`,
//! `Set-Cookie`, `Vary: *` and partial content never are, whatever the route file says; an answer to a request
//! with credentials is stored only under a key that tells callers apart or if the origin says that all may share
//! it (§3.5). Nothing stale is ever served. One variant is kept per key: where the request header fields that
//! `Vary` names differ, the lookup misses and the new answer replaces the old. Fields count as the origin gets them,
//! after all edits of the gateway: a client must not choose the variant under which another's answer lies.
//!
//! What one request spoils is not kept for others: nothing that answers a request with a field by which it may have
//! asked for another resource (`X-HTTP-Method-Override`, `X-Original-URL`), no error that may be about the request
//! itself, and no coding is served to whom it says nothing.
//!
//! Not done here: revalidation with the origin (a conditional request that misses goes to the origin as it is)
//! and invalidation by unsafe methods (§4.4): of one URL there may be as many keys as callers and named fields, an
//! unsafe request knows but its own, and the Cache API deletes by key, in one place. Choose the `ttl` accordingly.

use serde::{Deserialize, Serialize};

mod control;
mod key;
mod reuse;
mod status;
mod store;

pub use control::Control;
pub use key::{Caller, Subject, key};
pub use reuse::{Hit, NOT_MODIFIED_REMOVES, Verdict, decodable, judge, not_modified};
pub use status::{Outcome, cache_status};
pub use store::{Ask, STORED, Stored, Times, VARY, request_may_use, storable};

/// A route's cache rule. Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Freshness in milliseconds where the origin states none (heuristics are never used); `None`: only what the
    /// origin's own `Cache-Control` or `Expires` allows.
    pub ttl: Option<u32>,
    /// `ttl` rules even where the origin states another freshness.
    pub override_origin: bool,
    /// What beside scheme, authority and path makes a key. Empty: the whole query.
    pub key: Vec<KeyPart>,
    /// Largest body stored, in bytes.
    pub max_bytes: u64,
}

/// A part of the cache key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyPart {
    /// The consumer and all that the origin is told of the caller: entries are never shared between callers.
    Consumer,
    /// One query parameter.
    Query(String),
    /// The whole query, in the order given.
    AllQuery,
    /// A request header, lower case.
    Header(String),
}

#[cfg(test)]
mod tests;
