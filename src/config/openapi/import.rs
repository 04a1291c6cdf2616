//! A route file made of a document, or brought up to date with it.

use super::ImportOptions;
use super::document::Document;
use super::draft::{self, Draft, RouteDraft};
use super::merge::Merge;
use super::security::Rule;
use super::served::{self, Bases, Served, served};
use crate::config::edit::Editor;
use crate::config::emit::{self, Entry, Item};
use crate::config::format;
use crate::config::problem::{Problem, Severity, Span};
use crate::config::tree::{self, Node, Value};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// The route file.
    pub text: String,
    /// What changed, route by route.
    pub changes: Vec<Change>,
    /// Routes that stayed as they were.
    pub unchanged: usize,
    /// What is not carried, or only in part.
    pub notes: Vec<Problem>,
}

/// A change to a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What was done: `added`, `linked`, `matched`, `gone` or `removed`.
    pub what: &'static str,
    /// The route.
    pub route: String,
    /// The operation.
    pub operation: String,
}

/// Imports a document. `existing` are name and text of the route file, if there is one.
///
/// # Errors
/// Everything that is wrong with the document, or with the file.
pub fn import(
    document: &Document,
    existing: Option<(&str, &str)>,
    options: &ImportOptions,
) -> Result<Imported, Vec<Problem>> {
    let errors: Vec<Problem> =
        document.problems.iter().filter(|problem| problem.severity == Severity::Error).cloned().collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut imported = match existing {
        None => fresh(draft::draft(document, options, &BTreeSet::new(), None)),
        Some((name, text)) => {
            let old = Old::read(name, text).map_err(|problem| vec![*problem])?;
            old.merge(document, options)?
        }
    };
    imported.notes.extend(document.problems.iter().cloned());
    imported.notes.sort_by(|a, b| (&a.file, a.span, &a.message).cmp(&(&b.file, b.span, &b.message)));
    Ok(imported)
}

/// A new file.
fn fresh(draft: Draft) -> Imported {
    let mut text = String::new();
    let changes = draft.routes.iter().map(|route| change("added", &route.name, &route.link)).collect();
    emit::block(&draft.head, 0, &mut text);
    let mut part = |entries: &[Entry]| {
        if !entries.is_empty() {
            text.push('\n');
            emit::block(entries, 0, &mut text);
        }
    };
    let group = |key: &str, entries: Vec<Entry>| match entries.is_empty() {
        true => Vec::new(),
        false => vec![Entry::new(key, Item::Map(entries))],
    };
    part(&group("issuers", draft.issuers));
    part(&group("upstreams", draft.upstreams));
    part(&draft.defaults);
    let routes = draft.routes.into_iter().map(|route| route.entry).collect();
    part(&[Entry::new("routes", Item::Map(routes))]);
    Imported { text, changes, unchanged: 0, notes: draft.notes }
}

pub(super) fn change(what: &'static str, route: &str, operation: &str) -> Change {
    Change { what, route: route.to_owned(), operation: operation.to_owned() }
}

/// A route of the file as it is.
pub(super) struct OldRoute {
    pub name: String,
    /// What `operation` says; `None` where it says nothing.
    pub links: Option<Vec<String>>,
    /// What `match` says, where it can be read.
    pub served: Option<Vec<Served>>,
    /// It says itself who may call.
    asks: bool,
}

/// The file as it is.
pub(super) struct Old<'t> {
    name: &'t str,
    text: &'t str,
    tree: Node,
    pub routes: Vec<OldRoute>,
}

