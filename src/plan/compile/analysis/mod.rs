//! Proofs over the rules of one environment: which tie, which can never win, which can never fit, which say nothing new.
//!
//! - **Conflict**: two rules of different routes tie in the whole order of [`crate::plan::rule`], and fit one request.
//! - **Shadowed**: all that a rule fits is fitted by one other, which goes first; a rule of several hosts or path forms,
//!   by one for each.
//! - **Never**: no request fits a path or a condition.
//! - **Within**: a rule adds nothing to another of its route.
//!
//! Hosts, templates, prefixes, methods and exact values are decided exactly; regular expressions by [`automata`], and
//! where these become too large the finding is **undecided**. Pairs are compared within the same host pattern and the same
//! shape of path ([`places`]), and there within the same value of what most rules ask for, so that ten thousand rules
//! are not a hundred million pairs.

mod automata;
pub mod conditions;
mod groups;
mod language;
mod outline;
mod places;
mod requests;
mod rules;
#[cfg(test)]
mod tests;
pub mod vary;
mod witness;

use crate::plan::rule::Rule;
use crate::plan::{Api, Route};
use crate::routing::path::Leniency;
use automata::{Answer, Automata};
use conditions::Flaw;
use outline::Outline;
use places::{Path, Shape};
pub use requests::Requests;
use rules::{Facts, Names, Order};
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
pub use witness::Witness;

/// Findings after which nothing more is looked for: whoever has these has enough to do. What is undecided does not count.
const MAX_FINDINGS: usize = 1_000;

/// A rule with what is around it.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// Its API.
    pub api: &'a Api,
    /// The rule.
    pub rule: &'a Rule,
    /// What its route lets pass.
    pub leniency: Leniency,
}

impl<'a> Placed<'a> {
    /// Rules where they stand, in their order.
    pub fn all(
        apis: &'a [Api],
        rules: impl Iterator<Item = &'a Rule>,
        routes: &[impl Borrow<Route>],
    ) -> Vec<Placed<'a>> {
        let at = |index: u32| usize::try_from(index).ok();
        let place = |rule: &'a Rule| {
            let route: &Route = routes.get(at(rule.route)?)?.borrow();
            Some(Placed { api: apis.get(at(route.api)?)?, rule, leniency: route.paths })
        };
        rules.filter_map(place).collect()
    }
}

/// What was found. Rules are named by their index in what was given; of two, the later has the finding.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Two rules of different routes tie, and fit the same request.
    Conflict {
        /// The rule.
        rule: usize,
        /// The one it ties with.
        other: usize,
        /// A request that both fit.
        witness: Witness,
    },
    /// No request that fits this rule ever gets to it.
    Shadowed {
        /// The rule.
        rule: usize,
        /// Those that go first, each once.
        by: Vec<usize>,
        /// A request that fits the rule and the first of those; none where it is too much to find.
        witness: Option<Witness>,
    },
    /// Whatever fits this rule fits another of the same route too.
    Within {
        /// The rule.
        rule: usize,
        /// The other.
        other: usize,
        /// Whether both say exactly the same.
        same: bool,
    },
    /// No path fits.
    NoPath {
        /// The rule.
        rule: usize,
    },
    /// Something is wrong with a condition.
    Condition {
        /// The rule.
        rule: usize,
        /// Index of the condition.
        condition: usize,
        /// What is wrong.
        flaw: Flaw,
    },
    /// What two rules of different routes have in common is too much to decide.
    Undecided {
        /// The rule.
        rule: usize,
        /// The other.
        other: usize,
        /// Whether it is about the other going first on all requests; otherwise they tie, if there is a common request.
        shadow: bool,
    },
}

