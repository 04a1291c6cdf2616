//! Where the keys of one issuer come from, behind one face.
//!
//! The pipeline's way with a [`super::super::Pending`] token, at most two fetches long:
//! 1. [`Source::need`]: on [`Need::Fetch`] fetch, report with [`Source::fetched`], and ask once more; on
//!    [`Need::Refresh`] go on, and have what [`Source::due`] gives fetched by nobody's request.
//! 2. With keys, note the epoch for [`super::super::memory::Memory::put`], and let the host verify under each of
//!    [`KeySet::candidates`]; the first that verifies ends it.
//! 3. If none does, [`Source::refetch`]; if that gave other keys, 1 and 2 once more; else the signature is wrong.

use super::super::Keys;
use super::{Algorithm, Cached, KeySet, Need, SetError, Ticket, Timing};
use crate::fault::Reason;
use std::sync::Arc;

/// Seconds after which a fetch of keys is given up.
pub const FETCH_DEADLINE: u64 = 6;

/// The keys of one issuer: fixed ones, or a set by URL and its state.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// From the plan or a secret binding.
    Fixed(Arc<KeySet>),
    /// By URL.
    Remote(Cached),
}

impl Source {
    /// The source that a plan names. `secret` is the value of the binding that [`Keys::Secret`] names, if bound.
    ///
    /// # Errors
    /// [`Reason::SecretMissing`] if the secret is not bound or too short for any HS*; [`Reason::PlanUnusable`] if
    /// the plan's own keys cannot be read, which its compiler would have refused.
    pub fn new(keys: &Keys, secret: Option<&str>) -> Result<Source, Reason> {
        match keys {
            Keys::Inline(json) => {
                KeySet::parse(json).map(|set| Source::Fixed(Arc::new(set))).map_err(|_| Reason::PlanUnusable)
            }
            Keys::Secret(_) => secret
                .and_then(|text| KeySet::secret(text).ok())
                .map(|set| Source::Fixed(Arc::new(set)))
                .ok_or(Reason::SecretMissing),
            Keys::Jwks { ttl, interval, max_stale, .. } => Ok(Source::Remote(Cached::new(Timing {
                ttl: u64::from(*ttl),
                interval: u64::from(*interval),
                max_stale: u64::from(*max_stale),
                deadline: FETCH_DEADLINE,
            }))),
        }
    }

    /// As [`Cached::need`]; fixed keys are [`Need::Use`] or [`Need::Unknown`].
    pub fn need(&mut self, now: u64, kid: Option<&str>, algorithm: Algorithm) -> Need {
        match self {
            Source::Fixed(set) if set.has(kid, algorithm) => Need::Use(Arc::clone(set)),
            Source::Fixed(_) => Need::Unknown,
            Source::Remote(cached) => cached.need(now, kid, algorithm),
        }
    }

    /// As [`Cached::due`]; never for fixed keys.
    pub fn due(&mut self, now: u64) -> Option<Ticket> {
        match self {
            Source::Fixed(_) => None,
            Source::Remote(cached) => cached.due(now),
        }
    }

    /// As [`Cached::refetch`]; fixed keys are all there are.
    pub fn refetch(&mut self, now: u64) -> Need {
        match self {
            Source::Fixed(_) => Need::Unknown,
            Source::Remote(cached) => cached.refetch(now),
        }
    }

    /// As [`Cached::fetched`].
    pub fn fetched(&mut self, now: u64, ticket: Ticket, result: Option<Result<KeySet, SetError>>) -> bool {
        match self {
            Source::Fixed(_) => false,
            Source::Remote(cached) => cached.fetched(now, ticket, result),
        }
    }

    /// As [`Cached::epoch`]: 0 for fixed keys, which change with the plan only.
    pub fn epoch(&self) -> u64 {
        match self {
            Source::Fixed(_) => 0,
            Source::Remote(cached) => cached.epoch(),
        }
    }

    /// As [`Cached::remember_until`]; fixed keys hold as long as the plan.
    pub fn remember_until(&self, now: u64) -> u64 {
        match self {
            Source::Fixed(_) => u64::MAX,
            Source::Remote(cached) => cached.remember_until(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_that_are_missing_or_short_are_named() {
        let keys = Keys::Secret("PARTNERS".into());
        for secret in [None, Some(""), Some("too short")] {
            assert_eq!(Source::new(&keys, secret), Err(Reason::SecretMissing));
        }
        let mut source = Source::new(&keys, Some(&"s".repeat(32))).unwrap();
        assert!(matches!(source.need(0, Some("any"), Algorithm::HS256), Need::Use(_)));
        assert_eq!(source.need(0, None, Algorithm::HS512), Need::Unknown);
        assert_eq!((source.refetch(0), source.due(0)), (Need::Unknown, None));
        assert_eq!((source.epoch(), source.remember_until(0)), (0, u64::MAX));
    }

    #[test]
    fn inline_keys_are_read_at_once() {
        assert_eq!(Source::new(&Keys::Inline("{}".into()), None), Err(Reason::PlanUnusable));
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let mut source = Source::new(&Keys::Inline(json!({ "keys": [key] }).to_string()), None).unwrap();
        assert!(matches!(source.need(0, Some("a"), Algorithm::EdDSA), Need::Use(_)));
        assert_eq!(source.need(0, Some("b"), Algorithm::EdDSA), Need::Unknown);
    }

    #[test]
    fn keys_by_url_follow_the_plans_numbers() {
        let keys = Keys::Jwks { url: "https://id.example/jwks".into(), ttl: 10, interval: 60, max_stale: 30 };
        let mut source = Source::new(&keys, None).unwrap();
        let Need::Fetch(ticket) = source.need(100, None, Algorithm::EdDSA) else { panic!("no fetch") };
        assert_eq!(source.need(100, None, Algorithm::EdDSA), Need::Wait(100 + FETCH_DEADLINE));
        assert!(!source.fetched(100, ticket, None));
        assert_eq!((source.epoch(), source.remember_until(100)), (0, 0));
    }
}
