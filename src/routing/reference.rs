//! What [`crate::plan::rule`] says, spelt out without any thought of speed: the reference for tests of the matcher and
//! of the analysis of conflicts. It shares no code with either.

// For tests only: what does not hold here should fail loudly.
#![allow(clippy::unwrap_used)]

use crate::plan::rule::{Condition, Pattern, Rule, Selector, Subject, Test};
use crate::plan::{BaseForm, Matching, Slash};
use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

/// A request with host and path in canonical form, and everything else as conditions see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Host in canonical form.
    pub host: String,
    /// Method.
    pub method: String,
    /// Path in canonical form.
    pub path: String,
    /// Query parameters in order, decoded.
    pub query: Vec<(String, String)>,
    /// Header fields, names in lower case, each name once.
    pub headers: Vec<(String, String)>,
    /// Cookies in order.
    pub cookies: Vec<(String, String)>,
    /// Whether there is a verified client certificate.
    pub certificate: bool,
}

/// A rule with what its API says.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Host patterns: exact, `{label}.suffix`, `*.suffix`. Empty: every host.
    pub hosts: Vec<String>,
    /// Base path, canonical, without a trailing slash; empty for the root.
    pub base: String,
    /// What its paths and methods may look like.
    pub matching: Matching,
    /// The rule.
    pub rule: Rule,
}

/// Whether a request belongs to a rule.
pub fn fits(placed: &Placed, request: &Request) -> bool {
    let Placed { hosts, base, matching, rule } = placed;
    (hosts.is_empty() || hosts.iter().any(|pattern| host_fits(pattern, &request.host)))
        && below(base, matching.base, &request.path).is_some_and(|path| {
            let other = path.strip_suffix('/').filter(|other| !other.is_empty());
            let other = other.filter(|_| matching.slash == Slash::Ignored && !is_tail(&rule.path));
            path_fits(&rule.path, path) || other.is_some_and(|other| path_fits(&rule.path, other))
        })
        && method_rank(placed, &request.method).is_some()
        && rule.conditions.iter().all(|condition| holds(condition, request))
}

/// Which of two rules that fit a request goes first: `Less` for `a`, `Equal` for neither.
pub fn goes_first(a: &Placed, b: &Placed, request: &Request) -> Ordering {
    rank(a, request).cmp(&rank(b, request))
}

/// The places of the rules that fit a request and none goes before: one, none, or several that are in conflict.
pub fn winners(rules: &[Placed], request: &Request) -> Vec<usize> {
    let fit: Vec<usize> = (0..rules.len()).filter(|i| fits(&rules[*i], request)).collect();
    let best = fit.iter().map(|i| rank(&rules[*i], request)).min();
    fit.into_iter().filter(|i| Some(rank(&rules[*i], request)) == best).collect()
}

/// The weight of a rule for a request that it fits; the smaller goes first.
type Rank = ((u8, Reverse<usize>), (u8, Vec<Element>), u8, Reverse<usize>, Reverse<usize>, Reverse<i32>);

fn rank(placed: &Placed, request: &Request) -> Rank {
    let Placed { hosts, base, rule, .. } = placed;
    let fitting = hosts.iter().filter(|pattern| host_fits(pattern, &request.host));
    let host = fitting.map(|pattern| host_rank(pattern)).min().unwrap_or((3, Reverse(0)));
    let count = |wanted: fn(&Subject) -> bool| {
        Reverse(rule.conditions.iter().filter(|condition| wanted(&condition.subject)).count())
    };
    (
        host,
        path_rank(base, &rule.path),
        method_rank(placed, &request.method).unwrap(),
        count(|s| matches!(s, Subject::Header(_) | Subject::Cookie(_) | Subject::Certificate)),
        count(|s| matches!(s, Subject::Query(_))),
        Reverse(rule.priority),
    )
}

fn host_fits(pattern: &str, host: &str) -> bool {
    if let Some(suffix) = pattern.strip_prefix("*.") {
        return host.strip_suffix(suffix).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
    }
    if pattern.starts_with('{') {
        let suffix = pattern.split_once("}.").unwrap().1;
        return host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix);
    }
    pattern == host
}

fn host_rank(pattern: &str) -> (u8, Reverse<usize>) {
    match pattern {
        _ if pattern.starts_with('{') => (1, Reverse(0)),
        _ if pattern.starts_with("*.") => (2, Reverse(pattern.len())),
        _ => (0, Reverse(0)),
    }
}

