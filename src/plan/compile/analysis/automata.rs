//! What regular expressions and path patterns have in common, decided by automata.
//!
//! Each pattern becomes a deterministic automaton over bytes, made as far as it is walked; a question about several of
//! them is a walk through their product. It goes breadth first, so that an answer is a shortest text, and when that
//! becomes wide, depth first, which still finds what has many ways. Everything is bounded: beyond that the answer is
//! [`Answer::Unknown`], and nobody guesses.

use super::language;
use super::outline::Outline;
use crate::routing::path::{Leniency, canonical};
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::hybrid::{LazyStateID, dfa};
use regex_automata::nfa::thompson;
use regex_automata::util::start::Config as Start;
use regex_automata::{Anchored, MatchKind};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// Most bytes of one expression's automaton, before and after it is made deterministic.
const MAX_AUTOMATON: usize = 1 << 20;
/// States of a product that are visited breadth first.
const WIDE: usize = 1 << 12;
/// Most states of one product.
const MAX_PRODUCT: usize = 1 << 15;
/// Most steps of all walks together: a few seconds at the worst.
const MAX_STEPS: usize = 4_000_000;

/// An automaton, and what has been made of it so far.
struct Lazy {
    dfa: DFA,
    cache: RefCell<Cache>,
}

/// What a question came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Yes, and what shows it.
    Yes(T),
    /// No, proven.
    No,
    /// The question is too large to be decided.
    Unknown,
}

impl<T> Answer<T> {
    /// Another form of what shows it.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Yes(shown) => Answer::Yes(change(shown)),
            Answer::No => Answer::No,
            Answer::Unknown => Answer::Unknown,
        }
    }
}

/// A set of paths: those below a base that fit a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Paths {
    /// The base path.
    pub base: String,
    /// The expression.
    pub source: String,
    /// Whether the base path without a slash is its `/`.
    pub bare: bool,
    /// Whether the base path with a slash is.
    pub slash: bool,
}

/// What kind of text a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Of a header field, or of a parameter in one.
    Field,
    /// Of a cookie.
    Cookie,
    /// Of a query parameter.
    Query,
}

/// Automata made so far, and the effort so far.
#[derive(Default)]
pub struct Automata {
    lazies: HashMap<String, Option<Rc<Lazy>>>,
    exact: HashMap<String, Option<regex_lite::Regex>>,
    beginnings: HashMap<String, String>,
    outlines: HashMap<String, Outline>,
    steps: usize,
}

impl Automata {
    /// Whether a regular expression fits a whole text. One that cannot be read fits nothing.
    pub fn fits(&mut self, source: &str, text: &str) -> bool {
        let exact = self.exact.entry(source.to_owned());
        let exact = exact.or_insert_with(|| crate::routing::asked::whole(source).ok());
        exact.as_ref().is_some_and(|exact| exact.is_match(text))
    }

    /// Whether a path is in a set.
    pub fn has(&mut self, set: &Paths, path: &str) -> bool {
        match path.strip_prefix(&set.base) {
            Some("") => set.bare && self.fits(&set.source, "/"),
            Some("/") if !set.slash => false,
            Some(below) => below.starts_with('/') && self.fits(&set.source, below),
            None => false,
        }
    }

    /// The text that every path of a set begins with, or a part of it.
    pub fn beginning(&mut self, set: &Paths) -> String {
        let known = self.beginnings.entry(set.source.clone());
        let own = known.or_insert_with(|| language::beginning(&set.source));
        // The base alone may stand for its slash.
        if own == "/" { set.base.clone() } else { format!("{}{own}", set.base) }
    }

    /// What the paths of a set look like.
    pub fn outline(&mut self, set: &Paths) -> Outline {
        let bare = set.bare && !set.base.is_empty() && self.fits(&set.source, "/");
        Outline::of(&set.source).below(&set.base, bare)
    }

