//! Debug tokens: the record for whoever may read it, and nothing for anybody else.

use crate::scene::{NOW, Scene, refused};
use proptest::prelude::*;
use tollgate::pipeline::debug::{KEY, Scope};
use tollgate::simulator::{Answered, Seen};

const SECRET: &str = "the-debug-key-of-these-tests-is-long";
const OTHER: &str = "a-key-that-is-not-bound-anywhere-here";

const GATEWAY: &str = "
limits:
  few: { rate: 1/s, burst: 3, per: address }
cors:
  web: { origins: [\"https://app.test\"] }
";

const ROUTES: &str = "
routes:
  open: { match: GET /open, auth: none, cors: web, cache: { ttl: 60s } }
  plain: { match: \"POST /plain\", auth: none, limits: [few] }
  shut: { match: GET /shut, auth: { jwt: people } }
  both: { match: GET /both, auth: none, combine: { one: { upstream: { url: \"https://origin.internal\" }, path: /one } } }
";

fn scene() -> Scene {
    let scene = Scene::new(GATEWAY, ROUTES);
    scene.world.secret(KEY, SECRET);
    scene
}

fn scope() -> Scope {
    Scope::new("tollgate", "dev", NOW, 600_000)
}

fn asked(scene: &Scene, path: &str, token: &str) -> Seen {
    scene.send(&scene.visit("GET", path).header("Tollgate-Debug", token))
}

fn read(scene: &Scene, id: &str, token: &str) -> Seen {
    asked(scene, &format!("/_tollgate/records/{id}"), token)
}

#[test]
fn a_token_brings_the_record_of_its_request() {
    let scene = scene();
    let token = scope().sign(SECRET).unwrap();
    for (path, status, route) in [
        ("/shop/open", 200, "shop/v1/open"),
        ("/shop/shut", 401, "shop/v1/shut"),
        ("/shop/both", 200, "shop/v1/both"),
        ("/nowhere", 404, ""),
    ] {
        let seen = asked(&scene, path, &token);
        assert_eq!(seen.status, status);
        let id = seen.header("tollgate-record").unwrap_or_else(|| panic!("{path}: {seen:?}"));
        assert_eq!(Some(id), seen.header("x-request-id"));
        let kept = read(&scene, id, &token);
        assert_eq!((kept.status, kept.header("cache-control")), (200, Some("no-store")), "{}", kept.body);
        let record = kept.json();
        assert_eq!(record["id"], id);
        assert_eq!(record["route"].as_str().unwrap_or_default(), route);
        assert!(record["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{record}");
    }
}

#[test]
fn origins_and_stored_answers_know_nothing_of_it() {
    let scene = scene();
    let token = scope().sign(SECRET).unwrap();
    for name in ["Tollgate-Debug", "tollgate_debug"] {
        for path in ["/shop/open", "/shop/both"] {
            let seen = scene.send(&scene.visit("GET", path).header(name, &token));
            assert_eq!(seen.status, 200);
            let sent = scene.last();
            assert!(sent.headers.iter().all(|(_, value)| !value.contains("tgd1")), "{sent:?}");
        }
    }
    // The stored answer serves everybody, as one who has no token left it.
    let hit = scene.get("/shop/open");
    assert!(hit.header("cache-status").unwrap().contains("hit"), "{hit:?}");
    assert_eq!(hit.header("tollgate-record"), None);
    // An origin that varies by it varies by nothing.
    scene.world.origin("origin.internal", |_| Answered::json("{}").header("vary", "tollgate-debug"));
    let stored = asked(&scene, "/shop/open?v", &token);
    assert!(stored.header("tollgate-record").is_some());
    assert!(scene.get("/shop/open?v").header("cache-status").unwrap().contains("hit"));
}

#[test]
fn only_the_token_of_a_request_reads_its_record() {
    let scene = scene();
    let token = scope().sign(SECRET).unwrap();
    let id = asked(&scene, "/shop/open", &token).header("tollgate-record").unwrap().to_owned();
    let later = Scope { issued: NOW + 1, ..scope() }.sign(SECRET).unwrap();
    refused(&read(&scene, &id, &later), 404, "not-found");
    refused(
        &read(&scene, &id, &Scope { issued: NOW + 1, ..scope() }.sign(OTHER).unwrap()),
        401,
        "admin-denied",
    );
    refused(&scene.get(&format!("/_tollgate/records/{id}")), 401, "admin-denied");
    // Not even the administrator.
    refused(&scene.admin(&format!("/records/{id}")), 404, "not-found");
    scene.world.turn(NOW + 600_000);
    refused(&read(&scene, &id, &token), 401, "admin-denied");
}

#[test]
fn scopes_hold() {
    let scene = scene();
    let told = |scope: Scope, path: &str| {
        asked(&scene, path, &scope.sign(SECRET).unwrap()).header("tollgate-record").is_some()
    };
    for (scope, path, covered) in [
        (Scope { api: Some("shop".into()), ..scope() }, "/shop/open", true),
        (Scope { api: Some("shop/v1/open".into()), ..scope() }, "/shop/open", true),
        (Scope { api: Some("shop/v1/shut".into()), ..scope() }, "/shop/open", false),
        (Scope { api: Some("shop".into()), ..scope() }, "/nowhere", false),
        (Scope { host: Some("api.test".into()), ..scope() }, "/shop/open", true),
        (Scope { host: Some("other.test".into()), ..scope() }, "/shop/open", false),
        (Scope { environment: "production".into(), ..scope() }, "/shop/open", false),
        (scope(), "/_tollgate/health", false),
    ] {
        assert_eq!(told(scope.clone(), path), covered, "{scope:?} {path}");
    }
}

#[test]
fn without_the_secret_the_field_is_not_even_read() {
    let scene = Scene::new(GATEWAY, ROUTES);
    let token = scope().sign(SECRET).unwrap();
    let visit = scene.visit("POST", "/shop/plain").header("tollgate-debug", &token);
    assert_eq!(scene.send(&visit).header("tollgate-record"), None);
    assert!(!visit.asked.borrow().contains("tollgate-debug"));
    refused(&read(&scene, "a-1", &token), 401, "admin-denied");
    // A key that can be guessed is none.
    let scene = Scene::new(GATEWAY, ROUTES);
    scene.world.secret(KEY, "short");
    assert_eq!(asked(&scene, "/shop/open", &token).header("tollgate-record"), None);
}

#[test]
fn the_journal_may_be_down() {
    let scene = scene();
    let token = scope().sign(SECRET).unwrap();
    scene.world.fault(tollgate::ports::Class::Journal, tollgate::simulator::Fault::Lost);
    let seen = asked(&scene, "/shop/open", &token);
    assert_eq!(seen.status, 200);
    let read = read(&scene, seen.header("tollgate-record").unwrap(), &token);
    refused(&read, 500, "gateway-fault");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A token that is not good changes nothing of any answer; a good one adds its one field.
    #[test]
    fn no_decision_follows_from_a_token(
        path in prop::sample::select(vec!["/shop/open", "/shop/shut", "/shop/both", "/nowhere", "/_tollgate/events", "/shop/%00"]),
        method in prop::sample::select(vec!["GET", "POST", "OPTIONS"]),
        bad in prop::sample::select(vec![
            "", "x", "tgd1..", "tgd1.e30.e30", "Bearer tgd1", "tgd1.eyJ1IjowfQ.AAAA",
        ]),
        key in prop::sample::select(vec![SECRET, OTHER]),
    ) {
        let plain = {
            let scene = scene();
            scene.send(&scene.visit(method, path))
        };
        for token in [bad.to_owned(), scope().sign(key).unwrap()] {
            let scene = scene();
            let mut seen = scene.send(&scene.visit(method, path).header("tollgate-debug", &token));
            let good = token.len() > 60 && key == SECRET;
            let told = seen.header("tollgate-record").is_some();
            prop_assert_eq!(told, good && !path.starts_with("/_tollgate"), "{} {}", path, token);
            seen.headers.retain(|(name, _)| name != "tollgate-record");
            prop_assert_eq!(&seen, &plain);
        }
    }
}
