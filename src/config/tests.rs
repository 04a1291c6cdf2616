use super::*;
use crate::cache::KeyPart;
use crate::limit::{Algorithm, Per, Period, Unreachable};
use crate::plan::Action;
use crate::policy::headers::Edit;
use crate::policy::https::Https;
use crate::policy::timeout::Timeout;
use proptest::prelude::*;

const GATEWAY: &str = r#"
tollgate: 2
environments: [dev, production]
variables:
  hosts: { type: host, values: { dev: "*", production: API.example.com } }
  burst: { type: integer, values: { dev: 5, production: 50 } }
  origin: { type: url, default: https://o.example.com }
issuers:
  customers:
    issuer: https://login.example.com
    audience: shop
    algorithms: [ES256]
    types: [application/AT+JWT]
    keys: { jwks: https://login.example.com/jwks, ttl: 5m }
limits:
  checkout: { rate: 20/s, burst: "${burst}" }
  monthly: { quota: 1000/month, per: claim.tenant }
upstreams:
  o: { url: "${origin}/api/" }
defaults:
  auth: { jwt: customers }
  https: true
  limits: [checkout]
  scopes: [base]
  timeout: { headers: 1s, total: 2s }
  headers: { response: { set: { X-A: a } } }
"#;

const API: &str = r#"
tollgate: 2
api: orders
owner: team
version: { name: v2 }
hosts: ["${hosts}"]
base: /orders/v2/
upstream: { targets: [{ url: "${origin}" }, { url: https://p.example.com, weight: 3 }, { via: "binding:ORDERS_2" }, { url: https://q.example.com, weight: 0 }] }
limits:
  checkout: { sliding: 7/min, per: header.X-Tenant, unreachable: open, deadline: 1s }
defaults:
  timeout: { total: 500ms }
  headers: { add: { response: { set: { X-B: b } } } }
routes:
  zebra: { match: GET|POST / }
  added: { match: "GET /{id}", limits: { add: [checkout, shared/monthly] }, scopes: { add: [own] }, headers: { add: { response: { remove: [x-c] } } } }
  replaced: { match: "PUT /{id}", limits: [monthly], scopes: { any: [a, b] }, headers: { request: { add: { x-d: "$${{burst}}${burst}" } } }, timeout: { headers: 20s } }
  open: { match: "ANY /open/{*rest}", auth: none, limits: [], upstream: o, rewrite: "/in/{*rest}?id={rest}", cache: { ttl: 1m, key: [query.page, header.Accept] }, https: false }
"#;

fn compiled(environment: &str) -> Compiled {
    let files = Files::new([("routes/gateway.yaml", GATEWAY), ("routes/orders/v2.yaml", API)]);
    compile_files(&files, environment).unwrap_or_else(|problems| panic!("{}", problem::render(&problems)))
}

fn route<'c>(compiled: &'c Compiled, name: &str) -> &'c Route {
    compiled.routes.iter().find(|route| route.name == name).unwrap()
}

fn limits(compiled: &Compiled, name: &str) -> Vec<String> {
    let index = |i: &u32| compiled.shared.limits[usize::try_from(*i).unwrap()].id.clone();
    route(compiled, name).limits.iter().map(index).collect()
}

#[test]
fn routes_keep_their_order() {
    let compiled = compiled("dev");
    let names: Vec<&str> = compiled.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["zebra", "added", "replaced", "open"]);
    let lines: Vec<String> = compiled.rules[0]
        .iter()
        .map(|rule| format!("{} {:?} {}", rule.route, rule.methods, rule.path))
        .collect();
    assert_eq!(
        lines,
        [r#"0 ["GET", "POST"] /"#, r#"1 ["GET"] /{id}"#, r#"2 ["PUT"] /{id}"#, "3 [] /open/{*rest}",]
    );
    assert_eq!(compiled.shared.apis[0].base, "/orders/v2");
    assert_eq!(route(&compiled, "added").template, "/orders/v2/{id}");
    assert_eq!(compiled.shared.files, ["routes/gateway.yaml", "routes/orders/v2.yaml"]);
    assert_eq!((route(&compiled, "zebra").source.line, route(&compiled, "zebra").source.column), (15, 3));
}

#[test]
fn a_key_replaces_and_a_list_grows_by_add() {
    let compiled = compiled("dev");
    // A bare name means the file's before gateway.yaml's; in gateway.yaml's defaults it means gateway.yaml's.
    assert_eq!(limits(&compiled, "zebra"), ["shared/checkout"]);
    assert_eq!(limits(&compiled, "added"), ["shared/checkout", "orders/v2/checkout", "shared/monthly"]);
    assert_eq!(limits(&compiled, "replaced"), ["shared/monthly"]);
    assert!(limits(&compiled, "open").is_empty());

    let auth = |name: &str| route(&compiled, name).auth.clone();
    assert_eq!(
        auth("added").map(|auth| (auth.scopes, auth.any)),
        Some((vec!["base".into(), "own".into()], false))
    );
    assert_eq!(
        auth("replaced").map(|auth| (auth.scopes, auth.any)),
        Some((vec!["a".into(), "b".into()], true))
    );
    assert_eq!(auth("open"), None);

    // `timeout` of the file replaces the gateway's as a whole: `headers` is not 1s.
    assert_eq!(route(&compiled, "zebra").timeout, Timeout { headers: 500, total: 500 });
    assert_eq!(route(&compiled, "replaced").timeout, Timeout { headers: 20_000, total: 30_000 });

    let set = |name: &'static str, value: &'static str| Edit::Set(name.into(), value.into());
    let response = |name: &str| route(&compiled, name).headers.response.clone();
    assert_eq!(response("zebra"), [set("x-a", "a"), set("x-b", "b")]);
    assert_eq!(response("added"), [set("x-a", "a"), set("x-b", "b"), Edit::Remove("x-c".into())]);
    assert!(response("replaced").is_empty());
}

#[test]
fn values_follow_the_environment() {
    let (dev, production) = (compiled("dev"), compiled("production"));
    assert!(dev.shared.apis[0].hosts.is_empty());
    assert_eq!(production.shared.apis[0].hosts, ["api.example.com"]);
    let burst = |compiled: &Compiled| compiled.shared.limits[0].algorithm;
    assert_eq!(burst(&dev), Algorithm::Bucket { rate: 20, period: 1000, burst: 5 });
    assert_eq!(burst(&production), Algorithm::Bucket { rate: 20, period: 1000, burst: 50 });
    let added = |compiled: &Compiled| route(compiled, "replaced").headers.request.clone();
    assert_eq!(added(&production), [Edit::Add("x-d".into(), "${burst}50".into())]);
    // HTTPS is not enforced in dev, and an exception stays one elsewhere.
    let https = |compiled: &Compiled, name: &str| route(compiled, name).https;
    assert_eq!(https(&dev, "zebra"), Https::Optional);
    assert_eq!(https(&production, "zebra"), Https::Required);
    assert_eq!(https(&production, "open"), Https::Optional);
    assert_ne!(dev.hash, production.hash);
    assert_eq!(dev.hash, compiled("dev").hash);
}

#[test]
fn definitions_have_their_defaults() {
    let compiled = compiled("dev");
    let [checkout, monthly, own] = compiled.shared.limits.as_slice() else { panic!() };
    assert_eq!(
        (&checkout.per, checkout.unreachable, checkout.deadline),
        (&Per::Consumer, Unreachable::Degrade, 500)
    );
    assert_eq!(monthly.algorithm, Algorithm::Quota { limit: 1000, period: Period::Month });
    assert_eq!((&monthly.per, monthly.unreachable), (&Per::Claim("tenant".into()), Unreachable::Closed));
    assert_eq!(own.algorithm, Algorithm::Sliding { limit: 7, window: 60_000 });
    assert_eq!(
        (&own.per, own.unreachable, own.deadline),
        (&Per::Header("x-tenant".into()), Unreachable::Open, 1000)
    );

    let issuer = &compiled.shared.issuers[0];
    assert_eq!(
        (issuer.id.as_str(), issuer.leeway, issuer.types.as_slice()),
        ("customers", 30, &["at+jwt".to_owned()][..])
    );
    assert_eq!((issuer.scope_claim.as_str(), issuer.consumer_claim.as_str()), ("scope", "sub"));
    let jwks = crate::token::Keys::Jwks {
        url: "https://login.example.com/jwks".into(),
        ttl: 300,
        interval: 30,
        max_stale: 86_400,
    };
    assert_eq!(issuer.keys, jwks);
}

#[test]
fn targets_and_failover() {
    let compiled = compiled("dev");
    let Action::Forward(forward) = &route(&compiled, "zebra").action else { panic!() };
    let upstream = &compiled.shared.upstreams[usize::try_from(forward.upstream).unwrap()];
    let targets: Vec<_> =
        upstream.targets.iter().map(|t| (t.url.as_str(), t.via.as_deref(), t.weight)).collect();
    let expected = [
        ("https://o.example.com", None, 1),
        ("https://p.example.com", None, 3),
        ("https://orders-2.internal", Some("ORDERS_2"), 1),
        ("https://q.example.com", None, 0),
    ];
    assert_eq!(targets, expected);
    assert_eq!((upstream.id.as_str(), forward.failover), ("orders/v2", 2));
    let Action::Forward(forward) = &route(&compiled, "open").action else { panic!() };
    let upstream = &compiled.shared.upstreams[usize::try_from(forward.upstream).unwrap()];
    assert_eq!((upstream.targets[0].url.as_str(), forward.failover), ("https://o.example.com/api", 0));
    let rule = route(&compiled, "open").cache.clone().unwrap();
    assert_eq!(rule.key, [KeyPart::Query("page".into()), KeyPart::Header("accept".into())]);
    assert_eq!((rule.ttl, rule.max_bytes), (Some(60_000), 10 << 20));
}

#[test]
fn json_means_the_same_as_yaml() {
    let yaml = "tollgate: 2\napi: a\nowner: t\nversion: {name: v1}\ndefaults: {auth: none}\nupstream: {url: https://o.example}\nroutes: {one: {match: GET /}}\n";
    let json = r#"{"tollgate": 2, "api": "a", "owner": "t", "version": {"name": "v1"},
	"defaults": {"auth": "none"}, "upstream": {"url": "https://o.example"}, "routes": {"one": {"match": "GET /"}}}"#;
    let gateway = ("routes/gateway.yaml", "tollgate: 2");
    let mut plans = [("routes/a.yaml", yaml), ("routes/a.json", json)].map(|file| {
        let mut compiled = compile_files(&Files::new([gateway, file]), "dev").unwrap();
        // Only the places differ.
        compiled.shared.apis[0].source = crate::plan::Source::default();
        compiled.routes[0].source = crate::plan::Source::default();
        compiled.shared.files.clear();
        (compiled.shared, compiled.rules, compiled.routes)
    });
    let [first, second] = &mut plans;
    assert_eq!(first, second);
}

#[test]
fn problems_are_the_same_in_json() {
    let files = Files::new([("routes/gateway.yaml", "tollgate: 2\nlimit: {}\n")]);
    let (_, problems) = check(&files, None, false);
    let json = serde_json::to_value(&problems).unwrap();
    let expected = serde_json::json!([{
        "severity": "error", "code": "unknown-key", "file": "routes/gateway.yaml",
        "line": 2, "column": 1, "length": 5,
        "message": "unknown key `limit`", "help": "did you mean `limits`?", "environments": [], "owner": "",
    }]);
    assert_eq!(json, expected);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let files = Files::new([("routes/gateway.yaml", "tollgate: 2\n\"\\e[2Jx\": 1\nname: \"a\\e[2J\"\n")]);
    let text = problem::render(&check(&files, None, false).1);
    assert!(text.contains("unknown key") && !text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_thousand_routes_compile() {
    let mut api = API.split("routes:").next().unwrap().to_owned();
    api.push_str("routes:\n");
    for i in 0..1000 {
        api.push_str(&format!("  r{i}: {{ match: \"GET /r{i}/{{id}}\" }}\n"));
    }
    // The names that only the other routes used are unused now: warnings.
    let compiled = compile_files(
        &Files::new([("routes/gateway.yaml", GATEWAY), ("routes/orders/v2.yaml", &api)]),
        "dev",
    )
    .unwrap();
    assert_eq!((compiled.routes.len(), compiled.rules[0].len()), (1000, 1000));
}

/// What `dev` says of GATEWAY and API after such edits: code, file, line and message of each problem.
fn said(edits: &[(&str, &str)]) -> Vec<(&'static str, String, u32, String)> {
    let edit = |text: &str| edits.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let (gateway, api) = (edit(GATEWAY), edit(API));
    let files = Files::new([("routes/gateway.yaml", gateway.as_str()), ("routes/orders/v2.yaml", &api)]);
    let (_, problems) = check(&files, Some("dev"), false);
    problems.into_iter().map(|p| (p.code, p.file, p.span.line, p.message)).collect()
}

// Found by the property below. What has no value is said where it is declared; a file that uses it is not read as if
// it said nothing there.
#[test]
fn a_file_with_a_variable_without_a_value_is_not_read_further() {
    let unset = |line, name: &str| {
        let message = format!("the variable `{name}` has no value in the environment `dev`");
        ("unset-variable", "routes/gateway.yaml".to_owned(), line, message)
    };
    let key = |line, name: &str| {
        ("unknown-key", "routes/gateway.yaml".to_owned(), line, format!("unknown key `{name}`"))
    };
    // In a list of texts.
    let edits = [("type: host, values", "type: host,none values")];
    assert_eq!(said(&edits), [unset(5, "hosts"), key(5, "none values")]);
    // In one of several forms (`headers`), and where nothing may stand (`url`).
    let edits =
        [("{ dev: 5, production: 50 }", "{none production: 50 }"), ("default: https://o", "ault: https://o")];
    let environment = "`none production` is not among `environments`".to_owned();
    assert_eq!(
        said(&edits),
        [
            unset(6, "burst"),
            ("unknown-environment", "routes/gateway.yaml".into(), 6, environment),
            unset(7, "origin"),
            key(7, "ault"),
        ]
    );
}

/// Small edits that keep much of the structure.
fn edited(text: &'static str) -> impl Strategy<Value = String> {
    let words = [
        "", ":", "{", "}", "[", "]", " ", "\n", "- ", "${", "none", "null", "5s", "-1", "&a ", "*a", "\"",
        "add", "é",
    ];
    let edit = (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(words.to_vec()));
    prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, remove, insert) in edits {
            let at = at.index(chars.len());
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, insert.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever stands in the files: no panic, a plan or an error, and places that exist.
    #[test]
    fn no_input_panics(gateway in edited(GATEWAY), api in edited(API)) {
        let files = Files::new([("routes/gateway.yaml", gateway.as_str()), ("routes/orders/v2.yaml", api.as_str())]);
        let (_, problems) = check(&files, Some("dev"), false);
        let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
        prop_assert_eq!(compile_files(&files, "dev").is_err(), failed);
        for problem in &problems {
            // What the check of the structure lets pass must deserialise, and what compiles must load.
            prop_assert!(!matches!(problem.code, "structure" | "plan"), "{problem:?}");
            let text = files.routes.get(&problem.file).map_or("", String::as_str);
            let lines = u32::try_from(text.split('\n').count()).unwrap();
            prop_assert!(problem.span.line <= lines, "{problem:?}");
            let _ = problem.to_string();
        }
    }
}
