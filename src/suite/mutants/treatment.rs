//! How values of the plan are changed where their types alone do not say it.

use crate::plan::Route;
use crate::plan::rule::{Pattern, Rule};
use crate::suite::Parts;
use crate::upstream::choose;
use serde_json::{Value, json};

/// Which part of the plan a change is made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Shared,
    Route(usize),
    /// API and rule.
    Rule(usize, usize),
}

/// How a value is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// As its type suggests.
    Usual,
    /// Not at all: it is a name, follows from something else, or is not about requests.
    Leave,
    /// It names one of so many by its index: another one is taken.
    Index(usize),
    /// It, or its items, can only be removed.
    Remove,
    /// A number: half of it.
    Halve,
    /// A number: none.
    Zero,
    /// A path: another one below.
    Below,
}

/// What is not changed as its type suggests. `path` is without the tags of variants.
pub fn treatment(part: Part, path: &[&str], parts: &Parts, own: &Value) -> Treatment {
    use Treatment::{Below, Halve, Index, Leave, Remove, Usual, Zero};
    match (part, path) {
        // Names, places, and what follows from other settings.
        (_, [.., "source" | "id" | "vary"]) => Leave,
        (Part::Route(_), ["name" | "api" | "template" | "secrets"]) => Leave,
        (Part::Rule(..), ["route"]) => Leave,
        (Part::Shared, ["environment" | "files" | "claim_headers" | "secrets"]) => Leave,
        (Part::Shared, ["apis", _, "name" | "owner" | "version" | "headers" | "hsts"]) => Leave,
        // Not about requests.
        (Part::Shared, ["gateway", "sample" | "history"]) => Leave,
        // Indexes.
        (Part::Route(_), ["limits" | "cors", ..] | ["auth", "issuers", ..]) => Remove,
        (Part::Shared, ["apis", _, "cors"]) => Remove,
        // Where there are backends, they stand in its place.
        (Part::Route(_), ["action", "upstream"])
            if own.pointer("/action/Forward/split/backends").is_some() =>
        {
            Leave
        }
        (Part::Route(_), [.., "upstream"]) => Index(parts.shared.upstreams.len()),
        // A further try needs a further target and a request that may be sent again; the time of all tries matters where
        // there are several.
        (Part::Route(_), [.., "failover"]) => {
            if parts.again(own) {
                Zero
            } else {
                Leave
            }
        }
        (Part::Route(_), ["timeout", "total"]) => {
            let tries = own.pointer("/action/Forward/failover").is_none_or(|tries| *tries != 0);
            if tries && parts.again(own) { Halve } else { Leave }
        }
        // Paths without parameters hold no slash that could be encoded.
        (Part::Route(_), ["paths", ..])
            if own.get("template").and_then(Value::as_str).is_some_and(|t| !t.contains('{')) =>
        {
            Leave
        }
        // The only target gets all there is.
        (Part::Shared, ["upstreams", upstream, "targets", _, "weight"])
            if at(own, &["upstreams", upstream, "targets"])
                .and_then(Value::as_array)
                .is_some_and(|all| all.len() == 1) =>
        {
            Leave
        }
        (Part::Route(_), [.., "seed"]) => Leave,
        // The only one with a weight gets all that there is.
        (Part::Route(_), ["action", "split", "backends", _, "weight"])
            if own.pointer("/action/Forward/split/backends").and_then(Value::as_array).is_some_and(
                |all| all.iter().filter(|one| one.get("weight") != Some(&json!(0))).count() < 2,
            ) =>
        {
            Leave
        }
        // A backend has one attempt; what becomes of a copy is nobody's.
        (Part::Route(_), ["action", "split", "backends", _, "timeout", "total"]) => Leave,
        (Part::Route(_), ["action", "mirrors", _, "timeout"]) => Leave,
        (Part::Route(_), ["action", "mirrors", _, "share"]) => Halve,
        // What is one attempt's time where it is that of all of them.
        (Part::Route(_), ["timeout", "headers"])
            if at(own, &["timeout", "headers"]) == at(own, &["timeout", "total"]) =>
        {
            Halve
        }
        // All of one scope is any of it.
        (Part::Route(_), ["auth", "any"])
            if at(own, &["auth", "scopes"])
                .and_then(Value::as_array)
                .is_some_and(|scopes| scopes.len() < 2) =>
        {
            Leave
        }
        // Of a combined route's calls each says for itself what it passes on.
        (Part::Route(_), ["auth", "keep_credentials"])
            if at(own, &["action", "calls"])
                .is_some_and(|calls| !calls.to_string().contains("\"authorization\"")) =>
        {
            Leave
        }
        // A key of nothing is the whole query.
        (Part::Route(_), ["cache", "key"]) if at(own, path) == Some(&json!(["AllQuery"])) => Leave,
        (Part::Rule(..), ["path"]) => Below,
        // It decides only between rules that tie.
        (Part::Rule(..), ["priority"]) => Zero,
        (Part::Shared, ["apis", api, "matching", key]) => parts.matching(api, key),
        (Part::Route(_), ["timeout", _])
            if own.pointer("/action/Forward").or(own.pointer("/action/Combine")).is_none() =>
        {
            Leave
        }
        // Defaults that no file says and no test can reach without bodies of megabytes, or a wait of its own.
        (_, [.., "max_bytes"]) if at(own, path).is_some_and(|n| *n == 10 << 20 || *n == 1 << 20) => Leave,
        (Part::Shared, ["limits", _, "deadline"]) => Leave,
        _ => Usual,
    }
}

