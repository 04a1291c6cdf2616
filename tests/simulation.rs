//! Many clients, isolates that come and go, objects that lose messages and clocks that jump: after each step the
//! limits must hold within their stated bounds. `SIM_SEED=17 cargo test --test simulation` replays one run.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use fastrand::Rng;
use futures_util::future::join_all;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use tollgate::config::{self, Files, problem};
use tollgate::pipeline::Gateway;
use tollgate::ports::Class;
use tollgate::simulator::{Answered, Fault, Seen, Visit, World};

/// 2026-03-10 12:30:00 UTC: a clock set back by seconds stays within the hour.
const NOW: u64 = 1_773_145_800_000;
const HOUR: u64 = 3_600_000;
/// Runs unless `SIM_SEED` names one.
const SEEDS: u64 = 24;
const STEPS: usize = 250;
const CALLERS: usize = 3;

const QUOTA: u64 = 60;
const BURST: u64 = 10;
/// Each second.
const RATE: u64 = 5;
/// Each minute.
const SLIDING: u64 = 12;

const ROUTES: &str = "
tollgate: 2
api: sim
owner: team
version: { name: v1 }
upstream: { url: \"https://origin.internal\" }
limits:
  quota: { quota: 60/hour, per: header.x-caller }
  bucket: { rate: 5/s, burst: 10, per: address, unreachable: closed }
  sliding: { sliding: 12/min, per: address, unreachable: closed }
  share: { rate: 5/s, burst: 10, per: header.x-caller, unreachable: degrade }
defaults: { auth: none }
routes:
  quota: { match: GET /quota, limits: [quota] }
  bucket: { match: GET /bucket, limits: [bucket] }
  there: { match: GET /there, limits: [quota, bucket, sliding] }
  back: { match: GET /back, limits: [sliding, bucket, quota] }
  share: { match: GET /share, limits: [share] }
";

/// The limits of each route.
const LIMITS: [(&str, &[&str]); 5] = [
    ("quota", &["quota"]),
    ("bucket", &["bucket"]),
    ("there", &["quota", "bucket", "sliding"]),
    ("share", &["share"]),
    // Last: without it no charge of a bucket is ever refunded.
    ("back", &["sliding", "bucket", "quota"]),
];

/// An admitted request.
#[derive(Clone, Debug)]
struct Admitted {
    route: &'static str,
    caller: usize,
    /// By the isolate's own share: the answer came when the object's deadline had passed.
    local: Option<usize>,
    /// When it was sent and answered: by the clock, and by time that passed (which a clock set back does not undo).
    clock: (u64, u64),
    passed: (u64, u64),
}

impl Admitted {
    fn charged(&self, limit: &str) -> bool {
        LIMITS.iter().any(|(route, limits)| *route == self.route && limits.contains(&limit))
    }
}

struct Run {
    world: World,
    random: Rng,
    plan: Vec<u8>,
    /// With their numbers.
    isolates: Vec<(usize, Gateway)>,
    /// Isolates that there ever were.
    born: usize,
    /// Parts in 1,000 of the messages that are lost or far too late, whose answer is lost, and that are answered late.
    faults: Rc<RefCell<(Rng, [u32; 3])>>,
    /// No message was ever lost, and the clock never went back.
    faultless: bool,
    steady: bool,
    passed: u64,
    /// The latest that the clock ever showed.
    latest: u64,
    /// The first request of the last batch: route, caller, isolate.
    last: Option<(&'static str, usize, usize)>,
    admitted: Vec<Admitted>,
    /// When each request was answered, and how: the status, and which limits refused.
    trace: Vec<(u64, u16, String)>,
}

impl Run {
    fn new(seed: u64, plan: &[u8]) -> Run {
        let world = World::at(NOW);
        world.origin("origin.internal", |_| Answered::json("{}"));
        let faults = Rc::new(RefCell::new((Rng::with_seed(seed ^ 0x5EED), [0_u32; 3])));
        let shared = Rc::clone(&faults);
        world.faults(Class::Limiter, move |_, _| {
            let (random, [lost, mute, late]) = &mut *shared.borrow_mut();
            match random.u32(0..1000) {
                // Some of them come after all, when nobody waits any more; refunds too.
                at if at < *lost => [Fault::Lost, Fault::Delayed(random.u64(1..3_000))][random.usize(0..2)],
                at if at < *lost + *mute => Fault::AnswerLost,
                // Up to and beyond the deadline of 500 ms, which is no odd number.
                at if at < *lost + *mute + *late => Fault::Late(random.u64(1..700) | 1),
                _ => Fault::None,
            }
        });
        let mut run = Run {
            world,
            random: Rng::with_seed(seed),
            plan: plan.to_vec(),
            isolates: Vec::new(),
            born: 0,
            faults,
            faultless: seed % 4 < 2,
            steady: seed.is_multiple_of(2),
            passed: 0,
            latest: NOW,
            last: None,
            admitted: Vec::new(),
            trace: Vec::new(),
        };
        (0..3).for_each(|_| {
            let isolate = run.isolate();
            run.isolates.push(isolate);
        });
        run
    }

    fn isolate(&mut self) -> (usize, Gateway) {
        self.born += 1;
        (self.born, Gateway::new(self.plan.clone(), self.born as u128))
    }

    fn step(&mut self) {
        self.latest = self.latest.max(self.world.now());
        match self.random.u32(0..100) {
            0..70 => self.send(),
            70..86 => self.pass(1_000),
            86..88 => self.pass(HOUR),
            88..92 => {
                let place = self.random.usize(0..self.isolates.len());
                self.isolates[place] = self.isolate();
            }
            92..96 if !self.faultless => {
                let outage = self.random.u32(0..4) == 0;
                let parts = [(); 3].map(|()| if self.random.bool() { 0 } else { self.random.u32(0..300) });
                self.faults.borrow_mut().1 = if outage { [1_000, 0, 0] } else { parts };
            }
            96.. if !self.steady => self.world.turn(self.world.now() - self.random.u64(0..5_000)),
            _ => {}
        }
    }

    fn pass(&mut self, most: u64) {
        let time = self.random.u64(0..most);
        self.world.pass(time);
        self.passed += time;
    }

    /// Up to ten requests at once, half of the time all of one caller to one route of one isolate,
    /// mostly those of the last time: limits are run into by insisting.
    fn send(&mut self) {
        let count = if self.random.bool() { 1 } else { self.random.usize(2..11) };
        let alike = self.random.bool();
        if self.random.u32(0..4) == 0 {
            self.last = None;
        }
        let mut asks: Vec<(&'static str, usize, usize)> = Vec::with_capacity(count);
        for _ in 0..count {
            let routes = if self.steady { LIMITS.len() } else { LIMITS.len() - 1 };
            let (route, _) = LIMITS[self.random.usize(0..routes)];
            let (caller, isolate) =
                (self.random.usize(0..CALLERS), self.random.usize(0..self.isolates.len()));
            asks.push(match asks.first().or(self.last.as_ref()) {
                Some(first) if alike => *first,
                _ => (route, caller, isolate),
            });
        }
        self.last = asks.first().copied();
        let visits: Vec<_> =
            asks.iter().map(|(route, caller, _)| visit(&self.world, route, *caller)).collect();
        let (world, began) = (&self.world, self.world.now());
        let all = visits.iter().zip(&asks).map(|(visit, (_, _, isolate))| async {
            let seen = visit.through(&self.isolates[*isolate].1).await;
            (seen, world.now())
        });
        let answers = world.run(join_all(all)).expect("all are answered");
        for ((route, caller, _), (seen, _)) in asks.iter().zip(&answers) {
            self.check(route, *caller, seen, count == 1);
        }
        for ((route, caller, isolate), (seen, ended)) in asks.iter().zip(&answers) {
            self.trace.push((*ended, seen.status, seen.json()["violated-policies"].to_string()));
            if seen.status == 200 {
                let passed = (self.passed, self.passed + (ended - began));
                let local = (ended - began == 500).then(|| self.isolates[*isolate].0);
                let (caller, clock) = (*caller, (began, *ended));
                self.admitted.push(Admitted { route, caller, local, clock, passed });
            }
        }
        self.passed += self.world.now() - began;
        self.latest = self.latest.max(self.world.now());
    }

    /// What one answer says. `alone`: no other request was under way. `admitted` holds those that were before.
    fn check(&self, route: &str, caller: usize, seen: &Seen, alone: bool) {
        assert!(matches!(seen.status, 200 | 429 | 503), "{}", seen.body);
        let degradable = route == "share";
        assert!(seen.status != 503 || !degradable && !self.faultless, "{}", seen.body);
        for (limit, most) in [("quota", QUOTA), ("bucket", BURST), ("sliding", SLIDING), ("share", BURST)] {
            let Some(left) = remaining(seen, limit) else { continue };
            assert!(left <= most, "a refund gave more than was taken: {limit} has {left}");
            if limit == "quota" && self.steady && seen.status == 200 {
                let now = self.world.now();
                let before = self.in_hour(caller, now / HOUR);
                // What was answered was charged, and where nothing was lost nothing else was.
                assert!(before + left < QUOTA, "{before} admitted and {left} left");
                if self.faultless && alone {
                    assert_eq!(before + 1 + left, QUOTA, "{before} admitted");
                }
            }
        }
    }

    /// Requests that were surely charged to a caller's quota in one hour.
    fn in_hour(&self, caller: usize, hour: u64) -> u64 {
        let of = |a: &&Admitted| {
            a.caller == caller && a.charged("quota") && (a.clock.0 / HOUR, a.clock.1 / HOUR) == (hour, hour)
        };
        self.admitted.iter().filter(of).count() as u64
    }

    /// Never more than the stated bounds.
    fn bounds(&self) {
        for caller in 0..CALLERS {
            let of = |limit: &'static str| {
                self.admitted.iter().filter(move |a| a.caller == caller && a.charged(limit))
            };
            if self.steady {
                for hour in of("quota").map(|a| a.clock.0 / HOUR) {
                    assert!(self.in_hour(caller, hour) <= QUOTA);
                }
            }
            // A clock set back may count for a later hour what came in an earlier one; in all it gains nothing.
            let first = NOW / HOUR;
            let last = self.latest / HOUR;
            assert!(of("quota").count() as u64 <= (last - first + 1) * QUOTA);
            // Any window, by the time that passed; and by the object's own clock, which never goes back.
            windows(of("bucket").map(|a| a.passed), bucket);
            if self.faultless {
                let mut clock = 0;
                let own = of("bucket").map(|a| {
                    clock = a.clock.0.max(clock);
                    (clock, clock)
                });
                windows(own, bucket);
            }
            // Where the object does not answer, each isolate lets its own share pass in addition.
            windows(of("share").filter(|a| a.local.is_none()).map(|a| a.passed), bucket);
            for isolate in 1..=self.born {
                windows(of("share").filter(|a| a.local == Some(isolate)).map(|a| a.passed), bucket);
            }
            if self.steady {
                windows(of("sliding").map(|a| a.passed), |time| {
                    if time <= 60_000 { 2 * SLIDING - 1 } else { u64::MAX }
                });
            }
        }
    }

    /// When everything is well again, everybody gets the whole of each limit.
    fn recovery(&mut self) {
        self.faults.borrow_mut().1 = [0; 3];
        self.faultless = true;
        self.world.pass(2 * HOUR);
        self.isolates = vec![self.isolate()];
        for caller in 0..CALLERS {
            for (route, most) in [("quota", QUOTA), ("bucket", BURST), ("share", BURST)] {
                let statuses: Vec<u16> = (0..=most)
                    .map(|_| visit(&self.world, route, caller).send(&self.isolates[0].1).unwrap().status)
                    .collect();
                let admitted = statuses.iter().filter(|status| **status == 200).count() as u64;
                assert_eq!((admitted, statuses.last()), (most, Some(&429)), "{route}: {statuses:?}");
            }
        }
    }
}

/// The most that a bucket admits in so many milliseconds.
fn bucket(time: u64) -> u64 {
    BURST + RATE * time / 1_000
}

/// Any stretch of time holds at most so many of these as `most` says of its length.
fn windows(times: impl Iterator<Item = (u64, u64)>, most: impl Fn(u64) -> u64) {
    let mut times: Vec<(u64, u64)> = times.collect();
    times.sort_by_key(|(_, ended)| *ended);
    for (from, _) in &times {
        let inside = times.iter().filter(|(began, _)| began >= from);
        for (count, (_, until)) in inside.enumerate() {
            let bound = most(until.saturating_sub(*from));
            assert!((count as u64) < bound, "{} in {} ms", count + 1, until - from);
        }
    }
}

fn visit<'w>(world: &'w World, route: &str, caller: usize) -> Visit<'w> {
    let visit = Visit::new(world, "GET", &format!("https://api.test/{route}"));
    visit.header("x-caller", &format!("caller-{caller}")).from(&format!("192.0.2.{caller}"))
}

