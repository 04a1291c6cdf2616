//! An OpenAPI 3.0 or 3.1 document, as far as a gateway is concerned: operations, parameters, servers, security.
//!
//! What a document says of bodies and schemas is not read. All problems are collected, each at its place.

use super::library::{At, Library, Place, Texts};
use super::model::{Alternative, Kind, Operation, Parameter, Scheme, Security, Server, Where};
use crate::config::problem::{Problem, Severity, nearest};
use crate::config::tree::Value;
use crate::config::units::KNOWN_METHODS;
use std::collections::HashMap;

/// Most operations of a document.
const MAX_OPERATIONS: usize = 20_000;

/// A document, read.
#[derive(Debug)]
pub struct Document {
    /// Its files.
    pub library: Library,
    /// `info.title`.
    pub title: String,
    /// `info.version`.
    pub version: String,
    /// `info.contact`: name or mailbox.
    pub contact: Option<String>,
    /// Where it is served.
    pub servers: Vec<Server>,
    /// Its security schemes.
    pub schemes: Vec<Scheme>,
    /// The security that operations have unless they say otherwise.
    pub security: Security,
    /// Its operations, in order.
    pub operations: Vec<Operation>,
    /// What is wrong, and what is left out.
    pub problems: Vec<Problem>,
}

impl Document {
    /// Reads the document `name`.
    ///
    /// # Errors
    /// Everything that is wrong, if that is so much that nothing can be said of its operations.
    pub fn read(name: &str, texts: &Texts) -> Result<Document, Vec<Problem>> {
        let library = Library::read(name, texts)?;
        let mut reader = Reader { library: &library, problems: Vec::new(), seen: 0 };
        let Some(root) = reader.versioned() else { return Err(reader.problems) };
        let info = root.get("info");
        let text = |key| info.and_then(|info| info.text(key)).unwrap_or_default().to_owned();
        let contact = info.and_then(|info| info.get("contact"));
        let contact = contact.and_then(|contact| contact.text("name").or_else(|| contact.text("email")));
        let (title, contact) = (text("title"), contact.map(str::to_owned));
        // Versions without quotes are numbers to YAML.
        let version = match info.and_then(|info| info.get("version")).map(|at| &at.node.value) {
            Some(Value::Float(number)) => number.to_string(),
            Some(Value::Int(number)) => number.to_string(),
            _ => text("version"),
        };
        let servers = reader.servers(root).unwrap_or_default();
        let schemes = reader.schemes(root);
        let security = reader.security(root, &schemes, Security::Unsaid);
        let operations = reader.operations(root, &schemes, &security);
        let problems = reader.problems;
        Ok(Document { library, title, version, contact, servers, schemes, security, operations, problems })
    }

    /// The operation that a route's `operation:` names.
    pub fn index(&self) -> HashMap<String, usize> {
        let mut index = HashMap::new();
        for (number, operation) in self.operations.iter().enumerate() {
            index.insert(operation.call(), number);
        }
        for (number, operation) in self.operations.iter().enumerate() {
            index.insert(operation.link(), number);
        }
        index
    }
}

struct Reader<'l> {
    library: &'l Library,
    problems: Vec<Problem>,
    /// Operations so far.
    seen: usize,
}

impl<'l> Reader<'l> {
    fn error(&mut self, place: Place, message: impl Into<String>, help: &str) {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.problems.push(self.library.problem(Severity::Error, "bad-openapi", place, message.into(), help));
    }

    fn warn(&mut self, place: Place, message: impl Into<String>, help: &str) {
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.problems.push(self.library.problem(
            Severity::Warning,
            "not-carried",
            place,
            message.into(),
            help,
        ));
    }

