//! From a request line to a route: host, path, method.
//!
//! 1. **Host.** An exact host goes before the most specific `*.` pattern (one or more labels, as in the Gateway API),
//!    that before APIs of any host. The first of these levels that has an API whose base path the path lies under
//!    decides; later levels are not asked.
//! 2. **Base.** The longest base path that is a prefix of whole segments decides; shorter ones are not asked.
//! 3. **Path.** Segment by segment, literal text goes before parameters with text around them (longer suffixes first,
//!    then longer prefixes), these before parameters alone, these before catch-alls. Built on `matchit`.
//!    The base path itself, with or without a trailing slash, is the template `/`; elsewhere a trailing slash is
//!    significant, and a catch-all matches at least one character.
//! 4. **Method.** The methods of the matched template alone: the method itself, or GET's route for a HEAD, or `*`.
//!    Another template is not asked, so what a path means never depends on the method.

use crate::plan::{Plan, Route, format::LoadError};
use std::cell::OnceCell;
use std::rc::Rc;

pub mod host;
mod matcher;
pub mod path;
#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;

pub use matcher::{Conflict, Matcher, Params, matches};

/// A matched route.
#[derive(Debug)]
pub struct Found<'r, 'p> {
    /// The route.
    pub route: Rc<Route>,
    /// Its index in the plan.
    pub index: u32,
    /// What the template's parameters stand for.
    pub params: Params<'r, 'p>,
}

/// Why no route was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Miss {
    /// No template matches (404).
    NotFound {
        /// The API that the host and the base path belong to, if any; its CORS settings hold.
        api: Option<u32>,
    },
    /// A template matches, and has no route for the method (405).
    Method {
        /// Value of `Allow` (RFC 9110 §10.2.1).
        allow: String,
        /// The template's API.
        api: u32,
    },
    /// An `OPTIONS` request for a template that has no route for it: answered with 204 and `Allow`
    /// (RFC 9110 §9.3.7).
    Options {
        /// Value of `Allow`.
        allow: String,
        /// The template's API.
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
    /// Two templates of an API conflict.
    Conflict(Conflict),
}

/// An entry of the matcher that a request's host and path fit, for explain.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Index into the plan's APIs.
    pub api: u32,
    /// The API's base path and the template, in `matchit`'s syntax.
    pub template: String,
    /// Its methods (`*` for any) and their routes.
    pub methods: Vec<(String, u32)>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The route of this index answers.
    Won(u32),
    /// It was the matched template, but has no route for the method.
    Method,
    /// A template with more specific text was matched.
    LessSpecificPath,
    /// An API with a longer base path was asked.
    ShorterBase,
    /// An API of a more specific host pattern was asked.
    LessSpecificHost,
    /// An API declared earlier has the same host and base path.
    DeclaredLater,
}

/// The matcher of a whole plan.
pub struct Router {
    plan: Rc<Plan>,
    /// Exact hosts, in order of their names.
    exact: Vec<Host>,
    /// `*.` patterns without these two characters, in the same order.
    wildcard: Vec<Host>,
    /// APIs of any host.
    any: Host,
    /// For each API, its matcher: built at the first request that needs it, since a tree cannot be serialised.
    matchers: Vec<OnceCell<Result<Matcher, Unusable>>>,
}

/// The APIs of one host pattern.
#[derive(Default)]
struct Host {
    name: String,
    /// Whether the pattern has `*.` before the name.
    wildcard: bool,
    /// Base paths with their APIs, in order of the base paths; of equal ones the first declared alone.
    bases: Vec<(String, u32)>,
    /// Length of the longest base path, in bytes.
    longest: usize,
}

impl Router {
    /// A router that has looked at hosts and base paths, at no route.
    pub fn new(plan: Rc<Plan>) -> Router {
        let (mut exact, mut wildcard, mut any) = (Vec::new(), Vec::new(), Host::default());
        for (api, index) in plan.shared().apis.iter().zip(0_u32..) {
            if api.hosts.is_empty() {
                any.add(&api.base, index);
            }
            for pattern in &api.hosts {
                match pattern.strip_prefix("*.") {
                    Some(suffix) => Host::of(&mut wildcard, suffix, true).add(&api.base, index),
                    None => Host::of(&mut exact, pattern, false).add(&api.base, index),
                }
            }
        }
        let matchers = plan.shared().apis.iter().map(|_| OnceCell::new()).collect();
        Router { plan, exact, wildcard, any, matchers }
    }

    /// The plan.
    pub fn plan(&self) -> &Rc<Plan> {
        &self.plan
    }

    /// The route for a host in canonical form ([`host::canonical`]), a method, and a path in canonical form
    /// ([`path::canonical`]).
    ///
    /// The route's own rule on encoded slashes is not applied here: see [`path::permitted`].
    ///
    /// # Errors
    /// See [`Miss`].
    pub fn find<'r, 'p>(&'r self, host: &str, method: &str, path: &'p str) -> Result<Found<'r, 'p>, Miss> {
        let Some((api, rest)) = self.levels(host).find_map(|level| level.longest_base(path)) else {
            return Err(Miss::NotFound { api: None });
        };
        let matcher = self.matcher(api).map_err(Miss::Unusable)?;
        let Some((entry, params)) = matcher.at(rest) else {
            return Err(Miss::NotFound { api: Some(api) });
        };
        let Some(index) = matcher.method(entry, method) else {
            let allow = matcher.allow(entry);
            return Err(match method {
                "OPTIONS" => Miss::Options { allow, api },
                _ => Miss::Method { allow, api },
            });
        };
        let route = self.plan.route(index).map_err(|error| Miss::Unusable(Unusable::Load(error)))?;
        Ok(Found { route, index, params })
    }

