//! What a deployment must have beyond what works on a developer's machine: hosts that somebody owns, a way from them to
//! the worker, and the one header whose client address can be believed.
//!
//! Issuers for development, loopback and bare addresses are [`crate::plan::compile`]'s, where they are warnings for
//! other environments than `dev`. What stands here is an error for deployment alone: a new clone has placeholders.

use super::load::Files;
use super::problem::{Problem, Severity, Span};
use super::tree::{Key, Node, Value};
use super::wrangler::itself;
use crate::plan::Shared;
use crate::plan::compile::{File, problem};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// The variable that names the header with the client's address.
const ADDRESS: &str = "TOLLGATE_CLIENT_ADDRESS";
/// The only header that Cloudflare sets on every request and lets no client choose.
const HEADER: &str = "CF-Connecting-IP";

/// Below it stand the gateway's own pages.
const ADMIN: &str = "/_tollgate";

/// Names that nobody serves from: RFC 6761 §6.2–6.5.
const PLACEHOLDERS: [&str; 7] =
    ["example.com", "example.net", "example.org", "example", "invalid", "test", "localhost"];

/// Checks that an environment may be deployed. `files` have their variables resolved.
pub fn check(
    input: &Files,
    files: &[File],
    gateway: usize,
    environment: &str,
    shared: &Shared,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(gateway) = files.get(gateway) {
        for file in files {
            let mut found = Vec::new();
            // Hosts and URLs of tests lead nowhere.
            let tests = |name: &str| matches!(name, "tests" | "fixtures");
            let rest = file.tree.entries().iter().filter(|(key, _)| !tests(&key.name));
            rest.for_each(|entry| key(&file.tree, entry, &mut found));
            problems.extend(found.into_iter().map(|node| placeholder(file, gateway, environment, node)));
        }
    }
    if let Some(text) = &input.wrangler {
        wrangler(text, environment, shared, &mut problems);
    }
    problems
}

/// The texts by which traffic or trust goes somewhere, where they are placeholders.
fn names<'n>(node: &'n Node, out: &mut Vec<&'n Node>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| names(item, out)),
        Value::Map(entries) => entries.iter().for_each(|entry| key(node, entry, out)),
        _ => {}
    }
}

/// The same below one key of a mapping.
fn key<'n>(node: &'n Node, (key, value): &'n (Key, Node), out: &mut Vec<&'n Node>) {
    match key.name.as_str() {
        // Declared, and checked where they are used; or names of the user's own.
        "variables" | "headers" | "claims" => {}
        // What goes through a binding is never resolved.
        "url" if node.get("via").is_some() => {}
        "host" | "hosts" | "url" | "jwks" | "issuer" | "origins" => {
            let items = match &value.value {
                Value::List(items) => items.as_slice(),
                _ => std::slice::from_ref(value),
            };
            // Loopback addresses have an error of their own.
            let own = matches!(key.name.as_str(), "url" | "jwks");
            out.extend(items.iter().filter(|item| item.text().is_some_and(|t| is_placeholder(t, own))));
        }
        _ => names(value, out),
    }
}

/// Whether a host, or the host of a URL, is one that documentation uses.
fn is_placeholder(text: &str, loopback_is_said: bool) -> bool {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let under =
        |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    PLACEHOLDERS.iter().any(|name| under(name) && !(loopback_is_said && *name == "localhost"))
}

fn placeholder(file: &File, gateway: &File, environment: &str, node: &Node) -> Problem {
    let text = node.text().unwrap_or_default();
    let message = format!("`{text}` is a placeholder that nobody serves from");
    // Where it comes from a variable, that is what must be set, once.
    let variable = node.variable.as_deref().unwrap_or_default();
    let declared = gateway.tree.get("variables").and_then(|all| all.get(variable));
    let values = declared.and_then(|variable| {
        variable.get("values").and_then(|values| values.get(environment)).or_else(|| variable.get("default"))
    });
    match values {
        Some(value) => {
            let help = Some(format!("set your own value of `{variable}` for `{environment}`"));
            problem(Severity::Error, "placeholder", gateway, value.span, message, help)
        }
        None => {
            let help = Some("write your own, or a variable with a value for each environment".to_owned());
            problem(Severity::Error, "placeholder", file, node.span, message, help)
        }
    }
}

