//! Tests of route files, as `tollgate test` runs them: what they can say, and that each thing they say can fail.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::panic, clippy::unwrap_used)]

use tollgate::config::{Files, problem};
use tollgate::suite::{self, Choice, Report};

const GATEWAY: &str = r#"
tollgate: 2
environments: [dev, production]
issuers:
  people:
    issuer: https://issuer.test
    audience: shop
    algorithms: [ES256]
    leeway: 0s
    keys: { jwks: "https://issuer.test/jwks", ttl: 5m, interval: 10s, max_stale: 1h }
  robots:
    issuer: https://robots.test
    audience: shop
    algorithms: [HS256]
    keys: { secret: ROBOT_KEY }
  old:
    issuer: https://old.test
    audience: shop
    algorithms: [RS256]
    types: [at+jwt]
    required: [tenant]
    keys: { inline: { keys: [{ kty: RSA, n: "wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ", e: "AQAB", kid: a }] } }
fixtures:
  callers:
    ann: { issuer: people, scopes: [read] }
"#;

const API: &str = r#"
tollgate: 2
api: shop
owner: team
version: { name: v1 }
hosts: [api.test]
base: /shop
upstream: both
upstreams:
  both: { targets: [{ url: "https://one.internal/base" }, { url: "https://two.internal" }] }
  one: { url: "https://one.internal/base" }
limits:
  few: { rate: 2/s, per: consumer }
  closed: { quota: 5/day, per: address }
defaults: { auth: { jwt: [people, robots, old] }, https: true }
routes:
  item: { match: "GET /items/{id}", rewrite: "/i/{id}", scopes: [read], limits: [few] }
  open: { match: GET /open, auth: none, cache: { ttl: 10s } }
  counted: { match: GET /counted, auth: none, limits: [closed] }
  small: { match: POST /small, auth: none, body: { max: 10B } }
  copied: { match: GET /copied, auth: none, mirror: [{ upstream: one }] }
  certified: { match: { path: /certified, certificate: true }, auth: none }
  both:
    match: GET /both
    auth: none
    combine: { a: { upstream: one, path: /a }, b: { upstream: both, path: /b, required: false } }
tests:
"#;

/// What comes of these tests.
fn report(tests: &str) -> Report {
    let api = format!("{API}{tests}");
    let files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/shop/v1.yaml", api.as_str())]);
    match suite::all(&files, &Choice::default()) {
        Ok(report) => report,
        Err(problems) => panic!("{}", problem::render(&problems)),
    }
}

/// The failures of these tests: place within the tests, and what is told.
fn failures(tests: &str) -> Vec<String> {
    let before = u32::try_from(API.lines().count()).unwrap();
    let ran = report(tests).ran;
    assert!(!ran.is_empty());
    let all = ran.into_iter().flat_map(|ran| ran.failures);
    all.map(|(problem, _)| format!("{}: {}", problem.span.line - before, problem.message)).collect()
}

