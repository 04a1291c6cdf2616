//! `tollgate build`: what wrangler bundles, in one folder.

use super::{RoutesArgs, compile, complain, misused, print_json};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tollgate::config;
use tollgate::config::problem::{Problem, Severity};

/// Puts into one folder what is deployed: the gateway, as it was built, and the plan of one environment.
///
/// `wrangler.toml` names it as the build command, so wrangler runs it. Whatever else wrangler is about to do than to
/// serve development, the environment must be fit to be deployed, as for `check --deploy`.
///
/// Ends with 0 if the folder is complete, 1 if not; under `wrangler dev` with 0 too where it keeps the last good plan.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate build
  tollgate build --env production --out .tollgate/production")]
pub struct Build {
    #[command(flatten)]
    routes: RoutesArgs,
    /// The environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    /// The folder. Default: .tollgate/ENV.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object on standard output, beside the text on standard error.
    #[arg(long)]
    json: bool,
}

/// The gateway's own files. They come from the folder in `TOLLGATE_BUNDLE`, which the launcher sets; in a clone
/// `scripts/build` has put them there before.
const FILES: [&str; 2] = ["index.js", "tollgate.wasm"];

impl Build {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let out = self.out.clone().unwrap_or_else(|| Path::new(".tollgate").join(&self.env));
        let wrangler = std::env::var("WRANGLER_COMMAND").unwrap_or_default();
        let failed = |why: &str, problems: &[Problem]| {
            // A failing build would make every request to `wrangler dev` hang.
            let kept = wrangler == "dev" && out.join("plan.bin").is_file() && out.join("index.js").is_file();
            if self.json {
                print_json(&json!({ "ok": false, "kept": kept, "why": why, "problems": problems }));
            }
            if kept {
                eprintln!("[tollgate] {why}; the gateway keeps running what it has");
                return ExitCode::SUCCESS;
            }
            eprintln!("[tollgate] {why}");
            ExitCode::FAILURE
        };
        if let Err((file, error)) = self.bring(&out) {
            return failed(&format!("{}: {error}", file.display()), &[]);
        }
        // A bare `wrangler deploy --env NAME` passes here and nowhere else. Of the top level wrangler does not say
        // whether it is a dry run; it has no routes, so nobody could reach it.
        if self.env != "dev"
            && !matches!(wrangler.as_str(), "" | "dev")
            && let Err(problems) = may_be_deployed(&self.routes, &self.env)
        {
            return failed(&format!("{} cannot be deployed as it is", self.env), &problems);
        }
        let compiled = match self.routes.compile(&self.env) {
            Ok(compiled) => compiled,
            Err(problems) => {
                complain(&problems);
                return failed("the route files have mistakes", &problems);
            }
        };
        complain(&compiled.warnings);
        let plan = out.join("plan.bin");
        match compile::replace(&plan, &compiled.plan) {
            Ok(()) => {
                if self.json {
                    print_json(&json!({
                        "ok": true,
                        "environment": self.env,
                        "out": out.display().to_string(),
                        "plan": compiled.hash,
                        "warnings": compiled.warnings,
                    }));
                }
                ExitCode::SUCCESS
            }
            Err(error) => failed(&format!("{}: cannot be written: {error}", plan.display()), &[]),
        }
    }

    /// Copies the gateway's files where they are not those already.
    fn bring(&self, out: &Path) -> Result<(), (PathBuf, std::io::Error)> {
        let bundle = std::env::var_os("TOLLGATE_BUNDLE").map(PathBuf::from);
        for name in FILES {
            let to = out.join(name);
            match &bundle {
                Some(bundle) => {
                    let from = bundle.join(name);
                    let bytes = std::fs::read(&from).map_err(|error| (from, error))?;
                    if std::fs::read(&to).ok().as_ref() != Some(&bytes) {
                        compile::replace(&to, &bytes).map_err(|error| (to, error))?;
                    }
                }
                None if to.is_file() => {}
                None => return Err((to, std::io::Error::other("is not there: scripts/build makes it"))),
            }
        }
        Ok(())
    }
}

/// Whether an environment may be deployed; prints what there is to say about it.
///
/// # Errors
/// What stands in the way, among all that is printed.
pub(crate) fn may_be_deployed(routes: &RoutesArgs, environment: &str) -> Result<(), Vec<Problem>> {
    let problems = match routes.read() {
        Ok(files) => config::check(&files, Some(environment), true).1,
        Err(problem) => vec![*problem],
    };
    complain(&problems);
    let stands = problems.iter().any(|problem| problem.severity == Severity::Error);
    if stands { Err(problems) } else { Ok(()) }
}

/// What is left to the launcher, or the exit code where there is none.
pub(crate) fn hand_over(next: &serde_json::Value, script: &str) -> ExitCode {
    match tollgate::outside::hand_over(next) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => misused(&format!("in a clone of Tollgate, this is {script}")),
    }
}
