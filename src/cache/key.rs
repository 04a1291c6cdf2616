//! The cache key: unambiguous, of fixed length, and usable as a URL by the Cache API.

use super::{KeyPart, Rule};
use crate::header::Headers;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The key under which the answer to a GET or HEAD is kept: `https://cache.invalid/<api>/<SHA-256>`.
///
/// `host` and `path` are canonical, `query` is the raw text after `?`. All that varies enters the hash with its
/// length before it, so that no choice of delimiters makes two requests share a key. `api` is the API version,
/// e.g. `orders/v2`: it only names the entry, host and path tell APIs apart.
///
/// A query parameter that the rule names enters with every occurrence that some origin may take for it: names are
/// compared percent-decoded, without regard to case and up to a `[`. A query with a `;`, which old parsers take
/// for `&`, enters whole. Without this a caller could plant the answer to `?page=1&%70age=2` under `page=1`.
pub fn key(
    rule: &Rule,
    api: &str,
    host: &str,
    path: &str,
    query: Option<&str>,
    consumer: Option<&str>,
    headers: &dyn Headers,
) -> String {
    let mut hash = Hash(Sha256::new());
    hash.part(b'h', host);
    hash.part(b'p', path);
    if rule.key.is_empty() {
        hash.optional(b'a', query);
    }
    for part in &rule.key {
        match part {
            KeyPart::Consumer => hash.optional(b'c', consumer),
            KeyPart::AllQuery => hash.optional(b'a', query),
            KeyPart::Query(name) => {
                hash.part(b'q', name);
                let query = query.unwrap_or("");
                if query.contains(';') {
                    hash.optional(b'a', Some(query));
                } else {
                    for pair in query.split('&').filter(|pair| names(pair, name)) {
                        hash.part(b'v', pair);
                    }
                }
            }
            KeyPart::Header(name) => {
                hash.part(b'n', name);
                hash.optional(b'v', headers.get(name).as_deref());
            }
        }
    }
    let mut url = String::with_capacity(api.len().saturating_add(96));
    url.push_str("https://cache.invalid/");
    for byte in api.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/') {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push('/');
    hash.finish(&mut url);
    url
}

/// Whether the `name=value` pair may be taken for the parameter `name`.
fn names(pair: &str, name: &str) -> bool {
    let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
    let mut bytes = raw.bytes();
    let mut decoded = std::iter::from_fn(move || match bytes.next()? {
        b'+' => Some(b' '),
        b'%' => {
            let mut ahead = bytes.clone();
            match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                (Some(high), Some(low)) => {
                    bytes = ahead;
                    Some(high << 4 | low)
                }
                _ => Some(b'%'),
            }
        }
        byte => Some(byte),
    });
    let same = name.bytes().all(|n| decoded.next().is_some_and(|d| d.eq_ignore_ascii_case(&n)));
    same && matches!(decoded.next(), None | Some(b'['))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// SHA-256 over parts, each with a tag and its length.
pub(super) struct Hash(pub(super) Sha256);

