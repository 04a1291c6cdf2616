//! `match` into rules, and what an API says of its paths and versions.

use super::{Compiler, Place};
use crate::config::settings::{
    ApiFile, BasePath, MatchRule, Matches, Matching as Written, OneMatch, OneOrMany, RepeatedSlashes, Scalar,
    TrailingSlash, ValueTest,
};
use crate::config::tree::{Value, plain};
use crate::config::units::{KNOWN_METHODS, Match};
use crate::plan::rule::{Condition, Pattern, Rule, Selector, Subject, Test};
use crate::plan::{BaseForm, Matching, Slash};
use crate::routing::asked::whole;
use crate::routing::host::{Kind, kind};
use crate::routing::path::{Template, groups, template};
use indexmap::IndexMap;

/// The rules of a route, all but its index.
pub(super) struct Matched {
    pub rules: Vec<Rule>,
    /// The first path as people read it, below the base, and the parameters that every match captures.
    pub template: Template,
}

impl Matched {
    /// Every method that some rule takes; `*` for any.
    pub fn methods(&self) -> Vec<String> {
        let any = self.rules.iter().any(|rule| rule.methods.is_empty()).then(|| "*".to_owned());
        self.rules.iter().flat_map(|rule| rule.methods.iter().cloned()).chain(any).collect()
    }

    /// Whether some rule takes a method.
    pub fn takes(&self, method: &str) -> bool {
        self.rules.iter().any(|rule| rule.methods.is_empty() || rule.methods.iter().any(|own| own == method))
    }
}

