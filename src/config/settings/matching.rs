//! Which requests belong to a route.

use super::*;
use crate::config::units::Match;
use indexmap::IndexMap;

/// Which requests belong to a route: one match, or a list of which any may fit. Of all routes that fit a request, the
/// first in this order answers: the more specific host; the path (templates and exact paths, element by element from the
/// left, literal text before parameters with text around them, these before parameters alone; then regular expressions;
/// then catch-alls and prefixes, the longer first); a route that names the method (for a HEAD: its own before GET's); more
/// conditions on header fields, cookies and certificate; more conditions on the query; the higher `priority`. Routes that
/// tie in all of this and can fit the same request are an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Matches {
    /// Methods and path.
    Short(Match),
    /// All conditions.
    Long(Box<MatchRule>),
    /// Any of these.
    Any(#[schemars(length(min = 1, max = 64))] Vec<OneMatch>),
}

/// One match of a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneMatch {
    /// Methods and path.
    Short(Match),
    /// All conditions.
    Long(Box<MatchRule>),
}

/// A match with all its conditions: every one must hold. At most one of `path`, `prefix` and `regex`; without them every
/// path below `base` fits.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct MatchRule {
    /// Methods: one, or a list. Default: any.
    pub methods: Option<OneOrMany>,
    /// A path below `base`: exact, or a template as in the short form.
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// Whole elements that the path below `base` begins with: `/a` fits `/a`, `/a/` and `/a/b`, not `/ab`.
    #[schemars(length(min = 1))]
    pub prefix: Option<String>,
    /// A regular expression that the whole path below `base` must fit, its first slash included. Named groups are
    /// parameters. The syntax is that of Rust's `regex-lite`: no look-around, no back-references, linear time.
    #[schemars(length(min = 1, max = 1024))]
    pub regex: Option<String>,
    /// Conditions on header fields. Lines of the same name are one value, joined by `, `.
    #[serde(default)]
    pub headers: IndexMap<String, ValueTest>,
    /// Conditions on query parameters, percent-decoded; of several with one name the first counts.
    #[serde(default)]
    pub query: IndexMap<String, ValueTest>,
    /// Conditions on cookies; of several with one name the first counts.
    #[serde(default)]
    pub cookies: IndexMap<String, ValueTest>,
    /// Whether the client must show a certificate that the edge has verified (`true`), or must not (`false`).
    pub certificate: Option<bool>,
}

/// What a value must be: a text or number (exactly this), a list (one of these), `true` (there is one), `false` (there is
/// none), or `{ regex: … }`. Quote `"true"` and `"false"` where the texts are meant.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum ValueTest {
    /// Whether there is one.
    Present(bool),
    /// Exactly this number.
    Number(i64),
    /// Exactly this text.
    Text(String),
    /// One of these.
    In(#[schemars(length(min = 1, max = 64))] Vec<Scalar>),
    /// A pattern.
    Pattern(ValuePattern),
}

/// A regular expression for a value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ValuePattern {
    /// It must fit the whole value. The syntax is that of `match`'s `regex`.
    #[schemars(length(min = 1, max = 1024))]
    pub regex: String,
}

/// What paths and methods may look like beside what `match` says. A key of an API's file replaces that of gateway.yaml.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Matching {
    /// A slash at the end of a path: `significant` (`/a` and `/a/` are two paths), `ignored` (they are one), or
    /// `redirected` (where only the other one has a route, the answer is 308 to it). Default: `significant`.
    pub trailing_slash: Option<TrailingSlash>,
    /// The base path itself, which the template `/` stands for: `either` (`/b` and `/b/`), `bare` (`/b` alone) or `slash`
    /// (`/b/` alone). Default: `either`.
    pub base_path: Option<BasePath>,
    /// Routes for GET answer HEAD, unless a route names HEAD. Default: true.
    pub head: Option<bool>,
    /// OPTIONS is answered with 204 and `Allow` where no route takes it. Default: true. (CORS preflights are answered by
    /// `cors` in any case.)
    pub options: Option<bool>,
    /// Repeated slashes in a path: `refused` (400, since origins disagree on what they mean), or `merged` into one, for
    /// the match, the cache and the origin alike. Only in gateway.yaml. Default: `refused`.
    pub repeated_slashes: Option<RepeatedSlashes>,
}

/// What a slash at the end of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrailingSlash {
    /// `/a` and `/a/` are two paths.
    Significant,
    /// They are one.
    Ignored,
    /// Where only the other one has a route, the answer is 308 to it.
    Redirected,
}

/// How the base path itself may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BasePath {
    /// With a slash at the end or without.
    Either,
    /// Without.
    Bare,
    /// With.
    Slash,
}

/// What becomes of repeated slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedSlashes {
    /// Such a path is refused with 400.
    Refused,
    /// They count as one.
    Merged,
}

/// Where requests say which version they mean: exactly one of these. All versions of an API that share a host and a base
/// path say the same.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct VersionFrom {
    /// A header field, e.g. `Api-Version`.
    pub header: Option<String>,
    /// A query parameter, e.g. `api-version`.
    #[schemars(length(min = 1))]
    pub query: Option<String>,
    /// A parameter of the media type in `Accept`, e.g. `version` for `application/json;version=v2`.
    pub media: Option<String>,
}
