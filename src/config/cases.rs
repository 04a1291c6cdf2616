//! The tests of the route files: names resolved, and what is wrong with them.

mod expects;
mod names;

pub use names::Names;
use names::unknown;

use super::problem::nearest;
use super::settings::{
    ApiFile, Caller, CallerUse, Fakes, Fixtures, GatewayFile, KeysUse, OneOrMany, RequestUse, Requests, Step,
    Test,
};
use super::structure::Finding;
use super::units::token;
use crate::plan::compile::File;
use crate::plan::{Route, Shared};
use crate::token::Keys;

/// The moment at which tests begin: 2026-03-10T12:00:00Z, in milliseconds since 1970.
pub const BEGIN: u64 = 1_773_144_000_000;

/// A test, ready to be run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name: what it shows.
    pub name: String,
    /// Index of its file in [`super::Compiled::files`].
    pub file: usize,
    /// Index of the API whose file it stands in; `None` in gateway.yaml.
    pub api: Option<usize>,
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// The environments in which it is run.
    pub environments: Vec<String>,
    /// It names no environment: what it says should hold in all of them.
    pub anywhere: bool,
    /// What upstreams do from the beginning: index of the upstream, of one of its targets, and what it does.
    pub fakes: Vec<(usize, Option<usize>, Fakes)>,
    /// The steps, callers looked up, and the keys that lead to each.
    pub steps: Vec<(Vec<String>, Step)>,
}

/// The tests of all files, and what is wrong with them: index of the file and finding.
pub fn collect(
    files: &[File],
    (gateway, gateway_file): (usize, &GatewayFile),
    apis: &[(usize, ApiFile)],
    (shared, routes): (&Shared, &[Route]),
    environments: &[String],
) -> (Vec<Case>, Vec<(usize, Finding)>) {
    let mut reader = Reader { environments, cases: Vec::new(), findings: Vec::new() };
    let common = Source {
        file: (gateway, files.get(gateway)),
        names: Names::new(shared, routes, None),
        fixtures: &gateway_file.fixtures,
        outer: None,
    };
    reader.fixtures(&common);
    reader.tests(&common, &gateway_file.tests);
    for (order, (file, api)) in apis.iter().enumerate() {
        if api.tests.is_empty() && api.fixtures.callers.is_empty() && api.fixtures.upstreams.is_empty() {
            continue;
        }
        let names = Names::new(shared, routes, Some(order));
        let source =
            Source { file: (*file, files.get(*file)), names, fixtures: &api.fixtures, outer: Some(&common) };
        reader.fixtures(&source);
        reader.tests(&source, &api.tests);
    }
    (reader.cases, reader.findings)
}

/// A file with tests.
struct Source<'a> {
    file: (usize, Option<&'a File>),
    names: Names<'a>,
    fixtures: &'a Fixtures,
    /// gateway.yaml.
    outer: Option<&'a Source<'a>>,
}

struct Reader<'a> {
    environments: &'a [String],
    cases: Vec<Case>,
    findings: Vec<(usize, Finding)>,
}

type Path = Vec<String>;

fn below(path: &[String], keys: &[&str]) -> Path {
    path.iter().cloned().chain(keys.iter().map(|key| (*key).to_owned())).collect()
}

