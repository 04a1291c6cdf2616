//! The one canonical form of a path, used for matching, authorization, cache keys and the upstream URL.
//!
//! Raw `workerd` hands over the request target as the client wrote it, and `fetch` would resolve it later. So the
//! raw text is taken apart here without any normalisation of the WHATWG kind, and the canonical path is by
//! construction a fixed point of WHATWG URL parsing: what was matched is what the upstream gets.
//!
//! The rules, for a path:
//! - It begins with `/`. A trailing slash is significant: `/a` and `/a/` are two paths.
//! - Percent-encoded unreserved characters are decoded, hexadecimal digits are upper case (RFC 3986 §6.2.2), and
//!   every byte that RFC 3986 §3.3 does not allow in a path is percent-encoded. Reserved characters stay as sent:
//!   `!` and `%21` differ.
//! - Refused as `malformed-path`: invalid percent triplets; control characters, NUL and backslashes, raw or encoded;
//!   invalid UTF-8; `//`; an encoded slash, unless allowed; a segment that is `.` or `..`, or would become so after
//!   more decoding (`%252e`), after decoding `%2F`, or after path parameters are dropped (`..;x`); a segment of
//!   nothing but path parameters (`;x`), which some origins read as an empty one.
//!
//! A query is not decoded and not judged: raw characters that WHATWG parsing would encode are encoded, raw control
//! characters are refused, the rest stays as sent, invalid triplets too. A fragment is refused (RFC 9112 §3.2).

use crate::fault::{Fault, Reason};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

mod template;
#[cfg(test)]
mod tests;
pub use template::{MAX_PARAMS, Template, groups, template};

/// Longest URL accepted, in bytes: the platform's own bound.
pub const MAX_URL: usize = 16 * 1024;

/// What a route lets pass that is refused elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leniency {
    /// Encoded slashes (`%2F`) stay encoded and never separate segments.
    pub encoded_slashes: bool,
}

/// A raw path in which each run of slashes is one.
pub fn merged(raw: &str) -> Cow<'_, str> {
    if !raw.contains("//") {
        return Cow::Borrowed(raw);
    }
    let mut last = '\0';
    Cow::Owned(raw.chars().filter(|c| std::mem::replace(&mut last, *c) != '/' || *c != '/').collect())
}

/// A request URL in absolute form, taken apart and otherwise as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Whether the scheme is `https`.
    pub https: bool,
    /// Host and perhaps port, never with user information. See [`super::host::canonical`].
    pub authority: &'a str,
    /// Raw path: begins with `/`, or is the `*` of `OPTIONS *` (RFC 9112 §3.2.4). See [`canonical`].
    pub path: &'a str,
    /// Raw query without its `?`; `None` where there is no `?`. See [`canonical_query`].
    pub query: Option<&'a str>,
}

/// Takes the absolute URL of a request apart.
///
/// # Errors
/// `uri-too-long` above [`MAX_URL`]; `malformed-path` for a scheme other than `http` and `https`, for a fragment
/// and for a backslash before the path; `malformed-host` for user information.
pub fn split(url: &str) -> Result<Target<'_>, Fault> {
    if url.len() > MAX_URL {
        return Err(Fault::new(Reason::UriTooLong, "The URL is longer than 16 KiB."));
    }
    // As the platform writes it; anything else is looked at more closely.
    let (https, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => scheme(url)?,
    };
    if rest.bytes().any(|b| b == b'#') {
        return Err(malformed("The URL has a fragment."));
    }
    let (hierarchy, query) = match rest.split_once('?') {
        Some((hierarchy, query)) => (hierarchy, Some(query)),
        None => (rest, None),
    };
    let end = hierarchy.bytes().position(|b| b == b'/' || b == b'\\').unwrap_or(hierarchy.len());
    let (authority, path) = hierarchy.split_at_checked(end).unwrap_or((hierarchy, ""));
    if authority.bytes().any(|b| b == b'@') {
        return Err(Fault::new(Reason::MalformedHost, "The URL holds user information."));
    }
    // `OPTIONS *` reaches raw workerd as `http://host*`, no path as `http://host` (RFC 9110 §4.2.3: the same as `/`).
    let (authority, path) = match (path, authority.strip_suffix('*')) {
        ("", Some(host)) => (host, "*"),
        ("", None) => (authority, "/"),
        _ => (authority, path),
    };
    Ok(Target { https, authority, path, query })
}

/// Whether a URL whose scheme is not in lower case has `https`, and what follows.
#[cold]
fn scheme(url: &str) -> Result<(bool, &str), Fault> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| malformed("The URL has no scheme."))?;
    let https = scheme.eq_ignore_ascii_case("https");
    if !https && !scheme.eq_ignore_ascii_case("http") {
        return Err(malformed("The URL's scheme is neither http nor https."));
    }
    Ok((https, rest))
}

