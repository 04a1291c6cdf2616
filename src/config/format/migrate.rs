//! Route files of older formats rewritten: nothing in their texts changes but what has to.

use super::{CURRENT, ITEM, Step, of, state, steps, texts};
use crate::config::edit::{Editor, Kind, Ranged};
use crate::config::emit::Item;
use crate::config::load::Files;
use crate::config::problem::{Problem, Severity, Span};
use crate::config::structure::Finding;
use crate::config::tree::{self, Node, Value};
use crate::config::variables::{Piece, escaped, pieces};
use crate::plan::compile::{File, problem};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A file that is not as the current format wants it.
#[derive(Clone, Debug, Serialize)]
pub struct Migrated {
    /// The file, e.g. `routes/orders/v2.yaml`.
    pub file: String,
    /// Its format.
    pub from: u32,
    /// The format of its new text.
    pub to: u32,
    /// The texts in it that are written otherwise.
    pub changes: Vec<Change>,
    /// All of its new text.
    #[serde(skip)]
    pub text: String,
}

/// A text that is written otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its place before.
    #[serde(flatten)]
    pub span: Span,
    /// Its keys, e.g. `defaults.headers.response.set.x-a`.
    pub key: String,
    /// The text before.
    pub before: String,
    /// The text now.
    pub after: String,
}

/// A file as it is, and as it shall be.
struct Draft {
    file: File,
    from: u32,
    is_gateway: bool,
    new: Node,
}

/// Rewrites the files that are of an older format, and the variables that they alone use. Files that need no change are
/// left out.
///
/// # Errors
/// Everything that stands in the way, and then nothing is rewritten: texts that cannot be read, formats that are not known,
/// and what would come to mean something else elsewhere.
pub fn migrate(files: &Files) -> Result<Vec<Migrated>, Vec<Problem>> {
    let (mut drafts, mut problems) = (Vec::new(), Vec::new());
    for (name, text) in &files.routes {
        let mut file = File {
            name: name.clone(),
            text: text.as_str().into(),
            tree: Node { value: Value::Null, span: Span::default(), variable: None },
        };
        let read = tree::parse(text)
            .map_err(|(span, message, help)| Finding { span, code: "syntax", message, help })
            .and_then(|tree| Ok((of(&tree)?, tree)));
        match read {
            Ok((from, tree)) => {
                file.tree = tree.clone();
                drafts.push(Draft { file, from, is_gateway: files.is_gateway(name), new: tree });
            }
            Err(finding) => problems.push(said(&file, finding)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    for (before, step) in steps(1) {
        variables(before, step, &mut drafts, &mut problems);
        for draft in drafts.iter_mut().filter(|draft| draft.from <= before) {
            texts(&mut draft.new, &mut Vec::new(), &mut |path, text| {
                if (step.concerns)(path) {
                    *text = rewritten(text, step);
                }
            });
            state(&mut draft.new);
        }
    }
    let mut migrated = Vec::new();
    for draft in drafts.iter().filter(|draft| draft.new != draft.file.tree) {
        match edited(draft) {
            Ok((text, changes)) => {
                let (file, from) = (draft.file.name.clone(), draft.from);
                migrated.push(Migrated { file, from, to: CURRENT, changes, text });
            }
            Err(span) => problems.push(said(
                &draft.file,
                Finding {
                    span,
                    code: "not-migrated",
                    message:
                        "this cannot be rewritten where it stands, or it stands elsewhere too, by its anchor"
                            .into(),
                    help: Some("write it out in each place, without an anchor; then migrate again".into()),
                },
            )),
        }
    }
    if problems.is_empty() { Ok(migrated) } else { Err(problems) }
}

fn said(file: &File, finding: Finding) -> Problem {
    let Finding { span, code, message, help } = finding;
    problem(Severity::Error, code, file, span, message, help)
}

/// A text as the next format writes it; variables stay.
fn rewritten(text: &str, step: &Step) -> String {
    // Of what is not closed `check` tells.
    let Some(pieces) = pieces(text) else { return text.to_owned() };
    let pieces = pieces.into_iter().map(|piece| match piece {
        Piece::Literal(text) => escaped(&(step.text)(&text)),
        Piece::Variable(name) => format!("${{{name}}}"),
    });
    pieces.collect()
}

/// Rewrites the values of variables that stand where a step concerns them, and nowhere else.
fn variables(before: u32, step: &Step, drafts: &mut [Draft], problems: &mut Vec<Problem>) {
    let is_value =
        |path: &[&str]| matches!(path, ["variables", _, "default"] | ["variables", _, "values", _]);
    let mut changing: BTreeSet<String> = BTreeSet::new();
    for draft in drafts.iter_mut().filter(|draft| draft.is_gateway) {
        texts(&mut draft.new, &mut Vec::new(), &mut |path, text| {
            if let (true, Some(name)) = (is_value(path), path.get(1))
                && (step.text)(text) != *text
            {
                changing.insert((*name).to_owned());
            }
        });
    }
    if changing.is_empty() {
        return;
    }
    // Who uses them: whether a step concerns it, and where it does not.
    let mut used: BTreeMap<String, (bool, Vec<(usize, Span)>)> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        let mut look = |path: &[&str], node: &Node| {
            let concerned = draft.from <= before && (step.concerns)(path);
            for name in node.text().and_then(pieces).into_iter().flatten() {
                let Piece::Variable(name) = name else { continue };
                if changing.contains(name) {
                    let (rewritten, others) = used.entry(name.to_owned()).or_default();
                    *rewritten |= concerned;
                    others.extend((!concerned).then_some((index, node.span)));
                }
            }
        };
        each(&draft.new, &mut Vec::new(), &mut |path, node| {
            if !(draft.is_gateway && matches!(path, ["variables" | "environments" | "folders", ..])) {
                look(path, node);
            }
        });
    }
    for (name, (rewritten, others)) in &used {
        if !rewritten {
            changing.remove(name);
            continue;
        }
        for (index, span) in others {
            let Some(draft) = drafts.get(*index) else { continue };
            problems.push(said(
                &draft.file,
                Finding {
                    span: *span,
                    code: "not-migrated",
                    message: format!(
                        "the variable `{name}` holds what format {} writes otherwise where it is used elsewhere, but not here",
                        before.saturating_add(1)
                    ),
                    help: Some("use a variable of its own here, with the same values; then migrate again".into()),
                },
            ));
        }
    }
    changing.retain(|name| used.contains_key(name));
    for draft in drafts.iter_mut().filter(|draft| draft.is_gateway) {
        texts(&mut draft.new, &mut Vec::new(), &mut |path, text| {
            if is_value(path) && path.get(1).is_some_and(|name| changing.contains(*name)) {
                *text = (step.text)(text);
            }
        });
    }
}

/// Shows every node that is no mapping or list, with its path.
fn each<'n>(node: &'n Node, path: &mut Vec<&'n str>, visit: &mut impl FnMut(&[&str], &Node)) {
    match &node.value {
        Value::List(items) => {
            path.push(ITEM);
            items.iter().for_each(|item| each(item, path, visit));
            path.pop();
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                path.push(&key.name);
                each(value, path, visit);
                path.pop();
            }
        }
        _ => visit(path, node),
    }
}

