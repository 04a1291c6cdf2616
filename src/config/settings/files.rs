//! The two kinds of files.

use super::*;
use crate::config::format;
use crate::config::units::{Date, Host, Link};
use indexmap::IndexMap;

/// `routes/gateway.yaml`: what all APIs share.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GatewayFile {
    /// Version of the file format: 2. A file of format 1 means what it did, and `tollgate migrate` rewrites it: see
    /// [docs/formats.md](formats.md).
    #[schemars(range(min = format::CURRENT, max = format::CURRENT), extend("x-help" = format::HELP))]
    pub tollgate: u32,
    /// Name of the gateway in `Via`, `Cache-Status` and `Proxy-Status`. Default: `tollgate`.
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// Who owns this file, and what all APIs share: a team, a mailbox.
    #[schemars(length(min = 1, max = 128))]
    pub owner: Option<String>,
    /// Who may serve what. Where given, it lists every owner of an API.
    #[serde(default)]
    pub owners: IndexMap<String, Owner>,
    /// The environments. Each but `dev` has its `[env.NAME]` in `wrangler.toml`. Default: `[dev]`.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Further folders of route files, relative to this one, such as `../teams/checkout`: their files count as if they
    /// stood here. Only one of all folders has a gateway file. `--routes` given several times does the same once.
    #[serde(default)]
    #[schemars(length(max = 255))]
    pub folders: Vec<String>,
    /// Variables with a value for each environment. `${name}` stands for the value in any value of any route file;
    /// `$${` is a literal `${`.
    #[serde(default)]
    pub variables: IndexMap<String, Variable>,
    /// Where the gateway's own pages are served.
    pub admin: Option<Admin>,
    /// Which events are kept.
    pub events: Option<Events>,
    /// Believe inbound `Forwarded` and `X-Forwarded-*`: only where another proxy that sets them stands in front.
    /// Spellings with `_` (`X_Forwarded_For`), which many origins cannot tell from these, never pass. Default: false.
    pub trust_forwarded: Option<bool>,
    /// What paths and methods may look like, for every API.
    pub matching: Option<Matching>,
    /// What every route must have. An exception carries `because:` where it is made.
    #[serde(default)]
    pub require: Vec<Requirement>,
    /// What every API may name.
    #[serde(flatten)]
    pub definitions: Definitions,
    /// Settings of every route, unless an API file or the route says otherwise.
    #[serde(default)]
    pub defaults: Settings,
    /// What tests have in common, in every file.
    #[serde(default)]
    pub fixtures: Fixtures,
    /// Tests, by what they show. See [docs/tests.md](tests.md).
    #[serde(default)]
    pub tests: IndexMap<String, Test>,
}

/// `routes/<api>/<version>.yaml`: one version of one API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ApiFile {
    /// Version of the file format: 2. A file of format 1 means what it did, and `tollgate migrate` rewrites it: see
    /// [docs/formats.md](formats.md).
    #[schemars(range(min = format::CURRENT, max = format::CURRENT), extend("x-help" = format::HELP))]
    pub tollgate: u32,
    /// Name of the API.
    pub api: String,
    /// Who owns it: a team, a mailbox.
    #[schemars(length(min = 1, max = 128))]
    pub owner: String,
    /// The version that this file describes, and its life.
    pub version: Version,
    /// Hosts that serve it. Default: every host.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// Path before all its templates, e.g. `/orders/v2`. Default: none. Host and base belong to the file's owner: an API of
    /// another owner that lies within is an error, unless it is granted.
    pub base: Option<String>,
    /// What other owners may serve within this API's hosts and base.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// What its paths and methods may look like.
    pub matching: Option<Matching>,
    /// The upstream of its routes, unless a route names another.
    pub upstream: Option<UpstreamUse>,
    /// What its routes send upstream in place of `base`, unless a route has a `rewrite` of its own. Default: the client's
    /// path.
    pub rewrite: Option<BaseRewrite>,
    /// What its routes may name beside those of gateway.yaml.
    #[serde(flatten)]
    pub definitions: Definitions,
    /// Settings of its routes, unless a route says otherwise.
    #[serde(default)]
    pub defaults: Settings,
    /// The routes, by operation name. Only a retired version may have none.
    #[serde(default)]
    pub routes: IndexMap<String, Route>,
    /// What the tests of this file have in common.
    #[serde(default)]
    pub fixtures: Fixtures,
    /// Tests, by what they show. See [docs/tests.md](tests.md).
    #[serde(default)]
    pub tests: IndexMap<String, Test>,
    /// The OpenAPI document of this version.
    pub openapi: Option<OpenApi>,
}

