//! The tests of route files, run against the very pipeline in a simulated world: a virtual clock, origins that do as
//! they are told, really signed tokens. What they have covered, and what they would not notice.

mod coverage;
pub mod failures;
mod judge;
mod mint;
mod mutants;
mod replay;
mod report;
mod stage;
mod witness;

pub use coverage::{Cell, Counts, Coverage, FIELDS, RouteCoverage};
pub use mutants::{Mutant, Mutants, mutants};
pub use replay::{Deployment, Replayed, replay};
pub use report::{Choice, Loaded, Ran, Report, all, load};
pub use stage::{Bench, Met, Parts};

use crate::config::cases::{Case, Names};
use crate::config::problem::Problem;
use crate::config::settings::{BodyText, Caller, CallerUse, OneOrMany, RequestUse, Requests, Step};
use crate::pipeline::explain::Question;
use crate::pipeline::record::Record;
use crate::plan::Api;
use serde_json::{Value, json};
use stage::Stage;

/// An expectation that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The keys that lead to it in its file.
    pub path: Vec<String>,
    /// What was looked at, e.g. `status`.
    pub what: String,
    /// What it should have been.
    pub expected: String,
    /// What it was.
    pub actual: String,
    /// The request, where it is about one.
    pub asked: Option<Question>,
    /// Which request of its step, from 1.
    pub number: usize,
    /// All that happened to it.
    pub record: Option<Box<Record>>,
}

impl Failure {
    /// As commands print it by `--json`, shown at a problem's place.
    pub fn as_json(&self, problem: &Problem) -> Value {
        json!({
            "file": problem.file,
            "line": problem.span.line,
            "column": problem.span.column,
            "what": self.what,
            "expected": self.expected,
            "actual": self.actual,
            "request": self.asked.as_ref().map(|asked| format!("{} {}", asked.method, asked.url)),
            "number": self.number,
            "record": self.record,
        })
    }
}

/// How a test is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// The first failure ends it.
    pub brief: bool,
    /// Failures say all that happened to their request.
    pub recorded: bool,
}

/// A request of a test, as it is made.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The body, and whether its length is declared.
    pub(crate) body: Option<(String, bool)>,
    pub(crate) address: String,
    pub(crate) certificate: bool,
    /// A path, or a whole URL.
    target: String,
    host: Option<String>,
    https: bool,
    query: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn of(request: &RequestUse) -> Asked {
        let mut asked = Asked {
            method: "GET".into(),
            headers: Vec::new(),
            body: None,
            address: "192.0.2.1".into(),
            certificate: false,
            target: "/".into(),
            host: None,
            https: true,
            query: Vec::new(),
        };
        let each = |fields: &indexmap::IndexMap<String, OneOrMany>| {
            let pairs = fields.iter().flat_map(|(name, values)| {
                values.as_slice().iter().map(|value| (name.clone(), value.clone()))
            });
            pairs.collect()
        };
        match request {
            RequestUse::Short(short) => {
                (asked.method, asked.target) = short.0.clone();
            }
            RequestUse::Long(long) => {
                if let Some(method) = &long.method {
                    asked.method.clone_from(method);
                }
                if let Some(target) = long.path.as_ref().or(long.url.as_ref()) {
                    asked.target.clone_from(target);
                }
                asked.headers = each(&long.headers);
                asked.query = each(&long.query);
                asked.host.clone_from(&long.host);
                asked.https = long.https.unwrap_or(true);
                asked.certificate = long.certificate.unwrap_or(false);
                asked.body = long.body.as_ref().map(|body| {
                    let hidden = matches!(body, BodyText::Sized { declared: Some(false), .. });
                    (stage::text(body), !hidden)
                });
                if let Some(address) = &long.address {
                    asked.address.clone_from(address);
                }
            }
        }
        asked
    }

    /// Whether the test says whose host is asked.
    pub(crate) fn names_host(&self) -> bool {
        self.host.is_some() || !self.target.starts_with('/')
    }

    /// The path or URL, as the test has it.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// The URL that is asked for, of an API's host.
    pub(crate) fn url(&self, api: Option<&Api>) -> String {
        let mut url = if self.target.starts_with('/') {
            let scheme = if self.https { "https" } else { "http" };
            let first = api.and_then(|api| api.hosts.first());
            let host = self.host.clone().or_else(|| first.map(|host| host.replacen('*', "test", 1)));
            format!("{scheme}://{}{}", host.as_deref().unwrap_or("api.test"), self.target)
        } else {
            self.target.clone()
        };
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        for (name, value) in &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{}={}", encode(name), encode(value)));
        }
        url
    }
}

