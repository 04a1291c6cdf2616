//! The order of rules, as far as it can be said without a request: see [`crate::plan::rule`].

use super::pattern::{Element, Shape};
use crate::plan::rule::Rule;
use std::cmp::Reverse;

/// What a rule's base and path weigh; smaller goes first. Two that can fit one path are equal only if they have the same
/// shape, or are both regular expressions below the same base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathRank {
    /// A template without a catch-all, with its base: element by element.
    Template(Vec<ElementRank>),
    /// A regular expression; the longer base goes first.
    Regex(Reverse<usize>),
    /// A catch-all or a prefix: element by element, the longer first.
    Tail(Vec<ElementRank>),
}

/// What one element weighs; smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementRank {
    /// Literal text.
    Literal,
    /// Text around a parameter: longer suffixes first, then longer prefixes.
    Affix(Reverse<usize>, Reverse<usize>),
    /// A parameter alone.
    Param,
    /// The end of a catch-all.
    Rest,
    /// The end of a prefix.
    End,
}

/// What a whole rule weighs; smaller goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Base and path.
    pub path: PathRank,
    /// Whether it takes any method. (For a HEAD, a rule that names HEAD goes before one for GET.)
    pub any_method: bool,
    /// Conditions on header fields, cookies and the certificate.
    pub headers: Reverse<usize>,
    /// Conditions on the query.
    pub query: Reverse<usize>,
    /// The priority.
    pub priority: Reverse<i32>,
}

/// What a rule weighs below a base.
pub fn rank(base: &str, shape: &Shape, rule: &Rule) -> Rank {
    use crate::plan::rule::Subject;
    let count = |wanted: fn(&Subject) -> bool| {
        Reverse(rule.conditions.iter().filter(|condition| wanted(&condition.subject)).count())
    };
    Rank {
        path: path_rank(base, shape),
        any_method: rule.methods.is_empty(),
        headers: count(Subject::counts_as_header),
        query: count(|subject| matches!(subject, Subject::Query(_))),
        priority: Reverse(rule.priority),
    }
}

/// What base and path weigh.
pub fn path_rank(base: &str, shape: &Shape) -> PathRank {
    let depth = base.matches('/').count();
    let (elements, end) = match shape {
        Shape::Regex(_) => return PathRank::Regex(Reverse(depth)),
        Shape::Exact(elements) => (elements, None),
        Shape::Rest(elements, _) => (elements, Some(ElementRank::Rest)),
        Shape::Prefix(elements) => (elements, Some(ElementRank::End)),
    };
    let ranks = std::iter::repeat_n(ElementRank::Literal, depth);
    let ranks: Vec<ElementRank> = ranks.chain(elements.iter().map(element_rank)).chain(end).collect();
    match end {
        None => PathRank::Template(ranks),
        Some(_) => PathRank::Tail(ranks),
    }
}

fn element_rank(element: &Element) -> ElementRank {
    match element {
        Element::Literal(_) => ElementRank::Literal,
        Element::Param { before, after, .. } if before.is_empty() && after.is_empty() => ElementRank::Param,
        Element::Param { before, after, .. } => {
            ElementRank::Affix(Reverse(after.len()), Reverse(before.len()))
        }
    }
}
