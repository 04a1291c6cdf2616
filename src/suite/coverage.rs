//! What tests have seen: of each route, and of each of its policies what it did. A policy that no test ever saw refuse
//! may as well not be there.

use super::stage::{Bench, Met};
use crate::fault::Reason;
use crate::plan::{Action, Route, Shared};
use crate::policy::https::Https;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One thing that a policy of a route does, and whether a test saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The policy, e.g. `limit orders/v2/checkout`.
    pub policy: String,
    /// What it does, e.g. `refuse`.
    pub does: &'static str,
    /// Whether a test saw it.
    pub seen: bool,
}

/// What tests have seen of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteCoverage {
    /// `API/VERSION/NAME`.
    pub route: String,
    /// Who owns it.
    pub owner: String,
    /// Where it is declared.
    pub place: String,
    /// Requests that belonged to it.
    pub requests: u32,
    /// Its policies.
    pub cells: Vec<Cell>,
}

/// What tests have seen.
#[derive(Clone, Debug)]
pub struct Coverage {
    shared: Shared,
    plan: Vec<Route>,
    routes: Vec<RouteCoverage>,
    index: HashMap<(u32, String), usize>,
}

/// What a field of a route brings: called without what came of a request, it lists its cells; with it, it says which
/// of them that request has seen.
type Look = fn(&Shared, &Route, Option<&Met>, &mut dyn FnMut(String, &'static str, bool));

/// Every field of [`Route`], and what coverage looks for in it.
pub const FIELDS: &[(&str, Look)] = &[
    ("name", nothing),
    ("api", nothing),
    ("source", nothing),
    ("template", nothing),
    ("https", https),
    ("paths", paths),
    ("auth", auth),
    ("limits", limits),
    ("body", body),
    ("cors", cors),
    ("cache", cache),
    ("headers", headers),
    ("action", action),
    ("timeout", timeout),
    // They stand for the issuers that need them.
    ("secrets", nothing),
    ("csrf", csrf),
    ("hsts", hsts),
    ("maintenance", maintenance),
    // It follows from the matches of all routes.
    ("vary", nothing),
];

impl Coverage {
    /// Of a plan, before any test.
    pub fn new(bench: &Bench) -> Coverage {
        let shared = &bench.shared;
        let of = |route: &Route| {
            let api = shared.apis.get(usize::try_from(route.api).unwrap_or(usize::MAX));
            let name =
                api.map_or_else(String::new, |api| format!("{}/{}/{}", api.name, api.version, route.name));
            let owner = api.map_or_else(String::new, |api| api.owner.clone());
            let mut cells = Vec::new();
            for (_, look) in FIELDS {
                look(shared, route, None, &mut |policy, does, seen| cells.push(Cell { policy, does, seen }));
            }
            RouteCoverage { route: name, owner, place: shared.place(&route.source), requests: 0, cells }
        };
        let index = bench.routes.iter().enumerate();
        let index = index.map(|(at, route)| ((route.api, route.name.clone()), at)).collect();
        Coverage {
            shared: shared.clone(),
            plan: bench.routes.clone(),
            routes: bench.routes.iter().map(of).collect(),
            index,
        }
    }

    /// Counts a request.
    pub fn note(&mut self, met: &Met) {
        let Some(route) = &met.event.route else { return };
        let at = self.index.get(&(route.api, route.name.clone())).copied();
        let Some((route, own)) = at.and_then(|at| Some((self.plan.get(at)?, self.routes.get_mut(at)?)))
        else {
            return;
        };
        own.requests = own.requests.saturating_add(1);
        let mut cells = own.cells.iter_mut();
        for (_, look) in FIELDS {
            // The same cells in the same order as without a request.
            look(&self.shared, route, Some(met), &mut |_, _, seen| {
                if let Some(cell) = cells.next() {
                    cell.seen |= seen;
                }
            });
        }
    }

    /// Adds what other tests have seen, of this plan or of another environment's.
    pub fn merge(&mut self, other: Coverage) {
        for theirs in other.routes {
            let Some(ours) = self.routes.iter_mut().find(|ours| ours.route == theirs.route) else {
                self.routes.push(theirs);
                continue;
            };
            ours.requests = ours.requests.saturating_add(theirs.requests);
            for cell in theirs.cells {
                match ours.cells.iter_mut().find(|own| own.policy == cell.policy && own.does == cell.does) {
                    Some(own) => own.seen |= cell.seen,
                    None => ours.cells.push(cell),
                }
            }
        }
    }

    /// The routes in declared order.
    pub fn routes(&self) -> &[RouteCoverage] {
        &self.routes
    }

    /// How much was seen in all.
    pub fn counts(&self) -> Counts {
        Counts::of(self.routes.iter())
    }

    /// The same for each owner.
    pub fn by_owner(&self) -> BTreeMap<&str, Counts> {
        let owners: BTreeSet<&str> = self.routes.iter().map(|route| route.owner.as_str()).collect();
        let own = |owner: &str| Counts::of(self.routes.iter().filter(|route| route.owner == owner));
        owners.into_iter().map(|owner| (owner, own(owner))).collect()
    }
}

/// How much was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Per cent of the cells, rounded down; 100 of none.
    pub percent: usize,
    /// Routes with a test.
    pub routes_tested: usize,
    /// All routes.
    pub routes: usize,
    /// Cells seen; a route itself counts as one.
    pub seen: usize,
    /// All cells.
    pub all: usize,
}

impl Counts {
    fn of<'r>(routes: impl Iterator<Item = &'r RouteCoverage>) -> Counts {
        let mut counts = Counts { percent: 100, routes_tested: 0, routes: 0, seen: 0, all: 0 };
        for route in routes {
            let (tested, seen) =
                (usize::from(route.requests > 0), route.cells.iter().filter(|cell| cell.seen).count());
            counts.routes_tested = counts.routes_tested.saturating_add(tested);
            counts.routes = counts.routes.saturating_add(1);
            counts.seen = counts.seen.saturating_add(tested).saturating_add(seen);
            counts.all = counts.all.saturating_add(1).saturating_add(route.cells.len());
        }
        counts.percent = counts.seen.saturating_mul(100).checked_div(counts.all).unwrap_or(100);
        counts
    }
}

