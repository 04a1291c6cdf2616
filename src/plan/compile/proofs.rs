//! What can only be seen with all routes known: conflicts, routes and limits that can never apply, unused names.

use super::{Compiler, Place};
use crate::limit::{Algorithm, Limit, Period};
use std::collections::{BTreeSet, HashMap, HashSet};

impl Compiler<'_> {
    pub(super) fn proofs(&mut self) {
        if !self.baseless {
            let twins = self.twin_apis();
            self.conflicts(&twins);
        }
        self.idle_limits();
        let unused: Vec<(&'static str, String, Place)> =
            [&self.issuers, &self.limits, &self.caches, &self.cors, &self.upstreams]
                .into_iter()
                .flat_map(|table| table.unused())
                .map(|(what, name, place)| (what, name.to_owned(), place.clone()))
                .collect();
        for (what, name, place) in unused {
            self.warn(
                "unused",
                &place,
                format!("no route uses the {what} `{name}`"),
                "remove it, or name it in a route",
            );
        }
    }

    pub(super) fn file_of(&self, api: usize) -> usize {
        self.input.apis.get(api).map_or(0, |(file, _)| *file)
    }

    /// Two API versions under the same host and base path: one would hide the other.
    ///
    /// Gives the pairs, the later first.
    fn twin_apis(&mut self) -> HashSet<(usize, usize)> {
        let mut twins = HashSet::new();
        let apis = self.out.shared.apis.clone();
        let mut bases: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, api) in apis.iter().enumerate() {
            let same = bases.entry(api.base.as_str()).or_default();
            for (j, other) in same.iter().filter_map(|j| Some((*j, apis.get(*j)?))) {
                let host = match (api.hosts.as_slice(), other.hosts.as_slice()) {
                    ([], []) => Some("every host".to_owned()),
                    (mine, theirs) => {
                        mine.iter().find(|host| theirs.contains(host)).map(|host| format!("`{host}`"))
                    }
                };
                let Some(host) = host else { continue };
                if api.name == other.name && self.versions(i, j) {
                    continue;
                }
                let key = |api: usize| {
                    let given = self.input.apis.get(api).is_some_and(|(_, file)| file.base.is_some());
                    Place::new(self.file_of(api), &[if given { "base" } else { "api" }])
                };
                let (place, other_place) = (key(i), key(j));
                let base = if api.base.is_empty() { "/" } else { &api.base };
                let message =
                    format!("`{base}` on {host} belongs to `{}` {} already", other.name, other.version);
                let help = format!(
                    "the other is {}; give one of them another `base` or host",
                    self.named(&other_place)
                );
                self.error("conflict", &place, message, help);
                twins.insert((i, j));
            }
            same.push(i);
        }
        twins
    }

    /// Limits that another limit of the same callers always reaches first, on every route that they hold on.
    fn idle_limits(&mut self) {
        let mut users: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.out.shared.limits.len()];
        for (number, route) in self.out.routes.iter().enumerate() {
            for limit in &route.limits {
                if let Some(users) = usize::try_from(*limit).ok().and_then(|i| users.get_mut(i)) {
                    users.insert(number);
                }
            }
        }
        let mut found = Vec::new();
        let limits = &self.out.shared.limits;
        for (i, (limit, mine)) in limits.iter().zip(&users).enumerate() {
            let first = limits.iter().zip(&users).enumerate().find(|(j, (other, theirs))| {
                i != *j
                    && !mine.is_empty()
                    && mine.is_subset(theirs)
                    && limit.per == other.per
                    && covers(other, limit)
                    // Of two equal ones the first stays.
                    && (*j < i || !covers(limit, other))
            });
            if let Some((_, (other, _))) = first {
                found.push((limit.source, limit.id.clone(), other.id.clone()));
            }
        }
        for (source, id, other) in found {
            let file = usize::from(source.file);
            let name = id.rsplit('/').next().unwrap_or_default().to_owned();
            let place = Place::new(file, &["limits", &name]);
            let message =
                format!("the limit `{name}` can never bind: wherever it holds, `{other}` is reached first");
            self.warn("never-binds", &place, message, "lower it, or remove it");
        }
    }
}

/// Whether no caller within `tight` can ever exceed `loose`.
fn covers(tight: &Limit, loose: &Limit) -> bool {
    let admitted = |window: u128| -> Option<u128> {
        match tight.algorithm {
            // Within any time t: the burst, and what flows in.
            Algorithm::Bucket { rate, period, burst } => {
                let flow = window.checked_mul(u128::from(rate))?.checked_div(u128::from(period))?;
                Some(flow.saturating_add(u128::from(burst)))
            }
            // Windows and calendar periods cut time at other places: at most one more than fit, each filled.
            Algorithm::Sliding { limit, window: own } => {
                let windows = window.div_ceil(u128::from(own)).saturating_add(1);
                Some(windows.saturating_mul(u128::from(limit)))
            }
            Algorithm::Quota { limit, period } => {
                let windows = window.div_ceil(shortest(period)).saturating_add(1);
                Some(windows.saturating_mul(u128::from(limit)))
            }
        }
    };
    match (loose.algorithm, tight.algorithm) {
        (Algorithm::Bucket { rate, period, burst }, Algorithm::Bucket { rate: r, period: p, burst: b }) => {
            u128::from(r) * u128::from(period) <= u128::from(rate) * u128::from(p) && b <= burst
        }
        (Algorithm::Quota { limit, period }, Algorithm::Quota { limit: l, period: p }) if period == p => {
            l <= limit
        }
        (Algorithm::Sliding { limit, window }, Algorithm::Sliding { limit: l, window: w }) if window == w => {
            l <= limit
        }
        (Algorithm::Bucket { .. }, _) => false,
        (Algorithm::Sliding { limit, window }, _) => {
            admitted(u128::from(window)).is_some_and(|n| n <= u128::from(limit))
        }
        (Algorithm::Quota { limit, period }, _) => {
            admitted(longest(period)).is_some_and(|n| n <= u128::from(limit))
        }
    }
}

/// Milliseconds of the longest such period.
fn longest(period: Period) -> u128 {
    match period {
        Period::Hour => 3_600_000,
        Period::Day => 86_400_000,
        Period::Week => 604_800_000,
        Period::Month => 2_678_400_000,
    }
}

/// Milliseconds of the shortest such period.
fn shortest(period: Period) -> u128 {
    match period {
        Period::Month => 2_419_200_000,
        _ => longest(period),
    }
}
