//! Values with units as people write them: durations, sizes, rates, quotas, URLs, hosts, dates.
//!
//! Each type is text in the route file and checked by the same function that parses it, so the check of the
//! structure ([`check`]) and the typed value can never disagree.

use crate::limit::Period;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

mod choice;

/// Extension keyword of our JSON Schema that names the unit of a text.
pub const KEYWORD: &str = "x-unit";

macro_rules! units {
    ($( $(#[$doc:meta])* $name:ident($inner:ty) = $word:literal, $pattern:literal, [$($example:literal),+], $about:literal; )+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
            #[serde(try_from = "String")]
            pub struct $name(pub $inner);

            impl TryFrom<String> for $name {
                type Error = String;
                fn try_from(text: String) -> Result<Self, String> {
                    Self::parse(&text).map($name)
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({
                        "type": "string",
                        "description": $about,
                        "pattern": $pattern,
                        "examples": [$($example),+],
                        "x-unit": $word,
                    })
                }
            }
        )+

        /// Checks `text` against the unit called `unit`.
        ///
        /// # Errors
        /// What is wrong, in words; unknown units accept everything.
        pub fn check(unit: &str, text: &str) -> Result<(), String> {
            match unit {
                $( $word => $name::parse(text).map(|_| ()), )+
                _ => Ok(()),
            }
        }

        /// What the unit called `unit` looks like: its name and an example.
        pub fn describe(unit: &str) -> String {
            match unit {
                $( $word => format!("a {} such as `{}`", $word, [$($example),+].first().unwrap_or(&"")), )+
                _ => "text".into(),
            }
        }
    };
}

units! {
    /// A length of time in milliseconds.
    Duration(u64) = "duration", "^[0-9]+(ms|s|m|h)$", ["250ms", "5s", "10m", "1h"],
        "A length of time: a whole number and `ms`, `s`, `m` or `h`.";
    /// A number of bytes.
    Size(u64) = "size", "^[0-9]+(B|KiB|MiB|GiB)$", ["64KiB", "512B", "10MiB"],
        "A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.";
    /// Requests per period: count and milliseconds.
    Rate((u32, u32)) = "rate", "^[0-9]+/(s|min|h)$", ["20/s", "100/min", "1000/h"],
        "Requests per time: a whole number, `/` and `s`, `min` or `h`.";
    /// Requests per calendar period in UTC.
    Quota((u64, Period)) = "quota", "^[0-9]+/(hour|day|week|month)$", ["1000/day", "50000/month"],
        "Requests per calendar period (UTC, weeks begin on Monday): a whole number, `/` and `hour`, `day`, `week` or `month`.";
    /// An absolute `http:` or `https:` URL without user, query and fragment, without a trailing slash.
    Origin(String) = "origin", "^https?://[^/?#@\\s]+(/[^?#\\s]*)?$", ["https://orders.internal/api"],
        "URL of an origin service: scheme, host, port if needed, and a base path if needed.";
    /// An absolute `http:` or `https:` URL.
    Link(String) = "URL", "^https?://[^\\s]+$", ["https://login.example.com/jwks.json"],
        "An absolute `http:` or `https:` URL.";
    /// A host pattern in lower case.
    Host(String) = "host", "^(\\*|(\\*\\.)?[A-Za-z0-9][A-Za-z0-9.-]*|\\[[0-9A-Fa-f:.]+\\])$", ["api.example.com", "*.example.com"],
        "A host without port: exact, `*.` and a suffix for all hosts below it, or `*` for every host.";
    /// A date or a moment, as Unix seconds.
    Date(i64) = "date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].+)?$", ["2027-01-31", "2027-01-31T12:00:00Z"],
        "A date or date and time of RFC 3339. A date alone means its first moment in UTC.";
    /// What a limit counts apart.
    Per(crate::limit::Per) = "counter", "^(route|consumer|address|claim\\.\\S+|header\\.\\S+)$", ["consumer", "address", "route", "claim.tenant", "header.x-tenant"],
        "What is counted apart: `consumer`, `address` (IPv6 by its /64), `route` (all callers together), `claim.NAME` or `header.NAME`. A header says what the client likes: beside such a limit, one per `address` holds those who send another value each time.";
    /// A part of a cache key.
    KeyPart(crate::cache::KeyPart) = "key part", "^(consumer|query|query\\.\\S+|header\\.\\S+)$", ["query.page", "query", "consumer", "header.accept-language"],
        "A part of the cache key: `consumer` (the caller, with all that the origin is told of it: never shared between callers), `query` (the whole), `query.NAME` or `header.NAME` (as the origin gets it).";
    /// An address or a network.
    Network(crate::policy::maintenance::Network) = "network", "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32"],
        "An IP address, or a network by its first address and the number of bits that its addresses share.";
    /// The name of a secret's binding.
    Secret(String) = "secret name", "^[A-Z][A-Z0-9_]{0,63}$", ["PARTNER_KEY"],
        "The name of a secret's binding: capital letters, digits and `_`. The value never stands in a route file.";
    /// The name of a fetcher binding, after `binding:`.
    Via(String) = "binding", "^binding:[A-Za-z_][A-Za-z0-9_]{0,63}$", ["binding:ORDERS"],
        "A service binding or another fetcher binding to send through: `binding:NAME`.";
    /// What keeps a caller with a backend.
    StickyBy(crate::policy::split::By) = "value", "^(consumer|address|header\\.\\S+|cookie\\.\\S+)$", ["consumer", "address", "header.x-tenant", "cookie.lane"],
        "Whose value is hashed: `consumer`, `address` (IPv6 by its /64), `header.NAME` or `cookie.NAME`.";
    /// What a test asks for: method, and path or URL.
    Request((String, String)) = "request", "^[A-Za-z-]+ (/|https?://).*$", ["GET /orders/v2/7?page=2", "POST https://api.example.com/"],
        "A method, a space, and path and query, or a whole URL.";
    /// A time after a moment, or before it, in milliseconds.
    Offset(i64) = "offset", "^-?[0-9]+(ms|s|m|h)$", ["1h", "-1s"],
        "A length of time after a moment, or with `-` before it.";
    /// From so many to so many.
    Range((u32, u32)) = "range", "^[0-9]+-[0-9]+$", ["40-60"],
        "From so many to so many: two whole numbers with `-` between.";
    /// A share in parts of 10,000.
    Share(u16) = "share", "^[0-9]{1,3}(\\.[0-9]{1,2})?%$", ["10%", "0.5%", "100%"],
        "A share from `0%` to `100%`, in steps of `0.01%`.";
    /// What a route matches: methods and the template.
    Match((Vec<String>, String)) = "match", "^[A-Za-z|*-]+ /.*$", ["GET /{id}", "GET|POST /", "ANY /{*rest}"],
        "Methods joined by `|`, or `ANY`, a space, and the path template below `base`. A segment may be literal, `{name}`, a literal with one `{name}` in it, or at the end `{*rest}`. `GET` answers HEAD too.";
}

