//! What is generated from the types, and the demo's route files: both must be current.
//!
//! `UPDATE=1 cargo test --test documents` writes the generated files anew.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use tollgate::config::{self, problem};
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
fn the_demo_has_no_problem_in_any_environment() {
    let files = config::read(&root().join("routes")).unwrap();
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
fn the_demo_may_be_deployed_but_not_as_dev() {
    let files = config::read(&root().join("routes")).unwrap();
    for (environment, fine) in [("dev", false), ("staging", true), ("production", true)] {
        let (_, problems) = config::check(&files, Some(environment), true);
        let errors =
            problems.iter().filter(|p| p.severity == problem::Severity::Error && p.code != "test-build");
        assert_eq!(errors.count() == 0, fine, "{environment}");
    }
}

/// Each demo file names the schema that editors check it with.
#[test]
fn every_file_names_its_schema() {
    let files = config::read(&root().join("routes")).unwrap();
    for (name, text) in &files.routes {
        let schema =
            text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let schema = schema.unwrap_or_else(|| panic!("{name} names no schema"));
        let path = root().join(name).parent().unwrap().join(schema);
        assert!(path.exists(), "{name}: {schema} does not exist");
        assert_eq!(schema.ends_with("gateway.schema.json"), name == "routes/gateway.yaml", "{name}");
    }
}
