use super::*;
use crate::config::{self, Compiled};
use crate::policy::headers::Edit;
use proptest::prelude::*;

const GATEWAY: &str = r#"tollgate:   1  # ours
environments: [dev, staging]
variables:
  plain: { type: string, default: x }
  nel: { type: string, values: { dev: '{"max_age":1}', staging: "{}" } }
defaults:
  auth: none
  headers:
    response:
      set:
        # {kept}
        x-nel: "${nel}"
        report-to: >-   # {folded}
          {"group":"a",
          "max_age":1}
        # {below}
        x-plain: a{b}c
"#;

const API: &str = r#"{ "tollgate": 1 , "api": "a", "owner": "team", "version": { "name": "v1" },
  "upstream": { "url": "https://o.example.com" },
  "routes": {
    "one": { "match": "GET /{id}", "rewrite": "/x/{id}",
      "headers": { "request": { "set": { "x-a": "\u007b\"it's\"}", "x-b": ["1", "$${${plain}}"] }, "add": { "x-c": "é" } } } },
    "two": { "match": "GET /", "respond": { "body": "{}", "headers": { "x-d": "{}" } } }
  }
}
"#;

fn files(gateway: &str, api: &str) -> Files {
    Files::new([("routes/gateway.yaml", gateway), ("routes/a/v1.yaml", api)])
}

/// The files after it, and what it says.
fn migrated(files: &Files) -> (Files, Vec<Migrated>) {
    let done = migrate(files).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut files = files.clone();
    for file in &done {
        files.routes.insert(file.file.clone(), file.text.clone());
    }
    (files, done)
}

