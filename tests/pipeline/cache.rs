//! The shared cache: what is kept, for whom, and what it says of itself.

use crate::scene::{Scene, refused};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use tollgate::simulator::{Answered, CacheFault, Seen, Visit};

const ROUTES: &str = "
routes:
  ruled: { match: GET /ruled, auth: none, cache: { ttl: 10s } }
  own: { match: GET /own, auth: none, cache: {} }
  page: { match: GET /page, auth: none, cache: { ttl: 10s, key: [query.page, header.accept] } }
  mine: { match: GET /mine, auth: { jwt: people }, cache: { ttl: 10s, key: [consumer] } }
  ours: { match: GET /ours, auth: { jwt: people }, cache: { ttl: 10s } }
  scoped: { match: GET /scoped, auth: { jwt: people }, scopes: [a], cache: { ttl: 10s, key: [consumer] } }
  small: { match: GET /small, auth: none, cache: { ttl: 10s, max: 9B } }
  any: { match: ANY /any, auth: none, cache: { ttl: 10s } }
  told: { match: GET /told, auth: { jwt: people, claims: { x-account: tenant } }, cache: { ttl: 10s, key: [consumer] } }
  kept: { match: GET /kept, auth: { jwt: people, keep_credentials: true }, cache: { ttl: 10s, key: [consumer] } }
  tenant: { match: GET /tenant, auth: none, cache: { ttl: 10s, key: [header.x-tenant] } }
  forced: { match: GET /forced, auth: none, cache: { ttl: 10s, override: true } }
  steered: { match: GET /steered, auth: none, cache: { ttl: 10s, key: [header.x-original-url] } }
  both: { match: GET /both, auth: none, combine: { one: { path: /one } } }
  hurried: { match: GET /hurried, auth: none, cache: { ttl: 10s }, timeout: { headers: 100ms, total: 100ms } }
  each: { match: GET /each, auth: { jwt: people }, cache: { ttl: 10s, key: [header.authorization] } }
";

/// An origin that numbers its answers.
fn scene(answer: impl Fn(Answered) -> Answered + 'static) -> Scene {
    let scene = Scene::new("", ROUTES);
    let count = Rc::new(Cell::new(0));
    scene.world.origin("origin.internal", move |_| {
        count.set(count.get() + 1);
        answer(Answered::json(&format!("\"answer {}\"", count.get())))
    });
    scene
}

fn status(seen: &Seen) -> &str {
    seen.header("cache-status").unwrap_or_default()
}

#[test]
fn a_miss_a_hit_and_the_end_of_freshness() {
    let scene = scene(|answer| answer);
    let seen = scene.get("/shop/ruled");
    assert_eq!((status(&seen), seen.header("age")), ("tollgate; fwd=uri-miss; stored", None));
    scene.world.pass(3_000);
    let seen = scene.get("/shop/ruled");
    assert_eq!((status(&seen), seen.header("age")), ("tollgate; hit; ttl=7", Some("3")));
    assert_eq!(seen.body, "\"answer 1\"");
    assert!(seen.headers.iter().all(|(name, _)| !name.starts_with("tollgate-")), "{:?}", seen.headers);
    assert_eq!(scene.event(&seen)["cache"], "hit");
    scene.world.pass(7_000);
    let seen = scene.get("/shop/ruled");
    assert_eq!((status(&seen), seen.body.as_str()), ("tollgate; fwd=stale; stored", "\"answer 2\""));
    assert_eq!(status(&scene.get("/shop/ruled?x=1")), "tollgate; fwd=uri-miss; stored");
    assert_eq!(status(&scene.get("/shop/ruled")), "tollgate; hit; ttl=10");
}

#[test]
fn a_hit_has_its_own_request_id_and_is_counted_by_limits_first() {
    let scene = scene(|answer| answer);
    let (first, second) = (scene.get("/shop/ruled"), scene.get("/shop/ruled"));
    assert_eq!(first.body, second.body);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_eq!(second.headers.iter().filter(|(name, _)| name == "x-request-id").count(), 1);
}

