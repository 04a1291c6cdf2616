//! What is generated from the types, and the demo's route files: both must be current.
//!
//! `UPDATE=1 cargo test --test documents` writes the generated files anew.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tollgate::config::{self, problem};
use tollgate::fault::Reason;
use tollgate::plan::Plan;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn current(path: &str, text: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "{path} is not current; run `UPDATE=1 cargo test --test documents`");
}

#[test]
fn the_schemas_are_current() {
    for (name, text) in config::schema::published() {
        current(&format!("routes/{name}"), &text);
    }
}

#[test]
fn the_reference_is_current() {
    current("docs/route-files.md", &config::reference());
}

#[test]
fn the_manual_is_current() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("manual").output().unwrap();
    current("docs/command.md", std::str::from_utf8(&output.stdout).unwrap());
}

#[test]
fn the_demo_has_no_problem_in_any_environment() {
    let files = config::read(&[root().join("routes")]).unwrap();
    let (environments, problems) = config::check(&files, None, false);
    assert_eq!(environments, ["dev", "staging", "production"]);
    assert!(problems.is_empty(), "{}", problem::render(&problems));
    for environment in environments {
        let compiled = config::compile_files(&files, &environment).unwrap();
        let plan = Plan::load(compiled.plan).unwrap();
        assert_eq!((plan.len(), plan.hash()), (compiled.routes.len(), compiled.hash.as_str()));
    }
}

#[test]
fn the_demo_may_be_deployed_once_it_has_hosts_but_not_as_dev() {
    let mut files = config::read(&[root().join("routes")]).unwrap();
    let codes = |files: &config::Files, environment: &str| {
        let (_, problems) = config::check(files, Some(environment), true);
        let errors =
            problems.iter().filter(|p| p.severity == problem::Severity::Error && p.code != "test-build");
        errors.map(|p| p.code).collect::<std::collections::BTreeSet<_>>()
    };
    for environment in ["staging", "production"] {
        assert_eq!(codes(&files, environment), ["no-route", "placeholder"].into(), "{environment}");
    }
    let own = |text: &str| text.replace("example.com", "acme.io").replace("example.net", "acme.io");
    files.routes.values_mut().for_each(|text| *text = own(text));
    files.wrangler = files.wrangler.map(|text| own(&text).replace("# routes = ", "routes = "));
    for environment in ["staging", "production"] {
        assert_eq!(codes(&files, environment), [].into(), "{environment}");
    }
    let dev = codes(&files, "dev");
    assert!(dev.contains("development-issuer") && dev.contains("loopback"), "{dev:?}");
}

/// Each demo file names the schema that editors check it with.
#[test]
fn every_file_names_its_schema() {
    let files = config::read(&[root().join("routes")]).unwrap();
    for (name, text) in &files.routes {
        let schema =
            text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let schema = schema.unwrap_or_else(|| panic!("{name} names no schema"));
        let path = root().join(name).parent().unwrap().join(schema);
        assert!(path.exists(), "{name}: {schema} does not exist");
        assert_eq!(schema.ends_with("gateway.schema.json"), name == "routes/gateway.yaml", "{name}");
    }
}

/// The index of the problem types.
fn problems() -> String {
    let mut text = String::from(
        "<!-- Generated from src/fault.rs by `UPDATE=1 cargo test --test documents`. Do not edit. -->\n# Problem types\n\n\
         Every answer that the gateway makes by itself because something went wrong is a problem of RFC 9457:\n\
         `application/problem+json` with `type` (`/problems/CODE`), `title`, `status`, `detail`, and `instance`, which\n\
         is the request's id as in `x-request-id`. `tollgate why REQUEST_ID` shows the operator what happened.\n\n\
         | Code | Status | Title |\n| --- | --- | --- |\n",
    );
    for reason in Reason::ALL {
        let (code, status, title) = (reason.code(), reason.status(), reason.title());
        writeln!(text, "| [`{code}`]({code}.md) | {status} | {title} |").unwrap();
    }
    text
}

#[test]
fn every_reason_has_its_page_and_every_page_its_reason() {
    current("docs/problems/README.md", &problems());
    let mut pages: BTreeSet<String> = std::fs::read_dir(root().join("docs/problems"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pages.remove("README.md"));
    for reason in Reason::ALL {
        let name = format!("{}.md", reason.code());
        assert!(pages.remove(&name), "docs/problems/{name} is missing");
        let page = std::fs::read_to_string(root().join("docs/problems").join(&name)).unwrap();
        let head = format!("# {}\n\n`{}` · {}\n\n", reason.title(), reason.code(), reason.status());
        let body = page.strip_prefix(&head).unwrap_or_else(|| panic!("{name} must begin with\n{head}"));
        for part in ["**What happened.** ", "**What the client does.** ", "**What the operator does.** "] {
            let text = body.split_once(part).map(|(_, rest)| rest.split("\n\n").next().unwrap_or_default());
            assert!(text.is_some_and(|text| text.trim_end().ends_with('.')), "{name}: {part}");
        }
    }
    assert!(pages.is_empty(), "no reason has the pages {pages:?}");
}
