//! A project as `tollgate init` makes it, and what `build`, `deploy` and `dev` do with it, as processes.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A project that goes away with the test.
struct Project(PathBuf);

/// How a command ended, and what it said on standard error.
type Ended = (Option<i32>, String);

impl Project {
    fn new(name: &str, arguments: &[&str]) -> Self {
        let path = std::env::temp_dir().join(format!("tollgate-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("bundle")).unwrap();
        let project = Project(path);
        project.write("bundle/index.js", "the shim");
        project.write("bundle/tollgate.wasm", "the gateway");
        let (code, said) = project.run(&[&["init", "."], arguments].concat(), &[]);
        assert_eq!((code, said.as_str()), (Some(0), ""));
        project
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    fn rewrite(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{from}: {text}");
        self.write(file, &text.replace(from, to));
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        self.spawn(
            Command::new(env!("CARGO_BIN_EXE_tollgate")).args(arguments).envs(variables.iter().copied()),
        )
    }

    /// How it ended, and the JSON on standard output.
    fn json(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, serde_json::Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = self.output(command.args(arguments).arg("--json").envs(variables.iter().copied()));
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"];
        let (code, said) = self.spawn(Command::new("git").args(who).args(arguments));
        assert_eq!(code, Some(0), "{said}");
    }

    fn spawn(&self, command: &mut Command) -> Ended {
        let output = self.output(command);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn output(&self, command: &mut Command) -> Output {
        let parent = self.0.parent().unwrap();
        let without = ["WRANGLER_COMMAND", "TOLLGATE_ROUTES", "TOLLGATE_BUNDLE", "TOLLGATE_NEXT"];
        for name in without {
            if !command.get_envs().any(|(set, _)| set == name) {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.0).env("GIT_CEILING_DIRECTORIES", parent).output().unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_new_project_has_no_mistake_and_is_not_overwritten() {
    for (name, arguments) in [
        ("plain", &["--upstream", "https://o.acme.io/base", "--host", "api.acme.io", "--api", "orders"][..]),
        ("demo", &["--demo"]),
    ] {
        let project = Project::new(name, arguments);
        assert_eq!(project.run(&["check"], &[]), (Some(0), String::new()));
        assert_eq!(project.run(&["test", "--coverage-min", "50"], &[]), (Some(0), String::new()));
        project.write("package.json", "mine");
        assert_eq!(project.run(&["init"], &[]).0, Some(0));
        assert_eq!(project.read("package.json"), "mine");
    }
    // With a host and an upstream of one's own there is nothing left to fill in.
    let project = Project::new("complete", &["--upstream", "https://o.acme.io", "--host", "api.acme.io"]);
    for environment in ["staging", "production"] {
        assert_eq!(project.run(&["check", "--deploy", environment], &[]), (Some(0), String::new()));
    }
    for wrong in [&["--upstream", "ftp://x"][..], &["--host", "no dots"], &["--api", "A"]] {
        assert_eq!(project.run(&[&["init", "x"], wrong].concat(), &[]).0, Some(2), "{wrong:?}");
    }
    assert!(!project.0.join("x").exists());
}

#[test]
fn build_brings_the_gateway_and_the_plan_or_keeps_both() {
    let project = Project::new("build", &["--demo"]);
    let bundle = [("TOLLGATE_BUNDLE", "bundle")];
    assert_eq!(project.run(&["build"], &bundle), (Some(0), String::new()));
    assert_eq!(project.read(".tollgate/dev/index.js"), "the shim");
    let plan = std::fs::read(project.0.join(".tollgate/dev/plan.bin")).unwrap();
    assert!(tollgate::plan::Plan::load(plan.clone()).is_ok());

    project.write("bundle/tollgate.wasm", "a newer gateway");
    project.rewrite("routes/hello/v1.yaml", "read: { match:", "read: { mtch:");
    for (variables, code) in
        [(vec![], 1), (vec![("WRANGLER_COMMAND", "dev")], 0), (vec![("WRANGLER_COMMAND", "deploy")], 1)]
    {
        let (ended, said) = project.run(&["build"], &[&bundle[..], &variables].concat());
        assert_eq!(ended, Some(code), "{said}");
        assert!(
            said.contains("unknown key `mtch`") && said.contains("the route files have mistakes"),
            "{said}"
        );
        assert_eq!(said.contains("keeps running what it has"), code == 0);
    }
    assert_eq!(std::fs::read(project.0.join(".tollgate/dev/plan.bin")).unwrap(), plan);
    assert_eq!(project.read(".tollgate/dev/tollgate.wasm"), "a newer gateway");
    // Nothing to keep: a failure, under `wrangler dev` too.
    let first = ["build", "--out", "elsewhere"];
    assert_eq!(project.run(&first, &[("TOLLGATE_BUNDLE", "bundle"), ("WRANGLER_COMMAND", "dev")]).0, Some(1));
    let (code, said) = project.run(&["build", "--out", "third"], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("third/index.js: is not there"), "{said}");
}

#[test]
fn build_lets_wrangler_deploy_only_what_may_be_deployed() {
    let project = Project::new("gate", &["--demo", "--host", "api.acme.io"]);
    let build = ["build", "--env", "staging"];
    let with =
        |command: &str| project.run(&build, &[("TOLLGATE_BUNDLE", "bundle"), ("WRANGLER_COMMAND", command)]);
    assert_eq!(with("").0, Some(0));
    assert_eq!(with("dev").0, Some(0));
    let (code, said) = with("deploy");
    assert_eq!(code, Some(1));
    assert!(
        said.contains("is a placeholder") && said.contains("staging cannot be deployed as it is"),
        "{said}"
    );
    let text = project
        .read("routes/gateway.yaml")
        .replace("example.com", "acme.io")
        .replace("example.net", "acme.io");
    project.write("routes/gateway.yaml", &text);
    assert_eq!(with("deploy"), (Some(0), String::new()));
}

#[test]
fn deploy_hands_over_only_what_was_checked_and_what_git_has() {
    let project = Project::new("deploy", &["--upstream", "https://o.acme.io", "--host", "api.acme.io"]);
    let next = [("TOLLGATE_NEXT", "next.json")];
    let deploy = |arguments: &[&str]| {
        let _ = std::fs::remove_file(project.0.join("next.json"));
        project.run(&[&["deploy", "staging"], arguments].concat(), &next)
    };
    assert_eq!(deploy(&["--dry-run", "--outdir", "x"]).0, Some(0));
    assert_eq!(
        project.read("next.json"),
        r#"{"arguments":["deploy","--env","staging","--dry-run","--outdir=x"],"do":"deploy"}"#
    );
    let (code, said) = deploy(&[]);
    assert_eq!((code, project.read("next.json").as_str()), (Some(1), ""));
    assert!(said.contains("what is deployed must be in git, and this is no clone"), "{said}");

    project.git(&["init", "--quiet"]);
    project.write(".gitignore", "/bundle\n/next.json\n");
    project.git(&["add", "--all"]);
    project.git(&["commit", "--quiet", "--message", "x"]);
    assert_eq!(deploy(&["--tag=v1", "--message", "two words"]).0, Some(0));
    assert!(project.read("next.json").contains(r#""--message=two words","--tag=v1"]"#));
    project.write("new.txt", "");
    let (code, said) = deploy(&[]);
    assert_eq!((code, project.read("next.json").as_str()), (Some(1), ""));
    assert!(said.contains("uncommitted changes") && said.contains("?? new.txt"), "{said}");

    let _ = std::fs::remove_file(project.0.join("new.txt"));
    for (arguments, why) in [
        (
            &["deploy", "staging", "--var", "A:B"][..],
            "--var is refused: write it under [env.staging] in wrangler.toml",
        ),
        (&["deploy", "staging", "--routes=x/*"], "--routes is refused: write it under"),
        (&["deploy", "staging", "--name", "other"], "unexpected argument '--name'"),
        (&["deploy", "dev"], "the environment dev is for development alone"),
    ] {
        let (code, said) = project.run(arguments, &next);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let (code, said) = project.run(&["deploy", "nowhere"], &next);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = project.run(&["deploy", "staging"], &[("TOLLGATE_ROUTES", "routes"), next[0]]);
    assert_eq!(code, Some(2));
    assert!(said.contains("TOLLGATE_ROUTES is set"), "{said}");
    // By itself, the command does not run wrangler.
    let (code, said) = project.run(&["deploy", "staging"], &[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("in a clone of Tollgate, this is scripts/deploy"), "{said}");
}

#[test]
fn dev_hands_over_how_to_run() {
    let project = Project::new("dev", &["--demo"]);
    let next = [("TOLLGATE_NEXT", "next.json")];
    assert_eq!(project.run(&["dev", "--demo", "--port", "9000"], &next).0, Some(0));
    assert_eq!(project.read("next.json"), r#"{"demo":9101,"do":"dev","fresh":false,"port":9000}"#);
    assert_eq!(project.run(&["dev", "--demo=9200"], &next).0, Some(0));
    assert!(project.read("next.json").contains(r#""demo":9200"#));
    assert_eq!(project.run(&["dev", "--port", "0"], &next).0, Some(2));
    std::fs::remove_dir_all(project.0.join("routes")).unwrap();
    assert_eq!(project.run(&["dev"], &next).0, Some(1));
}

#[test]
fn programs_read_what_came_of_it() {
    let project = Project::new("json", &["--upstream", "https://o.acme.io", "--host", "api.acme.io"]);
    std::fs::remove_file(project.0.join("package.json")).unwrap();
    let (code, said) = project.json(&["init", "."], &[]);
    let kept = ["routes/gateway.yaml", "routes/hello/v1.yaml", "wrangler.toml", ".gitignore"];
    assert_eq!((code, &said["ok"], &said["folder"]), (Some(0), &json!(true), &json!(".")));
    assert_eq!((&said["made"], &said["kept"]), (&json!(["package.json"]), &json!(kept)));

    let bundle = ("TOLLGATE_BUNDLE", "bundle");
    let (code, said) = project.json(&["build"], &[bundle]);
    assert_eq!((code, &said["ok"], &said["out"]), (Some(0), &json!(true), &json!(".tollgate/dev")));
    assert_eq!((&said["environment"], &said["warnings"]), (&json!("dev"), &json!([])));
    assert!(said["plan"].as_str().is_some_and(|hash| !hash.is_empty()));

    // What the launcher is to print once wrangler has ended.
    let next = ("TOLLGATE_NEXT", "next.json");
    assert_eq!(project.json(&["deploy", "staging", "--dry-run"], &[next]), (Some(0), json!(null)));
    assert!(project.read("next.json").contains(r#""says":{"dry_run":true,"environment":"staging"}"#));
    let refused = |step: &str| {
        let (code, said) = project.json(&["deploy", "staging"], &[next]);
        assert_eq!((code, &said["ok"], &said["deployed"]), (Some(1), &json!(false), &json!(false)));
        assert_eq!((&said["environment"], &said["step"]), (&json!("staging"), &json!(step)));
        said["why"].clone()
    };
    assert!(refused("git")[0].as_str().is_some_and(|why| why.contains("must be in git")));
    project.rewrite("routes/hello/v1.yaml", "status: 200, upstream", "status: 201, upstream");
    assert_eq!(refused("tests")["tests"][0]["failures"][0]["what"], "status");
    project.rewrite("routes/hello/v1.yaml", "read: { match:", "read: { mtch:");
    assert!(refused("check").as_array().unwrap().iter().any(|problem| problem["code"] == "unknown-key"));
    let (code, said) = project.json(&["build"], &[bundle, ("WRANGLER_COMMAND", "dev")]);
    assert_eq!((code, &said["ok"], &said["kept"]), (Some(0), &json!(false), &json!(true)));
    assert!(said["problems"].as_array().unwrap().iter().any(|problem| problem["code"] == "unknown-key"));
    for command in
        [&["explain", "GET", "/"][..], &["failures"], &["compile", "--env", "dev", "--out", "x"], &["test"]]
    {
        let (_, said) = project.json(command, &[]);
        assert_eq!(
            (&said["ok"], &said["problems"][1]["code"]),
            (&json!(false), &json!("unknown-key")),
            "{command:?}"
        );
    }
}