#[test]
fn what_the_origin_says_goes_before_the_rule() {
    for (field, stored) in [
        ("max-age=60", true),
        ("s-maxage=60, max-age=0", true),
        ("max-age=0", false),
        ("no-store", false),
        ("private, max-age=60", false),
        ("no-cache", false),
        ("Private=\"x\", max-age=60", false),
    ] {
        for path in ["/shop/ruled", "/shop/own"] {
            let scene = scene(move |answer| answer.header("cache-control", field));
            scene.get(path);
            let again = scene.get(path);
            assert_eq!(status(&again).contains("; hit"), stored, "{path} {field}: {}", status(&again));
            assert_eq!(again.header("cache-control"), Some(field));
        }
    }
    // Without a word of either nothing is kept.
    let scene = scene(|answer| answer);
    scene.get("/shop/own");
    assert!(!status(&scene.get("/shop/own")).contains("hit"));
}

#[test]
fn what_belongs_to_one_client_is_not_kept() {
    let scene = scene(|answer| answer.header("set-cookie", "id=1"));
    scene.get("/shop/ruled");
    assert_eq!(status(&scene.get("/shop/ruled")), "tollgate; fwd=uri-miss; detail=set-cookie");
    for code in [404, 500, 302, 206] {
        let scene = Scene::new("", ROUTES);
        scene.world.origin("origin.internal", move |_| Answered::status(code));
        scene.get("/shop/ruled");
        assert!(!status(&scene.get("/shop/ruled")).contains("hit"), "{code}");
    }
}

#[test]
fn vary_tells_variants_apart() {
    let scene = scene(|answer| answer.header("vary", "accept-language"));
    let ask =
        |language: &str| scene.send(&scene.visit("GET", "/shop/ruled").header("accept-language", language));
    assert_eq!(ask("nl").body, "\"answer 1\"");
    assert_eq!(ask("NL").body, "\"answer 1\"");
    let seen = ask("de");
    assert_eq!((status(&seen), seen.body.as_str()), ("tollgate; fwd=vary-miss; stored", "\"answer 2\""));
    assert_eq!(ask("de").body, "\"answer 2\"");
    let star = self::scene(|answer| answer.header("vary", "*"));
    star.get("/shop/ruled");
    assert!(!status(&star.get("/shop/ruled")).contains("hit"));
}

#[test]
fn only_what_the_key_names_tells_requests_apart() {
    let scene = scene(|answer| answer);
    let ask = |query: &str, accept: &str| {
        scene.send(&scene.visit("GET", &format!("/shop/page?{query}")).header("accept", accept)).body
    };
    let first = ask("page=1&x=1", "a/a");
    assert_eq!(ask("x=2&page=1", "a/a"), first);
    assert_ne!(ask("page=2", "a/a"), first);
    assert_ne!(ask("page=1", "b/b"), first);
    assert_ne!(ask("x=1", "a/a"), first);
}

#[test]
fn authenticated_answers_are_kept_apart_by_consumer_or_not_at_all() {
    let scene = scene(|answer| answer);
    let (ada, bob) = (scene.token(json!({})), scene.token(json!({ "sub": "bob" })));
    let first = scene.get_as(&ada, "/shop/mine").body;
    assert_eq!(scene.get_as(&ada, "/shop/mine").body, first);
    assert_ne!(scene.get_as(&bob, "/shop/mine").body, first);
    // Without the consumer in the key the origin must allow it (RFC 9111 §3.5).
    scene.get_as(&ada, "/shop/ours");
    assert_eq!(status(&scene.get_as(&ada, "/shop/ours")), "tollgate; fwd=uri-miss; detail=credentials");
    let public = self::scene(|answer| answer.header("cache-control", "public"));
    let (ada, bob) = (public.token(json!({})), public.token(json!({ "sub": "bob" })));
    let first = public.get_as(&ada, "/shop/ours").body;
    assert_eq!(public.get_as(&bob, "/shop/ours").body, first);
    // What is stored opens no door.
    refused(&public.get("/shop/ours"), 401, "token-missing");
    let allowed = public.token(json!({ "scope": "a" }));
    public.get_as(&allowed, "/shop/scoped");
    refused(&public.get_as(&public.token(json!({})), "/shop/scoped"), 403, "scope-insufficient");
}

