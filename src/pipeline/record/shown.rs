//! What of a value a record shows. Every value is made a [`Shown`] by the subject that it belongs to, and a subject
//! says how sensitive it is in one exhaustive match: a new kind of input does not compile before that is decided.

use crate::ports::Fact;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Longest text shown, in bytes.
const LONGEST: usize = 256;

/// What a value belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A header field of a request or an answer, name in lower case.
    Header(&'a str),
    /// A fact about the connection.
    Fact(Fact),
    /// A secret, by its binding.
    Secret(&'a str),
    /// A claim of a token, or what is made of claims, such as the consumer's name.
    Claim(&'a str),
    /// What stands in the plan, or what the gateway found out: nothing that a client or an issuer wrote.
    Own(&'a str),
}

/// How much of a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    /// All of it.
    Public,
    /// Its length and a tag, by which equal values can be told from others.
    Hidden,
}

/// Fields whose values say nothing secret. All others are hidden: nobody knows what a client writes into a field of its
/// own, or an operator into one for an origin.
const PUBLIC: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "age",
    "allow",
    "cache-control",
    "cache-status",
    "cdn-loop",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "deprecation",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-status",
    "ratelimit",
    "ratelimit-policy",
    "referrer-policy",
    "retry-after",
    "server",
    "server-timing",
    "strict-transport-security",
    "sunset",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];
/// Beginnings of further such names.
const PUBLIC_PREFIXES: &[&str] =
    &["access-control-", "sec-fetch-", "sec-websocket-version", "tollgate-partial", "x-forwarded-"];

impl Subject<'_> {
    /// How much of its value may be shown.
    pub fn sensitivity(&self) -> Sensitivity {
        match self {
            Subject::Header(name) => {
                let public =
                    PUBLIC.contains(name) || PUBLIC_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
                if public { Sensitivity::Public } else { Sensitivity::Hidden }
            }
            Subject::Fact(fact) => match fact {
                Fact::Address | Fact::Colo | Fact::Country | Fact::HasBody | Fact::Certificate => {
                    Sensitivity::Public
                }
            },
            Subject::Secret(_) | Subject::Claim(_) => Sensitivity::Hidden,
            Subject::Own(_) => Sensitivity::Public,
        }
    }

    fn name(&self) -> String {
        match self {
            Subject::Header(name) => format!("header {name}"),
            Subject::Fact(Fact::Address) => "address".to_owned(),
            Subject::Fact(Fact::Colo) => "colo".to_owned(),
            Subject::Fact(Fact::Country) => "country".to_owned(),
            Subject::Fact(Fact::HasBody) => "has a body".to_owned(),
            Subject::Fact(Fact::Certificate) => "client certificate".to_owned(),
            Subject::Secret(name) => format!("secret {name}"),
            Subject::Claim(name) => format!("claim {name}"),
            Subject::Own(name) => (*name).to_owned(),
        }
    }
}

/// A value as it is shown: whole, or by length and tag, or as absent (none of the three).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The value, where it may be shown; cut to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Length in bytes of a value that is hidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    /// Eight hexadecimal digits of a keyed hash of a value that is hidden: equal for equal values, and without the
    /// gateway's key nobody can try values against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
}

impl Shown {
    /// What may be shown of a value; `None`: it is absent.
    pub fn of(subject: Subject<'_>, value: Option<&str>, key: &[u8]) -> Shown {
        let Some(value) = value else { return Shown::default() };
        match subject.sensitivity() {
            Sensitivity::Public => Shown { value: Some(cut(value, LONGEST).to_owned()), ..Shown::default() },
            Sensitivity::Hidden => {
                Shown { value: None, bytes: Some(value.len()), tag: Some(tag(key, value.as_bytes())) }
            }
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        match (&self.value, self.bytes, &self.tag) {
            (Some(value), ..) => value.clone(),
            (None, Some(bytes), tag) => format!("{bytes} bytes, #{}", tag.as_deref().unwrap_or_default()),
            _ => "absent".to_owned(),
        }
    }
}

/// An input of a policy, or what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What it is.
    pub of: String,
    /// What it was.
    #[serde(flatten)]
    pub shown: Shown,
}

