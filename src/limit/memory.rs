//! What an isolate remembers of limits: denials, and its own share where an object does not answer.
//!
//! Both are bounded and keyed by a hash under a key that no client can know, so that nobody can choose values that
//! push out one another's entries. The plan is fixed for an isolate's life, so a limit's id says which parameters.

use super::key::ObjectName;
use super::{Limit, State, Verdict};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Denials that are remembered at most; the oldest half goes when it is reached.
pub const MAX_DENIALS: usize = 8_192;

/// How long a denial is believed at most, in milliseconds. By itself it could not change before its wait ends, but a
/// charge that another object refused may be refunded after it has made this one refuse: without a bound, one such
/// moment would close a monthly quota in this isolate for the rest of the month.
pub const MAX_TRUST_MS: u64 = 60_000;

/// Keys that have a share at most.
pub const MAX_SHARES: usize = 8_192;

/// One limit asked for one key.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The object that keeps it.
    pub object: &'a ObjectName,
    /// The limit.
    pub limit: &'a Limit,
    /// How much is asked for.
    pub cost: u32,
}

/// An isolate's memory of limits.
#[derive(Debug)]
pub struct Memory {
    seed: [u8; 16],
    /// Two generations: the newer takes entries until it holds half of the maximum, then takes the older one's place.
    denials: [Map<Denial>; 2],
    shares: Map<State>,
    /// When the first share lapses, as of the last look through all of them.
    first_lapse: u64,
}

#[derive(Clone, Copy, Debug)]
struct Denial {
    since: u64,
    /// When it is no longer believed.
    until: u64,
    retry: u64,
    reset: u64,
    remaining: u64,
    cost: u32,
}

type Map<T> = HashMap<u128, T, BuildHasherDefault<Keyed>>;

/// Keys are hashes already.
#[derive(Default)]
struct Keyed(u64);

impl Hasher for Keyed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = (key ^ (key >> 64)) as u64;
    }
}

impl Memory {
    /// An empty memory. The seed must be random: with a known one a client could choose values that collide.
    pub fn new(seed: [u8; 16]) -> Memory {
        Memory { seed, denials: Default::default(), shares: Map::default(), first_lapse: 0 }
    }

    /// The denial that still holds at `now` (milliseconds since 1970, the isolate's clock), if one is remembered: the
    /// object would refuse too, short of a refund within the last [`MAX_TRUST_MS`]. A clock that went back forgets.
    pub fn denied(&self, asked: &Asked<'_>, now: u64) -> Option<Verdict> {
        if self.denials.iter().all(Map::is_empty) {
            return None;
        }
        let key = self.key(asked);
        let denial = self.denials.iter().find_map(|generation| generation.get(&key))?;
        // What refuses a cost says nothing of a lower one.
        (denial.since <= now && now < denial.until && denial.cost <= asked.cost).then(|| Verdict {
            admitted: false,
            remaining: denial.remaining,
            reset_ms: denial.reset.saturating_sub(now),
            retry_ms: if denial.retry == super::NEVER {
                super::NEVER
            } else {
                denial.retry.saturating_sub(now)
            },
        })
    }

    /// Remembers a denial until the moment it could change, at most [`MAX_TRUST_MS`]. `sent` is when the question left, by the isolate's clock:
    /// counted from then the memory never outlasts the denial, however long the answer took. Admissions are not
    /// remembered.
    pub fn remember(&mut self, asked: &Asked<'_>, verdict: &Verdict, sent: u64) {
        if verdict.admitted || verdict.retry_ms == 0 {
            return;
        }
        let denial = Denial {
            since: sent,
            until: sent.saturating_add(verdict.retry_ms.min(MAX_TRUST_MS)),
            retry: sent.saturating_add(verdict.retry_ms),
            reset: sent.saturating_add(verdict.reset_ms),
            remaining: verdict.remaining,
            cost: asked.cost,
        };
        let key = self.key(asked);
        let [newer, older] = &mut self.denials;
        if newer.len() >= MAX_DENIALS / 2 && !newer.contains_key(&key) {
            *older = std::mem::take(newer);
        }
        newer.insert(key, denial);
    }

    /// Judges limits by this isolate's own share, for [`super::Unreachable::Degrade`]: the same algorithm and the same
    /// parameters over what this isolate alone has let pass. All are charged, or none where one refuses.
    ///
    /// The bound: while an object does not answer, each isolate admits at most what the limit allows, in addition to
    /// what the object had admitted. An entry is given up only once it has lapsed, so that a flood of other keys
    /// cannot refresh an allowance; a new key that finds no room is refused.
    pub fn share(&mut self, asked: &[Asked<'_>], now: u64) -> Vec<Verdict> {
        let keys: Vec<u128> = asked.iter().map(|asked| self.key(asked)).collect();
        let newcomers = keys.iter().filter(|key| !self.shares.contains_key(key)).count();
        let has_room = self.make_room(newcomers, now);
        let judged: Vec<(Verdict, State)> = asked
            .iter()
            .zip(&keys)
            .map(|(asked, key)| {
                let state = self.shares.get(key);
                let (verdict, after) = asked.limit.algorithm.judge(state, asked.cost, now);
                if state.is_none() && !has_room {
                    let wait = self.first_lapse.saturating_sub(now).max(1);
                    return (Verdict { admitted: false, retry_ms: wait, ..verdict }, after);
                }
                (verdict, after)
            })
            .collect();
        if judged.iter().all(|(verdict, _)| verdict.admitted) {
            for (key, (_, state)) in keys.iter().zip(&judged) {
                self.shares.insert(*key, *state);
            }
            return judged.into_iter().map(|(verdict, _)| verdict).collect();
        }
        let asks = asked.iter().zip(&keys).zip(judged);
        asks.map(|((asked, key), (verdict, _))| match verdict.admitted {
            true => asked.limit.algorithm.judge(self.shares.get(key), 0, now).0,
            false => verdict,
        })
        .collect()
    }

    /// The share's state, for [`Memory::take_back`].
    pub fn shared(&self, asked: &Asked<'_>) -> Option<State> {
        self.shares.get(&self.key(asked)).copied()
    }

    /// Takes back from a share what left it as `charged`, because another limit refused the request.
    pub fn take_back(&mut self, asked: &Asked<'_>, charged: &State, now: u64) {
        let key = self.key(asked);
        if let Some(state) = self.shares.get_mut(&key)
            && let Some(refunded) = state.refund(charged, asked.cost, now)
        {
            *state = refunded;
        }
    }

    /// Whether `count` further keys find room, once what has lapsed is gone. Looks through all entries only when some
    /// have lapsed since it last did, so that a flood of new keys does not make each of them dear.
    fn make_room(&mut self, count: usize, now: u64) -> bool {
        if self.shares.len() + count > MAX_SHARES && now >= self.first_lapse {
            self.shares.retain(|_, state| state.lapses() > now);
            self.first_lapse = self.shares.values().map(State::lapses).min().unwrap_or(now);
        }
        self.shares.len() + count <= MAX_SHARES
    }

    fn key(&self, asked: &Asked<'_>) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        // Names of objects have one length, so the two parts cannot be read otherwise.
        hasher.write(asked.object.as_str().as_bytes());
        hasher.write(asked.limit.id.as_bytes());
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests;
