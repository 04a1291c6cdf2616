//! What a rule asks of everything beside host, path and method: for each thing looked at, a set of values.
//!
//! The things are independent of each other, so the conditions of two rules can hold together if each thing has a value
//! that suits both, and one rule's conditions follow from another's if each of its sets holds the other's. A version
//! asked for in a field is that field. What is not independent (`Accept` and its parameters, `Cookie` and the cookies)
//! makes a shown value unsure, and a proof that there is none stays one.

use super::automata::{Answer, Automata, Kind};
use crate::plan::rule::{Condition, Rule, Selector, Subject, Test};
use std::collections::{BTreeMap, BTreeSet};

/// Something that conditions look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing<'a> {
    /// A header field.
    Header(&'a str),
    /// A query parameter.
    Query(&'a str),
    /// A cookie.
    Cookie(&'a str),
    /// The client's certificate.
    Certificate,
    /// A parameter in `Accept`.
    Media(&'a str),
}

impl<'a> Thing<'a> {
    /// What a condition looks at.
    pub fn of(subject: &'a Subject) -> Thing<'a> {
        match subject {
            Subject::Header(name) | Subject::Version(Selector::Header(name)) => Thing::Header(name),
            Subject::Query(name) | Subject::Version(Selector::Query(name)) => Thing::Query(name),
            Subject::Cookie(name) => Thing::Cookie(name),
            Subject::Certificate => Thing::Certificate,
            Subject::Version(Selector::Media(name)) => Thing::Media(name),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Thing::Header(_) | Thing::Media(_) | Thing::Certificate => Kind::Field,
            Thing::Query(_) => Kind::Query,
            Thing::Cookie(_) => Kind::Cookie,
        }
    }

    /// As messages name it.
    pub fn name(self) -> String {
        match self {
            Thing::Header(name) => format!("the header `{name}`"),
            Thing::Query(name) => format!("the query parameter `{name}`"),
            Thing::Cookie(name) => format!("the cookie `{name}`"),
            Thing::Certificate => "the client certificate".into(),
            Thing::Media(name) => format!("the parameter `{name}` of `accept`"),
        }
    }

    /// Why a text can never be its value.
    pub fn refuses(self, value: &str) -> Option<&'static str> {
        let blank = |c: char| c == ' ' || c == '\t';
        match self {
            Thing::Query(_) | Thing::Certificate => None,
            _ if value.starts_with(blank) || value.ends_with(blank) => Some("no value has spaces around it"),
            _ if value.chars().any(|c| c.is_ascii_control() && c != '\t') => {
                Some("no value holds control characters")
            }
            Thing::Cookie(_) if value.contains(';') => Some("a cookie's value ends at a semicolon"),
            _ => None,
        }
    }
}

/// What one thing may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values<'a> {
    /// Whether it may be absent.
    absent: bool,
    /// The values; `None`: any that fits.
    listed: Option<BTreeSet<&'a str>>,
    /// What any must fit. Empty where values are listed: they fit.
    regexes: BTreeSet<&'a str>,
}

/// Of what nothing is asked.
static EVERYTHING: Values<'static> = Values { absent: true, listed: None, regexes: BTreeSet::new() };

impl<'a> Values<'a> {
    fn of(thing: Thing<'a>, test: &'a Test) -> Values<'a> {
        let possible = |values: &'a [String]| {
            Some(values.iter().map(String::as_str).filter(|value| thing.refuses(value).is_none()).collect())
        };
        let (absent, listed) = match test {
            Test::Present if thing == Thing::Certificate => (false, Some(BTreeSet::from([""]))),
            Test::Present | Test::Regex(_) => (false, None),
            Test::Absent => (true, Some(BTreeSet::new())),
            Test::In(values) => (false, possible(values)),
            Test::InOrAbsent(values) => (true, possible(values)),
        };
        let regexes = match test {
            Test::Regex(source) => BTreeSet::from([source.as_str()]),
            _ => BTreeSet::new(),
        };
        Values { absent, listed, regexes }
    }

    fn and(&self, other: &Values<'a>, automata: &mut Automata) -> Values<'a> {
        let mut listed = match (&self.listed, &other.listed) {
            (Some(a), Some(b)) => Some(a.intersection(b).copied().collect::<BTreeSet<_>>()),
            (a, b) => a.as_ref().or(b.as_ref()).cloned(),
        };
        let mut regexes: BTreeSet<&str> = self.regexes.union(&other.regexes).copied().collect();
        if let Some(listed) = &mut listed {
            listed.retain(|value| regexes.iter().all(|source| automata.fits(source, value)));
            regexes.clear();
        }
        Values { absent: self.absent && other.absent, listed, regexes }
    }

    /// A value, `None` for being absent.
    fn some(&self, thing: Thing<'_>, automata: &mut Automata) -> Answer<Option<String>> {
        match &self.listed {
            _ if self.absent => Answer::Yes(None),
            Some(listed) => listed.first().map_or(Answer::No, |value| Answer::Yes(Some((*value).to_owned()))),
            None if self.regexes.is_empty() => Answer::Yes(Some("x".into())),
            None => {
                let within: Vec<&str> = self.regexes.iter().copied().collect();
                automata.value(thing.kind(), &within, None).map(Some)
            }
        }
    }

    /// Something that is here and not in `other`, `None` for being absent: `No` if all of this is.
    fn beyond(
        &self,
        other: &Values<'_>,
        thing: Thing<'_>,
        automata: &mut Automata,
    ) -> Answer<Option<String>> {
        if self.absent && !other.absent {
            return Answer::Yes(None);
        }
        let shown = |value: &str| Answer::Yes(Some(value.to_owned()));
        let mut answer = Answer::No;
        match (&self.listed, &other.listed) {
            (Some(own), Some(theirs)) => {
                if let Some(value) = own.difference(theirs).next() {
                    return shown(value);
                }
            }
            (Some(own), None) => {
                let mut fits = |value: &str| other.regexes.iter().all(|source| automata.fits(source, value));
                if let Some(value) = own.iter().find(|value| !fits(value)) {
                    return shown(value);
                }
            }
            (None, Some(theirs)) if self.regexes.is_empty() => {
                // One of so many is none of theirs.
                let mut made = (0..=theirs.len()).map(|n| if n == 0 { "x".into() } else { format!("x{n}") });
                return made
                    .find(|made: &String| !theirs.contains(made.as_str()))
                    .map_or(answer, |made| shown(&made));
            }
            (None, theirs) => {
                let within: Vec<&str> = self.regexes.iter().copied().collect();
                let list = theirs.as_ref().map(|values| {
                    let values: Vec<String> =
                        values.iter().map(|value| regex_syntax::escape(value)).collect();
                    // An empty list is a class that nothing is in.
                    if values.is_empty() { "[^\\x00-\\x{10FFFF}]".into() } else { values.join("|") }
                });
                for source in other.regexes.iter().copied().chain(list.as_deref()) {
                    if self.regexes.contains(source) {
                        continue;
                    }
                    match automata.value(thing.kind(), &within, Some(source)) {
                        Answer::Yes(value) => return Answer::Yes(Some(value)),
                        Answer::Unknown => answer = Answer::Unknown,
                        Answer::No => {}
                    }
                }
            }
        }
        answer
    }
}

/// What keeps a condition from holding, or makes it idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It cannot hold: why.
    Never(String),
    /// It cannot hold together with earlier ones that look at the same.
    Against,
    /// It says what others say already.
    Idle,
}

