//! Which object keeps a limit for a request.
//!
//! Limits that count the same thing apart (two limits per consumer, say) share one object per thing, so that one
//! message charges both or none.
//!
//! An object's name is a hash: short whatever a client sends, and telling nobody who lists objects which consumer,
//! address or header value stands behind it without guessing that value. The hash is SHA-256 cut to 128 bits, not a
//! faster keyed one: names must be the same in every isolate for years, so a key would be a constant that attackers
//! read in this source, and under a known key SipHash promises nothing. Finding a value that lands on another
//! caller's object takes 2^128 attempts; the 2^64 that find *some* pair of one's own values only halve one's own
//! allowance.

use super::{Limit, Per};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

/// What a request says of itself, as far as limits can ask. Each is asked only where a limit needs it.
pub trait Facts {
    /// The route's full name, e.g. `orders/v2/getOrder`.
    fn route(&self) -> Cow<'_, str>;
    /// The authenticated consumer: the issuer's id and the consumer's name with that issuer.
    fn consumer(&self) -> Option<(&str, &str)>;
    /// A claim of the verified token as text, with the issuer's id; strings as they are, numbers and booleans as
    /// JSON writes them. `None` for arrays, objects and null.
    fn claim(&self, name: &str) -> Option<(&str, Cow<'_, str>)>;
    /// The client's address.
    fn address(&self) -> Option<IpAddr>;
    /// A request header's value, all its lines joined by `, `.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// Why a request has no key for a limit. The route must refuse it: it cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The limit counts per consumer and nobody was authenticated.
    NoConsumer,
    /// The limit counts by a claim that the token does not have as a string, number or boolean.
    NoClaim,
    /// The limit counts per address and the client's is unknown.
    NoAddress,
}

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeyError::NoConsumer => "a limit per consumer on a request without one",
            KeyError::NoClaim => "a limit by a claim that the token does not have",
            KeyError::NoAddress => "a limit per address and no client address",
        })
    }
}

impl std::error::Error for KeyError {}

/// The name of the object that keeps what is counted for one key: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Limit {
    /// The object that keeps this limit for the request.
    ///
    /// # Errors
    /// The request lacks what the limit counts by.
    pub fn object(&self, facts: &impl Facts) -> Result<ObjectName, KeyError> {
        object(&self.per, facts)
    }
}

/// The object that keeps what is counted apart by `per` for the request.
///
/// # Errors
/// The request lacks what is counted by. A missing *header* is no error: such requests are counted together, apart
/// from those that send it empty.
pub fn object(per: &Per, facts: &impl Facts) -> Result<ObjectName, KeyError> {
    Ok(match per {
        Per::Route => name(&["route", &facts.route()]),
        Per::Consumer => {
            let (issuer, consumer) = facts.consumer().ok_or(KeyError::NoConsumer)?;
            name(&["consumer", issuer, consumer])
        }
        Per::Claim(claim) => {
            let (issuer, value) = facts.claim(claim).ok_or(KeyError::NoClaim)?;
            name(&["claim", claim, issuer, &value])
        }
        Per::Address => name(&["address", &network(facts.address().ok_or(KeyError::NoAddress)?)]),
        Per::Header(header) => match facts.header(header) {
            Some(value) => name(&["header", header, &value]),
            None => name(&["no header", header]),
        },
    })
}

/// IPv4 as it is, also where it comes mapped into IPv6 (RFC 4291 §2.5.5.2); IPv6 by its /64, of which one host may
/// use every address.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            format!("{}/64", Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// Each part goes into the hash behind its length, so that no two lists of parts read alike.
fn name(parts: &[&str]) -> ObjectName {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut hash = Sha256::new_with_prefix(b"tollgate limit 1\0");
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut text = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        text.extend([byte >> 4, byte & 15].iter().filter_map(|nibble| DIGITS.get(usize::from(*nibble))));
    }
    ObjectName(text)
}

#[cfg(test)]
mod tests;
