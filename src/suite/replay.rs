//! Tests against a gateway that runs: those that can be, and of what they expect that which can be seen from outside.
//!
//! A test is first run in the simulator. What the gateway answers by itself there it must answer by itself there as
//! well: status, reason, header fields, body. Of a request that goes to an origin only what the gateway adds is
//! compared, for origins answer as they like.

use super::report::{Choice, owner_of, place_of};
use super::{Asked, Bench, Failure, Met, Mode, Parts, judge, requests, run};
use crate::config::cases::{Case, Names};
use crate::config::problem::{Problem, Severity};
use crate::config::settings::{Caller, CallerUse, Expect, FieldMatch, OutcomeWord, Step};
use crate::config::{self, Compiled, Files};
use crate::event::Event;
use crate::fault::Reason;
use crate::outside::{Answer, Failed, Request};
use crate::pipeline::explain::Question;
use crate::plan::compile::problem;
use crate::simulator::Seen;

/// A gateway that runs.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// Its URL, without a path.
    pub url: String,
    /// Its environment.
    pub environment: String,
    /// Tokens of callers, by the callers' names in fixtures.
    pub tokens: Vec<(String, String)>,
    /// Whether requests that change something at an origin are made too.
    pub writes: bool,
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Its name.
    pub name: String,
    /// Who owns its file.
    pub owner: String,
    /// Where it stands.
    pub place: String,
    /// Requests made.
    pub requests: usize,
    /// Why it, or a part of it, was not replayed.
    pub skipped: Option<String>,
    /// What did not hold, each at its place.
    pub failures: Vec<(Problem, Failure)>,
}

/// Fields that tell the time or how much was used up before.
const PASSING: [&str; 4] = ["ratelimit", "retry-after", "age", "date"];

/// Replays the tests of an environment, and those that name none. `fetch` asks a host.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn replay(
    files: &Files,
    deployment: &Deployment,
    pattern: Option<&str>,
    fetch: &mut dyn FnMut(&Request) -> Result<Answer, Failed>,
) -> Result<Vec<Replayed>, Vec<Problem>> {
    let compiled = config::compile_files(files, &deployment.environment)?;
    let Ok(bench) = Bench::new(Parts::of(&compiled)) else { return Ok(Vec::new()) };
    let choice = Choice { environment: None, pattern: pattern.map(str::to_owned) };
    let meant = |case: &&Case| {
        (case.anywhere || case.environments.contains(&deployment.environment)) && choice.fits(&compiled, case)
    };
    let cases = compiled.cases.iter().filter(meant);
    let owners = config::owners(files);
    let replayed = cases.map(|case| one(case, &compiled, &bench, deployment, fetch));
    Ok(replayed.map(|test| Replayed { owner: owner_of(&owners, &test.place), ..test }).collect())
}