/// Splits `text` after its leading digits; `None` without digits or above 2^53.
fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let number: u64 = digits.parse().ok().filter(|n| *n <= 1 << 53)?;
    Some((number, rest))
}

fn wrong(text: &str, unit: &str, remedy: &str) -> String {
    format!("`{text}` is no {unit}: {remedy}")
}

impl Duration {
    /// Milliseconds of `250ms`, `5s`, `10m`, `1h`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<u64, String> {
        let factor = |unit: &str| match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            _ => None,
        };
        number(text).and_then(|(n, unit)| n.checked_mul(factor(unit)?)).ok_or_else(|| {
            wrong(text, "duration", "write a whole number and `ms`, `s`, `m` or `h`, like `250ms`")
        })
    }
}

impl Offset {
    fn parse(text: &str) -> Result<i64, String> {
        let (sign, length) = text.strip_prefix('-').map_or((1, text), |length| (-1, length));
        let length = Duration::parse(length).ok().and_then(|length| i64::try_from(length).ok());
        length.map(|length| length.saturating_mul(sign)).ok_or_else(|| {
            wrong(text, "offset", "write a duration like `10m`, with `-` before it for what is over")
        })
    }
}

impl Range {
    fn parse(text: &str) -> Result<(u32, u32), String> {
        let narrow = |text: &str| text.parse::<u32>().ok();
        let bounds = text.split_once('-').and_then(|(from, to)| Some((narrow(from)?, narrow(to)?)));
        bounds
            .filter(|(from, to)| from <= to)
            .ok_or_else(|| wrong(text, "range", "write two whole numbers with `-` between, like `40-60`"))
    }
}

impl Request {
    fn parse(text: &str) -> Result<(String, String), String> {
        let remedy = "write a method, a space and a path or URL, like `GET /orders/v2/7`";
        let (method, target) = text.split_once(' ').ok_or_else(|| wrong(text, "request", remedy))?;
        let target = target.trim_start();
        let absolute = target.starts_with("https://") || target.starts_with("http://");
        if method.is_empty() || !(target.starts_with('/') || absolute) {
            return Err(wrong(text, "request", remedy));
        }
        Ok((method.to_owned(), target.to_owned()))
    }
}

impl Size {
    fn parse(text: &str) -> Result<u64, String> {
        let factor = |unit: &str| match unit {
            "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        number(text).and_then(|(n, unit)| n.checked_mul(factor(unit)?)).ok_or_else(|| {
            wrong(text, "size", "write a whole number and `B`, `KiB`, `MiB` or `GiB`, like `64KiB`")
        })
    }
}

impl Rate {
    fn parse(text: &str) -> Result<(u32, u32), String> {
        let remedy = "write a whole number from 1, `/` and `s`, `min` or `h`, like `20/s`";
        let period = |unit: &str| match unit {
            "/s" => Some(1_000),
            "/min" => Some(60_000),
            "/h" => Some(3_600_000),
            _ => None,
        };
        number(text)
            .and_then(|(n, unit)| Some((u32::try_from(n).ok().filter(|n| *n > 0)?, period(unit)?)))
            .ok_or_else(|| match text.rsplit_once('/') {
                Some((_, "day" | "week" | "month" | "hour")) => {
                    wrong(text, "rate", "calendar periods belong to `quota:`")
                }
                _ => wrong(text, "rate", remedy),
            })
    }
}

