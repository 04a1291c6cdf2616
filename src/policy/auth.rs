//! Who may call a route: accepted issuers and the scopes that a caller needs.

use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// Accepted issuers, indexes into the plan's; a token is checked against the one that its `iss` names.
    pub issuers: Vec<u32>,
    /// Scopes needed; empty: none.
    pub scopes: Vec<String>,
    /// Any one of `scopes` is enough; otherwise all are needed.
    pub any: bool,
    /// Forward the `Authorization` field to the origin.
    pub keep_credentials: bool,
    /// Claims passed to the origin: header name (lower case) and claim.
    pub claim_headers: Vec<(String, String)>,
}
