//! Route files from disk: one folder, or several that merge.

use super::openapi;
use super::problem::{Problem, Severity, Span};
use super::tree::{self, MAX_BYTES, Node, Value};
use crate::outside;
use crate::plan::compile::{File, problem};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Most route files.
const MAX_FILES: usize = 20_000;
/// Most folders.
const MAX_FOLDERS: usize = 256;

/// The texts that a plan is made of, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    /// The names of the folders, e.g. `routes`; no name is the beginning of another's path.
    pub roots: Vec<String>,
    /// The real paths of the folders, in the same order; none for files in memory.
    pub folders: Vec<PathBuf>,
    /// Route files by name, e.g. `routes/orders/v2.yaml`.
    pub routes: BTreeMap<String, String>,
    /// `wrangler.toml` beside the folder with the gateway file, or beside another one.
    pub wrangler: Option<String>,
    /// `.dev.vars` beside `wrangler.toml`.
    pub dev_vars: Option<String>,
    /// The real path of the folder with `wrangler.toml`; empty for files in memory.
    pub beside: PathBuf,
    /// The OpenAPI documents that route files name, with the files they refer to, by name; `None` where nobody looked
    /// for them, and then they are not compared.
    pub documents: Option<BTreeMap<String, openapi::library::Texts>>,
    /// Today, in seconds since 1970, for what is over by then; `None`: nothing is.
    pub now: Option<i64>,
}

impl Files {
    /// Files in memory, by names that begin with `routes/`.
    pub fn new<'a>(routes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Files {
            roots: vec!["routes".into()],
            routes: routes.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
            ..Files::default()
        }
    }

    /// Files that lie in several folders, from wherever: the real path of each, and its files by their paths below it.
    pub fn merged(folders: Vec<(PathBuf, Vec<(String, String)>)>) -> Self {
        let found: Vec<(PathBuf, PathBuf)> =
            folders.iter().map(|(real, _)| (PathBuf::new(), real.clone())).collect();
        let mut files = Files { roots: names(&found), ..Files::default() };
        for (root, (real, texts)) in files.roots.clone().iter().zip(folders) {
            let named = texts.into_iter().map(|(path, text)| (format!("{root}/{path}"), text));
            files.routes.extend(named);
            files.folders.push(real);
        }
        files
    }

    /// Whether a file is a gateway file: `gateway.yaml` at the top of a folder.
    pub fn is_gateway(&self, name: &str) -> bool {
        let below = |root: &String| name.strip_prefix(root.as_str())?.strip_prefix('/');
        self.roots.iter().filter_map(below).any(|file| GATEWAYS.contains(&file))
    }

    /// Where a file with this name stands on disk.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let mut folders = self.roots.iter().zip(&self.folders);
        folders.find_map(|(root, folder)| {
            Some(folder.join(name.strip_prefix(root.as_str())?.strip_prefix('/')?))
        })
    }
}

/// Names of the file that holds what all APIs share.
pub const GATEWAYS: [&str; 3] = ["gateway.yaml", "gateway.yml", "gateway.json"];

/// Reads folders of route files, those that their gateway file names in `folders:`, and what stands beside them.
///
/// A folder is called by its own name; several that have the same one, by as many of the names above as tell them
/// apart.
///
/// # Errors
/// The file or folder that cannot be read, or folders of which one lies within the other.
pub fn read(folders: &[PathBuf]) -> Result<Files, Box<Problem>> {
    let mut found: Vec<(PathBuf, PathBuf)> = Vec::new();
    for folder in folders {
        add(folder, &mut found)?;
    }
    // The folder with the gateway file, whose neighbours are wrangler.toml and .dev.vars.
    let mut home = None;
    let mut next = 0;
    while let Some((folder, _)) = found.get(next).cloned() {
        next = next.saturating_add(1);
        let gateway = GATEWAYS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let Some(gateway) = gateway else { continue };
        home = home.or(Some(folder.clone()));
        for (text, span, file) in named(&gateway) {
            add(&folder.join(&text), &mut found).map_err(|mut error| {
                // Said where it is written.
                let at = problem(Severity::Error, error.code, &file, span, String::new(), None);
                error.message = format!("the folder `{text}`: {}", error.message);
                Box::new(Problem { message: error.message, help: error.help, ..at })
            })?;
        }
    }
    let mut files = Files { roots: names(&found), ..Files::default() };
    for (root, (folder, _)) in files.roots.clone().iter().zip(&found) {
        read_folder(folder, root, 0, &mut files)?;
    }
    let mut beside =
        home.iter().chain(found.iter().map(|(folder, _)| folder)).map(|folder| neighbour(folder));
    if let Some(beside) = beside.find(|beside| beside.join("wrangler.toml").is_file()) {
        files.wrangler = std::fs::read_to_string(beside.join("wrangler.toml")).ok();
        files.dev_vars = std::fs::read_to_string(beside.join(".dev.vars")).ok();
        let here = if beside.as_os_str().is_empty() { Path::new(".") } else { &beside };
        files.beside = outside::real_path(here).unwrap_or_default();
    }
    files.folders = found.into_iter().map(|(_, real)| real).collect();
    documents(&mut files);
    Ok(files)
}

