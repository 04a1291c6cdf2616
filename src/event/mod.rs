//! One request, as data: what happened, why, and where the route file says so.
//!
//! Events queue in the isolate, bounded, and leave in batches after the response ([`queue`]); an object keeps them
//! readable ([`journal`]).

pub mod journal;
pub mod line;
pub mod queue;

use crate::fault::Reason;
use crate::plan::{Action, Route, Shared};
use crate::ports::FetchFault;
use crate::token::Identity;
use serde_json::Value;
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
    /// Asked, and no answer in time: the upstream is asked, and its answer not stored.
    Unanswered,
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
            CacheUse::Unanswered => "unanswered",
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
    /// Upstreams that copies were left for, as indexes in the plan. What became of them nobody knows.
    pub mirrors: Vec<u32>,
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

    /// [`Event::line`] as JSON.
    pub fn to_json(&self, shared: &Shared, hash: &str, weight: f64) -> Value {
        serde_json::to_value(self.line(shared, hash, weight)).unwrap_or_default()
    }
}
