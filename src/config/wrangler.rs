//! What wrangler.toml and `.dev.vars` must have for the route files to work: environments and secrets.

use super::load::{Files, normal, relative};
use super::problem::{Problem, Severity, Span};
use super::tree::{Node, Value};
use crate::plan::Shared;
use crate::plan::compile::{File, problem};
use std::path::{Path, PathBuf};

/// The secret that the gateway's own pages need.
const ADMIN: &str = "TOLLGATE_ADMIN_TOKEN";

/// Lists of bindings in wrangler.toml that have a `fetch` method.
const FETCHERS: [&str; 3] = ["services", "mtls_certificates", "vpc_services"];

/// Compares with wrangler.toml, if there is one. `dev` is its top level.
pub fn check(
    input: &Files,
    files: &[File],
    gateway: usize,
    environment: &str,
    shared: &Shared,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (Some(text), Some(gateway)) = (&input.wrangler, files.get(gateway)) else { return problems };
    let wrangler = |span: Span, code, message: String, help: &str| {
        let help = Some(help.to_owned()).filter(|h| !h.is_empty());
        problem(Severity::Error, code, &itself(text), span, message, help)
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let at: toml::de::Error = error;
            let begin = at.span().map_or(0, |span| span.start);
            problems.push(wrangler(Span::of(text, &(begin..begin)), "syntax", at.message().to_owned(), ""));
            return problems;
        }
    };
    if environment == "dev" {
        problems.extend(unwatched(input, text, &table));
    }
    let section = table.get("env").and_then(|envs| envs.get(environment)).and_then(toml::Value::as_table);
    let section = match section {
        Some(section) => section,
        None if environment == "dev" => &table,
        None => {
            let list = gateway.tree.get("environments").map(|node| &node.value);
            let item = match list {
                Some(Value::List(items)) => items.iter().find(|item| item.text() == Some(environment)),
                _ => None,
            };
            let span = item.map_or(gateway.tree.span, |item| item.span);
            let message = format!("wrangler.toml has no `[env.{environment}]`");
            let help = Some("add it, complete in itself: bindings are not inherited".to_owned());
            problems.push(problem(Severity::Error, "unknown-environment", gateway, span, message, help));
            return problems;
        }
    };
    let required: Vec<&str> = section
        .get("secrets")
        .and_then(|secrets| secrets.get("required"))
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str)
        .collect();
    let heading =
        if environment == "dev" { "[secrets]".to_owned() } else { format!("[env.{environment}.secrets]") };
    if !required.contains(&ADMIN) {
        let help = format!("add `required = [\"{ADMIN}\"]` under `{heading}`");
        let message = format!("the gateway's own pages need the secret `{ADMIN}`");
        problems.push(wrangler(Span::default(), "missing-secret", message, &help));
    }
    for name in &shared.secrets {
        for (file, span) in places(files, name) {
            if !required.contains(&name.as_str()) {
                let message = format!("the secret `{name}` is not among those that wrangler.toml requires");
                let help = Some(format!("add it to `required` under `{heading}` in wrangler.toml"));
                problems.push(problem(Severity::Error, "missing-secret", file, span, message, help));
            }
            if environment == "dev" && !input.dev_vars.as_deref().is_some_and(|vars| has(vars, name)) {
                let message = format!("the secret `{name}` has no value for development");
                let help = Some(format!("add `{name}=…` to .dev.vars; until then its routes answer 503"));
                problems.push(problem(Severity::Warning, "missing-secret", file, span, message, help));
            }
        }
    }
    let bound: Vec<&str> = FETCHERS
        .iter()
        .filter_map(|kind| section.get(*kind).and_then(toml::Value::as_array))
        .flatten()
        .filter_map(|entry| entry.get("binding").and_then(toml::Value::as_str))
        .collect();
    let vias = shared
        .upstreams
        .iter()
        .flat_map(|upstream| &upstream.targets)
        .filter_map(|target| target.via.as_deref());
    for name in vias.filter(|name| !bound.contains(name)).collect::<std::collections::BTreeSet<_>>() {
        let text = format!("binding:{name}");
        for file in files {
            let mut spans = Vec::new();
            find(&file.tree, "via", &text, &mut spans);
            for span in spans {
                let message = format!("wrangler.toml has no binding `{name}` that can fetch");
                let heading = if environment == "dev" {
                    "[[services]]".to_owned()
                } else {
                    format!("[[env.{environment}.services]]")
                };
                let help = Some(format!("add it under `{heading}`"));
                problems.push(problem(Severity::Error, "missing-binding", file, span, message, help));
            }
        }
    }
    problems
}

/// Folders of route files that `wrangler dev` does not watch: what is saved there would not be live.
fn unwatched(input: &Files, text: &str, table: &toml::Table) -> Option<Problem> {
    let build = table.get("build").filter(|build| build.get("command").is_some())?;
    let watched: Vec<&str> = match build.get("watch_dir") {
        Some(toml::Value::Array(folders)) => folders.iter().filter_map(toml::Value::as_str).collect(),
        Some(folder) => folder.as_str().into_iter().collect(),
        None => vec!["src"],
    };
    let watched: Vec<PathBuf> =
        watched.into_iter().map(|folder| normal(&input.beside, Path::new(folder))).collect();
    let missed = |folder: &&PathBuf| !watched.iter().any(|watched| folder.starts_with(watched));
    let missed: Vec<String> =
        input.folders.iter().filter(missed).map(|folder| relative(&input.beside, folder)).collect();
    if missed.is_empty() {
        return None;
    }
    let list = |quote: &str| {
        let quoted = missed.iter().map(|folder| format!("{quote}{folder}{quote}"));
        quoted.collect::<Vec<_>>().join(", ")
    };
    let message = format!("`wrangler dev` does not watch {}: what is saved there is not live", list("`"));
    let help = Some(format!("add {} to `watch_dir` under `[build]`", list("\"")));
    let span = Span::default();
    Some(problem(Severity::Warning, "not-watched", &itself(text), span, message, help))
}

/// wrangler.toml as a file that problems can lie in.
pub(super) fn itself(text: &str) -> File {
    let tree = Node { value: Value::Null, span: Span::default(), variable: None };
    File { name: "wrangler.toml".into(), text: text.into(), tree }
}

/// Where `text` is the value of the key `name`.
fn find(node: &Node, name: &str, text: &str, out: &mut Vec<Span>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| find(item, name, text, out)),
        Value::Map(entries) => {
            for (key, value) in entries {
                if key.name == name && value.text() == Some(text) {
                    out.push(value.span);
                }
                find(value, name, text, out);
            }
        }
        _ => {}
    }
}

/// Where a secret is named.
fn places<'f>(files: &'f [File], name: &str) -> Vec<(&'f File, Span)> {
    let mut places = Vec::new();
    for file in files {
        for (_, issuer) in file.tree.get("issuers").map(Node::entries).unwrap_or_default() {
            let secret = issuer.get("keys").and_then(|keys| keys.get("secret"));
            places.extend(secret.filter(|node| node.text() == Some(name)).map(|node| (file, node.span)));
        }
    }
    places
}

/// Whether a dotenv file gives `name` a value.
fn has(vars: &str, name: &str) -> bool {
    vars.lines().filter_map(|line| line.trim().split_once('=')).any(|(key, value)| {
        key.trim_start_matches("export ").trim() == name && !value.trim().trim_matches(['"', '\'']).is_empty()
    })
}
