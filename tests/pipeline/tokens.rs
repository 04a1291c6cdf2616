//! Who calls: tokens, their keys, scopes, and what the origin is told.

use crate::scene::{ISSUER, NOW, Scene, forged, refused, well_formed};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tollgate::simulator::Answered;
use tollgate::token::native::DevelopmentKey;

const ROUTES: &str = "
routes:
  open: { match: GET /open, auth: none }
  mine: { match: GET /mine, auth: { jwt: people, claims: { x-tenant: tenant } } }
  keep: { match: GET /keep, auth: { jwt: people, keep_credentials: true } }
  all: { match: GET /all, auth: { jwt: people }, scopes: [\"a:read\", \"b:read\"] }
  either: { match: GET /either, auth: { jwt: people }, scopes: { any: [\"a:read\", \"b:read\"] } }
";

#[test]
fn every_wrong_token_has_its_own_problem() {
    let typed = Scene::new(
        "  typed:
    issuer: https://typed.test
    audience: shop
    algorithms: [ES256]
    types: [at+jwt]
    required: [tenant]
    keys: { jwks: \"https://issuer.test/jwks\" }
",
        "routes: { mine: { match: GET /mine, auth: { jwt: [people, typed] } } }\n",
    );
    let scene = &typed;
    let now = NOW / 1000;
    let good = scene.claims(json!({}));
    let header = json!({ "alg": "ES256", "kid": scene.key.kid() });
    let with = |changes: serde_json::Value| scene.token(changes);
    let stranger = DevelopmentKey::generate().unwrap();
    let mut tampered = with(json!({}));
    tampered.replace_range(tampered.len() - 8..tampered.len() - 4, "AAAA");
    let typed_claims = scene.claims(json!({ "iss": "https://typed.test", "tenant": "t" }));
    let lacking = scene.claims(json!({ "iss": "https://typed.test" }));
    for (token, code) in [
        ("abc".to_owned(), "token-malformed"),
        ("a.b.c".to_owned(), "token-malformed"),
        (format!("{}.", with(json!({}))), "token-malformed"),
        (forged(&json!({ "alg": "ES256", "crit": ["x"], "x": 1 }), &good, &[1; 64]), "token-malformed"),
        (forged(&json!({ "alg": "none" }), &good, &[1]), "token-unsigned"),
        (forged(&json!({ "alg": "HS256", "kid": scene.key.kid() }), &good, &[1; 32]), "token-algorithm"),
        (forged(&json!({ "alg": "RS256" }), &good, &[1; 256]), "token-algorithm"),
        (with(json!({ "iss": "https://else.test" })), "token-issuer"),
        (with(json!({ "iss": null })), "token-issuer"),
        (with(json!({ "aud": "bakery" })), "token-audience"),
        (with(json!({ "aud": null })), "token-audience"),
        (with(json!({ "exp": now })), "token-expired"),
        (with(json!({ "exp": null })), "token-claims"),
        (with(json!({ "exp": "tomorrow" })), "token-claims"),
        (with(json!({ "nbf": now + 1 })), "token-not-yet-valid"),
        (with(json!({ "iat": now + 1 })), "token-not-yet-valid"),
        (with(json!({ "sub": null })), "token-claims"),
        (with(json!({ "sub": "" })), "token-claims"),
        (with(json!({ "scope": 7 })), "token-claims"),
        (scene.key.sign(&typed_claims, None).unwrap(), "token-type"),
        (scene.key.sign(&lacking, Some("at+jwt")).unwrap(), "token-claims"),
        (stranger.sign(&good, None).unwrap(), "token-key-unknown"),
        (forged(&header, &good, &[1; 64]), "token-signature"),
        (forged(&header, &good, &[1; 3]), "token-signature"),
        (tampered, "token-signature"),
    ] {
        let seen = scene.get_as(&token, "/shop/mine");
        refused(&seen, 401, code);
        let challenge = seen.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
            "{challenge}"
        );
    }
    assert_eq!(scene.sent(), 0);
    assert_eq!(scene.get_as(&with(json!({})), "/shop/mine").status, 200);
    assert_eq!(
        scene.get_as(&scene.key.sign(&typed_claims, Some("AT+JWT")).unwrap(), "/shop/mine").status,
        200
    );
}

#[test]
fn without_credentials_there_is_a_challenge_and_no_error_code() {
    let scene = Scene::new("", ROUTES);
    for visit in [
        scene.visit("GET", "/shop/mine"),
        scene.visit("GET", "/shop/mine").header("authorization", "Basic YTpi"),
        scene.visit("GET", &format!("/shop/mine?access_token={}", scene.token(json!({})))),
    ] {
        let seen = scene.send(&visit);
        refused(&seen, 401, "token-missing");
        assert_eq!(seen.header("www-authenticate"), Some("Bearer realm=\"tollgate\""));
    }
    // Two fields are none that can be believed.
    let bearer = format!("Bearer {}", scene.token(json!({})));
    let twice =
        scene.visit("GET", "/shop/mine").header("authorization", &bearer).header("authorization", &bearer);
    refused(&scene.send(&twice), 401, "token-malformed");
    assert_eq!(scene.fetches(), 0);
}

#[test]
fn a_remembered_token_is_not_verified_again_until_it_expires() {
    let scene = Scene::new("", ROUTES);
    let token = scene.token(json!({ "exp": NOW / 1000 + 60 }));
    for _ in 0..5 {
        assert_eq!(scene.get_as(&token, "/shop/mine").status, 200);
    }
    assert_eq!((scene.fetches(), scene.world.verified.get()), (1, 1));
    // Scopes are asked of a remembered token all the same.
    refused(&scene.get_as(&token, "/shop/all"), 403, "scope-insufficient");
    scene.world.pass(59_999);
    assert_eq!(scene.get_as(&token, "/shop/mine").status, 200);
    scene.world.pass(1);
    refused(&scene.get_as(&token, "/shop/mine"), 401, "token-expired");
    assert_eq!(scene.world.verified.get(), 1);
}

#[test]
fn keys_rotate_on_an_unknown_id_at_most_once_an_interval() {
    let scene = Scene::new("", ROUTES);
    assert_eq!(scene.get_as(&scene.token(json!({})), "/shop/mine").status, 200);
    assert_eq!(scene.fetches(), 1);
    scene.world.pass(10_000);
    // Invented ids cost the issuer one fetch each ten seconds.
    for name in 0..20 {
        let header = json!({ "alg": "ES256", "kid": format!("invented-{name}") });
        let seen = scene.get_as(&forged(&header, &scene.claims(json!({})), &[1; 64]), "/shop/mine");
        refused(&seen, 401, "token-key-unknown");
    }
    assert_eq!(scene.fetches(), 2);
    let next = DevelopmentKey::generate().unwrap();
    *scene.published.borrow_mut() = Answered::json(&next.public_set());
    let token = next.sign(&scene.claims(json!({})), None).unwrap();
    refused(&scene.get_as(&token, "/shop/mine"), 401, "token-key-unknown");
    scene.world.pass(10_000);
    assert_eq!(scene.get_as(&token, "/shop/mine").status, 200);
    assert_eq!(scene.fetches(), 3);
    // The key that is gone verifies nothing any more, remembered or not.
    refused(&scene.get_as(&scene.token(json!({})), "/shop/mine"), 401, "token-key-unknown");
}

#[test]
fn the_last_known_keys_serve_while_the_issuer_is_down() {
    let scene = Scene::new("", ROUTES);
    assert_eq!(scene.get_as(&scene.token(json!({})), "/shop/mine").status, 200);
    let down = [
        Answered::broken("connection refused"),
        Answered::status(500),
        Answered::json("{}"),
        Answered::json("{\"keys\":[]}"),
        Answered::json("<html>"),
        Answered::json(&"[".repeat(1 << 20)),
        Answered::status(302).header("location", "https://evil.test/jwks"),
    ];
    for answer in down {
        scene.world.pass(400_000);
        *scene.published.borrow_mut() = answer;
        let before = scene.fetches();
        assert_eq!(scene.get_as(&scene.token(json!({})), "/shop/mine").status, 200);
        assert_eq!(scene.fetches(), before + 1);
    }
    scene.world.pass(3_600_000);
    let seen = scene.get_as(&scene.token(json!({})), "/shop/mine");
    refused(&seen, 503, "issuer-unavailable");
    assert!(seen.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(seen.header("www-authenticate"), None);
}

#[test]
fn an_issuer_that_never_answered_costs_503_and_few_fetches() {
    let scene = Scene::new("", ROUTES);
    *scene.published.borrow_mut() = Answered::broken("connection refused");
    for _ in 0..10 {
        refused(&scene.get_as(&scene.token(json!({})), "/shop/mine"), 503, "issuer-unavailable");
    }
    assert_eq!(scene.fetches(), 1);
    *scene.published.borrow_mut() = Answered::json(&scene.key.public_set());
    scene.world.pass(5_000);
    assert_eq!(scene.get_as(&scene.token(json!({})), "/shop/mine").status, 200);
}

#[test]
fn first_requests_at_once_fetch_the_keys_once() {
    let scene = Scene::new("", ROUTES);
    let slow = Answered::json(&scene.key.public_set()).after(300);
    *scene.published.borrow_mut() = slow;
    let visits: Vec<_> = (0..20)
        .map(|number| {
            let token = scene.token(json!({ "sub": format!("caller-{number}") }));
            scene.visit("GET", "/shop/mine").header("authorization", &format!("Bearer {token}"))
        })
        .collect();
    let all = join_all(visits.iter().map(|visit| visit.through(&scene.gateway)));
    let seen = scene.world.run(all).unwrap();
    seen.iter().for_each(well_formed);
    assert!(seen.iter().all(|seen| seen.status == 200));
    assert_eq!(scene.fetches(), 1);
    assert!(scene.world.now() < NOW + 1_000);
}

#[test]
fn a_key_fetch_that_hangs_holds_nobody_for_long() {
    let scene = Scene::new("", ROUTES);
    *scene.published.borrow_mut() = Answered::json(&scene.key.public_set()).after(1_000_000);
    let visits: Vec<_> = (0..5)
        .map(|_| {
            let bearer = format!("Bearer {}", scene.token(json!({})));
            scene.visit("GET", "/shop/mine").header("authorization", &bearer)
        })
        .collect();
    let all = join_all(visits.iter().map(|visit| visit.through(&scene.gateway)));
    for seen in scene.world.run(all).unwrap() {
        refused(&seen, 503, "issuer-unavailable");
    }
    assert!(scene.world.now() <= NOW + 10_000);
}

#[test]
fn keys_that_come_late_are_no_fault_of_the_upstream_and_serve_the_next() {
    let hurried = "
routes:
  mine: { match: GET /mine, auth: { jwt: people }, timeout: { headers: 500ms, total: 500ms } }
";
    let scene = Scene::new("", hurried);
    // Slow, and within what the issuer's page is told.
    *scene.published.borrow_mut() = Answered::json(&scene.key.public_set()).after(4_900);
    refused(&scene.get_as(&scene.token(json!({})), "/shop/mine"), 503, "issuer-unavailable");
    assert_eq!(scene.get_as(&scene.token(json!({})), "/shop/mine").status, 200);
    assert_eq!((scene.sent(), scene.fetches()), (1, 1));
}

#[test]
fn scopes_are_all_needed_or_any() {
    let scene = Scene::new("", ROUTES);
    for (scopes, all, either) in [
        (json!("a:read b:read c"), 200, 200),
        (json!(["b:read", "a:read"]), 200, 200),
        (json!("a:read"), 403, 200),
        (json!("a:rea b:reads"), 403, 403),
        (json!(null), 403, 403),
    ] {
        let token = scene.token(json!({ "scope": scopes }));
        assert_eq!(scene.get_as(&token, "/shop/all").status, all, "{scopes}");
        assert_eq!(scene.get_as(&token, "/shop/either").status, either, "{scopes}");
    }
    let seen = scene.get_as(&scene.token(json!({ "scope": "a:read" })), "/shop/all");
    refused(&seen, 403, "scope-insufficient");
    assert_eq!(seen.json()["scopes"], json!(["b:read"]));
    assert!(
        seen.header("www-authenticate").unwrap().ends_with("error=\"insufficient_scope\", scope=\"b:read\"")
    );
}

#[test]
fn the_origin_is_told_who_calls_and_never_by_the_client() {
    let scene = Scene::new("", ROUTES);
    let token = scene.token(json!({ "scope": "a:read  b", "tenant": "ä b", "sub": "a\u{e9}%" }));
    let lies = [
        "X-Consumer-Id",
        "x_consumer_id",
        "X_CONSUMER-ID",
        "x-consumer-issuer",
        "x-consumer_scopes",
        "X-Tenant",
        "x_tenant",
    ];
    let lie = |path: &str, token: Option<&str>| {
        let mut visit = scene.visit("GET", path);
        for name in lies {
            visit = visit.header(name, "root");
        }
        if let Some(token) = token {
            visit = visit.header("authorization", &format!("Bearer {token}"));
        }
        assert_eq!(scene.send(&visit).status, 200);
        scene.last()
    };
    let sent = lie("/shop/mine", Some(&token));
    assert_eq!(sent.header("x-consumer-id"), Some("a%C3%A9%25"));
    assert_eq!(sent.header("x-consumer-issuer"), Some(ISSUER));
    assert_eq!(sent.header("x-consumer-scopes"), Some("a:read b"));
    assert_eq!(sent.header("x-tenant"), Some("%C3%A4%20b"));
    assert_eq!(sent.header("authorization"), None);
    assert!(sent.headers.iter().all(|(_, value)| value != "root"), "{:?}", sent.headers);
    // A claim that the token lacks leaves nothing behind, least of all the client's own.
    let sent = lie("/shop/mine", Some(&scene.token(json!({}))));
    assert!(sent.headers.iter().all(|(name, value)| value != "root" && name != "x-tenant"));
    // On an open route nobody is introduced, and nobody introduces himself: origins are shared.
    let sent = lie("/shop/open", None);
    assert!(sent.headers.iter().all(|(_, value)| value != "root"), "{:?}", sent.headers);
    let bearer = format!("Bearer {token}");
    let sent = lie("/shop/keep", Some(&token));
    assert_eq!(sent.header("authorization"), Some(bearer.as_str()));
    // An open route is not the gateway's to authenticate: what the origin checks itself, it gets.
    let visit = scene.visit("GET", "/shop/open").header("authorization", "Basic YTpi");
    scene.send(&visit);
    assert_eq!(scene.last().header("authorization"), Some("Basic YTpi"));
}

#[test]
fn a_shared_secret_must_be_bound() {
    let gateway = "  partners: { issuer: \"https://partners.test\", audience: shop, algorithms: [HS256], keys: { secret: PARTNERS } }\n";
    let api = "routes:\n  mine: { match: GET /mine, auth: { jwt: partners } }\n  open: { match: GET /open, auth: none }\n";
    let scene = Scene::new(gateway, api);
    let token = forged(
        &json!({ "alg": "HS256" }),
        &scene.claims(json!({ "iss": "https://partners.test" })),
        &[1; 32],
    );
    refused(&scene.get_as(&token, "/shop/mine"), 503, "secret-missing");
    assert_eq!(scene.get("/shop/open").status, 200);
    scene.world.secret("PARTNERS", "short");
    refused(&scene.get_as(&token, "/shop/mine"), 503, "secret-missing");
    scene.world.secret("PARTNERS", &"s".repeat(32));
    refused(&scene.get_as(&token, "/shop/mine"), 401, "token-signature");
    let signed = {
        let (input, _) = token.rsplit_once('.').unwrap();
        use base64ct::{Base64UrlUnpadded, Encoding};
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, "s".repeat(32).as_bytes());
        format!(
            "{input}.{}",
            Base64UrlUnpadded::encode_string(ring::hmac::sign(&key, input.as_bytes()).as_ref())
        )
    };
    assert_eq!(scene.get_as(&signed, "/shop/mine").status, 200);
}

/// Keys past their time serve at once, whatever the issuer does; one task at a time fetches them anew.
#[test]
fn old_keys_serve_at_once_and_are_fetched_off_the_way() {
    let scene = Scene::new("", ROUTES);
    let ask = |sub: &str| scene.visit("GET", "/shop/mine").header("authorization", &bearer(&scene, sub));
    assert_eq!(scene.send(&ask("ben")).status, 200);
    scene.world.pass(301_000);
    *scene.published.borrow_mut() = Answered::json(&scene.key.public_set()).after(4_900);
    let visits: Vec<_> = (0..5).map(|number| ask(&format!("caller-{number}"))).collect();
    let all = join_all(visits.iter().map(|visit| visit.through(&scene.gateway)));
    for seen in scene.world.run(all).unwrap() {
        assert_eq!((seen.status, seen.took), (200, 0));
    }
    assert_eq!(scene.fetches(), 2, "one refresh for all");
    // What it brought is fresh again.
    *scene.published.borrow_mut() = Answered::broken("connection refused");
    scene.world.pass(200_000);
    assert_eq!(scene.send(&ask("cat")).status, 200);
    assert_eq!(scene.fetches(), 2);
}

/// Who names a key that is not known yet waits for the fetch that is under way; and so does who was signed by a key that
/// kept its id.
#[test]
fn a_new_key_is_waited_for_while_old_ones_serve() {
    for same_id in [false, true] {
        let scene = Scene::new("", ROUTES);
        let next = DevelopmentKey::generate().unwrap();
        if same_id {
            let mut set: Value = serde_json::from_str(&scene.key.public_set()).unwrap();
            let mut twin = set["keys"][0].clone();
            twin["kid"] = json!(next.kid());
            set["keys"].as_array_mut().unwrap().push(twin);
            *scene.published.borrow_mut() = Answered::json(&set.to_string());
        }
        let ask = |bearer: &str| scene.visit("GET", "/shop/mine").header("authorization", bearer);
        assert_eq!(scene.send(&ask(&bearer(&scene, "ben"))).status, 200);
        scene.world.pass(301_000);
        *scene.published.borrow_mut() = Answered::json(&next.public_set()).after(2_000);
        let token = next.sign(&scene.claims(json!({ "sub": "new" })), None).unwrap();
        let both = [ask(&bearer(&scene, "old")), ask(&format!("Bearer {token}"))];
        let all = join_all(both.iter().map(|visit| visit.through(&scene.gateway)));
        let seen = scene.world.run(all).unwrap();
        assert_eq!((seen[0].status, seen[0].took), (200, 0));
        assert_eq!(seen[1].status, 200, "{same_id} {}", seen[1].body);
        assert!((2_000..2_100).contains(&seen[1].took), "{}", seen[1].took);
        assert_eq!(scene.fetches(), 2);
    }
}

fn bearer(scene: &Scene, sub: &str) -> String {
    format!("Bearer {}", scene.token(json!({ "sub": sub })))
}
