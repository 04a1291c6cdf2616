use super::*;
use proptest::prelude::*;

fn cors(origins: &[&str], credentials: bool) -> Cors {
    Cors {
        origins: origins.iter().map(|o| (*o).into()).collect(),
        methods: vec!["PUT".into(), "DELETE".into()],
        headers: vec!["authorization".into(), "content-type".into()],
        expose: vec!["etag".into()],
        credentials,
        max_age: 600,
        private_network: true,
        timing: false,
    }
}

fn fields(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

fn allows(pattern: &str, origin: &str) -> bool {
    cors(&[pattern], false).allowed(origin) != Allowed::No
}

#[test]
fn origins_match_by_whole_labels() {
    for (pattern, origin, expected) in [
        ("https://example.com", "https://example.com", true),
        ("https://example.com", "http://example.com", false),
        ("https://example.com", "https://example.com:8443", false),
        ("https://example.com", "https://example.com.", false),
        ("https://example.com", "https://Example.com", false),
        ("https://*.example.com", "https://a.example.com", true),
        ("https://*.example.com", "https://a.b.example.com", true),
        ("https://*.example.com", "https://example.com", false),
        ("https://*.example.com", "https://.example.com", false),
        ("https://*.example.com", "https://evilexample.com", false),
        ("https://*.example.com", "https://x.example.com.evil", false),
        ("https://*.example.com", "https://evil/.example.com", false),
        ("https://*.example.com", "https://evil.com#.example.com", false),
        ("https://*.example.com", "https://u@a.example.com", false),
        ("https://*.example.com", "https://a.example.com:444", false),
        ("https://*.example.com:444", "https://a.example.com:444", true),
        ("https://*.example.com", "http://a.example.com", false),
        ("https://*.example.com", "null", false),
        ("*", "https://anything", true),
    ] {
        assert_eq!(allows(pattern, origin), expected, "{pattern} {origin}");
    }
}

#[test]
fn preflight_names_what_is_allowed() {
    let c = cors(&["https://app.example.com"], true);
    let ask = fields(&[
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-private-network", "true"),
    ]);
    let p = c.preflight("OPTIONS", &ask).unwrap();
    assert!(p.allowed);
    assert_eq!(
        p.headers,
        [
            ("vary", "Origin".to_string()),
            ("access-control-allow-origin", "https://app.example.com".into()),
            ("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE".into()),
            ("access-control-allow-headers", "authorization, content-type".into()),
            ("access-control-allow-credentials", "true".into()),
            ("access-control-max-age", "600".into()),
            ("access-control-allow-private-network", "true".into()),
        ]
    );
    assert_eq!(c.preflight("GET", &ask), None);
    assert_eq!(c.preflight("OPTIONS", &fields(&[("origin", "https://app.example.com")])), None);
    assert_eq!(c.preflight("OPTIONS", &fields(&[("access-control-request-method", "PUT")])), None);
}

#[test]
fn preflight_of_a_stranger_says_nothing() {
    let ask = fields(&[("origin", "https://evil.example"), ("access-control-request-method", "PUT")]);
    let p = cors(&["https://app.example.com"], true).preflight("OPTIONS", &ask).unwrap();
    assert!(!p.allowed);
    assert_eq!(p.headers, [("vary", "Origin".to_string())]);
}

#[test]
fn any_origin_opens_no_private_network_and_no_credentials() {
    let ask = fields(&[
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-private-network", "true"),
    ]);
    // `credentials` with `*` is refused at check time; a plan that holds it anyway must not act on it.
    let p = cors(&["*"], true).preflight("OPTIONS", &ask).unwrap();
    assert!(p.headers.contains(&("access-control-allow-origin", "*".into())));
    assert!(!p.headers.iter().any(|(n, _)| n.contains("credentials") || n.contains("private")));
    let edits = edits(&cors(&["*"], true), Some("https://a"));
    assert!(!edits.iter().any(|edit| edit.name().contains("credentials")));
}

#[test]
fn a_private_network_and_timings_are_opened_only_where_it_is_said() {
    let ask = fields(&[
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-private-network", "true"),
    ]);
    let opens = |private_network| {
        let c = Cors { private_network, ..cors(&["https://app.example.com"], false) };
        let p = c.preflight("OPTIONS", &ask).unwrap();
        p.headers.iter().any(|(name, _)| *name == "access-control-allow-private-network")
    };
    assert!(opens(true) && !opens(false));
    let timing = |origin| {
        let c = Cors { timing: true, ..cors(&["https://app.example.com", "https://b.test"], false) };
        edits(&c, Some(origin)).iter().find(|edit| edit.name() == "timing-allow-origin").cloned()
    };
    let told = Edit::Set("timing-allow-origin".into(), "https://b.test".into());
    assert_eq!((timing("https://b.test"), timing("https://evil.test")), (Some(told), None));
}

fn edits(cors: &Cors, origin: Option<&str>) -> Vec<Edit> {
    let mut edits = Vec::new();
    cors.response_edits(|| origin.map(Cow::Borrowed), &mut edits);
    edits
}

#[test]
fn answers_where_several_origins_are_allowed_name_the_one_that_asks() {
    let c = cors(&["https://app.example.com", "https://*.example.org"], true);
    let vary = || Edit::Add("vary".into(), "Origin".into());
    let allow = |origin: &'static str| {
        [
            vary(),
            Edit::Set("access-control-allow-origin".into(), origin.into()),
            Edit::Set("access-control-allow-credentials".into(), "true".into()),
            Edit::Set("access-control-expose-headers".into(), "etag".into()),
        ]
    };
    assert_eq!(edits(&c, None), [vary()]);
    assert_eq!(edits(&c, Some("https://evil.example")), [vary()]);
    assert_eq!(edits(&c, Some("https://app.example.com")), allow("https://app.example.com"));
    assert_eq!(edits(&c, Some("https://a.example.org")), allow("https://a.example.org"));
    // A single pattern is several origins.
    assert_eq!(edits(&cors(&["https://*.example.org"], true), None), [vary()]);
}

