//! What a document's operations become as routes, before they are written or merged into a file.

use super::document::Document;
use super::model::{Operation, Security, Server, Where};
use super::paths::{self, Carried, Shape};
use super::security::{self, Decision, Rule, Scopes};
use super::{ImportOptions, names};
use crate::config::emit::{self, Entry, Item};
use crate::config::format;
use crate::config::problem::{Problem, Severity};
use crate::policy::rewrite::Prefix;
use std::collections::{BTreeMap, BTreeSet};

/// Where nobody serves, until somebody says where it is (RFC 2606 §2).
const NOWHERE: &str = "https://origin.invalid";

/// A route to be.
#[derive(Clone, Debug)]
pub struct RouteDraft {
    /// Its name.
    pub name: String,
    /// What names its operation.
    pub link: String,
    /// Index of the operation.
    pub operation: usize,
    /// Its path.
    pub shape: Shape,
    /// The comments above it, `match`, `operation`, and what else it begins with.
    pub entry: Entry,
    /// The same where it cannot count on `defaults`.
    pub explicit: Entry,
    /// Who may call.
    pub rule: Rule,
    /// Names of upstreams and issuers that it needs declared.
    pub needs: Vec<String>,
}

/// A route file to be.
#[derive(Debug, Default)]
pub struct Draft {
    /// What stands before the routes, `issuers` and `upstreams` apart.
    pub head: Vec<Entry>,
    /// What stands between them and the routes.
    pub defaults: Vec<Entry>,
    /// Issuers to be declared, by name.
    pub issuers: Vec<Entry>,
    /// Upstreams to be declared, by name.
    pub upstreams: Vec<Entry>,
    /// The routes.
    pub routes: Vec<RouteDraft>,
    /// What is not carried, or only in part.
    pub notes: Vec<Problem>,
}