#[track_caller]
fn passes(tests: &str) {
    let failures = failures(tests);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_holds_passes() {
    passes(
        r#"
  a token is needed, and the scope:
    - request: GET /shop/items/7
      expect: { route: item, outcome: refuse, reason: token-missing, status: 401, upstream: none, calls: 0 }
    - request: GET /shop/items/7?q=1
      caller: ann
      expect:
        route: shop/v1/item
        outcome: forward
        reason: none
        upstream: { name: both, method: GET, headers: { x-consumer-id: ann, authorization: { present: false } } }
    - { request: GET /shop/items/7, caller: { issuer: people }, expect: { reason: scope-insufficient } }
"#,
    );
}

#[test]
fn callers_have_real_tokens() {
    passes(
        r#"
  tokens:
    - { request: GET /shop/items/1, caller: { issuer: people, scopes: [read], expires: -1s }, expect: { reason: token-expired } }
    - { request: GET /shop/items/1, caller: { issuer: people, scopes: [read], starts: 10s }, expect: { reason: token-not-yet-valid } }
    - { request: GET /shop/items/1, caller: { issuer: people, audience: other }, expect: { reason: token-audience } }
    - { request: GET /shop/items/1, caller: { issuer: people, signature: wrong }, expect: { reason: token-signature, key_fetches: 1 } }
    - { request: GET /shop/items/1, caller: { issuer: people, signature: none }, expect: { reason: token-unsigned } }
    - { request: GET /shop/items/1, caller: { issuer: people, signature: public-key }, expect: { reason: token-algorithm } }
    - { request: GET /shop/items/1, caller: { issuer: people, algorithm: ES384 }, expect: { reason: token-algorithm } }
    - { request: GET /shop/items/1, caller: { issuer: people, key: unknown }, expect: { reason: token-key-unknown } }
    - { request: GET /shop/items/1, caller: { issuer: people, claims: { iss: "https://x" } }, expect: { reason: token-issuer } }
    - { request: GET /shop/items/1, caller: { issuer: people, without: [exp] }, expect: { reason: token-claims } }
    - { request: GET /shop/items/1, caller: { token: garbage, issuer: people }, expect: { reason: token-malformed } }
    - { request: GET /shop/items/1, caller: { issuer: robots, scopes: [read] }, expect: { status: 200 } }
    - { request: GET /shop/items/1, caller: { issuer: old, sub: rita, scopes: [read] }, expect: { upstream: { headers: { x-consumer-id: rita } } } }
    - { request: GET /shop/items/1, caller: { issuer: old, scopes: [read], type: JWT }, expect: { reason: token-type } }
    - { request: GET /shop/items/1, caller: { issuer: old, scopes: [read], without: [tenant] }, expect: { reason: token-claims } }
"#,
    );
}

#[test]
fn keys_rotate_and_fail() {
    passes(
        r#"
  rotation:
    - { request: GET /shop/items/1, caller: ann, expect: { status: 200, key_fetches: 1 } }
    - request: GET /shop/items/2
      after: 20s
      keys: { people: { publish: next } }
      caller: { issuer: people, scopes: [read], key: next }
      expect: { status: 200, key_fetches: 1 }
    - request: GET /shop/items/3
      after: 10m
      caller: { issuer: people, sub: bob, scopes: [read] }
      expect: { reason: token-key-unknown }
  an issuer that is down: { request: GET /shop/items/1, caller: ann, keys: { people: unreachable }, expect: { reason: issuer-unavailable } }
  a slow issuer:
    request: GET /shop/items/1
    caller: ann
    keys: { people: { publish: current, delay: 60s } }
    expect: { reason: issuer-unavailable }
"#,
    );
}

#[test]
fn limits_count_in_virtual_time() {
    passes(
        r#"
  a rate:
    - { request: GET /shop/items/1, caller: ann, repeat: 3, statuses: { 200: 2, 429: 1 }, first: { status: 200 }, last: { reason: rate-limited } }
    - { request: GET /shop/items/1, caller: ann, after: 1s, repeat: 4, every: 500ms, expect: { status: 200 } }
    - { request: GET /shop/items/1, caller: { issuer: people, sub: bob, scopes: [read] }, expect: { status: 200 } }
  a quota, until midnight:
    - { request: GET /shop/counted, repeat: 6, statuses: { 200: 5, 429: 1 } }
    - { request: { path: /shop/counted, address: 203.0.113.9 }, expect: { status: 200 } }
    - { request: GET /shop/counted, at: 2026-03-10T23:59:59Z, expect: { reason: quota-exhausted, headers: { retry-after: "1" } } }
    - { request: GET /shop/counted, at: 2026-03-11, expect: { status: 200 } }
  silent counters:
    - { request: GET /shop/counted, counters: unreachable, expect: { reason: limit-unavailable } }
    - { request: GET /shop/counted, counters: working, expect: { status: 200 } }
"#,
    );
}

#[test]
fn upstreams_do_as_they_are_told() {
    passes(
        r#"
  failover:
    - request: GET /shop/open
      upstreams: { both.1: unreachable, both.2: { status: 201, headers: { x-from: two }, body: hello } }
      expect: { status: 201, headers: { x-from: two, content-length: "5" }, body: hello }
    - { request: GET /shop/open, after: 1m, upstreams: { both: unreachable }, expect: { reason: upstream-unreachable, calls: 2 } }
    - { request: GET /shop/open, after: 1m, upstreams: { both: { delay: 60s } }, expect: { reason: upstream-timeout } }
    - request: GET /shop/open
      after: 1m
      upstreams: { both: [{ status: 500 }, { body: "1" }, { body: "2" }] }
      expect: { status: 500 }
  another upstream with the same origin answers alike:
    request: GET /shop/both
    upstreams: { both.1: { body: "[1]" }, both.2: unreachable }
    expect: { status: 200, body: { contains: '"a":[1]', lacks: xyz } }
  shares: { request: GET /shop/open, repeat: 100, every: 11s, shares: { both: 100, both.1: 30-70, both.2: 30-70 } }
"#,
    );
}

#[test]
fn mirrors_and_certificates() {
    passes(
        r#"
  copies:
    - request: GET /shop/copied
      expect: { upstream: { name: both }, mirrors: { name: one, path: /base/shop/copied } }
    - { request: GET /shop/open, expect: { mirrors: none } }
  certificates:
    - { request: { path: /shop/certified, certificate: true }, expect: { route: certified } }
    - { request: GET /shop/certified, expect: { route: none } }
"#,
    );
    assert_eq!(
        failures("  copies: { request: GET /shop/copied, expect: { mirrors: none } }\n"),
        ["1: copies: expected none, got GET https://one.internal/base/shop/copied"]
    );
}

#[test]
fn caches_and_bodies() {
    passes(
        r#"
  a cache:
    - { request: GET /shop/open, expect: { cache: miss, calls: 1 } }
    - { request: GET /shop/open, after: 9s, expect: { cache: hit, outcome: reply, upstream: none } }
    - { request: GET /shop/open, after: 2s, expect: { cache: miss } }
  bodies:
    - { request: { method: POST, path: /shop/small, body: { size: 10B } }, expect: { status: 200, upstream: { body: "1111111111" } } }
    - { request: { method: POST, path: /shop/small, body: { size: 11B } }, expect: { reason: body-too-large } }
    - { request: { method: POST, path: /shop/small, body: { size: 9B, declared: false } }, expect: { reason: length-required } }
"#,
    );
}

#[test]
fn each_environment_has_its_own_tests() {
    let report = report(
        r#"
  only in production:
    environments: [production]
    request: { path: /shop/open, https: false }
    expect: { reason: https-required }
  in both:
    environments: [dev, production]
    steps: [{ request: GET https://api.test/shop/open, expect: { status: 200 } }]
"#,
    );
    let ran: Vec<(&str, &str, bool)> = report
        .ran
        .iter()
        .map(|ran| (ran.environment.as_str(), ran.name.as_str(), ran.failures.is_empty()))
        .collect();
    assert_eq!(
        ran,
        [
            ("dev", "in both", true),
            ("production", "only in production", true),
            ("production", "in both", true)
        ]
    );
}

/// Everything that can be expected can fail, at its own place.
#[test]
fn what_does_not_hold_is_told_at_its_place() {
    let told = failures(
        r#"
  everything:
    request: GET /shop/items/7
    caller: ann
    expect:
      route: open
      outcome: refuse
      status: 401
      reason: token-missing
      headers:
        x-a: { present: true }
        content-type: text/plain
        content-length: { present: false }
        x-request-id: { matches: "[a-f]*" }
      body:
        contains: x
        lacks: "{"
        matches: "[a-z]+"
      upstream:
        name: one
        url: https://x/
        path: /
        method: POST
        headers: { x-consumer-id: [a, b] }
        body: x
      calls: 2
      key_fetches: 3
      cache: hit
  nothing upstream: { request: GET /shop/open, expect: { upstream: none } }
  two upstream: { request: GET /shop/open, expect: { upstream: [{ method: GET }, { method: GET }] } }
  another body: { request: GET /shop/open, expect: { body: x } }
  another route: { request: GET /nowhere, expect: { route: open, upstream: { method: GET } } }
  sums: { request: GET /shop/open, repeat: 2, statuses: { 201: 2 }, shares: { both: 7 }, first: { status: 202 }, last: { status: 203 } }
"#,
    );
    let begins = [
        "6: route: expected shop/v1/open, got shop/v1/item",
        "7: outcome: expected refuse, got forward",
        "8: status: expected 401, got 200",
        "9: reason: expected token-missing, got none (200)",
        "11: header `x-a`: expected a value, got no such field",
        "12: header `content-type`: expected `text/plain`, got `application/json`",
        "13: header `content-length`: expected no such field, got `2`",
        "14: header `x-request-id`: expected what fits `[a-f]*`, got ",
        "16: body: expected `x` in it, got `{}`",
        "17: body: expected no `{` in it, got `{}`",
        "18: body: expected what fits `[a-z]+`, got `{}`",
        "20: name: expected one, got https://",
        "21: url: expected https://x/, got https://",
        "22: path: expected /, got /",
        "23: method: expected POST, got GET",
        "24: upstream header `x-consumer-id`: expected `a` and `b`, got `ann`",
        "25: upstream body: expected `x`, got ``",
        "26: calls: expected 2, got 1",
        "27: key_fetches: expected 3, got 1",
        "28: cache: expected hit, got none",
        "29: upstream requests: expected none, got GET https://",
        "30: upstream requests: expected 2, got GET https://",
        "31: body: expected `x`, got `{}`",
        "32: route: expected shop/v1/open, got none",
        "32: upstream requests: expected 1, got none (the answer is 404 not-found)",
        "33: status: expected 202, got 200",
        "33: status: expected 203, got 200",
        "33: statuses: expected 2 × 201, got 2 × 200",
        "33: requests to both: expected 7, got 1",
    ];
    assert_eq!(told.len(), begins.len(), "{}", told.join("\n"));
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}\ninstead of\n{begin}");
    }
}

#[test]
fn coverage_is_what_tests_saw() {
    let cells = |tests: &str| {
        let coverage = report(tests).coverage.unwrap();
        let item = coverage.routes().iter().find(|route| route.route == "shop/v1/item").unwrap().clone();
        let seen = item.cells.iter().filter(|cell| cell.seen);
        let counts = coverage.counts();
        (
            (counts.routes_tested, counts.routes),
            seen.map(|cell| format!("{} {}", cell.policy, cell.does)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        cells("  one: { request: GET /shop/items/7, expect: { status: 401 } }\n"),
        ((1, 7), vec!["auth refuse".to_owned()])
    );
    let (_, seen) = cells(
        r#"
  more:
    - { request: GET /shop/items/7, caller: ann, repeat: 3, last: { status: 429 } }
    - { request: GET /shop/items/7, caller: ann, after: 1m, upstreams: { both: unreachable }, expect: { status: 502 } }
    - { request: GET /shop/items/7, caller: { issuer: people }, expect: { status: 403 } }
"#,
    );
    assert_eq!(
        seen,
        [
            "auth pass",
            "scopes pass",
            "scopes refuse",
            "limit shop/v1/few pass",
            "limit shop/v1/few refuse",
            "upstream forward",
            "rewrite apply",
            "failover try another",
            "upstream fail"
        ]
    );
}

/// What the sources call a route's fields, coverage knows.
#[test]
fn coverage_knows_every_field_of_a_route() {
    let compiled = suite::load(
        &Files::new([
            ("routes/gateway.yaml", GATEWAY),
            ("routes/shop/v1.yaml", API.trim_end_matches("tests:\n")),
        ]),
        &Choice::default(),
    );
    let route = serde_json::to_value(&compiled.unwrap()[0].compiled.routes[0]).unwrap();
    let fields: Vec<&str> = route.as_object().unwrap().keys().map(String::as_str).collect();
    for field in &fields {
        assert!(
            suite::FIELDS.iter().any(|(known, _)| known == field),
            "plan::Route has the field `{field}`: say in src/suite/coverage.rs what of it tests can see"
        );
    }
    assert_eq!(fields.len(), suite::FIELDS.len());
}

/// Of every change to one thing of the demo's plan, its tests notice at least 95 per cent.
#[test]
fn the_demos_tests_notice_what_is_changed() {
    let routes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("routes");
    let files = tollgate::config::read(&[routes]).unwrap();
    let report = suite::all(&files, &Choice::default()).unwrap();
    let counts = report.coverage.as_ref().unwrap().counts();
    assert_eq!((report.failed(), (counts.routes_tested, counts.routes)), (0, (25, 25)));
    let found = suite::mutants(&files, None).unwrap();
    let missed: Vec<String> =
        found.survivors().map(|m| format!("{} {}: {}", m.place, m.of, m.what)).collect();
    assert!(found.all.len() > 400, "{} changes were tried", found.all.len());
    println!("{} of {} changes caught", found.all.len() - missed.len(), found.all.len());
    assert!(found.percent() >= 95, "{} %:\n{}", found.percent(), missed.join("\n"));
}

#[test]
fn a_change_that_no_test_notices_is_told_with_its_place() {
    let found = |tests: &str| {
        let api = format!("{API}{tests}");
        let files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/shop/v1.yaml", api.as_str())]);
        let found = suite::mutants(&files, Some("shop/v1/item")).unwrap();
        found
            .all
            .into_iter()
            .map(|m| (format!("{} {}: {}", m.place, m.of, m.what), m.caught))
            .collect::<Vec<_>>()
    };
    let line = API.lines().position(|line| line.starts_with("  item:")).unwrap() + 1;
    let of = |what: &str| format!("routes/shop/v1.yaml:{line}:3 shop/v1/item{what}");
    let read = "  reads: { request: GET /shop/items/7, caller: ann, expect: { status: 200 } }\n";
    let before = found(read);
    for (what, caught) in [
        (": auth.scopes: without read", false),
        (": limits: without shop/v1/few", false),
        (": auth.issuers: without item 1", true),
        (": action.rewrite: removed", false),
        (" (match): path: /items/{id} → /x/items/{id}", true),
        (" (match): methods: DELETE too", false),
    ] {
        let told = before.iter().find(|(told, _)| *told == of(what));
        assert_eq!(told.map(|(_, caught)| *caught), Some(caught), "{what} of {before:#?}");
    }
    let more = r#"
  scopes: { request: GET /shop/items/7, caller: { issuer: people }, expect: { status: 403 } }
  tokens: { request: GET /shop/items/7, expect: { status: 401 } }
  paths: { request: GET /shop/items/7, caller: ann, expect: { upstream: { headers: { x-consumer-id: ann }, method: GET } } }
"#;
    let after = found(&format!("{read}{more}"));
    let caught = |all: &[(String, bool)]| all.iter().filter(|(_, caught)| *caught).count();
    assert_eq!(before.len(), after.len());
    assert!(caught(&after) > caught(&before));
    assert!(after.contains(&(of(": auth.scopes: without read"), true)), "{after:#?}");
}

/// A gateway in the simulator, asked as one that runs elsewhere.
fn asked_of(
    api: &str,
) -> impl FnMut(&tollgate::outside::Request) -> Result<tollgate::outside::Answer, tollgate::outside::Failed> {
    use tollgate::simulator::{Answered, Visit, World};
    let files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/shop/v1.yaml", api)]);
    let plan = tollgate::config::compile_files(&files, "dev").unwrap().plan;
    let gateway = tollgate::pipeline::Gateway::new(plan, 1);
    let world = World::at(1_800_000_000_000);
    world.secret("ROBOT_KEY", "a secret of the robots, as long as need be");
    world.elsewhere(|_| Answered::json("[\"theirs\"]").header("x-theirs", "1"));
    move |request| {
        let url = request.url.replace("https://gateway.example", "https://api.test");
        let mut visit = Visit::new(&world, &request.method, &url);
        for (name, value) in &request.headers {
            visit = visit.header(name, value);
        }
        let seen = visit.send(&gateway).unwrap();
        Ok(tollgate::outside::Answer {
            status: seen.status,
            headers: seen.headers,
            body: seen.body.into_bytes(),
        })
    }
}

#[test]
fn a_running_gateway_is_held_to_what_can_be_seen_of_it() {
    let tests = r#"
  closed: { request: [GET /shop/items/7, GET /shop/items/8], expect: { reason: token-missing, upstream: none } }
  open: { request: GET /shop/open, expect: { status: 200, body: "{}", headers: { x-theirs: { present: false } } } }
  nowhere: { request: GET /shop/nowhere, expect: { status: 404 } }
  garbage: { request: GET /shop/items/7, caller: { token: garbage, issuer: people }, expect: { reason: token-malformed } }
  ann: { request: GET /shop/items/7, caller: ann, expect: { status: 200 } }
  clock: [{ request: GET /shop/nowhere, after: 1s, expect: { status: 404 } }]
  origins: { request: GET /shop/open, upstreams: { both: unreachable }, expect: { status: 502 } }
  writes: { request: POST /shop/small, expect: { status: 200 } }
  elsewhere: { request: GET https://other.test/shop/open, expect: { status: 404 } }
"#;
    let api = format!("{API}{tests}");
    let files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/shop/v1.yaml", api.as_str())]);
    let deployment = suite::Deployment {
        url: "https://gateway.example".into(),
        environment: "dev".into(),
        ..suite::Deployment::default()
    };
    let told = |api: &str| {
        let all = suite::replay(&files, &deployment, None, &mut asked_of(api)).unwrap();
        let one = |test: suite::Replayed| {
            let failures = test.failures.iter().map(|(problem, _)| problem.message.clone());
            (
                test.name,
                test.requests,
                test.skipped.unwrap_or_default(),
                failures.collect::<Vec<_>>().join("; "),
            )
        };
        all.into_iter().map(one).collect::<Vec<_>>()
    };
    let same = told(&api);
    let expected = [
        ("closed", 2, ""),
        // The origin's own fields and body are its own affair, but that field should not be there.
        ("open", 1, ""),
        ("nowhere", 1, ""),
        ("garbage", 1, ""),
        ("ann", 0, "it needs a token of `ann`: --token ann=…"),
        ("clock", 0, "it needs the virtual clock"),
        ("origins", 0, "it needs origins that do as they are told"),
        ("writes", 0, "it might change something at an origin (--writes)"),
        ("elsewhere", 0, "it asks another host"),
    ];
    for (same, (name, requests, skipped)) in same.iter().zip(expected) {
        assert_eq!((same.0.as_str(), same.1, same.2.as_str()), (name, requests, skipped));
        let told = if name == "open" { "header `x-theirs`: expected no such field, got `1`" } else { "" };
        assert_eq!(same.3, told, "{name}");
    }
    // The gateway that runs lacks the authentication.
    let other = api.replace("scopes: [read], limits: [few]", "auth: none");
    let closed = &told(&other)[0];
    assert_eq!(
        closed.3,
        "reason: expected token-missing, got none (200); reason: expected token-missing, got none (200)"
    );
}

/// Backends and canaries of a route, over the API above.
#[test]
fn backends_are_seen() {
    let lanes = r#"
  lanes:
    match: GET /lanes
    auth: none
    backends: { stable: { upstream: both }, next: { upstream: one } }
    canary: { backend: next, from: 2026-06-01, start: 5%, to: 50%, over: 2h, header: X-Canary }
tests:
"#;
    let api = API.replace("tests:\n", lanes.trim_start_matches('\n'));
    let of = |tests: &str| {
        let api = format!("{api}{tests}");
        let files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/shop/v1.yaml", api.as_str())]);
        let report = suite::all(&files, &Choice::default());
        let ran = report.unwrap_or_else(|problems| panic!("{}", problem::render(&problems))).ran;
        ran.into_iter().flat_map(|ran| ran.failures).map(|(problem, _)| problem.message).collect::<Vec<_>>()
    };
    let good = of(r#"
  before its time: { request: GET /shop/lanes, at: 2026-05-31, repeat: 20, expect: { backend: stable } }
  by word: { request: { path: /shop/lanes, headers: { x-canary: always } }, expect: { backend: next, upstream: { name: one, headers: { x-canary: { present: false } } } } }
"#);
    assert!(good.is_empty(), "{good:?}");
    let bad = of(
        "  wrong: { request: { path: /shop/lanes, headers: { x-canary: never } }, expect: { backend: next } }\n",
    );
    let [backend] = bad.as_slice() else { panic!("{bad:?}") };
    assert!(backend.contains("backend") && backend.contains("stable"), "{backend}");
}
