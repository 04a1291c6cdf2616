//! The gateway's own pages.

use crate::scene::{ADMIN, NOW, Scene, refused};
use serde_json::json;
use tollgate::ports::Class;
use tollgate::simulator::{Fault, Visit};

const ROUTES: &str = "routes:\n  any: { match: \"GET /{*rest}\", auth: none }\n";

#[test]
fn health_is_public_and_says_little() {
    let scene = Scene::new("", ROUTES);
    let seen = scene.get("/_tollgate/health");
    let plan = scene.gateway.router().unwrap().plan().hash();
    assert_eq!((seen.status, seen.json()), (200, json!({ "status": "ok", "plan": plan })));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(scene.send(&scene.visit("HEAD", "/_tollgate/health")).status, 200);
    let seen = scene.send(&scene.visit("POST", "/_tollgate/health"));
    refused(&seen, 405, "method-not-allowed");
    assert_eq!(seen.header("allow"), Some("GET, HEAD"));
}

#[test]
fn the_rest_needs_the_administrators_token() {
    let scene = Scene::new("", ROUTES);
    let longer = format!("{ADMIN}x");
    for path in ["/events", "/events/x", "/status", "", "/", "/nothing", "/health/", "/events?limit=1"] {
        let path = format!("/_tollgate{path}");
        let seen = scene.get(&path);
        refused(&seen, 401, "admin-denied");
        assert_eq!(seen.header("www-authenticate"), Some("Bearer realm=\"tollgate-admin\""));
        for token in ["wrong", &longer, &ADMIN[1..], &scene.token(json!({}))] {
            refused(&scene.get_as(token, &path), 401, "admin-denied");
        }
    }
    refused(&scene.admin("/nothing"), 404, "not-found");
    assert_eq!(scene.admin("/status").status, 200);
    // No way of writing the path gets around it, and none of it reaches an origin.
    for path in ["/%5ftollgate/events", "/_tollgate/%65vents"] {
        refused(&scene.get(path), 401, "admin-denied");
    }
    assert_eq!(scene.sent(), 0);
}

#[test]
fn without_a_token_of_some_length_nobody_is_an_administrator() {
    let scene = Scene::new("", ROUTES);
    for token in ["", "short"] {
        scene.world.secret("TOLLGATE_ADMIN_TOKEN", token);
        refused(&scene.get_as(token, "/_tollgate/status"), 503, "secret-missing");
        assert_eq!(scene.get("/_tollgate/health").status, 200);
    }
}

#[test]
fn an_admin_host_serves_alone() {
    let scene = Scene::new("admin: { host: admin.test }\n", ROUTES);
    refused(&scene.get("/_tollgate/health"), 404, "not-found");
    refused(&scene.admin("/status"), 404, "not-found");
    let visit = Visit::new(&scene.world, "GET", "https://admin.test/_tollgate/health");
    assert_eq!(scene.send(&visit).status, 200);
}

#[test]
fn the_status_names_missing_secrets_and_no_values() {
    let gateway = "  partners: { issuer: \"https://partners.test\", audience: shop, algorithms: [HS256], keys: { secret: PARTNERS } }\n";
    let scene = Scene::new(gateway, "routes: { mine: { match: GET /mine, auth: { jwt: partners } } }\n");
    let status = scene.admin("/status").json();
    assert_eq!((&status["status"], &status["secrets_missing"]), (&json!("degraded"), &json!(["PARTNERS"])));
    assert_eq!((&status["apis"], &status["environment"]), (&json!(["shop/v1"]), &json!("dev")));
    scene.world.secret("PARTNERS", &"s3cret".repeat(8));
    let seen = scene.admin("/status");
    assert_eq!(seen.json()["status"], "ok");
    assert!(!seen.body.contains("s3cret"));
}

#[test]
fn events_come_newest_first_and_by_id() {
    let scene = Scene::new("", ROUTES);
    let mut ids = Vec::new();
    for number in 0..5 {
        let seen = scene.get(&format!("/shop/{number}"));
        ids.insert(0, seen.header("x-request-id").unwrap().to_owned());
        scene.world.pass(10);
    }
    let list = scene.admin("/events?limit=3").json();
    let listed: Vec<_> = list["events"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
    assert_eq!(listed, ids[..3]);
    let found = scene.admin(&format!("/events/{}", ids[4])).json();
    assert_eq!((&found["id"], &found["at"]), (&json!(ids[4]), &json!(NOW)));
    for id in ["none", "%22", "%25", "a'b", "\"id\""] {
        refused(&scene.admin(&format!("/events/{id}")), 404, "not-found");
    }
}

#[test]
fn events_of_all_isolates_are_listed() {
    let scene = Scene::new("", ROUTES);
    let isolates: Vec<_> = (20..40).map(|seed| scene.isolate(seed)).collect();
    for isolate in &isolates {
        let visit = scene.visit("GET", "/shop/x");
        scene.send_to(isolate, &visit);
        visit.flush(isolate);
    }
    assert_eq!(scene.admin("/events").json()["events"].as_array().unwrap().len(), 20);
}

#[test]
fn a_lost_journal_is_a_fault_and_no_empty_list() {
    let scene = Scene::new("", ROUTES);
    scene.world.fault(Class::Journal, Fault::Lost);
    refused(&scene.admin("/events"), 500, "gateway-fault");
    assert_eq!(scene.get("/shop/x").status, 200);
}
