//! Route files from disk.

use super::problem::{Problem, Severity, Span};
use super::tree::MAX_BYTES;
use std::collections::BTreeMap;
use std::path::Path;

/// Most route files.
const MAX_FILES: usize = 20_000;

/// The texts that a plan is made of, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    /// Name of the routes folder, e.g. `routes`.
    pub root: String,
    /// Route files by name, e.g. `routes/orders/v2.yaml`.
    pub routes: BTreeMap<String, String>,
    /// `wrangler.toml` beside the routes folder.
    pub wrangler: Option<String>,
    /// `.dev.vars` beside it.
    pub dev_vars: Option<String>,
}

impl Files {
    /// Files in memory, by names that begin with `routes/`.
    pub fn new<'a>(routes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Files {
            root: "routes".into(),
            routes: routes.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
            wrangler: None,
            dev_vars: None,
        }
    }
}

/// Reads the routes folder, and what stands beside it.
///
/// # Errors
/// The file or folder that cannot be read.
pub fn read(routes: &Path) -> Result<Files, Box<Problem>> {
    let root = routes.file_name().map_or_else(|| "routes".into(), |name| name.to_string_lossy().into_owned());
    let mut files = Files { root: root.clone(), ..Files::default() };
    folder(routes, &root, 0, &mut files)?;
    // `routes` alone has an empty parent, which stands for the working directory.
    let beside = routes.parent().unwrap_or(Path::new(""));
    files.wrangler = std::fs::read_to_string(beside.join("wrangler.toml")).ok();
    files.dev_vars = std::fs::read_to_string(beside.join(".dev.vars")).ok();
    Ok(files)
}

fn broken(name: &str, message: String, help: &str) -> Box<Problem> {
    Box::new(Problem {
        severity: Severity::Error,
        code: "unreadable",
        file: name.to_owned(),
        span: Span::default(),
        message,
        help: Some(help.to_owned()).filter(|help| !help.is_empty()),
        environments: Vec::new(),
        excerpt: String::new(),
    })
}

fn folder(path: &Path, name: &str, depth: usize, files: &mut Files) -> Result<(), Box<Problem>> {
    if depth > 16 {
        return Err(broken(
            name,
            "folders are nested more than 16 deep".into(),
            "is a link pointing upwards?",
        ));
    }
    let unreadable = |error: std::io::Error| broken(name, format!("cannot be read: {error}"), "");
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, file_name) = (entry.path(), entry.file_name());
        let Some(file_name) = file_name.to_str() else { continue };
        let name = format!("{name}/{file_name}");
        if file_name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folder(&path, &name, depth.saturating_add(1), files)?;
            continue;
        }
        let schema = file_name == "schema.json" || file_name.ends_with(".schema.json");
        if schema || !matches!(file_name.rsplit_once('.'), Some((_, "yaml" | "yml" | "json"))) {
            continue;
        }
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        if usize::try_from(size).map_or(true, |size| size > MAX_BYTES) || files.routes.len() >= MAX_FILES {
            return Err(broken(&name, "the file is larger than 4 MiB, or there are too many".into(), ""));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| {
            broken(&name, format!("cannot be read: {error}"), "route files are UTF-8 texts")
        })?;
        files.routes.insert(name, text);
    }
    Ok(())
}
