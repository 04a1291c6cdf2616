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
use walk::{Hit, Methods, Rank, Walk};

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
pub use explain::{Candidate, Verdict, matches};
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
        /// The first such rule's API.
        api: u32,
    },
    /// An `OPTIONS` request that no rule takes, where some rule fits but for the method: answered with 204 and `Allow`
    /// (RFC 9110 §9.3.7).
    Options {
        /// Value of `Allow`.
        allow: String,
        /// The first such rule's API.
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
    rules: Vec<OnceCell<Option<Rc<Ready>>>>,
}

/// A hit, and where.
struct Best<'r, 'p> {
    api: u32,
    table: &'r Table,
    hit: Hit<'p>,
}

impl Router {
    /// A router that has looked at hosts and base paths, at no rule.
    pub fn new(plan: Rc<Plan>) -> Router {
        let levels = Levels::new(&plan.shared().apis);
        let tables = plan.shared().apis.iter().map(|_| OnceCell::new()).collect();
        let rules = (0..plan.rules()).map(|_| OnceCell::new()).collect();
        Router { plan, levels, tables, rules }
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
        // Whether a path fits, and lacks the method.
        let mut wrong = false;
        for level in self.levels.of(asked.host) {
            let mut best: Option<Best<'r, 'p>> = None;
            for (index, path) in level.apis(asked.path) {
                let Some((table, api, path)) = self.below(index, path).map_err(Miss::Unusable)? else {
                    continue;
                };
                let walk = Walk { table, slash: api.matching.slash == Slash::Ignored };
                let methods = Methods::of(table, asked.method, api.matching.head);
                let Some(hit) = walk.first(path, asked, methods, &|rule| self.ready(rule), &mut wrong) else {
                    continue;
                };
                if best.as_ref().is_none_or(|best| hit.rank < best.hit.rank) {
                    best = Some(Best { api: index, table, hit });
                }
            }
            if let Some(best) = best {
                return self.found(asked, best).map_err(Miss::Unusable);
            }
        }
        Err(self.miss(asked, wrong))
    }

    /// An API's table, the API, and the path below its base as its settings see it; `None`: they do not take this form.
    #[allow(clippy::type_complexity)]
    fn below<'r, 'p>(
        &'r self,
        index: u32,
        path: &'p str,
    ) -> Result<Option<(&'r Table, &'r Api, &'p str)>, Unusable> {
        let missing = || Unusable::Load(LoadError::Missing("API of this index"));
        let table = self.table(index)?;
        let api = self.plan.shared().apis.get(index as usize).ok_or_else(missing)?;
        let path = match (path, api.matching.base) {
            ("", BaseForm::Slash) if !api.base.is_empty() => return Ok(None),
            ("/", BaseForm::Bare) if !api.base.is_empty() => return Ok(None),
            ("", _) => "/",
            (path, _) => path,
        };
        Ok(Some((table, api, path)))
    }

    fn found<'r, 'p>(&'r self, asked: &Asked<'p, '_>, best: Best<'r, 'p>) -> Result<Found<'r, 'p>, Unusable> {
        let missing = || Unusable::Load(LoadError::Missing("rule of this index"));
        let brief = best.table.rules.get(best.hit.position as usize).ok_or_else(missing)?;
        let route = self.plan.route(brief.route).map_err(Unusable::Load)?;
        let hosts = self.plan.shared().apis.get(best.api as usize).map(|api| api.hosts.as_slice());
        let label = host::label(hosts.unwrap_or_default(), asked.host);
        let params = Params { table: best.table, names: brief.names, values: best.hit.values, label };
        Ok(Found { route, index: brief.route, rule: brief.rule, params })
    }

    /// Why nothing fits. `wrong`: some path fits, and lacks the method.
    #[cold]
    fn miss(&self, asked: &Asked<'_, '_>, wrong: bool) -> Miss {
        if wrong {
            match self.allowed(asked) {
                Ok(Some(miss)) => return miss,
                Ok(None) => {}
                Err(part) => return Miss::Unusable(part),
            }
        }
        let api = self.belongs(asked);
        if let Some((api, path)) = self.other_form(asked) {
            return Miss::Slash { path, api };
        }
        Miss::NotFound { api }
    }