impl Quota {
    fn parse(text: &str) -> Result<(u64, Period), String> {
        let period = |unit: &str| match unit {
            "/hour" => Some(Period::Hour),
            "/day" => Some(Period::Day),
            "/week" => Some(Period::Week),
            "/month" => Some(Period::Month),
            _ => None,
        };
        number(text).and_then(|(n, unit)| Some((Some(n).filter(|n| *n > 0)?, period(unit)?))).ok_or_else(
            || {
                wrong(
                    text,
                    "quota",
                    "write a whole number from 1, `/` and `hour`, `day`, `week` or `month`, like `1000/day`",
                )
            },
        )
    }
}

/// Parses an absolute `http:`/`https:` URL with a host and without user information.
fn web_url(text: &str, unit: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|e| wrong(text, unit, &e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !text.contains("://") {
        return Err(wrong(text, unit, "it must begin with `https://` or `http://`"));
    }
    if url.host().is_none() {
        return Err(wrong(text, unit, "it names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(text, unit, "credentials never stand in a URL"));
    }
    Ok(url)
}

impl Origin {
    fn parse(text: &str) -> Result<String, String> {
        let url = web_url(text, "origin")?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(text, "origin", "it must have no query and no fragment"));
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

impl Link {
    fn parse(text: &str) -> Result<String, String> {
        web_url(text, "URL").map(|url| url.as_str().to_owned())
    }
}

impl Host {
    fn parse(text: &str) -> Result<String, String> {
        if text == "*" {
            return Ok("*".into());
        }
        crate::routing::host::pattern(text)
    }
}

impl Date {
    fn parse(text: &str) -> Result<i64, String> {
        use time::format_description::well_known::{Rfc3339, iso8601};
        const DATE: u128 =
            iso8601::Config::DEFAULT.set_formatted_components(iso8601::FormattedComponents::Date).encode();
        time::OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .or_else(|| {
                let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                time::Date::parse(text, &iso8601::Iso8601::<DATE>)
                    .ok()
                    .filter(|_| plain)
                    .map(|date| date.midnight().assume_utc())
            })
            .map(time::OffsetDateTime::unix_timestamp)
            .ok_or_else(|| {
                wrong(text, "date", "write it as in RFC 3339, like `2027-01-31` or `2027-01-31T12:00:00Z`")
            })
    }
}

impl Secret {
    fn parse(text: &str) -> Result<String, String> {
        let fits = text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if fits {
            return Ok(text.into());
        }
        // The text may be a secret that somebody pasted here: never repeat it.
        Err("this is no secret's name: write the binding's name in capitals, like `PARTNER_KEY`, and put the value into `.dev.vars` or `wrangler secret put`".into())
    }
}

impl Via {
    fn parse(text: &str) -> Result<String, String> {
        text.strip_prefix("binding:")
            .filter(|name| {
                !name.is_empty()
                    && name.len() <= 64
                    && !name.starts_with(|c: char| c.is_ascii_digit())
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            })
            .map(str::to_owned)
            .ok_or_else(|| wrong(text, "binding", "write `binding:` and its name in wrangler.toml"))
    }
}

impl Match {
    fn parse(text: &str) -> Result<(Vec<String>, String), String> {
        let (methods, template) = text.split_once(' ').ok_or_else(|| {
            wrong(text, "match", "write a method, a space and a path template, like `GET /{id}`")
        })?;
        let template = template.trim_start();
        if !template.starts_with('/') {
            return Err(wrong(text, "match", "the path template must begin with `/`"));
        }
        let mut out = Vec::new();
        for method in methods.split('|') {
            let method = if method == "ANY" { "*" } else { method };
            if method != "*" && !KNOWN_METHODS.contains(&method) {
                return Err(wrong(
                    text,
                    "match",
                    &format!(
                        "`{method}` is no method that the gateway forwards (they are {}, and ANY)",
                        KNOWN_METHODS.join(", ")
                    ),
                ));
            }
            if out.iter().any(|m| m == method) {
                return Err(wrong(text, "match", &format!("`{method}` stands in it twice")));
            }
            out.push(method.to_owned());
        }
        if out.len() > 1 && out.iter().any(|m| m == "*") {
            return Err(wrong(text, "match", "`ANY` stands alone"));
        }
        Ok((out, template.to_owned()))
    }
}

/// Methods that a route may name: those of RFC 9110 §9.3 without CONNECT and TRACE, PATCH (RFC 5789), QUERY, and
/// the ones of WebDAV (RFC 4918, RFC 3253 §3.6) and of cache purging.
pub const KNOWN_METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "PURGE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
];

/// Whether `text` is a token of RFC 9110 §5.6.2, as header names are.
pub fn token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests;
