//! A route file brought up to date with a document: what changes in its text.

use super::document::Document;
use super::draft::{self, Draft, RouteDraft};
use super::import::{Change, Old, OldRoute, change};
use super::served::Bases;
use crate::config::edit::{Editor, Ranged};
use crate::config::emit::{self, Entry, Item};
use crate::config::tree::Node;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How the mark of a route begins whose operation is gone.
const MARK: &str = "# Not in the document any more";

/// Changes to a file.
pub(super) struct Merge<'t> {
    /// The file's text.
    pub editor: Editor<'t>,
    /// What changed, route by route.
    pub changes: Vec<Change>,
    /// Routes that stayed as they were.
    pub unchanged: usize,
}

impl Merge<'_> {
    /// Brings the routes in step.
    pub fn routes(
        &mut self,
        old: &Old<'_>,
        document: &Document,
        draft: &Draft,
        pairs: &HashMap<usize, usize>,
        bases: Bases<'_>,
        prune: bool,
    ) -> Result<(), String> {
        let root = self.editor.root.clone();
        let Some(routes) = root.get("routes").map(|member| member.value.clone()) else {
            let entries = draft.routes.iter().map(|route| route.entry.clone()).collect();
            self.editor.insert(&root, None, &Entry::new("routes", Item::Map(entries)));
            self.changes.extend(draft.routes.iter().map(|route| change("added", &route.name, &route.link)));
            return Ok(());
        };
        if old.routes.is_empty() && !draft.routes.is_empty() && !root.is_flow() {
            // `routes: {}` grows downwards.
            let entries: Vec<Entry> = draft.routes.iter().map(|route| route.entry.clone()).collect();
            let mut text = String::from("\n");
            emit::block(&entries, 2, &mut text);
            self.editor.replace(&root, &routes, &Item::Bare(text.trim_end().to_owned()));
            self.changes.extend(draft.routes.iter().map(|route| change("added", &route.name, &route.link)));
            return Ok(());
        }
        let known = document.index();
        let mut served_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, _) in draft.routes.iter().enumerate() {
            if let Some(route) = pairs.get(&number) {
                served_by.entry(*route).or_default().push(number);
            }
        }
        // What stood before a new route in the document stands before it here.
        let mut before = None;
        for (number, route) in draft.routes.iter().enumerate() {
            match pairs.get(&number) {
                Some(old) => before = Some(*old),
                None => {
                    self.editor.insert(&routes, before, &route.entry);
                    self.changes.push(change("added", &route.name, &route.link));
                }
            }
        }
        let gone = |route: &OldRoute| {
            route.links.as_ref().is_some_and(|links| {
                !links.is_empty() && !links.iter().any(|link| link == "none" || known.contains_key(link))
            })
        };
        let left = old
            .routes
            .iter()
            .enumerate()
            .filter(|(n, route)| served_by.contains_key(n) || !gone(route))
            .count();
        if prune && left == 0 && draft.routes.is_empty() {
            return Err("no route would be left: is this the right document?".into());
        }
        for (number, route) in old.routes.iter().enumerate() {
            let Some(member) = routes.members().get(number) else { continue };
            match served_by.get(&number) {
                Some(drafts) => {
                    let drafts: Vec<&RouteDraft> =
                        drafts.iter().filter_map(|number| draft.routes.get(*number)).collect();
                    self.editor.unmark(&routes, member, MARK);
                    self.follow(route, &member.value, document, &drafts, bases);
                }
                None if gone(route) => {
                    let link =
                        route.links.as_ref().and_then(|links| links.first()).cloned().unwrap_or_default();
                    if prune {
                        self.editor.remove(&routes, number);
                        self.changes.push(change("removed", &route.name, &link));
                    } else {
                        let line = format!("{MARK}: `tollgate import openapi --prune` removes this route.");
                        self.editor.mark(&routes, member, &line, MARK);
                        self.changes.push(change("gone", &route.name, &link));
                    }
                }
                None => self.unchanged = self.unchanged.saturating_add(1),
            }
        }
        Ok(())
    }

    /// Brings `match` and `operation` of a route in step.
    fn follow(
        &mut self,
        route: &OldRoute,
        value: &Ranged,
        document: &Document,
        drafts: &[&RouteDraft],
        bases: Bases<'_>,
    ) {
        let Some(first) = drafts.first() else { return };
        let before = self.changes.len();
        let operations = || drafts.iter().filter_map(|draft| document.operations.get(draft.operation));
        // A `match` that cannot be read is somebody's own.
        let serves = route.served.as_ref().is_none_or(|served| {
            operations().all(|operation| {
                served.iter().any(|one| one.takes(&operation.method) && one.is_at(operation, bases))
            })
        });
        if !serves && let Some(member) = value.get("match") {
            let item = match drafts {
                [one] => document
                    .operations
                    .get(one.operation)
                    .map(|operation| draft::matching(&[&operation.method], &one.shape)),
                // Several methods of one path stay together; for other cases there is no one right answer.
                many if many.iter().all(|draft| draft.shape == first.shape) => {
                    let methods: Vec<&str> =
                        operations().map(|operation| operation.method.as_str()).collect();
                    Some(draft::matching(&methods, &first.shape))
                }
                _ => None,
            };
            if let Some(item) = item {
                self.editor.replace(value, &member.value, &item);
                self.changes.push(change("matched", &route.name, &first.link));
            }
        }
        let wanted: Vec<&str> = drafts.iter().map(|draft| draft.link.as_str()).collect();
        let has = |link: &str| route.links.iter().flatten().any(|own| own == link);
        let by_call = |link: &str| operations().any(|operation| operation.call() == link);
        let complete = route.links.as_ref().is_some_and(|links| {
            drafts.iter().all(|draft| {
                has(&draft.link) || document.operations.get(draft.operation).is_some_and(|o| has(&o.call()))
            }) && links.iter().all(|link| wanted.contains(&link.as_str()) || by_call(link))
        });
        if !complete {
            let item = match wanted.as_slice() {
                [one] => Item::Text((*one).to_owned()),
                many => Item::List(many.iter().map(|link| Item::Text((*link).to_owned())).collect()),
            };
            match value.get("operation") {
                Some(member) => self.editor.replace(value, &member.value, &item),
                None => {
                    let after = value.members().iter().position(|member| member.name == "match");
                    self.editor.insert(value, after, &Entry::new("operation", item));
                }
            }
            self.changes.push(change("linked", &route.name, &first.link));
        }
        if self.changes.len() == before {
            self.unchanged = self.unchanged.saturating_add(1);
        }
    }

    /// Declares what new routes need and the file does not have.
    pub fn declarations(&mut self, tree: &Node, draft: &Draft, pairs: &HashMap<usize, usize>) {
        let new = draft.routes.iter().enumerate().filter(|(number, _)| !pairs.contains_key(number));
        let mut needed: BTreeSet<&String> = new.flat_map(|(_, route)| &route.needs).collect();
        let root = self.editor.root.clone();
        for (key, entries) in [("issuers", &draft.issuers), ("upstreams", &draft.upstreams)] {
            let declared = tree.get(key);
            // What `defaults` ask for is declared already, or was taken out on purpose.
            let named = |name: &str| {
                let mut new =
                    draft.routes.iter().enumerate().filter(|(number, _)| !pairs.contains_key(number));
                new.any(|(_, route)| names(&route.entry.value, name))
            };
            let missing: Vec<Entry> = entries
                .iter()
                .filter(|entry| needed.contains(&entry.key))
                .filter(|entry| declared.and_then(|map| map.get(&entry.key)).is_none())
                .filter(|entry| named(&entry.key))
                .cloned()
                .collect();
            if missing.is_empty() {
                continue;
            }
            needed.retain(|name| !missing.iter().any(|entry| entry.key == **name));
            match root.get(key).map(|member| &member.value) {
                Some(map) if !map.members().is_empty() => {
                    for entry in &missing {
                        self.editor.insert(map, None, entry);
                    }
                }
                _ => self.editor.insert_before("routes", &Entry::new(key, Item::Map(missing))),
            }
        }
    }
}

/// Whether a route names `name` in its own `auth` or `upstream`.
fn names(item: &Item, name: &str) -> bool {
    match item {
        Item::Text(text) => text == name,
        Item::List(items) => items.iter().any(|item| names(item, name)),
        Item::Map(entries) | Item::Inline(entries) => entries
            .iter()
            .filter(|entry| matches!(entry.key.as_str(), "auth" | "jwt" | "upstream"))
            .any(|entry| names(&entry.value, name)),
        Item::Bare(_) => false,
    }
}
