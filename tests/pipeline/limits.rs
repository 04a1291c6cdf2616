//! Rate limits and quotas: who counts, what a refusal says, and what happens when nobody can count.

use crate::scene::{NOW, Scene, refused, well_formed};
use futures_util::future::join_all;
use serde_json::json;
use tollgate::ports::Class;
use tollgate::simulator::{Fault, Seen};

const LIMITS: &str = "
limits:
  burst: { rate: 1/s, burst: 3, per: address }
  fixed: { sliding: 5/min, per: address }
  daily: { quota: 4/day, per: consumer }
  monthly: { quota: 100/month, per: address }
  shut: { rate: 1/s, burst: 2, per: address, unreachable: closed }
  free: { rate: 1/s, burst: 2, per: address, unreachable: open }
  tenant: { quota: 2/hour, per: claim.tenant }
  header: { quota: 2/hour, per: header.x-plan }
  everybody: { quota: 3/hour, per: route }
routes:
  pair: { match: GET /pair, auth: none, limits: [fixed, burst] }
  protected: { match: GET /protected, auth: { jwt: people }, limits: [everybody, burst, daily] }
  tenants: { match: GET /tenants, auth: { jwt: people }, limits: [burst, tenant] }
  scoped: { match: GET /scoped, auth: { jwt: people }, scopes: [\"a:b\"], limits: [burst] }
  burst: { match: GET /burst, auth: none, limits: [burst] }
  fixed: { match: GET /fixed, auth: none, limits: [fixed] }
  daily: { match: GET /daily, auth: { jwt: people }, limits: [daily] }
  both: { match: GET /both, auth: { jwt: people }, limits: [burst, daily] }
  same: { match: GET /same, auth: none, limits: [burst, monthly] }
  shut: { match: GET /shut, auth: none, limits: [shut] }
  free: { match: GET /free, auth: none, limits: [free] }
  tenant: { match: GET /tenant, auth: { jwt: people }, limits: [tenant] }
  header: { match: GET /header, auth: none, limits: [header] }
  everybody: { match: GET /everybody, auth: none, limits: [everybody] }
";

/// Statuses of that many requests, one after another.
fn statuses(times: usize, mut send: impl FnMut() -> Seen) -> Vec<u16> {
    (0..times).map(|_| send().status).collect()
}

#[test]
fn a_bucket_admits_its_burst_and_then_its_rate() {
    let scene = Scene::new("", LIMITS);
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
    scene.world.pass(999);
    refused(&scene.get("/shop/burst"), 429, "rate-limited");
    scene.world.pass(1);
    assert_eq!(statuses(2, || scene.get("/shop/burst")), [200, 429]);
    scene.world.pass(10_000);
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
    assert_eq!(scene.sent(), 7);
}

#[test]
fn the_fields_say_what_is_left_and_when() {
    let scene = Scene::new("", LIMITS);
    let seen = scene.get("/shop/burst");
    assert_eq!(seen.header("ratelimit"), Some("\"shop/v1/burst\";r=2;t=1"));
    assert_eq!(seen.header("ratelimit-policy"), Some("\"shop/v1/burst\";q=3;w=3"));
    assert_eq!(seen.header("retry-after"), None);
    statuses(2, || scene.get("/shop/burst"));
    let seen = scene.get("/shop/burst");
    refused(&seen, 429, "rate-limited");
    assert_eq!(seen.header("ratelimit"), Some("\"shop/v1/burst\";r=0;t=1"));
    assert_eq!(seen.header("ratelimit-policy"), Some("\"shop/v1/burst\";q=3;w=3"));
    assert_eq!(seen.header("retry-after"), Some("1"));
    assert_eq!(seen.json()["violated-policies"], json!(["shop/v1/burst"]));
}

#[test]
fn concurrent_requests_are_counted_exactly() {
    let scene = Scene::new("", LIMITS);
    let (one, other) = (scene.isolate(1), scene.isolate(2));
    let visits: Vec<_> = (0..40).map(|_| scene.visit("GET", "/shop/fixed")).collect();
    let gateways = [&one, &other];
    let all = visits.iter().zip(gateways.iter().cycle()).map(|(visit, gateway)| visit.through(gateway));
    let seen = scene.world.run(join_all(all)).unwrap();
    seen.iter().for_each(well_formed);
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 5);
    assert_eq!(seen.iter().filter(|seen| seen.status == 429).count(), 35);
}

#[test]
fn a_quota_lasts_to_the_end_of_its_calendar_day() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({ "exp": NOW / 1000 + 200_000 }));
    let ask = || scene.get_as(&token, "/shop/daily");
    assert_eq!(statuses(5, ask), [200, 200, 200, 200, 429]);
    let seen = ask();
    refused(&seen, 429, "quota-exhausted");
    // From noon to midnight.
    assert_eq!(seen.header("retry-after"), Some("43200"));
    scene.world.pass(43_200_000 - 1);
    refused(&ask(), 429, "quota-exhausted");
    // A new isolate asks the object, which still knows.
    let seen = scene.visit("GET", "/shop/daily").header("authorization", &format!("Bearer {token}"));
    refused(&scene.send_to(&scene.isolate(9), &seen), 429, "quota-exhausted");
    scene.world.pass(1);
    assert_eq!(statuses(5, ask), [200, 200, 200, 200, 429]);
}

