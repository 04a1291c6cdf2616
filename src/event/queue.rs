//! The isolate's queue of events: bounded, sampled by rule, drained in batches.
//!
//! Refusals and errors are kept up to [`REFUSALS`] a second, successes by the plan's share; an event that is left
//! out is counted, and the next kept one of its kind carries the count as its weight, so that sums stay true while a
//! flood can fill neither the memory nor the journal.

use super::Event;
use std::collections::VecDeque;

/// Events held at most; beyond that the oldest go, counted.
pub const HELD: usize = 2048;
/// Refusals and errors kept each second.
pub const REFUSALS: u32 = 200;
/// Events in a batch, which is one row of the journal and one flush to the analytics sink (whose limit is 250
/// points for an invocation).
pub const BATCH: usize = 200;
/// Milliseconds between a first event and the flush that takes it.
pub const DELAY: u32 = 400;
/// Milliseconds after which a flush that was promised and did not come (the platform may end a request's afterlife)
/// is promised anew.
const OVERDUE: u64 = 5_000;

/// An event and how many it stands for.
#[derive(Debug)]
pub struct Weighed {
    /// The event.
    pub event: Event,
    /// How many events like it, itself included.
    pub weight: u32,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    events: VecDeque<Weighed>,
    left_out: [u32; 2],
    second: u64,
    refusals: u32,
    promised: u64,
    batches: u64,
    retry: Option<Batch>,
}

/// Events that leave together.
#[derive(Debug)]
pub struct Batch {
    /// Its number within the isolate, the same when it is sent again.
    pub number: u64,
    /// How often it has been sent in vain.
    pub failures: u8,
    /// Oldest first.
    pub events: Vec<Weighed>,
}

/// Times that a batch is sent at most.
const TRIES: u8 = 3;

impl Queue {
    /// Takes an event; `sample` is the share of successes kept, in thousandths.
    pub fn push(&mut self, event: Event, sample: u16) {
        let success = event.is_success();
        let keep = if success { self.keeps_success(sample) } else { self.keeps_refusal(event.at) };
        let [ref mut successes, ref mut refusals] = self.left_out;
        let left_out = if success { successes } else { refusals };
        if !keep {
            *left_out = left_out.saturating_add(1);
            return;
        }
        let mut weight = std::mem::take(left_out).saturating_add(1);
        if self.events.len() >= HELD
            && let Some(oldest) = self.events.pop_front()
            && oldest.event.is_success() == success
        {
            weight = weight.saturating_add(oldest.weight);
        }
        self.events.push_back(Weighed { event, weight });
    }

    /// Deterministic, so that a share of 1/n keeps exactly every n-th.
    fn keeps_success(&self, sample: u16) -> bool {
        let [left_out, _] = self.left_out;
        sample > 0 && (u64::from(left_out) + 1) * u64::from(sample) >= 1000
    }

    fn keeps_refusal(&mut self, now: u64) -> bool {
        if self.second != now / 1000 {
            (self.second, self.refusals) = (now / 1000, 0);
        }
        self.refusals += 1;
        self.refusals <= REFUSALS
    }

    /// Whether a flush should be promised now, and after how many milliseconds.
    pub fn promise(&mut self, now: u64) -> Option<u32> {
        let full = self.events.len() >= BATCH;
        let empty = self.events.is_empty() && self.retry.is_none();
        if empty || (now < self.promised && !full) {
            return None;
        }
        // A full batch is taken at once, but promised only once for as long as it takes.
        let delay = if full { 0 } else { DELAY };
        if full && now < self.promised && !self.events.len().is_multiple_of(BATCH) {
            return None;
        }
        self.promised = now + OVERDUE;
        Some(delay)
    }

    /// The next batch; `None` when nothing is held.
    pub fn batch(&mut self) -> Option<Batch> {
        self.promised = 0;
        if let Some(batch) = self.retry.take() {
            return Some(batch);
        }
        if self.events.is_empty() {
            return None;
        }
        self.batches += 1;
        let events = self.events.drain(..self.events.len().min(BATCH)).collect();
        Some(Batch { number: self.batches, failures: 0, events })
    }

    /// Keeps a batch whose sink did not answer, to send it once more under the same number: it may have arrived.
    /// Returns how many events are given up instead.
    pub fn restore(&mut self, mut batch: Batch) -> usize {
        batch.failures += 1;
        if batch.failures >= TRIES || self.retry.is_some() {
            return batch.events.len();
        }
        self.retry = Some(batch);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Reason;

    fn success(at: u64) -> Event {
        Event { at, status: 200, ..Event::default() }
    }

    fn refusal(at: u64) -> Event {
        Event { at, status: 404, reason: Some(Reason::NotFound), ..Event::default() }
    }

    fn weights(queue: &mut Queue) -> u32 {
        std::iter::from_fn(|| queue.batch())
            .flat_map(|batch| batch.events)
            .map(|weighed| weighed.weight)
            .sum()
    }

    #[test]
    fn a_share_of_successes_is_kept_and_weighs_for_the_rest() {
        for (sample, kept) in [(1000, 100), (100, 10), (0, 0)] {
            let mut queue = Queue::default();
            (0..100).for_each(|at| queue.push(success(at), sample));
            assert_eq!(queue.events.len(), kept, "{sample}");
            assert_eq!(weights(&mut queue), if sample == 0 { 0 } else { 100 });
        }
    }

    #[test]
    fn a_flood_of_refusals_is_bounded_by_the_second_and_counted() {
        let mut queue = Queue::default();
        (0..1000).for_each(|_| queue.push(refusal(5_000), 0));
        assert_eq!(queue.events.len(), REFUSALS as usize);
        queue.push(refusal(6_000), 0);
        assert_eq!(weights(&mut queue), 1001);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = Queue::default();
        (0..3 * HELD as u64).for_each(|at| queue.push(success(at), 1000));
        assert_eq!(queue.events.len(), HELD);
        assert_eq!(weights(&mut queue), 3 * HELD as u32);
    }

    #[test]
    fn one_flush_is_promised_at_a_time_and_renewed_when_it_does_not_come() {
        let mut queue = Queue::default();
        assert_eq!(queue.promise(0), None);
        queue.push(success(1000), 1000);
        assert_eq!(queue.promise(1000), Some(DELAY));
        queue.push(success(1100), 1000);
        assert_eq!(queue.promise(1100), None);
        assert_eq!(queue.promise(1000 + OVERDUE), Some(DELAY));
        queue.batch();
        queue.push(success(7000), 1000);
        assert_eq!(queue.promise(7000), Some(DELAY));
    }

    #[test]
    fn a_full_batch_does_not_wait() {
        let mut queue = Queue::default();
        let promises = (0..BATCH as u64).filter_map(|_| {
            queue.push(success(1), 1000);
            queue.promise(1)
        });
        assert_eq!(promises.collect::<Vec<_>>(), [DELAY, 0]);
    }

    #[test]
    fn a_batch_that_was_not_taken_is_sent_again_under_its_number_and_given_up_in_the_end() {
        let mut queue = Queue::default();
        (0..3).for_each(|at| queue.push(success(at), 1000));
        let batch = queue.batch().unwrap();
        assert_eq!((batch.number, queue.restore(batch)), (1, 0));
        queue.push(success(9), 1000);
        assert!(queue.promise(9).is_some());
        let again = queue.batch().unwrap();
        assert_eq!((again.number, again.events.len()), (1, 3));
        assert_eq!(queue.restore(again), 0);
        let last = queue.batch().unwrap();
        assert_eq!(queue.restore(last), 3);
        assert_eq!(queue.batch().unwrap().number, 2);
    }
}
