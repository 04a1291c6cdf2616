//! How the command presents itself: subcommands in groups, and all of its help as one page.

use clap::Command;
use std::fmt::Write;

/// Subcommands in the order and groups of the help. Others follow by themselves.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Every day", &["dev", "check", "test", "explain", "diff", "deploy"]),
    ("Route files", &["init", "import", "migrate", "failures", "compile", "build"]),
    ("A running gateway", &["verify", "why", "debug-token", "token"]),
    ("This command", &["completion", "help"]),
];

/// What every subcommand's exit code means.
pub const EXIT_CODES: &str = "Exit codes:
  0  fine
  1  found something wrong: mistakes, a failed test, a route or event that does not exist
  2  wrong usage, or cannot run: no such option, file or environment
  3  `diff` alone: a policy is looser than before
What each means for a subcommand, its own help says. All but `dev` and `completion` print JSON with --json.";

/// What stands below the subcommands in the help.
pub fn below() -> String {
    format!(
        "Examples:
  tollgate check                          # all mistakes, in every environment
  tollgate explain GET /orders/v2/1001    # which route, and why
  tollgate deploy staging --dry-run       # everything but the deployment itself

{EXIT_CODES}

Each subcommand has options and examples of its own: tollgate help check"
    )
}

/// Presents `command`: groups, examples, exit codes.
pub fn present(mut command: Command) -> Command {
    command.build();
    let listed = list(&command, "\u{1b}[1m\u{1b}[4m", "\u{1b}[0m", "\u{1b}[1m");
    command.help_template(format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{listed}\u{1b}[1m\u{1b}[4mOptions:\u{1b}[0m\n{{options}}{{after-help}}"
    ))
}

/// The subcommands by group, with a line each.
fn list(command: &Command, heading: &str, plain: &str, bold: &str) -> String {
    let all: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    let width = all.iter().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: Vec<&str> = all.iter().map(|sub| sub.get_name()).filter(|name| !grouped(name)).collect();
    let mut out = String::new();
    for (group, names) in GROUPS.iter().copied().chain([("More", others.as_slice())]) {
        let found: Vec<&Command> =
            names.iter().filter_map(|name| all.iter().find(|sub| sub.get_name() == *name).copied()).collect();
        if found.is_empty() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{heading}{group}:{plain}");
        for sub in found {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let about = about.trim_end_matches('.');
            let _ = writeln!(out, "  {bold}{:width$}{plain}  {about}", sub.get_name());
        }
        out.push('\n');
    }
    out
}

/// All of the help as one page of Markdown: `docs/command.md`.
pub fn page(command: &Command) -> String {
    let mut out = String::from(
        "<!-- Generated from src/cli by `UPDATE=1 cargo test --test documents`. Do not edit. -->\n\
         # The `tollgate` command\n\n\
         In a clone, `scripts/tollgate` builds it when needed and runs it.\n\n```\n",
    );
    out.push_str(&list(command, "", "", ""));
    let _ = writeln!(out, "{EXIT_CODES}\n```");
    let order = GROUPS.iter().flat_map(|(_, names)| names.iter().copied());
    let known: Vec<&str> = order.collect();
    let mut subs: Vec<&Command> =
        command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help").collect();
    subs.sort_by_key(|sub| known.iter().position(|name| *name == sub.get_name()).unwrap_or(usize::MAX));
    for sub in subs {
        section(&mut out, sub, "tollgate", 2);
    }
    out
}

fn section(out: &mut String, command: &Command, parent: &str, depth: usize) {
    let name = format!("{parent} {}", command.get_name());
    let marks = "#".repeat(depth);
    let mut help = command.clone().bin_name(&name).term_width(100).disable_help_flag(true);
    let help = help.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = writeln!(out, "\n{marks} `{name}`\n\n```\n{}\n```", help.join("\n").trim_end());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        section(out, sub, &name, depth.saturating_add(1));
    }
}
