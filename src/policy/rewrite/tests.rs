use super::*;
use proptest::prelude::*;

const PARAMS: [&str; 2] = ["id", "rest"];

fn apply<'a>(template: &str, id: &'a str, rest: &'a str) -> Result<String, Reason> {
    let rewrite = Rewrite::parse(template, &PARAMS).unwrap();
    rewrite
        .apply(|name| match name {
            "id" => Some(id),
            "rest" => Some(rest),
            _ => None,
        })
        .map_err(|fault| fault.reason)
}

#[test]
fn parameters_go_where_they_are_named() {
    for (template, id, rest, expected) in [
        ("/internal", "7", "", "/internal"),
        ("/", "7", "", "/"),
        ("/internal/{id}", "7", "", "/internal/7"),
        ("/internal/{id}/x-{id}.json", "a%20b", "", "/internal/a%20b/x-a%20b.json"),
        ("/files/{*rest}", "", "a/b/c", "/files/a/b/c"),
        ("/files/{rest}", "", "a/b/", "/files/a/b/"),
        ("/x?by={id}&all=1", "a&all=2", "", "/x?by=a%26all%3D2&all=1"),
        ("/x?by={id}", "a+b;c='d'%23", "", "/x?by=a%2Bb%3Bc%3D%27d%27%23"),
        ("/{id}?{id}", "a=b", "", "/a=b?a%3Db"),
        ("/x?p={rest}", "", "a/b", "/x?p=a/b"),
        ("/x?p={id}", "é \n<", "", "/x?p=%C3%A9%20%0A%3C"),
        ("/e/{id}", "a%2Fb", "", "/e/a%2Fb"),
    ] {
        assert_eq!(apply(template, id, rest).as_deref(), Ok(expected), "{template} {id} {rest}");
    }
}

#[test]
fn what_was_harmless_may_not_become_a_way_up() {
    for (template, id) in [
        ("/internal/{id}", ".."),
        ("/internal/{id}/x", "."),
        ("/internal/{id}/x", "%2e%2e"),
        ("/internal/{id}/x", "%252e%252e"),
        ("/internal/.{id}", "."),
        ("/internal/{id}", "..;a"),
        ("/internal/{id}", "..%2Fx"),
        ("/internal/{id}/x", ""),
        ("/internal/{id}", "a?b"),
        ("/internal/{id}", "a#b"),
        ("/internal/{id}", "a\\b"),
        ("/internal/{id}", "a\r\nb"),
        ("/internal/{id}", "é"),
    ] {
        assert_eq!(apply(template, id, "x"), Err(Reason::MalformedPath), "{template} {id:?}");
    }
    assert_eq!(apply("/f/{*rest}", "", "a/../b"), Err(Reason::MalformedPath));
    assert_eq!(apply("/f/{*rest}", "", "/b"), Err(Reason::MalformedPath));
}

#[test]
fn a_parameter_that_was_not_captured_is_our_fault() {
    let rewrite = Rewrite { pieces: vec![Piece::Literal("/a/".into()), Piece::Param("x".into())] };
    assert_eq!(rewrite.apply(|_| None).unwrap_err().reason, Reason::GatewayFault);
}

#[test]
fn parse_names_what_is_wrong() {
    for (text, part) in [
        ("internal", "begins with `/`"),
        ("", "begins with `/`"),
        ("/{ID}", "`{id}`, `{rest}`"),
        ("/{}", "captures no"),
        ("/{id", "does not close"),
        ("/id}", "not opened"),
        ("/{{id}}", "captures no"),
        ("/a b", "/a%20b"),
        ("/%7ea", "/~a"),
        ("/a?b c", "b%20c"),
    ] {
        let error = Rewrite::parse(text, &PARAMS).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
    for text in
        ["/../{id}", "/a//b", "/./a", "/a\\b", "/a\0", "/%zz", "/..;/a", "/a#b", "/a?b#c", "/%252e%252e/a"]
    {
        assert!(Rewrite::parse(text, &PARAMS).is_err(), "{text}");
    }
    assert!(Rewrite::parse("/{x}", &[""; 0]).unwrap_err().contains("none"));
}

proptest! {
    #[test]
    fn any_text_parses_or_not(text in "/?\\PC{0,20}|/[{}a-z?/.%*]{0,12}") {
        if let Ok(rewrite) = Rewrite::parse(&text, &PARAMS) {
            // With harmless values a template that passed the check always applies.
            prop_assert!(rewrite.apply(|_| Some("x")).is_ok());
        }
    }

    /// Whatever is captured, the result is a canonical path under the template's own, with its one query parameter.
    #[test]
    fn the_result_is_canonical(value in "[a-z./;%2eF?#&=+\\\\]{0,8}|\\PC{0,6}") {
        if let Ok(out) = apply("/in/{*rest}?v={rest}", "", &value) {
            let (path, query) = out.split_once('?').unwrap();
            prop_assert_eq!(canonical(path, LENIENT).unwrap(), path);
            prop_assert!(path.starts_with("/in/"));
            prop_assert_eq!(canonical_query(query).unwrap(), query);
            prop_assert!(!query.contains(['&', '#', ';']) && query.matches('=').count() == 1);
        }
    }
}

/// The truth table of the Gateway API's `ReplacePrefixMatch`.
#[test]
fn prefixes_are_replaced_as_the_gateway_api_says() {
    for (path, from, to, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
    ] {
        // Compiling strips the slash of what is matched, as it does of a base.
        let from = from.trim_end_matches('/').to_owned();
        let prefix = Prefix::parse(vec![from], to).unwrap();
        assert_eq!(prefix.apply(path).as_deref(), Ok(expected), "{path} {to}");
    }
}

#[test]
fn of_several_prefixes_the_longest_that_fits_is_replaced() {
    let prefix = Prefix::parse(vec!["/a".into(), "/a/b".into()], "/x").unwrap();
    assert_eq!(prefix.apply("/a/b/c").as_deref(), Ok("/x/c"));
    assert_eq!(prefix.apply("/a/bc").as_deref(), Ok("/x/bc"));
    assert_eq!(prefix.apply("/ab").unwrap_err().reason, Reason::GatewayFault);
    assert_eq!(Prefix::parse(vec![String::new()], "/x").unwrap().apply("/").as_deref(), Ok("/x/"));
}

#[test]
fn a_prefix_that_is_none_is_named() {
    for (to, part) in [
        ("/{id}", "no parameters"),
        ("/a?b", "no query"),
        ("a", "slash"),
        ("//evil.example", "empty segment"),
        ("/../a", "dot segment"),
        ("/a b", "/a%20b"),
    ] {
        let error = Prefix::parse(Vec::new(), to).unwrap_err();
        assert!(error.contains(part), "{to}: {error}");
    }
}

proptest! {
    /// Whatever is put before a canonical path, the result is one, and no other host.
    #[test]
    fn a_replaced_prefix_leaves_a_canonical_path(to in "/?[a-z./%2eF;\\\\]{0,8}", rest in "(/[a-z.;%2F]{1,4}){0,3}/?") {
        let path = format!("/from{rest}");
        if let (Ok(prefix), Ok(Cow::Borrowed(path))) = (Prefix::parse(vec!["/from".into()], &to), canonical(&path, LENIENT)) {
            let out = prefix.apply(path).unwrap();
            prop_assert_eq!(canonical(&out, LENIENT).unwrap(), out.as_str());
        }
    }
}
