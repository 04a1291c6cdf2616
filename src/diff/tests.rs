use super::*;
use crate::config::{Files, compile_files, problem};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Definitions and routes as blocks of text, so that they can be put in any order.
const DEFINITIONS: &[(&str, &[&str])] = &[
    (
        "issuers",
        &[
            "  @people: { issuer: https://people.example, audience: [shop, web], algorithms: [ES256], keys: { jwks: https://people.example/jwks } }",
            "  @others: { issuer: https://others.example, audience: shop, algorithms: [RS256], keys: { jwks: https://others.example/jwks } }",
        ],
    ),
    (
        "limits",
        &[
            "  calm: { rate: 10/s, burst: 20, per: consumer }",
            "  daily: { quota: 1000/day, per: address, unreachable: degrade }",
        ],
    ),
    ("caches", &["  @brief: { ttl: 10s, key: [query.page, consumer] }", "  @long: { ttl: 1h }"]),
    ("cors", &["  @web: { origins: [https://a.example, https://b.example], expose: [x-a, x-b] }"]),
    (
        "upstreams",
        &[
            "  @one: { url: https://one.example }",
            "  @two: { targets: [{ url: https://one.example }, { url: https://two.example, weight: 3 }] }",
        ],
    ),
];

const ROUTES: &[&str] = &[
    "  list: { match: GET /, cache: @brief, upstream: @two, scopes: [\"a:read\", \"b:read\"] }",
    "  get: { match: \"GET /{id}\", rewrite: \"/internal/{id}\", limits: { add: [daily] } }",
    "  put: { match: \"PUT /{id}\", auth: { jwt: @others, claims: { x-tier: tier } }, body: { max: 1KiB } }",
    "  open: { match: \"GET /open/{*rest}\", auth: none, cache: @long, limits: [daily] }",
    "  both: { match: GET /both, combine: { one: { upstream: @one, path: /1 }, two: { upstream: @two, path: /2, required: false } } }",
];

/// The files, blocks in the given order of their hashes, each definition called by its name and `suffix`.
fn files(seed: u64, suffix: &str) -> Files {
    let shuffled = |list: &[&str]| {
        let mut list: Vec<String> = list.iter().map(|line| (*line).to_owned()).collect();
        list.sort_by_key(|line| {
            let mixed = line
                .bytes()
                .fold(seed, |hash, byte| hash.rotate_left(7) ^ u64::from(byte).wrapping_mul(0x9e37_79b9));
            if seed == 0 { 0 } else { mixed }
        });
        list.join("\n")
    };
    let mut gateway = format!("tollgate: 2\n# seed {seed}\n");
    let names: Vec<&str> = DEFINITIONS.iter().map(|(name, _)| *name).collect();
    let order = shuffled(&names);
    for name in order.lines() {
        let (_, entries) = DEFINITIONS.iter().find(|(own, _)| *own == name).unwrap();
        gateway.push_str(&format!("{name}:\n{}\n", shuffled(entries)));
    }
    gateway.push_str("defaults: { auth: { jwt: @people }, limits: [calm], cors: @web, https: true }\n");
    let mut api = format!(
        "routes:\n{}\nbase: /a/v1\nupstream: @one\napi: a\nversion: {{ name: v1 }}\nowner: team\nhosts: [api.example]\ntollgate: 2\n",
        shuffled(ROUTES)
    );
    for text in [&mut gateway, &mut api] {
        // `@name` is the name of a definition.
        let mut parts = text.split('@');
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            out.push_str(&format!("{name}{suffix}{rest}"));
        }
        *text = out;
    }
    Files::new([("routes/gateway.yaml", gateway.as_str()), ("routes/a/v1.yaml", api.as_str())])
}

fn plan(files: &Files) -> Rc<Plan> {
    let compiled =
        compile_files(files, "dev").unwrap_or_else(|problems| panic!("{}", problem::render(&problems)));
    Rc::new(Plan::load(compiled.plan).unwrap())
}

/// What differs after a replacement in the files.
fn after(changes: &[(&str, &str)]) -> Report {
    let before = files(0, "");
    let mut new = before.clone();
    for (from, to) in changes {
        assert!(new.routes.values().any(|text| text.contains(from)), "{from} is not in the files");
        new.routes.values_mut().for_each(|text| *text = text.replace(from, to));
    }
    // https is not enforced in dev.
    compare(&plan(&before), &plan(&new)).unwrap()
}

