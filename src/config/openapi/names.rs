//! Names of routes, issuers and upstreams made of what a document calls them.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name.
const MAX: usize = 64;

/// `text` as a name: ASCII letters, digits, `-` and `_`, a letter first, 64 at most. What is cut off is told apart by
/// some digits of a hash.
pub fn name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
        } else if c == '-' || !out.ends_with('-') {
            out.push('-');
        }
    }
    let trimmed = out.trim_matches(|c: char| c == '-' || c == '_');
    let out =
        if trimmed.starts_with(|c: char| c.is_ascii_alphabetic()) && !matches!(trimmed, "none" | "shared") {
            // As it was, where it was fine.
            if trimmed.len() < out.len() && name_fits(text) { text.to_owned() } else { trimmed.to_owned() }
        } else {
            format!("op-{trimmed}").trim_end_matches('-').to_owned()
        };
    if out.len() <= MAX { out } else { suffixed(&out, text) }
}

/// Whether `text` is a name already.
fn name_fits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text != "none"
        && text != "shared"
}

/// `name`, cut, and six digits of the hash of `whole`.
fn suffixed(name: &str, whole: &str) -> String {
    let hash = Sha256::digest(whole.as_bytes());
    let digits: String = hash.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    let cut: String = name.chars().take(MAX.saturating_sub(7)).collect();
    format!("{}-{digits}", cut.trim_end_matches(['-', '_']))
}

/// The names of all of `texts`, none twice and none of `taken`, whatever their order: a text that is a name keeps it, and
/// of those that would get the same name each gets its own digits.
pub fn unique(texts: &[String], taken: &BTreeSet<String>) -> Vec<String> {
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for text in texts {
        let count = wanted.entry(name(text)).or_default();
        *count = count.saturating_add(1);
    }
    let exact: BTreeSet<&String> = texts.iter().filter(|text| name(text) == **text).collect();
    let mut given: BTreeSet<String> = taken.clone();
    let mut out = Vec::new();
    for text in texts {
        let plain = name(text);
        let alone = wanted.get(&plain) == Some(&1) || plain == *text;
        let stolen = plain != *text && exact.contains(&plain);
        let mut result =
            if alone && !stolen && !taken.contains(&plain) { plain } else { suffixed(&plain, text) };
        // Equal texts, or digits that meet: never in practice, and never twice.
        let mut number = 2_u32;
        while given.contains(&result) {
            result = suffixed(&name(text), &format!("{text} {number}"));
            number = number.saturating_add(1);
        }
        given.insert(result.clone());
        out.push(result);
    }
    out
}

/// A version's name: `v2` of `2.1.0`.
pub fn version(text: &str, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    let numbered = |text: &str| {
        text.strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && name_fits(text))
    };
    if numbered(last) {
        return last.to_owned();
    }
    let major = text.trim_start_matches('v').split('.').next().unwrap_or_default();
    if !major.is_empty() && major.len() < 4 && major.bytes().all(|b| b.is_ascii_digit()) {
        return format!("v{major}");
    }
    if text.len() <= 24 && text.starts_with(|c: char| c.is_ascii_digit()) {
        return name(&format!("v{text}"));
    }
    if name_fits(text) { text.to_owned() } else { "v1".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_stay_where_they_fit() {
        for (text, expected) in [
            ("getOrder", "getOrder"),
            ("repos/get", "repos-get"),
            ("a b  c", "a-b-c"),
            ("GET /orders/{id}", "GET-orders-id"),
            ("2nd", "op-2nd"),
            ("none", "op-none"),
            ("", "op"),
            ("Abrufen_", "Abrufen_"),
            ("größe", "gr-e"),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
        let long = name(&"x/".repeat(50));
        assert!(long.len() == 64 && long != name(&"x/".repeat(51)), "{long}");
    }

    #[test]
    fn versions() {
        for (text, path, expected) in [
            ("1.1.4", "", "v1"),
            ("v2", "", "v2"),
            ("2022-11-28", "", "v2022-11-28"),
            ("2022-11-28", "/api/v3", "v3"),
            ("unversioned", "", "unversioned"),
            ("Wed Oct 15 2025 13:53:19 GMT", "", "v1"),
            ("", "", "v1"),
        ] {
            assert_eq!(version(text, path), expected, "{text}");
        }
    }

    #[test]
    fn the_order_does_not_matter() {
        let texts: Vec<String> = ["a/b", "a-b", "a b", "c"].map(str::to_owned).to_vec();
        let mut names = unique(&texts, &BTreeSet::new());
        assert_eq!((names[1].as_str(), names[3].as_str()), ("a-b", "c"));
        let reversed: Vec<String> = texts.into_iter().rev().collect();
        names.reverse();
        assert_eq!(unique(&reversed, &BTreeSet::new()), names);
    }

    proptest! {
        #[test]
        fn every_name_fits_and_is_unique(texts in prop::collection::btree_set("\\PC{0,80}|[a-b/-]{1,3}", 0..12)) {
            let texts: Vec<String> = texts.into_iter().collect();
            let taken = BTreeSet::from(["a".to_owned(), "a-b".to_owned()]);
            let names = unique(&texts, &taken);
            let distinct: BTreeSet<&String> = names.iter().chain(&taken).collect();
            prop_assert_eq!(distinct.len(), names.len() + taken.len());
            for name in names {
                prop_assert!(name_fits(&name), "{}", name);
            }
        }
    }
}
