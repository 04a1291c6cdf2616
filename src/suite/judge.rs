//! Whether what came of a request is what its test expects.

use super::stage::{Bench, Got, Met};
use crate::config::cases::{Names, words};
use crate::config::settings::{
    Counted, Expect, FieldMatch, OneOrMany, OutcomeWord, SentExpect, Step, TextMatch, UpstreamExpect,
};
use crate::fault::Reason;
use crate::simulator::Sent;
use std::collections::BTreeMap;

/// What is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    pub path: Vec<String>,
    pub what: String,
    pub expected: String,
    pub actual: String,
}

struct Judge<'a> {
    names: &'a Names<'a>,
    misses: Vec<Miss>,
}

/// What the gateway did.
pub fn outcome(met: &Met) -> OutcomeWord {
    match (&met.event.reason, met.sent.is_empty()) {
        (_, false) => OutcomeWord::Forward,
        (Some(_), true) => OutcomeWord::Refuse,
        (None, true) => OutcomeWord::Reply,
    }
}

/// The answer as a failure shows it.
fn short(met: &Met) -> String {
    let reason = met.event.reason.map_or(String::new(), |reason| format!(" {}", reason.code()));
    format!("{}{reason}", met.seen.status)
}

/// What of an expectation does not hold.
pub fn answer(path: &[String], expect: &Expect, met: &Met, names: &Names<'_>, bench: &Bench) -> Vec<Miss> {
    let mut judge = Judge { names, misses: Vec::new() };
    let Expect {
        route,
        outcome: wanted,
        status,
        reason,
        headers,
        body,
        upstream,
        calls,
        key_fetches,
        cache,
        mirrors,
        backend,
    } = expect;
    if let Some(route) = route {
        let is = Some(met.event.route_name(&bench.shared)).filter(|name| !name.is_empty());
        let is = is.unwrap_or_else(|| "none".into());
        let wanted = if route == "none" { Ok("none".to_owned()) } else { names.route(route) };
        judge.same(path, "route", wanted.unwrap_or_else(|why| why), is);
    }
    if let Some(wanted) = wanted {
        let is = outcome(met);
        let told = if is == OutcomeWord::Refuse || met.seen.status >= 400 {
            format!("{} ({})", is.word(), short(met))
        } else {
            is.word().to_owned()
        };
        judge.check(is == *wanted, path, "outcome", wanted.word().into(), told);
    }
    if let Some(status) = status {
        judge.check(*status == met.seen.status, path, "status", status.to_string(), short(met));
    }
    if let Some(reason) = reason {
        let is = met.event.reason.map_or("none", Reason::code);
        judge.check(is == reason, path, "reason", reason.clone(), format!("{is} ({})", met.seen.status));
    }
    judge.fields(&at(path, "headers"), headers, &met.seen.headers, "");
    judge.text(&at(path, "body"), "body", body.as_ref(), &met.seen.body);
    if let Some(upstream) = upstream {
        judge.upstream(&at(path, "upstream"), "upstream requests", upstream, &met.sent, met);
    }
    if let Some(mirrors) = mirrors {
        judge.upstream(&at(path, "mirrors"), "copies", mirrors, &met.mirrored, met);
    }
    if let Some(calls) = calls {
        let is = met.sent.len();
        judge.check(is == as_size(*calls), path, "calls", calls.to_string(), is.to_string());
    }
    if let Some(wanted) = key_fetches {
        let is = met.key_fetches;
        judge.check(is == as_size(*wanted), path, "key_fetches", wanted.to_string(), is.to_string());
    }
    if let Some(cache) = cache {
        judge.same(path, "cache", cache.word().into(), met.event.cache.word().into());
    }
    if let Some(backend) = backend {
        judge.same(path, "backend", backend.clone(), met.event.backend_name().unwrap_or("none").to_owned());
    }
    judge.misses
}

fn as_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn at(path: &[String], key: &str) -> Vec<String> {
    super::below(path, key)
}

/// The path and query of a URL.
fn target(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
}

fn line(sent: &Sent) -> String {
    format!("{} {}", sent.method, sent.url)
}

