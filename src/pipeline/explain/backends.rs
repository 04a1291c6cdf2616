//! Which of several backends a request goes to.

use super::super::exchange::Exchange;
use super::{Paper, Step};
use crate::plan::{Route, Shared};
use crate::policy::split::{By, Split};
use serde_json::{Value, json};

/// Chooses as the pipeline does, and says by what. What chance decides is told as one of the possible outcomes.
pub(super) fn choose<'a>(
    way: &mut Exchange<'a, Paper<'a>>,
    shared: &Shared,
    route: &Route,
    split: &Split,
) -> Step {
    let before = way.edits.len();
    way.choose(shared, split);
    let chosen = way.backend(route).map(|backend| backend.name.clone()).unwrap_or_default();
    let sum: u64 = split.backends.iter().map(|backend| u64::from(backend.weight)).sum();
    let new = way.edits.iter().skip(before).any(|edit| edit.name() == "set-cookie");
    let known = way.sticks(shared, split);
    let by = match split.sticky.as_ref().map(|sticky| &sticky.by) {
        None => "by chance, each request on its own".to_owned(),
        Some(by) => {
            let by = match by {
                By::Consumer => "the consumer".to_owned(),
                By::Address => "the address".to_owned(),
                By::Header(name) => format!("the header {name}"),
                By::Cookie(name) => format!("the cookie {name}"),
            };
            match (known, new) {
                (true, _) => format!("by {by}: the same for the same value"),
                (false, true) => format!("by chance, and {by} is set, which keeps the caller there"),
                (false, false) => format!("by chance, for the request lacks {by}"),
            }
        }
    };
    let backends: Vec<Value> = split
        .backends
        .iter()
        .map(|backend| {
            let upstream = shared.upstreams.get(backend.upstream as usize).map(|upstream| &upstream.id);
            json!({ "name": backend.name, "upstream": upstream, "weight": backend.weight })
        })
        .collect();
    let mut step = Step::new("backends", format!("{chosen}, {by}"));
    for backend in &split.backends {
        step = step.say(match backend.weight {
            0 => format!("{}: nothing", backend.name),
            weight => format!("{}: {weight} of {sum}", backend.name),
        });
    }
    step.facts(json!({ "chosen": chosen, "by": by, "certain": known, "backends": backends }))
}
