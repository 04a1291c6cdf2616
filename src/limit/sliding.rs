//! Sliding window over two fixed cells.
//!
//! Time is cut into cells of one window's length. The window that ends now overlaps the current cell and the rest of
//! the previous one; the previous cell's count is taken as spread evenly over it:
//! `current + previous · (rest of the previous cell in the window)`. Two numbers of state instead of a log.
//!
//! The bound: a true window of the same length may hold more than the limit where the previous cell's requests came
//! at its end, but never more than 2·limit − 1, and each fixed cell at most the limit.

use super::{NEVER, Verdict};

/// A sliding window's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Requests per window.
    pub limit: u32,
    /// Window in milliseconds, ≥ 1.
    pub window: u32,
}

/// The counts of two neighbouring cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// The window it was written under, in milliseconds.
    pub window: u32,
    /// Number of the current cell: milliseconds since 1970 divided by `window`.
    pub cell: u64,
    /// Count of the current cell.
    pub current: u64,
    /// Count of the cell before.
    pub previous: u64,
}

impl Cells {
    /// The cells as they stand at `now`; a clock that went back to an earlier cell moves nothing.
    fn rolled(self, now: u64) -> Cells {
        let cell = now / u64::from(self.window.max(1));
        match cell.saturating_sub(self.cell) {
            0 => self,
            1 => Cells { cell, current: 0, previous: self.current, ..self },
            _ => Cells { cell, current: 0, previous: 0, ..self },
        }
    }

    fn start(&self) -> u64 {
        self.cell.saturating_mul(self.window.into())
    }

    /// The window's weighted count in `1/window`, `elapsed` milliseconds into the current cell.
    fn weighted(&self, elapsed: u64) -> u128 {
        let window = u64::from(self.window);
        u128::from(self.current) * u128::from(window)
            + u128::from(self.previous) * u128::from(window.saturating_sub(elapsed))
    }

    /// The count at `now`, rounded up.
    pub fn used(&self, now: u64) -> u64 {
        let cells = self.rolled(now);
        let elapsed = now.saturating_sub(cells.start());
        u64::try_from(cells.weighted(elapsed).div_ceil(u128::from(self.window.max(1)))).unwrap_or(u64::MAX)
    }

    /// When both counts have left the window, in milliseconds since 1970.
    pub fn lapses(&self) -> u64 {
        let cells = if self.current > 0 {
            2
        } else if self.previous > 0 {
            1
        } else {
            0
        };
        self.start().saturating_add(u64::from(self.window) * cells)
    }

    /// Takes back a charge of `cost` that left the cells as `charged`. `None`: its cell has left the window, or the
    /// parameters have changed.
    pub fn refund(self, charged: &Cells, cost: u32, now: u64) -> Option<Cells> {
        let cells = self.rolled(now);
        if charged.window != cells.window {
            return None;
        }
        match cells.cell.checked_sub(charged.cell)? {
            0 => Some(Cells { current: cells.current.saturating_sub(cost.into()), ..cells }),
            1 => Some(Cells { previous: cells.previous.saturating_sub(cost.into()), ..cells }),
            _ => None,
        }
    }
}

impl Rule {
    /// Empty cells.
    pub fn empty(&self, now: u64) -> Cells {
        self.holding(0, now)
    }

    /// Cells of which the current one holds `used`.
    pub fn holding(&self, used: u64, now: u64) -> Cells {
        Cells { window: self.window, cell: now / u64::from(self.window.max(1)), current: used, previous: 0 }
    }

    /// Judges a request of `cost`; see [`super::Algorithm::judge`]. The cells must be of the same window.
    pub fn judge(&self, cells: Cells, cost: u32, now: u64) -> (Verdict, Cells) {
        let cells = cells.rolled(now);
        // Before its cell begins, a request is judged as at the beginning, where the previous cell weighs most.
        let elapsed = now.saturating_sub(cells.start());
        let behind = cells.start().saturating_sub(now);
        let window = u128::from(self.window);
        let size = u128::from(self.limit) * window;
        let before = cells.weighted(elapsed);
        let after = before + u128::from(cost) * window;
        let admitted = after <= size || cost == 0;
        let retry_ms =
            if admitted { 0 } else { self.wait(&cells, cost).saturating_sub(elapsed).saturating_add(behind) };
        let (taken, kept) = if admitted {
            (after, Cells { current: cells.current.saturating_add(cost.into()), ..cells })
        } else {
            (before, cells)
        };
        let verdict = Verdict {
            admitted,
            remaining: u64::try_from(size.saturating_sub(taken) / window.max(1)).unwrap_or(u64::MAX),
            reset_ms: kept.lapses().saturating_sub(now),
            retry_ms: if !admitted && cost > self.limit { NEVER } else { retry_ms },
        };
        (verdict, kept)
    }

    /// Milliseconds after the current cell's beginning at which `cost` fits, if nobody else asks.
    fn wait(&self, cells: &Cells, cost: u32) -> u64 {
        let (window, limit, cost) = (u64::from(self.window), u64::from(self.limit), u64::from(cost));
        // The milliseconds that `count` may still weigh so that no more than `room` of it is left.
        let outlast = |count: u64, room: u64| {
            let rest = u128::from(room) * u128::from(window) / u128::from(count.max(1));
            window.saturating_sub(u64::try_from(rest).unwrap_or(u64::MAX))
        };
        match limit.checked_sub(cells.current.saturating_add(cost)) {
            Some(room) => outlast(cells.previous, room),
            // Not before the current cell has become the previous one.
            None => window.saturating_add(outlast(cells.current, limit.saturating_sub(cost))),
        }
    }
}