impl<'t> Old<'t> {
    fn read(name: &'t str, text: &'t str) -> Result<Old<'t>, Box<Problem>> {
        let broken = |span: Span, message: String, help: Option<String>| {
            let line = usize::try_from(span.line).unwrap_or(0).checked_sub(1);
            let excerpt = line.and_then(|line| text.lines().nth(line)).unwrap_or("").to_owned();
            Box::new(Problem {
                severity: Severity::Error,
                code: "syntax",
                file: name.to_owned(),
                span,
                message,
                help,
                environments: Vec::new(),
                owner: String::new(),
                excerpt,
            })
        };
        let tree = tree::parse(text).map_err(|(span, message, help)| broken(span, message, help))?;
        if tree.get("tollgate").is_none() || tree.get("api").is_none() {
            let help = Some("name another file by `--out`, or remove this one".to_owned());
            return Err(broken(
                Span { line: 1, column: 1, length: 1 },
                "this is no API's route file".into(),
                help,
            ));
        }
        if let Err(finding) = format::of(&tree) {
            return Err(broken(finding.span, finding.message, finding.help));
        }
        let routes =
            tree.get("routes").map(Node::entries).unwrap_or_default().iter().map(|(key, node)| OldRoute {
                name: key.name.clone(),
                links: node.get("operation").map(links),
                served: node.get("match").and_then(without_variables).and_then(|node| served(&node)),
                asks: node.get("auth").is_some(),
            });
        let routes = routes.collect();
        Ok(Old { name, text, tree, routes })
    }

    /// For each operation of the draft, the route that serves it or says so.
    fn pair(&self, document: &Document, drafts: &[RouteDraft], bases: Bases<'_>) -> HashMap<usize, usize> {
        let mut pairs: HashMap<usize, usize> = HashMap::new();
        let mut by_link: HashMap<&str, usize> = HashMap::new();
        for (number, route) in self.routes.iter().enumerate() {
            for link in route.links.iter().flatten() {
                by_link.entry(link).or_insert(number);
            }
        }
        let index = document.index();
        let call = |draft: &RouteDraft| document.operations.get(draft.operation).map(|o| o.call());
        for (number, draft) in drafts.iter().enumerate() {
            let found = by_link.get(draft.link.as_str()).or_else(|| by_link.get(call(draft)?.as_str()));
            pairs.extend(found.map(|route| (number, *route)));
        }
        // Routes that name no operation, or one that is gone: those that serve one are its own.
        let free = |route: &OldRoute| match &route.links {
            None => true,
            Some(links) => !links.iter().any(|link| link == "none" || index.contains_key(link)),
        };
        // By path, since a file may have thousands. What takes whole trees serves many operations, and is none's own.
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, route) in self.routes.iter().enumerate().filter(|(_, route)| free(route)) {
            for key in route.served.iter().flatten().flat_map(|served| served.keys(bases)) {
                places.entry(key).or_default().push(number);
            }
        }
        for (number, draft) in drafts.iter().enumerate() {
            if pairs.contains_key(&number) {
                continue;
            }
            let Some(operation) = document.operations.get(draft.operation) else { continue };
            let serves = |route: &&OldRoute| {
                route.served.iter().flatten().any(|served| {
                    served.methods.contains(&operation.method) && served.is_at(operation, bases)
                })
            };
            let keys = served::keys(&draft.shape, bases);
            let found = keys
                .iter()
                .filter_map(|key| places.get(key))
                .flatten()
                .filter(|number| self.routes.get(**number).as_ref().is_some_and(serves))
                .min_by_key(|number| {
                    let route = self.routes.get(**number);
                    route.map(|route| (route.name != draft.name, route.links.is_some(), **number))
                });
            pairs.extend(found.map(|route| (number, *route)));
        }
        pairs
    }

    fn merge(self, document: &Document, options: &ImportOptions) -> Result<Imported, Vec<Problem>> {
        let taken: BTreeSet<String> = self.routes.iter().map(|route| route.name.clone()).collect();
        let file_base = self.tree.get("base").and_then(Node::text).unwrap_or_default();
        // A base of variables is not known here.
        let base = match file_base.contains("${") {
            true => None,
            false => Some(file_base.trim_end_matches('/').to_owned()),
        };
        let told = ImportOptions { base: base.or_else(|| options.base.clone()), ..options.clone() };
        let server = document.servers.first().map_or("", |server| server.path.as_str());
        let bases = Bases { file: told.base.as_deref().unwrap_or_default(), server };
        // The names of new routes are those of a new file, unless they are taken.
        let prefix = self.tree.get("rewrite").and_then(|rewrite| rewrite.get("prefix")).and_then(Node::text);
        let sent = prefix.or(told.base.as_deref()).unwrap_or(server).trim_end_matches('/');
        let plain = draft::draft(document, &told, &BTreeSet::new(), Some(sent));
        let pairs = self.pair(document, &plain.routes, bases);
        let mut draft = plain;
        let clashes = |(number, route): (usize, &RouteDraft)| {
            !pairs.contains_key(&number) && taken.contains(&route.name)
        };
        if draft.routes.iter().enumerate().any(clashes) {
            let others = draft::draft(document, &told, &taken, Some(sent)).routes;
            for (number, (route, other)) in draft.routes.iter_mut().zip(others).enumerate() {
                if !pairs.contains_key(&number) && taken.contains(&route.name) {
                    *route = other;
                }
            }
        }
        self.spell_out(&mut draft, &pairs);
        let Some(editor) = Editor::new(self.text) else {
            return Err(vec![self.unwritable()]);
        };
        let mut merge = Merge { editor, changes: Vec::new(), unchanged: 0 };
        merge.routes(&self, document, &draft, &pairs, bases, options.prune).map_err(|message| {
            let mut problem = self.unwritable();
            problem.message = message;
            vec![problem]
        })?;
        merge.declarations(&self.tree, &draft, &pairs);
        if let (None, Some(link)) = (self.tree.get("openapi"), &options.link) {
            merge.editor.insert_before("upstream", &draft::link_entry(link));
        }
        let Merge { editor, changes, unchanged } = merge;
        let text = editor.finish();
        // What was written must be readable, with every route where it was meant to be.
        let names = |tree: &Node| -> BTreeSet<String> {
            let routes = tree.get("routes").map(Node::entries).unwrap_or_default();
            routes.iter().map(|(key, _)| key.name.clone()).collect()
        };
        let mut expected = taken;
        for change in &changes {
            match change.what {
                "added" => expected.insert(change.route.clone()),
                "removed" => expected.remove(&change.route),
                _ => true,
            };
        }
        if tree::parse(&text).map_or(true, |tree| names(&tree) != expected) {
            return Err(vec![self.unwritable()]);
        }
        Ok(Imported { text, changes, unchanged, notes: draft.notes })
    }

    /// Lets new routes say themselves who may call, unless the file's routes for such operations count on `defaults`.
    fn spell_out(&self, draft: &mut Draft, pairs: &HashMap<usize, usize>) {
        let auth = self.tree.get("defaults").and_then(|defaults| defaults.get("auth"));
        let open = auth.is_some_and(|auth| auth.text() == Some("none"));
        let counting: Vec<Rule> = pairs
            .iter()
            .filter(|(_, route)| self.routes.get(**route).is_some_and(|route| !route.asks))
            .filter_map(|(number, _)| draft.routes.get(*number))
            .map(|route| route.rule.clone())
            .collect();
        for (number, route) in draft.routes.iter_mut().enumerate() {
            if !pairs.contains_key(&number) && (open || !counting.contains(&route.rule)) {
                route.entry = route.explicit.clone();
            }
        }
    }

    fn unwritable(&self) -> Problem {
        Problem {
            severity: Severity::Error,
            code: "bad-openapi",
            file: self.name.to_owned(),
            span: Span::default(),
            message: "the file is written in a way that cannot be changed by an import".into(),
            help: Some(
                "write its routes as `name:` with their keys below, or import into another file".into(),
            ),
            environments: Vec::new(),
            owner: String::new(),
            excerpt: String::new(),
        }
    }
}

/// A value as it is once variables have their values; `None` where that is not known here.
fn without_variables(node: &Node) -> Option<Node> {
    let value = match &node.value {
        Value::Text(text) if text.replace("$${", "").contains("${") => return None,
        Value::Text(text) => Value::Text(unescaped(text)),
        Value::List(items) => Value::List(items.iter().map(without_variables).collect::<Option<_>>()?),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| Some((key.clone(), without_variables(node)?)));
            Value::Map(entries.collect::<Option<_>>()?)
        }
        value => value.clone(),
    };
    Some(Node { value, ..node.clone() })
}

/// What `operation` says.
fn links(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Text(text) => vec![unescaped(text)],
        Value::List(items) => items.iter().filter_map(Node::text).map(unescaped).collect(),
        _ => Vec::new(),
    }
}

/// `$${` stands for `${` in a route file.
fn unescaped(text: &str) -> String {
    text.replace("$${", "${")
}