    /// Whether two expressions have nothing in common because of how what fits them looks.
    fn apart(&mut self, a: &str, b: &str) -> bool {
        for source in [a, b] {
            if !self.outlines.contains_key(source) {
                self.outlines.insert(source.to_owned(), Outline::of(source));
            }
        }
        self.outlines.get(a).zip(self.outlines.get(b)).is_some_and(|(a, b)| a.apart(b))
    }

    /// Whether some canonical path is in all of `within` and in none of `without`.
    pub fn path(&mut self, within: &[&Paths], without: &[&Paths], leniency: Leniency) -> Answer<String> {
        let universe = [language::paths(leniency), language::hidden_dots()];
        let whole =
            |source: &str| Paths { base: String::new(), source: source.to_owned(), bare: false, slash: true };
        let [paths, dots] = &universe.map(whole);
        let parts = within.iter().map(|set| (*set, true)).chain(without.iter().map(|set| (*set, false)));
        let mut machines = Vec::new();
        if self.spent() {
            return Answer::Unknown;
        }
        for (set, wanted) in parts.chain([(paths, true), (dots, false)]) {
            let Some(lazy) = self.lazy(&set.source) else { return Answer::Unknown };
            let base = Some((set.base.as_bytes(), set.bare, set.slash));
            machines.push(Machine { base, lazy, wanted });
        }
        let found = self.walk(&machines, within.len().saturating_add(without.len()));
        if let Answer::Yes(path) = &found {
            // The requests' own functions have the last word.
            let real = canonical(path, leniency).is_ok_and(|canonical| canonical == path.as_str());
            let within = within.iter().all(|set| self.has(set, path));
            if !real || !within || without.iter().any(|set| self.has(set, path)) {
                return Answer::Unknown;
            }
        }
        found
    }

    /// Whether some value fits all of `within` and not `without`, which is one expression.
    pub fn value(&mut self, kind: Kind, within: &[&str], without: Option<&str>) -> Answer<String> {
        let universe = [(language::values(kind), true)];
        let pairs =
            || within.iter().enumerate().flat_map(|(n, a)| within.iter().skip(n).map(move |b| (*a, *b)));
        if pairs().any(|(a, b)| self.apart(a, b)) {
            return Answer::No;
        }
        if self.spent() {
            return Answer::Unknown;
        }
        let parts = within.iter().map(|source| (*source, true)).chain(without.map(|source| (source, false)));
        let own = within.len().saturating_add(without.iter().len());
        let mut machines = Vec::new();
        for (source, wanted) in parts.chain(universe) {
            let Some(lazy) = self.lazy(source) else { return Answer::Unknown };
            machines.push(Machine { base: None, lazy, wanted });
        }
        let found = self.walk(&machines, own);
        if let Answer::Yes(value) = &found {
            let within = within.iter().all(|source| self.fits(source, value));
            if !within || without.is_some_and(|source| self.fits(source, value)) {
                return Answer::Unknown;
            }
        }
        found
    }

    fn lazy(&mut self, source: &str) -> Option<Rc<Lazy>> {
        if let Some(known) = self.lazies.get(source) {
            return known.clone();
        }
        let lazy = build(source).map(Rc::new);
        self.lazies.insert(source.to_owned(), lazy.clone());
        lazy
    }

    /// Whether all effort is spent.
    fn spent(&self) -> bool {
        self.steps > MAX_STEPS
    }

