//! A plan as a reader means it: names in place of indexes, defaults written out, nothing that only says where it stood.

use super::names::Names;
use crate::plan::rule::Rule;
use crate::plan::{Action, Plan, format::LoadError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The environment that it was compiled for.
    pub environment: String,
    /// Settings of the gateway itself.
    pub gateway: Item,
    /// API versions by `api/version`.
    pub apis: BTreeMap<String, Item>,
    /// Routes by `api/version/route`.
    pub routes: BTreeMap<String, Item>,
}

/// One API version or route, or the gateway itself. Parameters are in it by what they capture, not by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Who owns it.
    pub owner: String,
    /// Where it stands: `file:line:column`.
    pub place: String,
    /// Its API version; its own name for one of these.
    pub api: String,
    /// What requests it is for, hosts and base path included: two items with the same are the same under other names.
    pub identity: Vec<String>,
    /// The same as it is written.
    pub requests: Vec<String>,
    /// Everything else.
    pub value: Value,
    /// What its parameters are called.
    names: Names,
}

impl Item {
    /// A part of its value with its names of parameters, as far as they are not those of `after`, what became of it.
    pub fn written(&self, mut part: Value, after: &Item) -> Value {
        self.names.put_back(&mut part, &after.names);
        part
    }
}

impl View {
    /// Of a plan.
    ///
    /// # Errors
    /// A part that does not decode.
    pub fn new(plan: &Plan) -> Result<View, LoadError> {
        let shared = plan.shared();
        let tables = Tables::new(plan);
        let mut gateway = value(&shared.gateway);
        set(&mut gateway, "claim_headers", value(&shared.claim_headers));
        let gateway = Item { value: gateway, ..Item::default() };
        let mut view = View { environment: shared.environment.clone(), gateway, ..View::default() };
        let mut rules: Vec<Vec<Rule>> = vec![Vec::new(); plan.len()];
        for index in 0..u32::try_from(plan.rules()).unwrap_or(u32::MAX) {
            let rule = plan.rule(index)?;
            if let Some(own) = usize::try_from(rule.route).ok().and_then(|route| rules.get_mut(route)) {
                own.push(rule);
            }
        }
        for api in &shared.apis {
            let name = format!("{}/{}", api.name, api.version);
            let mut own = value(api);
            remove(&mut own, &["name", "version", "source"]);
            tables.resolve(&mut own);
            let names = Names::of(api, &[]);
            set(&mut own, "hosts", value(&names.hosts()));
            let (identity, requests) = names.requests(&api.base).into_iter().unzip();
            let item = Item {
                owner: api.owner.clone(),
                place: shared.place(&api.source),
                api: name.clone(),
                identity,
                requests,
                value: own,
                names,
            };
            view.apis.insert(name, item);
        }
        for (index, rules) in (0..).zip(&rules) {
            let route = plan.route(index)?;
            let at = usize::try_from(route.api).unwrap_or(usize::MAX);
            let Some(api) = shared.apis.get(at) else { continue };
            let mut own = value(&*route);
            remove(&mut own, &["name", "api", "source", "template"]);
            // What names calls loses their order, which is that of the answer's members.
            if let Action::Combine(combine) = &route.action {
                let order: Vec<&str> = combine.calls.iter().map(|call| call.name.as_str()).collect();
                set(&mut own, "members", order.join(", ").into());
            }
            let names = Names::of(api, rules);
            names.take_out(&mut own);
            tables.resolve(&mut own);
            set(&mut own, "match", value(&names.matches()));
            let (identity, requests) = names.requests(&api.base).into_iter().unzip();
            let api_name = format!("{}/{}", api.name, api.version);
            let item = Item {
                owner: api.owner.clone(),
                place: shared.place(&route.source),
                api: api_name.clone(),
                identity,
                requests,
                value: own,
                names,
            };
            view.routes.insert(format!("{api_name}/{}", route.name), item);
        }
        Ok(view)
    }
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(key.to_owned(), value);
    }
}

fn remove(object: &mut Value, keys: &[&str]) {
    if let Value::Object(members) = object {
        members.retain(|key, _| !keys.contains(&key.as_str()));
    }
}

/// What indexes stand for.
struct Tables {
    /// By `iss`: the id is a name of the files.
    issuers: Vec<(String, Value)>,
    /// By id: counts are kept under it.
    limits: Vec<(String, Value)>,
    upstreams: Vec<Value>,
    cors: Vec<Value>,
}

impl Tables {
    fn new(plan: &Plan) -> Tables {
        let shared = plan.shared();
        let named = |name: &str, mut own: Value, drop: &[&str]| {
            remove(&mut own, drop);
            plain(&mut own);
            (name.to_owned(), own)
        };
        let issuers = shared.issuers.iter();
        let limits = shared.limits.iter();
        let upstreams = shared.upstreams.iter().map(|upstream| {
            let (_, mut own) = named("", value(upstream), &["id"]);
            // Which target is which its address says.
            if let Some(Value::Array(targets)) = own.get_mut("targets") {
                let targets = std::mem::take(targets);
                set(
                    &mut own,
                    "targets",
                    keyed(targets, |target| {
                        let part = |name: &str| target.get(name).and_then(Value::as_str).unwrap_or_default();
                        if part("via").is_empty() {
                            part("url").to_owned()
                        } else {
                            format!("{} via {}", part("url"), part("via"))
                        }
                    }),
                );
            }
            own
        });
        Tables {
            issuers: issuers.map(|own| named(&own.issuer, value(own), &["id", "issuer"])).collect(),
            limits: limits.map(|own| named(&own.id, value(own), &["id", "source"])).collect(),
            upstreams: upstreams.collect(),
            cors: shared.cors.iter().map(|own| named("", value(own), &[]).1).collect(),
        }
    }

