//! Route files and changes from git, by asking `git` itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tollgate::config::{self, Files};
use tollgate::outside::{Program, run};

/// Asks git; what it says against it is the error.
fn git(folder: &Path, arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>, String> {
    let mut program = Program::new("git", arguments);
    program.folder = Some(folder.to_path_buf());
    program.input = input;
    let ended = run(&program).map_err(|error| error.to_string())?;
    if ended.code == Some(0) {
        return Ok(ended.stdout);
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(said.lines().next().unwrap_or("git failed").to_owned())
}

fn line(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// The clone that a folder lies in.
struct Clone {
    /// Its top.
    top: PathBuf,
    /// The folder.
    here: PathBuf,
}

impl Clone {
    fn of(here: &Path) -> Result<Clone, String> {
        let top = line(git(here, &["rev-parse", "--show-toplevel"], Vec::new())?);
        let prefix = line(git(here, &["rev-parse", "--show-prefix"], Vec::new())?);
        let top = PathBuf::from(top);
        let here = top.join(prefix);
        Ok(Clone { top, here })
    }

    /// The commit that a revision names.
    fn commit(&self, revision: &str) -> Result<String, String> {
        let asked = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &asked];
        let found = git(&self.top, &arguments, Vec::new());
        found.map(line).map_err(|_| format!("`{revision}` is no folder, no plan and no revision of git"))
    }

    /// A folder as git names it: below the top, with `/`, without one at the end.
    fn below(&self, folder: &Path) -> Result<String, String> {
        let whole = if folder.is_absolute() { folder.to_path_buf() } else { self.here.join(folder) };
        let whole = config::normal(Path::new("/"), &whole);
        let below = whole.strip_prefix(&self.top).map_err(|_| {
            format!(
                "{} lies outside of the clone at {}: git does not know what it was",
                folder.display(),
                self.top.display()
            )
        })?;
        Ok(below.to_string_lossy().replace('\\', "/"))
    }

    /// The route files in a folder of a commit: path below it, and text.
    fn texts(&self, commit: &str, below: &str) -> Result<Vec<(String, String)>, String> {
        let mut arguments = vec!["ls-tree", "-r", "-z", "--full-tree", commit];
        let folder = format!("{below}/");
        if !below.is_empty() {
            arguments.extend(["--", &folder]);
        }
        let listed = git(&self.top, &arguments, Vec::new())?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let mut files: Vec<(String, String)> = Vec::new();
        for entry in listed.split('\0') {
            let Some((head, path)) = entry.split_once('\t') else { continue };
            let [mode, "blob", id] = head.split(' ').collect::<Vec<_>>()[..] else { continue };
            let path = if below.is_empty() { path } else { path.strip_prefix(&folder).unwrap_or(path) };
            let hidden = path.split('/').any(|part| part.starts_with('.'));
            let name = path.rsplit('/').next().unwrap_or(path);
            // A link is no file: what it points at stands elsewhere.
            if mode != "120000" && !hidden && config::is_route_file(name) {
                files.push((path.to_owned(), id.to_owned()));
            }
        }
        let ids: Vec<&str> = files.iter().map(|(_, id)| id.as_str()).collect();
        let texts = self.blobs(&ids)?;
        Ok(files.into_iter().map(|(path, _)| path).zip(texts).collect())
    }

    /// The texts of objects, in one go.
    fn blobs(&self, ids: &[&str]) -> Result<Vec<String>, String> {
        let input = ids.iter().flat_map(|id| [*id, "\n"]).collect::<String>();
        let said = git(&self.top, &["cat-file", "--batch"], input.into_bytes())?;
        let mut rest = said.as_slice();
        let mut texts = Vec::new();
        for id in ids {
            let broken = || format!("git tells something else than the object {id}");
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
            let (head, after) = rest.split_at_checked(end).ok_or_else(broken)?;
            let size =
                String::from_utf8_lossy(head).rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
            let (body, after) = after
                .get(1..)
                .zip(size)
                .and_then(|(after, size)| after.split_at_checked(size))
                .ok_or_else(broken)?;
            texts.push(
                String::from_utf8(body.to_vec()).map_err(|_| format!("the object {id} is no UTF-8 text"))?,
            );
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(texts)
    }
}

/// The route files of a revision: `REV` with the given folders, or `REV:FOLDER`.
pub(crate) fn files(revision: &str, folders: &[PathBuf]) -> Result<Files, String> {
    let clone = Clone::of(Path::new("."))?;
    let (revision, folders) = match revision.split_once(':') {
        Some((revision, path)) => {
            // As git reads it: from the top, unless it begins with a dot.
            let base = if path.starts_with('.') { &clone.here } else { &clone.top };
            (revision, vec![base.join(path)])
        }
        None => (revision, folders.to_vec()),
    };
    let commit = clone.commit(revision)?;
    let mut asked: Vec<String> =
        folders.iter().map(|folder| clone.below(folder)).collect::<Result<_, _>>()?;
    let mut found: Vec<(PathBuf, Vec<(String, String)>)> = Vec::new();
    let mut next = 0;
    let mut home = None;
    while let Some(below) = asked.get(next).cloned() {
        next = next.saturating_add(1);
        let texts = clone.texts(&commit, &below)?;
        if texts.is_empty() {
            return Err(format!("{revision} has no route files in `{below}`"));
        }
        let whole = clone.top.join(&below);
        if let Some((_, gateway)) = texts.iter().find(|(path, _)| config::GATEWAYS.contains(&path.as_str())) {
            home = home.or_else(|| whole.parent().map(Path::to_path_buf));
            for further in config::further(gateway) {
                let below = clone.below(&whole.join(&further))?;
                if !asked.contains(&below) {
                    asked.push(below);
                }
            }
        }
        found.push((whole, texts));
    }
    let mut files = Files::merged(found);
    if let Some(home) = home {
        let below = clone.below(&home.join("wrangler.toml"))?;
        files.wrangler = git(&clone.top, &["cat-file", "blob", &format!("{commit}:{below}")], Vec::new())
            .ok()
            .and_then(|text| String::from_utf8(text).ok());
    }
    Ok(files)
}

/// Files in these folders that differ from a revision, or that git does not know yet; by their real paths.
pub(crate) fn changed(revision: &str, folders: &[PathBuf]) -> Result<BTreeSet<PathBuf>, String> {
    let mut changed = BTreeSet::new();
    for folder in folders {
        let clone = Clone::of(folder)?;
        let commit = clone.commit(revision)?;
        let differing =
            git(folder, &["diff", "--name-only", "-z", "--no-relative", &commit, "--", "."], Vec::new())?;
        let unknown = git(
            folder,
            &["ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", "."],
            Vec::new(),
        )?;
        for list in [differing, unknown] {
            let names = String::from_utf8_lossy(&list).into_owned();
            changed
                .extend(names.split('\0').filter(|name| !name.is_empty()).map(|name| clone.top.join(name)));
        }
    }
    Ok(changed)
}
