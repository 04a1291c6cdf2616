//! The cache key: unambiguous, of fixed length, and usable as a URL by the Cache API.

use super::{KeyPart, Rule};
use crate::header::Headers;
use crate::policy::headers::Edit;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What of a request makes its key.
///
/// An answer may hold whatever its origin is told. So what the gateway itself tells must stand here, the client's
/// address and the request's id excepted; what the client tells counts as far as the rule or `Vary` names it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The API version, e.g. `orders/v2`.
    pub api: &'a str,
    /// The route's name within its version: requests for one URL may belong to several, by their header fields.
    pub route: &'a str,
    /// The scheme is `https`.
    pub https: bool,
    /// Canonical host, with its port unless that is the scheme's own.
    pub authority: &'a str,
    /// What a trusted proxy in front says of scheme and host; `None` where none is trusted.
    pub proxied: Option<&'a str>,
    /// Canonical path.
    pub path: &'a str,
    /// Raw text after `?`.
    pub query: Option<&'a str>,
    /// The backend that is asked, where the route has several.
    pub backend: Option<&'a str>,
    /// Whether the gateway speaks CORS for the route: what is stored is then free of the origin's own.
    pub cors: bool,
    /// Who calls, as far as the gateway knows.
    pub caller: Option<Caller<'a>>,
    /// The request's fields as the origin gets them.
    pub headers: &'a dyn Headers,
}

/// A verified caller, and all that the origin learns of him.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The issuer, within which alone the consumer's name is unique.
    pub issuer: &'a str,
    /// The consumer.
    pub consumer: &'a str,
    /// The very edits that introduce him to the origin: scopes and claims among them.
    pub introduction: &'a [Edit],
    /// The `Authorization` field, where the origin gets that too.
    pub credentials: Option<&'a str>,
}