/// The path below a base; the base alone is its `/`, in the forms that are taken.
fn below<'p>(base: &str, form: BaseForm, path: &'p str) -> Option<&'p str> {
    match path.strip_prefix(base)? {
        "" => (form != BaseForm::Slash).then_some("/"),
        "/" if !base.is_empty() => (form != BaseForm::Bare).then_some("/"),
        rest => rest.starts_with('/').then_some(rest),
    }
}

/// Patterns that say themselves what may stand at the end.
fn is_tail(pattern: &Pattern) -> bool {
    !matches!(pattern, Pattern::Template(text) if !text.contains("{*"))
}

fn path_fits(pattern: &Pattern, path: &str) -> bool {
    match pattern {
        Pattern::Prefix(prefix) => path == prefix || path.starts_with(&format!("{prefix}/")),
        Pattern::Regex(source) => whole(source, path),
        Pattern::Template(template) => {
            let mut elements = path.split('/').skip(1);
            for wanted in template.split('/').skip(1) {
                let Some(element) = elements.next() else { return false };
                let fits = match Element::of(wanted) {
                    Element::Rest => return !element.is_empty() || elements.next().is_some(),
                    Element::Literal => element == plain(wanted),
                    Element::Affix(..) | Element::Param => {
                        let (before, after) = around(wanted);
                        element.len() > before.len() + after.len()
                            && element.starts_with(&before)
                            && element.ends_with(&after)
                    }
                    Element::End => false,
                };
                if !fits {
                    return false;
                }
            }
            elements.next().is_none()
        }
    }
}

/// What one element of a path pattern weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Element {
    Literal,
    /// Length of the text behind the parameter, and before it.
    Affix(Reverse<usize>, Reverse<usize>),
    Param,
    Rest,
    /// A prefix ends here.
    End,
}

impl Element {
    fn of(text: &str) -> Element {
        let doubled = text.replace("{{", "").replace("}}", "");
        if doubled.starts_with("{*") {
            return Element::Rest;
        }
        if !doubled.contains('{') {
            return Element::Literal;
        }
        let (before, after) = around(text);
        match (before.len(), after.len()) {
            (0, 0) => Element::Param,
            (before, after) => Element::Affix(Reverse(after), Reverse(before)),
        }
    }
}

/// Literal text without its doubled braces.
fn plain(text: &str) -> String {
    text.replace("{{", "{").replace("}}", "}")
}

/// The literal text before and after an element's parameter.
fn around(text: &str) -> (String, String) {
    // What cannot stand in a template stands for the doubled braces while the others are looked for.
    let text = text.replace("{{", "\0").replace("}}", "\x01");
    let (before, rest) = text.split_once('{').unwrap();
    let (_, after) = rest.split_once('}').unwrap();
    let back = |text: &str| text.replace('\0', "{").replace('\x01', "}");
    (back(before), back(after))
}

/// Templates before regular expressions before catch-alls and prefixes, then element by element.
fn path_rank(base: &str, pattern: &Pattern) -> (u8, Vec<Element>) {
    let literal = |text: &str| vec![Element::Literal; text.matches('/').count()];
    let mut elements = literal(base);
    match pattern {
        // Of two regular expressions the one with the longer base goes first.
        Pattern::Regex(_) => {
            elements.push(Element::End);
            (1, elements)
        }
        Pattern::Prefix(prefix) => {
            elements.extend(literal(prefix));
            elements.push(Element::End);
            (2, elements)
        }
        Pattern::Template(template) => {
            elements.extend(template.split('/').skip(1).map(Element::of));
            (if elements.last() == Some(&Element::Rest) { 2 } else { 0 }, elements)
        }
    }
}

/// How well a rule names a method; `None` if it does not.
fn method_rank(placed: &Placed, method: &str) -> Option<u8> {
    let (rule, head) = (&placed.rule, placed.matching.head);
    let names = |name: &str| rule.methods.iter().any(|own| own == name);
    match () {
        () if names(method) => Some(0),
        () if head && method == "HEAD" && names("GET") => Some(1),
        () if rule.methods.is_empty() => Some(2),
        () => None,
    }
}

