//! Whether a route serves an operation: by its methods and path, as `match` says them.

use super::model::{Operation, Where};
use super::paths::{self, Shape, nameless};
use crate::config::de;
use crate::config::settings::{MatchRule, Matches, OneMatch, OneOrMany};
use crate::config::tree::Node;
use crate::config::units::Match;
use crate::routing::path::template;
use serde::Deserialize;

/// One way in which a request belongs to a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Methods; `*` for any.
    pub methods: Vec<String>,
    /// The path below the file's base.
    pub path: Path,
    /// What else requests must have: where, and its name.
    pub conditions: Vec<(Where, String)>,
}

/// The paths of a match.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// A template.
    Template(String),
    /// Whole elements, and whatever is below; empty for every path.
    Prefix(String),
    /// A regular expression.
    Regex(String),
}

/// What `match` says; `None` where it cannot be read.
pub fn served(node: &Node) -> Option<Vec<Served>> {
    let matches = Matches::deserialize(de::Reading(node)).ok()?;
    Some(match matches {
        Matches::Short(short) => vec![of_short(short)],
        Matches::Long(long) => vec![of_long(*long)],
        Matches::Any(list) => list
            .into_iter()
            .map(|one| match one {
                OneMatch::Short(short) => of_short(short),
                OneMatch::Long(long) => of_long(*long),
            })
            .collect(),
    })
}

fn of_short(short: Match) -> Served {
    let (methods, template) = short.0;
    Served { methods, path: Path::Template(template), conditions: Vec::new() }
}

fn of_long(long: MatchRule) -> Served {
    let methods = long.methods.as_ref().map(OneOrMany::as_slice).unwrap_or_default().to_vec();
    let path = match (long.path, long.prefix, long.regex) {
        (Some(path), ..) => Path::Template(path),
        (_, Some(prefix), _) => Path::Prefix(prefix.trim_end_matches('/').to_owned()),
        (.., Some(regex)) => Path::Regex(regex),
        _ => Path::Prefix(String::new()),
    };
    let named = |within: Where, names: Vec<String>| names.into_iter().map(move |name| (within, name));
    let conditions = named(Where::Header, long.headers.into_keys().collect())
        .chain(named(Where::Query, long.query.into_keys().collect()))
        .chain(named(Where::Cookie, long.cookies.into_keys().collect()));
    Served {
        methods: if methods.is_empty() { vec!["*".into()] } else { methods },
        path,
        conditions: conditions.collect(),
    }
}

/// Base paths: of the route file, and of the document's server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bases<'a> {
    /// `base` of the route file.
    pub file: &'a str,
    /// Path of the server.
    pub server: &'a str,
}

/// What an operation's paths are found by.
pub fn keys(shape: &Shape, bases: Bases<'_>) -> Vec<String> {
    match shape.path() {
        Shape::Template(text) => found_by(text, bases.server),
        Shape::Regex(regex) => vec![regex.clone()],
        Shape::Query(..) => Vec::new(),
    }
}

/// The forms of a template that are compared, below a base and with it.
fn found_by(text: &str, base: &str) -> Vec<String> {
    let form = |text: &str| {
        let form = shape_of(text);
        form.strip_suffix("{*}").map(|text| format!("{text}{{}}")).unwrap_or(form)
    };
    let mut keys = vec![form(text), form(&format!("{base}{text}"))];
    keys.dedup();
    keys
}

fn shape_of(text: &str) -> String {
    template(text).map_or_else(|_| nameless(text), |template| nameless(&template.text))
}

impl Served {
    /// What it is found by; nothing for whole trees.
    pub fn keys(&self, bases: Bases<'_>) -> Vec<String> {
        match &self.path {
            Path::Template(text) => found_by(text, bases.file),
            Path::Regex(regex) => vec![regex.clone()],
            Path::Prefix(_) => Vec::new(),
        }
    }

    /// Whether it is for requests of this method.
    pub fn takes(&self, method: &str) -> bool {
        self.methods.iter().any(|own| own == "*" || own == method || own == "GET" && method == "HEAD")
    }

    /// Whether it is for the paths of this operation: below both bases, or with both.
    pub fn is_at(&self, operation: &Operation, bases: Bases<'_>) -> bool {
        let path = operation.path.split('?').next().unwrap_or_default();
        let carried = paths::carry(operation).ok().map(|carried| carried.shape);
        let carried = carried.as_ref().map(Shape::path);
        match &self.path {
            Path::Template(own) => {
                let theirs = match carried {
                    Some(Shape::Template(text)) => text.as_str(),
                    _ => path,
                };
                same(own, theirs)
                    || same(own, path)
                    || same(&format!("{}{own}", bases.file), &format!("{}{theirs}", bases.server))
            }
            Path::Prefix(own) => {
                let below = |path: &str, prefix: &str| {
                    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                below(path, own) || below(&format!("{}{path}", bases.server), &format!("{}{own}", bases.file))
            }
            Path::Regex(own) => {
                let fits =
                    |path: &str| crate::routing::asked::whole(own).is_ok_and(|regex| regex.is_match(path));
                let example = paths::example(operation);
                let example = example.as_ref().and_then(|path| path.split('?').next());
                carried == Some(&Shape::Regex(own.clone())) || example.is_some_and(fits)
            }
        }
    }
}

/// Whether two templates are for the same paths: parameters may have other names, and a last one may be a rest.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (shape_of(a), shape_of(b));
    let end = |text: &str| text.strip_suffix("{*}").map(|text| format!("{text}{{}}"));
    a == b || end(&a).as_deref() == Some(&b) || end(&b).as_deref() == Some(&a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::openapi::model::Security;
    use crate::config::tree::parse;

    fn at(written: &str, path: &str) -> bool {
        let operation = Operation {
            id: None,
            method: "GET".into(),
            path: path.into(),
            summary: String::new(),
            deprecated: false,
            parameters: Vec::new(),
            security: Security::Unsaid,
            servers: None,
            place: Default::default(),
        };
        let bases = Bases { file: "/b", server: "/b/v1" };
        let served = served(&parse(written).unwrap()).unwrap();
        served.iter().any(|one| one.is_at(&operation, bases) && one.takes("GET"))
    }

    #[test]
    fn names_and_rests_do_not_matter() {
        assert!(same("/a/{x}", "/a/{y}") && same("/a/{*x}", "/a/{y}") && same("/%61/b", "/a/b"));
        assert!(!same("/a/{x}", "/a/b") && !same("/a", "/a/") && !same("/a/{*x}", "/a/{y}/b"));
    }

    #[test]
    fn every_form_of_match_is_read() {
        for written in [
            "\"GET /a/{y}\"",
            "\"ANY /v1/a/{y}\"",
            "{ path: '/a/{y}' }",
            "[POST /x, { methods: GET, prefix: /a, query: { q: true } }]",
            "{ prefix: /v1/a/ }",
            "{ headers: { x: y } }",
            "{ regex: '/a/(?<y>v\\d+z)' }",
        ] {
            assert!(at(written, "/a/{x}"), "{written}");
        }
        for written in ["POST /a/b", "\"GET /a\"", "{ prefix: /ab }", "{ regex: /a/ }", "{ methods: PUT }"] {
            assert!(!at(written, "/a/{x}"), "{written}");
        }
        let conditions = served(&parse("{ headers: { X: y }, cookies: { c: true } }").unwrap()).unwrap();
        assert_eq!(conditions[0].conditions, [(Where::Header, "X".into()), (Where::Cookie, "c".into())]);
    }
}