fn compiled(files: &Files, environment: &str) -> Compiled {
    config::compile_files(files, environment).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn nothing_changes_but_what_has_to() {
    let old = files(GATEWAY, &API.replace("é", "e"));
    let (new, done) = migrated(&old);
    let expected = GATEWAY
        .replace("tollgate:   1", "tollgate:   2")
        .replace(r#"'{"max_age":1}', staging: "{}""#, r#"'{{"max_age":1}}', staging: "{{}}""#)
        .replace(r#"          {"group""#, r#"          {{"group""#)
        .replace(r#""max_age":1}"#, r#""max_age":1}}"#)
        .replace("}}}'", "}}'")
        .replace("a{b}c", "a{{b}}c");
    assert_eq!(new.routes["routes/gateway.yaml"], expected);
    let (windows, _) = migrated(&files(&GATEWAY.replace('\n', "\r\n"), "tollgate: 2"));
    assert_eq!(windows.routes["routes/gateway.yaml"], expected.replace('\n', "\r\n"));
    let expected = API
        .replace("é", "e")
        .replace("\"tollgate\": 1 ", "\"tollgate\": 2 ")
        .replace(r#""\u007b\"it's\"}""#, r#""\u007b{\"it's\"}}""#)
        .replace("$${${plain}}", "$${{${plain}}}");
    assert_eq!(new.routes["routes/a/v1.yaml"], expected);

    let [api, gateway] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!((api.file.as_str(), api.from, api.to), ("routes/a/v1.yaml", 1, 2));
    let said: Vec<_> = gateway.changes.iter().map(|change| (change.span.line, change.key.as_str())).collect();
    assert_eq!(
        said,
        [
            (5, "variables.nel.values.dev"),
            (5, "variables.nel.values.staging"),
            (14, "defaults.headers.response.set.report-to"),
            (17, "defaults.headers.response.set.x-plain"),
        ]
    );
    assert_eq!(
        (api.changes[0].before.as_str(), api.changes[0].after.as_str()),
        ("{\"it's\"}", "{{\"it's\"}}")
    );

    // It means the same, in all environments, and there is nothing left to do.
    for environment in ["dev", "staging"] {
        let (old, new) = (compiled(&old, environment), compiled(&new, environment));
        assert_eq!(old.hash, new.hash);
        assert_eq!(old.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["old-format"; 2]);
        assert!(new.warnings.is_empty(), "{:?}", new.warnings);
    }
    assert!(migrated(&new).1.is_empty());
}

#[test]
fn files_of_several_formats_stand_side_by_side() {
    let api = API.replace("é", "e");
    let (new, _) = migrated(&files(GATEWAY, &api));
    // Only the API's file is old, and nothing in it stands elsewhere.
    let mixed = files(&new.routes["routes/gateway.yaml"], &api);
    let (again, done) = migrated(&mixed);
    assert_eq!((again.routes, done.len()), (new.routes.clone(), 1));
    assert_eq!(compiled(&mixed, "dev").hash, compiled(&new, "dev").hash);
    // Only the gateway's file is old: nobody's else text is touched.
    let mixed = files(GATEWAY, &new.routes["routes/a/v1.yaml"]);
    assert_eq!(migrated(&mixed).0.routes, new.routes);
}

#[test]
fn a_variable_of_an_old_file_is_rewritten_in_a_new_gateway_file() {
    let gateway =
        "tollgate: 2\ndefaults: { auth: none }\nvariables: { v: { type: string, default: '{}' } }\n";
    let api = "tollgate: 1\napi: a\nowner: t\nversion: { name: v1 }\nupstream: { url: https://o.example.com }\n\
               routes: { r: { match: GET /, headers: { response: { set: { x-a: \"a${v}\" } } } } }\n";
    let old = files(gateway, api);
    let (new, done) = migrated(&old);
    assert_eq!(done.iter().map(|file| (file.from, file.changes.len())).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
    assert_eq!(new.routes["routes/gateway.yaml"], gateway.replace("{}", "{{}}"));
    assert_eq!(compiled(&old, "dev").hash, compiled(&new, "dev").hash);
}

/// Code, file, line and message of what stands in the way.
fn refused(gateway: &str, api: &str) -> Vec<(&'static str, String, u32, String)> {
    let problems = migrate(&files(gateway, api)).unwrap_err();
    problems.into_iter().map(|p| (p.code, p.file, p.span.line, p.message)).collect()
}

#[test]
fn what_cannot_be_rewritten_is_shown_at_its_place() {
    let of = |problems: Vec<(&'static str, String, u32, String)>| {
        problems.into_iter().map(|(code, file, line, _)| (code, file, line)).collect::<Vec<_>>()
    };
    let api = "routes/a/v1.yaml".to_owned();
    assert_eq!(of(refused("tollgate: 1\n", "tollgate: 3\napi: a\n")), [("out-of-range", api.clone(), 1)]);
    assert_eq!(of(refused("tollgate: 1\n", "api: a\n")), [("missing-key", api.clone(), 1)]);
    assert_eq!(of(refused("tollgate: 1\n", "tollgate: x\n")), [("wrong-type", api.clone(), 1)]);
    assert_eq!(of(refused("tollgate: 1\n", "tollgate: 1\na: [\n")), [("syntax", api.clone(), 2)]);
    // An anchor carries the text to where it means itself.
    let shared = "tollgate: 1\nroutes:\n  r:\n    respond: { body: &b '{}' }\n    headers: { response: { set: { x-a: *b } } }\n";
    assert_eq!(of(refused("tollgate: 1\n", shared)), [("not-migrated", api.clone(), 4)]);
    // So does a variable.
    let gateway = "tollgate: 1\nvariables: { v: { default: '{}' } }\n";
    let used = "tollgate: 1\nroutes:\n  r:\n    headers: { response: { set: { x-a: '${v}' } } }\n    respond: { body: '${v}' }\n";
    let problems = refused(gateway, used);
    assert!(
        problems[0].3.starts_with("the variable `v` holds what format 2 writes otherwise"),
        "{problems:?}"
    );
    assert_eq!(of(problems), [("not-migrated", api, 5)]);
    // Where it stands nowhere else, or in nothing that the step concerns, it is no matter.
    assert!(migrate(&files(gateway, &used.replace("'${v}' }\n", "x }\n"))).is_ok());
    let (_, done) = migrated(&files(gateway, &used.replace("x-a: '${v}'", "x-a: a")));
    assert!(done.iter().all(|file| file.changes.is_empty()));
}

#[test]
fn an_anchor_among_values_is_rewritten_once() {
    let api = "tollgate: 1\nroutes:\n  r: { headers: &h { response: { set: { x-a: &v '{}', x-b: *v } } } }\n  s: { headers: *h }\n";
    let (new, done) = migrated(&files("tollgate: 2\n", api));
    assert_eq!(new.routes["routes/a/v1.yaml"], api.replace(": 1", ": 2").replace("{}", "{{}}"));
    assert_eq!(done[0].changes.len(), 1);
}

/// Parts of a value: as they are written, and what they come to.
fn part() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        "[{}a-c*;=,]{1,6}".prop_map(|text| (text.clone(), text)),
        "[!-~]{1,4}"
            .prop_filter("no dollar", |text| !text.contains('$'))
            .prop_map(|text| (text.clone(), text)),
        Just(("$${".to_owned(), "${".to_owned())),
        Just(("${word}".to_owned(), "w".to_owned())),
        Just(("${json}".to_owned(), "{\"a\":[{}]}".to_owned())),
        Just(("{id}".to_owned(), "{id}".to_owned())),
        Just((" ".to_owned(), " ".to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// What a value means in format 1, which is itself, it means once it is migrated.
    #[test]
    fn a_value_means_the_same_in_the_next_format(
        values in prop::collection::vec((prop::collection::vec(part(), 1..5), 0..3_u8), 6)
    ) {
        let (mut written, mut meant) = (Vec::new(), Vec::new());
        for (parts, style) in &values {
            let raw: String = parts.iter().map(|(raw, _)| raw.as_str()).collect();
            let text: String = parts.iter().map(|(_, text)| text.as_str()).collect();
            // A field value begins and ends visibly.
            let (raw, text) = (format!("<{raw}>"), format!("<{text}>"));
            written.push(match style {
                0 => format!("'{}'", raw.replace('\'', "''")),
                1 => format!("\"{}\"", raw.replace('\\', "\\\\").replace('"', "\\\"")),
                _ => format!("\"{}\"", raw.chars().map(|c| format!("\\x{:02x}", u32::from(c))).collect::<String>()),
            });
            meant.push(text);
        }
        let [a, b, c, d, e, f] = written.as_slice() else { panic!() };
        let gateway = format!(
            "tollgate: 1\nenvironments: [dev]\nvariables:\n  word: {{ type: string, default: w }}\n  \
             json: {{ type: string, default: '{{\"a\":[{{}}]}}' }}\ndefaults:\n  auth: none\n  headers:\n    response:\n      \
             set:\n        x-a: {a}\n"
        );
        let api = format!(
            "tollgate: 1\napi: a\nowner: t\nversion: {{ name: v1 }}\nupstream: {{ url: https://o.example.com }}\n\
             routes:\n  r:\n    match: GET /{{id}}\n    mirror: [{{ upstream: {{ url: https://m.example.com }}, headers: {{ set: {{ x-f: {f} }} }} }}]\n    \
             headers:\n      add:\n        response: {{ set: {{ x-b: {b} }} }}\n        \
             request: {{ set: {{ x-c: [{c}, {d}] }} }}\n    backends:\n      main:\n        headers: {{ response: {{ add: {{ x-e: {e} }} }} }}\n"
        );
        let old = files(&gateway, &api);
        let before = compiled(&old, "dev");
        let route = &before.routes[0];
        let value = |edit: &Edit| edit.value().unwrap_or_default().to_owned();
        let mut edits: Vec<String> = route.headers.response.iter().map(value).collect();
        edits.extend(route.headers.request.iter().map(value));
        let crate::plan::Action::Forward(forward) = &route.action else { panic!() };
        let backend = &forward.split.as_ref().unwrap().backends[0];
        edits.extend(backend.headers.response.iter().map(value));
        edits.extend(forward.mirrors[0].headers.request.iter().map(value));
        prop_assert_eq!(&edits, &meant);
        prop_assert!(route.headers.fills.is_empty());

        let (new, _) = migrated(&old);
        let after = compiled(&new, "dev");
        prop_assert_eq!(after.plan, before.plan);
        prop_assert!(after.warnings.iter().all(|warning| warning.code == "unused"));
        prop_assert!(migrated(&new).1.is_empty());
    }
}