/// Analyses all rules of one environment.
pub fn analyse(placed: &[Placed<'_>]) -> Vec<Finding> {
    let mut analysis = Analysis::new(placed);
    analysis.shapes();
    analysis.regexes();
    analysis.finish()
}

/// A rule on one host pattern, by one of its shapes of path.
struct Instance {
    rule: usize,
    /// Index of the host pattern.
    host: usize,
    path: Path,
    /// The rule that goes before it on all its requests.
    by: Option<usize>,
}

struct Analysis<'a> {
    placed: &'a [Placed<'a>],
    rules: Vec<Facts<'a>>,
    hosts: Vec<String>,
    /// Rule after rule.
    instances: Vec<Instance>,
    automata: Automata,
    findings: Vec<Finding>,
    /// Pairs that have a finding, smaller index first.
    told: HashSet<(usize, usize)>,
    names: Names,
    /// A path for each rule with a regular expression.
    samples: HashMap<usize, Answer<String>>,
    /// Whether the first rule's paths go beyond the second's. Rules meet again on each host.
    beyond: HashMap<(usize, usize), Answer<()>>,
}

impl<'a> Analysis<'a> {
    fn new(placed: &'a [Placed<'a>]) -> Analysis<'a> {
        let mut analysis = Analysis {
            placed,
            rules: Vec::with_capacity(placed.len()),
            hosts: Vec::new(),
            instances: Vec::with_capacity(placed.len()),
            automata: Automata::default(),
            findings: Vec::new(),
            told: HashSet::new(),
            names: Names::default(),
            samples: HashMap::new(),
            beyond: HashMap::new(),
        };
        let mut known: HashMap<String, usize> = HashMap::new();
        for (index, one) in placed.iter().enumerate() {
            let (facts, flaws) = Facts::new(one, &mut analysis.names, &mut analysis.automata);
            let flawed = flaws.into_iter().map(|(condition, flaw)| Finding::Condition {
                rule: index,
                condition,
                flaw,
            });
            analysis.findings.extend(flawed);
            analysis.rules.push(facts);
            let every = [String::new()];
            let hosts = if one.api.hosts.is_empty() { &every[..] } else { &one.api.hosts };
            let paths = Path::of(one.api, one.rule);
            let own: HashSet<usize> = hosts
                .iter()
                .map(|host| {
                    let shape = places::host_shape(host);
                    let next = known.len();
                    *known.entry(shape).or_insert_with_key(|shape| {
                        analysis.hosts.push(shape.clone());
                        next
                    })
                })
                .collect();
            let mut own: Vec<usize> = own.into_iter().collect();
            own.sort_unstable();
            for host in own {
                let instances =
                    paths.iter().cloned().map(|path| Instance { rule: index, host, path, by: None });
                analysis.instances.extend(instances);
            }
        }
        analysis
    }

    /// Rules of the same host pattern and the same shape of path.
    fn shapes(&mut self) {
        let mut groups: HashMap<(usize, &Shape), Vec<usize>> = HashMap::with_capacity(self.instances.len());
        for (at, instance) in self.instances.iter().enumerate() {
            let possible = self.rules.get(instance.rule).is_some_and(|rule| rule.possible);
            if possible && !matches!(instance.path.shape, Shape::Regex(_)) {
                groups.entry((instance.host, &instance.path.shape)).or_default().push(at);
            }
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() > 1).collect();
        // In order of the rules, so that findings are the same in each run.
        groups.sort();
        for group in groups {
            let several = group.iter().filter_map(|at| self.route(*at)).collect::<HashSet<_>>().len() > 1;
            let facts = |at: usize| self.instances.get(at).and_then(|i| self.rules.get(i.rule));
            for part in groups::parts(&group, &facts) {
                for (n, a) in part.iter().enumerate() {
                    for b in part.iter().skip(n.saturating_add(1)) {
                        self.pair(*a, *b, several);
                    }
                    if self.enough() {
                        return;
                    }
                }
            }
        }
    }

    /// Regular expressions against each other, and against everything else on the same host.
    fn regexes(&mut self) {
        let mut hosts: Vec<(Vec<usize>, Vec<usize>)> = vec![(Vec::new(), Vec::new()); self.hosts.len()];
        for (at, instance) in self.instances.iter().enumerate() {
            let possible = self.rules.get(instance.rule).is_some_and(|rule| rule.possible);
            let Some((regexes, others)) = hosts.get_mut(instance.host).filter(|_| possible) else { continue };
            match instance.path.shape {
                Shape::Regex(_) => regexes.push(at),
                _ => others.push(at),
            }
        }
        for (regexes, others) in hosts.into_iter().filter(|(regexes, _)| !regexes.is_empty()) {
            let regexes: Vec<(usize, String, Outline)> = regexes
                .into_iter()
                .filter_map(|at| {
                    Some((at, self.sample(at)?, self.automata.outline(&self.instances.get(at)?.path.paths())))
                })
                .collect();
            for (n, (a, sample_a, outline_a)) in regexes.iter().enumerate() {
                for (b, sample_b, outline_b) in regexes.iter().skip(n.saturating_add(1)) {
                    if outline_a.apart(outline_b) || self.conflict(*a, *b) {
                        continue;
                    }
                    let (within, holds) = (self.has(*a, sample_b), self.has(*b, sample_a));
                    // Of rules of one route others may stand between.
                    let (b_in_a, a_in_b) =
                        (within && self.covers(*a, *b, true), holds && self.covers(*b, *a, true));
                    self.settle(*a, *b, b_in_a, a_in_b);
                }
                for other in &others {
                    let exact =
                        self.instances.get(*other).is_some_and(|o| matches!(o.path.shape, Shape::Exact(_)));
                    if exact && self.has(*other, sample_a) && self.covers(*other, *a, true) {
                        self.settle(*other, *a, true, false);
                    } else if !exact
                        && let Some(shown) = self.instances.get(*other).map(|other| other.path.shown())
                        && self.has(*a, &shown)
                        && self.covers(*a, *other, true)
                    {
                        self.settle(*a, *other, true, false);
                    }
                }
                if self.enough() {
                    return;
                }
            }
        }
    }

    fn enough(&self) -> bool {
        let certain = |finding: &&Finding| !matches!(finding, Finding::Undecided { .. });
        self.findings.len() > MAX_FINDINGS && self.findings.iter().filter(certain).count() > MAX_FINDINGS
    }

    /// A path of a regular expression's rule. None, if there is none; that is found once. What is too large has the base,
    /// which other expressions need not have.
    fn sample(&mut self, at: usize) -> Option<String> {
        let instance = self.instances.get(at)?;
        let (rule, paths) = (instance.rule, instance.path.paths());
        let leniency = self.placed.get(rule)?.leniency;
        let sample = match self.samples.get(&rule) {
            Some(sample) => sample.clone(),
            None => {
                let sample = self.automata.path(&[&paths], &[], leniency);
                if sample == Answer::No {
                    self.findings.push(Finding::NoPath { rule });
                }
                self.samples.insert(rule, sample.clone());
                sample
            }
        };
        match sample {
            Answer::Yes(path) => Some(path),
            Answer::No => None,
            Answer::Unknown => Some(String::new()),
        }
    }

    /// Whether a path is one of an instance's. An empty one, which is unknown, is.
    fn has(&mut self, at: usize, path: &str) -> bool {
        match self.instances.get(at).map(|instance| &instance.path.shape) {
            _ if path.is_empty() => true,
            Some(Shape::Regex(paths)) => self.automata.has(paths, path),
            Some(Shape::Exact(text)) => places::exact_fits(text, path),
            _ => false,
        }
    }

    fn route(&self, instance: usize) -> Option<u32> {
        let rule = self.instances.get(instance)?.rule;
        Some(self.placed.get(rule)?.rule.route)
    }

    /// Compares two instances of the same shape; `several`: routes share it.
    fn pair(&mut self, a: usize, b: usize, several: bool) {
        if self.conflict(a, b) {
            return;
        }
        let (b_in_a, a_in_b) = (self.covers(a, b, several), self.covers(b, a, several));
        self.settle(a, b, b_in_a, a_in_b);
    }

    /// Notes which of two instances never matters. Of two that say the same the later does not.
    fn settle(&mut self, a: usize, b: usize, b_in_a: bool, a_in_b: bool) {
        let rule = |at: usize| self.instances.get(at).map(|instance| instance.rule);
        let (rule_a, rule_b) = (rule(a), rule(b));
        let later = rule_a < rule_b;
        let (idle, by) = match (b_in_a, a_in_b) {
            (true, true) if later => (b, rule_a),
            (true, false) => (b, rule_a),
            (_, true) => (a, rule_b),
            (false, false) => return,
        };
        if let Some(instance) = self.instances.get_mut(idle) {
            instance.by = instance.by.or(by);
        }
    }

    /// Notes whether two rules of different routes tie on a request. `true`: it is known that they have none in common.
    fn conflict(&mut self, a: usize, b: usize) -> bool {
        let (Some(one), Some(two)) = (self.instances.get(a), self.instances.get(b)) else { return false };
        let (Some(a), Some(b)) = (self.rules.get(one.rule), self.rules.get(two.rule)) else { return false };
        let pair = (one.rule.min(two.rule), one.rule.max(two.rule));
        let methods = a.ties(b);
        if one.path.order(&two.path).is_ne()
            || methods == 0
            || a.route == b.route
            || self.told.contains(&pair)
        {
            return false;
        }
        let values = a.conditions.with(&b.conditions, &mut self.automata);
        if values == Answer::No {
            return true;
        }
        let path = match (&one.path.shape, &two.path.shape) {
            (Shape::Regex(x), Shape::Regex(y)) => {
                let encoded_slashes = [pair.0, pair.1]
                    .iter()
                    .filter_map(|rule| self.placed.get(*rule))
                    .any(|p| p.leniency.encoded_slashes);
                self.automata.path(&[x, y], &[], Leniency { encoded_slashes })
            }
            _ => Answer::Yes(one.path.shown()),
        };
        let (other, rule) = pair;
        let finding = match (values, path) {
            (_, Answer::No) => return true,
            (Answer::Yes(values), Answer::Yes(path)) => {
                let host = self.host(one.host);
                let witness = Witness::new(self.names.first(methods), &host, &path, &values);
                Finding::Conflict { rule, other, witness }
            }
            _ => Finding::Undecided { rule, other, shadow: false },
        };
        self.told.insert(pair);
        self.findings.push(finding);
        false
    }

    /// Whether all of `b` goes to `a`, or would if they were not of the same route; `several`: others may stand between.
    fn covers(&mut self, a: usize, b: usize, several: bool) -> bool {
        let (Some(one), Some(two)) = (self.instances.get(a), self.instances.get(b)) else { return false };
        let (Some(a), Some(b)) = (self.rules.get(one.rule), self.rules.get(two.rule)) else { return false };
        let own = a.route == b.route;
        let enough = match a.order(b, one.path.order(&two.path)) {
            Order::First => true,
            Order::FirstOrTie => own,
            Order::Covers => own && !several,
            Order::No => false,
        };
        if !enough || one.rule == two.rule || one.by.is_some() || two.by.is_some() {
            return false;
        }
        let conditions = b.conditions.beyond(&a.conditions, &mut self.automata);
        if conditions == Answer::Yes(()) {
            return false;
        }
        let paths = if one.path.shape == two.path.shape {
            if two.path.within(&one.path) { Answer::No } else { Answer::Yes(()) }
        } else {
            let leniency = self.placed.get(two.rule).map_or(Leniency::default(), |placed| placed.leniency);
            let key = (two.rule, one.rule);
            let known = self.beyond.get(&key).cloned();
            known.unwrap_or_else(|| {
                let answer =
                    self.automata.path(&[&two.path.paths()], &[&one.path.paths()], leniency).map(drop);
                self.beyond.insert(key, answer.clone());
                answer
            })
        };
        match (conditions, paths) {
            (_, Answer::Yes(())) | (Answer::Yes(()), _) => false,
            (Answer::No, Answer::No) => true,
            _ => {
                let (rule, other) = (two.rule, one.rule);
                if !own && self.told.insert((rule.min(other), rule.max(other))) {
                    self.findings.push(Finding::Undecided { rule, other, shadow: true });
                }
                false
            }
        }
    }

    fn host(&self, host: usize) -> String {
        self.hosts.get(host).map_or_else(String::new, |shape| places::host_of(shape, &self.hosts))
    }

    /// A request of an instance.
    fn request(&mut self, at: usize) -> Option<Witness> {
        let instance = self.instances.get(at)?;
        let facts = self.rules.get(instance.rule)?;
        let path = match &instance.path.shape {
            Shape::Regex(_) => match self.samples.get(&instance.rule)? {
                Answer::Yes(path) => path.clone(),
                _ => return None,
            },
            _ => instance.path.shown(),
        };
        let Answer::Yes(values) = facts.conditions.with(&facts.conditions, &mut self.automata) else {
            return None;
        };
        Some(Witness::new(self.names.first(facts.takes()), &self.host(instance.host), &path, &values))
    }

    fn finish(mut self) -> Vec<Finding> {
        // The instances of a rule that never matter, with what goes before them; `None`: one does matter.
        let mut idle: BTreeMap<usize, Option<Vec<(usize, usize)>>> = BTreeMap::new();
        for (at, instance) in self.instances.iter().enumerate() {
            let by = idle.entry(instance.rule).or_insert_with(|| Some(Vec::new()));
            match (by.as_mut(), instance.by) {
                (Some(by), Some(first)) => by.push((at, first)),
                _ => *by = None,
            }
        }
        for (rule, by) in idle.into_iter().filter_map(|(rule, by)| Some((rule, by?))) {
            let route = |rule: usize| self.placed.get(rule).map(|placed| placed.rule.route);
            if let Some((_, other)) = by.iter().find(|(_, first)| route(*first) == route(rule)) {
                let said = |rule: usize| {
                    self.placed
                        .get(rule)
                        .map(|placed| (&placed.rule.path, &placed.rule.methods, &placed.rule.conditions))
                };
                self.findings.push(Finding::Within { rule, other: *other, same: said(rule) == said(*other) });
                continue;
            }
            let mut firsts: Vec<usize> = by.iter().map(|(_, first)| *first).collect();
            firsts.dedup();
            let witness = by.first().and_then(|(at, _)| self.request(*at));
            self.findings.push(Finding::Shadowed { rule, by: firsts, witness });
        }
        self.findings.sort_by_key(Finding::key);
        self.findings
    }
}

impl Finding {
    /// The rule that it is about.
    pub fn rule(&self) -> usize {
        self.key().0
    }

    /// The other rule, if there is one.
    pub fn other(&self) -> Option<usize> {
        match self {
            Finding::Conflict { other, .. }
            | Finding::Within { other, .. }
            | Finding::Undecided { other, .. } => Some(*other),
            Finding::Shadowed { by, .. } => by.first().copied(),
            Finding::NoPath { .. } | Finding::Condition { .. } => None,
        }
    }

    /// Its place in the order of findings.
    fn key(&self) -> (usize, usize) {
        match self {
            Finding::Conflict { rule, other, .. }
            | Finding::Within { rule, other, .. }
            | Finding::Undecided { rule, other, .. } => (*rule, *other),
            Finding::Condition { rule, condition, .. } => (*rule, *condition),
            Finding::Shadowed { rule, .. } | Finding::NoPath { rule } => (*rule, 0),
        }
    }
}
