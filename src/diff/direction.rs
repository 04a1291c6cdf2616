//! Which way a difference goes: whether more is let through than before, or less.
//!
//! What is not in the table is neither. A difference of which it cannot be told counts as looser: it is flagged.

use super::structure::{Difference, missing};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Which way a difference goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is let through, told or trusted than before, or it cannot be ruled out.
    Looser,
    /// Less is.
    Tighter,
    /// Neither.
    Other,
}

use Direction::{Looser, Other, Tighter};

/// How a difference is judged.
#[derive(Clone, Copy)]
enum Judge {
    /// Having it is tighter than not having it.
    Guard,
    /// Having it is looser than not having it.
    Opening,
    /// A switch that is looser when it is on.
    OnOpens,
    /// A number that lets more through when it is higher.
    Higher,
    /// A set that lets more through when it has more members.
    Grows,
    /// A set that lets more through when it has fewer members.
    Shrinks,
    /// A set that lets everything through when it is empty, and otherwise more when it has more members.
    EmptyIsAll,
    /// Every difference is flagged.
    Any,
    /// By a function of its own.
    By(fn(&Value, &Value) -> Direction),
}

/// What is said of what an origin is asked for. Between two routes it always differs.
pub const ANOTHER_PATH: &str = "origins are asked for another path";

/// Members, with `*` for any one and `**` for any number; how they are judged; what is said where it is looser, if what
/// the member's name says is not enough.
const TABLE: &[(&str, Judge, &str)] = &[
    ("auth", Judge::Guard, "authentication removed"),
    ("auth/scopes", Judge::By(scopes), "fewer scopes are asked for"),
    ("auth/issuers/*", Judge::Opening, "another issuer is trusted"),
    ("auth/issuers/*/audiences", Judge::Grows, "tokens for others are accepted"),
    ("auth/issuers/*/algorithms", Judge::Grows, "another algorithm is accepted"),
    ("auth/issuers/*/keys", Judge::Any, "other keys are trusted, or for longer"),
    ("auth/issuers/*/leeway", Judge::Higher, "expired tokens are accepted for longer"),
    ("auth/issuers/*/types", Judge::EmptyIsAll, "other types of tokens are accepted"),
    ("auth/issuers/*/required", Judge::Shrinks, "fewer claims are asked for"),
    ("auth/issuers/*/scope_claim", Judge::Any, "scopes are read from another claim"),
    ("auth/issuers/*/consumer_claim", Judge::Any, "another claim names the consumer"),
    ("auth/keep_credentials", Judge::OnOpens, "credentials are passed on to the origin"),
    ("https", Judge::By(plain_http), "plain HTTP is let in"),
    ("paths/encoded_slashes", Judge::OnOpens, "encoded slashes are let in"),
    ("limits/*", Judge::Guard, "limit removed"),
    ("limits/*/algorithm", Judge::By(algorithm), "limit raised"),
    ("limits/*/per", Judge::By(per), "limit counts others apart"),
    ("limits/*/unreachable", Judge::By(unreachable), "requests pass when the counter is silent"),
    ("body", Judge::Guard, "bound on the body removed"),
    ("body/max", Judge::Higher, "bound on the body raised"),
    ("cors", Judge::Opening, "scripts of other origins are let in"),
    ("cors/origins", Judge::Grows, "more origins are allowed"),
    ("cors/methods", Judge::Grows, "scripts may use more methods"),
    ("cors/headers", Judge::Grows, "scripts may send more headers"),
    ("cors/expose", Judge::Grows, "scripts may read more headers"),
    ("cors/credentials", Judge::OnOpens, "scripts may send credentials"),
    ("cors/private_network", Judge::OnOpens, "pages of the public web reach a private network"),
    ("cors/timing", Judge::OnOpens, "scripts may read timings"),
    ("cache/key", Judge::Shrinks, "stored answers are shared more widely"),
    ("cache/override_origin", Judge::OnOpens, "what the origin says of storing is overruled"),
    ("csrf", Judge::Guard, "what other sites make browsers send passes"),
    ("csrf/trusted", Judge::Grows, "what more sites make browsers send passes"),
    ("hsts", Judge::By(hsts), "browsers are told less, or no longer, to stay with HTTPS"),
    ("**/headers/response", Judge::By(guards), "a security header is no longer sent, or another"),
    ("**/headers/request", Judge::By(stripped), "what clients send in a header is passed on"),
    ("maintenance", Judge::Guard, "maintenance holds requests back no longer"),
    ("maintenance/until", Judge::By(until), "maintenance ends earlier"),
    ("maintenance/allow", Judge::By(networks), "other addresses pass maintenance"),
    ("maintenance/key", Judge::Opening, "a key lets pass maintenance"),
    ("maintenance/key/*", Judge::Any, "another key lets pass maintenance"),
    ("action/Redirect/host", Judge::By(away), "clients are sent to another host"),
    ("action/Redirect/port", Judge::By(away), "clients are sent to another port"),
    ("action/Redirect/https", Judge::By(downgraded), "clients are sent to plain HTTP"),
    ("**/rewrite", Judge::Any, ANOTHER_PATH),
    ("action/Combine/calls/*/path", Judge::Any, ANOTHER_PATH),
    ("**/told_host", Judge::Any, "origins are told another host"),
    (
        "action/Forward/mirrors",
        Judge::By(mirrors),
        "copies of requests go to another origin, or with credentials",
    ),
    ("action", Judge::By(origins), "requests go to another origin"),
    ("**/targets/*", Judge::Opening, "requests go to another origin"),
    ("**/targets", Judge::By(origins), "requests go to another origin"),
    ("status", Judge::By(revived), "a retired version is served again"),
    ("trust_forwarded", Judge::OnOpens, "what clients say of themselves is believed"),
    ("admin_host", Judge::By(bound), "the gateway's own pages are served on every host"),
];

