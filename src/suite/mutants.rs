//! What tests would not notice: the compiled plan with one thing changed, over and over, each time judged by the tests.
//! A change that no test fails at is a gap: it could be made by mistake and deployed.
//!
//! Changes are made to the plan's values as JSON, whatever their types: a switch is turned, a number halved and
//! doubled, a text altered, an item of a list or an optional setting removed. What comes of it is read back, and what
//! cannot be read is no plan and no mutant. So a new setting is mutated from the day on which it is compiled;
//! [`treatment()`] says where something else fits better.

mod treatment;

use super::report::owner_of;
use super::{Bench, Mode, Parts, run};
use crate::config::cases::Case;
use crate::config::problem::Problem;
use crate::config::{self, Compiled, Files};
use crate::plan::{Route, Shared};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use treatment::{METHODS, Part, Treatment, WORDS, treatment};

/// A change that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mutant {
    /// What is changed, e.g. `orders/v2/getOrder`.
    pub of: String,
    /// How, e.g. `auth.scopes: without orders:read`.
    pub what: String,
    /// Who owns it.
    pub owner: String,
    /// Where it is declared.
    pub place: String,
    /// Whether some test failed.
    pub caught: bool,
}

/// What came of all changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mutants {
    /// In the order of their files.
    pub all: Vec<Mutant>,
}

impl Mutants {
    /// Changes that no test noticed.
    pub fn survivors(&self) -> impl Iterator<Item = &Mutant> {
        self.all.iter().filter(|mutant| !mutant.caught)
    }

    /// Per cent caught, rounded down; 100 of none.
    pub fn percent(&self) -> usize {
        let caught = self.all.iter().filter(|mutant| mutant.caught).count();
        caught.saturating_mul(100).checked_div(self.all.len()).unwrap_or(100)
    }
}

/// A change: to which part, at which place in it, and what then stands there.
#[derive(Clone, Debug)]
struct Change {
    part: Part,
    /// The same in every environment: part, path and kind of the change.
    key: String,
    of: String,
    what: String,
    place: String,
    pointer: Vec<String>,
    edit: Edit,
}

#[derive(Clone, Debug)]
enum Edit {
    Put(Value),
    /// Takes the item of this index out of the list.
    Drop(usize),
}

