//! One request, as data: what happened, why, and where the route file says so.
//!
//! Events queue in the isolate, bounded, and leave in batches after the response ([`queue`]); an object keeps them
//! readable ([`journal`]).

pub mod journal;
pub mod queue;

use crate::fault::Reason;
use crate::plan::{Action, Route, Shared};
use crate::ports::FetchFault;
use crate::token::Identity;
use serde_json::{Map, Value, json};
use std::rc::Rc;
use std::sync::Arc;

/// What the cache had to do with a request (RFC 9211 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheUse {
    /// The route has no cache rule.
    #[default]
    None,
    /// Answered from the cache.
    Hit,
    /// Asked, and not there or not usable.
    Miss,
    /// Not asked, because the request or the rule forbids it.
    Bypass,
}

impl CacheUse {
    /// The word in events.
    pub const fn word(self) -> &'static str {
        match self {
            CacheUse::None => "none",
            CacheUse::Hit => "hit",
            CacheUse::Miss => "miss",
            CacheUse::Bypass => "bypass",
        }
    }
}

/// One upstream call.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Index of the upstream in the plan.
    pub upstream: u32,
    /// Index of the target in the upstream.
    pub target: u32,
    /// Name of the call in a combined route; empty otherwise.
    pub call: String,
    /// Its end.
    pub result: Result<u16, FetchFault>,
    /// How long it took until the answer's headers, in milliseconds.
    pub took: u32,
}

/// How the limit that binds stood after the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// Index of the limit in the plan.
    pub limit: u32,
    /// What remained.
    pub remaining: u64,
    /// The object did not answer and the limit's `unreachable` word decided.
    pub degraded: bool,
}

/// The record of one request.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Request id, as in the answer's `Tollgate-Request-Id` and a problem's `instance`.
    pub id: String,
    /// When it came, milliseconds since 1970.
    pub at: u64,
    /// How long it took until the answer's headers, in milliseconds.
    pub took: u32,
    /// Of that, waiting for upstreams.
    pub origin: u32,
    /// Method, cut to 24 characters.
    pub method: String,
    /// The route; `None` where none matched.
    pub route: Option<Rc<Route>>,
    /// Index of the API version where it is known.
    pub api: Option<u32>,
    /// One of the gateway's own paths was asked for.
    pub own: bool,
    /// Status of the answer.
    pub status: u16,
    /// Why the gateway answered by itself.
    pub reason: Option<Reason>,
    /// What only the operator may read about it.
    pub private: String,
    /// Who called.
    pub identity: Option<Arc<Identity>>,
    /// The backend that was chosen: an index into the route's.
    pub backend: Option<u16>,
    /// Upstream calls in their order.
    pub attempts: Vec<Attempt>,
    /// What the cache had to do with it.
    pub cache: CacheUse,
    /// The limit that binds.
    pub limit: Option<LimitUse>,
    /// Length of the request's body in bytes, where it was declared; not looked for in GET and HEAD.
    pub bytes_in: Option<u64>,
    /// Length of the answer's body in bytes, where it is known.
    pub bytes_out: Option<u64>,
    /// The client's country; read of events that are kept only.
    pub country: Option<String>,
    /// The edge location.
    pub colo: Option<String>,
}

impl Event {
    /// Whether a rule of sampling may leave it out: answered, and by nobody's fault.
    pub fn is_success(&self) -> bool {
        self.reason.is_none() && self.status < 400
    }

    /// Name of the route, `api/version/route`; `_tollgate` for the gateway's own paths, empty where none matched.
    pub fn route_name(&self, shared: &Shared) -> String {
        let Some(route) = &self.route else { return if self.own { "_tollgate" } else { "" }.to_owned() };
        let api = shared.apis.get(route.api as usize);
        api.map_or_else(String::new, |api| format!("{}/{}/{}", api.name, api.version, route.name))
    }

