//! What two plans differ in, by meaning: routes added, removed, renamed and changed, requests that would go elsewhere, and
//! which way each difference goes.
//!
//! Plans are compared, not files: defaults are written out, inheritance is done, names stand in place of indexes. So text
//! order, layout, comments and the names of definitions make no difference. Only the name of a limit does: clients read it,
//! and its counts are kept under it.

mod direction;
mod elsewhere;
mod names;
mod structure;
mod text;
mod view;

#[cfg(test)]
mod tests;

pub use direction::Direction;
pub use text::text as report;
pub use view::{Item, View};

use crate::plan::compile::analysis::Witness;
use crate::plan::{Plan, format::LoadError};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use structure::differences;

/// What two plans differ in.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Settings of the gateway itself.
    pub gateway: Vec<Change>,
    /// API versions.
    pub apis: Vec<Entry>,
    /// Routes.
    pub routes: Vec<Entry>,
    /// Requests that another route answers, or none, than before; one of each kind. What an added route takes from nobody
    /// and a removed one leaves to nobody is not among them.
    pub elsewhere: Vec<Moved>,
    /// Pairs of routes of which it is too much to decide whether requests go from the one to the other.
    pub undecided: Vec<Moved>,
}

/// An API version or route that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// `api/version`, or `api/version/route`.
    pub name: String,
    /// What became of it.
    pub kind: Kind,
    /// Its name before, where that was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Who owns it (now).
    pub owner: String,
    /// Where it stands, or stood: `file:line:column`.
    pub place: String,
    /// Which way it goes.
    pub direction: Direction,
    /// What to say of the direction.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub says: &'static str,
    /// What requests it is for.
    pub requests: Vec<String>,
    /// What differs in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another name, and is for the same requests.
    Renamed,
    /// It does something else.
    Changed,
}

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Which, by the names of the compiled form, e.g. `auth.scopes`.
    pub field: String,
    /// What it was; null: nothing.
    pub old: Value,
    /// What it is; null: nothing.
    pub new: Value,
    /// Which way it goes.
    pub direction: Direction,
    /// What to say of the direction.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub says: &'static str,
}

/// Requests that go elsewhere, or may.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// One of them; none where it cannot be decided whether there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Witness>,
    /// What answered: a route's name, `404` or `405`.
    pub old: String,
    /// What answers.
    pub new: String,
    /// Who owns the route that answers; where none does, the one that did.
    pub owner: String,
    /// Which way it goes.
    pub direction: Direction,
    /// What to say of the direction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<&'static str>,
}

impl Report {
    /// Whether nothing differs in meaning.
    pub fn is_empty(&self) -> bool {
        *self == Report::default()
    }

    /// Number of things that are looser than before. A change that concerns several routes counts once.
    pub fn loosened(&self) -> usize {
        let mut seen: Vec<&Change> = Vec::new();
        let moved = self.elsewhere.iter().chain(&self.undecided);
        let mut count = moved.filter(|moved| moved.direction == Direction::Looser).count();
        for entry in self.apis.iter().chain(&self.routes) {
            count = count.saturating_add(usize::from(
                entry.changes.is_empty() && entry.direction == Direction::Looser,
            ));
        }
        let inner = self.apis.iter().chain(&self.routes).flat_map(|entry| &entry.changes);
        for change in inner.chain(&self.gateway).filter(|change| change.direction == Direction::Looser) {
            if !seen.contains(&change) {
                seen.push(change);
            }
        }
        count.saturating_add(seen.len())
    }
}

/// Compares two plans.
///
/// # Errors
/// A part of either that does not decode.
pub fn compare(old: &Rc<Plan>, new: &Rc<Plan>) -> Result<Report, LoadError> {
    let (before, after) = (View::new(old)?, View::new(new)?);
    let gateway = changes(&before.gateway, &after.gateway);
    let (apis, _) = entries(&before.apis, &after.apis);
    let (routes, renamed) = entries(&before.routes, &after.routes);
    let (elsewhere, undecided) = elsewhere::elsewhere((old, &before), (new, &after), &routes, &renamed)?;
    Ok(Report { gateway, apis, routes, elsewhere, undecided })
}

/// What is said of a route that anybody may call.
const OPEN: &str = "open to everybody";

