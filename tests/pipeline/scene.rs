//! A gateway, its world, and an issuer whose tokens it accepts.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use tollgate::config::{self, Files, problem};
use tollgate::pipeline::Gateway;
use tollgate::ports::Class;
use tollgate::simulator::{Answered, Seen, Sent, Visit, World};
use tollgate::token::native::DevelopmentKey;

/// 2026-03-10 12:00:00 UTC, a Tuesday.
pub const NOW: u64 = 1_773_144_000_000;
/// The administrator's token.
pub const ADMIN: &str = "an-administrators-token-of-some-length";
/// The only `iss`.
pub const ISSUER: &str = "https://issuer.test";

/// What every gateway file here begins with.
const GATEWAY: &str = "
tollgate: 2
environments: [dev, production]
issuers:
  people:
    issuer: https://issuer.test
    audience: shop
    algorithms: [ES256]
    leeway: 0s
    keys: { jwks: \"https://issuer.test/jwks\", ttl: 5m, interval: 10s, max_stale: 1h }
";

/// What every API file here begins with.
const API: &str = "
tollgate: 2
api: shop
owner: team
base: /shop
upstream: { url: \"https://origin.internal/base\" }
";

/// A gateway and its world.
pub struct Scene {
    pub world: World,
    pub gateway: Gateway,
    pub key: DevelopmentKey,
    /// What the issuer publishes.
    pub published: Rc<RefCell<Answered>>,
    plan: Vec<u8>,
}

/// A plan of the two files.
pub fn plan(gateway: &str, api: &str, environment: &str) -> Vec<u8> {
    compiled(gateway, api, environment).plan
}

/// The same with its parts.
pub fn compiled(gateway: &str, api: &str, environment: &str) -> config::Compiled {
    let version = if api.contains("\nversion:") { "" } else { "version: { name: v1 }\n" };
    let upstream = if api.contains("\nupstream:") { API.split("upstream:").next().unwrap() } else { API };
    // Every event counts, unless a test says otherwise.
    let events = if gateway.contains("events:") { "" } else { "events: { sample: 1 }\n" };
    let (gateway, api) = (format!("{GATEWAY}{gateway}{events}"), format!("{upstream}{version}{api}"));
    let files =
        Files::new([("routes/gateway.yaml", gateway.as_str()), ("routes/shop/v1.yaml", api.as_str())]);
    match config::compile_files(&files, environment) {
        Ok(compiled) => compiled,
        Err(problems) => panic!("{}", problem::render(&problems)),
    }
}

impl Scene {
    /// With further text of the gateway file and of the API file.
    pub fn new(gateway: &str, api: &str) -> Scene {
        Scene::of(plan(gateway, api, "dev"))
    }

    /// Over a plan.
    pub fn of(plan: Vec<u8>) -> Scene {
        let world = World::at(NOW);
        world.secret("TOLLGATE_ADMIN_TOKEN", ADMIN);
        world.origin("origin.internal", |sent| Answered::json(&json!({ "url": sent.url }).to_string()));
        let key = DevelopmentKey::generate().unwrap();
        let published = Rc::new(RefCell::new(Answered::json(&key.public_set())));
        let answer = Rc::clone(&published);
        world.origin("issuer.test", move |_| answer.borrow().clone());
        Scene { world, gateway: Gateway::new(plan.clone(), 7), key, published, plan }
    }

    /// Another isolate over the same plan.
    pub fn isolate(&self, seed: u128) -> Gateway {
        Gateway::new(self.plan.clone(), seed)
    }

    /// A request to `https://api.test`.
    pub fn visit(&self, method: &str, path: &str) -> Visit<'_> {
        Visit::new(&self.world, method, &format!("https://api.test{path}"))
    }

    /// The answer to a request; that of a problem is checked for its form.
    pub fn send(&self, visit: &Visit<'_>) -> Seen {
        self.send_to(&self.gateway, visit)
    }

    /// The same of an isolate.
    pub fn send_to(&self, gateway: &Gateway, visit: &Visit<'_>) -> Seen {
        let seen = visit.send(gateway).expect("an answer");
        well_formed(&seen);
        seen
    }

    /// The answer to a GET.
    pub fn get(&self, path: &str) -> Seen {
        self.send(&self.visit("GET", path))
    }

    /// The answer to a GET with a token.
    pub fn get_as(&self, token: &str, path: &str) -> Seen {
        self.send(&self.visit("GET", path).header("authorization", &format!("Bearer {token}")))
    }

    /// The last request that an origin got.
    pub fn last(&self) -> Sent {
        self.world.sent.borrow().last().cloned().expect("a request to an origin")
    }

    /// Requests that origins got, those for keys left out.
    pub fn sent(&self) -> usize {
        self.world.sent.borrow().iter().filter(|sent| !sent.url.starts_with(ISSUER)).count()
    }

    /// Fetches of keys.
    pub fn fetches(&self) -> usize {
        self.world.sent.borrow().iter().filter(|sent| sent.url.starts_with(ISSUER)).count()
    }

    /// Calls of objects that count.
    pub fn asked(&self) -> usize {
        self.world.asked.borrow().iter().filter(|(class, _)| *class == Class::Limiter).count()
    }

    /// Claims that are accepted, changed by `claims`: null removes one.
    pub fn claims(&self, claims: Value) -> Map<String, Value> {
        let now = self.world.now() / 1000;
        let mut all = json!({ "iss": ISSUER, "aud": "shop", "sub": "ada", "exp": now + 3600 });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object()
            .unwrap()
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }

    /// A token with these claims.
    pub fn token(&self, claims: Value) -> String {
        self.key.sign(&self.claims(claims), None).unwrap()
    }

    /// An administrator's request.
    pub fn admin(&self, path: &str) -> Seen {
        self.get_as(ADMIN, &format!("/_tollgate{path}"))
    }

    /// The event of an answer.
    pub fn event(&self, seen: &Seen) -> Value {
        let found = self.admin(&format!("/events/{}", seen.header("x-request-id").unwrap()));
        assert_eq!(found.status, 200, "{}", found.body);
        found.json()
    }
}

/// A compact JWS of any header and payload with any signature.
pub fn forged(header: &Value, claims: &Map<String, Value>, signature: &[u8]) -> String {
    let encode = Base64UrlUnpadded::encode_string;
    let claims = serde_json::to_string(claims).unwrap();
    format!("{}.{}.{}", encode(header.to_string().as_bytes()), encode(claims.as_bytes()), encode(signature))
}

/// What holds for every answer.
pub fn well_formed(seen: &Seen) {
    let id = seen.header("x-request-id").expect("every answer has an id");
    if seen.header("content-type") != Some("application/problem+json") {
        return;
    }
    let body = seen.json();
    assert_eq!(body["status"], seen.status, "{}", seen.body);
    assert_eq!(body["instance"], id);
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    for text in ["title", "detail"] {
        assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{}", seen.body);
    }
    let reason = tollgate::fault::Reason::ALL.iter().find(|reason| reason.code() == seen.problem());
    assert_eq!(reason.map(|reason| reason.status()), Some(seen.status), "{}", seen.body);
}

/// Fails unless the answer is this problem.
#[track_caller]
pub fn refused(seen: &Seen, status: u16, code: &str) {
    assert_eq!((seen.status, seen.problem().as_str()), (status, code), "{}", seen.body);
}
