//! What strangers must never read in an answer that the gateway made.

use crate::scene::{Scene, forged, well_formed};
use proptest::prelude::*;
use serde_json::json;
use tollgate::ports::Class;
use tollgate::simulator::{Answered, Fault, Visit};

/// Words that stand in private places: targets, their answers, secrets, claims, object messages.
const PRIVATE: [&str; 7] = [
    "origin.internal",
    "inner-path",
    "s3cret-value",
    "issuer.test",
    "claim-value",
    "Stack trace",
    "PARTNERS",
];

const GATEWAY: &str = "
  partners: { issuer: \"https://partners.test\", audience: shop, algorithms: [HS256], keys: { secret: PARTNERS } }
";

const ROUTES: &str = "
limits:
  few: { rate: 2/s, burst: 2, per: claim.tenant, unreachable: closed }
cors:
  web: { origins: [\"https://app.test\"] }
routes:
  open: { match: \"ANY /open/{*rest}\", auth: none, rewrite: \"/inner-path/{rest}\", cors: web, body: { max: 4B }, timeout: { total: 100ms } }
  mine: { match: GET /mine, auth: { jwt: [people, partners] }, scopes: [a], limits: [few], cache: { ttl: 1s } }
  parts: { match: GET /parts, auth: none, combine: { one: { path: /inner-path }, two: { path: /inner-path/2, required: false } } }
";

fn scene() -> Scene {
    let scene = Scene::new(GATEWAY, ROUTES);
    scene.world.secret("PARTNERS", &"s3cret-value".repeat(4));
    scene
}

/// An answer of the gateway's own says nothing private.
fn says_nothing(seen: &tollgate::simulator::Seen) {
    well_formed(seen);
    let made =
        seen.header("content-type") == Some("application/problem+json") || seen.body.contains("_partial");
    let headers: String = seen.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    for word in PRIVATE {
        assert!(!made || !seen.body.contains(word), "{word} in {}", seen.body);
        assert!(!headers.contains(word), "{word} in {headers}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_private_is_in_an_answer_of_the_gateways_own(
        method in "(GET|HEAD|POST|PUT|OPTIONS|TRACE|g t|BREW)",
        path in "(/shop/(open/(x|%2F|\\.\\.|%ff|é)?|mine|parts|none)|/_tollgate(/events|/status|/events/x|)|/|\\*|/shop//x)(\\?[ -~]{0,9})?",
        host in "(api.test|a@b|\\[::1\\]|x y)",
        token in 0..7_usize,
        origin in 0..5_usize,
        lost in any::<bool>(),
        down in any::<bool>(),
        body in prop::option::of("[a-z]{0,8}"),
        header in prop::option::of(("(via|connection|content-length|origin|cache-control|te|range|forwarded)", "[ -~]{0,24}")),
    ) {
        let scene = scene();
        let good = json!({ "scope": "a", "tenant": "claim-value", "sub": "claim-value" });
        let token = match token {
            0 => None,
            1 => Some(scene.token(good)),
            2 => Some(scene.token(json!({ "tenant": "claim-value", "sub": "claim-value" }))),
            3 => Some(scene.token(json!({ "aud": "claim-value" }))),
            4 => Some(forged(&json!({ "alg": "HS256" }), &scene.claims(json!({ "iss": "https://partners.test" })), &[7; 32])),
            5 => Some(scene.token(json!({ "scope": "a", "tenant": ["claim-value"] }))),
            _ => Some("claim-value".to_owned()),
        };
        scene.world.origin("origin.internal", move |_| match origin {
            0 => Answered::json("{}"),
            1 => Answered::broken("connect to https://origin.internal/inner-path failed: Stack trace"),
            2 => Answered::json("{}").after(200_000),
            3 => Answered { body: "Stack trace: origin.internal".into(), ..Answered::status(522) },
            _ => Answered::json("Stack trace: origin.internal"),
        });
        if down {
            *scene.published.borrow_mut() = Answered::broken("issuer.test: Stack trace");
        }
        if lost {
            scene.world.fault(Class::Limiter, Fault::Lost);
            scene.world.fault(Class::Journal, Fault::Lost);
        }
        let mut visit = Visit::new(&scene.world, &method, &format!("https://{host}{path}"));
        if let Some(token) = &token {
            visit = visit.header("authorization", &format!("Bearer {token}"));
        }
        if let Some((name, value)) = &header {
            visit = visit.header(name, value);
        }
        if let Some(body) = &body {
            visit = visit.stream(body);
        }
        for _ in 0..3 {
            says_nothing(&visit.send(&scene.gateway).unwrap());
        }
    }
}

#[test]
fn every_kind_of_upstream_failure_is_silent() {
    let scene = scene();
    let broken = |_: &_| Answered::broken("https://origin.internal/inner-path: Stack trace");
    scene.world.origin("origin.internal", broken);
    for path in ["/shop/open/x", "/shop/parts"] {
        let seen = scene.get(path);
        assert_eq!(seen.status, 502);
        says_nothing(&seen);
    }
    scene.world.origin("origin.internal", |sent| {
        if sent.url.ends_with('2') { Answered::broken("origin.internal") } else { Answered::json("{}") }
    });
    let seen = scene.get("/shop/parts");
    assert_eq!((seen.status, seen.header("tollgate-partial")), (200, Some("two")));
    says_nothing(&seen);
}
