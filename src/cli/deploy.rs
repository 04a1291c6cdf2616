//! `tollgate deploy`: an environment to the network, after everything that can be checked before has been checked.

use super::build::{hand_over, may_be_deployed};
use super::test::Test;
use super::{RoutesArgs, misused, print, print_json};
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use tollgate::outside::{self, Program};

/// Deploys an environment with wrangler, after everything that can be checked before has been checked.
///
/// What is deployed stands in git: route files, variables, routes and all else in wrangler.toml. Back again:
/// npx wrangler rollback --env ENV
///
/// Ends with 0 if it is deployed, or would be; 1 if a check, a test or git stands in the way; 2 for wrong usage; otherwise
/// as wrangler ends.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate deploy staging --dry-run
  tollgate deploy production --tag v12 --message 'orders v3'")]
pub struct Deploy {
    /// The environment: an `[env.ENV]` in wrangler.toml.
    env: String,
    /// Do everything but deploy; says the size.
    #[arg(long)]
    dry_run: bool,
    /// Where wrangler puts what it deploys or would deploy.
    #[arg(long, value_name = "DIR")]
    outdir: Option<String>,
    /// A message for the version.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// A tag for the version.
    #[arg(long, value_name = "TEXT")]
    tag: Option<String>,
    /// Print one JSON object on standard output, and all else on standard error.
    #[arg(long)]
    json: bool,
    /// Any other argument of wrangler would change what the checks have seen, or what git has.
    #[arg(long = "var", aliases = ["route", "routes", "domain", "domains"], hide = true, num_args = 0.., value_name = "X")]
    refused: Option<Vec<String>>,
}

impl Deploy {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let env = &self.env;
        if self.refused.is_some() {
            let names = ["--var", "--route", "--domain"];
            let given = std::env::args().find(|given| names.iter().any(|name| given.starts_with(name)));
            let given =
                given.as_deref().and_then(|given| given.split('=').next()).unwrap_or("--var").to_owned();
            return misused(&format!(
                "{given} is refused: write it under [env.{env}] in wrangler.toml, where it is checked and committed"
            ));
        }
        if env == "dev" {
            return misused("the environment dev is for development alone");
        }
        // The checks, wrangler's build and git must see the same files.
        if std::env::var_os("TOLLGATE_ROUTES").is_some_and(|routes| !routes.is_empty()) {
            return misused(
                "TOLLGATE_ROUTES is set: write further folders under `folders:` in the gateway file, where they are \
                 committed",
            );
        }
        let routes = RoutesArgs::default();
        eprintln!(
            "[tollgate] checking {env}: no development issuer, no loopback origin, no placeholder, nothing unset, \
             routes in wrangler.toml"
        );
        if let Err(problems) = may_be_deployed(&routes, env) {
            return self.refused("check", json!(problems));
        }
        eprintln!("[tollgate] the tests of the route files");
        let (passed, text, tests) = Test::default().passed();
        if self.json {
            eprint!("{text}")
        } else {
            print(&text)
        }
        if !passed {
            eprintln!(
                "[tollgate] tests of the route files fail; nothing was deployed. Again: tollgate test, and while you \
                 edit: tollgate test --watch"
            );
            return self.refused("tests", tests);
        }
        if !self.dry_run {
            match uncommitted(&routes) {
                Ok(changes) if changes.is_empty() => {}
                Ok(changes) => {
                    eprintln!(
                        "[tollgate] uncommitted changes: what is deployed must be in git. Commit them, or put them \
                         aside with git stash -u:\n{}",
                        changes.trim_end()
                    );
                    return self.refused("git", json!(changes.lines().collect::<Vec<_>>()));
                }
                Err(why) => {
                    eprintln!("[tollgate] {why}");
                    return self.refused("git", json!([why]));
                }
            }
        }
        let mut arguments = vec!["deploy".to_owned(), "--env".to_owned(), env.clone()];
        if self.dry_run {
            arguments.push("--dry-run".into());
        }
        for (name, value) in [("outdir", &self.outdir), ("message", &self.message), ("tag", &self.tag)] {
            arguments.extend(value.as_ref().map(|value| format!("--{name}={value}")));
        }
        let mut next = json!({ "do": "deploy", "arguments": arguments });
        if let (true, Some(next)) = (self.json, next.as_object_mut()) {
            // What the launcher prints, with `ok` and `deployed`, once wrangler has ended.
            next.insert("says".into(), json!({ "environment": env, "dry_run": self.dry_run }));
        }
        hand_over(&next, "scripts/deploy")
    }

    /// Says as JSON, where that was asked for, at which step nothing was deployed, and why.
    fn refused(&self, step: &str, why: Value) -> ExitCode {
        if self.json {
            print_json(&json!({
                "ok": false,
                "environment": self.env,
                "dry_run": self.dry_run,
                "deployed": false,
                "step": step,
                "why": why,
            }));
        }
        ExitCode::FAILURE
    }
}

/// What git does not have, as git says it: here, and in folders of route files that stand elsewhere.
fn uncommitted(routes: &RoutesArgs) -> Result<String, String> {
    // Whatever the user's git leaves out of its status by itself.
    let status = |folder: Option<&Path>| -> Result<Option<String>, String> {
        let mut git = Program::new("git", &["status", "--porcelain", "--untracked-files=normal"]);
        if let Some(folder) = folder {
            git.arguments.extend(["--".to_owned(), ".".to_owned()]);
            git.folder = Some(folder.to_path_buf());
        }
        let ended = outside::run(&git).map_err(|why| format!("what is deployed must be in git: {why}"))?;
        match ended.code {
            Some(0) => Ok(Some(String::from_utf8_lossy(&ended.stdout).into_owned())),
            _ => Ok(None),
        }
    };
    let mut changes =
        status(None)?.ok_or("what is deployed must be in git, and this is no clone: `git init` makes one")?;
    let here = outside::real_path(Path::new(".")).unwrap_or_default();
    let files = routes.read().map_err(|problem| problem.message)?;
    for folder in &files.folders {
        let name = folder.display();
        let more = status(Some(folder))?
            .ok_or_else(|| format!("what is deployed must be in git, and {name} is not"))?;
        if !folder.starts_with(&here) && !more.is_empty() {
            changes.push_str(&format!("in {name}:\n{more}"));
        }
    }
    Ok(changes)
}
