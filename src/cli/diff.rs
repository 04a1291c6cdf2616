//! `tollgate diff`: what two states of the route files differ in, by meaning.

use super::{RoutesArgs, colored, git, misused, print, print_json, refuse};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use tollgate::config::{self, Files};
use tollgate::diff::{self, Report};
use tollgate::plan::Plan;

/// Shows what changes in meaning between two states of the route files, and which policies get looser.
///
/// Each side is a folder, a revision of git (HEAD~1, main, main:routes), or a plan that `tollgate compile` wrote; in a
/// revision the folders of --routes are read. Both are compiled, and the plans compared: layout, order, comments,
/// inheritance and the names of definitions and of path parameters make no difference. For requests that would go
/// elsewhere one of each kind is shown; where it is too much to decide whether there is one, both routes are named.
///
/// Ends with 0 if nothing changes in meaning, 1 if something does, 3 if something gets looser (marked `!!`): who may call,
/// how often, how much, from where, what is passed on to whom. 2 if a side cannot be read or has mistakes.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate diff HEAD                     # what is not committed yet
  tollgate diff origin/main HEAD --env production
  tollgate diff main:routes other/routes --json
  tollgate diff build/production/plan.bin routes --allow-loosened")]
pub struct Diff {
    /// The state before.
    old: String,
    /// The state after. Default: the folders of --routes as they are.
    new: Option<String>,
    /// Compare one environment only. Default: all.
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// End with 1, not 3, where something gets looser.
    #[arg(long)]
    allow_loosened: bool,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    routes: RoutesArgs,
}

/// One side.
enum Side {
    Files(Box<Files>),
    Plan(Rc<Plan>),
}

impl Diff {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        match self.compare() {
            Ok(code) => code,
            Err(code) => code,
        }
    }

    fn compare(&self) -> Result<ExitCode, ExitCode> {
        let old = self.side(&self.old)?;
        let after = self.new.as_deref().unwrap_or("the route files");
        let new = match &self.new {
            Some(new) => self.side(new)?,
            None => {
                let files = self.routes.read();
                Side::Files(Box::new(files.map_err(|problem| refuse(self.json, &[*problem], 2))?))
            }
        };
        let [environments, added, removed] = self.environments(&old, &new)?;
        let mut reports: Vec<(String, Report)> = Vec::new();
        for environment in environments {
            let before = self.plan(&old, &self.old, &environment)?;
            let after = self.plan(&new, after, &environment)?;
            let report = diff::compare(&before, &after).map_err(|error| misused(&error.to_string()))?;
            reports.push((environment, report));
        }
        let loosened = reports.iter().map(|(_, report)| report.loosened()).max().unwrap_or(0);
        let differs = reports.iter().any(|(_, report)| !report.is_empty());
        let changed = differs || !added.is_empty() || !removed.is_empty();
        if self.json {
            let reports: Vec<_> = reports
                .iter()
                .map(|(environment, report)| json!({ "environment": environment, "report": report }))
                .collect();
            print_json(&json!({
                "changed": changed,
                "loosened": loosened,
                "environments_added": added,
                "environments_removed": removed,
                "reports": reports,
            }));
        } else {
            for (names, what) in [(&added, "+"), (&removed, "-")] {
                names.iter().for_each(|name| print(&format!("{what} environment {name}\n")));
            }
            print(&diff::report(&reports, colored()));
            print(&summary(&reports, loosened));
        }
        Ok(match (changed, loosened > 0 && !self.allow_loosened) {
            (_, true) => ExitCode::from(3),
            (true, _) => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        })
    }

    fn side(&self, named: &str) -> Result<Side, ExitCode> {
        let path = Path::new(named);
        if path.is_dir() {
            let files = config::read(&[PathBuf::from(path)]);
            return files
                .map(|files| Side::Files(Box::new(files)))
                .map_err(|problem| refuse(self.json, &[*problem], 2));
        }
        if path.is_file() {
            let read = std::fs::read(path).map_err(|error| error.to_string());
            let plan = read.and_then(|bytes| Plan::load(bytes).map_err(|error| error.to_string()));
            return plan
                .map(|plan| Side::Plan(Rc::new(plan)))
                .map_err(|error| misused(&format!("{named}: {error}")));
        }
        let files = git::files(named, &self.routes.folders()).map_err(|error| misused(&error))?;
        Ok(Side::Files(Box::new(files)))
    }

    /// The plan of one environment of a side.
    fn plan(&self, side: &Side, named: &str, environment: &str) -> Result<Rc<Plan>, ExitCode> {
        match side {
            Side::Plan(plan) => Ok(Rc::clone(plan)),
            Side::Files(files) => {
                let compiled = config::compile_files(files, environment).map_err(|problems| {
                    refuse(self.json, &problems, 2);
                    misused(&format!(
                        "{named}: mistakes in the environment {environment}; only what compiles can be compared"
                    ))
                })?;
                Plan::load(compiled.plan).map(Rc::new).map_err(|error| misused(&error.to_string()))
            }
        }
    }

    /// The environments to compare; those that are new, and those that are gone.
    fn environments(&self, old: &Side, new: &Side) -> Result<[Vec<String>; 3], ExitCode> {
        let of = |side: &Side| match side {
            Side::Files(files) => config::environments(files),
            Side::Plan(plan) => vec![plan.shared().environment.clone()],
        };
        let (before, after) = (of(old), of(new));
        if let Some(only) = &self.env {
            if !before.contains(only) || !after.contains(only) {
                let all = |list: &[String]| list.join(", ");
                return Err(misused(&format!(
                    "--env: the environments are {} before and {} after",
                    all(&before),
                    all(&after)
                )));
            }
            return Ok([vec![only.clone()], Vec::new(), Vec::new()]);
        }
        match (old, new) {
            // A plan says nothing of other environments. Two may be of different ones: that is compared as asked.
            (Side::Plan(_), _) => Ok([before, Vec::new(), Vec::new()]),
            (_, Side::Plan(_)) => Ok([after, Vec::new(), Vec::new()]),
            _ => {
                let without = |list: &[String], other: &[String]| -> Vec<String> {
                    list.iter().filter(|name| !other.contains(name)).cloned().collect()
                };
                let (added, removed) = (without(&after, &before), without(&before, &after));
                Ok([without(&after, &added), added, removed])
            }
        }
    }
}

/// The last line: how many of what, in the environment that has the most.
fn summary(reports: &[(String, Report)], loosened: usize) -> String {
    if reports.iter().all(|(_, report)| report.is_empty()) {
        let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
        return format!("no change in meaning: {}\n", names.join(", "));
    }
    let most =
        |count: &dyn Fn(&Report) -> usize| reports.iter().map(|(_, report)| count(report)).max().unwrap_or(0);
    let routes =
        |kind| most(&|report: &Report| report.routes.iter().filter(|route| route.kind == kind).count());
    let undecided = match most(&|report: &Report| report.undecided.len()) {
        0 => String::new(),
        pairs => format!("; pairs of routes that cannot be decided: {pairs}"),
    };
    format!(
        "routes: {} added, {} removed, {} renamed, {} changed; requests that go elsewhere: {}{undecided}; looser: {loosened}\n",
        routes(diff::Kind::Added),
        routes(diff::Kind::Removed),
        routes(diff::Kind::Renamed),
        routes(diff::Kind::Changed),
        most(&|report: &Report| report.elsewhere.len()),
    )
}
