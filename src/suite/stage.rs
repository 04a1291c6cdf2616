//! The world of a test: origins that do as they are told, issuers that publish keys, a gateway nobody has used.

use super::mint;
use crate::config::Compiled;
use crate::config::cases::{BEGIN, Case, Names};
use crate::config::settings::{BodyText, Caller, Counters, Fake, Fakes, KeysUse, Step};
use crate::event::Event;
use crate::pipeline::explain::Question;
use crate::pipeline::record::Record;
use crate::pipeline::{ADMIN_TOKEN, Gateway, REQUEST_ID};
use crate::plan::compile::Output;
use crate::plan::rule::Rule;
use crate::plan::{Api, Route, Shared};
use crate::ports::Class;
use crate::simulator::{Answered, Fault, Seen, Sent, Visit, World};
use crate::token::Keys;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// A plan made ready for tests: what it says of routes is as it will be deployed; every event is kept, and keys that
/// stand in it are replaced by those of made-up issuers, whose private halves are known.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The plan.
    pub plan: Vec<u8>,
    /// What its routes share.
    pub shared: Shared,
    /// Its routes.
    pub routes: Vec<Route>,
    /// The world that tests know: issuers mint and publish by it, origins stand where it says, hosts are asked for as
    /// it names them. That of the plan, unless the plan was changed to see whether tests notice.
    pub world: Shared,
}

/// A compiled plan's parts, as they may be changed before it is written.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What all routes share.
    pub shared: Shared,
    /// The rules of each API.
    pub rules: Vec<Vec<Rule>>,
    /// The routes.
    pub routes: Vec<Route>,
}

impl Parts {
    /// Those of a compiled plan.
    pub fn of(compiled: &Compiled) -> Parts {
        let Compiled { shared, rules, routes, .. } = compiled;
        Parts { shared: shared.clone(), rules: rules.clone(), routes: routes.clone() }
    }
}

impl Bench {
    /// Makes a plan ready.
    ///
    /// # Errors
    /// A plan that cannot be written.
    pub fn new(parts: Parts) -> Result<Bench, String> {
        let world = parts.shared.clone();
        Bench::of(parts, world)
    }

    /// The same in a world that need not be the plan's.
    ///
    /// # Errors
    /// A plan that cannot be written.
    pub fn of(parts: Parts, world: Shared) -> Result<Bench, String> {
        let Parts { mut shared, rules, routes } = parts;
        shared.gateway.sample = 1000;
        for issuer in &mut shared.issuers {
            if matches!(issuer.keys, Keys::Inline(_)) {
                issuer.keys = Keys::Inline(mint::key_set(issuer, &[mint::CURRENT.to_owned()]));
            }
        }
        let output = Output { shared, rules, routes, ..Output::default() };
        let plan = output.write()?;
        let Output { shared, routes, .. } = output;
        Ok(Bench { plan, shared, routes, world })
    }
}

/// What an origin got, and which upstream and target it was meant for.
pub type Got = (Sent, Option<(usize, usize)>);

/// What came of one request.
#[derive(Clone, Debug)]
pub struct Met {
    /// The request.
    pub asked: Question,
    /// The answer.
    pub seen: Seen,
    /// Its event.
    pub event: Event,
    /// What upstreams got for it, in order.
    pub sent: Vec<Got>,
    /// Copies that mirrors got, in order.
    pub mirrored: Vec<Got>,
    /// Fetches of keys.
    pub key_fetches: usize,
    /// All that happened, where that is wanted.
    pub record: Option<Box<Record>>,
}

/// What an origin does with one request after the other, and how many it has had.
type Script = (Vec<Fake>, Cell<usize>);

/// What origins and issuers do at present.
#[derive(Default)]
struct Outside {
    /// By URL and binding of a target: what it does with the next requests. Targets of one upstream that are told
    /// together share it.
    targets: HashMap<(String, Option<String>), Rc<Script>>,
    /// By URL of a key set.
    keys: HashMap<String, Answered>,
}

/// A test's world.
pub struct Stage<'b> {
    bench: &'b Bench,
    names: Names<'b>,
    api: Option<usize>,
    world: World,
    gateway: Gateway,
    outside: Rc<RefCell<Outside>>,
    /// Whether records are written.
    recorded: bool,
}

