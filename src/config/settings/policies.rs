//! One settings struct per policy, and how a route names or replaces it.

use super::*;
use crate::config::units::{Duration, KeyPart, Size};
use indexmap::IndexMap;

/// Who may call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AuthUse {
    /// `none`: everybody. Needs `because:` where `require` asks for authentication.
    Open(Nothing),
    /// Callers with a token.
    Jwt(Auth),
}

/// Callers with a JSON Web Token as bearer (RFC 6750).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Auth {
    /// Accepted issuers, by name.
    pub jwt: OneOrMany,
    /// Pass the `Authorization` field on to the origin. Default: false.
    pub keep_credentials: Option<bool>,
    /// Claims passed to the origin: header name and claim.
    #[serde(default)]
    pub claims: IndexMap<String, String>,
}

/// Scopes that a caller needs: a list (all of them), `{ all: … }`, `{ any: … }`, or `{ add: … }` to the inherited.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scopes {
    /// All of these.
    List(Vec<String>),
    /// All of these.
    All {
        /// The scopes.
        all: Vec<String>,
    },
    /// Any one of these.
    Any {
        /// The scopes.
        #[schemars(length(min = 1))]
        any: Vec<String>,
    },
    /// The inherited ones and these.
    Add {
        /// The scopes.
        #[schemars(length(min = 1))]
        add: Vec<String>,
    },
}

/// Limits by name: a list, or `{ add: … }` to the inherited. `shared/NAME` is declared in gateway.yaml; a bare name
/// is looked for in the file first.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limits {
    /// These and no others.
    Replace(Vec<String>),
    /// The inherited ones and these.
    Add {
        /// The names.
        #[schemars(length(min = 1))]
        add: Vec<String>,
    },
}

/// `none`, a name of `caches`, or a rule.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CacheUse {
    /// `none`, or the name of a rule.
    Named(String),
    /// The rule.
    Inline(Cache),
}

/// Shared caching by RFC 9111. Only `GET`; nothing that the origin marks `private` or `no-store`, nothing with
/// `Set-Cookie`; answers to callers with a token only where `key` holds `consumer` or the origin allows it (§3.5).
///
/// The key holds scheme, host, port and path, what `key` adds, and behind a trusted proxy what that says of scheme and
/// host. `consumer` adds the issuer, the consumer and every field by which the origin learns of the caller: scopes,
/// `claims`, and the token where `keep_credentials` passes it on. So two tokens of one consumer share an answer only
/// if the origin cannot tell them apart. The origin gets all of the query and of the client's fields, whatever `key`
/// says: name there what its answers depend on and its `Vary` does not name.
///
/// Errors are stored only if the origin says for how long and the status is 404, 405, 410, 451 or 503. Answers to
/// requests with a field by which some frameworks take another method, path or host (`X-HTTP-Method-Override`,
/// `X-Original-URL` and the like) are not stored unless `key` names the field.
///
/// Unsafe methods do not invalidate what is stored (§4.4), and nothing is revalidated: it serves until its time is
/// over.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Cache {
    /// How long an answer is fresh where the origin does not say. Default: only what the origin says.
    pub ttl: Option<Duration>,
    /// `ttl` counts also where the origin says otherwise. Default: false.
    #[serde(rename = "override")]
    pub override_origin: Option<bool>,
    /// What beside scheme, host, port and path makes a key. Default: the whole query.
    #[schemars(length(min = 1, max = 16))]
    pub key: Option<Vec<KeyPart>>,
    /// Largest body that is stored. Default: 10MiB.
    pub max: Option<Size>,
}

/// `none`, a name of `cors`, or the settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CorsUse {
    /// `none`, or the name of settings.
    Named(String),
    /// The settings.
    Inline(Cors),
}

/// Cross-origin resource sharing by the Fetch standard. Where one origin is allowed, or `*`, every answer says so; where
/// several are, an answer names the one that asks and carries `Vary: Origin`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Cors {
    /// Allowed origins: exact (`https://app.example.com`), `https://*.example.com`, or `*`.
    #[schemars(length(min = 1))]
    pub origins: Vec<String>,
    /// Methods that scripts may use beside GET, HEAD and POST.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Request headers that scripts may set.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Response headers that scripts may read.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether cookies and other credentials are allowed; never with `*`. Default: false.
    pub credentials: Option<bool>,
    /// How long a preflight may be remembered, up to 24h. Default: 10m.
    pub max_age: Option<Duration>,
    /// Whether pages of the public web may reach the route where it is served in a private network
    /// (`Access-Control-Allow-Private-Network`); never with `*`. Default: false.
    pub private_network: Option<bool>,
    /// Whether scripts may read the request's timings in detail (`Timing-Allow-Origin`). Default: false.
    pub timing: Option<bool>,
}

/// `none`, or the bounds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BodyUse {
    /// `none`: no bound but the platform's.
    Unbounded(Nothing),
    /// The bounds.
    Bounded(Body),
}

/// Bounds on the request body.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Body {
    /// Largest body. A request that does not declare its length is refused with 411.
    pub max: Size,
}

/// How long the upstream may take, from 1ms to 10m.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Timeout {
    /// To the answer's headers, each attempt. Default: 15s, or `total` if that is less.
    pub headers: Option<Duration>,
    /// To the answer's headers, all attempts together. Default: 30s, or `headers` if that is more.
    pub total: Option<Duration>,
}

/// Header edits, or `{ add: … }` to the inherited.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HeadersUse {
    /// The inherited ones, then these.
    Add {
        /// The edits.
        add: Headers,
    },
    /// These and no others.
    Replace(Headers),
}

/// Edits of header fields.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Headers {
    /// On the way to the origin.
    pub request: Option<Edits>,
    /// On the way to the client.
    pub response: Option<Edits>,
}

/// Edits in one direction: first `remove`, then `set`, then `add`. Names ignore case. In values, `{name}` stands for a
/// captured parameter as it stands in the canonical path (percent-encoded), `{{` and `}}` for braces.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Edits {
    /// Removes fields.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Replaces all values of a field: by a value, or a list of values.
    #[serde(default)]
    pub set: IndexMap<String, Values>,
    /// Adds a value to a field, or a list of values.
    #[serde(default)]
    pub add: IndexMap<String, Values>,
}

/// Paths that are refused elsewhere and pass here.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Paths {
    /// Encoded slashes (`%2F`) pass, stay encoded and never separate segments. Default: false.
    pub encoded_slashes: Option<bool>,
}

/// One upstream call of a combined route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Call {
    /// The upstream, if not the file's.
    pub upstream: Option<UpstreamUse>,
    /// Path and query sent, with `{name}` for captured parameters.
    #[schemars(length(min = 1))]
    pub path: String,
    /// The whole fails if this call does; otherwise its part is missing and the answer marked as partial. Default:
    /// true.
    pub required: Option<bool>,
    /// Request headers passed on; nothing else of the client's request is.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Largest answer, up to 16MiB. Default: 1MiB.
    pub max: Option<Size>,
}
