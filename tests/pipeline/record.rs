//! The full record: what it says of each phase, and what it never shows.

use crate::scene::{NOW, Scene};
use serde_json::{Value, json};
use tollgate::pipeline::record::{Record, Verdict};
use tollgate::simulator::{Answered, Fault, Visit};

const GATEWAY: &str = "
limits:
  few: { rate: 1/s, burst: 1, per: consumer, unreachable: closed }
  lax: { quota: 5/day, per: address, unreachable: open }
cors:
  web: { origins: [\"https://app.test\"] }
";

const ROUTES: &str = "
routes:
  open: { match: GET /open, auth: none, limits: [lax], cors: web, cache: { ttl: 10s, key: [query.page] }, headers: { request: { set: { x-origin-secret: hush-hush } }, response: { set: { x-a: b }, remove: [server] } } }
  shut: { match: GET /shut, auth: { jwt: people }, scopes: [read], limits: [few] }
";

fn record(scene: &Scene, visit: &Visit<'_>) -> Record {
    let (seen, record) = visit.recorded(&scene.gateway).expect("an answer");
    crate::scene::well_formed(&seen);
    record
}

fn verdict(record: &Record, phase: &str) -> (Verdict, Option<String>) {
    let step = record.steps.iter().find(|step| step.phase == phase);
    let step = step.unwrap_or_else(|| panic!("{phase}: {record:?}"));
    (step.verdict, step.reason.clone())
}

#[test]
fn every_change_of_a_header_has_its_author() {
    let scene = Scene::new(GATEWAY, ROUTES);
    scene.world.origin("origin.internal", |_| {
        Answered::json("{}").header("server", "x").header("connection", "x-gone").header("x-gone", "1")
    });
    let record = record(
        &scene,
        &scene
            .visit("GET", "/shop/open?page=1&token=abcdef")
            .header("origin", "https://app.test")
            .header("x-consumer-id", "admin"),
    );
    let told = |changes: &[tollgate::pipeline::record::Change], name: &str| {
        let own = changes.iter().filter(|change| change.name == name);
        own.map(|change| format!("{} by {}", change.edit, change.by)).collect::<Vec<_>>().join(", ")
    };
    let request = |name: &str| told(&record.request_headers, name);
    assert_eq!(request("x-consumer-id"), "remove by identity");
    assert_eq!(request("via"), "add by gateway");
    assert_eq!(request("x-origin-secret"), "set by headers");
    let response = |name: &str| told(&record.response_headers, name);
    assert_eq!(response("x-gone"), "remove by gateway");
    assert_eq!(response("access-control-allow-origin"), "set by cors");
    assert_eq!(response("ratelimit"), "set by limits");
    assert_eq!(response("cache-status"), "add by cache");
    assert_eq!((response("x-a"), response("server")), ("set by headers".into(), "remove by headers".into()));
    let cell = &record.limits[0];
    assert_eq!((cell.by.as_str(), cell.remaining, cell.admitted), ("object", Some(4), Some(true)));
    let cached = record.cached.as_ref().unwrap();
    assert_eq!(cached.parts, ["query.page"]);
    assert!(cached.result.contains("fwd=uri-miss; stored"), "{cached:?}");
    assert_eq!(record.request.as_ref().unwrap().query.as_deref(), Some("page=1&token=(6 bytes)"));
    assert_eq!((record.event.status, record.event.attempts[0].status), (200, Some(200)));
    assert_eq!(verdict(&record, "upstream"), (Verdict::Answered, None));
}

#[test]
fn refused_failed_and_skipped_are_told_apart() {
    let scene = Scene::new(GATEWAY, ROUTES);
    let nobody = record(&scene, &scene.visit("GET", "/shop/shut"));
    assert_eq!(verdict(&nobody, "auth"), (Verdict::Refused, Some("token-missing".into())));
    for phase in ["limits", "upstream"] {
        assert_eq!(verdict(&nobody, phase), (Verdict::Skipped, None));
    }
    let token = scene.token(json!({ "scope": "read" }));
    let field = format!("Bearer {token}");
    let visit = || scene.visit("GET", "/shop/shut").header("authorization", &field);
    let first = record(&scene, &visit());
    let how = |record: &Record| {
        let auth = record.steps.iter().find(|step| step.phase == "auth").unwrap();
        let input = auth.inputs.iter().find(|input| input.of == "signature").unwrap();
        input.shown.text()
    };
    assert_eq!((how(&first), how(&record(&scene, &visit()))), ("verified".into(), "remembered".into()));
    let denied = record(&scene, &visit());
    assert_eq!(verdict(&denied, "limits"), (Verdict::Refused, Some("rate-limited".into())));
    assert_eq!((denied.limits[0].by.as_str(), denied.limits[0].admitted), ("memory", Some(false)));
    assert!(denied.limits[0].retry_ms.is_some_and(|wait| wait <= 1000));
    scene.world.turn(NOW + 5_000);
    scene.world.fault(tollgate::ports::Class::Limiter, Fault::Lost);
    let failed = record(&scene, &visit());
    assert_eq!(verdict(&failed, "limits"), (Verdict::Failed, Some("limit-unavailable".into())));
    assert_eq!((failed.limits[0].by.as_str(), failed.limits[0].admitted), ("nobody", None));
    let open = record(&scene, &scene.visit("GET", "/shop/open"));
    assert_eq!((verdict(&open, "limits").0, open.limits[0].by.as_str()), (Verdict::Passed, "nobody"));
    scene.world.origin("origin.internal", |_| Answered::broken("refused"));
    let down = record(&scene, &scene.visit("GET", "/shop/open?page=9"));
    assert_eq!(verdict(&down, "upstream"), (Verdict::Failed, Some("upstream-unreachable".into())));
}

/// Whatever is secret stands in no record: not what clients send, not what tokens say, not what origins are told.
#[test]
fn nothing_secret_is_shown() {
    let scene = Scene::new(GATEWAY, ROUTES);
    let token = scene.token(json!({ "sub": "consumer-of-renown", "scope": "read clandestine" }));
    let mut all = String::new();
    for path in ["/shop/open", "/shop/shut", "/shop/nowhere", "/_tollgate/events"] {
        let visit = scene
            .visit("GET", &format!("{path}?api_key=sesame-open"))
            .header("authorization", &format!("Bearer {token}"))
            .header("cookie", "session=crumbs-of-a-cookie")
            .header("x-api-key", "rattling-keys");
        let record = record(&scene, &visit);
        let mut record = serde_json::to_value(&record).unwrap();
        // The event names the caller, as the journal does.
        record.as_object_mut().unwrap().remove("consumer");
        all.push_str(&record.to_string());
    }
    let signature = token.rsplit('.').next().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    for secret in [
        "consumer-of-renown",
        "clandestine",
        "crumbs",
        "rattling",
        "sesame",
        "hush-hush",
        signature,
        payload,
        crate::scene::ADMIN,
    ] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(all.contains("\"of\":\"header authorization\""), "{all}");
}

#[test]
fn recording_changes_nothing_of_the_answer() {
    for path in ["/shop/open?page=1", "/shop/shut", "/shop/nowhere", "/_tollgate/health", "/shop/%2e%2e"] {
        let (plain, noted) = (Scene::new(GATEWAY, ROUTES), Scene::new(GATEWAY, ROUTES));
        let visit = |scene: &Scene| {
            scene.visit("GET", path).header("origin", "https://app.test").send(&scene.gateway).unwrap()
        };
        let seen = visit(&plain);
        let recorded =
            noted.visit("GET", path).header("origin", "https://app.test").recorded(&noted.gateway).unwrap().0;
        assert_eq!(seen, recorded, "{path}");
    }
}

#[test]
fn records_survive_the_way_through_json() {
    let scene = Scene::new(GATEWAY, ROUTES);
    let record = record(&scene, &scene.visit("GET", "/shop/open?page=1").header("x-a", "b"));
    let json = serde_json::to_value(&record).unwrap();
    let back: Record = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), json);
    assert_eq!(back, record);
    // An event is a record with little in it.
    let event: Record = serde_json::from_value(json!({"id": "a", "status": 200})).unwrap_or_default();
    assert_eq!(event.event.id, "a", "{:?}", Value::Null);
}