/// Collects the changes of one part.
struct Walk<'a> {
    part: Part,
    of: String,
    place: String,
    parts: &'a Parts,
    own: &'a Value,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn push(&mut self, pointer: &[String], kind: &str, what: String, edit: Edit) {
        let path = shown(pointer);
        self.changes.push(Change {
            part: self.part,
            key: format!("{}\n{}\n{kind}", self.of, pointer.join("/")),
            of: self.of.clone(),
            what: if what.is_empty() { path } else { format!("{path}: {what}") },
            place: self.place.clone(),
            pointer: pointer.to_vec(),
            edit,
        });
    }

    fn walk(&mut self, value: &Value, pointer: &mut Vec<String>) {
        let path: Vec<String> = pointer.iter().filter(|part| !tag(part)).cloned().collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let treatment = treatment(self.part, &path, self.parts, self.own);
        if treatment == Treatment::Leave {
            return;
        }
        let variant = pointer.last().is_some_and(|part| tag(part));
        if !value.is_null() && !pointer.is_empty() && !variant && !in_list(pointer) {
            self.push(pointer, "removed", "removed".into(), Edit::Put(Value::Null));
        }
        match (treatment, value) {
            (Treatment::Index(count), Value::Number(number)) => {
                let own = number.as_u64().and_then(|own| usize::try_from(own).ok()).unwrap_or(0);
                let other = own.saturating_add(1).checked_rem(count).unwrap_or(own);
                if other != own {
                    self.push(pointer, "other", "another one".into(), Edit::Put(json!(other)));
                }
            }
            (Treatment::Halve, Value::Number(number)) => self.number(pointer, number.as_u64(), &["half"]),
            (Treatment::Zero, Value::Number(number)) => {
                if number.as_i64() != Some(0) {
                    self.push(pointer, "zero", format!("{number} → 0"), Edit::Put(json!(0)));
                }
            }
            (Treatment::Below, Value::String(path)) => {
                let below = format!("/x{path}");
                self.push(pointer, "below", format!("{path} → {below}"), Edit::Put(json!(below)));
            }
            (Treatment::Remove, Value::Number(_)) => {}
            (_, Value::Object(members)) => {
                for (name, inner) in members {
                    pointer.push(name.clone());
                    self.walk(inner, pointer);
                    pointer.pop();
                }
            }
            (_, Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let told = match item {
                        Value::String(text) => format!("without {text}"),
                        Value::Number(_) if path.first() == Some(&"limits") => self.limit(item),
                        _ => format!("without item {}", index.saturating_add(1)),
                    };
                    self.push(pointer, &format!("-{index}"), told, Edit::Drop(index));
                    // Of a plain word nothing but its absence is of interest.
                    if !matches!(item, Value::String(_)) {
                        pointer.push(index.to_string());
                        self.walk(item, pointer);
                        pointer.pop();
                    }
                }
            }
            (_, Value::Bool(on)) => {
                self.push(pointer, "turned", format!("{on} → {}", !on), Edit::Put(json!(!on)));
            }
            (_, Value::Number(number)) => self.number(pointer, number.as_u64(), &["half", "double"]),
            (_, Value::String(text)) => self.text(pointer, text),
            (_, Value::Null) => {}
        }
    }

    fn limit(&self, index: &Value) -> String {
        let limit = index.as_u64().and_then(|at| self.parts.shared.limits.get(usize::try_from(at).ok()?));
        format!("without {}", limit.map_or("", |limit| limit.id.as_str()))
    }

    fn number(&mut self, pointer: &[String], number: Option<u64>, kinds: &[&str]) {
        let Some(number) = number else { return };
        for kind in kinds {
            let other = if *kind == "half" { number / 2 } else { number.saturating_mul(2).max(1) };
            if other != number {
                self.push(pointer, kind, format!("{number} → {other}"), Edit::Put(json!(other)));
            }
        }
    }

    fn text(&mut self, pointer: &[String], text: &str) {
        let words = WORDS.iter().find(|words| words.contains(&text));
        match words {
            Some(words) => {
                for other in words.iter().filter(|word| **word != text) {
                    self.push(pointer, other, format!("{text} → {other}"), Edit::Put(json!(other)));
                }
            }
            None => self.push(
                pointer,
                "altered",
                format!("{text} → {text}x"),
                Edit::Put(json!(format!("{text}x"))),
            ),
        }
    }
}

