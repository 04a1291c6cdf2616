//! Storing (RFC 9111 §3): may this request use the cache, may this answer be kept, and the metadata kept with it.

use super::{Control, KeyPart, Rule, control, key::Hash};
use crate::header::{self, Headers};
use crate::policy::headers::Edit;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Field of a stored response that holds its metadata. Removed when served.
pub const STORED: &str = "tollgate-stored";
/// Field of a stored response that holds the field names of its `Vary` and a hash of the request's values.
pub const VARY: &str = "tollgate-vary";

/// Most field names in a `Vary` that is followed; more are not stored.
const MAX_VARY: usize = 16;

/// Clocks of one exchange with the origin, milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent.
    pub requested: u64,
    /// When the response's headers had arrived.
    pub received: u64,
}

/// What the cache must know of a request. Made by [`request_may_use`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub(super) head: bool,
    pub(super) control: Control,
    /// Carries credentials that the key does not hold.
    pub(super) shared_only: bool,
    pub(super) steered: bool,
}

impl Ask {
    /// Whether to look up at all: `no-cache` and `max-age=0` of the request refuse every stored answer, so that
    /// only a new one counts (`fwd=request`).
    pub fn wants_stored(&self) -> bool {
        !self.control.no_cache && self.control.max_age != Some(0)
    }

    /// Notes whether the request steers ([`STEERING`]), by the names of the fields that the origin gets: if so, its answer
    /// is not stored. What is in the key may steer.
    pub fn note<'n>(&mut self, rule: &Rule, mut names: impl Iterator<Item = &'n str>) {
        let keyed =
            |name: &str| rule.key.iter().any(|part| matches!(part, KeyPart::Header(own) if own == name));
        self.steered = names.any(|name| steers(name) && !keyed(name));
    }

    /// `only-if-cached`: on a miss the answer is 504 and the origin is not asked (§5.2.1.7).
    pub fn only_if_cached(&self) -> bool {
        self.control.only_if_cached
    }
}

/// Fields by which frameworks and servers let a request be for another method, path or host than its own line says,
/// without a word in `Vary`.
const STEERING: &[&str] = &[
    "front-end-https",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-uri",
    "x-rewrite-url",
    "x-url-scheme",
];

/// What the gateway itself writes, or takes away, or, where it trusts a proxy's word, puts into the key.
const FORWARDED: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
];

/// Whether a field that reaches the origin, by its lower-case name, may make another resource of the request than
/// the one that the key names. Origins that follow CGI take `_` for `-`.
fn steers(name: &str) -> bool {
    const PREFIX: &str = "x-forwarded-";
    let forwarded = name.get(..PREFIX.len()).is_some_and(|start| header::same_field(start, PREFIX));
    (forwarded && !FORWARDED.contains(&name)) || STEERING.iter().any(|own| header::same_field(own, name))
}

/// Whether the cache has a say in a request; `Err` names why it has none (for `Cache-Status`, `fwd=bypass`).
///
/// `authenticated`: the gateway knows the caller, and [`key()`](super::key()) gets the consumer. An `Authorization`
/// field of a caller whom the gateway does not know counts as credentials too. WebSocket upgrades must not come
/// here. Reads `range`, `cache-control` and, without a known caller, `authorization`.
pub fn request_may_use(
    method: &str,
    headers: &dyn Headers,
    rule: &Rule,
    authenticated: bool,
) -> Result<Ask, &'static str> {
    let head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err("method"),
    };
    // A part of a representation is the origin's to cut out.
    if headers.has("range") {
        return Err("range");
    }
    let apart = |part: &KeyPart| match part {
        KeyPart::Consumer => authenticated,
        KeyPart::Header(name) => name == "authorization",
        _ => false,
    };
    let shared_only = !rule.key.iter().any(apart) && (authenticated || headers.has("authorization"));
    let control = headers.get("cache-control").map(|v| Control::parse(&v)).unwrap_or_default();
    Ok(Ask { head, control, shared_only, steered: false })
}

/// Metadata of a stored response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// When it was received, milliseconds since 1970 by the gateway's clock.
    pub received: u64,
    /// Its age at that time, in seconds (§4.2.3, corrected initial age).
    pub age: u64,
    /// How long after `received` it is fresh, in milliseconds; at least 1.
    pub ttl: u64,
    /// May answer callers other than the one who caused it, credentials or not (§3.5).
    pub shared: bool,
    /// The names of `Vary` in lower case, joined by commas, a space, and the hash of the request's values; empty
    /// where there is no `Vary`.
    pub vary: String,
    /// The origin's `Cache-Control`, given back when served.
    pub cache_control: Option<String>,
    /// Declared length of the body. `None`: unknown, so the host must count while it copies, and drop the copy
    /// above [`Rule::max_bytes`].
    pub length: Option<u64>,
}

