//! `tollgate import openapi`: a route file from an OpenAPI document.

use super::{misused, print, print_json, refuse};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tollgate::config::openapi::document::Document;
use tollgate::config::openapi::{self, ImportOptions, Imported, library};
use tollgate::config::problem::Problem;
use tollgate::config::{normal, relative, tree};

/// Makes route files from descriptions of APIs.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate import openapi routes/orders/orders.openapi.yaml --owner team-checkout")]
pub struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    Openapi(OpenApi),
}

/// Makes a route file from an OpenAPI 3.0 or 3.1 document, JSON or YAML, or brings one up to date with it.
///
/// Each operation becomes a route, named by its operationId. Import again when the document has changed: `match` and
/// `operation` follow the document, routes are added for new operations, and all else stays as you made it.
///
/// Ends with 0 if the route file is as the document wants it, 1 if either has mistakes, 2 if one cannot be read or written.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate import openapi routes/orders/orders.openapi.yaml --owner team-checkout
  tollgate import openapi github.json --out routes/github/v3.yaml --base /github --issuer customers
  tollgate import openapi github.json --out routes/github/v3.yaml --prune")]
struct OpenApi {
    /// The document.
    file: PathBuf,
    /// The route file, or `-` for standard output. Default: routes/API/VERSION.yaml.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Name of the API. Default: by the route file's folder, or the document's title.
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// Name of the version. Default: by the route file's name, or the document's version.
    #[arg(long, value_name = "NAME")]
    version: Option<String>,
    /// Who owns the API. Default: the document's contact, or the API's name.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Path before all templates. Default: that of the document's first server.
    #[arg(long, value_name = "PATH")]
    base: Option<String>,
    /// The upstream: one of gateway.yaml by name, or a URL. Default: the document's first server.
    #[arg(long, value_name = "NAME|URL")]
    upstream: Option<String>,
    /// Ask for tokens of this issuer of gateway.yaml. Default: the document's security schemes, as far as they tell an
    /// issuer; what they do not tell must be filled in, and nobody passes until then.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Remove routes whose operation is no longer in the document. Default: mark them.
    #[arg(long)]
    prune: bool,
    /// Print what would be done, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

impl Import {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let From::Openapi(command) = self.from;
        command.run()
    }
}

