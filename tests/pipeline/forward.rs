//! To one upstream: what it gets, what comes back, and what happens when nothing does.

use crate::scene::{NOW, Scene, refused};
use serde_json::json;
use tollgate::simulator::{Answered, Seen};

const ROUTES: &str = "
routes:
  any: { match: \"ANY /{*rest}\", auth: none, timeout: { headers: 300ms, total: 500ms } }
";

const TWO: &str = "
upstream: { targets: [{ url: \"https://a.internal\" }, { url: \"https://b.internal\" }] }
routes:
  any: { match: \"ANY /{*rest}\", auth: none, timeout: { headers: 300ms, total: 500ms } }
  once: { match: GET /once, auth: none, failover: 0 }
";

fn proxy_status(seen: &Seen) -> &str {
    seen.header("proxy-status").unwrap_or_default()
}

/// Hosts that were asked, in order.
fn asked(scene: &Scene) -> Vec<String> {
    let host = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    scene.world.sent.borrow().iter().map(|sent| host(&sent.url)).collect()
}

#[test]
fn an_answer_passes_as_it_is() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| {
        let answer = Answered { body: "hello".into(), ..Answered::status(418) };
        answer.header("set-cookie", "a=1").header("set-cookie", "b=2").header("location", "/x")
    });
    let seen = scene.send(&scene.visit("POST", "/shop/x").body("ping"));
    assert_eq!((seen.status, seen.body.as_str()), (418, "hello"));
    let cookies: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(cookies.len(), 2);
    let sent = scene.last();
    assert_eq!((sent.method.as_str(), sent.body.as_deref()), ("POST", Some("ping")));
    assert_eq!(sent.header("content-length"), Some("4"));
    assert_eq!(sent.header("x-request-id"), seen.header("x-request-id"));
    for status in [204, 301, 304, 400, 401, 404, 500, 502, 503, 504] {
        scene.world.origin("origin.internal", move |_| Answered::status(status));
        let seen = scene.get("/shop/x");
        assert_eq!((seen.status, seen.header("location")), (status, None));
    }
}

#[test]
fn the_fields_of_the_connection_stay_behind() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| {
        let answer = Answered::json("{}").header("connection", "x-inner, close").header("x-inner", "1");
        answer.header("keep-alive", "1").header("upgrade", "h2c").header("proxy-authenticate", "Basic")
    });
    let visit = scene.visit("GET", "/shop/x").header("Connection", "X-Secret, close").header("X-Secret", "1");
    let visit =
        visit.header("te", "gzip, trailers").header("upgrade", "h2c").header("proxy-authorization", "x");
    let seen = scene.send(&visit.header("transfer-encoding", "chunked").header("accept", "a/b"));
    let sent = scene.last();
    for name in ["connection", "x-secret", "upgrade", "proxy-authorization", "transfer-encoding"] {
        assert_eq!(sent.header(name), None, "{name}");
    }
    assert_eq!((sent.header("te"), sent.header("accept")), (Some("trailers"), Some("a/b")));
    for name in ["connection", "x-inner", "keep-alive", "upgrade", "proxy-authenticate"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[test]
fn the_way_is_told_and_the_clients_word_on_it_is_not_believed() {
    for (trusted, forwarded, addresses) in [
        (false, "for=192.0.2.1;host=api.test;proto=https", "192.0.2.1"),
        (true, "for=6.6.6.6, for=192.0.2.1;host=api.test;proto=https", "6.6.6.6, 192.0.2.1"),
    ] {
        let scene = Scene::new(&format!("trust_forwarded: {trusted}\n"), ROUTES);
        let visit = scene.visit("GET", "/shop/x").header("forwarded", "for=6.6.6.6");
        let visit = visit.header("x-forwarded-for", "6.6.6.6").header("x-real-ip", "6.6.6.6");
        scene.send(&visit.header("cf-connecting-ip", "6.6.6.6").header("via", "1.0 other"));
        let sent = scene.last();
        assert_eq!(sent.header("forwarded"), Some(forwarded));
        assert_eq!(sent.header("x-forwarded-for"), Some(addresses));
        assert_eq!(sent.header("x-forwarded-host"), Some("api.test"));
        assert_eq!(sent.header("x-forwarded-proto"), Some("https"));
        assert_eq!((sent.header("x-real-ip"), sent.header("cf-connecting-ip")), (None, None));
        let via: Vec<_> =
            sent.headers.iter().filter(|(name, _)| name == "via").map(|(_, v)| v.as_str()).collect();
        assert_eq!(via, ["1.0 other", "1.1 tollgate"]);
    }
}

// Origins that follow CGI take `_` for `-`.
#[test]
fn what_clients_may_not_say_they_may_not_say_in_another_spelling() {
    let names = [
        "X_Forwarded_For",
        "x-forwarded_host",
        "X_Forwarded-Proto",
        "X_Forwarded_Port",
        "x_forwarded_client_cert",
        "X_Real_IP",
        "True_Client_IP",
        "cf_connecting-ip",
        "X_Request_ID",
        "X_Consumer_ID",
    ];
    for trusted in [false, true] {
        let scene = Scene::new(&format!("trust_forwarded: {trusted}\n"), ROUTES);
        let visit = scene.visit("GET", "/shop/x").header("x_own_field", "1").header("x_real", "2");
        scene.send(&names.iter().fold(visit, |visit, name| visit.header(name, "6.6.6.6")));
        let sent = scene.last();
        for name in names {
            assert_eq!(sent.header(&name.to_ascii_lowercase()), None, "{name}");
        }
        assert_eq!((sent.header("x_own_field"), sent.header("x_real")), (Some("1"), Some("2")));
        assert_eq!(sent.header("x-forwarded-for"), Some("192.0.2.1"));
    }
}

#[test]
fn a_loop_ends() {
    let scene = Scene::new("", ROUTES);
    let send = |via: &str| scene.send(&scene.visit("GET", "/shop/x").header("via", via));
    assert_eq!(send("1.1 tollgate").status, 200);
    let seen = send("1.1 tollgate, 1.1 other, 1.1 Tollgate");
    refused(&seen, 508, "loop-detected");
    assert_eq!(proxy_status(&seen), "tollgate; error=proxy_loop_detected");
    assert_eq!(scene.sent(), 1);
}

#[test]
fn max_forwards_is_counted_down_for_options() {
    let scene = Scene::new("", ROUTES);
    let send =
        |method: &str, hops: &str| scene.send(&scene.visit(method, "/shop/x").header("max-forwards", hops));
    assert_eq!(send("OPTIONS", "2").status, 200);
    assert_eq!(scene.last().header("max-forwards"), Some("1"));
    let seen = send("OPTIONS", "0");
    assert_eq!((seen.status, scene.sent()), (204, 1));
    send("GET", "0");
    assert_eq!((scene.sent(), scene.last().header("max-forwards")), (2, Some("0")));
}

#[test]
fn a_body_belongs_to_methods_that_have_one() {
    let scene = Scene::new("", ROUTES);
    scene.send(&scene.visit("GET", "/shop/x").body("smuggled"));
    assert_eq!(scene.last().body, None);
    scene.send(&scene.visit("DELETE", "/shop/x").body("why"));
    assert_eq!(scene.last().body.as_deref(), Some("why"));
}

#[test]
fn an_upstream_that_cannot_be_reached_is_502() {
    for (words, error) in [
        ("connect(): Connection refused", "connection_refused"),
        ("Network connection lost.", "connection_terminated"),
        ("internal error", "destination_unavailable"),
    ] {
        let scene = Scene::new("", ROUTES);
        scene.world.origin("origin.internal", |_| Answered::broken(words));
        let seen = scene.get("/shop/x");
        refused(&seen, 502, "upstream-unreachable");
        assert_eq!(proxy_status(&seen), format!("tollgate; error={error}"));
        let attempts = &scene.event(&seen)["attempts"];
        assert_eq!(attempts[0]["error"], words);
        assert_eq!(attempts[0]["target"], "https://origin.internal/base");
    }
}

#[test]
fn an_upstream_that_takes_too_long_is_504() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |_| Answered::json("{}").after(301));
    let seen = scene.get("/shop/x");
    refused(&seen, 504, "upstream-timeout");
    assert_eq!(proxy_status(&seen), "tollgate; error=http_response_timeout");
    assert_eq!(scene.world.now(), NOW + 300);
    let event = scene.event(&seen);
    assert_eq!((&event["origin_ms"], &event["reason"]), (&json!(300), &json!("upstream-timeout")));
    scene.world.origin("origin.internal", |_| Answered::json("{}").after(300));
    assert_eq!(scene.get("/shop/x").status, 200);
}

#[test]
fn statuses_that_the_network_makes_up_are_mapped() {
    for (made_up, status, code) in [
        (520, 502, "upstream-unreachable"),
        (521, 502, "upstream-unreachable"),
        (522, 504, "upstream-timeout"),
        (524, 504, "upstream-timeout"),
        (526, 502, "upstream-unreachable"),
        (530, 502, "upstream-unreachable"),
    ] {
        let scene = Scene::new("", ROUTES);
        let html = move |_: &_| Answered {
            body: "<html>origin.internal</html>".into(),
            ..Answered::status(made_up)
        };
        scene.world.origin("origin.internal", html);
        refused(&scene.get("/shop/x"), status, code);
    }
}

#[test]
fn another_target_answers_when_one_is_down() {
    let scene = Scene::new("", TWO);
    scene.world.origin("a.internal", |_| Answered::broken("connection refused"));
    scene.world.origin("b.internal", |_| Answered::json("\"b\""));
    for _ in 0..20 {
        assert_eq!(scene.get("/shop/x").body, "\"b\"");
    }
    // Passed over once it has failed.
    assert_eq!(asked(&scene).iter().filter(|host| *host == "a.internal").count(), 1);
    // And asked again after a while.
    scene.world.pass(5_000);
    scene.world.origin("a.internal", |_| Answered::json("\"a\""));
    let bodies: std::collections::BTreeSet<String> = (0..40).map(|_| scene.get("/shop/x").body).collect();
    assert_eq!(bodies.len(), 2);
}

#[test]
fn what_must_not_be_sent_twice_is_not() {
    for (method, body, tries) in [
        ("GET", None, 2),
        ("HEAD", None, 2),
        ("PUT", None, 2),
        ("DELETE", None, 2),
        ("POST", None, 1),
        ("PATCH", None, 1),
        ("PUT", Some("x"), 1),
        ("QUERY", None, 1),
    ] {
        let scene = Scene::new("", TWO);
        for host in ["a.internal", "b.internal"] {
            scene.world.origin(host, |_| Answered::broken("Network connection lost."));
        }
        let mut visit = scene.visit(method, "/shop/x");
        if let Some(body) = body {
            visit = visit.body(body);
        }
        refused(&scene.send(&visit), 502, "upstream-unreachable");
        assert_eq!(scene.sent(), tries, "{method} {body:?}");
    }
    let scene = Scene::new("", TWO);
    refused(&scene.get("/shop/once"), 502, "upstream-unreachable");
    assert_eq!(scene.sent(), 1);
}

#[test]
fn an_answer_is_an_answer_whatever_its_status() {
    let scene = Scene::new("", TWO);
    for host in ["a.internal", "b.internal"] {
        scene.world.origin(host, |_| Answered::status(503));
    }
    assert_eq!(scene.get("/shop/x").status, 503);
    assert_eq!(scene.sent(), 1);
}

#[test]
fn all_tries_share_the_total() {
    let scene = Scene::new("", TWO);
    for host in ["a.internal", "b.internal"] {
        scene.world.origin(host, |_| Answered::json("{}").after(1_000));
    }
    let seen = scene.get("/shop/x");
    refused(&seen, 504, "upstream-timeout");
    assert_eq!(scene.world.now(), NOW + 500);
    let attempts = scene.event(&seen)["attempts"].clone();
    assert_eq!((&attempts[0]["ms"], &attempts[1]["ms"]), (&json!(300), &json!(200)));
}

#[test]
fn targets_share_by_weight() {
    let api = "
upstream: { targets: [{ url: \"https://a.internal\", weight: 3 }, { url: \"https://b.internal\" }, { url: \"https://c.internal\", weight: 0 }] }
routes: { any: { match: GET /x, auth: none } }
";
    let scene = Scene::new("", api);
    for host in ["a.internal", "b.internal", "c.internal"] {
        scene.world.origin(host, |_| Answered::json("{}"));
    }
    (0..1000).for_each(|_| drop(scene.get("/shop/x")));
    let count = |host: &str| asked(&scene).iter().filter(|asked| *asked == host).count();
    assert!((690..810).contains(&count("a.internal")), "{}", count("a.internal"));
    assert_eq!(count("c.internal"), 0);
    // Weight 0 is the last resort.
    for host in ["a.internal", "b.internal"] {
        scene.world.origin(host, |_| Answered::broken("connection refused"));
    }
    assert_eq!(scene.get("/shop/x").status, 200);
    assert_eq!(asked(&scene).last().map(String::as_str), Some("c.internal"));
}

#[test]
fn a_binding_stands_in_for_the_network() {
    let api = "
upstream: { url: \"https://origin.internal/base\", via: \"binding:ORDERS\" }
routes: { any: { match: GET /x, auth: none } }
";
    let scene = Scene::new("", api);
    assert_eq!(scene.get("/shop/x").status, 200);
    assert_eq!(scene.last().via.as_deref(), Some("ORDERS"));
}

#[test]
fn a_claim_header_of_one_route_is_nobodys_on_any() {
    let routes = "
routes:
  told: { match: GET /told, auth: { jwt: people, claims: { x-tenant: tenant } } }
  open: { match: GET /open, auth: none, because: a test }
";
    let scene = Scene::new("", routes);
    let visit = scene.visit("GET", "/shop/open").header("X-Tenant", "victim").header("x_tenant", "victim");
    assert_eq!(scene.send(&visit).status, 200);
    let sent = scene.world.sent.borrow();
    let last = sent.last().unwrap();
    assert_eq!((last.header("x-tenant"), last.header("x_tenant")), (None, None));
}

#[test]
fn a_status_that_is_none_is_a_bad_gateway() {
    let scene = Scene::new("", "routes:\n  open: { match: GET /open, auth: none, because: a test }\n");
    // 101 answers those only that asked for it.
    for status in [0, 101, 103, 199, 600, 999] {
        scene.world.origin("origin.internal", move |_| Answered::status(status));
        let seen = scene.send(&scene.visit("GET", "/shop/open"));
        assert_eq!((seen.status, seen.problem().as_str()), (502, "upstream-unreachable"), "{status}");
    }
}
