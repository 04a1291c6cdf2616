//! Requests made up for rules, so that a router can be asked what becomes of them.
//!
//! What fits a rule is not what gets to it: others go first. Which, the router says; so a request is made up, the router
//! asked, and where another rule took it, the next one is made up so that this rule cannot take it: on a path that it
//! does not fit, or with a value that its conditions refuse.

use super::automata::{Answer, Automata, Paths};
use super::conditions::{Conditions, Thing};
use super::places::{self, Path, Shape};
use super::rules::{Facts, Names};
use super::{Placed, Witness};
use crate::routing::asked::Ready;
use crate::routing::path::Leniency;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// Most kinds of requests that are made up at a time; each is one for every host and method.
const MOST: usize = 64;

/// Rules, and what is known of them.
pub struct Requests<'a> {
    placed: &'a [Placed<'a>],
    rules: Vec<Facts<'a>>,
    /// For each rule, the text that its paths begin with, and their shapes.
    paths: Vec<(String, Vec<Path>)>,
    /// The shapes of all hosts.
    hosts: Vec<String>,
    /// The methods that some rule tells from others.
    told: u64,
    names: Names,
    automata: Automata,
    /// What was asked of automata: a path of these shapes, and of none of these rules; whether encoded slashes pass.
    known: HashMap<(Vec<Path>, BTreeSet<usize>, bool), Answer<String>>,
    /// Rules as requests meet them.
    ready: HashMap<usize, Option<Ready>>,
}

/// What keeps requests from rules that took others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Apart<'a> {
    /// Rules whose paths they do not have.
    without: BTreeSet<usize>,
    /// Rules whose values they do not have, and the values that they have for that.
    refused: BTreeMap<Thing<'a>, (BTreeSet<usize>, Option<String>)>,
}

impl Apart<'_> {
    /// Whether requests are kept from a rule.
    fn has(&self, rule: usize) -> bool {
        self.without.contains(&rule) || self.refused.values().any(|(rules, _)| rules.contains(&rule))
    }
}

