//! Who may use whom, as the table in `src/lib.rs` says, and other promises about the sources.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines that a file may have: about 500.
const LINES: usize = 520;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of `src`, by its path below.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name =
                    path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().replace('\\', "/");
                sources.insert(name, read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// The module of a file: `token::keys` for `token/keys/mod.rs` and `token/keys.rs`.
fn module(file: &str) -> String {
    let path = file.trim_end_matches(".rs");
    path.strip_suffix("/mod").unwrap_or(path).replace('/', "::")
}

/// The text without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().map(|line| match line.split_once("//") {
        // A URL in a text is no comment, and holds no path either.
        Some((before, _)) if !before.ends_with(':') => before,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths behind `crate::`, groups taken apart: `crate::{a, b::c}` is `a` and `b::c`.
fn uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for after in code.split("crate::").skip(1) {
        take(after, "", &mut found);
    }
    found
}

/// Reads one path, or a group of them, behind `prefix`. Gives the rest.
fn take<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = take(rest.trim_start_matches([' ', '\n', ',']), prefix, found);
            if let Some(after) = rest.trim_start_matches([' ', '\n', ',']).strip_prefix('}') {
                return after;
            }
            if rest.is_empty() {
                return rest;
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    if rest.starts_with('{') && path.ends_with("::") {
        return take(rest, &format!("{prefix}{path}"), found);
    }
    found.push(format!("{prefix}{}", path.trim_end_matches(':')));
    // `as name` and the like.
    rest.trim_start_matches(|c: char| !matches!(c, ',' | '}' | ';'))
}

/// What a module may use.
#[derive(Debug, Default)]
struct Rule {
    allowed: BTreeSet<String>,
    all_but: Option<String>,
}

/// Words between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The table of `src/lib.rs`.
fn table(text: &str) -> BTreeMap<String, Rule> {
    let mut rules: BTreeMap<String, Rule> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<&str> = line.trim_end_matches(" |").split(" | ").collect();
        let [name, _, may] = cells.as_slice() else { panic!("three cells: {line}") };
        let Some(name) = quoted(name).next() else { continue };
        let mut rule = Rule::default();
        if let Some(but) = may.strip_prefix("everything but ") {
            rule.all_but = quoted(but).next().map(str::to_owned);
        } else if let Some((own, other)) = may.split_once(", and what ") {
            rule.allowed = quoted(own).map(str::to_owned).collect();
            let other = quoted(other).next().expect("a module");
            rule.allowed.extend(rules.get(other).expect("a module further up").allowed.iter().cloned());
        } else {
            assert!(*may == "nothing" || may.starts_with('`'), "{line}");
            rule.allowed = quoted(may).map(str::to_owned).collect();
        }
        rules.insert(name.to_owned(), rule);
    }
    rules
}

/// Whether `path` is `module` or in it.
fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What a file uses that the table does not allow it.
fn forbidden(file: &str, text: &str, rules: &BTreeMap<String, Rule>) -> Vec<String> {
    let own = module(file);
    let top = own.split("::").next().unwrap_or_default();
    let rule = rules.iter().filter(|(name, _)| within(&own, name)).max_by_key(|(name, _)| name.len());
    let Some((_, rule)) = rule else { return vec![format!("src/{file}: {top} is not in the table")] };
    let allows = |path: &str| match &rule.all_but {
        Some(but) => !within(path, but) && (!within(path, "edge") && !within(path, "simulator")),
        None => rule.allowed.iter().any(|module| within(path, module)),
    };
    let code = code(text);
    let used = uses(&code);
    let used = used.iter().filter(|path| !within(path, top) && !allows(path));
    let mut found: Vec<String> = used.map(|path| format!("src/{file} may not use {path}")).collect();
    // A chain of `super::` must not lead around the table.
    let depth = own.split("::").count();
    if code.contains(&"super::".repeat(depth)) {
        found.push(format!("src/{file} goes by `super` to the crate's root"));
    }
    found
}

