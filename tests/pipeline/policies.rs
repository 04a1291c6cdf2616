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