#[test]
fn answers_where_one_origin_or_every_one_is_allowed_do_not_depend_on_the_request() {
    let c = cors(&["https://app.example.com"], true);
    for origin in [None, Some("https://app.example.com"), Some("https://evil.example")] {
        assert_eq!(
            edits(&c, origin),
            [
                Edit::Set("access-control-allow-origin".into(), "https://app.example.com".into()),
                Edit::Set("access-control-allow-credentials".into(), "true".into()),
                Edit::Set("access-control-expose-headers".into(), "etag".into()),
            ]
        );
        let any = edits(&cors(&["*"], false), origin);
        assert_eq!(any.first(), Some(&Edit::Set("access-control-allow-origin".into(), "*".into())));
    }
    let mut asked = false;
    c.response_edits(
        || {
            asked = true;
            None
        },
        &mut Vec::new(),
    );
    assert!(!asked, "reading a field costs a call into the host");
}

#[test]
fn check_refuses_with_a_remedy() {
    for (origins, credentials, part) in [
        (vec![], false, "no origins"),
        (vec!["*"], false, "private network"),
        (vec!["null"], false, "anybody's"),
        (vec!["*"], true, "credentials cannot"),
        (vec!["*", "https://a.b"], false, "list it alone"),
        (vec!["example.com"], false, "scheme"),
        (vec!["https://example.com/"], false, "no path"),
        (vec!["https://u@example.com"], false, "no user"),
        (vec!["https://Example.com"], false, "lower case"),
        (vec!["HTTPS://example.com"], false, "lower case"),
        (vec!["https://example.com:443"], false, "default port"),
        (vec!["http://example.com:80"], false, "default port"),
        (vec!["https://example.com:0"], false, "port"),
        (vec!["https://example.com:99999"], false, "port"),
        (vec!["https://*.com"], false, "two labels"),
        (vec!["https://a*.example.com"], false, "whole labels"),
        (vec!["https://*.*.example.com"], false, "whole labels"),
        (vec!["https://*"], false, "whole labels"),
        (vec!["https://a..b"], false, "empty labels"),
        (vec!["https://"], false, "empty labels"),
        (vec!["https://[2001:0db8::1]"], false, "shortest"),
    ] {
        let error = cors(&origins, credentials).check().unwrap_err();
        assert!(error.contains(part), "{origins:?}: {error}");
    }
    for origins in [
        vec!["*"],
        vec!["https://example.com", "http://localhost:3000", "https://*.example.com:8443", "http://[::1]:80"],
    ] {
        if origins.contains(&"http://[::1]:80") {
            assert!(cors(&origins, true).check().is_err(), "default port of an address");
        } else {
            Cors { private_network: false, ..cors(&origins, false) }.check().unwrap();
        }
    }
    cors(&["http://[::1]:3000", "app://local"], true).check().unwrap();
    let bad = Cors { methods: vec!["put".into()], ..cors(&["https://a.b"], false) };
    assert!(bad.check().unwrap_err().contains("PUT"));
    let bad = Cors { headers: vec!["*".into()], ..cors(&["https://a.b"], true) };
    assert!(bad.check().unwrap_err().contains("literally"));
    let of = |change: &dyn Fn(&mut Cors)| {
        let mut cors = cors(&["https://a.b"], true);
        change(&mut cors);
        cors.check()
    };
    of(&|_| ()).unwrap();
    for name in
        ["a\r\nb", "", "Cookie", "origin", "Sec-Fetch-Site", "proxy-x", "access-control-request-method"]
    {
        assert!(of(&|cors| cors.headers = vec![name.into()]).is_err(), "{name}");
    }
    for name in ["*", "Set-Cookie", "a b"] {
        assert!(of(&|cors| cors.expose = vec![name.into()]).is_err(), "{name}");
    }
    for name in ["*", "TRACE", "connect", "P T"] {
        assert!(of(&|cors| cors.methods = vec![name.into()]).is_err(), "{name}");
    }
    assert!(of(&|cors| cors.max_age = 86_401).is_err());
}

