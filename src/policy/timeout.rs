//! How long a request may take.

use serde::{Deserialize, Serialize};

/// Compiled form, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    /// Until the upstream's answer's headers are complete, per attempt (1–600,000).
    pub headers: u32,
    /// For the whole request until the answer's headers, all attempts together (≥ `headers`).
    pub total: u32,
}
