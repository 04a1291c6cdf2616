//! What protects people with browsers, and maintenance.

use crate::scene::{NOW, Scene, plan, refused};
use tollgate::pipeline::Gateway;
use tollgate::simulator::{Answered, Seen};

const ROUTES: &str = "
defaults: { auth: none }
routes:
  form: { match: ANY /form, csrf: { trusted: [\"https://app.test\"] }, cors: { origins: [\"https://app.test\"], credentials: true, private_network: true } }
  own: { match: \"ANY /own/{*rest}\", csrf: same-origin }
  open: { match: ANY /open, cors: { origins: [\"https://app.test\"] } }
  safe: { match: GET /safe, security: default, headers: { response: { set: { referrer-policy: origin } } } }
  bare: { match: GET /bare, security: { hsts: none, frames: none, csp: \"default-src 'self'\", hide_server: false } }
  token: { match: GET /token, auth: { jwt: people }, security: { hsts: { max_age: 1h, subdomains: true } } }
";

fn all(seen: &Seen, name: &str) -> Vec<String> {
    seen.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.clone()).collect()
}

#[test]
fn what_another_site_makes_a_browser_send_is_refused() {
    let scene = Scene::new("", ROUTES);
    let post = |fields: &[(&str, &str)]| {
        let visit = fields.iter().fold(scene.visit("POST", "/shop/form"), |v, (n, value)| v.header(n, value));
        scene.send(&visit)
    };
    refused(&post(&[("sec-fetch-site", "cross-site")]), 403, "cross-site");
    refused(&post(&[("origin", "https://evil.test")]), 403, "cross-site");
    refused(&post(&[("origin", "null"), ("sec-fetch-site", "cross-site")]), 403, "cross-site");
    assert_eq!(scene.sent(), 0);
    for fields in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("origin", "https://api.test")],
        &[("origin", "https://app.test"), ("sec-fetch-site", "cross-site")],
        &[],
    ] {
        assert_eq!(post(fields).status, 200, "{fields:?}");
    }
    let seen = scene.send(&scene.visit("GET", "/shop/own/x").header("sec-fetch-site", "cross-site"));
    assert_eq!(seen.status, 200);
    // A trusted script reads why its request was refused for another reason; here, that it was not.
    let seen = post(&[("origin", "https://app.test"), ("sec-fetch-site", "cross-site")]);
    assert_eq!(seen.header("access-control-allow-credentials"), Some("true"));
}

#[test]
fn a_private_network_is_opened_where_the_route_says_so() {
    let scene = Scene::new("", ROUTES);
    let ask = |path: &str, origin: &str| {
        let visit = scene.visit("OPTIONS", path).header("origin", origin);
        let visit = visit.header("access-control-request-method", "POST");
        let seen = scene.send(&visit.header("access-control-request-private-network", "true"));
        assert_eq!(seen.status, 204);
        seen.header("access-control-allow-private-network").map(str::to_owned)
    };
    assert_eq!(ask("/shop/form", "https://app.test").as_deref(), Some("true"));
    assert_eq!(ask("/shop/form", "https://evil.test"), None);
    assert_eq!(ask("/shop/open", "https://app.test"), None);
    assert_eq!(scene.sent(), 0);
}

#[test]
fn security_fields_are_on_every_answer_of_the_route() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| {
        Answered::json("{}")
            .header("server", "old/1.0")
            .header("x-powered-by", "php")
            .header("content-security-policy", "script-src x")
    });
    let seen = scene.get("/shop/safe");
    assert_eq!(seen.header("strict-transport-security"), Some("max-age=31536000"));
    assert_eq!(seen.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(seen.header("x-frame-options"), Some("DENY"));
    assert_eq!((seen.header("server"), seen.header("x-powered-by")), (None, None));
    // An origin's own policy is not loosened, and a route's own edits come last.
    assert_eq!(all(&seen, "content-security-policy"), ["script-src x", "frame-ancestors 'none'"]);
    assert_eq!(all(&seen, "referrer-policy"), ["origin"]);
    let seen = scene.get("/shop/bare");
    assert_eq!((seen.header("strict-transport-security"), seen.header("x-frame-options")), (None, None));
    assert_eq!(all(&seen, "content-security-policy"), ["script-src x", "default-src 'self'"]);
    assert_eq!(seen.header("server"), Some("old/1.0"));
    let seen = scene.get("/shop/token");
    refused(&seen, 401, "token-missing");
    assert_eq!(seen.header("strict-transport-security"), Some("max-age=3600; includeSubDomains"));
    assert_eq!(seen.header("x-frame-options"), Some("DENY"));
    // Over plain HTTP nothing is said of it (RFC 6797 §7.2).
    let plain = tollgate::simulator::Visit::new(&scene.world, "GET", "http://api.test/shop/safe");
    let seen = scene.send(&plain);
    assert_eq!(
        (seen.header("strict-transport-security"), seen.header("x-frame-options")),
        (None, Some("DENY"))
    );
}

/// And on those that belong to the API and to no route, with all else that its `defaults` say of every answer.
#[test]
fn what_an_api_says_of_all_its_answers_is_on_those_of_no_route_too() {
    let gateway = "defaults: { headers: { response: { set: { x-served-by: us } } } }\n";
    let api = "
defaults:
  security: { hsts: { max_age: 1h }, csp: \"default-src 'self'\" }
  headers: { add: { response: { set: { x-item: \"{id}\", x-api: shop }, add: { x-served-by: them } }, request: { set: { x-in: a } } } }
routes:
  item: { match: \"GET /items/{id}\", auth: none }
  bare: { match: \"GET /bare/{id}\", auth: none, security: none, headers: {} }
";
    let scene = Scene::new(gateway, api);
    for (method, path, status) in [
        ("GET", "/shop/items/1", 200),
        ("GET", "/shop/none", 404),
        ("POST", "/shop/items/1", 405),
        ("OPTIONS", "/shop/items/1", 204),
        ("DELETE", "/shop/bare/1", 405),
    ] {
        let seen = scene.send(&scene.visit(method, path));
        assert_eq!(seen.status, status, "{method} {path}");
        for (name, value) in [
            ("strict-transport-security", "max-age=3600"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
            ("x-api", "shop"),
        ] {
            assert_eq!(all(&seen, name), [value], "{method} {path} {name}");
        }
        assert_eq!(all(&seen, "x-served-by"), ["us", "them"], "{method} {path}");
        // What only a route captures only its answers hold.
        assert_eq!(seen.header("x-item"), (status == 200).then_some("1"));
        assert_eq!(seen.header("x-in"), None);
    }
    let over_http = tollgate::simulator::Visit::new(&scene.world, "GET", "http://api.test/shop/none");
    assert_eq!(scene.send(&over_http).header("strict-transport-security"), None);
    for path in ["/elsewhere", "/shop/bare/1", "/shop/%zz"] {
        let seen = scene.get(path);
        assert_eq!(seen.header("x-content-type-options"), None, "{path}");
        assert_eq!(seen.header("x-api"), None, "{path}");
    }
}

#[test]
fn under_maintenance_a_route_refuses_until_it_is_over() {
    // NOW is 2026-03-10 12:00:00.
    let routes = "
defaults:
  auth: { jwt: people }
  cors: { origins: [\"https://app.test\"] }
  maintenance: { until: 2026-03-10T12:00:30Z, message: Back soon., allow: [198.51.100.0/24], key: { header: X-Preview, secret: PREVIEW } }
routes:
  down: { match: GET /down }
  up: { match: GET /up, maintenance: none, auth: none }
  pace: { match: GET /pace, auth: none, maintenance: { retry_after: 2m } }
  off: { match: GET /off, auth: none, maintenance: { on: false } }
";
    let scene = Scene::new("", routes);
    scene.world.secret("PREVIEW", "a-secret");
    let seen = scene.send(&scene.visit("GET", "/shop/down").header("origin", "https://app.test"));
    refused(&seen, 503, "maintenance");
    assert_eq!(
        (seen.header("retry-after"), seen.json()["detail"].as_str()),
        (Some("30"), Some("Back soon."))
    );
    assert_eq!(seen.header("access-control-allow-origin"), Some("https://app.test"));
    let seen = scene.get("/shop/pace");
    refused(&seen, 503, "maintenance");
    assert_eq!(seen.header("retry-after"), Some("120"));
    assert_eq!((scene.get("/shop/up").status, scene.get("/shop/off").status), (200, 200));
    // Those who pass are asked all that others are.
    refused(&scene.send(&scene.visit("GET", "/shop/down").from("198.51.100.7")), 401, "token-missing");
    let token = format!("Bearer {}", scene.token(serde_json::json!({})));
    let visit = || scene.visit("GET", "/shop/down").header("authorization", &token);
    refused(&scene.send(&visit().header("x-preview", "another")), 503, "maintenance");
    assert_eq!(scene.send(&visit().header("x-preview", "a-secret")).status, 200);
    assert_eq!(scene.last().header("x-preview"), None);
    scene.world.pass(30_000);
    assert_eq!(scene.send(&visit()).status, 200);
    assert!(scene.world.now() > NOW);
}

#[test]
fn a_variable_makes_maintenance_a_matter_of_the_environment() {
    let gateway = "variables: { down: { type: boolean, default: false, values: { production: true } } }\n";
    let routes = "
defaults: { auth: none, maintenance: { on: \"${down}\" } }
routes: { one: { match: GET /one } }
";
    for (environment, status) in [("dev", 200), ("production", 503)] {
        let scene = Scene::new("", "\nroutes: { one: { match: GET /one, auth: none } }\n");
        let gateway = Gateway::new(plan(gateway, routes, environment), 1);
        assert_eq!(scene.send_to(&gateway, &scene.visit("GET", "/shop/one")).status, status, "{environment}");
    }
}