/// Label by label, from the right.
fn reference(pattern: &str, origin: &str) -> bool {
    let (Some((ps, ph)), Some((os, oh))) = (pattern.split_once("://"), origin.split_once("://")) else {
        return false;
    };
    let ok =
        |l: &str| !l.is_empty() && l.chars().all(|c| "abcdefghijklmnopqrstuvwxyz0123456789-_".contains(c));
    let (p, o): (Vec<_>, Vec<_>) = (ph.split('.').collect(), oh.split('.').collect());
    if ps != os || !o.iter().all(|l| ok(l)) {
        return false;
    }
    match p.first() {
        Some(&"*") => o.len() >= p.len() && p[1..] == o[o.len() + 1 - p.len()..],
        _ => p == o,
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_labels(
        scheme in "https?", wild in any::<bool>(), base in "[ab]\\.[ab]{1,2}",
        oscheme in "https?", host in "[ab.*/@#A]{0,3}(a|b|\\.)?[ab]\\.[ab]{1,2}(\\.[ab])?",
    ) {
        let pattern = format!("{scheme}://{}{base}", if wild { "*." } else { "" });
        let origin = format!("{oscheme}://{host}");
        prop_assert_eq!(allows(&pattern, &origin), reference(&pattern, &origin), "{} {}", pattern, origin);
    }

    #[test]
    fn any_origin_is_echoed_exactly_or_not_at_all(origin in "\\PC{0,30}") {
        for edit in edits(&cors(&["https://*.example.com", "https://a.test"], true), Some(&origin)) {
            if let Edit::Set(name, value) = edit {
                prop_assert!(name != "access-control-allow-origin" || value == origin);
            }
        }
    }

    #[test]
    fn whatever_passes_the_check_can_match_itself(
        origin in "(https?://(\\*\\.)?[a-zA-Z0-9.*-]{1,12}(:[0-9]{1,5})?/?)|\\PC{0,12}"
    ) {
        if cors(&[&origin], false).check().is_ok() && origin != "*" {
            let instance = origin.replace('*', "x.y");
            prop_assert!(allows(&origin, &instance), "{}", origin);
        }
    }
}

#[test]
fn a_wildcard_covers_no_names_that_anybody_can_have() {
    for origin in ["https://*.co.uk", "https://*.com.br", "https://*.github.io", "https://*.pages.dev"] {
        assert!(check_origin(origin).is_err(), "{origin}");
    }
    for origin in
        ["https://*.shop.co.uk", "https://*.shop.pages.dev", "https://*.example.com", "https://shop.co.uk"]
    {
        assert_eq!(check_origin(origin), Ok(()), "{origin}");
    }
}
