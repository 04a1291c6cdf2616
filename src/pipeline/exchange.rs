//! What is known about a request so far: the one record that the event, the problem body and the log are made of.

use super::gateway::Gateway;
use super::outcome::{Outcome, Reply, Response};
use crate::event::Event;
use crate::fault::Fault;
use crate::plan::{Api, Route, Shared};
use crate::policy::headers::Edit;
use crate::ports::{Fact, Host, Message};
use std::rc::Rc;

/// The longest method that an event repeats.
const METHOD: usize = 24;

/// One request under way.
pub struct Exchange<'a, H> {
    pub(super) gateway: &'a Gateway,
    pub(super) host: &'a H,
    pub(super) event: Event,
    /// Edits on whatever answers, in order.
    pub(super) edits: Vec<Edit>,
}

impl<'a, H: Host> Exchange<'a, H> {
    pub(super) fn begin(gateway: &'a Gateway, host: &'a H, method: &str) -> Self {
        let event = Event {
            id: gateway.request_id(),
            at: host.now(),
            method: method.get(..METHOD).unwrap_or(method).to_owned(),
            ..Event::default()
        };
        let mut exchange = Exchange { gateway, host, event, edits: Vec::with_capacity(8) };
        // Of most requests it is known without a look.
        if !matches!(method, "GET" | "HEAD") {
            let length = exchange.header("content-length");
            exchange.event.bytes_in = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        }
        exchange
    }

    /// A field of the request.
    pub(super) fn header(&self, name: &str) -> Option<std::borrow::Cow<'a, str>> {
        self.host.header(Message::Request, name)
    }

    /// The request is for this route, whatever else comes of it.
    pub(super) fn matched(&mut self, shared: &Shared, route: &Rc<Route>) {
        self.belongs(shared, route.api);
        self.event.route = Some(Rc::clone(route));
    }

    /// The request belongs to an API version, whatever else comes of it.
    pub(super) fn belongs<'s>(&mut self, shared: &'s Shared, index: u32) -> Option<&'s Api> {
        self.event.api = Some(index);
        let api = shared.apis.get(index as usize)?;
        self.edits.extend(api.status.edits());
        Some(api)
    }

    /// The last phases, which no request misses: problem, headers, event.
    pub(super) fn finish(mut self, result: Result<Response, Fault>) -> Outcome {
        let mut response = result.unwrap_or_else(|fault| {
            self.event.reason = Some(fault.reason);
            self.event.private = fault.private.clone();
            Response::Reply(Reply::problem(fault, &self.event.id))
        });
        let mut edits = std::mem::take(&mut self.edits);
        if let Some(route) = &self.event.route {
            edits.extend(route.headers.response.iter().cloned());
        }
        match &mut response {
            Response::Reply(reply) => {
                self.event.bytes_out = reply.body.len() as u64;
                reply.edit(edits);
            }
            Response::Relay(relay) => {
                let length = self.host.header(Message::Answer(relay.answer), "content-length");
                self.event.bytes_out = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
                relay.edits.extend(edits);
            }
        }
        let mut outcome = Outcome { id: self.event.id.clone(), response, flush: None };
        self.event.status = outcome.status();
        self.event.took = self.host.now().saturating_sub(self.event.at) as u32;
        outcome.flush = self.record();
        outcome
    }

    /// Queues the event; the answer is when to flush.
    fn record(mut self) -> Option<u32> {
        self.event.colo.clone_from(self.gateway.colo.get_or_init(|| self.host.fact(Fact::Colo)));
        let sample = self.gateway.router().map_or(1000, |router| router.plan().shared().gateway.sample);
        let now = self.host.now();
        let mut events = self.gateway.events.borrow_mut();
        events.push(self.event, sample);
        events.promise(now)
    }
}