    /// The answer where some rule fits but for the method.
    fn allowed(&self, asked: &Asked<'_, '_>) -> Result<Option<Miss>, Unusable> {
        let mut allow: Vec<&str> = Vec::new();
        let (mut first, mut options, mut head) = (None, true, true);
        for level in self.levels.of(asked.host) {
            for (index, path) in level.apis(asked.path) {
                let Some((table, api, path)) = self.below(index, path)? else { continue };
                let ready = |rule: &Brief| self.ready(rule);
                let walk = Walk { table, slash: api.matching.slash == Slash::Ignored };
                let mut fits: Vec<&Brief> = Vec::new();
                walk.each(
                    path,
                    &mut |position, values| walk.regex(position, path, &ready, values),
                    &mut |leaves, _| {
                        fits.extend(leaves.iter().filter_map(|at| table.rules.get(*at as usize)));
                        false
                    },
                );
                for rule in fits {
                    if rule.conditional && self.ready(rule).is_none_or(|rule| rule.failing(asked).is_some()) {
                        continue;
                    }
                    let names = table.methods.iter().zip(0_u32..);
                    let names =
                        names.filter(|(_, bit)| rule.methods & 1_u32.checked_shl(*bit).unwrap_or(0) != 0);
                    allow.extend(names.map(|(name, _)| name.as_str()));
                    if first.is_none() {
                        first = Some(index);
                        (options, head) = (api.matching.options, api.matching.head);
                    }
                }
            }
        }
        let Some(api) = first else { return Ok(None) };
        let mut list: Vec<&str> = Vec::with_capacity(allow.len().saturating_add(2));
        let head = allow.contains(&"GET").then_some("HEAD").filter(|_| head);
        for name in allow.into_iter().chain(head).chain(options.then_some("OPTIONS")) {
            if !list.contains(&name) {
                list.push(name);
            }
        }
        let allow = list.join(", ");
        let answers = options && asked.method == "OPTIONS";
        Ok(Some(if answers { Miss::Options { allow, api } } else { Miss::Method { allow, api } }))
    }

    /// The API that a request without a route belongs to: of the most specific host, of the longest base, of the version
    /// that is asked for.
    fn belongs(&self, asked: &Asked<'_, '_>) -> Option<u32> {
        self.levels.of(asked.host).find_map(|level| {
            let mut longest: Option<(usize, u32)> = None;
            for (index, below) in level.apis(asked.path) {
                let depth = asked.path.len().saturating_sub(below.len());
                let api = self.plan.shared().apis.get(index as usize)?;
                let selected = api.selector.as_ref().is_none_or(|selector| asked::selects(selector, asked));
                if selected && longest.is_none_or(|(known, _)| depth > known) {
                    longest = Some((depth, index));
                }
            }
            longest.map(|(_, index)| index)
        })
    }

    /// Where an API answers for the other form of a path by a redirect, and that form has a route.
    fn other_form(&self, asked: &Asked<'_, '_>) -> Option<(u32, String)> {
        let redirects = |api: &Api| api.matching.slash == Slash::Redirected;
        if asked.path == "/" || !self.plan.shared().apis.iter().any(redirects) {
            return None;
        }
        let path = match asked.path.strip_suffix('/') {
            Some(path) => path.to_owned(),
            None => format!("{}/", asked.path),
        };
        let found = self.find_other(&Asked { path: &path, ..*asked })?;
        self.plan.shared().apis.get(found as usize).filter(|api| redirects(api))?;
        Some((found, path))
    }

    /// The API of the route of a path, without another look at its other form.
    fn find_other(&self, asked: &Asked<'_, '_>) -> Option<u32> {
        self.levels.of(asked.host).find_map(|level| {
            let mut best: Option<(u32, Rank)> = None;
            for (index, path) in level.apis(asked.path) {
                let (table, api, path) = self.below(index, path).ok()??;
                let walk = Walk { table, slash: false };
                let methods = Methods::of(table, asked.method, api.matching.head);
                if let Some(hit) = walk.first(path, asked, methods, &|rule| self.ready(rule), &mut false)
                    && best.is_none_or(|(_, rank)| hit.rank < rank)
                {
                    best = Some((index, hit.rank));
                }
            }
            best.map(|(index, _)| index)
        })
    }

    fn table(&self, api: u32) -> Result<&Table, Unusable> {
        let missing = || Unusable::Load(LoadError::Missing("API of this index"));
        let cell = self.tables.get(api as usize).ok_or_else(missing)?;
        cell.get_or_init(|| self.plan.table(api).map_err(Unusable::Load)).as_ref().map_err(Clone::clone)
    }

    /// A rule that is made ready; `None`: it cannot be, and fits nothing.
    fn ready(&self, brief: &Brief) -> Option<Rc<Ready>> {
        let cell = self.rules.get(brief.rule as usize)?;
        cell.get_or_init(|| Some(Rc::new(Ready::new(self.plan.rule(brief.rule).ok()?).ok()?))).clone()
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("plan", &self.plan.hash()).finish_non_exhaustive()
    }
}
