//! The full record of one request: what explain, `tollgate why` and debug tokens show, written by the pipeline itself
//! while it handles the request, and only where recording is on.
//!
//! A [`Record`] begins with the request's event ([`crate::event::line::Line`]), so the two never disagree. A
//! [`Recorder`] collects the rest: [`Exchange`](super::exchange::Exchange) enters phases, [`Watched`] notes what each
//! of them reads of the request and the world. No value gets in but through [`shown`], which hides what is secret.

pub mod notes;
mod phase;
mod recorder;
pub mod shown;
#[cfg(feature = "cli")]
pub mod text;
mod watched;

pub use phase::Phase;
pub use recorder::{Recorder, Side};
pub use watched::Watched;

use crate::event::line::Line;
use serde::{Deserialize, Serialize};
use shown::{Input, Shown};
use std::collections::BTreeMap;

/// Everything about one request. Bounded: each list has a most, and texts are cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its event.
    #[serde(flatten)]
    pub event: Line,
    /// Environment of the plan.
    #[serde(default)]
    pub environment: String,
    /// The request in its canonical form; `None` where it has none.
    #[serde(default)]
    pub request: Option<Canonical>,
    /// The matched path, base and template as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What the path's parameters stand for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Routes that the request fits in part or less well, and why they lost.
    #[serde(default)]
    pub near_misses: Vec<NearMiss>,
    /// The phases in their order: those that ran, and as skipped those of the route that did not.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// How each limit of the route stood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Cell>,
    /// What the cache was asked and said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<CacheNote>,
    /// Edits on the header fields that upstreams get, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<Change>,
    /// Edits on the answer's header fields, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<Change>,
}

/// A request in its canonical form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Canonical {
    pub method: String,
    pub scheme: String,
    pub host: String,
    pub path: String,
    /// Values whose names tell of secrets are hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A route that lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NearMiss {
    /// `api/version/name`.
    pub route: String,
    /// Who owns it.
    #[serde(default)]
    pub owner: String,
    /// Base and path as written.
    pub template: String,
    /// Its methods; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Why it lost: the first that fails of what it asks, or what goes before it.
    pub why: String,
    /// File, line and column.
    pub place: String,
}

/// What became of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It let the request pass.
    #[default]
    Passed,
    /// It made the answer, and nothing is wrong.
    Answered,
    /// It refused the request: what the client sent is not enough.
    Refused,
    /// It could not decide or do its work: what it needs did not answer, or is not there.
    Failed,
    /// It was not asked: an earlier phase stopped the request.
    Skipped,
}

/// One phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name: the key in route files where there is one.
    pub phase: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Code of the reason for which it stopped the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it read, and what it found out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
}

/// One limit as it stood after the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Its id.
    pub id: String,
    /// `bucket`, `sliding` or `quota`.
    pub algorithm: String,
    /// The `RateLimit-Policy` of it.
    pub policy: String,
    /// What it counts apart.
    pub per: String,
    /// The object that counts, whose name is a hash.
    pub object: String,
    /// Who decided: `object`; `memory`, by a denial that is remembered; `isolate`, by its own share, since the object
    /// did not answer; `nobody`: the limit's word `unreachable` decided, or it was not asked.
    pub by: String,
    /// Whether it admitted the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admitted: Option<bool>,
    /// What is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u64>,
    /// Milliseconds until all of it is available again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_ms: Option<u64>,
    /// Milliseconds until the request would be admitted; left out where it is admitted, or never will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// Where it is declared.
    pub place: String,
}

/// What the cache was asked and said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheNote {
    /// What the key is made of.
    pub parts: Vec<String>,
    /// The key: a hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What `Cache-Status` says.
    pub result: String,
}

/// One edit on a message's header fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The field.
    pub name: String,
    /// `set`, `add` or `remove`.
    pub edit: String,
    /// What is written.
    #[serde(flatten)]
    pub shown: Shown,
    /// The phase or setting that wrote it.
    pub by: String,
}
