//! A JWK Set by URL: when to fetch it, and what to do meanwhile. A pure state machine, in whole seconds.
//!
//! With a set fetched at second `t`, and no fetch in flight:
//!
//! | a token's key is | `now - t` | answer |
//! | --- | --- | --- |
//! | in the set | < `ttl` | [`Need::Use`] |
//! | in the set | < `ttl + max_stale` | [`Need::Fetch`] if `interval` has passed since the last fetch began, else `Use` |
//! | not in the set | < `ttl + max_stale` | `Fetch` if `interval` has passed, else [`Need::Unknown`] |
//! | either | more, or never fetched | `Fetch` if [`RETRY`] (or `interval`, the shorter) has passed, else [`Need::Unavailable`] |
//!
//! A fetch in flight holds until its deadline: meanwhile a known key serves, stale or not, and whoever has none
//! gets [`Need::Wait`]. After the deadline the next one fetches as if the fetch had failed. A failure changes no
//! key: only a set that parsed and has a usable key replaces another. Key ids that attackers invent thus cost the
//! issuer one fetch per `interval` and isolate, and cost honest callers nothing.

use super::{Algorithm, KeySet, SetError};
use std::sync::Arc;

/// Seconds between fetches while no key is known, unless `interval` is shorter.
pub const RETRY: u64 = 5;

/// The numbers, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A fetched set is fresh for so long.
    pub ttl: u64,
    /// Fetches begin at least so far apart, at least 1.
    pub interval: u64,
    /// Past `ttl`, a set serves for so long while fetches fail.
    pub max_stale: u64,
    /// A fetch is given up after so long, at least 1.
    pub deadline: u64,
}

/// What a token's verification needs next.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// These keys; the token's is among them.
    Use(Arc<KeySet>),
    /// Fetch the set now, report with [`Cached::fetched`], then ask again.
    Fetch(Ticket),
    /// Somebody else fetches: ask again when that has been reported, or at this second at the latest.
    Wait(u64),
    /// The issuer has no such key: 401.
    Unknown,
    /// No keys are known, and none may be fetched before this second: 503.
    Unavailable(u64),
}

/// A fetch that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The state for one issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    timing: Timing,
    set: Option<Known>,
    /// Second at which the last fetch began or, if it failed, ended: a slow failure must not end in the next fetch.
    last: Option<u64>,
    /// Its ticket and deadline, until reported.
    in_flight: Option<(Ticket, u64)>,
    tickets: u64,
    epoch: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Known {
    set: Arc<KeySet>,
    at: u64,
    ticket: Ticket,
}

impl Cached {
    /// Nothing known yet.
    pub fn new(timing: Timing) -> Cached {
        let timing = Timing { deadline: timing.deadline.max(1), interval: timing.interval.max(1), ..timing };
        Cached { timing, set: None, last: None, in_flight: None, tickets: 0, epoch: 0 }
    }

    /// What a token with this `kid` and algorithm needs at `now`. An answer of [`Need::Fetch`] marks the fetch as
    /// being in flight.
    pub fn need(&mut self, now: u64, kid: Option<&str>, algorithm: Algorithm) -> Need {
        let Some(known) = self.set.clone().filter(|known| self.serves(known, now)) else {
            return self.without_keys(now);
        };
        let has = known.set.has(kid, algorithm);
        if has && now.saturating_sub(known.at) < self.timing.ttl {
            return Need::Use(known.set);
        }
        match (has, self.waiting(now)) {
            (true, Some(_)) => Need::Use(known.set),
            (false, Some(until)) => Need::Wait(until),
            (_, None) if self.rested(now, self.timing.interval) => Need::Fetch(self.begin(now)),
            (true, None) => Need::Use(known.set),
            (false, None) => Need::Unknown,
        }
    }

    /// For a signature that failed under a key of the right id: the issuer may have changed the key and kept the
    /// id. Marks and returns a fetch if `interval` allows one; otherwise the signature is wrong.
    pub fn refetch(&mut self, now: u64) -> Option<Ticket> {
        (self.waiting(now).is_none() && self.rested(now, self.timing.interval)).then(|| self.begin(now))
    }

    /// Reports a fetch. `result` is what [`KeySet::parse`] said of a 200 answer's body, or `None` for any other end.
    /// Whether the keys changed is the return value.
    pub fn fetched(&mut self, now: u64, ticket: Ticket, result: Option<Result<KeySet, SetError>>) -> bool {
        if self.in_flight.is_some_and(|(flying, _)| flying == ticket) {
            self.in_flight = None;
        }
        let Some(Ok(set)) = result else {
            self.last = self.last.max(Some(now));
            return false;
        };
        if self.set.as_ref().is_some_and(|known| known.ticket >= ticket) {
            // A fetch begun later has been reported already.
            return false;
        }
        let changed = self.set.as_ref().is_none_or(|known| *known.set != set);
        let set = match &self.set {
            Some(known) if !changed => Arc::clone(&known.set),
            _ => Arc::new(set),
        };
        self.set = Some(Known { set, at: now, ticket });
        self.epoch = self.epoch.saturating_add(u64::from(changed));
        changed
    }

    /// Counts the changes of the keys: part of the epoch of [`super::super::memory::Memory`].
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Until when (Unix seconds) a token verified at `now` may be remembered. A remembered token asks for no keys,
    /// so without this bound the keys of a busy isolate would never be fetched again, and a withdrawn one would
    /// stay good until its last token expires.
    pub fn remember_until(&self, now: u64) -> u64 {
        let fresh = self.set.as_ref().map_or(0, |known| known.at.saturating_add(self.timing.ttl));
        let usable = self.set.as_ref().map_or(0, |known| {
            known.at.saturating_add(self.timing.ttl).saturating_add(self.timing.max_stale)
        });
        fresh.max(now.saturating_add(self.timing.interval)).min(usable)
    }

    fn serves(&self, known: &Known, now: u64) -> bool {
        now.saturating_sub(known.at) < self.timing.ttl.saturating_add(self.timing.max_stale)
    }

    fn without_keys(&mut self, now: u64) -> Need {
        if let Some(until) = self.waiting(now) {
            return Need::Wait(until);
        }
        let pause = self.timing.interval.min(RETRY);
        if self.rested(now, pause) {
            return Need::Fetch(self.begin(now));
        }
        Need::Unavailable(self.last.unwrap_or(now).saturating_add(pause))
    }

    /// The deadline of the fetch in flight, if that is still to come.
    fn waiting(&self, now: u64) -> Option<u64> {
        self.in_flight.map(|(_, until)| until).filter(|until| now < *until)
    }

    fn rested(&self, now: u64, pause: u64) -> bool {
        self.last.is_none_or(|last| now.saturating_sub(last) >= pause)
    }

    fn begin(&mut self, now: u64) -> Ticket {
        self.tickets = self.tickets.saturating_add(1);
        let ticket = Ticket(self.tickets);
        self.last = Some(now);
        self.in_flight = Some((ticket, now.saturating_add(self.timing.deadline)));
        ticket
    }
}

#[cfg(test)]
mod tests;