#[test]
fn a_remembered_denial_costs_no_call() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({}));
    statuses(5, || scene.get_as(&token, "/shop/daily"));
    let asked = scene.asked();
    assert_eq!(asked, 5);
    for _ in 0..100 {
        refused(&scene.get_as(&token, "/shop/daily"), 429, "quota-exhausted");
    }
    assert_eq!(scene.asked(), asked);
    // For a minute at most: a refund may have come meanwhile.
    scene.world.pass(60_000);
    refused(&scene.get_as(&token, "/shop/daily"), 429, "quota-exhausted");
    assert_eq!(scene.asked(), asked + 1);
}

#[test]
fn keys_are_counted_apart() {
    let scene = Scene::new("", LIMITS);
    let from = |address: &str| scene.send(&scene.visit("GET", "/shop/burst").from(address)).status;
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] {
        assert_eq!((0..4).map(|_| from(address)).collect::<Vec<_>>(), [200, 200, 200, 429], "{address}");
    }
    // One host may use every address of its /64, and IPv4 by way of IPv6 is IPv4.
    assert_eq!(from("2001:db8::ffff:1"), 429);
    assert_eq!(from("::ffff:192.0.2.1"), 429);
    for consumer in ["ada", "bob"] {
        let token = scene.token(json!({ "sub": consumer }));
        assert_eq!(statuses(5, || scene.get_as(&token, "/shop/daily")), [200, 200, 200, 200, 429]);
    }
    for tenant in [json!("a"), json!("b"), json!(7), json!("7")] {
        let expected: &[u16] = if tenant == "7" { &[429, 429] } else { &[200, 200] };
        let token = scene.token(json!({ "tenant": tenant }));
        assert_eq!(statuses(2, || scene.get_as(&token, "/shop/tenant")), expected, "{tenant}");
    }
    for plan in [Some("gold"), Some("silver"), None] {
        let visit = || match plan {
            Some(plan) => scene.visit("GET", "/shop/header").header("x-plan", plan),
            None => scene.visit("GET", "/shop/header"),
        };
        assert_eq!(statuses(3, || scene.send(&visit())), [200, 200, 429], "{plan:?}");
    }
    for (number, status) in [(1, 200), (2, 200), (3, 200), (4, 429)] {
        let visit = scene.visit("GET", "/shop/everybody").from(&format!("198.51.100.{number}"));
        assert_eq!(scene.send(&visit).status, status);
    }
}

#[test]
fn what_cannot_be_counted_is_refused() {
    let scene = Scene::new("", LIMITS);
    for tenant in [json!(null), json!(["a"]), json!({ "a": 1 })] {
        let token = scene.token(json!({ "tenant": tenant }));
        refused(&scene.get_as(&token, "/shop/tenant"), 503, "limit-unavailable");
    }
    refused(&scene.send(&scene.visit("GET", "/shop/burst").from("unknown")), 503, "limit-unavailable");
    assert_eq!((scene.sent(), scene.asked()), (0, 0));
}

#[test]
fn behind_a_trusted_proxy_its_word_on_the_address_counts() {
    for (trusted, expected) in [(true, [200, 200, 200, 200]), (false, [200, 200, 200, 429])] {
        let scene = Scene::new(&format!("trust_forwarded: {trusted}\n"), LIMITS);
        let send = |number: usize| {
            let visit = scene.visit("GET", "/shop/burst").from("10.0.0.1");
            scene.send(&visit.header("forwarded", &format!("for=6.6.6.6, for=198.51.100.{number}"))).status
        };
        let statuses: Vec<u16> = (0..4).map(send).collect();
        assert_eq!(statuses, expected, "{trusted}");
    }
}