/// The text of a draft.
///
/// # Errors
/// The place of what cannot be changed as it is written.
fn edited(draft: &Draft) -> Result<(String, Vec<Change>), Span> {
    let Draft { file, new, .. } = draft;
    let editor = Editor::new(&file.text).ok_or(file.tree.span)?;
    let root = editor.root.clone();
    let mut rewrite = Rewrite { editor, root: &root, done: BTreeSet::new(), changes: Vec::new() };
    rewrite.node(&file.tree, new, &root, &mut Vec::new())?;
    let Rewrite { editor, mut changes, .. } = rewrite;
    let text = editor.finish();
    // What is written is read back: an anchor may have carried a change where none was meant.
    let again = tree::parse(&text).map_err(|_| file.tree.span)?;
    match first_difference(new, &again) {
        Some(span) => Err(span),
        None => {
            changes.sort_by_key(|change| change.span);
            Ok((text, changes))
        }
    }
}

struct Rewrite<'t> {
    editor: Editor<'t>,
    root: &'t Ranged,
    /// Where the texts begin that are done: anchors lead to them again.
    done: BTreeSet<usize>,
    changes: Vec<Change>,
}

impl Rewrite<'_> {
    fn node(&mut self, old: &Node, new: &Node, place: &Ranged, path: &mut Vec<String>) -> Result<(), Span> {
        match (&old.value, &new.value, &place.kind) {
            (_, _, Kind::Alias(place)) => self.node(old, new, place, path)?,
            (Value::List(old), Value::List(new), Kind::List(places)) => {
                for (i, ((old, new), place)) in old.iter().zip(new).zip(places).enumerate() {
                    path.push(i.to_string());
                    self.node(old, new, place, path)?;
                    path.pop();
                }
            }
            (Value::Map(old), Value::Map(new), Kind::Map { members, .. }) => {
                for (((key, old), (_, new)), member) in old.iter().zip(new).zip(members) {
                    path.push(key.name.clone());
                    self.node(old, new, &member.value, path)?;
                    path.pop();
                }
            }
            (Value::Text(before), Value::Text(after), _)
                if before != after && self.done.insert(place.at.start) =>
            {
                if !self.editor.complete(place, before, after) {
                    return Err(old.span);
                }
                let (key, before, after) = (path.join("."), before.clone(), after.clone());
                self.changes.push(Change { span: old.span, key, before, after });
            }
            (Value::Int(before), Value::Int(after), _) if before != after => {
                self.editor.replace(self.root, place, &Item::Bare(after.to_string()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Where two trees differ first, as far as their texts may.
fn first_difference(expected: &Node, found: &Node) -> Option<Span> {
    match (&expected.value, &found.value) {
        (Value::List(a), Value::List(b)) if a.len() == b.len() => {
            a.iter().zip(b).find_map(|(a, b)| first_difference(a, b))
        }
        (Value::Map(a), Value::Map(b)) if a.len() == b.len() => a.iter().zip(b).find_map(|(a, b)| {
            if a.0.name == b.0.name { first_difference(&a.1, &b.1) } else { Some(a.0.span) }
        }),
        (a, b) => (a != b).then_some(expected.span),
    }
}

#[cfg(test)]
mod tests;
