//! Why each rule that a request could have meant was taken or not. Slow: for explain, not for requests.

use super::asked::{Asked, Ready};
use super::host::{Kind, kind};
use super::walk::{Methods, Rank};
use super::{Router, Unusable};
use crate::plan::Slash;
use crate::plan::rule::{Pattern, Rule};

/// A rule that a request's path fits, on its host or another.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Index into the plan's APIs.
    pub api: u32,
    /// The rule's index in the plan.
    pub index: u32,
    /// The rule.
    pub rule: Rule,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate: the first thing that speaks against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers.
    Won,
    /// It is for another host.
    Host,
    /// It does not take the method.
    Method,
    /// The condition of this index does not hold.
    Condition(usize),
    /// It fits, and a rule of a more specific host goes first.
    LessSpecificHost,
    /// It fits, and a more specific path goes first.
    LessSpecificPath,
    /// It fits, and a rule goes first that names the method.
    LessSpecificMethod,
    /// It fits, and a rule with more conditions on header fields goes first.
    FewerHeaders,
    /// It fits, and a rule with more conditions on the query goes first.
    FewerQueries,
    /// It fits, and a rule of higher priority goes first.
    LowerPriority,
}

impl Router {
    /// Every rule that the path fits, the one that answers first, then those that fit but for one thing.
    ///
    /// # Errors
    /// A part of the plan that cannot be used.
    pub fn candidates(&self, asked: &Asked<'_, '_>) -> Result<Vec<Candidate>, Unusable> {
        // Candidates that fit, with level and rank, for the order among them.
        let mut fitting: Vec<((usize, Rank), Candidate)> = Vec::new();
        let mut others = Vec::new();
        for (api, index) in self.plan.shared().apis.iter().zip(0_u32..) {
            let Some(below) = below(asked.path, &api.base) else { continue };
            let Some((table, _, path)) = self.below(index, below)? else { continue };
            let level = api.hosts.iter().filter_map(|pattern| specificity(pattern, asked.host)).min();
            let level = if api.hosts.is_empty() { Some(usize::MAX) } else { level };
            let methods = Methods::of(table, asked.method, api.matching.head);
            for brief in &table.rules {
                let rule = self.plan.rule(brief.rule).map_err(Unusable::Load)?;
                let ready = Ready::new(rule).map_err(Unusable::Regex)?;
                let fits = match &ready.path {
                    Some(regex) => regex.is_match(path),
                    None => fits(&ready.rule.path, path, api.matching.slash == Slash::Ignored),
                };
                if !fits {
                    continue;
                }
                let failing = ready.failing(asked);
                let mut candidate =
                    Candidate { api: index, index: brief.rule, rule: ready.rule, verdict: Verdict::Host };
                match (level, methods.class(brief), failing) {
                    (Some(level), Some(class), None) => {
                        fitting.push(((level, (brief.place, class, brief.order)), candidate));
                        continue;
                    }
                    (Some(_), None, _) => candidate.verdict = Verdict::Method,
                    (Some(_), _, Some(condition)) => candidate.verdict = Verdict::Condition(condition),
                    (None, ..) => {}
                }
                others.push(candidate);
            }
        }
        fitting.sort_by_key(|(rank, _)| *rank);
        let winner = fitting.first().map(|((level, rank), first)| (*level, *rank, first.rule.clone()));
        let mut candidates = Vec::with_capacity(fitting.len().saturating_add(others.len()));
        for ((level, rank), mut candidate) in fitting {
            candidate.verdict = match &winner {
                Some((first, _, _)) if level != *first => Verdict::LessSpecificHost,
                Some((_, first, _)) if rank == *first => Verdict::Won,
                Some((_, first, _)) if rank.0 != first.0 => Verdict::LessSpecificPath,
                Some((_, first, _)) if rank.1 != first.1 => Verdict::LessSpecificMethod,
                Some((_, _, first)) => lesser(first, &candidate.rule),
                None => Verdict::Host,
            };
            candidates.push(candidate);
        }
        others.sort_by_key(|candidate| match candidate.verdict {
            Verdict::Method => 0,
            Verdict::Condition(_) => 1,
            _ => 2,
        });
        candidates.append(&mut others);
        Ok(candidates)
    }
}

/// Why a rule of the same path and method goes behind another.
fn lesser(first: &Rule, rule: &Rule) -> Verdict {
    use crate::plan::rule::Subject;
    let count = |rule: &Rule, wanted: fn(&Subject) -> bool| {
        rule.conditions.iter().filter(|condition| wanted(&condition.subject)).count()
    };
    let query: fn(&Subject) -> bool = |subject| matches!(subject, Subject::Query(_));
    if count(first, Subject::counts_as_header) != count(rule, Subject::counts_as_header) {
        Verdict::FewerHeaders
    } else if count(first, query) != count(rule, query) {
        Verdict::FewerQueries
    } else {
        Verdict::LowerPriority
    }
}

/// How specific a host pattern is for a host that it fits; smaller is more specific.
fn specificity(pattern: &str, host: &str) -> Option<usize> {
    let below = |suffix: &str| host.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.'));
    match kind(pattern) {
        Kind::Exact(name) => (name == host).then_some(0),
        Kind::Label(_, suffix) => below(suffix).filter(|label| !label.contains('.')).map(|_| 1),
        Kind::Wildcard(suffix) => below(suffix).map(|labels| labels.split('.').count().saturating_add(1)),
    }
}

/// The path below a base, if it lies below it; empty for the base itself.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a pattern that is no regular expression fits a canonical path below a base, whatever else there is.
fn fits(pattern: &Pattern, path: &str, slash: bool) -> bool {
    match pattern {
        Pattern::Template(template) => {
            matches(template, path)
                || slash && path.strip_suffix('/').is_some_and(|path| matches(template, path))
        }
        Pattern::Prefix(prefix) => below(path, prefix).is_some(),
        Pattern::Regex(_) => false,
    }
}

/// Whether a template fits a canonical path, whatever else there is.
pub fn matches(template: &str, path: &str) -> bool {
    let mut rest = path;
    for segment in template.split('/').skip(1) {
        let Some(below) = rest.strip_prefix('/') else { return false };
        if segment.starts_with("{*") {
            return !below.is_empty();
        }
        let end = below.find('/').unwrap_or(below.len());
        let Some((actual, tail)) = below.split_at_checked(end) else { return false };
        let fits = match segment
            .split_once('{')
            .and_then(|(before, tail)| Some((before, tail.split_once('}')?.1)))
        {
            Some((before, after)) => actual
                .strip_prefix(before)
                .and_then(|actual| actual.strip_suffix(after))
                .is_some_and(|value| !value.is_empty()),
            None => actual == segment,
        };
        if !fits {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}
