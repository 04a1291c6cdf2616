//! The compiled form of `match`: when a request belongs to a route, and which of several routes goes first.
//!
//! A request belongs to a rule if host, base, path, method and every condition fit. Of all rules that fit, the first in
//! this order answers (after the Gateway API's, without its tie-breaks by age and name):
//!
//! 1. the more specific host: exact, then `{label}.`, then `*.`, longer suffixes first, then any;
//! 2. the path: templates and exact paths, element by element from the left, literal text before parameters with text
//!    around them (longer suffixes first, then longer prefixes), these before parameters alone; then regular
//!    expressions; then catch-alls and prefixes, compared in the same way, the longer first;
//! 3. a method of its own, then `GET`'s rule for a HEAD, then a rule for any method;
//! 4. more conditions on header fields, cookies and the client certificate;
//! 5. more conditions on the query;
//! 6. the higher `priority`.
//!
//! Two rules that tie in all of this and can both fit one request are refused at check time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One way in which a request belongs to a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Index of the route in the plan.
    pub route: u32,
    /// The path below the API's base.
    pub path: Pattern,
    /// Methods; empty: any.
    pub methods: Vec<String>,
    /// What else must hold: all of these.
    pub conditions: Vec<Condition>,
    /// Decides between rules that tie in all else: the higher goes first.
    pub priority: i32,
}

/// A pattern of paths below the API's base. Literal text is in the canonical form of
/// [`crate::routing::path::canonical`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Elements with `{name}` for a parameter, which is never empty and holds no slash, and `{*name}` for the rest, one
    /// character at least. Literal braces are percent-encoded. Without parameters: an exact path.
    Template(String),
    /// Whole elements, without a trailing slash, and whatever is below: `/a` fits `/a`, `/a/` and `/a/b`, not `/ab`.
    /// Empty: every path.
    Prefix(String),
    /// A regular expression in `regex-lite`'s syntax that must fit the whole path below the base, its first slash
    /// included. Named groups are parameters.
    Regex(String),
}

/// One condition beside path and method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// What it must be.
    pub test: Test,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A header field, name in lower case; several lines are one, joined by `, ` (RFC 9110 §5.2).
    Header(String),
    /// The first query parameter of this name, percent-decoded, `+` for a space.
    Query(String),
    /// The first cookie of this name (RFC 6265 §4.2.1).
    Cookie(String),
    /// Whether the client showed a certificate that the edge verified.
    Certificate,
    /// The version of the API that the request asks for.
    Version(Selector),
}

/// Where a request says which version of an API it means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Selector {
    /// A header field, name in lower case.
    Header(String),
    /// A query parameter.
    Query(String),
    /// A parameter of the first media range of `Accept` that has it, name in lower case.
    Media(String),
}

/// What a value must be. Values are compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Test {
    /// There is one.
    Present,
    /// There is none.
    Absent,
    /// One of these.
    In(Vec<String>),
    /// One of these, or there is none: the version of requests that name none.
    InOrAbsent(Vec<String>),
    /// It fits a regular expression in `regex-lite`'s syntax as a whole.
    Regex(String),
}

impl Subject {
    /// Whether it is one of what the order of rules counts as header conditions: a header field, a cookie, the certificate.
    pub fn counts_as_header(&self) -> bool {
        matches!(self, Subject::Header(_) | Subject::Cookie(_) | Subject::Certificate)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Template(template) => f.write_str(template),
            Pattern::Prefix(prefix) => write!(f, "{prefix}/*"),
            Pattern::Regex(source) => write!(f, "/~ {source}"),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Header(name) => write!(f, "the header field `{name}`"),
            Subject::Query(name) => write!(f, "the query parameter `{name}`"),
            Subject::Cookie(name) => write!(f, "the cookie `{name}`"),
            Subject::Certificate => f.write_str("a client certificate"),
            Subject::Version(Selector::Header(name)) => write!(f, "the version in the header field `{name}`"),
            Subject::Version(Selector::Query(name)) => {
                write!(f, "the version in the query parameter `{name}`")
            }
            Subject::Version(Selector::Media(name)) => write!(f, "the version in `{name}` of `Accept`"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        let list = |values: &[String]| {
            values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ")
        };
        match &self.test {
            Test::Present => write!(f, "{subject} is there"),
            Test::Absent => write!(f, "{subject} is not there"),
            Test::In(values) => write!(f, "{subject} is {}", list(values)),
            Test::InOrAbsent(values) => write!(f, "{subject} is {} or not there", list(values)),
            Test::Regex(source) => write!(f, "{subject} fits `{source}`"),
        }
    }
}
