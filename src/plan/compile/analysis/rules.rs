//! What of a rule decides which of two goes first, host and path apart.

use super::Placed;
use super::automata::{Answer, Automata};
use super::conditions::{Conditions, Flaw};
use crate::config::units::KNOWN_METHODS;
use crate::plan::rule::{Rule, Subject};
use std::cmp::{Ordering, Reverse};

/// Methods by bit. Rules name known ones only; 64 are enough.
pub struct Names(Vec<String>);

impl Default for Names {
    fn default() -> Self {
        Names(KNOWN_METHODS.iter().map(|name| (*name).to_owned()).collect())
    }
}

impl Names {
    fn bit(&mut self, name: &str) -> u64 {
        let at = self.0.iter().position(|own| own == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len().saturating_sub(1)
        });
        u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at)).unwrap_or(0)
    }

    /// Of some methods those that `told` has, and the first of all others.
    pub fn told(&self, bits: u64, told: u64) -> Vec<String> {
        let has = |bits: u64, at: u32| bits.checked_shr(at).is_some_and(|bits| bits & 1 != 0);
        let first = (0..).zip(&self.0).map(|(at, _)| at).find(|at| has(bits & !told, *at));
        let own =
            (0..).zip(&self.0).filter(|(at, _)| has(bits, *at) && (has(told, *at) || first == Some(*at)));
        own.map(|(_, name)| name.clone()).collect()
    }

    /// The first of some methods.
    pub fn first(&self, bits: u64) -> &str {
        let at = usize::try_from(bits.trailing_zeros()).unwrap_or(0);
        self.0.get(at).or(self.0.first()).map_or("GET", String::as_str)
    }
}

/// A rule, host and path apart.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Its route.
    pub route: u32,
    /// Whether any request can hold its conditions.
    pub possible: bool,
    /// The conditions.
    pub conditions: Conditions<'a>,
    /// Methods that it names, that it takes for GET, and that it takes for being open to any.
    methods: [u64; 3],
    /// More conditions, then the higher priority, go first.
    weight: (Reverse<usize>, Reverse<usize>, Reverse<i32>),
}

/// How a rule stands to another on the requests of that other; paths and conditions are compared elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It takes all methods, and goes first on each.
    First,
    /// It takes all methods, and goes first or ties on each.
    FirstOrTie,
    /// It takes all methods.
    Covers,
    /// It lacks a method.
    No,
}

impl<'a> Facts<'a> {
    /// Takes a rule apart. Also gives the flaws of its conditions, by their index.
    pub fn new(
        placed: &Placed<'a>,
        names: &mut Names,
        automata: &mut Automata,
    ) -> (Facts<'a>, Vec<(usize, Flaw)>) {
        let rule: &'a Rule = placed.rule;
        let (conditions, flaws) = Conditions::of(rule, automata);
        let own = rule.methods.iter().fold(0, |bits, name| bits | names.bit(name));
        let (get, head) = (names.bit("GET"), names.bit("HEAD"));
        let heads = placed.api.matching.head && own & get != 0;
        let count = |wanted: fn(&Subject) -> bool| {
            Reverse(rule.conditions.iter().filter(|condition| wanted(&condition.subject)).count())
        };
        let facts = Facts {
            route: rule.route,
            possible: rule.conditions.is_empty() || conditions.with(&conditions, automata) != Answer::No,
            methods: [
                own,
                if heads { head & !own } else { 0 },
                if rule.methods.is_empty() { u64::MAX } else { 0 },
            ],
            weight: (
                count(Subject::counts_as_header),
                count(|subject| matches!(subject, Subject::Query(_))),
                Reverse(rule.priority),
            ),
            conditions,
        };
        (facts, flaws)
    }

    /// The methods that it takes.
    pub fn takes(&self) -> u64 {
        self.methods.iter().fold(0, |all, bits| all | bits)
    }

    /// The methods that it tells from others.
    pub fn told(&self) -> u64 {
        let [own, heads, _] = self.methods;
        own | heads
    }

    /// The methods on which two rules tie whose paths do, if everything else fits both.
    pub fn ties(&self, other: &Facts<'_>) -> u64 {
        if self.weight != other.weight {
            return 0;
        }
        self.methods.iter().zip(&other.methods).fold(0, |all, (a, b)| all | a & b)
    }

    /// How this stands to another rule, where its path stands so to the other's.
    pub fn order(&self, other: &Facts<'_>, paths: Ordering) -> Order {
        if other.takes() & !self.takes() != 0 {
            return Order::No;
        }
        let mut worst = Ordering::Less;
        for (rank, theirs) in other.methods.iter().enumerate() {
            for (own_rank, own) in self.methods.iter().enumerate() {
                if own & theirs != 0 {
                    worst = worst.max(paths.then(own_rank.cmp(&rank)).then(self.weight.cmp(&other.weight)));
                }
            }
        }
        match worst {
            Ordering::Less => Order::First,
            Ordering::Equal => Order::FirstOrTie,
            Ordering::Greater => Order::Covers,
        }
    }
}