/// The canonical form of a raw path; borrowed where the path already has it, which is the usual case.
///
/// A route is only known after its path was matched, so a gateway with lenient routes canonicalises leniently,
/// matches, and then asks [`permitted`] with the route's own leniency.
///
/// # Errors
/// `malformed-path`, for what the module's description lists.
pub fn canonical(raw: &str, leniency: Leniency) -> Result<Cow<'_, str>, Fault> {
    if !raw.starts_with('/') {
        return Err(malformed("The path does not begin with a slash."));
    }
    if plain(raw)? {
        return Ok(Cow::Borrowed(raw));
    }
    let path = encode(raw, Place::Path(leniency))?;
    segments(&path)?;
    Ok(path)
}

/// Whether a path that was canonicalised leniently may pass on a route of this leniency.
///
/// # Errors
/// `malformed-path` for an encoded slash on a route that does not accept it.
pub fn permitted(canonical: &str, leniency: Leniency) -> Result<(), Fault> {
    let encoded = || canonical.bytes().any(|b| b == b'%') && canonical.contains("%2F");
    if !leniency.encoded_slashes && encoded() {
        return Err(encoded_slash());
    }
    Ok(())
}

/// The form of a raw query (without its `?`) that WHATWG parsing leaves alone; borrowed where it has it already.
///
/// # Errors
/// `malformed-path` for raw control characters and a `#`.
pub fn canonical_query(raw: &str) -> Result<Cow<'_, str>, Fault> {
    if raw.bytes().all(|b| b != b'\'' && (is_plain(b) || matches!(b, b'%' | b'/' | b'?' | b';'))) {
        return Ok(Cow::Borrowed(raw));
    }
    encode(raw, Place::Query)
}

fn malformed(detail: &'static str) -> Fault {
    Fault::new(Reason::MalformedPath, detail)
}

fn encoded_slash() -> Fault {
    malformed("The path holds an encoded slash.")
}

fn dot_segment() -> Fault {
    malformed("The path holds a dot segment.")
}

fn empty_segment() -> Fault {
    malformed("The path holds an empty segment.")
}

/// `pchar` of RFC 3986 §3.3 without percent triplets, and without `;`, whose segments need a closer look.
const fn is_plain(b: u8) -> bool {
    is_unreserved(b)
        || matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// RFC 3986 §2.3.
const fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

/// The fast way: true for a path of plain characters only, false for one that needs the closer look.
fn plain(raw: &str) -> Result<bool, Fault> {
    // Length of the segment so far, and whether it consists of dots.
    let (mut length, mut dots) = (0_usize, true);
    for b in raw.bytes().skip(1) {
        if b == b'/' {
            if length == 0 {
                return Err(empty_segment());
            }
            if dots && length <= 2 {
                return Err(dot_segment());
            }
            (length, dots) = (0, true);
        } else if is_plain(b) {
            length = length.saturating_add(1);
            dots &= b == b'.';
        } else {
            return Ok(false);
        }
    }
    if dots && matches!(length, 1 | 2) {
        return Err(dot_segment());
    }
    Ok(true)
}

/// What is being encoded.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Path(Leniency),
    Query,
}

/// Encodes what must be encoded and, in a path, decodes what may be decoded. Nothing is copied before the first
/// difference.
fn encode(raw: &str, place: Place) -> Result<Cow<'_, str>, Fault> {
    let mut out: Option<String> = None;
    let mut at = 0_usize;
    while let Some(unit) = Unit::at(raw, at, place)? {
        let end = at.saturating_add(unit.length);
        match (&mut out, unit.instead) {
            (None, Instead::Same) => {}
            (Some(out), Instead::Same) => out.push_str(raw.get(at..end).unwrap_or_default()),
            (out, instead) => {
                let out = out.get_or_insert_with(|| {
                    let mut out = String::with_capacity(raw.len().saturating_add(16));
                    out.push_str(raw.get(..at).unwrap_or_default());
                    out
                });
                match instead {
                    Instead::Byte(b) => out.push(char::from(b)),
                    Instead::Upper => {
                        out.extend(
                            raw.get(at..end).unwrap_or_default().chars().map(|c| c.to_ascii_uppercase()),
                        );
                    }
                    Instead::Encode | Instead::Same => {
                        for b in raw.get(at..end).unwrap_or_default().bytes() {
                            push_triplet(out, b);
                        }
                    }
                }
            }
        }
        at = end;
    }
    Ok(out.map_or(Cow::Borrowed(raw), Cow::Owned))
}

fn push_triplet(out: &mut String, b: u8) {
    let digit = |v: u8| char::from_digit(u32::from(v), 16).unwrap_or('0').to_ascii_uppercase();
    out.extend(['%', digit(b >> 4), digit(b & 15)]);
}

/// A character, a percent triplet, or the triplets of one character beyond ASCII.
struct Unit {
    /// In bytes of the raw text, at least 1.
    length: usize,
    instead: Instead,
}

/// What stands for a unit in the canonical form.
#[derive(Clone, Copy)]
enum Instead {
    Same,
    /// This unreserved character.
    Byte(u8),
    /// The same with upper-case hexadecimal digits.
    Upper,
    /// Each byte as a triplet.
    Encode,
}

