//! Tests beside the routes: requests, the world that they meet, and what must come of them.

use super::*;
use crate::config::units::{Date, Duration, Offset, Request, Size};
use crate::token::Algorithm;
use indexmap::IndexMap;

/// What tests have in common: those of gateway.yaml for every file, those of an API's file for its own tests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Fixtures {
    /// Callers, to be named by `caller`.
    #[serde(default)]
    pub callers: IndexMap<String, Caller>,
    /// What upstreams answer in every test that does not say otherwise.
    #[serde(default)]
    pub upstreams: IndexMap<String, Fakes>,
}

/// A test: one step, or several in one world, one after the other. `tollgate test` runs it against the gateway's own
/// code, with a virtual clock, made-up origins and really signed tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Test {
    /// Steps.
    Steps(#[schemars(length(min = 1))] Vec<Step>),
    /// One step, or `steps` and what holds for all of them.
    One(Box<TestCase>),
}

/// One step, or `steps` and what holds for all of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TestCase {
    /// Environments in which the test is run. Default: `dev`, or the first one where there is no `dev`.
    #[schemars(length(min = 1))]
    pub environments: Option<Vec<String>>,
    /// Steps, in place of a step's own keys here.
    #[schemars(length(min = 1))]
    pub steps: Option<Vec<Step>>,
    /// The only step.
    #[serde(flatten)]
    pub step: Step,
}

/// One step of a test. What a step says of the world (`upstreams`, `keys`, `counters`) holds for the steps after it
/// too.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Step {
    /// The request; or several, each of which must be answered as the step expects.
    pub request: Option<Requests>,
    /// Who asks. Default: nobody in particular, without a token.
    pub caller: Option<CallerUse>,
    /// The moment of the step. Default of the first: 2026-03-10T12:00:00Z, a Tuesday.
    pub at: Option<Date>,
    /// How long after the end of the step before.
    pub after: Option<Duration>,
    /// What upstreams answer from now on: by the upstream's name, or `NAME.1` for its first target. An upstream is its
    /// origins: another one with the same URL answers alike. With a list of requests, it begins anew with each of them.
    /// Default: 200 with the body `{}`.
    #[serde(default)]
    pub upstreams: IndexMap<String, Fakes>,
    /// What issuers publish from now on, by the issuer's name. Default: the key `current`.
    #[serde(default)]
    pub keys: IndexMap<String, KeysUse>,
    /// Whether the objects that count for limits answer, from now on.
    pub counters: Option<Counters>,
    /// How often the request is made. Default: once.
    #[schemars(range(min = 1, max = 100_000))]
    pub repeat: Option<u32>,
    /// How long after each other repeated requests are made. Default: at once.
    pub every: Option<Duration>,
    /// What must come of each request.
    pub expect: Option<Expect>,
    /// What must come of the first, with `repeat` or several requests.
    pub first: Option<Expect>,
    /// What must come of the last, with `repeat` or several requests.
    pub last: Option<Expect>,
    /// How many answers must have each status, with `repeat` or several requests: all that there may be.
    #[serde(default)]
    pub statuses: IndexMap<String, u32>,
    /// How many requests each upstream or target (`NAME.1`) must get in this step: a number, or `40-60`.
    #[serde(default)]
    pub shares: IndexMap<String, Counted>,
}

/// One request, or a list of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Requests {
    /// One.
    One(RequestUse),
    /// Several, made one after the other.
    Many(#[schemars(length(min = 1))] Vec<RequestUse>),
}

/// A request: method and path (`GET /orders/v2/7?page=2`) or URL, or all that belongs to it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequestUse {
    /// Method and path or URL. A path is asked for over HTTPS, of the first host of the API that it lies in.
    Short(Request),
    /// All that belongs to it.
    Long(Box<TestRequest>),
}

/// A request of a test.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct TestRequest {
    /// Its method. Default: `GET`.
    #[schemars(length(min = 1))]
    pub method: Option<String>,
    /// Path and query as the client sends them. This or `url`.
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// The whole URL. This or `path`.
    #[schemars(length(min = 1))]
    pub url: Option<String>,
    /// Its host, with `path`. Default: the first host of the API that the path lies in, `test` in place of a `*`;
    /// `api.test` where it serves every host.
    #[schemars(length(min = 1))]
    pub host: Option<String>,
    /// Over HTTPS, with `path`. Default: true.
    pub https: Option<bool>,
    /// Header fields.
    #[serde(default)]
    pub headers: IndexMap<String, OneOrMany>,
    /// Query parameters, encoded and put behind those of the path.
    #[serde(default)]
    pub query: IndexMap<String, OneOrMany>,
    /// Its body: a text, or so many bytes.
    pub body: Option<BodyText>,
    /// The client's address. Default: 192.0.2.1.
    #[schemars(length(min = 1))]
    pub address: Option<String>,
    /// Whether the client shows a certificate that the edge verifies. Default: false.
    pub certificate: Option<bool>,
}

