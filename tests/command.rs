//! The `tollgate` command as a process: what it prints, how it ends, what it writes.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::unwrap_used)]

#[path = "support/folder.rs"]
#[allow(dead_code)] // Not every test uses all of it.
mod folder;

use folder::Folder;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use tollgate::fault::Reason;
use tollgate::token::native::{self, DevelopmentKey};
use tollgate::token::parse;

/// A folder with a gateway file and an API.
fn routes(name: &str, api: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("routes/gateway.yaml", "tollgate: 2\ndefaults: { auth: none }\n");
    folder.write("routes/a/v1.yaml", api);
    folder
}

const GOOD: &str = "tollgate: 2
api: a
owner: team
version: { name: v1 }
upstream: { url: https://o.example.com }
routes: { one: { match: GET / } }
";

#[test]
fn check_tells_what_is_wrong_and_fails() {
    let folder = routes("check", GOOD);
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
    let folder = routes("compile", GOOD);
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
    let folder = routes("deploy", &GOOD.replace("https://o.example.com", "http://127.0.0.1:9101"));
    assert_eq!(folder.run(&["check"]).0, Some(0));
    let (code, out, _) = folder.run(&["check", "--deploy", "dev"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("routes/a/v1.yaml:5:18: this origin is on the loopback address"), "{out}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let folder = routes("missing", GOOD);
    let (code, out, _) = folder.run(&["check", "--routes", "nowhere"]);
    assert!(code == Some(1) && out.starts_with("nowhere: cannot be read:"), "{out}");
    let (code, out, _) = folder.run(&["check", "--env", "staging"]);
    assert!(code == Some(1) && out.contains("there is no environment `staging`"), "{out}");
    std::fs::write(folder.0.join("routes/a/v1.yaml"), b"api: \xff").unwrap();
    let (code, out, _) = folder.run(&["check"]);
    assert!(code == Some(1) && out.contains("route files are UTF-8 texts"), "{out}");
}

/// A folder of an organisation: `platform` holds the gateway file, teams their APIs.
fn organisation(name: &str) -> Folder {
    let folder = routes(name, GOOD);
    for (at, api) in [("checkout/routes", "orders"), ("catalog/routes", "items")] {
        let text = GOOD
            .replace("api: a", &format!("api: {api}"))
            .replace("upstream", &format!("base: /{api}\nupstream"));
        folder.write(&format!("{at}/v1.yaml"), &text);
    }
    folder
}

#[test]
fn several_folders_merge() {
    let folder = organisation("folders");
    let all = ["--routes", "routes", "--routes", "checkout/routes", "--routes", "catalog/routes"];
    let run = |more: &[&str]| {
        let arguments: Vec<&str> = more.iter().chain(&all).copied().collect();
        folder.run(&arguments)
    };
    assert_eq!(run(&["check"]), (Some(0), "ok: dev\n".into(), String::new()));
    // Folders of the same name are told apart by what they stand in.
    let (code, out, _) = run(&["explain", "GET", "/items/"]);
    assert!(
        code == Some(0) && out.contains("route items/v1/one   /items/   catalog/routes/v1.yaml:7:11\n"),
        "{out}"
    );
    let (_, first, _) = run(&["compile", "--env", "dev", "--out", "one.bin"]);
    assert!(first.contains("3 API versions, 3 routes"), "{first}");
    // The order does not matter, nor how they are named: by the environment, or by the gateway file.
    let listed = std::env::join_paths(["catalog/routes", "./checkout/routes", "routes", "routes"]).unwrap();
    let compile = |listed: Option<&std::ffi::OsString>, out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["compile", "--env", "dev", "--out", out]).current_dir(&folder.0);
        match listed {
            Some(listed) => command.env("TOLLGATE_ROUTES", listed),
            None => command.env_remove("TOLLGATE_ROUTES"),
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        std::fs::read(folder.0.join(out)).unwrap()
    };
    let plan = std::fs::read(folder.0.join("one.bin")).unwrap();
    assert_eq!(compile(Some(&listed), "two.bin"), plan);
    folder.write(
        "routes/gateway.yaml",
        "folders: [../checkout/routes, ../catalog/routes]\ntollgate: 2\ndefaults: { auth: none }\n",
    );
    let named = compile(None, "three.bin");
    assert_eq!(tollgate::plan::Plan::load(named).unwrap().len(), 3);
    let (_, listed, _) = folder.run(&["check", "--list-folders"]);
    assert_eq!(listed.lines().filter(|path| PathBuf::from(path).is_absolute()).count(), 3, "{listed}");
}

#[test]
fn folders_that_do_not_merge_are_said() {
    let folder = organisation("no-merge");
    let check = |folders: &[&str]| {
        let mut arguments = vec!["check"];
        arguments.extend(folders.iter().flat_map(|folder| ["--routes", folder]));
        let (code, out, _) = folder.run(&arguments);
        assert_eq!(code, Some(1), "{out}");
        out
    };
    let out = check(&["checkout/routes", "catalog/routes"]);
    assert!(
        out.starts_with("checkout/routes/gateway.yaml: this file is missing, here and in catalog/routes\n"),
        "{out}"
    );
    let out = check(&["checkout", "checkout/routes"]);
    assert!(
        out.starts_with("checkout/routes: one of this folder and `checkout` lies within the other\n"),
        "{out}"
    );
    folder.write("checkout/routes/gateway.yaml", "tollgate: 2\n");
    let out = check(&["checkout/routes", "routes"]);
    assert!(out.contains("there is a gateway file already, `checkout/routes/gateway.yaml`"), "{out}");
    folder.write("routes/gateway.yaml", "tollgate: 2\nfolders: [../nowhere]\n");
    let out = check(&["routes"]);
    assert!(out.starts_with("routes/gateway.yaml:2:11: the folder `../nowhere`: cannot be read: "), "{out}");
    folder.write("routes/gateway.yaml", "tollgate: 2\nfolders: [../catalog]\ndefaults: { auth: none }\n");
    folder.write("wrangler.toml", "secrets.required = [\"TOLLGATE_ADMIN_TOKEN\"]\n[build]\ncommand = \"x\"\nwatch_dir = [\"./routes\"]\n");
    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with("wrangler.toml: warning: `wrangler dev` does not watch `catalog`"), "{out}");
}

/// Whatever concerns several owners is told by owner.
#[test]
fn reports_group_by_owner() {
    let folder = organisation("owners");
    folder.write(
        "routes/gateway.yaml",
        "folders: [../checkout/routes, ../catalog/routes]\ntollgate: 2\ndefaults: { auth: none }\n",
    );
    for (file, owner) in
        [("checkout/routes/v1.yaml", "team-checkout"), ("catalog/routes/v1.yaml", "team-catalog")]
    {
        let api = folder.read(file).replace("owner: team", &format!("owner: {owner}"));
        folder.write(file, &format!("{api}limits: {{ idle: {{ rate: 1/s, per: address }} }}\ntests: {{ wrong: {{ request: GET /, expect: {{ status: 418 }} }} }}\n"));
    }
    // Whose base path holds those of others would own these.
    folder.write("routes/a/v1.yaml", &GOOD.replace("upstream", "base: /a\nupstream"));
    let heading = |text: &str| {
        let (first, second) = (text.find("── team-catalog\n\n"), text.find("── team-checkout\n\n"));
        first.is_some() && second.is_some() && first < second
    };
    let owners = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|item| item["owner"].as_str().unwrap().to_owned()).collect()
    };
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&folder.run(&[arguments, &["--json"]].concat()).1).unwrap()
    };
    for (arguments, list) in [
        (&["check"][..], "/problems"),
        (&["test"], "/tests"),
        (&["failures"], "/routes"),
        (&["test"], "/coverage/by_route"),
    ] {
        let (_, text, _) = folder.run(arguments);
        assert!(heading(&text), "{arguments:?}: {text}");
        let json = json(arguments);
        let found = owners(json.pointer(list).unwrap());
        assert!(
            found.contains(&"team-catalog".to_owned()) && found.contains(&"team-checkout".to_owned()),
            "{json}"
        );
    }
    let coverage = &json(&["test"])["coverage"]["by_owner"];
    assert_eq!(coverage["team-catalog"]["routes"], 1, "{coverage}");
    assert!(folder.run(&["test"]).1.contains("  team-catalog: 0 % (0 of 1 routes, 0 of "));
    let explained = json(&["explain", "GET", "/items/"]);
    assert_eq!(explained["owner"], "team-catalog");
    assert!(folder.run(&["explain", "GET", "/items/"]).1.contains("items/v1 of team-catalog"));
    let missed = json(&["explain", "POST", "/items/"]);
    assert_eq!(missed["near_misses"][0]["owner"], "team-catalog", "{missed}");
    // Without a pattern all tests must pass before changes are tried.
    for file in ["checkout/routes/v1.yaml", "catalog/routes/v1.yaml"] {
        folder.write(file, &folder.read(file).replace("418", "404"));
    }
    assert!(heading(&folder.run(&["test", "--mutants"]).1));
    let changed = json(&["test", "--mutants"]);
    assert!(owners(&changed["mutants"]).contains(&"team-checkout".to_owned()), "{changed}");
}