/// Two files of one API with these routes.
fn between(old: &str, new: &str) -> Report {
    let files = |routes: &str| {
        let head = "tollgate: 2\napi: a\nowner: team\nversion: { name: v1 }\nhosts: [\"{tenant}.example\"]\nbase: /a\nupstream: { url: \"https://o.example\" }\ndefaults: { auth: none }\nroutes:\n";
        Files::new([("routes/gateway.yaml", "tollgate: 2\n"), ("routes/a.yaml", &format!("{head}{routes}"))])
    };
    compare(&plan(&files(old)), &plan(&files(new))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn order_layout_and_names_of_definitions_mean_nothing(seed in 1_u64.., suffix in "[a-z]{0,3}") {
        let report = compare(&plan(&files(0, "")), &plan(&files(seed, &suffix))).unwrap();
        prop_assert!(report.is_empty(), "{report:#?}");
    }
}

/// On this the property above failed once.
#[test]
fn other_names_of_all_definitions_mean_nothing() {
    let report = compare(&plan(&files(0, "")), &plan(&files(1, "a"))).unwrap();
    assert!(report.is_empty(), "{report:#?}");
}

#[test]
fn defaults_written_out_mean_nothing() {
    let report = after(&[
        ("quota: 1000/day, per: address", "quota: 1000/day, per: address, deadline: 500ms"),
        ("key: [query.page, consumer] }", "key: [consumer, query.page], max: 10MiB, override: false }"),
        ("  get: { match", "  get: { timeout: { headers: 15s, total: 30s }, auth: { jwt: people }, match"),
        ("expose: [x-a, x-b]", "max_age: 10m, credentials: false, expose: [x-b, x-a]"),
    ]);
    assert!(report.is_empty(), "{report:#?}");
}

/// The flags of a report: what is said, and of how many things.
fn flags(report: &Report) -> BTreeSet<&'static str> {
    let entries = report.apis.iter().chain(&report.routes);
    let changes = entries.clone().flat_map(|entry| &entry.changes).chain(&report.gateway);
    let looser = changes.filter(|change| change.direction == Direction::Looser).map(|change| change.says);
    let whole = entries.filter(|entry| entry.direction == Direction::Looser).map(|entry| entry.says);
    let moved = report.elsewhere.iter().flat_map(|moved| moved.says.iter().copied());
    looser.chain(whole).chain(moved).filter(|says| !says.is_empty()).collect()
}

#[test]
fn what_gets_looser_is_flagged_and_the_way_back_is_not() {
    for (from, to, flag) in [
        (
            "put: { match: \"PUT /{id}\", auth: { jwt: others, claims: { x-tier: tier } }",
            "put: { match: \"PUT /{id}\", limits: [], auth: none",
            "authentication removed",
        ),
        ("scopes: [\"a:read\", \"b:read\"]", "scopes: [\"a:read\"]", "fewer scopes are asked for"),
        ("jwt: others", "jwt: [others, people]", "another issuer is trusted"),
        ("audience: [shop, web]", "audience: [shop, web, mobile]", "tokens for others are accepted"),
        (
            "https://people.example/jwks",
            "https://peeple.example/jwks",
            "other keys are trusted, or for longer",
        ),
        ("rate: 10/s", "rate: 11/s", "limit raised"),
        ("burst: 20", "burst: 21", "limit raised"),
        ("unreachable: degrade", "unreachable: open", "requests pass when the counter is silent"),
        ("per: address", "per: header.x-key", "limit counts others apart"),
        ("limits: { add: [daily] }", "https: true", "limit removed"),
        ("max: 1KiB", "max: 2KiB", "bound on the body raised"),
        (
            "origins: [https://a.example, ",
            "origins: [https://a.example, https://evil.example, ",
            "more origins are allowed",
        ),
        ("expose: [x-a, x-b]", "expose: [x-a, x-b], credentials: true", "scripts may send credentials"),
        ("key: [query.page, consumer]", "key: [query.page]", "stored answers are shared more widely"),
        (
            "jwt: others, claims",
            "jwt: others, keep_credentials: true, claims",
            "credentials are passed on to the origin",
        ),
        (
            "{ url: https://two.example, weight",
            "{ url: https://three.example, weight",
            "requests go to another origin",
        ),
    ] {
        let report = after(&[(from, to)]);
        assert!(flags(&report).contains(flag), "{from} → {to}: {report:#?}");
        assert!(report.loosened() > 0);
        // Back again, all of it but what goes to another place is tighter.
        let (old, new) = (plan(&files(0, "")), {
            let mut new = files(0, "");
            new.routes.values_mut().for_each(|text| *text = text.replace(from, to));
            plan(&new)
        });
        let back = compare(&new, &old).unwrap();
        let both = [
            "other keys are trusted, or for longer",
            "limit counts others apart",
            "requests go to another origin",
        ];
        assert!(both.contains(&flag) || !flags(&back).contains(flag), "{to} → {from}: {back:#?}");
    }
}

