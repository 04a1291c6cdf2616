//! `Vary`: no shared cache in front of the gateway may mix what fields of the request tell apart.

use crate::scene::{Scene, refused};
use tollgate::simulator::{Answered, CacheFault, Seen};

const ROUTES: &str = "
defaults: { auth: none }
routes:
  items: { match: GET /items }
  beta: { match: { methods: GET, path: /items, headers: { x-beta: true } }, rewrite: /beta }
  item: { match: \"GET /items/{id}\", cors: { origins: [\"https://a.test\", \"https://b.test\"] } }
  first: { match: { methods: [GET, HEAD], path: /items/1, cookies: { ring: canary } }, rewrite: /first }
  made: { match: { methods: POST, path: /items, headers: { x-made: true } } }
  below: { match: { methods: GET, path: \"/items/1/{*rest}\", headers: { x-deep: true } } }
  page: { match: GET /page }
  searched: { match: { methods: GET, path: /page, query: { q: true } } }
  tested: { match: { methods: GET, regex: \"/tested/.*\", headers: { x-test: \"1\" } }, cache: { ttl: 10s } }
  else: { match: \"GET /tested/{id}\", cache: { ttl: 10s } }
  split:
    match: GET /split
    backends: { new: { weight: 1 }, old: { weight: 1 } }
    sticky: { by: cookie.seat }
  named: { match: { methods: GET, path: /named, headers: { x-name: true } }, respond: { body: hi, headers: { Vary: \"X-NAME, Origin\" } } }
";

/// What all `Vary` fields say together.
fn vary(seen: &Seen) -> String {
    let said: Vec<&str> =
        seen.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect();
    assert!(said.len() < 2, "{said:?}");
    said.concat()
}

#[test]
fn answers_name_the_fields_that_chose_their_route() {
    let scene = Scene::new("", ROUTES);
    let ask = |method: &str, path: &str, fields: &[(&str, &str)]| {
        let visit = scene.visit(method, &format!("/shop{path}"));
        scene.send(&fields.iter().fold(visit, |visit, (name, value)| visit.header(name, value)))
    };
    for (method, path, fields, status, said) in [
        // The default says it as well as the one that was chosen.
        ("GET", "/items", &[][..], 200, "X-Beta"),
        ("GET", "/items", &[("x-beta", "1")], 200, "X-Beta"),
        ("HEAD", "/items", &[], 200, "X-Beta"),
        // Other URLs of the same template too: which one it is the compiled route does not know.
        ("GET", "/items/1", &[("cookie", "ring=canary")], 200, "Cookie"),
        ("GET", "/items/1", &[], 200, "Origin, Cookie"),
        ("GET", "/items/2", &[("origin", "https://a.test")], 200, "Origin, Cookie"),
        ("POST", "/items", &[("x-made", "1")], 200, "X-Made"),
        ("GET", "/items/1/a", &[("x-deep", "1")], 200, "X-Deep"),
        // A URL says all by itself.
        ("GET", "/page", &[], 200, ""),
        ("GET", "/page?q=1", &[], 200, ""),
        // A template goes before an expression, whatever that asks for.
        ("GET", "/tested/7", &[], 200, ""),
        ("GET", "/tested/7/8", &[("x-test", "1")], 200, "X-Test"),
        ("GET", "/split", &[("cookie", "seat=1")], 200, "Cookie"),
        ("GET", "/named", &[("x-name", "1")], 200, "X-NAME, Origin"),
    ] {
        let seen = ask(method, path, fields);
        assert_eq!((seen.status, vary(&seen).as_str()), (status, said), "{method} {path} {fields:?}");
    }
    // Answers of no route: what any route of the API asks for may have decided that there is none.
    let all = "Cookie, X-Beta, X-Deep, X-Made, X-Name, X-Test";
    for (method, path, status) in
        [("GET", "/named", 404), ("GET", "/none", 404), ("DELETE", "/items", 405), ("OPTIONS", "/items", 204)]
    {
        let seen = ask(method, path, &[]);
        assert_eq!((seen.status, vary(&seen).as_str()), (status, all), "{method} {path}");
    }
    let elsewhere = scene.send(&scene.visit("GET", "/elsewhere"));
    assert_eq!((elsewhere.status, vary(&elsewhere).as_str()), (404, ""));
}

#[test]
fn what_the_origin_says_stays_and_stands_once() {
    for (origin, said) in [
        ("accept-encoding", "accept-encoding, X-Beta"),
        ("x-beta,Accept-Encoding", "x-beta, Accept-Encoding"),
        ("X-Beta", "X-Beta"),
        ("*", "*"),
    ] {
        let scene = Scene::new("", ROUTES);
        scene.world.origin("origin.internal", move |_| Answered::json("{}").header("vary", origin));
        assert_eq!(vary(&scene.get("/shop/items")), said, "{origin}");
    }
}

/// Our own cache never mixed them: its key holds the route.
#[test]
fn stored_answers_are_the_routes_and_say_it_too() {
    let routes = "
routes:
  old: { match: GET /a, auth: none, cache: { ttl: 10s } }
  new: { match: { methods: GET, path: /a, headers: { x-new: true } }, auth: none, cache: { ttl: 10s }, rewrite: /new }
";
    let scene = Scene::new("", routes);
    scene.world.cache_fault.set(CacheFault::None);
    let ask = |new: bool| {
        let visit = scene.visit("GET", "/shop/a");
        scene.send(&if new { visit.header("x-new", "1") } else { visit })
    };
    let (old, new) = (ask(false), ask(true));
    assert_ne!(old.body, new.body);
    for (new, body) in [(false, &old.body), (true, &new.body)] {
        let seen = ask(new);
        assert_eq!(seen.header("cache-status"), Some("tollgate; hit; ttl=10"));
        assert_eq!((&seen.body, vary(&seen).as_str()), (body, "X-New"));
    }
    let seen = scene.send(&scene.visit("GET", "/shop/a").header("if-none-match", "*"));
    assert_eq!((seen.status, vary(&seen).as_str()), (304, "X-New"));
}

#[test]
fn routes_of_other_hosts_count_where_a_host_has_both() {
    use tollgate::config::{Files, compile_files};
    let file = |name: &str, host: &str, path: &str, field: &str| {
        let headers =
            if field.is_empty() { String::new() } else { format!(", headers: {{ {field}: true }}") };
        format!(
            "tollgate: 2\napi: {name}\nowner: t\nversion: {{ name: v1 }}\nhosts: [\"{host}\"]\nupstream: {{ url: \"https://origin.internal\" }}\nroutes: {{ a: {{ match: {{ methods: GET, path: \"{path}\"{headers} }} }} }}\n"
        )
    };
    let texts = [
        file("any", "*", "/a", ""),
        file("suffix", "*.a.test", "/{x}", "x-suffix"),
        file("label", "{tenant}.a.test", "/{x}", "x-label"),
        file("exact", "b.test", "/{x}", "x-exact"),
        file("other", "c.test", "/other/{y}", "x-other"),
    ];
    let names = [
        "routes/any/v1.yaml",
        "routes/b/v1.yaml",
        "routes/c/v1.yaml",
        "routes/d/v1.yaml",
        "routes/e/v1.yaml",
    ];
    let gateway = ("routes/gateway.yaml", "tollgate: 2\ndefaults: { auth: none }\n");
    let files =
        Files::new(std::iter::once(gateway).chain(names.into_iter().zip(texts.iter().map(String::as_str))));
    let plan = compile_files(&files, "dev")
        .unwrap_or_else(|all| panic!("{}", tollgate::config::problem::render(&all)));
    let scene = Scene::of(plan.plan);
    let ask = |host: &str, fields: &[&str]| {
        let visit = tollgate::simulator::Visit::new(&scene.world, "GET", &format!("https://{host}/a"));
        scene.send(&fields.iter().fold(visit, |visit, name| visit.header(name, "1")))
    };
    // The one of any host has been asked for last on every host.
    assert_eq!(vary(&ask("c.test", &[])), "X-Exact, X-Label, X-Suffix");
    assert_eq!(vary(&ask("t.a.test", &["x-suffix"])), "X-Label, X-Suffix");
    assert_eq!(vary(&ask("t.a.test", &["x-label"])), "X-Label");
    assert_eq!(vary(&ask("b.test", &["x-exact"])), "X-Exact");
}

#[test]
fn a_version_that_nobody_serves_names_where_versions_are_asked_for() {
    let scene = Scene::new(
        "",
        "\nversion: { name: v1, from: { header: Api-Version } }\nroutes: { a: { match: GET /a, auth: none } }\n",
    );
    let seen = scene.send(&scene.visit("GET", "/shop/a").header("api-version", "v1"));
    assert_eq!((seen.status, vary(&seen).as_str()), (200, "Api-Version"));
    let seen = scene.get("/shop/a");
    refused(&seen, 404, "not-found");
    assert_eq!(vary(&seen), "Api-Version");
}
