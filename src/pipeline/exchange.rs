//! What is known about a request so far: the one record that the event, the problem body and the log are made of.

use super::gateway::Gateway;
use super::outcome::{Outcome, Reply, Response};
use super::record::{Phase, Record, Recorder, Side};
use super::view::View;
use crate::event::{Attempt, Event};
use crate::fault::{Fault, Reason};
use crate::header::{Edited, Headers as _};
use crate::plan::{Api, Route, Shared};
use crate::policy::headers::{Edit, Headers};
use crate::policy::vary;
use crate::ports::{Fact, FetchFault, Host, Message};
use crate::routing::Params;
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

/// The longest method that an event repeats.
const METHOD: usize = 24;

/// One request under way.
pub struct Exchange<'a, H: Host> {
    pub(super) gateway: &'a Gateway,
    pub(super) host: &'a H,
    pub(super) event: Event,
    /// Edits on whatever answers, in order.
    pub(super) edits: Vec<Edit>,
    /// The upstream call under way; of several at once the last one sent.
    pub(super) calling: Cell<Option<Calling>>,
    /// Takes notes of everything, where somebody asked for that.
    pub(super) recorder: Option<&'a Recorder>,
    /// What the route's parameters stand for, where its header edits hold some.
    pub(super) captured: Vec<(String, String)>,
    /// The API whose request fields decided that no route answers.
    pub(super) missed: Option<u32>,
    /// The event is on its way, or left out.
    recorded: bool,
}

/// An upstream call under way.
#[derive(Clone, Copy)]
pub struct Calling {
    /// Index of the upstream in the plan.
    pub upstream: u32,
    /// Index of the target in the upstream.
    pub target: u32,
    /// When it was sent, milliseconds since 1970.
    pub since: u64,
}

impl<'a, H: Host> Exchange<'a, H> {
    pub(super) fn begin(
        gateway: &'a Gateway,
        host: &'a H,
        recorder: Option<&'a Recorder>,
        method: &str,
    ) -> Self {
        let event = Event {
            id: gateway.request_id(),
            at: host.now(),
            method: method.get(..METHOD).unwrap_or(method).to_owned(),
            ..Event::default()
        };
        let (edits, calling) = (Vec::with_capacity(8), Cell::new(None));
        let (captured, missed) = (Vec::new(), None);
        let mut exchange =
            Exchange { gateway, host, event, edits, calling, recorder, captured, missed, recorded: false };
        // Of most requests it is known without a look.
        if !matches!(method, "GET" | "HEAD") {
            exchange.event.bytes_in = declared(exchange.header("content-length"));
        }
        exchange
    }