/// Which way a difference goes, and what to say of it where it is looser.
pub fn judge(difference: &Difference) -> (Direction, &'static str) {
    let path: Vec<&str> = difference.path.iter().map(String::as_str).collect();
    let row = TABLE.iter().find(|(pattern, ..)| fits(&pattern.split('/').collect::<Vec<_>>(), &path));
    let Some((_, judge, says)) = row else { return (Other, "") };
    let Difference { old, new, .. } = difference;
    (direction(*judge, old, new), says)
}

/// The place in the table of what is said: what matters more stands further up.
pub fn rank(says: &str) -> usize {
    TABLE.iter().position(|(.., own)| *own == says).unwrap_or(usize::MAX)
}

fn fits(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            (0..=path.len()).any(|skip| path.get(skip..).is_some_and(|path| fits(rest, path)))
        }
        (Some((own, rest)), Some((part, path))) => (*own == "*" || own == part) && fits(rest, path),
        _ => false,
    }
}

fn direction(judge: Judge, old: &Value, new: &Value) -> Direction {
    let turn = |looser: bool| if looser { Looser } else { Tighter };
    let number = |value: &Value| value.as_f64().unwrap_or(f64::INFINITY);
    let (gone, came) = (missing(old, new), missing(new, old));
    match judge {
        Judge::Guard => match (old.is_null(), new.is_null()) {
            (false, false) => Other,
            (_, removed) => turn(removed),
        },
        Judge::Opening => match (old.is_null(), new.is_null()) {
            (false, false) => Other,
            (added, _) => turn(added),
        },
        Judge::OnOpens => turn(new == &Value::Bool(true)),
        Judge::Higher => turn(number(new) > number(old)),
        Judge::Grows => turn(!came.is_empty()),
        Judge::Shrinks => turn(!gone.is_empty()),
        Judge::EmptyIsAll => {
            let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
            turn(empty(new) || !empty(old) && !came.is_empty())
        }
        Judge::Any => Looser,
        Judge::By(judge) => judge(old, new),
    }
}