impl<'b> Stage<'b> {
    /// A fresh world for a test.
    pub fn new(bench: &'b Bench, case: &Case, recorded: bool) -> Stage<'b> {
        let world = World::at(BEGIN);
        world.secret(ADMIN_TOKEN, mint::SECRET);
        let shared = &bench.world;
        shared.secrets.iter().for_each(|name| world.secret(name, mint::SECRET));
        let mut outside = Outside::default();
        for issuer in &shared.issuers {
            match &issuer.keys {
                Keys::Secret(name) => world.secret(name, mint::SECRET),
                Keys::Jwks { url, .. } => {
                    let set = mint::key_set(issuer, &[mint::CURRENT.to_owned()]);
                    outside.keys.insert(url.clone(), Answered::json(&set));
                }
                Keys::Inline(_) => {}
            }
        }
        let outside = Rc::new(RefCell::new(outside));
        let answers = Rc::clone(&outside);
        world.elsewhere(move |sent| answers.borrow().answer(sent));
        let gateway = Gateway::new(bench.plan.clone(), 7);
        let names = Names::new(shared, &bench.routes, case.api);
        let stage = Stage { bench, names, api: case.api, world, gateway, outside, recorded };
        for (upstream, target, fakes) in &case.fakes {
            stage.fake(*upstream, *target, fakes);
        }
        stage
    }

    /// What a step says of the world.
    pub fn set(&self, step: &Step) {
        if let Some(at) = &step.at {
            let at = u64::try_from(at.0).unwrap_or(0).saturating_mul(1000);
            self.world.pass(at.saturating_sub(self.world.now()));
        }
        if let Some(after) = &step.after {
            self.world.pass(after.0);
        }
        self.upstreams(step);
        for (name, keys) in &step.keys {
            let issuer = self.names.issuer(Some(name)).ok();
            let issuer = issuer.and_then(|issuer| self.bench.world.issuers.get(issuer));
            let Some((issuer, Keys::Jwks { url, .. })) = issuer.map(|issuer| (issuer, &issuer.keys)) else {
                continue;
            };
            let answered = match keys {
                KeysUse::Unreachable(_) => Answered::broken("connection refused"),
                KeysUse::Published(keys) => Answered::json(&mint::key_set(issuer, keys.publish.as_slice()))
                    .after(keys.delay.as_ref().map_or(0, |delay| delay.0)),
            };
            self.outside.borrow_mut().keys.insert(url.clone(), answered);
        }
        match step.counters {
            Some(Counters::Unreachable) => self.world.fault(Class::Limiter, Fault::Lost),
            Some(Counters::Working) => self.world.fault(Class::Limiter, Fault::None),
            None => {}
        }
    }

    /// What a step says of upstreams, from its beginning.
    pub fn upstreams(&self, step: &Step) {
        for (name, fakes) in &step.upstreams {
            if let Ok((upstream, target)) = self.names.upstream(name) {
                self.fake(upstream, target, fakes);
            }
        }
    }

    /// Lets time pass.
    pub fn pass(&self, milliseconds: u64) {
        self.world.pass(milliseconds);
    }

    fn fake(&self, upstream: usize, target: Option<usize>, fakes: &Fakes) {
        let script = match fakes {
            Fakes::One(fake) => vec![fake.clone()],
            Fakes::Many(fakes) => fakes.clone(),
        };
        let Some(found) = self.bench.world.upstreams.get(upstream) else { return };
        let script = Rc::new((script, Cell::new(0)));
        for (_, own) in
            found.targets.iter().enumerate().filter(|(at, _)| target.is_none_or(|only| only == *at))
        {
            let key = (own.url.clone(), own.via.clone());
            self.outside.borrow_mut().targets.insert(key, Rc::clone(&script));
        }
    }

    /// Makes a request.
    ///
    /// # Errors
    /// What cannot be made of what the test says, or a gateway that never answers.
    pub fn ask(&self, request: &super::Asked, caller: Option<&Caller>) -> Result<Met, String> {
        let now = self.world.now();
        let mut headers = request.headers.clone();
        if let Some(caller) = caller {
            let issuer = self.names.issuer(caller.issuer.as_deref())?;
            let issuer = self.bench.world.issuers.get(issuer).ok_or("there is no such issuer")?;
            headers.push(("authorization".into(), format!("Bearer {}", mint::token(caller, issuer, now)?)));
        }
        let url = request.url(self.asked_of(request));
        let mut visit = Visit::new(&self.world, &request.method, &url).from(&request.address);
        for (name, value) in &headers {
            visit = visit.header(name, value);
        }
        if request.certificate {
            visit = visit.certified();
        }
        visit = match &request.body {
            Some((body, true)) => visit.body(body),
            Some((body, false)) => visit.stream(body),
            None => visit,
        };
        if let Some((body, true)) = &request.body {
            headers.push(("content-length".into(), body.len().to_string()));
        }
        self.world.sent.borrow_mut().clear();
        self.world.mirrored.borrow_mut().clear();
        let answered = match self.recorded {
            true => visit.recorded(&self.gateway).map(|(seen, record)| (seen, Some(Box::new(record)))),
            false => visit.send(&self.gateway).map(|seen| (seen, None)),
        };
        let (seen, record) = answered.ok_or("the gateway waits for what never comes")?;
        let id = seen.header(REQUEST_ID).unwrap_or_default();
        let event = self.gateway.event(id).unwrap_or_default();
        let sent = std::mem::take(&mut *self.world.sent.borrow_mut());
        let outside = self.outside.borrow();
        let (keys, sent): (Vec<Sent>, Vec<Sent>) =
            sent.into_iter().partition(|sent| outside.keys.contains_key(&sent.url));
        let mut attempts: Vec<(usize, usize)> = event
            .attempts
            .iter()
            .filter_map(|attempt| Some((attempt.upstream.try_into().ok()?, attempt.target.try_into().ok()?)))
            .collect();
        let sent = sent.into_iter().map(|sent| {
            let meant = attempts.iter().position(|meant| self.is_for(&sent, *meant));
            let meant = meant.map(|at| attempts.remove(at));
            (sent, meant)
        });
        let sent = sent.collect();
        let mirrored = std::mem::take(&mut *self.world.mirrored.borrow_mut()).into_iter();
        let mirrored = mirrored.map(|sent| {
            let upstreams = event.mirrors.iter().filter_map(|upstream| usize::try_from(*upstream).ok());
            let targets = upstreams.flat_map(|upstream| {
                let all = self.bench.shared.upstreams.get(upstream).map_or(0, |found| found.targets.len());
                (0..all).map(move |target| (upstream, target))
            });
            let meant = targets.into_iter().find(|meant| self.is_for(&sent, *meant));
            (sent, meant)
        });
        let mirrored = mirrored.collect();
        let method = request.method.clone();
        let (address, body) = (request.address.clone(), request.body.is_some());
        let certificate = request.certificate;
        let asked = Question { method, url, headers, address, now, body, certificate };
        Ok(Met { asked, seen, event, sent, mirrored, key_fetches: keys.len(), record })
    }

    /// The API whose host is asked: that with the longest base that the path lies under, or the file's own.
    fn asked_of(&self, request: &super::Asked) -> Option<&Api> {
        let apis = &self.bench.world.apis;
        let under = apis.iter().filter(|api| begins(request.target(), &api.base));
        under.max_by_key(|api| api.base.len()).or_else(|| apis.get(self.api?))
    }

    fn is_for(&self, sent: &Sent, (upstream, target): (usize, usize)) -> bool {
        let target = self.bench.shared.upstreams.get(upstream).and_then(|found| found.targets.get(target));
        target.is_some_and(|target| target.via == sent.via && begins(&sent.url, &target.url))
    }
}

/// Whether a URL lies below a target's.
fn begins(url: &str, target: &str) -> bool {
    url.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

impl Outside {
    fn answer(&self, sent: &Sent) -> Answered {
        if let Some(answered) = self.keys.get(&sent.url) {
            return answered.clone();
        }
        let meant = self.targets.iter().filter(|((url, via), _)| *via == sent.via && begins(&sent.url, url));
        let meant = meant.max_by_key(|((url, _), _)| url.len()).map(|(_, script)| script.as_ref());
        let Some((script, next)) = meant else { return Answered::json("{}") };
        let fake = script.get(next.get()).or(script.last());
        next.set(next.get().saturating_add(1));
        fake.map_or_else(|| Answered::json("{}"), answered)
    }
}

fn answered(fake: &Fake) -> Answered {
    let Fake::Answer(fake) = fake else { return Answered::broken("connection refused") };
    let body = match &fake.body {
        None => "{}".to_owned(),
        Some(body) => text(body),
    };
    let status = fake.status.unwrap_or(200);
    let bodiless = matches!(status, 204 | 205 | 304);
    let mut answered = Answered::status(status);
    let own = |name: &str| fake.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
    if !bodiless {
        if !own("content-type") {
            answered = answered.header("content-type", "application/json");
        }
        if !own("content-length")
            && !matches!(&fake.body, Some(BodyText::Sized { declared: Some(false), .. }))
        {
            answered = answered.header("content-length", &body.len().to_string());
        }
        answered.body = body;
    }
    for (name, values) in &fake.headers {
        for value in values.as_slice() {
            answered = answered.header(&name.to_ascii_lowercase(), value);
        }
    }
    answered.after(fake.delay.as_ref().map_or(0, |delay| delay.0))
}

/// The text of a body.
pub fn text(body: &BodyText) -> String {
    match body {
        BodyText::Text(text) => text.clone(),
        // A number, and so JSON.
        BodyText::Sized { size, .. } => "1".repeat(usize::try_from(size.0).unwrap_or(0).min(64 << 20)),
    }
}
