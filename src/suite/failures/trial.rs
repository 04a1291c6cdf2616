//! One request of a route, tried in worlds that differ in one thing.

use super::super::mint;
use super::{Cell, Dependency, Effect, Mode};
use crate::config::cases::BEGIN;
use crate::config::settings::Caller;
use crate::fault::Reason;
use crate::limit::Per;
use crate::pipeline::record::Record;
use crate::pipeline::{ADMIN_TOKEN, Gateway};
use crate::plan::compile::analysis::Witness;
use crate::plan::{Action, Route, Shared};
use crate::ports::Class;
use crate::simulator::{Answered, CacheFault, Fault, Seen, Sent, Visit, World};
use crate::token::{Issuer, Keys};
use std::cell::RefCell;
use std::rc::Rc;

/// Milliseconds after which the slow answer: far beyond any deadline.
const SLOW: u64 = 3_600_000;
/// Callers tried until one's request is sent to the backend that is to fail.
const CALLERS: u64 = 256;
/// A request of a route, to be tried.
pub struct Trial<'t> {
    shared: &'t Shared,
    gateway: &'t Gateway,
    /// Ones without a plan, and with one that is none.
    ruined: [Gateway; 2],
    route: &'t Route,
    witness: &'t Witness,
}

/// Who asks: which backend, target or issuer his request needs is up to that.
#[derive(Clone, Copy, Default)]
struct Who<'t> {
    /// Tells callers, their addresses and the gateway's random numbers apart.
    number: u64,
    /// Whose token he has; `None`: of the first issuer.
    issuer: Option<&'t Issuer>,
    /// What he says to the route's canary.
    word: Option<&'static str>,
}

/// What came of it.
struct Ran {
    seen: Seen,
    record: Record,
}

