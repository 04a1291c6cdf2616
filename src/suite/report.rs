//! All tests of the route files, and what came of them.

use super::{Bench, Coverage, Failure, Mode, Parts, run};
use crate::config::cases::Case;
use crate::config::problem::{Problem, Severity};
use crate::config::{self, Compiled, Files};
use crate::plan::compile::problem;
use std::collections::BTreeMap;
use std::num::NonZero;

/// Tests that a thread of its own is worth.
const WORTH: usize = 32;

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// In this environment only.
    pub environment: Option<String>,
    /// Only tests with this text in `FILE NAME`.
    pub pattern: Option<String>,
}

impl Choice {
    /// Whether a test is one of those that the pattern means.
    pub(super) fn fits(&self, compiled: &Compiled, case: &Case) -> bool {
        let file = compiled.files.get(case.file).map_or("", |file| file.name.as_str());
        self.pattern.as_ref().is_none_or(|pattern| format!("{file} {}", case.name).contains(pattern))
    }
}

/// A test that was run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its name.
    pub name: String,
    /// Who owns the file.
    pub owner: String,
    /// Where it stands.
    pub place: String,
    /// The environment.
    pub environment: String,
    /// What did not hold, each at its place.
    pub failures: Vec<(Problem, Failure)>,
}

/// What came of the tests.
#[derive(Debug, Default)]
pub struct Report {
    /// The tests, by environment and in the order of their files.
    pub ran: Vec<Ran>,
    /// What they have seen; `None` where no environment has tests.
    pub coverage: Option<Coverage>,
    /// Requests made.
    pub requests: u64,
    /// The environments in which tests were run.
    pub environments: Vec<String>,
}

impl Report {
    /// Tests that failed.
    pub fn failed(&self) -> usize {
        self.ran.iter().filter(|ran| !ran.failures.is_empty()).count()
    }
}

/// An environment's plan and its tests.
pub struct Loaded {
    /// The environment.
    pub environment: String,
    /// The plan as it is deployed, and where all stands.
    pub compiled: Compiled,
    /// The tests.
    pub cases: Vec<Case>,
}

/// Compiles the environments that are meant, with the tests that are run in each. Where no test is meant, the first
/// environment alone, without tests.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn load(files: &Files, choice: &Choice) -> Result<Vec<Loaded>, Vec<Problem>> {
    let all = config::environments(files);
    let usual = all.iter().find(|name| *name == "dev").or(all.first()).cloned().unwrap_or_default();
    let first = choice.environment.clone().unwrap_or(usual);
    let compiled = config::compile_files(files, &first)?;
    let meant = |compiled: &Compiled, environment: &str| -> Vec<Case> {
        let fits = |case: &&Case| {
            case.environments.iter().any(|own| own == environment) && choice.fits(compiled, case)
        };
        compiled.cases.iter().filter(fits).cloned().collect()
    };
    let others: Vec<String> = match choice.environment {
        Some(_) => Vec::new(),
        None => all.into_iter().filter(|name| *name != first).collect(),
    };
    let others = others.into_iter().filter(|name| !meant(&compiled, name).is_empty());
    let mut loaded = Vec::new();
    for environment in others {
        let compiled = config::compile_files(files, &environment)?;
        let cases = meant(&compiled, &environment);
        loaded.push(Loaded { environment, compiled, cases });
    }
    let cases = meant(&compiled, &first);
    loaded.insert(0, Loaded { environment: first, compiled, cases });
    Ok(loaded)
}

/// Runs the tests of route files.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn all(files: &Files, choice: &Choice) -> Result<Report, Vec<Problem>> {
    let mut report = Report::default();
    let owners = config::owners(files);
    for Loaded { environment, compiled, cases } in load(files, choice)? {
        let bench = Bench::new(Parts::of(&compiled)).map_err(|why| {
            let file = compiled.files.first();
            file.map(|file| problem(Severity::Error, "plan", file, Default::default(), why, None))
                .into_iter()
                .collect::<Vec<_>>()
        })?;
        let (results, coverage, requests) = in_parallel(&bench, &cases);
        report.requests = report.requests.saturating_add(requests);
        match &mut report.coverage {
            Some(all) => all.merge(coverage),
            None => report.coverage = Some(coverage),
        }
        for (case, failures) in cases.iter().zip(results) {
            report.ran.push(told(case, failures, &compiled, &environment, &owners));
        }
        report.environments.push(environment);
    }
    Ok(report)
}

fn told(case: &Case, failures: Vec<Failure>, compiled: &Compiled, environment: &str, owners: &Owners) -> Ran {
    let file = compiled.files.get(case.file);
    let at = |path: &[String]| file.map(|file| file.tree.place(path)).unwrap_or_default();
    let failures = failures.into_iter().filter_map(|failure| {
        let message = format!("{}: expected {}, got {}", failure.what, failure.expected, failure.actual);
        let place = at(&failure.path);
        Some((problem(Severity::Error, "test-failed", file?, place, message, None), failure))
    });
    let place = place_of(case, compiled);
    Ran {
        name: case.name.clone(),
        owner: owner_of(owners, &place),
        place,
        environment: environment.to_owned(),
        failures: failures.collect(),
    }
}

/// Owners by the names of their files.
pub(super) type Owners = BTreeMap<String, String>;

/// Who owns the file of a place.
pub(super) fn owner_of(owners: &Owners, place: &str) -> String {
    owners.get(place.split(':').next().unwrap_or_default()).cloned().unwrap_or_default()
}

/// Where a test stands.
pub(super) fn place_of(case: &Case, compiled: &Compiled) -> String {
    let file = compiled.files.get(case.file);
    let span = file.map(|file| file.tree.key_place(&case.path)).unwrap_or_default();
    format!("{}:{}:{}", file.map_or("?", |file| file.name.as_str()), span.line, span.column)
}

type Results = (Vec<Vec<Failure>>, Coverage, u64);

/// Each test has a world of its own, so it does not matter who runs it.
fn in_parallel(bench: &Bench, cases: &[Case]) -> Results {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(cases.len() / WORTH);
    if threads < 2 {
        return in_turn(bench, cases);
    }
    let parts: Vec<&[Case]> = cases.chunks(cases.len().div_ceil(threads)).collect();
    let parts: Vec<Results> = std::thread::scope(|scope| {
        let running: Vec<_> = parts.iter().map(|part| scope.spawn(|| in_turn(bench, part))).collect();
        running
            .into_iter()
            .zip(&parts)
            .map(|(part, own)| part.join().unwrap_or_else(|_| in_turn(bench, own)))
            .collect()
    });
    let mut all: Results = (Vec::with_capacity(cases.len()), Coverage::new(bench), 0);
    for (results, coverage, requests) in parts {
        all.0.extend(results);
        all.1.merge(coverage);
        all.2 = all.2.saturating_add(requests);
    }
    all
}

fn in_turn(bench: &Bench, cases: &[Case]) -> Results {
    let mut coverage = Coverage::new(bench);
    let mut requests = 0u64;
    let results = cases.iter().map(|case| {
        let failures = run(bench, case, Mode::default(), &mut |met| {
            requests = requests.saturating_add(1);
            coverage.note(met);
        });
        // Again with all that happened: most tests pass, and need no record.
        let mode = Mode { recorded: true, ..Mode::default() };
        if failures.is_empty() { failures } else { run(bench, case, mode, &mut |_| {}) }
    });
    (results.collect(), coverage, requests)
}
