//! What the pipeline would do with a request, and why: [`super::handle`] itself, on a host that sends nothing, with its
//! record. Native only; nothing here decides anything.
//!
//! What only the outside knows is assumed: signatures verify, limits have room, nothing is stored, origins answer 200.
//! [`about`] adds what the route file says of each phase.

mod about;
mod decision;
mod paper;
mod shares;

pub use decision::{Decision, Ending, Lines, Sending};

use super::exchange::Exchange;
use super::gateway::Gateway;
use super::record::{Record, Recorder, Verdict, Watched};
use super::unusable;
use crate::event::Event;
use crate::ports::{Base, Fetch};
use futures_util::FutureExt;
use paper::Paper;
use serde::Serialize;

/// A request to explain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Question {
    /// Method.
    pub method: String,
    /// Absolute URL, as a client would send it.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The client's address.
    pub address: String,
    /// The moment, in milliseconds since 1970: tokens are judged by it.
    pub now: u64,
    /// Whether the client showed a certificate that the edge verified.
    pub certificate: bool,
    /// Whether it has a body, where its header fields do not say so.
    pub body: bool,
}

/// What would become of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// What the pipeline decides.
    #[serde(flatten)]
    pub decision: Decision,
    /// The full record, as a debug token would bring it.
    pub record: Record,
    /// What the route file says of each phase of the record, and what the request makes of it.
    pub said: Vec<Said>,
    /// What a refusal says to the client.
    pub detail: String,
    /// What only the operator may read of it.
    pub private: String,
}

/// What there is to say of a phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Said {
    /// The phase's name.
    pub phase: String,
    /// What became of it.
    pub verdict: Verdict,
    /// A fact a line.
    pub says: Vec<String>,
}

/// A gateway on paper: one plan, and as many questions as there are. Each is answered as by a new isolate, so that no
/// answer depends on earlier ones.
pub struct Explainer {
    gateway: Gateway,
}

/// What a question has come to.
struct Walked {
    decision: Decision,
    record: Record,
    event: Event,
    sent: Vec<Fetch>,
    detail: String,
    private: String,
}

impl Explainer {
    /// Over a plan. One that cannot be used refuses every request.
    pub fn new(plan: Vec<u8>) -> Explainer {
        Explainer { gateway: Gateway::new(plan, 0) }
    }

    /// What the pipeline decides about a request.
    pub fn decide(&self, question: &Question) -> Decision {
        self.walk(question).decision
    }

    /// The same, with everything that there is to say about it.
    pub fn explain(&self, question: &Question) -> Explanation {
        let walked = self.walk(question);
        let said = about::all(&self.gateway, question, &walked);
        let Walked { decision, record, detail, private, .. } = walked;
        Explanation { decision, record, said, detail, private }
    }

    fn walk(&self, question: &Question) -> Walked {
        self.gateway.forget(0);
        let (host, recorder) = (Paper::new(question), Recorder::new(&[]));
        let watched = Watched::new(&host, Some(&recorder));
        let mut exchange = Exchange::begin(&self.gateway, &watched, Some(&recorder), &question.method);
        let served = exchange.serve(&question.method, &question.url).now_or_never();
        // The host never waits.
        let result = served.unwrap_or_else(|| Err(unusable()));
        let event = exchange.event.clone();
        let refusal = result.as_ref().err().cloned();
        let mut outcome = exchange.finish(result);
        let record = outcome.record.take().map(|record| *record).unwrap_or_default();
        let sent: Vec<Fetch> =
            host.sent.take().into_iter().filter(|fetch| fetch.base != Base::Isolate).collect();
        let reason = refusal.as_ref().map(|fault| fault.reason);
        let (detail, private) = refusal.map(|fault| (fault.detail, fault.private)).unwrap_or_default();
        let shared = self.gateway.router().map(|router| router.plan().shared());
        let mut decision = Decision::of(question, outcome, reason, &sent);
        decision.mirrors = decision::copies(question, &host.mirrored.take());
        if let Some(shared) = shared {
            decision.locate(shared, &event, &record);
        }
        Walked { decision, record, event, sent, detail, private }
    }
}

/// Explains a request to a gateway with this plan.
pub fn explain(plan: Vec<u8>, question: &Question) -> Explanation {
    Explainer::new(plan).explain(question)
}
