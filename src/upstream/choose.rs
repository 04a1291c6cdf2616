//! Choosing a target: by weight, never the same twice for one request, and not one that has just failed.

use super::Target;

/// Most targets of one upstream that are ever chosen from.
pub const MAX_TARGETS: usize = 64;
/// How long a target that failed is passed over, in milliseconds.
pub const PAUSE: u64 = 5_000;
/// Most failures remembered at once.
const MAX_FAILED: usize = 64;
/// Doubtful failures in a row that make one.
const DOUBTS: u8 = 2;

/// Targets that have just failed, as this isolate saw it. Passive: nothing is probed; after [`PAUSE`] the next
/// request tries again. Bounded to 64 entries; a further one takes the place of the one that ends first.
#[derive(Clone, Debug, Default)]
pub struct Failed {
    /// Upstream and target by their indexes in the plan, and when the pause ends.
    entries: Vec<(u32, u32, u64)>,
    /// Upstream, target, doubtful failures in a row, and when the last of them was.
    doubts: Vec<(u32, u32, u8, u64)>,
}

impl Failed {
    /// Remembers that a target failed. `now` in milliseconds.
    pub fn failed(&mut self, upstream: u32, target: usize, now: u64) {
        let Ok(target) = u32::try_from(target) else { return };
        let until = now.saturating_add(PAUSE);
        self.entries.retain(|e| pauses(e.2, now) && (e.0, e.1) != (upstream, target));
        if self.entries.len() >= MAX_FAILED
            && let Some((at, _)) = self.entries.iter().enumerate().min_by_key(|(_, e)| e.2)
        {
            self.entries.swap_remove(at);
        }
        self.entries.push((upstream, target, until));
    }

    /// Remembers a failure while the client's body was on its way: the platform does not say whether the target broke
    /// off or the client, nor for whom the time ran out. One alone is taken for the client's, lest strangers choose where others are sent.
    pub fn doubted(&mut self, upstream: u32, target: usize, now: u64) {
        let Ok(index) = u32::try_from(target) else { return };
        self.doubts.retain(|doubt| doubt.3 <= now && now.saturating_sub(doubt.3) < PAUSE);
        let found = self.doubts.iter().position(|doubt| (doubt.0, doubt.1) == (upstream, index));
        let before = found.map_or(0, |at| self.doubts.swap_remove(at).2);
        let count = before.saturating_add(1);
        if count >= DOUBTS {
            self.failed(upstream, target, now);
        } else if self.doubts.len() < MAX_FAILED {
            self.doubts.push((upstream, index, count, now));
        }
    }

    /// Forgets a failure, for the target has answered.
    pub fn answered(&mut self, upstream: u32, target: usize) {
        if !self.doubts.is_empty() {
            self.doubts.retain(|doubt| doubt.0 != upstream || u32::try_from(target) != Ok(doubt.1));
        }
        if !self.entries.is_empty() {
            self.entries.retain(|e| e.0 != upstream || u32::try_from(target) != Ok(e.1));
        }
    }

    /// Whether a target is to be passed over at `now`.
    pub fn pauses(&self, upstream: u32, target: usize, now: u64) -> bool {
        self.entries.iter().any(|e| e.0 == upstream && u32::try_from(target) == Ok(e.1) && pauses(e.2, now))
    }
}

/// Whether a pause that ends at `until` holds at `now`. A clock that went back must not stretch it.
fn pauses(until: u64, now: u64) -> bool {
    until > now && until.saturating_sub(now) <= PAUSE
}

/// The targets tried for one request, in turn. Allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    random: u64,
    tried: u64,
}

impl Tries {
    /// For one request, with 64 random bits.
    pub fn new(random: u64) -> Tries {
        Tries { random, tried: 0 }
    }

    /// The next target's index; `None` when each has been tried. By weight among those that have not failed
    /// lately; then those of weight 0 in declared order; only then, in the same way, those that have.
    pub fn next(&mut self, upstream: u32, targets: &[Target], failed: &Failed, now: u64) -> Option<usize> {
        let tried = self.tried;
        let left =
            move || targets.iter().take(MAX_TARGETS).enumerate().filter(move |(i, _)| tried >> i & 1 == 0);
        let out = |i: &usize| failed.pauses(upstream, *i, now);
        let chosen = pick(left().filter(|(i, _)| !out(i)).map(|(i, t)| (i, t.weight)), self.random)
            .or_else(|| pick(left().map(|(i, t)| (i, t.weight)), self.random))?;
        self.tried |= 1u64.checked_shl(u32::try_from(chosen).ok()?)?;
        // SplitMix64's step and mix: the next choice must not depend on this one.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        self.random = mixed ^ mixed >> 27;
        Some(chosen)
    }
}

/// One of the weighted indexes; the first if all weigh nothing. Without modulo, so without bias.
fn pick(weighted: impl Iterator<Item = (usize, u32)> + Clone, random: u64) -> Option<usize> {
    let total: u64 = weighted.clone().map(|(_, w)| u64::from(w)).sum();
    let mut point = (u128::from(random) * u128::from(total)) >> 64;
    for (i, weight) in weighted.clone() {
        if point < u128::from(weight) {
            return Some(i);
        }
        point = point.saturating_sub(u128::from(weight));
    }
    weighted.map(|(i, _)| i).next()
}

