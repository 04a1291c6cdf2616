//! Copies of requests: who gets one, what it holds, and that nobody notices.

use crate::scene::Scene;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use tollgate::simulator::{Answered, Sent};

fn scene(route: &str) -> Scene {
    let upstreams = "
upstreams:
  shadow: { url: \"https://shadow.internal/base\" }
  second: { url: \"https://second.internal\" }
  new: { url: \"https://new.internal\" }
";
    Scene::new("", &format!("{upstreams}routes:\n{route}"))
}

fn copies(scene: &Scene) -> Vec<Sent> {
    scene.world.mirrored.take()
}

const BOTH: &str = "
  any:
    match: \"ANY /{*rest}\"
    auth: none
    rewrite: \"/in/{rest}\"
    headers: { request: { set: { x-route: \"1\" } } }
    mirror:
      - upstream: shadow
      - { upstream: second, keep_credentials: true, max: 5B, headers: { set: { x-second: \"1\" }, remove: [x-route] } }
";

#[test]
fn a_copy_is_what_the_upstream_gets_marked_and_without_credentials() {
    let scene = scene(BOTH);
    let visit = scene.visit("GET", "/shop/x?a=1").header("cookie", "a=b").header("authorization", "Basic x");
    let seen = scene.send(&visit.header("tollgate-mirror", "9").header("tollgate_mirror", "9"));
    let sent = scene.last();
    assert_eq!((sent.header("tollgate-mirror"), sent.header("tollgate_mirror")), (None, None));
    let copies = copies(&scene);
    let [first, second] = copies.as_slice() else { panic!("{copies:?}") };
    assert_eq!((first.url.as_str(), first.method.as_str()), ("https://shadow.internal/base/in/x?a=1", "GET"));
    assert_eq!((first.header("cookie"), first.header("authorization")), (None, None));
    assert_eq!(second.url, "https://second.internal/in/x?a=1");
    assert_eq!((second.header("cookie"), second.header("authorization")), (Some("a=b"), Some("Basic x")));
    assert_eq!((first.header("x-route"), first.header("x-second")), (Some("1"), None));
    assert_eq!((second.header("x-route"), second.header("x-second")), (None, Some("1")));
    for copy in &copies {
        assert_eq!((copy.header("tollgate-mirror"), copy.header("tollgate_mirror")), (Some("1"), None));
        assert_eq!(copy.header("x-request-id"), seen.header("x-request-id"));
        assert_eq!(copy.header("x-forwarded-for"), Some("192.0.2.1"));
    }
    let event = scene.event(&seen);
    assert_eq!(event["mirrors"], json!(["shop/v1/shadow", "shop/v1/second"]));
    assert_eq!(event["attempts"].as_array().map(Vec::len), Some(1));
}

#[test]
fn bodies_are_copied_up_to_the_bound() {
    let scene = scene(BOTH);
    let bodies = |copies: &[Sent]| copies.iter().map(|copy| copy.body.clone()).collect::<Vec<_>>();
    scene.send(&scene.visit("POST", "/shop/x").body("12345"));
    assert_eq!(bodies(&copies(&scene)), [Some("12345".to_owned()), Some("12345".to_owned())]);
    // Known to be longer, or found to be.
    let seen = scene.send(&scene.visit("POST", "/shop/x").body("123456"));
    assert_eq!(bodies(&copies(&scene)), [Some("123456".to_owned())]);
    assert_eq!(scene.event(&seen)["mirrors"], json!(["shop/v1/shadow"]));
    scene.send(&scene.visit("PUT", "/shop/x").stream("123456"));
    assert_eq!(bodies(&copies(&scene)), [Some("123456".to_owned())]);
    assert_eq!(scene.last().body.as_deref(), Some("123456"));
    // A GET has none, whatever it says.
    scene.send(&scene.visit("GET", "/shop/x").header("content-length", "99"));
    assert_eq!(bodies(&copies(&scene)), [None, None]);
}

#[test]
fn only_what_is_sent_is_copied_and_once() {
    let scene = scene(
        "
  cached: { match: GET /cached, auth: none, cache: { ttl: 60s }, mirror: [{ upstream: shadow }] }
  closed: { match: GET /closed, auth: { jwt: people }, mirror: [{ upstream: shadow }] }
  retried: { match: GET /retried, auth: none, upstream: { targets: [{ url: \"https://a.internal\" }, { url: \"https://b.internal\" }] }, mirror: [{ upstream: shadow }] }
",
    );
    for _ in 0..3 {
        assert_eq!(scene.get("/shop/cached").status, 200);
    }
    assert_eq!((scene.sent(), copies(&scene).len()), (1, 1));
    assert_eq!(scene.get("/shop/closed").status, 401);
    assert!(copies(&scene).is_empty());
    assert_eq!(scene.get("/shop/retried").status, 502);
    assert_eq!((scene.sent(), copies(&scene).len()), (3, 1));
}

#[test]
fn a_handshake_is_not_copied() {
    let scene = scene(BOTH);
    scene.world.origin("origin.internal", |_| Answered::status(101));
    let visit = scene.visit("GET", "/shop/x").header("upgrade", "websocket").header("connection", "upgrade");
    assert_eq!(scene.send(&visit).status, 101);
    assert!(copies(&scene).is_empty());
}

#[test]
fn a_share_is_copied_by_chance() {
    let scene = scene(
        "  any: { match: GET /x, auth: none, mirror: [{ upstream: shadow, share: 25% }, { upstream: second, share: 0% }] }\n",
    );
    (0..1000).for_each(|_| drop(scene.get("/shop/x")));
    let copies = copies(&scene);
    assert!((200..300).contains(&copies.len()), "{}", copies.len());
    assert!(copies.iter().all(|copy| copy.url.starts_with("https://shadow.internal/")));
}

#[test]
fn mirrors_are_inherited_and_ended() {
    let scene = Scene::new(
        "upstreams: { shadow: { url: \"https://shadow.internal\" } }\ndefaults: { mirror: [{ upstream: shadow }, { upstream: { url: \"https://inline.internal\" } }] }\n",
        "
routes:
  on: { match: GET /on, auth: none }
  off: { match: GET /off, auth: none, mirror: none }
  moved: { match: GET /moved, auth: none, redirect: { path: /on } }
",
    );
    for (path, copied) in [("on", 2), ("off", 0), ("moved", 0), ("on", 2)] {
        scene.get(&format!("/shop/{path}"));
        assert_eq!(copies(&scene).len(), copied, "{path}");
    }
}

#[test]
fn a_copy_is_what_the_chosen_backend_gets() {
    let scene = scene(
        "  any: { match: GET /x, auth: none, backends: { only: { upstream: new, rewrite: /y, headers: { request: { set: { x-lane: only } } } } }, mirror: [{ upstream: shadow }] }\n",
    );
    scene.get("/shop/x");
    let copies = copies(&scene);
    assert_eq!(
        (copies[0].url.as_str(), copies[0].header("x-lane")),
        ("https://shadow.internal/base/y", Some("only"))
    );
}

/// The world's origins get copies as they get requests, after these; what they do with them is nobody's.
#[test]
fn what_becomes_of_a_copy_does_not_matter() {
    let order = Rc::new(RefCell::new(Vec::new()));
    for broken in
        [Answered::broken("refused"), Answered::json("<html>"), Answered::json("{}").after(86_400_000)]
    {
        let scene = scene(BOTH);
        for host in ["origin.internal", "shadow.internal", "second.internal"] {
            let (order, broken) = (Rc::clone(&order), broken.clone());
            scene.world.origin(host, move |sent| {
                order.borrow_mut().push(sent.url.clone());
                if host == "origin.internal" { Answered::json("{}") } else { broken.clone() }
            });
        }
        let began = scene.world.now();
        let seen = scene.send(&scene.visit("GET", "/shop/a"));
        assert_eq!((seen.status, seen.body.as_str(), scene.world.now()), (200, "{}", began));
        let got = [
            "https://origin.internal/base/in/a",
            "https://shadow.internal/base/in/a",
            "https://second.internal/in/a",
        ];
        assert_eq!(order.take(), got);
        assert_eq!(copies(&scene).len(), 2);
    }
}
