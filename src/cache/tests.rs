use super::*;
use crate::header::{Headers, format_date};
use crate::policy::headers::apply;
use proptest::prelude::*;

type Lines = Vec<(String, String)>;

const NOW: u64 = 1_700_000_000_000;
const TIMES: Times = Times { requested: NOW, received: NOW };

fn fields(lines: &[(&str, &str)]) -> Lines {
    lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

fn rule(ttl: Option<u32>) -> Rule {
    Rule { ttl, override_origin: false, key: vec![], max_bytes: 1000 }
}

fn ask(request: &Lines) -> Ask {
    request_may_use("GET", request, &rule(None), false).unwrap()
}

/// What an anonymous GET without header fields may store.
fn store(rule: &Rule, status: u16, response: &[(&str, &str)]) -> Result<Stored, &'static str> {
    storable(rule, &ask(&vec![]), &vec![], status, &fields(response), TIMES)
}

/// The response as it lies in the store.
fn stored(rule: &Rule, request: &Lines, response: &[(&str, &str)]) -> Lines {
    let mut lines = fields(response);
    let meta = storable(rule, &ask(request), request, 200, &lines, TIMES).unwrap();
    apply(&mut lines, &meta.edits());
    lines
}

#[test]
fn who_may_use_the_cache() {
    let none = fields(&[]);
    let of = |method, h: &Lines| request_may_use(method, h, &rule(None), false);
    assert!(of("GET", &none).is_ok() && of("HEAD", &none).is_ok());
    for method in ["POST", "PUT", "OPTIONS", "get", "QUERY", ""] {
        assert_eq!(of(method, &none), Err("method"), "{method}");
    }
    assert_eq!(of("GET", &fields(&[("range", "bytes=0-1")])), Err("range"));
    assert!(of("GET", &none).unwrap().wants_stored());
    for control in ["no-cache", "max-age=0", "max-age=x"] {
        assert!(!of("GET", &fields(&[("cache-control", control)])).unwrap().wants_stored(), "{control}");
    }
    // Obsolete (RFC 9111 §5.4).
    assert!(of("GET", &fields(&[("pragma", "no-cache")])).unwrap().wants_stored());
    assert!(of("GET", &fields(&[("cache-control", "only-if-cached")])).unwrap().only_if_cached());
}

