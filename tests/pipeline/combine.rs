//! One request, several upstream calls, one answer.

use crate::scene::{NOW, Scene, refused};
use serde_json::json;
use tollgate::simulator::Answered;

const ROUTES: &str = "
upstreams:
  items: { url: \"https://items.internal/v1\" }
  orders: { targets: [{ url: \"https://orders.internal\" }, { url: \"https://spare.internal\" }] }
routes:
  page:
    match: GET /page/{id}
    auth: { jwt: people }
    timeout: { total: 500ms }
    combine:
      orders: { upstream: orders, path: \"/orders?item={id}\", required: false, max: 64B }
      item: { upstream: items, path: \"/items/{id}\", headers: [accept-language] }
      more: { upstream: items, path: \"/more\", required: false }
";

/// A scene whose origins all answer.
fn scene() -> Scene {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("items.internal", |sent| {
        Answered::json(if sent.url.ends_with("/more") {
            "[1.0]"
        } else {
            " {\"price\": 12345678901234567890.10} "
        })
    });
    scene.world.origin("orders.internal", |_| Answered::json("[1,2]"));
    scene.world.origin("spare.internal", |_| Answered::json("[3]"));
    scene
}

fn page(scene: &Scene) -> tollgate::simulator::Seen {
    scene.get_as(&scene.token(json!({})), "/shop/page/7")
}

#[test]
fn the_parts_stand_in_declared_order_as_they_were_written() {
    let scene = scene();
    let token = scene.token(json!({}));
    let visit = scene.visit("GET", "/shop/page/7").header("authorization", &format!("Bearer {token}"));
    let visit =
        visit.header("cookie", "id=1").header("accept-language", "nl").header("x-consumer-id", "root");
    let seen = scene.send(&visit.header("x-other", "1"));
    assert_eq!(seen.status, 200);
    let orders = if seen.body.contains("[3]") { "[3]" } else { "[1,2]" };
    assert_eq!(
        seen.body,
        format!("{{\"orders\":{orders},\"item\":{{\"price\": 12345678901234567890.10}},\"more\":[1.0]}}")
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("tollgate-partial"), None);
    let sent: Vec<_> =
        scene.world.sent.borrow().iter().filter(|s| !s.url.contains("jwks")).cloned().collect();
    assert_eq!(sent.len(), 3);
    for sent in &sent {
        assert_eq!((sent.method.as_str(), &sent.body), ("GET", &None));
        assert_eq!(
            (sent.header("cookie"), sent.header("authorization"), sent.header("x-other")),
            (None, None, None)
        );
        assert_eq!(sent.header("x-consumer-id"), Some("ada"));
        assert_eq!(sent.header("x-request-id"), seen.header("x-request-id"));
        assert_eq!(sent.header("accept"), Some("application/json"));
        let language = sent.url.ends_with("/items/7").then_some("nl");
        assert_eq!(sent.header("accept-language"), language, "{}", sent.url);
    }
    assert_eq!(sent[1].url, "https://items.internal/v1/items/7");
    let event = scene.event(&seen);
    let calls: Vec<_> = event["attempts"].as_array().unwrap().iter().map(|a| a["call"].clone()).collect();
    assert_eq!(calls, ["orders", "item", "more"]);
}

#[test]
fn a_failed_optional_part_is_marked() {
    for (answer, reason) in [
        (Answered::broken("connection refused"), "unreachable"),
        (Answered::json("[]").after(1_000), "timeout"),
        (Answered::status(404), "status"),
        (Answered::status(500), "status"),
        (Answered::status(302), "status"),
        (Answered::json("<html>"), "not-json"),
        (Answered::json("1 2"), "not-json"),
        (Answered::json(&format!("\"{}\"", "x".repeat(64))), "too-large"),
    ] {
        let scene = scene();
        for host in ["orders.internal", "spare.internal"] {
            let answer = answer.clone();
            scene.world.origin(host, move |_| answer.clone());
        }
        let seen = page(&scene);
        assert_eq!(seen.status, 200);
        assert_eq!(seen.json()["orders"], json!(null));
        assert_eq!(seen.json()["_partial"], json!([{ "call": "orders", "reason": reason }]));
        assert_eq!(seen.header("tollgate-partial"), Some("orders"));
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        assert!(scene.world.now() <= NOW + 500);
    }
}

#[test]
fn a_failed_required_part_fails_the_whole() {
    for (answer, status, code) in [
        (Answered::broken("connection refused"), 502, "upstream-unreachable"),
        (Answered::json("{}").after(1_000), 504, "upstream-timeout"),
        (Answered::status(500), 502, "upstream-invalid"),
        (Answered::json("{"), 502, "upstream-invalid"),
    ] {
        let scene = scene();
        scene.world.origin("items.internal", move |_| answer.clone());
        let seen = page(&scene);
        refused(&seen, status, code);
        assert_eq!(seen.json()["call"], "item");
        assert!(scene.world.now() <= NOW + 500);
    }
}

#[test]
fn a_call_fails_over() {
    let scene = scene();
    scene.world.origin("orders.internal", |_| Answered::broken("connection refused"));
    for _ in 0..5 {
        assert_eq!(page(&scene).json()["orders"], json!([3]));
    }
}

#[test]
fn the_calls_are_made_at_once() {
    let scene = scene();
    let slow = |_: &_| Answered::json("[]").after(400);
    ["items.internal", "orders.internal", "spare.internal"]
        .iter()
        .for_each(|host| scene.world.origin(host, slow));
    assert_eq!(page(&scene).status, 200);
    assert_eq!(scene.world.now(), NOW + 400);
}

#[test]
fn a_parameter_cannot_leave_its_place() {
    let scene = scene();
    for (id, query, path) in [
        ("a%26b=c", "item=a%26b%3Dc", "/items/a%26b=c"),
        ("a%3Fb", "item=a%3Fb", "/items/a%3Fb"),
        ("%23x", "item=%23x", "/items/%23x"),
    ] {
        let seen = scene.get_as(&scene.token(json!({})), &format!("/shop/page/{id}"));
        assert_eq!(seen.status, 200);
        let sent = scene.world.sent.borrow();
        assert!(sent.iter().any(|sent| sent.url.ends_with(query)), "{id}: {sent:?}");
        assert!(sent.iter().any(|sent| sent.url.ends_with(path)), "{id}");
    }
}
