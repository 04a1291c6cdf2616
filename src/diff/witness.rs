//! Requests that a rule is for, and what becomes of one.

use crate::plan::rule::{Pattern, Rule, Selector, Subject, Test};
use crate::plan::{Api, Plan, format::LoadError};
use crate::routing::{Asked, Facts, Miss, Router};
use serde::Serialize;
use std::borrow::Cow;

/// A request that shows something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Witness {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Header fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Whether the client shows a certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub certificate: bool,
    #[serde(skip)]
    host: String,
    #[serde(skip)]
    path: String,
    #[serde(skip)]
    query: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The route of this index answers.
    Route(u32),
    /// No route: 404.
    NotFound,
    /// No route for the method: 405, or for OPTIONS 204.
    Method,
    /// Something else than a route answers, or the plan cannot say.
    Else,
}

/// Some requests that fit the rule, for each host of its API one at least; none where that would mean guessing what a
/// regular expression fits.
pub fn requests(api: &Api, rule: &Rule) -> Vec<Witness> {
    let Some(paths) = paths(api, &rule.path) else { return Vec::new() };
    let Some(first) = conditions(rule) else { return Vec::new() };
    let any = api.hosts.is_empty().then_some("gateway.example");
    let hosts = api.hosts.iter().map(String::as_str).chain(any);
    let hosts: Vec<String> = hosts
        .map(|host| match host.split_once('.') {
            Some((label, suffix)) if label == "*" || label.starts_with('{') => format!("x.{suffix}"),
            _ => host.to_owned(),
        })
        .collect();
    let any = ["GET".to_owned()];
    let methods = if rule.methods.is_empty() { any.as_slice() } else { rule.methods.as_slice() };
    let mut out = Vec::new();
    for host in &hosts {
        for path in &paths {
            for method in methods {
                let mut witness = first.clone();
                let query = witness.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
                witness.url = format!("https://{host}{path}{query}");
                witness.method.clone_from(method);
                witness.host.clone_from(host);
                witness.path.clone_from(path);
                out.push(witness);
            }
        }
    }
    out
}

/// Paths that fit a pattern, with the base before them.
fn paths(api: &Api, pattern: &Pattern) -> Option<Vec<String>> {
    let below = match pattern {
        // The base path itself may be written in two ways.
        Pattern::Template(template) if template == "/" => vec!["/".to_owned(), String::new()],
        Pattern::Template(template) => vec![filled(template)],
        Pattern::Prefix(prefix) => vec![prefix.clone(), format!("{prefix}/x")],
        Pattern::Regex(_) => return None,
    };
    let whole = |path: String| if path.is_empty() { "/".to_owned() } else { path };
    Some(below.into_iter().map(|below| whole(format!("{}{below}", api.base))).collect())
}

/// A template with something in the place of each parameter.
fn filled(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, after)) => {
                out.push_str(if name.starts_with('*') { "x/y" } else { "x" });
                rest = after;
            }
            None => rest = "",
        }
    }
    out.push_str(rest);
    out
}

/// A request for which all conditions hold.
fn conditions(rule: &Rule) -> Option<Witness> {
    let mut witness = Witness::default();
    let mut query: Vec<String> = Vec::new();
    let mut cookies: Vec<String> = Vec::new();
    for condition in &rule.conditions {
        let value = match &condition.test {
            Test::Present => "x".to_owned(),
            Test::In(values) => values.first()?.clone(),
            Test::Absent | Test::InOrAbsent(_) => continue,
            Test::Regex(_) => return None,
        };
        match &condition.subject {
            Subject::Header(name) | Subject::Version(Selector::Header(name)) => {
                witness.headers.push((name.clone(), value))
            }
            Subject::Query(name) | Subject::Version(Selector::Query(name)) => {
                query.push(format!("{}={}", encoded(name), encoded(&value)));
            }
            Subject::Cookie(name) => cookies.push(format!("{name}={value}")),
            Subject::Certificate => witness.certificate = true,
            Subject::Version(Selector::Media(name)) => {
                witness.headers.push(("accept".into(), format!("application/json;{name}={value}")));
            }
        }
    }
    if !cookies.is_empty() {
        witness.headers.push(("cookie".into(), cookies.join("; ")));
    }
    witness.query = Some(query.join("&")).filter(|query| !query.is_empty());
    Some(witness)
}

/// Percent-encoded, as forms are.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The fields of a witness.
struct Fields<'w>(&'w Witness);

impl Facts for Fields<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.0.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| Cow::Borrowed(value.as_str()))
    }
    fn certificate(&self) -> bool {
        self.0.certificate
    }
}

/// What a router does with a request.
pub fn ask(router: &Router, witness: &Witness) -> Outcome {
    let asked = Asked {
        method: &witness.method,
        host: &witness.host,
        path: &witness.path,
        query: witness.query.as_deref(),
        facts: Some(&Fields(witness)),
    };
    match router.find(&asked) {
        Ok(found) => Outcome::Route(found.index),
        Err(Miss::NotFound { .. }) => Outcome::NotFound,
        Err(Miss::Method { .. } | Miss::Options { .. }) => Outcome::Method,
        Err(_) => Outcome::Else,
    }
}

/// The rules of each API, in the plan's order.
///
/// # Errors
/// A part of the plan that does not decode.
pub fn rules(plan: &Plan) -> Result<Vec<Vec<Rule>>, LoadError> {
    let mut rules: Vec<Vec<Rule>> = vec![Vec::new(); plan.shared().apis.len()];
    for index in 0..u32::try_from(plan.rules()).unwrap_or(u32::MAX) {
        let rule = plan.rule(index)?;
        let api = plan.route(rule.route)?.api;
        if let Some(own) = usize::try_from(api).ok().and_then(|api| rules.get_mut(api)) {
            own.push(rule);
        }
    }
    Ok(rules)
}

/// A rule as people write it: methods, path, conditions, priority.
pub fn text(rule: &Rule) -> String {
    let mut methods = rule.methods.clone();
    methods.sort_unstable();
    let methods = if methods.is_empty() { "ANY".to_owned() } else { methods.join("|") };
    let mut conditions: Vec<String> =
        rule.conditions.iter().map(|condition| format!(", {condition}")).collect();
    conditions.sort_unstable();
    let priority = if rule.priority == 0 { String::new() } else { format!(", priority {}", rule.priority) };
    format!("{methods} {}{}{priority}", rule.path, conditions.concat())
}