impl Judge<'_> {
    fn check(&mut self, holds: bool, path: &[String], key: &str, expected: String, actual: String) {
        if !holds {
            self.misses.push(Miss { path: at(path, key), what: key.to_owned(), expected, actual });
        }
    }

    fn same(&mut self, path: &[String], key: &str, expected: String, actual: String) {
        self.check(expected == actual, path, key, expected, actual);
    }

    fn miss(&mut self, path: &[String], what: String, expected: String, actual: String) {
        self.misses.push(Miss { path: path.to_vec(), what, expected, actual });
    }

    fn fields(
        &mut self,
        path: &[String],
        fields: &indexmap::IndexMap<String, FieldMatch>,
        all: &[(String, String)],
        whose: &str,
    ) {
        for (name, wanted) in fields {
            let values: Vec<&str> = all
                .iter()
                .filter(|(own, _)| own.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.as_str())
                .collect();
            let told = if values.is_empty() { "no such field".to_owned() } else { list(&values) };
            let path = at(path, name);
            let what = format!("{whose}header `{name}`");
            match wanted {
                FieldMatch::Exact(value) => {
                    if values != [value.as_str()] {
                        self.miss(&path, what, format!("`{value}`"), told);
                    }
                }
                FieldMatch::Values(wanted) => {
                    if values != *wanted {
                        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                        self.miss(&path, what, list(&wanted), told);
                    }
                }
                FieldMatch::Rule(rule) => {
                    if rule.present == Some(false) {
                        if !values.is_empty() {
                            self.miss(&path, what, "no such field".into(), told);
                        }
                        continue;
                    }
                    // What only must not be in it may be absent as a whole.
                    let asks =
                        rule.present == Some(true) || rule.contains.is_some() || rule.matches.is_some();
                    if asks && values.is_empty() {
                        self.miss(&path, what, "a value".into(), told);
                        continue;
                    }
                    let joined = values.join(", ");
                    let (contains, lacks) = (rule.contains.as_ref(), rule.lacks.as_ref());
                    self.rule(&path, &what, contains, lacks, rule.matches.as_deref(), &joined);
                }
            }
        }
    }

    fn text(&mut self, path: &[String], what: &str, wanted: Option<&TextMatch>, text: &str) {
        match wanted {
            Some(TextMatch::Exact(wanted)) if text != wanted => {
                self.miss(path, what.to_owned(), format!("`{wanted}`"), format!("`{}`", cut(text)));
            }
            None | Some(TextMatch::Exact(_)) => {}
            Some(TextMatch::Rule(rule)) => {
                let (contains, lacks) = (rule.contains.as_ref(), rule.lacks.as_ref());
                self.rule(path, what, contains, lacks, rule.matches.as_deref(), text);
            }
        }
    }

    fn rule(
        &mut self,
        path: &[String],
        what: &str,
        contains: Option<&OneOrMany>,
        lacks: Option<&OneOrMany>,
        matches: Option<&str>,
        text: &str,
    ) {
        let told = || format!("`{}`", cut(text));
        for wanted in words(contains).iter().filter(|wanted| !text.contains(wanted.as_str())) {
            self.miss(&at(path, "contains"), what.to_owned(), format!("`{wanted}` in it"), told());
        }
        for unwanted in words(lacks).iter().filter(|unwanted| text.contains(unwanted.as_str())) {
            self.miss(&at(path, "lacks"), what.to_owned(), format!("no `{unwanted}` in it"), told());
        }
        // One that is no regular expression is a mistake that `check` has told.
        if let Some(pattern) = matches
            && !crate::routing::asked::whole(pattern).is_ok_and(|regex| regex.is_match(text))
        {
            self.miss(&at(path, "matches"), what.to_owned(), format!("what fits `{pattern}`"), told());
        }
    }

    fn upstream(&mut self, path: &[String], what: &str, wanted: &UpstreamExpect, got: &[Got], met: &Met) {
        let lines: Vec<String> = got.iter().map(|(sent, _)| line(sent)).collect();
        let told = match lines.as_slice() {
            [] => format!("none (the answer is {})", short(met)),
            lines => lines.join(", "),
        };
        let wanted = match wanted {
            UpstreamExpect::Nothing(_) => {
                if !lines.is_empty() {
                    self.miss(path, what.into(), "none".into(), told);
                }
                return;
            }
            UpstreamExpect::One(one) => std::slice::from_ref(one.as_ref()),
            UpstreamExpect::Many(many) => many.as_slice(),
        };
        if wanted.len() != got.len() {
            self.miss(path, what.into(), wanted.len().to_string(), told);
            return;
        }
        let several = wanted.len() > 1;
        for (index, (wanted, (sent, meant))) in wanted.iter().zip(got).enumerate() {
            let path = if several { at(path, &index.to_string()) } else { path.to_vec() };
            self.sent(&path, wanted, sent, *meant);
        }
    }

    fn sent(&mut self, path: &[String], wanted: &SentExpect, sent: &Sent, meant: Option<(usize, usize)>) {
        let SentExpect { name, url, path: own, method, headers, body } = wanted;
        if let Some(name) = name {
            let holds = match (self.names.upstream(name), meant) {
                (Ok((upstream, target)), Some(meant)) => {
                    upstream == meant.0 && target.is_none_or(|target| target == meant.1)
                }
                _ => false,
            };
            self.check(holds, path, "name", name.clone(), sent.url.clone());
        }
        if let Some(url) = url {
            self.same(path, "url", url.clone(), sent.url.clone());
        }
        if let Some(own) = own {
            self.same(path, "path", own.clone(), target(&sent.url).to_owned());
        }
        if let Some(method) = method {
            self.same(path, "method", method.clone(), sent.method.clone());
        }
        self.fields(&at(path, "headers"), headers, &sent.headers, "upstream ");
        self.text(&at(path, "body"), "upstream body", body.as_ref(), sent.body.as_deref().unwrap_or(""));
    }
}

