//! A project as `tollgate init` makes it, and what `build`, `deploy` and `dev` do with it, as processes.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

#[path = "support/folder.rs"]
#[allow(dead_code)] // Not every test uses all of it.
mod folder;

use folder::Folder;
use serde_json::json;
use std::process::Command;

/// A new project.
fn project(name: &str, arguments: &[&str]) -> Folder {
    let project = Folder::new(name);
    project.write("bundle/index.js", "the shim");
    project.write("bundle/tollgate.wasm", "the gateway");
    let ended = run(&project, &[&["init", "."], arguments].concat(), &[]);
    assert_eq!(ended, (Some(0), String::new()));
    project
}

/// How a command ended, and the JSON on standard output.
fn json(
    project: &Folder,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Option<i32>, serde_json::Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let command = command.args(arguments).arg("--json").envs(variables.iter().copied());
    let (code, out, _) = project.spawn(command);
    (code, serde_json::from_str(&out).unwrap_or_default())
}

/// How a command ended, and what it said on standard error.
fn run(project: &Folder, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let (code, _, said) = project.spawn(command.args(arguments).envs(variables.iter().copied()));
    (code, said)
}

#[test]
fn a_new_project_has_no_mistake_and_is_not_overwritten() {
    for (name, arguments) in [
        ("plain", &["--upstream", "https://o.acme.io/base", "--host", "api.acme.io", "--api", "orders"][..]),
        ("demo", &["--demo"]),
    ] {
        let project = project(name, arguments);
        assert_eq!(run(&project, &["check"], &[]), (Some(0), String::new()));
        assert_eq!(run(&project, &["test", "--coverage-min", "50"], &[]), (Some(0), String::new()));
        project.write("package.json", "mine");
        assert_eq!(run(&project, &["init"], &[]).0, Some(0));
        assert_eq!(project.read("package.json"), "mine");
    }
    // With a host and an upstream of one's own there is nothing left to fill in.
    let project = project("complete", &["--upstream", "https://o.acme.io", "--host", "api.acme.io"]);
    for environment in ["staging", "production"] {
        assert_eq!(run(&project, &["check", "--deploy", environment], &[]), (Some(0), String::new()));
    }
    for wrong in [&["--upstream", "ftp://x"][..], &["--host", "no dots"], &["--api", "A"]] {
        assert_eq!(run(&project, &[&["init", "x"], wrong].concat(), &[]).0, Some(2), "{wrong:?}");
    }
    assert!(!project.0.join("x").exists());
}

