//! An API version's life: current, deprecated (`Deprecation` RFC 9745, `Sunset` RFC 8594, `Link`), retired (410).

use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Lifecycle {
    /// In service.
    #[default]
    Current,
    /// In service, with a warning.
    Deprecated {
        /// Since when, Unix seconds.
        since: i64,
        /// When it ends, Unix seconds; not before `since`.
        sunset: Option<i64>,
        /// What to read (`Link` with `rel="deprecation"`).
        link: Option<String>,
        /// URL of the successor (`Link` with `rel="successor-version"`).
        successor: Option<String>,
    },
    /// Out of service: every request is answered with 410.
    Retired {
        /// URL of the successor.
        successor: Option<String>,
    },
}