/// All conditions of a rule.
#[derive(Clone, Debug, Default)]
pub struct Conditions<'a> {
    things: BTreeMap<Thing<'a>, Values<'a>>,
}

impl<'a> Conditions<'a> {
    /// The conditions of a rule, and the flaws of single ones, by index.
    pub fn of(rule: &'a Rule, automata: &mut Automata) -> (Conditions<'a>, Vec<(usize, Flaw)>) {
        let mut conditions = Conditions::default();
        let mut flaws = Vec::new();
        for (index, condition) in rule.conditions.iter().enumerate() {
            let thing = Thing::of(&condition.subject);
            if let Some(why) = alone(condition, thing, automata) {
                flaws.push((index, Flaw::Never(why)));
            }
            let own = Values::of(thing, &condition.test);
            let Some(before) = conditions.things.get(&thing) else {
                conditions.things.insert(thing, own);
                continue;
            };
            let both = before.and(&own, automata);
            let same =
                rule.conditions.iter().take(index).position(|other| Thing::of(&other.subject) == thing);
            if both.some(thing, automata) == Answer::No {
                if before.some(thing, automata) != Answer::No && own.some(thing, automata) != Answer::No {
                    // An API's version is not what can be changed in a route.
                    let version = matches!(condition.subject, Subject::Version(_));
                    flaws.push((same.filter(|_| version).unwrap_or(index), Flaw::Against));
                }
            } else if both == *before && !(both == own && matches!(condition.subject, Subject::Version(_))) {
                flaws.push((index, Flaw::Idle));
            } else if let Some(other) = same.filter(|_| both == own) {
                flaws.push((other, Flaw::Idle));
            }
            conditions.things.insert(thing, both);
        }
        (conditions, flaws)
    }

