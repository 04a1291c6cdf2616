//! What of an OpenAPI document a gateway is concerned with.

use super::library::Place;

/// A method on a path.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `operationId`.
    pub id: Option<String>,
    /// The method in capitals.
    pub method: String,
    /// The path below the server's, as the document has it.
    pub path: String,
    /// `summary`, or the description's first line.
    pub summary: String,
    /// Whether it is deprecated.
    pub deprecated: bool,
    /// Its parameters and those of its path.
    pub parameters: Vec<Parameter>,
    /// Who may call it.
    pub security: Security,
    /// Its own servers, or those of its path.
    pub servers: Option<Vec<Server>>,
    /// Where its method stands.
    pub place: Place,
}

impl Operation {
    /// `GET /orders/{id}`.
    pub fn call(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
    /// How a route file names it: by its `operationId` if it has one that can be told from a method and path.
    pub fn link(&self) -> String {
        match &self.id {
            Some(id) if id != "none" && !id.contains(' ') => id.clone(),
            _ => self.call(),
        }
    }
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub within: Where,
    /// Whether every request must have it.
    pub required: bool,
    /// Whether its value may hold slashes, as the document says (`x-multi-segment`, `allowReserved`).
    pub slashes: bool,
}

/// Who may call an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Security {
    /// The document does not say.
    Unsaid,
    /// Any one of these; none, or one without requirements, is everybody.
    Any(Vec<Alternative>),
}

/// Requirements that hold together: scheme and scopes.
pub type Alternative = Vec<(String, Vec<String>)>;

impl Security {
    /// Whether the document says that everybody may call.
    pub fn is_open(&self) -> bool {
        matches!(self, Security::Any(alternatives) if alternatives.iter().all(Vec::is_empty))
    }
}

/// A security scheme.
#[derive(Clone, Debug, PartialEq)]
pub struct Scheme {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Scopes that it declares.
    pub scopes: Vec<String>,
}

/// What a security scheme is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A bearer token in `Authorization`; the issuer, where the document tells it.
    Token {
        /// URL of the issuer.
        issuer: Option<String>,
        /// The document says that it is a JSON Web Token, or names an issuer.
        certain: bool,
    },
    /// What the gateway does not check: in words.
    Other(String),
}

/// A server, its variables filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Scheme, host and port; `None` where the document leaves it to where it was found.
    pub origin: Option<String>,
    /// Path without a trailing slash; empty for none.
    pub path: String,
    /// As the document has it, variables not filled in.
    pub template: String,
}