    /// Whether there is a text that these accept. The first `own` of them alone are few and small: if there is none for
    /// these, all others need not be walked.
    fn walk(&mut self, machines: &[Machine<'_>], own: usize) -> Answer<String> {
        let first = machines.get(..own).filter(|first| first.len() > 1);
        if let Some(first) = first
            && self.search(first, WIDE) == Some(Answer::No)
        {
            return Answer::No;
        }
        self.search(machines, MAX_PRODUCT).unwrap_or_else(|| {
            // What was made of them filled their memory; others may need less.
            machines.iter().for_each(|machine| machine.lazy.cache.borrow_mut().reset(&machine.lazy.dfa));
            Answer::Unknown
        })
    }

    /// Walks so many states at most. `None`: an automaton becomes too large.
    fn search(&mut self, machines: &[Machine<'_>], most: usize) -> Option<Answer<String>> {
        let letters = alphabet(machines);
        let starts = machines.iter().map(Machine::start).collect::<Option<Vec<State>>>()?;
        // Each state that was seen, with where it was come from, and by what.
        let mut seen: Vec<(Vec<State>, usize, u8)> = vec![(starts.clone(), 0, 0)];
        let mut known = HashSet::from([starts]);
        let mut next = VecDeque::from([0_usize]);
        let mut stepped: Vec<State> = Vec::with_capacity(machines.len());
        while let Some(at) = if seen.len() < WIDE { next.pop_front() } else { next.pop_back() } {
            let states = seen.get(at)?.0.clone();
            let mut accepted = true;
            for (machine, state) in machines.iter().zip(&states) {
                accepted &= machine.accepts(*state)? == machine.wanted;
            }
            if accepted {
                return text(&seen, at).map(Answer::Yes);
            }
            let begin = seen.len();
            'letters: for letter in &letters {
                self.steps = self.steps.saturating_add(1);
                stepped.clear();
                for (machine, state) in machines.iter().zip(&states) {
                    let state = machine.step(*state, *letter)?;
                    if machine.wanted && state == State::Dead {
                        continue 'letters;
                    }
                    stepped.push(state);
                }
                if !known.contains(&stepped) {
                    known.insert(stepped.clone());
                    seen.push((stepped.clone(), at, *letter));
                }
            }
            if seen.len() > most || self.spent() {
                return Some(Answer::Unknown);
            }
            // The first letter is the first to be followed, either way.
            if seen.len() < WIDE {
                next.extend(begin..seen.len())
            } else {
                next.extend((begin..seen.len()).rev())
            }
        }
        Some(Answer::No)
    }
}

/// The text that leads to a place of the queue.
fn text(queue: &[(Vec<State>, usize, u8)], mut at: usize) -> Option<String> {
    let mut bytes = Vec::new();
    while at > 0 {
        let (_, from, byte) = queue.get(at)?;
        bytes.push(*byte);
        at = *from;
    }
    bytes.reverse();
    String::from_utf8(bytes).ok()
}

fn build(source: &str) -> Option<Lazy> {
    let hir = language::read(source)?;
    let nfa = thompson::Config::new()
        .which_captures(thompson::WhichCaptures::None)
        .nfa_size_limit(Some(MAX_AUTOMATON));
    let nfa = thompson::Compiler::new().configure(nfa).build_from_hir(&hir).ok()?;
    // All ways to match, not the first alone: what counts is whether one of them ends where the text does.
    let config = Config::new()
        .match_kind(MatchKind::All)
        .cache_capacity(MAX_AUTOMATON)
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(Some(0));
    let dfa = dfa::Builder::new().configure(config).build_from_nfa(nfa).ok()?;
    let cache = RefCell::new(dfa.create_cache());
    Some(Lazy { dfa, cache })
}

/// One automaton of a product.
struct Machine<'a> {
    /// Literal text before it, and whether that alone and with a slash is a slash; `None`: a value, no path.
    base: Option<(&'a [u8], bool, bool)>,
    lazy: Rc<Lazy>,
    /// Whether it must accept.
    wanted: bool,
}

/// Where a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    /// So far into the base and the slash behind it.
    Base(usize),
    Within(LazyStateID),
    Dead,
}