impl OpenApi {
    fn run(self) -> ExitCode {
        if let Some(base) = self.base.as_deref().filter(|base| !base.is_empty() && !base.starts_with('/')) {
            return misused(&format!("--base: `{base}` does not begin with `/`"));
        }
        for (flag, name) in [("--api", &self.api), ("--version", &self.version)] {
            if let Some(name) = name.as_deref().filter(|name| openapi::name(name) != *name) {
                return misused(&format!(
                    "{flag}: `{name}` is no name: ASCII letters, digits, `-` and `_`, a letter first, 64 at most"
                ));
            }
        }
        let name = self.file.display().to_string();
        let mut read = |name: &str| std::fs::read_to_string(name).map_err(|error| error.to_string());
        let texts = match library::gather(&name, &mut read) {
            Ok(texts) => texts,
            Err(error) => {
                eprintln!("tollgate: {name}: cannot be read: {error}");
                return ExitCode::from(2);
            }
        };
        let document = match Document::read(&name, &texts) {
            Ok(document) => document,
            Err(problems) => return refuse(self.json, &problems, 1),
        };
        let (options, out) = self.options(&document);
        let to_stdout = out.as_os_str() == "-";
        let existing = match std::fs::read_to_string(&out) {
            Ok(text) => Some(text),
            Err(error) if to_stdout || error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                eprintln!("tollgate: {}: cannot be read: {error}", out.display());
                return ExitCode::from(2);
            }
        };
        let shown = out.display().to_string();
        let old = existing.as_deref().map(|text| (shown.as_str(), text));
        let imported = match openapi::import(&document, old, &options) {
            Ok(imported) => imported,
            Err(problems) => return refuse(self.json, &problems, 1),
        };
        let mut text = imported.text.clone();
        if existing.is_none()
            && let Some(schema) = schema(&out)
        {
            text.insert_str(0, &format!("# yaml-language-server: $schema={schema}\n"));
        }
        let written = existing.as_deref() != Some(text.as_str()) && !self.dry_run;
        if to_stdout {
            print(&text);
        } else if written && let Err(error) = super::compile::replace(&out, text.as_bytes()) {
            eprintln!("tollgate: {shown}: cannot be written: {error}");
            return ExitCode::from(2);
        }
        self.report(&shown, &imported, existing.is_some(), written, to_stdout);
        ExitCode::SUCCESS
    }

    /// What the import is told, and the route file.
    fn options(&self, document: &Document) -> (ImportOptions, PathBuf) {
        let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let given = self.out.as_ref().filter(|out| out.as_os_str() != "-");
        // An existing file has its names; they are not changed.
        let existing = given.and_then(|out| std::fs::read_to_string(out).ok());
        let tree = existing.and_then(|text| tree::parse(&text).ok());
        let known = |key: &str| tree.as_ref()?.get(key)?.text().map(str::to_owned);
        let folder = given.and_then(|out| stem(out.parent()?)).filter(|folder| folder != "routes");
        let api =
            self.api.clone().or_else(|| known("api")).or_else(|| folder.map(|name| openapi::name(&name)));
        let title = document.title.trim().to_ascii_lowercase();
        let api = api.unwrap_or_else(|| openapi::name(if title.is_empty() { "api" } else { &title }));
        let server = document.servers.first().map_or("", |server| server.path.as_str());
        let version = self.version.clone();
        let version = version.or_else(|| Some(openapi::name(&given.and_then(|out| stem(out))?)));
        let version = version.unwrap_or_else(|| openapi::version(&document.version, server));
        let owner = self.owner.clone().or_else(|| document.contact.clone());
        let owner = owner.map(|owner| owner.chars().take(128).collect::<String>());
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("routes/{api}/{version}.yaml")));
        let options = ImportOptions {
            owner: owner.filter(|owner| !owner.trim().is_empty()).unwrap_or_else(|| api.clone()),
            api,
            version,
            base: self.base.clone(),
            upstream: self.upstream.clone(),
            issuer: self.issuer.clone(),
            link: link(&self.file, &out),
            prune: self.prune,
        };
        (options, out)
    }

    fn report(&self, out: &str, imported: &Imported, existed: bool, written: bool, to_stdout: bool) {
        let Imported { changes, unchanged, notes, .. } = imported;
        if self.json && !to_stdout {
            print_json(&json!({
                "ok": true, "file": out, "written": written, "changes": changes, "unchanged": unchanged, "notes": notes,
            }));
            return;
        }
        // A line each: there may be many, and the document is not wrong.
        let line = |note: &Problem| format!("{}\n", Problem { excerpt: String::new(), ..note.clone() });
        let mut text: String = notes.iter().map(line).collect();
        let count = |what: &str| changes.iter().filter(|change| change.what == what).count();
        if existed {
            for change in changes {
                let said = match change.what {
                    "added" => "added, for the operation",
                    "linked" => "names the operation",
                    "matched" => "matches what the document says of",
                    "removed" => "removed: the document has no operation",
                    _ => "marked: the document has no operation",
                };
                text.push_str(&format!("{}: {said} `{}`\n", change.route, change.operation));
            }
        }
        let done = if to_stdout || !written && self.dry_run {
            "would be written"
        } else if written {
            "written"
        } else {
            "unchanged"
        };
        text.push_str(&format!(
            "{out}: {done}: {} routes added, {} changed, {} gone, {unchanged} as they were\n",
            count("added"),
            count("matched").saturating_add(count("linked")),
            count("gone").saturating_add(count("removed")),
        ));
        if to_stdout { eprint!("{text}") } else { print(&text) }
    }
}

/// An absolute path without `.` and `..`, whether or not there is such a file.
fn absolute(path: &Path) -> PathBuf {
    normal(&std::env::current_dir().unwrap_or_default(), path)
}

/// The folder of route files that a route file lies in: one with a gateway file, or called `routes`.
fn home(out: &Path) -> Option<PathBuf> {
    let out = absolute(out);
    let is_home = |folder: &&Path| {
        folder.file_name().is_some_and(|name| name == "routes") || folder.join("gateway.yaml").is_file()
    };
    out.ancestors().skip(1).find(is_home).map(Path::to_path_buf)
}

/// How the route file names the document: only where both belong to one project.
fn link(file: &Path, out: &Path) -> Option<String> {
    let project = home(out)?.parent()?.to_path_buf();
    let file = absolute(file);
    let path = relative(absolute(out).parent()?, file.starts_with(&project).then_some(&file)?);
    Some(if path.starts_with("../") { path } else { format!("./{path}") })
}

/// How the route file names the schema beside the gateway file.
fn schema(out: &Path) -> Option<String> {
    let home = home(out)?;
    Some(relative(absolute(out).parent()?, &home.join("schema.json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_of_the_project_are_linked() {
        let link = |file: &str, out: &str| link(Path::new(file), Path::new(out));
        assert_eq!(
            link("/p/routes/o/o.openapi.yaml", "/p/routes/o/v1.yaml").as_deref(),
            Some("./o.openapi.yaml")
        );
        assert_eq!(link("/p/docs/o.json", "/p/routes/o/v1.yaml").as_deref(), Some("../../docs/o.json"));
        assert_eq!(link("/q/o.json", "/p/routes/o/v1.yaml"), None);
        assert_eq!(link("routes/o/o.json", "routes/o/v1.yaml").as_deref(), Some("./o.json"));
        assert_eq!(schema(Path::new("/p/routes/o/v1.yaml")).as_deref(), Some("../schema.json"));
    }
}
