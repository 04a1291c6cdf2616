//! A cache is transparent: whoever asks through it hears what the origin would have told him.

use crate::scene::Scene;
use proptest::prelude::*;
use serde_json::json;
use tollgate::simulator::{Answered, Sent, Visit};

/// Each route twice: with its cache, and without.
const ROUTES: &str = "
cors:
  web: { origins: [\"https://app.test\", \"https://web.test\"], credentials: true }
routes:
  mine: { match: GET /mine, auth: { jwt: people, claims: { x-account: tenant } }, cache: { ttl: 10s, key: [consumer, query] } }
  mine-plain: { match: GET /plain/mine, rewrite: /mine, auth: { jwt: people, claims: { x-account: tenant } } }
  kept: { match: GET /kept, auth: { jwt: people, keep_credentials: true }, cache: { ttl: 10s, key: [consumer] } }
  kept-plain: { match: GET /plain/kept, rewrite: /kept, auth: { jwt: people, keep_credentials: true } }
  varied: { match: GET /varied, auth: { jwt: people }, cache: { ttl: 10s } }
  varied-plain: { match: GET /plain/varied, rewrite: /varied, auth: { jwt: people } }
  page: { match: GET /page, auth: none, cache: { ttl: 10s, key: [query.page, header.x-tenant] } }
  page-plain: { match: GET /plain/page, rewrite: /page, auth: none }
  web: { match: GET /web, auth: none, cors: web, cache: { ttl: 10s } }
  web-plain: { match: GET /plain/web, rewrite: /web, auth: none, cors: web }
";

/// An origin that tells whatever it is told, and says in `Vary` what the key cannot know.
fn echo(sent: &Sent) -> Answered {
    let (url, query) = sent.url.split_once('?').unwrap_or((&sent.url, ""));
    let path = url.rsplit('/').next().unwrap_or_default();
    let mut told = ["x-forwarded-host", "x-forwarded-proto"].map(|name| sent.header(name)).to_vec();
    let mut said = String::new();
    let answer = match path {
        "mine" => {
            let names = ["x-consumer-id", "x-consumer-issuer", "x-consumer-scopes", "x-account"];
            told.extend(names.map(|name| sent.header(name)));
            said = query.to_owned();
            Answered::json("")
        }
        "kept" => {
            told.push(sent.header("authorization"));
            Answered::json("")
        }
        "varied" => {
            let names = ["x-consumer-id", "x-consumer-scopes", "x-tenant", "x-real-ip"];
            told.extend(names.map(|name| sent.header(name)));
            let vary = "X-Consumer-Id, X-Consumer-Scopes, x-tenant, x-real-ip";
            Answered::json("").header("cache-control", "public").header("vary", vary)
        }
        "page" => {
            told.push(sent.header("x-tenant"));
            said = page(query).unwrap_or_default();
            Answered::json("")
        }
        _ => {
            told.push(sent.header("origin"));
            let origin = sent.header("origin").unwrap_or("*");
            Answered::json("").header("access-control-allow-origin", origin).header("vary", "origin")
        }
    };
    let body = format!("{path} {told:?} {said}");
    let answer = answer.header("x-length", &body.len().to_string());
    let headers = answer.headers.into_iter().filter(|(name, _)| name != "content-length").collect();
    Answered { body, headers, ..answer }
}

/// The parameter `page` as the most lenient of parsers reads it: the last that may be meant.
fn page(query: &str) -> Option<String> {
    let pairs = query.split(['&', ';']).flat_map(|pair| url::form_urlencoded::parse(pair.as_bytes()));
    let name = |name: &str| name.trim().split(['[', '\0']).next().map(str::to_lowercase);
    pairs.filter(|(own, _)| name(own).as_deref() == Some("page")).last().map(|(_, value)| value.into_owned())
}

/// What a client may choose.
#[derive(Clone, Debug)]
struct Ask {
    path: &'static str,
    place: &'static str,
    query: Vec<&'static str>,
    token: usize,
    fields: Vec<(&'static str, &'static str)>,
    pass: u64,
}

/// Requests for one path, for only those can meet in the store.
fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let path = prop::sample::select(vec!["mine", "kept", "varied", "page", "web"]);
    path.prop_flat_map(|path| prop::collection::vec(ask(path), 2..24))
}

fn ask(path: &'static str) -> impl Strategy<Value = Ask> {
    let places = prop::sample::select(vec![
        "https://API.test.",
        "https://api.test:443",
        "https://api.test:8443",
        "http://api.test",
        "http://api.test:443",
    ]);
    let place = prop_oneof![3 => Just("https://api.test"), 1 => places];
    let pairs = vec![
        "page=1",
        "page=2",
        "%70age=2",
        "PAGE=2",
        "page[]=2",
        "+page=2",
        "page%00=2",
        "x=1;page=2",
        "x=1",
        "page",
        "",
    ];
    let fields = vec![
        ("x-tenant", "a"),
        ("x-tenant", "b"),
        ("connection", "x-tenant"),
        ("x-real-ip", "192.0.2.9"),
        ("x-consumer-id", "bob"),
        ("x-consumer-scopes", "root"),
        ("x-account", "other"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "http"),
        ("origin", "https://app.test"),
        ("origin", "https://web.test"),
        ("origin", "https://evil.test"),
        ("cache-control", "no-store"),
        ("cache-control", "no-cache"),
    ];
    let query = prop::collection::vec(prop::sample::select(pairs), 0..3);
    let query = prop_oneof![1 => Just(vec![]), 1 => Just(vec!["page=1"]), 2 => query];
    let fields = prop::collection::vec(prop::sample::select(fields), 0..3);
    let pass = prop_oneof![4 => Just(0), 1 => Just(4_000)];
    (place, query, 0..4usize, fields, pass).prop_map(move |(place, query, token, fields, pass)| Ask {
        path,
        place,
        query,
        token,
        fields,
        pass,
    })
}

fn send(scene: &Scene, ask: &Ask, tokens: &[String], plain: bool) -> (u16, String, Vec<String>, bool) {
    let Ask { path, place, query, fields, .. } = ask;
    let mark = if query.is_empty() { "" } else { "?" };
    let twin = if plain { "plain/" } else { "" };
    let url = format!("{place}/shop/{twin}{path}{mark}{}", query.join("&"));
    let mut visit = Visit::new(&scene.world, "GET", &url);
    // Open routes let a client's credentials pass to the origin, which is another matter.
    if !matches!(*path, "page" | "web") {
        visit = visit.header("authorization", &format!("Bearer {}", tokens[ask.token]));
    }
    let mut given = Vec::new();
    for (name, value) in fields {
        if !given.contains(name) {
            given.push(name);
            visit = visit.header(name, value);
        }
    }
    let seen = scene.send(&visit);
    let cors = seen.headers.iter().filter(|(name, _)| name.starts_with("access-control-"));
    let cors = cors.map(|(name, value)| format!("{name}: {value}")).collect();
    let hit = seen.header("cache-status").is_some_and(|status| status.contains("; hit"));
    (seen.status, seen.body, cors, hit)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whoever_asks_hears_what_the_origin_would_have_told_him(asks in asks()) {
        let scene = Scene::new("", ROUTES);
        scene.world.origin("origin.internal", echo);
        let tokens = [
            json!({}),
            json!({ "scope": "a b" }),
            json!({ "tenant": "other" }),
            json!({ "sub": "bob" }),
        ]
        .map(|claims| scene.token(claims));
        for ask in &asks {
            scene.world.pass(ask.pass);
            let (through, past) = (send(&scene, ask, &tokens, false), send(&scene, ask, &tokens, true));
            prop_assert_eq!((through.0, through.1, through.2), (past.0, past.1, past.2), "{:?}", ask);
        }
    }
}

/// The property would hold of a cache that never answers, too.
#[test]
fn the_same_request_is_answered_from_the_store() {
    for path in ["mine", "kept", "varied", "page", "web"] {
        let scene = Scene::new("", ROUTES);
        scene.world.origin("origin.internal", echo);
        let tokens = [scene.token(json!({}))];
        let ask =
            Ask { path, place: "https://api.test", query: vec!["page=1"], token: 0, fields: vec![], pass: 0 };
        let hits = [(); 2].map(|()| send(&scene, &ask, &tokens, false).3);
        assert_eq!(hits, [false, true], "{path}");
    }
}