fn holds(condition: &Condition, request: &Request) -> bool {
    let first = |list: &[(String, String)], name: &str| {
        list.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
    };
    let value = match &condition.subject {
        Subject::Header(name) | Subject::Version(Selector::Header(name)) => first(&request.headers, name),
        Subject::Query(name) | Subject::Version(Selector::Query(name)) => first(&request.query, name),
        Subject::Cookie(name) => first(&request.cookies, name),
        Subject::Certificate => request.certificate.then(String::new),
        Subject::Version(Selector::Media(name)) => first(&request.headers, "accept").and_then(|accept| {
            let parameters = accept.split(',').flat_map(|range| range.split(';').skip(1));
            let mut named = parameters.filter_map(|parameter| parameter.trim().split_once('='));
            let found = named.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
            Some(found.1.trim_matches('"').to_owned())
        }),
    };
    match (&condition.test, value) {
        (Test::Present, value) => value.is_some(),
        (Test::Absent, value) => value.is_none(),
        (Test::In(values) | Test::InOrAbsent(values), Some(value)) => values.contains(&value),
        (Test::InOrAbsent(_), None) => true,
        (Test::In(_) | Test::Regex(_), None) => false,
        (Test::Regex(source), Some(value)) => whole(source, &value),
    }
}

/// Whether a regular expression fits a whole text.
fn whole(source: &str, text: &str) -> bool {
    thread_local! {
        static KNOWN: RefCell<HashMap<String, regex_lite::Regex>> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        let regex = || regex_lite::Regex::new(&format!("^(?:{source})$")).unwrap();
        known.entry(source.to_owned()).or_insert_with(regex).is_match(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(host: &str, base: &str, methods: &str, path: Pattern) -> Placed {
        let words = |text: &str| text.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        Placed {
            hosts: words(host),
            base: base.into(),
            matching: Matching::default(),
            rule: Rule { route: 0, path, methods: words(methods), conditions: Vec::new(), priority: 0 },
        }
    }

    fn template(text: &str) -> Pattern {
        Pattern::Template(text.into())
    }

    fn request(line: &str) -> Request {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().unwrap();
        Request { method: next(), host: next(), path: next(), ..Request::default() }
    }

    /// Each rule goes before the next on a request that both fit.
    #[test]
    fn the_order_is_that_of_the_documentation() {
        let of = |host, text| rule(host, "", "GET", template(text));
        let prefix = |text: &str| rule("", "", "GET", Pattern::Prefix(text.into()));
        let regex = |base, text: &str| rule("", base, "GET", Pattern::Regex(text.into()));
        for (line, first, second) in [
            ("GET a.b.c /", of("a.b.c", "/"), of("{x}.b.c", "/")),
            ("GET a.b.c /", of("{x}.b.c", "/"), of("*.b.c", "/")),
            ("GET a.b.c /", of("*.b.c", "/"), of("*.c", "/")),
            ("GET a.b.c /", of("*.c", "/"), of("", "/")),
            ("GET a.b.c /", of("x a.b.c *.c", "/"), of("*.b.c", "/")),
            ("GET h /a/b", of("", "/a/{x}"), of("", "/{x}/b")),
            ("GET h /ab.c", of("", "/{x}.c"), of("", "/ab{x}")),
            ("GET h /ab.c", of("", "/a{x}.c"), of("", "/{x}.c")),
            ("GET h /ab.c", of("", "/a{x}"), of("", "/{x}")),
            ("GET h /a", of("", "/{x}"), regex("", "/a")),
            ("GET h /b/a", regex("/b", "/a"), regex("", "/b/a")),
            ("GET h /a", regex("", "/.*"), prefix("/a")),
            ("GET h /a/b", prefix("/a/b"), of("", "/a/{*x}")),
            ("GET h /a/b", of("", "/a/{*x}"), prefix("/a")),
            ("GET h /a/b", prefix("/a"), of("", "/{x}/{*y}")),
            ("GET h /b", of("", "/b"), rule("", "/b", "GET", template("/"))),
            ("HEAD h /", rule("", "", "HEAD", template("/")), of("", "/")),
            ("HEAD h /", of("", "/"), rule("", "", "", template("/"))),
            ("GET h /", of("", "/"), rule("", "", "", template("/"))),
        ] {
            let request = request(line);
            assert!(fits(&first, &request) && fits(&second, &request), "{line}: {first:?} {second:?}");
            assert_eq!(goes_first(&first, &second, &request), Ordering::Less, "{line}: {first:?} {second:?}");
            assert_eq!(goes_first(&second, &first, &request), Ordering::Greater);
            assert_eq!(winners(&[second, first], &request), [1]);
        }
        let ties = [of("", "/{a}"), of("", "/{b}")];
        assert_eq!(winners(&ties, &request("GET h /x")), [0, 1]);
    }

    #[test]
    fn paths_fit_as_the_documentation_says() {
        let fits = |base: &str, path: &Pattern, line: &str| {
            fits(&rule("", base, "GET", path.clone()), &request(&format!("GET h {line}")))
        };
        for (base, path, yes, no) in [
            ("/b", template("/"), "/b /b/", "/ /bb /b/x"),
            ("", template("/"), "/", "/a"),
            ("", template("/a"), "/a", "/a/ /ab"),
            ("", template("/{x}/"), "/a/", "/a /"),
            ("", template("/{{a}}-{x}"), "/{a}-1", "/{a}- /a-1"),
            ("", template("/{*x}"), "/a /a/ /a/b", "/"),
            ("/b", Pattern::Prefix(String::new()), "/b /b/ /b/x/y", "/ /bx"),
            ("", Pattern::Prefix("/a".into()), "/a /a/ /a/b", "/ab /"),
            ("/b", Pattern::Regex("/|/[0-9]+".into()), "/b /b/ /b/12", "/b/1a /1"),
        ] {
            yes.split(' ').for_each(|line| assert!(fits(base, &path, line), "{base} {path:?} {line}"));
            no.split(' ').for_each(|line| assert!(!fits(base, &path, line), "{base} {path:?} {line}"));
        }
    }

    #[test]
    fn apis_say_how_paths_and_methods_may_look() {
        let default = Matching::default();
        let ignored = Matching { slash: Slash::Ignored, ..default };
        let bare = Matching { base: BaseForm::Bare, ..default };
        let slash = Matching { base: BaseForm::Slash, ..default };
        for (matching, path, yes, no) in [
            (default, template("/a"), "/b/a", "/b/a/"),
            (ignored, template("/a"), "/b/a /b/a/", "/b/a/a"),
            (ignored, template("/"), "/b /b/", "/b/a"),
            (ignored, Pattern::Regex("/a".into()), "/b/a", "/b/a/"),
            (bare, template("/"), "/b", "/b/"),
            (bare, Pattern::Prefix(String::new()), "/b /b/a", "/b/"),
            (slash, template("/"), "/b/", "/b"),
        ] {
            let placed = Placed { matching, ..rule("", "/b", "GET", path) };
            let fits = |path: &str| fits(&placed, &request(&format!("GET h {path}")));
            yes.split(' ').for_each(|path| assert!(fits(path), "{placed:?} {path}"));
            no.split(' ').for_each(|path| assert!(!fits(path), "{placed:?} {path}"));
        }
        let headless =
            Placed { matching: Matching { head: false, ..default }, ..rule("", "", "GET", template("/")) };
        assert!(!fits(&headless, &request("HEAD h /")) && fits(&headless, &request("GET h /")));
    }

    #[test]
    fn conditions_hold_as_the_documentation_says() {
        let pairs = |text: &str| -> Vec<(String, String)> {
            let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let request = Request {
            headers: pairs("a=1 e= accept=text/html,x/y;q=1;V=2,z/z;v=3"),
            query: pairs("q=1 q=2"),
            cookies: pairs("c=x c=y"),
            ..request("GET h /")
        };
        let header = |name: &str| Subject::Header(name.into());
        let one = || Test::In(vec!["1".into()]);
        let media = Subject::Version(Selector::Media("v".into()));
        for (subject, test, expected) in [
            (header("a"), one(), true),
            (header("e"), Test::Present, true),
            (header("b"), one(), false),
            (header("b"), Test::InOrAbsent(vec!["1".into()]), true),
            (header("a"), Test::InOrAbsent(vec!["2".into()]), false),
            (header("a"), Test::Absent, false),
            (header("a"), Test::Regex("[0-9]".into()), true),
            (header("accept"), Test::Regex("text".into()), false),
            (Subject::Query("q".into()), one(), true),
            (Subject::Query("q".into()), Test::In(vec!["2".into()]), false),
            (Subject::Version(Selector::Query("q".into())), one(), true),
            (Subject::Cookie("c".into()), Test::In(vec!["x".into()]), true),
            (Subject::Certificate, Test::Absent, true),
            (Subject::Certificate, Test::Present, false),
            (media, Test::In(vec!["2".into()]), true),
        ] {
            let condition = Condition { subject, test };
            assert_eq!(holds(&condition, &request), expected, "{condition:?}");
        }
    }
}