/// Scopes: `{"all": […]}`, `{"any": […]}` or null. Tighter only if whoever may call now could before.
fn scopes(old: &Value, new: &Value) -> Direction {
    // Whether everybody who has what `a` asks for has what `b` asks for.
    let implies = |a: &Value, b: &Value| -> bool {
        let list = |value: &Value, kind: &str| -> Option<Vec<Value>> { value.get(kind)?.as_array().cloned() };
        if b.is_null() {
            return true;
        }
        match (list(a, "all"), list(a, "any"), list(b, "all"), list(b, "any")) {
            (Some(a), _, Some(b), _) => b.iter().all(|scope| a.contains(scope)),
            (Some(a), _, _, Some(b)) => b.iter().any(|scope| a.contains(scope)),
            (_, Some(a), Some(b), _) => b.iter().all(|scope| a.iter().all(|own| own == scope)),
            (_, Some(a), _, Some(b)) => a.iter().all(|scope| b.contains(scope)),
            _ => false,
        }
    };
    match (implies(new, old), implies(old, new)) {
        (true, true) => Other,
        (true, false) => Tighter,
        _ => Looser,
    }
}

/// Tighter only if nothing that passes now could not pass before.
fn algorithm(old: &Value, new: &Value) -> Direction {
    let part = |value: &Value, kind: &str, name: &str| value.get(kind).and_then(|own| own.get(name)).cloned();
    let count = |value: &Value, kind: &str, name: &str| {
        part(value, kind, name).and_then(|own| own.as_u64()).map(u128::from)
    };
    let bucket = |value: &Value| {
        Some((
            count(value, "Bucket", "rate")?,
            count(value, "Bucket", "period")?,
            count(value, "Bucket", "burst")?,
        ))
    };
    let within = match (bucket(old), bucket(new)) {
        (Some((rate, period, burst)), Some((r, p, b))) => {
            Some(r.saturating_mul(period) <= rate.saturating_mul(p) && b <= burst)
        }
        _ => ["Sliding", "Quota"].into_iter().find_map(|kind| {
            let same =
                ["window", "period"].into_iter().all(|name| part(old, kind, name) == part(new, kind, name));
            let (old, new) = (count(old, kind, "limit")?, count(new, kind, "limit")?);
            same.then_some(new <= old)
        }),
    };
    if within == Some(true) { Tighter } else { Looser }
}

/// All callers together is the tightest of all.
fn per(_: &Value, new: &Value) -> Direction {
    if new == "Route" { Tighter } else { Looser }
}

fn unreachable(old: &Value, new: &Value) -> Direction {
    let order = ["Closed", "Degrade", "Open"];
    let rank = |value: &Value| order.iter().position(|own| value == own);
    if rank(new) > rank(old) { Looser } else { Tighter }
}

fn revived(old: &Value, new: &Value) -> Direction {
    let retired = |value: &Value| value.get("Retired").is_some();
    match (retired(old), retired(new)) {
        (true, false) => Looser,
        (false, true) => Tighter,
        _ => Other,
    }
}

/// Whether it is refused or redirected matters to clients, not to who listens on the way.
fn plain_http(old: &Value, new: &Value) -> Direction {
    match (old == "Optional", new == "Optional") {
        (false, true) => Looser,
        (true, false) => Tighter,
        _ => Other,
    }
}

fn bound(old: &Value, new: &Value) -> Direction {
    match (old.is_null(), new.is_null()) {
        (_, true) => Looser,
        (true, false) => Tighter,
        _ => Other,
    }
}

/// Telling browsers for a shorter time, or of fewer hosts, is looser.
fn hsts(old: &Value, new: &Value) -> Direction {
    let (Some(old_text), Some(new_text)) = (old.as_str(), new.as_str()) else { return bound(old, new) };
    let part = |text: &str, name: &str| {
        let parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
        parts.into_iter().find_map(|part| part.strip_prefix(name).map(str::to_owned))
    };
    let age = |text: &str| part(text, "max-age=").and_then(|age| age.parse::<u64>().ok());
    let hosts = |text: &str| part(text, "includesubdomains").is_some();
    let less = age(new_text) < age(old_text) || hosts(old_text) && !hosts(new_text);
    if less { Looser } else { Tighter }
}