impl Reader<'_> {
    fn finding(
        &mut self,
        code: &'static str,
        source: &Source<'_>,
        path: &[String],
        message: String,
        help: &str,
    ) {
        let span = source.file.1.map(|file| file.tree.place(path)).unwrap_or_default();
        let help = Some(help.to_owned()).filter(|help| !help.is_empty());
        self.findings.push((source.file.0, Finding { span, code, message, help }));
    }

    fn fixtures(&mut self, source: &Source<'_>) {
        for (name, caller) in &source.fixtures.callers {
            let path = below(&[], &["fixtures", "callers", name]);
            if name == "none" {
                let message = "`none` is nobody in particular".to_owned();
                self.finding("bad-name", source, &path, message, "give the caller another name");
            }
            if let Err(message) = source.names.issuer(caller.issuer.as_deref()) {
                self.finding("unknown-name", source, &below(&path, &["issuer"]), message, "");
            }
        }
        let path = below(&[], &["fixtures", "upstreams"]);
        self.upstreams(source, &path, source.fixtures.upstreams.keys());
    }

    fn upstreams<'n>(
        &mut self,
        source: &Source<'_>,
        path: &[String],
        names: impl Iterator<Item = &'n String>,
    ) {
        for name in names {
            if let Err(message) = source.names.upstream(name) {
                self.finding("unknown-name", source, &below(path, &[name]), message, "");
            }
        }
    }

    fn tests(&mut self, source: &Source<'_>, tests: &indexmap::IndexMap<String, Test>) {
        let default: &[String] = match self.environments.iter().position(|name| name == "dev") {
            Some(at) => self.environments.get(at..=at).unwrap_or_default(),
            None => self.environments.get(..1).unwrap_or_default(),
        };
        for (name, test) in tests {
            let path = below(&[], &["tests", name]);
            let (environments, steps) = match test {
                Test::Steps(steps) => (None, numbered(&path, steps)),
                Test::One(case) => {
                    let own = source.file.1.and_then(|file| file.tree.get("tests")?.get(name));
                    let beside = own.into_iter().flat_map(|own| own.entries()).find(|(key, _)| {
                        case.steps.is_some() && !matches!(key.name.as_str(), "steps" | "environments")
                    });
                    if let Some((key, _)) = beside {
                        let message = format!("`{}` belongs into one of the `steps`", key.name);
                        self.finding("misplaced-key", source, &below(&path, &[&key.name]), message, "");
                    }
                    let steps = match &case.steps {
                        Some(steps) => numbered(&below(&path, &["steps"]), steps),
                        None => vec![(path.clone(), case.step.clone())],
                    };
                    (case.environments.clone(), steps)
                }
            };
            let known = self.environments;
            for unknown in environments.iter().flatten().filter(|name| !known.contains(name)) {
                let help = nearest(unknown, known.iter().map(String::as_str));
                let help = help.map_or(String::new(), |word| format!("did you mean `{word}`?"));
                let message = format!("there is no environment `{unknown}`");
                self.finding("unknown-environment", source, &below(&path, &["environments"]), message, &help);
            }
            let mut case = Case {
                name: name.clone(),
                file: source.file.0,
                api: source.names.api,
                path: path.clone(),
                anywhere: environments.is_none(),
                environments: environments.unwrap_or_else(|| default.to_vec()),
                fakes: fakes(source),
                steps,
            };
            let expects = case.steps.iter().any(|(_, step)| {
                step.expect.is_some()
                    || step.first.is_some()
                    || step.last.is_some()
                    || !step.statuses.is_empty()
                    || !step.shares.is_empty()
            });
            if !expects {
                let message = "the test expects nothing".to_owned();
                self.finding("bad-test", source, &path, message, "add `expect:` with what must come of it");
            }
            let mut now = None;
            for (path, step) in &mut case.steps {
                self.step(source, path, step, &mut now);
            }
            self.cases.push(case);
        }
    }

    fn step(&mut self, source: &Source<'_>, path: &[String], step: &mut Step, now: &mut Option<i64>) {
        let several = match &step.request {
            None => {
                let message = "the step makes no request".to_owned();
                self.finding(
                    "missing-key",
                    source,
                    path,
                    message,
                    "add `request:` such as `GET /orders/v2/7`",
                );
                false
            }
            Some(Requests::One(request)) => {
                self.request(source, &below(path, &["request"]), request);
                false
            }
            Some(Requests::Many(requests)) => {
                for (at, request) in requests.iter().enumerate() {
                    self.request(source, &below(path, &["request", &at.to_string()]), request);
                }
                requests.len() > 1
            }
        } || step.repeat.is_some();
        self.caller(source, &below(path, &["caller"]), &mut step.caller);
        if let Some(at) = &step.at {
            if now.is_some_and(|now| at.0 < now) {
                let message = "this lies before the step before".to_owned();
                self.finding("bad-test", source, &below(path, &["at"]), message, "time only passes");
            }
            *now = Some(at.0);
        }
        if step.at.is_some() && step.after.is_some() {
            let message = "`at` and `after` both say when".to_owned();
            self.finding("misplaced-key", source, &below(path, &["after"]), message, "keep one of them");
        }
        if step.every.is_some() && !several {
            let message = "`every` belongs to `repeat`".to_owned();
            self.finding("misplaced-key", source, &below(path, &["every"]), message, "");
        }
        self.upstreams(source, &below(path, &["upstreams"]), step.upstreams.keys());
        self.upstreams(source, &below(path, &["shares"]), step.shares.keys());
        for (name, keys) in &step.keys {
            let path = below(path, &["keys", name]);
            match source.names.issuer(Some(name)) {
                Err(message) => self.finding("unknown-name", source, &path, message, ""),
                Ok(issuer) => {
                    let fetched = source.names.shared.issuers.get(issuer);
                    if !fetched.is_some_and(|issuer| matches!(issuer.keys, Keys::Jwks { .. })) {
                        let message =
                            format!("the keys of `{name}` stand in the plan, and are never fetched");
                        self.finding("never-applies", source, &path, message, "remove it");
                    }
                }
            }
            if let KeysUse::Published(published) = keys
                && published.publish.as_slice().iter().any(String::is_empty)
            {
                let message = "a key's name is empty".to_owned();
                self.finding("bad-test", source, &path, message, "");
            }
        }
        for (key, expect) in [("expect", &step.expect), ("first", &step.first), ("last", &step.last)] {
            let Some(expect) = expect else { continue };
            let path = below(path, &[key]);
            if key != "expect" && !several {
                let message = format!("`{key}` needs `repeat` or several requests");
                self.finding("misplaced-key", source, &path, message, "write `expect`");
            }
            self.expect(source, &path, expect);
        }
        for status in step.statuses.keys() {
            if !status.parse::<u16>().is_ok_and(|status| (100..600).contains(&status)) {
                let message = format!("`{status}` is no status");
                let help = "write a number from 100 to 599, and how often it must come";
                self.finding("bad-test", source, &below(path, &["statuses", status]), message, help);
            }
        }
        if !step.statuses.is_empty() && !several {
            let message = "`statuses` needs `repeat` or several requests".to_owned();
            self.finding("misplaced-key", source, &below(path, &["statuses"]), message, "write `expect`");
        }
    }

    fn request(&mut self, source: &Source<'_>, path: &[String], request: &RequestUse) {
        let RequestUse::Long(request) = request else { return };
        match (&request.path, &request.url) {
            (Some(_), Some(_)) => {
                let message = "`path` and `url` both say what is asked for".to_owned();
                self.finding("misplaced-key", source, &below(path, &["url"]), message, "keep one of them");
            }
            (None, None) => {
                let message = "the request asks for nothing".to_owned();
                self.finding("missing-key", source, path, message, "add `path:` or `url:`");
            }
            (Some(own), None) if !own.starts_with('/') => {
                let message = "a path begins with `/`".to_owned();
                self.finding("bad-test", source, &below(path, &["path"]), message, "");
            }
            (None, Some(url)) if !(url.starts_with("http://") || url.starts_with("https://")) => {
                let message = "a URL begins with `https://` or `http://`".to_owned();
                self.finding("bad-test", source, &below(path, &["url"]), message, "");
            }
            _ => {}
        }
        for (key, given) in [("host", request.host.is_some()), ("https", request.https.is_some())] {
            if given && request.url.is_some() {
                let message = format!("`{key}` stands in the `url` already");
                self.finding("misplaced-key", source, &below(path, &[key]), message, "");
            }
        }
        self.fields(source, &below(path, &["headers"]), request.headers.keys());
    }

    fn fields<'n>(&mut self, source: &Source<'_>, path: &[String], names: impl Iterator<Item = &'n String>) {
        for name in names.filter(|name| !token(name)) {
            let message = format!("`{name}` is no header name");
            self.finding("bad-header", source, &below(path, &[name]), message, "");
        }
    }

    /// Puts the caller in the place of his name.
    fn caller(&mut self, source: &Source<'_>, path: &[String], caller: &mut Option<CallerUse>) {
        if let Some(CallerUse::Named(name)) = caller {
            if name == "none" {
                *caller = None;
                return;
            }
            let fixtures =
                || std::iter::once(source.fixtures).chain(source.outer.map(|outer| outer.fixtures));
            match fixtures().find_map(|fixtures| fixtures.callers.get(name)) {
                Some(found) => {
                    let found = Caller { name: Some(name.clone()), ..found.clone() };
                    *caller = Some(CallerUse::Inline(Box::new(found)));
                }
                None => {
                    let names = fixtures().flat_map(|fixtures| fixtures.callers.keys());
                    let message = unknown("caller", name, names.map(String::as_str));
                    let help =
                        "declare it under `fixtures.callers`, here or in gateway.yaml; `none` is nobody";
                    self.finding("unknown-name", source, path, message, help);
                }
            }
        } else if let Some(CallerUse::Inline(own)) = caller
            && let Err(message) = source.names.issuer(own.issuer.as_deref())
        {
            self.finding("unknown-name", source, &below(path, &["issuer"]), message, "");
        }
    }
}

fn numbered(path: &[String], steps: &[Step]) -> Vec<(Path, Step)> {
    let numbered = steps.iter().enumerate();
    numbered.map(|(at, step)| (below(path, &[&at.to_string()]), step.clone())).collect()
}

/// What upstreams do by the fixtures: those of gateway.yaml, then the file's own.
fn fakes(source: &Source<'_>) -> Vec<(usize, Option<usize>, Fakes)> {
    let mut all = source.outer.map(fakes).unwrap_or_default();
    for (name, fakes) in &source.fixtures.upstreams {
        if let Ok((upstream, target)) = source.names.upstream(name) {
            all.push((upstream, target, fakes.clone()));
        }
    }
    all
}

/// The words that a setting lists.
pub fn words(text: Option<&OneOrMany>) -> &[String] {
    text.map(OneOrMany::as_slice).unwrap_or_default()
}