/// What the answer says is left of a limit.
fn remaining(seen: &Seen, limit: &str) -> Option<u64> {
    let (_, rest) = seen.header("ratelimit")?.split_once(&format!("\"sim/v1/{limit}\";r="))?;
    rest.split([';', ',']).next()?.parse().ok()
}

/// Runs one seed; its trace.
fn run(seed: u64, plan: &[u8]) -> Vec<(u64, u16, String)> {
    let mut run = Run::new(seed, plan);
    for _ in 0..STEPS {
        run.step();
    }
    run.bounds();
    run.recovery();
    run.trace
}

#[test]
fn limits_hold_whatever_happens() {
    let files = Files::new([("routes/gateway.yaml", "tollgate: 2\n"), ("routes/sim/v1.yaml", ROUTES)]);
    let plan =
        config::compile_files(&files, "dev").unwrap_or_else(|all| panic!("{}", problem::render(&all))).plan;
    let only = std::env::var("SIM_SEED").ok().map(|seed| seed.parse().expect("SIM_SEED is a number"));
    let seeds = only.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut statuses = BTreeSet::new();
    let mut refusals = String::new();
    for seed in seeds.clone() {
        let outcome = std::panic::catch_unwind(|| run(seed, &plan));
        let trace = outcome.unwrap_or_else(|_| panic!("replay with SIM_SEED={seed}"));
        statuses.extend(trace.iter().map(|(_, status, _)| *status));
        refusals.extend(trace.into_iter().map(|(_, _, limits)| limits));
    }
    // A run that refuses nothing, or loses nothing, would show nothing.
    let all = ["quota", "bucket", "sliding", "share"];
    let refused = all.iter().all(|limit| refusals.contains(&format!("\"sim/v1/{limit}\"")));
    assert!(only.is_some() || refused && statuses == [200, 429, 503].into(), "{statuses:?} {refusals:.200}");
    let seed = seeds.start;
    assert_eq!(run(seed, &plan), run(seed, &plan), "the same seed is the same run");
}