/// The key under which the answer to a GET or HEAD is kept: `https://cache.invalid/<api>/<SHA-256>`.
///
/// All that varies enters the hash with its length before it, so that no choice of delimiters makes two requests
/// share a key.
///
/// A query parameter that the rule names enters with every pair that some origin may take for it: those of the same
/// name without regard to case, and all whose name holds more than letters, digits, `-` and `_`, for origins decode,
/// trim and fold such names in ways of their own. A query with a `;`, which old parsers take for `&`, enters whole.
/// Without this a caller could plant the answer to `?page=1&%70age=2` under `page=1`.
pub fn key(rule: &Rule, subject: &Subject<'_>) -> String {
    let Subject { api, query, headers, .. } = *subject;
    let mut hash = Hash(Sha256::new());
    hash.part(b's', if subject.https { "https" } else { "http" });
    hash.part(b'h', subject.authority);
    hash.part(b'r', subject.route);
    hash.optional(b'f', subject.proxied);
    hash.part(b'p', subject.path);
    hash.part(b'o', if subject.cors { "ours" } else { "theirs" });
    if let Some(backend) = subject.backend {
        hash.part(b'b', backend);
    }
    if rule.key.is_empty() {
        hash.optional(b'a', query);
    }
    for part in &rule.key {
        match part {
            KeyPart::Consumer => hash.caller(subject.caller.as_ref()),
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
    let own = pair.split_once('=').map_or(pair, |(own, _)| own);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // PHP, for one, calls `user.id` and `user[id` `user_id`.
    let fold = |byte: u8| if plain(byte) { byte.to_ascii_lowercase() } else { b'_' };
    !own.bytes().all(plain) || own.bytes().map(fold).eq(name.bytes().map(fold))
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

    fn caller(&mut self, caller: Option<&Caller<'_>>) {
        let Some(caller) = caller else { return self.optional(b'c', None) };
        self.part(b'c', caller.consumer);
        self.part(b'i', caller.issuer);
        for edit in caller.introduction {
            self.part(b'e', edit.name());
            self.optional(b'v', edit.value());
        }
        self.optional(b'k', caller.credentials);
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

    /// A request of nobody for `https://h/x`.
    fn plain(headers: &dyn Headers) -> Subject<'_> {
        Subject {
            api: "orders/v2",
            route: "getOrder",
            https: true,
            authority: "h",
            proxied: None,
            path: "/x",
            query: None,
            backend: None,
            cors: false,
            caller: None,
            headers,
        }
    }

    fn caller(consumer: &str) -> Caller<'_> {
        Caller { issuer: "i", consumer, introduction: &[], credentials: None }
    }

    fn of(
        parts: &[KeyPart],
        authority: &str,
        path: &str,
        query: Option<&str>,
        consumer: Option<&str>,
    ) -> String {
        let caller = consumer.map(caller);
        let none = Vec::new();
        key(&rule(parts.to_vec()), &Subject { authority, path, query, caller, ..plain(&none) })
    }

    #[test]
    fn is_a_url_of_fixed_length_and_stable() {
        let k = key(&rule(vec![]), &Subject { api: "a b/v 1?", ..plain(&Vec::new()) });
        assert!(k.starts_with("https://cache.invalid/a%20b/v%201%3F/"), "{k}");
        assert_eq!(
            of(&[], "h", "/x", None, None),
            "https://cache.invalid/orders/v2/bff51769b4c797c9832e0dfd13f448f8217e0e2090233fa6ad98a572629703c1"
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
        assert_eq!(at("page=1"), at("page=1&pages=2&pag=3&=4&&utm_source=5"));
        // Names that some origin takes for the one that the rule has.
        let user = [KeyPart::Query("user.id".into())];
        let at = |q: &str| of(&user, "h", "/x", Some(q), None);
        for other in ["user_id=2", "USER.id=2", "user[id=2", "user%5Fid=2"] {
            assert_ne!(at("user.id=1"), at(&format!("user.id=1&{other}")), "{other}");
        }
    }

    #[test]
    fn callers_are_kept_apart() {
        let c = [KeyPart::Consumer];
        assert_ne!(of(&c, "h", "/x", None, Some("a")), of(&c, "h", "/x", None, Some("b")));
        assert_ne!(of(&c, "h", "/x", None, Some("")), of(&c, "h", "/x", None, None));
        let set = |name: &'static str, value: &'static str| [Edit::Set(name.into(), value.into())];
        let (scopes, more, tenant) = (set("scopes", "a"), set("scopes", "a b"), set("tenant", "a"));
        let ann = caller("ann");
        let callers = [
            ann,
            Caller { issuer: "j", ..ann },
            Caller { introduction: &scopes, ..ann },
            Caller { introduction: &more, ..ann },
            Caller { introduction: &tenant, ..ann },
            Caller { credentials: Some("Bearer a"), ..ann },
            Caller { credentials: Some("Bearer b"), ..ann },
        ];
        let none = Vec::new();
        let at =
            |caller: Caller<'_>| key(&rule(c.to_vec()), &Subject { caller: Some(caller), ..plain(&none) });
        apart(&callers.map(at));
    }

    #[test]
    fn what_origins_make_links_of_counts() {
        let none = Vec::new();
        let subject = plain(&none);
        apart(
            &[
                subject,
                Subject { https: false, ..subject },
                Subject { authority: "h:8443", ..subject },
                Subject { proxied: Some(""), ..subject },
                Subject { proxied: Some("other"), ..subject },
                Subject { cors: true, ..subject },
                Subject { backend: Some("a"), ..subject },
                Subject { backend: Some("b"), ..subject },
            ]
            .map(|subject| key(&rule(vec![]), &subject)),
        );
    }

    fn apart(all: &[String]) {
        for (i, a) in all.iter().enumerate() {
            for b in all.iter().skip(i + 1) {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn headers_count_by_name_and_presence() {
        let r = rule(vec![KeyPart::Header("x-a".into()), KeyPart::Header("x-b".into())]);
        let at = |lines: &[(&str, &str)]| {
            let lines: Vec<(String, String)> =
                lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            key(&r, &plain(&lines))
        };
        apart(&[
            at(&[]),
            at(&[("x-a", "1")]),
            at(&[("x-b", "1")]),
            at(&[("x-a", "")]),
            at(&[("x-a", "1"), ("x-b", "1")]),
        ]);
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
