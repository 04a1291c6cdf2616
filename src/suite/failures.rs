//! What a gateway does when what it depends on is down, slow, or answers garbage: for every route, by asking the
//! pipeline. Each cell is a request through the real plan in a simulated world of which one thing is broken, so the
//! answers cannot differ from what the gateway would do.

use super::mint;
use super::witness::{self, Witness};
use crate::config::Compiled;
use crate::config::cases::BEGIN;
use crate::config::settings::Caller;
use crate::fault::Reason;
use crate::limit::Per;
use crate::pipeline::record::Record;
use crate::pipeline::{ADMIN_TOKEN, Gateway};
use crate::plan::{Action, Route, Shared};
use crate::ports::Class;
use crate::simulator::{Answered, CacheFault, Fault, Seen, Sent, Visit, World};
use crate::suite::{Bench, Parts};
use crate::token::Keys;
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// Milliseconds after which the slow answer: far beyond any deadline.
const SLOW: u64 = 3_600_000;
/// Seeds tried until a request is sent to the backend that is to fail.
const SEEDS: u64 = 256;

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
    /// An upstream that gets copies.
    Mirror(String),
    /// The sink of data points.
    Analytics,
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It does not answer; a secret: it is not bound.
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
    /// Where it is declared.
    pub place: String,
    /// The request that was made; `None`: none could be made up, as for some regular expressions.
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
    let witnesses = witness::all(router);
    let routes = bench.routes.iter().zip(witnesses);
    let named = routes.map(|(route, witness)| (name(&bench.shared, route), route, witness));
    let wanted = named.filter(|(name, ..)| wanted(name));
    Ok(wanted.map(|(name, route, witness)| failures(&bench.shared, &gateway, route, name, witness)).collect())
}

fn name(shared: &Shared, route: &Route) -> String {
    let api = shared.apis.get(route.api as usize);
    api.map_or(String::new(), |api| format!("{}/{}/{}", api.name, api.version, route.name))
}

fn failures(
    shared: &Shared,
    gateway: &Gateway,
    route: &Route,
    name: String,
    witness: Option<Witness>,
) -> RouteFailures {
    let place = shared.place(&route.source);
    let Some(witness) = witness else {
        return RouteFailures {
            route: name,
            place,
            request: None,
            status: 0,
            reason: None,
            cells: Vec::new(),
        };
    };
    let trial = Trial { shared, gateway, route, witness: &witness };
    let healthy = trial.run(0, None);
    let mut cells = Vec::new();
    for dependency in dependencies(shared, route) {
        let seed = trial.seed(&dependency);
        let usual = trial.run(seed, None);
        for mode in modes(&dependency) {
            cells.push(trial.cell(&usual, seed, &dependency, *mode));
        }
    }
    RouteFailures {
        route: name,
        place,
        request: Some(format!("{} {}", witness.method, witness.url)),
        status: healthy.seen.status,
        reason: reason(&healthy.seen),
        cells,
    }
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
        let mirrors =
            forward.mirrors.iter().filter_map(|mirror| shared.upstreams.get(mirror.upstream as usize));
        all.extend(mirrors.map(|mirror| Dependency::Mirror(mirror.id.clone())));
    }
    all.extend([Dependency::Journal, Dependency::Analytics]);
    all
}

fn modes(dependency: &Dependency) -> &'static [Mode] {
    match dependency {
        Dependency::Secret(_) => &[Mode::Down, Mode::Garbage],
        // A point or a copy is handed over, and nobody waits for an answer.
        Dependency::Analytics | Dependency::Mirror(_) => &[Mode::Down],
        _ => &[Mode::Down, Mode::Slow, Mode::Garbage],
    }
}

fn reason(seen: &Seen) -> Option<String> {
    Some(seen.problem()).filter(|code| Reason::ALL.iter().any(|reason| reason.code() == code))
}

/// A request of a route, to be tried in worlds that differ in one thing.
struct Trial<'t> {
    shared: &'t Shared,
    gateway: &'t Gateway,
    route: &'t Route,
    witness: &'t Witness,
}

/// What came of it.
struct Ran {
    seen: Seen,
    record: Record,
    took: u64,
}

