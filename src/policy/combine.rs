//! One request, several upstream calls in parallel, one merged JSON answer.

use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Combine {
    /// The calls in declared order, which is the order of the answer's members. 1 to 6.
    pub calls: Vec<Call>,
}

/// One upstream call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Member of the merged answer.
    pub name: String,
    /// Index into the plan's upstreams.
    pub upstream: u32,
    /// Path and query with captured parameters, e.g. `/customers/{id}?expand=all`.
    pub path: super::rewrite::Rewrite,
    /// The whole fails if this call does; otherwise its part is missing and the answer marked as partial.
    pub required: bool,
    /// Request headers passed on, lower case. Nothing else of the client's request is.
    pub forward_headers: Vec<String>,
    /// Largest answer in bytes.
    pub max_bytes: u32,
}
