//! What `tollgate failures` prints is what the gateway does: each cell against a request of our own, in a world that
//! these tests break themselves.

use crate::scene::{ISSUER, NOW, Scene, compiled};
use serde_json::json;
use tollgate::ports::Class;
use tollgate::simulator::{Answered, CacheFault, Fault, Seen};
use tollgate::suite::failures::{Cell, Dependency, Effect, Mode, RouteFailures, all};

const GATEWAY: &str = "
limits:
  shut: { rate: 5/s, burst: 5, per: consumer, unreachable: closed }
  own: { rate: 5/s, burst: 5, per: address, unreachable: degrade, deadline: 300ms }
  lax: { quota: 5/day, per: address, unreachable: open }
";

const ROUTES: &str = "
upstream: { targets: [ { url: \"https://one.internal\" }, { url: \"https://two.internal\" } ] }
routes:
  plain: { match: GET /plain, auth: none }
  send: { match: POST /send, auth: none, limits: [own], upstream: { url: \"https://one.internal\" } }
  lax: { match: GET /lax, auth: none, limits: [lax] }
  shut: { match: \"GET /shut/{id}\", auth: { jwt: people }, scopes: [read], limits: [shut], upstream: { url: \"https://one.internal\" } }
  kept: { match: GET /kept, auth: none, cache: { ttl: 10s }, upstream: { url: \"https://one.internal\" } }
  both: { match: GET /both, auth: none, combine: { a: { upstream: { url: \"https://one.internal/a\" }, path: /x }, b: { upstream: { url: \"https://two.internal/b\" }, path: /x, required: false } } }
  split: { match: GET /split, auth: none, backends: { many: { weight: 95, upstream: { url: \"https://one.internal\" } }, few: { weight: 5, upstream: { url: \"https://two.internal\" } } } }
  gone: { match: GET /gone, auth: none, redirect: { path: /plain, status: 302 } }
";

fn answers() -> Vec<RouteFailures> {
    all(&compiled(GATEWAY, ROUTES, "dev"), |_| true).unwrap()
}

fn route<'a>(answers: &'a [RouteFailures], name: &str) -> &'a RouteFailures {
    answers.iter().find(|route| route.route == format!("shop/v1/{name}")).unwrap_or_else(|| panic!("{name}"))
}

fn cell(answers: &[RouteFailures], name: &str, wanted: impl Fn(&Dependency) -> bool, mode: Mode) -> Cell {
    let cells = &route(answers, name).cells;
    let found = cells.iter().find(|cell| wanted(&cell.dependency) && cell.mode == mode);
    found.unwrap_or_else(|| panic!("{name} {mode:?}: {cells:?}")).clone()
}

/// Breaks an origin of a scene.
fn break_origin(scene: &Scene, host: &str, mode: Mode) {
    let answered = match mode {
        Mode::Down => Answered::broken("refused"),
        Mode::Slow => Answered::json("{}").after(86_400_000),
        Mode::Garbage => Answered::json("<html>"),
    };
    scene.world.origin(host, move |_| answered.clone());
}

fn scene() -> Scene {
    let scene = Scene::new(GATEWAY, ROUTES);
    for host in ["one.internal", "two.internal"] {
        scene.world.origin(host, |_| Answered::json("{}"));
    }
    scene
}

fn ask(scene: &Scene, name: &str, sub: &str) -> Seen {
    let (method, path) = match name {
        "send" => ("POST", "/shop/send".to_owned()),
        "shut" => ("GET", "/shop/shut/1".to_owned()),
        other => ("GET", format!("/shop/{other}")),
    };
    let mut visit = scene.visit(method, &path);
    if method == "POST" {
        visit = visit.body("{}");
    }
    if name == "shut" {
        visit = visit.header(
            "authorization",
            &format!("Bearer {}", scene.token(json!({ "sub": sub, "scope": "read" }))),
        );
    }
    scene.send(&visit)
}

/// Each cell, by another hand.
#[test]
fn each_cell_is_what_the_simulator_does() {
    let answers = answers();
    let mut compared = 0;
    for route in &answers {
        let name = route.route.strip_prefix("shop/v1/").unwrap();
        for told in &route.cells {
            // Which backend is asked is chance: see below.
            if name == "split" && matches!(told.dependency, Dependency::Upstream(_)) {
                continue;
            }
            let scene = scene();
            let object = match told.mode {
                Mode::Down => Fault::Lost,
                Mode::Slow => Fault::Late(86_400_000),
                Mode::Garbage => Fault::Garbage,
            };
            match &told.dependency {
                Dependency::Upstream(id) => {
                    let hosts: &[&str] = match (name, id.as_str()) {
                        ("plain" | "lax", _) => &["one.internal", "two.internal"],
                        ("both", id) if id.ends_with('b') => &["two.internal"],
                        _ => &["one.internal"],
                    };
                    hosts.iter().for_each(|host| break_origin(&scene, host, told.mode));
                }
                // Which of them is asked first is chance, and either does.
                Dependency::Target(_) => continue,
                Dependency::Keys(_) | Dependency::StaleKeys(_) => {
                    if matches!(told.dependency, Dependency::StaleKeys(_)) {
                        ask(&scene, name, "ben");
                        scene.world.turn(NOW + 301_000);
                    }
                    break_origin(&scene, ISSUER.strip_prefix("https://").unwrap(), told.mode);
                }
                Dependency::Limiter => scene.world.fault(Class::Limiter, object),
                Dependency::Journal => scene.world.fault(Class::Journal, object),
                Dependency::Cache => scene.world.cache_fault.set(match told.mode {
                    Mode::Down => CacheFault::Down,
                    Mode::Slow => CacheFault::Slow(86_400_000),
                    Mode::Garbage => CacheFault::Garbage,
                }),
                Dependency::Plan => {
                    assert_eq!((told.status, told.reason.as_deref()), (503, Some("plan-unusable")), "{name}");
                    continue;
                }
                Dependency::Analytics | Dependency::Mirror(_) | Dependency::Secret(_) => {}
            }
            let seen = ask(&scene, name, "ann");
            let code = Some(seen.problem()).filter(|code| !code.is_empty());
            assert_eq!((told.status, &told.reason), (seen.status, &code), "{name} {told:?} {}", seen.body);
            assert_eq!(told.waits_ms, seen.took, "{name} {told:?}");
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn effects_are_named() {
    let answers = answers();
    let limiter = |dependency: &Dependency| *dependency == Dependency::Limiter;
    let upstream = |dependency: &Dependency| matches!(dependency, Dependency::Upstream(_));
    for (name, mode, effect, status) in [
        ("lax", Mode::Down, Effect::Open, 200),
        ("lax", Mode::Garbage, Effect::Open, 200),
        ("send", Mode::Down, Effect::Degrades, 200),
        ("send", Mode::Slow, Effect::Degrades, 200),
        ("shut", Mode::Down, Effect::Fails, 503),
        ("shut", Mode::Garbage, Effect::Fails, 503),
    ] {
        let told = cell(&answers, name, limiter, mode);
        assert_eq!((told.effect, told.status), (effect, status), "{name} {told:?}");
    }
    assert_eq!(cell(&answers, "send", limiter, Mode::Slow).waits_ms, 300);
    assert_eq!(cell(&answers, "plain", upstream, Mode::Garbage).effect, Effect::Passed);
    let target = |dependency: &Dependency| matches!(dependency, Dependency::Target(_));
    assert_eq!(cell(&answers, "plain", target, Mode::Down).effect, Effect::None);
    let required = cell(
        &answers,
        "both",
        |dependency| matches!(dependency, Dependency::Upstream(id) if id.ends_with('a')),
        Mode::Garbage,
    );
    assert_eq!((required.status, required.effect), (502, Effect::Fails), "{required:?}");
    let optional = cell(
        &answers,
        "both",
        |dependency| matches!(dependency, Dependency::Upstream(id) if id.ends_with('b')),
        Mode::Down,
    );
    assert_eq!((optional.status, optional.effect), (200, Effect::Partial), "{optional:?}");
    let keys = |dependency: &Dependency| matches!(dependency, Dependency::Keys(_));
    assert_eq!(cell(&answers, "shut", keys, Mode::Down).reason.as_deref(), Some("issuer-unavailable"));
    let stored = cell(&answers, "kept", |dependency| *dependency == Dependency::Cache, Mode::Slow);
    assert_eq!((stored.effect, stored.status, stored.waits_ms), (Effect::None, 200, 300));
    let stale = |dependency: &Dependency| matches!(dependency, Dependency::StaleKeys(_));
    for mode in [Mode::Down, Mode::Slow, Mode::Garbage] {
        let old = cell(&answers, "shut", stale, mode);
        assert_eq!((old.effect, old.waits_ms), (Effect::None, 0), "{mode:?}");
    }
    // What needs no upstream has none that may fail; what is not stored has no cache.
    assert!(route(&answers, "gone").cells.iter().all(|cell| !upstream(&cell.dependency)));
    assert!(route(&answers, "plain").cells.iter().all(|cell| cell.dependency != Dependency::Cache));
}

/// Requests are tried until one goes to the backend in question, however few do.
#[test]
fn each_backend_is_asked() {
    let answers = answers();
    let cells = &route(&answers, "split").cells;
    let down: Vec<u16> = cells
        .iter()
        .filter(|cell| matches!(cell.dependency, Dependency::Upstream(_)) && cell.mode == Mode::Down)
        .map(|cell| cell.status)
        .collect();
    assert_eq!(down, [502, 502], "{cells:?}");
}

/// Of each route some request is tried that it answers, whatever others take before it.
#[test]
fn requests_are_made_up_for_every_kind_of_route() {
    let routes = "
routes:
  items: { match: { regex: \"/items/[0-9]{2,4}\" }, auth: none }
  first: { match: \"GET /items/{id}\", auth: none }
  letters: { match: { regex: \"/[a-z]+/x?\", headers: { x-a: { regex: \"v[1-3]\" } } }, auth: none }
  x: { match: GET /x/x, auth: none }
  some: { match: { path: \"/q\", query: { n: { regex: \"[^0].*\" } } }, auth: none }
  rest: { match: \"GET /{*rest}\", auth: none }
";
    let answers = all(&compiled("", routes, "dev"), |_| true).unwrap();
    for told in &answers {
        assert_eq!(told.status, 200, "{told:?}");
        let request = told.request.as_ref().unwrap().trim_matches('`');
        let [method, url, ..] = request.split(' ').collect::<Vec<_>>()[..] else { panic!("{request}") };
        // As for a shell.
        let path = url.trim_matches('\'').split_once("/shop").unwrap().1;
        let scene = Scene::new("", routes);
        scene.world.origin("origin.internal", |_| Answered::json("{}"));
        let visit = scene.visit(method, &format!("/shop{path}"));
        let visit = if told.route.ends_with("letters") { visit.header("x-a", "v1") } else { visit };
        let seen = scene.send(&visit);
        assert_eq!(scene.event(&seen)["route"], json!(told.route), "{request}");
    }
    assert_eq!(route(&answers, "items").request.as_deref(), Some("`POST https://example.com/shop/items/00`"));
    assert_eq!(route(&answers, "items").owner, "team");
}

/// Backends are found by callers who get them, issuers by callers with their tokens; what nobody gets is said.
#[test]
fn who_needs_what_fails_is_asked_for() {
    let gateway = "
  partners: { issuer: https://partners.test, audience: shop, algorithms: [ES256], keys: { jwks: \"https://partners.test/jwks\" } }
";
    let routes = "
routes:
  stuck: { match: GET /stuck, auth: { jwt: people }, backends: { many: { weight: 99, upstream: { url: \"https://one.internal\" } }, few: { weight: 1, upstream: { url: \"https://two.internal\" } } }, sticky: { by: consumer } }
  led: { match: GET /led, auth: none, backends: { old: { weight: 1, upstream: { url: \"https://one.internal\" } }, new: { upstream: { url: \"https://two.internal\" } } }, canary: { backend: new, from: 2040-01-01T00:00:00Z, to: 50%, header: x-canary } }
  idle: { match: GET /idle, auth: none, backends: { on: { weight: 1, upstream: { url: \"https://one.internal\" } }, off: { weight: 0, upstream: { url: \"https://two.internal\" } } } }
  two: { match: GET /two, auth: { jwt: [people, partners] } }
  copied: { match: GET /copied, auth: none, upstream: { url: \"https://one.internal\" }, mirror: [{ upstream: { url: \"https://one.internal/b\" } }, { upstream: { url: \"https://two.internal\" } }] }
";
    let answers = all(&compiled(gateway, routes, "dev"), |_| true).unwrap();
    let effects = |name: &str, wanted: fn(&Dependency) -> bool, mode: Mode| -> Vec<(Effect, u16)> {
        let cells = route(&answers, name).cells.iter();
        cells
            .filter(|cell| wanted(&cell.dependency) && cell.mode == mode)
            .map(|cell| (cell.effect, cell.status))
            .collect()
    };
    let upstream = |dependency: &Dependency| matches!(dependency, Dependency::Upstream(_));
    assert_eq!(effects("stuck", upstream, Mode::Down), [(Effect::Fails, 502), (Effect::Fails, 502)]);
    assert_eq!(effects("led", upstream, Mode::Slow), [(Effect::Fails, 504), (Effect::Fails, 504)]);
    assert_eq!(effects("idle", upstream, Mode::Down), [(Effect::Fails, 502), (Effect::Unasked, 200)]);
    let keys = |dependency: &Dependency| matches!(dependency, Dependency::Keys(_));
    assert_eq!(effects("two", keys, Mode::Down), [(Effect::Fails, 503), (Effect::Fails, 503)]);
    let mirror = |dependency: &Dependency| matches!(dependency, Dependency::Mirror(_));
    for mode in [Mode::Down, Mode::Slow, Mode::Garbage] {
        assert_eq!(effects("copied", mirror, mode), [(Effect::None, 200), (Effect::None, 200)]);
    }
}
