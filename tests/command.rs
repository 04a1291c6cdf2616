//! The `tollgate` command as a process: what it prints, how it ends, what it writes.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, api: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tollgate-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("routes/a")).unwrap();
        let folder = Folder(path);
        folder.write("routes/gateway.yaml", "tollgate: 1\ndefaults: { auth: none }\n");
        folder.write("routes/a/v1.yaml", api);
        folder
    }
    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const GOOD: &str = "tollgate: 1
api: a
owner: team
version: { name: v1 }
upstream: { url: https://o.example.com }
routes: { one: { match: GET / } }
";

#[test]
fn check_tells_what_is_wrong_and_fails() {
    let folder = Folder::new("check", GOOD);
    assert_eq!(folder.run(&["check"]), (Some(0), "ok: dev\n".into(), String::new()));
    folder.write("routes/a/v1.yaml", &GOOD.replace("owner", "onwer"));
    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("routes/a/v1.yaml:1:1: the key `owner` is missing\n"), "{out}");
    assert!(out.contains("routes/a/v1.yaml:3:1: unknown key `onwer`\n   3 | onwer: team\n     | ^^^^^\n     = help: did you mean `owner`?\n"), "{out}");
    assert!(out.ends_with("2 errors, 0 warnings\n"), "{out}");
    let (code, out, _) = folder.run(&["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &json["ok"], json["problems"].as_array().map(Vec::len)),
        (Some(1), &false.into(), Some(2))
    );
}

#[test]
fn compile_replaces_the_plan_or_leaves_it() {
    let folder = Folder::new("compile", GOOD);
    let compile = ["compile", "--env", "dev", "--out", "build/plan.bin"];
    let (code, out, error) = folder.run(&compile);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let first = std::fs::read(folder.0.join("build/plan.bin")).unwrap();
    let plan = tollgate::plan::Plan::load(first.clone()).unwrap();
    assert!(out.contains(plan.hash()) && out.contains("1 API versions, 1 routes"), "{out}");
    folder.write("routes/a/v1.yaml", "tollgate: [");
    let (code, _, error) = folder.run(&compile);
    assert_eq!(code, Some(1));
    assert!(error.contains("routes/a/v1.yaml:1:"), "{error}");
    assert_eq!(std::fs::read(folder.0.join("build/plan.bin")).unwrap(), first);
    let left: Vec<_> = std::fs::read_dir(folder.0.join("build")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn deploy_refuses_what_suits_a_developers_machine() {
    let folder = Folder::new("deploy", &GOOD.replace("https://o.example.com", "http://127.0.0.1:9101"));
    assert_eq!(folder.run(&["check"]).0, Some(0));
    let (code, out, _) = folder.run(&["check", "--deploy", "dev"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("routes/a/v1.yaml:5:18: this origin is on the loopback address"), "{out}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = Folder::new("missing", GOOD);
    let (code, out, _) = folder.run(&["check", "--routes", "nowhere"]);
    assert!(code == Some(1) && out.starts_with("nowhere: cannot be read:"), "{out}");
    let (code, out, _) = folder.run(&["check", "--env", "staging"]);
    assert!(code == Some(1) && out.contains("there is no environment `staging`"), "{out}");
    assert_eq!(folder.run(&["chekc"]).0, Some(2));
    std::fs::write(folder.0.join("routes/a/v1.yaml"), b"api: \xff").unwrap();
    let (code, out, _) = folder.run(&["check"]);
    assert!(code == Some(1) && out.contains("route files are UTF-8 texts"), "{out}");
}
