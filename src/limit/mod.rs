//! Rate limits and quotas: the arithmetic, the messages to the object that counts, and its rows.
//!
//! Pure: `now` is a parameter, storage is a port. Times are whole milliseconds; there are no floats, so the gateway,
//! its object and the simulator reckon alike.
//!
//! A request's way through its limits: [`key`] names the object that keeps each limit, [`memory`] answers for those
//! that are known to refuse, [`message`] carries one charge per object, [`object`] decides it by [`Algorithm::judge`],
//! [`fields`] tells the client. All limits of one charge must hold, or none is charged. Where a request's limits live
//! in several objects they are asked one after another, and a refusal refunds the earlier ones: never over-admitted,
//! but a charge that awaits its refund may refuse a concurrent request, and a refund that is lost stays charged
//! until its window ends. The refund of a charge that is still under way takes its place: it will count nothing.

use serde::{Deserialize, Serialize};

pub mod calendar;
pub mod fields;
pub mod gcra;
pub mod key;
pub mod memory;
pub mod message;
pub mod object;
pub mod quota;
pub mod sliding;
mod state;

pub use state::State;

/// A wait that never ends: the cost is greater than the whole limit.
pub const NEVER: u64 = u64::MAX;

/// What a limit says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the limit holds.
    pub admitted: bool,
    /// What is left, in units of cost, after the request where it was admitted.
    pub remaining: u64,
    /// Milliseconds until all of the limit is available again, if nobody asks meanwhile.
    pub reset_ms: u64,
    /// Milliseconds until the same request would be admitted, if nobody asks meanwhile: 0 where it is admitted,
    /// [`NEVER`] where its cost is greater than the limit.
    pub retry_ms: u64,
}

/// One limit. Compiled form; state is keyed by `id`, so counts survive a change of the other fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Id within the gateway, e.g. `shared/per-consumer` or `orders/v2/checkout`.
    pub id: String,
    /// How to count.
    pub algorithm: Algorithm,
    /// What is counted apart.
    pub per: Per,
    /// What happens when the object does not answer in time.
    pub unreachable: Unreachable,
    /// How long the object may take, in milliseconds (10–10,000).
    pub deadline: u32,
    /// Where it was declared.
    pub source: crate::plan::Source,
}

/// How a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// Token bucket as GCRA: `rate` tokens per `period` milliseconds, at most `burst` at once.
    Bucket {
        /// Tokens per period, ≥ 1.
        rate: u32,
        /// Period in milliseconds, ≥ 1.
        period: u32,
        /// Size of the bucket, ≥ 1.
        burst: u32,
    },
    /// Sliding window over two fixed cells.
    Sliding {
        /// Requests per window, ≥ 1.
        limit: u32,
        /// Window in milliseconds, ≥ 1,000.
        window: u32,
    },
    /// Calendar quota, in UTC.
    Quota {
        /// Requests per period, ≥ 1.
        limit: u64,
        /// The period.
        period: Period,
    },
}

/// Calendar periods (UTC; weeks begin on Monday, ISO 8601).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Period {
    Hour,
    Day,
    Week,
    Month,
}

/// What a limit counts apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Per {
    /// All callers together.
    Route,
    /// The authenticated consumer.
    Consumer,
    /// A claim of the token, by name.
    Claim(String),
    /// The client's address; IPv6 by its /64.
    Address,
    /// A request header, by lower-case name; requests without it are counted together.
    Header(String),
}

/// What happens when a limit's object does not answer by its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unreachable {
    /// Each isolate enforces the limit by itself.
    Degrade,
    /// The request is refused with 503.
    Closed,
    /// The request passes uncounted.
    Open,
}

impl Algorithm {
    /// The most that can be available at once.
    pub fn capacity(&self) -> u64 {
        match *self {
            Algorithm::Bucket { burst, .. } => burst.into(),
            Algorithm::Sliding { limit, .. } => limit.into(),
            Algorithm::Quota { limit, .. } => limit,
        }
    }

    /// Whether every number is in its range. A limit that is not admits nothing that costs anything.
    pub fn is_valid(&self) -> bool {
        match *self {
            Algorithm::Bucket { rate, period, burst } => rate > 0 && period > 0 && burst > 0,
            Algorithm::Sliding { limit, window } => limit > 0 && window >= 1_000,
            Algorithm::Quota { limit, .. } => limit > 0,
        }
    }

    /// Judges a request of `cost` at `now` (milliseconds since 1970) by what was counted so far; `None`: nothing yet.
    ///
    /// The state returned is the one to keep where the verdict admits; a refused request charges nothing. A cost of 0
    /// asks without charging and is always admitted. A clock that goes back never admits more than one that stands.
    /// A state written under other parameters, or by another algorithm, keeps its count.
    pub fn judge(&self, state: Option<&State>, cost: u32, now: u64) -> (Verdict, State) {
        match *self {
            Algorithm::Bucket { rate, period, burst } => {
                let rule = gcra::Rule { rate: rate.max(1), period: period.max(1), burst };
                let level = match state {
                    None => rule.empty(now),
                    Some(State::Bucket(level)) => rule.adopt(*level, now),
                    Some(other) => rule.holding(other.used(now).min(burst.into()), now),
                };
                let (verdict, level) = rule.judge(level, cost, now);
                (verdict, State::Bucket(level))
            }
            Algorithm::Sliding { limit, window } => {
                let rule = sliding::Rule { limit, window: window.max(1) };
                let cells = match state {
                    None => rule.empty(now),
                    Some(State::Sliding(cells)) if cells.window == rule.window => *cells,
                    Some(other) => rule.holding(other.used(now).min(limit.into()), now),
                };
                let (verdict, cells) = rule.judge(cells, cost, now);
                (verdict, State::Sliding(cells))
            }
            Algorithm::Quota { limit, period } => {
                let rule = quota::Rule { limit, period };
                let count = match state {
                    None => rule.empty(now),
                    Some(State::Quota(count)) if count.period == period => *count,
                    Some(other) => rule.holding(other.used(now).min(limit), now),
                };
                let (verdict, count) = rule.judge(count, cost, now);
                (verdict, State::Quota(count))
            }
        }
    }
}

#[cfg(test)]
mod tests;
