//! Bounds on the request body, by its declared length (RFC 9110 §8.6).

use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Largest body in bytes.
    pub max: u64,
}
