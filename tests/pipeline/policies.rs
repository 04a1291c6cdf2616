//! Bodies, header edits, and what routes inherit.

use crate::scene::{Scene, refused};

const ROUTES: &str = "
defaults:
  headers:
    request: { remove: [x-debug], set: { x-via: gateway } }
    response: { remove: [server], set: { x-frame-options: DENY }, add: { x-tag: ours } }
routes:
  small: { match: ANY /small, auth: none, body: { max: 8B } }
  open: { match: ANY /open, auth: none }
  more: { match: GET /more, auth: none, headers: { add: { response: { set: { x-more: \"1\" } } } } }
";

#[test]
fn bodies_are_bounded_by_their_declared_length() {
    let scene = Scene::new("", ROUTES);
    assert_eq!(scene.send(&scene.visit("POST", "/shop/small").body("12345678")).status, 200);
    let seen = scene.send(&scene.visit("POST", "/shop/small").body("123456789"));
    refused(&seen, 413, "body-too-large");
    assert_eq!(seen.json()["max"], 8);
    let length =
        |value: &str| scene.send(&scene.visit("POST", "/shop/small").header("content-length", value));
    for value in ["", "x", "-1", "8, 8", "0x8"] {
        refused(&length(value), 400, "malformed-header");
    }
    refused(&length("99999999999999999999999"), 413, "body-too-large");
    let unknown = scene.visit("POST", "/shop/small").stream("1");
    refused(&scene.send(&unknown), 411, "length-required");
    assert_eq!(scene.sent(), 1);
    assert_eq!(scene.send(&scene.visit("POST", "/shop/open").stream("123456789")).status, 200);
    assert_eq!(scene.last().body.as_deref(), Some("123456789"));
}

#[test]
fn header_edits_apply_both_ways() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| {
        tollgate::simulator::Answered::json("{}").header("server", "old/1.0").header("x-tag", "theirs")
    });
    let seen = scene.send(&scene.visit("GET", "/shop/open").header("x-debug", "1").header("x-via", "me"));
    let sent = scene.last();
    assert_eq!((sent.header("x-debug"), sent.header("x-via")), (None, Some("gateway")));
    assert_eq!((seen.header("server"), seen.header("x-frame-options")), (None, Some("DENY")));
    let tags: Vec<_> =
        seen.headers.iter().filter(|(name, _)| name == "x-tag").map(|(_, v)| v.as_str()).collect();
    assert_eq!(tags, ["theirs", "ours"]);
    let seen = scene.get("/shop/more");
    assert_eq!((seen.header("x-more"), seen.header("x-frame-options")), (Some("1"), Some("DENY")));
    // The gateway's own answers on the route have them too.
    let seen = scene.send(&scene.visit("POST", "/shop/small").body("123456789"));
    assert_eq!(seen.header("x-frame-options"), Some("DENY"));
}

#[test]
fn header_values_hold_captured_parameters() {
    let scene = Scene::new(
        "",
        "
defaults:
  auth: none
  headers: { request: { set: { X-Plain: \"{{a}}\" } }, response: { add: { Link: [\"</a>; rel=a\", \"</b>; rel=b\"] } } }
routes:
  item:
    match: \"GET|OPTIONS /items/{id}/{*rest}\"
    cors: { origins: [\"https://app.test\"] }
    headers: { add: { request: { set: { x-item: \"i-{id}\" }, add: { x-item: \"{rest}\" } }, response: { remove: [x-id], set: { X-Id: \"{id}\" } } } }
  both:
    match: \"GET /both/{id}\"
    combine: { one: { upstream: { url: \"https://origin.internal\" }, path: /one } }
    headers: { request: { set: { x-item: \"{id}\" } } }
  split:
    match: \"GET /split/{id}\"
    backends:
      all: { upstream: { url: \"https://origin.internal\" }, headers: { request: { set: { x-item: \"s-{id}\" } }, response: { set: { x-id: \"{id}\" } } } }
      other: { upstream: { url: \"https://origin.internal\" }, weight: 0 }
",
    );
    let all = |fields: &[(String, String)], name: &str| -> Vec<String> {
        fields.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
    };
    let seen = scene.get("/shop/items/a%20b/c/d");
    let sent = scene.last();
    assert_eq!(all(&sent.headers, "x-item"), ["i-a%20b", "c/d"]);
    assert_eq!(sent.header("x-plain"), Some("{a}"));
    assert_eq!(all(&seen.headers, "x-id"), ["a%20b"]);
    assert_eq!(all(&seen.headers, "link"), ["</a>; rel=a", "</b>; rel=b"]);
    // Whatever is captured is a value, also on the gateway's own answers.
    refused(&scene.get("/shop/items/a%0d%0ab/c"), 400, "malformed-path");
    let preflight = scene.visit("OPTIONS", "/shop/items/7/x").header("origin", "https://app.test");
    let seen = scene.send(&preflight.header("access-control-request-method", "GET"));
    assert_eq!((seen.status, seen.header("x-id")), (204, Some("7")));
    scene.get("/shop/both/8");
    assert_eq!(scene.last().header("x-item"), Some("8"));
    let seen = scene.get("/shop/split/9");
    assert_eq!((seen.header("x-id"), scene.last().header("x-item")), (Some("9"), Some("s-9")));
}
