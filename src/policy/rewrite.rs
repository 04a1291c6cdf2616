//! The path sent upstream, made from the captured parameters.

use serde::{Deserialize, Serialize};

/// Compiled form: literal pieces and parameters in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// Text as it is.
    Literal(String),
    /// A parameter by its name in the route's template, as it stands in the canonical path.
    Param(String),
}
