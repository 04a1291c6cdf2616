//! Answers that stand in the route file: mocks, notices, `security.txt`. No origin is asked.

use super::headers::Text;
use crate::header;
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Respond {
    /// Status.
    pub status: u16,
    /// Header fields in order, `content-type` among them; names in lower case.
    pub headers: Vec<(Text, Text)>,
    /// The body; empty: none. A HEAD gets its length only, by the host.
    pub body: String,
}

/// Largest body, in bytes: the plan lies in the memory of every isolate.
pub const MAX_BODY: usize = 64 * 1024;

impl Respond {
    /// Refuses answers that no client could make sense of; for the time of checking.
    ///
    /// # Errors
    /// Text for the author.
    pub fn check(&self) -> Result<(), String> {
        let needs = |name: &str| {
            if self.headers.iter().any(|(own, _)| own == name) {
                return Ok(());
            }
            Err(format!("an answer of {} has a field `{name}` (RFC 9110): add it to `headers`", self.status))
        };
        match self.status {
            301 | 302 | 303 | 307 | 308 => return Err("write a redirect as `redirect`".into()),
            206 | 304 | 407 | 416 | 426 => {
                return Err(format!("{} answers what a route file cannot know of a request", self.status));
            }
            401 => needs("www-authenticate")?,
            405 => needs("allow")?,
            200..=599 => {}
            status => return Err(format!("`{status}` is no status of an answer: write 200 to 599")),
        }
        if matches!(self.status, 204 | 205) && !self.body.is_empty() {
            return Err(format!("an answer of {} has no body (RFC 9110 §15.3)", self.status));
        }
        if self.body.len() > MAX_BODY {
            return Err(format!("the body has {} bytes, of {MAX_BODY} at most", self.body.len()));
        }
        Ok(())
    }
}

/// Whether a text is a media type such as `text/plain; charset=utf-8` (RFC 9110 §8.3.1).
///
/// # Errors
/// Text for the author.
pub fn check_type(text: &str) -> Result<(), String> {
    let mut parts = header::parameters(text);
    let essence = parts.next().and_then(|part| part.split_once('/'));
    let named = essence.is_some_and(|(kind, sub)| header::is_token(kind) && header::is_token(sub));
    let parameter = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
            header::is_token(name) && (header::is_token(value) || quoted)
        })
    };
    if named && parts.all(parameter) && header::is_value(text) && header::quotes_closed(text) {
        return Ok(());
    }
    Err(format!("`{}` is no media type: write one like `text/html; charset=utf-8`", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Respond {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Respond { status, headers, body: body.to_owned() }
    }

    #[test]
    fn check() {
        for (status, headers, body, part) in [
            (199, &[][..], "", "200 to 599"),
            (600, &[], "", "200 to 599"),
            (301, &[], "", "`redirect`"),
            (304, &[], "", "cannot know"),
            (204, &[], "x", "no body"),
            (205, &[], "x", "no body"),
            (401, &[], "x", "www-authenticate"),
            (405, &[("x-a", "b")], "", "allow"),
            (200, &[], &"x".repeat(MAX_BODY + 1), "at most"),
        ] {
            let error = of(status, headers, body).check().unwrap_err();
            assert!(error.contains(part), "{status}: {error}");
        }
        of(200, &[], &"x".repeat(MAX_BODY)).check().unwrap();
        of(204, &[], "").check().unwrap();
        of(401, &[("www-authenticate", "Basic")], "").check().unwrap();
        of(599, &[], "x").check().unwrap();
    }

    #[test]
    fn media_types() {
        for text in ["text/plain", "text/html; charset=utf-8", "a/b;c=\"d; e\"", "application/problem+json"] {
            check_type(text).unwrap();
        }
        for text in
            ["", "text", "text/", "text/a b", "a/b; c", "a/b; c=\"", "a/b\r\nx: y", "a/b; c=\"é\"", " a/b"]
        {
            assert!(check_type(text).is_err(), "{text}");
        }
    }
}
