//! Where a route file and the OpenAPI document of its API differ.

use super::document::Document;
use super::library::{Library, Place, Texts};
use super::model::{Operation, Security, Where};
use super::paths::{self, Shape, nameless};
use super::security::by_token;
use super::served::{self, Bases, Served, served};
use crate::config::problem::{Problem, Severity, Span, nearest};
use crate::config::settings::{ApiFile, Status};
use crate::plan::Route;
use crate::plan::compile::{File, problem};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most operations without a route that are listed one by one.
const LISTED: usize = 50;

/// The documents that route files name, read; by the name of the route file.
#[derive(Debug, Default)]
pub struct Documents(HashMap<String, Result<Document, Vec<Problem>>>);

impl Documents {
    /// Reads the documents that `files` name. `texts` are the texts of each, by its name; `None` where nobody looked for
    /// documents, and then nothing is said of them.
    pub fn read(files: &[File], texts: Option<&BTreeMap<String, Texts>>) -> Documents {
        let mut documents = Documents::default();
        let Some(texts) = texts else { return documents };
        for file in files {
            let Some(node) = file.tree.get("openapi").and_then(|openapi| openapi.get("file")) else {
                continue;
            };
            let Some(text) = node.text() else { continue };
            let read = match super::linked(&file.name, text) {
                Err(message) => Err(vec![finding("bad-openapi", file, node.span, message, "")]),
                Ok(name) => match texts.get(&name) {
                    Some(texts) => Document::read(&name, texts),
                    None => {
                        let message = format!("the document `{name}` cannot be read");
                        let help = "the path is relative to this file";
                        Err(vec![finding("bad-openapi", file, node.span, message, help)])
                    }
                },
            };
            documents.0.insert(file.name.clone(), read);
        }
        documents
    }

    /// The route file that names a document to which this file belongs.
    pub fn named_by(&self, file: &str) -> Option<&str> {
        let holds = |read: &Result<Document, Vec<Problem>>| match read {
            Ok(document) => document.library.holds(file),
            Err(problems) => problems.iter().any(|problem| problem.file == file),
        };
        self.0.iter().find(|(_, read)| holds(read)).map(|(name, _)| name.as_str())
    }
}

fn finding(code: &'static str, file: &File, span: Span, message: String, help: &str) -> Problem {
    let help = Some(help.to_owned()).filter(|help| !help.is_empty());
    problem(Severity::Error, code, file, span, message, help)
}

/// Compares a route file with its document. `routes` are the compiled routes of this file; those that are missing have
/// problems of their own.
pub fn drift(documents: &Documents, file: &File, api: &ApiFile, routes: &[&Route]) -> Vec<Problem> {
    // Nothing of a retired version is served.
    if api.version.status == Status::Retired {
        return Vec::new();
    }
    let document = match documents.0.get(&file.name) {
        None => return Vec::new(),
        Some(Err(problems)) => return problems.clone(),
        Some(Ok(document)) => document,
    };
    let mut problems: Vec<Problem> =
        document.problems.iter().filter(|problem| problem.severity == Severity::Error).cloned().collect();
    if !problems.is_empty() {
        return problems;
    }
    let server = document.servers.first().map_or("", |server| server.path.as_str());
    let bases = Bases { file: api.base.as_deref().unwrap_or_default().trim_end_matches('/'), server };
    let mut compare = Compare {
        document,
        library: &document.library,
        file,
        api,
        bases,
        index: document.index(),
        places: HashMap::new(),
        routed: HashSet::new(),
        quiet: Vec::new(),
        problems: Vec::new(),
    };
    compare.locate();
    for (name, _) in &api.routes {
        compare.route(name, routes.iter().find(|route| route.name == *name).copied());
    }
    compare.unrouted();
    compare.deprecated();
    problems.append(&mut compare.problems);
    problems
}

struct Compare<'a> {
    document: &'a Document,
    library: &'a Library,
    file: &'a File,
    api: &'a ApiFile,
    bases: Bases<'a>,
    /// Operations by what names them.
    index: HashMap<String, usize>,
    /// Operations by their template, without the names of parameters.
    places: HashMap<String, Vec<usize>>,
    /// Operations that have a route.
    routed: HashSet<usize>,
    /// Deprecated operations whose routes do not say so.
    quiet: Vec<String>,
    problems: Vec<Problem>,
}