/// An end, or an earlier one, lets requests through that had been held back.
fn until(old: &Value, new: &Value) -> Direction {
    match (old.as_i64(), new.as_i64()) {
        (None, Some(_)) => Looser,
        (Some(old), Some(new)) if new < old => Looser,
        _ => Tighter,
    }
}

/// Networks of addresses: looser where one is not within one of before.
fn networks(old: &Value, new: &Value) -> Direction {
    let within = |one: &&Value, all: &Value| {
        let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().any(|other| {
            network(one).zip(network(other)).is_some_and(|(one, other)| {
                one.0 == other.0
                    && one.2 >= other.2
                    && one.1.checked_shr(other.3) == other.1.checked_shr(other.3)
            })
        })
    };
    let list = new.as_array().map(Vec::as_slice).unwrap_or_default();
    if list.iter().all(|one| within(&one, old)) { Tighter } else { Looser }
}

/// Whether a network is of IPv4, its first address, how many bits are the same, and how many are not.
fn network(value: &Value) -> Option<(bool, u128, u32, u32)> {
    let bits = value.get("bits")?.as_u64().and_then(|bits| u32::try_from(bits).ok())?;
    let address: IpAddr = value.get("address")?.as_str()?.parse().ok()?;
    let (four, first, most) = match address {
        IpAddr::V4(four) => (true, u128::from(u32::from(four)), 32_u32),
        IpAddr::V6(six) => (false, u128::from(six), 128),
    };
    Some((four, first, bits, most.checked_sub(bits)?))
}

/// Where it is not the request's own.
fn away(_: &Value, new: &Value) -> Direction {
    if new.is_null() { Tighter } else { Looser }
}

fn downgraded(old: &Value, new: &Value) -> Direction {
    match (old.as_bool(), new.as_bool()) {
        (_, Some(false)) => Looser,
        (Some(false), _) => Tighter,
        _ => Other,
    }
}

/// The fields whose values from clients go no further: they are removed, or replaced.
fn stripped(old: &Value, new: &Value) -> Direction {
    fn names(list: &Value) -> BTreeSet<&str> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let edits = list.iter().filter_map(Value::as_str);
        edits
            .filter_map(|edit| {
                let set = || edit.strip_prefix("set ")?.split_once(':').map(|(name, _)| name);
                edit.strip_prefix("remove ").or_else(set)
            })
            .collect()
    }
    if names(old).is_subset(&names(new)) { Other } else { Looser }
}

/// Fields by which a page guards itself in a browser.
const GUARDS: [&str; 9] = [
    "content-security-policy",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
];

fn guards(old: &Value, new: &Value) -> Direction {
    let sets = |value: &&Value| {
        let text = value.as_str().unwrap_or_default();
        let field = text.strip_prefix("set ").or_else(|| text.strip_prefix("add "));
        field.is_some_and(|field| GUARDS.iter().any(|name| field.starts_with(name)))
    };
    if missing(old, new).iter().any(sets) { Looser } else { Other }
}

/// Where requests go: looser where they may go somewhere new.
fn origins(old: &Value, new: &Value) -> Direction {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    targets(old, &mut before);
    targets(new, &mut after);
    if after.iter().any(|target| !before.contains(target)) { Looser } else { Other }
}

/// Copies of requests: looser where they may go somewhere new, or take credentials along.
fn mirrors(old: &Value, new: &Value) -> Direction {
    let keeps = |list: &Value| {
        let kept = |mirror: &Value| mirror.get("keep_credentials") == Some(&Value::Bool(true));
        list.as_array().is_some_and(|list| list.iter().any(kept))
    };
    if keeps(new) && !keeps(old) { Looser } else { origins(old, new) }
}

fn targets<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::Object(all) if key == "targets" => out.extend(all.keys().map(String::as_str)),
                    _ => targets(member, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| targets(item, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