#[test]
fn what_may_be_stored_and_for_how_long() {
    let earlier = format_date(1_700_000_000 - 40).unwrap();
    let later = format_date(1_700_000_000 + 60).unwrap();
    let now = format_date(1_700_000_000).unwrap();
    for (ttl, status, response, expected) in [
        (None, 200, vec![("cache-control", "max-age=60")], Ok(60_000)),
        (Some(500), 200, vec![("cache-control", "max-age=60")], Ok(60_000)),
        (Some(500), 200, vec![], Ok(500)),
        (None, 200, vec![], Err("no-freshness")),
        (Some(0), 200, vec![], Err("stale")),
        (None, 200, vec![("cache-control", "max-age=60, s-maxage=5")], Ok(5_000)),
        (None, 200, vec![("cache-control", "max-age=60"), ("age", "20")], Ok(40_000)),
        (None, 200, vec![("cache-control", "max-age=60"), ("age", "60")], Err("stale")),
        (None, 200, vec![("cache-control", "max-age=60"), ("age", "99999999999999")], Err("stale")),
        (None, 200, vec![("cache-control", "max-age=60"), ("age", "-1")], Ok(60_000)),
        (None, 200, vec![("cache-control", "max-age=60"), ("age", "7, 0")], Ok(53_000)),
        (None, 200, vec![("cache-control", "max-age=60"), ("date", &earlier)], Ok(20_000)),
        (None, 200, vec![("cache-control", "max-age=60"), ("date", &later)], Ok(60_000)),
        (None, 200, vec![("expires", &later)], Ok(60_000)),
        (None, 200, vec![("expires", &later), ("date", &now)], Ok(60_000)),
        (None, 200, vec![("expires", &later), ("date", &earlier)], Ok(60_000)),
        (Some(500), 200, vec![("expires", "0")], Err("stale")),
        (Some(500), 200, vec![("expires", &earlier)], Err("stale")),
        (Some(500), 200, vec![("expires", "0"), ("cache-control", "max-age=9")], Ok(9_000)),
        (Some(500), 200, vec![("cache-control", "no-store")], Err("no-store")),
        (Some(500), 200, vec![("cache-control", "No-Store, max-age=60")], Err("no-store")),
        (Some(500), 200, vec![("cache-control", "must-understand, no-store, max-age=60")], Ok(60_000)),
        (Some(500), 200, vec![("cache-control", "private, max-age=60")], Err("private")),
        (Some(500), 200, vec![("cache-control", "private=\"x\", max-age=60")], Err("private")),
        (Some(500), 200, vec![("cache-control", "no-cache, max-age=60")], Err("no-cache")),
        (Some(500), 200, vec![("cache-control", "max-age=0")], Err("stale")),
        (
            Some(500),
            200,
            vec![("set-cookie", "a=b"), ("cache-control", "public, max-age=60")],
            Err("set-cookie"),
        ),
        (Some(500), 200, vec![("vary", "*")], Err("vary-star")),
        (Some(500), 200, vec![("vary", "accept, *")], Err("vary-star")),
        (Some(500), 200, vec![("vary", "a b")], Err("vary")),
        (Some(500), 200, vec![("content-length", "1000")], Ok(500)),
        (Some(500), 200, vec![("content-length", "1001")], Err("too-large")),
        (Some(500), 200, vec![("content-length", "5, 5")], Err("length")),
        (Some(500), 206, vec![("cache-control", "max-age=60")], Err("status")),
        (Some(500), 304, vec![("cache-control", "max-age=60")], Err("status")),
        (Some(500), 101, vec![("cache-control", "max-age=60")], Err("status")),
        (Some(500), 400, vec![("cache-control", "public, max-age=60")], Err("status")),
        (Some(500), 412, vec![("cache-control", "public, max-age=60")], Err("status")),
        (Some(500), 500, vec![("cache-control", "public, max-age=60")], Err("status")),
        (Some(500), 401, vec![("cache-control", "public, max-age=60")], Err("status")),
        (Some(500), 429, vec![("cache-control", "max-age=60")], Err("status")),
        (Some(500), 404, vec![], Err("status")),
        (None, 404, vec![("cache-control", "max-age=60")], Ok(60_000)),
        (Some(500), 500, vec![], Err("status")),
        (None, 503, vec![("cache-control", "max-age=60")], Ok(60_000)),
        (None, 302, vec![("cache-control", "max-age=60")], Ok(60_000)),
        (Some(500), 302, vec![], Err("status")),
        (None, 299, vec![("cache-control", "must-understand, max-age=60")], Err("must-understand")),
        (None, 200, vec![("cache-control", "max-age=60"), ("cdn-cache-control", "max-age=5")], Ok(5_000)),
        (
            None,
            200,
            vec![("cache-control", "max-age=60"), ("cdn-cache-control", "no-store")],
            Err("no-store"),
        ),
        (None, 200, vec![("cache-control", "private"), ("cdn-cache-control", "max-age=5")], Err("private")),
        (Some(500), 200, vec![("expires", "0"), ("cdn-cache-control", "public")], Ok(500)),
    ] {
        let meta = store(&rule(ttl), status, &response);
        assert_eq!(meta.map(|m| m.ttl), expected, "{ttl:?} {status} {response:?}");
    }
}

#[test]
fn the_route_may_override_freshness_but_no_prohibition() {
    let rule = Rule { override_origin: true, ..rule(Some(500)) };
    for (status, response, expected) in [
        (200, vec![("cache-control", "max-age=60")], Ok(500)),
        (200, vec![("cache-control", "max-age=0")], Ok(500)),
        (200, vec![("expires", "0")], Ok(500)),
        (404, vec![("cache-control", "max-age=60")], Ok(60_000)),
        (200, vec![("cache-control", "private")], Err("private")),
        (200, vec![("cache-control", "no-store")], Err("no-store")),
        (200, vec![("set-cookie", "a=b")], Err("set-cookie")),
        (200, vec![("vary", "*")], Err("vary-star")),
    ] {
        assert_eq!(store(&rule, status, &response).map(|m| m.ttl), expected, "{status} {response:?}");
    }
}