#[test]
fn several_limits_hold_all_or_nothing() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({}));
    // Different keys, different objects: a refusal by the second gives back what the first charged.
    statuses(4, || scene.get_as(&token, "/shop/daily"));
    for _ in 0..10 {
        let seen = scene.get_as(&token, "/shop/both");
        refused(&seen, 429, "quota-exhausted");
        assert_eq!(seen.json()["violated-policies"], json!(["shop/v1/daily"]));
    }
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
    // And by the first leaves the second alone.
    let other = scene.token(json!({ "sub": "bob" }));
    refused(&scene.get_as(&other, "/shop/both"), 429, "rate-limited");
    assert_eq!(statuses(5, || scene.get_as(&other, "/shop/daily")), [200, 200, 200, 200, 429]);
}

#[test]
fn limits_of_one_key_cost_one_call() {
    let scene = Scene::new("", LIMITS);
    let seen = scene.get("/shop/same");
    assert_eq!(scene.asked(), 1);
    assert_eq!(
        seen.header("ratelimit"),
        Some("\"shop/v1/burst\";r=2;t=1, \"shop/v1/monthly\";r=99;t=1857600")
    );
    assert_eq!(
        seen.header("ratelimit-policy"),
        Some("\"shop/v1/burst\";q=3;w=3, \"shop/v1/monthly\";q=100;w=2678400")
    );
    statuses(2, || scene.get("/shop/same"));
    for _ in 0..10 {
        refused(&scene.get("/shop/same"), 429, "rate-limited");
    }
    scene.world.pass(1_000);
    assert!(scene.get("/shop/same").header("ratelimit").unwrap().contains("r=96"));
}

#[test]
fn a_limit_whose_object_is_lost_does_as_it_says() {
    for fault in [Fault::Lost, Fault::AnswerLost, Fault::Late(501)] {
        let scene = Scene::new("", LIMITS);
        scene.world.fault(Class::Limiter, fault);
        let before = scene.world.now();
        let seen = scene.get("/shop/shut");
        refused(&seen, 503, "limit-unavailable");
        assert_eq!(seen.header("retry-after"), Some("1"));
        assert_eq!(scene.world.now() - before, 500);
        assert_eq!(statuses(9, || scene.get("/shop/free")), [200; 9]);
        assert_eq!(scene.get("/shop/free").header("ratelimit"), None);
        // Each isolate holds the limit by itself; half a second passes with each vain call.
        let degraded = statuses(5, || scene.get("/shop/burst"));
        assert_eq!(degraded, [200, 200, 200, 200, 200]);
        assert_eq!(scene.event(&scene.get("/shop/burst"))["limit"]["degraded"], true);
    }
    let scene = Scene::new("", LIMITS);
    scene.world.fault(Class::Limiter, Fault::Lost);
    let visits: Vec<_> = (0..10).map(|_| scene.visit("GET", "/shop/burst")).collect();
    let seen = scene.world.run(join_all(visits.iter().map(|visit| visit.through(&scene.gateway)))).unwrap();
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 3);
    let refusal = seen.iter().find(|seen| seen.status != 200).unwrap();
    refused(refusal, 429, "rate-limited");
    // An answer within the deadline is one.
    let scene = Scene::new("", LIMITS);
    scene.world.fault(Class::Limiter, Fault::Late(499));
    assert_eq!(scene.get("/shop/shut").status, 200);
}

#[test]
fn an_answer_that_was_lost_never_admits_more() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({}));
    let mut calls = 0;
    scene.world.faults(Class::Limiter, move |_, message| {
        calls += usize::from(message.contains("charge"));
        if calls % 2 == 0 && message.contains("charge") { Fault::AnswerLost } else { Fault::None }
    });
    // The quota fails closed; what was charged without an answer is given back.
    assert_eq!(statuses(5, || scene.get_as(&token, "/shop/daily")), [200, 503, 200, 503, 200]);
    scene.world.fault(Class::Limiter, Fault::None);
    assert_eq!(statuses(3, || scene.get_as(&token, "/shop/daily")), [200, 429, 429]);
}

