//! The phases behind the match, each by the policy's own functions.

use super::super::admit::Request;
use super::super::exchange::Exchange;
use super::super::limits::Facts;
use super::super::outcome::Response;
use super::super::stored::Cached;
use super::{Paper, Problem, Step, backends};
use crate::fault::{Fault, Reason};
use crate::limit::{Algorithm, Limit, Per, Period, Unreachable, fields};
use crate::plan::{Action, Forward, Route, Shared};
use crate::policy::auth::{self, Auth};
use crate::policy::combine::Combine;
use crate::policy::headers::Edit;
use crate::policy::lifecycle::Lifecycle;
use crate::policy::timeout::Timeout;
use crate::ports::{Fact, Fetch, Host};
use crate::routing::Found;
use crate::token::{Issuer, Keys, parse};
use crate::{cache, upstream};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::sync::Arc;

type Way<'a> = Exchange<'a, Paper<'a>>;

/// All of them, in the pipeline's order.
pub fn all(
    way: &mut Way<'_>,
    shared: &Shared,
    request: &Request<'_>,
    found: &Found<'_, '_>,
    out: &mut Vec<Step>,
) {
    let route = &found.route;
    out.push(version(shared, route));
    out.push(cors(way, shared, route));
    guard(way, route, request, out);
    out.push(match &route.auth {
        Some(rule) => identify(way, shared, rule),
        None => Step::new("auth", "none: whoever calls is served, credentials are not looked at"),
    });
    for limit in route.limits.iter().filter_map(|index| shared.limits.get(*index as usize)) {
        out.push(limit_step(way, shared, limit));
    }
    if let Action::Forward(Forward { split: Some(split), .. }) = &route.action {
        out.push(backends::choose(way, shared, route, split));
    }
    let mut cached = None;
    if let Some(rule) = &route.cache {
        let (step, says) = look_up(way, rule, shared, route, request);
        out.push(step);
        cached = says;
    }
    if matches!(route.action, Action::Forward(_) | Action::Combine(_)) {
        out.push(timeout(way, route));
    }
    out.push(match &route.action {
        Action::Forward(_) => forward(way, shared, request, found),
        Action::Combine(combine) => self::combine(way, shared, combine, request, found),
        Action::Redirect(redirect) => local("redirect", way.redirect(redirect, request, &found.params)),
        Action::Respond(respond) => local("respond", Ok(way.respond(respond))),
    });
    out.push(response(way, route, cached));
}

fn version(shared: &Shared, route: &Route) -> Step {
    let Some(api) = shared.apis.get(route.api as usize) else { return Step::new("version", "unknown") };
    let status = match &api.status {
        Lifecycle::Current => "current".to_owned(),
        Lifecycle::Retired { .. } => "retired".to_owned(),
        Lifecycle::Deprecated { since, sunset, .. } => {
            let date = |seconds: i64| crate::header::format_date(seconds).unwrap_or_default();
            let until = sunset.map_or(String::new(), |sunset| format!(", ends {}", date(sunset)));
            format!("deprecated since {}{until}", date(*since))
        }
    };
    let says = format!("{}/{} of {}: {status}", api.name, api.version, api.owner);
    Step::new("version", says).facts(json!({ "place": shared.place(&api.source) }))
}

fn cors(way: &Way<'_>, shared: &Shared, route: &Route) -> Step {
    let Some(cors) = route.cors.and_then(|index| shared.cors.get(index as usize)) else {
        return Step::new("cors", "none: what the origin says of it is passed on");
    };
    let origin = way.header("origin");
    let mut edits = Vec::new();
    cors.response_edits(|| origin.clone(), &mut edits);
    let allows = |edit: &Edit, origin: &str| {
        edit.name() == "access-control-allow-origin" && edit.value().is_some_and(|v| v == "*" || v == origin)
    };
    let says = match &origin {
        None => "no Origin: no browser asks".to_owned(),
        Some(origin) if edits.iter().any(|edit| allows(edit, origin)) => {
            format!("{origin} may read the answer")
        }
        Some(origin) => format!("{origin} is not allowed: the browser refuses it the answer"),
    };
    Step::new("cors", says)
        .say(format!("allowed: {}", cors.origins.join(", ")))
        .facts(json!({ "origins": cors.origins, "edits": lines(&edits) }))
}

