//! Redirects, answers that stand in the route file, and what upstreams are asked in place of the client's URL.

use crate::scene::{Scene, refused};

const ROUTES: &str = "
defaults: { auth: none }
routes:
  away: { match: \"GET /away/{id}\", redirect: { status: 308, scheme: https, host: www.example.com, path: \"/v2/{id}/x\", query: \"from={id}\" } }
  moved: { match: \"ANY /moved/{*rest}\", redirect: { prefix: /v2, query: none } }
  again: { match: \"GET /again/{id}\", redirect: { path: \"/shop/{id}/{id}\" } }
  mock: { match: GET /mock, respond: { json: { z: [1, 2.5, null], a: \"é\\n\" }, headers: { X-Tag: [a, b] } } }
  gone: { match: ANY /gone, respond: { status: 410, body: <p>gone</p>, type: text/html, headers: { cache-control: max-age=60 } } }
  empty: { match: ANY /empty, respond: {} }
  prefixed: { match: \"GET /p/{*rest}\", rewrite: { prefix: /q/ } }
  taken: { match: \"GET /t/{*rest}\", rewrite: { prefix: /, host: Orders.Internal } }
  whole: { match: \"GET /w/{id}\", rewrite: { path: \"/in/{id}?a={id}\" } }
  member: { match: GET /member, auth: { jwt: people }, redirect: { path: /hello } }
";

#[test]
fn a_redirect_names_the_whole_url() {
    let scene = Scene::new("", ROUTES);
    let to = |path: &str| {
        let seen = scene.get(path);
        (seen.status, seen.header("location").unwrap_or_default().to_owned())
    };
    assert_eq!(to("/shop/away/7?a=1"), (308, "https://www.example.com/v2/7/x?from=7".into()));
    assert_eq!(to("/shop/moved/a/b?c"), (302, "https://api.test/v2/moved/a/b".into()));
    // What is captured names no host, whatever it looks like.
    assert_eq!(to("/shop/moved/a/evil.example?c"), (302, "https://api.test/v2/moved/a/evil.example".into()));
    refused(&scene.get("/shop/moved//evil.example"), 400, "malformed-path");
    refused(&scene.get("/shop/away/%0d%0aset-cookie:a=b"), 400, "malformed-path");
    refused(&scene.get("/shop/again/again"), 508, "loop-detected");
    assert_eq!(scene.sent(), 0);
    let seen = scene.send(&scene.visit("POST", "/shop/moved/x").body("abc"));
    assert_eq!((seen.status, seen.body.as_str()), (302, ""));
    let event = scene.event(&seen);
    assert_eq!((&event["route"], &event["reason"]), (&"shop/v1/moved".into(), &serde_json::Value::Null));
}

#[test]
fn a_redirect_comes_after_authentication() {
    let scene = Scene::new("", ROUTES);
    refused(&scene.get("/shop/member"), 401, "token-missing");
    let seen = scene.get_as(&scene.token(serde_json::json!({})), "/shop/member?q");
    assert_eq!((seen.status, seen.header("location")), (302, Some("https://api.test/hello?q")));
}

#[test]
fn an_answer_of_the_route_file_is_sent_as_it_stands() {
    let scene = Scene::new("", ROUTES);
    let seen = scene.get("/shop/mock");
    assert_eq!((seen.status, seen.body.as_str()), (200, "{\"z\":[1,2.5,null],\"a\":\"é\\n\"}"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    let tags: Vec<_> =
        seen.headers.iter().filter(|(name, _)| name == "x-tag").map(|(_, v)| v.as_str()).collect();
    assert_eq!(tags, ["a", "b"]);
    let seen = scene.send(&scene.visit("DELETE", "/shop/gone"));
    assert_eq!((seen.status, seen.body.as_str()), (410, "<p>gone</p>"));
    assert_eq!(seen.header("content-type"), Some("text/html"));
    assert_eq!(seen.header("cache-control"), Some("max-age=60"));
    let seen = scene.get("/shop/empty");
    assert_eq!((seen.status, seen.body.as_str(), seen.header("content-type")), (204, "", None));
    assert_eq!(scene.sent(), 0);
}

#[test]
fn upstreams_are_asked_for_the_rewritten_url() {
    let scene = Scene::new("", ROUTES);
    let asked = |path: &str| {
        assert_eq!(scene.get(path).status, 200);
        scene.last()
    };
    assert_eq!(asked("/shop/p/a?b").url, "https://origin.internal/base/q/p/a?b");
    let sent = asked("/shop/t/a/b");
    assert_eq!(sent.url, "https://origin.internal/base/t/a/b");
    assert_eq!(sent.header("x-forwarded-host"), Some("orders.internal"));
    assert!(sent.header("forwarded").unwrap().contains("host=orders.internal"));
    let sent = asked("/shop/w/7?b=1");
    assert_eq!(sent.url, "https://origin.internal/base/in/7?a=7&b=1");
    assert_eq!(sent.header("x-forwarded-host"), Some("api.test"));
}

/// The prefix that is replaced is the matched one, with the API's base; of a template, the base alone.
#[test]
fn what_was_matched_by_prefix_is_replaced() {
    let scene = Scene::new(
        "",
        "
defaults: { auth: none }
routes:
  one: { match: { prefix: /foo }, rewrite: { prefix: /xyz } }
  away: { match: { prefix: /away }, rewrite: { prefix: / } }
  two: { match: [{ prefix: /two }, { prefix: /two/deep }], redirect: { prefix: /new } }
  some: { match: { regex: \"/r(?<rest>[0-9]+)\" }, redirect: { prefix: /new, query: \"r={rest}\" } }
",
    );
    for (path, url) in [
        ("/shop/foo/bar", "/base/xyz/bar"),
        ("/shop/foo", "/base/xyz"),
        ("/shop/foo/", "/base/xyz/"),
        ("/shop/away", "/base/"),
        ("/shop/away/", "/base/"),
        ("/shop/away/x?y", "/base/x?y"),
    ] {
        assert_eq!(scene.get(path).status, 200, "{path}");
        assert_eq!(scene.last().url, format!("https://origin.internal{url}"), "{path}");
    }
    for (path, location) in [
        ("/shop/two/x", "/new/x"),
        ("/shop/two", "/new"),
        ("/shop/two/deep/x", "/new/x"),
        ("/shop/r12?a", "/new/r12?r=12"),
    ] {
        let seen = scene.get(path);
        assert_eq!(seen.header("location"), Some(format!("https://api.test{location}").as_str()), "{path}");
    }
}

/// Where a proxy in front is trusted, its word of the host is kept; but not against the route file.
#[test]
fn a_files_rewrite_is_that_of_its_routes_but_for_those_with_their_own() {
    let routes = "
defaults: { auth: none }
routes:
  item: { match: \"GET /items/{id}\" }
  below: { match: { prefix: /below } }
  own: { match: GET /own, rewrite: /x }
  split: { match: GET /split, backends: { one: { rewrite: /one }, two: { weight: 0 } } }
  two: { match: GET /two, backends: { one: { weight: 1 } } }
";
    for (rewrite, item, below, two, told) in [
        ("{ prefix: /v1 }", "/base/v1/items/a%20b?x=1", "/base/v1/below/c", "/base/v1/two", "api.test"),
        (
            "{ prefix: /, host: orders.internal }",
            "/base/items/a%20b?x=1",
            "/base/below/c",
            "/base/two",
            "orders.internal",
        ),
        (
            "{ host: orders.internal }",
            "/base/shop/items/a%20b?x=1",
            "/base/shop/below/c",
            "/base/shop/two",
            "orders.internal",
        ),
    ] {
        let scene = Scene::new("", &format!("rewrite: {rewrite}\n{routes}"));
        for (path, url, told) in [
            ("/shop/items/a%20b?x=1", item, told),
            ("/shop/below/c", below, told),
            ("/shop/own", "/base/x", "api.test"),
            ("/shop/split", "/base/one", told),
            ("/shop/two", two, told),
        ] {
            assert_eq!(scene.get(path).status, 200);
            let sent = scene.last();
            assert_eq!(sent.url, format!("https://origin.internal{url}"), "{rewrite} {path}");
            assert_eq!(sent.header("x-forwarded-host"), Some(told), "{rewrite} {path}");
        }
    }
}

#[test]
fn the_host_told_is_the_route_files_also_behind_a_trusted_proxy() {
    let scene = Scene::new("trust_forwarded: true\n", ROUTES);
    let ask = |path: &str| {
        scene.send(&scene.visit("GET", path).header("x-forwarded-host", "front.example"));
        scene.last().header("x-forwarded-host").map(str::to_owned)
    };
    assert_eq!(ask("/shop/t/a").as_deref(), Some("orders.internal"));
    assert_eq!(ask("/shop/w/7").as_deref(), Some("front.example"));
}

/// Behind a trusted proxy, what is kept of the request is what the client asked that proxy for.
#[test]
fn behind_a_trusted_proxy_a_redirect_stays_there() {
    let to = |gateway: &str, fields: &[(&str, &str)]| {
        let scene = Scene::new(gateway, ROUTES);
        let visit =
            fields.iter().fold(scene.visit("GET", "/shop/moved/x"), |v, (n, value)| v.header(n, value));
        scene.send(&visit).header("location").unwrap().to_owned()
    };
    let fields = [("x-forwarded-host", "Front.example:8443"), ("x-forwarded-proto", "http")];
    assert_eq!(to("trust_forwarded: true\n", &fields), "http://front.example:8443/v2/moved/x");
    assert_eq!(to("", &fields), "https://api.test/v2/moved/x");
    let hostile = [("x-forwarded-host", "evil.example/x?"), ("x-forwarded-proto", "https")];
    assert_eq!(to("trust_forwarded: true\n", &hostile), "https://api.test/v2/moved/x");
}
