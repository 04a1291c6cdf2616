//! Backends of a route: which of them a request goes to, by weight and, where the route says so, the same one for the
//! same caller.
//!
//! The choice is weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): each backend draws a lot from the
//! caller's value and its own name, and the lots are weighed. So it is the same in every isolate, under every plan and
//! after every restart, backends may be declared in any order, and when one weight changes only callers move whom that
//! backend gains or loses. Lots are exact numbers of fixed point: no floating point differs between machines here.

use super::canary::{Canary, Word};
use super::headers::{Edit, Headers};
use super::rewrite::Path;
use super::timeout::Timeout;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::fmt::Write as _;

/// What shares are parts of: steps of a hundredth of a percent.
pub const PARTS: u16 = 10_000;
/// Most backends of one route.
pub const MAX_BACKENDS: usize = 16;
/// Largest weight, as in the Gateway API.
pub const MAX_WEIGHT: u32 = 1_000_000;

/// Every isolate must choose alike, so the key is no secret: who knows it can find a value that leads to the backend
/// that he likes, as anybody can by trying.
const KEY: [u8; 16] = *b"tollgate split 1";

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Callers choose anew where it differs: the hash of the group, or of the route's full name ([`seed`]).
    pub seed: u64,
    /// 1 to [`MAX_BACKENDS`], in declared order.
    pub backends: Vec<Backend>,
    /// What keeps a caller where he is; `None`: each request is on its own.
    pub sticky: Option<Sticky>,
    /// The backend whose share grows by the clock.
    pub canary: Option<Canary>,
}

/// One of the backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name in the route, by which it draws its lots.
    pub name: String,
    /// Index into the plan's upstreams.
    pub upstream: u32,
    /// Its share, relative to the others'; 0: none.
    pub weight: u32,
    /// Its own path; `None`: the route's.
    pub rewrite: Option<Path>,
    /// The host that it is told in place of the client's; `None`: the route's.
    pub told_host: Option<String>,
    /// Edits behind the route's on the way to the origin, before the route's on the way to the client.
    pub headers: Headers,
    /// Its own timeouts; `None`: the route's.
    pub timeout: Option<Timeout>,
    /// Further targets of its upstream tried when one cannot be reached. Another backend never is.
    pub failover: u8,
}

/// What keeps a caller where he is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sticky {
    /// The value that is hashed.
    pub by: By,
    /// A cookie for callers without one; only with [`By::Cookie`].
    pub set: Option<NewCookie>,
}

/// Whose value is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// The authenticated consumer, with the issuer.
    Consumer,
    /// The client's address: IPv6 by its /64.
    Address,
    /// A header field, name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// A cookie that the gateway sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCookie {
    /// How long browsers keep it, in seconds; `None`: as long as they run.
    pub max_age: Option<u32>,
    /// Which requests of other sites carry it (draft-ietf-httpbis-rfc6265bis §4.1.2.7).
    pub same_site: SameSite,
    /// Paths for which it is sent.
    pub path: String,
}

/// Values of `SameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SameSite {
    /// No request of another site.
    Strict,
    /// Only navigation.
    Lax,
    /// All.
    None,
}

/// The seed of a group, or of a route by its full name, e.g. `orders/v2/getOrder`.
pub fn seed(name: &str) -> u64 {
    hash(0, name)
}

fn hash(seed: u64, text: &str) -> u64 {
    // Two parts of which the first has a fixed length: no two pairs read alike.
    let mut bytes = Vec::with_capacity(text.len().saturating_add(8));
    bytes.extend(seed.to_le_bytes());
    bytes.extend(text.as_bytes());
    SipHasher24::new_with_key(&KEY).hash(&bytes)
}

impl Split {
    /// Where a caller stands: the same for the same value. For requests without a value, any random number will do.
    pub fn point(&self, value: &str) -> u64 {
        hash(self.seed, value)
    }

