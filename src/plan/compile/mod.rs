//! Route files → plan: names resolved, inheritance applied, everything checked that can be known before a request.
//!
//! Native only. All problems are collected; nothing stops at the first. The result is used only if none is an error.

mod access;
mod action;
pub mod analysis;
mod answer;
mod browsers;
mod conflicts;
mod definitions;
mod matching;
mod mirror;
pub mod order;
mod ownership;
pub mod pattern;
mod proofs;
mod route;
mod spans;
mod split;
pub mod table;
mod versions;

use crate::config::problem::{Problem, Severity, Span};
use crate::config::settings::{ApiFile, Cache, GatewayFile, Settings, Status};
use crate::config::tree::{Key, Node};
use crate::plan::format;
use crate::plan::rule::Rule;
use crate::plan::{Api, Gateway, Route, Shared};
use crate::policy::lifecycle::Lifecycle;
use crate::policy::rewrite::Path;
use crate::routing::path::template;
use definitions::Table;
use std::collections::HashMap;

/// A route file, read.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, e.g. `routes/orders/v2.yaml`.
    pub name: String,
    /// Its text, for excerpts.
    pub text: std::sync::Arc<str>,
    /// Its tree, variables resolved.
    pub tree: Node,
}

/// What is compiled. `files` are in the order of the plan's.
pub struct Input<'a> {
    /// The environment, e.g. `dev`.
    pub environment: &'a str,
    /// For deployment: what only suits a developer's machine is an error.
    pub deploy: bool,
    /// All files.
    pub files: &'a [File],
    /// gateway.yaml and its index in `files`.
    pub gateway: (usize, &'a GatewayFile),
    /// API files and their indexes in `files`.
    pub apis: &'a [(usize, ApiFile)],
    /// Today, in seconds since 1970, for what is over by then; `None`: nothing is.
    pub now: Option<i64>,
}

/// The plan's parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// What all routes share.
    pub shared: Shared,
    /// The rules of each API.
    pub rules: Vec<Vec<Rule>>,
    /// The routes.
    pub routes: Vec<Route>,
    /// Ids of the issuers with `development: true`.
    pub development: Vec<String>,
}

impl Output {
    /// The plan's bytes.
    ///
    /// # Errors
    /// What cannot be written: too many different methods in an API, or more than offsets of 32 bits reach.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let apis = self.shared.apis.iter().zip(&self.rules);
        let apis: Vec<(&str, &[Rule])> =
            apis.map(|(api, rules)| (api.base.as_str(), rules.as_slice())).collect();
        let tables = table::tables(&apis)?;
        let rules: Vec<&Rule> = self.rules.iter().flatten().collect();
        format::write(&self.shared, &tables, &rules, &self.routes).map_err(|error| error.to_string())
    }
}

/// Compiles. Findings are added to `problems`.
pub fn compile(input: &Input<'_>, problems: &mut Vec<Problem>) -> Output {
    let mut compiler = Compiler::new(input);
    compiler.gateway();
    compiler.definitions();
    for (order, (file, api)) in input.apis.iter().enumerate() {
        compiler.api(order, *file, api);
    }
    compiler.proofs();
    if !compiler.baseless {
        compiler.ownership();
    }
    compiler.lives();
    analysis::vary::fill(&mut compiler.out);
    problems.append(&mut compiler.problems);
    compiler.out
}

/// A place in a file, by the keys and indexes that lead there.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    file: usize,
    path: Vec<String>,
}

impl Place {
    fn new(file: usize, path: &[&str]) -> Self {
        Place { file, path: path.iter().map(|part| (*part).to_owned()).collect() }
    }
    fn key(&self, part: &str) -> Self {
        let mut place = self.clone();
        place.path.push(part.to_owned());
        place
    }
    fn index(&self, index: usize) -> Self {
        self.key(&index.to_string())
    }
}

