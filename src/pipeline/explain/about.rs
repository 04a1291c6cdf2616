//! What the route file says of each phase, and what the request makes of it: for people.

use super::{Question, Said, Walked, shares};
use crate::cache;
use crate::header::format_date;
use crate::limit::{Algorithm, Limit, Period, Unreachable};
use crate::pipeline::gateway::Gateway;
use crate::pipeline::record::{Verdict, notes};
use crate::plan::{Action, Route, Shared};
use crate::policy::auth::Auth;
use crate::policy::headers::Edit;
use crate::policy::https::Https;
use crate::policy::lifecycle::Lifecycle;
use crate::policy::split::Backend;
use crate::policy::timeout::Timeout;
use crate::token::{Issuer, Keys};
use crate::upstream::Target;

/// All phases of the record, in its order, and the answer's header fields.
pub fn all(gateway: &Gateway, question: &Question, walked: &Walked) -> Vec<Said> {
    let Some(router) = gateway.router() else { return Vec::new() };
    let about = About { shared: router.plan().shared(), question, walked };
    let mut said: Vec<Said> = Vec::new();
    for step in &walked.record.steps {
        let mut says = about.phase(&step.phase);
        // What stands in the route file of a phase that was not asked may still be of use, what it would do is not known.
        if step.verdict == Verdict::Skipped && matches!(step.phase.as_str(), "upstream" | "combine") {
            says = vec!["not asked".to_owned()];
        }
        said.push(Said { phase: step.phase.clone(), verdict: step.verdict, says });
    }
    said
}

struct About<'a> {
    shared: &'a Shared,
    question: &'a Question,
    walked: &'a Walked,
}

