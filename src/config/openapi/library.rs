//! The texts that one OpenAPI document is made of: the document, and the files beside it that it refers to.

use super::json;
use crate::config::problem::{Problem, Severity, Span};
use crate::config::tree::{self, Node, Value};
use std::collections::{BTreeMap, VecDeque};

/// Largest document in bytes, all its files together.
pub const MAX_BYTES: usize = 64 << 20;
/// Most values in a file, aliases expanded.
const MAX_VALUES: usize = 5_000_000;
/// Most files that a document is made of.
const MAX_FILES: usize = 1_000;
/// Longest chain of references.
const MAX_CHAIN: usize = 32;
/// Longest line that is shown with a problem: generated documents may be one line of megabytes.
const MAX_EXCERPT: usize = 4_096;

/// A document and the files beside it, by name.
pub type Texts = BTreeMap<String, String>;

/// Collects a document and the files that it refers to, by the names under which `read` knows them. What cannot be read
/// is left out; the reference to it says so, if anything follows it.
///
/// # Errors
/// Why the document itself cannot be read.
pub fn gather(name: &str, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<Texts, String> {
    let mut texts = Texts::new();
    let mut bytes = 0_usize;
    let mut open = VecDeque::from([name.to_owned()]);
    while let Some(next) = open.pop_front() {
        if texts.contains_key(&next) || texts.len() >= MAX_FILES {
            continue;
        }
        let text = match read(&next) {
            Ok(text) => text,
            Err(error) if next == name => return Err(error),
            Err(_) => continue,
        };
        bytes = bytes.saturating_add(text.len());
        if bytes > MAX_BYTES {
            return Err(format!("it is larger than {} MiB", MAX_BYTES >> 20));
        }
        open.extend(references(&text).filter_map(|reference| beside(name, &next, reference).ok()));
        texts.insert(next, text);
    }
    Ok(texts)
}

/// The files that a text refers to: what stands before `#` behind each `$ref`.
fn references(text: &str) -> impl Iterator<Item = &str> {
    text.split("$ref").skip(1).filter_map(|after| {
        let after = after.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?.trim_start();
        let after = after.trim_start_matches(['"', '\'']);
        let end = after.find(['"', '\'', '\n', '\r', ' ', ',', '}', '#']).unwrap_or(after.len());
        after.get(..end).filter(|file| !file.is_empty() && !file.contains("://"))
    })
}

/// The name of the file that `reference`, which stands in the file `from`, means. It lies in the folder of the document
/// `root` or below it.
///
/// # Errors
/// What is wrong with the reference.
fn beside(root: &str, from: &str, reference: &str) -> Result<String, String> {
    if reference.contains("://") || reference.starts_with("//") {
        return Err(format!(
            "`{reference}` is fetched from elsewhere, which is never done: save it beside the document"
        ));
    }
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let joined = if reference.starts_with('/') {
        reference.to_owned()
    } else {
        format!("{}{reference}", folder(from))
    };
    let name = normal(&joined);
    match name {
        Some(name) if name.starts_with(&folder(root)) => Ok(name),
        _ => Err(format!(
            "`{reference}` lies outside the document's folder: move it beside the document or below it"
        )),
    }
}

/// A path without `.` and `..`; `None` where it climbs out.
pub fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !last.is_empty() && *last != "..") => {
                parts.pop();
            }
            // A path may begin outside, as on a command line; it never comes to lie outside of what it names.
            ".." if parts.iter().all(|part| *part == "..") => parts.push(part),
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A file of a document, read.
#[derive(Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    tree: Node,
    /// Offsets of the lines.
    lines: Vec<usize>,
    text: String,
}

/// All files of a document, read.
#[derive(Debug)]
pub struct Library {
    /// The document first.
    files: Vec<File>,
}

/// A value and the file it stands in.
#[derive(Clone, Copy, Debug)]
pub struct At<'l> {
    /// Index of the file.
    pub file: usize,
    /// The value.
    pub node: &'l Node,
}