/// Runs a test in a world of its own. `each` is shown what came of every request.
pub fn run(bench: &Bench, case: &Case, mode: Mode, each: &mut dyn FnMut(&Met)) -> Vec<Failure> {
    let stage = Stage::new(bench, case, mode.recorded);
    let names = Names::new(&bench.world, &bench.routes, case.api);
    let mut failures: Vec<Failure> = Vec::new();
    for (path, step) in &case.steps {
        stage.set(step);
        perform(&stage, &names, bench, path, step, mode.brief, each, &mut failures);
        if mode.brief && !failures.is_empty() {
            break;
        }
    }
    failures
}

#[allow(clippy::too_many_arguments)] // One caller; a struct would only repeat the names.
fn perform(
    stage: &Stage<'_>,
    names: &Names<'_>,
    bench: &Bench,
    path: &[String],
    step: &Step,
    brief: bool,
    each: &mut dyn FnMut(&Met),
    failures: &mut Vec<Failure>,
) {
    let requests = requests(step);
    let caller: Option<&Caller> = match &step.caller {
        Some(CallerUse::Inline(caller)) => Some(caller),
        _ => None,
    };
    let times = usize::try_from(step.repeat.unwrap_or(1)).unwrap_or(1);
    let total = requests.len().saturating_mul(times);
    let mut tally = judge::Tally::default();
    let rounds = (0..times).flat_map(|_| &requests);
    for (index, asked) in rounds.enumerate() {
        if index > 0
            && let Some(every) = &step.every
        {
            stage.pass(every.0);
        }
        if index > 0 && requests.len() > 1 {
            stage.upstreams(step);
        }
        let number = index.saturating_add(1);
        let met = match stage.ask(asked, caller) {
            Ok(met) => met,
            Err(why) => {
                let path = below(path, "request");
                failures.push(Failure {
                    path,
                    what: "answer".into(),
                    expected: "one".into(),
                    actual: why,
                    asked: None,
                    number,
                    record: None,
                });
                return;
            }
        };
        each(&met);
        let looks = [
            ("expect", step.expect.as_ref()),
            ("first", step.first.as_ref().filter(|_| index == 0)),
            ("last", step.last.as_ref().filter(|_| number == total)),
        ];
        for (key, expect) in looks {
            let Some(expect) = expect else { continue };
            for miss in judge::answer(&below(path, key), expect, &met, names, bench) {
                // What is wrong with every one of a hundred requests is said of the first.
                if !failures.iter().any(|failure| failure.path == miss.path) {
                    let judge::Miss { path, what, expected, actual } = miss;
                    let asked = Some(met.asked.clone());
                    let record = met.record.clone();
                    failures.push(Failure { path, what, expected, actual, asked, number, record });
                }
            }
        }
        if brief && !failures.is_empty() {
            return;
        }
        tally.add(&met);
    }
    for judge::Miss { path, what, expected, actual } in tally.judge(path, step, names) {
        failures.push(Failure { path, what, expected, actual, asked: None, number: total, record: None });
    }
}

fn requests(step: &Step) -> Vec<Asked> {
    match &step.request {
        Some(Requests::One(request)) => vec![Asked::of(request)],
        Some(Requests::Many(requests)) => requests.iter().map(Asked::of).collect(),
        None => Vec::new(),
    }
}

fn below(path: &[String], key: &str) -> Vec<String> {
    path.iter().cloned().chain([key.to_owned()]).collect()
}
