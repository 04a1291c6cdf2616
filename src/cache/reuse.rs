//! Answering from what is stored (RFC 9111 §4).

use super::store::{Ask, STORED, Stored, VARY, vary_hash};
use super::{Outcome, cache_status};
use crate::header::{self, Headers};
use crate::policy::headers::Edit;

/// What to do with a stored response that the lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it.
    Fresh(Hit),
    /// Its time is over: ask the origin.
    Stale,
    /// Fresh, but not as the request's own `Cache-Control` wants it: ask the origin.
    Refused,
    /// It answers other values of the fields that `Vary` names: ask the origin; its answer replaces it.
    VaryMismatch,
    /// It may not be shared with this caller, or it was not stored by us: ask the origin.
    Unusable,
}

impl Verdict {
    /// The word for `Cache-Status` and events.
    pub fn outcome(&self) -> Outcome {
        match self {
            Verdict::Fresh(hit) => Outcome::Hit { ttl: hit.ttl },
            Verdict::Stale => Outcome::Stale,
            Verdict::Refused => Outcome::Request,
            Verdict::VaryMismatch => Outcome::VaryMiss,
            Verdict::Unusable => Outcome::Miss,
        }
    }
}

/// A stored response that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Current age in seconds (§4.2.3), for `Age`.
    pub age: u64,
    /// Seconds for which it stays fresh, rounded down.
    pub ttl: u64,
    /// The origin's `Cache-Control`.
    pub cache_control: Option<String>,
    varies: bool,
}

impl Hit {
    /// Edits that turn the stored response into the one served. `name` is the gateway's in `Cache-Status`.
    pub fn edits(&self, name: &str) -> Vec<Edit> {
        let mut edits = vec![
            Edit::Remove(STORED.into()),
            Edit::Set("age".into(), self.age.to_string().into()),
            Edit::Add("cache-status".into(), cache_status(name, Outcome::Hit { ttl: self.ttl }, None).into()),
            match &self.cache_control {
                Some(own) => Edit::Set("cache-control".into(), own.clone().into()),
                None => Edit::Remove("cache-control".into()),
            },
            // The platform's word on its own cache, which is an implementation detail here.
            Edit::Remove("cf-cache-status".into()),
        ];
        if self.varies {
            edits.push(Edit::Remove(VARY.into()));
        }
        edits
    }
}

/// Judges a stored response. `request` is the same view as for [`storable`](super::storable);
/// `now` is in milliseconds since 1970.
pub fn judge(ask: &Ask, stored: &dyn Headers, request: &dyn Headers, now: u64) -> Verdict {
    let Some(meta) = Stored::read(stored) else { return Verdict::Unusable };
    if ask.shared_only && !meta.shared {
        return Verdict::Unusable;
    }
    // A clock that went back by more than a minute says nothing about ages.
    if meta.received > now.saturating_add(60_000) {
        return Verdict::Stale;
    }
    let resident = now.saturating_sub(meta.received);
    let left = meta.ttl.saturating_sub(resident);
    if left == 0 {
        return Verdict::Stale;
    }
    if !meta.vary.is_empty() {
        match meta.vary.split_once(' ') {
            Some((names, hash)) if vary_hash(names, request) == hash => {}
            Some(_) => return Verdict::VaryMismatch,
            None => return Verdict::Unusable,
        }
    }
    let age = meta.age.saturating_add(resident / 1000);
    // §5.2.1: `max-age` bounds the age, `min-fresh` asks for remaining freshness. `max-stale` allows, not demands.
    let control = ask.control;
    if control.no_cache
        || control.max_age.is_some_and(|max| age > u64::from(max))
        || control.min_fresh.is_some_and(|min| left < u64::from(min).saturating_mul(1000))
    {
        return Verdict::Refused;
    }
    Verdict::Fresh(Hit {
        age,
        ttl: left / 1000,
        cache_control: meta.cache_control,
        varies: !meta.vary.is_empty(),
    })
}

/// Whether the client can read a stored answer's content coding by its `Accept-Encoding` (RFC 9110 §12.5.3): many
/// origins compress without a word in `Vary`. A client that says nothing is taken to read none.
pub fn decodable(request: &dyn Headers, stored: &dyn Headers) -> bool {
    let Some(codings) = stored.get("content-encoding") else { return true };
    let accepted = request.get("accept-encoding").unwrap_or_default();
    header::list(&codings)
        .filter(|coding| !coding.eq_ignore_ascii_case("identity"))
        .all(|coding| accepts(&accepted, coding))
}

/// Whether a list of codings with weights has the coding, or has `*` and does not have it.
fn accepts(accepted: &str, coding: &str) -> bool {
    // `x-gzip` is `gzip` (§8.4.1.3).
    let plain = |name: &str| name.strip_prefix("x-").unwrap_or(name).to_ascii_lowercase();
    let coding = plain(coding);
    let mut any = false;
    for element in header::list(accepted) {
        let mut parts = header::parameters(element);
        let Some(name) = parts.next() else { continue };
        // A weight of zero refuses, one that cannot be read as well.
        let weight = parts.find_map(|p| p.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('='));
        let wanted = weight.is_none_or(|weight| weight.trim().parse().is_ok_and(|weight: f32| weight > 0.0));
        if plain(name) == coding {
            return wanted;
        }
        any |= name == "*" && wanted;
    }
    any
}

/// Fields of a stored 200 that a 304 made from it must not carry (RFC 9110 §15.4.5).
pub const NOT_MODIFIED_REMOVES: &[&str] =
    &["content-length", "content-type", "content-encoding", "content-language", "content-range"];

/// Whether a stored 200 that is served may become a 304 (RFC 9110 §13.2.2, RFC 9111 §4.3.2): the client's
/// `If-None-Match` names its `ETag` (weak comparison, or `*`), or, without that field, `If-Modified-Since` is not
/// before its `Last-Modified`. Without a validator the answer is always whole.
pub fn not_modified(request: &dyn Headers, stored: &dyn Headers) -> bool {
    if let Some(wanted) = request.get("if-none-match") {
        if wanted.trim() == "*" {
            return true;
        }
        let Some(tag) = stored.get("etag") else { return false };
        let tag = tag.trim();
        return opaque(tag).is_some_and(|tag| header::list(&wanted).any(|other| opaque(other) == Some(tag)));
    }
    let date = |headers: &dyn Headers, name| headers.get(name).as_deref().and_then(header::parse_date);
    // The client's field is read first: most requests have none.
    let Some(since) = date(request, "if-modified-since") else { return false };
    date(stored, "last-modified").is_some_and(|modified| modified <= since)
}

/// The opaque part of an entity tag with its quotes (RFC 9110 §8.8.3).
fn opaque(tag: &str) -> Option<&str> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    (tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"')).then_some(tag)
}