/// Reads the OpenAPI documents that route files name. What cannot be read, or named, the check says.
fn documents(files: &mut Files) {
    let mut documents: BTreeMap<String, openapi::library::Texts> = BTreeMap::new();
    for (name, text) in &files.routes {
        if !text.contains("openapi") {
            continue;
        }
        let Ok(tree) = tree::parse(text) else { continue };
        let file = tree.get("openapi").and_then(|openapi| openapi.get("file")).and_then(Node::text);
        let Some(document) = file.and_then(|file| openapi::linked(name, file).ok()) else { continue };
        // The path on disk to a name is by way of the route file's folder.
        let up = name.matches('/').count();
        let Some(path) = files.path(name) else { continue };
        let Some(top) = path.ancestors().nth(up.saturating_add(1)) else { continue };
        let mut read =
            |name: &str| std::fs::read_to_string(top.join(name)).map_err(|error| error.to_string());
        if let Ok(texts) = openapi::library::gather(&document, &mut read) {
            documents.insert(document, texts);
        }
    }
    // A document may have the name of a route file, and lie among them.
    for name in documents.values().flat_map(|texts| texts.keys()) {
        files.routes.remove(name);
    }
    files.documents = Some(documents);
}

/// The folder in which a folder stands.
fn neighbour(folder: &Path) -> PathBuf {
    // `routes` alone has an empty parent, which stands for the working directory; `.` has none that says it.
    match folder.file_name() {
        Some(_) => folder.parent().unwrap_or(Path::new("")).to_path_buf(),
        None => folder.join(".."),
    }
}