/// What wrangler.toml says of the environment. That it can be read, and has the environment, was checked before.
fn wrangler(text: &str, environment: &str, shared: &Shared, problems: &mut Vec<Problem>) {
    let Ok(table) = DeTable::parse(text) else { return };
    let file = itself(text);
    let own = table.get_ref().get("env").and_then(|envs| envs.get_ref().get(environment));
    let (section, at, heading) = match own {
        Some(section) => match section.get_ref().as_table() {
            Some(own) => (own, section.span(), format!("env.{environment}")),
            None => return,
        },
        None => (table.get_ref(), 0..0, String::new()),
    };
    let mut report = |code: &'static str, at: Range<usize>, message: String, help: String| {
        // Line 0 where the whole file is meant.
        let span = if at.is_empty() { Span::default() } else { Span::of(text, &at) };
        problems.push(problem(Severity::Error, code, &file, span, message, Some(help)));
    };

    let vars = section.get("vars");
    let address = vars.and_then(|vars| vars.get_ref().get(ADDRESS));
    let trusted = |value: &DeValue<'_>| value.as_str().is_some_and(|name| name.eq_ignore_ascii_case(HEADER));
    if !address.is_some_and(|value| trusted(value.get_ref())) {
        let vars_heading = [heading.as_str(), "vars"].into_iter().filter(|part| !part.is_empty());
        let help = format!(
            "write `{ADDRESS} = \"{HEADER}\"` under `[{}]`: Cloudflare sets it, and no client can",
            vars_heading.collect::<Vec<_>>().join(".")
        );
        match address {
            Some(value) => {
                let message =
                    "clients may write this header themselves, and choose the address that limits count";
                report("client-address", value.span(), message.into(), help);
            }
            None => {
                let message = "nothing says which header tells the client's address: limits by address refuse everybody";
                report("client-address", vars.map_or(at.clone(), |vars| vars.span()), message.into(), help);
            }
        }
    }

    let routes = section.get("routes").or_else(|| section.get("route"));
    let mut patterns = Vec::new();
    let listed = routes.map(|routes| match routes.get_ref().as_array() {
        Some(list) => list.iter().collect(),
        None => vec![routes],
    });
    for entry in listed.into_iter().flatten() {
        let pattern = entry.get_ref().get("pattern").unwrap_or(entry);
        let custom = entry.get_ref().get("custom_domain").and_then(|custom| custom.get_ref().as_bool());
        if let Some(text) = pattern.get_ref().as_str() {
            patterns.push((Pattern::new(text, custom == Some(true)), pattern.span()));
        }
        for value in [Some(pattern), entry.get_ref().get("zone_name")].into_iter().flatten() {
            if let Some(name) = value.get_ref().as_str().filter(|name| is_placeholder(name, false)) {
                let message = format!("`{name}` is a placeholder that nobody serves from");
                report("placeholder", value.span(), message, "write your own zone and hosts".into());
            }
        }
    }
    let example = "for example `routes = [{ pattern = \"HOST/*\", zone_name = \"ZONE\" }]`";
    let all = routes.map_or(at, |routes| routes.span());
    if patterns.is_empty() {
        let message = "no host leads to this worker: its `routes` are missing or empty".to_owned();
        report("no-route", all, message, example.into());
        return;
    }
    for (host, bases) in served(shared) {
        let leading: Vec<_> =
            patterns.iter().filter(|(p, _)| host.is_none_or(|host| p.leads(host))).collect();
        let open: Vec<_> =
            bases.into_iter().filter(|base| !leading.iter().any(|(p, _)| p.covers(base))).collect();
        let Some(first) = open.first() else { continue };
        let list: Vec<_> =
            open.iter().map(|base| format!("`{}`", if base.is_empty() { "/" } else { base })).collect();
        let list = list.join(", ");
        let remedy = |wide: &str, host: &str| match *first {
            "" => format!("write `{wide}/*`"),
            _ => {
                let narrow: Vec<_> = open.iter().map(|base| format!("`{host}{base}*`")).collect();
                format!("write `{wide}/*`, or add {}", narrow.join(" and "))
            }
        };
        match (host, leading.first()) {
            (Some(host), None) => {
                let message = format!("the route files serve `{host}`, and none of these routes leads there");
                report("no-route", all.clone(), message, format!("add it, {example}"));
            }
            (Some(host), Some((pattern, at))) => {
                let message = format!(
                    "the route files serve {list} on `{host}`, and none of its routes leads all of it here"
                );
                report("no-route", at.clone(), message, remedy(pattern.host, host));
            }
            (None, _) => {
                let message = format!(
                    "the route files serve {list} on every host, and none of these routes leads all of it here"
                );
                report("no-route", all.clone(), message, remedy("HOST", "HOST"));
            }
        }
    }
}