/// Words that may stand for each other, where a text is one of a closed list.
pub const WORDS: &[&[&str]] = &[
    &["Degrade", "Closed", "Open"],
    &["Consumer", "Address", "Route"],
    &["Hour", "Day", "Week", "Month"],
    &["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
    &["HS256", "HS384", "HS512"],
    &["Significant", "Ignored", "Redirected"],
    &["Either", "Bare", "Slash"],
    &["Present", "Absent"],
    &["Optional", "Required", "Redirect"],
];

/// Methods, of which one more is given to a rule.
pub const METHODS: &[&str] = &["DELETE", "PUT", "POST", "PATCH", "GET"];

impl Parts {
    /// Whether it makes a difference what an API says of all its paths and methods.
    fn matching(&self, api: &str, key: &str) -> Treatment {
        let rules = api.parse::<usize>().ok().and_then(|api| self.rules.get(api));
        let mut rules = rules.into_iter().flatten();
        let matters = match key {
            "base" => rules.any(|rule| matches!(&rule.path, Pattern::Template(path) if path == "/")),
            "head" => rules.any(|rule| rule.methods.iter().any(|method| method == "GET")),
            "options" => rules.any(|rule| !rule.methods.is_empty()),
            // Whoever takes all that is below takes its slashes too.
            "slash" => {
                let below = |rule: &Rule| !matches!(&rule.path, Pattern::Template(path) if path == "/");
                let all: Vec<&Rule> = rules.collect();
                all.iter().any(|rule| below(rule))
                    && all
                        .iter()
                        .all(|rule| !matches!(&rule.path, Pattern::Template(path) if path.contains("{*")))
            }
            _ => true,
        };
        if matters { Treatment::Usual } else { Treatment::Leave }
    }

    /// Whether a method of a route's rules may be sent again to another target.
    fn again(&self, route: &Value) -> bool {
        let same = |own: &Route| {
            route.get("name").is_some_and(|name| *name == own.name)
                && route.get("api").is_some_and(|api| *api == own.api)
        };
        let index = self.routes.iter().position(same).and_then(|at| u32::try_from(at).ok());
        let mut rules = self.rules.iter().flatten().filter(|rule| Some(rule.route) == index);
        rules.any(|rule| {
            rule.methods.is_empty() || rule.methods.iter().any(|method| choose::may_send_again(method, false))
        })
    }
}

/// Follows a path that leaves out the tags of variants.
fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    match value {
        Value::Object(members) => match members.get(*first) {
            Some(inner) => at(inner, rest),
            None => members.values().next().filter(|_| is_tagged(value)).and_then(|inner| at(inner, path)),
        },
        Value::Array(items) => at(items.get(first.parse::<usize>().ok()?)?, rest),
        _ => None,
    }
}

/// Whether it is a variant with its value: one member, whose name is a variant's.
fn is_tagged(value: &Value) -> bool {
    value.as_object().is_some_and(|members| {
        members.len() == 1 && members.keys().all(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
    })
}
