//! Where rules stand: hosts and paths, so that rules that can tie or go before each other come together.
//!
//! Two hosts or two paths of different specificity never tie, and the more specific never has all that the less specific
//! has. So what remains to be compared has the same host pattern, and the same shape of path: the text with its
//! parameters' names left out. Regular expressions alone are compared with everything.

use super::automata::Paths;
use crate::plan::compile::pattern::nameless;
use crate::plan::rule::{Pattern, Rule};
use crate::plan::{Api, BaseForm, Slash};
use std::cmp::Ordering;

/// A host pattern without the name of its label; empty for every host.
pub fn host_shape(pattern: &str) -> String {
    match pattern.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((_, suffix)) => format!("{{}}{suffix}"),
        None => pattern.to_owned(),
    }
}

/// Whether a host has a shape.
pub fn host_fits(shape: &str, host: &str) -> bool {
    if let Some(suffix) = shape.strip_prefix("{}.") {
        return host.split_once('.').is_some_and(|(_, rest)| rest == suffix);
    }
    match shape.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => shape.is_empty() || shape == host,
    }
}

/// The shape that has the hosts which two shapes have in common, if there are any: one of them.
pub fn host_both<'h>(a: &'h str, b: &'h str) -> Option<&'h str> {
    let (more, less) = if specific(a) >= specific(b) { (a, b) } else { (b, a) };
    let one = match more.as_bytes().first() {
        Some(b'{') => more.replacen("{}", "x", 1),
        Some(b'*') => more.replacen('*', "x", 1),
        _ => more.to_owned(),
    };
    (more == less || host_fits(less, &one)).then_some(more)
}

/// How specific a shape of hosts is: more is more.
pub fn specific(shape: &str) -> (u8, usize) {
    match shape.as_bytes().first() {
        None => (0, 0),
        Some(b'*') => (1, shape.len()),
        Some(b'{') => (2, 0),
        Some(_) => (3, 0),
    }
}

/// A host of a shape, and of no more specific one of `all` if there is any.
pub fn host_of(shape: &str, all: &[String]) -> String {
    let suffix = shape.trim_start_matches("{}").trim_start_matches('*');
    let kind = specific(shape);
    let more: Vec<&String> = all.iter().filter(|other| specific(other) > kind).collect();
    // Each other shape has at most one of these, but for `{}.`, which has all of one label.
    let label = |n: usize| if n == 0 { "x".to_owned() } else { format!("x{n}") };
    let names = (0..=more.len()).flat_map(|n| match kind.0 {
        0 if n == 0 => vec!["example.com".to_owned()],
        0 => vec![format!("www.{}.example{n}", label(n))],
        1 => vec![format!("{}{suffix}", label(n)), format!("x.{}{suffix}", label(n))],
        2 => vec![format!("{}{suffix}", label(n))],
        _ => vec![shape.to_owned()],
    });
    let mut names = names.peekable();
    let first = names.peek().cloned().unwrap_or_default();
    names.find(|host| !more.iter().any(|other| host_fits(other, host))).unwrap_or(first)
}

/// What a path pattern with its base is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A path that is all text and single parameters, these written `{}`.
    Exact(String),
    /// One that ends in a catch-all, up to it.
    Rest(String),
    /// A prefix.
    Prefix(String),
    /// A regular expression.
    Regex(Paths),
}

/// One shape of a rule's paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The shape.
    pub shape: Shape,
    /// How many elements the pattern has as it is written; among equal shapes fewer go first. Of a regular expression, how
    /// many its base has, negative: more go first.
    pub elements: isize,
    /// Of a prefix that is a base: the path itself is none of its paths.
    pub no_bare: bool,
    /// Of a prefix that is a base: the path itself with a slash is none.
    pub no_slash: bool,
}

impl Path {
    /// The shapes of a rule's paths. More than one, where a slash at the end makes no difference.
    pub fn of(api: &Api, rule: &Rule) -> Vec<Path> {
        let base = api.base.as_str();
        let bare = !base.is_empty() && api.matching.base != BaseForm::Slash;
        let slash = base.is_empty() || api.matching.base != BaseForm::Bare;
        let elements = |text: &str| isize::try_from(text.matches('/').count()).unwrap_or(isize::MAX);
        let depth = elements(base);
        let path = |shape, elements| Path { shape, elements, no_bare: false, no_slash: false };
        match &rule.path {
            Pattern::Regex(source) => {
                let paths = Paths { base: base.to_owned(), source: source.clone(), bare, slash };
                vec![path(Shape::Regex(paths), depth.saturating_neg())]
            }
            Pattern::Prefix(prefix) => {
                let own = prefix.is_empty() && !base.is_empty();
                let shape = Shape::Prefix(format!("{base}{prefix}"));
                let elements = depth.saturating_add(elements(prefix));
                vec![Path { shape, elements, no_bare: own && !bare, no_slash: own && !slash }]
            }
            Pattern::Template(template) => {
                let elements = depth.saturating_add(elements(template));
                let text = format!("{base}{}", nameless(template));
                if let Some(text) = text.strip_suffix("/{*}") {
                    return vec![path(Shape::Rest(text.to_owned()), elements)];
                }
                if template == "/" {
                    let forms = [(bare, base.to_owned()), (slash, text)];
                    let forms = forms.into_iter().filter(|(given, _)| *given);
                    return forms.map(|(_, text)| path(Shape::Exact(text), elements)).collect();
                }
                let mut paths = Vec::with_capacity(1);
                if api.matching.slash == Slash::Ignored && !text.ends_with('/') {
                    paths.push(path(Shape::Exact(format!("{text}/")), elements));
                }
                paths.insert(0, path(Shape::Exact(text), elements));
                paths
            }
        }
    }

