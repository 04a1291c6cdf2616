//! Upstreams: targets, choosing among them, and what may pass to and from them.

use serde::{Deserialize, Serialize};

pub mod choose;
pub mod error;
pub mod forwarded;
pub mod hop;

/// A group of targets that serve the same thing. Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upstream {
    /// Id within the plan.
    pub id: String,
    /// At least one.
    pub targets: Vec<Target>,
}

/// One origin service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Scheme, authority and base path, without a trailing slash, e.g. `https://orders.internal/api`.
    pub url: String,
    /// Fetcher binding to send through in place of the network.
    pub via: Option<String>,
    /// Share of the requests, relative to the others'. 0: only when all others fail.
    pub weight: u32,
}