#[test]
fn a_closed_limit_whose_object_answers_late_is_charged_nothing() {
    for fault in [Fault::Late(501), Fault::AnswerLost, Fault::Lost, Fault::Delayed(400), Fault::Delayed(700)]
    {
        let scene = Scene::new("", LIMITS);
        let token = scene.token(json!({}));
        // Charges are late; refunds arrive, the last one before its charge.
        scene.world.faults(
            Class::Limiter,
            move |_, message| {
                if message.contains("refund") { Fault::None } else { fault }
            },
        );
        for _ in 0..10 {
            let before = scene.world.now();
            refused(&scene.get_as(&token, "/shop/daily"), 503, "limit-unavailable");
            assert_eq!(scene.world.now() - before, 500, "nobody waits for the refund");
        }
        scene.world.pass(1_000);
        scene.world.fault(Class::Limiter, Fault::None);
        assert_eq!(
            statuses(5, || scene.get_as(&token, "/shop/daily")),
            [200, 200, 200, 200, 429],
            "{fault:?}"
        );
    }
}

#[test]
fn a_refund_that_is_lost_never_admits_more() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({}));
    scene.world.faults(Class::Limiter, |_, message| {
        if message.contains("refund") { Fault::Lost } else { Fault::AnswerLost }
    });
    assert_eq!(statuses(2, || scene.get_as(&token, "/shop/daily")), [503, 503]);
    scene.world.fault(Class::Limiter, Fault::None);
    assert_eq!(statuses(3, || scene.get_as(&token, "/shop/daily")), [200, 200, 429]);
}

#[test]
fn what_this_isolate_let_pass_is_given_back_when_another_limit_refuses() {
    let scene = Scene::new("", LIMITS);
    let tokens: Vec<String> = (0..10).map(|n| scene.token(json!({ "sub": format!("s-{n}") }))).collect();
    for token in &tokens {
        assert_eq!(statuses(4, || scene.get_as(token, "/shop/daily")), [200; 4]);
    }
    scene.world.faults(
        Class::Limiter,
        |_, message| {
            if message.contains("burst") { Fault::Lost } else { Fault::None }
        },
    );
    // Half a second passes with each, so that half a token flows back: the share would be used up by the seventh.
    for token in &tokens {
        refused(&scene.get_as(token, "/shop/both"), 429, "quota-exhausted");
    }
}

#[test]
fn a_share_that_one_limit_refuses_gives_back_nothing_of_the_other() {
    let scene = Scene::new("", LIMITS);
    scene.world.fault(Class::Limiter, Fault::Lost);
    let visits: Vec<_> = (0..20).map(|_| scene.visit("GET", "/shop/pair")).collect();
    let admitted = || {
        let all = join_all(visits.iter().map(|visit| visit.through(&scene.gateway)));
        scene.world.run(all).unwrap().iter().filter(|seen| seen.status == 200).count()
    };
    assert_eq!(admitted(), 3, "the bucket's burst");
    scene.world.pass(5_000);
    assert_eq!(admitted(), 2, "what is left of five a minute");
}

/// Tokens of nobody, each another, that only a check of the signature unmasks.
fn forged(scene: &Scene, number: usize) -> String {
    let header = json!({ "alg": "ES256", "kid": scene.key.kid() });
    crate::scene::forged(&header, &scene.claims(json!({ "sub": format!("nobody-{number}") })), &[1; 64])
}

#[test]
fn a_flood_of_wrong_tokens_runs_into_the_limits_of_its_address() {
    let scene = Scene::new("", LIMITS);
    let known = scene.token(json!({ "sub": "bob" }));
    let from = |token: &str, address: &str, path: &str| {
        let visit = scene.visit("GET", path).header("authorization", &format!("Bearer {token}"));
        scene.send(&visit.from(address))
    };
    assert_eq!(from(&known, "192.0.2.9", "/shop/protected").status, 200);
    let verified = scene.world.verified.get();
    for number in 0..3 {
        let seen = from(&forged(&scene, number), "198.51.100.7", "/shop/protected");
        refused(&seen, 401, "token-signature");
        assert_eq!(seen.header("ratelimit"), None);
    }
    for number in 3..20 {
        let seen = from(&forged(&scene, number), "198.51.100.7", "/shop/protected");
        refused(&seen, 429, "rate-limited");
        assert_eq!(scene.event(&seen)["limit"]["id"], "shop/v1/burst");
    }
    assert_eq!(scene.world.verified.get(), verified + 3, "no signature is checked for those");
    // Nor may they use up what is not theirs: `everybody` has three an hour, one of which bob has taken.
    assert_eq!(from(&known, "192.0.2.9", "/shop/protected").status, 200);
    assert_eq!(from(&scene.token(json!({})), "192.0.2.8", "/shop/protected").status, 200);
    refused(&from(&known, "192.0.2.9", "/shop/protected"), 429, "quota-exhausted");
}