#[test]
fn the_request_may_forbid_storing() {
    let request = fields(&[("cache-control", "no-store")]);
    let response = fields(&[("cache-control", "max-age=60")]);
    assert_eq!(
        storable(&rule(None), &ask(&request), &request, 200, &response, TIMES),
        Err("request-no-store")
    );
    let head = request_may_use("HEAD", &vec![], &rule(None), false).unwrap();
    assert_eq!(storable(&rule(None), &head, &vec![], 200, &response, TIMES), Err("head"));
    // A cookie counts only where the origin is silent.
    let cookie = fields(&[("cookie", "a=b")]);
    assert_eq!(storable(&rule(Some(9)), &ask(&cookie), &cookie, 200, &vec![], TIMES), Err("cookie"));
    assert!(storable(&rule(Some(9)), &ask(&cookie), &cookie, 200, &response, TIMES).is_ok());
}

#[test]
fn answers_to_credentials_are_not_shared() {
    let keyed = |part| Rule { key: vec![part], ..rule(Some(500)) };
    let with = fields(&[("authorization", "Bearer x")]);
    let none = fields(&[]);
    let may = |rule: &Rule, request: &Lines, authenticated, control: &str| {
        let ask = request_may_use("GET", request, rule, authenticated).unwrap();
        let response =
            fields(if control.is_empty() { &[] } else { std::slice::from_ref(&("cache-control", "")) });
        let response: Lines = response.into_iter().map(|(n, _)| (n, control.to_string())).collect();
        storable(rule, &ask, request, 200, &response, TIMES).is_ok()
    };
    for (rule, request, authenticated, control, expected) in [
        (rule(Some(500)), &none, false, "", true),
        (rule(Some(500)), &with, false, "", false),
        (rule(Some(500)), &with, true, "", false),
        (rule(Some(500)), &none, true, "max-age=9", false),
        (rule(Some(500)), &with, true, "public", true),
        (rule(Some(500)), &with, true, "s-maxage=9", true),
        (rule(Some(500)), &with, true, "must-revalidate, max-age=9", true),
        (keyed(KeyPart::Consumer), &with, true, "", true),
        // Nobody whom the gateway knows: the key says "no consumer" for each of them.
        (keyed(KeyPart::Consumer), &with, false, "", false),
        (keyed(KeyPart::Header("authorization".into())), &with, false, "", true),
        (keyed(KeyPart::Header("accept".into())), &with, false, "", false),
    ] {
        assert_eq!(
            may(&rule, request, authenticated, control),
            expected,
            "{:?} {authenticated} {control}",
            rule.key
        );
    }
    // Nor does a caller with credentials get what was stored for anybody without the origin's word.
    let lines = stored(&rule(Some(500)), &none, &[]);
    let anonymous = request_may_use("GET", &none, &rule(Some(500)), false).unwrap();
    let known = request_may_use("GET", &with, &rule(Some(500)), true).unwrap();
    assert!(matches!(judge(&anonymous, &lines, &none, NOW), Verdict::Fresh(_)));
    assert_eq!(judge(&known, &lines, &with, NOW), Verdict::Unusable);
    let public = stored(&rule(None), &none, &[("cache-control", "public, max-age=5")]);
    assert!(matches!(judge(&known, &public, &with, NOW), Verdict::Fresh(_)));
}

#[test]
fn age_grows_until_stale() {
    let none = fields(&[]);
    let lines = stored(&rule(None), &none, &[("cache-control", "max-age=10"), ("age", "3")]);
    let at = |ms: u64| judge(&ask(&none), &lines, &none, NOW + ms);
    let Verdict::Fresh(hit) = at(2_500) else { panic!("fresh") };
    assert_eq!((hit.age, hit.ttl), (5, 4));
    assert_eq!(hit.cache_control.as_deref(), Some("max-age=10"));
    assert!(matches!(at(6_999), Verdict::Fresh(_)));
    assert_eq!(at(7_000), Verdict::Stale);
    assert_eq!(judge(&ask(&none), &lines, &none, NOW - 60_001), Verdict::Stale);
    assert!(matches!(judge(&ask(&none), &lines, &none, NOW - 60_000), Verdict::Fresh(_)));
}

#[test]
fn the_request_chooses_among_the_fresh() {
    let lines = stored(&rule(None), &fields(&[]), &[("cache-control", "max-age=10")]);
    for (control, ms, expected) in [
        ("max-age=5", 5_000, true),
        ("max-age=5", 6_000, false),
        ("min-fresh=5", 5_000, true),
        ("min-fresh=5", 5_001, false),
        ("no-cache", 0, false),
        ("max-stale", 11_000, false),
        ("no-store", 0, true),
    ] {
        let request = fields(&[("cache-control", control)]);
        let verdict = judge(&ask(&request), &lines, &request, NOW + ms);
        assert_eq!(matches!(verdict, Verdict::Fresh(_)), expected, "{control} {ms}: {verdict:?}");
    }
}

