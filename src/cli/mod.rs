//! The `tollgate` command: one file per subcommand.

mod build;
mod check;
mod compile;
mod completion;
mod debug_token;
mod deploy;
mod dev;
mod diff;
mod explain;
mod failures;
mod git;
mod import;
mod init;
mod manual;
mod migrate;
mod output;
mod test;
mod token;
mod verify;
mod why;

use output::Color;
pub(crate) use output::{by_owner, colored, complain, misused, print, print_json, refuse};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate::config::problem::Problem;
use tollgate::config::{self, Compiled, Files};

/// Tollgate: an API gateway that runs as an edge function. Its route files are checked, tested, explained, compared and
/// deployed by this command.
#[derive(Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true, after_help = manual::below())]
struct Cli {
    /// When text is coloured.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        display_order = 900,
        hide_possible_values = true,
        help = "When text is coloured: auto (on terminals, unless NO_COLOR is set), always or never"
    )]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Build),
    Check(check::Check),
    Compile(compile::Compile),
    Completion(completion::Completion),
    DebugToken(debug_token::DebugToken),
    Deploy(deploy::Deploy),
    Dev(dev::Dev),
    Diff(diff::Diff),
    Explain(explain::Explain),
    Failures(failures::Failures),
    Init(init::Init),
    Test(test::Test),
    Import(import::Import),
    Migrate(migrate::Migrate),
    Token(token::Token),
    Verify(verify::Verify),
    Why(why::Why),
    /// Prints docs/command.md.
    #[command(hide = true)]
    Manual,
}

/// Runs the command line. Exit codes: [`manual::EXIT_CODES`].
pub fn run() -> ExitCode {
    let command = manual::present(Cli::command());
    let cli = match Cli::from_arg_matches(&command.clone().get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    output::choose(cli.color);
    match cli.command {
        Command::Build(build) => build.run(),
        Command::Check(check) => check.run(),
        Command::Compile(compile) => compile.run(),
        Command::Completion(completion) => completion.run(command),
        Command::DebugToken(token) => token.run(),
        Command::Deploy(deploy) => deploy.run(),
        Command::Dev(dev) => dev.run(),
        Command::Diff(diff) => diff.run(),
        Command::Explain(explain) => explain.run(),
        Command::Failures(failures) => failures.run(),
        Command::Init(init) => init.run(),
        Command::Test(test) => test.run(),
        Command::Import(import) => import.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Token(token) => token.run(),
        Command::Verify(verify) => verify.run(),
        Command::Why(why) => why.run(),
        Command::Manual => {
            print(&manual::page(&command));
            ExitCode::SUCCESS
        }
    }
}

/// Where the route files are. Every subcommand that reads them flattens this.
#[derive(Args, Clone, Debug, Default)]
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
        let mut listed = tollgate::outside::split_paths(&listed);
        listed.retain(|folder| !folder.as_os_str().is_empty());
        if listed.is_empty() { vec!["routes".into()] } else { listed }
    }

    /// The texts of all route files.
    pub(crate) fn read(&self) -> Result<Files, Box<Problem>> {
        let mut files = config::read(&self.folders())?;
        files.now = i64::try_from(now() / 1000).ok();
        Ok(files)
    }

    /// The plan of one environment, or everything that is wrong.
    pub(crate) fn compile(&self, environment: &str) -> Result<Compiled, Vec<Problem>> {
        config::compile(&self.folders(), environment)
    }
}

/// A secret of the gateway: of the environment, or of .dev.vars.
pub(crate) fn secret(name: &str) -> Option<String> {
    let from_file = || {
        let vars = std::fs::read_to_string(".dev.vars").ok()?;
        let mut lines = vars.lines().filter_map(|line| line.trim().split_once('='));
        lines.find(|(own, _)| *own == name).map(|(_, value)| value.trim_matches('"').to_owned())
    };
    std::env::var(name).ok().or_else(from_file)
}

/// Milliseconds since 1970: the command, unlike the core, may look at the clock.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
