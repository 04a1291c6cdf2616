//! What a request asks for, as far as it chooses a route, and whether a condition holds for it.

use crate::plan::rule::{Condition, Rule, Selector, Subject, Test};
use regex_lite::Regex;
use std::borrow::Cow;

/// Facts about a request that only some routes look at.
pub trait Facts {
    /// The combined value of the header field with this lower-case name.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// Whether the client showed a certificate that the edge verified.
    fn certificate(&self) -> bool;
}

/// A request as the router sees it. Host and path are in canonical form.
#[derive(Clone, Copy)]
pub struct Asked<'p, 'f> {
    /// The method.
    pub method: &'p str,
    /// The host ([`super::host::canonical`]).
    pub host: &'p str,
    /// The path ([`super::path::canonical`]).
    pub path: &'p str,
    /// What stands behind `?`.
    pub query: Option<&'p str>,
    /// Everything else; `None` for a CORS preflight, which comes without the fields of the request that it asks for:
    /// conditions on header fields, cookies, certificate and version then hold.
    pub facts: Option<&'f dyn Facts>,
}

impl<'p> Asked<'p, '_> {
    /// A request of which only the first line matters.
    pub fn of(host: &'p str, method: &'p str, path: &'p str) -> Self {
        Asked { method, host, path, query: None, facts: None }
    }
}

/// A rule whose regular expressions are compiled.
#[derive(Debug)]
pub struct Ready {
    /// The rule.
    pub rule: Rule,
    /// Its path, where that is a regular expression.
    pub path: Option<Regex>,
    /// For each condition, its regular expression, where it has one.
    tests: Vec<Option<Regex>>,
}

impl Ready {
    /// Compiles a rule's regular expressions.
    ///
    /// # Errors
    /// The expression that is none, which compiling the plan rules out.
    pub fn new(rule: Rule) -> Result<Ready, String> {
        use crate::plan::rule::Pattern;
        let path = match &rule.path {
            Pattern::Regex(source) => Some(whole(source)?),
            _ => None,
        };
        let tests = rule.conditions.iter().map(|condition| match &condition.test {
            Test::Regex(source) => whole(source).map(Some),
            _ => Ok(None),
        });
        let tests = tests.collect::<Result<_, _>>()?;
        Ok(Ready { rule, path, tests })
    }

    /// The first condition that does not hold, by its index.
    pub fn failing(&self, asked: &Asked<'_, '_>) -> Option<usize> {
        let mut tests = self.rule.conditions.iter().zip(&self.tests);
        tests.position(|(condition, regex)| !holds(condition, regex.as_ref(), asked))
    }
}

/// A regular expression that must fit a text as a whole, bounded in size: matching takes the product of its size and
/// the text's length at most.
///
/// # Errors
/// What is wrong with it.
pub fn whole(source: &str) -> Result<Regex, String> {
    // By itself first: one such as `a)|(?:b` would close the group around it, and fit more than the whole.
    let built = Regex::new(source)
        .and_then(|_| regex_lite::RegexBuilder::new(&format!("^(?:{source})$")).size_limit(1 << 16).build());
    built.map_err(|error| error.to_string())
}

/// Whether a version condition holds, by itself.
pub fn selects(condition: &Condition, asked: &Asked<'_, '_>) -> bool {
    holds(condition, None, asked)
}

fn holds(condition: &Condition, regex: Option<&Regex>, asked: &Asked<'_, '_>) -> bool {
    let value = match &condition.subject {
        Subject::Query(name) | Subject::Version(Selector::Query(name)) => query(asked.query, name),
        subject => {
            let Some(facts) = asked.facts else { return true };
            match subject {
                Subject::Header(name) | Subject::Version(Selector::Header(name)) => facts.header(name),
                Subject::Cookie(name) => facts
                    .header("cookie")
                    .and_then(|field| cookie(&field, name).map(|value| Cow::Owned(value.to_owned()))),
                Subject::Version(Selector::Media(name)) => {
                    facts.header("accept").and_then(|field| media(&field, name).map(Cow::Owned))
                }
                Subject::Certificate => facts.certificate().then_some(Cow::Borrowed("1")),
                Subject::Query(_) | Subject::Version(Selector::Query(_)) => None,
            }
        }
    };
    let among = |list: &[String], value: &str| list.iter().any(|own| own == value);
    match (&condition.test, value) {
        (Test::Present, value) => value.is_some(),
        (Test::Absent | Test::InOrAbsent(_), None) => true,
        (Test::Absent, Some(_)) | (Test::In(_) | Test::Regex(_), None) => false,
        (Test::In(list) | Test::InOrAbsent(list), Some(value)) => among(list, &value),
        (Test::Regex(_), Some(value)) => regex.is_some_and(|regex| regex.is_match(&value)),
    }
}

