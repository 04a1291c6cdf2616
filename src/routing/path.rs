//! The one canonical form of a path, used for matching, authorization, cache keys and the upstream URL.

use serde::{Deserialize, Serialize};

/// What a route lets pass that is refused elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leniency {
    /// Encoded slashes (`%2F`) stay encoded and never separate segments.
    pub encoded_slashes: bool,
}
