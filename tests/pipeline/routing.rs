//! From a request line to a route, and what is said where there is none.

use crate::scene::{Scene, plan, refused};
use tollgate::simulator::{Answered, Seen};

const ROUTES: &str = "
routes:
  list: { match: GET /items, auth: none }
  create: { match: POST /items, auth: none }
  get: { match: \"GET /items/{id}\", auth: none }
  fixed: { match: GET /items/top, auth: none, rewrite: \"/top?n=10\" }
  file: { match: \"GET /files/{*rest}\", auth: none, paths: { encoded_slashes: true } }
  any: { match: ANY /any, auth: none }
";

#[test]
fn the_most_literal_route_answers() {
    let scene = Scene::new("", ROUTES);
    for (path, upstream) in [
        ("/shop/items", "/shop/items"),
        ("/shop/items/7?x=1&y", "/shop/items/7?x=1&y"),
        ("/shop/items/top", "/top?n=10"),
        ("/shop/items/top?x=1", "/top?n=10&x=1"),
        ("/shop/files/a/b%2Fc", "/shop/files/a/b%2Fc"),
        ("/shop/items/%7e%41", "/shop/items/~A"),
    ] {
        assert_eq!(scene.get(path).status, 200, "{path}");
        assert_eq!(scene.last().url, format!("https://origin.internal/base{upstream}"), "{path}");
    }
}

#[test]
fn no_route_is_404_and_a_wrong_method_405() {
    let scene = Scene::new("", ROUTES);
    refused(&scene.get("/elsewhere"), 404, "not-found");
    refused(&scene.get("/shop/items/"), 404, "not-found");
    refused(&scene.get("/Shop/items"), 404, "not-found");
    let seen = scene.send(&scene.visit("DELETE", "/shop/items"));
    refused(&seen, 405, "method-not-allowed");
    assert_eq!(seen.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    // A literal template has the path, whatever methods a looser one has.
    refused(&scene.send(&scene.visit("POST", "/shop/items/top")), 405, "method-not-allowed");
    assert_eq!(scene.sent(), 0);
}

#[test]
fn head_goes_to_get_and_options_is_answered() {
    let scene = Scene::new("", ROUTES);
    assert_eq!(scene.send(&scene.visit("HEAD", "/shop/items")).status, 200);
    assert_eq!(scene.last().method, "HEAD");
    let seen = scene.send(&scene.visit("OPTIONS", "/shop/items"));
    assert_eq!((seen.status, seen.header("allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
    assert_eq!(scene.sent(), 1);
    assert_eq!(scene.send(&scene.visit("OPTIONS", "/shop/any")).status, 200);
    assert_eq!(scene.last().method, "OPTIONS");
    refused(&scene.send(&scene.visit("OPTIONS", "/nowhere")), 404, "not-found");
}

#[test]
fn methods_pass_as_written_or_not_at_all() {
    let scene = Scene::new("", ROUTES);
    for method in ["PROPFIND", "PURGE", "QUERY", "get"] {
        assert_eq!(scene.send(&scene.visit(method, "/shop/any")).status, 200, "{method}");
        assert_eq!(scene.last().method, method);
    }
    for method in ["CONNECT", "TRACE", "TRACK", "", "G T", "GÉT", &"A".repeat(33)] {
        refused(&scene.send(&scene.visit(method, "/shop/any")), 501, "method-unknown");
    }
    refused(&scene.send(&scene.visit("get", "/shop/items")), 405, "method-not-allowed");
}

#[test]
fn confusing_paths_are_refused() {
    let scene = Scene::new("", ROUTES);
    for path in [
        "/shop/items/..",
        "/shop/items/%2e%2e",
        "/shop/items/.%2E/x",
        "/shop/items/..;x",
        "/shop//items",
        "/shop/items/a%2Fb",
        "/shop/items/a\\b",
        "/shop/items/%5c",
        "/shop/items/%00",
        "/shop/items/%ff",
        "/shop/items/%zz",
        "/shop/items/%252e%252e",
        "/shop/files/a%2F..%2Fb",
        "/shop/items#x",
    ] {
        refused(&scene.get(path), 400, "malformed-path");
    }
    refused(&scene.get(&format!("/shop/items/{}", "a".repeat(16 * 1024))), 414, "uri-too-long");
    for host in ["a@api.test", "api test", "", "api.test:99999", "[::1"] {
        let visit =
            tollgate::simulator::Visit::new(&scene.world, "GET", &format!("https://{host}/shop/items"));
        refused(&scene.send(&visit), 400, "malformed-host");
    }
    assert_eq!(scene.sent(), 0);
}

#[test]
fn preflights_are_answered_before_authentication() {
    let api = "
cors:
  web: { origins: [\"https://app.test\"], methods: [DELETE], headers: [authorization], credentials: true, expose: [x-total] }
routes:
  remove: { match: \"DELETE /items/{id}\", auth: { jwt: people }, cors: web }
";
    let scene = Scene::new("", api);
    let preflight = |origin: &str| {
        let visit = scene.visit("OPTIONS", "/shop/items/1").header("origin", origin);
        scene.send(&visit.header("access-control-request-method", "DELETE"))
    };
    let seen = preflight("https://app.test");
    assert_eq!(seen.status, 204);
    assert_eq!(seen.header("access-control-allow-origin"), Some("https://app.test"));
    assert_eq!(seen.header("access-control-allow-credentials"), Some("true"));
    assert!(seen.header("access-control-allow-methods").unwrap().contains("DELETE"));
    assert_eq!(preflight("https://evil.test").header("access-control-allow-origin"), None);
    // Scripts may read a refusal, too.
    let seen = scene.send(&scene.visit("DELETE", "/shop/items/1").header("origin", "https://app.test"));
    refused(&seen, 401, "token-missing");
    assert_eq!(seen.header("access-control-allow-origin"), Some("https://app.test"));
    assert_eq!(seen.header("access-control-expose-headers"), Some("x-total"));
    assert_eq!((scene.sent(), scene.fetches()), (0, 0));
}

/// What the upstream says of CORS reaches nobody where the gateway speaks it, from the store neither.
#[test]
fn an_upstream_has_no_say_in_cors_that_the_gateway_speaks() {
    let api = "
cors:
  web: { origins: [\"https://app.test\"] }
routes:
  ours: { match: GET /ours, auth: none, cors: web }
  kept: { match: GET /kept, auth: none, cors: web, cache: { ttl: 10s } }
  theirs: { match: GET /theirs, auth: none, cache: { ttl: 10s } }
";
    let scene = Scene::new("", api);
    scene.world.origin("origin.internal", |_| {
        let fields = ["allow-origin", "allow-methods", "allow-headers", "expose-headers", "max-age"];
        let fields = fields.iter().map(|field| (format!("access-control-{field}"), "*"));
        let fields = fields.chain([("access-control-allow-credentials".to_owned(), "true")]);
        fields.fold(Answered::json("{}"), |answer, (name, value)| answer.header(&name, value))
    });
    let cors = |seen: &Seen| -> Vec<(String, String)> {
        seen.headers.iter().filter(|(name, _)| name.starts_with("access-control-")).cloned().collect()
    };
    let app = [("access-control-allow-origin".to_owned(), "https://app.test".to_owned())];
    for path in ["/shop/ours", "/shop/kept", "/shop/kept"] {
        let from = |origin: &str| cors(&scene.send(&scene.visit("GET", path).header("origin", origin)));
        assert_eq!(cors(&scene.get(path)), app, "{path}");
        assert_eq!(from("https://evil.test"), app, "{path}");
        assert_eq!(from("https://app.test"), app, "{path}");
    }
    for _ in 0..2 {
        assert_eq!(cors(&scene.get("/shop/theirs")).len(), 6);
    }
    assert_eq!(scene.sent(), 5);
}

#[test]
fn a_retired_version_answers_410_and_a_deprecated_one_warns() {
    let retired = "
version: { name: v1, status: retired, successor: \"https://api.test/v2\" }
routes: {}
";
    let scene = Scene::new("", retired);
    for path in ["/shop/items", "/shop"] {
        let seen = scene.get(path);
        refused(&seen, 410, "api-retired");
        assert_eq!(seen.header("link"), Some("<https://api.test/v2>; rel=\"successor-version\""));
    }
    refused(&scene.get("/shopping"), 404, "not-found");

    let deprecated = "
version: { name: v1, status: deprecated, since: 2026-01-01, sunset: 2026-12-31 }
routes:
  items: { match: GET /items, auth: { jwt: people } }
";
    let scene = Scene::new("", deprecated);
    let token = scene.token(serde_json::json!({}));
    for seen in [scene.get_as(&token, "/shop/items"), scene.get("/shop/items"), scene.get("/shop/none")] {
        assert_eq!(seen.header("deprecation"), Some("@1767225600"), "{}", seen.status);
        assert_eq!(seen.header("sunset"), Some("Thu, 31 Dec 2026 00:00:00 GMT"));
    }
}

#[test]
fn https_is_required_where_the_route_says_so_but_for_dev() {
    let api = "routes: { items: { match: GET /items, auth: none, https: true } }\n";
    for (environment, status) in [("dev", 200), ("production", 403)] {
        let scene = Scene::of(plan("", api, environment));
        let visit = tollgate::simulator::Visit::new(&scene.world, "GET", "http://api.test/shop/items");
        let seen = scene.send(&visit);
        assert_eq!(seen.status, status, "{environment}");
        assert_eq!(scene.get("/shop/items").status, 200);
    }
}

#[test]
fn plain_http_is_sent_to_https_before_anybody_is_asked_who_he_is() {
    let api = "
defaults: { https: redirect, security: default }
routes:
  items: { match: \"GET /items/{id}\", auth: { jwt: people } }
  send: { match: POST /items, auth: { jwt: people } }
  shut: { match: GET /shut, auth: none, maintenance: {} }
  old: { match: GET /old, auth: none, redirect: { path: /shop/items/1 } }
  strict: { match: GET /strict, auth: none, https: true }
  both: { match: GET /both, auth: none, https: false }
";
    for (environment, redirects) in [("dev", false), ("production", true)] {
        let scene = Scene::of(plan("", api, environment));
        let ask =
            |method: &str, url: &str| scene.send(&tollgate::simulator::Visit::new(&scene.world, method, url));
        for (method, url, there) in [
            (
                "GET",
                "http://api.test/shop/items/a%20b?x=1&y=%2F",
                "https://api.test/shop/items/a%20b?x=1&y=%2F",
            ),
            ("GET", "http://api.test:8080/shop/shut", "https://api.test/shop/shut"),
            ("HEAD", "http://api.test/shop/old?", "https://api.test/shop/old?"),
            ("POST", "http://API.test/shop/items", "https://api.test/shop/items"),
        ] {
            let seen = ask(method, url);
            assert_eq!(
                seen.status == 308 && seen.header("location") == Some(there),
                redirects,
                "{method} {url} {seen:?}"
            );
            if redirects {
                // No cache keeps what by HTTPS would be a circle, and RFC 6797 §7.2 wants no word over plain HTTP.
                assert_eq!(seen.header("cache-control"), Some("no-store"));
                assert_eq!(seen.header("strict-transport-security"), None);
                assert_eq!(scene.sent(), 0);
            }
        }
        assert_eq!(ask("GET", "http://api.test/shop/both").status, 200);
        assert_eq!(ask("GET", "http://api.test/shop/strict").status, if redirects { 403 } else { 200 });
        assert_eq!(ask("GET", "https://api.test/shop/items/1").status, 401);
        assert_eq!(ask("GET", "https://api.test/shop/old").status, 302);
    }
}

/// Behind a proxy that ends TLS everything comes by plain HTTP.
#[test]
fn a_trusted_proxys_word_of_the_scheme_counts_for_https() {
    let api = "routes: { items: { match: GET /items, auth: none, https: redirect }, strict: { match: GET /strict, auth: none, https: true } }\n";
    for (trusted, scheme, items, strict) in
        [(true, "https", 200, 200), (true, "http", 308, 403), (false, "https", 308, 403)]
    {
        let scene = Scene::of(plan(&format!("trust_forwarded: {trusted}\n"), api, "production"));
        let ask = |path: &str| {
            let url = format!("http://10.0.0.1:8080/shop{path}");
            let visit = tollgate::simulator::Visit::new(&scene.world, "GET", &url);
            let visit = visit.header("x-forwarded-proto", scheme).header("x-forwarded-host", "api.test");
            scene.send(&visit)
        };
        let seen = ask("/items");
        assert_eq!((seen.status, ask("/strict").status), (items, strict), "{trusted} {scheme}");
        if items == 308 {
            let host = if trusted { "api.test" } else { "10.0.0.1" };
            assert_eq!(seen.header("location"), Some(format!("https://{host}/shop/items").as_str()));
        }
    }
}

#[test]
fn hosts_are_told_apart_without_port_case_and_last_dot() {
    let scene = Scene::new("", "hosts: [api.test]\nroutes: { items: { match: GET /items, auth: none } }\n");
    for (host, status) in [
        ("api.test", 200),
        ("API.Test", 200),
        ("api.test:8443", 200),
        ("api.test.", 200),
        ("other.test", 404),
    ] {
        let visit =
            tollgate::simulator::Visit::new(&scene.world, "GET", &format!("https://{host}/shop/items"));
        assert_eq!(scene.send(&visit).status, status, "{host}");
    }
}

#[test]
fn a_plan_that_cannot_be_read_refuses_everything() {
    let mut bytes = plan("", ROUTES, "dev");
    bytes.truncate(bytes.len() - 1);
    let scene = Scene::of(bytes);
    refused(&scene.get("/shop/items"), 503, "plan-unusable");
    assert!(scene.gateway.unusable().is_some());
}