    /// Name of the backend that was chosen; `None` where the route has none.
    pub fn backend_name(&self) -> Option<&str> {
        match &self.route.as_ref()?.action {
            Action::Forward(forward) => {
                let backends = &forward.split.as_ref()?.backends;
                backends.get(usize::from(self.backend?)).map(|backend| backend.name.as_str())
            }
            _ => None,
        }
    }

    /// As JSON for people and machines, names resolved by the plan of `hash`. `weight`: how many like it this one
    /// stands for. What is empty or unknown is absent, and so is a weight of 1.
    pub fn to_json(&self, shared: &Shared, hash: &str, weight: f64) -> Value {
        let place = |source: &crate::plan::Source| shared.place(source);
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| {
            if !(value.is_null() || value == "" || value == json!([])) {
                line.insert(name.to_owned(), value);
            }
        };
        put("id", json!(self.id));
        put("at", json!(self.at));
        put("method", json!(self.method));
        put("route", json!(self.route_name(shared)));
        put("place", json!(self.route.as_ref().map(|route| place(&route.source))));
        let api = self.api.and_then(|api| shared.apis.get(api as usize));
        put("api", json!(api.map(|api| &api.name)));
        put("version", json!(api.map(|api| &api.version)));
        put("owner", json!(api.map(|api| &api.owner)));
        put("plan", json!(hash));
        put("status", json!(self.status));
        put("reason", json!(self.reason.map(Reason::code)));
        put("detail", json!(self.private));
        put("consumer", json!(self.identity.as_ref().map(|identity| &identity.consumer)));
        let issuer = self.identity.as_ref().and_then(|identity| shared.issuers.get(identity.issuer as usize));
        put("issuer", json!(issuer.map(|issuer| &issuer.id)));
        put("gateway_ms", json!(self.took.saturating_sub(self.origin)));
        put("origin_ms", json!(self.origin));
        put("backend", json!(self.backend_name()));
        let attempts: Vec<Value> = self.attempts.iter().map(|attempt| attempt.to_json(shared)).collect();
        put("attempts", json!(attempts));
        put("cache", json!(self.cache.word()));
        if let Some((state, limit)) = self.limit.and_then(|l| Some((l, shared.limits.get(l.limit as usize)?)))
        {
            let mut value =
                json!({"id": limit.id, "remaining": state.remaining, "place": place(&limit.source)});
            if let (true, Value::Object(members)) = (state.degraded, &mut value) {
                members.insert("degraded".into(), json!(true));
            }
            put("limit", value);
        }
        put("bytes_in", json!(self.bytes_in));
        put("bytes_out", json!(self.bytes_out));
        put("colo", json!(self.colo));
        put("country", json!(self.country));
        if weight != 1.0 {
            // Whole numbers without a fraction, for people.
            let whole = (weight.fract() == 0.0).then(|| json!(weight as u64));
            put("weight", whole.unwrap_or_else(|| json!(weight)));
        }
        Value::Object(line)
    }
}

impl Attempt {
    fn to_json(&self, shared: &Shared) -> Value {
        let upstream = shared.upstreams.get(self.upstream as usize);
        let target = upstream.and_then(|upstream| upstream.targets.get(self.target as usize));
        let mut value = Map::new();
        if !self.call.is_empty() {
            value.insert("call".into(), json!(self.call));
        }
        value.insert("upstream".into(), json!(upstream.map(|upstream| &upstream.id)));
        value.insert("target".into(), json!(target.map(|target| &target.url)));
        match &self.result {
            Ok(status) => value.insert("status".into(), json!(status)),
            Err(FetchFault::Timeout) => value.insert("error".into(), json!("timeout")),
            Err(FetchFault::TooLarge) => value.insert("error".into(), json!("too large")),
            Err(FetchFault::Failed(text)) => value.insert("error".into(), json!(text)),
        };
        value.insert("ms".into(), json!(self.took));
        Value::Object(value)
    }
}