/// Makes the draft. `sent` is what the file sends in place of its base; `None`: there is no file yet, and the draft says it.
pub fn draft(
    document: &Document,
    options: &ImportOptions,
    taken: &BTreeSet<String>,
    sent: Option<&str>,
) -> Draft {
    let mut draft = Draft::default();
    let server = document.servers.first();
    let server_path = server.map_or("", |server| server.path.as_str());
    let base = options.base.clone().unwrap_or_else(|| server_path.to_owned());
    let base = base.trim_end_matches('/').to_owned();
    // One setting for all, where the path can stand there.
    let sends = sent.unwrap_or(match Prefix::parse(Vec::new(), server_path) {
        Ok(_) => server_path,
        Err(_) => &base,
    });
    let issuer = options.issuer.as_deref();
    let carried: Vec<Result<Carried, String>> = document.operations.iter().map(paths::carry).collect();
    let decisions: Vec<Decision> = document
        .operations
        .iter()
        .zip(&carried)
        .filter(|(_, carried)| carried.is_ok())
        .map(|(operation, _)| security::decide(document, &operation.security, issuer))
        .collect();

    // What most routes share stands once; but no `defaults` say that everybody may call.
    let usual = security::decide(document, &document.security, issuer);
    let usable = |decision: &&Decision| decision.rule != Rule::Open;
    let fallback = match decisions.contains(&usual) || decisions.is_empty() {
        true => Some(&usual),
        false => decisions.iter().find(usable),
    };
    let fallback = fallback.filter(usable);
    let mut upstreams = Upstreams::new(document, options);
    let links: Vec<String> = document.operations.iter().map(Operation::link).collect();
    let route_names = names::unique(&links, taken);
    let mut decided = decisions.iter();
    for (number, ((operation, carried), (link, name))) in
        document.operations.iter().zip(carried).zip(links.iter().zip(route_names)).enumerate()
    {
        let carried = match carried {
            Ok(carried) => carried,
            Err(why) => {
                draft.notes.push(note(
                    document,
                    operation,
                    format!("`{}` is left out: {why}", operation.call()),
                ));
                continue;
            }
        };
        let Some(decision) = decided.next() else { continue };
        let mut entry = Entry::new(&name, Item::Map(Vec::new()));
        if !operation.summary.trim().is_empty() {
            entry.above.push(emit::comment(&operation.summary));
        }
        if operation.deprecated {
            entry.above.push("# Deprecated by the document.".into());
        }
        entry.above.extend(required(operation));
        for text in &carried.notes {
            entry.above.push(emit::comment(text));
            draft.notes.push(note(document, operation, format!("`{}`: {text}", operation.call())));
        }
        let mut keys = vec![
            Entry::new("match", matching(&[&operation.method], &carried.shape)),
            Entry::text("operation", link),
        ];
        if let Shape::Regex(_) = carried.shape.path() {
            keys.push(Entry::new("priority", Item::Bare(paths::priority(&operation.path).to_string())));
        }
        let mut needs = Vec::new();
        let own = operation.servers.as_ref().and_then(|servers| servers.first());
        if let Some(upstream) = own.and_then(|own| upstreams.of(own)) {
            keys.push(Entry::text("upstream", &upstream));
            needs.push(upstream);
        }
        let path = own.map_or(server_path, |own| own.path.as_str());
        if path != sends {
            keys.push(Entry::text("rewrite", &format!("{path}{}", carried.upstream)));
        }
        if let Some(text) = &decision.note
            && fallback.is_none_or(|fallback| fallback.note.as_ref() != Some(text))
        {
            entry.above.push(emit::comment(text));
            draft.notes.push(note(document, operation, format!("`{}`: {text}", operation.call())));
        }
        if let Rule::Token { issuers, .. } = &decision.rule {
            needs.extend(issuers.iter().cloned());
        }
        let slashes = carried.encoded_slashes.then(|| {
            let passes = Entry::new("encoded_slashes", Item::Bare("true".into()));
            Entry::new("paths", Item::Inline(vec![passes]))
        });
        let written = |fallback: Option<&Decision>| {
            let keys = keys.iter().cloned().chain(differing(&decision.rule, fallback)).chain(slashes.clone());
            Entry { value: Item::Map(keys.collect()), ..entry.clone() }
        };
        let (explicit, entry) = (written(None), written(fallback));
        draft.routes.push(RouteDraft {
            name,
            link: link.clone(),
            operation: number,
            shape: carried.shape,
            entry,
            explicit,
            rule: decision.rule.clone(),
            needs,
        });
    }
    taken_over(&mut draft, document);
    let rules: Vec<Rule> = decisions.iter().chain(fallback).map(|decision| decision.rule.clone()).collect();
    if issuer.is_none() {
        let declared = security::issuers(document, &rules);
        draft.issuers = declared.iter().map(|issuer| issuer_entry(issuer, &options.api)).collect();
    }
    draft.upstreams = upstreams.declared.into_values().collect();
    head(&mut draft, document, options, &base);
    if sends != sent.unwrap_or(&base) {
        let prefix = if server_path.is_empty() { "/" } else { server_path };
        let rewrite = Item::Inline(vec![Entry::text("prefix", prefix)]);
        draft.head.push(Entry::new("rewrite", rewrite));
    }
    defaults(&mut draft, document, fallback);
    draft
}

/// Leaves out regular expressions that no request reaches, since templates go before them.
fn taken_over(draft: &mut Draft, document: &Document) {
    let of = |route: &RouteDraft| document.operations.get(route.operation);
    let templates: Vec<(&Operation, String)> = draft
        .routes
        .iter()
        .filter_map(|route| match &route.shape {
            Shape::Template(text) => Some((of(route)?, text.clone())),
            _ => None,
        })
        .collect();
    let mut notes = Vec::new();
    draft.routes.retain(|route| {
        let (Shape::Regex(_), Some(operation)) = (route.shape.path(), of(route)) else { return true };
        let path = operation.path.split('?').next().unwrap_or_default();
        let conditional = operation.path.contains('?');
        let taker = templates.iter().find(|(other, text)| {
            !conditional && other.method == operation.method && paths::covers(text, path)
        });
        if let Some((taker, _)) = taker {
            let message = format!(
                "`{}` is left out: `{}` takes its requests, since a template goes before an expression",
                operation.call(),
                taker.call()
            );
            notes.push(note(document, operation, message));
        }
        taker.is_none()
    });
    draft.notes.append(&mut notes);
}

fn note(document: &Document, operation: &Operation, message: String) -> Problem {
    document.library.problem(Severity::Warning, "not-carried", operation.place, message, None)
}

