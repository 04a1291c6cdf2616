//! Cross-origin resource sharing by the Fetch standard (§3.2): preflights are answered here, before authentication.
//!
//! An origin that is not allowed gets no CORS header, and the request passes all the same: it is the browser that
//! refuses. Where a route has CORS, the gateway alone speaks it: what the upstream says about it is removed.
//! A rule that allows one origin, or every one, says so on every answer, as the standard advises for what does not
//! depend on the request: the browser compares. Where several are allowed the answer names the request's own, and
//! carries `Vary: Origin`, or a cache that kept it would serve it to the next script.

use super::headers::Edit;
use crate::header::{self, Headers, Table};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cors {
    /// Allowed origins: `*`, exact serialised origins, or `https://*.example.com` (any depth of subdomains).
    pub origins: Vec<String>,
    /// Methods beside the safelisted ones.
    pub methods: Vec<String>,
    /// Request headers, lower case.
    pub headers: Vec<String>,
    /// Response headers that scripts may read.
    pub expose: Vec<String>,
    /// Whether credentials are allowed; never with `*`.
    pub credentials: bool,
    /// Seconds for which a preflight may be remembered.
    pub max_age: u32,
    /// Whether pages of the public web may reach the route in a private network; never with `*`.
    pub private_network: bool,
    /// Whether scripts may read how long the request took in detail (`Timing-Allow-Origin`).
    pub timing: bool,
}

/// The answer to a preflight: 204 without a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// Whether the origin is allowed (for the event; the answer is 204 either way).
    pub allowed: bool,
    /// Header fields of the answer.
    pub headers: Vec<(&'static str, String)>,
}

/// The fields of answers (and "Private Network Access" §3.3). Where the gateway speaks CORS no upstream's copy may pass:
/// not to the client, for an upstream's `…-Credentials: true` beside our origin would open the route, and not into the
/// store, for what one request brought would be told to all.
pub static FIELDS: Table = Table::of(&[
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-private-network",
    "access-control-max-age",
]);

/// How an origin is allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    No,
    ByAny,
    ByName,
}

impl Cors {
    /// The answer if the request is a preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`.
    pub fn preflight(&self, method: &str, headers: &dyn Headers) -> Option<Preflight> {
        if method != "OPTIONS" {
            return None;
        }
        let origin = headers.get("origin")?;
        if !headers.has("access-control-request-method") {
            return None;
        }
        let allowed = self.allowed(&origin);
        let mut out = vec![("vary", "Origin".to_string())];
        if allowed != Allowed::No {
            out.push(("access-control-allow-origin", self.named(&origin, allowed)));
            // Safelisted methods need no mention, but readers of traces expect it.
            let mut methods = "GET, HEAD, POST".to_string();
            for method in self.methods.iter().filter(|m| !matches!(m.as_str(), "GET" | "HEAD" | "POST")) {
                methods.push_str(", ");
                methods.push_str(method);
            }
            out.push(("access-control-allow-methods", methods));
            if !self.headers.is_empty() {
                out.push(("access-control-allow-headers", self.headers.join(", ")));
            }
            if self.credentials && allowed == Allowed::ByName {
                out.push(("access-control-allow-credentials", "true".into()));
            }
            if self.max_age > 0 {
                out.push(("access-control-max-age", self.max_age.to_string()));
            }
            // A page of the public web may reach into a private network only if its origin is listed by name.
            if self.private_network
                && allowed == Allowed::ByName
                && headers.get("access-control-request-private-network").as_deref() == Some("true")
            {
                out.push(("access-control-allow-private-network", "true".into()));
            }
        }
        Some(Preflight { allowed: allowed != Allowed::No, headers: out })
    }

