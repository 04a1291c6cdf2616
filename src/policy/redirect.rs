//! Redirects (RFC 9110 §15.4), with the parts of the Gateway API's `RequestRedirect`: what is not given is kept from the
//! request.
//!
//! The `Location` is always an absolute URL of a host that the route file names or the client asked for, and a fixed
//! point of URL parsing. Captured parameters go into path and query alone, which are judged anew: none can name a host
//! or end the field.

use super::rewrite::{Path, Rewrite};
use crate::fault::{Fault, Reason};
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Whether the scheme is `https`, if it is not the request's.
    pub https: Option<bool>,
    /// The host in canonical form, if it is not the request's.
    pub host: Option<String>,
    /// The port. Not given: the scheme's own where a scheme is given, and otherwise the request's.
    pub port: Option<u16>,
    /// The path, if it is not the request's. Its templates have no query.
    pub path: Option<Path>,
    /// The query.
    pub query: Query,
}

/// What becomes of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// The request's.
    Keep,
    /// None.
    Drop,
    /// Another one: a template that begins with [`QUERY`].
    Replace(Rewrite),
}

/// What stands before a query in its template.
pub const QUERY: &str = "/?";

/// The statuses that a redirect may have.
pub const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

/// What a request asked for, in canonical form.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// By HTTPS.
    pub https: bool,
    /// The host.
    pub host: &'a str,
    /// The host, and its port unless that is the scheme's own.
    pub authority: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: Option<&'a str>,
}

impl Redirect {
    /// The value of `Location`.
    ///
    /// # Errors
    /// 400 if the captured parameters make no path; 508 if it is what the request asked for: the client would ask
    /// forever.
    pub fn location<'p>(
        &self,
        asked: &Asked<'_>,
        param: impl Fn(&str) -> Option<&'p str>,
    ) -> Result<String, Fault> {
        let https = self.https.unwrap_or(asked.https);
        let host = self.host.as_deref().unwrap_or(asked.host);
        let asked_port = asked.authority.strip_prefix(asked.host).and_then(|rest| rest.strip_prefix(':'));
        let port = match (self.port, self.https) {
            (Some(port), _) => Some(port),
            (None, Some(_)) => None,
            (None, None) => asked_port.and_then(|port| port.parse().ok()),
        };
        let mut out = String::with_capacity(128);
        out.push_str(if https { "https://" } else { "http://" });
        out.push_str(host);
        if let Some(port) = port.filter(|port| *port != if https { 443 } else { 80 }) {
            out.push(':');
            out.push_str(&port.to_string());
        }
        match &self.path {
            Some(path) => out.push_str(&path.apply(asked.path, &param)?),
            None => out.push_str(asked.path),
        }
        match &self.query {
            Query::Keep => {
                if let Some(query) = asked.query {
                    out.push('?');
                    out.push_str(query);
                }
            }
            Query::Drop => {}
            Query::Replace(template) => {
                let query = template.apply(&param)?;
                out.push('?');
                out.push_str(query.strip_prefix(QUERY).unwrap_or_default());
            }
        }
        if asked.is(&out) {
            let fault = Fault::new(Reason::LoopDetected, "This address is redirected to itself.");
            return Err(fault.private("the route's `redirect` leads to the URL that was asked for"));
        }
        Ok(out)
    }

    /// Refuses what cannot work; for the time of checking.
    ///
    /// # Errors
    /// Text for the author.
    pub fn check(&self) -> Result<(), String> {
        if !STATUSES.contains(&self.status) {
            return Err("a redirect has the status 301, 302, 303, 307 or 308".into());
        }
        let elsewhere = self.host.is_some() || self.port.is_some();
        if !elsewhere && self.path.is_none() && self.query == Query::Keep {
            return Err(match self.https {
                None => "it leads to itself: give `host`, `path`, `prefix` or another part".into(),
                Some(_) => {
                    "requests that have this scheme already would be led to themselves: instead of `redirect`, write the \
                     setting `https: redirect`, or give `host`, `path` or `prefix` too"
                        .into()
                }
            });
        }
        Ok(())
    }
}

impl Asked<'_> {
    /// Whether `url` is what was asked for.
    fn is(&self, url: &str) -> bool {
        let rest = url.strip_prefix(if self.https { "https://" } else { "http://" });
        let rest = rest.and_then(|rest| rest.strip_prefix(self.authority)?.strip_prefix(self.path));
        match (rest, self.query) {
            (Some(rest), Some(query)) => rest.strip_prefix('?') == Some(query),
            (Some(rest), None) => rest.is_empty(),
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests;
