//! The `tollgate` command: one file per subcommand.

mod check;
mod compile;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks and compiles the route files of a Tollgate gateway.
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
}

/// Runs the command line. Exit codes: 0 fine, 1 something in the files or on disk is wrong, 2 wrong usage.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Check(check) => check.run(),
        Command::Compile(compile) => compile.run(),
    }
}

/// Writes to standard output; a closed pipe (`tollgate … | head`) is no fault.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
