//! Every mistake that `tollgate check` knows, as its whole output for small sets of files in `tests/mistakes/`.
//!
//! `UPDATE=1 cargo test --test mistakes` writes the expected outputs anew: read the difference before committing it.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tollgate::config::openapi::library;
use tollgate::config::{self, Files, problem};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The sections of a case: name and text.
fn sections(case: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in case.split_inclusive('\n') {
        match (line.strip_prefix("=== "), sections.last_mut()) {
            (Some(name), _) => sections.push((name.trim().to_owned(), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => panic!("a case begins with `=== FILE`"),
        }
    }
    sections
}

/// What `check` finds in a case, with the codes of the problems.
fn outcome(sections: &[(String, String)]) -> (String, BTreeSet<String>) {
    let mut files = Files::new([]);
    let mut deploy = None;
    let is_document = |name: &str| name.rsplit('/').next().is_some_and(config::openapi::is_document);
    let documents: BTreeMap<String, String> =
        sections.iter().filter(|(name, _)| is_document(name)).cloned().collect();
    let mut read = |name: &str| documents.get(name).cloned().ok_or_else(String::new);
    let mut gather = |name: &String| Some((name.clone(), library::gather(name, &mut read).ok()?));
    files.documents = Some(documents.keys().filter_map(&mut gather).collect());
    for (name, text) in sections {
        match name.as_str() {
            "expected" => {}
            "now" => files.now = text.trim().parse().ok(),
            "deploy" => deploy = Some(text.trim()),
            "wrangler.toml" => files.wrangler = Some(text.clone()),
            ".dev.vars" => files.dev_vars = Some(text.clone()),
            name if is_document(name) => {}
            name => {
                files.routes.insert(name.to_owned(), text.clone());
            }
        }
    }
    let (_, mut problems) = config::check(&files, deploy, deploy.is_some());
    // What the build is made of is another test's matter.
    problems.retain(|problem| problem.code != "test-build");
    let mut text = String::new();
    for problem in &problems {
        writeln!(text, "[{}] {problem}", problem.code).unwrap();
    }
    (text, problems.iter().map(|problem| problem.code.to_owned()).collect())
}

#[test]
fn every_mistake_is_shown_at_its_place() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root().join("tests/mistakes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    for path in cases {
        let case = std::fs::read_to_string(&path).unwrap();
        let sections = sections(&case);
        let (found, codes) = outcome(&sections);
        seen.extend(codes);
        if update {
            let input = case.split_once("=== expected\n").unwrap().0;
            std::fs::write(&path, format!("{input}=== expected\n{found}")).unwrap();
            continue;
        }
        let expected = &sections.iter().find(|(name, _)| name == "expected").unwrap().1;
        assert!(found == *expected, "{}:\n{found}\ninstead of\n{expected}", path.display());
    }
    // `unreadable` and `not-watched` need a disk, `not-carried` an import, `not-migrated` a migration, `plan` and `structure` a
    // bug, `test-build` another build.
    let elsewhere =
        ["unreadable", "not-watched", "not-carried", "not-migrated", "plan", "structure", "test-build"];
    let elsewhere = elsewhere.map(str::to_owned);
    let known: BTreeSet<String> = problem::CODES.iter().map(|code| (*code).to_owned()).collect();
    let missing: Vec<_> =
        known.iter().filter(|code| !seen.contains(*code) && !elsewhere.contains(code)).collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
    let unlisted: Vec<_> = seen.difference(&known).collect();
    assert!(unlisted.is_empty(), "problem::CODES lacks {unlisted:?}");
}

/// The codes that the sources use are those of the list.
#[test]
fn every_code_is_listed() {
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut folders = vec![root().join("src/config"), root().join("src/plan/compile")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for marker in [
                "self.error(",
                "self.warn(",
                "self.local_only(",
                "self.verdict(",
                "report(",
                "code: ",
                "Severity::Error,",
                "Severity::Warning,",
                "finding(",
                "wrangler(span,",
                "wrangler(Span::default(),",
            ] {
                for after in text.split(marker).skip(1) {
                    let literal = after.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
                    used.extend(literal.map(|(code, _)| code.to_owned()));
                }
            }
        }
    }
    assert_eq!(used, problem::CODES.iter().map(|code| (*code).to_owned()).collect());
}
