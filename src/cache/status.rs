//! `Cache-Status` (RFC 9211).

use crate::header::is_token;

/// How the cache took part in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the cache.
    Hit {
        /// Remaining freshness in seconds.
        ttl: u64,
    },
    /// Forwarded: the cache had no say. Why, as [`request_may_use`](super::request_may_use) names it.
    Bypass(&'static str),
    /// Forwarded: nothing stored under the key.
    UriMiss,
    /// Forwarded: what is stored answers other values of the fields that `Vary` names.
    VaryMiss,
    /// Forwarded: what is stored may not be used for another reason.
    Miss,
    /// Forwarded: the store did not say in time whether it has something. Why, for `detail`.
    Unanswered(&'static str),
    /// Forwarded: the request's own directives refused what is stored.
    Request,
    /// Forwarded: what is stored is no longer fresh.
    Stale,
}

impl Outcome {
    /// Value of the `fwd` parameter; `hit` for a hit. Also the label in events.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Hit { .. } => "hit",
            Outcome::Bypass("method") => "method",
            Outcome::Bypass(_) => "bypass",
            Outcome::UriMiss => "uri-miss",
            Outcome::VaryMiss => "vary-miss",
            // What caches say that cannot tell more (§2.2).
            Outcome::Miss | Outcome::Unanswered(_) => "miss",
            Outcome::Request => "request",
            Outcome::Stale => "stale",
        }
    }
}

/// One member of `Cache-Status`, to be added after those of caches nearer to the origin. `name` is the gateway's.
/// `stored`: `None` where storing was not tried, else whether the answer is stored now, or why not.
pub fn cache_status(name: &str, outcome: Outcome, stored: Option<Result<(), &'static str>>) -> String {
    // The member must be a token or a string of structured fields; a token there begins with a letter or `*`.
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut out = if begins && is_token(name) { name.to_string() } else { format!("{name:?}") };
    let detail = match outcome {
        Outcome::Hit { ttl } => {
            out.push_str("; hit; ttl=");
            out.push_str(&ttl.to_string());
            return out;
        }
        Outcome::Bypass("method") => None,
        Outcome::Bypass(why) | Outcome::Unanswered(why) => Some(why),
        _ => None,
    };
    out.push_str("; fwd=");
    out.push_str(outcome.label());
    let detail = match stored {
        Some(Ok(())) => {
            out.push_str("; stored");
            detail
        }
        Some(Err(why)) => Some(why),
        None => detail,
    };
    if let Some(detail) = detail {
        out.push_str("; detail=");
        out.push_str(detail);
    }
    out
}