/// Whether the answer to a request may be stored; `Err` names why not (for the event; a token).
///
/// `request` are the fields that the origin got, not those that the client sent: `Vary` speaks of them, the caller's
/// introduction by the gateway included. `response` are those that the origin sent, before any edit.
///
/// Freshness is the origin's own (`s-maxage`, `max-age`, `Expires`; with any status that the RFC lets be stored),
/// else the rule's `ttl`, which applies to 200, 203, 204, 300, 301, 308 and 410 only: a 404 is kept only if the
/// origin says for how long. Where the `ttl` decides, the answer to a request with a `Cookie` is not stored unless
/// the origin says that all may share it.
/// `CDN-Cache-Control` (RFC 9213) goes before `Cache-Control` and `Expires`, except that a prohibition counts in
/// either.
pub fn storable(
    rule: &Rule,
    ask: &Ask,
    request: &dyn Headers,
    status: u16,
    response: &dyn Headers,
    times: Times,
) -> Result<Stored, &'static str> {
    if ask.head {
        return Err("head");
    }
    if ask.control.no_store {
        return Err("request-no-store");
    }
    // 206 and 304 are parts. Of the errors those alone that are about the resource: any other may be about a field
    // of this very request, and whoever provokes it would deny everybody the resource.
    if !matches!(status, 200..=205 | 207..=303 | 305..=399 | 404 | 405 | 410 | 451 | 503) {
        return Err("status");
    }
    if ask.steered {
        return Err("steered");
    }
    let by_rule = matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 410);
    if response.has("set-cookie") {
        return Err("set-cookie");
    }
    let field = response.get("cache-control");
    let own = field.as_deref().map(Control::parse).unwrap_or_default();
    let targeted = response.get("cdn-cache-control").map(|v| Control::parse(&v));
    for control in [Some(own), targeted].into_iter().flatten() {
        // §5.2.2.3: `must-understand` lifts `no-store` for a status whose rules are known.
        if control.no_store && !(control.must_understand && by_rule) {
            return Err("no-store");
        }
        if control.must_understand && !by_rule {
            return Err("must-understand");
        }
        if control.private {
            return Err("private");
        }
        // Would need revalidation before every use.
        if control.no_cache {
            return Err("no-cache");
        }
    }
    let control = targeted.unwrap_or(own);
    let shared = control.public || control.must_revalidate || control.s_maxage.is_some();
    if ask.shared_only && !shared {
        return Err("credentials");
    }
    let age = initial_age(response, times);
    let stated = lifetime(&control, targeted.is_none(), response, times);
    let cookie = || if !shared && request.has("cookie") { Err("cookie") } else { Ok(()) };
    let ttl = match (rule.ttl, stated) {
        (Some(ttl), _) if rule.override_origin && by_rule => {
            cookie()?;
            u64::from(ttl)
        }
        (_, Some(seconds)) => seconds.saturating_sub(age).saturating_mul(1000),
        (_, None) if !by_rule => return Err("status"),
        (ttl, None) => {
            cookie()?;
            ttl.map(u64::from).ok_or("no-freshness")?
        }
    };
    if ttl == 0 {
        return Err("stale");
    }
    let length = match response.get("content-length") {
        None => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| "length")?),
    };
    if length.is_some_and(|length| length > rule.max_bytes) {
        return Err("too-large");
    }
    // What is said to one web origin is often said without `Vary`.
    let one = response.get("access-control-allow-origin").is_some_and(|origin| origin.trim() != "*");
    let implied = if one { "origin" } else { "" };
    let vary = vary(response.get("vary").as_deref().unwrap_or_default(), implied, request)?;
    let cache_control = field.map(|v| v.into_owned());
    Ok(Stored { received: times.received, age, ttl, shared, vary, cache_control, length })
}

/// Freshness lifetime that the origin states, in seconds (§4.2.1); what cannot be read is stale.
fn lifetime(control: &Control, expires: bool, response: &dyn Headers, times: Times) -> Option<u64> {
    if let Some(seconds) = control.s_maxage.or(control.max_age) {
        return Some(u64::from(seconds));
    }
    let text = expires.then(|| response.get("expires")).flatten()?;
    let Some(at) = header::parse_date(&text) else { return Some(0) };
    let date = date(response).unwrap_or_else(|| i64::try_from(times.received / 1000).unwrap_or(i64::MAX));
    Some(u64::try_from(at.saturating_sub(date)).unwrap_or(0))
}

fn date(response: &dyn Headers) -> Option<i64> {
    response.get("date").as_deref().and_then(header::parse_date)
}

