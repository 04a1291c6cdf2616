//! What is declared once and named elsewhere, and the gateway's own settings.

use super::*;
use crate::config::units::{Duration, Host, Link, Origin, Per, Quota, Rate, Secret, Via};
use crate::token::Algorithm;
use indexmap::IndexMap;

/// A variable.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Variable {
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: VariableType,
    /// What it is for.
    pub about: Option<String>,
    /// Its value in environments that `values` does not name.
    pub default: Option<Scalar>,
    /// Its value in each environment.
    #[serde(default)]
    pub values: IndexMap<String, Scalar>,
}

/// A text, number or boolean.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Scalar {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// Types of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VariableType {
    /// Any text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// An absolute `http:` or `https:` URL.
    Url,
    /// A host, `*.` and a suffix, or `*`.
    Host,
    /// A duration such as `5s`.
    Duration,
    /// A size such as `64KiB`.
    Size,
    /// A rate such as `20/s`.
    Rate,
    /// A quota such as `1000/day`.
    Quota,
}

/// Where the gateway's own pages (`/_tollgate/…`) are served.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Admin {
    /// The only host that serves them; `*` for every host. Default: every host.
    pub host: Option<Host>,
}

/// Which events are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Events {
    /// Share of successful requests whose events are kept, from 0 to 1 in steps of 0.001 (less than one step counts as
    /// one): chosen by chance, each with one over the share as its `weight`, so that weighted sums are true of every
    /// route and consumer. Refusals and errors are kept all, up to 200 a second and isolate; what is left out beyond
    /// that is in the `weight` of the next one of the same reason. It holds for the journal and for Analytics Engine.
    /// Default: 0.1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: Option<f64>,
    /// Events that the journal keeps. Each of its four objects keeps a fourth, and up to a batch of 120 more; an isolate
    /// writes to one of them. Default: 10000.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub history: Option<u32>,
}

/// What every route must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// `auth:` other than `none`.
    Authentication,
    /// At least one of `limits:`.
    Limit,
    /// `https: true`, or `redirect`.
    Https,
}

/// Who issues tokens, and what they must look like.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Issuer {
    /// The exact `iss` of its tokens.
    #[schemars(length(min = 1, max = 512))]
    pub issuer: String,
    /// Accepted `aud`: one of them must be among the token's.
    pub audience: OneOrMany,
    /// Accepted signature algorithms. Never HS* together with others.
    #[schemars(with = "Vec<AlgorithmWord>", length(min = 1))]
    pub algorithms: Vec<Algorithm>,
    /// Where its keys come from: exactly one of `jwks`, `inline` and `secret`.
    pub keys: Keys,
    /// Tolerance for `exp`, `nbf` and `iat`, up to 5m. Default: 30s.
    pub leeway: Option<Duration>,
    /// Accepted `typ` of tokens, e.g. `at+jwt`. Default: any or none.
    #[serde(default)]
    pub types: Vec<String>,
    /// Claims that must be there beside `iss`, `aud` and `exp`.
    #[serde(default)]
    pub required: Vec<String>,
    /// The claim with the scopes, a text with spaces or a list. Default: `scope`.
    #[schemars(length(min = 1))]
    pub scope_claim: Option<String>,
    /// The claim that names the consumer. Default: `sub`.
    #[schemars(length(min = 1))]
    pub consumer_claim: Option<String>,
    /// All scopes that it grants. Where given, a route that needs another one is an error.
    pub scopes: Option<Vec<String>>,
    /// An issuer for development, whose key lies on a developer's disk: `deploy` refuses it. Default: false.
    pub development: Option<bool>,
}

/// The words for [`Algorithm`] in the schema.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
pub(super) enum AlgorithmWord {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Keys {
    /// URL of a JWK Set (RFC 7517 §5). `https:`, but for loopback addresses.
    pub jwks: Option<Link>,
    /// How long a fetched set is fresh, from 10s to 24h. Default: 10m. Only with `jwks`.
    pub ttl: Option<Duration>,
    /// At most one fetch per this time, whatever key ids tokens name; 1s to 1h. Default: 30s. Only with `jwks`.
    pub interval: Option<Duration>,
    /// How long past `ttl` a known set serves while fetches fail, up to 168h. Default: 24h. Only with `jwks`. Past `ttl` it
    /// also serves while it is fetched anew, so that no request waits for that; but where it was not asked for in twice
    /// the `ttl`, it is fetched first. A key that its issuer withdraws is thus good for about twice the `ttl` at most, while the
    /// issuer answers.
    pub max_stale: Option<Duration>,
    /// A JWK Set, as it is. Public keys only.
    pub inline: Option<JwkSet>,
    /// Name of the secret that holds the shared key of HS* tokens.
    pub secret: Option<Secret>,
}

/// A JWK Set (RFC 7517 §5).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct JwkSet {
    /// Its keys, as they are.
    #[schemars(length(min = 1, max = 100))]
    pub keys: Vec<IndexMap<String, serde_json::Value>>,
}

/// A limit: exactly one of `rate`, `sliding` and `quota`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Limit {
    /// A token bucket: so many requests per time, spread evenly, after a first `burst`.
    pub rate: Option<Rate>,
    /// Requests at once, with `rate`. Default: the rate's number.
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// A sliding window: never much more than so many requests in any such time.
    pub sliding: Option<Rate>,
    /// A quota per calendar period in UTC.
    pub quota: Option<Quota>,
    /// What is counted apart. Default: `consumer`. On a route that asks for a token, a limit per `address` also counts
    /// tokens whose signature turns out wrong: it is charged before the check, so that a flood of them is refused.
    pub per: Option<Per>,
    /// What happens when the counter does not answer in time. Default: `degrade` for `rate` and `sliding`, `closed`
    /// for `quota`.
    pub unreachable: Option<Unreachable>,
    /// How long the counter may take, from 10ms to 10s. Default: 500ms.
    pub deadline: Option<Duration>,
}

/// What happens when a limit's counter does not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unreachable {
    /// Each isolate holds the limit by itself: more may pass in all, but no flood.
    Degrade,
    /// The request is refused with 503, and charged nothing even if the counter answers later.
    Closed,
    /// The request passes uncounted.
    Open,
}

/// Targets that serve the same thing: `url` (or `via`) alone for one, `targets` for several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Upstream {
    /// The only target's URL.
    pub url: Option<Origin>,
    /// The only target's binding.
    pub via: Option<Via>,
    /// Several targets.
    #[schemars(length(min = 1, max = 32))]
    pub targets: Option<Vec<Target>>,
}

/// One origin service: `url`, `via` or both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Target {
    /// Scheme, host, port and base path.
    pub url: Option<Origin>,
    /// The binding to send through in place of the network.
    pub via: Option<Via>,
    /// Share of the requests, relative to the other targets'. 0: only when all others fail. Default: 1.
    #[schemars(range(max = 1_000_000))]
    pub weight: Option<u32>,
}

/// Which upstream: a name, or the upstream itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum UpstreamUse {
    /// One of `upstreams`.
    Named(String),
    /// The upstream.
    Inline(Upstream),
}
