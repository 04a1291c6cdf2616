//! Cross-origin resource sharing by the Fetch standard (§3.2): preflights are answered here, before authentication.

use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cors {
    /// Allowed origins: `*`, exact serialised origins, or `https://*.example.com` (any depth of subdomains).
    pub origins: Vec<String>,
    /// Methods beside the safelisted ones.
    pub methods: Vec<String>,
    /// Request headers, lower case.
    pub headers: Vec<String>,
    /// Response headers that scripts may read.
    pub expose: Vec<String>,
    /// Whether credentials are allowed; never with `*`.
    pub credentials: bool,
    /// Seconds for which a preflight may be remembered.
    pub max_age: u32,
}
