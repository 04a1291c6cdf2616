//! What a gateway does when what it depends on is down, slow, or answers garbage: for every route, by asking the
//! pipeline. Each cell is a request through the real plan in a simulated world of which one thing is broken, so the
//! answers cannot differ from what the gateway would do.

mod trial;

use super::witness;
use crate::config::Compiled;
use crate::pipeline::Gateway;
use crate::plan::compile::analysis::{Placed, Requests, Witness};
use crate::plan::{Action, Route, Shared};
use crate::suite::{Bench, Parts};
use crate::token::Keys;
use serde::Serialize;
use trial::Trial;

/// What may fail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Dependency {
    /// All targets of an upstream.
    Upstream(String),
    /// One target of an upstream that has several, by its URL.
    Target(String),
    /// The key set of an issuer, where no token of the caller and no key is remembered.
    Keys(String),
    /// The same while an earlier set is known, and its time is over.
    StaleKeys(String),
    /// A secret by its binding.
    Secret(String),
    /// The objects that count.
    Limiter,
    /// The cache.
    Cache,
    /// The objects that keep events.
    Journal,
    /// An upstream that gets copies, and nothing else of the route.
    Mirror(String),
    /// The sink of data points.
    Analytics,
    /// The compiled plan.
    Plan,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does not answer; a secret: it is not bound; the plan: there is none.
    Down,
    /// It answers after every deadline.
    Slow,
    /// It answers with what is no answer; a secret: another value.
    Garbage,
}

/// What comes of a request then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The client sees no difference.
    None,
    /// The request passes although a check could not be made: the route file says `open`.
    Open,
    /// The request passes, and each isolate counts by itself.
    Degrades,
    /// The answer lacks a part, and says so.
    Partial,
    /// What the upstream answered is passed on unread.
    Passed,
    /// The client gets a problem of the gateway's.
    Fails,
    /// Nothing: no request that could be made up is sent there.
    Unasked,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// What fails.
    #[serde(flatten)]
    pub dependency: Dependency,
    /// How.
    pub mode: Mode,
    /// What comes of it.
    pub effect: Effect,
    /// Status that the client sees.
    pub status: u16,
    /// Code of the problem's reason.
    pub reason: Option<String>,
    /// Milliseconds that the client waits, beside the time that a healthy gateway and its origins take.
    pub waits_ms: u64,
}

/// A route and its answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteFailures {
    /// `api/version/route`.
    pub route: String,
    /// Who owns it.
    pub owner: String,
    /// Where it is declared.
    pub place: String,
    /// The request that was made; `None`: none could be made up, as where what it matches is too much to decide.
    pub request: Option<String>,
    /// What a healthy gateway answers; 0: nothing was asked.
    pub status: u16,
    /// The reason of a healthy gateway's refusal, such as maintenance.
    pub reason: Option<String>,
    /// By dependency and mode.
    pub cells: Vec<Cell>,
}

/// The answers of a compiled plan for the routes of wanted names, in their order.
///
/// # Errors
/// A plan that cannot be used.
pub fn all(compiled: &Compiled, wanted: impl Fn(&str) -> bool) -> Result<Vec<RouteFailures>, String> {
    let bench = Bench::new(Parts::of(compiled))?;
    let gateway = Gateway::new(bench.plan.clone(), 0);
    let router = gateway.router().ok_or_else(|| gateway.unusable().unwrap_or_default())?;
    let placed = Placed::all(&bench.shared.apis, compiled.rules.iter().flatten(), &bench.routes);
    let mut requests = Requests::new(&placed);
    let mut all = Vec::new();
    for (route, index) in bench.routes.iter().zip(0_u32..) {
        let Some(api) = bench.shared.apis.get(route.api as usize) else { continue };
        let name = format!("{}/{}/{}", api.name, api.version, route.name);
        if wanted(&name) {
            let about = RouteFailures {
                route: name,
                owner: api.owner.clone(),
                place: bench.shared.place(&route.source),
                request: None,
                status: 0,
                reason: None,
                cells: Vec::new(),
            };
            let witness = witness::of(&mut requests, &placed, router, index);
            all.push(match witness {
                Some(witness) => failures(&bench.shared, &gateway, route, about, &witness),
                None => about,
            });
        }
    }
    Ok(all)
}

fn failures(
    shared: &Shared,
    gateway: &Gateway,
    route: &Route,
    about: RouteFailures,
    witness: &Witness,
) -> RouteFailures {
    let trial = Trial::new(shared, gateway, route, witness);
    let (status, reason) = trial.healthy();
    let dependencies = dependencies(shared, route).into_iter();
    let cells = dependencies.flat_map(|dependency| trial.cells(&dependency, modes(&dependency))).collect();
    let request = Some(witness.to_string());
    RouteFailures { request, status, reason, cells, ..about }
}

/// Everything outside that the route's way touches: read of the very fields that the pipeline reads.
fn dependencies(shared: &Shared, route: &Route) -> Vec<Dependency> {
    let mut all = Vec::new();
    let mut upstreams: Vec<u32> = match &route.action {
        Action::Forward(forward) => {
            let backends = forward.split.iter().flat_map(|split| &split.backends);
            let split: Vec<u32> = backends.map(|backend| backend.upstream).collect();
            if split.is_empty() { vec![forward.upstream] } else { split }
        }
        Action::Combine(combine) => combine.calls.iter().map(|call| call.upstream).collect(),
        Action::Redirect(_) | Action::Respond(_) => Vec::new(),
    };
    upstreams.sort_unstable();
    upstreams.dedup();
    for upstream in upstreams.iter().filter_map(|index| shared.upstreams.get(*index as usize)) {
        all.push(Dependency::Upstream(upstream.id.clone()));
        if upstream.targets.len() > 1 {
            all.extend(upstream.targets.iter().map(|target| Dependency::Target(target.url.clone())));
        }
    }
    let issuers = route.auth.iter().flat_map(|rule| &rule.issuers);
    let mut secrets = route.secrets.clone();
    for issuer in issuers.filter_map(|index| shared.issuers.get(*index as usize)) {
        match &issuer.keys {
            Keys::Jwks { .. } => {
                all.push(Dependency::Keys(issuer.id.clone()));
                all.push(Dependency::StaleKeys(issuer.id.clone()));
            }
            Keys::Secret(name) => secrets.push(name.clone()),
            Keys::Inline(_) => {}
        }
    }
    secrets.sort();
    secrets.dedup();
    all.extend(secrets.into_iter().map(Dependency::Secret));
    if !route.limits.is_empty() {
        all.push(Dependency::Limiter);
    }
    if route.cache.is_some() {
        all.push(Dependency::Cache);
    }
    if let Action::Forward(forward) = &route.action {
        // What the request itself needs is said already.
        let only =
            forward.mirrors.iter().map(|mirror| mirror.upstream).filter(|own| !upstreams.contains(own));
        let only = only.filter_map(|index| shared.upstreams.get(index as usize));
        all.extend(only.map(|mirror| Dependency::Mirror(mirror.id.clone())));
    }
    all.extend([Dependency::Journal, Dependency::Analytics, Dependency::Plan]);
    all
}

fn modes(dependency: &Dependency) -> &'static [Mode] {
    match dependency {
        // They are read, not asked.
        Dependency::Secret(_) | Dependency::Plan => &[Mode::Down, Mode::Garbage],
        // A point is handed over, and nobody waits for an answer.
        Dependency::Analytics => &[Mode::Down],
        _ => &[Mode::Down, Mode::Slow, Mode::Garbage],
    }
}
