//! The life of a request: [`handle`], one phase after another, on one screen.
//!
//! Only the pipeline awaits ports; what it asks them and what it makes of the answers is decided by the policies and
//! the mechanisms below them. `handle` cannot fail: each fault becomes a problem body, and each reply passes
//! [`Exchange::finish`], so that a browser can read a 429 and the event of a 504 is recorded.

mod admin;
mod admit;
mod backend;
mod combined;
pub mod debug;
mod exchange;
#[cfg(feature = "cli")]
pub mod explain;
mod forward;
mod gateway;
mod identify;
mod limits;
mod local;
mod mirror;
mod outcome;
pub mod record;
mod send;
mod sinks;
mod stored;
mod view;

pub use admin::TOKEN as ADMIN_TOKEN;
pub use gateway::Gateway;
pub use identify::refresh;
pub use outcome::{Outcome, Relay, Reply, Response, Store};
pub use sinks::flush;

use crate::fault::{Fault, Reason};
use crate::plan::{Action, Forward};
use crate::ports::Host;
use exchange::Exchange;
use limits::{Tally, Whose};
#[cfg(feature = "cli")]
use record::Recorder;
use record::{Phase, Watched};

/// Field with the request's id, on every answer and towards every upstream.
pub const REQUEST_ID: &str = "x-request-id";

/// Answers a request. `url` is absolute and as it came.
pub async fn handle<H: Host>(gateway: &Gateway, host: &H, method: &str, url: &str) -> Outcome {
    let grant = debug::grant(gateway, host);
    let recorder = grant.as_deref().map(|grant| &grant.recorder);
    let watched = Watched::new(host, recorder);
    let mut exchange = Exchange::begin(gateway, &watched, recorder, method);
    let result = exchange.serve(method, url).await;
    let mut outcome = exchange.finish(result);
    if let Some(grant) = &grant {
        grant.keep(gateway, host, &mut outcome);
    }
    outcome
}

/// The same with a full record in the outcome. Nothing else of the answer differs.
#[cfg(feature = "cli")]
pub async fn recorded<H: Host>(gateway: &Gateway, host: &H, method: &str, url: &str) -> Outcome {
    let recorder = Recorder::new(&[]);
    let host = Watched::new(host, Some(&recorder));
    let mut exchange = Exchange::begin(gateway, &host, Some(&recorder), method);
    let result = exchange.serve(method, url).await;
    exchange.finish(result)
}

impl<H: Host> Exchange<'_, H> {
    async fn serve(&mut self, method: &str, url: &str) -> Result<Response, Fault> {
        let router = self.gateway.router().ok_or_else(unusable)?;
        let (plan, shared) = (router.plan(), router.plan().shared());
        let request = self.admit(method, url)?;
        self.note_request(&request);
        if admin::owns(&request.path) && shared.gateway.serves_admin(&request.host) {
            self.enter(Phase::Admin);
            // What is rare is boxed, so that the future of every request stays small.
            return Box::pin(self.administer(shared, plan.hash(), &request)).await;
        }
        if let Some(preflight) = self.preflight(router, &request) {
            return Ok(preflight);
        }
        self.enter(Phase::Match);
        self.note_near_misses(router, &request);
        let found = match self.find(router, &request)? {
            Ok(found) => found,
            Err(options) => return Ok(options),
        };
        let route = &found.route;
        self.note_match(route, &found.params);
        if let Some(elsewhere) = self.guard(shared, &found, &request)? {
            return Ok(elsewhere);
        }
        let mut tally = Tally::default();
        if let Some(rule) = &route.auth {
            self.enter(Phase::Auth);
            self.identify(shared, route, rule, &mut tally).await?;
        }
        if !route.limits.is_empty() {
            Box::pin(self.charge(shared, route, Whose::Caller, &mut tally)).await?;
        }
        if let Action::Forward(Forward { split: Some(split), .. }) = &route.action {
            self.enter(Phase::Backends);
            self.choose(shared, split);
        }
        let cached = match &route.cache {
            Some(rule) => {
                self.enter(Phase::Cache);
                Some(Box::pin(self.look_up(rule, shared, route, &request)).await?)
            }
            None => None,
        };
        if let Some(stored::Cached::Hit(hit)) = cached {
            return Ok(hit);
        }
        match &route.action {
            Action::Forward(forward) => {
                self.enter(Phase::Upstream);
                let sent = cached.as_ref().and_then(stored::Cached::sent);
                let answer = self.forward(shared, route, forward, &request, &found.params, sent).await?;
                Ok(self.keep(shared, route, cached, answer))
            }
            Action::Combine(combine) => {
                self.enter(Phase::Combine);
                Box::pin(self.combine(shared, route, combine, &request, &found.params)).await
            }
            Action::Redirect(redirect) => {
                self.enter(Phase::Redirect);
                self.redirect(shared, redirect, &request, &found.params)
            }
            Action::Respond(respond) => {
                self.enter(Phase::Respond);
                Ok(self.respond(respond))
            }
        }
    }
}

/// Answers a request that the gateway failed, and records it: its instance was lost to a trap, or `answered` is the id
/// under which it was answered and recorded just now, and the host could not make that answer. Then the id stays, and
/// its event says 500 in place of what nobody was told.
pub fn lost<H: Host>(
    gateway: &Gateway,
    host: &H,
    method: &str,
    url: &str,
    answered: Option<String>,
) -> Outcome {
    let host = Watched::new(host, None);
    let mut exchange = Exchange::begin(gateway, &host, None, method);
    // The place of the request, for the event; it changes nothing of the answer.
    if let Some(router) = gateway.router()
        && let Ok(request) = exchange.admit(method, url)
    {
        exchange.find(router, &request).ok();
    }
    let mut private = "the wasm instance trapped; see the log";
    if let Some(id) = answered {
        private = "the answer could not be made; see the log";
        // Where the first event was left out, only the id is known.
        match gateway.events.borrow_mut().retract(&id) {
            Some(first) => exchange.event = first,
            None => exchange.event.id = id,
        }
    }
    let fault = Fault::new(Reason::GatewayFault, "The gateway failed while it handled this request.");
    exchange.finish(Err(fault.private(private)))
}

fn unusable() -> Fault {
    Fault::new(Reason::PlanUnusable, "The gateway has no usable configuration.")
}