    /// Whether both can hold at once, and by which values.
    pub fn with<'b>(
        &'b self,
        other: &'b Conditions<'a>,
        automata: &mut Automata,
    ) -> Answer<Vec<(Thing<'a>, Option<String>)>> {
        let names: BTreeSet<Thing<'a>> = self.things.keys().chain(other.things.keys()).copied().collect();
        let mut shown = Vec::with_capacity(names.len());
        let mut unknown = entangled(&names);
        for thing in names {
            let found = match (self.things.get(&thing), other.things.get(&thing)) {
                (Some(a), Some(b)) if a != b => a.and(b, automata).some(thing, automata),
                (Some(one), _) | (None, Some(one)) => one.some(thing, automata),
                (None, None) => continue,
            };
            match found {
                Answer::Yes(value) => shown.push((thing, value)),
                Answer::No => return Answer::No,
                Answer::Unknown => unknown = true,
            }
        }
        if unknown { Answer::Unknown } else { Answer::Yes(shown) }
    }

    /// Whether these can hold where `other` does not: `No` if `other` follows. These must be able to hold.
    pub fn beyond(&self, other: &Conditions<'a>, automata: &mut Automata) -> Answer<()> {
        let mut answer = Answer::No;
        for (_, found) in self.escapes(other, automata) {
            match found {
                Answer::Yes(_) => return Answer::Yes(()),
                Answer::Unknown => answer = Answer::Unknown,
                Answer::No => {}
            }
        }
        answer
    }

    /// For each thing that `other` looks at, a value with which these can hold and `other` does not.
    pub fn escapes<'s>(
        &'s self,
        other: &'s Conditions<'a>,
        automata: &'s mut Automata,
    ) -> impl Iterator<Item = (Thing<'a>, Answer<Option<String>>)> + 's {
        other.things.iter().map(move |(thing, theirs)| {
            let own = self.things.get(thing).unwrap_or(&EVERYTHING);
            (*thing, own.beyond(theirs, *thing, automata))
        })
    }

    /// The few values that a thing may have, `None` for being absent; nothing if they are not few.
    pub fn listed(&self, thing: Thing<'_>) -> Option<Vec<Option<&'a str>>> {
        let values = self.things.iter().find(|(own, _)| **own == thing).map(|(_, values)| values)?;
        let listed = values.listed.as_ref()?.iter().map(|value| Some(*value));
        Some(listed.chain(values.absent.then_some(None)).collect())
    }

    /// What is looked at.
    pub fn things(&self) -> impl Iterator<Item = Thing<'a>> {
        self.things.keys().copied()
    }
}

/// Why a condition cannot hold by itself.
fn alone(condition: &Condition, thing: Thing<'_>, automata: &mut Automata) -> Option<String> {
    match &condition.test {
        Test::In(values) if values.is_empty() => Some("its list of values is empty".into()),
        Test::In(values) | Test::InOrAbsent(values) => {
            let impossible = values.iter().find_map(|value| Some((value, thing.refuses(value)?)));
            impossible.map(|(value, why)| format!("{} is never `{value}`: {why}", thing.name()))
        }
        Test::Regex(source) if automata.value(thing.kind(), &[source], None) == Answer::No => {
            Some(format!("no value of {} fits `{source}`", thing.name()))
        }
        _ => None,
    }
}

/// Whether one of these says what another is.
fn entangled(things: &BTreeSet<Thing<'_>>) -> bool {
    let has = |wanted: fn(&Thing<'_>) -> bool| things.iter().any(wanted);
    things.contains(&Thing::Header("accept")) && has(|thing| matches!(thing, Thing::Media(_)))
        || things.contains(&Thing::Header("cookie")) && has(|thing| matches!(thing, Thing::Cookie(_)))
}
