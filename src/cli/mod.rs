//! The `tollgate` command: one file per subcommand.

mod check;
mod compile;
mod explain;
mod token;
mod why;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate::config::problem::Problem;
use tollgate::config::{self, Compiled, Files};

/// Checks, compiles and explains the route files of a Tollgate gateway; mints tokens for development; asks a running
/// gateway why it answered as it did.
#[derive(Parser)]
#[command(name = "tollgate", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Check),
    Compile(compile::Compile),
    Explain(explain::Explain),
    Token(token::Token),
    Why(why::Why),
}

/// Runs the command line. Exit codes: 0 fine, 1 something in the files or on disk is wrong or was not found, 2 wrong
/// usage.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Check(check) => check.run(),
        Command::Compile(compile) => compile.run(),
        Command::Explain(explain) => explain.run(),
        Command::Token(token) => token.run(),
        Command::Why(why) => why.run(),
    }
}

/// Where the route files are. Every subcommand that reads them flattens this.
#[derive(Args, Clone, Debug)]
pub(crate) struct RoutesArgs {
    /// A folder of route files; several merge into one gateway. One of them has the gateway file. Default:
    /// TOLLGATE_ROUTES of the environment (a list like PATH), or `routes`.
    #[arg(long, value_name = "DIR")]
    routes: Vec<PathBuf>,
}

impl RoutesArgs {
    /// The folders that are meant.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        if !self.routes.is_empty() {
            return self.routes.clone();
        }
        let listed = std::env::var_os("TOLLGATE_ROUTES").unwrap_or_default();
        let listed: Vec<PathBuf> =
            std::env::split_paths(&listed).filter(|folder| !folder.as_os_str().is_empty()).collect();
        if listed.is_empty() { vec!["routes".into()] } else { listed }
    }

    /// The texts of all route files.
    pub(crate) fn read(&self) -> Result<Files, Box<Problem>> {
        config::read(&self.folders())
    }

    /// The plan of one environment, or everything that is wrong.
    pub(crate) fn compile(&self, environment: &str) -> Result<Compiled, Vec<Problem>> {
        config::compile(&self.folders(), environment)
    }
}

/// Writes to standard output; a closed pipe (`tollgate … | head`) is no fault.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes to standard error and gives the exit code of wrong usage.
pub(crate) fn misused(text: &str) -> ExitCode {
    eprintln!("tollgate: {text}");
    ExitCode::from(2)
}

/// Milliseconds since 1970: the command, unlike the core, may look at the clock.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