    /// The root of a document whose version is read here.
    fn versioned(&mut self) -> Option<At<'l>> {
        let root = self.library.root()?;
        if let Some(swagger) = root.get("swagger") {
            let help = "convert it to OpenAPI 3, for instance with the npm package `swagger2openapi`";
            self.error(swagger.own(), "this is Swagger 2.0; OpenAPI 3.0 and 3.1 are read", help);
            return None;
        }
        let Some(version) = root.get("openapi") else {
            let help = "it begins with `openapi: 3.1.0`, or 3.0";
            self.error(root.own(), "this is no OpenAPI document: the key `openapi` is missing", help);
            return None;
        };
        let given = match &version.node.value {
            Value::Text(text) => text.clone(),
            Value::Float(number) => number.to_string(),
            _ => String::new(),
        };
        if !["3.0", "3.1"].iter().any(|known| given == *known || given.starts_with(&format!("{known}."))) {
            let message = format!("OpenAPI 3.0 and 3.1 are read, and this says `{given}`");
            self.error(version.own(), message, "give the document in one of these versions");
            return None;
        }
        Some(root)
    }

    /// The value, references followed; `None`, and a problem, where they lead nowhere.
    fn resolve(&mut self, at: At<'l>) -> Option<At<'l>> {
        match self.library.resolve(at) {
            Ok(at) => Some(at),
            Err((place, message)) => {
                self.error(
                    place,
                    message,
                    "references are followed within the document, and to files beside it",
                );
                None
            }
        }
    }

    fn entries(&mut self, at: At<'l>, what: &str) -> Vec<(&'l str, Place, At<'l>)> {
        match &at.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|(key, node)| {
                    (key.name.as_str(), Place { file: at.file, span: key.span }, At { file: at.file, node })
                })
                .collect(),
            _ => {
                self.error(at.own(), format!("{what} must be a mapping"), "");
                Vec::new()
            }
        }
    }

    fn items(&mut self, at: At<'l>, what: &str) -> Vec<At<'l>> {
        match &at.node.value {
            Value::List(items) => items.iter().map(|node| At { file: at.file, node }).collect(),
            _ => {
                self.error(at.own(), format!("{what} must be a list"), "");
                Vec::new()
            }
        }
    }

    fn servers(&mut self, owner: At<'l>) -> Option<Vec<Server>> {
        let list = owner.get("servers")?;
        let mut servers = Vec::new();
        for item in self.items(list, "`servers`") {
            let Some(template) = item.text("url") else {
                self.error(item.own(), "a server has a `url`", "");
                continue;
            };
            let place = item.get("url").map_or(item.own(), At::own);
            let mut url = template.to_owned();
            if let Some(variables) = item.get("variables") {
                for (name, at, variable) in self.entries(variables, "`variables`") {
                    let default = variable.get("default").map(|default| default.node.value.clone());
                    let default = match default {
                        Some(Value::Text(text)) => text,
                        Some(Value::Int(number)) => number.to_string(),
                        Some(Value::Float(number)) => number.to_string(),
                        _ => {
                            let message = format!("the server variable `{name}` has no default");
                            self.error(at, message, "add `default:`");
                            continue;
                        }
                    };
                    url = url.replace(&format!("{{{name}}}"), &default);
                }
            }
            if url.contains(['{', '}']) {
                let message = format!("`{template}` has a variable that is not declared");
                self.error(place, message, "declare it under `variables`, with a default");
                continue;
            }
            match server(&url, template) {
                Ok(server) => servers.push(server),
                Err(message) => self.error(place, message, ""),
            }
        }
        Some(servers)
    }

    fn schemes(&mut self, root: At<'l>) -> Vec<Scheme> {
        let Some(list) = root.get("components").and_then(|at| at.get("securitySchemes")) else {
            return Vec::new();
        };
        let mut schemes = Vec::new();
        for (name, _, at) in self.entries(list, "`securitySchemes`") {
            if let Some(at) = self.resolve(at) {
                schemes.push(self.scheme(name, at));
            }
        }
        schemes
    }

    fn scheme(&mut self, name: &str, at: At<'l>) -> Scheme {
        let lower = |key: &str| at.text(key).unwrap_or_default().to_ascii_lowercase();
        let mut scopes: Vec<String> = Vec::new();
        let mut issuer = None;
        let kind = match at.text("type").unwrap_or_default() {
            "http" if lower("scheme") == "bearer" => {
                Kind::Token { issuer: None, certain: lower("bearerFormat").contains("jwt") }
            }
            "http" => Kind::Other(format!("HTTP authentication by `{}`", lower("scheme"))),
            // Some documents describe a bearer token as a key in this very field.
            "apiKey" if lower("in") == "header" && lower("name") == "authorization" => {
                Kind::Token { issuer: None, certain: false }
            }
            "apiKey" => {
                Kind::Other(format!("a key in the {} `{}`", lower("in"), at.text("name").unwrap_or_default()))
            }
            "mutualTLS" => Kind::Other("a client certificate".into()),
            "openIdConnect" => {
                let url = at.text("openIdConnectUrl").unwrap_or_default();
                let url = url.strip_suffix("/.well-known/openid-configuration").unwrap_or(url);
                Kind::Token { issuer: usable(url), certain: true }
            }
            "oauth2" => {
                let flows = at.get("flows");
                let flows = flows.map(|flows| self.entries(flows, "`flows`")).unwrap_or_default();
                for (_, _, flow) in flows {
                    let url = flow.text("tokenUrl").or_else(|| flow.text("authorizationUrl"));
                    // An authorization server's identifier is most often the origin of its endpoints.
                    let origin = url.and_then(|url| server(url, url).ok()).and_then(|server| server.origin);
                    issuer = issuer.or_else(|| origin.as_deref().and_then(usable));
                    for (scope, _) in flow.get("scopes").map(|at| at.node.entries()).unwrap_or_default() {
                        if !scopes.contains(&scope.name) {
                            scopes.push(scope.name.clone());
                        }
                    }
                }
                Kind::Token { issuer, certain: true }
            }
            other => {
                let message = format!("the security scheme `{name}` has the type `{other}`");
                let help = "the types are apiKey, http, mutualTLS, oauth2 and openIdConnect";
                self.error(at.place("type"), message, help);
                Kind::Other(format!("`{other}`"))
            }
        };
        Scheme { name: name.to_owned(), kind, scopes }
    }

    fn security(&mut self, owner: At<'l>, schemes: &[Scheme], inherited: Security) -> Security {
        let Some(list) = owner.get("security") else { return inherited };
        let mut alternatives = Vec::new();
        for item in self.items(list, "`security`") {
            let mut alternative: Alternative = Vec::new();
            for (name, place, scopes) in self.entries(item, "a security requirement") {
                if !schemes.iter().any(|scheme| scheme.name == name) {
                    let help = nearest(name, schemes.iter().map(|scheme| scheme.name.as_str()));
                    let help = match help {
                        Some(word) => format!("did you mean `{word}`?"),
                        None => "declare it under `components.securitySchemes`".to_owned(),
                    };
                    self.error(place, format!("there is no security scheme called `{name}`"), &help);
                }
                let scopes = self.items(scopes, "a scheme's scopes");
                let scopes = scopes.iter().filter_map(|at| at.node.text()).map(str::to_owned).collect();
                alternative.push((name.to_owned(), scopes));
            }
            alternatives.push(alternative);
        }
        Security::Any(alternatives)
    }

    fn parameters(&mut self, owner: At<'l>, out: &mut Vec<Parameter>) {
        let Some(list) = owner.get("parameters") else { return };
        for item in self.items(list, "`parameters`") {
            let Some(at) = self.resolve(item) else { continue };
            let within = match at.text("in") {
                Some("path") => Where::Path,
                Some("query") => Where::Query,
                Some("header") => Where::Header,
                Some("cookie") => Where::Cookie,
                _ => {
                    let message = "a parameter says where it stands, by `in`";
                    self.error(at.own(), message, "write `in: path`, `query`, `header` or `cookie`");
                    continue;
                }
            };
            let Some(name) = at.text("name") else {
                self.error(at.own(), "a parameter has a `name`", "");
                continue;
            };
            let says = |key: &str| at.get(key).is_some_and(|at| at.node.value == Value::Bool(true));
            let parameter = Parameter {
                name: name.to_owned(),
                within,
                required: says("required"),
                slashes: says("x-multi-segment") || says("allowReserved"),
            };
            match out.iter_mut().find(|known| known.name == name && known.within == within) {
                Some(known) => *known = parameter,
                None => out.push(parameter),
            }
        }
    }

    fn operations(&mut self, root: At<'l>, schemes: &[Scheme], security: &Security) -> Vec<Operation> {
        let mut operations: Vec<Operation> = Vec::new();
        let Some(paths) = root.get("paths").and_then(|paths| self.resolve(paths)) else {
            if root.get("webhooks").is_none() && root.get("components").is_none() {
                self.error(root.own(), "the document has no `paths`", "");
            }
            return operations;
        };
        for (path, place, own) in self.entries(paths, "`paths`") {
            if path.starts_with("x-") {
                continue;
            }
            if !path.starts_with('/') {
                self.error(place, format!("the path `{path}` does not begin with `/`"), "");
                continue;
            }
            let Some(referred) = self.resolve(own) else { continue };
            // What stands beside `$ref` counts too (OpenAPI 3.1 §4.8.9).
            let items = if own.get("$ref").is_some() { vec![referred, own] } else { vec![own] };
            let mut shared = Vec::new();
            let mut servers = None;
            for item in &items {
                self.parameters(*item, &mut shared);
                servers = self.servers(*item).or(servers);
            }
            for item in items {
                for (key, at, operation) in self.entries(item, "a path") {
                    let method = key.to_ascii_uppercase();
                    let methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
                    if !methods.contains(&key) {
                        continue;
                    }
                    if !KNOWN_METHODS.contains(&method.as_str()) {
                        let message =
                            format!("`{method} {path}` is left out: the gateway forwards no {method}");
                        self.warn(at, message, "");
                        continue;
                    }
                    self.seen = self.seen.saturating_add(1);
                    if self.seen > MAX_OPERATIONS {
                        let message = format!("the document has more than {MAX_OPERATIONS} operations");
                        self.error(at, message, "split it");
                        return operations;
                    }
                    let mut parameters = shared.clone();
                    self.parameters(operation, &mut parameters);
                    let summary = operation.text("summary").or_else(|| operation.text("description"));
                    operations.push(Operation {
                        id: operation.text("operationId").map(str::to_owned),
                        method,
                        path: path.to_owned(),
                        summary: summary.unwrap_or_default().to_owned(),
                        deprecated: operation
                            .get("deprecated")
                            .is_some_and(|at| at.node.value == Value::Bool(true)),
                        parameters,
                        security: self.security(operation, schemes, security.clone()),
                        servers: self.servers(operation).or_else(|| servers.clone()),
                        place: at,
                    });
                }
            }
        }
        self.twins(&operations);
        operations
    }

    /// Operations that a document must not have: the same id twice, the same template under two names.
    fn twins(&mut self, operations: &[Operation]) {
        let mut ids: HashMap<&str, Place> = HashMap::new();
        let mut calls: HashMap<(String, &str), (Place, &str)> = HashMap::new();
        for operation in operations {
            let shape = (super::paths::nameless(&operation.path), operation.method.as_str());
            if let Some((first, path)) = calls.get(&shape) {
                let message = if *path == operation.path {
                    format!("`{}` stands here twice", operation.call())
                } else {
                    format!("`{}` is the same as `{} {path}`", operation.call(), operation.method)
                };
                let help = format!("the other is {}; remove one", self.library.named(*first));
                self.error(operation.place, message, &help);
            } else {
                calls.insert(shape, (operation.place, &operation.path));
            }
            let Some(id) = operation.id.as_deref() else { continue };
            if let Some(first) = ids.get(id) {
                let help = format!("the other is {}; give one of them another", self.library.named(*first));
                self.error(operation.place, format!("the operationId `{id}` stands here twice"), &help);
            } else {
                ids.insert(id, operation.place);
            }
        }
    }
}

