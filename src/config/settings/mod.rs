//! The route files as types. Their doc comments are the reference (`docs/route-files.md`) and the descriptions in
//! the JSON Schemas; one settings struct per policy.

mod backends;
mod browsers;
mod files;
mod filters;
mod matching;
mod openapi;
mod policies;
mod shared;
mod test;

pub use backends::*;
pub use browsers::*;
pub use files::*;
pub use filters::*;
pub use matching::*;
pub use openapi::*;
pub use policies::*;
pub use shared::*;
pub use test::*;

use schemars::JsonSchema;
use serde::Deserialize;

/// The word `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Nothing {
    /// Switched off, also where `defaults` say otherwise.
    None,
}

/// One text or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMany {
    /// One.
    One(#[schemars(length(min = 1))] String),
    /// Several.
    Many(#[schemars(length(min = 1))] Vec<String>),
}

impl OneOrMany {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        }
    }
}

/// One value of a header field, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Values {
    /// One.
    One(String),
    /// Several.
    Many(#[schemars(length(min = 1, max = 32))] Vec<String>),
}

impl Values {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Values::One(one) => std::slice::from_ref(one),
            Values::Many(many) => many,
        }
    }
}
