//! One event for each request: what it says, and that none is lost, doubled or kept without bound.

use crate::scene::{NOW, Scene, refused};
use serde_json::{Value, json};
use tollgate::pipeline;
use tollgate::ports::Class;
use tollgate::simulator::{Answered, Fault};

const ROUTES: &str = "
limits:
  few: { quota: 1/hour, per: consumer }
routes:
  mine: { match: GET /mine, auth: { jwt: people }, limits: [few] }
  open: { match: \"ANY /open/{*rest}\", auth: none }
";

fn listed(scene: &Scene) -> Vec<Value> {
    scene.admin("/events?limit=500").json()["events"].as_array().unwrap().clone()
}

#[test]
fn an_event_says_who_where_and_why() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| Answered::json("{}").after(40));
    let token = scene.token(json!({}));
    let event = scene.event(&scene.get_as(&token, "/shop/mine"));
    let plan = scene.gateway.router().unwrap().plan().hash();
    for (name, value) in [
        ("at", json!(NOW)),
        ("method", json!("GET")),
        ("route", json!("shop/v1/mine")),
        ("api", json!("shop")),
        ("version", json!("v1")),
        ("owner", json!("team")),
        ("plan", json!(plan)),
        ("status", json!(200)),
        ("reason", json!(null)),
        ("consumer", json!("ada")),
        ("issuer", json!("people")),
        ("origin_ms", json!(40)),
        ("gateway_ms", json!(0)),
        ("cache", json!("none")),
        ("bytes_out", json!(2)),
    ] {
        assert_eq!(event[name], value, "{name} in {event}");
    }
    assert_eq!(
        event["attempts"],
        json!([{ "upstream": "shop/v1", "target": "https://origin.internal/base", "status": 200, "ms": 40 }])
    );
    assert_eq!((&event["limit"]["id"], &event["limit"]["remaining"]), (&json!("shop/v1/few"), &json!(0)));
    // Places are those of the route file: line and column of the name.
    for place in [&event["place"], &event["limit"]["place"]] {
        let (file, rest) = place.as_str().unwrap().split_once(':').unwrap();
        assert_eq!(file, "routes/shop/v1.yaml");
        assert!(rest.split(':').all(|number| number.parse::<u32>().is_ok_and(|number| number > 0)), "{rest}");
    }
    let seen = scene.get_as(&token, "/shop/mine");
    refused(&seen, 429, "quota-exhausted");
    let event = scene.event(&seen);
    assert_eq!((&event["reason"], &event["status"]), (&json!("quota-exhausted"), &json!(429)));
    assert_eq!((&event["consumer"], &event["attempts"]), (&json!("ada"), &json!(null)));
}

#[test]
fn every_refusal_is_recorded_with_its_reason() {
    let scene = Scene::new("", ROUTES);
    for (seen, route) in [
        (scene.get("/shop/mine"), json!("shop/v1/mine")),
        (scene.get("/nowhere"), json!(null)),
        (scene.get("/shop/open/%zz"), json!(null)),
        (scene.send(&scene.visit("TRACE", "/shop/mine")), json!(null)),
        (scene.get("/_tollgate/events"), json!("_tollgate")),
    ] {
        let event = scene.event(&seen);
        assert_eq!(event["reason"], seen.problem());
        assert_eq!((&event["status"], &event["route"]), (&json!(seen.status), &route));
    }
}

#[test]
fn bytes_in_are_counted() {
    let scene = Scene::new("", ROUTES);
    let seen = scene.send(&scene.visit("POST", "/shop/open/x").body("twelve bytes"));
    assert_eq!(scene.event(&seen)["bytes_in"], 12);
}

#[test]
fn a_batch_whose_answer_was_lost_is_stored_once() {
    let scene = Scene::new("", ROUTES);
    (0..5).for_each(|_| drop(scene.get("/shop/open/x")));
    let visit = scene.visit("GET", "/shop/open/x");
    scene.world.fault(Class::Journal, Fault::AnswerLost);
    visit.flush(&scene.gateway);
    scene.world.fault(Class::Journal, Fault::Lost);
    visit.flush(&scene.gateway);
    scene.world.fault(Class::Journal, Fault::None);
    assert_eq!(listed(&scene).len(), 5);
    assert_eq!(scene.world.points.borrow().len(), 5);
}

#[test]
fn successes_are_sampled_and_refusals_kept() {
    let scene = Scene::new("events: { sample: 0.1 }\n", ROUTES);
    (0..100).for_each(|_| drop(scene.get("/shop/open/x")));
    (0..7).for_each(|_| drop(scene.get("/shop/none")));
    let events = listed(&scene);
    let of = |status: u16| events.iter().filter(move |event| event["status"] == status);
    assert_eq!((of(200).count(), of(404).count()), (10, 7));
    assert!(of(200).all(|event| event["weight"] == 10));
}

#[test]
fn history_is_bounded() {
    let scene = Scene::new("events: { sample: 1, history: 100 }\n", ROUTES);
    for _ in 0..30 {
        (0..20).for_each(|_| drop(scene.get("/shop/open/x")));
        scene.visit("GET", "/").flush(&scene.gateway);
        scene.world.pass(1_000);
    }
    // Of the one shard that this isolate writes to.
    let kept = listed(&scene);
    assert!((20..=100).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept[0]["at"], NOW + 29_000);
}

#[test]
fn a_flush_is_promised_once_until_it_came() {
    let scene = Scene::new("", ROUTES);
    let flushes: Vec<_> = (0..10).map(|_| scene.get("/shop/open/x").flush.is_some()).collect();
    assert_eq!(flushes.iter().filter(|flush| **flush).count(), 1);
    assert!(flushes[0]);
    scene.visit("GET", "/").flush(&scene.gateway);
    assert!(scene.get("/shop/open/x").flush.is_some());
}

#[test]
fn a_request_lost_to_a_trap_is_answered_and_recorded() {
    let scene = Scene::new("", ROUTES);
    let visit = scene.visit("GET", "/shop/mine");
    let outcome = pipeline::lost(&scene.gateway, &visit, "GET", "https://api.test/shop/mine");
    let pipeline::Response::Reply(reply) = outcome.response else { panic!("a reply") };
    assert_eq!(reply.status, 500);
    let event = &listed(&scene)[0];
    assert_eq!((&event["reason"], &event["route"]), (&json!("gateway-fault"), &json!("shop/v1/mine")));
}