impl Compiler<'_> {
    /// The rules of a route; `None`: what is wrong has been said.
    pub(super) fn matched(&mut self, matches: &Matches, priority: i32, place: &Place) -> Option<Matched> {
        let at = place.key("match");
        let known = self.problems.len();
        let mut found: Vec<(Rule, String, Vec<String>)> = Vec::new();
        match matches {
            Matches::Short(short) => found.extend(self.short(short, priority, &at)),
            Matches::Long(long) => found.extend(self.long(long, priority, &at)),
            Matches::Any(list) => {
                for (i, one) in list.iter().enumerate() {
                    let at = at.index(i);
                    found.extend(match one {
                        OneMatch::Short(short) => self.short(short, priority, &at),
                        OneMatch::Long(long) => self.long(long, priority, &at),
                    });
                }
            }
        }
        if self.problems.len() > known {
            return None;
        }
        let (_, text, params) = found.first()?;
        let captured = |name: &String| found.iter().all(|(_, _, params)| params.contains(name));
        let mut params: Vec<String> = params.iter().filter(|name| captured(name)).cloned().collect();
        let text = text.clone();
        if let Some(label) = self.label() {
            if found.iter().any(|(_, _, params)| params.contains(&label)) {
                let message = format!("`{label}` is captured from the host and from the path");
                self.error("conflict", &at, message, "give one of them another name");
            }
            params.push(label);
        }
        let rules = found.into_iter().map(|(rule, ..)| rule).collect();
        Some(Matched { rules, template: Template { text, params } })
    }

    /// The label that every host pattern of the current API captures.
    fn label(&self) -> Option<String> {
        let api = self.out.shared.apis.last()?;
        let mut labels = api.hosts.iter().map(|pattern| match kind(pattern) {
            Kind::Label(name, _) => Some(name),
            _ => None,
        });
        let first = labels.next()??;
        labels.all(|label| label == Some(first)).then(|| first.to_owned())
    }

    fn short(&mut self, short: &Match, priority: i32, at: &Place) -> Option<(Rule, String, Vec<String>)> {
        let (methods, source) = &short.0;
        let methods = methods.iter().filter(|method| *method != "*").cloned().collect();
        let (path, text, params) = self.template_of(source, at)?;
        Some((self.rule(path, methods, Vec::new(), priority), text, params))
    }

    fn long(&mut self, long: &MatchRule, priority: i32, at: &Place) -> Option<(Rule, String, Vec<String>)> {
        let methods = self.methods(long.methods.as_ref(), &at.key("methods"));
        let mut conditions = Vec::new();
        for (name, test) in &long.headers {
            let place = at.key("headers").key(name);
            self.deciding(name, &place);
            let subject = Subject::Header(name.to_ascii_lowercase());
            conditions.push(Condition { subject, test: self.test(test, &place) });
        }
        for (name, test) in &long.query {
            let test = self.test(test, &at.key("query").key(name));
            conditions.push(Condition { subject: Subject::Query(name.clone()), test });
        }
        for (name, test) in &long.cookies {
            let place = at.key("cookies").key(name);
            if !crate::header::is_token(name) {
                self.error("bad-value", &place, format!("`{name}` is no name of a cookie"), "");
            }
            let test = self.test(test, &place);
            conditions.push(Condition { subject: Subject::Cookie(name.clone()), test });
        }
        self.twins(&long.headers, &at.key("headers"));
        if let Some(wanted) = long.certificate {
            let test = if wanted { Test::Present } else { Test::Absent };
            conditions.push(Condition { subject: Subject::Certificate, test });
        }
        let given = [("path", &long.path), ("prefix", &long.prefix), ("regex", &long.regex)];
        let mut given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let first = given.next();
        if let Some((key, _)) = given.next() {
            let message = format!("`{key}` stands beside `{}`", first.map_or("", |(key, _)| key));
            self.error(
                "misplaced-key",
                &at.key(key),
                message,
                "a match has one of `path`, `prefix` and `regex`",
            );
            return None;
        }
        let (path, text, params) = match first {
            None => (Pattern::Prefix(String::new()), "/*".to_owned(), Vec::new()),
            Some(("path", source)) => self.template_of(source, &at.key("path"))?,
            Some(("prefix", source)) => self.prefix_of(source, &at.key("prefix"))?,
            Some((_, source)) => self.regex_of(source, &at.key("regex"))?,
        };
        Some((self.rule(path, methods, conditions, priority), text, params))
    }

    /// Reports paths that hold an encoded slash, where no request may have one.
    pub(super) fn encoded_slashes(&mut self, base: &str, rules: &[Rule], place: &Place) {
        let held = |rule: &Rule| match &rule.path {
            Pattern::Template(text) | Pattern::Prefix(text) => text.contains("%2F"),
            Pattern::Regex(_) => false,
        };
        if base.contains("%2F") || rules.iter().any(held) {
            let message = "no request has such a path: an encoded slash (`%2F`) is refused";
            let help = "allow it by `paths: { encoded_slashes: true }`, or write another path";
            self.error("never-matches", &place.key("match"), message, help);
        }
    }

    /// Warns of what is a parameter elsewhere, and text here.
    fn foreign(&mut self, source: &str, at: &Place) {
        for element in source.split('/') {
            let name =
                element.strip_prefix(':').filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
            let help = match name {
                Some(name) => format!("a parameter is written `{{{name}}}`"),
                None if element == "*" || element == "**" => {
                    "one element is written `{name}`, all that follows `{*rest}`; a prefix has all below it"
                        .into()
                }
                None => continue,
            };
            let message = format!("`{element}` stands for itself here, and for nothing else");
            self.warn("bad-template", at, message, format!("{help}; for the text itself write a `regex`"));
        }
    }

    /// Reports a number or truth value that is not compared as it is written: fields hold texts.
    fn as_written(&mut self, value: &str, at: &Place) {
        let span = self.span(at);
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let line = self
            .input
            .files
            .get(at.file)
            .and_then(|file| file.text.lines().nth(size(span.line.saturating_sub(1))));
        let chars = line.unwrap_or_default().chars().skip(size(span.column.saturating_sub(1)));
        let raw: String = chars.take(size(span.length)).collect();
        let number = |text: &str| matches!(plain(text), Value::Int(_) | Value::Bool(_)).then(|| plain(text));
        if raw != value && number(&raw).is_some_and(|read| number(value) == Some(read)) {
            let message = format!("`{raw}` is read as `{value}`, and fields are compared as texts");
            self.error(
                "bad-value",
                at,
                message,
                format!("put it into quotes: `\"{raw}\"`, or write `{value}`"),
            );
        }
    }

    /// A rule of the route that comes next, with the condition on the version of the current API.
    fn rule(
        &self,
        path: Pattern,
        methods: Vec<String>,
        mut conditions: Vec<Condition>,
        priority: i32,
    ) -> Rule {
        conditions.extend(self.out.shared.apis.last().and_then(|api| api.selector.clone()));
        Rule {
            route: u32::try_from(self.out.routes.len()).unwrap_or(u32::MAX),
            path,
            methods,
            conditions,
            priority,
        }
    }

    /// Names that differ only in case are one field.
    fn twins(&mut self, headers: &IndexMap<String, ValueTest>, at: &Place) {
        let mut known: Vec<String> = Vec::new();
        for name in headers.keys() {
            let lower = name.to_ascii_lowercase();
            if known.contains(&lower) {
                self.error(
                    "duplicate",
                    &at.key(name),
                    format!("`{name}` stands here twice"),
                    "header names ignore case",
                );
            }
            known.push(lower);
        }
    }

    fn methods(&mut self, written: Option<&OneOrMany>, at: &Place) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for method in written.map(OneOrMany::as_slice).unwrap_or_default() {
            if !KNOWN_METHODS.contains(&method.as_str()) {
                let help = format!("they are {}; leave `methods` out for any", KNOWN_METHODS.join(", "));
                self.error(
                    "bad-value",
                    at,
                    format!("`{method}` is no method that the gateway forwards"),
                    help,
                );
            } else if out.contains(method) {
                self.error("duplicate", at, format!("`{method}` stands here twice"), "remove one");
            } else {
                out.push(method.clone());
            }
        }
        out
    }

    fn template_of(&mut self, source: &str, at: &Place) -> Option<(Pattern, String, Vec<String>)> {
        match template(source) {
            Ok(template) => {
                self.foreign(source, at);
                let mut text = template.text;
                let ignored =
                    self.out.shared.apis.last().is_some_and(|api| api.matching.slash == Slash::Ignored);
                if ignored && text.len() > 1 && text.ends_with('/') {
                    text.pop();
                }
                Some((Pattern::Template(text), source.to_owned(), template.params))
            }
            Err(message) => {
                self.error("bad-template", at, message, "");
                None
            }
        }
    }

    fn prefix_of(&mut self, source: &str, at: &Place) -> Option<(Pattern, String, Vec<String>)> {
        let bare = source.strip_suffix('/').unwrap_or(source);
        let checked = if bare.is_empty() { Ok(String::new()) } else { template(bare).map(|t| t.text) };
        match checked {
            Ok(text) if !text.contains('{') => {
                self.foreign(bare, at);
                Some((Pattern::Prefix(text), format!("{bare}/*"), Vec::new()))
            }
            Ok(_) => {
                let help = "write it as `path` with a catch-all, like `/{a}/{*rest}`";
                self.error("bad-template", at, "a prefix has no parameters", help);
                None
            }
            Err(message) => {
                self.error("bad-template", at, message, "");
                None
            }
        }
    }

    fn regex_of(&mut self, source: &str, at: &Place) -> Option<(Pattern, String, Vec<String>)> {
        let params = groups(source);
        match whole(source) {
            Ok(_) if params.len() > crate::routing::path::MAX_PARAMS => {
                self.error("bad-regex", at, "it has too many named groups", "16 at most");
                None
            }
            Ok(_) => Some((Pattern::Regex(source.to_owned()), format!("/~ {source}"), params)),
            Err(message) => {
                self.error("bad-regex", at, message, REGEX_HELP);
                None
            }
        }
    }

    fn test(&mut self, test: &ValueTest, at: &Place) -> Test {
        let text = |scalar: &Scalar| match scalar {
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Integer(value) => value.to_string(),
            Scalar::Text(value) => value.clone(),
        };
        match test {
            ValueTest::Present(true) => Test::Present,
            ValueTest::Present(false) => Test::Absent,
            ValueTest::Number(number) => {
                self.as_written(&number.to_string(), at);
                Test::In(vec![number.to_string()])
            }
            ValueTest::Text(text) => Test::In(vec![text.clone()]),
            ValueTest::In(list) => {
                for (i, value) in
                    list.iter().enumerate().filter(|(_, value)| !matches!(value, Scalar::Text(_)))
                {
                    self.as_written(&text(value), &at.index(i));
                }
                Test::In(list.iter().map(text).collect())
            }
            ValueTest::Pattern(pattern) => {
                if let Err(message) = whole(&pattern.regex) {
                    self.error("bad-regex", &at.key("regex"), message, REGEX_HELP);
                }
                Test::Regex(pattern.regex.clone())
            }
        }
    }

    /// Whether two versions of an API on the same host and base path are told apart by what requests say. What is wrong
    /// with how they say it is a problem.
    pub(super) fn versions(&mut self, one: usize, other: usize) -> bool {
        let file = |api: usize| self.input.apis.get(api).map_or(0, |(file, _)| *file);
        let (at, their_at) = (Place::new(file(one), &["version"]), Place::new(file(other), &["version"]));
        let selector = |api: usize| self.out.shared.apis.get(api).and_then(|api| api.selector.clone());
        let (Some(own), Some(theirs)) = (selector(one), selector(other)) else { return false };
        let help = format!("the other version is {}", self.named(&their_at));
        if own.subject != theirs.subject {
            let message = format!("another version of this API is asked for by {}", theirs.subject);
            self.error("conflict", &at.key("from"), message, help);
            return true;
        }
        let values = |test: &Test| match test {
            Test::In(values) => (values.clone(), false),
            Test::InOrAbsent(values) => (values.clone(), true),
            _ => (Vec::new(), false),
        };
        let ((values, default), (their_values, their_default)) = (values(&own.test), values(&theirs.test));
        if default && their_default {
            let message = "two versions of this API are the default";
            self.error("conflict", &at.key("default"), message, help.clone());
        }
        if let Some(value) = values.iter().find(|value| their_values.contains(value)) {
            let message = format!("`{value}` means another version of this API as well");
            self.error("conflict", &at.key("values"), message, help);
        }
        true
    }

    /// What an API says of its paths and methods.
    pub(super) fn matching(&mut self, api: &ApiFile, at: &Place) -> Matching {
        let gateway = self.input.gateway.1.matching.clone().unwrap_or_default();
        let own = api.matching.clone().unwrap_or_default();
        if own.repeated_slashes.is_some() {
            let message = "repeated slashes are seen to before the API is known";
            self.error("misplaced-key", &at.key("repeated_slashes"), message, "move it to gateway.yaml");
        }
        fn nearest<T>(own: &Written, gateway: &Written, get: impl Fn(&Written) -> Option<T>) -> Option<T> {
            get(own).or_else(|| get(gateway))
        }
        let default = Matching::default();
        Matching {
            slash: match nearest(&own, &gateway, |m| m.trailing_slash) {
                Some(TrailingSlash::Ignored) => Slash::Ignored,
                Some(TrailingSlash::Redirected) => Slash::Redirected,
                Some(TrailingSlash::Significant) | None => default.slash,
            },
            base: match nearest(&own, &gateway, |m| m.base_path) {
                Some(BasePath::Bare) => BaseForm::Bare,
                Some(BasePath::Slash) => BaseForm::Slash,
                Some(BasePath::Either) | None => default.base,
            },
            head: nearest(&own, &gateway, |m| m.head).unwrap_or(default.head),
            options: nearest(&own, &gateway, |m| m.options).unwrap_or(default.options),
        }
    }

    /// Whether repeated slashes count as one.
    pub(super) fn merges(&self) -> bool {
        let written = self.input.gateway.1.matching.as_ref().and_then(|matching| matching.repeated_slashes);
        written == Some(RepeatedSlashes::Merged)
    }

    /// Whether a header field may decide which route answers.
    fn deciding(&mut self, name: &str, place: &Place) {
        let lower = name.to_ascii_lowercase();
        if !crate::header::is_token(name) {
            self.error("bad-header", place, format!("`{name}` is no name of a header field"), "");
        } else if lower == "host" {
            let message = "the host is matched in its canonical form, not as a field";
            self.error("bad-header", place, message, "write `hosts:` at the top of the file");
        } else if lower.starts_with("tollgate-") {
            let message = format!("`{name}` speaks to the gateway itself, and chooses no route");
            self.error("bad-header", place, message, "choose another field");
        }
    }

    /// Which requests mean the version of a file.
    pub(super) fn selector(&mut self, api: &ApiFile, at: &Place) -> Option<Condition> {
        let version = &api.version;
        let Some(from) = &version.from else {
            for (key, given) in [("values", version.values.is_some()), ("default", version.default.is_some())]
            {
                if given {
                    let message = format!("`{key}` says nothing without `from`");
                    let help = "add `from:`, where requests say which version they mean; or remove it";
                    self.error("misplaced-key", &at.key(key), message, help);
                }
            }
            return None;
        };
        let at_from = at.key("from");
        let name = |name: &String| name.to_ascii_lowercase();
        let selectors: Vec<Selector> = [
            from.header.as_ref().map(|header| Selector::Header(name(header))),
            from.query.as_ref().map(|query| Selector::Query(query.clone())),
            from.media.as_ref().map(|media| Selector::Media(name(media))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let [selector] = selectors.as_slice() else {
            let message = "a version is asked for in one place";
            self.error("bad-value", &at_from, message, "write exactly one of `header`, `query` and `media`");
            return None;
        };
        match selector {
            Selector::Header(name) => self.deciding(name, &at_from.key("header")),
            Selector::Media(name) if !crate::header::is_token(name) => {
                let message = format!("`{name}` is no name of a parameter");
                self.error("bad-value", &at_from.key("media"), message, "");
            }
            _ => {}
        }
        let values = version.values.clone().unwrap_or_else(|| vec![version.name.clone()]);
        let test = if version.default == Some(true) { Test::InOrAbsent(values) } else { Test::In(values) };
        Some(Condition { subject: Subject::Version(selector.clone()), test })
    }
}

const REGEX_HELP: &str =
    "the syntax is that of Rust's `regex-lite`: no look-around and no back-references; it is bounded in size";
