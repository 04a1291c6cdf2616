//! `tollgate compile`: route files → the plan of one environment.

use super::{RoutesArgs, complain, print, print_json, refuse};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compiles the route files of one environment into a plan.
///
/// Ends with 0 if the plan is written, 1 if the route files have mistakes or the file cannot be written.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate compile --env dev --out build/plan.bin")]
pub struct Compile {
    #[command(flatten)]
    routes: RoutesArgs,
    /// The environment.
    #[arg(long, value_name = "ENV")]
    env: String,
    /// The file to write; replaced as a whole, or left as it is.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print one JSON object in place of a line.
    #[arg(long)]
    json: bool,
}

impl Compile {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let compiled = match self.routes.compile(&self.env) {
            Ok(compiled) => compiled,
            Err(problems) => return refuse(self.json, &problems, 1),
        };
        if !self.json {
            complain(&compiled.warnings);
        }
        if let Err(error) = replace(&self.out, &compiled.plan) {
            eprintln!("{}: cannot be written: {error}", self.out.display());
            return ExitCode::FAILURE;
        }
        if self.json {
            print_json(&json!({
                "plan": compiled.hash,
                "environment": self.env,
                "out": self.out.display().to_string(),
                "bytes": compiled.plan.len(),
                "apis": compiled.shared.apis.len(),
                "routes": compiled.routes.len(),
                "limits": compiled.shared.limits.len(),
                "warnings": compiled.warnings,
            }));
            return ExitCode::SUCCESS;
        }
        print(&format!(
            "{} {} ({}): {} bytes, {} API versions, {} routes, {} limits\n",
            self.out.display(),
            compiled.hash,
            self.env,
            compiled.plan.len(),
            compiled.shared.apis.len(),
            compiled.routes.len(),
            compiled.shared.limits.len(),
        ));
        ExitCode::SUCCESS
    }
}

/// Writes beside `path` and renames, so that whoever watches never reads half a plan.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Two commands at once are rare, and the clock tells them apart; as wasm there is no process id.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    name.push(format!(".{}.tmp", since.as_nanos()));
    let beside = path.with_file_name(name);
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}
