//! From a request to a route: of all rules that fit, the first in the order of [`crate::plan::rule`].
//!
//! 1. **Host.** The levels are asked in turn: the exact host, then for each suffix of whole labels `{label}.` (exactly one
//!    label before it) and `*.` (one or more), then APIs of any host. The first that has a rule for the request answers.
//! 2. **Base and path.** Of a level, every API whose base path is a prefix of whole elements of the path is searched
//!    ([`walk`]); the best hit of all answers.
//! 3. **Method and conditions** are tried as the search meets the rules, the best path first.
//!
//! Without a hit the answer is 405 where only the method is wrong, otherwise 404. The API with the longest base of the
//! most specific host is then the one that the request is said to belong to.

use crate::plan::table::{Brief, Table};
use crate::plan::{Api, BaseForm, Plan, Route, Slash, format::LoadError};
use asked::Ready;
use std::cell::OnceCell;
use std::rc::Rc;
use walk::{Hit, Walk};

pub mod asked;
mod explain;
pub mod host;
mod level;
pub mod path;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
mod walk;

pub use asked::{Asked, Facts};
pub use explain::{Candidate, Verdict};
use level::Levels;

/// A matched route.
#[derive(Debug)]
pub struct Found<'r, 'p> {
    /// The route.
    pub route: Rc<Route>,
    /// Its index in the plan.
    pub index: u32,
    /// The rule that the request fits, by its index in the plan.
    pub rule: u32,
    /// What the parameters of path and host stand for.
    pub params: Params<'r, 'p>,
}

/// The values of a rule's parameters, as they stand in the canonical path: still percent-encoded, and without a slash
/// except in a catch-all and in groups of a regular expression, which may be empty as well. A label of the host comes
/// last.
#[derive(Clone, Debug)]
pub struct Params<'r, 'p> {
    table: &'r Table,
    names: crate::plan::table::Run,
    values: Vec<&'p str>,
    label: Option<(&'r str, &'p str)>,
}

