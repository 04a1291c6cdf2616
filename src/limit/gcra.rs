//! Token bucket: the generic cell rate algorithm in its leaky-bucket form.
//!
//! ITU-T I.371 gives the algorithm in two equivalent forms. The better known one keeps a theoretical arrival time;
//! this one keeps the *level*, what was taken and has not yet flowed back, because a level stays exact for rates that
//! do not divide a millisecond and keeps its count when the limit's parameters change.
//!
//! In any span of `t` milliseconds a bucket admits at most `burst + rate·t/period`.

use super::{NEVER, Verdict};

/// A bucket's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Tokens per period, ≥ 1.
    pub rate: u32,
    /// Period in milliseconds, ≥ 1.
    pub period: u32,
    /// Size of the bucket.
    pub burst: u32,
}

/// A bucket's state: at `at` its level was `used + part/period` tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// When the level was taken, in milliseconds since 1970.
    pub at: u64,
    /// Whole tokens.
    pub used: u64,
    /// The rest of a token, in parts of `period`: < `period`.
    pub part: u32,
    /// The rate it was written under: with `period` it says how the level falls.
    pub rate: u32,
    /// The period it was written under.
    pub period: u32,
}

impl Level {
    /// The level at `now` in `1/period` tokens. A clock that went back drains nothing.
    fn drained(&self, now: u64) -> u128 {
        self.units().saturating_sub(u128::from(now.saturating_sub(self.at)) * u128::from(self.rate))
    }

    fn units(&self) -> u128 {
        // At most 2^64 · 2^32 + 2^32: far below 2^128.
        u128::from(self.used) * u128::from(self.period) + u128::from(self.part)
    }

    fn with(self, units: u128, at: u64) -> Level {
        let period = u128::from(self.period.max(1));
        Level {
            at,
            used: u64::try_from(units / period).unwrap_or(u64::MAX),
            part: u32::try_from(units % period).unwrap_or(0),
            ..self
        }
    }

    /// Tokens in use at `now`, rounded up.
    pub fn used(&self, now: u64) -> u64 {
        to_u64(self.drained(now).div_ceil(u128::from(self.period.max(1))))
    }

    /// When the bucket is full again, in milliseconds since 1970.
    pub fn lapses(&self) -> u64 {
        self.at.saturating_add(to_u64(self.units().div_ceil(u128::from(self.rate.max(1)))))
    }

    /// Gives back what a charge of `cost`, which left the level at `charged`, still occupies at `now`.
    ///
    /// Tokens flow back in the order in which they were taken, so a part of the charge may have flowed back by
    /// itself; returning that part too would admit more than the limit. `None`: the parameters have changed since.
    pub fn refund(self, charged: &Level, cost: u32, now: u64) -> Option<Level> {
        if (charged.rate, charged.period) != (self.rate, self.period) {
            return None;
        }
        let now = now.max(self.at);
        let occupied = charged.drained(now).min(u128::from(cost) * u128::from(self.period));
        Some(self.with(self.drained(now).saturating_sub(occupied), now))
    }
}

impl Rule {
    /// A full bucket.
    pub fn empty(&self, now: u64) -> Level {
        self.holding(0, now)
    }

    /// A bucket of which `used` tokens are taken.
    pub fn holding(&self, used: u64, now: u64) -> Level {
        Level { at: now, used, part: 0, rate: self.rate, period: self.period }
    }

    /// Reads a level that was written under other parameters: it falls by the slower of both rates until now, and a
    /// broken token counts whole where the periods differ.
    pub fn adopt(&self, level: Level, now: u64) -> Level {
        if (level.rate, level.period) == (self.rate, self.period) {
            return level;
        }
        let now = now.max(level.at);
        if level.period == self.period {
            let slower = Level { rate: level.rate.min(self.rate), ..level };
            return Level { rate: self.rate, ..slower.with(slower.drained(now), now) };
        }
        let waited = u128::from(now.saturating_sub(level.at));
        let flowed = waited * u128::from(self.rate) / u128::from(self.period.max(1));
        let tokens = level.units().div_ceil(u128::from(level.period.max(1)));
        let by_new = to_u64(tokens.saturating_sub(flowed));
        self.holding(level.used(now).max(by_new), now)
    }

    /// Judges a request of `cost`; see [`super::Algorithm::judge`]. The level must be under the same parameters.
    pub fn judge(&self, level: Level, cost: u32, now: u64) -> (Verdict, Level) {
        let at = now.max(level.at);
        let behind = at.saturating_sub(now);
        let period = u128::from(self.period);
        let size = u128::from(self.burst) * period;
        let before = level.drained(at);
        let after = before + u128::from(cost) * period;
        let admitted = after <= size || cost == 0;
        let units = if admitted { after } else { before };
        let rate = u128::from(self.rate.max(1));
        let retry_ms = if admitted {
            0
        } else if cost > self.burst {
            NEVER
        } else {
            to_u64((after - size).div_ceil(rate)).saturating_add(behind)
        };
        let reset = to_u64(units.div_ceil(rate));
        let verdict = Verdict {
            admitted,
            remaining: to_u64(size.saturating_sub(units) / period.max(1)),
            reset_ms: if reset == 0 { 0 } else { reset.saturating_add(behind) },
            retry_ms,
        };
        (verdict, level.with(units, at))
    }
}

fn to_u64(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