impl About<'_> {
    fn phase(&self, phase: &str) -> Vec<String> {
        let Some(route) = self.walked.event.route.as_deref() else { return self.without_route(phase) };
        match phase {
            "preflight" => {
                let headers = &self.walked.decision.response_headers;
                vec![match headers.get("access-control-allow-origin") {
                    Some(_) => "a CORS preflight of an allowed origin, answered here, before authentication",
                    None => "a CORS preflight of an origin that is not allowed: answered without a word of CORS",
                }
                .to_owned()]
            }
            "version" => self.version(route),
            "cors" => self.cors(route),
            "https" => {
                let scheme =
                    self.walked.record.request.as_ref().map_or("", |request| request.scheme.as_str());
                let rule =
                    if route.https == Https::Required { "required" } else { "plain HTTP is redirected" };
                vec![format!("{rule}; this request came by {scheme}")]
            }
            "maintenance" => {
                let rule = route.maintenance.as_ref();
                let until = rule.and_then(|rule| rule.until).and_then(format_date);
                vec![until.map_or("until it is taken back".to_owned(), |until| format!("until {until}"))]
            }
            "csrf" => {
                let trusted = route.csrf.as_ref().map(|rule| rule.trusted.join(", ")).unwrap_or_default();
                let trusted = if trusted.is_empty() { "no other origin" } else { &trusted };
                vec![format!("refuses what other sites make browsers send; trusts {trusted}")]
            }
            "secrets" => vec![format!("needs {}; without them the answer is 503", route.secrets.join(", "))],
            "body" => {
                let most = route.body.as_ref().map_or(0, |body| body.max);
                vec![format!("{most} bytes at most, of declared length")]
            }
            "auth" => route.auth.as_ref().map_or_else(Vec::new, |rule| self.auth(rule)),
            "limits" => {
                let limits = route.limits.iter().filter_map(|index| self.shared.limits.get(*index as usize));
                limits.flat_map(|limit| self.limit(limit)).collect()
            }
            "backends" => shares::backends(route, self.walked.event.at),
            "cache" => route.cache.as_ref().map_or_else(Vec::new, |rule| self.cache(rule)),
            "upstream" => self.upstream(route),
            "combine" => self.combine(route),
            "redirect" | "respond" => self.local(),
            _ => Vec::new(),
        }
    }

    fn without_route(&self, phase: &str) -> Vec<String> {
        let says = match phase {
            "admin" => {
                "the gateway's own path: health for everybody, the rest with the administrator's token"
            }
            "match" if self.walked.decision.reason == Some("method-not-allowed") => {
                "the path has no route for the method"
            }
            "match" if self.walked.decision.status == 204 => {
                "OPTIONS is answered here: `Allow` says what the path has"
            }
            "match" => "no route matches",
            "version" if self.walked.decision.reason == Some("api-retired") => "this API version is retired",
            _ => return Vec::new(),
        };
        vec![says.to_owned()]
    }

    fn version(&self, route: &Route) -> Vec<String> {
        let Some(api) = self.shared.apis.get(route.api as usize) else { return Vec::new() };
        let status = match &api.status {
            Lifecycle::Current => "current".to_owned(),
            Lifecycle::Retired { .. } => "retired".to_owned(),
            Lifecycle::Deprecated { since, sunset, .. } => {
                let date = |seconds: i64| format_date(seconds).unwrap_or_default();
                let until = sunset.map_or(String::new(), |sunset| format!(", ends {}", date(sunset)));
                format!("deprecated since {}{until}", date(*since))
            }
        };
        vec![format!(
            "{}/{} of {}: {status}   {}",
            api.name,
            api.version,
            api.owner,
            self.shared.place(&api.source)
        )]
    }

    fn cors(&self, route: &Route) -> Vec<String> {
        let Some(cors) = route.cors.and_then(|index| self.shared.cors.get(index as usize)) else {
            return Vec::new();
        };
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("origin");
        let origin = self.question.headers.iter().find(named).map(|(_, value)| value);
        let mut edits = Vec::new();
        cors.response_edits(|| origin.map(|origin| origin.as_str().into()), &mut edits);
        let allows = |edit: &Edit, origin: &str| {
            edit.name() == "access-control-allow-origin"
                && edit.value().is_some_and(|value| value == "*" || value == origin)
        };
        let says = match origin {
            None => "no Origin: no browser asks".to_owned(),
            Some(origin) if edits.iter().any(|edit| allows(edit, origin)) => {
                format!("{origin} may read the answer")
            }
            Some(origin) => format!("{origin} is not allowed: the browser refuses it the answer"),
        };
        vec![says]
    }

    fn auth(&self, rule: &Auth) -> Vec<String> {
        let issuers = rule.issuers.iter().filter_map(|index| self.shared.issuers.get(*index as usize));
        let mut says = vec!["a bearer token is needed".to_owned()];
        says.extend(issuers.map(issuer));
        let needed = if rule.any { "any scope of" } else { "scopes" };
        let scopes = if rule.scopes.is_empty() { "none".to_owned() } else { rule.scopes.join(" ") };
        says.push(format!("{needed}: {scopes}"));
        if rule.keep_credentials {
            says.push("Authorization is passed on to the origin".to_owned());
        }
        if let Some(identity) = &self.walked.event.identity {
            let scopes = if identity.scopes.is_empty() { "none" } else { &identity.scopes };
            says.push(format!("the token's claims hold: {} with scopes {scopes}", identity.consumer));
            says.push("its signature was not checked: it counts as good here".to_owned());
        }
        says
    }

    fn limit(&self, limit: &Limit) -> Vec<String> {
        let (word, unreachable) = match limit.unreachable {
            Unreachable::Degrade => ("degrade", "each isolate counts by itself"),
            Unreachable::Closed => ("closed", "the request is refused"),
            Unreachable::Open => ("open", "the request passes uncounted"),
        };
        let (rule, per, place) =
            (algorithm(limit.algorithm), notes::per(&limit.per), self.shared.place(&limit.source));
        let mut says = vec![format!("{}: {rule}, per {per}   {place}", limit.id)];
        if let Some(cell) = self.walked.record.limits.iter().find(|cell| cell.id == limit.id) {
            says.push(format!("counted in object {}", cell.object));
        }
        says.push(format!("if the object is silent for {} ms: {word}, {unreachable}", limit.deadline));
        says
    }

    fn cache(&self, rule: &cache::Rule) -> Vec<String> {
        let ttl = match (rule.ttl, rule.override_origin) {
            (None, _) => "as long as the origin allows".to_owned(),
            (Some(ttl), true) => format!("{}, whatever the origin says", span(ttl)),
            (Some(ttl), false) => format!("{} where the origin does not say", span(ttl)),
        };
        let noted = self.walked.record.cached.as_ref();
        let mut parts = noted.map(|cached| cached.parts.join(", ")).unwrap_or_default();
        if parts.is_empty() {
            "the whole query".clone_into(&mut parts);
        }
        let mut says = vec![
            format!("fresh for {ttl}; key: scheme, authority, path, {parts}"),
            format!("bodies up to {} bytes", rule.max_bytes),
        ];
        says.extend(noted.and_then(|cached| cached.key.as_ref()).map(|key| format!("key {key}")));
        says.extend(noted.map(|cached| cached.result.clone()));
        says
    }

    fn upstream(&self, route: &Route) -> Vec<String> {
        let (Some(first), Some(attempt)) = (self.walked.sent.first(), self.walked.event.attempts.first())
        else {
            return vec!["no request can be made of this one".to_owned()];
        };
        let Some(upstream) = self.shared.upstreams.get(attempt.upstream as usize) else { return Vec::new() };
        let own = upstream.targets.get(attempt.target as usize);
        let target = own.and_then(|own| first.url.strip_prefix(own.url.as_str())).unwrap_or_default();
        let mut says = vec![format!("{} {target} to {}", first.method, upstream.id)];
        for candidate in &upstream.targets {
            says.push(format!("{}{target}{}", candidate.url, share(candidate, &upstream.targets)));
        }
        says.extend(self.changes(&first.edits));
        let own = self.backend(route).and_then(|backend| backend.timeout.as_ref());
        says.push(timeout(own.unwrap_or(&route.timeout)));
        says.extend(shares::mirrors(self.shared, route));
        says
    }

    /// The backend that was chosen, of several.
    fn backend<'r>(&self, route: &'r Route) -> Option<&'r Backend> {
        let Action::Forward(forward) = &route.action else { return None };
        forward.split.as_ref()?.backends.get(usize::from(self.walked.event.backend?))
    }

    fn combine(&self, route: &Route) -> Vec<String> {
        let Action::Combine(combine) = &route.action else { return Vec::new() };
        let mut says = vec![format!("{} calls in parallel, merged as JSON", combine.calls.len())];
        for (fetch, attempt) in self.walked.sent.iter().zip(&self.walked.event.attempts) {
            let required = combine.calls.iter().any(|call| call.name == attempt.call && call.required);
            let need = if required { "required" } else { "optional" };
            says.push(format!("{}: GET {}  {need}", attempt.call, fetch.url));
        }
        if let Some(first) = self.walked.sent.first() {
            says.extend(self.changes(&first.edits));
        }
        says.push(timeout(&route.timeout));
        says
    }

    /// What an upstream gets beside what the client sent; ids change from request to request and say nothing.
    fn changes(&self, edits: &[Edit]) -> Vec<String> {
        let id = &self.walked.event.id;
        let shown = edits.iter().filter(|edit| edit.value() != Some(id));
        shown
            .map(|edit| match edit {
                Edit::Set(name, value) => format!("header {name}: {value}"),
                Edit::Add(name, value) => format!("header {name}: {value} (added)"),
                Edit::Remove(name) => format!("header {name}: removed"),
            })
            .collect()
    }

    fn local(&self) -> Vec<String> {
        let decision = &self.walked.decision;
        vec![match decision.response_headers.get("location") {
            Some(url) => format!("{} to {url}", decision.status),
            None => format!("{}, from the route file", decision.status),
        }]
    }
}

fn issuer(issuer: &Issuer) -> String {
    let algorithms: Vec<&str> = issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect();
    format!(
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
    )
}

fn algorithm(algorithm: Algorithm) -> String {
    match algorithm {
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
    }
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

fn timeout(timeout: &Timeout) -> String {
    let Timeout { headers, total } = timeout;
    format!("{headers} ms for each try until its headers, {total} ms for all")
}

fn share(target: &Target, all: &[Target]) -> String {
    let sum: u64 = all.iter().map(|target| u64::from(target.weight)).sum();
    let via = target.via.as_ref().map_or(String::new(), |via| format!("  by binding {via}"));
    match target.weight {
        _ if all.len() == 1 => via,
        0 => format!("  only when the others fail{via}"),
        weight => format!("  {weight} of {sum}{via}"),
    }
}