impl<'a> Requests<'a> {
    /// For these rules, which are named by their index.
    pub fn new(placed: &'a [Placed<'a>]) -> Requests<'a> {
        let (mut names, mut automata) = (Names::default(), Automata::default());
        let facts = placed.iter().map(|one| Facts::new(one, &mut names, &mut automata).0);
        let rules: Vec<Facts<'a>> = facts.collect();
        let told = rules.iter().fold(0, |all, rule| all | rule.told());
        let paths = placed.iter().map(|one| Path::of(one.api, one.rule));
        let begun = paths.map(|paths| (common(&paths, &mut automata), paths)).collect();
        let mut hosts: Vec<String> = placed.iter().flat_map(shapes).collect();
        hosts.sort_unstable();
        hosts.dedup();
        Requests {
            placed,
            rules,
            paths: begun,
            hosts,
            told,
            names,
            automata,
            known: HashMap::new(),
            ready: HashMap::new(),
        }
    }

    /// Whether two rules have requests in common, as far as that is seen at once.
    pub fn near(&self, a: usize, b: usize) -> bool {
        let (Some((begin_a, paths_a)), Some((begin_b, paths_b))) = (self.paths.get(a), self.paths.get(b))
        else {
            return false;
        };
        (begin_a.starts_with(begin_b.as_str()) || begin_b.starts_with(begin_a.as_str()))
            && self.methods(&[a, b]) != 0
            && paths_a.iter().any(|a| paths_b.iter().any(|b| !a.apart(b)))
            && !self.hosts(&[a, b]).is_empty()
    }

    /// Shows requests that fit some rules, one or two, to `ask`: one for each host and each method that matters, and as long as it names
    /// rules that took them, others that these cannot take. `ask` gives `None` when it has seen enough.
    ///
    /// Gives whether those were all: `false` where there may be more that are too much to find.
    pub fn each(&mut self, within: &[usize], ask: &mut dyn FnMut(&Witness) -> Option<Vec<usize>>) -> bool {
        let (hosts, methods) = (self.hosts(within), self.names.told(self.methods(within), self.told));
        let mut whole = true;
        let mut todo = VecDeque::from([Apart::default()]);
        let mut known: HashSet<Apart<'a>> = todo.iter().cloned().collect();
        while let Some(apart) = todo.pop_front() {
            let Some(values) = self.values(within, &apart, &mut whole) else { continue };
            let paths = self.ways(within, &apart, &mut whole);
            let mut taken: BTreeSet<usize> = BTreeSet::new();
            for path in &paths {
                for host in &hosts {
                    for method in &methods {
                        let witness = Witness::new(method, host, path, &values);
                        whole &= within.iter().all(|rule| self.holds(*rule, &witness));
                        let Some(by) = ask(&witness) else { return whole };
                        taken.extend(by.into_iter().filter(|rule| !within.contains(rule)));
                    }
                }
            }
            for rule in taken {
                if apart.has(rule) {
                    // What was to keep it away did not.
                    whole = false;
                    continue;
                }
                for next in self.escapes(within, &apart, rule, &mut whole) {
                    if known.len() >= MOST {
                        return false;
                    }
                    if known.insert(next.clone()) {
                        todo.push_back(next);
                    }
                }
            }
        }
        whole
    }

    /// Ways to keep from a rule: by the path, and by each value.
    fn escapes(
        &mut self,
        within: &[usize],
        apart: &Apart<'a>,
        rule: usize,
        whole: &mut bool,
    ) -> Vec<Apart<'a>> {
        let mut path = apart.clone();
        path.without.insert(rule);
        let mut ways = vec![path];
        let of = |rule: Option<&usize>| self.rules.get(*rule?).map(|facts| &facts.conditions);
        let (Some(first), Some(last), Some(other)) = (of(within.first()), of(within.last()), of(Some(&rule)))
        else {
            return ways;
        };
        for thing in other.things() {
            let mut refused = apart.refused.get(&thing).map(|(rules, _)| rules.clone()).unwrap_or_default();
            refused.insert(rule);
            let others: Vec<&Conditions<'a>> = refused.iter().filter_map(|rule| of(Some(rule))).collect();
            match first.apart(last, &others, thing, &mut self.automata) {
                Answer::Yes(value) => {
                    let mut way = apart.clone();
                    way.refused.insert(thing, (refused, value));
                    ways.push(way);
                }
                Answer::No => {}
                Answer::Unknown => *whole = false,
            }
        }
        ways
    }

    /// Whether a request has what a rule asks for beside host, path and method.
    fn holds(&mut self, rule: usize, witness: &Witness) -> bool {
        let Some(one) = self.placed.get(rule) else { return false };
        if one.rule.conditions.is_empty() {
            return true;
        }
        let ready = self.ready.entry(rule).or_insert_with(|| Ready::new(one.rule.clone()).ok());
        ready.as_ref().is_some_and(|ready| witness.ask(|asked| ready.failing(asked).is_none()))
    }

    /// Values with which all conditions hold.
    fn values(
        &mut self,
        within: &[usize],
        apart: &Apart<'a>,
        whole: &mut bool,
    ) -> Option<Vec<(Thing<'a>, Option<String>)>> {
        let first = self.rules.get(*within.first()?)?;
        let second = self.rules.get(*within.last()?)?;
        match first.conditions.with(&second.conditions, &mut self.automata) {
            Answer::Yes(values) => {
                let mut values: BTreeMap<Thing<'a>, Option<String>> = values.into_iter().collect();
                let own = apart.refused.iter().map(|(thing, (_, value))| (*thing, value.clone()));
                values.extend(own);
                Some(values.into_iter().collect())
            }
            Answer::No => None,
            Answer::Unknown => {
                *whole = false;
                None
            }
        }
    }

    /// Paths that fit, one of each shape.
    fn ways(&mut self, within: &[usize], apart: &Apart<'_>, whole: &mut bool) -> Vec<String> {
        let of = |rule: &usize| self.paths.get(*rule).map(|(_, paths)| paths.as_slice()).unwrap_or_default();
        let avoided: Vec<&Path> = apart.without.iter().flat_map(of).collect();
        let without: Vec<Paths> = avoided.iter().map(|path| path.paths()).collect();
        let without: Vec<&Paths> = without.iter().collect();
        let ways: Vec<Vec<&Path>> = match within {
            [a, b] => of(a).iter().flat_map(|a| of(b).iter().map(move |b| vec![a, b])).collect(),
            all => all.iter().flat_map(of).map(|path| vec![path]).collect(),
        };
        let encoded_slashes =
            within.iter().filter_map(|rule| self.placed.get(*rule)).any(|one| one.leniency.encoded_slashes);
        let mut found = Vec::new();
        for way in ways {
            // Most needs no automaton: of a path and what covers it, the path is what both have.
            let covers = |a: &Path, b: &Path, automata: &mut Automata| match &b.shape {
                Shape::Regex(set) => a.covers(b, &automata.beginning(set)),
                _ => a.covers(b, ""),
            };
            let way = match way.as_slice() {
                [a, b] if covers(a, b, &mut self.automata) => vec![*b],
                [a, b] if covers(b, a, &mut self.automata) => vec![*a],
                _ => way,
            };
            let mut parts = way.iter().flat_map(|own| avoided.iter().map(move |other| (own, other)));
            if parts.any(|(own, other)| covers(other, own, &mut self.automata)) {
                continue;
            }
            if let [only] = way.as_slice()
                && !matches!(only.shape, Shape::Regex(_))
            {
                let shown = only.shown();
                if !without.iter().any(|set| self.automata.has(set, &shown)) {
                    found.push(shown);
                    continue;
                }
            }
            let sets: Vec<Paths> = way.iter().map(|path| path.paths()).collect();
            let sets: Vec<&Paths> = sets.iter().collect();
            // The same is asked for each other rule that covers the path.
            let key = (way.into_iter().cloned().collect(), apart.without.clone(), encoded_slashes);
            let automata = &mut self.automata;
            let answer = self.known.entry(key);
            let answer =
                answer.or_insert_with(|| automata.path(&sets, &without, Leniency { encoded_slashes }));
            match answer.clone() {
                Answer::Yes(path) => found.push(path),
                Answer::No => {}
                Answer::Unknown => *whole = false,
            }
        }
        found
    }

    /// The methods that all take.
    fn methods(&self, within: &[usize]) -> u64 {
        let rules = within.iter().filter_map(|rule| self.rules.get(*rule));
        rules.fold(u64::MAX, |all, rule| all & rule.takes())
    }

    /// A host of each pattern that all have.
    fn hosts(&self, within: &[usize]) -> Vec<String> {
        let mut own = within.iter().filter_map(|rule| self.placed.get(*rule)).map(|one| shapes(one));
        let first: Vec<String> = own.next().into_iter().flatten().collect();
        let common = own.fold(first, |common, more| {
            let more: Vec<String> = more.collect();
            let pairs = common.iter().flat_map(|a| more.iter().filter_map(|b| places::host_both(a, b)));
            pairs.map(str::to_owned).collect()
        });
        let hosts: BTreeSet<String> =
            common.iter().map(|shape| places::host_of(shape, &self.hosts)).collect();
        hosts.into_iter().collect()
    }
}

/// The shapes of the hosts of a rule's API.
fn shapes<'p>(one: &Placed<'p>) -> impl Iterator<Item = String> + use<'p> {
    let any = one.api.hosts.is_empty().then(String::new);
    one.api.hosts.iter().map(|host| places::host_shape(host)).chain(any)
}

/// The text that all paths of these shapes begin with, or a part of it.
fn common(paths: &[Path], automata: &mut Automata) -> String {
    let shortest = paths.iter().map(|path| match &path.shape {
        Shape::Exact(text) | Shape::Rest(text) | Shape::Prefix(text) => {
            text.split('{').next().unwrap_or_default().trim_end_matches('/').to_owned()
        }
        Shape::Regex(paths) => automata.beginning(paths),
    });
    shortest.min_by_key(String::len).unwrap_or_default()
}