#[test]
fn explain_ends_by_what_was_found() {
    let folder = routes("explain", GOOD);
    let (code, out, error) = folder.run(&["explain", "GET", "/"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    for line in ["route a/v1/one   /   routes/a/v1.yaml:6:11\n", "\n          https://o.example.com/\n"] {
        assert!(out.contains(line), "{line:?} in {out}");
    }
    assert!(out.ends_with("answer: the upstream's, or the cache's\n"), "{out}");
    let (code, out, _) = folder.run(&["explain", "GET", "https://x.example/nowhere", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &json["reason"], &json["route"]),
        (Some(1), &"not-found".into(), &serde_json::Value::Null)
    );
    assert_eq!((&json["outcome"], &json["status"]), (&"refuse".into(), &404.into()));
    folder.write("batch", "{\"url\":\"/\"}\n{\"url\":\"\"}\n{\"url\":\"/\",\"method\":\"PUT\"}\n");
    let (code, out, error) = folder.run(&["explain", "--batch", "batch"]);
    assert_eq!((code, error.as_str()), (Some(1), ""));
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [forward, error, refuse] = lines.as_slice() else { panic!("{out}") };
    assert_eq!((&forward["outcome"], &refuse["reason"]), (&"forward".into(), &"method-not-allowed".into()));
    assert!(error["error"].is_string() && error.get("outcome").is_none(), "{error}");
    for wrong in [
        &["explain", "GET", "ftp://x.example/"][..],
        &["explain", "GET"],
        &["explain", "GET", "/", "--batch", "batch"],
        &["explain", "--batch", "nowhere"],
        &["explain", "GET", "/", "-H", "no colon"],
        &["explain", "GET", "/", "--env", "nowhere"],
    ] {
        let (code, out, error) = folder.run(wrong);
        assert_eq!((code, out.as_str(), error.is_empty()), (Some(2), "", false), "{wrong:?}");
    }
}

const ISSUERS: &str = "tollgate: 2
issuers:
  people:
    issuer: https://issuer.invalid
    audience: [shop, other]
    algorithms: [ES256]
    keys: { jwks: \"http://127.0.0.1:9/jwks\" }
    development: true
defaults: { auth: { jwt: people } }
";

#[test]
fn token_mints_for_the_development_issuer_alone() {
    let folder = routes("token", GOOD);
    let (code, out, error) = folder.run(&["token"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("no issuer with `development: true`"), "{error}");

    folder.write("routes/gateway.yaml", ISSUERS);
    let (code, out, error) = folder.run(&["token"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains(".dev/issuer.json") && error.contains("scripts/dev"), "{error}");

    let key = DevelopmentKey::generate().unwrap();
    std::fs::create_dir(folder.0.join(".dev")).unwrap();
    folder.write(".dev/issuer.json", &key.private_jwk());
    let (code, out, error) = folder.run(&[
        "token",
        "--sub",
        "bob",
        "--scope",
        "a b",
        "--expires",
        "10m",
        "--claim",
        "tier=3",
        "--claim",
        "team=x y",
    ]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let token = out.strip_suffix('\n').unwrap();
    let parsed = parse::token(token).unwrap();
    let (jws, claims) = (&parsed.jws, &parsed.claims);
    let set: serde_json::Value = serde_json::from_str(&key.public_set()).unwrap();
    let jwk = set["keys"][0].to_string();
    assert_eq!(native::verify(jws.algorithm, &jwk, jws.signing_input, &jws.signature), Ok(true));
    assert_eq!((&claims["iss"], &claims["aud"]), (&"https://issuer.invalid".into(), &"shop".into()));
    assert_eq!((&claims["sub"], &claims["scope"]), (&"bob".into(), &"a b".into()));
    assert_eq!((&claims["tier"], &claims["team"]), (&3.into(), &"x y".into()));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);

    let (_, expired, _) = folder.run(&["token", "--expired", "--aud", "else"]);
    let expired = parse::token(expired.trim()).unwrap().claims;
    assert!(expired["exp"].as_u64() < claims["iat"].as_u64() && expired["aud"] == "else");
    let (_, unsigned, _) = folder.run(&["token", "--alg", "none"]);
    assert_eq!(parse::token(unsigned.trim()), Err(Reason::TokenUnsigned));
    let (_, confused, _) = folder.run(&["token", "--alg", "HS256-from-public"]);
    let confused = parse::token(confused.trim()).unwrap();
    assert_eq!((confused.jws.algorithm.name(), confused.jws.signature.len()), ("HS256", 32));
    for wrong in
        [&["token", "--expires", "soon"][..], &["token", "--issuer", "others"], &["token", "--claim", "x"]]
    {
        assert_eq!(folder.run(wrong).0, Some(2), "{wrong:?}");
    }
}

/// A gateway that answers each request with the next of these; and what it was asked.
fn gateway(answers: &'static [&'static str]) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            heads.push(head.join("\n"));
            let (status, body) = answer.split_once(' ').unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
        heads
    };
    (url, thread::spawn(serve))
}

const EVENT: &str = r#"200 {"id":"a-1","method":"GET","route":"a/v1/one","place":"routes/a/v1.yaml:6:11","status":401,"reason":"token-missing"}"#;

#[test]
fn why_asks_until_the_event_is_there() {
    let folder = routes("why", GOOD);
    folder.write(".dev.vars", "OTHER=1\nTOLLGATE_ADMIN_TOKEN=secret-of-this-test\n");
    let (url, asked) = gateway(&["404 {}", EVENT]);
    let (code, out, error) = folder.run(&["why", "a-1", "--gateway", &url]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.starts_with("answer    401  token-missing\n"), "{out}");
    assert!(out.contains("place     routes/a/v1.yaml:6:11\n"), "{out}");
    for head in asked.join().unwrap() {
        assert!(head.starts_with("GET /_tollgate/events/a-1 HTTP/1.1\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("authorization: bearer secret-of-this-test"), "{head}");
    }
    let (url, _) = gateway(&[EVENT]);
    let (_, out, _) = folder.run(&["why", "a-1", "--gateway", &url, "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["reason"], "token-missing");
}

#[test]
fn why_says_what_it_cannot_tell() {
    let folder = routes("why-not", GOOD);
    let (code, _, error) = folder.run(&["why", "a-1"]);
    assert!(code == Some(2) && error.contains("no administrator's token"), "{error}");
    assert_eq!(folder.run(&["why", "../status", "--admin-token", "t"]).0, Some(2));
    let told = |answers, words: &str| {
        let (url, _) = gateway(answers);
        let (code, out, error) = folder.run(&["why", "a-1", "--admin-token", "t", "--gateway", &url]);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(error.contains(words), "{error}");
    };
    told(&["401 {}"], "does not accept this administrator's token");
    told(&["503 {}"], "the gateway answers 503");
    told(&["302 "], "the gateway answers 302");
    told(&["404 {}"; 16], "no event of this request id is kept");
}

/// The subcommands of the help, by group.
fn groups(help: &str) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for line in help.lines().take_while(|line| !line.starts_with("Options:")).skip(3) {
        match (line.strip_prefix("  "), groups.last_mut()) {
            (Some(sub), Some((_, names))) => names.push(sub.split(' ').next().unwrap().to_owned()),
            _ if line.ends_with(':') => groups.push((line.trim_end_matches(':').to_owned(), Vec::new())),
            _ => {}
        }
    }
    groups
}

#[test]
fn help_leads_with_what_is_used_every_day() {
    let folder = routes("help", GOOD);
    let (code, help, _) = folder.run(&["--help"]);
    assert_eq!(code, Some(0));
    let groups = groups(&help);
    assert_eq!(groups[0].0, "Every day");
    assert!(["check", "explain"].iter().all(|name| groups[0].1.iter().any(|own| own == name)), "{help}");
    assert!(
        groups.iter().all(|(name, _)| name != "More"),
        "give each subcommand a group in src/cli/manual.rs: {help}"
    );
    for part in ["\nExamples:\n", "\nExit codes:\n  0  fine\n"] {
        assert!(help.contains(part), "{help}");
    }
    // Without arguments nothing was asked for; the help says what could be.
    let (code, out, error) = folder.run(&[]);
    assert!(code == Some(2) && out.is_empty() && error.contains("Every day:"), "{error}");
    for name in groups.iter().flat_map(|(_, names)| names).filter(|name| *name != "help") {
        let (code, help, _) = folder.run(&[name, "--help"]);
        assert_eq!(code, Some(0), "{name}");
        assert!(help.contains("\nExamples:\n  tollgate "), "`{name} --help` has no examples");
        // What `import` does, its own subcommand says.
        let own: &[&str] =
            if name == "import" { &["import", "openapi", "--help"] } else { &[name, "--help"] };
        let (_, help, _) = folder.run(own);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("Ends with 0"), "`{name} --help` does not say how it ends");
        let without = ["dev", "completion"].contains(&name.as_str());
        assert_eq!(help.contains(" --json "), !without, "`{name}` and --json");
    }
}

#[test]
fn wrong_words_are_answered_with_the_nearest() {
    let folder = routes("nearest", GOOD);
    for (arguments, word) in [(&["chekc"][..], "'check'"), (&["check", "--jsn"], "'--json'")] {
        let (code, out, error) = folder.run(arguments);
        assert!(code == Some(2) && out.is_empty() && error.contains(&format!("exists: {word}")), "{error}");
    }
}

#[test]
fn colour_is_for_terminals_or_who_asks() {
    let folder = routes("colour", &GOOD.replace("owner", "onwer"));
    let (_, plain, _) = folder.run(&["check"]);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let (_, colored, _) = folder.run(&["check", "--color", "always"]);
    assert!(
        colored.contains("\u{1b}[1mroutes/a/v1.yaml:3:1\u{1b}[0m: \u{1b}[1;31munknown key `onwer`\u{1b}[0m"),
        "{colored}"
    );
    let mut stripped = String::new();
    for part in colored.split('\u{1b}') {
        stripped.push_str(if stripped.is_empty() { part } else { part.split_once('m').unwrap().1 });
    }
    assert!(!stripped.is_empty() && stripped.contains("^^^^^"));
    let (_, json, _) = folder.run(&["--color", "always", "check", "--json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok() && !json.contains('\u{1b}'));
    let compile = ["compile", "--env", "dev", "--out", "plan.bin"];
    assert!(!folder.run(&compile).2.contains('\u{1b}'));
    assert!(folder.run(&[&compile[..], &["--color=always"]].concat()).2.contains('\u{1b}'));
}

#[test]
fn completion_is_for_every_usual_shell() {
    let folder = routes("completion", GOOD);
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef tollgate"), ("fish", "complete -c tollgate")]
    {
        let (code, script, _) = folder.run(&["completion", shell]);
        assert!(code == Some(0) && script.contains(word) && script.contains("explain"), "{shell}");
    }
    assert_eq!(folder.run(&["completion", "cmd"]).0, Some(2));
}

#[test]
fn what_is_written_is_told_as_json_too() {
    let folder = routes("json", GOOD);
    let (code, out, error) = folder.run(&["compile", "--env", "dev", "--out", "plan.bin", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, error.as_str(), &json["routes"], &json["out"]),
        (Some(0), "", &1.into(), &"plan.bin".into())
    );
    folder.write("routes/a/v1.yaml", "tollgate: [");
    let (code, out, _) = folder.run(&["compile", "--env", "dev", "--out", "plan.bin", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["problems"][0]["code"]), (Some(1), &"syntax".into()));
}

const DOCUMENT: &str = "openapi: 3.1.0
info: { title: Shop API, version: 2.1.0, contact: { name: team } }
servers: [{ url: 'https://shop.internal/shop' }]
security: [{ login: [read] }]
components:
  securitySchemes:
    login: { type: openIdConnect, openIdConnectUrl: 'https://login.test/.well-known/openid-configuration' }
paths:
  /items:
    get: { operationId: items/list, summary: List items, parameters: [{ name: page, in: query, required: true }] }
  /items/{id}/{path}:
    get: { operationId: getFile }
    trace: {}
";

const IMPORTED: &str = "# yaml-language-server: $schema=../schema.json
# Made by `tollgate import openapi` of \"Shop API\" 2.1.0
# Import it again when the document changes: `match` and `operation` follow it, routes are added for new
# operations, and all else, comments included, stays as you made it.
tollgate: 2
api: shop-api
owner: team
version: { name: v2 }
base: /shop
# `tollgate check` compares the routes with this document.
openapi: { file: ../../shop.yaml }
upstream: { url: https://shop.internal }

issuers:
  # From the security scheme `login`.
  # The document does not tell `audience`, `algorithms` and `keys`: check them.
  login:
    issuer: https://login.test
    audience: shop-api
    algorithms: [RS256]
    keys: { jwks: https://login.test/.well-known/jwks.json }
    scopes: [read]

defaults:
  auth: { jwt: login }
  scopes: [read]

routes:
  # List items
  # Needs: query `page`
  items-list:
    match: GET /items
    operation: items/list
  getFile:
    match: GET /items/{id}/{*path}
    operation: getFile
";

#[test]
fn import_writes_a_route_file_and_keeps_it_in_step() {
    let folder = routes("import", GOOD);
    folder.write("shop.yaml", DOCUMENT);
    let import = ["import", "openapi", "shop.yaml"];
    let (code, out, error) = folder.run(&import);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert_eq!(
        out,
        "shop.yaml:13:5: warning: `TRACE /items/{id}/{path}` is left out: the gateway forwards no TRACE\n\
         routes/shop-api/v2.yaml: written: 2 routes added, 0 changed, 0 gone, 0 as they were\n"
    );
    let file = folder.0.join("routes/shop-api/v2.yaml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), IMPORTED);
    assert_eq!(folder.run(&["check"]), (Some(0), "ok: dev\n".into(), String::new()));
    let (code, out, _) = folder.run(&import);
    assert_eq!(code, Some(0));
    assert!(
        out.ends_with(
            "routes/shop-api/v2.yaml: unchanged: 0 routes added, 0 changed, 0 gone, 2 as they were\n"
        ),
        "{out}"
    );

    // The document changes, and check says so until it is imported again.
    folder.write("shop.yaml", &DOCUMENT.replace("/items:", "/things:").replace("getFile", "readFile"));
    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("this route does not match `GET /things`, which it names"), "{out}");
    assert!(out.contains("the OpenAPI document has no operation `getFile`"), "{out}");
    let (code, out, _) = folder.run(&["import", "openapi", "shop.yaml", "--json", "--dry-run"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["ok"], &json["written"]), (Some(0), &true.into(), &false.into()));
    assert_eq!(json["changes"].as_array().map(Vec::len), Some(2), "{out}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), IMPORTED);
    let (code, out, _) = folder.run(&import);
    assert_eq!(code, Some(0));
    assert!(out.contains("items-list: matches what the document says of `items/list`\n"), "{out}");
    assert!(out.contains("getFile: names the operation `readFile`\n"), "{out}");
    assert_eq!(folder.run(&["check"]), (Some(0), "ok: dev\n".into(), String::new()));

    // To another place, of which the file knows nothing; and what cannot be done.
    let (code, out, error) = folder.run(&[
        "import",
        "openapi",
        "shop.yaml",
        "--out",
        "-",
        "--issuer",
        "people",
        "--upstream",
        "shop",
        "--base",
        "/x",
    ]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("\nupstream: shop\n") && out.contains("auth: { jwt: people }\n"), "{out}");
    assert!(out.contains("\nrewrite: { prefix: /shop }\n") && !out.contains("issuers"), "{out}");
    assert_eq!(folder.run(&["import", "openapi", "none.yaml"]).0, Some(2));
    assert_eq!(folder.run(&["import", "openapi", "shop.yaml", "--base", "x"]).0, Some(2));
    assert_eq!(folder.run(&["import", "openapi", "shop.yaml", "--api", "a b"]).0, Some(2));
    folder.write("bad.json", "{\"swagger\": \"2.0\"}");
    let (code, out, error) = folder.run(&["import", "openapi", "bad.json"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.starts_with("bad.json:1:13: this is Swagger 2.0"), "{error}");
    let (code, _, error) = folder.run(&["import", "openapi", "shop.yaml", "--out", "routes/gateway.yaml"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("this is no API's route file"), "{error}");
}

#[test]
fn migrate_rewrites_old_files_and_nothing_changes_in_meaning() {
    let api = "# ours
tollgate: 1 # format
api: a
owner: team
version: { name: v1 }
upstream: { url: https://o.example.com }
routes:
  one:
    match: GET /{id}
    headers: { response: { set: { x-a: '{\"a\":1}', x-b: b } } } # {kept}
";
    let folder = routes("migrate", api);
    let read = |file: &str| std::fs::read_to_string(folder.0.join(file)).unwrap();
    // A link to a route file stays one.
    std::fs::create_dir_all(folder.0.join("elsewhere")).unwrap();
    folder.write("elsewhere/b.yaml", &api.replace("api: a", "api: b\nbase: /b"));
    std::os::unix::fs::symlink("../elsewhere/b.yaml", folder.0.join("routes/b.yaml")).unwrap();
    let old = folder.0.join("old");
    std::fs::create_dir_all(&old).unwrap();
    for file in ["gateway.yaml", "a/v1.yaml", "b.yaml"] {
        std::fs::write(old.join(file.replace('/', "-")), read(&format!("routes/{file}"))).unwrap();
    }
    std::fs::rename(old.join("gateway.yaml"), old.join("gateway.yml")).unwrap();

    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("routes/a/v1.yaml:2:11: warning: this file is of format 1: braces in"), "{out}");

    let said = "routes/a/v1.yaml: format 1 to 2
  10:40  {\"a\":1}  ->  {{\"a\":1}}
routes/b.yaml: format 1 to 2
  11:40  {\"a\":1}  ->  {{\"a\":1}}
";
    let (code, out, error) = folder.run(&["migrate", "--check"]);
    assert_eq!(
        (code, out.as_str(), error.as_str()),
        (Some(1), format!("{said}2 files to rewrite, 1 of format 2 already\n").as_str(), "")
    );
    assert_eq!(read("routes/a/v1.yaml"), api);
    let (code, out, _) = folder.run(&["migrate", "--check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["ok"], &json["written"]), (Some(1), &false.into(), &false.into()));
    assert_eq!((&json["format"], &json["unchanged"]), (&2.into(), &1.into()));
    assert_eq!(
        json["files"][0],
        serde_json::json!({ "file": "routes/a/v1.yaml", "from": 1, "to": 2, "changes": [{
            "line": 10, "column": 40, "length": 9, "key": "routes.one.headers.response.set.x-a",
            "before": "{\"a\":1}", "after": "{{\"a\":1}}",
        }] })
    );

    let (code, out, error) = folder.run(&["migrate"]);
    assert_eq!(
        (code, out.as_str(), error.as_str()),
        (Some(0), format!("{said}2 files rewritten, 1 of format 2 already\n").as_str(), "")
    );
    let new = api.replace(": 1 #", ": 2 #").replace("{\"a\":1}", "{{\"a\":1}}");
    assert_eq!(read("routes/a/v1.yaml"), new);
    assert_eq!(read("elsewhere/b.yaml"), new.replace("api: a", "api: b\nbase: /b"));
    assert!(folder.0.join("routes/b.yaml").is_symlink());
    let beside: Vec<_> = std::fs::read_dir(folder.0.join("routes/a")).unwrap().collect();
    assert_eq!(beside.len(), 1, "{beside:?}");
    assert_eq!(folder.run(&["check"]), (Some(0), "ok: dev\n".into(), String::new()));
    let (code, out, _) = folder.run(&["migrate", "--check"]);
    assert_eq!((code, out.as_str()), (Some(0), "0 files to rewrite, 3 of format 2 already\n"));
    let (code, out, error) = folder.run(&["diff", "old", "routes"]);
    assert_eq!((code, out.as_str()), (Some(0), "no change in meaning: dev\n"), "{error}");

    // One that cannot be rewritten keeps the others as they are.
    folder.write("routes/a/v1.yaml", api);
    folder.write("elsewhere/b.yaml", &new.replace(": 2 #", ": 3 #"));
    let (code, out, error) = folder.run(&["migrate"]);
    assert!(code == Some(2) && out.is_empty(), "{out}{error}");
    assert!(error.contains("routes/b.yaml:2:11: 3 is no format that is known here"), "{error}");
    assert!(error.contains("a newer file needs a newer `tollgate`"), "{error}");
    assert_eq!(read("routes/a/v1.yaml"), api);
    let (code, out, _) = folder.run(&["migrate", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["problems"][0]["code"]), (Some(2), &"out-of-range".into()));
}
