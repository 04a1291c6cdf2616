//! A canary: one of a route's backends whose share grows by the clock, in a straight line from one share to another.
//!
//! The share follows from the request's time alone, so every isolate knows it at every instant and nothing is
//! remembered. A caller is in if his point lies below the share: who is in stays in while it grows.

use super::split::PARTS;
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Which of the split's backends, by index. It has no weight: the others share out what it leaves.
    pub backend: u16,
    /// When it begins, milliseconds since 1970. Before that it gets nothing.
    pub from: u64,
    /// How long it grows, in milliseconds; 0: not at all.
    pub over: u64,
    /// Its share at the beginning, in parts of [`PARTS`].
    pub start: u16,
    /// Its share at the end and from then on.
    pub to: u16,
    /// Field by which a caller says `always` or `never`, in lower case. No origin gets it.
    pub header: Option<String>,
}

/// What a caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Send me to the canary.
    Always,
    /// Send me elsewhere.
    Never,
}

impl Word {
    /// Reads one; anything else says nothing.
    pub fn parse(text: &str) -> Option<Word> {
        match text {
            "always" => Some(Word::Always),
            "never" => Some(Word::Never),
            _ => None,
        }
    }
}

impl Canary {
    /// Its share at a moment, in parts of [`PARTS`].
    pub fn share(&self, now: u64) -> u16 {
        let Some(elapsed) = now.checked_sub(self.from) else { return 0 };
        if elapsed >= self.over {
            return self.to;
        }
        let gained = u128::from(self.to.saturating_sub(self.start)) * u128::from(elapsed);
        let gained = gained.checked_div(u128::from(self.over)).unwrap_or(0);
        self.start.saturating_add(u16::try_from(gained).unwrap_or(0))
    }

    /// Whether a caller who stands at `point` is in.
    pub fn takes(&self, point: u64, now: u64, word: Option<Word>) -> bool {
        match word {
            Some(word) => word == Word::Always,
            None => ((u128::from(point) * u128::from(PARTS)) >> 64) < u128::from(self.share(now)),
        }
    }

    /// Refuses shares that make no ramp; for the time of checking.
    pub fn check(&self) -> Result<(), String> {
        if self.to > PARTS {
            return Err("a canary ends with a share of 100% at most".into());
        }
        if self.start > self.to {
            return Err("a canary grows: `start` must not be more than `to`".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: u64 = 1_773_144_000_000;

    fn canary(start: u16, to: u16, over: u64) -> Canary {
        Canary { backend: 0, from: FROM, over, start, to, header: None }
    }

    #[test]
    fn the_share_grows_in_a_straight_line() {
        let ramp = canary(500, 5000, 7_200_000);
        for (after, share) in [
            (0, 500),
            (1, 500),
            (1_600, 501),
            (720_000, 950),
            (3_600_000, 2750),
            (7_199_999, 4999),
            (7_200_000, 5000),
            (u64::MAX - FROM, 5000),
        ] {
            assert_eq!(ramp.share(FROM + after), share, "{after}");
        }
        assert_eq!((ramp.share(FROM - 1), ramp.share(0)), (0, 0));
        assert_eq!((canary(0, 300, 0).share(FROM - 1), canary(0, 300, 0).share(FROM)), (0, 300));
    }

    #[test]
    fn a_caller_may_say_a_word() {
        let ramp = canary(0, 5000, 1000);
        assert!(
            ramp.takes(u64::MAX, 0, Word::parse("always")) && !ramp.takes(0, u64::MAX, Word::parse("never"))
        );
        for other in ["", "Always", "yes", "always, never", "1"] {
            assert_eq!(Word::parse(other), None, "{other}");
        }
    }

    #[test]
    fn ramps_that_are_none() {
        canary(0, 1, 1).check().unwrap();
        canary(PARTS, PARTS, 1).check().unwrap();
        canary(0, 0, 1).check().unwrap();
        for (start, to) in [(2, 1), (0, PARTS + 1)] {
            assert!(canary(start, to, 1).check().is_err(), "{start} {to}");
        }
    }

    proptest! {
        #[test]
        fn who_is_in_stays_in(
            (start, to) in (0..=PARTS).prop_flat_map(|to| (0..=to, Just(to))), over in 0u64..1 << 40,
            point in any::<u64>(), one in 0u64..1 << 41, other in 0u64..1 << 41,
        ) {
            let ramp = canary(start, to, over);
            let (early, late) = (FROM + one.min(other), FROM + one.max(other));
            prop_assert!(ramp.share(early) <= ramp.share(late));
            prop_assert!(!ramp.takes(point, early, None) || ramp.takes(point, late, None));
            prop_assert!(start <= ramp.share(early) && ramp.share(late) <= to);
        }

        /// Within one part of the line.
        #[test]
        fn the_share_is_that_of_the_line((start, to) in (0..=PARTS).prop_flat_map(|to| (0..=to, Just(to))), over in 1u64..1 << 40, part in 0.0..1.0f64) {
            let elapsed = (over as f64 * part) as u64;
            let exact = f64::from(start) + f64::from(to - start) * (elapsed as f64 / over as f64);
            let share = f64::from(canary(start, to, over).share(FROM + elapsed));
            prop_assert!((-1e-6..=1.0 + 1e-6).contains(&(exact - share)), "{share} for {exact}");
        }
    }
}