/// Settings at one level of inheritance.
#[derive(Clone)]
struct Layer<'a> {
    settings: &'a Settings,
    place: Place,
}

/// Route, file, gateway: nearest first.
struct Layers<'a>(Vec<Layer<'a>>);

impl<'a> Layers<'a> {
    /// The nearest value of a key, and the layer it stands in.
    fn nearest<T>(&self, get: impl Fn(&'a Settings) -> Option<&'a T>) -> Option<(&'a T, &Layer<'a>)> {
        self.0.iter().find_map(|layer| get(layer.settings).map(|value| (value, layer)))
    }

    /// The values that make up a list: from the nearest one that replaces to the route's own, in that order.
    fn growing<T>(
        &self,
        get: impl Fn(&'a Settings) -> Option<&'a T>,
        replaces: impl Fn(&T) -> bool,
    ) -> Vec<(&'a T, &Layer<'a>)> {
        let mut values = Vec::new();
        for layer in &self.0 {
            if let Some(value) = get(layer.settings) {
                values.push((value, layer));
                if replaces(value) {
                    break;
                }
            }
        }
        values.reverse();
        values
    }
}

/// Facts about compiled routes that the closing proofs need.
#[expect(dead_code, reason = "the proofs that read it are being rewritten for rules")]
struct RouteFact {
    api: usize,
    place: Place,
}

struct Compiler<'a> {
    input: &'a Input<'a>,
    /// The routes of each file by their names.
    entries: Vec<HashMap<&'a str, &'a (Key, Node)>>,
    problems: Vec<Problem>,
    out: Output,
    issuers: Table,
    limits: Table,
    caches: Table,
    cors: Table,
    upstreams: Table,
    /// Settings of the issuers in the plan, by index.
    issuer_scopes: Vec<Option<Vec<String>>>,
    cache_settings: Vec<(&'a Cache, Place)>,
    facts: Vec<RouteFact>,
    /// What the routes of the file at hand send upstream in place of its base, and the host that they tell.
    rewrite_of_file: (Option<Path>, Option<String>),
    /// Some base path is unknown: what would follow from it is not said.
    baseless: bool,
}

impl<'a> Compiler<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let out = Output {
            shared: Shared {
                environment: input.environment.to_owned(),
                files: input.files.iter().map(|file| file.name.clone()).collect(),
                ..Shared::default()
            },
            ..Output::default()
        };
        let entries = input.files.iter().map(|file| {
            let routes = file.tree.get("routes").map(Node::entries).unwrap_or_default();
            routes.iter().map(|entry| (entry.0.name.as_str(), entry)).collect()
        });
        Compiler {
            input,
            entries: entries.collect(),
            problems: Vec::new(),
            out,
            issuers: Table::new("issuer", "issuers"),
            limits: Table::new("limit", "limits"),
            caches: Table::new("cache rule", "caches"),
            cors: Table::new("CORS settings", "cors"),
            upstreams: Table::new("upstream", "upstreams"),
            issuer_scopes: Vec::new(),
            cache_settings: Vec::new(),
            facts: Vec::new(),
            rewrite_of_file: (None, None),
            baseless: false,
        }
    }

    fn error(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Error, code, place, message.into(), help.into());
    }

    fn warn(
        &mut self,
        code: &'static str,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Warning, code, place, message.into(), help.into());
    }

    /// Adds a problem; an empty `help` is none.
    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: &Place,
        message: String,
        help: String,
    ) {
        let span = self.span(place);
        if let Some(file) = self.input.files.get(place.file) {
            let help = Some(help).filter(|help| !help.is_empty());
            self.problems.push(problem(severity, code, file, span, message, help));
        }
    }

    /// Reports what a policy's own check says.
    fn verdict(&mut self, code: &'static str, place: &Place, verdict: Result<(), String>) {
        if let Err(message) = verdict {
            self.error(code, place, message, "");
        }
    }

    /// What suits a developer's machine only: nothing in `dev`, a warning elsewhere, an error for deployment.
    fn local_only(&mut self, code: &'static str, place: &Place, message: String, help: &str) {
        let severity = if self.input.deploy { Severity::Error } else { Severity::Warning };
        if self.input.deploy || self.input.environment != "dev" {
            self.report(severity, code, place, message, help.to_owned());
        }
    }

    /// Whether `name` can name a thing; otherwise a problem.
    fn name(&mut self, what: &str, name: &str, place: &Place) -> bool {
        let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            && name != "none"
            && name != "shared";
        if !fits {
            let message = format!("`{name}` cannot name {what}");
            let help = "use ASCII letters, digits, `-` and `_`, a letter first, 64 at most; `none` and `shared` are taken";
            self.error("bad-name", place, message, help);
        }
        fits
    }

    fn gateway(&mut self) {
        let (file, gateway) = self.input.gateway;
        let mut out = Gateway::default();
        if let Some(name) = &gateway.name {
            let place = Place::new(file, &["name"]);
            if self.name("the gateway", name, &place) {
                out.name.clone_from(name);
            }
        }
        let host = gateway.admin.as_ref().and_then(|admin| admin.host.as_ref());
        match host.map(|host| host.0.as_str()) {
            Some(host) if host.starts_with("*.") => self.error(
                "bad-value",
                &Place::new(file, &["admin", "host"]),
                "the gateway's own pages need one host",
                "write one exact host, or `*` for every host",
            ),
            None | Some("*") => {}
            Some(host) => out.admin_host = Some(host.to_owned()),
        }
        if let Some(events) = &gateway.events {
            if let Some(sample) = events.sample {
                // Checked to lie within 0 and 1. Only 0 itself keeps nothing.
                out.sample = ((sample * 1000.0).round() as u16).max(u16::from(sample > 0.0));
            }
            out.history = events.history.unwrap_or(out.history);
        }
        out.trust_forwarded = gateway.trust_forwarded.unwrap_or(false);
        out.merge_slashes = self.merges();
        self.out.shared.gateway = out;
    }

    fn api(&mut self, order: usize, file: usize, api: &'a ApiFile) {
        let scope = order.saturating_add(1);
        let root = Place::new(file, &[]);
        self.name("an API", &api.api, &root.key("api"));
        self.name("a version", &api.version.name, &root.key("version").key("name"));
        let twin = self
            .out
            .shared
            .apis
            .iter()
            .position(|other| other.name == api.api && other.version == api.version.name);
        if let Some(other) =
            twin.and_then(|i| self.input.apis.get(i)).map(|(file, _)| Place::new(*file, &["api"]))
        {
            let other = self.named(&other);
            let message = format!("version `{}` of `{}` is declared twice", api.version.name, api.api);
            self.error(
                "duplicate-version",
                &root.key("version").key("name"),
                message,
                format!("the other is {other}"),
            );
        }
        let layers = Layers(vec![
            Layer { settings: &api.defaults, place: root.key("defaults") },
            Layer {
                settings: &self.input.gateway.1.defaults,
                place: Place::new(self.input.gateway.0, &["defaults"]),
            },
        ]);
        let cors = self.cors_of(scope, &layers);
        let (hsts, security) = self.security(&layers);
        let headers = self.unrouted(security, &layers, &root);
        let index = u32::try_from(order).unwrap_or(u32::MAX);
        let compiled = Api {
            name: api.api.clone(),
            owner: api.owner.clone(),
            version: api.version.name.clone(),
            status: self.lifecycle(api, &root.key("version")),
            hosts: self.hosts(api, &root.key("hosts")),
            base: self.base(api, &root.key("base")),
            matching: self.matching(api, &root.key("matching")),
            selector: self.selector(api, &root.key("version")),
            cors,
            headers,
            hsts,
            vary: Vec::new(),
            source: self.source(&root.key("api")),
        };
        if api.routes.is_empty() && !matches!(compiled.status, Lifecycle::Retired { .. }) {
            self.error(
                "no-routes",
                &root.key("api"),
                "this API version has no routes",
                "add some under `routes:`",
            );
        }
        self.rewrite_of_file = self.rewritten_base(api, &compiled.base, &root.key("rewrite"));
        self.out.shared.apis.push(compiled);
        self.out.rules.push(Vec::new());
        for (name, route) in &api.routes {
            self.route(index, scope, file, api, name, route);
        }
    }

    fn hosts(&mut self, api: &ApiFile, place: &Place) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for (i, host) in api.hosts.iter().enumerate() {
            if hosts.contains(&host.0) {
                self.error(
                    "duplicate",
                    &place.index(i),
                    format!("the host `{}` stands here twice", host.0),
                    "remove one",
                );
            } else {
                hosts.push(host.0.clone());
            }
        }
        if hosts.iter().any(|host| host == "*") {
            if hosts.len() > 1 {
                self.error("bad-value", place, "`*` covers the other hosts", "list either `*` or hosts");
            }
            return Vec::new();
        }
        hosts
    }

    fn base(&mut self, api: &ApiFile, place: &Place) -> String {
        let Some(base) = api.base.as_deref().filter(|base| *base != "/") else { return String::new() };
        let base = base.strip_suffix('/').unwrap_or(base);
        match template(base) {
            Ok(template) if template.params.is_empty() => template.text,
            Ok(_) => {
                self.error(
                    "bad-base",
                    place,
                    "a base path has no parameters",
                    "move them into the routes' templates",
                );
                self.baseless = true;
                String::new()
            }
            Err(message) => {
                self.error("bad-base", place, message, "write it like `/orders/v2`");
                self.baseless = true;
                String::new()
            }
        }
    }

    fn lifecycle(&mut self, api: &ApiFile, place: &Place) -> Lifecycle {
        let version = &api.version;
        let deprecated = version.status == Status::Deprecated;
        for (key, given) in [
            ("since", version.since.is_some()),
            ("sunset", version.sunset.is_some()),
            ("link", version.link.is_some()),
        ] {
            if given && !deprecated {
                let message = format!("`{key}` belongs to `status: deprecated`");
                self.error("misplaced-key", &place.key(key), message, "change the status, or remove the key");
            }
        }
        let text = |link: &Option<crate::config::units::Link>| link.as_ref().map(|link| link.0.clone());
        let successor = self.successor(api, place);
        let lifecycle = match version.status {
            Status::Current => {
                if version.successor.is_some() {
                    let message = "a current version has no successor";
                    self.error(
                        "misplaced-key",
                        &place.key("successor"),
                        message,
                        "set `status: deprecated` with `since`",
                    );
                }
                Lifecycle::Current
            }
            Status::Deprecated => {
                let since = version.since.as_ref().map(|date| date.0);
                if since.is_none() {
                    let message = "a deprecated version says since when";
                    self.error("missing-key", place, message, "add `since:` with a date");
                }
                let since = since.unwrap_or_default();
                let sunset = version.sunset.as_ref().map(|date| date.0);
                Lifecycle::Deprecated { since, sunset, link: text(&version.link), successor }
            }
            Status::Retired => Lifecycle::Retired { successor },
        };
        self.verdict("bad-lifecycle", place, lifecycle.check());
        lifecycle
    }
}

/// Makes a problem with its excerpt.
pub fn problem(
    severity: Severity,
    code: &'static str,
    file: &File,
    span: Span,
    message: String,
    help: Option<String>,
) -> Problem {
    let line = usize::try_from(span.line).unwrap_or(0).checked_sub(1);
    let excerpt = line.and_then(|line| file.text.lines().nth(line)).unwrap_or("").to_owned();
    Problem {
        severity,
        code,
        file: file.name.clone(),
        span,
        message,
        help,
        environments: Vec::new(),
        excerpt,
        owner: String::new(),
    }
}
