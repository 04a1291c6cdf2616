//! Requests that go elsewhere: of all rules that only one of two plans has, what becomes of what fits them.
//!
//! A request that another rule answers than before fits a rule that is not in both plans. So these are walked: requests of
//! each, and those that it has in common with each rule of the other plan, are made up
//! ([`Requests`](crate::plan::compile::analysis::Requests)), and both routers are asked.

use super::names::Names;
use super::view::View;
use super::{Change, Direction, Entry, Kind, Moved, OPEN, changes, direction, is_open};
use crate::plan::compile::analysis::{Placed, Requests, Witness};
use crate::plan::rule::Rule;
use crate::plan::{Plan, Route, format::LoadError};
use crate::routing::{Miss, Router};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The route of this index answers.
    Route(u32),
    /// No route: 404.
    NotFound,
    /// No route for the method: 405, or for OPTIONS 204.
    Method,
    /// Something else than a route answers, or the plan cannot say.
    Else,
}

impl Outcome {
    fn route(self) -> Option<u32> {
        match self {
            Outcome::Route(index) => Some(index),
            _ => None,
        }
    }
}

/// A plan with all that is asked of it.
struct Side<'p> {
    plan: &'p Rc<Plan>,
    view: &'p View,
    router: Router,
    rules: Vec<Rule>,
    routes: Vec<Rc<Route>>,
}

impl<'p> Side<'p> {
    fn new((plan, view): (&'p Rc<Plan>, &'p View)) -> Result<Side<'p>, LoadError> {
        let below = |count: usize| 0..u32::try_from(count).unwrap_or(u32::MAX);
        let rules = below(plan.rules()).map(|index| plan.rule(index)).collect::<Result<_, _>>()?;
        let routes = below(plan.len()).map(|index| plan.route(index)).collect::<Result<_, _>>()?;
        Ok(Side { plan, view, router: Router::new(Rc::clone(plan)), rules, routes })
    }

    fn placed(&self) -> Vec<Placed<'_>> {
        Placed::all(&self.plan.shared().apis, self.rules.iter(), &self.routes)
    }

    /// The rules as a router sees them, with the names that their routes had.
    fn keys(
        &self,
        placed: &[Placed<'_>],
        renamed: &HashMap<String, String>,
    ) -> Result<Vec<String>, LoadError> {
        let mut keys = Vec::with_capacity(placed.len());
        for one in placed {
            let name = name(self.plan, Outcome::Route(one.rule.route))?;
            let name = renamed.get(&name).unwrap_or(&name);
            let requests = Names::of(one.api, std::slice::from_ref(one.rule)).requests(&one.api.base);
            let requests: Vec<String> = requests.into_iter().map(|(nameless, _)| nameless).collect();
            keys.push(format!("{requests:?} {:?} {name}", one.api.matching));
        }
        Ok(keys)
    }

    /// What becomes of a request, and the rule that takes it.
    fn ask(&self, witness: &Witness) -> (Outcome, Option<usize>) {
        match witness.ask(|asked| self.router.find(asked).map(|found| (found.index, found.rule))) {
            Ok((route, rule)) => (Outcome::Route(route), usize::try_from(rule).ok()),
            Err(Miss::NotFound { .. }) => (Outcome::NotFound, None),
            Err(Miss::Method { .. } | Miss::Options { .. }) => (Outcome::Method, None),
            Err(_) => (Outcome::Else, None),
        }
    }
}