/// `match` of methods and a path.
pub fn matching(methods: &[&str], shape: &Shape) -> Item {
    if let Shape::Template(template) = shape {
        return Item::Text(format!("{} {template}", methods.join("|")));
    }
    let methods = methods.iter().map(|method| Item::Text((*method).to_owned())).collect();
    let mut keys = vec![Entry::new("methods", Item::List(methods))];
    match shape.path() {
        Shape::Regex(regex) => keys.push(Entry::text("regex", regex)),
        Shape::Template(template) => keys.push(Entry::text("path", template)),
        Shape::Query(..) => {}
    }
    if let Shape::Query(_, conditions) = shape {
        let conditions = conditions.iter().map(|(name, value)| match value {
            Some(value) => Entry::text(name, value),
            None => Entry::new(name, Item::Bare("true".into())),
        });
        keys.push(Entry::new("query", Item::Inline(conditions.collect())));
    }
    Item::Inline(keys)
}

/// What every request must have, in a comment: whether it does is for validation to say, not for matching.
fn required(operation: &Operation) -> Option<String> {
    let mut parts = Vec::new();
    for (within, word) in [(Where::Query, "query"), (Where::Header, "header"), (Where::Cookie, "cookie")] {
        let names: Vec<String> = operation
            .parameters
            .iter()
            .filter(|parameter| parameter.required && parameter.within == within)
            .map(|parameter| format!("`{}`", parameter.name))
            .collect();
        if !names.is_empty() {
            parts.push(format!("{word} {}", names.join(", ")));
        }
    }
    (!parts.is_empty()).then(|| emit::comment(&format!("Needs: {}", parts.join("; "))))
}

fn scopes_item(scopes: &Scopes) -> Item {
    let list = |scopes: &[String]| Item::List(scopes.iter().cloned().map(Item::Text).collect());
    match scopes {
        Scopes::All(scopes) => list(scopes),
        Scopes::Any(scopes) => Item::Inline(vec![Entry::new("any", list(scopes))]),
    }
}

fn auth_item(issuers: &[String]) -> Item {
    let issuers = match issuers {
        [one] => Item::Text(one.clone()),
        many => Item::List(many.iter().cloned().map(Item::Text).collect()),
    };
    Item::Inline(vec![Entry::new("jwt", issuers)])
}

const OPEN: &str = "the OpenAPI document says that everybody may call";

/// The keys of a route that say who may call, as far as `defaults` do not.
fn differing(rule: &Rule, fallback: Option<&Decision>) -> Vec<Entry> {
    let inherited = match fallback.map(|fallback| &fallback.rule) {
        Some(Rule::Token { issuers, scopes }) => Some((issuers, scopes)),
        _ => None,
    };
    let mut keys = Vec::new();
    match rule {
        Rule::Open => {
            keys.push(Entry::text("auth", "none"));
            keys.push(Entry::text("because", OPEN));
        }
        Rule::Token { issuers, scopes } => {
            if inherited.is_none_or(|(known, _)| known != issuers) {
                keys.push(Entry::new("auth", auth_item(issuers)));
            }
            let none = Scopes::All(Vec::new());
            if inherited.map_or(&none, |(_, known)| known) != scopes {
                keys.push(Entry::new("scopes", scopes_item(scopes)));
            }
        }
    }
    keys
}

fn issuer_entry(issuer: &security::Issuer, audience: &str) -> Entry {
    let mut keys = vec![
        Entry::text("issuer", &issuer.url),
        Entry::text("audience", audience),
        Entry::new("algorithms", Item::List(vec![Item::Text("RS256".into())])),
        Entry::new(
            "keys",
            Item::Inline(vec![Entry::text("jwks", &format!("{}/.well-known/jwks.json", issuer.url))]),
        ),
    ];
    if !issuer.scopes.is_empty() {
        keys.push(Entry::new("scopes", Item::List(issuer.scopes.iter().cloned().map(Item::Text).collect())));
    }
    Entry {
        above: issuer.comment.split_inclusive(". ").map(emit::comment).collect(),
        key: issuer.name.clone(),
        value: Item::Map(keys),
    }
}