impl<'t> Trial<'t> {
    /// Of a request that the route answers.
    pub fn new(
        shared: &'t Shared,
        gateway: &'t Gateway,
        route: &'t Route,
        witness: &'t Witness,
    ) -> Trial<'t> {
        let ruined = [Vec::new(), b"<html>".to_vec()].map(|plan| Gateway::new(plan, 0));
        Trial { shared, gateway, ruined, route, witness }
    }

    /// Status and reason where nothing fails.
    pub fn healthy(&self) -> (u16, Option<String>) {
        let seen = self.run(Who::default(), None).seen;
        (seen.status, reason(&seen))
    }

    /// What comes of a dependency's failures.
    pub fn cells(&self, dependency: &Dependency, modes: &[Mode]) -> Vec<Cell> {
        let who = self.who(dependency);
        let usual = self.run(who.unwrap_or_default(), None);
        let cell = |mode: &Mode| match who {
            Some(who) => self.cell(&usual, who, dependency, *mode),
            None => Cell {
                dependency: dependency.clone(),
                mode: *mode,
                effect: Effect::Unasked,
                status: usual.seen.status,
                reason: reason(&usual.seen),
                waits_ms: 0,
            },
        };
        modes.iter().map(cell).collect()
    }

    /// Somebody whose request needs the dependency, where not everybody's does.
    fn who(&self, dependency: &Dependency) -> Option<Who<'t>> {
        let own = |issuer: &&Issuer| match dependency {
            Dependency::Keys(id) | Dependency::StaleKeys(id) => issuer.id == *id,
            Dependency::Secret(name) => matches!(&issuer.keys, Keys::Secret(own) if own == name),
            _ => false,
        };
        let issuers = self.route.auth.iter().flat_map(|rule| &rule.issuers);
        let mut issuers = issuers.filter_map(|index| self.shared.issuers.get(*index as usize));
        let who = Who { issuer: issuers.find(own), ..Who::default() };
        let meant = |ran: &Ran| {
            ran.record.event.attempts.iter().any(|attempt| match dependency {
                Dependency::Upstream(id) => attempt.upstream.as_deref() == Some(id),
                Dependency::Target(url) => attempt.target.as_deref() == Some(url),
                _ => true,
            })
        };
        match dependency {
            Dependency::Upstream(_) | Dependency::Target(_) => {
                let callers = (0..CALLERS).map(|number| Who { number, ..who });
                let words = ["always", "never"].map(|word| Who { word: Some(word), ..who });
                let words = words.into_iter().filter(|_| self.canary().is_some());
                callers.chain(words).find(|who| meant(&self.run(*who, None)))
            }
            _ => Some(who),
        }
    }

    /// The field by which callers speak to the route's canary.
    fn canary(&self) -> Option<&str> {
        let Action::Forward(forward) = &self.route.action else { return None };
        forward.split.as_ref()?.canary.as_ref()?.header.as_deref()
    }

    fn cell(&self, usual: &Ran, who: Who<'_>, dependency: &Dependency, mode: Mode) -> Cell {
        let ran = self.run(who, Some((dependency, mode)));
        let by = |word: &str| ran.record.limits.iter().any(|cell| cell.by == word);
        let (reason, before) = (reason(&ran.seen), reason(&usual.seen));
        let other = (ran.seen.status, &reason) != (usual.seen.status, &before);
        let passed = ran.seen.problem().is_empty() && usual.seen.problem().is_empty();
        let effect = match () {
            () if other && reason.is_some() => Effect::Fails,
            () if passed && by("nobody") => Effect::Open,
            () if passed && by("isolate") => Effect::Degrades,
            () if ran.seen.header("tollgate-partial").is_some() => Effect::Partial,
            () if other || ran.seen.body != usual.seen.body && passed => Effect::Passed,
            () => Effect::None,
        };
        Cell {
            dependency: dependency.clone(),
            mode,
            effect,
            status: ran.seen.status,
            reason,
            waits_ms: ran.seen.took.saturating_sub(usual.seen.took),
        }
    }

    /// The request in a world of its own, of which one thing may be broken.
    fn run(&self, who: Who<'_>, broken: Option<(&Dependency, Mode)>) -> Ran {
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
        let [none, garbage] = &self.ruined;
        let gateway = match broken {
            Some((Dependency::Plan, Mode::Down)) => none,
            Some((Dependency::Plan, _)) => garbage,
            _ => self.gateway,
        };
        gateway.forget(who.number);
        if let Some((Dependency::StaleKeys(id), _)) = broken {
            // Somebody called before; then the keys' time ran out.
            self.visit(&world, gateway, who, "ben");
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
        let (seen, record) = self.visit(&world, gateway, who, "ann").unwrap_or_else(|| {
            let (headers, body) = (Vec::new(), String::new());
            (Seen { status: 0, headers, body, flush: None, took: 0 }, Record::default())
        });
        // Events leave after the answer; what becomes of them is not the client's.
        Visit::new(&world, "GET", "https://api.test/").flush(gateway);
        Ran { seen, record }
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
            Dependency::Upstream(id) | Dependency::Mirror(id) => {
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
                Mode::Slow => CacheFault::Slow(SLOW),
                Mode::Garbage => CacheFault::Garbage,
            }),
            // What is handed over here is never answered; the others are broken from the beginning.
            Dependency::Analytics | Dependency::Secret(_) | Dependency::Plan => {}
        }
        outside.mode = Some(mode);
    }

    /// A good caller's request.
    fn visit(&self, world: &World, gateway: &Gateway, who: Who<'_>, caller: &str) -> Option<(Seen, Record)> {
        let address = format!("192.0.2.{}", who.number % 250 + 1);
        let mut visit = Visit::new(world, &self.witness.method, &self.witness.url()).from(&address);
        for (name, value) in self.witness.fields() {
            visit = visit.header(name, &value);
        }
        if let Some((name, word)) = self.canary().zip(who.word) {
            visit = visit.header(name, word);
        }
        if self.witness.certificate {
            visit = visit.certified();
        }
        if !matches!(self.witness.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE") {
            visit = visit.body("{}");
        }
        if let Some(token) = self.token(world.now(), who, caller) {
            visit = visit.header("authorization", &format!("Bearer {token}"));
        }
        visit.recorded(gateway)
    }

    /// A token with all that the route asks for.
    fn token(&self, now: u64, who: Who<'_>, caller: &str) -> Option<String> {
        let rule = self.route.auth.as_ref()?;
        let first = rule.issuers.first().and_then(|index| self.shared.issuers.get(*index as usize));
        let issuer = who.issuer.or(first)?;
        let limits = self.route.limits.iter().filter_map(|index| self.shared.limits.get(*index as usize));
        let counted = limits.filter_map(|limit| match &limit.per {
            Per::Claim(name) => Some((name.clone(), "made up".into())),
            _ => None,
        });
        let caller = Caller {
            sub: Some(format!("{caller}{}", who.number)),
            scopes: rule.scopes.clone(),
            claims: counted.collect(),
            ..Caller::default()
        };
        mint::token(&caller, issuer, now).ok()
    }
}

fn reason(seen: &Seen) -> Option<String> {
    Some(seen.problem()).filter(|code| Reason::ALL.iter().any(|reason| reason.code() == code))
}

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
