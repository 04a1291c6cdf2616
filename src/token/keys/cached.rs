//! A JWK Set by URL: when to fetch it, and what to do meanwhile. A pure state machine, in whole seconds.
//!
//! With a set fetched at second `t`, and no fetch in flight:
//!
//! | a token's key is | `now - t` | answer |
//! | --- | --- | --- |
//! | in the set | < `ttl` | [`Need::Use`] |
//! | in the set | < `ttl + max_stale` | [`Need::Refresh`] if `interval` has passed since the last fetch began, else `Use` |
//! | not in the set | < `ttl + max_stale` | [`Need::Fetch`] if `interval` has passed, else [`Need::Unknown`] |
//! | either | more, or never fetched | `Fetch` if [`RETRY`] (or `interval`, the shorter) has passed, else [`Need::Unavailable`] |
//!
//! A key that is known makes nobody wait: past its `ttl` it serves, and a fetch is begun that is nobody's request's,
//! handed out once by [`Cached::due`]. But where nobody has fetched for twice the `ttl`, as in an isolate that stood idle,
//! the answer is `Fetch` all the same: a key that its issuer withdrew is good for no longer than that. A fetch in flight holds until its deadline: meanwhile a known key serves, stale or
//! not, and whoever has none gets [`Need::Wait`]. After the deadline the next one fetches as if the fetch had failed. A failure changes no
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
    /// Past `ttl`, a set serves for so long: until it is refreshed, and while that fails.
    pub max_stale: u64,
    /// A fetch is given up after so long, at least 1.
    pub deadline: u64,
}

/// What a token's verification needs next.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// These keys; the token's is among them.
    Use(Arc<KeySet>),
    /// The same, and their time is over: let what [`Cached::due`] then gives be fetched by a task of its own.
    Refresh(Arc<KeySet>),
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
    /// The fetch that was begun, until reported.
    in_flight: Option<Flight>,
    tickets: u64,
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Flight {
    ticket: Ticket,
    /// Its deadline.
    until: u64,
    /// Whether somebody fetches already, or it waits for a task of its own.
    taken: bool,
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

    /// What a token with this `kid` and algorithm needs at `now`. An answer of [`Need::Fetch`] or [`Need::Refresh`] marks
    /// the fetch as being in flight.
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
            (true, None) if self.rested(now, self.timing.interval.max(2 * self.timing.ttl)) => {
                Need::Fetch(self.begin(now, true))
            }
            (true, None) if self.rested(now, self.timing.interval) => {
                self.begin(now, false);
                Need::Refresh(known.set)
            }
            (true, None) => Need::Use(known.set),
            (false, _) => self.refetch(now),
        }
    }

    /// The fetch that [`Need::Refresh`] began, once, for the task that will report it.
    pub fn due(&mut self, now: u64) -> Option<Ticket> {
        let flight = self.in_flight.as_mut().filter(|flight| !flight.taken && now < flight.until)?;
        flight.taken = true;
        Some(flight.ticket)
    }

    /// What follows if the known keys do not do: no key has the id, or the signature is wrong under one that has, which the
    /// issuer may have changed. `Fetch` if `interval` allows it, `Wait` for a fetch in flight, else `Unknown`.
    pub fn refetch(&mut self, now: u64) -> Need {
        match self.waiting(now) {
            Some(until) => Need::Wait(until),
            None if self.rested(now, self.timing.interval) => Need::Fetch(self.begin(now, true)),
            None => Need::Unknown,
        }
    }

    /// Reports a fetch. `result` is what [`KeySet::parse`] said of a 200 answer's body, or `None` for any other end.
    /// Whether the keys changed is the return value.
    pub fn fetched(&mut self, now: u64, ticket: Ticket, result: Option<Result<KeySet, SetError>>) -> bool {
        if self.in_flight.is_some_and(|flight| flight.ticket == ticket) {
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
            return Need::Fetch(self.begin(now, true));
        }
        Need::Unavailable(self.last.unwrap_or(now).saturating_add(pause))
    }

    /// The deadline of the fetch in flight, if that is still to come.
    fn waiting(&self, now: u64) -> Option<u64> {
        self.in_flight.map(|flight| flight.until).filter(|until| now < *until)
    }

    fn rested(&self, now: u64, pause: u64) -> bool {
        self.last.is_none_or(|last| now.saturating_sub(last) >= pause)
    }

    fn begin(&mut self, now: u64, taken: bool) -> Ticket {
        self.tickets = self.tickets.saturating_add(1);
        let ticket = Ticket(self.tickets);
        self.last = Some(now);
        self.in_flight = Some(Flight { ticket, until: now.saturating_add(self.timing.deadline), taken });
        ticket
    }
}

#[cfg(test)]
mod tests;
