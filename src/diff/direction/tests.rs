use super::*;
use serde_json::json;

fn at(path: &str, old: Value, new: Value) -> Direction {
    judge(&Difference { path: path.split('/').map(str::to_owned).collect(), old, new }).0
}

/// Each row one way, and the other way round.
#[test]
fn what_lets_more_through_is_looser_and_the_reverse_tighter() {
    let bucket = |rate: u32, period: u32, burst: u32| json!({ "Bucket": { "rate": rate, "period": period, "burst": burst } });
    let quota = |limit: u32| json!({ "Quota": { "limit": limit, "period": "Day" } });
    for (path, tight, loose) in [
        ("https", json!("Required"), json!("Optional")),
        ("https", json!("Redirect"), json!("Optional")),
        ("paths/encoded_slashes", json!(false), json!(true)),
        ("auth", json!({}), json!(null)),
        ("auth/scopes", json!({ "all": ["a", "b"] }), json!({ "all": ["a"] })),
        ("auth/scopes", json!({ "all": ["a", "b"] }), json!({ "any": ["b", "c"] })),
        ("auth/scopes", json!({ "any": ["a"] }), json!({ "any": ["a", "b"] })),
        ("auth/scopes", json!({ "any": ["a"] }), json!(null)),
        ("auth/issuers/https:i", json!(null), json!({})),
        ("auth/issuers/i/audiences", json!(["a"]), json!(["a", "b"])),
        ("auth/issuers/i/types", json!(["at+jwt"]), json!([])),
        ("auth/issuers/i/types", json!(["at+jwt"]), json!(["at+jwt", "jwt"])),
        ("auth/issuers/i/required", json!(["nbf"]), json!([])),
        ("auth/issuers/i/leeway", json!(30), json!(60)),
        ("auth/keep_credentials", json!(false), json!(true)),
        ("limits/a", json!({}), json!(null)),
        ("limits/a/algorithm", bucket(1, 1000, 5), bucket(2, 1000, 5)),
        ("limits/a/algorithm", bucket(1, 1000, 5), bucket(1, 1000, 6)),
        ("limits/a/algorithm", bucket(60, 60_000, 5), bucket(2, 1000, 5)),
        ("limits/a/algorithm", quota(10), quota(11)),
        ("limits/a/per", json!("Route"), json!("Consumer")),
        ("limits/a/unreachable", json!("Closed"), json!("Degrade")),
        ("limits/a/unreachable", json!("Degrade"), json!("Open")),
        ("body", json!({ "max": 1 }), json!(null)),
        ("body/max", json!(1), json!(2)),
        ("cors", json!(null), json!({})),
        ("cors/origins", json!(["a"]), json!(["a", "b"])),
        ("cors/credentials", json!(false), json!(true)),
        ("cache/key", json!(["Consumer", "AllQuery"]), json!(["AllQuery"])),
        ("action/Forward/upstream/targets/new", json!(null), json!({ "weight": 1 })),
        ("status", json!({ "Retired": {} }), json!("Current")),
        ("csrf", json!({ "trusted": [] }), json!(null)),
        ("csrf/trusted", json!([]), json!(["a"])),
        ("hsts", json!("max-age=1"), json!(null)),
        ("hsts", json!("max-age=2; includeSubDomains"), json!("max-age=2")),
        ("hsts", json!("max-age=2"), json!("max-age=1")),
        ("maintenance", json!({}), json!(null)),
        ("maintenance/until", json!(null), json!(1)),
        ("maintenance/until", json!(2), json!(1)),
        (
            "maintenance/allow",
            json!([{ "address": "10.1.0.0", "bits": 16 }]),
            json!([{ "address": "10.0.0.0", "bits": 8 }]),
        ),
        ("maintenance/allow", json!([]), json!([{ "address": "::", "bits": 0 }])),
        ("maintenance/key", json!(null), json!({})),
        ("action/Redirect/host", json!(null), json!("a.example")),
        ("action/Redirect/https", json!(true), json!(false)),
        ("trust_forwarded", json!(false), json!(true)),
        ("admin_host", json!("g.example"), json!(null)),
    ] {
        assert_eq!(at(path, tight.clone(), loose.clone()), Looser, "{path}: {tight} → {loose}");
        assert_eq!(at(path, loose.clone(), tight.clone()), Tighter, "{path}: {loose} → {tight}");
    }
}