/// A path as seen from an absolute one, `.` and `..` taken out.
pub fn normal(base: &Path, path: &Path) -> PathBuf {
    let mut out = base.to_path_buf();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// The way from one path to another, both absolute and without `.` and `..`; with `/`.
pub fn relative(from: &Path, to: &Path) -> String {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| "..".to_owned());
    let down = to.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// Adds a folder, with its real path, unless it is known.
fn add(folder: &Path, found: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), Box<Problem>> {
    let name = folder.display().to_string();
    let real = outside::real_path(folder).and_then(|real| std::fs::read_dir(&real).map(|_| real));
    let real = real.map_err(|error| broken(&name, format!("cannot be read: {error}"), ""))?;
    if found.iter().any(|(_, known)| *known == real) {
        return Ok(());
    }
    if let Some((other, _)) =
        found.iter().find(|(_, known)| known.starts_with(&real) || real.starts_with(known))
    {
        let message = format!("one of this folder and `{}` lies within the other", other.display());
        return Err(broken(&name, message, "name the outer one alone, or two beside each other"));
    }
    if found.len() >= MAX_FOLDERS {
        return Err(broken(&name, format!("there are more than {MAX_FOLDERS} folders"), ""));
    }
    found.push((folder.to_path_buf(), real));
    Ok(())
}

/// The folders that the text of a gateway file names.
pub fn further(gateway: &str) -> Vec<String> {
    let tree = tree::parse(gateway).ok();
    let listed = tree.as_ref().and_then(|tree| tree.get("folders")).map(|node| &node.value);
    match listed {
        Some(Value::List(items)) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The folders that a gateway file names, with their places in it. What is wrong with the file is said by the check.
fn named(gateway: &Path) -> Vec<(String, Span, File)> {
    let Ok(text) = std::fs::read_to_string(gateway) else { return Vec::new() };
    let Ok(tree) = tree::parse(&text) else { return Vec::new() };
    let Some(Value::List(items)) = tree.get("folders").map(|node| &node.value) else { return Vec::new() };
    let items: Vec<(String, Span)> =
        items.iter().filter_map(|item| Some((item.text()?.to_owned(), item.span))).collect();
    let none = Node { value: Value::Null, span: Span::default(), variable: None };
    let file = File { name: gateway.display().to_string(), text: text.into(), tree: none };
    items.into_iter().map(|(text, span)| (text, span, file.clone())).collect()
}

/// Names that tell folders apart: as few of the last elements of their real paths as will do.
fn names(found: &[(PathBuf, PathBuf)]) -> Vec<String> {
    let elements: Vec<Vec<String>> = found
        .iter()
        .map(|(_, real)| {
            let normal = real.components().filter(|part| matches!(part, Component::Normal(_)));
            normal.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
        })
        .collect();
    let mut taken = vec![1_usize; elements.len()];
    let tail = |elements: &[String], n: usize| {
        let from = elements.len().saturating_sub(n);
        elements
            .get(from..)
            .filter(|tail| !tail.is_empty())
            .map_or_else(|| "routes".into(), |tail| tail.join("/"))
    };
    loop {
        let names: Vec<String> = elements.iter().zip(&taken).map(|(parts, n)| tail(parts, *n)).collect();
        let under =
            |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let clashes = |i: usize, name: &str| {
            names.iter().enumerate().any(|(j, other)| i != j && (under(name, other) || under(other, name)))
        };
        let mut grown = false;
        for (i, (n, name)) in taken.iter_mut().zip(&names).enumerate() {
            let longest = elements.get(i).map_or(0, Vec::len);
            if *n < longest && clashes(i, name) {
                *n = n.saturating_add(1);
                grown = true;
            }
        }
        if !grown {
            return names;
        }
    }
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
        owner: String::new(),
    })
}

fn read_folder(path: &Path, name: &str, depth: usize, files: &mut Files) -> Result<(), Box<Problem>> {
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
        if path.is_dir() && !file_name.starts_with('.') {
            read_folder(&path, &name, depth.saturating_add(1), files)?;
            continue;
        }
        if !is_route_file(file_name) {
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

/// Whether a file of this name is a route file: no schema, no OpenAPI document, nor hidden. Its ending may be in upper
/// case: a file left out would leave its routes out.
pub fn is_route_file(file_name: &str) -> bool {
    let schema = file_name == "schema.json" || file_name.ends_with(".schema.json");
    let ending = file_name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = matches!(ending.as_deref(), Some("yaml" | "yml" | "json"));
    known && !schema && !openapi::is_document(file_name) && !file_name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(paths: &[&str]) -> Vec<String> {
        let found: Vec<_> = paths.iter().map(|path| (PathBuf::new(), PathBuf::from(path))).collect();
        names(&found)
    }

    #[test]
    fn folders_have_the_shortest_names_that_tell_them_apart() {
        assert_eq!(named(&["/home/a/routes"]), ["routes"]);
        assert_eq!(named(&["/x/platform", "/x/checkout"]), ["platform", "checkout"]);
        assert_eq!(named(&["/x/a/routes", "/x/b/routes", "/x/c"]), ["a/routes", "b/routes", "c"]);
        assert_eq!(named(&["/x/a/routes", "/y/a/routes"]), ["x/a/routes", "y/a/routes"]);
        // No name is the beginning of another: `x/routes/f` must be one file.
        assert_eq!(named(&["/p/x", "/q/x/routes", "/q/z/routes"]), ["p/x", "q/x/routes", "z/routes"]);
        assert_eq!(named(&["/", "/a"]), ["routes", "a"]);
        assert_eq!(named(&["/routes", "/a/routes"]), ["routes", "a/routes"]);
    }

    #[test]
    fn endings_ignore_case() {
        for name in ["v1.yaml", "V2.YAML", "v3.Json", "v4.YML"] {
            assert!(is_route_file(name), "{name}");
        }
        for name in ["v1.txt", "yaml", ".v1.yaml", "schema.json", "a.schema.json"] {
            assert!(!is_route_file(name), "{name}");
        }
    }

    #[test]
    fn a_file_of_several_folders_is_found_again() {
        let files = Files {
            roots: vec!["platform".into(), "b/routes".into()],
            folders: vec!["../platform".into(), "/x/b/routes".into()],
            ..Files::default()
        };
        assert_eq!(files.path("b/routes/orders/v1.yaml"), Some("/x/b/routes/orders/v1.yaml".into()));
        assert_eq!(files.path("b/other.yaml"), None);
        for (name, is) in [
            ("platform/gateway.yaml", true),
            ("b/routes/gateway.json", true),
            ("b/gateway.yaml", false),
            ("platform/orders/gateway.yaml", false),
            ("platformgateway.yaml", false),
        ] {
            assert_eq!(files.is_gateway(name), is, "{name}");
        }
    }
}
