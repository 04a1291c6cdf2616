use super::*;

const STRICT: Leniency = Leniency { encoded_slashes: false };
const LENIENT: Leniency = Leniency { encoded_slashes: true };

#[test]
fn urls_are_taken_apart_as_sent() {
    let target = |https, authority, path, query| Target { https, authority, path, query };
    for (url, expected) in [
        ("http://h/a/b?c=d", target(false, "h", "/a/b", Some("c=d"))),
        ("HTTPS://h:8443/", target(true, "h:8443", "/", None)),
        ("http://h", target(false, "h", "/", None)),
        ("http://h?", target(false, "h", "/", Some(""))),
        ("http://h?a?b/c@d", target(false, "h", "/", Some("a?b/c@d"))),
        ("http://h/../%2e%2e/a", target(false, "h", "/../%2e%2e/a", None)),
        ("http://h/@", target(false, "h", "/@", None)),
        ("http://h*", target(false, "h", "*", None)),
        (r"http://h\a", target(false, "h", r"\a", None)),
        ("http://[::1]:8787/a", target(false, "[::1]:8787", "/a", None)),
        ("http://h//a", target(false, "h", "//a", None)),
        ("http:///a", target(false, "", "/a", None)),
    ] {
        assert_eq!(split(url).unwrap(), expected, "{url}");
    }
}

#[test]
fn urls_that_are_refused() {
    for (url, reason) in [
        ("", Reason::MalformedPath),
        ("/a", Reason::MalformedPath),
        ("http:/a", Reason::MalformedPath),
        ("ftp://h/a", Reason::MalformedPath),
        ("http://h/a#b", Reason::MalformedPath),
        ("http://h/a?b#c", Reason::MalformedPath),
        ("http://h#@evil/", Reason::MalformedPath),
        ("http://user@h/a", Reason::MalformedHost),
        ("http://h:80@evil/a", Reason::MalformedHost),
    ] {
        assert_eq!(split(url).expect_err(url).reason, reason, "{url}");
    }
    let longest = format!("http://h/{}", "a".repeat(MAX_URL - 9));
    assert!(split(&longest).is_ok());
    assert_eq!(split(&format!("{longest}a")).unwrap_err().reason, Reason::UriTooLong);
}

#[test]
fn canonical_paths_are_borrowed() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/a.b/..c/d../.../.e",
        "/a-._~!$&'()*+,=:@b",
        "/a;b=c",
        "/a%20b",
        "/%C3%A9/%F0%9F%A6%80",
        "/%25",
        "/%21",
        "/100%25",
        "/a%3Fb%23c",
        "/.well-known/x",
    ] {
        assert!(matches!(canonical(path, STRICT), Ok(Cow::Borrowed(same)) if same == path), "{path}");
    }
}

#[test]
fn one_spelling_stands_for_all() {
    for (raw, path) in [
        ("/%61%2D%2e%5f%7Eb", "/a-._~b"),
        ("/a%2e", "/a."),
        ("/%c3%a9", "/%C3%A9"),
        ("/é", "/%C3%A9"),
        ("/🦀", "/%F0%9F%A6%80"),
        ("/a b", "/a%20b"),
        ("/{a}|[b]^`\"<>", "/%7Ba%7D%7C%5Bb%5D%5E%60%22%3C%3E"),
        ("/%7ba%7d", "/%7Ba%7D"),
        ("/%3a%3A", "/%3A%3A"),
        ("/%25%36%31", "/%2561"),
        ("/a;%41", "/a;A"),
    ] {
        assert_eq!(canonical(raw, STRICT).unwrap(), path, "{raw}");
    }
}

#[test]
fn paths_that_are_refused() {
    let paths = [
        // No path.
        "",
        "a",
        "*",
        r"\a",
        "http://h/",
        // Invalid percent-encoding.
        "/%",
        "/%4",
        "/%zz",
        "/%u002e",
        "/%%41",
        "/a%2",
        "/%-1",
        "/%+1",
        // Characters that end, split or hide paths.
        "/a%00b",
        "/a\0",
        "/a%0d%0aSet-Cookie:",
        "/a\tb",
        "/a\nb",
        "/%7f",
        "/\u{7f}",
        "/a?b",
        "/a#b",
        r"/a\b",
        r"/..\a",
        "/a%5cb",
        "/a%5Cb",
        // Encoded slashes.
        "/a%2fb",
        "/a%2F",
        "/%2F",
        // Empty segments, hidden ones too.
        "//",
        "//a",
        "/a//b",
        "/a//",
        "/;",
        "/;x/b",
        "/a/%3Bx/b",
        // Dot segments, plain, encoded, encoded again, behind path parameters.
        "/.",
        "/..",
        "/a/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "/../a",
        "/%2e",
        "/%2E%2e/a",
        "/.%2e",
        "/%2e./a",
        "/%252e%252e/a",
        "/.%252e",
        "/%25252e%25252E/",
        "/%252E",
        "/%25%32%65",
        "/..;/a",
        "/.;x=y",
        "/..%3Bx",
        "/%2e%2e%3b/a",
        "/..%253b/a",
        "/a/..%252f",
        "/a/..%252f..%252fb",
        "/..%255c",
        "/a/%252e%252e%252fb",
        "/x%252f../b",
        "/x%252F..;y",
        // Invalid UTF-8: a stray byte, a cut sequence, overlong forms, a surrogate, beyond Unicode, a mixture.
        "/%80",
        "/%C3",
        "/%C3/",
        "/%C3A9",
        "/%C0%AE",
        "/%C0%AE%C0%AE/",
        "/%E0%80%AE",
        "/%ED%A0%80",
        "/%F4%90%80%80",
        "/%F8%88%80%80%80",
        "/%FF",
        "/%C3é",
        "/\u{fffd}",
    ];
    for path in paths {
        let fault = canonical(path, STRICT).expect_err(path);
        assert_eq!(fault.reason, Reason::MalformedPath, "{path}");
        assert!(!fault.detail.is_empty());
    }
}

