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

/// Writes beside `path` and renames, so that whoever watches never reads half a file.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace_all(&[(path.to_path_buf(), bytes)]).map_err(|(_, error)| error)
}

/// The same with several files: they are all written before the first is renamed. Gives the file that cannot be written.
pub(crate) fn replace_all(files: &[(PathBuf, &[u8])]) -> Result<(), (PathBuf, std::io::Error)> {
    let mut written: Vec<(PathBuf, &Path)> = Vec::new();
    let mut done = Ok(());
    for (path, bytes) in files {
        let beside = beside(path);
        done = done.and_then(|()| write(&beside, path, bytes).map_err(|error| (path.clone(), error)));
        written.push((beside, path));
    }
    for (beside, path) in &written {
        done = done.and_then(|()| std::fs::rename(beside, path).map_err(|error| (path.to_path_buf(), error)));
        if done.is_err() {
            let _ = std::fs::remove_file(beside);
        }
    }
    done
}

/// A name beside a file.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Two commands at once are rare, and the clock tells them apart; as wasm there is no process id.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    name.push(format!(".{}.tmp", since.as_nanos()));
    path.with_file_name(name)
}

/// Writes what is to stand in the place of `path`, whose permissions it keeps.
fn write(beside: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::File::create(beside)?;
    if let Ok(metadata) = std::fs::metadata(path) {
        // WASI has none.
        let _ = file.set_permissions(metadata.permissions());
    }
    file.write_all(bytes)?;
    file.sync_all()
}