/// What differs between two items, judged.
fn changes(before: &Item, after: &Item) -> Vec<Change> {
    let mut found = differences(&before.value, &after.value);
    let renamed = renamed_limits(&mut found);
    let judged = found.into_iter().map(|difference| {
        let (direction, says) = direction::judge(&difference);
        let says = if direction == Direction::Looser { says } else { "" };
        let (old, new) = (before.written(difference.old, after), after.written(difference.new, after));
        Change { field: difference.path.join("."), old, new, direction, says }
    });
    judged.chain(renamed).collect()
}

/// Takes out pairs of which one limit goes and an equal one comes.
fn renamed_limits(found: &mut Vec<structure::Difference>) -> Vec<Change> {
    let mut renamed = Vec::new();
    let is_limit = |path: &[String]| path.len() == 2 && path.first().is_some_and(|first| first == "limits");
    loop {
        let pair = found.iter().enumerate().find_map(|(i, gone)| {
            let twin = |(_, came): &(usize, &structure::Difference)| {
                is_limit(&came.path) && came.old.is_null() && came.new == gone.old
            };
            let fits = is_limit(&gone.path) && gone.new.is_null();
            found.iter().enumerate().find(|came| fits && twin(came)).map(|(j, _)| (i, j))
        });
        let Some((gone, came)) = pair else { return renamed };
        let name = |at: usize| found.get(at).and_then(|limit| limit.path.last()).cloned().unwrap_or_default();
        renamed.push(Change {
            field: "limits".into(),
            old: name(gone).into(),
            new: name(came).into(),
            direction: Direction::Other,
            says: "renamed: its counts begin anew",
        });
        let mut at = 0..;
        found.retain(|_| at.next().is_none_or(|at| at != gone && at != came));
    }
}

/// What became of the items of one kind, and which are the same under another name: new name → old name.
fn entries(
    old: &BTreeMap<String, Item>,
    new: &BTreeMap<String, Item>,
) -> (Vec<Entry>, HashMap<String, String>) {
    let gone: HashMap<&[String], &String> = old
        .iter()
        .filter(|(name, item)| !new.contains_key(*name) && !item.identity.is_empty())
        .map(|(name, item)| (item.identity.as_slice(), name))
        .collect();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut out = Vec::new();
    for (name, item) in new {
        let entry = |kind, was: Option<&String>, changes: Vec<Change>, direction, says| Entry {
            name: name.clone(),
            kind,
            was: was.cloned(),
            owner: item.owner.clone(),
            place: item.place.clone(),
            direction,
            says,
            requests: item.requests.clone(),
            changes,
        };
        let was = gone.get(item.identity.as_slice()).copied().filter(|_| !old.contains_key(name));
        let (kind, before) = match (old.get(name), was.and_then(|was| old.get(was))) {
            (Some(before), _) => (Kind::Changed, before),
            (None, Some(before)) => (Kind::Renamed, before),
            (None, None) => {
                let open = is_open(item);
                let direction = if open { Direction::Looser } else { Direction::Other };
                let says = if open { OPEN } else { "" };
                out.push(entry(Kind::Added, None, Vec::new(), direction, says));
                continue;
            }
        };
        if let Some(was) = was {
            renamed.insert(name.clone(), was.clone());
        }
        let changes = changes(before, item);
        if kind == Kind::Changed && changes.is_empty() {
            continue;
        }
        let direction = changes.iter().map(|change| change.direction).min().unwrap_or(Direction::Other);
        out.push(entry(kind, was, changes, direction, ""));
    }
    let kept: Vec<&String> = renamed.values().collect();
    for (name, item) in old.iter().filter(|(name, _)| !new.contains_key(*name) && !kept.contains(name)) {
        out.push(Entry {
            name: name.clone(),
            kind: Kind::Removed,
            was: None,
            owner: item.owner.clone(),
            place: item.place.clone(),
            direction: Direction::Tighter,
            says: "",
            requests: item.requests.clone(),
            changes: Vec::new(),
        });
    }
    (out, renamed)
}

/// Whether anybody may call a route that asks an origin.
fn is_open(item: &Item) -> bool {
    let asks = |action: &Value| action.get("Forward").or_else(|| action.get("Combine")).is_some();
    item.value.get("auth").is_some_and(Value::is_null) && item.value.get("action").is_some_and(asks)
}