#[test]
fn lenient_routes_take_encoded_slashes_and_nothing_more() {
    for (raw, path) in [("/a%2fb", "/a%2Fb"), ("/https:%2F%2Fh%2F", "/https:%2F%2Fh%2F"), ("/%2F", "/%2F")] {
        assert_eq!(canonical(raw, LENIENT).unwrap(), path);
        assert!(permitted(path, LENIENT).is_ok());
        assert_eq!(permitted(path, STRICT).unwrap_err().reason, Reason::MalformedPath);
    }
    assert!(permitted("/a%252Fb", STRICT).is_ok());
    for path in [
        "/a%2F..",
        "/..%2fa",
        "/a%2F.%2Fb",
        "/a%2F%2e%2e;x%2Fb",
        "/a%5Cb",
        "/a//b",
        "/a/../b",
        "/x%2F..%252f",
    ] {
        assert!(canonical(path, LENIENT).is_err(), "{path}");
    }
}

#[test]
fn queries_stay_as_sent_where_they_can() {
    for query in ["", "a=b&c[]=d", "q=100%", "a=%zz%00%0a", "u=../../x?y=//;", "a|b{c}^`~\\"] {
        assert!(matches!(canonical_query(query), Ok(Cow::Borrowed(same)) if same == query), "{query}");
    }
    assert_eq!(canonical_query("a=é b'\"<>").unwrap(), "a=%C3%A9%20b%27%22%3C%3E");
    for query in ["a\0", "a\n", "a\u{7f}", "a#b", "\u{fffd}"] {
        assert_eq!(canonical_query(query).unwrap_err().reason, Reason::MalformedPath, "{query}");
    }
}

#[test]
fn long_runs_of_encoded_percents_cost_no_more_than_their_length() {
    let path = format!("/%{}2e%2525252e", "25".repeat(8000));
    assert!(canonical(&path, STRICT).is_err());
    let path = format!("/{}", "%25".repeat(5000));
    assert_eq!(canonical(&path, STRICT).unwrap(), path);
}

#[test]
fn templates_become_canonical() {
    for (source, text, params) in [
        ("/", "/", &[][..]),
        ("/a/", "/a/", &[]),
        ("/{id}", "/{id}", &["id"]),
        ("/a/{b}/c/{d_1}", "/a/{b}/c/{d_1}", &["b", "d_1"]),
        ("/img-{id}.png", "/img-{id}.png", &["id"]),
        ("/.{x}", "/.{x}", &["x"]),
        ("/files/{*rest}", "/files/{*rest}", &["rest"]),
        ("/é/%c3%a9 b", "/%C3%A9/%C3%A9%20b", &[]),
        ("/a{{b}}{c}", "/a%7Bb%7D{c}", &["c"]),
        ("/{a}}}", "/{a}%7D", &["a"]),
        ("/a%2Fb", "/a%2Fb", &[]),
        ("/{id}:cancel", "/{id}:cancel", &["id"]),
    ] {
        let template = template(source).expect(source);
        assert_eq!(template.text, text);
        assert_eq!(template.params, params);
    }
}

#[test]
fn templates_that_are_refused() {
    for (source, why) in [
        ("", "begins with"),
        ("a", "begins with"),
        ("/{}", "cannot name"),
        ("/{a", "does not close"),
        ("/a}", "not opened"),
        ("/{a}{b}", "at most one"),
        ("/{a}-{b}", "at most one"),
        ("/{a}/{a}", "twice"),
        ("/{*a}/b", "last segment"),
        ("/x{*a}", "whole segment"),
        ("/{*a}x", "whole segment"),
        ("/{*}", "cannot name"),
        ("/{a b}", "cannot name"),
        ("/{1}", "cannot name"),
        ("/{a}9", "must not begin"),
        ("/{a}%41", "must not begin"),
        ("/a//b", "empty segment"),
        ("/a/../b", "dot segment"),
        ("/%2e", "dot segment"),
        ("/a?b", "query"),
        ("/100%", "percent-encoding"),
        (r"/a\b", "backslash"),
    ] {
        let error = template(source).expect_err(source);
        assert!(error.contains(why), "{source}: {error}");
    }
    let many: String = (0..=MAX_PARAMS).map(|n| format!("/{{p{n}}}")).collect();
    assert!(template(&many).unwrap_err().contains("at most 16"));
}
