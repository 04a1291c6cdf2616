//! The isolate's queue of events: bounded, sampled by rule, drained in batches.
//!
//! Of successes the plan's share is kept by chance, each with one over the share as its weight, so that weighted sums
//! are true whatever they are grouped by: route, consumer, country. Refusals and errors are kept up to [`REFUSALS`] a
//! second; what is left out beyond that is counted by its reason, and the next kept one of the same reason carries the
//! count, so that a flood can fill neither the memory nor the journal.

use super::Event;
use crate::fault::Reason;
use crate::token::Identity;
use serde_json::Map;
use std::collections::VecDeque;
use std::sync::Arc;

/// Events held at most; beyond that the oldest go, counted.
pub const HELD: usize = 2048;
/// Refusals and errors kept each second.
pub const REFUSALS: u32 = 200;
/// Events in a batch, which is one row of the journal and one flush to the analytics sink.
pub const BATCH: usize = 120;
/// Points that the analytics sink takes of one invocation: a batch that an administrator's reading sends, and the one
/// of the flush that the same request promises.
const POINTS: usize = 250;
const _: () = assert!(2 * BATCH <= POINTS);
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
    /// How many events like it, itself included: 1 or more.
    pub weight: f64,
}

/// Events that may stand for each other: successes, or failures of one reason; of an upstream's there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Success,
    Failure(Option<Reason>),
}

impl Kind {
    fn of(event: &Event) -> Kind {
        if event.is_success() { Kind::Success } else { Kind::Failure(event.reason) }
    }
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    events: VecDeque<Weighed>,
    /// Weights that the next kept event of a kind takes over: an entry for each kind at most.
    left_out: Vec<(Kind, f64)>,
    second: u64,
    refusals: u32,
    promised: u64,
    batches: u64,
    /// Batches to be sent again, oldest first.
    retry: VecDeque<Batch>,
    lost: u64,
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
/// Batches held to be sent again.
const RETRIES: usize = 4;

impl Queue {
    /// How many an event stands for that is to be pushed; `None`: it is left out. `sample` is the share of successes
    /// kept, in thousandths; `now` in milliseconds since 1970.
    pub fn weigh(
        &mut self,
        event: &Event,
        sample: u16,
        now: u64,
        random: impl FnOnce() -> u64,
    ) -> Option<f64> {
        let kind = Kind::of(event);
        let weight = match kind {
            Kind::Success => share(sample, random),
            Kind::Failure(_) if self.keeps_failure(now) => Some(1.0),
            Kind::Failure(_) => {
                self.leave_out(kind, 1.0);
                None
            }
        }?;
        let Some(at) = self.left_out.iter().position(|(other, _)| *other == kind) else {
            return Some(weight);
        };
        Some(weight + self.left_out.swap_remove(at).1)
    }

    /// Takes an event of that weight.
    pub fn push(&mut self, mut event: Event, weight: f64) {
        event.identity = event.identity.as_deref().map(named);
        if self.events.len() >= HELD
            && let Some(oldest) = self.events.pop_front()
        {
            self.leave_out(Kind::of(&oldest.event), oldest.weight);
        }
        self.events.push_back(Weighed { event, weight });
    }

    /// Takes back the newest event if it is this request's: it was pushed with an answer that could not be given. What
    /// it stood for beside itself the next of its kind stands for.
    pub fn retract(&mut self, id: &str) -> Option<Event> {
        self.events.back().filter(|held| held.event.id == id)?;
        let Weighed { event, weight } = self.events.pop_back()?;
        if !event.is_success() && weight > 1.0 {
            self.leave_out(Kind::of(&event), weight - 1.0);
        }
        Some(event)
    }

    fn leave_out(&mut self, kind: Kind, weight: f64) {
        match self.left_out.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, sum)) => *sum += weight,
            None => self.left_out.push((kind, weight)),
        }
    }

    fn keeps_failure(&mut self, now: u64) -> bool {
        if self.second != now / 1000 {
            (self.second, self.refusals) = (now / 1000, 0);
        }
        self.refusals = self.refusals.saturating_add(1);
        self.refusals <= REFUSALS
    }

    /// Events held, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Weighed> {
        let retried = self.retry.iter().rev().flat_map(|batch| batch.events.iter().rev());
        self.events.iter().rev().chain(retried)
    }

    /// Events given up because no sink took them.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether a request whose event was pushed should promise a flush, and after how many milliseconds.
    pub fn promise(&mut self, now: u64) -> Option<u32> {
        // A full batch is taken at once, but promised only once for as long as it takes.
        if self.events.len() >= BATCH && self.events.len().is_multiple_of(BATCH) {
            self.promised = now + OVERDUE;
            return Some(0);
        }
        self.overdue(now)
    }

    /// The same of a request whose event was left out: only if what is held was promised to nobody, or in vain.
    pub fn overdue(&mut self, now: u64) -> Option<u32> {
        if now < self.promised || (self.events.is_empty() && self.retry.is_empty()) {
            return None;
        }
        self.promised = now + OVERDUE;
        Some(if self.events.len() >= BATCH { 0 } else { DELAY })
    }

    /// The next batch; `None` when nothing is held.
    pub fn batch(&mut self) -> Option<Batch> {
        self.promised = 0;
        if let Some(batch) = self.retry.pop_front() {
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
    pub fn restore(&mut self, mut batch: Batch) {
        batch.failures += 1;
        if batch.failures >= TRIES || self.retry.len() >= RETRIES {
            self.lost += batch.events.len() as u64;
            return;
        }
        self.retry.push_back(batch);
    }
}

/// The caller without the claims, which no sink gets: thousands of them would fill the isolate's memory.
fn named(identity: &Identity) -> Arc<Identity> {
    let (scopes, claims) = (String::new(), Map::new());
    let Identity { issuer, expires, valid_from, valid_until, .. } = *identity;
    let consumer = identity.consumer.clone();
    Arc::new(Identity { issuer, consumer, scopes, expires, valid_from, valid_until, claims })
}

/// The weight of a success if chance keeps it, at a share in thousandths.
fn share(sample: u16, random: impl FnOnce() -> u64) -> Option<f64> {
    match sample {
        0 => None,
        1000.. => Some(1.0),
        // The upper half of the random bits as a number below 1,000.
        _ => (((random() >> 32) * 1000) >> 32 < u64::from(sample)).then(|| 1000.0 / f64::from(sample)),
    }
}

#[cfg(test)]
mod tests;