impl<'r, 'p> Params<'r, 'p> {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Names and values, in the pattern's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'r str, &'p str)> {
        let table = self.table;
        let names = self.names.of(&table.names).iter().map(|name| table.piece(*name));
        names.zip(self.values.iter().copied()).chain(self.label)
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.values.len().saturating_add(usize::from(self.label.is_some()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why no route was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Miss {
    /// No rule fits (404).
    NotFound {
        /// The API that the host and the base path belong to, if any; its CORS settings hold.
        api: Option<u32>,
    },
    /// Some rule fits but for the method (405).
    Method {
        /// Value of `Allow` (RFC 9110 §10.2.1).
        allow: String,
        /// Of the APIs with such a rule the one that the request belongs to.
        api: u32,
    },
    /// An `OPTIONS` request that no rule takes, where some rule fits but for the method: answered with 204 and `Allow`
    /// (RFC 9110 §9.3.7).
    Options {
        /// Value of `Allow`.
        allow: String,
        /// Of the APIs with such a rule the one that the request belongs to.
        api: u32,
    },
    /// A rule would fit the path with, or without, a slash at its end: answered with 308.
    Slash {
        /// That path.
        path: String,
        /// The rule's API.
        api: u32,
    },
    /// The plan's part that the answer needs cannot be used (503).
    Unusable(Unusable),
}

/// A part of the plan that cannot be used, which compiling should have prevented.
#[derive(Clone, Debug, PartialEq)]
pub enum Unusable {
    /// It does not decode.
    Load(LoadError),
    /// A regular expression is none.
    Regex(String),
}

/// The matcher of a whole plan.
pub struct Router {
    plan: Rc<Plan>,
    levels: Levels,
    /// For each API, its table: decoded at the first request that needs it.
    tables: Vec<OnceCell<Result<Table, Unusable>>>,
    /// For each rule with conditions or a regular expression: made ready when first needed.
    rules: Vec<OnceCell<Result<Ready, Unusable>>>,
    /// Whether any API answers for the other form of a path by a redirect.
    redirects: bool,
}

impl Router {
    /// A router that has looked at hosts and base paths, at no rule.
    pub fn new(plan: Rc<Plan>) -> Router {
        let apis = &plan.shared().apis;
        let levels = Levels::new(apis);
        let tables = apis.iter().map(|_| OnceCell::new()).collect();
        let rules = (0..plan.rules()).map(|_| OnceCell::new()).collect();
        let redirects = apis.iter().any(redirects);
        Router { plan, levels, tables, rules, redirects }
    }

    /// The plan.
    pub fn plan(&self) -> &Rc<Plan> {
        &self.plan
    }

    /// The route for a request.
    ///
    /// The route's own rule on encoded slashes is not applied here: see [`path::permitted`].
    ///
    /// # Errors
    /// See [`Miss`].
    pub fn find<'r, 'p>(&'r self, asked: &Asked<'p, '_>) -> Result<Found<'r, 'p>, Miss> {
        let mut wrong = false;
        match self.best(asked, &mut wrong).map_err(Miss::Unusable)? {
            Some(hit) => self.found(asked, hit).map_err(Miss::Unusable),
            None => Err(self.miss(asked, wrong).unwrap_or_else(Miss::Unusable)),
        }
    }

    /// The first rule of the most specific host that has one for the request. `wrong` is set where a path fits and its
    /// rules lack the method.
    fn best<'r, 'p>(
        &'r self,
        asked: &Asked<'p, '_>,
        wrong: &mut bool,
    ) -> Result<Option<Hit<'r, 'p>>, Unusable> {
        for level in self.levels.of(asked.host) {
            let mut best: Option<Hit<'r, 'p>> = None;
            for (api, path) in level.apis(asked.path) {
                let Some(walk) = self.walk(api, path)? else { continue };
                let hit = walk.first(asked, wrong)?;
                let better = |hit: &Hit<'_, '_>| best.as_ref().is_none_or(|best| hit.rank < best.rank);
                if let Some(hit) = hit.filter(better) {
                    best = Some(hit);
                }
            }
            if best.is_some() {
                return Ok(best);
            }
        }
        Ok(None)
    }

    /// The search of an API for a path below its base; `None`: its settings do not take this form of the base.
    fn walk<'r, 'p>(&'r self, index: u32, below: &'p str) -> Result<Option<Walk<'r, 'p>>, Unusable> {
        let missing = || Unusable::Load(LoadError::Missing("API of this index"));
        let api = self.plan.shared().apis.get(index as usize).ok_or_else(missing)?;
        let cell = self.tables.get(index as usize).ok_or_else(missing)?;
        let table = cell.get_or_init(|| self.plan.table(index).map_err(Unusable::Load));
        let table = table.as_ref().map_err(Clone::clone)?;
        let path = match (below, api.matching.base) {
            ("", BaseForm::Slash) | ("/", BaseForm::Bare) if !api.base.is_empty() => return Ok(None),
            ("", _) => "/",
            (path, _) => path,
        };
        Ok(Some(Walk { router: self, index, api, table, path }))
    }

    fn found<'r, 'p>(&'r self, asked: &Asked<'p, '_>, hit: Hit<'r, 'p>) -> Result<Found<'r, 'p>, Unusable> {
        let route = self.plan.route(hit.rule.route).map_err(Unusable::Load)?;
        let label = host::label(&hit.api.hosts, asked.host);
        let params = Params { table: hit.table, names: hit.rule.names, values: hit.values, label };
        Ok(Found { route, index: hit.rule.route, rule: hit.rule.rule, params })
    }

    /// Why nothing fits. `wrong`: some path fits, and lacks the method.
    #[cold]
    fn miss(&self, asked: &Asked<'_, '_>, wrong: bool) -> Result<Miss, Unusable> {
        if wrong && let Some(miss) = self.allowed(asked)? {
            return Ok(miss);
        }
        Ok(match self.other_form(asked)? {
            Some((api, path)) => Miss::Slash { path, api },
            None => Miss::NotFound { api: self.belongs(asked, true) },
        })
    }

    /// The answer where some rule fits but for the method.
    fn allowed(&self, asked: &Asked<'_, '_>) -> Result<Option<Miss>, Unusable> {
        let mut allow: Vec<&str> = Vec::new();
        // Of the most specific host, the longest base.
        let mut belongs: Option<Walk<'_, '_>> = None;
        for level in self.levels.of(asked.host) {
            let mut longest = None;
            for (index, path) in level.apis(asked.path) {
                let Some(walk) = self.walk(index, path)? else { continue };
                for rule in walk.fitting()? {
                    if rule.conditional && self.ready(rule)?.failing(asked).is_some() {
                        continue;
                    }
                    let names = walk.table.methods.iter().zip(0_u32..);
                    let own =
                        names.filter(|(_, bit)| rule.methods & 1_u32.checked_shl(*bit).unwrap_or(0) != 0);
                    for (name, _) in own {
                        allow.push(name);
                        allow.extend((name == "GET" && walk.api.matching.head).then_some("HEAD"));
                    }
                    longest = Some(walk);
                }
            }
            belongs = belongs.or(longest);
        }
        let Some(Walk { index: api, api: Api { matching, .. }, .. }) = belongs else { return Ok(None) };
        let mut list: Vec<&str> = Vec::with_capacity(allow.len().saturating_add(1));
        for name in allow.into_iter().chain(matching.options.then_some("OPTIONS")) {
            if !list.contains(&name) {
                list.push(name);
            }
        }
        let allow = list.join(", ");
        let answers = matching.options && asked.method == "OPTIONS";
        Ok(Some(if answers { Miss::Options { allow, api } } else { Miss::Method { allow, api } }))
    }

    /// The API that a request belongs to but for the version that it asks for.
    pub fn near(&self, asked: &Asked<'_, '_>) -> Option<u32> {
        self.belongs(asked, false)
    }

    /// The API that a request without a route belongs to: of the most specific host, of the longest base, and where that
    /// matters, of the version that is asked for.
    fn belongs(&self, asked: &Asked<'_, '_>, version: bool) -> Option<u32> {
        self.levels.of(asked.host).find_map(|level| {
            let mut longest: Option<(usize, u32)> = None;
            for (index, below) in level.apis(asked.path) {
                let depth = asked.path.len().saturating_sub(below.len());
                let api = self.plan.shared().apis.get(index as usize)?;
                let selector = api.selector.as_ref().filter(|_| version);
                let selected = selector.is_none_or(|selector| asked::selects(selector, asked));
                if selected && longest.is_none_or(|(known, _)| depth > known) {
                    longest = Some((depth, index));
                }
            }
            longest.map(|(_, index)| index)
        })
    }

    /// Where an API answers for the other form of a path by a redirect, and that form has a route.
    fn other_form(&self, asked: &Asked<'_, '_>) -> Result<Option<(u32, String)>, Unusable> {
        if asked.path == "/" || !self.redirects {
            return Ok(None);
        }
        let path = match asked.path.strip_suffix('/') {
            Some(path) => path.to_owned(),
            None => format!("{}/", asked.path),
        };
        let hit = self.best(&Asked { path: &path, ..*asked }, &mut false)?;
        let api = hit.filter(|hit| redirects(hit.api)).map(|hit| hit.index);
        Ok(api.map(|api| (api, path)))
    }

    /// A rule that is made ready.
    fn ready(&self, brief: &Brief) -> Result<&Ready, Unusable> {
        let missing = || Unusable::Load(LoadError::Missing("rule of this index"));
        let cell = self.rules.get(brief.rule as usize).ok_or_else(missing)?;
        let ready = cell.get_or_init(|| {
            let rule = self.plan.rule(brief.rule).map_err(Unusable::Load)?;
            Ready::new(rule).map_err(Unusable::Regex)
        });
        ready.as_ref().map_err(Clone::clone)
    }
}

fn redirects(api: &Api) -> bool {
    api.matching.slash == Slash::Redirected
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("plan", &self.plan.hash()).finish_non_exhaustive()
    }
}