#[test]
fn routes_that_come_go_and_are_renamed_are_told_apart() {
    let report = after(&[
        ("  get: {", "  read: {"),
        (ROUTES[2].replace('@', "").as_str(), "  new: { match: GET /new/thing }"),
    ]);
    let found: Vec<(Kind, &str, Option<&str>)> =
        report.routes.iter().map(|route| (route.kind, route.name.as_str(), route.was.as_deref())).collect();
    assert_eq!(
        found,
        [
            (Kind::Added, "a/v1/new", None),
            (Kind::Renamed, "a/v1/read", Some("a/v1/get")),
            (Kind::Removed, "a/v1/put", None),
        ]
    );
    // Nobody asked for the new one before, and the old one's requests have no other route.
    assert_eq!((report.elsewhere.as_slice(), report.loosened()), (&[][..], 0));
}

/// Requests that go elsewhere, and between which routes.
fn moved(report: &Report) -> Vec<String> {
    let shown = |moved: &Moved| moved.request.as_ref().unwrap().to_string().replace('`', "");
    let said = report.elsewhere.iter();
    said.map(|moved| format!("{}: {} → {}", shown(moved), moved.old, moved.new)).collect()
}

#[test]
fn requests_that_go_elsewhere_are_shown() {
    let report = after(&[
        ("  list:", "  health: { match: GET /health, auth: none, limits: [] }\n  list:"),
        ("GET /both", "POST /both"),
    ]);
    assert_eq!(
        moved(&report),
        [
            "POST https://api.example/a/v1/both: 405 → a/v1/both",
            "GET https://api.example/a/v1/both: a/v1/both → a/v1/get",
            "GET https://api.example/a/v1/health: a/v1/get → a/v1/health",
        ]
    );
    let health = &report.elsewhere[2];
    assert_eq!((health.direction, health.says[0]), (Direction::Looser, "authentication removed"));
    let added = report.routes.iter().find(|route| route.kind == Kind::Added).unwrap();
    assert_eq!((added.direction, added.says), (Direction::Looser, OPEN));
}