/// One call of the pipeline's own guard, told as the steps that it consists of.
fn guard(way: &Way<'_>, route: &Route, request: &Request<'_>, out: &mut Vec<Step>) {
    let fault = way.guard(route, request).err();
    let of_https = |fault: &&Fault| fault.reason == Reason::HttpsRequired;
    let https = if route.https { "required" } else { "not required" };
    out.push(
        Step::new("https", format!("{https}; this request came by {}", scheme(request)))
            .refuses(fault.as_ref().filter(of_https)),
    );
    if !route.secrets.is_empty() {
        let names = route.secrets.join(", ");
        let says = format!("needs {names}; without them the answer is 503");
        out.push(Step::new("secrets", says).facts(json!(route.secrets)));
    }
    if let Some(body) = &route.body {
        // Behind the HTTPS rule the guard has not come so far: ask the policy itself.
        let length = way.header("content-length");
        let fault = match fault {
            Some(fault) if fault.reason == Reason::HttpsRequired => {
                let unsaid = length.is_none() && way.host.fact(Fact::HasBody).is_some();
                body.admit(length.as_deref(), unsaid).err()
            }
            fault => fault,
        };
        out.push(
            Step::new("body", format!("{} bytes at most, of declared length", body.max))
                .facts(json!({ "max": body.max }))
                .refuses(fault.as_ref()),
        );
    }
}