/// Whatever the origin is told of the caller may stand in its answer.
#[test]
fn two_tokens_of_one_consumer_share_only_what_the_origin_cannot_tell_apart() {
    for (path, claims, same) in [
        ("/shop/mine", json!({ "scope": "a b" }), false),
        ("/shop/mine", json!({ "tenant": "other" }), true),
        ("/shop/told", json!({ "tenant": "other" }), false),
        ("/shop/told", json!({ "iat": 1 }), true),
        ("/shop/kept", json!({ "iat": 1 }), false),
    ] {
        let scene = scene(|answer| answer);
        let (token, other) = (scene.token(json!({})), scene.token(claims.clone()));
        let first = scene.get_as(&token, path).body;
        assert_eq!(scene.get_as(&other, path).body == first, same, "{path} {claims}");
        assert_eq!(scene.get_as(&token, path).body, first, "{path} {claims}");
    }
    // The token itself in the key tells callers apart even where it is not passed on.
    let scene = scene(|answer| answer);
    let (ada, bob) = (scene.token(json!({})), scene.token(json!({ "sub": "bob" })));
    let first = scene.get_as(&ada, "/shop/each").body;
    assert_ne!(scene.get_as(&bob, "/shop/each").body, first);
    assert_eq!(scene.get_as(&ada, "/shop/each").body, first);
}

/// Origins put scheme, host and port into links and redirects.
#[test]
fn answers_belong_to_a_scheme_and_an_authority() {
    let scene = scene(|answer| answer);
    let ask =
        |origin: &str| scene.send(&Visit::new(&scene.world, "GET", &format!("{origin}/shop/ruled"))).body;
    let first = ask("https://api.test");
    let told = scene.last().header("x-forwarded-host").map(str::to_owned);
    for same in [
        "https://api.test:443",
        "https://API.test",
        "https://api.test.",
        "https://api.test:",
        "https://api.test:0443",
    ] {
        assert_eq!(ask(same), first, "{same}");
    }
    for other in ["http://api.test", "https://api.test:8443", "https://api.test:80", "http://api.test:443"] {
        assert_ne!(ask(other), first, "{other}");
    }
    // What the origin is told is as canonical as the key, or one client could choose how another's links look.
    scene.world.pass(20_000);
    ask("https://API.test.:0443");
    assert_eq!(scene.last().header("x-forwarded-host").map(str::to_owned), told);
    ask("https://API.test:08443");
    assert_eq!(scene.last().header("x-forwarded-host"), Some("api.test:8443"));
}

#[test]
fn behind_a_trusted_proxy_its_word_of_scheme_and_host_counts() {
    let scene = Scene::new("trust_forwarded: true\n", ROUTES);
    let count = Rc::new(Cell::new(0));
    scene.world.origin("origin.internal", move |_| {
        count.set(count.get() + 1);
        Answered::json(&format!("\"answer {}\"", count.get()))
    });
    let ask = |fields: &[(&str, &str)]| {
        let visit =
            fields.iter().fold(scene.visit("GET", "/shop/ruled"), |v, (name, value)| v.header(name, value));
        scene.send(&visit).body
    };
    let first = ask(&[]);
    assert_eq!(ask(&[("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.7;by=_a")]), first);
    for fields in [
        [("x-forwarded-host", "other.test")],
        [("x-forwarded-proto", "http")],
        [("x-forwarded-port", "8443")],
        [("x-forwarded-prefix", "/other")],
        [("forwarded", "for=192.0.2.7;host=other.test, for=192.0.2.8")],
        [("forwarded", "for=192.0.2.7;Proto=http")],
    ] {
        assert_ne!(ask(&fields), first, "{fields:?}");
    }
    assert_eq!(ask(&[]), first);
}