/// What must lead to the worker: hosts, and the bases below each. `None`: whichever host leads here.
fn served(shared: &Shared) -> BTreeMap<Option<&str>, BTreeSet<&str>> {
    let mut served: BTreeMap<Option<&str>, BTreeSet<&str>> = BTreeMap::new();
    for api in &shared.apis {
        let hosts = api.hosts.iter().map(|host| Some(host.as_str()));
        for host in hosts.chain(api.hosts.is_empty().then_some(None)) {
            served.entry(host).or_default().insert(&api.base);
        }
    }
    if let Some(host) = &shared.gateway.admin_host {
        served.entry(Some(host)).or_default().insert(ADMIN);
    }
    served
}

/// The pattern of a route, after Cloudflare's rules: `*` at the start of the host and at the end of the path only, and
/// the whole URL counts, with its query.
struct Pattern<'t> {
    /// As written, without its scheme.
    host: &'t str,
    /// What every path must begin with; `None` where the pattern leads to no more than one URL, or not by HTTPS.
    prefix: Option<&'t str>,
}

impl<'t> Pattern<'t> {
    /// `custom`: a custom domain, which has no path and leads every URL of its host here.
    fn new(text: &'t str, custom: bool) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (host, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some(parts) => parts,
            None => (rest, ""),
        };
        let prefix = if custom { Some("") } else { path.strip_suffix('*') };
        Pattern { host, prefix: prefix.filter(|_| scheme.eq_ignore_ascii_case("https")) }
    }

    /// Whether it is about a host (or every host of a suffix) of the route files, which is in lower case.
    fn leads(&self, host: &str) -> bool {
        let own = self.host.to_ascii_lowercase();
        own.strip_prefix('*').map_or(host == own, |suffix| host.ends_with(suffix))
    }

    /// Whether it leads here whatever is served below a base: `/a/*` does not lead `/a` and `/a?x`.
    fn covers(&self, base: &str) -> bool {
        self.prefix.is_some_and(|prefix| prefix == "/" || base.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_whole_labels() {
        for (text, is) in [
            ("example.com", true),
            ("API.Example.com.", true),
            ("*.example.org", true),
            ("https://a.staging.example.net:8443/x", true),
            ("https://login.invalid?x", true),
            ("gateway.test", true),
            ("myexample.com", false),
            ("example.com.acme.io", false),
            ("https://api.acme.io/example.com", false),
            ("contest", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(is_placeholder(text, false), is, "{text}");
        }
        assert!(is_placeholder("localhost", false) && !is_placeholder("http://localhost:1", true));
    }
}
