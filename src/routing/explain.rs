//! Why each rule that a request could have meant was taken or not. Slow: for explain, not for requests.

use super::asked::Asked;
use super::walk::{Methods, Rank};
use super::{Router, Unusable};
use crate::plan::rule::Rule;
use std::collections::HashMap;

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
        let mut levels: HashMap<u32, usize> = HashMap::new();
        for (depth, level) in self.levels.of(asked.host).enumerate() {
            for (api, _) in level.apis(asked.path) {
                levels.entry(api).or_insert(depth);
            }
        }
        // Candidates that fit, with level and rank, for the order among them.
        let mut fitting: Vec<((usize, Rank), Candidate)> = Vec::new();
        let mut others = Vec::new();
        for (api, index) in self.plan.shared().apis.iter().zip(0_u32..) {
            let below = asked.path.strip_prefix(api.base.as_str());
            let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
            let walk = below.map_or(Ok(None), |below| self.walk(index, below))?;
            let Some(walk) = walk else { continue };
            let methods = Methods::of(walk.table, asked.method, api.matching.head);
            for brief in walk.fitting()? {
                let ready = self.ready(brief)?;
                let candidate =
                    |verdict| Candidate { api: index, index: brief.rule, rule: ready.rule.clone(), verdict };
                match (levels.get(&index), methods.class(brief), ready.failing(asked)) {
                    (None, ..) => others.push(candidate(Verdict::Host)),
                    (_, None, _) => others.push(candidate(Verdict::Method)),
                    (_, _, Some(condition)) => others.push(candidate(Verdict::Condition(condition))),
                    (Some(level), Some(class), None) => {
                        fitting.push(((*level, (brief.place, class, brief.order)), candidate(Verdict::Won)));
                    }
                }
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