fn tag(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Whether the value is an item of a list, which is dropped as a whole and not replaced by nothing.
fn in_list(pointer: &[String]) -> bool {
    pointer.last().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A path as people write it.
fn shown(pointer: &[String]) -> String {
    let mut out = String::new();
    for part in pointer.iter().filter(|part| !tag(part)) {
        match part.parse::<usize>() {
            Ok(index) => out.push_str(&format!("[{}]", index.saturating_add(1))),
            Err(_) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(part);
            }
        }
    }
    out
}

fn changed(value: &Value, change: &Change) -> Option<Value> {
    let mut value = value.clone();
    let mut spot = &mut value;
    for part in &change.pointer {
        spot = match spot {
            Value::Object(members) => members.get_mut(part)?,
            Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    match &change.edit {
        Edit::Put(new) => *spot = new.clone(),
        Edit::Drop(index) => {
            let items = spot.as_array_mut().filter(|items| items.len() > *index)?;
            items.remove(*index);
        }
    }
    Some(value)
}

fn read<T: DeserializeOwned + PartialEq>(value: Option<Value>, own: &T) -> Option<T> {
    serde_json::from_value::<T>(value?).ok().filter(|read| read != own)
}

/// An environment's plan and its tests.
struct Field {
    parts: Parts,
    shared: Value,
    cases: Vec<Case>,
    /// Which routes each test reaches. Tests of few requests stand first.
    reached: Vec<BTreeSet<(u32, String)>>,
}

impl Field {
    fn new(compiled: &Compiled, cases: Vec<Case>) -> Option<Field> {
        let parts = Parts::of(compiled);
        let bench = Bench::new(parts.clone()).ok()?;
        let ran = cases.into_iter().map(|case| {
            let (mut requests, mut routes) = (0usize, BTreeSet::new());
            run(&bench, &case, Mode::default(), &mut |met| {
                requests = requests.saturating_add(1);
                routes.extend(met.event.route.as_ref().map(|route| (route.api, route.name.clone())));
            });
            (requests, case, routes)
        });
        let mut ran: Vec<_> = ran.collect();
        ran.sort_by_key(|(requests, ..)| *requests);
        let (cases, reached) = ran.into_iter().map(|(_, case, routes)| (case, routes)).unzip();
        let shared = serde_json::to_value(&parts.shared).ok()?;
        Some(Field { parts, shared, cases, reached })
    }

    fn changes(&self) -> Vec<Change> {
        let parts = &self.parts;
        let mut all = Vec::new();
        for (index, route) in parts.routes.iter().enumerate() {
            let (of, place) = (name(&parts.shared, route), parts.shared.place(&route.source));
            let own = serde_json::to_value(route).unwrap_or_default();
            all.extend(self.part(Part::Route(index), &of, &place, &own));
        }
        for (api, rules) in parts.rules.iter().enumerate() {
            for (index, rule) in rules.iter().enumerate() {
                let route = parts.routes.get(usize::try_from(rule.route).unwrap_or(usize::MAX));
                let Some(route) = route else { continue };
                let (of, place) = (name(&parts.shared, route), parts.shared.place(&route.source));
                let own = serde_json::to_value(rule).unwrap_or_default();
                let part = Part::Rule(api, index);
                all.extend(self.part(part, &format!("{of} (match)"), &place, &own));
                // One method more, of those that no rule of the API has for the path.
                let taken = |method: &&&str| {
                    let same = rules.iter().filter(|other| other.path == rule.path);
                    !same.clone().any(|other| {
                        other.methods.is_empty() || other.methods.iter().any(|own| own == **method)
                    })
                };
                if let Some(method) = METHODS.iter().find(taken) {
                    let methods: Vec<&str> =
                        rule.methods.iter().map(String::as_str).chain([*method]).collect();
                    all.push(Change {
                        part,
                        key: format!("{of} (match)\n{index}\nmethod"),
                        of: format!("{of} (match)"),
                        what: format!("methods: {method} too"),
                        place,
                        pointer: vec!["methods".into()],
                        edit: Edit::Put(json!(methods)),
                    });
                }
            }
        }
        all.extend(
            self.part(Part::Shared, "", "", &self.shared).into_iter().map(|change| self.named(change)),
        );
        all
    }

    fn part(&self, part: Part, of: &str, place: &str, own: &Value) -> Vec<Change> {
        let mut walk = Walk {
            part,
            of: of.to_owned(),
            place: place.to_owned(),
            parts: &self.parts,
            own,
            changes: Vec::new(),
        };
        walk.walk(own, &mut Vec::new());
        walk.changes
    }

    /// Says what of the shared tables a change concerns, and where that stands.
    fn named(&self, mut change: Change) -> Change {
        let shared = &self.parts.shared;
        // Item of a table, whichever way the change is made.
        let index = match (change.pointer.get(1), &change.edit) {
            (Some(index), _) => index.parse::<usize>().ok(),
            (None, Edit::Drop(index)) => Some(*index),
            _ => None,
        };
        let table = change.pointer.first().cloned().unwrap_or_default();
        let item = index.and_then(|index| self.shared.get(&table)?.get(index));
        let api = index.filter(|_| table == "apis").and_then(|index| shared.apis.get(index));
        let id = item.and_then(|item| item.get("id")).and_then(Value::as_str);
        change.of = match (api, id) {
            (Some(api), _) => format!("{}/{}", api.name, api.version),
            (None, Some(id)) => format!("{table} {id}"),
            _ => table.clone(),
        };
        let rest = change.pointer.get(2..).unwrap_or_default();
        let told = change.what.split_once(": ").map_or("", |(_, told)| told);
        if index.is_some() && !rest.is_empty() {
            change.what = format!("{}: {told}", shown(rest));
        } else if table == "gateway" {
            change.what = format!("{}: {told}", shown(change.pointer.get(1..).unwrap_or_default()));
        }
        let source = item.and_then(|item| item.get("source").cloned());
        let source = source.and_then(|source| serde_json::from_value(source).ok());
        change.place = match source {
            Some(source) => shared.place(&source),
            None => shared.files.iter().find(|file| file.contains("/gateway.")).cloned().unwrap_or_default(),
        };
        change
    }

    /// The plan with a change; `None`: there is no such plan.
    fn mutated(&self, change: &Change) -> Option<Bench> {
        let mut parts = self.parts.clone();
        match change.part {
            Part::Shared => parts.shared = read(changed(&self.shared, change), &self.parts.shared)?,
            Part::Route(index) => {
                let route = parts.routes.get_mut(index)?;
                *route = read(changed(&serde_json::to_value(&*route).ok()?, change), route)?;
            }
            Part::Rule(api, index) => {
                let rule = parts.rules.get_mut(api)?.get_mut(index)?;
                *rule = read(changed(&serde_json::to_value(&*rule).ok()?, change), rule)?;
            }
        }
        Bench::of(parts, self.parts.shared.clone()).ok()
    }

    /// Whether a test fails. Those that reach the route come first.
    fn catches(&self, bench: &Bench, change: &Change) -> bool {
        let route = match change.part {
            Part::Route(index) => self.parts.routes.get(index),
            Part::Rule(api, index) => {
                let rule = self.parts.rules.get(api).and_then(|rules| rules.get(index));
                rule.and_then(|rule| self.parts.routes.get(usize::try_from(rule.route).ok()?))
            }
            Part::Shared => None,
        };
        let route = route.map(|route| (route.api, route.name.clone()));
        let near =
            |reached: &BTreeSet<(u32, String)>| route.as_ref().is_none_or(|route| reached.contains(route));
        let both = || self.cases.iter().zip(&self.reached);
        let order =
            both().filter(|(_, reached)| near(reached)).chain(both().filter(|(_, reached)| !near(reached)));
        let mode = Mode { brief: true, ..Mode::default() };
        order.map(|(case, _)| case).any(|case| !run(bench, case, mode, &mut |_| {}).is_empty())
    }
}

fn name(shared: &Shared, route: &Route) -> String {
    let api = shared.apis.get(usize::try_from(route.api).unwrap_or(usize::MAX));
    api.map_or_else(String::new, |api| format!("{}/{}/{}", api.name, api.version, route.name))
}

/// Tries every change, in every environment where it can be made. `pattern`: only what has this text in its name or
/// place.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn mutants(files: &Files, pattern: Option<&str>) -> Result<Mutants, Vec<Problem>> {
    let mut fields = Vec::new();
    for environment in config::environments(files) {
        let compiled = config::compile_files(files, &environment)?;
        let own = |case: &&Case| case.environments.contains(&environment);
        let cases = compiled.cases.iter().filter(own).cloned().collect();
        fields.extend(Field::new(&compiled, cases));
    }
    // The same change in several environments is one: it is caught where a test sees it.
    let mut all: Vec<(Change, Vec<(usize, Change)>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (field, changes) in fields.iter().map(Field::changes).enumerate() {
        for change in changes {
            let wanted = |pattern: &str| change.of.contains(pattern) || change.place.contains(pattern);
            if !pattern.is_none_or(wanted) {
                continue;
            }
            match known.get(&change.key).and_then(|at| all.get_mut(*at)) {
                Some((_, places)) => places.push((field, change)),
                None => {
                    known.insert(change.key.clone(), all.len());
                    all.push((change.clone(), vec![(field, change)]));
                }
            }
        }
    }
    let owners = config::owners(files);
    let try_one = |(change, places): &(Change, Vec<(usize, Change)>)| -> Option<Mutant> {
        let benches = places.iter().filter_map(|(field, change)| {
            let field = fields.get(*field)?;
            Some((field, field.mutated(change)?, change))
        });
        let benches: Vec<_> = benches.collect();
        if benches.is_empty() {
            return None;
        }
        let caught = benches.iter().any(|(field, bench, change)| field.catches(bench, change));
        let Change { of, what, place, .. } = change.clone();
        let owner = owner_of(&owners, &place);
        Some(Mutant { of, what, owner, place, caught })
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(all.len());
    if threads < 2 {
        return Ok(Mutants { all: all.iter().filter_map(try_one).collect() });
    }
    let part = all.len().div_ceil(threads);
    let found: Vec<Vec<Mutant>> = std::thread::scope(|scope| {
        let try_one = &try_one;
        let running: Vec<_> = all
            .chunks(part)
            .map(|chunk| (chunk, scope.spawn(move || chunk.iter().filter_map(try_one).collect::<Vec<_>>())))
            .collect();
        let ended = running.into_iter().map(|(chunk, running)| {
            running.join().unwrap_or_else(|_| chunk.iter().filter_map(try_one).collect())
        });
        ended.collect()
    });
    let mut all: Vec<Mutant> = found.into_iter().flatten().collect();
    all.sort_by(|a, b| (&a.place, &a.of).cmp(&(&b.place, &b.of)));
    Ok(Mutants { all })
}
