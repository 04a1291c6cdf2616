//! What two values differ in, member by member.

use serde_json::Value;

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Members that lead there.
    pub path: Vec<String>,
    /// What stood there; null: nothing.
    pub old: Value,
    /// What stands there now.
    pub new: Value,
}

/// Members that are compared as wholes: their parts mean nothing alone.
fn is_whole(path: &[String]) -> bool {
    let last = |n: usize| path.len().checked_sub(n).and_then(|at| path.get(at)).map(String::as_str);
    matches!(last(1), Some("algorithm" | "status" | "scopes" | "per" | "rewrite" | "path" | "selector"))
        || last(3) == Some("issuers") && last(1) == Some("keys")
}

/// Lists whose order means something; all others are sets.
fn is_ordered(path: &[String]) -> bool {
    matches!(path.last().map(String::as_str), Some("request" | "response" | "headers"))
        && !path.iter().any(|p| p == "cors")
}

/// All differences, in order of their paths.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut out = Vec::new();
    walk(old, new, &mut Vec::new(), &mut out);
    out
}

fn walk(old: &Value, new: &Value, path: &mut Vec<String>, out: &mut Vec<Difference>) {
    if same(old, new, is_ordered(path)) {
        return;
    }
    if let (Value::Object(a), Value::Object(b)) = (old, new)
        && !is_whole(path)
        && !is_choice(old, new)
    {
        let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            path.push(key.clone());
            walk(a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), path, out);
            path.pop();
        }
        return;
    }
    out.push(Difference { path: path.clone(), old: old.clone(), new: new.clone() });
}

/// Whether two objects are different variants of one enumeration: `{"Forward": …}` and `{"Combine": …}`.
fn is_choice(old: &Value, new: &Value) -> bool {
    let only = |value: &Value| match value {
        Value::Object(members) if members.len() == 1 => {
            members.keys().next().filter(|key| key.starts_with(|c: char| c.is_ascii_uppercase())).cloned()
        }
        _ => None,
    };
    matches!((only(old), only(new)), (Some(a), Some(b)) if a != b)
}

fn same(old: &Value, new: &Value, ordered: bool) -> bool {
    match (old, new) {
        (Value::Array(a), Value::Array(b)) if !ordered && a.len() == b.len() => {
            let sorted = |list: &[Value]| {
                let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
                texts.sort_unstable();
                texts
            };
            sorted(a) == sorted(b)
        }
        _ => old == new,
    }
}

/// Members of a list that the other lacks.
pub fn missing<'v>(from: &'v Value, other: &Value) -> Vec<&'v Value> {
    let list = |value: &'v Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
    let there = other.as_array().map(Vec::as_slice).unwrap_or_default();
    list(from).iter().filter(|item| !there.contains(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_as_small_as_what_differs() {
        let old = json!({ "a": { "b": 1, "c": [1, 2] }, "gone": true, "same": {} });
        let new = json!({ "a": { "b": 2, "c": [2, 1] }, "same": {}, "came": "x" });
        let found = differences(&old, &new);
        let short: Vec<String> =
            found.iter().map(|d| format!("{}: {} → {}", d.path.join("."), d.old, d.new)).collect();
        assert_eq!(short, ["a.b: 1 → 2", "came: null → \"x\"", "gone: true → null"]);
        assert_eq!(differences(&new, &new), []);
    }

    #[test]
    fn variants_and_wholes_are_not_taken_apart() {
        let found = differences(
            &json!({ "action": { "Forward": { "x": 1 } } }),
            &json!({ "action": { "Combine": {} } }),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, ["action"]);
        let limit = |rate: u32| json!({ "limits": { "a": { "algorithm": { "Bucket": { "rate": rate, "burst": rate } } } } });
        assert_eq!(differences(&limit(1), &limit(2))[0].path, ["limits", "a", "algorithm"]);
    }

    #[test]
    fn edits_are_done_in_their_order() {
        let edits = |list: [&str; 2]| json!({ "headers": { "request": list }, "cors": { "headers": list } });
        let found = differences(&edits(["set a: 1", "remove a"]), &edits(["remove a", "set a: 1"]));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, ["headers", "request"]);
    }
}