/// `Vary` and the key speak of the request that the origin got.
#[test]
fn fields_count_as_the_origin_gets_them() {
    // What the gateway takes away or replaces cannot plant an answer for others.
    for (path, vary, plant) in [
        ("/shop/ruled", "x-tenant", [("connection", "x-tenant"), ("x-tenant", "victim")]),
        ("/shop/tenant", "accept", [("connection", "x-tenant"), ("x-tenant", "victim")]),
    ] {
        let scene = scene(move |answer| answer.header("vary", vary));
        let planted = plant.iter().fold(scene.visit("GET", path), |v, (name, value)| v.header(name, value));
        let planted = scene.send(&planted).body;
        let victim = scene.send(&scene.visit("GET", path).header("x-tenant", "victim")).body;
        assert_ne!(victim, planted, "{path} {vary}");
    }
    for (vary, field, same) in [
        // Each client of its own address, whatever it says.
        ("x-forwarded-for", "x-forwarded-for", false),
        ("forwarded", "forwarded", false),
        ("x-request-id", "x-request-id", false),
        // The gateway's word, the same for both.
        ("x-forwarded-host", "x-forwarded-host", true),
        ("x-forwarded-proto", "x-forwarded-proto", true),
        ("via", "x-other", true),
    ] {
        let scene = scene(move |answer| answer.header("vary", vary));
        let first = scene.send(&scene.visit("GET", "/shop/ruled").header(field, "a")).body;
        let second = scene.visit("GET", "/shop/ruled").header(field, if same { "b" } else { "a" });
        assert_eq!(scene.send(&second.from("192.0.2.77")).body == first, same, "{vary}");
    }
    // What the platform may tell the origin by itself, though the gateway passes no client's copy.
    let scene = scene(|answer| answer.header("vary", "cf-ipcountry"));
    let ask = |land: &str| scene.send(&scene.visit("GET", "/shop/ruled").header("cf-ipcountry", land)).body;
    assert_ne!(ask("NL"), ask("DE"));
    // The origin that says `Vary: Authorization` means the caller, in whatever form it learns of him.
    let scene =
        self::scene(|answer| answer.header("cache-control", "public").header("vary", "authorization"));
    let (ada, bob) = (scene.token(json!({})), scene.token(json!({ "sub": "bob" })));
    assert_ne!(scene.get_as(&ada, "/shop/ours").body, scene.get_as(&bob, "/shop/ours").body);
}

#[test]
fn credentials_on_an_open_route_are_not_shared() {
    let scene = scene(|answer| answer);
    let ask = |user: &str| scene.send(&scene.visit("GET", "/shop/ruled").header("authorization", user)).body;
    let first = ask("Basic YTpi");
    assert_ne!(ask("Basic YTpi"), first);
    assert_ne!(ask("Basic Yzpk"), first);
    let scene = self::scene(|answer| answer);
    let ask = |cookie: &str| scene.send(&scene.visit("GET", "/shop/ruled").header("cookie", cookie)).body;
    assert_ne!(ask("id=1"), ask("id=2"));
}

#[test]
fn the_request_may_refuse_what_is_stored() {
    let scene = scene(|answer| answer);
    let ask = |value: &str| scene.send(&scene.visit("GET", "/shop/ruled").header("cache-control", value));
    refused(&ask("only-if-cached"), 504, "not-cached");
    assert_eq!(scene.sent(), 0);
    assert_eq!(status(&ask("no-store")), "tollgate; fwd=uri-miss; detail=request-no-store");
    scene.get("/shop/ruled");
    scene.world.pass(5_000);
    assert_eq!(status(&ask("only-if-cached")), "tollgate; hit; ttl=5");
    assert_eq!(status(&ask("max-age=4")), "tollgate; fwd=request; stored");
    assert_eq!(status(&ask("no-cache")), "tollgate; fwd=request; stored");
    assert_eq!(status(&ask("min-fresh=11")), "tollgate; fwd=request; stored");
    assert_eq!(
        status(&scene.send(&scene.visit("GET", "/shop/ruled").header("range", "bytes=0-1"))),
        "tollgate; fwd=bypass; detail=range"
    );
}

#[test]
fn a_validator_that_still_holds_costs_304() {
    let scene = scene(|answer| {
        answer.header("etag", "\"v1\"").header("last-modified", "Tue, 10 Mar 2026 00:00:00 GMT")
    });
    scene.get("/shop/ruled");
    let ask = |name: &str, value: &str| scene.send(&scene.visit("GET", "/shop/ruled").header(name, value));
    for (name, value) in [
        ("if-none-match", "W/\"v1\", \"v0\""),
        ("if-none-match", "*"),
        ("if-modified-since", "Tue, 10 Mar 2026 00:00:00 GMT"),
    ] {
        let seen = ask(name, value);
        assert_eq!((seen.status, seen.body.as_str()), (304, ""), "{name}");
        assert_eq!((seen.header("etag"), seen.header("content-length")), (Some("\"v1\""), None));
    }
    assert_eq!(ask("if-none-match", "\"v2\"").status, 200);
    assert_eq!(ask("if-modified-since", "Mon, 09 Mar 2026 00:00:00 GMT").status, 200);
    assert_eq!(scene.sent(), 1);
}

