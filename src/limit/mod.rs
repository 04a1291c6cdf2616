//! Rate limits and quotas: the arithmetic, the messages to the object that counts, and its rows.
//!
//! Pure: `now` is a parameter, storage is a port.

use serde::{Deserialize, Serialize};

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
