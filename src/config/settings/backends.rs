//! Which of several backends gets a request.

use super::*;
use crate::config::units::{Duration, StickyBy};

/// One of a route's backends.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Backend {
    /// Its upstream, if not the file's.
    pub upstream: Option<UpstreamUse>,
    /// Its share of the requests, relative to the other backends'. 0: none. Default: 1.
    #[schemars(range(max = 1_000_000))]
    pub weight: Option<u32>,
    /// Its own path and query, or the host that it is told; where it has none, the route's counts.
    pub rewrite: Option<RewriteUse>,
    /// Further edits of header fields: on a request after the route's, on an answer before the route's.
    pub headers: Option<Headers>,
    /// Its own timeouts. What is left out is the route's.
    pub timeout: Option<Timeout>,
}

/// Keeps a caller with the backend that he has. The choice follows from the value by a hash, so it is the same in every
/// isolate, under every plan and after every restart, and nothing is remembered. When a weight changes, only callers
/// move whom that backend gains or loses. The same value leads to the same backend wherever `group` is the same and the
/// backends have the same names and weights.
///
/// A request without the value goes to a backend by chance. Callers choose headers and cookies, so they can choose a
/// backend by them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Sticky {
    /// The value.
    pub by: StickyBy,
    /// Give a caller without the cookie one, so that he stays where chance has sent him. Only with `cookie.NAME`. The
    /// cookie is `Secure` and `HttpOnly`, for the paths below `base`, and the answer that sets it is `private`.
    pub set: Option<NewCookie>,
    /// Routes of one group send a caller to the backend of the same name. Default: each route by itself.
    #[schemars(length(min = 1, max = 64))]
    pub group: Option<String>,
}

/// A cookie that the gateway sets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct NewCookie {
    /// How long browsers keep it, up to 9600h. Default: as long as they run.
    pub max_age: Option<Duration>,
    /// Which requests of other sites carry it. Default: `lax`, only when somebody follows a link.
    pub same_site: Option<SameSite>,
}

/// Which requests of other sites carry a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// None.
    Strict,
    /// Those by which somebody follows a link.
    Lax,
    /// All: scripts of other sites too, where CORS allows them.
    None,
}
