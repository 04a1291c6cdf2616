//! What `explain` says is what `handle` does.

use crate::scene::{NOW, Scene, plan};
use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate::pipeline::explain::{Ending, Explainer, Explanation, Question, explain};
use tollgate::pipeline::record::{Step, Verdict};

const GATEWAY: &str = "
limits:
  many: { rate: 1000/s, burst: 1000, per: consumer }
  all: { quota: 1000/day, per: address, unreachable: open }
cors:
  web: { origins: [\"https://app.test\"], expose: [retry-after] }
";

const ROUTES: &str = "
routes:
  items: { match: GET /items, auth: none, limits: [all], cache: { ttl: 10s, key: [query.page] }, cors: web }
  top: { match: GET /items/top, auth: none, rewrite: \"/top?n=10\" }
  item: { match: \"GET|PUT /items/{id}\", auth: { jwt: people }, scopes: [read], limits: [many], rewrite: \"/in/{id}\", headers: { request: { set: { x-a: b } } } }
  send: { match: POST /items, auth: { jwt: people }, body: { max: 10B } }
  both: { match: \"GET /both/{id}\", auth: none, combine: { one: { upstream: { url: \"https://origin.internal\" }, path: \"/one/{id}\" }, two: { upstream: { url: \"https://origin.internal/two\" }, path: /two, required: false } } }
  gone: { match: \"GET|PUT /gone/{id}\", auth: none, redirect: { prefix: /new } }
  mock: { match: ANY /mock, auth: none, body: { max: 10B }, respond: { status: 410, body: gone } }
  form: { match: ANY /form, auth: none, csrf: same-origin, body: { max: 10B } }
  down: { match: ANY /down, auth: none, body: { max: 10B }, csrf: same-origin, maintenance: { retry_after: 1m } }
  rest: { match: \"GET /{*rest}\", auth: none }
";

const RETIRED: &str = "
version: { name: v1, status: retired, successor: \"https://api.test/next\" }
routes:
  items: { match: GET /items, auth: none }
";

fn ask(plan: &[u8], method: &str, url: &str, headers: &[(String, String)]) -> Explanation {
    let question = Question {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: headers.to_vec(),
        address: "192.0.2.1".to_owned(),
        now: NOW,
        ..Question::default()
    };
    explain(plan.to_vec(), &question)
}

fn step<'e>(explained: &'e Explanation, phase: &str) -> &'e Step {
    let mut steps = explained.record.steps.iter();
    steps.find(|step| step.phase == phase).unwrap_or_else(|| panic!("{phase}: {explained:?}"))
}

fn said(explained: &Explanation, phase: &str) -> String {
    let said = explained.said.iter().find(|said| said.phase == phase);
    said.unwrap_or_else(|| panic!("{phase}: {explained:?}")).says.join("\n")
}

/// Header fields by name, without the request's id.
fn sorted(fields: &[(String, String)]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = fields.to_vec();
    fields.retain(|(name, _)| name != "x-request-id");
    fields.sort();
    fields
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Route, refusal and upstream URLs are those of the pipeline, whatever the request.
    #[test]
    fn agrees_with_the_pipeline(
        retired in prop::bool::weighted(0.1),
        method in prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "TRACE"]),
        path in prop::sample::select(vec![
            "/shop/items", "/shop/items/top", "/shop/items/7", "/shop/items/%2e%2e", "/shop/gone/1", "/shop/mock",
            "/shop/form", "/shop/down", "/shop/items/%7e", "/shop/both/1",
            "/shop/a/b%2Fc", "/shop/x/y", "/shop", "/elsewhere", "/shop/items/a;b",
        ]),
        query in prop::sample::select(vec!["", "?page=2", "?a=%zz", "?a b"]),
        scopes in prop::option::of(prop::sample::select(vec!["read", "write", ""])),
        age in prop::sample::select(vec![3600_i64, -1]),
        length in prop::option::of(prop::sample::select(vec!["3", "11", "x"])),
        other in prop::option::of(prop::sample::select(vec![
            ("origin", "https://app.test"), ("cache-control", "no-cache"), ("range", "bytes=0-1"), ("authorization", "Basic x"),
            ("access-control-request-method", "PUT"), ("sec-fetch-site", "cross-site"), ("forwarded", "for=1.2.3.4"), ("cache-control", "only-if-cached"),
        ])),
    ) {
        let plan = plan(GATEWAY, if retired { RETIRED } else { ROUTES }, "dev");
        let scene = Scene::of(plan.clone());
        let mut headers: Vec<(String, String)> = Vec::new();
        if let Some(scopes) = scopes {
            let token = scene.token(json!({ "scope": scopes, "exp": NOW as i64 / 1000 + age }));
            headers.push(("authorization".into(), format!("Bearer {token}")));
        }
        headers.extend(length.map(|length| ("content-length".to_owned(), length.to_owned())));
        headers.extend(other.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let target = format!("{path}{query}");
        let mut visit = scene.visit(method, &target);
        for (name, value) in &headers {
            visit = visit.header(name, value);
        }
        let seen = scene.send(&visit);
        let event = scene.event(&seen);
        let explained = ask(&plan, method, &format!("https://api.test{target}"), &headers);

        let decision = &explained.decision;
        prop_assert_eq!(&decision.reason.map_or(Value::Null, Value::from), &event["reason"], "{:?}", explained);
        prop_assert_eq!(decision.status, seen.status, "{:?}", explained);
        prop_assert_eq!(decision.outcome == Ending::Refuse, seen.problem() != "", "{:?}", explained);
        // What comes of the gateway alone is the same to the letter, but for the request's id.
        if decision.outcome != Ending::Forward {
            prop_assert_eq!(sorted(&decision.response_headers.0), sorted(&seen.headers), "{:?}", explained);
        }
        let calls = decision.upstream.iter().filter(|_| decision.calls.is_empty()).chain(&decision.calls);
        let sent = scene.world.sent.borrow().clone();
        let sent = sent.iter().filter(|sent| sent.url.contains("origin.internal"));
        let told: Vec<_> = calls.map(|call| (&call.url, &call.method, sorted(&call.headers.0))).collect();
        let got: Vec<_> = sent.map(|sent| (&sent.url, &sent.method, sorted(&sent.headers))).collect();
        prop_assert_eq!(told, got);

        let record = serde_json::to_value(&explained.record).unwrap();
        for member in ["route", "place", "api", "version", "owner", "plan", "reason", "consumer", "issuer"] {
            prop_assert_eq!(&record[member], &event[member], "{} of {}", member, record);
        }
        // Exactly one phase stops a request.
        let ran = |verdict: &Verdict| !matches!(verdict, Verdict::Passed | Verdict::Skipped);
        let steps = explained.record.steps.iter().map(|step| step.verdict);
        let stops: Vec<Verdict> = steps.filter(ran).collect();
        prop_assert_eq!(stops.len(), 1, "{:?}", explained);
        prop_assert_eq!(stops[0] == Verdict::Answered, decision.outcome != Ending::Refuse, "{:?}", explained);
    }
}

#[test]
fn each_phase_says_what_it_would_do() {
    let plan = plan(GATEWAY, ROUTES, "dev");
    let scene = Scene::of(plan.clone());
    let token = scene.token(json!({ "sub": "eve", "scope": "read write" }));
    let headers = [("authorization".to_owned(), format!("Bearer {token}"))];
    let explained = ask(&plan, "PUT", "https://api.test/shop/items/7?x=1", &headers);
    assert_eq!(explained.decision.reason, None);
    assert_eq!(explained.record.parameters["id"], "7");
    let auth = said(&explained, "auth");
    assert!(
        auth.contains("eve with scopes read write") && auth.contains("signature was not checked"),
        "{auth}"
    );
    let limit = &explained.record.limits[0];
    assert_eq!((limit.id.as_str(), limit.remaining), ("shared/many", Some(999)));
    // The object is the one that the gateway asks.
    scene.send(&scene.visit("PUT", "/shop/items/7").header("authorization", &headers[0].1));
    let asked = scene.world.asked.borrow().first().cloned().unwrap();
    assert_eq!(limit.object, asked.1);
    let upstream = said(&explained, "upstream");
    for line in [
        "https://origin.internal/base/in/7?x=1",
        "header x-a: b",
        "header x-consumer-id: eve",
        "header authorization: removed",
    ] {
        assert!(upstream.contains(line), "{line}: {upstream}");
    }
    let combined = said(&ask(&plan, "GET", "https://api.test/shop/both/7", &[]), "combine");
    for line in [
        "one: GET https://origin.internal/one/7  required",
        "two: GET https://origin.internal/two/two  optional",
    ] {
        assert!(combined.contains(line), "{line}: {combined}");
    }
}

#[test]
fn phases_behind_a_refusal_are_skipped() {
    let plan = plan(GATEWAY, ROUTES, "dev");
    let explained =
        ask(&plan, "POST", "https://api.test/shop/items", &[("content-length".into(), "11".into())]);
    assert_eq!(explained.decision.reason, Some("body-too-large"));
    let body = step(&explained, "body");
    assert_eq!((body.verdict, body.reason.as_deref()), (Verdict::Refused, Some("body-too-large")));
    for phase in ["auth", "upstream"] {
        assert_eq!(step(&explained, phase).verdict, Verdict::Skipped, "{explained:?}");
    }
}

#[test]
fn losers_are_told_why() {
    let plan = plan(GATEWAY, ROUTES, "dev");
    let explained = ask(&plan, "GET", "https://api.test/shop/items/top", &[]);
    let misses = &explained.decision.near_misses;
    let told: Vec<&str> = misses.iter().map(|miss| miss.template.as_str()).collect();
    assert_eq!(told, ["/shop/items/{id}", "/shop/{*rest}"]);
    assert!(misses[0].why.contains("more specific"));
    let miss = ask(&plan, "DELETE", "https://api.test/shop/items/top", &[]);
    assert!(miss.decision.route.is_none(), "{miss:?}");
    assert!(miss.decision.near_misses[0].why.contains("DELETE"), "{miss:?}");
}

#[test]
fn the_cache_key_is_the_one_that_is_looked_up() {
    let plan = plan(GATEWAY, ROUTES, "dev");
    let of = |query: &str| {
        let explained = ask(&plan, "GET", &format!("https://api.test/shop/items{query}"), &[]);
        explained.record.cached.unwrap().key.unwrap()
    };
    assert!(of("").starts_with("https://cache.invalid/shop/v1/"));
    assert_eq!(of("?page=1"), of("?page=1&x=2"));
    assert_ne!(of("?page=1"), of("?page=2"));
    let bypassed = ask(&plan, "GET", "https://api.test/shop/items", &[("range".into(), "bytes=0-".into())]);
    let cached = bypassed.record.cached.unwrap();
    assert!(cached.key.is_none() && cached.result.contains("range"), "{cached:?}");
}

#[test]
fn programs_get_one_object_with_the_decision() {
    let plan = plan(GATEWAY, ROUTES, "dev");
    let of = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let explained = ask(&plan, method, &format!("https://api.test{path}"), &headers);
        serde_json::to_value(explained).unwrap()
    };
    let sent = of("GET", "/shop/items/top", &[("X-Mine", "1"), ("X-Mine", "2"), ("Connection", "close")]);
    assert_eq!(
        (&sent["outcome"], &sent["status"], &sent["reason"]),
        (&json!("forward"), &json!(200), &Value::Null)
    );
    assert_eq!(sent["route"], "shop/v1/top");
    assert_eq!(sent["mirrors"], json!([]));
    assert_eq!(sent["near_misses"][0]["template"], "/shop/items/{id}");
    let upstream = &sent["upstream"];
    assert_eq!(
        (&upstream["name"], &upstream["url"], &upstream["method"]),
        (&json!("shop/v1"), &json!("https://origin.internal/base/top?n=10"), &json!("GET"))
    );
    assert_eq!(upstream["headers"]["x-mine"], json!(["1", "2"]));
    assert_eq!(upstream["headers"]["connection"], Value::Null);
    assert!(upstream["headers"]["via"].is_string() && sent["response_headers"]["x-request-id"].is_string());
    let refused = of("POST", "/shop/items", &[]);
    assert_eq!((&refused["outcome"], &refused["status"]), (&json!("refuse"), &json!(401)));
    assert_eq!((&refused["reason"], &refused["upstream"]), (&json!("token-missing"), &Value::Null));
    assert!(refused["response_headers"]["www-authenticate"].as_str().unwrap().starts_with("Bearer"));
    let asked = of("OPTIONS", "/shop/items", &[]);
    assert_eq!(
        (&asked["outcome"], &asked["status"], &asked["route"]),
        (&json!("reply"), &json!(204), &Value::Null)
    );
    let both = of("GET", "/shop/both/7", &[]);
    assert_eq!(
        (&both["outcome"], &both["calls"][1]["url"]),
        (&json!("forward"), &json!("https://origin.internal/two/two"))
    );
    assert_eq!(both["upstream"], both["calls"][0]);
    let health = of("GET", "/_tollgate/health", &[]);
    assert_eq!(
        (&health["outcome"], &health["status"], &health["route"]),
        (&json!("reply"), &json!(200), &Value::Null)
    );
}

#[test]
fn no_answer_depends_on_earlier_ones() {
    let plan = plan(GATEWAY, ROUTES, "dev");
    let scene = Scene::of(plan.clone());
    let explainer = Explainer::new(plan.clone());
    let token = scene.token(json!({ "sub": "eve", "scope": "read", "exp": NOW / 1000 + 60 }));
    let mut question = Question {
        method: "GET".into(),
        url: "https://api.test/shop/items/1".into(),
        headers: vec![("authorization".into(), format!("Bearer {token}"))],
        now: NOW,
        ..Question::default()
    };
    let first = explainer.decide(&question);
    assert_eq!(first.status, 200, "{first:?}");
    question.now += 61_000;
    assert_eq!(explainer.decide(&question).reason, Some("token-expired"));
    question.now = NOW;
    for _ in 0..1100 {
        assert_eq!(explainer.decide(&question), first);
    }
}

#[test]
fn an_unusable_plan_is_said() {
    let explained = ask(b"no plan", "GET", "https://api.test/", &[]);
    assert_eq!(explained.decision.reason, Some("plan-unusable"));
}
