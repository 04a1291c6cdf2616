//! JSON Web Tokens (RFC 7519): parsing, keys, claims, and the memory of verified tokens.
//!
//! Pure: signatures are checked by the host (Web Crypto at the edge, [`native`] elsewhere), time is a parameter.
//! The way of a token is in the types: [`parse::token`] makes an [`Untrusted`], [`Untrusted::admit`] a [`Pending`]
//! whose claims are right but whose signature nobody has checked, and [`Pending::verified`] the [`Identity`].
//! Claims are checked before the signature because that is the cheaper refusal: an expired token costs neither a
//! fetch of keys nor an operation of the host. It tells a stranger nothing that the stranger did not write.

use crate::fault::Reason;
use serde::{Deserialize, Serialize};

pub mod claims;
mod jwk;
pub mod keys;
pub mod memory;
#[cfg(feature = "cli")]
pub mod native;
pub mod parse;
mod strict;

pub use claims::Identity;
pub use parse::Untrusted;

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

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &[Algorithm] = &[
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
    ];

    /// The `alg` value, case-sensitive (RFC 7515 §4.1.1).
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::HS256 => "HS256",
            Algorithm::HS384 => "HS384",
            Algorithm::HS512 => "HS512",
            Algorithm::RS256 => "RS256",
            Algorithm::RS384 => "RS384",
            Algorithm::RS512 => "RS512",
            Algorithm::PS256 => "PS256",
            Algorithm::PS384 => "PS384",
            Algorithm::PS512 => "PS512",
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::EdDSA => "EdDSA",
        }
    }

    /// The algorithm that an `alg` value names. `Ed25519` (RFC 9864 §2.2) is the newer name of the one EdDSA curve
    /// that the gateway verifies. `none` is no algorithm here.
    pub fn parse(name: &str) -> Option<Algorithm> {
        if name == "Ed25519" {
            return Some(Algorithm::EdDSA);
        }
        Algorithm::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Whether signer and verifier share one secret (HS*).
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
    }
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

/// A token of an accepted issuer whose claims hold. Nothing of it may be used before its signature is verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending<'a> {
    /// The algorithm, on the issuer's allow-list.
    pub algorithm: Algorithm,
    /// The key's id, as the token names it.
    pub kid: Option<String>,
    /// What was signed (RFC 7515 §5.1 step 5).
    pub signing_input: &'a str,
    /// The signature's octets.
    pub signature: Vec<u8>,
    identity: Identity,
}

impl Pending<'_> {
    /// Index of the issuer in the plan: whose keys to take.
    pub fn issuer(&self) -> u32 {
        self.identity.issuer
    }

    /// The identity. Call it only when the host has said that the signature verifies under one of the issuer's
    /// [`keys::KeySet::candidates`].
    pub fn verified(self) -> Identity {
        self.identity
    }
}

impl<'a> Untrusted<'a> {
    /// Checks everything but the signature. `accepted` are the route's issuers, indexes into `issuers`; `now` is in
    /// Unix seconds. Where several accepted issuers share one `iss` the first that the token satisfies counts.
    ///
    /// # Errors
    /// The reason that the first issuer of that name gives; [`Reason::TokenIssuer`] if there is none.
    pub fn admit(self, issuers: &[Issuer], accepted: &[u32], now: u64) -> Result<Pending<'a>, Reason> {
        let mut refused = None;
        let mut found = None;
        for index in accepted {
            let Some(issuer) = usize::try_from(*index).ok().and_then(|index| issuers.get(index)) else {
                continue;
            };
            if self.issuer() != Some(issuer.issuer.as_str()) {
                continue;
            }
            match self.check(*index, issuer, now) {
                Ok(identity) => {
                    found = Some(identity);
                    break;
                }
                Err(reason) => {
                    refused.get_or_insert(reason);
                }
            }
        }
        let Some(identity) = found else { return Err(refused.unwrap_or(Reason::TokenIssuer)) };
        let parse::Jws { algorithm, kid, signing_input, signature, .. } = self.jws;
        Ok(Pending { algorithm, kid, signing_input, signature, identity })
    }

    fn check(&self, index: u32, issuer: &Issuer, now: u64) -> Result<Identity, Reason> {
        if !issuer.algorithms.contains(&self.jws.algorithm) {
            return Err(Reason::TokenAlgorithm);
        }
        claims::typ(issuer, self.jws.typ.as_deref())?;
        claims::check(index, issuer, &self.claims, now)
    }
}

#[cfg(test)]
mod tests;