    /// The backend at `now`, milliseconds since 1970, of a caller who stands at `point` and says `word` of the canary;
    /// `None` if none has a weight, which no plan of ours says.
    pub fn choose(&self, point: u64, now: u64, word: Option<Word>) -> Option<usize> {
        let canary = self.canary.as_ref().filter(|canary| canary.takes(point, now, word));
        canary.map(|canary| usize::from(canary.backend)).or_else(|| self.by_weight(point))
    }

    fn by_weight(&self, point: u64) -> Option<usize> {
        let candidates = self.backends.iter().enumerate().filter(|(_, backend)| backend.weight > 0);
        let lots = candidates.map(|(index, backend)| {
            let drawn = hash(point, &backend.name);
            (index, depth(drawn), u64::from(backend.weight), drawn)
        });
        // The least depth / weight, compared without division. Products stay below 2^38 · 2^20.
        let best = lots.reduce(|best, lot| {
            let (own, other) = (lot.1.saturating_mul(best.2), best.1.saturating_mul(lot.2));
            if (own, lot.3) < (other, best.3) { lot } else { best }
        });
        best.map(|(index, ..)| index)
    }

    /// Refuses what no request could be served by; for the time of checking.
    pub fn check(&self) -> Result<(), String> {
        if self.backends.is_empty() || self.backends.len() > MAX_BACKENDS {
            return Err(format!("a route has 1 to {MAX_BACKENDS} backends"));
        }
        if self.backends.iter().all(|backend| backend.weight == 0) {
            return Err(match self.canary {
                Some(_) => {
                    "no backend but the canary has a weight: what it leaves could not be sent anywhere"
                }
                None => "no backend has a weight: no request could be sent anywhere",
            }
            .into());
        }
        Ok(())
    }
}

/// −log₂ of `drawn` as a share of 2^64, in units of 2^-32: how unlikely so small a lot is. Monotone, and exact to a few
/// units.
fn depth(drawn: u64) -> u64 {
    let drawn = drawn | 1;
    let zeros = drawn.leading_zeros();
    // The mantissa from 1 to 2 in units of 2^-31.
    let mut mantissa = drawn.wrapping_shl(zeros) >> 32;
    let mut fraction = 0_u64;
    for _ in 0..32 {
        mantissa = mantissa.wrapping_mul(mantissa) >> 31;
        fraction <<= 1;
        if mantissa >> 32 != 0 {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    (u64::from(zeros).saturating_add(1) << 32).saturating_sub(fraction)
}

impl NewCookie {
    /// The edits on an answer that give the caller the cookie. Such an answer is his alone: a cache in front that kept
    /// it would hand the cookie to others.
    pub fn edits(&self, name: &str, value: &str) -> [Edit; 2] {
        let mut field = format!("{name}={value}; Path={}", self.path);
        if let Some(seconds) = self.max_age {
            // Writing to a text cannot fail.
            let _ = write!(field, "; Max-Age={seconds}");
        }
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        let _ = write!(field, "; SameSite={same_site}; Secure; HttpOnly");
        [Edit::Add("set-cookie".into(), field.into()), Edit::Add("cache-control".into(), "private".into())]
    }

    /// A value of random bits.
    pub fn value(random: u64) -> String {
        format!("{random:016x}")
    }
}

/// The first cookie of a name in a `Cookie` field (RFC 6265 §4.2.1), which may be several fields joined.
pub fn cookie<'f>(field: &'f str, name: &str) -> Option<&'f str> {
    // HTTP/2 splits the field and servers join it by `; `; a join by comma is no cookie's syntax but happens.
    let pairs = field.split([';', ',']).filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='));
    pairs.into_iter().find(|(own, _)| *own == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// The value of a consumer: two issuers may know callers by the same name.
pub fn of_consumer(issuer: &str, consumer: &str) -> String {
    format!("{}:{issuer}{consumer}", issuer.len())
}

#[cfg(test)]
mod tests;
