//! Whether a file has the structure that its schema states: unknown and missing keys, wrong types, wrong words and
//! units. All findings at once, each at its place.

use super::problem::{Span, nearest};
use super::tree::{Node, Value};
use super::units;
use serde_json::Value as Json;

/// A finding: place, code, message, remedy.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Where.
    pub span: Span,
    /// Stable word for the kind.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Checks `node` against `schema`, a root schema with `$defs`.
pub fn check(schema: &Json, node: &Node) -> Vec<Finding> {
    let walker = Walker { defs: schema.get("$defs").unwrap_or(&Json::Null) };
    let mut findings = Vec::new();
    walker.walk(schema, node, node.span, &mut findings);
    findings
}

struct Walker<'s> {
    defs: &'s Json,
}

impl<'s> Walker<'s> {
    /// Follows `$ref`s. Ours have no cycles: the types are trees.
    fn resolve(&self, mut schema: &'s Json) -> &'s Json {
        while let Some(name) = schema.get("$ref").and_then(Json::as_str) {
            match name.strip_prefix("#/$defs/").and_then(|name| self.defs.get(name)) {
                Some(found) => schema = found,
                None => break,
            }
        }
        schema
    }

    fn branches(schema: &'s Json) -> Option<&'s Vec<Json>> {
        schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array)
    }

    /// `owner` is where the value is shown if it spans lines: its key.
    fn walk(&self, schema: &'s Json, node: &Node, owner: Span, out: &mut Vec<Finding>) {
        // A variable that could not be resolved.
        if node.value == Value::Null && node.variable.is_some() {
            return;
        }
        let schema = self.resolve(schema);
        let at = match node.value {
            Value::Map(_) | Value::List(_) | Value::Null => owner,
            _ => node.span,
        };
        let mut report = |code, message: String, help: Option<String>| {
            let message = match &node.variable {
                Some(name) => format!("{message} (the value of `${{{name}}}`)"),
                None => message,
            };
            out.push(Finding { span: at, code, message, help });
        };
        let valued =
            schema.get("type").is_some() || Self::branches(schema).is_some() || self.words(schema).is_some();
        if node.value == Value::Null && valued {
            report(
                "no-value",
                format!("expected {}, found nothing", self.describe(schema)),
                Some("give it a value, or remove the key".into()),
            );
            return;
        }
        if let Some(words) = self.words(schema) {
            match node.text() {
                Some(text) if words.contains(&text) => {}
                _ => {
                    let help = node
                        .text()
                        .and_then(|text| nearest(text, words.iter().copied()))
                        .map(|word| format!("did you mean `{word}`?"));
                    report("unknown-word", format!("expected {}, found {}", list(&words), found(node)), help);
                }
            }
            return;
        }
        if let Some(branches) = Self::branches(schema) {
            self.choose(schema, branches, node, owner, out);
            return;
        }
        let Some(kind) = schema.get("type").and_then(Json::as_str) else { return };
        if !fits(kind, &node.value) {
            let help = self.type_help(kind, node);
            report("wrong-type", format!("expected {}, found {}", self.describe(schema), found(node)), help);
            return;
        }
        match &node.value {
            Value::Map(entries) => self.map(schema, entries, node, at, out),
            Value::List(items) => {
                let count =
                    |key: &str| schema.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
                if count("minItems").is_some_and(|min| items.len() < min) {
                    report("empty-list", "this list must not be empty".into(), None);
                }
                if let Some(max) = count("maxItems").filter(|max| items.len() > *max) {
                    report("long-list", format!("this list may hold {max} at most"), None);
                }
                if let Some(inner) = schema.get("items") {
                    for item in items {
                        self.walk(inner, item, item.span, out);
                    }
                }
            }
            Value::Int(number) => self.range(schema, *number as f64, &mut report),
            Value::Float(number) => self.range(schema, *number, &mut report),
            Value::Text(text) => {
                let count =
                    |key: &str| schema.get(key).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
                if let Some(unit) = schema.get(units::KEYWORD).and_then(Json::as_str) {
                    if let Err(message) = units::check(unit, text) {
                        report("bad-value", message, None);
                    }
                } else if count("minLength").is_some_and(|min| text.trim().chars().count() < min) {
                    let short = if text.trim().is_empty() {
                        "this text must not be empty"
                    } else {
                        "this text is too short"
                    };
                    report("too-short", short.into(), None);
                } else if let Some(max) = count("maxLength").filter(|max| text.chars().count() > *max) {
                    report("too-long", format!("this text may have {max} characters at most"), None);
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn range(
        &self,
        schema: &Json,
        number: f64,
        report: &mut impl FnMut(&'static str, String, Option<String>),
    ) {
        let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
        let help = || schema.get(super::schema::HELP).and_then(Json::as_str).map(str::to_owned);
        if let Some(min) = bound("minimum").filter(|min| number < *min) {
            report("out-of-range", format!("{number} is too small: the least is {min}"), help());
        }
        // schemars states no maximum for 32 and 64 bits.
        let most = bound("maximum").or_else(|| match schema.get("format").and_then(Json::as_str) {
            Some("uint32") => Some(f64::from(u32::MAX)),
            _ => None,
        });
        if let Some(max) = most.filter(|max| number > *max) {
            report("out-of-range", format!("{number} is too large: the most is {max}"), help());
        }
    }

    fn map(
        &self,
        schema: &'s Json,
        entries: &[(super::tree::Key, Node)],
        node: &Node,
        at: Span,
        out: &mut Vec<Finding>,
    ) {
        let none = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
        for (key, value) in entries {
            match properties
                .get(&key.name)
                .or_else(|| schema.get("additionalProperties").filter(|s| s.is_object()))
            {
                Some(inner) => self.walk(inner, value, key.span, out),
                None if schema.get("additionalProperties") == Some(&Json::Bool(false)) => {
                    let help = match nearest(&key.name, properties.keys().map(String::as_str)) {
                        Some(word) => format!("did you mean `{word}`?"),
                        None => format!(
                            "the keys here are {}",
                            list(&properties.keys().map(String::as_str).collect::<Vec<_>>())
                        ),
                    };
                    let message = format!("unknown key `{}`", key.name);
                    out.push(Finding { span: key.span, code: "unknown-key", message, help: Some(help) });
                }
                None => {}
            }
        }
        for name in
            schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
        {
            if node.get(name).is_none() {
                let help = properties.get(name).map(|inner| {
                    let inner = self.resolve(inner);
                    format!("add `{name}:` with {}", self.describe(inner))
                });
                out.push(Finding {
                    span: at,
                    code: "missing-key",
                    message: format!("the key `{name}` is missing"),
                    help,
                });
            }
        }
    }

    /// Of several forms, the one that fits best: none of its findings, or the fewest.
    fn choose(
        &self,
        schema: &'s Json,
        branches: &'s [Json],
        node: &Node,
        owner: Span,
        out: &mut Vec<Finding>,
    ) {
        let mut best: Option<Vec<Finding>> = None;
        for branch in branches {
            if !self.possible(branch, node) {
                continue;
            }
            let mut findings = Vec::new();
            self.walk(branch, node, owner, &mut findings);
            if findings.is_empty() {
                return;
            }
            if best.as_ref().is_none_or(|b| findings.len() < b.len()) {
                best = Some(findings);
            }
        }
        match best {
            Some(mut findings) => {
                let boolean = |form| self.resolve(form).get("type").is_some_and(|kind| kind == "boolean");
                // A word that is none of theirs may as well be meant for the other.
                if let [Finding { code: "unknown-word", message, help, .. }] = findings.as_mut_slice()
                    && branches.iter().any(boolean)
                {
                    *message = format!("expected {}, found {}", self.describe(schema), found(node));
                    *help = self.type_help("boolean", node).or(help.take());
                }
                out.extend(findings);
            }
            None => {
                let span =
                    if matches!(node.value, Value::Map(_) | Value::List(_)) { owner } else { node.span };
                let message = format!("expected {}, found {}", self.describe(schema), found(node));
                let text = branches
                    .iter()
                    .any(|form| self.resolve(form).get("type").is_some_and(|kind| kind == "string"));
                let help = if text { self.type_help("string", node) } else { None };
                out.push(Finding { span, code: "wrong-type", message, help });
            }
        }
    }

    /// Whether a value is of the kind that a form wants, whatever is wrong within it.
    fn possible(&self, form: &'s Json, node: &Node) -> bool {
        let form = self.resolve(form);
        match form.get("type").and_then(Json::as_str) {
            Some(kind) => fits(kind, &node.value),
            // A list of words is never meant by what is no text.
            None if self.words(form).is_some() => node.text().is_some(),
            None => {
                Self::branches(form).is_some_and(|forms| forms.iter().any(|form| self.possible(form, node)))
            }
        }
    }

    /// The words of a closed list.
    fn words(&self, schema: &'s Json) -> Option<Vec<&'s str>> {
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            return words.iter().map(Json::as_str).collect();
        }
        if let Some(word) = schema.get("const") {
            return word.as_str().map(|word| vec![word]);
        }
        let branches = schema.get("oneOf").and_then(Json::as_array)?;
        let mut words = Vec::new();
        for branch in branches {
            words.extend(self.words(branch)?);
        }
        Some(words)
    }

    fn describe(&self, schema: &'s Json) -> String {
        let schema = self.resolve(schema);
        if let Some(words) = self.words(schema) {
            return list(&words);
        }
        if let Some(branches) = Self::branches(schema) {
            let mut all: Vec<String> = Vec::new();
            for text in branches.iter().map(|branch| self.describe(branch)) {
                if !all.contains(&text) {
                    all.push(text);
                }
            }
            return all.join(" or ");
        }
        if let Some(unit) = schema.get(units::KEYWORD).and_then(Json::as_str) {
            return units::describe(unit);
        }
        match schema.get("type").and_then(Json::as_str) {
            Some("object") if schema.get("properties").is_some() => {
                let keys: Vec<&str> = schema
                    .get("properties")
                    .and_then(Json::as_object)
                    .map(|members| members.keys().map(String::as_str).collect())
                    .unwrap_or_default();
                if keys.len() <= 8 { format!("a mapping with {}", list(&keys)) } else { "a mapping".into() }
            }
            Some("object") => "a mapping of names".into(),
            Some("array") => match schema.get("items") {
                Some(inner) if self.resolve(inner).get(units::KEYWORD).is_some() => {
                    format!("a list, each item {}", self.describe(inner))
                }
                _ => "a list".into(),
            },
            Some("string") => "a text".into(),
            Some("integer") => "a whole number".into(),
            Some("number") => "a number".into(),
            Some("boolean") => "`true` or `false`".into(),
            _ => "a value".into(),
        }
    }

    fn type_help(&self, kind: &str, node: &Node) -> Option<String> {
        match (kind, &node.value) {
            ("boolean", Value::Text(text)) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" => Some("in YAML 1.2 this is written `true`".into()),
                "no" | "off" | "n" => Some("in YAML 1.2 this is written `false`".into()),
                _ => None,
            },
            ("string", Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
                Some("put it into quotes to make it a text".into())
            }
            ("array", Value::Text(text)) => Some(format!("write it as a list: `[{text}]`")),
            ("integer", Value::Text(text)) if text.parse::<i64>().is_ok() => Some("remove the quotes".into()),
            _ => None,
        }
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    matches!(
        (kind, value),
        ("object", Value::Map(_))
            | ("array", Value::List(_))
            | ("string", Value::Text(_))
            | ("integer", Value::Int(_))
            | ("number", Value::Int(_) | Value::Float(_))
            | ("boolean", Value::Bool(_))
            | ("null", Value::Null)
    )
}

fn found(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".into(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Int(value) => format!("the number {value}"),
        // With its point: `1.0` is no whole number.
        Value::Float(value) => format!("the number {value:?}"),
        Value::Text(text) if text.chars().count() > 40 => "a text".into(),
        Value::Text(text) if text.is_empty() => "an empty text".into(),
        Value::Text(text) if !matches!(super::tree::plain(text), Value::Text(_)) => {
            format!("the text `{text}`")
        }
        Value::Text(text) => format!("`{text}`"),
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a mapping".into(),
    }
}

/// `a`, `b` or `c`.
pub fn list(words: &[&str]) -> String {
    match words.split_last() {
        None => "nothing".into(),
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => {
            let rest: Vec<String> = rest.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", rest.join(", "))
        }
    }
}
