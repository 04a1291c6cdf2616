//! Which of several backends gets a request, and who else gets a copy.

use super::*;
use crate::config::units::{Date, Duration, Share, Size, StickyBy};

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

/// A backend whose share of the requests grows by the clock, in a straight line. The other backends share out what it
/// leaves by their weights; it has none itself. Callers who stick and are in stay in while the share grows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Canary {
    /// The backend, by its name.
    pub backend: String,
    /// When it begins. Before that the backend gets nothing. Default: at once.
    pub from: Option<Date>,
    /// Its share at the beginning. Default: 0%. Only with `over`.
    pub start: Option<Share>,
    /// Its share at the end, and from then on.
    pub to: Share,
    /// How long the share grows, from 1s to 9600h. Needs `from`. Default: not at all, the share is `to`.
    pub over: Option<Duration>,
    /// Header field by which a caller decides for himself: `always` or `never`. Every caller can. Origins do not get it.
    /// Default: none.
    #[schemars(length(min = 1))]
    pub header: Option<String>,
}

/// `none`, or the mirrors.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MirrorUse {
    /// `none`: nobody.
    Nobody(Nothing),
    /// The mirrors.
    Mirrors(#[schemars(length(min = 1, max = 3))] Vec<Mirror>),
}

/// A copy of what the upstream is sent, with the field `Tollgate-Mirror: 1`, to an upstream whose answer nobody waits for
/// and nobody reads. It never matters to the client: it leaves after the request itself, and a mirror that is slow, dead
/// or talks nonsense is not noticed. A request is copied once, however often it is tried; one that the cache or the
/// gateway answers is not, nor is the handshake of a WebSocket.
///
/// An isolate has 256 copies under way at most, and 8MiB of their bodies: while it has, further ones are not sent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Mirror {
    /// The upstream that gets the copy.
    pub upstream: UpstreamUse,
    /// Share of the requests that are copied, by chance. Default: 100%.
    pub share: Option<Share>,
    /// Whether the copy has the request's `Authorization` and `Cookie`. Default: false.
    pub keep_credentials: Option<bool>,
    /// Further edits of the copy's header fields.
    pub headers: Option<Edits>,
    /// Largest body that is copied, up to 4MiB; a request with a larger one has no copy. `0B`: none with a body has.
    /// Default: 256KiB.
    pub max: Option<Size>,
    /// How long the mirror may take to its answer's headers, up to 25s. Default: 5s.
    pub timeout: Option<Duration>,
}