/// The first query parameter of that name, decoded as forms are (URL standard §5.1).
fn query<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    query?.split('&').find_map(|pair| {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(own) == name).then(|| decoded(value))
    })
}

/// Percent-decoded, with `+` for a space; bytes that are no UTF-8 become U+FFFD.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        rest = tail;
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high << 4 | low).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first cookie of that name (RFC 6265 §4.2.1), without the quotes around its value.
pub(crate) fn cookie<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    // Lines of HTTP/2 reach workers joined by a comma and a space.
    field.split(';').flat_map(|pairs| pairs.split(", ")).find_map(|pair| {
        let (own, value) = pair.split_once('=')?;
        let value = value.trim_matches([' ', '\t']);
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (own.trim_matches([' ', '\t']) == name).then(|| bare.unwrap_or(value))
    })
}

/// The parameter of the first media range that has it (RFC 9110 §5.6.6, §12.5.1).
pub(crate) fn media(field: &str, name: &str) -> Option<String> {
    pieces(field, ',').into_iter().find_map(|range| {
        pieces(range, ';').into_iter().skip(1).find_map(|parameter| {
            let (own, value) = parameter.split_once('=')?;
            let value = value.trim_matches([' ', '\t']);
            own.trim_matches([' ', '\t']).eq_ignore_ascii_case(name).then(|| unquoted(value))
        })
    })
}

/// The parts between separators that stand outside quoted strings.
fn pieces(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c: char| {
        let splits = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        splits
    })
    .collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            (escaped, _) = (false, out.push(c));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_query_parameter_counts_decoded() {
        for (text, value) in [
            ("a=1", Some("1")),
            ("b=2&a=1&a=3", Some("1")),
            ("a", Some("")),
            ("a=", Some("")),
            ("%61=x%20y+z", Some("x y z")),
            ("a=%", Some("%")),
            ("a=%zz%4", Some("%zz%4")),
            ("a=%ff", Some("\u{fffd}")),
            ("A=1", None),
            ("", None),
            ("b=a", None),
        ] {
            assert_eq!(query(Some(text), "a").as_deref(), value, "{text}");
        }
        assert_eq!(query(None, "a"), None);
    }

    #[test]
    fn the_first_cookie_counts() {
        for (field, value) in [
            ("a=1", Some("1")),
            ("b=2; a=1; a=3", Some("1")),
            ("b=2;a=\"q\"", Some("q")),
            ("a=x=y", Some("x=y")),
            ("b=2, a=1", Some("1")),
            ("a=1,2", Some("1,2")),
            ("aa=1; a", None),
            ("", None),
        ] {
            assert_eq!(cookie(field, "a"), value, "{field}");
        }
    }

    #[test]
    fn the_first_media_range_with_the_parameter_counts() {
        for (field, value) in [
            ("application/json;version=2", Some("2")),
            ("text/html, application/json; q=0.9; Version=\"2\"", Some("2")),
            ("a/b;x=\"1;version=9\";version=2", Some("2")),
            ("a/b;x=\"\\\",;version=9\", c/d;version=3", Some("3")),
            ("a/b;version=\"a\\\"b\"", Some("a\"b")),
            ("version=2", None),
            ("a/b", None),
            ("", None),
        ] {
            assert_eq!(media(field, "version").as_deref(), value, "{field}");
        }
    }

    #[test]
    fn expressions_fit_as_a_whole() {
        assert!(whole("a|b").unwrap().is_match("b"));
        assert!(!whole("a|b").unwrap().is_match("ab"));
        assert!(whole("(").is_err());
        for escaping in ["a)|(?:b", "a)|(b", ")(", "(?x)a #"] {
            assert!(whole(escaping).is_err(), "{escaping}");
        }
        assert!(whole("(?:a{1000}){1000}").is_err());
    }
}
