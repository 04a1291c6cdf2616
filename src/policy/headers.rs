//! Header edits of a route: set, add, remove, on the request and on the response.

use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Headers {
    /// On the way to the origin.
    pub request: Vec<Edit>,
    /// On the way to the client.
    pub response: Vec<Edit>,
}

/// One edit. Names are lower case and valid tokens; values are valid field values (RFC 9110 §5.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// Replaces all values.
    Set(String, String),
    /// Adds a value.
    Add(String, String),
    /// Removes the field.
    Remove(String),
}