impl Hash {
    pub(super) fn part(&mut self, tag: u8, text: &str) {
        self.0.update([tag]);
        // usize is 32 bits at the edge and 64 elsewhere: the key must be the same.
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    pub(super) fn optional(&mut self, tag: u8, text: Option<&str>) {
        match text {
            Some(text) => self.part(tag, text),
            None => self.0.update([tag.to_ascii_uppercase()]),
        }
    }

    pub(super) fn finish(self, out: &mut String) {
        for byte in self.0.finalize() {
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(key: Vec<KeyPart>) -> Rule {
        Rule { ttl: Some(1), override_origin: false, key, max_bytes: 1 }
    }

    fn of(parts: &[KeyPart], host: &str, path: &str, query: Option<&str>, consumer: Option<&str>) -> String {
        key(&rule(parts.to_vec()), "orders/v2", host, path, query, consumer, &Vec::new())
    }

    #[test]
    fn is_a_url_of_fixed_length_and_stable() {
        let k = key(&rule(vec![]), "a b/v 1?", "h", "/x", None, None, &Vec::new());
        assert!(k.starts_with("https://cache.invalid/a%20b/v%201%3F/"), "{k}");
        assert_eq!(
            of(&[], "h", "/x", None, None),
            "https://cache.invalid/orders/v2/b62a8411091378d5053d240ccf06e16cedd841ac289947a04d595eb724760ac8"
        );
    }

    #[test]
    fn only_what_the_rule_names_counts() {
        let page = [KeyPart::Query("page".into())];
        let at = |q: &str| of(&page, "h", "/x", Some(q), Some("ann"));
        assert_eq!(at("page=1&x=1"), at("x=2&page=1"));
        assert_eq!(at("x=1"), of(&page, "h", "/x", None, Some("bob")));
        for other in [
            "page=2",
            "page=1&page=2",
            "page=1&%70age=2",
            "page=1&PAGE=2",
            "page=1&page[]=2",
            "x=1;page=2",
            "page",
            "",
        ] {
            assert_ne!(at("page=1"), at(other), "{other}");
            if !other.is_empty() {
                assert_ne!(at(""), at(other), "{other}");
            }
        }
        assert_eq!(at("page=1"), at("page=1&pages=2&pag=3&%=4&%7=5"));
    }

    #[test]
    fn callers_are_kept_apart() {
        let c = [KeyPart::Consumer];
        assert_ne!(of(&c, "h", "/x", None, Some("a")), of(&c, "h", "/x", None, Some("b")));
        assert_ne!(of(&c, "h", "/x", None, Some("")), of(&c, "h", "/x", None, None));
    }

    #[test]
    fn headers_count_by_name_and_presence() {
        let r = rule(vec![KeyPart::Header("x-a".into()), KeyPart::Header("x-b".into())]);
        let at = |lines: &[(&str, &str)]| {
            let lines: Vec<(String, String)> =
                lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            key(&r, "a", "h", "/", None, None, &lines)
        };
        let all = [
            at(&[]),
            at(&[("x-a", "1")]),
            at(&[("x-b", "1")]),
            at(&[("x-a", "")]),
            at(&[("x-a", "1"), ("x-b", "1")]),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in all.iter().skip(i + 1) {
                assert_ne!(a, b);
            }
        }
        assert_eq!(at(&[]), at(&[("x-c", "1")]));
    }

    proptest! {
        #[test]
        fn different_inputs_different_keys(
            a in ("[a-c.]{1,4}", "/[a-c/]{0,4}", prop::option::of("[ab=&%61]{0,5}"), prop::option::of("[a-c]{0,3}")),
            b in ("[a-c.]{1,4}", "/[a-c/]{0,4}", prop::option::of("[ab=&%61]{0,5}"), prop::option::of("[a-c]{0,3}")),
        ) {
            let parts = [KeyPart::Consumer, KeyPart::AllQuery];
            let of = |x: &(String, String, Option<String>, Option<String>)|
                of(&parts, &x.0, &x.1, x.2.as_deref(), x.3.as_deref());
            prop_assert_eq!(a == b, of(&a) == of(&b));
        }

        #[test]
        fn any_query_makes_a_key(query in "\\PC{0,60}") {
            let k = of(&[KeyPart::Query("p".into())], "h", "/", Some(&query), None);
            prop_assert_eq!(k.len(), "https://cache.invalid/orders/v2/".len() + 64);
        }

        /// Moving text over the border between two fields never keeps the key.
        #[test]
        fn borders_matter(text in "[a-c/]{2,10}", cut in 0usize..10, other in 0usize..10) {
            let (cut, other) = (cut % text.len(), other % text.len());
            let at = |i: usize| of(&[KeyPart::Consumer], &text[..i], &text[i..], None, None);
            prop_assert_eq!(cut == other, at(cut) == at(other));
        }
    }
}
