//! What the pipeline notes of itself beside phases and reads. Each is a branch where nothing is recorded.

use super::super::admit::{Request, Seen};
use super::super::exchange::Exchange;
use super::super::limits::Held;
use super::shown::{Subject, cut, query};
use super::{Canonical, Cell, NearMiss, Side};
use crate::cache::{self, KeyPart, Rule, cache_status};
use crate::limit::{self, Algorithm, Per, fields};
use crate::plan::{Route, Shared};
use crate::policy::headers::Edit;
use crate::ports::Host;
use crate::routing::{Params, Router, Verdict};
use crate::token::Identity;

/// Longest path and host shown, in bytes.
const LONGEST: usize = 512;

impl<H: Host> Exchange<'_, H> {
    /// The request's canonical form.
    #[inline]
    pub(in super::super) fn note_request(&self, request: &Request<'_>) {
        if let Some(recorder) = self.recorder {
            recorder.canonical(Canonical {
                method: request.method.to_owned(),
                scheme: if request.https { "https" } else { "http" }.to_owned(),
                host: cut(&request.host, LONGEST).to_owned(),
                path: cut(&request.path, LONGEST).to_owned(),
                query: request.query.as_deref().map(query),
            });
        }
    }

    /// Routes that lose against the one that matches.
    #[inline]
    pub(in super::super) fn note_near_misses(&self, router: &Router, request: &Request<'_>) {
        if let Some(recorder) = self.recorder {
            recorder.near_misses(near_misses(router, request, self.host).into_iter());
        }
    }

    /// The matched template and its parameters.
    #[inline]
    pub(in super::super) fn note_match(&self, route: &Route, params: &Params<'_, '_>) {
        if let Some(recorder) = self.recorder {
            let parameters =
                params.iter().map(|(name, value)| (name.to_owned(), cut(value, LONGEST).to_owned()));
            recorder.matched(&route.template, parameters);
        }
    }

    /// Whose token it is, and how that is known.
    #[inline]
    pub(in super::super) fn note_token(&self, shared: &Shared, identity: &Identity, signature: &str) {
        if let Some(recorder) = self.recorder {
            let issuer = shared.issuers.get(identity.issuer as usize).map(|issuer| issuer.id.as_str());
            recorder.read(Subject::Own("issuer"), issuer);
            recorder.read(Subject::Own("signature"), Some(signature));
            recorder.read(Subject::Claim("consumer"), Some(&identity.consumer));
            recorder.read(Subject::Claim("scopes"), Some(&identity.scopes));
        }
    }

    /// How the limits that were asked stand.
    #[inline]
    pub(in super::super) fn note_limits(&self, shared: &Shared, held: &[Held<'_>]) {
        if let Some(recorder) = self.recorder {
            recorder.cells(held.iter().map(|held| cell(shared, held, self.host.now())));
        }
    }

    /// Which backend was chosen, and by what.
    #[inline]
    pub(in super::super) fn note_backend(&self, name: &str, by: &str) {
        if let Some(recorder) = self.recorder {
            recorder.read(Subject::Own("backend"), Some(name));
            recorder.read(Subject::Own("chosen by"), Some(by));
        }
    }

    /// What the cache is asked.
    #[inline]
    pub(in super::super) fn note_cache(
        &self,
        rule: &Rule,
        shared: &Shared,
        key: Option<&str>,
        outcome: cache::Outcome,
    ) {
        if let Some(recorder) = self.recorder {
            let parts = rule.key.iter().map(part).collect();
            recorder.asked_cache(parts, key);
            recorder.cache_said(&cache_status(&shared.gateway.name, outcome, None));
        }
    }

    /// The stored answer serves, with these edits.
    #[inline]
    pub(in super::super) fn note_hit(&self, edits: &[Edit]) {
        if let Some(recorder) = self.recorder {
            recorder.changed(Side::Response, "cache", edits);
            let said = edits.iter().find(|edit| edit.name() == "cache-status").and_then(Edit::value);
            recorder.cache_said(said.unwrap_or_default());
        }
    }

    /// What the cache says in `Cache-Status`.
    #[inline]
    pub(in super::super) fn note_said(&self, said: &str) {
        if let Some(recorder) = self.recorder {
            recorder.cache_said(said);
            let edit = Edit::Add("cache-status".into(), said.to_owned().into());
            recorder.changed(Side::Response, "cache", &[edit]);
        }
    }
}