/// An absolute URL that can name an issuer.
fn usable(url: &str) -> Option<String> {
    let url = url.trim_end_matches('/');
    url::Url::parse(url).ok().filter(|parsed| matches!(parsed.scheme(), "https" | "http"))?;
    Some(url.to_owned())
}

/// Takes a server's URL apart.
fn server(url: &str, template: &str) -> Result<Server, String> {
    let absolute = match url.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => url.to_owned(),
    };
    let (origin, path) = if absolute.contains("://") {
        let parsed = url::Url::parse(&absolute).map_err(|error| format!("`{url}` is no URL: {error}"))?;
        if !matches!(parsed.scheme(), "http" | "https" | "ws" | "wss") || parsed.host_str().is_none() {
            return Err(format!("`{url}` is no `https:` or `http:` URL"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(format!(
                "credentials stand in the URL of `{}`",
                parsed.host_str().unwrap_or_default()
            ));
        }
        let scheme = if matches!(parsed.scheme(), "http" | "ws") { "http" } else { "https" };
        let port = parsed.port().map_or(String::new(), |port| format!(":{port}"));
        let origin = format!("{scheme}://{}{port}", parsed.host_str().unwrap_or_default());
        (Some(origin), parsed.path().to_owned())
    } else {
        let path = absolute.split(['?', '#']).next().unwrap_or_default();
        let path = path.strip_prefix('.').unwrap_or(path);
        (None, if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
    };
    let path = path.trim_end_matches('/').to_owned();
    Ok(Server { origin, path, template: template.to_owned() })
}