    /// A field of the request.
    pub(super) fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.host.header(Message::Request, name)
    }

    /// A phase begins.
    #[inline]
    pub(super) fn enter(&self, phase: Phase) {
        if let Some(recorder) = self.recorder {
            recorder.enter(phase, &self.edits);
        }
    }

    /// The edits from `*mark` on are somebody's.
    #[inline]
    pub(super) fn changed(&self, side: Side, by: &str, edits: &[Edit], mark: &mut usize) {
        if let Some(recorder) = self.recorder {
            recorder.changed(side, by, edits.get(*mark..).unwrap_or_default());
            *mark = edits.len();
        }
    }

    /// The request is for this route, whatever else comes of it.
    pub(super) fn matched(&mut self, shared: &Shared, route: &Rc<Route>, params: &Params<'_, '_>) {
        self.belongs(shared, route.api);
        if route.captures() {
            self.captured = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        }
        self.event.route = Some(Rc::clone(route));
    }

    /// The request belongs to an API version, whatever else comes of it.
    pub(super) fn belongs<'s>(&mut self, shared: &'s Shared, index: u32) -> Option<&'s Api> {
        self.enter(Phase::Version);
        self.event.api = Some(index);
        let api = shared.apis.get(index as usize)?;
        self.edits.extend(api.status.edits());
        Some(api)
    }

    /// The last phases, which no request misses: problem, headers, event.
    pub(super) fn finish(mut self, result: Result<Response, Fault>) -> Outcome {
        if let Some(recorder) = self.recorder {
            self.stopped(recorder, &result);
        }
        let mut response = result.unwrap_or_else(|fault| {
            self.event.reason = Some(fault.reason);
            self.event.private = fault.private.clone();
            Response::Reply(Reply::problem(fault, &self.event.id))
        });
        let mut edits = std::mem::take(&mut self.edits);
        if let Some(headers) = self.headers() {
            headers.response_edits(&self.captured, &mut edits);
        }
        match &mut response {
            Response::Reply(reply) => reply.edit(edits),
            Response::Relay(relay) => relay.edits.extend(edits),
        }
        let vary = self.vary();
        if !vary.is_empty() {
            self.vary_by(vary, &mut response);
        }
        let mut outcome = Outcome { id: self.event.id.clone(), response, flush: None, record: None };
        self.event.status = outcome.status();
        self.event.took = self.host.now().saturating_sub(self.event.at) as u32;
        outcome.record = self.recorder.and_then(|recorder| self.noted(recorder));
        outcome.flush = self.record(&outcome.response);
        outcome
    }

    /// An API of the plan.
    fn api(&self, index: Option<u32>) -> Option<&'a Api> {
        self.gateway.router()?.plan().shared().apis.get(index? as usize)
    }

    /// Header edits of the answer: the route's, or where it belongs to none, its API's.
    fn headers(&self) -> Option<&Headers> {
        match &self.event.route {
            Some(route) => Some(&route.headers),
            None => self.api(self.event.api).map(|api| &api.headers),
        }
    }

    /// Request fields that decided who answers.
    fn vary(&self) -> &[String] {
        match &self.event.route {
            Some(route) => &route.vary,
            None => self.api(self.missed).map_or(&[], |api| &api.vary),
        }
    }

    /// Says so, beside what is said already.
    fn vary_by(&self, names: &[String], response: &mut Response) {
        let said = match &*response {
            Response::Reply(reply) => {
                let said = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
                said.map(|(_, value)| value.as_ref()).collect::<Vec<_>>().join(", ")
            }
            Response::Relay(relay) => {
                let base = View::few(self.host, Message::Answer(relay.answer));
                let edited = Edited { base: &base, edits: &relay.edits };
                edited.get("vary").map(Cow::into_owned).unwrap_or_default()
            }
        };
        let Some(all) = vary::merged(Some(&said), names) else { return };
        let edit = Edit::Set("vary".into(), all.into());
        if let Some(recorder) = self.recorder {
            recorder.changed(Side::Response, Phase::Match.word(), std::slice::from_ref(&edit));
        }
        match response {
            Response::Reply(reply) => reply.edit(vec![edit]),
            Response::Relay(relay) => relay.edits.push(edit),
        }
    }

    /// Who answers, and which header fields that one writes.
    #[cold]
    fn stopped(&self, recorder: &Recorder, result: &Result<Response, Fault>) {
        let route = self.event.route.as_deref();
        recorder.stopped(result.as_ref().err().map(|fault| fault.reason), route);
        match result {
            Err(fault) => recorder.replied(fault.headers.iter().map(|(name, value)| (*name, value.as_str()))),
            Ok(Response::Reply(reply)) => {
                recorder.replied(reply.headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
            }
            Ok(Response::Relay(_)) => {}
        }
        recorder.enter(Phase::Finish, &self.edits);
        if let Some(headers) = self.headers() {
            let mut edits = Vec::new();
            headers.response_edits(&self.captured, &mut edits);
            recorder.changed(Side::Response, "headers", &edits);
        }
    }

    /// The full record.
    #[cold]
    fn noted(&self, recorder: &Recorder) -> Option<Box<Record>> {
        let plan = self.gateway.router()?.plan();
        let line = self.event.line(plan.shared(), plan.hash(), 1.0);
        Some(Box::new(recorder.finish(line, &plan.shared().environment)))
    }

    /// Queues the event if it is one to keep; the answer is when to flush.
    fn record(&mut self, response: &Response) -> Option<u32> {
        self.recorded = true;
        let now = self.host.now();
        let Some(weight) = self.weight() else { return self.gateway.events.borrow_mut().overdue(now) };
        // What only kept events tell is read of them only.
        self.event.bytes_out = self.length(response);
        self.event.colo.clone_from(self.gateway.colo.get_or_init(|| self.host.fact(Fact::Colo)));
        self.event.country = self.host.fact(Fact::Country);
        let mut events = self.gateway.events.borrow_mut();
        events.push(std::mem::take(&mut self.event), weight);
        events.promise(now)
    }

    /// Bytes of the answer's body, where they are known.
    fn length(&self, response: &Response) -> Option<u64> {
        match response {
            // Such answers may tell the length of a body that does not come with them (RFC 9110 §8.6).
            _ if self.event.method == "HEAD" || matches!(self.event.status, 204 | 304) => Some(0),
            Response::Reply(reply) => Some(reply.body.len() as u64),
            Response::Relay(relay) => {
                declared(self.host.header(Message::Answer(relay.answer), "content-length"))
            }
        }
    }

    /// How many requests the event stands for; `None`: it is left out.
    fn weight(&self) -> Option<f64> {
        let sample = self.gateway.router().map_or(1000, |router| router.plan().shared().gateway.sample);
        let mut events = self.gateway.events.borrow_mut();
        events.weigh(&self.event, sample, self.host.now(), || self.gateway.random())
    }

    /// The event of a request that is dropped in the middle. There is nobody left to ask for facts, and no response
    /// after which to flush: the next request that is recorded promises that.
    #[cold]
    fn abandoned(&mut self) {
        let now = self.host.now();
        self.event.reason = Some(Reason::ClientGone);
        self.event.status = Reason::ClientGone.status();
        self.event.took = now.saturating_sub(self.event.at) as u32;
        if let Some(Calling { upstream, target, since }) = self.calling.get() {
            let took = now.saturating_sub(since) as u32;
            let result = Err(FetchFault::Failed("the client went away".to_owned()));
            self.event.attempts.push(Attempt { upstream, target, call: String::new(), result, took });
            self.event.origin = took;
        }
        if let Some(weight) = self.weight() {
            self.event.colo = self.gateway.colo.get().cloned().flatten();
            self.gateway.events.borrow_mut().push(std::mem::take(&mut self.event), weight);
        }
    }
}

/// The length of a body by its `Content-Length`.
fn declared(field: Option<Cow<'_, str>>) -> Option<u64> {
    field.and_then(|text| text.trim().parse().ok())
}

impl<H: Host> Drop for Exchange<'_, H> {
    fn drop(&mut self) {
        if !self.recorded {
            self.abandoned();
        }
    }
}