#[test]
fn what_is_known_to_be_wrong_without_a_signature_is_not_counted() {
    let scene = Scene::new("", LIMITS);
    for _ in 0..9 {
        refused(&scene.get("/shop/protected"), 401, "token-missing");
        refused(&scene.get_as("a.b.c", "/shop/protected"), 401, "token-malformed");
        let expired = scene.token(json!({ "exp": NOW / 1000 }));
        refused(&scene.get_as(&expired, "/shop/protected"), 401, "token-expired");
    }
    assert_eq!((scene.asked(), scene.fetches()), (0, 0));
}

#[test]
fn a_new_token_costs_no_further_call_and_is_told_the_same() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({}));
    for (left, asked) in [(2, 3), (1, 6), (0, 9)] {
        let seen = scene.get_as(&token, "/shop/protected");
        assert_eq!((seen.status, scene.asked()), (200, asked), "{}", seen.body);
        assert_eq!(
            seen.header("ratelimit-policy"),
            Some(
                "\"shop/v1/everybody\";q=3;w=3600, \"shop/v1/burst\";q=3;w=3, \"shop/v1/daily\";q=4;w=86400"
            )
        );
        assert!(seen.header("ratelimit").unwrap().contains(&format!("\"shop/v1/burst\";r={left}")));
    }
}

#[test]
fn a_right_token_that_is_refused_gives_back_what_was_charged_to_find_out() {
    let scene = Scene::new("", LIMITS);
    // By a limit of the caller, by scope, and by keys that cannot be had.
    for number in 0..9 {
        let tenant = scene.token(json!({ "sub": format!("s-{number}"), "tenant": ["no", "key"] }));
        refused(&scene.get_as(&tenant, "/shop/tenants"), 503, "limit-unavailable");
        let scoped = scene.token(json!({ "sub": format!("c-{number}") }));
        refused(&scene.get_as(&scoped, "/shop/scoped"), 403, "scope-insufficient");
    }
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
    let scene = Scene::new("", LIMITS);
    *scene.published.borrow_mut() = tollgate::simulator::Answered::status(500);
    for number in 0..9 {
        let token = scene.token(json!({ "sub": format!("s-{number}") }));
        refused(&scene.get_as(&token, "/shop/protected"), 503, "issuer-unavailable");
    }
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
}

#[test]
fn what_an_object_charged_before_the_next_was_lost_is_given_back() {
    let scene = Scene::new("", LIMITS);
    let token = scene.token(json!({}));
    // The quota's object gets nothing; that of the address is told to refund.
    scene.world.faults(
        Class::Limiter,
        |_, message| {
            if message.contains("daily") { Fault::Lost } else { Fault::None }
        },
    );
    for _ in 0..10 {
        refused(&scene.get_as(&token, "/shop/both"), 503, "limit-unavailable");
    }
    scene.world.fault(Class::Limiter, Fault::None);
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
    assert_eq!(statuses(5, || scene.get_as(&token, "/shop/daily")), [200, 200, 200, 200, 429]);
}

#[test]
fn objects_forget_what_has_lapsed() {
    let scene = Scene::new("", LIMITS);
    for number in 0..20 {
        scene.send(&scene.visit("GET", "/shop/burst").from(&format!("198.51.100.{number}")));
    }
    assert_eq!(scene.world.alarms(), 20);
    scene.world.pass(200_000);
    assert_eq!(scene.world.alarms(), 0);
    assert_eq!(statuses(4, || scene.get("/shop/burst")), [200, 200, 200, 429]);
}

#[test]
fn refusals_before_the_limits_are_not_counted() {
    let scene = Scene::new("", LIMITS);
    for _ in 0..10 {
        scene.get("/shop/daily");
        scene.get_as("nonsense", "/shop/daily");
        scene.get("/shop/nowhere");
    }
    assert_eq!(scene.asked(), 0);
}
