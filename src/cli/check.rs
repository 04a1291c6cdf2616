//! `tollgate check`: all that is wrong with the route files, in every environment.

use super::{RoutesArgs, colored, complain, print};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use tollgate::config::{self, problem};

/// Checks the route files in every environment and prints all errors and warnings.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate check
  tollgate check --env production --json
  tollgate check --deploy staging          # as scripts/deploy does first
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
        let only = self.deploy.as_deref().or(self.env.as_deref());
        let (environments, problems) = match self.routes.read() {
            Ok(files) => config::check(&files, only, self.deploy.is_some()),
            Err(problem) => (Vec::new(), vec![*problem]),
        };
        let failed = problems.iter().any(|p| p.severity == problem::Severity::Error);
        if self.json {
            print(&format!(
                "{}\n",
                json!({ "ok": !failed, "environments": environments, "problems": problems })
            ));
        } else {
            print(&problem::render_in(&problems, colored()));
            if !failed {
                print(&format!("ok: {}\n", environments.join(", ")));
            }
        }
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
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
