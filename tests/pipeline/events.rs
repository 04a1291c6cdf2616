//! One event for each request: what it says, and that none is lost, doubled or kept without bound.

use crate::scene::{ADMIN, NOW, Scene, refused};
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
fn bytes_are_told_where_they_are_known() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |sent| match sent.url.rsplit('/').next() {
        Some("stream") => Answered::status(200),
        _ => Answered::json("[1,2]").header("etag", "\"1\""),
    });
    for (visit, bytes) in [
        (scene.visit("POST", "/shop/open/x").body("twelve bytes"), json!([12, 5])),
        (scene.visit("POST", "/shop/open/x").body(""), json!([0, 5])),
        (scene.visit("POST", "/shop/open/stream").stream("of some length"), json!([null, null])),
        // Its length is that of the body that a GET would bring.
        (scene.visit("HEAD", "/shop/open/x"), json!([null, 0])),
    ] {
        let event = scene.event(&scene.send(&visit));
        assert_eq!(json!([event["bytes_in"], event["bytes_out"]]), bytes, "{event}");
    }
    scene.visit("GET", "/").flush(&scene.gateway);
    // The sink takes numbers only: 0, and whether it is one to count.
    let points = scene.world.points.borrow();
    let bytes = points.iter().filter(|(_, blobs, _)| blobs[1] == "shop/v1/open").map(|(_, _, n)| &n[4..]);
    let bytes: Vec<&[f64]> = bytes.collect();
    assert_eq!(bytes[0], [12.0, 5.0, 1.0, 1.0, 1.0]);
    assert_eq!(bytes[2], [0.0, 0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_client_that_goes_away_leaves_an_event() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| Answered::json("{}").after(4_000));
    let (token, sent) = (scene.token(json!({})), scene.sent());
    let visit = scene.visit("GET", "/shop/mine").header("authorization", &format!("Bearer {token}"));
    assert_eq!(visit.leave(&scene.gateway, 300), None);
    assert_eq!(scene.sent(), sent + 1, "it was under way");
    let listed = listed(&scene);
    let gone: Vec<&Value> = listed.iter().filter(|event| event["reason"] == "client-gone").collect();
    assert_eq!(gone.len(), 1, "{listed:?}");
    for (name, value) in [
        ("status", json!(499)),
        ("at", json!(NOW)),
        ("route", json!("shop/v1/mine")),
        ("consumer", json!("ada")),
        ("gateway_ms", json!(0)),
        ("origin_ms", json!(300)),
        ("bytes_out", json!(null)),
        ("country", json!(null)),
    ] {
        assert_eq!(gone[0][name], value, "{name} in {}", gone[0]);
    }
    // It was charged, and forwarded.
    assert_eq!(gone[0]["limit"]["id"], "shop/v1/few");
    let call = &gone[0]["attempts"][0];
    assert_eq!(
        (&call["target"], &call["error"], &call["ms"]),
        (&json!("https://origin.internal/base"), &json!("the client went away"), &json!(300))
    );
    refused(&scene.get_as(&token, "/shop/mine"), 429, "quota-exhausted");
}

#[test]
fn what_goes_away_wherever_it_waits_is_recorded_once_and_flushed_by_the_next_request() {
    let routes = ROUTES.to_owned()
        + "  cached: { match: GET /cached, auth: none, cache: { ttl: 9s } }
  whole: { match: GET /whole, auth: none, combine: { a: { path: /a }, b: { path: /b } } }
";
    for path in ["/shop/mine", "/shop/open/x", "/shop/cached", "/shop/whole", "/_tollgate/events"] {
        // For the issuer's keys, the object, the upstream, the journal.
        for after in [5, 15, 25] {
            let scene = Scene::new("", &routes);
            scene.world.origin("origin.internal", |_| Answered::json("{}").after(10));
            let keys = scene.published.borrow().clone().after(10);
            *scene.published.borrow_mut() = keys;
            scene.world.fault(Class::Limiter, Fault::Late(10));
            scene.world.fault(Class::Journal, Fault::Late(10));
            let token = if path.starts_with("/_") { ADMIN.to_owned() } else { scene.token(json!({})) };
            let visit = scene.visit("GET", path).header("authorization", &format!("Bearer {token}"));
            let seen = visit.leave(&scene.gateway, after);
            scene.world.pass(1_000);
            let next = scene.get("/nowhere");
            assert!(next.flush.is_some() || seen.is_some_and(|seen| seen.flush.is_some()), "{path} {after}");
            scene.visit("GET", "/").flush(&scene.gateway);
            let all = listed(&scene);
            assert_eq!(all.len(), 2, "{path} {after}: {all:?}");
        }
    }
}