fn list(values: &[&str]) -> String {
    values.iter().map(|value| format!("`{}`", cut(value))).collect::<Vec<_>>().join(" and ")
}

/// The beginning of a text, for a failure.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(300).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What is counted over the requests of a step.
#[derive(Default)]
pub struct Tally {
    statuses: BTreeMap<u16, u32>,
    /// By upstream and target.
    shares: BTreeMap<(usize, usize), u32>,
}

impl Tally {
    /// Counts a request.
    pub fn add(&mut self, met: &Met) {
        let count = self.statuses.entry(met.seen.status).or_default();
        *count = count.saturating_add(1);
        for meant in met.sent.iter().filter_map(|(_, meant)| *meant) {
            let count = self.shares.entry(meant).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// What of a step's sums does not hold.
    pub fn judge(&self, path: &[String], step: &Step, names: &Names<'_>) -> Vec<Miss> {
        let mut misses = Vec::new();
        let wanted: BTreeMap<u16, u32> = step
            .statuses
            .iter()
            .filter_map(|(status, count)| Some((status.parse().ok()?, *count)))
            .filter(|(_, count)| *count > 0)
            .collect();
        if !step.statuses.is_empty() && wanted != self.statuses {
            let told = |counts: &BTreeMap<u16, u32>| {
                counts.iter().map(|(status, n)| format!("{n} × {status}")).collect::<Vec<_>>().join(", ")
            };
            let (path, what) = (at(path, "statuses"), "statuses".to_owned());
            misses.push(Miss { path, what, expected: told(&wanted), actual: told(&self.statuses) });
        }
        for (name, share) in &step.shares {
            let Ok((upstream, target)) = names.upstream(name) else { continue };
            let own =
                self.shares.iter().filter(|((u, t), _)| *u == upstream && target.is_none_or(|x| x == *t));
            let count: u32 = own.map(|(_, count)| *count).fold(0, u32::saturating_add);
            let (holds, expected) = match share {
                Counted::Exact(number) => (count == *number, number.to_string()),
                Counted::Range(range) => {
                    ((range.0.0..=range.0.1).contains(&count), format!("{} to {}", range.0.0, range.0.1))
                }
            };
            if !holds {
                let path = at(&at(path, "shares"), name);
                let what = format!("requests to {name}");
                misses.push(Miss { path, what, expected, actual: count.to_string() });
            }
        }
        misses
    }
}