impl Trial<'_> {
    /// Random numbers under which the request is sent to the dependency, where several share the requests.
    fn seed(&self, dependency: &Dependency) -> u64 {
        let meant = |ran: &Ran| {
            ran.record.event.attempts.iter().any(|attempt| match dependency {
                Dependency::Upstream(id) => attempt.upstream.as_deref() == Some(id),
                Dependency::Target(url) => attempt.target.as_deref() == Some(url),
                _ => true,
            })
        };
        match dependency {
            Dependency::Upstream(_) | Dependency::Target(_) => {
                (0..SEEDS).find(|seed| meant(&self.run(*seed, None))).unwrap_or(0)
            }
            _ => 0,
        }
    }

    fn cell(&self, usual: &Ran, seed: u64, dependency: &Dependency, mode: Mode) -> Cell {
        let ran = self.run(seed, Some((dependency, mode)));
        let by = |word: &str| ran.record.limits.iter().any(|cell| cell.by == word);
        let reason = reason(&ran.seen);
        let passed = ran.seen.problem().is_empty() && usual.seen.problem().is_empty();
        let effect = match () {
            () if ran.seen.status != usual.seen.status && reason.is_some() => Effect::Fails,
            () if passed && by("nobody") => Effect::Open,
            () if passed && by("isolate") => Effect::Degrades,
            () if ran.seen.header("tollgate-partial").is_some() => Effect::Partial,
            () if ran.seen.status != usual.seen.status || ran.seen.body != usual.seen.body && passed => {
                Effect::Passed
            }
            () => Effect::None,
        };
        Cell {
            dependency: dependency.clone(),
            mode,
            effect,
            status: ran.seen.status,
            reason,
            waits_ms: ran.took.saturating_sub(usual.took),
        }
    }

    /// The request in a world of its own, of which one thing may be broken.
    fn run(&self, seed: u64, broken: Option<(&Dependency, Mode)>) -> Ran {
        let world = World::at(BEGIN);
        let outside = Rc::new(RefCell::new(Outside::new(self.shared)));
        let answers = Rc::clone(&outside);
        world.elsewhere(move |sent| answers.borrow().answer(sent));
        world.secret(ADMIN_TOKEN, mint::SECRET);
        for name in self.secrets() {
            match broken {
                Some((Dependency::Secret(own), Mode::Garbage)) if own == name => {
                    world.secret(name, &mint::SECRET.replace('a', "b"));
                }
                Some((Dependency::Secret(own), _)) if own == name => {}
                _ => world.secret(name, mint::SECRET),
            }
        }
        self.gateway.forget(seed);
        if let Some((Dependency::StaleKeys(id), _)) = broken {
            // Somebody called before; then the keys' time ran out.
            self.visit(&world, "ben");
            let ttl =
                self.shared.issuers.iter().find(|issuer| issuer.id == *id).map(|issuer| match &issuer.keys {
                    Keys::Jwks { ttl, .. } => u64::from(*ttl),
                    _ => 0,
                });
            world.turn(BEGIN + (ttl.unwrap_or(0) + 1) * 1000);
        }
        if let Some((dependency, mode)) = broken {
            self.fail(&world, &mut outside.borrow_mut(), dependency, mode);
        }
        let began = world.now();
        let (seen, record) = self.visit(&world, "ann").unwrap_or_else(|| {
            let (headers, body) = (Vec::new(), String::new());
            (Seen { status: 0, headers, body, flush: None }, Record::default())
        });
        let took = world.now().saturating_sub(began);
        // Events leave after the answer; what becomes of them is not the client's.
        Visit::new(&world, "GET", "https://api.test/").flush(self.gateway);
        Ran { seen, record, took }
    }

    /// All secrets that the plan names.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let keys = self.shared.issuers.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Secret(name) => Some(name.as_str()),
            _ => None,
        });
        self.shared.secrets.iter().map(String::as_str).chain(keys)
    }

    fn fail(&self, world: &World, outside: &mut Outside, dependency: &Dependency, mode: Mode) {
        let object = match mode {
            Mode::Down => Fault::Lost,
            Mode::Slow => Fault::Late(SLOW),
            Mode::Garbage => Fault::Garbage,
        };
        match dependency {
            Dependency::Upstream(id) => {
                let own = self.shared.upstreams.iter().filter(|upstream| upstream.id == *id);
                outside
                    .broken
                    .extend(own.flat_map(|upstream| &upstream.targets).map(|target| target.url.clone()));
            }
            Dependency::Target(url) => outside.broken.push(url.clone()),
            Dependency::Keys(id) | Dependency::StaleKeys(id) => {
                let own = self.shared.issuers.iter().filter(|issuer| issuer.id == *id);
                outside.broken.extend(own.filter_map(|issuer| match &issuer.keys {
                    Keys::Jwks { url, .. } => Some(url.clone()),
                    _ => None,
                }));
            }
            Dependency::Limiter => world.fault(Class::Limiter, object),
            Dependency::Journal => world.fault(Class::Journal, object),
            Dependency::Cache => world.cache_fault.set(match mode {
                Mode::Down => CacheFault::Down,
                Mode::Slow => CacheFault::Slow(LOOKUP),
                Mode::Garbage => CacheFault::Garbage,
            }),
            // What is handed over here is never answered.
            Dependency::Analytics | Dependency::Mirror(_) | Dependency::Secret(_) => {}
        }
        outside.mode = Some(mode);
    }

    /// A good caller's request.
    fn visit(&self, world: &World, caller: &str) -> Option<(Seen, Record)> {
        let mut visit = Visit::new(world, &self.witness.method, &self.witness.url);
        for (name, value) in &self.witness.headers {
            visit = visit.header(name, value);
        }
        if self.witness.certificate {
            visit = visit.certified();
        }
        if !matches!(self.witness.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE") {
            visit = visit.body("{}");
        }
        if let Some(token) = self.token(world.now(), caller) {
            visit = visit.header("authorization", &format!("Bearer {token}"));
        }
        visit.recorded(self.gateway)
    }

    /// A token of the route's first issuer, with all that the route asks for.
    fn token(&self, now: u64, caller: &str) -> Option<String> {
        let rule = self.route.auth.as_ref()?;
        let issuer = self.shared.issuers.get(*rule.issuers.first()? as usize)?;
        let limits = self.route.limits.iter().filter_map(|index| self.shared.limits.get(*index as usize));
        let counted = limits.filter_map(|limit| match &limit.per {
            Per::Claim(name) => Some((name.clone(), "made up".into())),
            _ => None,
        });
        let caller = Caller {
            sub: Some(caller.to_owned()),
            scopes: rule.scopes.clone(),
            claims: counted.collect(),
            ..Caller::default()
        };
        mint::token(&caller, issuer, now).ok()
    }
}

