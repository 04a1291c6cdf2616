//! Parameters by what they capture. Nobody outside of the route files reads their names: where two routes differ in names
//! alone, they do the same.

use crate::plan::Api;
use crate::plan::compile::pattern;
use crate::plan::rule::{Condition, Rule, Test};
use crate::routing::host::{Kind, kind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A text without names, and as it is written.
type Text = (String, String);

/// What a route's or an API's parameters are called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    hosts: Vec<Text>,
    matches: Vec<Text>,
    /// For each name what stands in its place: in which position each rule captures it.
    marks: BTreeMap<String, String>,
}

impl Names {
    /// Of an API and the rules of one of its routes.
    pub fn of(api: &Api, rules: &[Rule]) -> Names {
        let host = |host: &String| match kind(host) {
            Kind::Label(_, suffix) => (format!("{{}}.{suffix}"), host.clone()),
            _ => (host.clone(), host.clone()),
        };
        let any = api.hosts.is_empty().then(|| ("*".to_owned(), "*".to_owned()));
        let hosts = api.hosts.iter().map(host).chain(any).collect();
        let mut matches: Vec<(Text, Vec<(u32, String)>)> = rules
            .iter()
            .map(|rule| {
                let (path, names) = pattern::named(&rule.path);
                ((text(&Rule { path, ..rule.clone() }), text(rule)), names)
            })
            .collect();
        matches.sort_unstable();
        matches.dedup();
        let names: BTreeSet<&String> =
            matches.iter().flat_map(|(_, names)| names).map(|(_, name)| name).collect();
        let position = |names: &[(u32, String)], name: &String| {
            names.iter().find(|(_, own)| own == name).map_or("-".to_owned(), |(at, _)| at.to_string())
        };
        let mark = |name: &String| {
            matches.iter().map(|(_, names)| position(names, name)).collect::<Vec<_>>().join(",")
        };
        let mut marks: BTreeMap<String, String> =
            names.into_iter().map(|name| (name.clone(), format!("\0{}\0", mark(name)))).collect();
        let labels = api.hosts.iter().filter_map(|host| match kind(host) {
            Kind::Label(name, _) => Some(name.to_owned()),
            _ => None,
        });
        for label in labels {
            marks.entry(label).or_insert_with(|| "\0host\0".to_owned());
        }
        Names { hosts, matches: matches.into_iter().map(|(text, _)| text).collect(), marks }
    }

    /// The host patterns without names; `*` for all.
    pub fn hosts(&self) -> Vec<&str> {
        self.hosts.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// The rules without names.
    pub fn matches(&self) -> Vec<&str> {
        self.matches.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// What requests it is about, without names and as it is written.
    pub fn requests(&self, base: &str) -> Vec<Text> {
        let with = |(host, shown): &Text, rule: Option<&Text>| match rule {
            Some((text, written)) => (format!("{host}{base} {text}"), format!("{shown}{base} {written}")),
            None => (format!("{host}{base}"), format!("{shown}{base}")),
        };
        let mut all: Vec<Text> = match self.matches.as_slice() {
            [] => self.hosts.iter().map(|host| with(host, None)).collect(),
            rules => self
                .hosts
                .iter()
                .flat_map(|host| rules.iter().map(move |rule| with(host, Some(rule))))
                .collect(),
        };
        all.sort_unstable();
        all
    }

    /// Puts marks in the place of names: in the pieces of templates, where alone they stand.
    pub fn take_out(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.take_out(item)),
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    match member {
                        Value::String(name) if key == "Param" => {
                            if let Some(mark) = self.marks.get(name.as_str()) {
                                name.clone_from(mark);
                            }
                        }
                        other => self.take_out(other),
                    }
                }
            }
            _ => {}
        }
    }

    /// Puts names back in. Hosts and rules that are the other's too are written as they are there, so that only what
    /// differs looks different.
    pub fn put_back(&self, value: &mut Value, other: &Names) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.put_back(item, other)),
            Value::Object(members) => members.values_mut().for_each(|member| self.put_back(member, other)),
            Value::String(text) => {
                let known =
                    [other, self].into_iter().flat_map(|names| names.hosts.iter().chain(&names.matches));
                match known.into_iter().find(|(nameless, _)| nameless == text) {
                    Some((_, written)) => text.clone_from(written),
                    None if text.contains('\0') => {
                        for (name, mark) in &self.marks {
                            *text = text.replace(mark, name);
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// A rule as people write it: methods, path, conditions, priority.
fn text(rule: &Rule) -> String {
    let mut methods = rule.methods.clone();
    methods.sort_unstable();
    let methods = if methods.is_empty() { "ANY".to_owned() } else { methods.join("|") };
    let said = |condition: &Condition| {
        let mut condition = condition.clone();
        if let Test::In(values) | Test::InOrAbsent(values) = &mut condition.test {
            values.sort_unstable();
        }
        format!(", {condition}")
    };
    let mut conditions: Vec<String> = rule.conditions.iter().map(said).collect();
    conditions.sort_unstable();
    let priority = if rule.priority == 0 { String::new() } else { format!(", priority {}", rule.priority) };
    format!("{methods} {}{}{priority}", rule.path, conditions.concat())
}