#[test]
fn one_variant_is_kept() {
    let en = fields(&[("accept-language", "en"), ("x-b", "1")]);
    let lines = stored(&rule(Some(500)), &en, &[("vary", "Accept-Language, X-Missing")]);
    let vary = lines.get(VARY).unwrap().into_owned();
    assert!(vary.starts_with("accept-language,x-missing ") && !vary.contains(" en"), "{vary}");
    let of = |lines_: &Lines| judge(&ask(lines_), &lines, lines_, NOW);
    assert!(matches!(of(&en), Verdict::Fresh(_)));
    assert!(matches!(of(&fields(&[("accept-language", "en")])), Verdict::Fresh(_)));
    for other in [vec![("accept-language", "de")], vec![], vec![("accept-language", "en"), ("x-missing", "")]]
    {
        assert_eq!(of(&fields(&other)), Verdict::VaryMismatch, "{other:?}");
    }
    let too_many = (0..17).map(|i| format!("x-{i}")).collect::<Vec<_>>().join(",");
    assert_eq!(store(&rule(Some(500)), 200, &[("vary", &too_many)]), Err("vary"));
}

#[test]
fn an_answer_that_varies_by_the_caller_is_for_that_caller() {
    for vary in ["X-Consumer-Id", "x-consumer-scopes", "x-tenant"] {
        // As the origin got it, which is also how the gateway wrote it.
        let of = |value: &str| fields(&[(&vary.to_ascii_lowercase(), value)]);
        let ask = request_may_use("GET", &of("ann"), &rule(None), true).unwrap();
        let mut lines = fields(&[("cache-control", "public, max-age=9"), ("vary", vary)]);
        let meta = storable(&rule(None), &ask, &of("ann"), 200, &lines, TIMES).unwrap();
        apply(&mut lines, &meta.edits());
        assert!(matches!(judge(&ask, &lines, &of("ann"), NOW), Verdict::Fresh(_)), "{vary}");
        assert_eq!(judge(&ask, &lines, &of("bob"), NOW), Verdict::VaryMismatch, "{vary}");
    }
}

#[test]
fn browsers_that_accept_the_same_share_a_variant() {
    for (field, first, second, same) in [
        ("accept-encoding", "gzip, br", "BR,gzip", true),
        ("accept-encoding", "gzip, br", "gzip", false),
        ("accept-encoding", "gzip;q=1, br;q=0.5", "gzip; q=1,br;q=0.5", true),
        ("accept-encoding", "gzip;q=1, br;q=0.5", "br;q=0.5, gzip;q=1", false),
        ("accept-encoding", "gzip", "gzip;q=0", false),
        ("accept-language", "en-GB", "en-gb", true),
        ("x-other", "A, b", "a,b", false),
        ("x-other", "A, b", "A, b", true),
    ] {
        let (first, second) = (fields(&[(field, first)]), fields(&[(field, second)]));
        let lines = stored(&rule(Some(500)), &first, &[("vary", field)]);
        let verdict = judge(&ask(&second), &lines, &second, NOW);
        assert_eq!(matches!(verdict, Verdict::Fresh(_)), same, "{field} {second:?}");
    }
}