#[test]
fn modules_use_what_the_table_allows() {
    let sources = sources();
    let rules = table(&sources["lib.rs"]);
    assert!(rules.len() > 15, "the table was not found");
    for name in rules.keys() {
        let path = name.replace("::", "/");
        let exists =
            [format!("{path}.rs"), format!("{path}/mod.rs")].iter().any(|file| sources.contains_key(file));
        assert!(exists, "the table names {name}, which does not exist");
    }
    // The command is another crate, and sees only what is public; tests may use anything.
    let is_ours = |file: &str| {
        !matches!(file, "lib.rs" | "main.rs") && !file.starts_with("cli/") && !file.ends_with("tests.rs")
    };
    let ours = sources.iter().filter(|(file, _)| is_ours(file));
    let found: Vec<String> = ours.flat_map(|(file, text)| forbidden(file, text, &rules)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The test itself sees what it should: one that finds nothing forbids nothing.
#[test]
fn forbidden_uses_are_found() {
    let rules = table(
        "//! | `a` | x | `b`, `c::d` |\n//! | [`e`] | x | everything but `b` |\n//! | `a::z` | x | `f`, and what `a` may |\n",
    );
    let count = |file: &str, text: &str| forbidden(file, text, &rules).len();
    assert_eq!(count("a.rs", "use crate::b::X;\nuse crate::c::d::{self, Y};\nuse crate::a::Z;"), 0);
    assert_eq!(count("a/y.rs", "use crate::{b, c};"), 1);
    assert_eq!(
        count("a/y.rs", "use crate::{\n    b::{E, F},\n    c::{d, e::G},\n};\nlet x = crate::f::g();"),
        2
    );
    assert_eq!(count("a/y.rs", "// crate::f\n/// [`crate::f`]\nlet x = 1; // crate::f"), 0);
    assert_eq!(count("a/y.rs", "use crate::c as d;\n#[cfg(test)]\nmod tests {\n    use crate::f;\n}"), 1);
    assert_eq!(count("a/z.rs", "use crate::f;"), 0);
    assert_eq!(count("e.rs", "use crate::a; use crate::b; use crate::edge::x;"), 2);
    assert_eq!(count("q.rs", ""), 1);
    assert_eq!(count("a/y.rs", "use super::super::f;"), 1);
    assert_eq!(count("a/y/mod.rs", "use super::f;"), 0);
}

#[test]
fn files_are_of_a_size_to_read() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(file, lines)| format!("src/{file} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn unsafe_code_stands_at_the_boundaries_only() {
    for (file, text) in sources() {
        let words = |line: &str| {
            // `unsafe-none` is a word of HTML.
            line.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-'))
                .any(|w| matches!(w, "unsafe" | "unsafe_code"))
        };
        let found = code(&text).lines().any(words);
        let boundary = file.starts_with("edge/") || file == "outside/node.rs";
        assert!(!found || boundary, "src/{file} has unsafe code");
    }
}

/// `cfg(feature = "cli")` alone says what belongs to the command: it is wasm as well.
#[test]
fn one_condition_tells_command_and_edge_apart() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(file, text)| file != "lib.rs" && code(text).contains("target_arch"))
        .map(|(file, _)| file)
        .collect();
    assert!(found.is_empty(), "say #[cfg(feature = \"cli\")] in {}", found.join(", "));
}

/// As wasm for Node, the command has no processes, sockets or threads of its own.
#[test]
fn the_command_reaches_outside_by_one_module_only() {
    const THERE_IS_NONE: [&str; 6] =
        ["ring::", "rusqlite::", "ureq::", "std::process::{Command", "thread::spawn", "net::Tcp"];
    for (file, text) in sources().iter().filter(|(file, _)| !file.starts_with("outside/")) {
        let code = code(text);
        let calls =
            ["process::Command", "process::id", "fs::canonicalize", "env::split_paths", "env::current_exe"]
                .iter()
                .any(|name| code.contains(name));
        let begins =
            |at: usize| !code.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
        let crates = THERE_IS_NONE.iter().any(|name| code.match_indices(name).any(|(at, _)| begins(at)));
        assert!(
            file.ends_with("tests.rs") || !(calls || crates),
            "src/{file}: wasm has none of this: src/outside/mod.rs"
        );
    }
}

/// No crate reaches the wasm that brings JavaScript bindings, randomness or a clock of its own.
#[test]
fn the_edge_is_free_of_bindings_and_clocks() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args([
        "tree",
        "--offline",
        "--locked",
        "--no-default-features",
        "--prefix",
        "none",
    ]);
    let output = cargo.args(["--target", "wasm32-unknown-unknown", "--edges", "normal"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("regex-lite"), "{tree}");
    for name in ["wasm-bindgen", "js-sys", "web-sys", "worker", "getrandom", "time", "web-time", "regex"] {
        assert!(!crates.contains(name), "{name} is in the edge's tree");
    }
}