#[test]
fn only_get_is_kept_and_head_is_served() {
    let scene = scene(|answer| answer);
    assert_eq!(status(&scene.send(&scene.visit("POST", "/shop/any").body("x"))), "tollgate; fwd=method");
    assert_eq!(
        status(&scene.send(&scene.visit("HEAD", "/shop/ruled"))),
        "tollgate; fwd=uri-miss; detail=head"
    );
    scene.get("/shop/ruled");
    assert_eq!(status(&scene.send(&scene.visit("HEAD", "/shop/ruled"))), "tollgate; hit; ttl=10");
    scene.get("/shop/small");
    assert_eq!(status(&scene.get("/shop/small")), "tollgate; fwd=uri-miss; detail=too-large");
}

#[test]
fn no_name_that_an_origin_chose_is_asked_of_the_host() {
    let count = Rc::new(Cell::new(0));
    let scene = Scene::new("", ROUTES);
    let number = Rc::clone(&count);
    scene.world.origin("origin.internal", move |_| {
        number.set(number.get() + 1);
        Answered::json("{}").header("vary", &format!("x-name-{}, accept-encoding", number.get()))
    });
    for round in 0..3 {
        let visit = scene.visit("GET", "/shop/ruled").header(&format!("x-name-{round}"), "1");
        scene.send(&visit);
        let asked = visit.asked.borrow();
        assert!(asked.contains("accept-encoding"), "{asked:?}");
        assert!(asked.iter().all(|name| !name.starts_with("x-name")), "{asked:?}");
    }
    assert_eq!(count.get(), 3, "each was another variant");
}

#[test]
fn what_one_request_spoils_is_not_kept_for_others() {
    // Errors that are about the request and not about the resource, whatever the origin says of their freshness.
    for (code, stored) in [
        (400, false),
        (403, false),
        (406, false),
        (412, false),
        (413, false),
        (414, false),
        (416, false),
        (431, false),
        (404, true),
        (410, true),
        (451, true),
        (503, true),
    ] {
        let scene = Scene::new("", ROUTES);
        scene
            .world
            .origin("origin.internal", move |_| Answered::status(code).header("cache-control", "max-age=60"));
        scene.get("/shop/ruled");
        assert_eq!(status(&scene.get("/shop/ruled")).contains("hit"), stored, "{code}");
    }
    // Fields by which frameworks let a request ask for something else than its line says.
    for name in [
        "x-http-method-override",
        "X-Original-URL",
        "x_rewrite_url",
        "x-forwarded-path",
        "x_forwarded_path",
        "x-host",
    ] {
        let scene = scene(|answer| answer.header("cache-control", "max-age=60"));
        let seen = scene.send(&scene.visit("GET", "/shop/ruled").header(name, "/other"));
        assert_eq!(status(&seen), "tollgate; fwd=uri-miss; detail=steered", "{name}");
        assert_ne!(scene.get("/shop/ruled").body, seen.body, "{name}");
    }
    // Unless the key tells them apart, or the gateway takes them away.
    for (path, name) in [
        ("/shop/steered", "x-original-url"),
        ("/shop/ruled", "x-forwarded-port"),
        ("/shop/ruled", "x-forwarded-for"),
        ("/shop/ruled", "x_forwarded_host"),
    ] {
        let scene = scene(|answer| answer);
        let ask = || scene.send(&scene.visit("GET", path).header(name, "/other"));
        ask();
        assert_eq!(status(&ask()), "tollgate; hit; ttl=10", "{name}");
    }
}

#[test]
fn a_rule_that_overrides_freshness_does_not_share_what_cookies_brought() {
    for field in ["", "max-age=0", "max-age=5"] {
        let scene = scene(
            move |answer| if field.is_empty() { answer } else { answer.header("cache-control", field) },
        );
        let ask =
            |cookie: &str| scene.send(&scene.visit("GET", "/shop/forced").header("cookie", cookie)).body;
        assert_ne!(ask("id=1"), ask("id=2"), "{field}");
        assert_eq!(scene.get("/shop/forced").body, scene.get("/shop/forced").body);
    }
}

