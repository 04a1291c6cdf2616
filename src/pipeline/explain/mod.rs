//! What the pipeline would do with a request, and why: the phases of [`super::handle`] in their order, on a host that
//! sends nothing. Native only; nothing here decides anything.
//!
//! Every fact comes from the code that answers requests. What only the outside knows (whether a signature verifies,
//! how far a limit is used up, what the cache holds, whether an origin answers) is not guessed: the step says so.

mod backends;
mod decision;
mod paper;
mod steps;

pub use decision::{Decision, Ending, Explainer, Lines, Sending};

use super::admin;
use super::admit::Request;
use super::exchange::Exchange;
use super::outcome::{Reply, Response};
use crate::fault::{Fault, Reason};
use crate::plan::{Plan, Shared};
use crate::policy::lifecycle::Lifecycle;
use crate::ports::{Host, Message};
use crate::routing::{Found, Router, Verdict};
use paper::Paper;
use serde::Serialize;
use serde_json::{Map, Value};

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
    /// Hash of the plan.
    pub plan: String,
    /// Environment of the plan.
    pub environment: String,
    /// The request in its canonical form; `None` if it has none.
    pub request: Option<Canonical>,
    /// Templates that host and path fit, the one that was matched first.
    pub candidates: Vec<Rival>,
    /// The matched route.
    pub matched: Option<Matched>,
    /// The phases in the pipeline's order, also those behind the one that stops the request.
    pub steps: Vec<Step>,
    /// The answer of the gateway's own, if the way stops; `None`: the request goes upstream.
    pub answer: Option<Problem>,
}

/// A request in its canonical form.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Canonical {
    pub method: String,
    pub scheme: &'static str,
    pub host: String,
    pub path: String,
    pub query: Option<String>,
}

/// A template that host and path fit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rival {
    /// API and version.
    pub api: String,
    /// Base and template.
    pub template: String,
    /// Its methods, and the routes behind them.
    pub methods: Vec<String>,
    /// Whether it was the matched one.
    pub matched: bool,
    /// Why it was matched, or why not.
    pub why: String,
    /// Where its first route is declared.
    pub place: String,
}

/// The matched route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matched {
    /// `api/version/route`.
    pub name: String,
    /// Base and template as written.
    pub template: String,
    /// File, line and column.
    pub place: String,
    /// The API's owner.
    pub owner: String,
    /// `current`, `deprecated` or `retired`.
    pub status: &'static str,
    /// What the template's parameters stand for.
    pub parameters: Map<String, Value>,
}

/// What one phase would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Name of the phase, as the key in route files where there is one.
    pub phase: &'static str,
    /// What it does, a fact a line.
    pub says: Vec<String>,
    /// The same for machines.
    pub facts: Value,
    /// The answer if the phase refuses the request.
    pub refuses: Option<Problem>,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Status.
    pub status: u16,
    /// Code of the reason: the last segment of the problem's `type`; `None` where nothing is wrong (204).
    pub reason: Option<&'static str>,
    /// The problem's detail.
    pub detail: String,
    /// What only the operator may read.
    pub private: String,
    /// Header fields of its own.
    pub headers: Vec<(String, String)>,
}

