//! The bounded memory of verified tokens: in the steady state no token is verified twice.
//!
//! A token is remembered by its SipHash-2-4-128 under a key that is random per isolate and never leaves it. Under a
//! secret key SipHash is a pseudorandom function, not only a fast hash: nobody without the key can find a text
//! whose tag equals a remembered one except by guessing, at most entries / 2^128 per try, against the live gateway.
//! Nothing of the tag is ever shown. An unkeyed fast hash would let anyone compute a collision offline and be taken
//! for somebody else; an unkeyed SHA-256 would be safe too and several times slower.
//!
//! Bounded twice, by entries and by the tokens' bytes (an identity takes a few times its token's bytes, about ten
//! times if its issuer writes many tiny claims), with two generations: when the younger is full it becomes the older and the older is forgotten. A hit in the older moves
//! to the younger, so what is used stays. Everything is O(1), and a hit allocates nothing.

use super::Identity;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// Entries that a memory of the default size holds.
pub const ENTRIES: usize = 4096;
/// Bytes of tokens that a memory of the default size holds.
pub const BYTES: usize = 4 * 1024 * 1024;

/// A token's name in the memory: made once per request with [`Memory::tag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(
    /// Not one number of 128 bits: its alignment would be that of the future of every request, for which the wasm's
    /// allocator takes a long way round.
    [u64; 2],
);

/// The memory.
pub struct Memory {
    secret: [u8; 16],
    epoch: u64,
    /// Per generation.
    entries: usize,
    /// Per generation.
    bytes: usize,
    young: Generation,
    old: Generation,
}

/// Without the secret and without the callers.
impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Memory").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Generation {
    map: HashMap<Slot, Entry, BuildHasherDefault<Truncate>>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    tag: [u64; 2],
    issuer: u32,
}

impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Half of a keyed hash is a keyed hash: no flooding.
        let [half, _] = self.tag;
        state.write_u64(half);
    }
}

struct Entry {
    identity: Arc<Identity>,
    until: u64,
    bytes: usize,
}

/// Takes the last `u64` written for the hash.
#[derive(Debug, Default)]
struct Truncate(u64);

impl Hasher for Truncate {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

impl Memory {
    /// An empty memory of [`ENTRIES`] and [`BYTES`]. `secret` must be 16 bytes from a cryptographic source.
    pub fn new(secret: [u8; 16]) -> Memory {
        Memory::with_bounds(secret, ENTRIES, BYTES)
    }

    /// An empty memory of at most so many entries (never more than 65,536) and bytes of tokens.
    pub fn with_bounds(secret: [u8; 16], entries: usize, bytes: usize) -> Memory {
        Memory {
            secret,
            epoch: 0,
            entries: entries.min(65_536) / 2,
            bytes: bytes / 2,
            young: Generation::default(),
            old: Generation::default(),
        }
    }

    /// The tag of a token.
    pub fn tag(&self, token: &str) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(token.as_bytes());
        let hash = hasher.finish128();
        Tag([hash.h1, hash.h2])
    }

    /// The identity of a token that was verified before for one of the `accepted` issuers. `epoch` stands for
    /// everything that verification rests on (the plan, every issuer's keys) and only grows within an isolate: when
    /// it has changed, everything is forgotten. `now` is in Unix seconds.
    pub fn get(&mut self, tag: Tag, accepted: &[u32], now: u64, epoch: u64) -> Option<Arc<Identity>> {
        self.enter(epoch);
        accepted.iter().find_map(|issuer| self.find(Slot { tag: tag.0, issuer: *issuer }, now))
    }

    /// Remembers a token of `length` bytes until `until` (Unix seconds, see
    /// [`super::keys::Source::remember_until`]) or until its own dates end, whichever is first.
    ///
    /// `epoch` is the one at which the keys were *taken*, read before the host was asked to verify: if keys were
    /// withdrawn meanwhile, what they verified is not remembered.
    pub fn put(&mut self, tag: Tag, length: usize, identity: Arc<Identity>, until: u64, epoch: u64) {
        if epoch < self.epoch || length > self.bytes || self.entries == 0 {
            return;
        }
        self.enter(epoch);
        let slot = Slot { tag: tag.0, issuer: identity.issuer };
        let until = until.min(identity.valid_until);
        self.old.remove(slot);
        self.insert(slot, Entry { identity, until, bytes: length });
    }

    /// Begins `epoch`, forgetting what another left.
    fn enter(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.young.clear();
            self.old.clear();
        }
    }

    /// Tokens remembered.
    pub fn len(&self) -> usize {
        self.young.map.len().saturating_add(self.old.map.len())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the tokens remembered.
    pub fn bytes(&self) -> usize {
        self.young.bytes.saturating_add(self.old.bytes)
    }

    fn find(&mut self, slot: Slot, now: u64) -> Option<Arc<Identity>> {
        let good = |entry: &Entry| now < entry.until && entry.identity.valid_at(now);
        if let Some(entry) = self.young.map.get(&slot) {
            return good(entry).then(|| Arc::clone(&entry.identity));
        }
        let entry = self.old.remove(slot)?;
        if !good(&entry) {
            return None;
        }
        let identity = Arc::clone(&entry.identity);
        self.insert(slot, entry);
        Some(identity)
    }

    fn insert(&mut self, slot: Slot, entry: Entry) {
        self.young.remove(slot);
        let full =
            self.young.map.len() >= self.entries || self.young.bytes.saturating_add(entry.bytes) > self.bytes;
        if full {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            // So that moving an entry on a hit finds its room made.
            self.young.map.reserve(self.entries);
        }
        self.young.bytes = self.young.bytes.saturating_add(entry.bytes);
        self.young.map.insert(slot, entry);
    }
}

impl Generation {
    fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.map.remove(&slot)?;
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        Some(entry)
    }

    fn clear(&mut self) {
        self.map.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests;