fn scheme(request: &Request<'_>) -> &'static str {
    if request.https { "https" } else { "http" }
}

/// The caller, if the claims hold. The signature is not checked, and the step says so.
fn identify(way: &mut Way<'_>, shared: &Shared, rule: &Auth) -> Step {
    let issuers = rule.issuers.iter().filter_map(|index| shared.issuers.get(*index as usize));
    let issuers: Vec<&Issuer> = issuers.collect();
    let mut step = Step::new("auth", "a bearer token is needed");
    for issuer in &issuers {
        let algorithms: Vec<&str> = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        step = step.say(format!(
            "of issuer {} ({}), for {}, signed with {}, keys {}",
            issuer.id,
            issuer.issuer,
            issuer.audiences.join(" or "),
            algorithms.join(" or "),
            match &issuer.keys {
                Keys::Inline(_) => "in the route file".to_owned(),
                Keys::Jwks { url, .. } => format!("from {url}"),
                Keys::Secret(name) => format!("in the secret {name}"),
            },
        ));
    }
    let needed = if rule.any { "any scope of" } else { "scopes" };
    let scopes = if rule.scopes.is_empty() { "none".to_owned() } else { rule.scopes.join(" ") };
    step = step.say(format!("{needed}: {scopes}"));
    if rule.keep_credentials {
        step = step.say("Authorization is passed on to the origin");
    }
    let mut facts = json!({
        "issuers": issuers.iter().map(|issuer| &issuer.id).collect::<Vec<_>>(),
        "scopes": rule.scopes,
        "any": rule.any,
    });
    let judged = judge(way, shared, rule);
    if let Ok(identity) = &judged {
        let scopes = if identity.scopes.is_empty() { "none" } else { &identity.scopes };
        step = step
            .say(format!("the token's claims hold: {} with scopes {scopes}", identity.consumer))
            .say("its signature was not checked here");
        if let Value::Object(members) = &mut facts {
            members.insert("consumer".into(), json!(identity.consumer));
            members.insert("signature_checked".into(), json!(false));
        }
        way.event.identity = Some(Arc::clone(identity));
    }
    let fault = judged.and_then(|identity| rule.authorize(&identity)).err();
    step.facts(facts).refuses(fault.as_ref())
}

fn judge(way: &Way<'_>, shared: &Shared, rule: &Auth) -> Result<Arc<crate::token::Identity>, Fault> {
    let Some(field) = way.header("authorization") else { return Err(auth::refuse(Reason::TokenMissing)) };
    let token = auth::bearer(&field).map_err(auth::refuse)?;
    let now = way.event.at / 1000;
    let pending = parse::token(token).and_then(|token| token.admit(&shared.issuers, &rule.issuers, now));
    pending.map(|pending| Arc::new(pending.verified())).map_err(auth::refuse)
}

fn limit_step(way: &Way<'_>, shared: &Shared, limit: &Limit) -> Step {
    let rule = match limit.algorithm {
        Algorithm::Bucket { rate, period, burst } => format!("{rate} in {}, burst {burst}", span(period)),
        Algorithm::Sliding { limit, window } => format!("{limit} in any {}", span(window)),
        Algorithm::Quota { limit, period } => {
            let period = match period {
                Period::Hour => "hour",
                Period::Day => "day",
                Period::Week => "week",
                Period::Month => "month",
            };
            format!("{limit} a {period} (UTC)")
        }
    };
    let per = match &limit.per {
        Per::Route => "route".to_owned(),
        Per::Consumer => "consumer".to_owned(),
        Per::Claim(name) => format!("claim {name}"),
        Per::Address => "address".to_owned(),
        Per::Header(name) => format!("header {name}"),
    };
    let (word, unreachable) = match limit.unreachable {
        Unreachable::Degrade => ("degrade", "each isolate counts by itself"),
        Unreachable::Closed => ("closed", "the request is refused"),
        Unreachable::Open => ("open", "the request passes uncounted"),
    };
    let place = shared.place(&limit.source);
    let object = limit.object(&Facts { exchange: way, shared });
    let key = match (&object, &limit.per) {
        (Ok(object), _) => format!("counted in object {}", object.as_str()),
        (Err(_), Per::Consumer | Per::Claim(_)) if way.event.identity.is_none() => {
            "counted in an object of the caller, who is not known here".to_owned()
        }
        (Err(error), _) => error.to_string(),
    };
    // A caller who is not known was refused before.
    let fault = match &object {
        Err(error) if way.event.identity.is_some() || limit.per == Per::Address => {
            Some(fields::unavailable(limit, &error.to_string()))
        }
        _ => None,
    };
    Step::new("limit", format!("{}: {rule}, per {per}   {place}", limit.id))
        .say(key)
        .say(format!("if the object is silent for {} ms: {word}, {unreachable}", limit.deadline))
        .facts(json!({
            "id": limit.id,
            "policy": fields::rate_limit_policy([limit], way.event.at),
            "per": per,
            "object": object.as_ref().map(|object| object.as_str()).ok(),
            "unreachable": word,
            "deadline_ms": limit.deadline,
            "place": place,
        }))
        .refuses(fault.as_ref())
}

fn span(milliseconds: u32) -> String {
    match milliseconds {
        ms if ms % 86_400_000 == 0 => format!("{} d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        ms => format!("{ms} ms"),
    }
}

fn look_up(
    way: &mut Way<'_>,
    rule: &cache::Rule,
    shared: &Shared,
    route: &Route,
    request: &Request<'_>,
) -> (Step, Option<&'static str>) {
    let ttl = match (rule.ttl, rule.override_origin) {
        (None, _) => "as long as the origin allows".to_owned(),
        (Some(ttl), true) => format!("{}, whatever the origin says", span(ttl)),
        (Some(ttl), false) => format!("{} where the origin does not say", span(ttl)),
    };
    let parts: Vec<String> = rule
        .key
        .iter()
        .map(|part| match part {
            cache::KeyPart::Consumer => "consumer".to_owned(),
            cache::KeyPart::Query(name) => format!("query.{name}"),
            cache::KeyPart::AllQuery => "query".to_owned(),
            cache::KeyPart::Header(name) => format!("header.{name}"),
        })
        .collect();
    let parts = if parts.is_empty() { "the whole query".to_owned() } else { parts.join(", ") };
    let step = Step::new("cache", format!("fresh for {ttl}; key: scheme, authority, path, {parts}"))
        .say(format!("bodies up to {} bytes", rule.max_bytes));
    // The host has nothing stored and answers at once: this is the way of a miss.
    match way.look_up(rule, shared, route, request).now_or_never() {
        Some(Ok(Cached::Miss { key, outcome, .. })) => {
            let mut step = step.say(format!("key {key}"));
            if outcome == cache::Outcome::Request {
                step = step.say("the request's Cache-Control wants nothing stored: the origin is asked");
            }
            (step.facts(json!({ "key": key, "parts": parts })), Some("looked up"))
        }
        Some(Ok(Cached::Bypass(cache::Outcome::Bypass(why)))) => {
            (step.say(format!("bypassed: {why}")).facts(json!({ "bypass": why })), None)
        }
        Some(Err(fault)) => (step.say("if nothing stored answers:").refuses(Some(&fault)), None),
        _ => (step, None),
    }
}

fn timeout(way: &Way<'_>, route: &Route) -> Step {
    let own = way.backend(route).and_then(|backend| backend.timeout.as_ref());
    let Timeout { headers, total } = *own.unwrap_or(&route.timeout);
    Step::new("timeout", format!("{headers} ms for each try until its headers, {total} ms for all"))
        .facts(json!({ "headers_ms": headers, "total_ms": total }))
}

fn forward(way: &mut Way<'_>, shared: &Shared, request: &Request<'_>, found: &Found<'_, '_>) -> Step {
    let route = &found.route;
    let Action::Forward(rule) = &route.action else { return Step::new("upstream", "none") };
    let result = way.forward(shared, route, rule, request, &found.params, None).now_or_never();
    let sent = way.host.sent.take();
    // Whoever sends nothing was refused; whoever does is told that nothing answers, which is no news.
    let (Some(first), Some(attempt)) = (sent.first(), way.event.attempts.first()) else {
        let fault = result.and_then(Result::err);
        return Step::new("upstream", "no request can be made of this one").refuses(fault.as_ref());
    };
    let Some(upstream) = shared.upstreams.get(attempt.upstream as usize) else {
        return Step::new("upstream", "the plan does not have it");
    };
    let own = upstream.targets.get(attempt.target as usize);
    let target = own.and_then(|own| first.url.strip_prefix(own.url.as_str())).unwrap_or_default();
    let mut step = Step::new("upstream", format!("{} {target} to {}", first.method, upstream.id));
    for candidate in &upstream.targets {
        step = step.say(format!("{}{target}{}", candidate.url, share(candidate, &upstream.targets)));
    }
    let edits = told(way, first);
    for edit in &edits {
        step = step.say(format!("header {edit}"));
    }
    let urls: Vec<String> = upstream.targets.iter().map(|own| format!("{}{target}", own.url)).collect();
    step.facts(json!({ "upstream": upstream.id, "method": first.method, "urls": urls, "edits": edits }))
}

fn share(target: &upstream::Target, all: &[upstream::Target]) -> String {
    let sum: u64 = all.iter().map(|target| u64::from(target.weight)).sum();
    let via = target.via.as_ref().map_or(String::new(), |via| format!("  by binding {via}"));
    match target.weight {
        _ if all.len() == 1 => via,
        0 => format!("  only when the others fail{via}"),
        weight => format!("  {weight} of {sum}{via}"),
    }
}

/// The edits that change from request to request say little; those of the route file and on the caller do.
fn told(way: &Way<'_>, fetch: &Fetch) -> Vec<String> {
    let shown = |edit: &&Edit| edit.name() != super::super::REQUEST_ID && edit.value() != Some(&way.event.id);
    lines(fetch.edits.iter().filter(shown))
}

fn combine(
    way: &mut Way<'_>,
    shared: &Shared,
    combine: &Combine,
    request: &Request<'_>,
    found: &Found<'_, '_>,
) -> Step {
    let route = &found.route;
    let result = way.combine(shared, route, combine, request, &found.params).now_or_never();
    let sent = way.host.sent.take();
    if sent.is_empty() {
        let fault = result.and_then(Result::err);
        return Step::new("combine", "no calls can be made of this request").refuses(fault.as_ref());
    }
    let mut step = Step::new("combine", format!("{} calls in parallel, merged as JSON", combine.calls.len()));
    let edits = sent.first().map(|first| told(way, first)).unwrap_or_default();
    let mut calls = Vec::new();
    for call in &combine.calls {
        // Each call's first try: fetches and attempts were noted in the same order per call.
        let attempt = way.event.attempts.iter().find(|attempt| attempt.call == call.name);
        let upstream = shared.upstreams.get(call.upstream as usize);
        let own = attempt.zip(upstream).and_then(|(a, upstream)| upstream.targets.get(a.target as usize));
        let path = call.path.apply(|name| found.params.get(name)).unwrap_or_default();
        let url = own.map(|own| format!("{}{path}", own.url)).unwrap_or_default();
        let need = if call.required { "required" } else { "optional" };
        // Only what was really asked of the host is told.
        if sent.iter().any(|fetch| fetch.url == url) {
            step = step.say(format!("{}: GET {url}  {need}", call.name));
            calls.push(json!({ "name": call.name, "url": url, "required": call.required }));
        }
    }
    for edit in &edits {
        step = step.say(format!("header {edit}"));
    }
    step.facts(json!({ "calls": calls, "edits": edits }))
}

/// An answer of the gateway's own, or why there is none.
fn local(phase: &'static str, answer: Result<Response, Fault>) -> Step {
    match answer {
        Ok(Response::Reply(reply)) => {
            let location = reply.headers.iter().find(|(name, _)| name == "location").map(|(_, url)| url);
            let says = match location {
                Some(url) => format!("{} to {url}", reply.status),
                None => {
                    format!("{}, a body of {} bytes, from the route file", reply.status, reply.body.len())
                }
            };
            let facts = json!({ "status": reply.status, "location": location, "bytes": reply.body.len() });
            let mut step = Step::new(phase, says.clone()).facts(facts);
            step.refuses = Some(Problem::reply(&reply, &says));
            step
        }
        Ok(Response::Relay(_)) => Step::new(phase, "an upstream's answer"),
        Err(fault) => Step::new(phase, "this request cannot be answered so").refuses(Some(&fault)),
    }
}

fn response(way: &Way<'_>, route: &Route, cached: Option<&str>) -> Step {
    let edits: Vec<String> = lines(way.edits.iter().chain(&route.headers.response));
    let mut step = Step::new("response", "what answers gets these header fields");
    for edit in &edits {
        step = step.say(edit.clone());
    }
    if cached.is_some() {
        step = step.say("cache-status: what the cache did");
    }
    if !route.limits.is_empty() {
        step = step.say("ratelimit, ratelimit-policy: how the limits stand");
    }
    step.facts(json!({ "edits": edits }))
}

fn lines<'e>(edits: impl IntoIterator<Item = &'e Edit>) -> Vec<String> {
    let line = |edit: &Edit| match edit {
        Edit::Set(name, value) => format!("{name}: {value}"),
        Edit::Add(name, value) => format!("{name}: {value} (added)"),
        Edit::Remove(name) => format!("{name}: removed"),
    };
    edits.into_iter().map(line).collect()
}