/// Of each pair of old and new answer one request, and the pairs for which it is too much to decide whether there is one.
///
/// A request that moves has its old rule, its new one, or both among those that are not in both plans; so these are
/// walked, each alone, for what nobody answers on the other side, and together with each rule of the other side.
pub fn elsewhere(
    old: (&Rc<Plan>, &View),
    new: (&Rc<Plan>, &View),
    routes: &[Entry],
    renamed: &HashMap<String, String>,
) -> Result<(Vec<Moved>, Vec<Moved>), LoadError> {
    let (old, new) = (Side::new(old)?, Side::new(new)?);
    let mut placed = old.placed();
    let first = placed.len();
    let keys = old.keys(&placed, &HashMap::new())?;
    let after = new.placed();
    let new_keys = new.keys(&after, renamed)?;
    placed.extend(after);
    let both: [HashSet<&String>; 2] = [keys.iter().collect(), new_keys.iter().collect()];
    let gone = keys.iter().map(|key| !both[1].contains(key));
    let changed: Vec<usize> = gone
        .chain(new_keys.iter().map(|key| !both[0].contains(key)))
        .enumerate()
        .filter_map(|(at, changed)| changed.then_some(at))
        .collect();
    let mut seen: BTreeMap<(Outcome, Outcome), Witness> = BTreeMap::new();
    let mut ask = |witness: &Witness| {
        let ((was, before), (is, now)) = (old.ask(witness), new.ask(witness));
        seen.entry((was, is)).or_insert_with(|| witness.clone());
        Some(before.into_iter().chain(now.map(|rule| rule.saturating_add(first))).collect())
    };
    let mut requests = Requests::new(&placed);
    let mut undecided: BTreeSet<(Outcome, Outcome)> = BTreeSet::new();
    let answer =
        |rule: usize| placed.get(rule).map_or(Outcome::NotFound, |one| Outcome::Route(one.rule.route));
    for rule in changed {
        let sides = |other: Outcome| if rule < first { (answer(rule), other) } else { (other, answer(rule)) };
        if !requests.each(&[rule], &mut ask) {
            undecided.insert(sides(Outcome::NotFound));
        }
        let others = if rule < first { first..placed.len() } else { 0..first };
        for other in others {
            if requests.near(rule, other) && !requests.each(&[rule, other], &mut ask) {
                undecided.insert(sides(answer(other)));
            }
        }
    }
    let shown = |pair: (Outcome, Outcome)| (pair.0.route(), pair.1.route());
    let known: HashSet<_> = seen.keys().map(|pair| shown(*pair)).collect();
    undecided.retain(|pair| !known.contains(&shown(*pair)));
    let judged = |(was, is), request| -> Result<Option<Moved>, LoadError> {
        let (from, to) = (name(old.plan, was)?, name(new.plan, is)?);
        let same = from == to || renamed.get(&to).is_some_and(|was| *was == from);
        Ok(if same { None } else { moved(request, (from, to), (old.view, new.view), routes) })
    };
    let shown = seen.into_iter().map(|(pair, request)| judged(pair, Some(request)));
    let hidden = undecided.into_iter().map(|pair| judged(pair, None));
    Ok((sorted(shown)?, sorted(hidden)?))
}

/// All that there is to say, by owner.
fn sorted(all: impl Iterator<Item = Result<Option<Moved>, LoadError>>) -> Result<Vec<Moved>, LoadError> {
    let mut out: Vec<Moved> = all.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    out.sort_by(|a, b| (&a.owner, &a.old, &a.new).cmp(&(&b.owner, &b.old, &b.new)));
    Ok(out)
}

/// What there is to say of a request; nothing where it is said already that its route is new, or gone.
fn moved(
    request: Option<Witness>,
    (old, new): (String, String),
    (before, after): (&View, &View),
    routes: &[Entry],
) -> Option<Moved> {
    let kind = |kind: Kind, name: &str| routes.iter().any(|entry| entry.kind == kind && entry.name == name);
    let (from, to) = (before.routes.get(&old), after.routes.get(&new));
    if from.is_none() && kind(Kind::Added, &new) || to.is_none() && kind(Kind::Removed, &old) {
        return None;
    }
    let (direction, says) = match (from, to) {
        (Some(from), Some(to)) => {
            let found = changes(from, to);
            let own = |change: &&Change| change.field != "match" && change.says != direction::ANOTHER_PATH;
            let found: Vec<&Change> = found.iter().filter(own).collect();
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
    let owner = to.or(from).map_or(String::new(), |route| route.owner.clone());
    Some(Moved { request, old, new, owner, direction, says })
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

#[cfg(test)]
mod tests;
