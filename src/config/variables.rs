//! Variables: declared in gateway.yaml with a type and a value per environment, written `${name}` in any value.

use super::problem::{Span, nearest};
use super::settings::{Scalar, Variable, VariableType};
use super::structure::Finding;
use super::tree::{Node, Value};
use super::units;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// The values of one environment.
pub struct Variables {
    values: IndexMap<String, Value>,
    /// Declared, but without a right value here.
    unset: BTreeSet<String>,
    /// Names that some file used.
    pub used: BTreeSet<String>,
}

impl Variables {
    /// Resolves the declared variables for `environment`. `root` is gateway.yaml, for places.
    pub fn resolve(
        declared: &IndexMap<String, Variable>,
        environments: &[String],
        environment: &str,
        root: &Node,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut values = IndexMap::new();
        let mut unset = BTreeSet::new();
        for (name, variable) in declared {
            let at = |rest: &[&str]| {
                let mut path = vec!["variables".to_owned(), name.clone()];
                path.extend(rest.iter().map(|part| (*part).to_owned()));
                path
            };
            for other in variable.values.keys().filter(|e| !environments.contains(e)) {
                let help = nearest(other, environments.iter().map(String::as_str));
                findings.push(Finding {
                    span: root.key_place(&at(&["values", other])),
                    code: "unknown-environment",
                    message: format!("`{other}` is not among `environments`"),
                    help: help.map(|word| format!("did you mean `{word}`?")),
                });
            }
            let (value, place) = match (variable.values.get(environment), &variable.default) {
                (Some(value), _) => (value, at(&["values", environment])),
                (None, Some(value)) => (value, at(&["default"])),
                (None, None) => {
                    findings.push(Finding {
                        span: root.key_place(&at(&[])),
                        code: "unset-variable",
                        message: format!(
                            "the variable `{name}` has no value in the environment `{environment}`"
                        ),
                        help: Some(format!("add `{environment}: …` to its `values`, or a `default`")),
                    });
                    unset.insert(name.clone());
                    continue;
                }
            };
            match typed(variable.kind, value) {
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(message) => {
                    unset.insert(name.clone());
                    findings.push(finding("variable-type", root.place(&place), message, None));
                }
            }
        }
        Variables { values, unset, used: BTreeSet::new() }
    }

    /// Replaces variables in every value of `node`. Whether all have a value: where one has none, nobody knows what the
    /// file says, though the finding may be another file's.
    #[must_use]
    pub fn substitute(&mut self, node: &mut Node, findings: &mut Vec<Finding>) -> bool {
        let mut known = true;
        match &mut node.value {
            Value::List(items) => {
                for item in items {
                    known &= self.substitute(item, findings);
                }
            }
            Value::Map(entries) => {
                for (key, value) in entries {
                    if key.name.contains("${") {
                        findings.push(finding(
                            "variable-in-key",
                            key.span,
                            "variables cannot stand in keys".into(),
                            None,
                        ));
                    }
                    known &= self.substitute(value, findings);
                }
            }
            Value::Text(text) if text.contains("${") => {
                let expanded = self.expand(text, node.span, findings);
                known = expanded.is_some();
                // What could not be resolved is a finding already; the check of the structure passes over it.
                (node.value, node.variable) = expanded.unwrap_or((Value::Null, Some(String::new())));
            }
            _ => {}
        }
        known
    }

    fn expand(
        &mut self,
        text: &str,
        at: Span,
        findings: &mut Vec<Finding>,
    ) -> Option<(Value, Option<String>)> {
        let Some(pieces) = pieces(text) else {
            let help = Some("close it with `}`, or write `$${` for a literal `${`".into());
            findings.push(finding("bad-variable", at, "a `${` is not closed".into(), help));
            return None;
        };
        let alone = pieces.len() == 1;
        let mut out = String::new();
        let mut last = None;
        for piece in pieces {
            let name = match piece {
                Piece::Literal(text) => {
                    out.push_str(&text);
                    continue;
                }
                Piece::Variable(name) => name,
            };
            self.used.insert(name.to_owned());
            let Some(value) = self.values.get(name) else {
                if self.unset.contains(name) {
                    return None;
                }
                let help = match nearest(name, self.values.keys().chain(&self.unset).map(String::as_str)) {
                    Some(word) => format!("did you mean `${{{word}}}`?"),
                    None => "declare it under `variables` in gateway.yaml".into(),
                };
                findings.push(finding(
                    "unknown-variable",
                    at,
                    format!("there is no variable `{name}`"),
                    Some(help),
                ));
                return None;
            };
            last = Some(name.to_owned());
            if alone {
                return Some((value.clone(), last));
            }
            match value {
                Value::Text(value) => out.push_str(value),
                Value::Int(value) => out.push_str(&value.to_string()),
                Value::Bool(value) => out.push_str(&value.to_string()),
                _ => {}
            }
        }
        Some((Value::Text(out), last))
    }
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// What stands for itself, never empty.
    Literal(String),
    /// The name of a variable.
    Variable(&'t str),
}

/// The parts of a text; `None` if a `${` is not closed.
pub fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let (mut pieces, mut literal) = (Vec::new(), String::new());
    let end = |literal: &mut String, pieces: &mut Vec<Piece<'_>>| {
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(literal)));
        }
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            literal.push_str(before);
            literal.push_str("${");
            rest = after;
            continue;
        }
        literal.push_str(before);
        end(&mut literal, &mut pieces);
        let (name, after) = after.split_once('}')?;
        pieces.push(Piece::Variable(name));
        rest = after;
    }
    literal.push_str(rest);
    end(&mut literal, &mut pieces);
    Some(pieces)
}

/// How a literal part is written.
pub fn escaped(literal: &str) -> String {
    literal.replace("${", "$${")
}

fn finding(code: &'static str, span: Span, message: String, help: Option<String>) -> Finding {
    Finding { span, code, message, help }
}

/// Checks a value against the variable's type.
fn typed(kind: VariableType, value: &Scalar) -> Result<Value, String> {
    let unit = |unit: &str| match value {
        Scalar::Text(text) => units::check(unit, text).map(|()| Value::Text(text.clone())),
        _ => Err(format!("expected {}", units::describe(unit))),
    };
    match (kind, value) {
        (VariableType::String, Scalar::Text(text)) => Ok(Value::Text(text.clone())),
        (VariableType::String, _) => Err("expected a text; put it into quotes".into()),
        (VariableType::Integer, Scalar::Integer(number)) => Ok(Value::Int(*number)),
        (VariableType::Integer, _) => Err("expected a whole number".into()),
        (VariableType::Boolean, Scalar::Boolean(value)) => Ok(Value::Bool(*value)),
        (VariableType::Boolean, _) => Err("expected `true` or `false`".into()),
        (VariableType::Url, _) => unit("URL"),
        (VariableType::Host, _) => unit("host"),
        (VariableType::Duration, _) => unit("duration"),
        (VariableType::Size, _) => unit("size"),
        (VariableType::Rate, _) => unit("rate"),
        (VariableType::Quota, _) => unit("quota"),
    }
}