    /// Every entry that the host and the path fit, the one that was matched first, and why the others lost. Slow: for
    /// explain, not for requests.
    ///
    /// # Errors
    /// A part of the plan that cannot be used.
    pub fn candidates(&self, host: &str, method: &str, path: &str) -> Result<Vec<Candidate>, Unusable> {
        let mut candidates = Vec::new();
        let mut decided = false;
        for level in self.levels(host) {
            let asked = level.longest_base(path).map(|(api, _)| api);
            // Not only the first declared of each base path, as in the tables: explain shows the shadowed ones too.
            for (api, index) in self.plan.shared().apis.iter().zip(0_u32..) {
                let Some(rest) = level.serves(&api.hosts).then(|| below(path, &api.base)).flatten() else {
                    continue;
                };
                let won = match self.matcher(index)?.at(rest) {
                    Some((entry, _)) if !decided && asked == Some(index) => Some(entry),
                    _ => None,
                };
                let base = asked.and_then(|asked| self.plan.shared().apis.get(usize::try_from(asked).ok()?));
                for (entry, position) in self.plan.entries(index).map_err(Unusable::Load)?.iter().zip(0_u32..)
                {
                    if !matches(entry.template, rest) {
                        continue;
                    }
                    let verdict = match () {
                        () if decided => Verdict::LessSpecificHost,
                        () if won == Some(position) => self
                            .matcher(index)?
                            .method(position, method)
                            .map_or(Verdict::Method, Verdict::Won),
                        () if asked == Some(index) => Verdict::LessSpecificPath,
                        () if base.is_some_and(|base| base.base == api.base) => Verdict::DeclaredLater,
                        () => Verdict::ShorterBase,
                    };
                    candidates.push(Candidate {
                        api: index,
                        template: format!("{}{}", api.base, entry.template),
                        methods: entry
                            .methods
                            .iter()
                            .map(|(name, route)| ((*name).to_owned(), *route))
                            .collect(),
                        verdict,
                    });
                }
            }
            decided |= asked.is_some();
        }
        candidates.sort_by_key(|candidate| !matches!(candidate.verdict, Verdict::Won(_) | Verdict::Method));
        Ok(candidates)
    }

    /// The host patterns that fit, the most specific first.
    fn levels<'r>(&'r self, host: &str) -> impl Iterator<Item = &'r Host> {
        let exact = Host::get(&self.exact, host);
        let mut suffix = Some(host).filter(|_| !self.wildcard.is_empty());
        let wildcards = std::iter::from_fn(move || {
            loop {
                suffix = Some(suffix?.split_once('.')?.1);
                if let Some(found) = suffix.and_then(|suffix| Host::get(&self.wildcard, suffix)) {
                    return Some(found);
                }
            }
        });
        exact.into_iter().chain(wildcards).chain(std::iter::once(&self.any))
    }

    fn matcher(&self, api: u32) -> Result<&Matcher, Unusable> {
        let missing = || Unusable::Load(LoadError::Missing("API of this index"));
        let cell = usize::try_from(api).ok().and_then(|i| self.matchers.get(i)).ok_or_else(missing)?;
        let built = cell.get_or_init(|| {
            let entries = self.plan.entries(api).map_err(Unusable::Load)?;
            Matcher::new(&entries).map_err(Unusable::Conflict)
        });
        built.as_ref().map_err(Clone::clone)
    }
}

impl Host {
    fn of<'a>(hosts: &'a mut Vec<Host>, name: &str, wildcard: bool) -> &'a mut Host {
        let at = match hosts.binary_search_by(|host| host.name.as_str().cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                hosts.insert(at, Host { name: name.to_owned(), wildcard, ..Host::default() });
                at
            }
        };
        #[allow(clippy::indexing_slicing)] // Found or inserted just now.
        &mut hosts[at]
    }

    fn get<'a>(hosts: &'a [Host], name: &str) -> Option<&'a Host> {
        hosts.binary_search_by(|host| host.name.as_str().cmp(name)).ok().and_then(|at| hosts.get(at))
    }

    fn add(&mut self, base: &str, api: u32) {
        if let Err(at) = self.bases.binary_search_by(|(other, _)| other.as_str().cmp(base)) {
            self.bases.insert(at, (base.to_owned(), api));
            self.longest = self.longest.max(base.len());
        }
    }

    /// The API with the longest base path that is a prefix of whole segments, and the path below it.
    fn longest_base<'p>(&self, path: &'p str) -> Option<(u32, &'p str)> {
        let ends = path.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(at, _)| at);
        let ends = ends.chain(std::iter::once(path.len())).take_while(|end| *end <= self.longest);
        let mut best = None;
        for end in ends {
            let Some((base, rest)) = path.split_at_checked(end) else { continue };
            if let Ok(at) = self.bases.binary_search_by(|(other, _)| other.as_str().cmp(base)) {
                best = self.bases.get(at).map(|(_, api)| (*api, if rest.is_empty() { "/" } else { rest }));
            }
        }
        best
    }

    /// Whether this is a level of an API with these host patterns.
    fn serves(&self, patterns: &[String]) -> bool {
        if patterns.is_empty() {
            return self.name.is_empty();
        }
        patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(suffix) => self.wildcard && suffix == self.name,
            None => !self.wildcard && *pattern == self.name,
        })
    }
}

/// The path below a base, if it lies below it.
fn below<'p>(path: &'p str, base: &str) -> Option<&'p str> {
    match path.strip_prefix(base)? {
        "" => Some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}