impl<'l> At<'l> {
    /// The member called `name`.
    pub fn get(self, name: &str) -> Option<At<'l>> {
        self.node.get(name).map(|node| At { file: self.file, node })
    }
    /// The text of the member called `name`.
    pub fn text(self, name: &str) -> Option<&'l str> {
        self.node.get(name).and_then(Node::text)
    }
    /// The place of the member `name`, or of the value.
    pub fn place(self, name: &str) -> Place {
        let span = self.node.entry(name).map_or(self.node.span, |(key, _)| key.span);
        Place { file: self.file, span }
    }
    /// The value's own place.
    pub fn own(self) -> Place {
        Place { file: self.file, span: self.node.span }
    }
}

/// A place in one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the file.
    pub file: usize,
    /// Where in it.
    pub span: Span,
}

impl Library {
    /// Reads the document `name`, and the files it refers to.
    ///
    /// # Errors
    /// What is no YAML or JSON.
    pub fn read(name: &str, texts: &Texts) -> Result<Library, Vec<Problem>> {
        let mut library = Library { files: Vec::new() };
        let mut broken = Vec::new();
        let others = texts.iter().filter(|(other, _)| *other != name);
        let bounds = tree::Bounds { bytes: MAX_BYTES, values: MAX_VALUES, depth: json::MAX_DEPTH };
        for (name, text) in texts.get_key_value(name).into_iter().chain(others) {
            let mut tree = Node { value: Value::Null, span: Span::default(), variable: None };
            let read = json::parse(text).map_or_else(|| tree::parse_within(text, bounds), Ok);
            let lines = std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
                .collect();
            let failed = match read {
                Ok(read) => {
                    tree = read;
                    None
                }
                Err(failed) => Some(failed),
            };
            library.files.push(File { name: name.clone(), tree, lines, text: text.clone() });
            if let Some((span, message, help)) = failed {
                let place = Place { file: library.files.len().saturating_sub(1), span };
                broken.push(library.problem(Severity::Error, "syntax", place, message, help));
            }
        }
        if broken.is_empty() { Ok(library) } else { Err(broken) }
    }

    /// The document's root.
    pub fn root(&self) -> Option<At<'_>> {
        self.files.first().map(|file| At { file: 0, node: &file.tree })
    }

    /// Whether a file of this name is one of them.
    pub fn holds(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// `orders.yaml:14:5` of a place.
    pub fn named(&self, place: Place) -> String {
        let name = self.files.get(place.file).map_or("", |file| file.name.as_str());
        format!("{name}:{}:{}", place.span.line, place.span.column)
    }

    /// A problem at a place of the document.
    pub fn problem(
        &self,
        severity: Severity,
        code: &'static str,
        place: Place,
        message: String,
        help: Option<String>,
    ) -> Problem {
        let file = self.files.get(place.file);
        let excerpt = file.and_then(|file| {
            let line = usize::try_from(place.span.line).ok()?.checked_sub(1)?;
            let from = *file.lines.get(line)?;
            let to = file.lines.get(line.saturating_add(1)).copied().unwrap_or(file.text.len());
            file.text.get(from..to).filter(|line| line.len() <= MAX_EXCERPT)
        });
        Problem {
            severity,
            code,
            file: file.map_or(String::new(), |file| file.name.clone()),
            span: place.span,
            message,
            help,
            environments: Vec::new(),
            owner: String::new(),
            excerpt: excerpt.unwrap_or_default().trim_end_matches(['\n', '\r']).to_owned(),
        }
    }

    /// The value that a value stands for: itself, or what its `$ref` leads to.
    ///
    /// # Errors
    /// The place and what is wrong with a reference.
    pub fn resolve<'l>(&'l self, start: At<'l>) -> Result<At<'l>, (Place, String)> {
        let mut at = start;
        for _ in 0..MAX_CHAIN {
            let Some(reference) = at.get("$ref") else { return Ok(at) };
            let wrong = |message: String| (reference.own(), message);
            let text = reference.node.text().ok_or_else(|| wrong("`$ref` is a text".into()))?;
            let (file, pointer) = text.split_once('#').unwrap_or((text, ""));
            let file = if file.is_empty() {
                at.file
            } else {
                let root = self.files.first().map_or("", |file| file.name.as_str());
                let from = self.files.get(at.file).map_or("", |file| file.name.as_str());
                let name = beside(root, from, file).map_err(wrong)?;
                self.files
                    .iter()
                    .position(|known| known.name == name)
                    .ok_or_else(|| wrong(format!("there is no file `{name}`, or it cannot be read")))?
            };
            let root = self.files.get(file).map(|file| &file.tree);
            let found = root.and_then(|root| pointed(root, pointer));
            at = At { file, node: found.ok_or_else(|| wrong(format!("`{text}` leads nowhere")))? };
        }
        Err((start.place("$ref"), format!("references lead in a circle, or through more than {MAX_CHAIN}")))
    }
}