#[test]
fn a_coding_that_the_client_does_not_accept_is_not_served() {
    let scene = scene(|answer| answer.header("content-encoding", "gzip"));
    let ask = |accept: Option<&str>| {
        let visit = scene.visit("GET", "/shop/ruled");
        scene.send(&match accept {
            Some(accept) => visit.header("accept-encoding", accept),
            None => visit,
        })
    };
    ask(Some("gzip"));
    for accept in ["br, gzip", "GZIP;q=0.5", "x-gzip", "*"] {
        assert_eq!(status(&ask(Some(accept))), "tollgate; hit; ttl=10", "{accept}");
    }
    for accept in [None, Some("br"), Some("gzip;q=0, *"), Some("gzip;q=0.000"), Some("identity"), Some("")] {
        assert_eq!(status(&ask(accept)), "tollgate; fwd=vary-miss; stored", "{accept:?}");
    }
}

#[test]
fn an_answer_for_one_web_origin_is_not_served_to_another() {
    let scene = Scene::new("", ROUTES);
    scene.world.origin("origin.internal", |sent| {
        Answered::json("{}").header("access-control-allow-origin", sent.header("origin").unwrap_or("*"))
    });
    let ask = |origin: &str| {
        let seen = scene.send(&scene.visit("GET", "/shop/ruled").header("origin", origin));
        seen.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(ask("https://evil.test").as_deref(), Some("https://evil.test"));
    assert_eq!(ask("https://app.test").as_deref(), Some("https://app.test"));
    ask("https://app.test");
    assert_eq!(scene.sent(), 2);
}

#[test]
fn a_combined_route_is_not_looked_up() {
    let scene = Scene::new("defaults: { cache: { ttl: 10s } }\n", ROUTES);
    let seen = scene.send(&scene.visit("GET", "/shop/both").header("cache-control", "only-if-cached"));
    assert_eq!(seen.status, 200, "{}", seen.body);
}

/// A cache that does not answer is no cache: not an outage.
#[test]
fn a_look_up_without_an_answer_is_a_miss_that_is_not_stored() {
    for (fault, path, said, waits) in [
        (CacheFault::Slow(299), "ruled", "tollgate; fwd=uri-miss; stored", 299),
        (CacheFault::Slow(301), "ruled", "tollgate; fwd=miss; detail=timeout", 300),
        (CacheFault::Slow(3_600_000), "ruled", "tollgate; fwd=miss; detail=timeout", 300),
        // The origin has as much time as the look-up had.
        (CacheFault::Slow(3_600_000), "hurried", "tollgate; fwd=miss; detail=timeout", 50),
        (CacheFault::Down, "ruled", "tollgate; fwd=miss; detail=failed", 0),
    ] {
        let scene = scene(|answer| answer);
        scene.world.cache_fault.set(fault);
        let began = scene.world.now();
        let visit = scene.visit("GET", &format!("/shop/{path}"));
        let (seen, record) = visit.recorded(&scene.gateway).unwrap();
        assert_eq!((seen.status, status(&seen)), (200, said), "{fault:?}");
        assert_eq!(scene.world.now() - began, waits, "{fault:?}");
        let missed = matches!(fault, CacheFault::Slow(299));
        let word = if missed { "miss" } else { "unanswered" };
        assert_eq!(scene.event(&seen)["cache"], word, "{fault:?}");
        let noted = serde_json::to_string(&record).unwrap();
        assert!(noted.contains(said), "{noted}");
        scene.world.cache_fault.set(CacheFault::None);
        assert_eq!(status(&scene.get(&format!("/shop/{path}"))).contains("hit"), missed, "{fault:?}");
    }
}

#[test]
fn who_takes_only_what_is_stored_is_told_soon_that_there_is_nothing() {
    let scene = scene(|answer| answer);
    scene.world.cache_fault.set(CacheFault::Slow(3_600_000));
    let began = scene.world.now();
    let seen = scene.send(&scene.visit("GET", "/shop/ruled").header("cache-control", "only-if-cached"));
    refused(&seen, 504, "not-cached");
    assert_eq!((scene.world.now() - began, scene.fetches()), (300, 0));
}