    /// Whether this path, of the two that fit one request, goes first.
    pub fn order(&self, other: &Path) -> Ordering {
        let class = |shape: &Shape| match shape {
            Shape::Exact(_) => 0,
            Shape::Regex(_) => 1,
            Shape::Rest(_) | Shape::Prefix(_) => 2,
        };
        class(&self.shape).cmp(&class(&other.shape)).then(self.elements.cmp(&other.elements))
    }

    /// Whether all paths of this one, which has the same shape, are paths of `other`. Not for regular expressions.
    pub fn within(&self, other: &Path) -> bool {
        (self.no_bare || !other.no_bare) && (self.no_slash || !other.no_slash)
    }

    /// A path of this shape that all its patterns fit. Not for regular expressions.
    pub fn shown(&self) -> String {
        match &self.shape {
            Shape::Exact(text) => text.replace("{}", "x"),
            Shape::Rest(text) => format!("{}/x", text.replace("{}", "x")),
            Shape::Prefix(text) => format!("{text}/x"),
            Shape::Regex(paths) => paths.base.clone(),
        }
    }

    /// Whether two shapes have no path in common, as far as one element after the other tells. Not for regular expressions.
    pub fn apart(&self, other: &Path) -> bool {
        fn text(path: &Path) -> Option<(&str, bool)> {
            match &path.shape {
                Shape::Exact(text) => Some((text, false)),
                Shape::Rest(text) | Shape::Prefix(text) => Some((text, true)),
                Shape::Regex(_) => None,
            }
        }
        let (Some((a, more_a)), Some((b, more_b))) = (text(self), text(other)) else { return false };
        let (mut a, mut b) = (a.split('/'), b.split('/'));
        loop {
            match (a.next(), b.next()) {
                (Some(a), Some(b)) if a == b || a.contains("{}") || b.contains("{}") => {}
                (Some(_), Some(_)) => return true,
                (Some(_), None) => return !more_b,
                (None, Some(_)) => return !more_a,
                (None, None) => return false,
            }
        }
    }

    /// Whether all paths of another are paths of this one, as far as that is seen at once: of the same shape, or of a prefix
    /// with which the other's text begins, or what all begins with that fits its regular expression.
    pub fn covers(&self, other: &Path, beginning: &str) -> bool {
        if self.shape == other.shape {
            return other.within(self);
        }
        let Shape::Prefix(prefix) = &self.shape else { return false };
        let text = match &other.shape {
            Shape::Exact(text) | Shape::Rest(text) | Shape::Prefix(text) => text.as_str(),
            Shape::Regex(_) => beginning,
        };
        let below = text.strip_prefix(prefix.as_str());
        // Its own base may have to be there without a slash, or with one.
        let own =
            below == Some("") && (matches!(other.shape, Shape::Regex(_)) || self.no_bare || self.no_slash);
        !own && below.is_some_and(|below| below.starts_with('/') || below.is_empty())
            && !(below == Some("/") && self.no_slash)
    }

    /// The paths as a regular expression.
    pub fn paths(&self) -> Paths {
        let (text, tail) = match &self.shape {
            Shape::Regex(paths) => return paths.clone(),
            Shape::Exact(text) => (text, ""),
            Shape::Rest(text) => (text, "/.+"),
            Shape::Prefix(text) => match (self.no_bare, self.no_slash) {
                (false, false) => (text, "(?:/.*)?"),
                (true, _) => (text, "/.*"),
                (false, true) => (text, "(?:/.+)?"),
            },
        };
        let parts: Vec<String> = text.split("{}").map(regex_syntax::escape).collect();
        let source = format!("{}{tail}", parts.join("[^/]+"));
        Paths { base: String::new(), source, bare: false, slash: true }
    }
}

/// Whether a path has an exact shape.
pub fn exact_fits(shape: &str, path: &str) -> bool {
    let (before, _) = shape.split_once('{').unwrap_or((shape, ""));
    if !path.starts_with(before) {
        return false;
    }
    let (mut shapes, mut elements) = (shape.split('/'), path.split('/'));
    loop {
        let fits = match (shapes.next(), elements.next()) {
            (None, None) => return true,
            (Some(shape), Some(element)) => match shape.split_once("{}") {
                None => shape == element,
                Some((before, after)) => {
                    let inner = element.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                    inner.is_some_and(|inner| !inner.is_empty())
                }
            },
            _ => false,
        };
        if !fits {
            return false;
        }
    }
}