/// Corrected initial age in seconds (§4.2.3).
fn initial_age(response: &dyn Headers, times: Times) -> u64 {
    let received = times.received / 1000;
    let apparent =
        date(response).and_then(|d| u64::try_from(d).ok()).map_or(0, |d| received.saturating_sub(d));
    // §5.1: of several values the first counts, one that cannot be read is ignored.
    let stated = response.get("age").and_then(|v| control::seconds(v.split(',').next().unwrap_or("").trim()));
    let delay = times.received.saturating_sub(times.requested).div_ceil(1000);
    let corrected = stated.map_or(0, |age| u64::from(age).saturating_add(delay));
    apparent.max(corrected)
}

/// The names of a `Vary`, and those implied, and the hash of what the request has for them.
fn vary(value: &str, implied: &str, request: &dyn Headers) -> Result<String, &'static str> {
    let mut names = String::new();
    for (at, name) in header::list(value).chain(header::list(implied)).enumerate() {
        if name == "*" {
            return Err("vary-star");
        }
        if !header::is_token(name) || at >= MAX_VARY {
            return Err("vary");
        }
        let name = name.to_ascii_lowercase();
        if at > 0 {
            names.push(',');
        }
        names.push_str(&name);
    }
    if names.is_empty() {
        return Ok(names);
    }
    let hash = vary_hash(&names, request);
    names.push(' ');
    names.push_str(&hash);
    Ok(names)
}

/// Hash of the request's values for the names (joined by commas). A hash, since the values may be credentials.
pub(super) fn vary_hash(names: &str, request: &dyn Headers) -> String {
    let mut hash = Hash(Sha256::new());
    for name in names.split(',') {
        hash.part(b'n', name);
        let value =
            request.get(name).map(|value| if is_loose(name) { Cow::Owned(normal(&value)) } else { value });
        hash.optional(b'v', value.as_deref());
    }
    let mut out = String::with_capacity(64);
    hash.finish(&mut out);
    out
}

/// Fields whose letter case and whitespace mean nothing, and which differ between any two browsers otherwise.
fn is_loose(name: &str) -> bool {
    matches!(name, "accept-encoding" | "accept-language")
}

/// A list in the one form that stands for all of the same meaning (§4.1): lower case, no whitespace, and in
/// order of the alphabet if no element has a weight, for then all are liked alike.
fn normal(value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    let mut elements: Vec<&str> = header::list(&lower).collect();
    if !lower.contains(';') {
        elements.sort_unstable();
        elements.dedup();
    }
    let mut out = elements.join(",");
    out.retain(|c| !matches!(c, ' ' | '\t'));
    out
}

impl Stored {
    /// Edits that turn the origin's response into the one to store. `Cache-Control` becomes what the Cache API
    /// must obey; the origin's own is kept in [`STORED`]. Any copy of our fields that the origin sent goes.
    pub fn edits(&self) -> Vec<Edit> {
        let seconds = self.ttl.div_ceil(1000);
        let mut edits = vec![
            Edit::Set(STORED.into(), self.to_field().into()),
            Edit::Set("cache-control".into(), format!("public, max-age={seconds}").into()),
            // The Cache API would subtract it from our max-age, and follow these before it.
            Edit::Remove("age".into()),
            Edit::Remove("expires".into()),
            Edit::Remove("cdn-cache-control".into()),
            Edit::Remove("cloudflare-cdn-cache-control".into()),
            Edit::Remove("surrogate-control".into()),
            // Kept by name and hash; the Cache API knows nothing of variants.
        ];
        edits.push(match self.vary.as_str() {
            "" => Edit::Remove(VARY.into()),
            vary => Edit::Set(VARY.into(), vary.to_owned().into()),
        });
        edits
    }

    /// One field, so that a hit costs one read: format version, received, age, ttl, shared, has variants, and the
    /// origin's `Cache-Control` after `=`, or `-`.
    fn to_field(&self) -> String {
        let Stored { received, age, ttl, .. } = self;
        let (shared, vary) = (u8::from(self.shared), u8::from(!self.vary.is_empty()));
        match &self.cache_control {
            Some(own) => format!("1 {received} {age} {ttl} {shared} {vary} ={own}"),
            None => format!("1 {received} {age} {ttl} {shared} {vary} -"),
        }
    }

    /// Reads the metadata of a stored response; `None` if it is not ours, or of another version.
    pub(super) fn read(stored: &dyn Headers) -> Option<Stored> {
        let text = stored.get(STORED)?;
        let mut parts = text.splitn(7, ' ');
        if parts.next() != Some("1") {
            return None;
        }
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (received, age, ttl, shared, varies) = (number()?, number()?, number()?, number()?, number()?);
        let cache_control = match parts.next()? {
            "-" => None,
            own => Some(own.strip_prefix('=')?.to_string()),
        };
        let vary = if varies == 0 { String::new() } else { stored.get(VARY)?.into_owned() };
        Some(Stored { received, age, ttl, shared: shared == 1, vary, cache_control, length: None })
    }
}
