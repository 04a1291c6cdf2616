//! `tollgate test`: the tests of the route files.

use super::{RoutesArgs, by_owner, colored, misused, print, print_json, refuse};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use tollgate::pipeline::record;
use tollgate::suite::{self, Choice, Counts, Coverage, Ran, Report};

/// Runs the tests that stand in the route files: the gateway's own code in a simulated world.
///
/// Nothing is sent and nobody is asked: origins, issuers, counters and the clock are made up. Ends with 0 if every test
/// passed, 1 if one failed or less is covered than --coverage-min wants, 2 if nothing could be run.
#[derive(Args, Clone, Default)]
#[command(after_help = "Examples:
  tollgate test
  tollgate test orders --watch
  tollgate test --coverage --coverage-min 80
  tollgate test --mutants orders/v2
  tollgate test --json | jq '.tests[] | select(.ok | not)'")]
pub struct Test {
    /// Only tests with this text in their file's or their own name.
    pattern: Option<String>,
    #[command(flatten)]
    routes: RoutesArgs,
    /// Only in this environment. Default: each test in its own.
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
    /// Run again whenever a file changes, until interrupted, and print what has changed.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Fail if less than so many per cent are covered.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_min: Option<u8>,
    /// List every policy that no test saw at work, in place of the number of them for each route.
    #[arg(long)]
    coverage: bool,
    /// Change one thing of the compiled plan after the other, and list the changes that no test notices. PATTERN: only
    /// changes of what has this text in its name or place.
    #[arg(long, conflicts_with_all = ["watch", "coverage", "coverage_min", "env"])]
    mutants: bool,
    /// With --mutants: fail if less than so many per cent of the changes are noticed.
    #[arg(long, value_name = "PERCENT", requires = "mutants", value_parser = clap::value_parser!(u8).range(0..=100))]
    caught_min: Option<u8>,
}

/// How often --watch looks. Times of files are looked at in place of a notifier: that needs nothing of the system, and
/// works on network drives and in containers.
const LOOK: Duration = Duration::from_millis(300);

impl Test {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        if self.watch {
            return self.keep_running();
        }
        if self.mutants {
            return self.mutate();
        }
        match self.once() {
            Ok((report, took)) => {
                let (fine, text) = self.told(&report, took, None);
                print(&text);
                if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(code) => code,
        }
    }

    fn once(&self) -> Result<(Report, Duration), ExitCode> {
        let choice = Choice { environment: self.env.clone(), pattern: self.pattern.clone() };
        let began = Instant::now();
        let report = self.routes.read().map_err(|problem| vec![*problem]);
        let report = report.and_then(|files| suite::all(&files, &choice));
        let report = report.map_err(|problems| refuse(self.json, &problems, 2))?;
        if let (true, Some(pattern)) = (report.ran.is_empty(), &self.pattern) {
            return Err(misused(&format!("no test has `{pattern}` in its file's or its own name")));
        }
        Ok((report, began.elapsed()))
    }

    /// Whether all is well, for another command: the text about it, and the same as JSON.
    pub(crate) fn passed(&self) -> (bool, String, Value) {
        let Ok((report, took)) = self.once() else { return (false, String::new(), Value::Null) };
        let (fine, text) = self.told(&report, took, None);
        (fine, text, as_json(&report, fine))
    }

    /// Whether all is well, and the text about it. `before`: what each test did the last time.
    fn told(
        &self,
        report: &Report,
        took: Duration,
        before: Option<&BTreeMap<String, bool>>,
    ) -> (bool, String) {
        let percent = percent(report);
        let short = self.coverage_min.is_some_and(|min| percent < usize::from(min));
        let fine = report.failed() == 0 && !short;
        if self.json {
            let text = serde_json::to_string_pretty(&as_json(report, fine));
            return (fine, format!("{}\n", text.unwrap_or_default()));
        }
        let was = |ran: &Ran| before.and_then(|before| before.get(&key(ran)).copied());
        let told = report.ran.iter().filter(|ran| !ran.failures.is_empty() || was(ran) == Some(false));
        let mut out = by_owner(
            told,
            |ran| &ran.owner,
            |out, ran| match (ran.failures.is_empty(), was(ran)) {
                (true, _) => line(out, "passes now", ran, report),
                (false, Some(false)) => line(out, "still FAILS", ran, report),
                (false, _) => failed(out, ran, report),
            },
        );
        let _ = write!(out, "{} passed, {} failed", report.ran.len() - report.failed(), report.failed());
        let _ = writeln!(out, "  ({} requests in {} ms)", report.requests, took.as_millis());
        if report.ran.is_empty() {
            out.push_str(
                "There are no tests: write some under `tests:` in the route files (docs/tests.md).\n",
            );
        }
        // Of a part of the tests it says nothing.
        if let (Some(coverage), None) = (&report.coverage, &self.pattern) {
            self.coverage(&mut out, coverage, before.is_some());
        }
        if short {
            let min = self.coverage_min.unwrap_or_default();
            let _ = writeln!(out, "coverage is {percent} %, and --coverage-min wants {min} %");
        }
        (fine, out)
    }

