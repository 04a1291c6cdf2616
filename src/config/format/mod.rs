//! Formats of route files: what files of an older one mean, and the steps from each format to the next.
//!
//! A file says its format by `tollgate: N`. [`upgrade`] reads one of an older format as it was meant, [`migrate`] rewrites
//! it; both by the same [`STEPS`], so that the two agree. A new format is one more file with its step, and [`CURRENT`].

mod migrate;
mod to2;

pub use migrate::{Change, Migrated, migrate};

use super::structure::Finding;
use super::tree::{Node, Value};

/// The format that is written, and read without a step.
pub const CURRENT: u32 = 2;
/// What to do about a format that is not known.
pub const HELP: &str = "this command reads formats 1 and 2; a newer file needs a newer `tollgate`";

/// The way from one format to the next.
struct Step {
    /// How texts of the format before are read that the step concerns.
    before: &'static str,
    /// Whether it concerns the text at a path, which is keys and [`ITEM`]s.
    concerns: fn(&[&str]) -> bool,
    /// How the next format writes such a text, once variables have their values. Part by part it must come to the same, and
    /// it may only grow.
    text: fn(&str) -> String,
}

/// An item of a list, in a path.
const ITEM: &str = "[]";

/// The steps, from format 1 on.
const STEPS: [Step; 1] = [to2::STEP];

/// The steps from a format on, each with the format before it.
fn steps(from: u32) -> impl Iterator<Item = (u32, &'static Step)> {
    (1..).zip(&STEPS).filter(move |(before, _)| *before >= from)
}

/// The format that a file says it has.
///
/// # Errors
/// It says none, or one that is not known.
pub fn of(tree: &Node) -> Result<u32, Finding> {
    let finding =
        |span, code, message: String, help: String| Finding { span, code, message, help: Some(help) };
    let write = format!("`tollgate: {CURRENT}` says the format of a route file");
    let Some(node) = tree.get("tollgate") else {
        return Err(finding(tree.span, "missing-key", "the key `tollgate` is missing".into(), write));
    };
    match node.value {
        Value::Int(number) => match u32::try_from(number) {
            Ok(format) if (1..=CURRENT).contains(&format) => Ok(format),
            _ => {
                let message = format!("{number} is no format that is known here");
                Err(finding(node.span, "out-of-range", message, HELP.into()))
            }
        },
        _ => Err(finding(node.span, "wrong-type", "expected the number of a format".into(), write)),
    }
}

/// Lets a file of an older format, its variables resolved, say in the current one what it means. Gives what to tell about
/// it, as a warning.
pub fn upgrade(tree: &mut Node) -> Option<Finding> {
    // What is wrong with the number, the check of the structure says.
    let from = of(tree).ok().filter(|from| *from < CURRENT)?;
    let before: Vec<&str> = steps(from).map(|(_, step)| step.before).collect();
    for (_, step) in steps(from) {
        texts(tree, &mut Vec::new(), &mut |path, text| {
            if (step.concerns)(path) {
                *text = (step.text)(text);
            }
        });
    }
    Some(Finding {
        span: state(tree)?,
        code: "old-format",
        message: format!("this file is of format {from}: {}", before.join("; ")),
        help: Some(format!("`tollgate migrate` writes the same in format {CURRENT}")),
    })
}

/// Lets a file say that it is of the current format; the place where it says so.
fn state(tree: &mut Node) -> Option<super::problem::Span> {
    let Value::Map(entries) = &mut tree.value else { return None };
    let (_, node) = entries.iter_mut().find(|(key, _)| key.name == "tollgate")?;
    node.value = Value::Int(i64::from(CURRENT));
    Some(node.span)
}

/// Shows every text below a node, with its path.
fn texts<'n>(node: &'n mut Node, path: &mut Vec<&'n str>, visit: &mut impl FnMut(&[&str], &mut String)) {
    match &mut node.value {
        Value::Text(text) => visit(path, text),
        Value::List(items) => {
            path.push(ITEM);
            items.iter_mut().for_each(|item| texts(item, path, visit));
            path.pop();
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                path.push(&key.name);
                texts(value, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema;

    #[test]
    fn the_current_format_is_that_of_the_last_step_and_of_the_schemas() {
        assert_eq!(usize::try_from(CURRENT).unwrap(), STEPS.len() + 1);
        assert!(HELP.contains(&format!(" and {CURRENT};")));
        for schema in [schema::api(), schema::gateway()] {
            let key = &schema["properties"]["tollgate"];
            assert_eq!((&key["minimum"], &key["maximum"]), (&CURRENT.into(), &CURRENT.into()));
            assert!(key["description"].as_str().unwrap().contains(&format!("file format: {CURRENT}.")));
        }
    }
}