#[test]
fn what_is_stored_and_served_carries_the_right_fields() {
    let none = fields(&[]);
    let response = [
        ("cache-control", "max-age=10"),
        ("age", "1"),
        ("etag", "\"x\""),
        ("expires", "0"),
        ("tollgate-vary", "forged"),
        ("cache-status", "origin; hit"),
    ];
    let mut lines = stored(&rule(None), &none, &response);
    assert_eq!(lines.get("cache-control").as_deref(), Some("public, max-age=9"));
    assert_eq!(lines.get(STORED).as_deref(), Some(format!("1 {NOW} 1 9000 0 0 =max-age=10").as_str()));
    assert!(!lines.has(VARY) && !lines.has("age") && !lines.has("expires"));
    lines.push(("cf-cache-status".into(), "HIT".into()));
    let Verdict::Fresh(hit) = judge(&ask(&none), &lines, &none, NOW + 2000) else { panic!("fresh") };
    apply(&mut lines, &hit.edits("tollgate"));
    assert_eq!(lines.get("age").as_deref(), Some("3"));
    assert_eq!(lines.get("cache-control").as_deref(), Some("max-age=10"));
    assert_eq!(lines.get("cache-status").as_deref(), Some("origin; hit, tollgate; hit; ttl=7"));
    assert!(!lines.iter().any(|(n, _)| n.starts_with("tollgate-") || n.starts_with("cf-")), "{lines:?}");
    // An origin that said nothing is not made to say something.
    let mut silent = stored(&rule(Some(500)), &none, &[]);
    let Verdict::Fresh(hit) = judge(&ask(&none), &silent, &none, NOW) else { panic!("fresh") };
    apply(&mut silent, &hit.edits("tollgate"));
    assert!(!silent.has("cache-control"));
}

