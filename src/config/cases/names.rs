//! The names that tests use: issuers, upstreams, routes.

use crate::config::problem::nearest;
use crate::plan::{Route, Shared};

/// What the tests of a file may name.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub(super) shared: &'a Shared,
    routes: &'a [Route],
    pub(super) api: Option<usize>,
}

impl<'a> Names<'a> {
    /// The names of a plan, as the file of an API or gateway.yaml sees them.
    pub fn new(shared: &'a Shared, routes: &'a [Route], api: Option<usize>) -> Self {
        Names { shared, routes, api }
    }

    /// `API/VERSION/NAME` of a bare name.
    fn own(&self, name: &str) -> String {
        let api = self.api.and_then(|api| self.shared.apis.get(api));
        api.map_or_else(|| name.to_owned(), |api| format!("{}/{}/{name}", api.name, api.version))
    }

    /// The index of an issuer.
    ///
    /// # Errors
    /// What to write instead.
    pub fn issuer(&self, name: Option<&str>) -> Result<usize, String> {
        let ids = || self.shared.issuers.iter().map(|issuer| issuer.id.as_str());
        let Some(name) = name else {
            return match self.shared.issuers.len() {
                1 => Ok(0),
                0 => Err("there is no issuer".into()),
                _ => Err(format!("say which `issuer` is meant: {}", ids().collect::<Vec<_>>().join(", "))),
            };
        };
        let bare = name.strip_prefix("shared/").unwrap_or(name);
        let found = ids().position(|id| id == self.own(name)).or_else(|| ids().position(|id| id == bare));
        found.ok_or_else(|| unknown("issuer", name, ids()))
    }

    /// The indexes of an upstream and, for `NAME.1`, of its target.
    ///
    /// # Errors
    /// What to write instead.
    pub fn upstream(&self, name: &str) -> Result<(usize, Option<usize>), String> {
        let ids = || self.shared.upstreams.iter().map(|upstream| upstream.id.as_str());
        let find = |name: &str| {
            let shared = format!("shared/{name}");
            let own = ids().position(|id| id == self.own(name));
            own.or_else(|| ids().position(|id| id == shared)).or_else(|| ids().position(|id| id == name))
        };
        if let Some(found) = find(name) {
            return Ok((found, None));
        }
        let target = name.rsplit_once('.').and_then(|(name, number)| {
            let index = number.parse::<usize>().ok()?.checked_sub(1)?;
            Some((find(name)?, index))
        });
        match target {
            Some((upstream, index)) => {
                let targets = self.shared.upstreams.get(upstream).map_or(0, |found| found.targets.len());
                if index < targets {
                    Ok((upstream, Some(index)))
                } else {
                    Err(format!("the upstream has {targets} targets: `.1` to `.{targets}`"))
                }
            }
            None => {
                let bare = ids().map(|id| id.rsplit('/').next().unwrap_or(id));
                Err(unknown("upstream", name, bare))
            }
        }
    }

    /// The full name of a route.
    ///
    /// # Errors
    /// What to write instead.
    pub fn route(&self, name: &str) -> Result<String, String> {
        let full = |route: &Route| {
            let api = self.shared.apis.get(usize::try_from(route.api).unwrap_or(usize::MAX));
            api.map_or_else(String::new, |api| format!("{}/{}/{}", api.name, api.version, route.name))
        };
        let own = self.own(name);
        if let Some(found) = self.routes.iter().map(full).find(|full| *full == own || full == name) {
            return Ok(found);
        }
        let near = self.routes.iter().filter(|route| {
            self.api.is_none_or(|api| usize::try_from(route.api).is_ok_and(|own| own == api))
        });
        Err(unknown("route", name, near.map(|route| route.name.as_str())))
    }
}

/// That there is no such thing, and what may be meant.
pub(super) fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    match nearest(name, known) {
        Some(word) => format!("there is no {what} `{name}`; did you mean `{word}`?"),
        None => format!("there is no {what} `{name}`"),
    }
}
