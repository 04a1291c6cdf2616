//! `tollgate dev`: the gateway on this machine, live.

use super::build::hand_over;
use super::{RoutesArgs, complain};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;

/// Runs the gateway on this machine, in the runtime that the network has, and follows every saved route file.
///
/// A mistake is printed, and the last good plan stays in service. The first start makes the admin token (.dev.vars)
/// and the key of the development issuer (.dev/issuer.json). Ctrl-C ends it.
///
/// Ends with 0 once it is interrupted, 1 if it cannot start, otherwise as wrangler ends.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate dev
  tollgate dev --port 9000 --fresh")]
pub struct Dev {
    /// The port.
    #[arg(long, value_name = "N", default_value_t = 8787, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Forget local state first: limits, quotas, events, cache.
    #[arg(long)]
    fresh: bool,
    /// Also run the demo origin, on port 9101 or the one that is given: it answers with what it received, and serves
    /// the public key of the development issuer.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "9101")]
    demo: Option<u16>,
}

impl Dev {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        // Said before anything starts; the build says the rest, and again at every save.
        if let Err(problem) = RoutesArgs::default().read() {
            complain(&[*problem]);
            return ExitCode::FAILURE;
        }
        let next = json!({ "do": "dev", "port": self.port, "fresh": self.fresh, "demo": self.demo });
        hand_over(&next, "scripts/dev")
    }
}