    /// Puts the things themselves where indexes stand, and gives everything its plain form.
    fn resolve(&self, own: &mut Value) {
        self.put(own);
        plain(own);
    }

    fn put(&self, own: &mut Value) {
        match own {
            Value::Array(items) => items.iter_mut().for_each(|item| self.put(item)),
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    let found = match (key.as_str(), &*member) {
                        ("upstream", Value::Number(_)) => at(&self.upstreams, member).cloned(),
                        ("cors", Value::Number(_)) => at(&self.cors, member).cloned(),
                        ("issuers", Value::Array(list)) => Some(among(&self.issuers, list)),
                        ("limits", Value::Array(list)) => Some(among(&self.limits, list)),
                        _ => None,
                    };
                    match found {
                        Some(found) => *member = found,
                        None => self.put(member),
                    }
                }
            }
            _ => {}
        }
    }
}

fn at<'t, T>(table: &'t [T], index: &Value) -> Option<&'t T> {
    index.as_u64().and_then(|index| usize::try_from(index).ok()).and_then(|index| table.get(index))
}

/// The named things of a list of indexes, by their names.
fn among(table: &[(String, Value)], list: &[Value]) -> Value {
    Value::Object(list.iter().filter_map(|index| at(table, index).cloned()).collect())
}

/// A list of things as a map by their names; of things of the same name the later ones are numbered.
fn keyed(list: Vec<Value>, name: impl Fn(&Value) -> String) -> Value {
    let mut map = Map::new();
    for item in list {
        let name = name(&item);
        let mut key = name.clone();
        let mut next = 2_u32;
        while map.contains_key(&key) {
            key = format!("{name} ({next})");
            next = next.saturating_add(1);
        }
        map.insert(key, item);
    }
    Value::Object(map)
}

/// Gives compiled forms the form in which people write them: templates as text, edits as words, scopes with what they
/// mean, named things by name.
fn plain(own: &mut Value) {
    match own {
        Value::Array(items) => {
            proportion(items);
            items.iter_mut().for_each(plain);
        }
        Value::Object(members) => members.values_mut().for_each(plain),
        _ => return,
    }
    let replaced = match &*own {
        Value::Object(members) => object(members),
        Value::Array(items) if !items.is_empty() && items.iter().all(|item| item.get("name").is_some()) => {
            Some(keyed(items.clone(), named))
        }
        _ => None,
    };
    if let Some(replaced) = replaced {
        *own = replaced;
    }
}

/// Divides weights by what they have in common: only their proportion means something.
fn proportion(items: &mut [Value]) {
    let weight = |item: &Value| item.get("weight").and_then(Value::as_u64);
    let common = items.iter().filter_map(weight).fold(0_u64, |a, b| {
        let (mut a, mut b) = (a, b);
        while let Some(rest) = a.checked_rem(b) {
            (a, b) = (b, rest);
        }
        a
    });
    for item in items {
        if let Some(least) = weight(item).and_then(|weight| weight.checked_div(common)) {
            set(item, "weight", least.into());
        }
    }
}

fn named(item: &Value) -> String {
    item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn object(members: &Map<String, Value>) -> Option<Value> {
    let only = members.iter().next().filter(|_| members.len() == 1);
    match only {
        Some((key, Value::Array(pieces))) if key == "pieces" => {
            return Some(Value::String(template(pieces)?));
        }
        Some((key, inner)) if matches!(key.as_str(), "Set" | "Add" | "Remove") => return edit(key, inner),
        _ => {}
    }
    // The backends stand in place of the one upstream.
    if members.get("split").is_some_and(|split| !split.is_null()) {
        let mut own = members.clone();
        own.retain(|key, _| key != "upstream" && key != "failover");
        return (own != *members).then_some(Value::Object(own));
    }
    if let (Some(Value::Array(scopes)), Some(Value::Bool(any))) = (members.get("scopes"), members.get("any"))
    {
        let mut own = members.clone();
        own.remove("any");
        let needs = if scopes.is_empty() {
            Value::Null
        } else {
            json!({ (if *any && scopes.len() > 1 { "any" } else { "all" }): sorted(scopes) })
        };
        own.insert("scopes".into(), needs);
        return Some(Value::Object(own));
    }
    // An empty key of the cache is the whole query.
    if members.contains_key("override_origin") && members.get("key") == Some(&json!([])) {
        let mut own = members.clone();
        own.insert("key".into(), json!(["AllQuery"]));
        return Some(Value::Object(own));
    }
    None
}

fn sorted(list: &[Value]) -> Value {
    let mut list = list.to_vec();
    list.sort_by_key(Value::to_string);
    list.dedup();
    Value::Array(list)
}

fn template(pieces: &[Value]) -> Option<String> {
    let piece = |piece: &Value| {
        let text = |kind: &str| piece.get(kind).and_then(Value::as_str);
        text("Literal").map(str::to_owned).or_else(|| text("Param").map(|name| format!("{{{name}}}")))
    };
    pieces.iter().map(piece).collect()
}

fn edit(kind: &str, inner: &Value) -> Option<Value> {
    match inner {
        Value::String(name) if kind == "Remove" => Some(format!("remove {name}").into()),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(name), Value::String(value)] => {
                Some(format!("{} {name}: {value}", kind.to_lowercase()).into())
            }
            _ => None,
        },
        _ => None,
    }
}
