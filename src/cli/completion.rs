//! `tollgate completion`: a script that completes this command's arguments in a shell.

use super::output::print;
use clap::{Args, Command};
use clap_complete::{Shell, generate};
use std::process::ExitCode;

/// Prints a script that completes subcommands, options and file names in a shell.
///
/// Ends with 0, or with 2 if there is no such shell.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate completion bash >~/.local/share/bash-completion/completions/tollgate
  tollgate completion zsh >~/.zfunc/_tollgate      # a folder of $fpath
  tollgate completion fish >~/.config/fish/completions/tollgate.fish")]
pub struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    /// Runs it.
    pub fn run(self, mut command: Command) -> ExitCode {
        let mut script = Vec::new();
        generate(self.shell, &mut command, "tollgate", &mut script);
        print(&String::from_utf8_lossy(&script));
        ExitCode::SUCCESS
    }
}