/// What fits an expression is found by walking through what both plans match.
#[test]
fn requests_of_regular_expressions_go_elsewhere_too() {
    for (old, new, expected) in [
        // Narrower: what fits no more. Wider: what fits now.
        (
            r#"one: { match: { regex: "/[a-z]+" } }"#,
            r#"one: { match: { regex: "/[b-z]+" } }"#,
            vec!["GET https://x.example/a/a: a/v1/one → a/v1/all"],
        ),
        (
            r#"one: { match: { regex: "/[0-9]{3}" } }"#,
            r#"one: { match: { regex: "/[0-9]{3,4}" } }"#,
            vec!["GET https://x.example/a/0000: a/v1/all → a/v1/one"],
        ),
        // A template takes from an expression what they have in common.
        (
            "one: { match: { regex: \"/v[0-9]/.*\" } }\n  two: { match: \"GET /{x}/{y}/z\" }",
            "one: { match: { regex: \"/v[0-9]/.*\" } }\n  two: { match: \"GET /{x}/{y}\" }",
            vec![
                "GET https://x.example/a/x/x: a/v1/all → a/v1/two",
                "GET https://x.example/a/v0/x: a/v1/one → a/v1/two",
                "GET https://x.example/a/x/x/z: a/v1/two → a/v1/all",
                "GET https://x.example/a/v0/x/z: a/v1/two → a/v1/one",
            ],
        ),
        // Values and methods.
        (
            r#"one: { match: { prefix: /x, headers: { x-a: { regex: "[0-9]+" } } } }"#,
            r#"one: { match: { prefix: /x, headers: { x-a: { regex: "[1-9][0-9]*" } } } }"#,
            vec!["GET https://x.example/a/x/x -H 'x-a: 0': a/v1/one → a/v1/all"],
        ),
        (
            r#"one: { match: { prefix: /x, query: { v: [one, two] } } }"#,
            r#"one: { match: { prefix: /x, query: { v: [two] } } }"#,
            vec!["GET 'https://x.example/a/x/x?v=one': a/v1/one → a/v1/all"],
        ),
        (
            r#"one: { match: { path: /x } }"#,
            r#"one: { match: { path: /x, methods: [GET, POST] } }"#,
            vec!["PUT https://x.example/a/x: a/v1/one → a/v1/all"],
        ),
        // Nothing but another spelling.
        (r#"one: { match: { regex: "/[0-9][0-9]*" } }"#, r#"one: { match: { regex: "/[0-9]+" } }"#, vec![]),
    ] {
        let routes = |own: &str| format!("  all: {{ match: {{ prefix: / }} }}\n  {own}\n");
        let report = between(&routes(old), &routes(new));
        let mut found = moved(&report);
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{old} → {new}");
        assert_eq!(report.undecided, []);
    }
}

/// What is too much to decide is said of both routes, and flagged where the other asks for less.
#[test]
fn what_cannot_be_decided_is_said() {
    let large = |more: &str| format!("{{ match: {{ regex: \"/(?:a|b)*a(?:a|b){{300}}c{more}\" }}");
    let route = |more: &str| format!("  one: {} }}\n", large(more));
    let report = between(&route(""), &route("|/d"));
    assert_eq!(moved(&report), ["GET https://x.example/a/d: 404 → a/v1/one"]);
    let pairs = |report: &Report| -> Vec<(String, String, Direction)> {
        report.undecided.iter().map(|pair| (pair.old.clone(), pair.new.clone(), pair.direction)).collect()
    };
    assert_eq!(pairs(&report), [("a/v1/one".to_owned(), "404".to_owned(), Direction::Tighter)]);
    assert_eq!(report.undecided[0].request, None);
    let text = super::text::text(&[("dev".into(), report)], false);
    assert!(text.contains("  ? cannot decide whether requests go from a/v1/one to 404: "), "{text}");
    // What had a bound on bodies may go to what has none.
    let guarded = |more: &str| {
        format!("  all: {{ match: {{ prefix: / }} }}\n  one: {}, body: {{ max: 1KiB }} }}\n", large(more))
    };
    let report = between(&guarded(""), &guarded("|/d"));
    let pair = ("a/v1/one".to_owned(), "a/v1/all".to_owned(), Direction::Looser);
    assert!(pairs(&report).contains(&pair), "{report:#?}");
    assert!(report.loosened() > 0);
    let text = super::text::text(&[("dev".into(), report)], false);
    let line = "  ? cannot decide whether requests go from a/v1/one to a/v1/all: what these match is too much   !! bound on the body removed\n";
    assert!(text.contains(line), "{text}");
}

/// What is written otherwise, and means the same.
#[test]
fn order_of_values_and_proportional_weights_mean_nothing() {
    let route = |values: &str, weight: u32| {
        format!(
            "  one: {{ match: {{ prefix: /q, headers: {{ x-h: {values} }} }}, upstream: {{ targets: [{{ url: \"https://a.example\", weight: {weight} }}, {{ url: \"https://b.example\", weight: {} }}] }} }}\n",
            weight * 2
        )
    };
    let report = between(&route("[a, b]", 1), &route("[b, a]", 5));
    assert!(report.is_empty(), "{report:#?}");
}

/// Nobody reads the names of parameters: they may change, if all that uses them does.
#[test]
fn names_of_parameters_mean_nothing() {
    let old = "  one: { match: [\"GET /{id}/to/{name}\", { regex: \"/(?P<name>[0-9]+)-(?P<id>[a-z]+)\" }], rewrite: \"/{tenant}/{id}?n={name}\", headers: { request: { set: { x-name: \"{name}\" } } } }\n  go: { match: \"GET /go/{a}/{b}\", redirect: { path: \"/{b}\" } }\n  both: { match: \"GET /both/{k}\", combine: { a: { path: \"/{k}\" } } }\n";
    let new = old
        .replace("{id}", "{key}")
        .replace("<id>", "<key>")
        .replace("{name}", "{id}")
        .replace("<name>", "<id>")
        .replace("{b}", "{c}")
        .replace("{k}", "{l}");
    assert!(between(old, &new).is_empty(), "{:#?}", between(old, &new));
    // The same route under another name, and its rules in another order.
    let renamed = between(old, &new.replace("  go:", "  gone:"));
    assert_eq!((renamed.routes[0].kind, renamed.routes[0].changes.len()), (Kind::Renamed, 0), "{renamed:#?}");
    assert_eq!(renamed.elsewhere, []);
    // Not all that uses them: shown with the names that each side has.
    for (from, to, field, was, is) in [
        (
            "?n={id}",
            "?n={key}",
            "action.Forward.rewrite.Template",
            "/{tenant}/{id}?n={name}",
            "/{tenant}/{key}?n={key}",
        ),
        ("\"/{c}\"", "\"/{a}\"", "action.Redirect.path", "/{b}", "/{a}"),
    ] {
        let report = between(old, &new.replace(from, to));
        let change = &report.routes.iter().find(|route| !route.changes.is_empty()).unwrap().changes[0];
        assert!(change.old.to_string().contains(was) && change.new.to_string().contains(is), "{change:?}");
        assert!(change.field.starts_with(field.split('.').next().unwrap()), "{change:?}");
    }
    // Where they are captured makes a difference.
    let report =
        between(old, &old.replace("/(?P<name>[0-9]+)-(?P<id>[a-z]+)", "/(?P<id>[0-9]+)-(?P<name>[a-z]+)"));
    assert!(!report.is_empty());
    let report = between(
        "  one: { match: \"GET /{id}\", rewrite: \"/{id}\" }\n",
        "  one: { match: [\"GET /{key}\", \"POST /{key}\"], rewrite: \"/{key}\" }\n",
    );
    let text = super::text::text(&[("dev".into(), report)], false);
    assert!(text.contains("      match: with POST /{key}\n"), "{text}");
}

/// A limit's name is read by clients, and its counts are kept under it.
#[test]
fn a_limit_that_is_renamed_begins_anew() {
    let report = after(&[("calm", "quiet")]);
    assert_eq!(report.loosened(), 0);
    let change = &report.routes[0].changes[0];
    assert_eq!((change.old.as_str(), change.new.as_str()), (Some("shared/calm"), Some("shared/quiet")));
    assert_eq!(change.says, "renamed: its counts begin anew");
}

/// No field of a route is forgotten: a new one is put into the table of directions, or here, where nothing is looser.
#[test]
fn every_field_of_a_route_is_judged() {
    let known = BTreeSet::from([
        "action",
        "auth",
        "body",
        "cache",
        "cors",
        "csrf",
        "headers",
        "hsts",
        "https",
        "limits",
        "maintenance",
        "match",
        "members",
        "paths",
        "secrets",
        "timeout",
        "vary",
    ]);
    let view = View::new(&plan(&files(0, ""))).unwrap();
    let found: BTreeSet<&str> = view
        .routes
        .values()
        .flat_map(|route| route.value.as_object().unwrap().keys())
        .map(String::as_str)
        .collect();
    assert_eq!(found, known, "see src/diff/direction.rs");
    // No index is left: they would differ where nothing does.
    let text = format!("{:?}", view.routes);
    assert!(!text.contains("\"upstream\": Number") && !text.contains("\"cors\": Number"), "{text}");
}

#[test]
fn text_says_each_change_once_and_flags_it() {
    let report = after(&[("rate: 10/s", "rate: 20/s"), (ROUTES[2].replace('@', "").as_str(), "")]);
    let text =
        super::text::text(&[("dev".into(), report.clone()), ("prod".into(), Report::default())], false);
    assert!(
        text.contains(
            "team\n  - a/v1/put   routes/a/v1.yaml:4:3   (in dev)\n      api.example/a/v1 PUT /{id}\n"
        ),
        "{text}"
    );
    let line = "      limits.shared/calm.algorithm: Bucket (burst: 20, period: 1000, rate: 10) → Bucket (burst: 20, period: 1000, rate: 20)   !! limit raised\n";
    assert!(text.contains(&format!("  ~ a/v1/both, a/v1/get, a/v1/list   (in dev)\n{line}")), "{text}");
    assert!(
        super::text::text(&[("dev".into(), report)], true)
            .contains("\u{1b}[1;31m   !! limit raised\u{1b}[0m")
    );
}
