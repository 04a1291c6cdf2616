use crate::config::{Files, compile_files, problem};
use crate::diff::{Direction, Kind, Moved, Report, compare};
use crate::plan::Plan;
use crate::routing::{Asked, Facts, Router};
use proptest::prelude::*;
use proptest::sample::select;
use std::borrow::Cow;
use std::rc::Rc;

const GATEWAY: &str = "tollgate: 2\nowner: p\nissuers: { me: { issuer: \"https://me.example\", audience: x, algorithms: [ES256], keys: { jwks: \"https://me.example/jwks\" } } }\nupstreams: { a: { url: \"https://a.example\" } }\n";
const API: &str = "tollgate: 2\napi: x\nowner: t1\nhosts: [a.test]\nupstream: a\nbase: /x\n";
const V1: &str = "version: { name: v1 }\n";

/// A plan of one or more files, each without what all have.
fn plan(files: &[String]) -> Result<Rc<Plan>, String> {
    let mut texts = vec![("routes/gateway.yaml".to_owned(), GATEWAY.to_owned())];
    texts.extend((0..).zip(files).map(|(n, text)| (format!("routes/x{n}.yaml"), format!("{API}{text}"))));
    let files = Files::new(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let compiled = compile_files(&files, "dev").map_err(|problems| problem::render(&problems))?;
    Ok(Rc::new(Plan::load(compiled.plan).unwrap()))
}

/// What is between two files with these settings and routes, each `settings | routes`.
fn between(old: &[String], new: &[String]) -> Report {
    let plan = |files| plan(files).unwrap_or_else(|problems| panic!("{problems}"));
    compare(&plan(old), &plan(new)).unwrap()
}

fn one(settings: &str, routes: &[String]) -> Vec<String> {
    let routes: String = routes.iter().map(|route| format!("  {route}\n")).collect();
    vec![format!("{V1}defaults: {{ auth: none }}\n{settings}routes:\n{routes}")]
}

/// Whether a report flags requests from one route to another for having lost authentication.
fn flags(report: &Report, old: &str, new: &str) -> bool {
    let fits = |moved: &&Moved| moved.old == old && moved.new == new;
    let found = report.elsewhere.iter().chain(&report.undecided).find(fits);
    found.is_some_and(|moved| moved.direction == Direction::Looser) && report.loosened() > 0
}

/// Ways in which requests of a protected route come to an open one.
#[test]
fn requests_that_lose_their_protection_are_flagged() {
    let open = |rule: &str| format!("a: {{ match: {rule} }}");
    let safe = |rule: &str| format!("b: {{ match: {rule}, auth: {{ jwt: me }} }}");
    let first = |route: String| format!("{}, priority: 1 }}", route.strip_suffix(" }").unwrap());
    let all = || open("{ prefix: / }");
    for (old, new) in [
        // Nothing of it is left, or not all.
        (Some(r#"{ regex: "/adm[0-9]+" }"#), None),
        (Some(r#"{ regex: "/adm[0-9]+" }"#), Some(r#"{ regex: "/adm[0-4]+" }"#)),
        (Some("{ path: /q }"), Some("{ path: /q, methods: [GET] }")),
        (Some("{ path: /q }"), Some("{ path: /q, methods: [PUT] }")),
        (Some("{ path: /q }"), Some("{ path: /q, methods: [GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS] }")),
        (Some("{ path: /q, methods: [GET, POST] }"), Some("{ path: /q, methods: [GET] }")),
        (Some("{ path: /q, methods: [GET, POST] }"), Some("{ path: /q, methods: [POST] }")),
        (Some("{ prefix: /q }"), Some("{ prefix: /q, headers: { x-h: true } }")),
        (Some("{ prefix: /q }"), Some("{ prefix: /q, headers: { x-h: false } }")),
        (Some("{ prefix: /q }"), Some("{ prefix: /q, query: { z: false } }")),
        (Some("{ prefix: /q }"), Some("{ prefix: /q, certificate: false }")),
        (Some("{ prefix: /q }"), Some("{ prefix: /q, certificate: true }")),
        (Some("{ prefix: /q, headers: { x-h: [a, b] } }"), Some("{ prefix: /q, headers: { x-h: [a] } }")),
        (Some("{ prefix: /q, headers: { x-h: [a, b] } }"), Some("{ prefix: /q, headers: { x-h: [b] } }")),
        (Some(r#"{ prefix: /q, headers: { x-h: { regex: "v[0-9]+" } } }"#), None),
        (
            Some(r#"{ prefix: /q, headers: { x-h: { regex: "v[0-9]+" } } }"#),
            Some(r#"{ prefix: /q, headers: { x-h: { regex: "v[0-4]+" } } }"#),
        ),
        (
            Some("{ prefix: /q, cookies: { s: true } }"),
            Some(r#"{ prefix: /q, cookies: { s: { regex: "[a-f]+" } } }"#),
        ),
        (Some("{ prefix: /q }"), Some("{ prefix: /q/q }")),
        (Some("\"GET /{id}\""), Some("\"GET /{id}.json\"")),
    ] {
        let with = |own: Option<&str>| {
            one("", &[Some(all()), own.map(safe)].into_iter().flatten().collect::<Vec<_>>())
        };
        let report = between(&with(old), &with(new));
        assert!(flags(&report, "x/v1/b", "x/v1/a"), "{old:?} → {new:?}: {report:#?}");
        assert_eq!(report.undecided, [], "{old:?} → {new:?}");
    }
    for (old, new, was, is) in [
        // Both forms of a path, and HEAD.
        (
            one("matching: { trailing_slash: ignored }\n", &[all(), safe("GET /a")]),
            one("", &[all(), safe("GET /a")]),
            "b",
            "a",
        ),
        (
            one("", &[all(), safe("GET /a")]),
            one("matching: { head: false }\n", &[all(), safe("GET /a")]),
            "b",
            "a",
        ),
        // A request that both fit.
        (
            one(
                "",
                &[
                    open("{ prefix: /, headers: { x-a: true } }"),
                    first(safe("{ prefix: /, headers: { x-b: true } }")),
                ],
            ),
            one(
                "",
                &[
                    first(open("{ prefix: /, headers: { x-a: true } }")),
                    safe("{ prefix: /, headers: { x-b: true } }"),
                ],
            ),
            "b",
            "a",
        ),
        // What is new takes from what was safe.
        (
            one("", &[safe("{ prefix: / }")]),
            one("", &[safe("{ prefix: / }"), open(r#"{ regex: "/q[0-9]{3}" }"#)]),
            "b",
            "a",
        ),
        (
            one("", &[safe("{ prefix: / }")]),
            one(
                "",
                &[safe("{ prefix: / }"), open(r#"{ prefix: /, headers: { x-h: { regex: "v[0-9]+" } } }"#)],
            ),
            "b",
            "a",
        ),
        (
            one("", &[safe("{ prefix: / }"), open("GET /a")]),
            one("", &[safe("{ prefix: / }"), open("ANY /a")]),
            "b",
            "a",
        ),
        // Others stand before, each with a value of the same field.
        (
            one(
                "",
                &[
                    all(),
                    safe("{ prefix: /q }"),
                    r#"c: { match: { prefix: /q, headers: { x-h: [x, a] } } }"#.into(),
                    r#"d: { match: { prefix: /q, headers: { x-h: { regex: "x[0-9]*" } } }, priority: 1 }"#
                        .into(),
                ],
            ),
            one(
                "",
                &[
                    all(),
                    safe("{ prefix: /q, headers: { x-h: false } }"),
                    r#"c: { match: { prefix: /q, headers: { x-h: [x, a] } } }"#.into(),
                    r#"d: { match: { prefix: /q, headers: { x-h: { regex: "x[0-9]*" } } }, priority: 1 }"#
                        .into(),
                ],
            ),
            "b",
            "a",
        ),
    ] {
        let report = between(&old, &new);
        assert!(
            flags(&report, &format!("x/v1/{was}"), &format!("x/v1/{is}")),
            "{old:?} → {new:?}: {report:#?}"
        );
        assert_eq!(report.undecided, [], "{old:?} → {new:?}");
    }
    // Nobody answered, and now anybody may ask.
    let report = between(&one("", &[open("GET /a")]), &one("", &[open("ANY /a")]));
    assert!(flags(&report, "405", "x/v1/a"), "{report:#?}");
    // A version's value that moves to another.
    let versions = |own: &str, other: &str| {
        vec![
            format!(
                "version: {{ name: v1, from: {{ header: api-version }}, values: [{own}], default: true }}\nroutes:\n  b: {{ match: {{ prefix: / }}, auth: {{ jwt: me }} }}\n"
            ),
            format!(
                "version: {{ name: v2, from: {{ header: api-version }}, values: [{other}] }}\nroutes:\n  a: {{ match: {{ prefix: / }}, auth: none }}\n"
            ),
        ]
    };
    let report = between(&versions("v1, y", "v2"), &versions("v1", "v2, y"));
    assert!(flags(&report, "x/v1/b", "x/v2/a"), "{report:#?}");
}

/// A request that looks at one field and the query.
struct Request {
    method: &'static str,
    path: &'static str,
    field: Option<&'static str>,
    query: Option<&'static str>,
}

impl Facts for Request {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.field.filter(|_| name == "x-h").map(Cow::Borrowed)
    }

    fn certificate(&self) -> bool {
        false
    }
}

impl Request {
    fn all() -> Vec<Request> {
        let mut all = Vec::new();
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
            for path in ["/x", "/x/", "/x/q", "/x/q/", "/x/q1", "/x/a", "/x/q/q1", "/x/1/q"] {
                for field in [None, Some("1"), Some("2"), Some("3"), Some("33"), Some("x")] {
                    let queries = [None, Some("z=1"), Some("z=2"), Some("z=x")];
                    all.extend(queries.map(|query| Request { method, path, field, query }));
                }
            }
        }
        all
    }

    /// The route that answers, by name.
    fn answer(&self, router: &Router) -> Option<String> {
        let Request { method, path, query, .. } = self;
        let asked = Asked { method, host: "a.test", path, query: *query, facts: Some(self) };
        router.find(&asked).ok().map(|found| format!("x/v1/{}", found.route.name))
    }
}

/// A route but for its name and priority.
fn route() -> impl Strategy<Value = String> {
    let path = select(vec![
        "prefix: /",
        "prefix: /q",
        "path: /q",
        "path: \"/{p}\"",
        "path: \"/q{p}\"",
        "path: /q/",
        "path: \"/{p}/q\"",
        "regex: \"/q[0-9]?\"",
        "regex: \"/[a-q]+\"",
        "regex: \"/.*q.*\"",
    ]);
    let methods = select(vec!["", "", "[GET]", "[POST]", "[GET, HEAD]", "[HEAD]", "[GET, POST]"]);
    let test = || {
        select(vec![
            "",
            "",
            "",
            "true",
            "false",
            "\"1\"",
            "[\"1\", \"2\"]",
            "[\"3\", x]",
            "{ regex: \"[0-9]+\" }",
            "{ regex: \"[1-2]|3+\" }",
        ])
    };
    (path, methods, test(), test(), any::<bool>()).prop_map(|(path, methods, field, query, open)| {
        let mut rule = path.to_owned();
        for (name, text) in [
            ("methods", methods.to_owned()),
            ("headers", if field.is_empty() { String::new() } else { format!("{{ x-h: {field} }}") }),
            ("query", if query.is_empty() { String::new() } else { format!("{{ z: {query} }}") }),
        ] {
            if !text.is_empty() {
                rule.push_str(&format!(", {name}: {text}"));
            }
        }
        let auth = if open { "none" } else { "{ jwt: me }" };
        format!("match: {{ {rule} }}, auth: {auth}")
    })
}

/// Routes, or none in their place; each has a priority of its own.
fn routes(all: &[Option<String>], turned: bool) -> Vec<String> {
    let priority = |n: usize| if turned { all.len() - n } else { n };
    let named = all.iter().enumerate().filter_map(|(n, route)| Some((n, route.as_ref()?)));
    named.map(|(n, route)| format!("r{n}: {{ {route}, priority: {} }}", priority(n))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever request of a small alphabet comes from a protected route, or from none, to one that is open, is flagged.
    #[test]
    fn exhaustive_search_finds_no_more(
        old in prop::collection::vec(prop::option::weighted(0.8, route()), 2..5),
        changed in prop::collection::vec((0..5_usize, prop::option::weighted(0.7, route())), 0..3),
        slash in select(vec!["", "", "matching: { trailing_slash: ignored }\n"]),
        slash_after in select(vec!["", "", "matching: { trailing_slash: ignored }\n"]),
        turned in prop::bool::weighted(0.2),
    ) {
        let mut new = old.clone();
        for (at, route) in changed {
            let at = at % new.len();
            new[at] = route;
        }
        let sides = [(slash, &old, false), (slash_after, &new, turned)];
        let plans = sides.map(|(settings, all, turned)| plan(&one(settings, &routes(all, turned))));
        let [Ok(before), Ok(after)] = plans else { return Err(TestCaseError::reject("mistakes")) };
        let report = compare(&before, &after).unwrap();
        prop_assert_eq!(&report.undecided, &[]);
        let open = |all: &[Option<String>], name: &str| {
            let at: usize = name.strip_prefix("x/v1/r").unwrap().parse().unwrap();
            all[at].as_ref().unwrap().ends_with("none")
        };
        let (one, two) = (Router::new(Rc::clone(&before)), Router::new(Rc::clone(&after)));
        for request in Request::all() {
            let (was, is) = (request.answer(&one), request.answer(&two));
            let Some(is) = is.filter(|is| Some(is) != was.as_ref() && open(&new, is)) else { continue };
            let said = |entry: &crate::diff::Entry| match entry.kind {
                // Whatever it takes from nobody is its own.
                Kind::Added => was.is_none() && entry.name == is && entry.direction == Direction::Looser,
                Kind::Renamed => entry.name == is && entry.was == was,
                _ => false,
            };
            if report.routes.iter().any(said) || was.as_ref().is_some_and(|was| open(&old, was)) {
                continue;
            }
            let flagged = match &was {
                Some(was) => flags(&report, was, &is),
                None => flags(&report, "404", &is) || flags(&report, "405", &is),
            };
            prop_assert!(flagged, "{} {} {:?} {:?}: {:?} → {}: {:#?}", request.method, request.path, request.field, request.query, was, is, report);
        }
    }
}
