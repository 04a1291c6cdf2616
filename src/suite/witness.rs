//! A request that a route answers, made up from its rules.

use crate::plan::compile::analysis::{Placed, Requests, Witness};
use crate::routing::Router;

/// A request that a route answers, of the first of its rules that one can be made up for. `requests` are those of all
/// rules of the router's plan, in its order.
pub fn of(
    requests: &mut Requests<'_>,
    placed: &[Placed<'_>],
    router: &Router,
    route: u32,
) -> Option<Witness> {
    let mut found = None;
    for (at, _) in placed.iter().enumerate().filter(|(_, one)| one.rule.route == route) {
        let mut ask = |witness: &Witness| {
            let (index, rule) =
                witness.ask(|asked| router.find(asked).map(|found| (found.index, found.rule))).ok().unzip();
            if index == Some(route) {
                found = Some(witness.clone());
                return None;
            }
            Some(rule.and_then(|rule| usize::try_from(rule).ok()).into_iter().collect())
        };
        requests.each(&[at], &mut ask);
        if found.is_some() {
            break;
        }
    }
    found
}
