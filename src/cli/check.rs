//! `tollgate check`: all that is wrong with the route files, in every environment.

use super::{RoutesArgs, colored, complain, git, misused, print};
use clap::Args;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::ExitCode;
use tollgate::config::problem::{self, Problem};
use tollgate::config::{self, Files};

/// Checks the route files in every environment and prints all errors and warnings.
///
/// Ends with 0 if there is no error, 1 if there is one, 2 if --changed names no revision of git.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate check
  tollgate check --env production --json
  tollgate check --deploy staging          # as scripts/deploy does first
  tollgate check --changed origin/main     # what concerns this branch and its owners
  tollgate check --routes ../platform --routes ../checkout")]
pub struct Check {
    #[command(flatten)]
    routes: RoutesArgs,
    /// Check one environment only.
    #[arg(long, value_name = "ENV", conflicts_with = "deploy")]
    env: Option<String>,
    /// Check that ENV may be deployed: refuses development issuers, loopback, bare-address and placeholder hosts, an
    /// environment of wrangler.toml without routes or with a client address that clients choose, and a test build.
    #[arg(long, value_name = "ENV")]
    deploy: Option<String>,
    /// Check everything, and show the problems that matter to a change since BASE (a revision of git; default HEAD): in
    /// files that differ, in files of their owners, and such as BASE does not have.
    #[arg(long, value_name = "BASE", num_args = 0..=1, default_missing_value = "HEAD")]
    changed: Option<String>,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
    /// Print the real paths of all folders of route files and nothing else, checking nothing: for scripts.
    #[arg(long, hide = true)]
    list_folders: bool,
}

impl Check {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        if self.list_folders {
            return self.list();
        }
        let read = self.routes.read();
        let (environments, mut problems) = match &read {
            Ok(files) => config::check(files, self.only(), self.deploy.is_some()),
            Err(problem) => (Vec::new(), vec![*problem.clone()]),
        };
        let mut others = Vec::new();
        let mut scope = None;
        if let (Some(base), Ok(files)) = (&self.changed, &read) {
            match self.concerned(base, files) {
                Ok(concerned) => {
                    (problems, others) = problems.into_iter().partition(|problem| concerned.has(problem));
                    scope = Some(concerned);
                }
                Err(error) => return misused(&error),
            }
        }
        let failed = problems.iter().any(|p| p.severity == problem::Severity::Error);
        if self.json {
            let mut out = json!({ "ok": !failed, "environments": environments, "problems": problems });
            if let (Some(scope), Some(out)) = (&scope, out.as_object_mut()) {
                out.insert(
                    "changed".into(),
                    json!({ "files": scope.files, "owners": scope.owners, "others": others.len() }),
                );
            }
            print(&format!("{out}\n"));
        } else {
            print(&problem::render_by_owner(&problems, colored()));
            if let Some(scope) = scope {
                print(&scope.says(others.len()));
            }
            if !failed {
                print(&format!("ok: {}\n", environments.join(", ")));
            }
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn only(&self) -> Option<&str> {
        self.deploy.as_deref().or(self.env.as_deref())
    }

    /// What a change since `base` concerns.
    fn concerned(&self, base: &str, files: &Files) -> Result<Concerned, String> {
        let changed = git::changed(base, &files.folders)?;
        let names =
            files.routes.keys().filter(|name| files.path(name).is_some_and(|path| changed.contains(&path)));
        let names: BTreeSet<String> = names.cloned().collect();
        let owners = config::owners(files);
        // A changed gateway file concerns everybody.
        let all = names.iter().any(|name| files.is_gateway(name));
        let owners = owners.into_iter().filter(|(name, owner)| names.contains(name) && !owner.is_empty());
        let owners = owners.map(|(_, owner)| owner).collect();
        // Where the folders were elsewhere, or none, everything is new.
        let before = git::files(base, &self.routes.folders());
        let before = before.map(|files| config::check(&files, self.only(), self.deploy.is_some()).1);
        Ok(Concerned { base: base.to_owned(), files: names, owners, all, before: before.unwrap_or_default() })
    }

    fn list(&self) -> ExitCode {
        match self.routes.read() {
            Ok(files) => {
                files.folders.iter().for_each(|folder| print(&format!("{}\n", folder.display())));
                ExitCode::SUCCESS
            }
            Err(problem) => {
                complain(&[*problem]);
                ExitCode::FAILURE
            }
        }
    }
}

/// What a change concerns.
struct Concerned {
    base: String,
    /// Files that differ, by their names.
    files: BTreeSet<String>,
    /// Their owners.
    owners: BTreeSet<String>,
    /// It concerns everybody.
    all: bool,
    /// What was wrong before.
    before: Vec<Problem>,
}

impl Concerned {
    fn has(&self, problem: &Problem) -> bool {
        // Lines move; a mistake stays the same.
        let known = |before: &Problem| {
            (before.code, &before.file, &before.message) == (problem.code, &problem.file, &problem.message)
        };
        self.all
            || self.files.contains(&problem.file)
            || self.owners.contains(&problem.owner)
            || !self.before.iter().any(known)
    }

    fn says(&self, others: usize) -> String {
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let base = &self.base;
        let whom = match (self.files.is_empty(), self.all) {
            (true, _) => format!("no route file differs from {base}"),
            (_, true) => format!("the gateway file differs from {base}: everything is shown"),
            _ => format!("changed since {base}: {}, of {}", list(&self.files), list(&self.owners)),
        };
        let rest = match others {
            0 => String::new(),
            1 => "; 1 problem elsewhere, as before, is not shown".to_owned(),
            n => format!("; {n} problems elsewhere, as before, are not shown"),
        };
        format!("{whom}{rest}\n")
    }
}