#[test]
fn a_flush_that_is_cut_short_loses_nothing() {
    let scene = Scene::new("", ROUTES);
    (0..5).for_each(|_| drop(scene.get("/shop/open/x")));
    scene.world.fault(Class::Journal, Fault::Lost);
    let visit = scene.visit("GET", "/");
    let end = scene.world.now() + 50;
    assert_eq!(scene.world.run_until(end, pipeline::flush(&scene.gateway, &visit)), None);
    scene.world.fault(Class::Journal, Fault::None);
    assert_eq!(listed(&scene).len(), 5);
    assert_eq!(scene.world.points.borrow().len(), 5);
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
    (0..200).for_each(|_| drop(scene.get("/shop/open/x")));
    (0..7).for_each(|_| drop(scene.get("/shop/none")));
    let events = listed(&scene);
    let of = |status: u16| events.iter().filter(move |event| event["status"] == status);
    // By chance, of which a seed's is always the same: 20 are to be expected.
    assert!((8..40).contains(&of(200).count()), "{}", of(200).count());
    assert_eq!(of(404).count(), 7);
    assert!(of(200).all(|event| event["weight"] == 10) && of(404).all(|event| event["weight"].is_null()));
    // Both sinks get the same, and the weights.
    scene.visit("GET", "/").flush(&scene.gateway);
    let points = scene.world.points.borrow();
    let of = |status: f64| points.iter().filter(move |(_, _, numbers)| numbers[1] == status);
    assert!(of(200.0).filter(|(_, _, numbers)| numbers[0] == 10.0).count() >= 8);
    assert_eq!(of(404.0).filter(|(_, _, numbers)| numbers[0] == 1.0).count(), 7);
}

#[test]
fn every_event_tells_the_country() {
    let routes = ROUTES.to_owned() + "  cached: { match: GET /cached, auth: none, cache: { ttl: 9s } }\n";
    let scene = Scene::new("", &routes);
    for path in ["/shop/open/x", "/shop/cached", "/shop/cached", "/nowhere", "/shop/mine"] {
        // What a client says of itself counts nothing.
        let seen = scene.send(&scene.visit("GET", path).header("cf-ipcountry", "XX"));
        assert_eq!(scene.event(&seen)["country"], "NL", "{path}");
    }
}

#[test]
fn what_the_analytics_sink_gets_of_one_invocation_is_bounded() {
    let scene = Scene::new("", ROUTES);
    (0..1_000).for_each(|_| drop(scene.get("/shop/open/x")));
    // An administrator's reading, and the flush that it promises.
    assert_eq!(listed(&scene).len(), 500);
    scene.visit("GET", "/").flush(&scene.gateway);
    let points = scene.world.points.borrow().len();
    assert!((1..=250).contains(&points), "{points}");
}

#[test]
fn points_keep_the_sinks_bounds_whatever_names_there_are() {
    let (name, version) = ("n".repeat(64), "v".repeat(64));
    let routes = format!(
        "\nversion: {{ name: {version} }}\nroutes: {{ {name}: {{ match: GET /long, auth: {{ jwt: people }} }} }}\n"
    );
    let scene = Scene::new("", &routes);
    let token = scene.token(json!({ "sub": "\u{20ac}".repeat(85) }));
    let event = scene.event(&scene.get_as(&token, "/shop/long"));
    assert_eq!(event["route"], format!("shop/{version}/{name}"), "the journal has it whole");
    let points = scene.world.points.borrow();
    let (index, blobs, doubles) = points.first().unwrap();
    assert_eq!(*index, format!("shop/{version}/{name}")[..96]);
    assert!(blobs.len() <= 20 && doubles.len() <= 20);
    assert!(blobs.iter().map(String::len).sum::<usize>() <= 5_000);
    assert_eq!(blobs[5], "\u{20ac}".repeat(85));
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
    let outcome = pipeline::lost(&scene.gateway, &visit, "GET", "https://api.test/shop/mine", None);
    let pipeline::Response::Reply(reply) = outcome.response else { panic!("a reply") };
    assert_eq!(reply.status, 500);
    let event = &listed(&scene)[0];
    assert_eq!((&event["reason"], &event["route"]), (&json!("gateway-fault"), &json!("shop/v1/mine")));
}

#[test]
fn a_request_whose_answer_could_not_be_made_has_one_event_that_says_so() {
    for (sample, events) in [("1", 2), ("0", 1)] {
        let scene = Scene::new(&format!("events: {{ sample: {sample} }}\n"), ROUTES);
        scene.get("/shop/open/before");
        let seen = scene.get("/shop/open/x");
        let id = seen.header("x-request-id").map(str::to_owned);
        let visit = scene.visit("GET", "/shop/open/x");
        let outcome =
            pipeline::lost(&scene.gateway, &visit, "GET", "https://api.test/shop/open/x", id.clone());
        assert_eq!((outcome.status(), Some(&outcome.id)), (500, id.as_ref()));
        let listed = listed(&scene);
        assert_eq!(listed.len(), events, "{listed:?}");
        let event = &listed[0];
        assert_eq!((event["id"].as_str(), &event["status"]), (id.as_deref(), &json!(500)));
        assert_eq!((&event["reason"], &event["route"]), (&json!("gateway-fault"), &json!("shop/v1/open")));
        // What is known of its way stays.
        assert_eq!(event["attempts"].as_array().map_or(0, Vec::len), events - 1, "{event}");
    }
}

#[test]
fn only_a_share_of_nothing_keeps_nothing() {
    for (share, thousandths) in [("0", 0), ("0.0001", 1), ("0.0014", 1), ("1", 1000)] {
        let scene = Scene::new(&format!("events: {{ sample: {share} }}\n"), ROUTES);
        let sample = scene.gateway.router().unwrap().plan().shared().gateway.sample;
        assert_eq!(sample, thousandths, "{share}");
    }
}
