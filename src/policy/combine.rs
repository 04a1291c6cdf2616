//! One request, several upstream calls in parallel, one merged JSON answer.
//!
//! The answer is an object with one member per call, in declared order; each part stands in it as the upstream
//! wrote it, so that numbers keep their digits. A failed optional call is `null`, and the answer says so twice: in
//! its last member, [`PARTIAL`], and in the field [`PARTIAL_FIELD`]. A partial answer is never cached.

use crate::fault::{Fault, Reason};
use crate::upstream::error::ProxyError;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combine {
    /// The calls in declared order, which is the order of the answer's members. 1 to 6.
    pub calls: Vec<Call>,
}

/// One upstream call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Member of the merged answer.
    pub name: String,
    /// Index into the plan's upstreams.
    pub upstream: u32,
    /// Path and query with captured parameters, e.g. `/customers/{id}?expand=all`.
    pub path: super::rewrite::Rewrite,
    /// The whole fails if this call does; otherwise its part is missing and the answer marked as partial.
    pub required: bool,
    /// Request headers passed on, lower case. Nothing else of the client's request is.
    pub forward_headers: Vec<String>,
    /// Largest answer in bytes.
    pub max_bytes: u32,
}

/// Member of a partial answer: a list of `{"call": name, "reason": code}`. No call may have this name.
pub const PARTIAL: &str = "_partial";
/// Header field of a partial answer: the names of the failed calls, a list of structured fields.
pub const PARTIAL_FIELD: &str = "tollgate-partial";
/// Most calls of one route: a worker has six connections at once.
pub const MAX_CALLS: usize = 6;

/// Why a call has no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer.
    Proxy(ProxyError),
    /// An answer that is no success (2xx).
    Status(u16),
    /// The body is no JSON.
    NotJson,
    /// The body is larger than [`Call::max_bytes`].
    TooLarge,
}

impl Failure {
    /// Stable code: `reason` in [`PARTIAL`] and the label in events.
    pub fn code(self) -> &'static str {
        match self {
            Failure::Proxy(error) if error.reason() == Reason::UpstreamTimeout => "timeout",
            Failure::Proxy(_) => "unreachable",
            Failure::Status(_) => "status",
            Failure::NotJson => "not-json",
            Failure::TooLarge => "too-large",
        }
    }

    /// The fault if the call was required. `gateway` is the name in `Proxy-Status`.
    fn fault(self, call: &str, gateway: &str) -> Fault {
        let fault = match self {
            Failure::Proxy(error) => error.fault(gateway),
            Failure::Status(status) => {
                Fault::new(Reason::UpstreamInvalid, "A part of the answer failed upstream.")
                    .member("upstream_status", status)
            }
            Failure::NotJson => Fault::new(Reason::UpstreamInvalid, "A part of the answer is no JSON."),
            Failure::TooLarge => Fault::new(Reason::UpstreamInvalid, "A part of the answer is too large."),
        };
        fault.member("call", call)
    }
}

/// A merged answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// JSON.
    pub body: String,
    /// Failed calls in declared order; empty for a whole answer.
    pub partial: Vec<(String, Failure)>,
}

impl Merged {
    /// Header fields of the answer.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", "application/json".to_string())];
        if !self.partial.is_empty() {
            let names: Vec<&str> = self.partial.iter().map(|(name, _)| name.as_str()).collect();
            headers.push((PARTIAL_FIELD, names.join(", ")));
            headers.push(("cache-control", "no-store".into()));
        }
        headers
    }
}

impl Combine {
    /// Merges the parts, one per call in declared order. Parts are judged here: what is larger than its call allows
    /// or no JSON is a failure. A part that is missing altogether counts as unreachable.
    ///
    /// # Errors
    /// The first required call that failed.
    pub fn merge(&self, parts: &[Result<String, Failure>], gateway: &str) -> Result<Merged, Fault> {
        let size = parts.iter().flatten().map(String::len).fold(64usize, usize::saturating_add);
        let mut body = String::with_capacity(size);
        let mut partial = Vec::new();
        let mut parts = parts.iter();
        for call in &self.calls {
            body.push(if body.is_empty() { '{' } else { ',' });
            push_string(&mut body, &call.name);
            body.push(':');
            let part = match parts.next() {
                Some(Ok(text)) => json(text, call.max_bytes),
                Some(Err(failure)) => Err(*failure),
                None => Err(Failure::Proxy(ProxyError::Unavailable)),
            };
            match part {
                Ok(text) => body.push_str(text),
                Err(failure) if call.required => return Err(failure.fault(&call.name, gateway)),
                Err(failure) => {
                    body.push_str("null");
                    partial.push((call.name.clone(), failure));
                }
            }
        }
        if body.is_empty() {
            body.push('{');
        }
        if !partial.is_empty() {
            body.push(',');
            push_string(&mut body, PARTIAL);
            for (at, (name, failure)) in partial.iter().enumerate() {
                body.push_str(if at == 0 { ":[{\"call\":" } else { ",{\"call\":" });
                push_string(&mut body, name);
                body.push_str(",\"reason\":");
                push_string(&mut body, failure.code());
                body.push('}');
            }
            body.push(']');
        }
        body.push('}');
        Ok(Merged { body, partial })
    }

    /// Refuses what cannot be merged or marked; for the time of checking. The order of the plan is the answer's.
    pub fn check(&self) -> Result<(), String> {
        if self.calls.is_empty() || self.calls.len() > MAX_CALLS {
            return Err(format!("a combined route makes 1 to {MAX_CALLS} calls"));
        }
        for (at, call) in self.calls.iter().enumerate() {
            let name = call.name.as_str();
            // So that a name is a token of structured fields, and a member that every language can spell.
            let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if !plain || name.len() > 64 {
                return Err(format!(
                    "`{}`: a call's name begins with a letter and holds letters, digits, `_` and `-`, 64 at most",
                    name.escape_debug()
                ));
            }
            if self.calls.iter().take(at).any(|other| other.name == name) {
                return Err(format!("two calls are named `{name}`"));
            }
            if call.max_bytes == 0 {
                return Err(format!("`{name}`: an answer of no bytes is no JSON"));
            }
            for header in &call.forward_headers {
                super::headers::check_name(header)?;
            }
        }
        Ok(())
    }
}

/// The text without surrounding whitespace if it is one JSON value of allowed size.
fn json(text: &str, max: u32) -> Result<&str, Failure> {
    if text.len() as u64 > u64::from(max) {
        return Err(Failure::TooLarge);
    }
    // Checks the grammar without building anything, and without recursion.
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(text.trim_matches([' ', '\t', '\n', '\r'])),
        Err(_) => Err(Failure::NotJson),
    }
}

/// Adds a JSON string.
fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests;
