//! An event as it is written and read: names in place of indexes. The journal keeps it, `/_tollgate/events` and
//! `tollgate why` show it, and a full record begins with it. What is empty or unknown is left out.

use super::{Attempt, Event};
use crate::fault::Reason;
use crate::plan::{Shared, Source};
use crate::ports::FetchFault;
use serde::{Deserialize, Serialize};

/// One request. `docs/events.md` says what the members mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Line {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(default)]
    pub at: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan: String,
    #[serde(default)]
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default)]
    pub gateway_ms: u32,
    #[serde(default)]
    pub origin_ms: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cache: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// How many like it this one stands for; left out where that is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<serde_json::Number>,
}

/// One upstream call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct AttemptLine {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub call: String,
    #[serde(default)]
    pub upstream: Option<String>,
    #[serde(default)]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default)]
    pub ms: u32,
}

/// The limit that binds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct LimitLine {
    pub id: String,
    #[serde(default)]
    pub remaining: u64,
    #[serde(default)]
    pub place: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

impl Event {
    /// As it is written, names resolved by the plan of `hash`. `weight`: how many like it this one stands for.
    pub fn line(&self, shared: &Shared, hash: &str, weight: f64) -> Line {
        let place = |source: &Source| shared.place(source);
        let api = self.api.and_then(|api| shared.apis.get(api as usize));
        let issuer = self.identity.as_ref().and_then(|identity| shared.issuers.get(identity.issuer as usize));
        let limit = self.limit.and_then(|state| {
            let limit = shared.limits.get(state.limit as usize)?;
            Some(LimitLine {
                id: limit.id.clone(),
                remaining: state.remaining,
                place: place(&limit.source),
                degraded: state.degraded,
            })
        });
        // Whole numbers without a fraction, for people.
        let number = || match weight.fract() == 0.0 {
            true => Some((weight as u64).into()),
            false => serde_json::Number::from_f64(weight),
        };
        Line {
            id: self.id.clone(),
            at: self.at,
            method: self.method.clone(),
            route: self.route_name(shared),
            place: self.route.as_ref().map(|route| place(&route.source)),
            api: api.map(|api| api.name.clone()),
            version: api.map(|api| api.version.clone()),
            owner: api.map(|api| api.owner.clone()),
            plan: hash.to_owned(),
            status: self.status,
            reason: self.reason.map(|reason: Reason| reason.code().to_owned()),
            detail: self.private.clone(),
            consumer: self.identity.as_ref().map(|identity| identity.consumer.clone()),
            issuer: issuer.map(|issuer| issuer.id.clone()),
            gateway_ms: self.took.saturating_sub(self.origin),
            origin_ms: self.origin,
            attempts: self.attempts.iter().map(|attempt| attempt.line(shared)).collect(),
            backend: self.backend_name().map(str::to_owned),
            mirrors: self
                .mirrors
                .iter()
                .filter_map(|i| Some(shared.upstreams.get(*i as usize)?.id.clone()))
                .collect(),
            cache: self.cache.word().to_owned(),
            limit,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            colo: self.colo.clone(),
            country: self.country.clone(),
            weight: if weight == 1.0 { None } else { number() },
        }
    }
}

impl Attempt {
    fn line(&self, shared: &Shared) -> AttemptLine {
        let upstream = shared.upstreams.get(self.upstream as usize);
        let target = upstream.and_then(|upstream| upstream.targets.get(self.target as usize));
        AttemptLine {
            call: self.call.clone(),
            upstream: upstream.map(|upstream| upstream.id.clone()),
            target: target.map(|target| target.url.clone()),
            status: self.result.as_ref().ok().copied(),
            error: self.result.as_ref().err().map(|fault| match fault {
                FetchFault::Timeout => "timeout".to_owned(),
                FetchFault::TooLarge => "too large".to_owned(),
                FetchFault::Failed(text) => text.clone(),
            }),
            ms: self.took,
        }
    }
}