#[test]
fn conditional_requests() {
    let stored = fields(&[("etag", "W/\"a,b\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    let weak = fields(&[("last-modified", "nonsense")]);
    for (request, expected) in [
        (vec![("if-none-match", "\"a,b\"")], true),
        (vec![("if-none-match", "\"x\", W/\"a,b\"")], true),
        (vec![("if-none-match", "*")], true),
        (vec![("if-none-match", "\"a\"")], false),
        (vec![("if-none-match", "a,b")], false),
        (vec![("if-none-match", "")], false),
        (vec![("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], true),
        (vec![("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], false),
        (vec![("if-modified-since", "0")], false),
        (vec![("if-none-match", "\"x\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], false),
        (vec![], false),
    ] {
        assert_eq!(not_modified(&fields(&request), &stored), expected, "{request:?}");
        if request.first().is_none_or(|r| r.1 != "*") {
            assert!(!not_modified(&fields(&request), &weak), "{request:?}");
        }
    }
}

#[test]
fn cache_status_is_a_structured_list_member() {
    for (outcome, stored, expected) in [
        (Outcome::Hit { ttl: 7 }, None, "tollgate; hit; ttl=7"),
        (Outcome::UriMiss, Some(Ok(())), "tollgate; fwd=uri-miss; stored"),
        (Outcome::VaryMiss, Some(Err("private")), "tollgate; fwd=vary-miss; detail=private"),
        (Outcome::Stale, None, "tollgate; fwd=stale"),
        (Outcome::Bypass("method"), None, "tollgate; fwd=method"),
        (Outcome::Bypass("range"), None, "tollgate; fwd=bypass; detail=range"),
        (Outcome::Request, Some(Ok(())), "tollgate; fwd=request; stored"),
        (Outcome::Unanswered("timeout"), None, "tollgate; fwd=miss; detail=timeout"),
    ] {
        assert_eq!(cache_status("tollgate", outcome, stored), expected);
    }
    assert_eq!(cache_status("9", Outcome::Miss, None), "\"9\"; fwd=miss");
}

#[test]
fn a_request_that_may_steer_is_answered_and_not_kept() {
    let with = |key: Vec<KeyPart>, name: &str| {
        let rule = Rule { key, ..rule(Some(500)) };
        let mut ask = request_may_use("GET", &vec![], &rule, false).unwrap();
        ask.note(&rule, ["accept", name, "host"].into_iter());
        storable(&rule, &ask, &vec![], 200, &vec![], TIMES).err()
    };
    for name in [
        "x-http-method-override",
        "x_http_method_override",
        "x-original-url",
        "x-forwarded-path",
        "x-forwarded-client-cert",
        "x_forwarded_host",
        "x-forwarded_host",
        "front-end-https",
    ] {
        assert_eq!(with(vec![], name), Some("steered"), "{name}");
        assert_eq!(with(vec![KeyPart::Header(name.into())], name), None, "{name}");
    }
    for name in
        ["x-forwarded-host", "x-forwarded-port", "forwarded", "x-forwarde", "x-hosts", "é-forwarded-x", ""]
    {
        assert_eq!(with(vec![], name), None, "{name}");
    }
}

#[test]
fn codings_that_a_client_reads() {
    for (codings, accepted, expected) in [
        ("gzip", Some("gzip"), true),
        ("gzip", Some("deflate, GZIP;q=0.1"), true),
        ("x-gzip", Some("gzip"), true),
        ("gzip", Some("*;q=0.5"), true),
        ("gzip", Some("*;q=0, gzip"), true),
        ("gzip", Some("*, gzip;q=0"), false),
        ("gzip", Some("gzip; Q = 0.000"), false),
        ("gzip", Some("gzip;q=x"), false),
        ("gzip", Some("gzipped, br"), false),
        ("gzip", None, false),
        ("gzip, br", Some("gzip"), false),
        ("gzip, br", Some("br, gzip"), true),
        ("identity", None, true),
        ("", None, true),
    ] {
        let request = accepted.map(|accepted| ("accept-encoding", accepted));
        let request = fields(request.as_slice());
        assert_eq!(
            decodable(&request, &fields(&[("content-encoding", codings)])),
            expected,
            "{codings} {accepted:?}"
        );
    }
    assert!(decodable(&vec![], &vec![]));
}

proptest! {
    #[test]
    fn a_coding_is_read_only_by_who_names_it(coding in "[a-c]{1,2}", accepted in "([a-c]{1,2}(;q=[01])?,? ?){0,4}|\\PC{0,30}") {
        let request = fields(&[("accept-encoding", &accepted)]);
        if decodable(&request, &fields(&[("content-encoding", &coding)])) {
            prop_assert!(accepted.to_ascii_lowercase().contains(&coding) || accepted.contains('*'));
        }
    }

    #[test]
    fn stored_metadata_survives(age in any::<u32>(), ttl in 1u64..1 << 42, shared in any::<bool>(),
        own in prop::option::of("[ -~]{0,30}"), vary in "([a-z-]{1,9} [0-9a-f]{4})?") {
        let own = own.map(|o| o.trim().to_string());
        let meta = Stored { received: NOW, age: age.into(), ttl, shared, vary, cache_control: own, length: None };
        let mut lines = vec![];
        apply(&mut lines, &meta.edits());
        prop_assert_eq!(Stored::read(&lines), Some(meta));
    }

    /// A stored answer serves exactly the requests that agree on every field that `Vary` names.
    #[test]
    fn variants_match_field_by_field(
        names in prop::collection::vec("[xX]-[abc]", 0..4),
        first in prop::collection::vec(("x-[abc]", "[01]"), 0..4),
        second in prop::collection::vec(("x-[abc]", "[01]"), 0..4),
    ) {
        let lines = stored(&rule(Some(500)), &first, &[("vary", &names.join(" , "))]);
        let agree = names.iter().all(|n| {
            let n = n.to_ascii_lowercase();
            first.get(&n) == second.get(&n)
        });
        let verdict = judge(&ask(&second), &lines, &second, NOW);
        prop_assert_eq!(matches!(verdict, Verdict::Fresh(_)), agree, "{:?}", verdict);
    }

    #[test]
    fn foreign_metadata_is_survived(text in "\\PC{0,40}|1( [0-9]{0,22}){0,5}( [-=].{0,5})?", vary in "\\PC{0,20}") {
        let lines = fields(&[(STORED, &text), (VARY, &vary)]);
        let none = fields(&[]);
        let _ = judge(&ask(&none), &lines, &none, NOW);
    }

    #[test]
    fn nothing_private_is_ever_stored(
        ttl in prop::option::of(0u32..9), over in any::<bool>(), status in 100u16..600, auth in any::<bool>(),
        control in "(public|max-age=9|s-maxage=9|must-revalidate)?",
        ban in "(no-store|private|no-cache|Private=\"a\"|NO-STORE)",
    ) {
        let rule = Rule { override_origin: over, ..rule(ttl) };
        let ask = request_may_use("GET", &vec![], &rule, auth).unwrap();
        for line in [format!("{control}, {ban}"), format!("{ban},{control}")] {
            prop_assert!(storable(&rule, &ask, &vec![], status, &fields(&[("cache-control", &line)]), TIMES).is_err());
        }
    }

    #[test]
    fn any_response_is_judged(status in any::<u16>(), value in "\\PC{0,40}", age in "[0-9]{0,20}") {
        let h = fields(&[("cache-control", &value), ("vary", &value), ("expires", &value), ("age", &age)]);
        if let Ok(meta) = storable(&rule(Some(5)), &ask(&h), &h, status, &h, TIMES) {
            prop_assert!(meta.ttl > 0 && (200..600).contains(&status));
        }
    }
}
