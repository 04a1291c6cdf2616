//! `tollgate init`: a new project, from templates.

use super::{misused, print, print_json};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tollgate::outside;

/// Makes a new project: routes/, wrangler.toml, package.json and .gitignore. Asks nothing and overwrites nothing.
///
/// Ends with 0 if all of it is there now, 1 if a file cannot be written, 2 if an option is wrong.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate init . --demo
  tollgate init gateway --upstream https://orders.internal.acme.io --host api.acme.io --api orders")]
pub struct Init {
    /// The folder; its name becomes the project's.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The service behind the gateway. Without https it is used in development alone.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The host that production will be served on; staging gets the one below it.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The name of the first API.
    #[arg(long, value_name = "NAME", default_value = "hello")]
    api: String,
    /// With a route for a demo origin and one that asks for a token; `tollgate dev --demo` runs that origin.
    #[arg(long, conflicts_with = "upstream")]
    demo: bool,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

/// Where the demo origin listens.
const DEMO: &str = "http://127.0.0.1:9101";
/// What `npm install` gets a Node by where the machine's is too old.
const NODE: &str = "24.9.0";

impl Init {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let origin = match (&self.upstream, self.demo) {
            (Some(url), _) => url.trim_end_matches('/'),
            (None, true) => DEMO,
            (None, false) => "http://127.0.0.1:8080",
        };
        if !is_origin(origin) {
            return misused("--upstream: write a URL like https://orders.internal.acme.io, without query");
        }
        if self.host.as_deref().is_some_and(|host| !is_host(host)) {
            return misused("--host: write a name like api.acme.io, in lower case and without a port");
        }
        if !is_name(&self.api) {
            return misused("--api: write a name of lower-case letters, digits and hyphens, like `orders`");
        }
        if let Err(error) = std::fs::create_dir_all(&self.folder) {
            eprintln!("{}: {error}", self.folder.display());
            return ExitCode::FAILURE;
        }
        let real = outside::real_path(&self.folder).unwrap_or_default();
        let name = project(&real);
        let mut files = Vec::new();
        for (file, text) in self.files(&name, origin) {
            match write(&self.folder.join(&file), &text) {
                Ok(made) => files.push((file, made)),
                Err(error) => {
                    eprintln!("{file}: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
        if self.json {
            let those = |wanted: bool| {
                let files = files.iter().filter(|(_, made)| *made == wanted);
                files.map(|(file, _)| file.as_str()).collect::<Vec<_>>()
            };
            let folder = self.folder.display().to_string();
            let (made, kept) = (those(true), those(false));
            print_json(&json!({ "ok": true, "folder": folder, "name": name, "made": made, "kept": kept }));
        } else {
            for (file, made) in &files {
                print(&if *made {
                    format!("made {file}\n")
                } else {
                    format!("kept {file}, which is there\n")
                });
            }
            print(&self.next());
        }
        ExitCode::SUCCESS
    }

    /// The project's files.
    fn files(&self, name: &str, origin: &str) -> Vec<(String, String)> {
        let host = self.host.as_deref().unwrap_or("api.example.com");
        let elsewhere = if origin.starts_with("https://") { origin } else { "https://origin.example.net" };
        // The origin's own path, which stands before what is sent there.
        let base = url::Url::parse(origin).map(|url| url.path().trim_end_matches('/').to_owned());
        let base = base.unwrap_or_default();
        let fill = |text: &str| {
            let mut text = choose(text, self.demo);
            for (word, value) in [
                ("STAGING_HOST", format!("staging.{host}").as_str()),
                ("PRODUCTION_HOST", host),
                ("DEV_ORIGIN", origin),
                ("STAGING_ORIGIN", elsewhere),
                ("PRODUCTION_ORIGIN", elsewhere),
                ("BASE", &base),
                ("OWNER", name),
                ("NAME", name),
                ("API", &self.api),
            ] {
                text = replace_word(&text, word, value);
            }
            text
        };
        vec![
            ("routes/gateway.yaml".into(), fill(include_str!("../../package/template/gateway.yaml"))),
            (format!("routes/{}/v1.yaml", self.api), fill(include_str!("../../package/template/api.yaml"))),
            ("wrangler.toml".into(), wrangler(name, host, self.host.is_some())),
            ("package.json".into(), package(name, self.demo)),
            (".gitignore".into(), include_str!("../../package/template/gitignore").into()),
        ]
    }

    /// What to do now.
    fn next(&self) -> String {
        let mut commands = Vec::new();
        if self.folder != Path::new(".") {
            commands.push((format!("cd {}", self.folder.display()), ""));
        }
        commands.push(("npm install".into(), "once"));
        let dev = if self.demo { "npx tollgate dev --demo" } else { "npx tollgate dev" };
        commands.push((dev.into(), "the gateway on http://127.0.0.1:8787; follows every save"));
        commands.push(("npx tollgate check".into(), "what is wrong with the route files"));
        commands.push(("npx tollgate test".into(), "runs the tests in the route files"));
        commands.push((
            format!("npx tollgate explain GET /{}/v1/x", self.api),
            "what would become of a request, and why",
        ));
        let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
        let lines = commands
            .iter()
            .map(|(command, what)| format!("  {command:width$}   {what}").trim_end().to_owned());
        format!("\nnext:\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    }
}

/// Lines between `#demo` and `#end` stand only in a project with the demo.
fn choose(text: &str, demo: bool) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line {
            "#demo" => inside = true,
            "#end" => inside = false,
            _ if inside && !demo => {}
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// Replaces a word in capitals where it stands for itself.
fn replace_word(text: &str, word: &str, value: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let part = |c: char| c.is_ascii_uppercase() || c == '_';
    while let Some((before, after)) = rest.split_once(word) {
        out.push_str(before);
        let whole =
            !before.ends_with(part) && !after.starts_with(|c: char| part(c) || c.is_ascii_lowercase());
        out.push_str(if whole { value } else { word });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// This repository's own wrangler.toml, which the end-to-end tests run with, under the project's name.
fn wrangler(name: &str, host: &str, known: bool) -> String {
    let mut out = String::new();
    let mut environment = "dev";
    for line in include_str!("../../wrangler.toml").lines() {
        if let Some(section) = line.strip_prefix("[env.") {
            environment = section.split([']', '.']).next().unwrap_or_default();
        }
        let line = match line.split_once(" = ") {
            Some(("name", value)) => format!("name = {}", value.replace("tollgate", name)),
            Some(("main", _)) => format!("main = \".tollgate/{environment}/index.js\""),
            Some(("command", _)) => format!("command = \"tollgate build --env {environment}\""),
            Some(("watch_dir", _)) => "watch_dir = \"routes\"".into(),
            Some(("dataset", value)) => {
                format!("dataset = {}", value.replace("tollgate", &name.replace('-', "_")))
            }
            Some(("# routes", _)) => {
                let host = if environment == "staging" { format!("staging.{host}") } else { host.to_owned() };
                let mark = if known { "" } else { "# " };
                format!("{mark}routes = [{{ pattern = \"{host}\", custom_domain = true }}]")
            }
            _ => line.replace("scripts/dev", "tollgate dev").replace("scripts/deploy", "tollgate deploy"),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// package.json, by which `npm install` brings everything.
fn package(name: &str, demo: bool) -> String {
    let from = std::env::var("TOLLGATE_PACKAGE").ok().filter(|from| !from.is_empty());
    let from = from.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    let quoted = |text: &str| Value::from(text).to_string();
    let (name, from, dev) =
        (quoted(name), quoted(&from), if demo { "tollgate dev --demo" } else { "tollgate dev" });
    let (node, allowed) = match std::env::var_os("TOLLGATE_OLD_NODE") {
        Some(_) => (format!("\n    \"node\": \"{NODE}\","), ",\n  \"allowScripts\": { \"node\": true }"),
        None => (String::new(), ""),
    };
    format!(
        r#"{{
  "name": {name},
  "private": true,
  "scripts": {{
    "dev": "{dev}",
    "check": "tollgate check",
    "test": "tollgate test"
  }},
  "devDependencies": {{{node}
    "tollgate": {from}
  }}{allowed}
}}
"#
    )
}

/// Writes a file that is not there yet; says whether it did.
fn write(path: &Path, text: &str) -> std::io::Result<bool> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::File::create_new(path) {
        Ok(mut file) => std::io::Write::write_all(&mut file, text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder's name as wrangler and npm take it.
fn project(folder: &Path) -> String {
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = name.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let mut name = plain.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    name.truncate(40);
    let name = name.trim_matches('-');
    if name.is_empty() || name == "tollgate" { "gateway".into() } else { name.into() }
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 40
        && text.chars().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_host(text: &str) -> bool {
    text.len() <= 200 && text.contains('.') && text.split('.').all(is_name)
}

/// Whether it is an `http` or `https` URL that can stand between quotes.
fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
    }) && !text.contains(['"', '\\', '$', '{', '}', ' ', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_where_they_stand_for_themselves() {
        assert_eq!(replace_word("API APIs MYAPI /API/ API", "API", "x"), "x APIs MYAPI /x/ x");
        assert_eq!(choose("a\n#demo\nb\n#end\nc\n", false), "a\nc\n");
        assert_eq!(choose("a\n#demo\nb\n#end\nc\n", true), "a\nb\nc\n");
    }

    #[test]
    fn wrangler_toml_is_the_repository_s_under_another_name() {
        let text = wrangler("acme-shop", "api.acme.io", true);
        let table: toml::Table = text.parse().unwrap();
        let text_of = |table: &toml::Value, name: &str| table[name].as_str().unwrap().to_owned();
        for (environment, host) in [("staging", "staging.api.acme.io"), ("production", "api.acme.io")] {
            let section = &table["env"][environment];
            assert_eq!(text_of(section, "name"), format!("acme-shop-{environment}"));
            assert_eq!(text_of(section, "main"), format!(".tollgate/{environment}/index.js"));
            assert_eq!(text_of(&section["build"], "command"), format!("tollgate build --env {environment}"));
            assert_eq!(text_of(&section["routes"][0], "pattern"), host);
        }
        assert_eq!(table["name"].as_str(), Some("acme-shop-dev"));
        assert_eq!(table["main"].as_str(), Some(".tollgate/dev/index.js"));
        assert_eq!(table["build"]["command"].as_str(), Some("tollgate build --env dev"));
        assert!(!text.contains("scripts/") && !text.contains("\"tollgate_"), "{text}");
        assert!(wrangler("x", "api.example.com", false).contains("# routes = [{ pattern"));
    }

    #[test]
    fn package_json_is_json() {
        let package: Value = serde_json::from_str(&package("acme", true)).unwrap();
        assert_eq!(package["devDependencies"]["tollgate"], env!("CARGO_PKG_VERSION"));
        assert_eq!(
            (&package["name"], &package["scripts"]["dev"]),
            (&"acme".into(), &"tollgate dev --demo".into())
        );
    }

    #[test]
    fn names_hosts_and_origins_are_what_files_can_hold() {
        assert_eq!(project(Path::new("/a/My Gate.way")), "my-gate-way");
        assert_eq!(project(Path::new("/")), "gateway");
        assert!(is_host("api.acme.io") && !is_host("api") && !is_host("API.acme.io") && !is_host("a.io:1"));
        assert!(is_origin("http://127.0.0.1:9101") && is_origin("https://o.acme.io/base"));
        for wrong in
            ["ftp://a.io", "https://a.io/?q", "a.io", "https://u@a.io", "https://a.io/\"x", "https://${x}.io"]
        {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
