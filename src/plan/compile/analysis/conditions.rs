//! What a rule asks of everything beside host, path and method: for each thing looked at, a set of values.
//!
//! The things are independent of each other, so the conditions of two rules can hold together if each thing has a value
//! that suits both, and one rule's conditions follow from another's if each of its sets holds the other's. A version
//! asked for in a field is that field. What is not independent (`Accept` and its parameters, `Cookie` and the cookies) is
//! read as requests are: where the field's values are known, they decide; where it is a regular expression, a value that
//! does not fit it is unsure.

use super::automata::{Answer, Automata, Kind};
use super::witness;
use crate::plan::rule::{Condition, Rule, Selector, Subject, Test};
use crate::routing::asked;
use std::collections::{BTreeMap, BTreeSet};

/// Most ways to keep a value from several others that are tried.
const MOST_WAYS: usize = 64;

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
            // In quotes, a cookie's value and a parameter's have spaces around them.
            Thing::Header(_) if value.starts_with(blank) || value.ends_with(blank) => {
                Some("no value has spaces around it")
            }
            _ if value.chars().any(|c| c.is_ascii_control() && c != '\t') => {
                Some("no value holds control characters")
            }
            Thing::Cookie(_) if value.contains(';') => Some("a cookie's value ends at a semicolon"),
            Thing::Cookie(_) if value.contains(", ") => {
                Some("a cookie's value ends at a comma with a space, where lines are joined")
            }
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

    /// Whether a value is one of these, `None` for being absent.
    fn has(&self, value: Option<&str>, automata: &mut Automata) -> bool {
        let Some(value) = value else { return self.absent };
        self.listed.as_ref().is_none_or(|listed| listed.contains(value))
            && self.regexes.iter().all(|source| automata.fits(source, value))
    }

    /// Something that is here and in none of `others`, `None` for being absent: `No` if all of this is in some.
    fn beyond(
        &self,
        others: &[&Values<'_>],
        thing: Thing<'_>,
        automata: &mut Automata,
    ) -> Answer<Option<String>> {
        if self.absent && others.iter().all(|other| !other.absent) {
            return Answer::Yes(None);
        }
        let mut free = |value: &str| others.iter().all(|other| !other.has(Some(value), automata));
        if let Some(own) = &self.listed {
            let found = own.iter().find(|value| free(value));
            return found.map_or(Answer::No, |value| Answer::Yes(Some((*value).to_owned())));
        }
        if self.regexes.is_empty() && others.iter().all(|other| other.listed.is_some()) {
            // One of so many is none of theirs.
            let theirs: usize =
                others.iter().filter_map(|other| other.listed.as_ref()).map(BTreeSet::len).sum();
            let mut made = (0..=theirs).map(|n| if n == 0 { "x".into() } else { format!("x{n}") });
            return made.find(|made: &String| free(made)).map_or(Answer::No, |made| Answer::Yes(Some(made)));
        }
        // One expression of each that the value does not fit; a list is one.
        let mut ways: Vec<BTreeSet<String>> = vec![BTreeSet::new()];
        for other in others {
            let refused: Vec<String> = match &other.listed {
                Some(list) if list.is_empty() => continue,
                Some(list) => {
                    let list: Vec<String> = list.iter().map(|value| regex_syntax::escape(value)).collect();
                    vec![list.join("|")]
                }
                None => other.regexes.difference(&self.regexes).map(|source| (*source).to_owned()).collect(),
            };
            let with = |way: &BTreeSet<String>, source: &String| {
                way.iter().chain([source]).cloned().collect::<BTreeSet<_>>()
            };
            ways = ways.iter().flat_map(|way| refused.iter().map(|source| with(way, source))).collect();
            if ways.len() > MOST_WAYS {
                return Answer::Unknown;
            }
        }
        let within: Vec<&str> = self.regexes.iter().copied().collect();
        let mut answer = Answer::No;
        for way in ways {
            let each: Vec<String> = way.iter().map(|source| format!("(?:{source})")).collect();
            let without = Some(each.join("|")).filter(|_| !each.is_empty());
            match automata.value(thing.kind(), &within, without.as_deref()) {
                Answer::Yes(value) => return Answer::Yes(Some(value)),
                Answer::Unknown => answer = Answer::Unknown,
                Answer::No => {}
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
        if flaws.is_empty()
            && let Some((index, other)) = conditions.contradiction(rule, automata)
        {
            flaws.push((index, Flaw::Never(format!("what is asked of {other} rules it out"))));
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
        let mut shown = BTreeMap::new();
        let mut both: BTreeMap<Thing<'a>, Values<'a>> = BTreeMap::new();
        let mut unknown = false;
        for thing in names {
            let values = match (self.things.get(&thing), other.things.get(&thing)) {
                (Some(a), Some(b)) if a != b => a.and(b, automata),
                (Some(one), _) | (None, Some(one)) => one.clone(),
                (None, None) => continue,
            };
            match values.some(thing, automata) {
                Answer::Yes(value) => drop(shown.insert(thing, value)),
                Answer::No => return Answer::No,
                Answer::Unknown => unknown = true,
            }
            both.insert(thing, values);
        }
        for field in FIELDS {
            match settle(field, &both, &mut shown, automata) {
                Answer::Yes(()) => {}
                Answer::No => return Answer::No,
                Answer::Unknown => unknown = true,
            }
        }
        if unknown { Answer::Unknown } else { Answer::Yes(shown.into_iter().collect()) }
    }

    /// The condition that contradicts what is asked of the field that it looks into, or of what is in it, with the name
    /// of that; none if there is no such.
    fn contradiction(&self, rule: &Rule, automata: &mut Automata) -> Option<(usize, String)> {
        for (header, within) in FIELDS {
            let Some(field) = self.things.get(&header) else { continue };
            for (thing, values) in self.things.iter().filter(|(thing, _)| within(thing)) {
                let pair = BTreeMap::from([(header, field.clone()), (*thing, values.clone())]);
                let mut shown = BTreeMap::new();
                for (thing, values) in &pair {
                    if let Answer::Yes(value) = values.some(*thing, automata) {
                        shown.insert(*thing, value);
                    }
                }
                if settle((header, within), &pair, &mut shown, automata) == Answer::No {
                    // An API's version is not what can be changed in a route.
                    let mut at = rule.conditions.iter().enumerate().filter(|(_, condition)| {
                        let own = Thing::of(&condition.subject);
                        (own == *thing || own == header) && !matches!(condition.subject, Subject::Version(_))
                    });
                    let (index, condition) = at.next_back()?;
                    let other = if Thing::of(&condition.subject) == header { *thing } else { header };
                    return Some((index, other.name()));
                }
            }
        }
        None
    }

    /// Whether these can hold where `other` does not: `No` if `other` follows. These must be able to hold.
    pub fn beyond(&self, other: &Conditions<'a>, automata: &mut Automata) -> Answer<()> {
        let mut answer = Answer::No;
        for (thing, theirs) in &other.things {
            let own = self.things.get(thing).unwrap_or(&EVERYTHING);
            match own.beyond(&[theirs], *thing, automata) {
                Answer::Yes(_) => return Answer::Yes(()),
                Answer::Unknown => answer = Answer::Unknown,
                Answer::No => {}
            }
        }
        answer
    }

    /// A value of a thing, `None` for being absent, that suits these and `other`, and none of `without`.
    pub fn apart(
        &self,
        other: &Conditions<'a>,
        without: &[&Conditions<'a>],
        thing: Thing<'a>,
        automata: &mut Automata,
    ) -> Answer<Option<String>> {
        let of = |conditions: &Conditions<'a>| conditions.things.get(&thing).unwrap_or(&EVERYTHING).clone();
        let mut own = of(self).and(&of(other), automata);
        if thing == Thing::Certificate {
            // There is one or there is none.
            own.listed.get_or_insert_with(|| BTreeSet::from([""]));
        }
        let without: Vec<Values<'a>> = without.iter().map(|conditions| of(conditions)).collect();
        own.beyond(&without.iter().collect::<Vec<_>>(), thing, automata)
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

/// A field that others are read from, and which those are.
type Field = (Thing<'static>, fn(&Thing<'_>) -> bool);

/// All such fields.
const FIELDS: [Field; 2] = [
    (Thing::Header("cookie"), |thing| matches!(thing, Thing::Cookie(_))),
    (Thing::Header("accept"), |thing| matches!(thing, Thing::Media(_))),
];

/// What a thing is in the value of the field that it is read from.
fn read(thing: Thing<'_>, field: &str) -> Option<String> {
    match thing {
        Thing::Cookie(name) => asked::cookie(field, name).map(str::to_owned),
        Thing::Media(name) => asked::media(field, name),
        _ => None,
    }
}

/// Whether a field and what is read from it can be what they may be at once. What is shown is made so that it says
/// either the field or what is in it.
fn settle<'a>(
    (header, within): Field,
    all: &BTreeMap<Thing<'a>, Values<'a>>,
    shown: &mut BTreeMap<Thing<'a>, Option<String>>,
    automata: &mut Automata,
) -> Answer<()> {
    let parts: Vec<(&Thing<'a>, &Values<'a>)> = all.iter().filter(|(thing, _)| within(thing)).collect();
    let Some(field) = all.get(&header).filter(|_| !parts.is_empty()) else { return Answer::Yes(()) };
    let mut agree = |value: &str| {
        parts.iter().all(|(thing, values)| values.has(read(**thing, value).as_deref(), automata))
    };
    if field.absent && parts.iter().all(|(_, values)| values.absent) {
        return Answer::Yes(());
    }
    if let Some(listed) = &field.listed {
        let Some(value) = listed.iter().find(|value| agree(value)) else { return Answer::No };
        shown.retain(|thing, _| !within(thing));
        shown.insert(header, Some((*value).to_owned()));
        return Answer::Yes(());
    }
    let made = parts.iter().filter_map(|(thing, _)| {
        let value = shown.get(*thing)?.as_deref()?;
        match thing {
            Thing::Cookie(name) | Thing::Media(name) => Some((*name, value)),
            _ => None,
        }
    });
    let made: Vec<(&str, &str)> = made.collect();
    if made.is_empty() {
        // The field has to be there, and nothing in it.
        let Some(Some(value)) = shown.get(&header) else { return Answer::Unknown };
        return if agree(value) { Answer::Yes(()) } else { Answer::Unknown };
    }
    let value = if header == Thing::Header("cookie") { witness::cookie(made) } else { witness::accept(made) };
    if !agree(&value) || !field.has(Some(&value), automata) {
        return Answer::Unknown;
    }
    shown.remove(&header);
    Answer::Yes(())
}