/// How far a request came, in the order of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Route,
    Guard,
    Body,
    Token,
    Scope,
    Limit,
    Cache,
    Upstream,
    Done,
}

fn phase(met: &Met) -> Phase {
    match met.event.reason {
        // A preflight, or an OPTIONS that is answered here: nothing behind the match was asked.
        None if met.asked.method == "OPTIONS" && met.sent.is_empty() => Phase::Route,
        None if sent_to_https(met) => Phase::Guard,
        None => Phase::Done,
        Some(Reason::HttpsRequired | Reason::SecretMissing | Reason::CrossSite | Reason::Maintenance) => {
            Phase::Guard
        }
        Some(Reason::LengthRequired | Reason::BodyTooLarge) => Phase::Body,
        Some(Reason::ScopeInsufficient) => Phase::Scope,
        Some(Reason::RateLimited | Reason::QuotaExhausted | Reason::LimitUnavailable) => Phase::Limit,
        Some(Reason::NotCached) => Phase::Cache,
        Some(Reason::UpstreamUnreachable | Reason::UpstreamTimeout | Reason::UpstreamInvalid) => {
            Phase::Upstream
        }
        Some(Reason::IssuerUnavailable) => Phase::Token,
        Some(reason) if reason.status() == 401 => Phase::Token,
        Some(_) => Phase::Route,
    }
}

/// Whether it came by plain HTTP to a route that redirects that.
fn sent_to_https(met: &Met) -> bool {
    let redirects = met.event.route.as_ref().is_some_and(|route| route.https == Https::Redirect);
    redirects && met.event.status == 308 && met.asked.url.starts_with("http:")
}

fn stopped(met: Option<&Met>, at: Phase) -> bool {
    met.is_some_and(|met| phase(met) == at)
}

fn passed(met: Option<&Met>, at: Phase) -> bool {
    met.is_some_and(|met| phase(met) > at)
}

