//! The `tollgate` command.
#![deny(missing_docs)]

mod cli;

fn main() -> std::process::ExitCode {
    tollgate::outside::begin();
    cli::run()
}