/// All of these are `None` where the automaton becomes too large.
impl Machine<'_> {
    fn start(&self) -> Option<State> {
        match self.base {
            Some(_) => Some(State::Base(0)),
            None => self.begin().map(State::Within),
        }
    }

    fn begin(&self) -> Option<LazyStateID> {
        let mut cache = self.lazy.cache.borrow_mut();
        self.lazy.dfa.start_state(&mut cache, &Start::new().anchored(Anchored::Yes)).ok()
    }

    fn next(&self, state: LazyStateID, byte: u8) -> Option<LazyStateID> {
        self.lazy.dfa.next_state(&mut self.lazy.cache.borrow_mut(), state, byte).ok()
    }

    fn step(&self, state: State, byte: u8) -> Option<State> {
        let next = match (state, self.base) {
            (State::Within(state), _) => self.next(state, byte)?,
            (State::Base(at), Some((base, ..))) => {
                let wanted = if at == base.len() { Some(&b'/') } else { base.get(at) };
                match wanted {
                    Some(wanted) if *wanted == byte => return Some(State::Base(at.saturating_add(1))),
                    Some(_) => return Some(State::Dead),
                    // Behind the slash.
                    None => self.next(self.slash()?, byte)?,
                }
            }
            _ => return Some(State::Dead),
        };
        Some(if next.is_dead() { State::Dead } else { State::Within(next) })
    }

    /// After the first slash.
    fn slash(&self) -> Option<LazyStateID> {
        self.next(self.begin()?, b'/')
    }

    fn accepts(&self, state: State) -> Option<bool> {
        let state = match (state, self.base) {
            (State::Within(state), _) => state,
            (State::Base(at), Some((base, bare, slash))) if at >= base.len() => {
                if !(if at == base.len() { bare } else { slash }) {
                    return Some(false);
                }
                self.slash()?
            }
            _ => return Some(false),
        };
        let end = self.lazy.dfa.next_eoi_state(&mut self.lazy.cache.borrow_mut(), state).ok()?;
        Some(end.is_match())
    }
}