fn one(
    case: &Case,
    compiled: &Compiled,
    bench: &Bench,
    deployment: &Deployment,
    fetch: &mut dyn FnMut(&Request) -> Result<Answer, Failed>,
) -> Replayed {
    let (name, place) = (case.name.clone(), place_of(case, compiled));
    let mut replayed =
        Replayed { name, owner: String::new(), place, requests: 0, skipped: None, failures: Vec::new() };
    let mut met: Vec<Met> = Vec::new();
    if !run(bench, case, Mode::default(), &mut |one| met.push(one.clone())).is_empty() {
        replayed.skipped = Some("it fails in the simulator as well".into());
        return replayed;
    }
    let mut simulated = met.iter();
    let names = Names::new(&bench.world, &bench.routes, case.api);
    let mut touched = !case.fakes.is_empty();
    for (path, step) in &case.steps {
        touched |= !step.upstreams.is_empty();
        let asked = requests(step);
        let times = usize::try_from(step.repeat.unwrap_or(1)).unwrap_or(1);
        let own: Vec<&Met> = simulated.by_ref().take(asked.len().saturating_mul(times)).collect();
        if let Some(why) = hindrance(step, deployment) {
            replayed.skipped = Some(why);
            // What comes after a step rests on it.
            break;
        }
        for (asked, met) in asked.iter().zip(own) {
            let token = match bearer(step, deployment) {
                Ok(token) => token,
                Err(why) => {
                    replayed.skipped = Some(why);
                    continue;
                }
            };
            if let Some(why) = refused(asked, met, deployment) {
                replayed.skipped = Some(why);
                continue;
            }
            let plain = asked.https && deployment.url.starts_with("http:");
            let expect = step.expect.as_ref().and_then(|expect| visible(expect, met, touched, plain));
            let Some(expect) = expect else {
                replayed.skipped = Some("nothing of what it expects can be seen from outside".into());
                continue;
            };
            replayed.requests = replayed.requests.saturating_add(1);
            let path = super::below(path, "expect");
            let number = replayed.requests;
            let failed = |path: Vec<String>, what: String, expected: String, actual: String, asked| Failure {
                path,
                what,
                expected,
                actual,
                asked,
                number,
                record: None,
            };
            let failures: Vec<Failure> = match ask(asked, token, deployment, fetch) {
                Err(why) => vec![failed(path, "answer".into(), "one".into(), why.0, None)],
                Ok(met) => judge::answer(&path, &expect, &met, &names, bench)
                    .into_iter()
                    .map(|miss| {
                        failed(miss.path, miss.what, miss.expected, miss.actual, Some(met.asked.clone()))
                    })
                    .collect(),
            };
            replayed.failures.extend(failures.into_iter().filter_map(|failure| {
                let file = compiled.files.get(case.file)?;
                let message =
                    format!("{}: expected {}, got {}", failure.what, failure.expected, failure.actual);
                let span = file.tree.place(&failure.path);
                Some((problem(Severity::Error, "test-failed", file, span, message, None), failure))
            }));
        }
    }
    replayed
}

/// Why a step cannot be made outside the simulator.
fn hindrance(step: &Step, deployment: &Deployment) -> Option<String> {
    let why = if step.at.is_some() || step.after.is_some() || step.every.is_some() {
        "it needs the virtual clock"
    } else if !step.upstreams.is_empty() {
        "it needs origins that do as they are told"
    } else if !step.keys.is_empty() {
        "it needs an issuer that does as it is told"
    } else if step.counters.is_some() {
        "it needs counters that do as they are told"
    } else if step.repeat.is_some() {
        "it would use up limits"
    } else {
        return bearer(step, deployment).err();
    };
    Some(why.into())
}

/// The token of a step's caller.
fn bearer(step: &Step, deployment: &Deployment) -> Result<Option<String>, String> {
    let caller: &Caller = match &step.caller {
        Some(CallerUse::Inline(caller)) => caller,
        _ => return Ok(None),
    };
    if let Some(token) = &caller.token {
        return Ok(Some(token.clone()));
    }
    let Some(name) = &caller.name else {
        return Err("it needs a token that only the simulator's issuers sign".into());
    };
    let given = deployment.tokens.iter().find(|(own, _)| own == name).map(|(_, token)| token.clone());
    given.map(Some).ok_or_else(|| format!("it needs a token of `{name}`: --token {name}=…"))
}

/// Why a request cannot be made outside the simulator.
fn refused(asked: &Asked, met: &Met, deployment: &Deployment) -> Option<String> {
    let safe = matches!(asked.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let of = |url: &str| {
        url.split_once("://").map(|(scheme, rest)| {
            (scheme.to_owned(), rest.split(['/', '?']).next().unwrap_or_default().to_owned())
        })
    };
    if asked.names_host() && of(&met.asked.url) != of(&deployment.url) {
        Some("it asks another host".into())
    } else if !asked.https && deployment.url.starts_with("https:") {
        Some("it asks over plain HTTP".into())
    } else if asked.certificate {
        Some("it needs a client certificate".into())
    } else if asked.body.as_ref().is_some_and(|(_, declared)| !declared) {
        Some("it needs a body of no declared length".into())
    } else if asked.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        Some("it declares a length that no body of its has".into())
    } else if !safe && !met.sent.is_empty() && !deployment.writes {
        Some("it might change something at an origin (--writes)".into())
    } else {
        None
    }
}

