//! Properties of the matcher and of path canonicalisation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

extern crate tollgate;

use proptest::prelude::*;
use std::borrow::Cow;
use tollgate::routing::path::{Leniency, canonical, canonical_query, permitted, split, template};
use tollgate::routing::{Asked, Miss, Router};

#[path = "support/plans.rs"]
mod plans;

/// Bytes as an attacker mixes them: mostly what has a meaning in a path.
fn raw_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9]{1,3}",
        3 => Just("/".to_owned()),
        2 => Just(".".to_owned()),
        2 => proptest::sample::select(vec!["%2e", "%2E", "%252e", "%25", "%2525", "%2f", "%5c", "%3b", ";", "%00", "%"])
            .prop_map(str::to_owned),
        2 => any::<u8>().prop_map(|b| format!("%{b:02x}")),
        1 => proptest::sample::select(vec!["%C3%A9", "%c3%a9", "é", "%F0%9F%A6%80", "%E2%82%AC", "\u{fffd}"])
            .prop_map(str::to_owned),
        1 => "[ -~]",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn leniency() -> impl Strategy<Value = Leniency> {
    any::<bool>().prop_map(|encoded_slashes| Leniency { encoded_slashes })
}

/// Decodes percent triplets once.
fn decoded(path: &str) -> Vec<u8> {
    let mut rest = path.as_bytes();
    let mut out = Vec::new();
    while let Some((&first, tail)) = rest.split_first() {
        let digits =
            tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|_| first == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

/// Whether a template fits a canonical path, whatever else there is.
fn matches(template: &str, path: &str) -> bool {
    let mut rest = path;
    for segment in template.split('/').skip(1) {
        let Some(below) = rest.strip_prefix('/') else { return false };
        if segment.starts_with("{*") {
            return !below.is_empty();
        }
        let end = below.find('/').unwrap_or(below.len());
        let Some((actual, tail)) = below.split_at_checked(end) else { return false };
        let fits = match segment
            .split_once('{')
            .and_then(|(before, tail)| Some((before, tail.split_once('}')?.1)))
        {
            Some((before, after)) => actual
                .strip_prefix(before)
                .and_then(|actual| actual.strip_suffix(after))
                .is_some_and(|value| !value.is_empty()),
            None => actual == segment,
        };
        if !fits {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_canonical_path_is_a_fixed_point(raw in raw_path(), leniency in leniency()) {
        if let Ok(path) = canonical(&raw, leniency) {
            prop_assert!(matches!(canonical(&path, leniency).unwrap(), Cow::Borrowed(_)), "{} again", path);
            let url = url::Url::parse(&format!("https://h{path}")).unwrap();
            prop_assert_eq!(url.path(), &*path);
            prop_assert_eq!((url.query(), url.fragment()), (None, None));
        }
    }

    #[test]
    fn a_canonical_url_is_a_fixed_point(raw in raw_path(), query in "[ -~é]{0,12}|\\PC{0,6}") {
        if let (Ok(path), Ok(query)) = (canonical(&raw, Leniency::default()), canonical_query(&query)) {
            let text = format!("https://api.example.com{path}?{query}");
            let url = url::Url::parse(&text).unwrap();
            prop_assert_eq!(url.as_str(), &*text);
            prop_assert_eq!(canonical_query(&query).unwrap(), &*query);
            let target = split(&text).unwrap();
            prop_assert_eq!((target.path, target.query), (&*path, Some(&*query)));
        }
    }

    /// Whoever decodes a canonical path once, or twice, finds no way up, no NUL and no invalid text.
    #[test]
    fn nothing_is_hidden(raw in raw_path(), leniency in leniency()) {
        if let Ok(path) = canonical(&raw, leniency) {
            let once = String::from_utf8(decoded(&path)).expect("valid UTF-8");
            prop_assert!(!once.contains(['\0', '\\', '\r', '\n']));
            for text in [&*once, &String::from_utf8_lossy(&decoded(&once))] {
                for segment in text.split(['/', '\\']) {
                    let name = segment.split(';').next().unwrap_or_default();
                    prop_assert!(name != "." && name != "..", "{} hides {}", path, segment);
                }
            }
            if permitted(&path, Leniency::default()).is_ok() {
                prop_assert_eq!(once.matches('/').count(), path.matches('/').count());
                prop_assert!(canonical(&path, Leniency::default()).is_ok());
            }
        }
    }

    /// Equivalent spellings have one canonical form.
    #[test]
    fn encoding_what_need_not_be_encoded_changes_nothing(raw in raw_path(), which in any::<prop::sample::Index>()) {
        if let Ok(path) = canonical(&raw, Leniency::default()) {
            let at = which.index(path.len());
            let b = path.as_bytes()[at];
            let in_triplet = path.as_bytes()[at.saturating_sub(2)..at].contains(&b'%');
            if !in_triplet && (b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
                let other = format!("{}%{b:02x}{}", &path[..at], &path[at + 1..]);
                prop_assert_eq!(canonical(&other, Leniency::default()).unwrap(), &*path);
            }
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>(), leniency in leniency()) {
        let _ = split(&text).map(|target| (canonical(target.path, leniency), target.query.map(canonical_query)));
        let _ = (canonical(&text, leniency), canonical(&format!("/{text}"), leniency), canonical_query(&text));
        let _ = (template(&text), template(&format!("/{text}")));
    }
}

/// How specific a segment of a template is: literal text, then text around a parameter, then a parameter alone, then
/// a catch-all. Among texts around a parameter, suffixes go before prefixes and longer ones before shorter.
fn rank(segment: &str) -> (u8, usize, usize) {
    match segment.split_once('{') {
        None => (0, 0, 0),
        Some(_) if segment.starts_with("{*") => (3, 0, 0),
        Some((before, tail)) => {
            let after = tail.split_once('}').unwrap().1;
            let bare = u8::from(before.is_empty() && after.is_empty());
            (1 + bare, usize::MAX - after.len(), usize::MAX - before.len())
        }
    }
}

/// The reference: every template against the path, the most specific of those that match, segment by segment.
fn naive<'t>(templates: &'t [String], path: &str) -> Option<&'t String> {
    let fitting = templates.iter().filter(|template| matches(template, path));
    // Catch-alls go behind all others.
    fitting
        .min_by_key(|template| (template.contains("{*"), template.split('/').map(rank).collect::<Vec<_>>()))
}

/// A template without the names of its parameters.
fn shape(template: &str) -> String {
    let pieces = template.split(['{', '}']).enumerate();
    let name = |piece: &str| if piece.starts_with('*') { "{*}" } else { "{}" };
    pieces.map(|(n, piece)| if n % 2 == 0 { piece } else { name(piece) }).collect()
}

/// Templates without those that differ from an earlier one in nothing but the names of parameters.
fn distinct(templates: Vec<String>) -> Vec<String> {
    let mut shapes = std::collections::HashSet::new();
    templates.into_iter().filter(|template| shapes.insert(shape(template))).collect()
}

fn check(templates: Vec<String>, paths: &[String]) -> Result<(), TestCaseError> {
    let templates = distinct(templates);
    let lines: Vec<String> = templates.iter().map(|template| format!("GET {template}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let router = Router::new(plans::plan(&[plans::api(&[], "", &lines)]));
    for path in paths {
        let expected = naive(&templates, path);
        match router.find(&Asked::of("h", "GET", path)) {
            Ok(found) => {
                prop_assert_eq!(Some(&found.route.template), expected, "{} among {:?}", path, templates);
                // The parameters put back into the template give the path.
                let mut again = found.route.template.clone();
                for (name, value) in found.params.iter() {
                    prop_assert!(!value.is_empty());
                    again = again.replace(&format!("{{*{name}}}"), value);
                    if again.contains(&format!("{{{name}}}")) {
                        prop_assert!(!value.contains('/'));
                        again = again.replace(&format!("{{{name}}}"), value);
                    }
                }
                prop_assert_eq!(&again, path);
            }
            Err(miss) => {
                prop_assert_eq!(miss, Miss::NotFound { api: Some(0) });
                prop_assert_eq!(None, expected, "{} among {:?}", path, templates);
            }
        }
    }
    Ok(())
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    let path = proptest::collection::vec("[ab]{1,2}(\\.x|-y)?", 1..5);
    let path = (path, any::<bool>()).prop_map(|(segments, slash)| {
        let slash = if slash { "/" } else { "" };
        format!("/{}{slash}", segments.join("/"))
    });
    proptest::collection::vec(path, 1..20)
}

fn templates(segment: &'static str) -> impl Strategy<Value = Vec<String>> {
    let template =
        (proptest::collection::vec(segment, 0..4), "(|/|/\\{\\*rest\\})").prop_map(|(segments, end)| {
            let names = segments.iter().enumerate();
            // Two parameters of a template have two names.
            let text: String = names
                .map(|(n, segment)| format!("/{}", segment.replace("{p}", &format!("{{p{n}}}"))))
                .collect();
            if text.is_empty() && end.is_empty() { "/".to_owned() } else { text + &end }
        });
    proptest::collection::vec(template, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_matcher_agrees_with_the_naive_one(templates in templates("[ab]{1,2}|\\{p\\}"), paths in paths()) {
        check(templates, &paths)?;
    }

    #[test]
    fn so_it_does_with_text_around_parameters(
        templates in templates("[ab]{1,2}|\\{p\\}|a\\{p\\}|\\{p\\}\\.x|\\{p\\}-y|a\\{p\\}-y"),
        paths in paths(),
    ) {
        check(templates, &paths)?;
    }
}

/// Real route sets, from the folder that `TOLLGATE_VECTORS` names: each route matches itself, and its parameters come
/// back as they were filled in.
#[test]
fn real_route_sets_match_themselves() {
    let Ok(folder) = std::env::var("TOLLGATE_VECTORS") else {
        println!("skipped: TOLLGATE_VECTORS is not set");
        return;
    };
    let text =
        std::fs::read_to_string(format!("{folder}/routes/route-corpora.json")).expect("route-corpora.json");
    let corpora: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    for (name, corpus) in corpora {
        let (mut routes, mut beyond) = (std::collections::BTreeSet::new(), 0);
        let mut shapes = std::collections::HashSet::new();
        for route in corpus["routes"].as_array().unwrap() {
            let (method, path) = (route[0].as_str().unwrap(), route[1].as_str().unwrap());
            // Some are in the style of `/:id` and `/*rest`.
            let braces = path.split('/').map(|segment| match segment.split_at_checked(1) {
                Some((":", name)) => format!("{{{name}}}"),
                Some(("*", name)) => format!("{{*{name}}}"),
                _ => segment.to_owned(),
            });
            let braces = braces.collect::<Vec<_>>().join("/");
            match template(&braces) {
                // Some stand there twice, with other names of parameters.
                Ok(_) => {
                    if shapes.insert((method.to_owned(), shape(&braces))) {
                        routes.insert((method.to_owned(), braces));
                    }
                }
                // `{base}...{head}`: the one thing that templates cannot say.
                Err(why) => {
                    assert!(why.contains("at most one"), "{name}: {braces}: {why}");
                    beyond += 1;
                }
            }
        }
        assert!(
            routes.len() > 10 && beyond <= 1,
            "{name}: {} routes, {beyond} beyond templates",
            routes.len()
        );
        let lines: Vec<String> = routes.iter().map(|(method, path)| format!("{method} {path}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let router = Router::new(plans::plan(&[plans::api(&[], "", &lines)]));
        for (method, source) in &routes {
            let template = template(source).unwrap();
            let value = |n: usize| format!("v%20-{n}");
            let path = template.params.iter().enumerate().fold(template.text, |path, (n, param)| {
                path.replace(&format!("{{{param}}}"), &value(n)).replace(&format!("{{*{param}}}"), &value(n))
            });
            assert_eq!(canonical(&path, Leniency::default()).unwrap(), path);
            let found = router
                .find(&Asked::of("h", method, &path))
                .unwrap_or_else(|miss| panic!("{name}: {path}: {miss:?}"));
            assert_eq!(found.route.name, format!("{method} {source}"), "{name}");
            for (n, param) in template.params.iter().enumerate() {
                assert_eq!(found.params.get(param), Some(&*value(n)), "{name}: {source}");
            }
        }
        println!("{name}: {} routes", routes.len());
    }
}
