//! JSON Web Tokens: parsing, keys, claims, and the memory of verified tokens.
//!
//! Pure: signatures are checked by the host (Web Crypto at the edge), time is a parameter.

use serde::{Deserialize, Serialize};

/// Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Whom to believe, and what their tokens must look like. Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issuer {
    /// Id within the plan, e.g. `customers` or `orders/v2/partners`.
    pub id: String,
    /// The exact `iss`.
    pub issuer: String,
    /// Accepted `aud`: one must be among the token's. Never empty.
    pub audiences: Vec<String>,
    /// Accepted algorithms; never empty, and never HS* together with public-key ones.
    pub algorithms: Vec<Algorithm>,
    /// Where the keys come from.
    pub keys: Keys,
    /// Tolerance for `exp`, `nbf` and `iat`, in seconds (0–300).
    pub leeway: u32,
    /// Accepted `typ`, lower case without `application/`; empty: any or none.
    pub types: Vec<String>,
    /// Claims that must be present beside `iss`, `aud` and `exp`.
    pub required: Vec<String>,
    /// Claim with the scopes: a space-separated string or an array of strings.
    pub scope_claim: String,
    /// Claim that names the consumer, `sub` unless stated.
    pub consumer_claim: String,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Keys {
    /// A JWK Set in the plan, as JSON text (RFC 7517 §5).
    Inline(String),
    /// A JWK Set by URL.
    Jwks {
        /// `https:` (or loopback in development).
        url: String,
        /// Seconds for which a fetched set is fresh.
        ttl: u32,
        /// At most one fetch per so many seconds, whatever key ids tokens name.
        interval: u32,
        /// Seconds past `ttl` for which a known set serves while fetches fail.
        max_stale: u32,
    },
    /// A shared secret for HS*, by the name of its binding.
    Secret(String),
}