impl Problem {
    fn of(fault: &Fault) -> Problem {
        Problem {
            status: fault.reason.status(),
            reason: Some(fault.reason.code()),
            detail: fault.detail.clone(),
            private: fault.private.clone(),
            headers: fault.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    fn reply(reply: &Reply, detail: &str) -> Problem {
        let headers =
            reply.headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Problem {
            status: reply.status,
            reason: None,
            detail: detail.to_owned(),
            private: String::new(),
            headers,
        }
    }
}

impl Step {
    fn new(phase: &'static str, says: impl Into<String>) -> Step {
        Step { phase, says: vec![says.into()], facts: Value::Null, refuses: None }
    }
    fn say(mut self, line: impl Into<String>) -> Step {
        self.says.push(line.into());
        self
    }
    fn facts(mut self, facts: Value) -> Step {
        self.facts = facts;
        self
    }
    fn refuses(mut self, fault: Option<&Fault>) -> Step {
        self.refuses = fault.map(Problem::of);
        self
    }
}

/// Explains a request to a gateway with this plan.
pub fn explain(plan: Vec<u8>, question: &Question) -> Explanation {
    let explainer = Explainer::new(plan);
    let mut explanation = Explanation { decision: explainer.decide(question), ..Explanation::default() };
    let gateway = &explainer.gateway;
    let host = Paper::new(question);
    let mut exchange = Exchange::begin(gateway, &host, &question.method);
    let Some(router) = gateway.router() else {
        let fault = super::unusable().private(gateway.unusable().unwrap_or_default());
        explanation.answer = Some(Problem::of(&fault));
        return explanation;
    };
    walk(&mut exchange, router, question, &mut explanation);
    if explanation.answer.is_none() {
        explanation.answer = explanation.steps.iter().find_map(|step| step.refuses.clone());
    }
    explanation
}

fn walk<'a>(
    exchange: &mut Exchange<'a, Paper<'a>>,
    router: &Router,
    question: &Question,
    out: &mut Explanation,
) {
    let (plan, shared) = (router.plan(), router.plan().shared());
    out.plan = plan.hash().to_owned();
    out.environment = shared.environment.clone();
    let request = match exchange.admit(&question.method, &question.url) {
        Ok(request) => request,
        Err(fault) => {
            out.steps.push(Step::new("admit", "The request has no canonical form.").refuses(Some(&fault)));
            return;
        }
    };
    out.request = Some(canonical(&request));
    if admin::owns(&request.path) && shared.gateway.serves_admin(&request.host) {
        let says = "The gateway's own path: health for everybody, the rest with the administrator's token.";
        out.steps.push(Step::new("admin", says));
        return;
    }
    let asked = exchange.host.header(Message::Request, "access-control-request-method");
    let preflight = question.method == "OPTIONS" && asked.is_some();
    let method = if preflight { asked.as_deref().unwrap_or_default() } else { &question.method };
    match router.candidates(&request.host, method, &request.path) {
        Ok(candidates) => {
            let rivals = candidates.iter().map(|candidate| rival(plan, candidate, method));
            out.candidates = rivals.collect();
        }
        Err(part) => {
            let fault = super::unusable().private(format!("{part:?}"));
            out.steps.push(Step::new("route", "The plan cannot be used.").refuses(Some(&fault)));
            return;
        }
    }
    if let Some(Response::Reply(reply)) = exchange.preflight(router, &request) {
        let allowed = reply.headers.iter().any(|(name, _)| name == "access-control-allow-origin");
        let says = if allowed {
            "A CORS preflight of an allowed origin, answered here, before authentication."
        } else {
            "A CORS preflight of an origin that is not allowed: answered here, without a word of CORS."
        };
        out.steps.push(Step::new("cors", says));
        if let Some(route) = &exchange.event.route.clone()
            && let Ok(found) = router.find(&request.host, method, &request.path)
        {
            out.matched = Some(matched(exchange, shared, route, &found));
        }
        out.answer = Some(Problem::reply(&reply, says));
        return;
    }
    let found = match exchange.find(router, &request) {
        Ok(Ok(found)) => found,
        Ok(Err(response)) => {
            let says = "OPTIONS is answered here: `Allow` says what the path has.";
            out.steps.push(Step::new("route", says));
            if let Response::Reply(reply) = response {
                out.answer = Some(Problem::reply(&reply, says));
            }
            return;
        }
        Err(fault) => {
            if let Ok(found) = router.find(&request.host, &question.method, &request.path) {
                out.matched = Some(matched(exchange, shared, &found.route, &found));
            }
            let says = match fault.reason {
                Reason::ApiRetired => "This API version is retired.",
                Reason::MethodNotAllowed => "The matched path has no route for the method.",
                Reason::NotFound => "No route matches.",
                _ => "The route does not take this path.",
            };
            out.steps.push(Step::new("route", says).refuses(Some(&fault)));
            return;
        }
    };
    out.matched = Some(matched(exchange, shared, &found.route, &found));
    steps::all(exchange, shared, &request, &found, &mut out.steps);
}

fn canonical(request: &Request<'_>) -> Canonical {
    Canonical {
        method: request.method.to_owned(),
        scheme: if request.https { "https" } else { "http" },
        host: request.host.to_string(),
        path: request.path.to_string(),
        query: request.query.as_deref().map(str::to_owned),
    }
}

fn matched<H: Host>(
    exchange: &Exchange<'_, H>,
    shared: &Shared,
    route: &crate::plan::Route,
    found: &Found<'_, '_>,
) -> Matched {
    let api = shared.apis.get(route.api as usize);
    Matched {
        name: exchange.event.route_name(shared),
        template: route.template.clone(),
        place: shared.place(&route.source),
        owner: api.map(|api| api.owner.clone()).unwrap_or_default(),
        status: match api.map(|api| &api.status) {
            Some(Lifecycle::Deprecated { .. }) => "deprecated",
            Some(Lifecycle::Retired { .. }) => "retired",
            _ => "current",
        },
        parameters: found.params.iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
    }
}

fn rival(plan: &Plan, candidate: &crate::routing::Candidate, method: &str) -> Rival {
    let shared = plan.shared();
    let api = shared.apis.get(candidate.api as usize);
    let first = candidate.methods.first().and_then(|(_, route)| plan.route(*route).ok());
    let names: Vec<String> = candidate
        .methods
        .iter()
        .map(|(method, route)| {
            let route = plan.route(*route).map(|route| route.name.clone()).unwrap_or_default();
            format!("{} {route}", if method == "*" { "ANY" } else { method })
        })
        .collect();
    let why = match candidate.verdict {
        Verdict::Won(_) => "the most specific host, base and path, and a route for the method".to_owned(),
        Verdict::Method => format!("the most specific path, but without a route for {method}"),
        Verdict::LessSpecificPath => "another path of this API is more specific".to_owned(),
        Verdict::ShorterBase => "an API with a longer base path was asked".to_owned(),
        Verdict::LessSpecificHost => "an API of a more specific host was asked".to_owned(),
        Verdict::DeclaredLater => "an API declared earlier has the same host and base path".to_owned(),
    };
    Rival {
        api: api.map(|api| format!("{}/{}", api.name, api.version)).unwrap_or_default(),
        template: candidate.template.clone(),
        methods: names,
        matched: matches!(candidate.verdict, Verdict::Won(_) | Verdict::Method),
        why,
        place: first.map(|route| shared.place(&route.source)).unwrap_or_default(),
    }
}