    /// Tries the changes. Tests that fail without any say nothing about them.
    fn mutate(&self) -> ExitCode {
        let whole = Test { pattern: None, ..self.clone() };
        let (report, _) = match whole.once() {
            Ok(ran) => ran,
            Err(code) => return code,
        };
        if report.failed() > 0 {
            return misused("tests fail as it is: see `tollgate test`");
        }
        let began = Instant::now();
        let found = self.routes.read().map_err(|problem| vec![*problem]);
        let found = found.and_then(|files| suite::mutants(&files, self.pattern.as_deref()));
        let found = match found {
            Ok(found) => found,
            Err(problems) => return refuse(self.json, &problems, 2),
        };
        let survivors = found.survivors().count();
        let fine = self.caught_min.is_none_or(|min| found.percent() >= usize::from(min));
        if self.json {
            print_json(&json!({ "ok": fine, "percent": found.percent(), "mutants": found.all }));
        } else {
            let mut out = by_owner(
                found.survivors(),
                |mutant| &mutant.owner,
                |out, mutant| {
                    let _ = writeln!(out, "{}  {}: {}", mutant.place, mutant.of, mutant.what);
                },
            );
            if survivors > 0 {
                out.push_str("No test fails with any of these changes.\n");
            }
            let (all, caught) = (found.all.len(), found.all.len() - survivors);
            let took = began.elapsed().as_millis();
            let _ = writeln!(out, "{caught} of {all} changes caught ({} %, {took} ms)", found.percent());
            print(&out);
        }
        if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn coverage(&self, out: &mut String, coverage: &Coverage, brief: bool) {
        let counts = coverage.counts();
        let line = |out: &mut String, of: &str, counts: &Counts| {
            let Counts { percent, routes_tested, routes, seen, all } = counts;
            let _ = writeln!(
                out,
                "{of}: {percent} % ({routes_tested} of {routes} routes, {seen} of {all} in all)"
            );
        };
        line(out, "coverage", &counts);
        if brief {
            return;
        }
        let owners = coverage.by_owner();
        if owners.len() > 1 {
            owners.iter().for_each(|(owner, counts)| line(out, &format!("  {owner}"), counts));
        }
        let gaps = coverage
            .routes()
            .iter()
            .filter(|route| route.requests == 0 || route.cells.iter().any(|cell| !cell.seen));
        *out += &by_owner(
            gaps,
            |route| &route.owner,
            |out, route| {
                if route.requests == 0 {
                    let _ = writeln!(out, "  {}  {}: no test", route.route, route.place);
                    return;
                }
                let unseen: Vec<_> = route.cells.iter().filter(|cell| !cell.seen).collect();
                if self.coverage {
                    let _ = writeln!(out, "  {}  {}: no test saw", route.route, route.place);
                    for cell in unseen {
                        let _ = writeln!(out, "    {}: {}", cell.policy, cell.does);
                    }
                } else {
                    let _ =
                        writeln!(out, "  {}  {} of {} unseen", route.route, unseen.len(), route.cells.len());
                }
            },
        );
        if !self.coverage && counts.seen < counts.all {
            out.push_str("  (--coverage lists them)\n");
        }
    }

    fn keep_running(&self) -> ExitCode {
        let mut before: Option<BTreeMap<String, bool>> = None;
        loop {
            let state = self.fingerprint();
            if let Ok((report, took)) = self.once() {
                print(&self.told(&report, took, before.as_ref()).1);
                before = Some(report.ran.iter().map(|ran| (key(ran), ran.failures.is_empty())).collect());
            }
            print("watching…\n");
            let changed = loop {
                std::thread::sleep(LOOK);
                let now = self.fingerprint();
                if now != state {
                    break now
                        .iter()
                        .find(|(path, of)| state.get(*path) != Some(of))
                        .map(|(path, _)| path.clone());
                }
            };
            match changed {
                Some(path) => print(&format!("\n{} has changed\n", path.display())),
                None => print("\na file is gone\n"),
            }
        }
    }

    /// Every file of the folders, with its time and length.
    fn fingerprint(&self) -> BTreeMap<PathBuf, (Option<SystemTime>, u64)> {
        let mut all = BTreeMap::new();
        // Folders that gateway.yaml names are known once it could be read.
        let mut folders = self.routes.read().map(|files| files.folders).unwrap_or_default();
        folders.extend(self.routes.folders());
        folders.iter().for_each(|folder| files_of(folder, 0, &mut all));
        all
    }
}

fn files_of(folder: &Path, depth: usize, all: &mut BTreeMap<PathBuf, (Option<SystemTime>, u64)>) {
    if depth > 16 {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.metadata() {
            Ok(about) if about.is_dir() => files_of(&path, depth + 1, all),
            Ok(about) => {
                all.insert(path, (about.modified().ok(), about.len()));
            }
            Err(_) => {}
        }
    }
}

/// What tells a test from the others.
fn key(ran: &Ran) -> String {
    let file = ran.place.split(':').next().unwrap_or_default();
    format!("{file}\n{}\n{}", ran.name, ran.environment)
}

/// The environment is said where there are several.
fn line(out: &mut String, word: &str, ran: &Ran, report: &Report) {
    let place = if report.environments.len() > 1 {
        format!("{} in {}", ran.place, ran.environment)
    } else {
        ran.place.clone()
    };
    let (on, off) = match (colored(), ran.failures.is_empty()) {
        (false, _) => ("", ""),
        (true, true) => ("\u{1b}[32m", "\u{1b}[0m"),
        (true, false) => ("\u{1b}[31m", "\u{1b}[0m"),
    };
    let _ = writeln!(out, "{on}{word}{off}  {}  ({place})", ran.name);
}

// Writing to a string cannot fail.
fn failed(out: &mut String, ran: &Ran, report: &Report) {
    line(out, "FAIL", ran, report);
    let mut shown = None;
    for (problem, failure) in &ran.failures {
        let _ = problem.write(out, colored());
        out.push('\n');
        let Some((asked, record)) = failure.asked.as_ref().zip(failure.record.as_ref()) else { continue };
        // One trace for each request: all that is wrong with its answer has the same way.
        if shown == Some((asked, failure.number)) {
            continue;
        }
        shown = Some((asked, failure.number));
        let which = if failure.number > 1 { format!(" (request {})", failure.number) } else { String::new() };
        let _ = writeln!(out, "  what happened to {} {}{which}:", asked.method, asked.url);
        record::text::text(record, |_| Vec::new()).lines().for_each(|line| {
            let _ = writeln!(out, "  | {line}");
        });
    }
    out.push('\n');
}

/// How much of the routes is covered; all, where nothing was to be.
fn percent(report: &Report) -> usize {
    report.coverage.as_ref().map_or(100, |coverage| coverage.counts().percent)
}

fn as_json(report: &Report, fine: bool) -> Value {
    let tests: Vec<Value> = report
        .ran
        .iter()
        .map(|ran| {
            let failures = ran.failures.iter().map(|(problem, failure)| failure.as_json(problem));
            json!({
                "name": ran.name,
                "owner": ran.owner,
                "place": ran.place,
                "environment": ran.environment,
                "ok": ran.failures.is_empty(),
                "failures": failures.collect::<Vec<_>>(),
            })
        })
        .collect();
    let coverage = report.coverage.as_ref().map(|coverage| {
        let mut out = json!(coverage.counts());
        if let Some(members) = out.as_object_mut() {
            members.insert("by_owner".into(), json!(coverage.by_owner()));
            members.insert("by_route".into(), json!(coverage.routes()));
        }
        out
    });
    json!({
        "ok": fine,
        "passed": report.ran.len() - report.failed(),
        "failed": report.failed(),
        "requests": report.requests,
        "tests": tests,
        "coverage": coverage,
    })
}