/// A body: a text, or so many bytes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum BodyText {
    /// The text.
    Text(String),
    /// So many bytes.
    Sized {
        /// How many, each a `1`.
        size: Size,
        /// Whether the request says so (`Content-Length`). Default: true.
        declared: Option<bool>,
    },
}

/// Who asks: `none`, a name of `fixtures`, or the caller.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CallerUse {
    /// `none`, or the name of a caller.
    Named(String),
    /// The caller.
    Inline(Box<Caller>),
}

/// A caller with a token, by default one that its issuer's routes accept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Caller {
    /// The issuer of the token, by name. Default: the only one.
    #[schemars(length(min = 1))]
    pub issuer: Option<String>,
    /// The consumer, in the claim that names it. Default: `ann`.
    pub sub: Option<String>,
    /// Granted scopes, in the claim that holds them. Default: none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When the token expires, counted from the request: `10m`, or `-1s` for one that has expired. Default: 1h.
    pub expires: Option<Offset>,
    /// From when on the token is valid (`nbf`), counted from the request. Default: it does not say.
    pub starts: Option<Offset>,
    /// The audience. Default: the first that the issuer's tokens may have.
    pub audience: Option<String>,
    /// Further claims, or other values of those above.
    #[serde(default)]
    pub claims: IndexMap<String, serde_json::Value>,
    /// Claims that the token lacks.
    #[serde(default)]
    pub without: Vec<String>,
    /// The token's `typ`. Default: the first that the issuer's tokens may have.
    pub r#type: Option<String>,
    /// The algorithm. Default: the first of the issuer's.
    #[schemars(with = "Option<AlgorithmWord>")]
    pub algorithm: Option<Algorithm>,
    /// The key that signs, by its name in `keys`. Default: `current`.
    #[schemars(length(min = 1))]
    pub key: Option<String>,
    /// What is wrong with the signature. Default: nothing.
    pub signature: Option<SignatureFault>,
    /// The text of the token, in place of all this.
    #[schemars(length(min = 1))]
    pub token: Option<String>,
    /// The name that the test calls him by.
    #[serde(skip)]
    pub name: Option<String>,
}

/// What is wrong with a token's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureFault {
    /// It is of another text.
    Wrong,
    /// There is none, and the token says so (`alg: none`).
    None,
    /// It is by HS256, with the issuer's public key as the secret.
    PublicKey,
}

/// What an upstream does: one thing, or a list of what it does with one request after the other, of which the last
/// stays.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fakes {
    /// Always the same.
    One(Fake),
    /// One after the other.
    Many(#[schemars(length(min = 1))] Vec<Fake>),
}

/// `unreachable`, or an answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fake {
    /// Nobody answers.
    Unreachable(Unreached),
    /// An answer.
    Answer(FakeAnswer),
}

/// The word `unreachable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Unreached {
    /// Nobody answers.
    Unreachable,
}

/// What an upstream answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct FakeAnswer {
    /// The status. Default: 200.
    #[schemars(range(min = 200, max = 599))]
    pub status: Option<u16>,
    /// Header fields. Default: a `Content-Type` of JSON, and always the body's `Content-Length`.
    #[serde(default)]
    pub headers: IndexMap<String, OneOrMany>,
    /// The body: a text, or so many bytes. Default: `{}`.
    pub body: Option<BodyText>,
    /// How long it takes until the answer's headers are complete. Default: no time.
    pub delay: Option<Duration>,
}

/// What an issuer publishes: `unreachable`, or keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeysUse {
    /// Nobody answers at the URL of its keys.
    Unreachable(Unreached),
    /// Its keys.
    Published(PublishedKeys),
}

/// Keys that an issuer publishes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct PublishedKeys {
    /// Their names, which callers name in `key`.
    pub publish: OneOrMany,
    /// How long the answer takes. Default: no time.
    pub delay: Option<Duration>,
}

/// Whether the objects that count for limits answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Counters {
    /// They do.
    Working,
    /// They do not.
    Unreachable,
}

