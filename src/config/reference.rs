//! The reference of the route files (docs/route-files.md), from the same types as the schemas.

use super::{schema, units};
use serde_json::Value;
use std::fmt::Write as _;

/// The reference as Markdown.
pub fn reference() -> String {
    let mut book = Book { out: INTRODUCTION.to_owned(), pending: Vec::new(), done: Vec::new() };
    for (title, schema) in [
        ("The gateway file: `routes/gateway.yaml`", schema::gateway()),
        ("API files: `routes/<api>/<version>.yaml`", schema::api()),
    ] {
        let defs = schema.get("$defs").cloned().unwrap_or(Value::Null);
        let _ = write!(book.out, "\n## {title}\n");
        book.section(&schema, &defs);
        while !book.pending.is_empty() {
            let name = book.pending.remove(0);
            if let Some(definition) = defs.get(&name) {
                let _ = write!(book.out, "\n### {}\n", title_of(&name));
                book.section(definition, &defs);
            }
        }
    }
    book.units();
    book.out
}

const INTRODUCTION: &str = "<!-- Generated from src/config/settings by `UPDATE=1 cargo test --test documents`. Do not edit. -->
# Route files

`routes/gateway.yaml` holds what all APIs share; each `routes/<api>/<version>.yaml`, found recursively, describes one
version of one API. They are YAML 1.2 (or JSON); unknown keys, empty values, duplicate keys, tags and merge keys are
errors. `tollgate check` shows every mistake at its place; the first line of a file names its schema for editors.

**Inheritance.** `defaults` in gateway.yaml < `defaults` in the file < the route. A key replaces the inherited value
as a whole; `limits`, `scopes` and `headers` grow instead when written as `{ add: … }`. `none` switches `auth`,
`cache`, `cors`, `body`, `csrf`, `security` and `maintenance` off.

**Names.** A bare name is looked for in the file first, then in gateway.yaml; `shared/NAME` means gateway.yaml's. A
limit's counts belong to the limit: `shared/…` ones are counted over all APIs that name them.

**Requirements.** What `require` lists in gateway.yaml every route must have. An exception (`auth: none`,
`limits: []`, `https: false`) says `because:` in the same place.

**Variables.** `${name}` in any value stands for the variable's value in the environment that is compiled. Alone it
keeps the variable's type; within a text it is inserted. `$${` is a literal `${`. Keys hold no variables.

**Environments.** Each but `dev` is an `[env.NAME]` in wrangler.toml. In `dev` HTTPS is not enforced, and issuers
with `development: true` and loopback origins are fine; `tollgate check --deploy ENV` refuses them.

**Which route answers.** Of all routes that a request belongs to, the first in one order of host, path, method and
conditions; routes that tie are an error. [docs/routing.md](routing.md) states the order, and what slashes, `HEAD` and
`OPTIONS` mean.

Secrets never stand in route files: they are named, and their values are bound to the worker.
";

struct Book {
    out: String,
    /// Types to be described, in the order of their first mention.
    pending: Vec<String>,
    done: Vec<String>,
}

impl Book {
    fn section(&mut self, schema: &Value, defs: &Value) {
        if let Some(text) = schema.get("description").and_then(Value::as_str) {
            let _ = write!(self.out, "\n{}\n", flow(text));
        }
        if let Some(branches) = branches(schema) {
            self.out.push('\n');
            for branch in branches {
                let kind = self.kind(branch, defs);
                let text = branch.get("description").and_then(Value::as_str).map(flow).unwrap_or_default();
                let dash = if text.is_empty() { "" } else { ": " };
                let _ = writeln!(self.out, "- {kind}{dash}{text}");
            }
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        self.out.push_str("\n| Key | Value | Meaning |\n| --- | --- | --- |\n");
        let (first, second): (Vec<_>, Vec<_>) =
            properties.iter().partition(|(key, _)| required.contains(&key.as_str()));
        for (key, property) in first.into_iter().chain(second) {
            let mut kind = self.kind(property, defs);
            if let (Some(min), Some(max)) = (property.get("minimum"), property.get("maximum")) {
                let _ = write!(kind, " from {min} to {max}");
            }
            let text = property.get("description").and_then(Value::as_str).map(flow).unwrap_or_default();
            let needed = if required.contains(&key.as_str()) { " **Required.**" } else { "" };
            let _ = writeln!(self.out, "| `{key}` | {} | {}{needed} |", cell(&kind), cell(&text));
        }
    }

    /// What a value looks like, with a link to its section.
    fn kind(&mut self, schema: &Value, defs: &Value) -> String {
        if let Some(name) =
            schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"))
        {
            if let Some(unit) =
                defs.get(name).and_then(|unit| unit.get(units::KEYWORD)).and_then(Value::as_str)
            {
                return format!("[{unit}](#values-with-units)");
            }
            if !self.done.iter().any(|known| known == name) {
                self.done.push(name.to_owned());
                self.pending.push(name.to_owned());
            }
            let title = title_of(name);
            return format!("[{}](#{})", title.to_lowercase(), title.to_lowercase().replace(' ', "-"));
        }
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            return format!("`{word}`");
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            let words: Vec<String> =
                words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
            return words.join(", ");
        }
        if let Some(branches) = branches(schema) {
            let mut kinds: Vec<String> = Vec::new();
            for kind in branches.iter().map(|branch| self.kind(branch, defs)) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return kinds.join(" or ");
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("array") => match schema.get("items") {
                Some(items) => format!("list of {}", self.kind(items, defs)),
                None => "list".into(),
            },
            Some("object") => match schema.get("properties").and_then(Value::as_object) {
                Some(properties) => {
                    let keys: Vec<String> = properties
                        .iter()
                        .map(|(key, inner)| format!("{key}: {}", self.kind(inner, defs)))
                        .collect();
                    format!("{{ {} }}", keys.join(", "))
                }
                None => match schema.get("additionalProperties").filter(|inner| inner.is_object()) {
                    Some(inner) => format!("mapping of names to {}", self.kind(inner, defs)),
                    None => "mapping".into(),
                },
            },
            Some("string") => "text".into(),
            Some("integer") => "whole number".into(),
            Some("number") => "number".into(),
            Some("boolean") => "`true` or `false`".into(),
            _ => "any value".into(),
        }
    }

    fn units(&mut self) {
        self.out.push_str("\n## Values with units\n\n| Name | Meaning | Examples |\n| --- | --- | --- |\n");
        let mut seen: Vec<String> = Vec::new();
        for schema in [schema::gateway(), schema::api()] {
            for unit in
                schema.get("$defs").and_then(Value::as_object).into_iter().flat_map(|defs| defs.values())
            {
                let text = |key: &str| unit.get(key).and_then(Value::as_str).unwrap_or_default();
                let name = text(units::KEYWORD);
                if name.is_empty() || seen.iter().any(|known| known == name) {
                    continue;
                }
                seen.push(name.to_owned());
                let examples: Vec<String> = unit
                    .get("examples")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(|example| format!("`{example}`"))
                    .collect();
                let _ = writeln!(
                    self.out,
                    "| {name} | {} | {} |",
                    cell(text("description")),
                    cell(&examples.join(", "))
                );
            }
        }
    }
}

fn branches(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
}

/// `UpstreamUse` → `Upstream use`.
fn title_of(name: &str) -> String {
    let mut title = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !title.is_empty() {
            title.push(' ');
            title.push(c.to_ascii_lowercase());
        } else {
            title.push(c);
        }
    }
    title
}

/// Doc comments keep their line breaks; a table's cell has none.
fn flow(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