    /// Edits of any other answer, also of the gateway's own; `origin` gives the request's `Origin`, and is asked only
    /// where it matters. What an upstream says was removed before, as far as there was any: see [`FIELDS`].
    pub fn response_edits<'o>(&self, origin: impl FnOnce() -> Option<Cow<'o, str>>, edits: &mut Vec<Edit>) {
        let allowed = match self.always() {
            Some(always) => Some(always.to_owned()),
            None => {
                edits.push(Edit::Add("vary".into(), "Origin".into()));
                // Without an `Origin` no browser asks, and thanks to `Vary` none is served this answer from a cache.
                origin().and_then(|origin| match self.allowed(&origin) {
                    Allowed::No => None,
                    Allowed::ByAny => Some("*".to_owned()),
                    Allowed::ByName => Some(origin.into_owned()),
                })
            }
        };
        let Some(allowed) = allowed else { return };
        let credentials = self.credentials && allowed != "*";
        if self.timing {
            edits.push(Edit::Set("timing-allow-origin".into(), allowed.clone().into()));
        }
        edits.push(Edit::Set("access-control-allow-origin".into(), allowed.into()));
        if credentials {
            edits.push(Edit::Set("access-control-allow-credentials".into(), "true".into()));
        }
        if !self.expose.is_empty() {
            edits.push(Edit::Set("access-control-expose-headers".into(), self.expose.join(", ").into()));
        }
    }

    /// What `Access-Control-Allow-Origin` says whoever asks: the one origin, or `*`.
    fn always(&self) -> Option<&str> {
        match self.origins.as_slice() {
            [origin] if origin == "*" || !origin.bytes().any(|b| b == b'*') => Some(origin),
            _ => None,
        }
    }

    fn named(&self, origin: &str, allowed: Allowed) -> String {
        if allowed == Allowed::ByAny { "*".into() } else { origin.into() }
    }

    fn allowed(&self, origin: &str) -> Allowed {
        let mut allowed = Allowed::No;
        for pattern in &self.origins {
            if pattern == "*" {
                allowed = Allowed::ByAny;
            } else if matches(pattern, origin) {
                return Allowed::ByName;
            }
        }
        allowed
    }

    /// Refuses settings that cannot work or that open more than they seem to; for the time of checking.
    pub fn check(&self) -> Result<(), String> {
        let any = self.origins.iter().any(|o| o == "*");
        if self.origins.is_empty() {
            return Err("no origins: list at least one, or leave CORS out".into());
        }
        if any && self.origins.len() > 1 {
            return Err("`*` allows every origin: list it alone, or leave it out".into());
        }
        if any && self.credentials {
            return Err(
                "credentials cannot be allowed to every origin: list the origins instead of `*`".into()
            );
        }
        if any && self.private_network {
            return Err(
                "a private network is not opened to every origin: list the origins instead of `*`".into()
            );
        }
        self.origins.iter().try_for_each(|origin| check_origin(origin))?;
        self.methods.iter().try_for_each(|name| self.check_method(name))?;
        self.headers.iter().try_for_each(|name| self.check_header(name))?;
        self.expose.iter().try_for_each(|name| self.check_exposed(name))?;
        // Chromium's limit is 7,200 s, Firefox's 86,400 s; more is never honoured.
        if self.max_age > 86_400 {
            return Err("no browser remembers a preflight for more than 86400 seconds (24h)".into());
        }
        Ok(())
    }

    /// Whether scripts may be allowed this method.
    ///
    /// # Errors
    /// Text for the author.
    pub fn check_method(&self, name: &str) -> Result<(), String> {
        if name == "*" {
            return Err("list the methods instead of `*`".into());
        }
        if !header::is_token(name) {
            return Err(format!("`{}` is no method name", name.escape_debug()));
        }
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "CONNECT" | "TRACE" | "TRACK" => Err(format!("browsers never send `{name}`")),
            _ if name != upper => Err(format!("methods are case-sensitive: write `{upper}`")),
            _ => Ok(()),
        }
    }

    /// Whether scripts may be allowed to set this request header.
    ///
    /// # Errors
    /// Text for the author.
    pub fn check_header(&self, name: &str) -> Result<(), String> {
        self.check_name("header", name)?;
        let lower = name.to_ascii_lowercase();
        if FORBIDDEN.contains(&lower.as_str()) || lower.starts_with("proxy-") || lower.starts_with("sec-") {
            return Err(format!("no script can set `{name}` (Fetch §2.2.2): leave it out"));
        }
        Ok(())
    }

    /// Whether scripts may be allowed to read this response header.
    ///
    /// # Errors
    /// Text for the author.
    pub fn check_exposed(&self, name: &str) -> Result<(), String> {
        self.check_name("exposed header", name)?;
        if matches!(name.to_ascii_lowercase().as_str(), "set-cookie" | "set-cookie2") {
            return Err(format!("no script can read `{name}` (Fetch §2.2.2): leave it out"));
        }
        Ok(())
    }

    fn check_name(&self, what: &str, name: &str) -> Result<(), String> {
        if name == "*" && self.credentials {
            return Err(format!("with credentials browsers take the {what} `*` literally: list the names"));
        }
        if !header::is_token(name) {
            return Err(format!("`{}` is no {what} name", name.escape_debug()));
        }
        Ok(())
    }
}