/// A place within an API that another owner may serve.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Grant {
    /// The base path that it may serve, and all below: equal to this API's base, or below it.
    #[schemars(length(min = 1))]
    pub base: String,
    /// The owner, as its files say it.
    #[schemars(length(min = 1, max = 128))]
    pub to: String,
}

/// What an owner may serve.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Owner {
    /// Hosts, and all that they cover. Default: any.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// Base paths, and all below. Default: any.
    #[serde(default)]
    pub bases: Vec<String>,
    /// Whom to ask: a mailbox, a channel. Messages about what is not granted name it.
    pub contact: Option<String>,
}

/// What is declared once and named elsewhere: in gateway.yaml for every API, in an API's file for its routes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Definitions {
    /// Issuers of tokens. Those of gateway.yaml are for every API to name.
    #[serde(default)]
    pub issuers: IndexMap<String, Issuer>,
    /// Limits and quotas. Those of gateway.yaml are for every API to name, as `shared/NAME`; their counts are shared
    /// between the APIs.
    #[serde(default)]
    pub limits: IndexMap<String, Limit>,
    /// Cache rules. Those of gateway.yaml are for every API to name.
    #[serde(default)]
    pub caches: IndexMap<String, Cache>,
    /// CORS settings. Those of gateway.yaml are for every API to name.
    #[serde(default)]
    pub cors: IndexMap<String, Cors>,
    /// Upstreams. Those of gateway.yaml are for every API to name.
    #[serde(default)]
    pub upstreams: IndexMap<String, Upstream>,
}

/// An API version and its life.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Version {
    /// Its name, e.g. `v2`.
    pub name: String,
    /// Its status. Default: `current`.
    #[serde(default)]
    pub status: Status,
    /// Since when it is deprecated (`Deprecation`, RFC 9745). Only and always with `deprecated`.
    pub since: Option<Date>,
    /// When it ends (`Sunset`, RFC 8594). Only with `deprecated`; not before `since`.
    pub sunset: Option<Date>,
    /// A page about the deprecation (`Link` with `rel="deprecation"`). Only with `deprecated`.
    pub link: Option<Link>,
    /// Where requests say that they mean this version, where host and base path alone do not say it.
    pub from: Option<VersionFrom>,
    /// What they say there. Only with `from`. Default: the version's name.
    #[schemars(length(min = 1, max = 16))]
    pub values: Option<Vec<String>>,
    /// Requests that say nothing there mean this version. Only with `from`; at most one version of an API. Default: false.
    pub default: Option<bool>,
    /// The version that follows (`Link` with `rel="successor-version"`): its name, or a URL. Neither retired nor earlier.
    /// Not with `current`.
    #[schemars(length(min = 1))]
    pub successor: Option<String>,
}

/// Where an API version stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In service.
    #[default]
    Current,
    /// In service, and every answer warns.
    Deprecated,
    /// Out of service: every request is answered with 410.
    Retired,
}