impl Input {
    /// The value of a subject.
    pub fn of(subject: Subject<'_>, value: Option<&str>, key: &[u8]) -> Input {
        Input { of: cut(&subject.name(), LONGEST).to_owned(), shown: Shown::of(subject, value, key) }
    }
}

fn tag(key: &[u8], value: &[u8]) -> String {
    // A key of any length is taken.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    let digest = mac.chain_update(b"tollgate record tag\0").chain_update(value).finalize().into_bytes();
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The beginning of a text: so many bytes at most, and no half character.
pub fn cut(text: &str, most: usize) -> &str {
    (0..=most.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or("")
}

/// A query whose values are hidden where their names tell of secrets.
pub fn query(text: &str) -> String {
    let telling = [
        "token",
        "key",
        "secret",
        "pass",
        "pwd",
        "sig",
        "auth",
        "code",
        "session",
        "jwt",
        "credential",
        "assertion",
    ];
    let pair = |pair: &str| match pair.split_once('=') {
        // An escape in a name may spell any of them.
        Some((name, value))
            if name.contains('%') || telling.iter().any(|word| name.to_ascii_lowercase().contains(word)) =>
        {
            format!("{name}=({} bytes)", value.len())
        }
        _ => pair.to_owned(),
    };
    let pairs: Vec<String> = text.split('&').map(pair).collect();
    cut(&pairs.join("&"), 1024).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_public_is_shown_and_all_else_is_not() {
        for (subject, shown) in [
            (Subject::Header("origin"), true),
            (Subject::Header("access-control-request-method"), true),
            (Subject::Header("authorization"), false),
            (Subject::Header("cookie"), false),
            (Subject::Header("set-cookie"), false),
            (Subject::Header("x-api-key"), false),
            (Subject::Header("x-consumer-id"), false),
            (Subject::Header("x-anything"), false),
            (Subject::Fact(Fact::Address), true),
            (Subject::Secret("PARTNERS"), false),
            (Subject::Claim("sub"), false),
            (Subject::Own("issuer"), true),
        ] {
            let text = serde_json::to_string(&Input::of(subject, Some("the value"), b"k")).unwrap();
            assert_eq!(text.contains("the value"), shown, "{text}");
            assert_eq!(text.contains("\"bytes\":9"), !shown, "{text}");
        }
        let absent = serde_json::to_string(&Input::of(Subject::Header("cookie"), None, b"k")).unwrap();
        assert_eq!(absent, r#"{"of":"header cookie"}"#);
    }

    #[test]
    fn tags_tell_equal_from_different_and_need_the_key() {
        assert_eq!(tag(b"k", b"a"), tag(b"k", b"a"));
        assert_ne!(tag(b"k", b"a"), tag(b"k", b"b"));
        assert_ne!(tag(b"k", b"a"), tag(b"l", b"a"));
        assert_eq!(tag(b"k", b"a").len(), 8);
    }

    #[test]
    fn telling_parameters_are_hidden() {
        assert_eq!(
            query("page=2&api_key=abc&X-Amz-Signature=12345&%74oken=x&b"),
            "page=2&api_key=(3 bytes)&X-Amz-Signature=(5 bytes)&%74oken=(1 bytes)&b"
        );
    }

    proptest! {
        #[test]
        fn shown_values_are_bounded(value in "\\PC{0,400}", name in "[a-z-]{1,400}") {
            for subject in [Subject::Header("origin"), Subject::Own(&name), Subject::Claim(&name)] {
                let input = Input::of(subject, Some(&value), b"k");
                prop_assert!(serde_json::to_string(&input).unwrap().len() < 4 * LONGEST);
            }
            prop_assert!(query(&value).len() <= 1024);
        }
    }
}
