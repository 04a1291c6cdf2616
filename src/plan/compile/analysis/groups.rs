//! Splits a large group of rules, so that only those are compared that can fit the same request.

use super::conditions::Thing;
use super::rules::Facts;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Groups up to this size are compared as they are.
const SMALL: usize = 24;

/// Parts of a group, such that any two members that can fit the same request are together in one. What most ask for one
/// of a few values of decides; who asks nothing of it is in each part.
pub fn parts<'f, 'a: 'f>(
    group: &[usize],
    facts: &impl Fn(usize) -> Option<&'f Facts<'a>>,
) -> Vec<Vec<usize>> {
    let mut out = Vec::new();
    split(group, facts, &mut HashSet::new(), &mut out);
    out
}

fn split<'f, 'a: 'f>(
    group: &[usize],
    facts: &impl Fn(usize) -> Option<&'f Facts<'a>>,
    done: &mut HashSet<Thing<'a>>,
    out: &mut Vec<Vec<usize>>,
) {
    let mut counts: BTreeMap<Thing<'a>, usize> = BTreeMap::new();
    if group.len() > SMALL {
        for facts in group.iter().filter_map(|at| facts(*at)) {
            for thing in facts.conditions.things().filter(|thing| !done.contains(thing)) {
                if facts.conditions.listed(thing).is_some() {
                    let count = counts.entry(thing).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    let Some((thing, _)) = most.filter(|(_, count)| count.saturating_mul(2) > group.len()) else {
        out.push(group.to_vec());
        return;
    };
    let mut by_value: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    let mut open = Vec::new();
    for at in group {
        match facts(*at).and_then(|facts| facts.conditions.listed(thing)) {
            Some(values) => values.into_iter().for_each(|value| by_value.entry(value).or_default().push(*at)),
            None => open.push(*at),
        }
    }
    let mut values: Vec<_> = by_value.into_iter().collect();
    values.sort();
    done.insert(thing);
    for (_, mut part) in values {
        part.extend_from_slice(&open);
        part.sort_unstable();
        split(&part, facts, done, out);
    }
    if !open.is_empty() {
        split(&open, facts, done, out);
    }
    done.remove(&thing);
}
