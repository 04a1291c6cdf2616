//! What can only be seen with all routes known: conflicts, routes and limits that can never apply, unused names.

use super::{Compiler, Place};
use crate::limit::{Algorithm, Limit, Period};
use std::collections::BTreeSet;

impl Compiler<'_> {
    pub(super) fn proofs(&mut self) {
        self.template_conflicts();
        if !self.baseless {
            self.twin_apis();
            self.shadowed_routes();
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

    fn file_of(&self, api: usize) -> usize {
        self.input.apis.get(api).map_or(0, |(file, _)| *file)
    }

    /// Two API versions under the same host and base path: one would hide the other.
    fn twin_apis(&mut self) {
        let apis = self.out.shared.apis.clone();
        for (i, api) in apis.iter().enumerate() {
            for (j, other) in apis.iter().enumerate().take(i) {
                let host = match (api.hosts.as_slice(), other.hosts.as_slice()) {
                    ([], []) => Some("every host".to_owned()),
                    (mine, theirs) => {
                        mine.iter().find(|host| theirs.contains(host)).map(|host| format!("`{host}`"))
                    }
                };
                let Some(host) = host.filter(|_| api.base == other.base) else { continue };
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
            }
        }
    }

    /// Templates of an API that the same path could match with neither the more specific, by trying the very router.
    fn template_conflicts(&mut self) {
        for api in 0..self.out.entries.len() {
            let mut router = matchit::Router::new();
            let templates: Vec<String> = self
                .out
                .entries
                .get(api)
                .into_iter()
                .flatten()
                .map(|(template, _)| template.clone())
                .collect();
            for template in templates {
                let Err(error) = router.insert(template.as_str(), ()) else { continue };
                let place = |text: &str| {
                    let fact = self.facts.iter().find(|fact| fact.api == api && fact.template == text);
                    fact.map(|fact| fact.place.clone())
                };
                let Some(mine) = place(&template) else { continue };
                let (message, help) = match &error {
                    matchit::InsertError::Conflict { with } => {
                        let other = place(with);
                        let at =
                            other.as_ref().map_or(String::new(), |other| format!(" ({})", self.named(other)));
                        (
                            format!(
                                "`{template}` and `{with}`{at} can match the same path, with neither the more specific"
                            ),
                            "use the same parameter names for the same template, or other literal text",
                        )
                    }
                    error => (error.to_string(), ""),
                };
                self.error("conflict", &mine.key("match"), message, help);
            }
        }
    }

    /// Routes whose paths all lie under the longer base path of another API on the same hosts.
    fn shadowed_routes(&mut self) {
        let mut found = Vec::new();
        for (number, fact) in self.facts.iter().enumerate() {
            let Some(api) = self.out.shared.apis.get(fact.api) else { continue };
            // Literal segments that every path of the template begins with.
            let segments = fact.template.split('/').skip(1);
            let literal: Vec<&str> = segments.take_while(|segment| !segment.contains(['{', '}'])).collect();
            let prefix = literal.iter().fold(api.base.clone(), |path, segment| format!("{path}/{segment}"));
            for (other_index, other) in self.out.shared.apis.iter().enumerate() {
                let below = prefix
                    .strip_prefix(other.base.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                let covers = if api.hosts.is_empty() {
                    other.hosts.is_empty()
                } else {
                    api.hosts.iter().all(|host| other.hosts.contains(host))
                };
                if other_index != fact.api && other.base.len() > api.base.len() && below && covers {
                    found.push((number, other_index));
                }
            }
        }
        for (number, other) in found {
            let Some(place) = self.facts.get(number).map(|fact| fact.place.clone()) else { continue };
            let Some(api) = self.out.shared.apis.get(other) else { continue };
            let message = format!(
                "no request reaches this route: `{}` belongs to `{}` {}",
                api.base, api.name, api.version
            );
            let help = format!(
                "see {}; move the route there, or change one of the base paths",
                self.named(&Place::new(self.file_of(other), &["base"]))
            );
            self.error("conflict", &place.key("match"), message, help);
        }
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