/// What must come of a request. Whatever is not said may be anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Expect {
    /// The route that the request belongs to: its name in this file, or `API/VERSION/NAME`; `none` for no route.
    #[schemars(length(min = 1))]
    pub route: Option<String>,
    /// What the gateway does with it.
    pub outcome: Option<OutcomeWord>,
    /// The answer's status.
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// Why the gateway answers by itself: the last part of a problem's `type`, or `none`.
    #[schemars(length(min = 1))]
    pub reason: Option<String>,
    /// Header fields of the answer.
    #[serde(default)]
    pub headers: IndexMap<String, FieldMatch>,
    /// The answer's body.
    pub body: Option<TextMatch>,
    /// What the upstream gets: `none`, the only request, or all of them in order. What a mirror or an issuer gets does
    /// not count.
    pub upstream: Option<UpstreamExpect>,
    /// How many requests upstreams get.
    pub calls: Option<u32>,
    /// How often issuers are asked for their keys.
    pub key_fetches: Option<u32>,
    /// What the cache has to do with it.
    pub cache: Option<CacheWord>,
    /// The copies that mirrors get: `none`, the only one, or all of them in order.
    pub mirrors: Option<UpstreamExpect>,
    /// Which of the route's `backends` is chosen, by its name.
    #[schemars(length(min = 1))]
    pub backend: Option<String>,
}

/// What the gateway does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeWord {
    /// It asks an upstream, whatever comes of it.
    Forward,
    /// It answers by itself, and nothing is wrong.
    Reply,
    /// It refuses.
    Refuse,
}

impl OutcomeWord {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            OutcomeWord::Forward => "forward",
            OutcomeWord::Reply => "reply",
            OutcomeWord::Refuse => "refuse",
        }
    }
}

/// What the cache has to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheWord {
    /// It is not asked: the route has no rule.
    None,
    /// It answers.
    Hit,
    /// It has nothing that may be used.
    Miss,
    /// It is not asked, since the request or the rule forbids it.
    Bypass,
}

impl CacheWord {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            CacheWord::None => "none",
            CacheWord::Hit => "hit",
            CacheWord::Miss => "miss",
            CacheWord::Bypass => "bypass",
        }
    }
}

/// What a header field must be: its value, its values in order, or what must be true of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldMatch {
    /// Its only value.
    Exact(String),
    /// Its values.
    Values(Vec<String>),
    /// What must be true of it.
    Rule(FieldRule),
}

/// What must be true of a header field, or of its values joined by `, `.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct FieldRule {
    /// Whether it is there.
    pub present: Option<bool>,
    /// What is in it.
    #[schemars(length(min = 1))]
    pub contains: Option<OneOrMany>,
    /// What is not in it.
    #[schemars(length(min = 1))]
    pub lacks: Option<OneOrMany>,
    /// A regular expression that fits the whole of it.
    #[schemars(length(min = 1))]
    pub matches: Option<String>,
}

/// What a body must be: the whole text, or what must be true of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TextMatch {
    /// All of it.
    Exact(String),
    /// What must be true of it.
    Rule(TextRule),
}

/// What must be true of a body.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct TextRule {
    /// What is in it.
    #[schemars(length(min = 1))]
    pub contains: Option<OneOrMany>,
    /// What is not in it.
    #[schemars(length(min = 1))]
    pub lacks: Option<OneOrMany>,
    /// A regular expression that fits the whole of it.
    #[schemars(length(min = 1))]
    pub matches: Option<String>,
}

/// What upstreams must get: `none`, the only request, or all of them in order.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum UpstreamExpect {
    /// `none`: no request.
    Nothing(Nothing),
    /// The only request.
    One(Box<SentExpect>),
    /// All requests, in order.
    Many(#[schemars(length(min = 1))] Vec<SentExpect>),
}

/// What must be true of a request to an upstream.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct SentExpect {
    /// The upstream that gets it, by name, or its target: `NAME.1`.
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Its URL.
    #[schemars(length(min = 1))]
    pub url: Option<String>,
    /// Its path and query: the URL without scheme and host.
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// Its method.
    #[schemars(length(min = 1))]
    pub method: Option<String>,
    /// Its header fields.
    #[serde(default)]
    pub headers: IndexMap<String, FieldMatch>,
    /// Its body.
    pub body: Option<TextMatch>,
}

/// A number of requests: exact, or a range such as `40-60`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Counted {
    /// So many.
    Exact(u32),
    /// From so many to so many.
    Range(crate::config::units::Range),
}