/// Milliseconds after which the edge gives a look-up in the cache up, and calls it a miss: `PATIENCE` of the shim.
const LOOKUP: u64 = 10_000;

/// Origins and issuers.
struct Outside {
    /// Key sets by URL.
    keys: Vec<(String, String)>,
    /// Beginnings of URLs that fail.
    broken: Vec<String>,
    mode: Option<Mode>,
}

impl Outside {
    fn new(shared: &Shared) -> Outside {
        let keys = shared.issuers.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Jwks { url, .. } => Some((url.clone(), mint::key_set(issuer, &[mint::CURRENT.to_owned()]))),
            _ => None,
        });
        Outside { keys: keys.collect(), broken: Vec::new(), mode: None }
    }

    fn answer(&self, sent: &Sent) -> Answered {
        let set = self.keys.iter().find(|(url, _)| *url == sent.url);
        let answered = Answered::json(set.map_or("{}", |(_, set)| set));
        // Keys may lie at an origin's URL: what fails is one thing.
        let hit = |url: &String| match set {
            Some(_) => *url == sent.url,
            None => sent.url.starts_with(url.as_str()),
        };
        let mode = self.mode.filter(|_| self.broken.iter().any(hit));
        match mode {
            None => answered,
            Some(Mode::Down) => Answered::broken("connection refused"),
            Some(Mode::Slow) => answered.after(SLOW),
            Some(Mode::Garbage) => Answered::json("<html>"),
        }
    }
}
