//! `tollgate migrate`: route files of older formats rewritten in the current one.

use super::{RoutesArgs, misused, print, print_json, refuse};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use tollgate::config::Files;
use tollgate::config::format::{self, Migrated};
use tollgate::outside;

/// Rewrites route files of older formats in the current one: they mean the same then, as `tollgate diff` shows.
///
/// Comments, order, quotes and anchors stay; nothing changes but what has to. All files are rewritten or none, and what is
/// of the current format already stays as it is. docs/formats.md says what each format has changed.
///
/// Ends with 0 if all files are of the current format now, 1 if --check finds some that are not, 2 if a file cannot be
/// read or rewritten.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate migrate --check     # what would be rewritten
  tollgate migrate
  tollgate diff HEAD           # after it: nothing changes in meaning")]
pub struct Migrate {
    #[command(flatten)]
    routes: RoutesArgs,
    /// Write nothing, and end with 1 if something would be written.
    #[arg(long)]
    check: bool,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

impl Migrate {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let read = self.routes.read().map_err(|problem| vec![*problem]);
        let (files, migrated) = match read.and_then(|files| Ok((format::migrate(&files)?, files))) {
            Ok((migrated, files)) => (files, migrated),
            Err(problems) => return refuse(self.json, &problems, 2),
        };
        if !self.check {
            // The files themselves, not links to them.
            let real = |name: &str| {
                let path = files.path(name).unwrap_or_else(|| PathBuf::from(name));
                outside::real_path(&path).unwrap_or(path)
            };
            let texts: Vec<_> =
                migrated.iter().map(|file| (real(&file.file), file.text.as_bytes())).collect();
            if let Err((path, error)) = super::compile::replace_all(&texts) {
                return misused(&format!("{}: cannot be written: {error}", path.display()));
            }
        }
        let due = self.check && !migrated.is_empty();
        if self.json {
            print_json(&json!({
                "ok": !due,
                "format": format::CURRENT,
                "written": !self.check,
                "files": migrated,
                "unchanged": files.routes.len().saturating_sub(migrated.len()),
            }));
        } else {
            print(&self.text(&files, &migrated));
        }
        if due { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn text(&self, files: &Files, migrated: &[Migrated]) -> String {
        let mut out = String::new();
        for Migrated { file, from, to, changes, .. } in migrated {
            // The file with the variables may be of the current format.
            let formats = if from == to { String::new() } else { format!(": format {from} to {to}") };
            out.push_str(&format!("{file}{formats}\n"));
            for change in changes {
                let (span, before, after) = (&change.span, shown(&change.before), shown(&change.after));
                out.push_str(&format!("  {}:{}  {before}  ->  {after}\n", span.line, span.column));
            }
        }
        let count = |n: usize| format!("{n} {}", if n == 1 { "file" } else { "files" });
        let rest = files.routes.len().saturating_sub(migrated.len());
        let done = if self.check { "to rewrite" } else { "rewritten" };
        out.push_str(&format!(
            "{} {done}, {rest} of format {} already\n",
            count(migrated.len()),
            format::CURRENT
        ));
        out
    }
}

/// A text on one line of a terminal.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}