/// Routes that the request fits in part or less well, and why they lose.
pub fn near_misses<H: Host>(router: &Router, request: &Request<'_>, host: &H) -> Vec<NearMiss> {
    let shared = router.plan().shared();
    let candidates = router.candidates(&request.asked(Some(&Seen(host)))).unwrap_or_default();
    let lost = candidates.into_iter().filter(|candidate| candidate.verdict != Verdict::Won);
    lost.filter_map(|candidate| {
        let api = shared.apis.get(candidate.api as usize)?;
        let route = router.plan().route(candidate.rule.route).ok()?;
        let why = match candidate.verdict {
            Verdict::Won => "",
            Verdict::Host => "it is for another host",
            Verdict::Method => &format!("it does not take {}", request.method),
            Verdict::Condition(index) => match candidate.rule.conditions.get(index) {
                Some(condition) => &format!("it asks that {condition}"),
                None => "a condition does not hold",
            },
            Verdict::LessSpecificHost => "a route of a more specific host goes first",
            Verdict::LessSpecificPath => "a route with a more specific path goes first",
            Verdict::LessSpecificMethod => "a route that names the method goes first",
            Verdict::FewerHeaders => "a route with more conditions on header fields goes first",
            Verdict::FewerQueries => "a route with more conditions on the query goes first",
            Verdict::LowerPriority => "a route of higher priority goes first",
        };
        Some(NearMiss {
            route: format!("{}/{}/{}", api.name, api.version, route.name),
            owner: api.owner.clone(),
            template: format!("{}{}", api.base, candidate.rule.path),
            methods: candidate.rule.methods,
            why: why.to_owned(),
            place: shared.place(&route.source),
        })
    })
    .collect()
}

fn part(part: &KeyPart) -> String {
    match part {
        KeyPart::Consumer => "consumer".to_owned(),
        KeyPart::Query(name) => format!("query.{name}"),
        KeyPart::AllQuery => "query".to_owned(),
        KeyPart::Header(name) => format!("header.{name}"),
    }
}

fn cell(shared: &Shared, held: &Held<'_>, now: u64) -> Cell {
    let limit = held.limit;
    let by = match (held.verdict, held.degraded, held.remembered) {
        (Some(_), false, true) => "memory",
        (Some(_), false, false) => "object",
        (Some(_), true, _) => "isolate",
        (None, ..) => "nobody",
    };
    let verdict = held.verdict;
    let retry = verdict.map(|verdict| verdict.retry_ms).filter(|retry| *retry != 0 && *retry != limit::NEVER);
    Cell {
        id: limit.id.clone(),
        algorithm: match limit.algorithm {
            Algorithm::Bucket { .. } => "bucket",
            Algorithm::Sliding { .. } => "sliding",
            Algorithm::Quota { .. } => "quota",
        }
        .to_owned(),
        policy: fields::rate_limit_policy([limit], now),
        per: per(&limit.per),
        object: held.object.as_str().to_owned(),
        by: by.to_owned(),
        admitted: verdict.map(|verdict| verdict.admitted),
        remaining: verdict.map(|verdict| verdict.remaining),
        reset_ms: verdict.map(|verdict| verdict.reset_ms),
        retry_ms: retry,
        place: shared.place(&limit.source),
    }
}

/// What a limit counts apart, for people.
pub fn per(per: &Per) -> String {
    match per {
        Per::Route => "route".to_owned(),
        Per::Consumer => "consumer".to_owned(),
        Per::Claim(name) => format!("claim {name}"),
        Per::Address => "address".to_owned(),
        Per::Header(name) => format!("header {name}"),
    }
}