/// Fields that tell the scheme that was asked by.
const OF_SCHEME: [&str; 2] = ["location", "strict-transport-security"];

/// What of an expectation can be seen from outside, for a request of which this came in the simulator; `None`: nothing.
/// `touched`: origins do not answer as they do by themselves. `plain`: it is made over plain HTTP, and the test is not.
fn visible(expect: &Expect, met: &Met, touched: bool, plain: bool) -> Option<Expect> {
    let forwards = judge::outcome(met) == OutcomeWord::Forward;
    // An origin's answer, and what is made of it.
    if forwards && (touched || met.event.reason.is_some()) {
        return None;
    }
    let theirs = ["content-type", "content-length", "cache-control", "cache-status"];
    let stays = |name: &str| {
        let name = name.to_ascii_lowercase();
        let theirs = forwards && theirs.contains(&name.as_str());
        let of_scheme = plain && OF_SCHEME.contains(&name.as_str());
        !(PASSING.contains(&name.as_str()) || theirs || of_scheme)
    };
    let headers = expect.headers.iter().filter(|(name, _)| stays(name));
    let headers: indexmap::IndexMap<String, FieldMatch> =
        headers.map(|(name, field)| (name.clone(), combined(name, field))).collect();
    let reason = match (&expect.reason, &met.event.reason) {
        (Some(reason), _) => Some(reason.clone()),
        // Where only the status is expected, or the outcome, the reason is what tells the gateway's answers apart.
        (None, Some(reason)) => Some(reason.code().to_owned()),
        (None, None) => Some("none".to_owned()),
    };
    Some(Expect {
        status: expect.status.filter(|_| !forwards),
        reason,
        headers,
        body: expect.body.clone().filter(|_| !forwards),
        ..Expect::default()
    })
}

/// Fields whose lines are no list (RFC 6265 §3).
fn single(name: &str) -> bool {
    name.eq_ignore_ascii_case("set-cookie")
}

/// What a field must be where its lines are one: on the way they may become one (RFC 9110 §5.3).
fn combined(name: &str, field: &FieldMatch) -> FieldMatch {
    match field {
        FieldMatch::Values(values) if !single(name) => FieldMatch::Exact(values.join(", ")),
        field => field.clone(),
    }
}

/// The fields of an answer, each on one line.
fn lines(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        match lines.iter_mut().find(|(own, _)| *own == name && !single(own)) {
            Some((_, known)) => known.extend([", ", &value]),
            None => lines.push((name, value)),
        }
    }
    lines
}

fn ask(
    asked: &Asked,
    token: Option<String>,
    deployment: &Deployment,
    fetch: &mut dyn FnMut(&Request) -> Result<Answer, Failed>,
) -> Result<Met, Failed> {
    let path = asked.url(None);
    let rest = path.split_once("://").map_or("", |(_, rest)| rest);
    let target = rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/");
    let url = format!("{}{target}", deployment.url.trim_end_matches('/'));
    let mut request = Request::new(&asked.method, &url);
    request.headers.clone_from(&asked.headers);
    request.headers.extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    request.body = asked.body.as_ref().map(|(body, _)| body.clone().into_bytes()).unwrap_or_default();
    let answer = fetch(&request)?;
    let body = answer.text();
    let seen = Seen { status: answer.status, body, headers: lines(answer.headers), flush: None, took: 0 };
    let code = seen.problem();
    let reason = Reason::ALL.iter().find(|reason| reason.code() == code).copied();
    let asked = Question {
        method: asked.method.clone(),
        url,
        headers: request.headers.clone(),
        ..Question::default()
    };
    let event = Event { reason, status: seen.status, ..Event::default() };
    Ok(Met { asked, seen, event, sent: Vec::new(), mirrored: Vec::new(), key_fetches: 0, record: None })
}
