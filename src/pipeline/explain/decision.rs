//! What the pipeline decides about a request, for programs: the answer of `explain --json` and `explain --batch`.

use super::super::REQUEST_ID;
use super::super::outcome::{Outcome, Response};
use super::super::record::{NearMiss, Record};
use super::Question;

use crate::event::Event;
use crate::fault::Reason;
use crate::plan::Shared;
use crate::policy::headers::apply;
use crate::ports::{Base, Fetch};
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
    /// Who owns the route.
    pub owner: Option<String>,
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
    pub near_misses: Vec<NearMiss>,
}

impl Decision {
    /// What an outcome amounts to, names left out.
    pub(super) fn of(
        question: &Question,
        outcome: Outcome,
        reason: Option<Reason>,
        sent: &[Fetch],
    ) -> Decision {
        let calls: Vec<Sending> = sent.iter().map(|fetch| sending(question, fetch)).collect();
        let ending = match reason {
            Some(_) => Ending::Refuse,
            None if calls.is_empty() => Ending::Reply,
            None => Ending::Forward,
        };
        let status = outcome.status();
        let mut headers = Vec::new();
        match outcome.response {
            Response::Reply(reply) => headers.extend(
                reply
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())),
            ),
            Response::Relay(relay) => apply(&mut headers, &relay.edits),
        }
        headers.push((REQUEST_ID.to_owned(), outcome.id));
        Decision {
            outcome: ending,
            status,
            reason: reason.map(Reason::code),
            calls: if ending == Ending::Forward { calls } else { Vec::new() },
            response_headers: Lines(headers),
            ..Decision::default()
        }
    }

    /// Names the route and the upstreams by the plan.
    pub(super) fn locate(&mut self, shared: &Shared, event: &Event, record: &Record) {
        self.route = event.route.is_some().then(|| event.route_name(shared));
        let api = event.route.as_ref().and_then(|route| shared.apis.get(route.api as usize));
        self.owner = api.map(|api| api.owner.clone());
        self.near_misses.clone_from(&record.near_misses);
        for (call, attempt) in self.calls.iter_mut().zip(&event.attempts) {
            let upstream = shared.upstreams.get(attempt.upstream as usize);
            call.name = upstream.map(|upstream| upstream.id.clone()).unwrap_or_default();
        }
        for (copy, upstream) in self.mirrors.iter_mut().zip(&event.mirrors) {
            let upstream = shared.upstreams.get(*upstream as usize);
            copy.name = upstream.map(|upstream| upstream.id.clone()).unwrap_or_default();
        }
        self.upstream = self.calls.first().cloned();
        if event.attempts.iter().all(|attempt| attempt.call.is_empty()) {
            self.calls.clear();
        }
    }
}

/// Copies that mirrors would get, names left out.
pub(super) fn copies(question: &Question, mirrored: &[Fetch]) -> Vec<Sending> {
    mirrored.iter().map(|copy| sending(question, copy)).collect()
}

fn sending(question: &Question, fetch: &Fetch) -> Sending {
    let mut headers: Vec<(String, String)> = match fetch.base {
        Base::Nothing | Base::Isolate => Vec::new(),
        Base::Headers | Base::Whole => {
            question.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
        }
    };
    apply(&mut headers, &fetch.edits);
    let (url, method) = (fetch.url.clone(), fetch.method.clone());
    Sending { name: String::new(), url, method, headers: Lines(headers) }
}
