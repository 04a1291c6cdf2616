//! What `match` and `matching` say, as clients see it.

use crate::scene::{Scene, refused};
use serde_json::Value;
use tollgate::simulator::{Answered, Seen};

/// The name of the route that answered, by the event.
fn route(scene: &Scene, seen: &Seen) -> String {
    assert_eq!(seen.status, 200, "{seen:?}");
    let event = scene.event(seen);
    event["route"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
}

const CONDITIONS: &str = "
defaults: { auth: none }
routes:
  plain: { match: GET /x }
  beta: { match: { methods: GET, path: /x, headers: { X-Beta: true } }, priority: 1 }
  beta-two: { match: { methods: GET, path: /x, headers: { x-beta: \"2\", x-ring: [a, 1] } } }
  searched: { match: { methods: GET, path: /x, query: { q: true } } }
  browser: { match: { methods: GET, path: /x, cookies: { session: { regex: \"[0-9a-f]+\" } } } }
  machine: { match: { methods: POST, path: /x, certificate: true } }
  either: { match: [GET /e, { path: /f, methods: [GET, PUT] }, { prefix: /g, methods: GET }] }
  number: { match: { methods: GET, regex: \"/n/(?<number>[0-9]+)\" }, rewrite: \"/number/{number}\" }
  below: { match: { prefix: /n } }
";

#[test]
fn conditions_choose_the_route() {
    let scene = Scene::new("", CONDITIONS);
    let visit = |path: &str| scene.visit("GET", path);
    for (visit, expected) in [
        (visit("/shop/x"), "plain"),
        (visit("/shop/x").header("x-beta", "1"), "beta"),
        (visit("/shop/x").header("x-beta", "2"), "beta"),
        (visit("/shop/x").header("x-beta", "2").header("x-ring", "1"), "beta-two"),
        (visit("/shop/x").header("x-beta", "2").header("x-ring", "b"), "beta"),
        (visit("/shop/x?q"), "searched"),
        (visit("/shop/x?%71=1&p"), "searched"),
        (visit("/shop/x?q").header("x-beta", "1"), "beta"),
        (visit("/shop/x").header("cookie", "a=b; session=0f"), "browser"),
        (visit("/shop/x").header("cookie", "session=0f; session=z"), "browser"),
        (visit("/shop/x").header("cookie", "session=z; session=0f"), "plain"),
        (scene.visit("POST", "/shop/x").certified(), "machine"),
        (visit("/shop/e"), "either"),
        (scene.visit("PUT", "/shop/f"), "either"),
        (visit("/shop/g/h/"), "either"),
        (visit("/shop/n/12"), "number"),
        (visit("/shop/n/12a"), "below"),
        (visit("/shop/n"), "below"),
    ] {
        let seen = scene.send(&visit);
        assert_eq!(route(&scene, &seen), expected);
    }
    scene.get("/shop/n/77");
    assert_eq!(scene.last().url, "https://origin.internal/base/number/77");
    refused(&scene.send(&scene.visit("POST", "/shop/x")), 405, "method-not-allowed");
    refused(&scene.get("/shop/gh"), 404, "not-found");
}

#[test]
fn a_preflight_finds_the_route_of_the_request_that_it_announces() {
    let scene = Scene::new(
        "cors:\n  web: { origins: [\"https://app.test\"], headers: [x-beta], methods: [PUT] }\n",
        "
defaults: { auth: none }
routes:
  beta: { match: { methods: PUT, path: /x, headers: { x-beta: true } }, cors: web }
",
    );
    let asked = scene.visit("OPTIONS", "/shop/x").header("origin", "https://app.test");
    let asked = asked
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "x-beta");
    let seen = scene.send(&asked);
    assert_eq!((seen.status, seen.header("access-control-allow-origin")), (204, Some("https://app.test")));
}

#[test]
fn what_is_cached_of_one_route_is_not_served_by_another() {
    let scene = Scene::new(
        "",
        "
defaults: { auth: none, cache: { ttl: 1m } }
routes:
  plain: { match: GET /x, rewrite: /plain }
  beta: { match: { methods: GET, path: /x, headers: { x-beta: true } }, rewrite: /beta }
",
    );
    let url = |seen: &Seen| serde_json::from_str::<Value>(&seen.body).unwrap()["url"].to_string();
    assert!(url(&scene.get("/shop/x")).contains("/plain"));
    let beta = scene.send(&scene.visit("GET", "/shop/x").header("x-beta", "1"));
    assert!(url(&beta).contains("/beta"), "{beta:?}");
    assert!(url(&scene.get("/shop/x")).contains("/plain"));
    assert_eq!(scene.sent(), 2);
}

#[test]
fn slashes_at_the_end_are_as_the_file_says() {
    let routes = "
defaults: { auth: none }
routes:
  item: { match: GET /a }
  folder: { match: GET /b/ }
  root: { match: GET / }
  rest: { match: \"GET /f/{*rest}\" }
";
    let ask = |matching: &str| {
        let scene = Scene::new("", &format!("matching: {matching}\n{routes}"));
        ["/shop/a", "/shop/a/", "/shop/b", "/shop/b/?x=1", "/shop", "/shop/", "/shop/f/g/"].map(|path| {
            let seen = scene.get(path);
            match seen.header("location") {
                Some(location) => format!("{} {location}", seen.status),
                None => seen.status.to_string(),
            }
        })
    };
    assert_eq!(ask("{}"), ["200", "404", "404", "200", "200", "200", "200"]);
    assert_eq!(ask("{ trailing_slash: ignored }"), ["200"; 7]);
    assert_eq!(
        ask("{ trailing_slash: redirected }"),
        ["200", "308 /shop/a", "308 /shop/b/", "200", "200", "200", "200"]
    );
    assert_eq!(ask("{ base_path: bare }"), ["200", "404", "404", "200", "200", "404", "200"]);
    assert_eq!(ask("{ base_path: slash }"), ["200", "404", "404", "200", "404", "200", "200"]);
    assert_eq!(
        ask("{ trailing_slash: redirected, base_path: slash }"),
        ["200", "308 /shop/a", "308 /shop/b/", "200", "308 /shop/", "200", "200"]
    );
}

#[test]
fn the_redirect_to_the_other_form_keeps_the_query() {
    let scene = Scene::new(
        "",
        "matching: { trailing_slash: redirected }\ndefaults: { auth: none }\nroutes: { item: { match: GET /a } }\n",
    );
    let seen = scene.get("/shop/a/?b=/c&d");
    assert_eq!((seen.status, seen.header("location")), (308, Some("/shop/a?b=/c&d")));
}

#[test]
fn repeated_slashes_are_refused_or_merged() {
    let routes = "defaults: { auth: none }\nroutes: { item: { match: \"GET /a/{b}\" } }\n";
    refused(&Scene::new("", routes).get("/shop//a/b"), 400, "malformed-path");
    let scene = Scene::new("matching: { repeated_slashes: merged }\n", routes);
    assert_eq!(scene.get("//shop///a//b").status, 200);
    assert_eq!(scene.last().url, "https://origin.internal/base/shop/a/b");
    // What hides behind them is still seen.
    refused(&scene.get("/shop//../a"), 400, "malformed-path");
    refused(&scene.get("/shop/a//%2e%2e"), 400, "malformed-path");
}

#[test]
fn head_and_options_can_be_left_to_routes() {
    let routes = "defaults: { auth: none }\nroutes: { item: { match: GET /a } }\n";
    let ask = |matching: &str, method: &str| {
        let scene = Scene::new(&format!("matching: {matching}\n"), routes);
        let seen = scene.send(&scene.visit(method, "/shop/a"));
        (seen.status, seen.header("allow").map(str::to_owned))
    };
    let allow = |list: &str| Some(list.to_owned());
    assert_eq!(ask("{}", "HEAD"), (200, None));
    assert_eq!(ask("{ head: false }", "HEAD"), (405, allow("GET, OPTIONS")));
    assert_eq!(ask("{}", "OPTIONS"), (204, allow("GET, HEAD, OPTIONS")));
    assert_eq!(ask("{ options: false }", "OPTIONS"), (405, allow("GET, HEAD")));
    assert_eq!(ask("{ options: false, head: false }", "PUT"), (405, allow("GET")));
}

#[test]
fn a_label_of_the_host_is_a_parameter() {
    let scene = Scene::new(
        "",
        "
hosts: [\"{tenant}.api.test\"]
defaults: { auth: none }
routes: { item: { match: \"GET /{id}\", rewrite: \"/tenants/{tenant}/{id}\" } }
",
    );
    let visit =
        |host: &str| tollgate::simulator::Visit::new(&scene.world, "GET", &format!("https://{host}/shop/7"));
    assert_eq!(scene.send(&visit("acme.api.test")).status, 200);
    assert_eq!(scene.last().url, "https://origin.internal/base/tenants/acme/7");
    for host in ["api.test", "a.b.api.test", "xapi.test"] {
        refused(&scene.send(&visit(host)), 404, "not-found");
    }
}

#[test]
fn versions_are_asked_for_by_header_query_or_media_type() {
    use tollgate::config::{Files, compile_files};
    let gateway = "tollgate: 2\ndefaults: { auth: none }\n";
    let file = |name: &str, rest: &str| {
        format!(
            "tollgate: 2\napi: shop\nowner: t\nversion: {{ name: {name}, {rest} }}\nbase: /shop\nupstream: {{ url: \"https://{name}.internal\" }}\nroutes: {{ item: {{ match: GET /a }} }}\n"
        )
    };
    for (from, ask) in [
        ("{ header: Api-Version }", ("api-version", "", "")),
        ("{ query: version }", ("", "?version=", "")),
        ("{ media: version }", ("accept", "", "application/json;version=")),
    ] {
        let v1 = file("v1", &format!("from: {from}, default: true"));
        let v2 = file("v2", &format!("from: {from}, values: [v2, \"2\"]"));
        let v3 = file("v3", &format!("from: {from}, status: retired"));
        let files = Files::new([
            ("routes/gateway.yaml", gateway),
            ("routes/shop/v1.yaml", &v1),
            ("routes/shop/v2.yaml", &v2),
            ("routes/shop/v3.yaml", &v3),
        ]);
        let plan = compile_files(&files, "dev")
            .unwrap_or_else(|all| panic!("{}", tollgate::config::problem::render(&all)));
        let scene = Scene::of(plan.plan);
        for name in ["v1", "v2"] {
            scene.world.origin(&format!("{name}.internal"), |_| Answered::json("{}"));
        }
        let (header, query, media) = ask;
        let send = |version: &str| {
            let visit = scene.visit(
                "GET",
                &format!(
                    "/shop/a{}",
                    if query.is_empty() { String::new() } else { format!("{query}{version}") }
                ),
            );
            let visit =
                if header.is_empty() { visit } else { visit.header(header, &format!("{media}{version}")) };
            scene.send(&visit)
        };
        let vary = if header.is_empty() {
            None
        } else {
            Some(if media.is_empty() { "Api-Version" } else { "Accept" })
        };
        for (version, origin) in [("v1", "v1"), ("v2", "v2"), ("2", "v2")] {
            let seen = send(version);
            assert_eq!((seen.status, seen.header("vary")), (200, vary), "{from} {version}");
            assert!(
                scene.last().url.starts_with(&format!("https://{origin}.internal/shop/a")),
                "{from} {version}"
            );
        }
        for (version, status, code) in [("v9", 404, "not-found"), ("v3", 410, "api-retired")] {
            let seen = send(version);
            refused(&seen, status, code);
            assert_eq!(seen.header("vary"), vary, "{from} {version}");
        }
        assert_eq!(scene.get("/shop/a").status, 200);
        assert_eq!(scene.last().url, "https://v1.internal/shop/a");
    }
}
