//! OpenAPI documents: made into route files, and kept in step with them.
//!
//! [`import`] makes a route file of a document, or brings one up to date. It owns two keys of a route: `operation`,
//! which names the operation, and `match`, which it changes only where the route does not serve that operation. All
//! else it writes once, into new files and new routes.

pub mod document;
mod draft;
mod drift;
mod import;
mod json;
pub mod library;
mod merge;
pub mod model;
mod names;
mod paths;
mod security;
mod served;

pub use drift::{Documents, drift};
pub use import::{Change, Imported, import};
pub use names::{name, version};
pub use paths::example;

/// What an import is told beside the document.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Name of the API.
    pub api: String,
    /// Who owns it.
    pub owner: String,
    /// Name of the version.
    pub version: String,
    /// Path before all templates; by default that of the document's first server.
    pub base: Option<String>,
    /// Name of an upstream in gateway.yaml, or a URL; by default that of the document's first server.
    pub upstream: Option<String>,
    /// Name of an issuer in gateway.yaml; by default those are declared that the document's security schemes stand for.
    pub issuer: Option<String>,
    /// The document, as `openapi: { file: … }` of the route file names it, if it can.
    pub link: Option<String>,
    /// Remove routes whose operation is gone.
    pub prune: bool,
}

/// The name of the document that the route file `from` names as `file`.
///
/// # Errors
/// What is wrong with the path.
pub fn linked(from: &str, file: &str) -> Result<String, String> {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let relative = !file.starts_with('/') && !file.contains("://") && !file.contains('\\');
    relative
        .then(|| library::normal(&format!("{folder}/{file}")))
        .flatten()
        .filter(|name| !name.starts_with("../"))
        .ok_or_else(|| format!("`{file}` is no path within the project, relative to this file"))
}

/// Whether a file of this name is an OpenAPI document: `openapi.yaml`, `orders.openapi.json`.
pub fn is_document(file_name: &str) -> bool {
    file_name.rsplit_once('.').is_some_and(|(stem, extension)| {
        matches!(extension, "yaml" | "yml" | "json") && (stem == "openapi" || stem.ends_with(".openapi"))
    })
}