/// One route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Route {
    /// Which requests belong to it: methods and path, such as `GET /{id}`; a mapping with all conditions; or a list of
    /// either, of which any may fit.
    #[serde(rename = "match")]
    pub matches: Matches,
    /// Decides between routes that tie in all else and can fit the same request: the higher goes first. Default: 0.
    pub priority: Option<i32>,
    /// The upstream, if not the file's.
    pub upstream: Option<UpstreamUse>,
    /// The path and query sent upstream, with `{name}` for captured parameters, or `{ path, prefix, host }`. Default: the
    /// client's path.
    pub rewrite: Option<RewriteUse>,
    /// Upstream calls, made in parallel and merged into one JSON answer under these names, in this order. In place
    /// of `upstream` and `rewrite`. 1 to 6.
    pub combine: Option<IndexMap<String, Call>>,
    /// A redirect in place of an upstream.
    pub redirect: Option<Redirect>,
    /// An answer that stands here, in place of an upstream.
    pub respond: Option<Respond>,
    /// Backends among which requests are shared out, by name. In place of `upstream`. 1 to 16.
    pub backends: Option<IndexMap<String, Backend>>,
    /// Keeps a caller with the backend that he has. Default: each request is on its own.
    pub sticky: Option<Sticky>,
    /// One of the backends whose share grows by the clock.
    pub canary: Option<Canary>,
    /// The operation of the OpenAPI document that this route serves: its `operationId`, or method and path as the document
    /// has them (`GET /orders/{id}`); a list for several. `none`: the document says nothing of this route, on purpose.
    /// Default: the operation that `match` is for.
    pub operation: Option<OneOrMany>,
    /// Tells callers that this route is deprecated.
    pub deprecated: Option<Deprecated>,
    /// Everything that `defaults` may hold too.
    #[serde(flatten)]
    pub settings: Settings,
}

/// What `defaults` and each route may say. A key of the route replaces that of the file's `defaults`, which replaces
/// that of the gateway's; a list grows instead by `add:`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Settings {
    /// Who may call. Every route must have it, its own or by `defaults`.
    pub auth: Option<AuthUse>,
    /// Scopes that a caller needs.
    pub scopes: Option<Scopes>,
    /// Limits and quotas, all of which must hold.
    pub limits: Option<Limits>,
    /// Whether answers are cached. Default: no.
    pub cache: Option<CacheUse>,
    /// Cross-origin requests, answered by the gateway. Default: left to the origin.
    pub cors: Option<CorsUse>,
    /// Bounds on the request body. Default: none but the platform's.
    pub body: Option<BodyUse>,
    /// How long the upstream may take. Default: 15s to the headers, 30s in total.
    pub timeout: Option<Timeout>,
    /// Edits of header fields.
    pub headers: Option<HeadersUse>,
    /// What becomes of requests over plain HTTP: `true` refuses them, `redirect` sends them to HTTPS, `false` serves them.
    /// Not enforced in the environment `dev`, which is served over plain HTTP. Default: false.
    pub https: Option<HttpsUse>,
    /// How many further targets are tried when one cannot be reached, for requests that may safely be sent twice.
    /// Default: all of the upstream's, at most 2.
    #[schemars(range(max = 5))]
    pub failover: Option<u8>,
    /// Upstreams that get a copy of each request. Default: none.
    pub mirror: Option<MirrorUse>,
    /// Paths that are refused elsewhere and pass here.
    pub paths: Option<Paths>,
    /// Requests that pages of other sites make browsers send. Default: passed on.
    pub csrf: Option<CsrfUse>,
    /// Response fields that make browsers stricter. Default: only the origin's.
    pub security: Option<SecurityUse>,
    /// Whether nothing is served for now. Default: no.
    pub maintenance: Option<MaintenanceUse>,
    /// Why this is an exception from `require`.
    #[schemars(length(min = 3))]
    pub because: Option<String>,
}

impl Route {
    /// Whether an upstream's answer is passed on.
    pub fn forwards(&self) -> bool {
        self.combine.is_none() && self.redirect.is_none() && self.respond.is_none()
    }
}