/// What a JSON Pointer in a URI's fragment (RFC 6901 §6) leads to.
fn pointed<'n>(root: &'n Node, pointer: &str) -> Option<&'n Node> {
    let pointer = decoded(pointer)?;
    if pointer.is_empty() {
        return Some(root);
    }
    let mut node = root;
    for part in pointer.strip_prefix('/')?.split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        node = match &node.value {
            Value::List(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => node.get(&part)?,
        };
    }
    Some(node)
}

/// Percent-decoded text.
pub(super) fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|v| u8::try_from(v).ok());
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push(high << 4 | low);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_in_the_folder_are_referred_to() {
        let ok = |from: &str, reference: &str| beside("api/o.yaml", from, reference);
        assert_eq!(ok("api/o.yaml", "./p/a.yaml").as_deref(), Ok("api/p/a.yaml"));
        assert_eq!(ok("api/p/a.yaml", "../b.yaml").as_deref(), Ok("api/b.yaml"));
        assert_eq!(beside("../up/o.yaml", "../up/o.yaml", "p.yaml").as_deref(), Ok("../up/p.yaml"));
        assert_eq!(beside("/tmp/o.yaml", "/tmp/o.yaml", "p.yaml").as_deref(), Ok("/tmp/p.yaml"));
        for bad in ["../x.yaml", "/etc/passwd", "p/../../x", "../../../x", "https://e.example/x", "//e/x"] {
            assert!(ok("api/o.yaml", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn references_are_found_in_either_notation() {
        let text = "a: { $ref: 'p/a.yaml#/x' }\nb:\n  $ref: b.yaml\nc: {\"$ref\": \"#/c\", \"$ref\" : \"https://x/y\"}";
        assert_eq!(references(text).collect::<Vec<_>>(), ["p/a.yaml", "b.yaml"]);
    }

    #[test]
    fn references_are_followed_and_circles_end() {
        let texts = Texts::from([
            ("o.yaml".to_owned(), "a: { $ref: '#/b~1c/1' }\n'b/c': [1, { $ref: 'x.yaml#/d%20e' }]\nl: { $ref: '#/m' }\nm: { $ref: '#/l' }\nn: { $ref: '#/none' }\n".to_owned()),
            ("x.yaml".to_owned(), "d e: found\n".to_owned()),
        ]);
        let library = Library::read("o.yaml", &texts).unwrap();
        let root = library.root().unwrap();
        let found = library.resolve(root.get("a").unwrap()).unwrap();
        assert_eq!((found.file, found.node.text()), (1, Some("found")));
        let (place, message) = library.resolve(root.get("l").unwrap()).unwrap_err();
        assert!(message.contains("circle") && library.named(place) == "o.yaml:3:6", "{message}");
        assert!(library.resolve(root.get("n").unwrap()).unwrap_err().1.contains("leads nowhere"));
    }

    #[test]
    fn a_document_is_gathered_with_its_files() {
        let mut read = |name: &str| match name {
            "d/o.yaml" => {
                Ok("a: { $ref: p.yaml }\nb: { $ref: missing.yaml }\nc: { $ref: ../secret.yaml }".into())
            }
            "d/p.yaml" => Ok("x: { $ref: 'o.yaml#/a' }".into()),
            other => Err(format!("no {other}")),
        };
        let texts = gather("d/o.yaml", &mut read).unwrap();
        assert_eq!(texts.keys().collect::<Vec<_>>(), ["d/o.yaml", "d/p.yaml"]);
        assert!(gather("d/none.yaml", &mut read).is_err());
    }
}
