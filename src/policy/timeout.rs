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

impl Timeout {
    /// Longest time that can be set, in milliseconds.
    pub const MAX: u32 = 600_000;

    /// Milliseconds that the next attempt may take, of which `spent` of the whole are gone; `None` when nothing is
    /// left. Never more than [`headers`](Timeout::headers).
    pub fn attempt(&self, spent: u64) -> Option<u32> {
        let left = u64::from(self.total).checked_sub(spent).filter(|left| *left > 0)?;
        Some(u32::try_from(left).unwrap_or(u32::MAX).min(self.headers))
    }

    /// Refuses times out of range; for the time of checking.
    pub fn check(&self) -> Result<(), String> {
        for (what, time) in [("headers", self.headers), ("total", self.total)] {
            if !(1..=Self::MAX).contains(&time) {
                return Err(format!("`{what}` must be between 1ms and 10m"));
            }
        }
        if self.headers > self.total {
            return Err("`headers` is one attempt's part of `total`, and must not be longer".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_share_the_total() {
        let t = Timeout { headers: 300, total: 1000 };
        for (spent, expected) in [
            (0, Some(300)),
            (700, Some(300)),
            (701, Some(299)),
            (999, Some(1)),
            (1000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(t.attempt(spent), expected, "{spent}");
        }
    }

    #[test]
    fn check() {
        for (headers, total, expected) in
            [(1, 1, true), (600_000, 600_000, true), (0, 10, false), (10, 600_001, false), (11, 10, false)]
        {
            assert_eq!(Timeout { headers, total }.check().is_ok(), expected, "{headers} {total}");
        }
    }
}