/// Request headers that scripts cannot set (Fetch §2.2.2), beside `proxy-*` and `sec-*`.
const FORBIDDEN: &[&str] = &[
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a listed origin other than `*` allows `origin`. Browsers send serialised origins, which are lower case
/// and have no default port, so that comparing bytes is exact.
pub(super) fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((scheme, suffix)) => origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_suffix(suffix))
            .is_some_and(|labels| labels.split('.').all(is_label)),
    }
}

/// A host label of lower-case letters, digits, hyphens and underscores. Nothing here can end a host.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// Whether everybody can have a name right below a name of two labels: under countries that sort names by kind, and with
/// well-known hosts of pages. This is no list of all (<https://publicsuffix.org>).
fn is_shared(name: &str) -> bool {
    const KINDS: &[&str] = &[
        "ac", "co", "com", "edu", "go", "gob", "gov", "gouv", "ltd", "mil", "ne", "net", "nom", "or", "org",
        "plc", "sch",
    ];
    const HOSTS: &[&str] = &[
        "amazonaws.com",
        "appspot.com",
        "azurewebsites.net",
        "blogspot.com",
        "cloudfront.net",
        "firebaseapp.com",
        "fly.dev",
        "github.io",
        "gitlab.io",
        "herokuapp.com",
        "netlify.app",
        "ngrok.io",
        "onrender.com",
        "pages.dev",
        "r2.dev",
        "surge.sh",
        "vercel.app",
        "web.app",
        "workers.dev",
    ];
    let kind = |(kind, country): (&str, &str)| country.len() == 2 && KINDS.contains(&kind);
    HOSTS.contains(&name) || name.split_once('.').is_some_and(kind)
}

/// A serialised origin, possibly with `*.` as its first labels, or `*`; says what would be right.
///
/// # Errors
/// Text for the author.
pub fn check_origin(origin: &str) -> Result<(), String> {
    if origin == "*" {
        return Ok(());
    }
    if origin == "null" {
        return Err(
            "`null` is the origin of sandboxed frames and local files, anybody's: list real origins".into()
        );
    }
    let wrong = |why: &str| Err(format!("`{origin}` is no origin: {why}"));
    let Some((scheme, authority)) = origin.split_once("://") else {
        return wrong(
            "write scheme, host and, if it is not the default, port, e.g. `https://app.example.com`",
        );
    };
    let letters =
        |s: &str| s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    if scheme.is_empty() || !letters(scheme) {
        return wrong("the scheme must be lower case letters, e.g. `https`");
    }
    if authority.contains(['/', '?', '#', '@']) {
        return wrong("an origin has no path, not even `/`, and no user name");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if let Some(port) = port {
        if port.parse::<u16>().is_err() || port.starts_with(['0', '+']) {
            return wrong("the port must be a number from 1 to 65535");
        }
        if matches!((scheme, port), ("https", "443") | ("http", "80")) {
            return wrong("browsers leave the default port out; so must the route file");
        }
    }
    if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return match address.parse::<std::net::Ipv6Addr>() {
            Ok(parsed) if parsed.to_string() == address => Ok(()),
            _ => wrong("the IPv6 address must be in its shortest form"),
        };
    }
    let labels = match host.strip_prefix("*.") {
        // `https://*.com` would allow everybody who can register a name.
        Some(rest) if !rest.contains('.') => return wrong("`*.` needs at least two labels after it"),
        Some(rest) if is_shared(rest) => {
            let why = format!("anybody can have a name below `{rest}`; list the names that are yours");
            return wrong(&why);
        }
        Some(rest) => rest,
        None => host,
    };
    if labels.contains('*') {
        return wrong("`*` stands for whole labels at the front only, e.g. `https://*.example.com`");
    }
    if !labels.split('.').all(is_label) {
        return wrong(
            "the host must be lower case (internationalised names as `xn--…`), without empty labels",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