fn head(draft: &mut Draft, document: &Document, options: &ImportOptions, base: &str) {
    let head = &mut draft.head;
    head.push(Entry {
        above: vec![
            emit::comment(&format!("Made by `tollgate import openapi` of {}", title(document))),
            "# Import it again when the document changes: `match` and `operation` follow it, routes are added for new".into(),
            "# operations, and all else, comments included, stays as you made it.".into(),
        ],
        ..Entry::new("tollgate", Item::Bare(format::CURRENT.to_string()))
    });
    head.push(Entry::text("api", &options.api));
    head.push(Entry::text("owner", &options.owner));
    head.push(Entry::new("version", Item::Inline(vec![Entry::text("name", &options.version)])));
    if !base.is_empty() {
        head.push(Entry::text("base", base));
    }
    head.extend(options.link.as_deref().map(link_entry));
    let mut above = Vec::new();
    let origin = match (&options.upstream, document.servers.first()) {
        (Some(upstream), _) => upstream.clone(),
        (None, Some(Server { origin: Some(origin), template, .. })) => {
            if template.contains('{') {
                above.push(emit::comment(&format!("`{template}` with the defaults of its variables.")));
            }
            let others: Vec<&str> =
                document.servers.iter().skip(1).map(|server| server.template.as_str()).collect();
            if !others.is_empty() {
                above.push(emit::comment(&format!("The document's other servers: {}", others.join(", "))));
            }
            origin.clone()
        }
        (None, _) => {
            above.push("# The document does not say where it is served: put the origin's URL here.".into());
            NOWHERE.to_owned()
        }
    };
    let value = if origin.contains("://") {
        Item::Inline(vec![Entry::text("url", &origin)])
    } else {
        Item::Text(origin)
    };
    head.push(Entry { above, ..Entry::new("upstream", value) });
}

/// `openapi:` of a route file.
pub fn link_entry(file: &str) -> Entry {
    Entry {
        above: vec!["# `tollgate check` compares the routes with this document.".into()],
        ..Entry::new("openapi", Item::Inline(vec![Entry::text("file", file)]))
    }
}

/// Title and version of the document.
fn title(document: &Document) -> String {
    match (document.title.trim(), document.version.trim()) {
        ("", _) => "an OpenAPI document".to_owned(),
        (title, "") => format!("\"{title}\""),
        (title, version) => format!("\"{title}\" {version}"),
    }
}

fn defaults(draft: &mut Draft, document: &Document, fallback: Option<&Decision>) {
    let Some(Decision { rule: Rule::Token { issuers, scopes }, note }) = fallback else { return };
    let mut above = Vec::new();
    if document.security == Security::Unsaid {
        above.push("# The document does not say who may call, so this asks for a token.".to_owned());
    }
    above.extend(note.as_deref().map(emit::comment));
    let mut keys = vec![Entry { above, ..Entry::new("auth", auth_item(issuers)) }];
    if *scopes != Scopes::All(Vec::new()) {
        keys.push(Entry::new("scopes", scopes_item(scopes)));
    }
    draft.defaults.push(Entry::new("defaults", Item::Map(keys)));
    if let Some(text) = note {
        let place = document.library.root().map(|root| root.place("security")).unwrap_or_default();
        let note = document.library.problem(Severity::Warning, "not-carried", place, text.clone(), None);
        draft.notes.push(note);
    }
}

/// Servers of single operations, as upstreams with names.
struct Upstreams<'d> {
    usual: Option<&'d Server>,
    replaced: bool,
    declared: BTreeMap<String, Entry>,
}

impl<'d> Upstreams<'d> {
    fn new(document: &'d Document, options: &ImportOptions) -> Self {
        Upstreams {
            usual: document.servers.first(),
            replaced: options.upstream.is_some(),
            declared: BTreeMap::new(),
        }
    }

    /// The upstream's name, if it is not the document's own.
    fn of(&mut self, server: &Server) -> Option<String> {
        let origin = server.origin.as_ref()?;
        if self.usual.is_some_and(|usual| usual.origin.as_ref() == Some(origin)) {
            return None;
        }
        // All operations have the same servers, and the document none: `--upstream` means them.
        if self.usual.is_none() && self.replaced {
            return None;
        }
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
        let name = names::name(&host.replace(['.', ':'], "-"));
        let url = Item::Inline(vec![Entry::text("url", origin)]);
        self.declared.entry(name.clone()).or_insert_with(|| Entry::new(&name, url));
        Some(name)
    }
}