/// A byte for each set of bytes that no machine tells apart, the ones that read well first.
fn alphabet(machines: &[Machine<'_>]) -> Vec<u8> {
    let rank = |byte: u8| match byte {
        b'x' => 0,
        b'a'..=b'z' => 1,
        b'0'..=b'9' => 2,
        b'A'..=b'Z' => 3,
        b'-' | b'_' | b'.' | b'/' => 4,
        b'!'..=b'~' => 5,
        b' ' => 6,
        _ => 7,
    };
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.sort_by_key(|byte| (rank(*byte), *byte));
    let mut seen = std::collections::HashSet::new();
    bytes.retain(|byte| {
        let literal =
            machines.iter().any(|m| m.base.is_some_and(|(base, ..)| *byte == b'/' || base.contains(byte)));
        let classes: Vec<u8> =
            machines.iter().map(|machine| machine.lazy.dfa.byte_classes().get(*byte)).collect();
        seen.insert((literal.then_some(*byte), classes))
    });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn yes<T: std::fmt::Debug>(answer: Answer<T>) -> T {
        match answer {
            Answer::Yes(shown) => shown,
            other => panic!("{other:?}"),
        }
    }

    fn set(base: &str, source: &str) -> Paths {
        Paths { base: base.into(), source: source.into(), bare: !base.is_empty(), slash: true }
    }

    #[test]
    fn values_in_common() {
        let mut automata = Automata::default();
        let mut value = |within: &[&str], without| automata.value(Kind::Field, within, without);
        assert_eq!(value(&["a+", "(?:aa)+", "a{3,}"], None), Answer::Yes("aaaa".into()));
        assert_eq!(value(&["a+", "b+"], None), Answer::No);
        assert_eq!(value(&["a|ab", "ab?"], Some("a")), Answer::Yes("ab".into()));
        assert_eq!(value(&["[0-9]+"], Some(r"\d+")), Answer::No);
        assert_eq!(value(&[r"\d"], Some("[0-8]")), Answer::Yes("9".into()));
        assert_eq!(value(&["(?i)AB"], Some("[aA][bB]")), Answer::No);
        assert_eq!(value(&[r"^a\b.*$"], Some("a.*")), Answer::No);
        assert_eq!(value(&["é", "."], None), Answer::Yes("é".into()));
        // No field begins with a space, or holds a line break.
        assert_eq!(value(&[" a"], None), Answer::No);
        assert_eq!(value(&["a\nb"], None), Answer::No);
        assert_eq!(automata.value(Kind::Query, &[" a\n"], None), Answer::Yes(" a\n".into()));
        assert_eq!(automata.value(Kind::Cookie, &["a;b"], None), Answer::No);
    }

    #[test]
    fn what_is_too_large_is_unknown() {
        let mut automata = Automata::default();
        let (wide, wider) = ("(?:a|b)*a(?:a|b){24}", "(?:a|b)*b(?:a|b){23}");
        // There are many ways to fit both, and too many to say that there is none.
        assert!(matches!(automata.value(Kind::Field, &[wide, wider], None), Answer::Yes(_)));
        assert_eq!(automata.value(Kind::Field, &[wide, "(?:a|b)*b(?:a|b){24}"], None), Answer::Unknown);
        let (a, b) = ("(?:a|b)*a(?:a|b){9}c", "(?:a|b)*b(?:a|b){10}d");
        assert_eq!(automata.value(Kind::Field, &[a, b], None), Answer::No);
        assert_eq!(automata.value(Kind::Field, &[wide, "c+"], None), Answer::No);
        assert_eq!(automata.value(Kind::Field, &["(?:[a-z]{1000}){1000}"], None), Answer::Unknown);
    }

    #[test]
    fn paths_in_common() {
        let mut automata = Automata::default();
        let mut path =
            |within: &[&Paths], without: &[&Paths]| automata.path(within, without, Leniency::default());
        let digits = set("/a", "/[0-9]+");
        assert_eq!(yes(path(&[&digits], &[])), "/a/0");
        assert_eq!(path(&[&digits, &set("/b", "/.*")], &[]), Answer::No);
        assert_eq!(path(&[&digits], &[&set("", "/a/[^/]+")]), Answer::No);
        assert_eq!(path(&[&digits], &[&set("", "/a/[1-9]+")]), Answer::Yes("/a/0".into()));
        // The base alone is its `/`.
        assert_eq!(yes(path(&[&set("/a", "/")], &[&set("/a", "/x")])), "/a");
        assert_eq!(path(&[&set("/a", ".*")], &[&set("", "/a|/a/.*")]), Answer::No);
        let (bare, slash) =
            (Paths { slash: false, ..set("/a", "/.?") }, Paths { bare: false, ..set("/a", "/.?") });
        assert_eq!(yes(path(&[&bare], &[])), "/a");
        assert_eq!(yes(path(&[&slash], &[])), "/a/");
        assert_eq!(yes(path(&[&bare, &slash], &[])), "/a/x");
        assert_eq!(yes(path(&[&slash], &[&bare])), "/a/");
        // What no canonical path looks like.
        for never in ["x", "/a//b", "/\\.\\.", "/a b", "/%2f", "/%2F", "/%C3", "/;x"] {
            assert_eq!(path(&[&set("", never)], &[]), Answer::No, "{never}");
        }
        let lenient = Leniency { encoded_slashes: true };
        assert_eq!(yes(automata.path(&[&set("", "/a%2Fb")], &[], lenient)), "/a%2Fb");
    }

    proptest! {
        /// The automata of paths accept what the requests' own function leaves as it is.
        #[test]
        fn paths_are_canonical(
            path in "/([a/.;]|%2[5EFf]|2[eF]|%3B|%C3%A9|%E2%82%AC|%25|5C| |%20|~){0,7}",
            encoded_slashes in any::<bool>(),
        ) {
            let leniency = Leniency { encoded_slashes };
            let expected = canonical(&path, leniency).is_ok_and(|canonical| canonical == path.as_str());
            let mut automata = Automata::default();
            let fits = automata.fits(language::paths(leniency), &path)
                && !automata.fits(language::hidden_dots(), &path);
            prop_assert_eq!(fits, expected, "{}", path);
        }
    }
}