#[test]
fn build_brings_the_gateway_and_the_plan_or_keeps_both() {
    let project = project("build", &["--demo"]);
    let bundle = [("TOLLGATE_BUNDLE", "bundle")];
    assert_eq!(run(&project, &["build"], &bundle), (Some(0), String::new()));
    assert_eq!(project.read(".tollgate/dev/index.js"), "the shim");
    let plan = std::fs::read(project.0.join(".tollgate/dev/plan.bin")).unwrap();
    assert!(tollgate::plan::Plan::load(plan.clone()).is_ok());

    project.write("bundle/tollgate.wasm", "a newer gateway");
    let route = project.read("routes/hello/v1.yaml");
    assert!(route.contains("read: { match:"), "{route}");
    project.write("routes/hello/v1.yaml", &route.replace("read: { match:", "read: { mtch:"));
    for (variables, code) in
        [(vec![], 1), (vec![("WRANGLER_COMMAND", "dev")], 0), (vec![("WRANGLER_COMMAND", "deploy")], 1)]
    {
        let (ended, said) = run(&project, &["build"], &[&bundle[..], &variables].concat());
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
    assert_eq!(
        run(&project, &first, &[("TOLLGATE_BUNDLE", "bundle"), ("WRANGLER_COMMAND", "dev")]).0,
        Some(1)
    );
    let (code, said) = run(&project, &["build", "--out", "third"], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("third/index.js: is not there"), "{said}");
}

#[test]
fn build_lets_wrangler_deploy_only_what_may_be_deployed() {
    let project = project("gate", &["--demo", "--host", "api.acme.io"]);
    let build = ["build", "--env", "staging"];
    let with = |command: &str| {
        run(&project, &build, &[("TOLLGATE_BUNDLE", "bundle"), ("WRANGLER_COMMAND", command)])
    };
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
    let project = project("deploy", &["--upstream", "https://o.acme.io", "--host", "api.acme.io"]);
    let next = [("TOLLGATE_NEXT", "next.json")];
    let deploy = |arguments: &[&str]| {
        let _ = std::fs::remove_file(project.0.join("next.json"));
        run(&project, &[&["deploy", "staging"], arguments].concat(), &next)
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
        let (code, said) = run(&project, arguments, &next);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
    let (code, said) = run(&project, &["deploy", "nowhere"], &next);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = run(&project, &["deploy", "staging"], &[("TOLLGATE_ROUTES", "routes"), next[0]]);
    assert_eq!(code, Some(2));
    assert!(said.contains("TOLLGATE_ROUTES is set"), "{said}");
    // By itself, the command does not run wrangler.
    let (code, said) = run(&project, &["deploy", "staging"], &[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("in a clone of Tollgate, this is scripts/deploy"), "{said}");
}

#[test]
fn dev_hands_over_how_to_run() {
    let project = project("dev", &["--demo"]);
    let next = [("TOLLGATE_NEXT", "next.json")];
    assert_eq!(run(&project, &["dev", "--demo", "--port", "9000"], &next).0, Some(0));
    assert_eq!(project.read("next.json"), r#"{"demo":9101,"do":"dev","fresh":false,"port":9000}"#);
    assert_eq!(run(&project, &["dev", "--demo=9200"], &next).0, Some(0));
    assert!(project.read("next.json").contains(r#""demo":9200"#));
    assert_eq!(run(&project, &["dev", "--port", "0"], &next).0, Some(2));
    std::fs::remove_dir_all(project.0.join("routes")).unwrap();
    assert_eq!(run(&project, &["dev"], &next).0, Some(1));
}

#[test]
fn programs_read_what_came_of_it() {
    let project = project("json", &["--upstream", "https://o.acme.io", "--host", "api.acme.io"]);
    std::fs::remove_file(project.0.join("package.json")).unwrap();
    let (code, said) = json(&project, &["init", "."], &[]);
    let kept = ["routes/gateway.yaml", "routes/hello/v1.yaml", "wrangler.toml", ".gitignore"];
    assert_eq!((code, &said["ok"], &said["folder"]), (Some(0), &json!(true), &json!(".")));
    assert_eq!((&said["made"], &said["kept"]), (&json!(["package.json"]), &json!(kept)));

    let bundle = ("TOLLGATE_BUNDLE", "bundle");
    let (code, said) = json(&project, &["build"], &[bundle]);
    assert_eq!((code, &said["ok"], &said["out"]), (Some(0), &json!(true), &json!(".tollgate/dev")));
    assert_eq!((&said["environment"], &said["warnings"]), (&json!("dev"), &json!([])));
    assert!(said["plan"].as_str().is_some_and(|hash| !hash.is_empty()));

    // What the launcher is to print once wrangler has ended.
    let next = ("TOLLGATE_NEXT", "next.json");
    assert_eq!(json(&project, &["deploy", "staging", "--dry-run"], &[next]), (Some(0), json!(null)));
    assert!(project.read("next.json").contains(r#""says":{"dry_run":true,"environment":"staging"}"#));
    let refused = |step: &str| {
        let (code, said) = json(&project, &["deploy", "staging"], &[next]);
        assert_eq!((code, &said["ok"], &said["deployed"]), (Some(1), &json!(false), &json!(false)));
        assert_eq!((&said["environment"], &said["step"]), (&json!("staging"), &json!(step)));
        said["why"].clone()
    };
    assert!(refused("git")[0].as_str().is_some_and(|why| why.contains("must be in git")));
    project.rewrite("routes/hello/v1.yaml", "status: 200, upstream", "status: 201, upstream");
    assert_eq!(refused("tests")["tests"][0]["failures"][0]["what"], "status");
    project.rewrite("routes/hello/v1.yaml", "read: { match:", "read: { mtch:");
    assert!(refused("check").as_array().unwrap().iter().any(|problem| problem["code"] == "unknown-key"));
    let (code, said) = json(&project, &["build"], &[bundle, ("WRANGLER_COMMAND", "dev")]);
    assert_eq!((code, &said["ok"], &said["kept"]), (Some(0), &json!(false), &json!(true)));
    assert!(said["problems"].as_array().unwrap().iter().any(|problem| problem["code"] == "unknown-key"));
    for command in
        [&["explain", "GET", "/"][..], &["failures"], &["compile", "--env", "dev", "--out", "x"], &["test"]]
    {
        let (_, said) = json(&project, command, &[]);
        assert_eq!(
            (&said["ok"], &said["problems"][1]["code"]),
            (&json!(false), &json!("unknown-key")),
            "{command:?}"
        );
    }
}
