//! JSON Schemas of the route files: the one that `tollgate check` walks, and the ones that editors read.

use super::settings::{ApiFile, GatewayFile};
use super::units;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Extension keyword of our JSON Schema: what to do about a value out of range.
pub const HELP: &str = "x-help";
/// Text that holds a variable, as a regular expression.
const VARIABLE: &str = r"\$\{[A-Za-z0-9_-]+\}";

/// The schema of `routes/gateway.yaml` as `check` walks it: variables are resolved before.
pub fn gateway() -> Value {
    strict::<GatewayFile>()
}

/// The schema of API files as `check` walks it.
pub fn api() -> Value {
    strict::<ApiFile>()
}

/// The schemas for editors: file name within `routes/` and text.
pub fn published() -> [(&'static str, String); 2] {
    [
        ("schema.json", publish(api(), "A version of an API (routes/<api>/<version>.yaml)")),
        ("gateway.schema.json", publish(gateway(), "What all APIs share (routes/gateway.yaml)")),
    ]
}

fn strict<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    visit(&mut schema, &mut |schema| {
        without_null(schema);
        // Absent keys have their default said in words.
        schema.remove("default");
        if schema.contains_key("properties") {
            schema.entry("additionalProperties").or_insert(Value::Bool(false));
        }
    });
    schema
}

fn publish(mut schema: Value, title: &str) -> String {
    visit(&mut schema, &mut |schema| {
        schema.remove(units::KEYWORD);
        schema.remove(HELP);
        // Rust's integer types are no formats of JSON Schema.
        schema.remove("format");
        match schema.get("type").and_then(Value::as_str) {
            // A variable may stand in any value; inside a text only where it is not bound to a pattern.
            Some(kind @ ("integer" | "number" | "boolean")) => {
                let kind = kind.to_owned();
                schema.insert("type".into(), json!([kind, "string"]));
                schema.insert("pattern".into(), json!(format!("^{VARIABLE}$")));
            }
            Some("string") => {
                if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
                    let pattern = format!("{VARIABLE}|{pattern}");
                    schema.insert("pattern".into(), Value::String(pattern));
                }
            }
            _ => {}
        }
    });
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".into(), Value::String(title.into()));
    }
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// `Option` allows `null`; in a route file an empty value would silently do nothing.
fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
}

/// Calls `change` for each schema in `value`, inner ones first.
fn visit(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    let Value::Object(schema) = value else { return };
    for (key, inner) in schema.iter_mut() {
        match (key.as_str(), inner) {
            ("properties" | "$defs" | "patternProperties", Value::Object(members)) => {
                members.values_mut().for_each(|member| visit(member, change));
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(branches)) => {
                branches.iter_mut().for_each(|branch| visit(branch, change));
            }
            ("items" | "additionalProperties" | "propertyNames", inner @ Value::Object(_)) => {
                visit(inner, change)
            }
            _ => {}
        }
    }
    change(schema);
}
