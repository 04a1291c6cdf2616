//! What two plans differ in, by meaning: routes added, removed, renamed and changed, requests that would go elsewhere, and
//! which way each difference goes.
//!
//! Plans are compared, not files: defaults are written out, inheritance is done, names stand in place of indexes. So text
//! order, layout, comments and the names of definitions make no difference. Only the name of a limit does: clients read it,
//! and its counts are kept under it.

mod direction;
mod structure;
mod text;
mod view;
mod witness;

#[cfg(test)]
mod tests;

pub use direction::Direction;
pub use text::text as report;
pub use view::{Item, View};
pub use witness::Witness;
use witness::{Outcome, rules};

use crate::plan::{Plan, format::LoadError};
use crate::routing::Router;
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

/// A request that goes elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// The request.
    pub request: Witness,
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
        let mut count = self.elsewhere.iter().filter(|moved| moved.direction == Direction::Looser).count();
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
    let elsewhere = elsewhere((old, &before), (new, &after), &routes, &renamed)?;
    Ok(Report { gateway, apis, routes, elsewhere })
}

/// What is said of a route that anybody may call.
const OPEN: &str = "open to everybody";

/// What differs between two values, judged.
fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = differences(old, new);
    let renamed = renamed_limits(&mut found);
    let judged = found.into_iter().map(|difference| {
        let (direction, says) = direction::judge(&difference);
        let says = if direction == Direction::Looser { says } else { "" };
        Change { field: difference.path.join("."), old: difference.old, new: difference.new, direction, says }
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
            requests: item.identity.clone(),
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
        let changes = changes(&before.value, &item.value);
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
            requests: item.identity.clone(),
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

/// Requests that go elsewhere: of each pair of old and new answer the first.
fn elsewhere(
    (old, before): (&Rc<Plan>, &View),
    (new, after): (&Rc<Plan>, &View),
    routes: &[Entry],
    renamed: &HashMap<String, String>,
) -> Result<Vec<Moved>, LoadError> {
    let routers = (Router::new(Rc::clone(old)), Router::new(Rc::clone(new)));
    let kind = |kind: Kind, name: &str| routes.iter().any(|entry| entry.kind == kind && entry.name == name);
    let mut seen: BTreeMap<(Outcome, Outcome), Witness> = BTreeMap::new();
    for plan in [old, new] {
        for (api, rules) in plan.shared().apis.iter().zip(rules(plan)?) {
            for rule in rules {
                for witness in witness::requests(api, &rule) {
                    let pair = (witness::ask(&routers.0, &witness), witness::ask(&routers.1, &witness));
                    seen.entry(pair).or_insert(witness);
                }
            }
        }
    }
    let mut out = Vec::new();
    for ((was, is), request) in seen {
        let (from, to) = (name(old, was)?, name(new, is)?);
        let same = from == to || renamed.get(&to).is_some_and(|was| *was == from);
        let (from_route, to_route) = (before.routes.get(&from), after.routes.get(&to));
        // Said already: that the route is new, or gone.
        let said = from_route.is_none() && kind(Kind::Added, &to)
            || to_route.is_none() && kind(Kind::Removed, &from);
        if same || said {
            continue;
        }
        let (direction, says) = match (from_route, to_route) {
            (Some(from), Some(to)) => {
                let found = changes(&from.value, &to.value);
                let found: Vec<&Change> = found.iter().filter(|change| change.field != "match").collect();
                let mut says: Vec<&str> =
                    found.iter().map(|change| change.says).filter(|says| !says.is_empty()).collect();
                says.sort_by_key(|says| direction::rank(says));
                says.dedup();
                (found.iter().map(|change| change.direction).min().unwrap_or(Direction::Other), says)
            }
            (None, Some(to)) if is_open(to) => (Direction::Looser, vec![OPEN]),
            (Some(_), None) => (Direction::Tighter, Vec::new()),
            _ => (Direction::Other, Vec::new()),
        };
        let owner = to_route.or(from_route).map_or(String::new(), |route| route.owner.clone());
        out.push(Moved { request, old: from, new: to, owner, direction, says });
    }
    out.sort_by(|a, b| (&a.owner, &a.old, &a.new).cmp(&(&b.owner, &b.old, &b.new)));
    Ok(out)
}

/// What answers, by name.
fn name(plan: &Plan, outcome: Outcome) -> Result<String, LoadError> {
    Ok(match outcome {
        Outcome::Route(index) => {
            let route = plan.route(index)?;
            let api = usize::try_from(route.api).ok().and_then(|api| plan.shared().apis.get(api));
            api.map_or_else(String::new, |api| format!("{}/{}/{}", api.name, api.version, route.name))
        }
        Outcome::NotFound => "404".into(),
        Outcome::Method => "405".into(),
        Outcome::Else => "no route".into(),
    })
}