impl Unit {
    fn at(raw: &str, at: usize, place: Place) -> Result<Option<Unit>, Fault> {
        let Some(rest) = raw.get(at..) else { return Ok(None) };
        let Some(c) = rest.chars().next() else { return Ok(None) };
        let same = Ok(Some(Unit { length: c.len_utf8(), instead: Instead::Same }));
        let encode = Ok(Some(Unit { length: c.len_utf8(), instead: Instead::Encode }));
        if c.is_ascii_control() {
            return Err(malformed("The URL holds a control character."));
        }
        let b = match u8::try_from(c) {
            Ok(b) if c.is_ascii() => b,
            // What workerd puts where the client's bytes were no UTF-8.
            _ if c == char::REPLACEMENT_CHARACTER => return Err(not_utf8()),
            _ => return encode,
        };
        let Place::Path(leniency) = place else {
            return match b {
                b'#' => Err(malformed("The URL has a fragment.")),
                // The special-query percent-encode set of the URL standard.
                b' ' | b'"' | b'<' | b'>' | b'\'' => encode,
                _ => same,
            };
        };
        match b {
            b'%' => Self::triplets(rest, leniency).map(Some),
            b'\\' => Err(malformed("The path holds a backslash.")),
            b'?' | b'#' => Err(malformed("The path holds a query or a fragment.")),
            b'/' | b';' => same,
            _ if is_plain(b) => same,
            _ => encode,
        }
    }

    /// The triplet, or the triplets of one character, at the beginning of `rest`.
    fn triplets(rest: &str, leniency: Leniency) -> Result<Unit, Fault> {
        let bytes = rest.as_bytes();
        let first = triplet(bytes).ok_or_else(|| malformed("The path holds an invalid percent-encoding."))?;
        let length = match first {
            b'/' if !leniency.encoded_slashes => return Err(encoded_slash()),
            b'\\' => return Err(malformed("The path holds an encoded backslash.")),
            0..=0x1F | 0x7F => return Err(malformed("The path holds an encoded control character.")),
            _ if is_unreserved(first) => return Ok(Unit { length: 3, instead: Instead::Byte(first) }),
            ..=0x7F => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            _ => 4,
        };
        let mut character = [0_u8; 4];
        for (slot, from) in character.iter_mut().zip((0_usize..).step_by(3)).take(length) {
            *slot = bytes.get(from..).and_then(triplet).ok_or_else(not_utf8)?;
        }
        let decoded = character.get(..length).unwrap_or_default();
        // A character cannot continue: a longer sequence than its first byte says, or a stray byte, is invalid.
        if !std::str::from_utf8(decoded).is_ok_and(|text| text.chars().count() == 1) {
            return Err(not_utf8());
        }
        let length = length.saturating_mul(3);
        let upper = !bytes.iter().take(length).any(u8::is_ascii_lowercase);
        Ok(Unit { length, instead: if upper { Instead::Same } else { Instead::Upper } })
    }
}

fn not_utf8() -> Fault {
    malformed("The path is not valid UTF-8.")
}

/// The byte of the percent triplet that `bytes` begins with.
fn triplet(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|v| u8::try_from(v).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// Refuses empty and dot segments, hidden ones too, in a path whose characters are canonical.
fn segments(path: &str) -> Result<(), Fault> {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Err(empty_segment());
        }
        if segment.starts_with(';') || segment.starts_with("%3B") {
            return Err(empty_segment());
        }
        if hides_dots(segment) {
            return Err(dot_segment());
        }
    }
    Ok(())
}

/// Whether a reader who decodes again, takes encoded separators for separators, and drops path parameters
/// (`;` and what follows) would see `.` or `..`.
fn hides_dots(segment: &str) -> bool {
    // Dots since the last separator; `None` once anything else came.
    let mut dots = Some(0_u8);
    let mut rest = segment.as_bytes();
    loop {
        let byte = deep_byte(&mut rest);
        match byte {
            None | Some(b'/' | b'\\' | b';') => {
                if matches!(dots, Some(1 | 2)) {
                    return true;
                }
                dots = if byte == Some(b';') { None } else { Some(0) };
            }
            Some(b'.') => dots = dots.map(|n| n.saturating_add(1)),
            Some(_) => dots = None,
        }
        if byte.is_none() {
            return false;
        }
    }
}

/// Takes one byte, decoded as often as it was encoded: `%2e`, `%252e` and `%25252e` are all a dot. Linear in the
/// input, since the `25`s are skipped, not decoded round by round.
fn deep_byte(rest: &mut &[u8]) -> Option<u8> {
    let (&first, mut tail) = rest.split_first()?;
    if first == b'%' {
        while let Some(inner) = tail.strip_prefix(b"25") {
            tail = inner;
        }
        if let [high, low, after @ ..] = tail
            && let Some(byte) = triplet(&[b'%', *high, *low])
        {
            *rest = after;
            return Some(byte);
        }
    }
    *rest = tail;
    Some(first)
}
