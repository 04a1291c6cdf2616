//! Calendar quotas: so many in each hour, day, week or month of UTC.

use super::{NEVER, Period, Verdict};

/// A quota's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Requests per period.
    pub limit: u64,
    /// The period.
    pub period: Period,
}

/// The count of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The period it was written under.
    pub period: Period,
    /// When that began, in milliseconds since 1970.
    pub start: u64,
    /// What was taken in it.
    pub used: u64,
}

impl Count {
    /// The count as it stands at `now`; a clock that went back to an earlier period does not change it.
    fn rolled(self, now: u64) -> Count {
        let (start, _) = self.period.bounds(now);
        if start > self.start { Count { start, used: 0, ..self } } else { self }
    }

    /// What is taken at `now`.
    pub fn used(&self, now: u64) -> u64 {
        self.rolled(now).used
    }

    /// When the period ends, in milliseconds since 1970.
    pub fn lapses(&self) -> u64 {
        self.period.bounds(self.start).1
    }

    /// Takes back a charge of `cost` that left the count as `charged`. `None`: its period is over, or the quota now
    /// has another one.
    pub fn refund(self, charged: &Count, cost: u32, now: u64) -> Option<Count> {
        let count = self.rolled(now);
        ((charged.period, charged.start) == (count.period, count.start))
            .then_some(Count { used: count.used.saturating_sub(cost.into()), ..count })
    }
}

impl Rule {
    /// Nothing taken.
    pub fn empty(&self, now: u64) -> Count {
        self.holding(0, now)
    }

    /// `used` taken in the period of `now`.
    pub fn holding(&self, used: u64, now: u64) -> Count {
        Count { period: self.period, start: self.period.bounds(now).0, used }
    }

    /// Judges a request of `cost`; see [`super::Algorithm::judge`]. The count must be of the same period.
    pub fn judge(&self, count: Count, cost: u32, now: u64) -> (Verdict, Count) {
        let count = count.rolled(now);
        let cost = u64::from(cost);
        let admitted = count.used.checked_add(cost).is_some_and(|used| used <= self.limit) || cost == 0;
        let kept = if admitted { Count { used: count.used.saturating_add(cost), ..count } } else { count };
        let reset_ms = kept.lapses().saturating_sub(now);
        let verdict = Verdict {
            admitted,
            remaining: self.limit.saturating_sub(kept.used),
            reset_ms: if kept.used == 0 { 0 } else { reset_ms },
            retry_ms: match admitted {
                true => 0,
                false if cost > self.limit => NEVER,
                false => reset_ms,
            },
        };
        (verdict, kept)
    }
}
