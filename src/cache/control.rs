//! `Cache-Control` (RFC 9111 §5.2), of requests and responses.

use crate::header;

/// Largest `delta-seconds` (§1.2.2): what does not fit is taken as this.
const MAX_DELTA: u32 = 1 << 31;

/// What a `Cache-Control` field says. Wherever it can be read in two ways, the stricter is taken: of repeated
/// arguments the one that caches less, a missing or malformed `max-age` as 0 (§4.2.1), a qualified `no-cache` or
/// `private` as the unqualified, a quote that never closes as `no-store`. Unknown directives are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`, with or without field names.
    pub no_cache: bool,
    /// `private`, with or without field names.
    pub private: bool,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `max-age` in seconds.
    pub max_age: Option<u32>,
    /// `s-maxage` in seconds.
    pub s_maxage: Option<u32>,
    /// `min-fresh` in seconds.
    pub min_fresh: Option<u32>,
}

impl Control {
    /// Reads a combined field value. Never fails.
    pub fn parse(value: &str) -> Control {
        let mut control = Control { no_store: !header::quotes_closed(value), ..Control::default() };
        for directive in header::list(value) {
            let (name, argument) = match directive.split_once('=') {
                Some((name, argument)) => (name.trim(), Some(argument)),
                None => (directive, None),
            };
            control.apply(name, argument);
        }
        control
    }

    fn apply(&mut self, name: &str, argument: Option<&str>) {
        let is = |directive: &str| name.eq_ignore_ascii_case(directive);
        let seconds = argument.and_then(delta);
        let less = |old: Option<u32>| {
            let new = seconds.unwrap_or(0);
            Some(old.map_or(new, |old| old.min(new)))
        };
        if is("max-age") {
            self.max_age = less(self.max_age);
        } else if is("s-maxage") {
            self.s_maxage = less(self.s_maxage);
        } else if is("min-fresh") {
            // The more it asks for, the less fits; what cannot be read can be met by nothing.
            self.min_fresh = self.min_fresh.max(Some(seconds.unwrap_or(MAX_DELTA)));
        } else if is("no-store") {
            self.no_store = true;
        } else if is("no-cache") {
            self.no_cache = true;
        } else if is("private") {
            self.private = true;
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        }
    }
}

/// `delta-seconds`, also quoted (§5.2: recipients ought to accept both forms); clamped to [`MAX_DELTA`].
fn delta(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    seconds(digits)
}

/// Digits only, clamped to [`MAX_DELTA`].
pub(super) fn seconds(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // All digits, so that the only way to fail is to be too large.
    Some(digits.parse::<u32>().unwrap_or(MAX_DELTA).min(MAX_DELTA))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(c: &Control) -> String {
        let mut out = Vec::new();
        for (on, name) in [
            (c.no_store, "no-store"),
            (c.no_cache, "no-cache"),
            (c.private, "private"),
            (c.public, "public"),
            (c.must_revalidate, "must-revalidate"),
            (c.must_understand, "must-understand"),
            (c.only_if_cached, "only-if-cached"),
        ] {
            if on {
                out.push(name.to_string());
            }
        }
        for (value, name) in [(c.max_age, "max-age"), (c.s_maxage, "s-maxage"), (c.min_fresh, "min-fresh")] {
            if let Some(value) = value {
                out.push(format!("{name}={value}"));
            }
        }
        out.join(", ")
    }

    #[test]
    fn table() {
        let none = Control::default();
        for (value, expected) in [
            ("", none),
            ("max-age=60", Control { max_age: Some(60), ..none }),
            ("MAX-AGE=60, Public", Control { max_age: Some(60), public: true, ..none }),
            ("max-age=\"60\"", Control { max_age: Some(60), ..none }),
            ("max-age='60'", Control { max_age: Some(0), ..none }),
            ("max-age = 60", Control { max_age: Some(0), ..none }),
            ("max-age", Control { max_age: Some(0), ..none }),
            ("max-age=", Control { max_age: Some(0), ..none }),
            ("max-age=-1", Control { max_age: Some(0), ..none }),
            ("max-age=+1", Control { max_age: Some(0), ..none }),
            ("max-age=60.5", Control { max_age: Some(0), ..none }),
            ("max-age=60, max-age=10, max-age=100", Control { max_age: Some(10), ..none }),
            ("max-age=99999999999999999999", Control { max_age: Some(MAX_DELTA), ..none }),
            ("max-age=4294967295", Control { max_age: Some(MAX_DELTA), ..none }),
            ("s-maxage=5, max-age=60", Control { max_age: Some(60), s_maxage: Some(5), ..none }),
            ("private=\"x-a, x-b\", max-age=1", Control { private: true, max_age: Some(1), ..none }),
            ("no-cache=\"set-cookie\"", Control { no_cache: true, ..none }),
            ("ext=\"no-store, max-age=9\", max-age=1", Control { max_age: Some(1), ..none }),
            ("ext=\"no-store, max-age=9", Control { no_store: true, ..none }),
            ("max-age=9\", private", Control { no_store: true, max_age: Some(0), ..none }),
            ("min-fresh=1, min-fresh=7", Control { min_fresh: Some(7), ..none }),
            ("min-fresh=x", Control { min_fresh: Some(MAX_DELTA), ..none }),
            ("no-stores, xno-store, unknown=1", none),
            (",, only-if-cached ,", Control { only_if_cached: true, ..none }),
            (
                "must-understand,must-revalidate",
                Control { must_understand: true, must_revalidate: true, ..none },
            ),
        ] {
            assert_eq!(Control::parse(value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_idempotent(text in "\\PC{0,80}") {
            let once = Control::parse(&text);
            prop_assert_eq!(Control::parse(&write(&once)), once);
        }

        #[test]
        fn directives_in_any_mix(parts in prop::collection::vec(
            ("(no-store|private|public|no-cache|max-age|s-maxage|min-fresh|x)", "(|=[0-9]{0,12}|=\"[0-9, ]{0,6}\"?)"), 0..8)
        ) {
            let text = parts.iter().map(|(n, a)| format!("{n}{a}")).collect::<Vec<_>>().join(",");
            let once = Control::parse(&text);
            prop_assert_eq!(Control::parse(&write(&once)), once);
            // Adding a directive never makes the answer more cacheable.
            let more = Control::parse(&format!("{text},no-store"));
            prop_assert!(more.no_store);
        }
    }
}