impl<'a> Compare<'a> {
    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        path: &[&str],
        message: String,
        help: String,
    ) {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        let span = match path.as_slice() {
            [.., last] if matches!(last.as_str(), "match" | "auth" | "scopes" | "operation") => {
                self.file.tree.place(&path)
            }
            _ => self.file.tree.key_place(&path),
        };
        self.problems.push(problem(severity, code, self.file, span, message, Some(help)));
    }

    /// Finds the operations by their paths.
    fn locate(&mut self) {
        for (number, operation) in self.document.operations.iter().enumerate() {
            let shape = paths::carry(operation).map(|carried| carried.shape);
            let template = match shape.as_ref().map(Shape::path) {
                Ok(Shape::Template(template)) => template,
                _ => &operation.path,
            };
            self.places.entry(nameless(template)).or_default().push(number);
        }
    }

    /// The operations that a route without `operation` serves.
    fn by_match(&self, name: &str) -> Vec<usize> {
        let node =
            self.file.tree.get("routes").and_then(|routes| routes.get(name)).and_then(|r| r.get("match"));
        let served = node.and_then(served).unwrap_or_default();
        let mut found: Vec<usize> = Vec::new();
        for one in &served {
            let served::Path::Template(own) = &one.path else { continue };
            let whole = format!("{}{own}", self.bases.file);
            let below = whole.strip_prefix(self.bases.server).unwrap_or(own);
            let at = [own.as_str(), below].map(nameless);
            for number in at.iter().filter_map(|at| self.places.get(at)).flatten() {
                let takes =
                    self.document.operations.get(*number).is_some_and(|operation| {
                        one.methods.iter().any(|m| *m == operation.method || m == "*")
                    });
                if takes && !found.contains(number) {
                    found.push(*number);
                }
            }
        }
        found
    }

    fn route(&mut self, name: &str, compiled: Option<&Route>) {
        let written = self.api.routes.get(name).and_then(|route| route.operation.as_ref());
        let links = written.map(|links| links.as_slice()).unwrap_or_default();
        if links == ["none"] {
            return;
        }
        let mut operations = Vec::new();
        if written.is_none() {
            operations = self.by_match(name);
            if operations.is_empty() {
                let message = "the OpenAPI document has no operation for this route".to_owned();
                let help =
                    "add it to the document, name it by `operation`, or say `operation: none`".to_owned();
                self.report(Severity::Warning, "no-operation", &["routes", name], message, help);
            }
        }
        for link in links {
            match self.index.get(link) {
                Some(number) => operations.push(*number),
                None => {
                    let known = self.document.operations.iter().filter_map(|o| o.id.as_deref());
                    let help = match nearest(link, known) {
                        Some(word) => format!("did you mean `{word}`?"),
                        None => "import the document again, or say `operation: none`".to_owned(),
                    };
                    let message = format!("the OpenAPI document has no operation `{link}`");
                    self.report(Severity::Error, "drift", &["routes", name, "operation"], message, help);
                }
            }
        }
        self.routed.extend(operations.iter().copied());
        let operations: Vec<&'a Operation> =
            operations.iter().filter_map(|number| self.document.operations.get(*number)).collect();
        if written.is_some() {
            self.matching(name, &operations);
        }
        for operation in operations {
            if let Some(route) = compiled {
                self.security(name, operation, route);
            }
            let tells = self.api.version.status != Status::Current
                || self.api.routes.get(name).is_some_and(|route| route.deprecated.is_some());
            if operation.deprecated && !tells {
                self.quiet.push(name.to_owned());
            }
        }
    }

    /// Whether the route serves the operations that it names, and no others.
    fn matching(&mut self, name: &str, operations: &[&Operation]) {
        let node =
            self.file.tree.get("routes").and_then(|routes| routes.get(name)).and_then(|r| r.get("match"));
        let Some(served) = node.and_then(served) else { return };
        for operation in operations {
            let there: Vec<_> = served.iter().filter(|one| one.is_at(operation, self.bases)).collect();
            let help = format!(
                "see {}; `tollgate import openapi` brings `match` in step",
                self.library.named(operation.place)
            );
            if there.is_empty() {
                let message = format!("this route does not match `{}`, which it names", operation.call());
                self.report(Severity::Error, "drift", &["routes", name, "match"], message, help);
            } else if !there.iter().any(|one| one.takes(&operation.method)) {
                let message = format!(
                    "this route does not take {} of `{}`, which it names",
                    operation.method,
                    operation.call()
                );
                self.report(Severity::Error, "drift", &["routes", name, "match"], message, help);
            }
        }
        self.conditions(name, &served, operations);
        let more: Vec<String> = served
            .iter()
            .flat_map(|one| one.methods.iter().map(move |method| (one, method)))
            .filter(|(one, method)| {
                let mut at =
                    operations.iter().filter(|operation| one.is_at(operation, self.bases)).peekable();
                *method != "HEAD" && at.peek().is_some() && !at.any(|operation| operation.method == **method)
            })
            .map(|(_, method)| if method == "*" { "any method".to_owned() } else { method.clone() })
            .collect();
        if !more.is_empty() {
            let message =
                format!("this route takes {} too, of which its operation says nothing", more.join(", "));
            let help = "name the other operation in a list, or take the method out of `match`".to_owned();
            self.report(Severity::Warning, "drift", &["routes", name, "match"], message, help);
        }
    }

    /// Conditions of `match` on what the operation does not have: by the document, such requests need not exist.
    fn conditions(&mut self, name: &str, served: &[Served], operations: &[&Operation]) {
        for operation in operations {
            let own = served.iter().filter(|one| one.is_at(operation, self.bases));
            let unknown = own.flat_map(|one| &one.conditions).find(|(within, name)| {
                !operation.path.contains('?')
                    && !operation.parameters.iter().any(|parameter| {
                        parameter.within == *within
                            && match within {
                                Where::Header => parameter.name.eq_ignore_ascii_case(name),
                                _ => parameter.name == *name,
                            }
                    })
            });
            if let Some((within, missing)) = unknown {
                let message = format!(
                    "`{}` has no {} `{missing}`, which this route asks for",
                    operation.call(),
                    match within {
                        Where::Header => "header field",
                        Where::Cookie => "cookie",
                        _ => "query parameter",
                    }
                );
                let help = format!(
                    "see {}; add the parameter there, or take the condition out of `match`",
                    self.library.named(operation.place)
                );
                self.report(Severity::Warning, "drift", &["routes", name, "match"], message, help);
            }
        }
    }

    /// Whether the route asks for what the document asks for.
    fn security(&mut self, name: &str, operation: &Operation, route: &Route) {
        let Security::Any(alternatives) = &operation.security else { return };
        let see = format!("see `security` of {}", self.library.named(operation.place));
        let open = alternatives.is_empty() || alternatives.iter().any(Vec::is_empty);
        let Some(auth) = &route.auth else {
            if !open {
                let names: Vec<&str> =
                    alternatives.iter().flatten().map(|(scheme, _)| scheme.as_str()).collect();
                let message = format!(
                    "everybody may call this route, and the document asks for {} on `{}`",
                    names.join(" or "),
                    operation.call()
                );
                let help = format!("{see}; set `auth`");
                self.report(Severity::Error, "drift", &["routes", name, "auth"], message, help);
            }
            return;
        };
        if operation.security.is_open() {
            let message = format!(
                "the document says that everybody may call `{}`; this route asks for a token",
                operation.call()
            );
            let help = format!("{see}; correct the document, or say `auth: none`");
            self.report(Severity::Warning, "drift", &["routes", name, "auth"], message, help);
            return;
        }
        // What is no token's is not compared: the route asks for a token in its place.
        let theirs: Option<Vec<&[String]>> = alternatives
            .iter()
            .map(|alternative| by_token(alternative, &self.document.schemes).map(|(_, scopes)| scopes))
            .collect();
        let Some(theirs) = theirs else { return };
        // Each way to pass here must be one to pass there.
        let ways: Vec<Vec<&String>> = match auth.any {
            true if !auth.scopes.is_empty() => auth.scopes.iter().map(|scope| vec![scope]).collect(),
            _ => vec![auth.scopes.iter().collect()],
        };
        let lax = ways
            .iter()
            .any(|way| !theirs.iter().any(|scopes| scopes.iter().all(|scope| way.contains(&scope))));
        let said = |scopes: &[&[String]]| {
            let one = |scopes: &&[String]| match scopes.is_empty() {
                true => "no scope".to_owned(),
                false => scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(" and "),
            };
            scopes.iter().map(one).collect::<Vec<_>>().join(", or ")
        };
        if lax {
            let message = format!(
                "the document asks for {} on `{}`; this route asks for less",
                said(&theirs),
                operation.call()
            );
            let help = format!("{see}; set `scopes`");
            self.report(Severity::Error, "drift", &["routes", name, "scopes"], message, help);
            return;
        }
        let strict = ways
            .iter()
            .all(|way| !theirs.iter().any(|scopes| way.iter().all(|scope| scopes.contains(*scope))));
        if strict {
            let message =
                format!("this route asks for more scopes than the document does on `{}`", operation.call());
            let help = format!("{see}, which asks for {}", said(&theirs));
            self.report(Severity::Warning, "drift", &["routes", name, "scopes"], message, help);
        }
    }

    /// Operations without a route.
    fn unrouted(&mut self) {
        let omitted = self.api.openapi.as_ref().map(|openapi| openapi.omit.as_slice()).unwrap_or_default();
        let mut left_out: HashSet<usize> = HashSet::new();
        for (i, link) in omitted.iter().enumerate() {
            let at = i.to_string();
            let message = match self.index.get(link) {
                None => format!("the OpenAPI document has no operation `{link}`"),
                Some(number) if self.routed.contains(number) => format!("`{link}` has a route"),
                Some(number) => {
                    left_out.insert(*number);
                    continue;
                }
            };
            self.report(Severity::Error, "drift", &["openapi", "omit", &at], message, "remove it".into());
        }
        let missing: Vec<&'a Operation> = self
            .document
            .operations
            .iter()
            .enumerate()
            .filter(|(number, _)| !self.routed.contains(number) && !left_out.contains(number))
            .map(|(_, operation)| operation)
            .collect();
        let help = format!(
            "`tollgate import openapi` adds one to {} where one can be reached; or list it there under `openapi: {{ omit }}`",
            self.file.name
        );
        for operation in missing.iter().take(LISTED) {
            let called = operation.id.as_ref().map_or(String::new(), |id| format!(" (`{id}`)"));
            let message = format!("`{}`{called} has no route", operation.call());
            let help = match paths::carry(operation) {
                Ok(_) => help.clone(),
                Err(why) => format!("none can serve it, since {why}; list it under `openapi: {{ omit }}`"),
            };
            self.unrouted_at(operation.place, message, help);
        }
        if let Some(operation) = missing.get(LISTED) {
            let more = missing.len().saturating_sub(LISTED);
            self.unrouted_at(operation.place, format!("{more} more operations have no route"), help);
        }
    }

    fn unrouted_at(&mut self, place: Place, message: String, help: String) {
        let found = self.library.problem(Severity::Warning, "unrouted", place, message, Some(help));
        self.problems.push(found);
    }

    /// Deprecations of which callers are not told.
    fn deprecated(&mut self) {
        let Some((first, more)) = self.quiet.split_first() else { return };
        let (first, count) = (first.clone(), more.len());
        let routes = match count {
            0 => "the document deprecates the operation of this route, and callers are not told".to_owned(),
            n => format!(
                "the document deprecates the operations of this route and of {n} more, and callers are not told: {}",
                more.join(", ")
            ),
        };
        let help = "add `deprecated: { since: DATE }` to the route".to_owned();
        self.report(Severity::Warning, "drift", &["routes", &first], routes, help);
    }
}
