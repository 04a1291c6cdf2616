//! Mirrors: copies of requests to upstreams whose answers nobody waits for and nobody reads.
//!
//! A copy is what the upstream itself is sent, once however many of its targets are tried; requests that a cache
//! answers, or the gateway, have none. It must never matter to the client, so whatever would cost him anything is left
//! undone: a body above a bound is not copied, and the host sends no copy while it has too many under way.

use super::headers::{Captured, Edit, Headers};
use super::split::PARTS;
use crate::upstream::hop::MIRROR;
use serde::{Deserialize, Serialize};

/// Most mirrors of one route: with its upstream's further targets they stay within the six connections at once that a
/// request may have.
pub const MAX_MIRRORS: usize = 3;
/// Largest body that can be copied, in bytes.
pub const MAX_BODY: u64 = 4 << 20;
/// Longest time that a mirror may have for its answer's headers, in milliseconds: the platform ends what goes on for
/// longer after the client's answer.
pub const MAX_TIMEOUT: u64 = 25_000;
/// What a copy lacks unless the route says otherwise.
const CREDENTIALS: [&str; 2] = ["authorization", "cookie"];

/// Compiled form of one mirror.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mirror {
    /// Index into the plan's upstreams.
    pub upstream: u32,
    /// Share of the requests that are copied, in parts of [`PARTS`].
    pub share: u16,
    /// Copies keep `Authorization` and `Cookie` as the upstream gets them.
    pub keep_credentials: bool,
    /// Edits behind those of the upstream's request; none of an answer, which nobody gets.
    pub headers: Headers,
    /// Largest body copied, in bytes; 0: requests with a body have no copy.
    pub max_body: u32,
    /// Milliseconds for the answer's headers.
    pub timeout: u32,
}

impl Mirror {
    /// Whether a request that drew `lot`, 64 random bits, is one of the share.
    pub fn takes(&self, lot: u64) -> bool {
        ((u128::from(lot) * u128::from(PARTS)) >> 64) < u128::from(self.share)
    }

    /// Whether a body may be copied, by its declared length; one that is not declared is measured on the way.
    pub fn fits(&self, length: Option<u64>) -> bool {
        self.max_body > 0 && length.is_none_or(|length| length <= u64::from(self.max_body))
    }

    /// The edits that make a copy, from those that make the upstream's request.
    pub fn edits(&self, sent: &[Edit], captured: &Captured) -> Vec<Edit> {
        let own = self.headers.request.len();
        let mut edits = Vec::with_capacity(sent.len().saturating_add(own).saturating_add(3));
        edits.extend(sent.iter().cloned());
        if !self.keep_credentials {
            edits.extend(CREDENTIALS.map(|name| Edit::Remove(name.into())));
        }
        self.headers.request_edits(captured, &mut edits);
        edits.push(Edit::Set(MIRROR.into(), "1".into()));
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{Edited, Headers as _};
    use proptest::prelude::*;

    fn mirror(share: u16, keep_credentials: bool) -> Mirror {
        let headers =
            Headers { request: vec![Edit::Set("x-shadow".into(), "1".into())], ..Headers::default() };
        Mirror { upstream: 0, share, keep_credentials, headers, max_body: 10, timeout: 1 }
    }

    #[test]
    fn a_copy_is_marked_and_has_no_credentials() {
        let base = [("authorization", "Bearer a"), ("cookie", "b=1"), ("accept", "*/*"), (MIRROR, "0")];
        let base: Vec<_> = base.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        // What the route itself tells its origin may be a secret between the two.
        let sent = [Edit::Set("authorization".into(), "Basic c".into()), Edit::Set("x-a".into(), "1".into())];
        for (keep, authorization, cookie) in [(false, None, None), (true, Some("Basic c"), Some("b=1"))] {
            let edits = mirror(1, keep).edits(&sent, &[]);
            let copy = Edited { base: &base, edits: &edits };
            assert_eq!(copy.get("authorization").as_deref(), authorization);
            assert_eq!(copy.get("cookie").as_deref(), cookie);
            for (name, value) in [("accept", "*/*"), ("x-a", "1"), ("x-shadow", "1"), (MIRROR, "1")] {
                assert_eq!(copy.get(name).as_deref(), Some(value), "{name}");
            }
        }
    }

    #[test]
    fn bodies_above_the_bound_are_not_copied() {
        let own = mirror(1, false);
        assert!(own.fits(Some(10)) && own.fits(None) && !own.fits(Some(11)));
        assert!(!Mirror { max_body: 0, ..own }.fits(None));
    }

    #[test]
    fn shares_are_exact_at_their_ends() {
        assert!(!mirror(0, false).takes(0) && mirror(PARTS, false).takes(u64::MAX));
        assert!(mirror(1, false).takes(0) && !mirror(PARTS - 1, false).takes(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_larger_share_takes_whom_a_smaller_takes(lot in any::<u64>(), one in 0..=PARTS, other in 0..=PARTS) {
            let (small, large) = (one.min(other), one.max(other));
            prop_assert!(!mirror(small, false).takes(lot) || mirror(large, false).takes(lot));
            prop_assert_eq!(mirror(one, false).takes(lot), (lot as f64) < f64::from(one) / f64::from(PARTS) * 2f64.powi(64));
        }
    }
}