/// Whether a request may be sent to another target after a failure: its method is idempotent (RFC 9110 §9.2.2)
/// and it has no body, which would be gone with the first try.
pub fn may_send_again(method: &str, has_body: bool) -> bool {
    !has_body && matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn targets(weights: &[u32]) -> Vec<Target> {
        weights.iter().map(|w| Target { url: "http://a".into(), via: None, weight: *w }).collect()
    }

    fn all(weights: &[u32], failed: &Failed, now: u64, random: u64) -> Vec<usize> {
        let (targets, mut tries) = (targets(weights), Tries::new(random));
        std::iter::from_fn(|| tries.next(0, &targets, failed, now)).collect()
    }

    #[test]
    fn a_failure_that_may_be_the_clients_counts_when_it_comes_twice_in_a_row() {
        let mut failed = Failed::default();
        failed.doubted(0, 1, 10);
        assert!(!failed.pauses(0, 1, 11));
        failed.answered(0, 1);
        failed.doubted(0, 1, 20);
        failed.doubted(0, 2, 20);
        failed.doubted(1, 1, 20);
        assert!(!failed.pauses(0, 1, 21));
        failed.doubted(0, 1, 30);
        assert!(failed.pauses(0, 1, 31) && !failed.pauses(0, 2, 31) && !failed.pauses(1, 1, 31));
        // Long ago is not in a row.
        failed.doubted(0, 2, 20 + PAUSE);
        assert!(!failed.pauses(0, 2, 21 + PAUSE));
        (0..200).for_each(|target| failed.doubted(2, target, 40));
        assert!(failed.doubts.len() <= MAX_FAILED);
    }

    #[test]
    fn shares_follow_weights() {
        let t = targets(&[1, 3, 0]);
        let mut counts = [0u32; 3];
        for i in 0..4000u64 {
            let random = i * (u64::MAX / 4000);
            counts[Tries::new(random).next(0, &t, &Failed::default(), 0).unwrap()] += 1;
        }
        assert_eq!(counts[2], 0);
        assert!(counts[0].abs_diff(1000) <= 1 && counts[1].abs_diff(3000) <= 1, "{counts:?}");
    }

    #[test]
    fn second_choice_does_not_follow_from_the_first() {
        let t = targets(&[1, 1, 1, 1]);
        let mut seconds = [0u32; 4];
        for i in 0..4000u64 {
            // All in the first quarter: the first choice is 0.
            let mut tries = Tries::new(i * (u64::MAX / 16_001));
            assert_eq!(tries.next(0, &t, &Failed::default(), 0), Some(0));
            seconds[tries.next(0, &t, &Failed::default(), 0).unwrap()] += 1;
        }
        assert!(seconds[1..].iter().all(|n| n.abs_diff(1333) < 200), "{seconds:?}");
    }

    #[test]
    fn failed_targets_come_last_until_the_pause_ends() {
        let mut failed = Failed::default();
        failed.failed(0, 0, 1_000);
        assert_eq!(all(&[9, 1, 0], &failed, 1_000, 0), [1, 2, 0]);
        assert_eq!(all(&[9, 1, 0], &failed, 5_999, 0), [1, 2, 0]);
        assert_eq!(all(&[9, 1, 0], &failed, 6_000, 0).first(), Some(&0));
        // Another upstream's target is another one.
        assert!(!failed.pauses(1, 0, 1_000));
        // The clock went back a day: no pause of a day.
        assert!(!failed.pauses(0, 0, 0));
        failed.failed(0, 1, 1_000);
        failed.failed(0, 2, 1_000);
        assert_eq!(all(&[9, 1, 0], &failed, 1_000, 0).len(), 3);
        failed.answered(0, 0);
        assert_eq!(all(&[9, 1, 0], &failed, 1_000, u64::MAX).first(), Some(&0));
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut failed = Failed::default();
        for i in 0..1000u32 {
            failed.failed(i, 0, u64::from(i));
        }
        assert_eq!(failed.entries.len(), MAX_FAILED);
        assert!(failed.pauses(999, 0, 999) && !failed.pauses(0, 0, 999));
    }

    #[test]
    fn only_idempotent_requests_without_a_body_are_sent_again() {
        for (method, body, expected) in [
            ("GET", false, true),
            ("PUT", false, true),
            ("PUT", true, false),
            ("POST", false, false),
            ("PATCH", false, false),
        ] {
            assert_eq!(may_send_again(method, body), expected, "{method} {body}");
        }
    }

    proptest! {
        #[test]
        fn each_target_once_and_the_best_first(
            weights in prop::collection::vec(0u32..4, 0..70), out in prop::collection::vec(0usize..70, 0..20),
            random in any::<u64>()
        ) {
            let mut failed = Failed::default();
            for i in &out { failed.failed(0, *i, 10); }
            let order = all(&weights, &failed, 10, random);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..weights.len().min(MAX_TARGETS)).collect::<Vec<_>>());
            let rank: Vec<_> = order.iter().map(|i| (out.contains(i), weights[*i] == 0)).collect();
            prop_assert!(rank.is_sorted(), "{:?}", rank);
        }
    }
}
