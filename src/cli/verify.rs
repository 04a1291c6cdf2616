//! `tollgate verify`: the tests of the route files against a gateway that runs.

use super::{RoutesArgs, by_owner, colored, misused, print, print_json, refuse};
use clap::Args;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;
use tollgate::outside;
use tollgate::suite::{self, Deployment, Replayed};

/// Replays tests of the route files against a gateway that runs.
///
/// Of the tests those are replayed that need no virtual clock, no made-up origins, issuers or counters, and no token but
/// those given; the others are counted with the reason. What the gateway answers by itself must be as expected in
/// status, reason, header fields and body; of what origins answer only the gateway's part is compared. Ends with 0 if
/// all that was replayed holds, 1 if not, 2 if nothing could be asked.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate verify http://127.0.0.1:8787
  tollgate verify https://api.example.com --env production --token ann=\"$TOKEN\" --skipped")]
pub struct Verify {
    /// The gateway's URL, without a path.
    url: String,
    /// Only tests with this text in their file's or their own name.
    pattern: Option<String>,
    #[command(flatten)]
    routes: RoutesArgs,
    /// The gateway's environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    /// A token of the caller that `fixtures` call NAME.
    #[arg(long = "token", value_name = "NAME=TOKEN")]
    tokens: Vec<String>,
    /// Make requests too that change something at origins.
    #[arg(long)]
    writes: bool,
    /// List the tests that were not replayed, with the reason.
    #[arg(long)]
    skipped: bool,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let url = self.url.trim_end_matches('/');
        let bare = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if bare.is_none_or(|host| host.is_empty() || host.contains('/')) {
            return misused("the gateway's URL begins with `https://` or `http://` and has no path");
        }
        let mut tokens = Vec::new();
        for token in &self.tokens {
            match token.split_once('=') {
                Some((name, token)) => tokens.push((name.to_owned(), token.to_owned())),
                None => return misused("--token: write NAME=TOKEN"),
            }
        }
        let (url, environment) = (url.to_owned(), self.env.clone());
        let deployment = Deployment { url, environment, tokens, writes: self.writes };
        let found = self.routes.read().map_err(|problem| vec![*problem]).and_then(|files| {
            suite::replay(&files, &deployment, self.pattern.as_deref(), &mut |request| {
                outside::fetch(request)
            })
        });
        let all = match found {
            Ok(all) => all,
            Err(problems) => return refuse(self.json, &problems, 2),
        };
        let requests: usize = all.iter().map(|test| test.requests).sum();
        let mut silent =
            all.iter().flat_map(|test| &test.failures).filter(|(_, failure)| failure.asked.is_none());
        if let Some((_, first)) = silent.next().filter(|_| silent.count().saturating_add(1) == requests) {
            return misused(&format!("nobody answers: {}", first.actual));
        }
        let failed = all.iter().filter(|test| !test.failures.is_empty()).count();
        if self.json {
            print_json(&as_json(&all, failed));
        } else {
            print(&self.text(&all, failed));
        }
        if all.iter().all(|test| test.requests == 0) {
            return misused("no test could be replayed (--skipped says why)");
        }
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    // Writing to a string cannot fail.
    fn text(&self, all: &[Replayed], failed: usize) -> String {
        let mut out = by_owner(
            all.iter().filter(|test| !test.failures.is_empty() || self.skipped && test.skipped.is_some()),
            |test| &test.owner,
            |out, test| {
                if !test.failures.is_empty() {
                    let _ = writeln!(out, "FAIL  {}  ({})", test.name, test.place);
                }
                for (problem, failure) in &test.failures {
                    let _ = problem.write(out, colored());
                    out.push('\n');
                    if let Some(asked) = &failure.asked {
                        let _ = writeln!(out, "  {} {}", asked.method, asked.url);
                    }
                }
                if let (true, Some(why)) = (self.skipped, &test.skipped) {
                    let part = if test.requests > 0 { "skipped in part" } else { "skipped" };
                    let _ = writeln!(out, "{part}  {}  ({}): {why}", test.name, test.place);
                }
            },
        );
        let requests: usize = all.iter().map(|test| test.requests).sum();
        let skipped = all.iter().filter(|test| test.requests == 0).count();
        let passed = all.len() - skipped - failed;
        let _ =
            writeln!(out, "{passed} passed, {failed} failed, {skipped} not replayed  ({requests} requests)");
        out
    }
}

fn as_json(all: &[Replayed], failed: usize) -> Value {
    let tests: Vec<Value> = all
        .iter()
        .map(|test| {
            let failures = test.failures.iter().map(|(problem, failure)| failure.as_json(problem));
            json!({
                "name": test.name,
                "owner": test.owner,
                "place": test.place,
                "requests": test.requests,
                "skipped": test.skipped,
                "failures": failures.collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "ok": failed == 0, "failed": failed, "tests": tests })
}
