//! What the pipeline decides about a request, for programs: the answer of `explain --json` and `explain --batch`.

use super::super::exchange::Exchange;
use super::super::gateway::Gateway;
use super::super::outcome::Response;
use super::super::{REQUEST_ID, unusable};
use super::paper::{Paper, apply};
use super::{Question, Rival, rival};
use crate::plan::Shared;
use crate::ports::{Base, Fetch};
use crate::routing::host;
use crate::routing::path::{self, Leniency};
use futures_util::FutureExt;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What becomes of a request in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// An upstream is asked, or several.
    Forward,
    /// The gateway answers by itself, and nothing is wrong: a preflight, a redirect, a direct response.
    Reply,
    /// The gateway refuses: the answer is a problem.
    #[default]
    Refuse,
}

/// Header fields; in JSON an object of names in lower case to a text, or a list of texts where a name repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<(String, String)>);

impl Lines {
    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (place, (name, value)) in self.0.iter().enumerate() {
            let own = |(_, (other, _)): &(usize, &(String, String))| other == name;
            let mut same = self.0.iter().enumerate().filter(own);
            if same.next().is_some_and(|(first, _)| first < place) {
                continue;
            }
            let rest: Vec<&str> = same.map(|(_, (_, value))| value.as_str()).collect();
            if rest.is_empty() {
                map.serialize_entry(name, value)?;
            } else {
                let all: Vec<&str> = std::iter::once(value.as_str()).chain(rest).collect();
                map.serialize_entry(name, &all)?;
            }
        }
        map.end()
    }
}

/// A request that an upstream would get.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Sending {
    /// Name of the upstream.
    pub name: String,
    /// Absolute URL.
    pub url: String,
    /// Method.
    pub method: String,
    /// Its header fields, what passes of the client's included.
    pub headers: Lines,
}

/// The pipeline's decision about a request.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Decision {
    /// `api/version/name`; `None` where no route matched.
    pub route: Option<String>,
    /// What becomes of the request.
    pub outcome: Ending,
    /// Status of the answer; of a forwarded request 200, as if the upstream answered that.
    pub status: u16,
    /// Code of the reason of a refusal.
    pub reason: Option<&'static str>,
    /// The upstream's request; of a combined route the first call's.
    pub upstream: Option<Sending>,
    /// All calls of a combined route.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Sending>,
    /// The answer's header fields; of a forwarded request what the gateway adds to an answer that is empty.
    pub response_headers: Lines,
    /// Copies of the request that mirrors would get.
    pub mirrors: Vec<Sending>,
    /// Routes that the request fits in part or less well, and why they lost.
    pub near_misses: Vec<Rival>,
}

/// A gateway on paper: one plan, and as many questions as there are. Each is answered as by a new isolate, so that no
/// answer depends on earlier ones.
pub struct Explainer {
    pub(super) gateway: Gateway,
}

impl Explainer {
    /// Over a plan. One that cannot be used refuses every request.
    pub fn new(plan: Vec<u8>) -> Explainer {
        Explainer { gateway: Gateway::new(plan, 0) }
    }

    /// What the pipeline decides about a request. It runs as it does at the edge, on a host that sends nothing; what
    /// only the outside knows is assumed: signatures verify, limits have room, nothing is stored, origins answer 200.
    pub fn decide(&self, question: &Question) -> Decision {
        self.gateway.forget();
        let host = Paper::new(question);
        let mut exchange = Exchange::begin(&self.gateway, &host, &question.method);
        let served = exchange.serve(&question.method, &question.url).now_or_never();
        // The host never waits.
        let result = served.unwrap_or_else(|| Err(unusable()));
        let Some(router) = self.gateway.router() else {
            return ended(Decision::default(), exchange.finish(result));
        };
        let shared = router.plan().shared();
        let name = exchange.event.route_name(shared);
        let mut decision = Decision {
            route: exchange.event.route.is_some().then_some(name),
            near_misses: self.near_misses(question),
            ..Decision::default()
        };
        let attempts = exchange.event.attempts.clone();
        match &result {
            Err(fault) => decision.reason = Some(fault.reason.code()),
            Ok(_) => {
                let sent = host.sent.take();
                let sent = sent.iter().filter(|fetch| fetch.base != Base::Isolate);
                let mut calls: Vec<Sending> = attempts
                    .iter()
                    .zip(sent)
                    .map(|(a, fetch)| sending(shared, a.upstream, question, fetch))
                    .collect();
                decision.outcome = if calls.is_empty() { Ending::Reply } else { Ending::Forward };
                decision.upstream = calls.first().cloned();
                if attempts.iter().any(|attempt| !attempt.call.is_empty()) {
                    decision.calls = std::mem::take(&mut calls);
                }
            }
        }
        ended(decision, exchange.finish(result))
    }

    /// Why others than the matched route lost.
    fn near_misses(&self, question: &Question) -> Vec<Rival> {
        let Some(router) = self.gateway.router() else { return Vec::new() };
        let Ok(target) = path::split(&question.url) else { return Vec::new() };
        let host = host::canonical(target.authority);
        let path = path::canonical(target.path, Leniency { encoded_slashes: true });
        let (Ok(host), Ok(path)) = (host, path) else { return Vec::new() };
        let candidates = router.candidates(&host, &question.method, &path).unwrap_or_default();
        let lost = candidates.iter().map(|candidate| rival(router.plan(), candidate, &question.method));
        lost.filter(|rival| !rival.matched).collect()
    }
}

fn sending(shared: &Shared, upstream: u32, question: &Question, fetch: &Fetch) -> Sending {
    let mut headers: Vec<(String, String)> = match fetch.base {
        Base::Nothing | Base::Isolate => Vec::new(),
        Base::Headers | Base::Whole => {
            question.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
        }
    };
    apply(&mut headers, &fetch.edits);
    Sending {
        name: shared.upstreams.get(upstream as usize).map(|upstream| upstream.id.clone()).unwrap_or_default(),
        url: fetch.url.clone(),
        method: fetch.method.clone(),
        headers: Lines(headers),
    }
}

/// The decision with status and header fields of the answer.
fn ended(mut decision: Decision, outcome: super::super::Outcome) -> Decision {
    decision.status = outcome.status();
    let mut headers = Vec::new();
    match outcome.response {
        Response::Reply(reply) => headers.extend(
            reply.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())),
        ),
        Response::Relay(relay) => apply(&mut headers, &relay.edits),
    }
    headers.push((REQUEST_ID.to_owned(), outcome.id));
    decision.response_headers = Lines(headers);
    decision
}
