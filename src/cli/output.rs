//! What every subcommand prints with: standard output and error, and colour where a person reads.

use clap::ValueEnum;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use tollgate::config::problem::{self, Problem};

/// When text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On terminals, unless NO_COLOR is set or TERM is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

static CHOICE: OnceLock<Color> = OnceLock::new();

/// Keeps what `--color` says, once.
pub(crate) fn choose(color: Color) {
    let _ = CHOICE.set(color);
}

fn wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match CHOICE.get().copied().unwrap_or_default() {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Whether standard output is to be coloured.
pub(crate) fn colored() -> bool {
    wanted(std::io::stdout().is_terminal())
}

/// Writes to standard output; a closed pipe (`tollgate … | head`) is no fault.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Writes a value as JSON to standard output, with a line end.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    print(&format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// What `each` says of some things, by their owners: under headings where these are several.
pub(crate) fn by_owner<'t, T: 't>(
    things: impl IntoIterator<Item = &'t T>,
    owner: impl Fn(&'t T) -> &'t str,
    mut each: impl FnMut(&mut String, &'t T),
) -> String {
    let mut parts: BTreeMap<&str, String> = BTreeMap::new();
    for thing in things {
        each(parts.entry(owner(thing)).or_default(), thing);
    }
    match parts.len() {
        0 | 1 => parts.into_values().collect(),
        _ => parts
            .into_iter()
            .map(|(name, text)| format!("{}{}\n\n", problem::owner(name, colored()), text.trim_end()))
            .collect(),
    }
}

/// Writes problems to standard error, with a closing count.
pub(crate) fn complain(problems: &[Problem]) {
    let _ = std::io::stderr()
        .write_all(problem::render_in(problems, wanted(std::io::stderr().is_terminal())).as_bytes());
}

/// Says why nothing came of it: as JSON to standard output, or as text to standard error. Gives the exit code.
pub(crate) fn refuse(json: bool, problems: &[Problem], code: u8) -> ExitCode {
    if json {
        print_json(&serde_json::json!({ "ok": false, "problems": problems }));
    } else {
        complain(problems);
    }
    ExitCode::from(code)
}

/// Writes to standard error and gives the exit code of wrong usage.
pub(crate) fn misused(text: &str) -> ExitCode {
    eprintln!("tollgate: {text}");
    ExitCode::from(2)
}