#[test]
fn what_cannot_be_told_is_flagged() {
    let sliding = json!({ "Sliding": { "limit": 1, "window": 60_000 } });
    let bucket = json!({ "Bucket": { "rate": 1, "period": 60_000, "burst": 1 } });
    let forward = json!({ "Forward": { "upstream": { "targets": { "https://a": {} } } } });
    let combine =
        json!({ "Combine": { "calls": { "x": { "upstream": { "targets": { "https://b": {} } } } } } });
    for (path, one, other) in [
        ("limits/a/algorithm", sliding, bucket),
        ("limits/a/per", json!("Consumer"), json!("Address")),
        ("auth/scopes", json!({ "all": ["a"] }), json!({ "all": ["b"] })),
        ("auth/issuers/i/keys", json!({ "Inline": "x" }), json!({ "Inline": "y" })),
        ("auth/issuers/i/algorithms", json!(["ES256"]), json!(["RS256"])),
        ("cors/origins", json!(["a"]), json!(["b"])),
        ("action", forward, combine),
        (
            "headers/response",
            json!(["add content-security-policy: default-src 'self'"]),
            json!(["add content-security-policy: default-src *"]),
        ),
        ("headers/request", json!(["remove x-a"]), json!(["remove x-b"])),
        ("action/Redirect/host", json!("a.example"), json!("b.example")),
        ("action/Redirect/port", json!(1), json!(2)),
        ("action/Forward/rewrite", json!({ "Template": "/public" }), json!({ "Template": "/admin" })),
        ("action/Combine/calls/a/path", json!("/a"), json!("/b")),
        ("maintenance/key/secret", json!("A"), json!("B")),
    ] {
        assert_eq!(at(path, one.clone(), other.clone()), Looser, "{path}: {one} → {other}");
        assert_eq!(at(path, other.clone(), one.clone()), Looser, "{path}: {other} → {one}");
    }
}

#[test]
fn copies_are_flagged_by_where_they_go_and_what_they_take_along() {
    let mirror = |origin: &str, keep: bool| json!([{ "upstream": { "targets": { (origin): {} } }, "keep_credentials": keep, "share": 1 }]);
    let path = "action/Forward/mirrors";
    assert_eq!(at(path, json!([]), mirror("https://a", false)), Looser);
    assert_eq!(at(path, mirror("https://a", false), mirror("https://b", false)), Looser);
    assert_eq!(at(path, mirror("https://a", false), mirror("https://a", true)), Looser);
    assert_eq!(at(path, mirror("https://a", true), mirror("https://a", false)), Other);
    assert_eq!(at(path, mirror("https://a", false), json!([])), Other);
}

#[test]
fn what_is_neither_is_not_flagged() {
    let forward = json!({ "Forward": { "upstream": { "targets": { "https://a": {} } } } });
    for (path, old, new) in [
        ("timeout/total", json!(1), json!(2)),
        ("cors/max_age", json!(1), json!(2)),
        ("owner", json!("a"), json!("b")),
        ("action/Forward/upstream/targets/a/weight", json!(1), json!(2)),
        ("action", forward, json!({ "Respond": { "status": 503 } })),
        ("auth/scopes", json!({ "all": ["a"] }), json!({ "any": ["a"] })),
        ("headers/response", json!(["set x-a: 1"]), json!(["set x-a: 2"])),
    ] {
        assert_eq!(at(path, old, new), Other, "{path}");
    }
    for dropped in ["remove x-admin", "set x-admin: no"] {
        let path = "action/Forward/split/backends/a/headers/request";
        assert_eq!(at(path, json!([dropped]), json!([])), Looser, "{dropped}");
        assert_eq!(at(path, json!([]), json!([dropped])), Other, "{dropped}");
        assert_eq!(at(path, json!([dropped]), json!(["set x-admin: yes"])), Other, "{dropped}");
    }
    assert_eq!(at("headers/response", json!(["set x-frame-options: DENY"]), json!([])), Looser);
}
