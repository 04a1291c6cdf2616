//! Routes with several backends: who gets what, and who stays where he is.

use crate::scene::{NOW, Scene, refused};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tollgate::simulator::{Answered, Seen};

const UPSTREAMS: &str = "
upstreams:
  old: { targets: [{ url: \"https://old1.internal\" }, { url: \"https://old2.internal\", weight: 0 }] }
  new: { url: \"https://new.internal\" }
";

/// A scene whose origins answer with their names.
fn scene(route: &str) -> Scene {
    let scene = Scene::new("", &format!("{UPSTREAMS}routes:\n{route}"));
    for (authority, name) in [("old1.internal", "old"), ("old2.internal", "spare"), ("new.internal", "new")] {
        scene.world.origin(authority, move |_| Answered { body: name.into(), ..Answered::status(200) });
    }
    scene
}

const HEADER: &str = "
  lane:
    match: \"ANY /{*rest}\"
    auth: none
    headers: { request: { set: { x-order: route } }, response: { set: { x-last: route } } }
    timeout: { headers: 800ms, total: 900ms }
    backends:
      stable: { upstream: old, weight: 3, headers: { response: { set: { x-lane: stable, x-last: backend } } } }
      next: { upstream: new, headers: { request: { set: { x-order: backend } } }, timeout: { headers: 200ms }, rewrite: \"/v2/{rest}\" }
    sticky: { by: header.x-tenant }
";

fn tenant(scene: &Scene, name: &str) -> Seen {
    scene.send(&scene.visit("GET", "/shop/x").header("x-tenant", name))
}

#[test]
fn a_caller_stays_with_a_backend_in_every_isolate() {
    let scene = scene(HEADER);
    let mut counts = BTreeMap::new();
    for n in 0..400 {
        let name = format!("tenant {n}");
        let seen = tenant(&scene, &name);
        *counts.entry(seen.body.clone()).or_insert(0) += 1;
        let other = scene.isolate(n);
        let visit = scene.visit("PUT", "/shop/other?q=1").header("X-Tenant", &name);
        assert_eq!(scene.send_to(&other, &visit).body, seen.body, "{name}");
    }
    assert!((250..350).contains(&counts["old"]) && counts.len() == 2, "{counts:?}");
    // Without the value each request is on its own.
    let chance: BTreeSet<String> = (0..100).map(|_| scene.get("/shop/x").body).collect();
    assert_eq!(chance, ["new", "old"].map(str::to_owned).into());
}

#[test]
fn each_backend_has_its_edits_times_and_path() {
    let scene = scene(HEADER);
    let (mut old, mut new) = (None, None);
    for n in 0..50 {
        let name = format!("tenant {n}");
        let seen = tenant(&scene, &name);
        let place = if seen.body == "old" { &mut old } else { &mut new };
        *place = Some((name, seen, scene.last()));
    }
    let (old, new) = (old.unwrap(), new.unwrap());
    assert_eq!(old.2.url, "https://old1.internal/shop/x");
    assert_eq!((old.1.header("x-lane"), old.1.header("x-last")), (Some("stable"), Some("route")));
    assert_eq!(old.2.header("x-order"), Some("route"));
    assert_eq!(new.2.url, "https://new.internal/v2/x");
    assert_eq!((new.1.header("x-lane"), new.1.header("x-last")), (None, Some("route")));
    assert_eq!(new.2.header("x-order"), Some("backend"));
    assert_eq!(scene.event(&old.1)["backend"], "stable");
    assert_eq!(scene.event(&new.1)["backend"], "next");
    assert_eq!(scene.event(&new.1)["attempts"][0]["upstream"], "shop/v1/new");
    // The slower of the two has less time.
    for authority in ["old1.internal", "new.internal"] {
        scene.world.origin(authority, |_| Answered::status(200).after(400));
    }
    assert_eq!(tenant(&scene, &old.0).status, 200);
    let late = tenant(&scene, &new.0);
    refused(&late, 504, "upstream-timeout");
    assert_eq!(scene.event(&late)["backend"], "next");
}

#[test]
fn another_target_may_stand_in_and_another_backend_never() {
    let scene = scene(HEADER);
    for authority in ["old1.internal", "new.internal"] {
        scene.world.origin(authority, |_| Answered::broken("refused"));
    }
    let mut ends = BTreeSet::new();
    for n in 0..60 {
        let seen = tenant(&scene, &format!("tenant {n}"));
        let event = scene.event(&seen);
        ends.insert((event["backend"].as_str().unwrap().to_owned(), seen.status));
    }
    assert_eq!(ends, [("next".to_owned(), 502), ("stable".to_owned(), 200)].into());
}

#[test]
fn a_weight_of_none_gets_nothing() {
    let scene = scene(
        "  lane: { match: GET /x, auth: none, backends: { stable: { upstream: old }, next: { upstream: new, weight: 0 } } }\n",
    );
    assert!((0..200).all(|_| scene.get("/shop/x").body == "old"));
}

#[test]
fn a_backend_without_upstream_has_the_files() {
    let scene = scene("  lane: { match: GET /x, auth: none, backends: { own: { rewrite: /y } } }\n");
    assert_eq!(scene.get("/shop/x").status, 200);
    assert_eq!(scene.last().url, "https://origin.internal/base/y");
}

#[test]
fn a_cookie_keeps_whom_chance_has_sent() {
    let scene = scene(
        "
  lane:
    match: \"GET /{*rest}\"
    auth: none
    backends: { stable: { upstream: old }, next: { upstream: new } }
    sticky: { by: cookie.lane, set: { max_age: 1h } }
",
    );
    let mut bodies = BTreeSet::new();
    for n in 0..40 {
        let first = scene.get("/shop/a");
        let set = first.header("set-cookie").unwrap();
        let (cookie, attributes) = set.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/shop; Max-Age=3600; SameSite=Lax; Secure; HttpOnly");
        assert_eq!(first.header("cache-control"), Some("private"));
        for _ in 0..3 {
            let visit = scene.visit("GET", "/shop/b").header("cookie", &format!("a=b; {cookie}"));
            let again = scene.send_to(&scene.isolate(n), &visit);
            assert_eq!((again.body.as_str(), again.header("set-cookie")), (first.body.as_str(), None));
        }
        bodies.insert(first.body);
    }
    assert_eq!(bodies.len(), 2);
}

#[test]
fn a_consumer_stays_whatever_his_token_and_a_group_joins_routes() {
    let scene = scene(
        "
  one: { match: GET /one, auth: { jwt: people }, backends: { stable: { upstream: old }, next: { upstream: new } }, sticky: { by: consumer, group: lanes } }
  two: { match: GET /two, auth: { jwt: people }, backends: { next: { upstream: new }, stable: { upstream: old } }, sticky: { by: consumer, group: lanes } }
  alone: { match: GET /alone, auth: { jwt: people }, backends: { stable: { upstream: old }, next: { upstream: new } }, sticky: { by: consumer } }
",
    );
    let (mut bodies, mut apart) = (BTreeSet::new(), 0);
    for n in 0..60 {
        let of = |salt: u32| scene.token(json!({ "sub": format!("consumer {n}"), "salt": salt }));
        let one = scene.get_as(&of(1), "/shop/one");
        assert_eq!(one.status, 200);
        assert_eq!(scene.get_as(&of(2), "/shop/two").body, one.body);
        apart += u32::from(scene.get_as(&of(3), "/shop/alone").body != one.body);
        bodies.insert(one.body);
    }
    assert!(bodies.len() == 2 && apart > 10, "{bodies:?} {apart}");
}

#[test]
fn an_address_stays_ipv6_by_its_network() {
    let scene = scene(
        "  lane: { match: GET /x, auth: none, backends: { stable: { upstream: old }, next: { upstream: new } }, sticky: { by: address } }\n",
    );
    let from = |address: &str| scene.send(&scene.visit("GET", "/shop/x").from(address)).body;
    let bodies: BTreeSet<String> = (0..50).map(|n| from(&format!("198.51.100.{n}"))).collect();
    assert_eq!(bodies.len(), 2);
    for n in 0..20 {
        let bodies: BTreeSet<String> = (1..6).map(|host| from(&format!("2001:db8:0:{n}::{host}"))).collect();
        assert_eq!(bodies.len(), 1);
    }
}

#[test]
fn the_cache_keeps_backends_apart() {
    let scene = scene(
        "
  lane:
    match: GET /x
    auth: none
    cache: { ttl: 60s }
    backends: { stable: { upstream: old, headers: { response: { set: { x-lane: stable } } } }, next: { upstream: new } }
    sticky: { by: header.x-tenant }
",
    );
    for authority in ["old1.internal", "new.internal"] {
        scene.world.origin(authority, move |_| Answered::json(&json!(authority).to_string()));
    }
    let mut bodies = BTreeMap::new();
    for n in 0..40 {
        let seen = tenant(&scene, &format!("tenant {n}"));
        let backend = scene.event(&seen)["backend"].as_str().unwrap().to_owned();
        assert_eq!(seen.header("x-lane"), (backend == "stable").then_some("stable"));
        assert_eq!(*bodies.entry(backend).or_insert_with(|| seen.body.clone()), seen.body);
    }
    assert_eq!((bodies.len(), scene.sent()), (2, 2), "{bodies:?}");
    assert_ne!(bodies["stable"], bodies["next"]);
}

const RAMP: &str = "
  lane:
    match: \"GET /{*rest}\"
    auth: none
    backends: { stable: { upstream: old }, next: { upstream: new } }
    sticky: { by: header.x-tenant }
    canary: { backend: next, from: \"2026-03-10T12:00:00Z\", start: 5%, to: 50%, over: 2h, header: X-Canary }
";

#[test]
fn a_canary_grows_by_the_clock_and_keeps_whom_it_has() {
    let scene = scene(RAMP);
    let names: Vec<String> = (0..1000).map(|n| format!("tenant {n}")).collect();
    let mut before = BTreeSet::new();
    for (minutes, share) in [(0, 50), (30, 162), (60, 275), (90, 387), (120, 500), (1000, 500)] {
        scene.world.turn(NOW + minutes * 60_000);
        let isolate = scene.isolate(u128::from(minutes));
        let of = |name: &String| {
            scene.send_to(&isolate, &scene.visit("GET", "/shop/x").header("x-tenant", name)).body
        };
        let inside: BTreeSet<&String> = names.iter().filter(|name| of(name) == "new").collect();
        assert!(inside.len().abs_diff(share) < 50, "{minutes}: {}", inside.len());
        assert!(before.is_subset(&inside));
        before = inside;
    }
    scene.world.turn(NOW - 1);
    assert!(names.iter().all(|name| tenant(&scene, name).body == "old"));
}

#[test]
fn a_caller_may_choose_the_canary_and_its_origin_does_not_hear_of_it() {
    let scene = scene(RAMP);
    for (word, body) in [("always", "new"), ("never", "old")] {
        for n in 0..50 {
            let visit = scene.visit("GET", "/shop/x").header("x-tenant", &n.to_string());
            assert_eq!(scene.send(&visit.header("X-Canary", word)).body, body);
            assert_eq!(scene.last().header("x-canary"), None);
        }
    }
    // Any other word says nothing; and where no field is named there is none.
    let visit = || scene.visit("GET", "/shop/x").header("x-tenant", "t");
    assert_eq!(scene.send(&visit().header("x-canary", "maybe")).body, scene.send(&visit()).body);
    let silent = self::scene(&RAMP.replace(", header: X-Canary", ""));
    let visit = |word: &str| silent.visit("GET", "/shop/x").header("x-tenant", "t").header("x-canary", word);
    assert_eq!(silent.send(&visit("always")).body, silent.send(&visit("never")).body);
    assert_eq!(silent.last().header("x-canary"), Some("never"));
}
