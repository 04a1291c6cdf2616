//! What ties a route file to the OpenAPI document of its API.

use super::*;
use crate::config::units::{Date, Link};

/// The OpenAPI 3.0 or 3.1 document that describes this version, JSON or YAML. `check` lists where the two differ:
/// operations without a route, routes without an operation, other methods and paths, and security that the route does
/// not ask for, which is an error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct OpenApi {
    /// The document, relative to this file. A file of the name `openapi.yaml`, `*.openapi.yaml` or the same with `.yml`
    /// or `.json` is never taken for a route file. It may refer to files in its folder and below.
    #[schemars(length(min = 1))]
    pub file: String,
    /// Operations that are left without a route on purpose, named as by `operation`.
    #[serde(default)]
    pub omit: Vec<String>,
}

/// The deprecation of one route (`Deprecation` RFC 9745, `Sunset` RFC 8594), in place of the version's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Deprecated {
    /// Since when.
    pub since: Date,
    /// When it ends; not before `since`.
    pub sunset: Option<Date>,
    /// A page about the deprecation (`Link` with `rel="deprecation"`).
    pub link: Option<Link>,
    /// The URL of what follows (`Link` with `rel="successor-version"`).
    pub successor: Option<Link>,
}