type Out<'o> = &'o mut dyn FnMut(String, &'static str, bool);

fn nothing(_: &Shared, _: &Route, _: Option<&Met>, _: Out<'_>) {}

fn https(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    match route.https {
        Https::Optional => return,
        Https::Required => {
            let refused = |met: &Met| met.event.reason == Some(Reason::HttpsRequired);
            out("https".into(), "refuse", met.is_some_and(refused));
        }
        Https::Redirect => out("https".into(), "redirect", met.is_some_and(sent_to_https)),
    }
    out("https".into(), "pass", passed(met, Phase::Guard));
}

fn paths(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if route.paths.encoded_slashes {
        let slash = |met: &Met| met.asked.url.to_ascii_lowercase().contains("%2f");
        out("encoded slashes".into(), "pass", met.is_some_and(slash));
    }
}

fn auth(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    let Some(auth) = &route.auth else { return };
    out("auth".into(), "pass", met.is_some_and(|met| met.event.identity.is_some()));
    out("auth".into(), "refuse", stopped(met, Phase::Token));
    if !auth.scopes.is_empty() {
        out("scopes".into(), "pass", passed(met, Phase::Scope));
        out("scopes".into(), "refuse", stopped(met, Phase::Scope));
    }
}

fn limits(shared: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    for index in &route.limits {
        let limit = shared.limits.get(usize::try_from(*index).unwrap_or(usize::MAX));
        let name = limit.map_or_else(String::new, |limit| format!("limit {}", limit.id));
        let own = |met: &Met| met.event.limit.is_some_and(|state| state.limit == *index);
        out(name.clone(), "pass", passed(met, Phase::Limit));
        out(name, "refuse", stopped(met, Phase::Limit) && met.is_some_and(own));
    }
}

fn body(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if route.body.is_some() {
        let has = |met: &Met| met.asked.headers.iter().any(|(name, _)| name == "content-length");
        out("body".into(), "pass", passed(met, Phase::Body) && met.is_some_and(has));
        out("body".into(), "refuse", stopped(met, Phase::Body));
    }
}

fn cors(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if route.cors.is_none() {
        return;
    }
    let field = |met: &Met, name: &str| {
        let own = met.asked.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.clone())
    };
    let allowed = |met: &Met| {
        let told = met.seen.header("access-control-allow-origin");
        told.is_some_and(|told| told == "*" || Some(told) == field(met, "origin").as_deref())
    };
    let asks = |met: &Met| field(met, "origin").is_some();
    let preflight = |met: &Met| field(met, "access-control-request-method").is_some();
    out("cors".into(), "allow", met.is_some_and(|met| asks(met) && !preflight(met) && allowed(met)));
    out("cors".into(), "preflight", met.is_some_and(|met| asks(met) && preflight(met) && allowed(met)));
    out("cors".into(), "refuse", met.is_some_and(|met| asks(met) && !allowed(met)));
}

fn cache(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    use crate::event::CacheUse;
    if route.cache.is_some() {
        let is = |what| met.is_some_and(|met: &Met| met.event.cache == what);
        out("cache".into(), "hit", is(CacheUse::Hit));
        out("cache".into(), "miss", is(CacheUse::Miss));
    }
}

fn headers(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if !route.headers.request.is_empty() {
        out("request headers".into(), "edit", met.is_some_and(|met| !met.sent.is_empty()));
    }
    if !route.headers.response.is_empty() {
        out("response headers".into(), "edit", met.is_some());
    }
}

fn action(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    let sent = met.is_some_and(|met| !met.sent.is_empty());
    match &route.action {
        Action::Forward(forward) => {
            out("upstream".into(), "forward", sent);
            if forward.rewrite.is_some() {
                out("rewrite".into(), "apply", sent);
            }
            if forward.failover > 0 {
                out("failover".into(), "try another", met.is_some_and(|met| met.event.attempts.len() > 1));
            }
            out("upstream".into(), "fail", stopped(met, Phase::Upstream));
            if !forward.mirrors.is_empty() {
                out("mirrors".into(), "copy", met.is_some_and(|met| !met.mirrored.is_empty()));
            }
            for backend in forward.split.iter().flat_map(|split| &split.backends) {
                let own = |met: &Met| met.event.attempts.iter().any(|a| a.upstream == backend.upstream);
                out(format!("backend {}", backend.name), "forward", met.is_some_and(own));
            }
        }
        Action::Redirect(_) => out("redirect".into(), "reply", passed(met, Phase::Cache)),
        Action::Respond(_) => out("respond".into(), "reply", passed(met, Phase::Cache)),
        Action::Combine(combine) => {
            let partial = met.is_some_and(|met| met.seen.header("tollgate-partial").is_some());
            out("combine".into(), "merge", passed(met, Phase::Upstream) && sent && !partial);
            if combine.calls.iter().any(|call| !call.required) {
                out("combine".into(), "leave a part out", partial);
            }
            out("combine".into(), "fail", stopped(met, Phase::Upstream));
        }
    }
}

fn timeout(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if !matches!(route.action, Action::Forward(_) | Action::Combine(_)) {
        return;
    }
    let late = |met: &Met| {
        met.event.reason == Some(Reason::UpstreamTimeout)
            || met.event.attempts.iter().any(|a| a.result == Err(crate::ports::FetchFault::Timeout))
    };
    out("timeout".into(), "give up", met.is_some_and(late));
}

fn csrf(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if route.csrf.is_some() {
        let unsafe_method = |met: &Met| !matches!(met.asked.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let refused = |met: &Met| met.event.reason == Some(Reason::CrossSite);
        out("csrf".into(), "pass", met.is_some_and(|met| unsafe_method(met) && !refused(met)));
        out("csrf".into(), "refuse", met.is_some_and(refused));
    }
}

fn hsts(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if route.hsts.is_some() {
        let told = |met: &Met| met.seen.header("strict-transport-security").is_some();
        out("hsts".into(), "tell", met.is_some_and(told));
    }
}

fn maintenance(_: &Shared, route: &Route, met: Option<&Met>, out: Out<'_>) {
    if let Some(rule) = &route.maintenance {
        let refused = |met: &Met| met.event.reason == Some(Reason::Maintenance);
        out("maintenance".into(), "refuse", met.is_some_and(refused));
        if !rule.allow.is_empty() || rule.key.is_some() {
            out("maintenance".into(), "pass", met.is_some_and(|met| !refused(met)));
        }
    }
}
