//! What a route answers by itself, and what it makes of the request's URL.

use super::*;
use crate::config::units::Host;
use indexmap::IndexMap;

/// What is sent upstream in place of the client's path: a template of path and query, or its parts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RewriteUse {
    /// The path and query sent, with `{name}` for captured parameters. The client's query follows its own.
    Path(#[schemars(length(min = 1))] String),
    /// The parts.
    Parts(Rewrite),
}

/// What is sent upstream in place of the client's URL: `path` or `prefix`, `host`, or both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Rewrite {
    /// The whole path, and a query if it needs one, with `{name}` for captured parameters. The client's query follows
    /// its own.
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// What stands in place of the matched prefix, `base` included: `/v2` makes `/v2/items` of `/shop/items` where
    /// `base` is `/shop`. On routes that match a template or a regular expression, `base` alone is replaced. `/`: the
    /// prefix is taken away.
    pub prefix: Option<String>,
    /// The host that the origin is told in `X-Forwarded-Host` and `Forwarded` in place of the client's. `Host` itself is
    /// always that of the upstream's URL: the platform's `fetch` takes no other.
    pub host: Option<Host>,
}

/// What the routes of a file send upstream in place of its `base`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct BaseRewrite {
    /// What stands in its place: `/v1` makes `/v1/items` of `/shop/items` where `base` is `/shop`. `/`: it is taken away.
    pub prefix: Option<String>,
    /// The host that the origin is told in place of the client's, as in a route's `rewrite`.
    pub host: Option<Host>,
}

/// A redirect. What is not given is kept from the request. It comes after authentication and limits, as any answer of
/// the route does; a request that would be led to its own URL is refused with 508.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Redirect {
    /// 301 or 308 for good, 302, 303 or 307 for now. Clients may make a `GET` of another method on 301 and 302, always do
    /// on 303, and never on 307 and 308. Default: 302.
    #[schemars(range(min = 301, max = 308))]
    pub status: Option<u16>,
    /// The scheme.
    pub scheme: Option<Scheme>,
    /// The host. Captured parameters never name one.
    pub host: Option<Host>,
    /// The port. Default: the scheme's own where `scheme` is given, otherwise the request's. The scheme's own port is
    /// left out of the URL.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The whole path, with `{name}` for captured parameters. Not together with `prefix`.
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// What stands in place of the matched prefix, as in `rewrite`.
    pub prefix: Option<String>,
    /// The query without its `?`, with `{name}` for captured parameters; `none` for no query. Default: the request's.
    #[schemars(length(min = 1))]
    pub query: Option<String>,
}

/// The schemes of URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// An answer that stands here: no origin is asked. `Cache-Control: no-store` unless `headers` say otherwise.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Respond {
    /// The status, from 200 to 599; redirects are written as `redirect`. Default: 200 with a body, 204 without.
    #[schemars(range(min = 200, max = 599))]
    pub status: Option<u16>,
    /// The body as text, up to 64KiB.
    #[schemars(length(min = 1))]
    pub body: Option<String>,
    /// The body as JSON, in place of `body`: any value.
    pub json: Option<serde_json::Value>,
    /// The body's media type. Default: `text/plain; charset=utf-8`, or `application/json`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 256))]
    pub media_type: Option<String>,
    /// Header fields: a value, or a list of values.
    #[serde(default)]
    pub headers: IndexMap<String, Values>,
}
