//! Changes to a route file that leave the rest of its text as it is, comments and blank lines included.

use super::emit::{self, Entry, Item, Style};
use super::scalar;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Deepest nesting; the file was read by the tree's reader before, which has the same.
const MAX_DEPTH: usize = 64;

/// A value and where its text stands, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranged {
    /// Its text, without what stands around it.
    pub at: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text or a number, and how it is written.
    Scalar(ScalarStyle),
    /// What stands at an anchor.
    Alias(Rc<Ranged>),
    /// A list, with its items.
    List(Vec<Ranged>),
    /// A mapping.
    Map {
        /// In braces.
        flow: bool,
        /// Its members.
        members: Vec<Member>,
    },
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub key: Range<usize>,
    /// Its value.
    pub value: Ranged,
}

impl Ranged {
    /// The members of a mapping.
    pub fn members(&self) -> &[Member] {
        match &self.kind {
            Kind::Map { members, .. } => members,
            _ => &[],
        }
    }
    /// Whether it is written in braces.
    pub fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::Map { flow: true, .. })
    }
    /// The member called `name`.
    pub fn get(&self, name: &str) -> Option<&Member> {
        self.members().iter().find(|member| member.name == name)
    }
}

/// A text to be edited.
#[derive(Debug)]
pub struct Editor<'t> {
    text: &'t str,
    /// The whole document.
    pub root: Ranged,
    json: bool,
    edits: Vec<(Range<usize>, String)>,
}

impl<'t> Editor<'t> {
    /// Reads a text; `None` if it is no YAML of the usual shape.
    pub fn new(text: &'t str) -> Option<Editor<'t>> {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
        };
        let mut reader = Reader { parser: Parser::new_from_str(text), text, bytes, anchors: HashMap::new() };
        loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (event, span) => {
                    let root = reader.value(event, span, 0)?;
                    let json = root.is_flow();
                    return Some(Editor { text, root, json, edits: Vec::new() });
                }
            }
        }
    }

    /// How a mapping of this text is written.
    fn style(&self, map: &Ranged) -> Style {
        match (self.json, map.is_flow()) {
            (true, _) => Style::Json,
            (false, true) => Style::Flow,
            (false, false) => Style::Block,
        }
    }

    /// Replaces a value by one in a line.
    pub fn replace(&mut self, within: &Ranged, value: &Ranged, item: &Item) {
        let style = self.style(within);
        let mut text = emit::line(item, style);
        // A key whose value is nothing: `match:`.
        if value.at.is_empty() && self.text.get(..value.at.start).is_some_and(|before| before.ends_with(':'))
        {
            text.insert(0, ' ');
        }
        self.edits.push((value.at.clone(), text));
    }

    /// Adds to a text that reads as `old` what it lacks to read as `new`, and leaves quotes, escapes and folds as they
    /// are. `false` where that cannot be.
    pub fn complete(&mut self, value: &Ranged, old: &str, new: &str) -> bool {
        let raw = self.text.get(value.at.clone()).unwrap_or_default();
        let Kind::Scalar(style) = value.kind else { return false };
        let Some(missing) = scalar::missing(raw, style, old, new) else { return false };
        let start = value.at.start;
        self.edits.extend(missing.into_iter().map(|(at, text)| {
            let at = start.saturating_add(at);
            (at..at, text)
        }));
        true
    }

    /// Adds an entry to a mapping, after its member number `after`, or as its last.
    pub fn insert(&mut self, map: &Ranged, after: Option<usize>, entry: &Entry) {
        let members = map.members();
        let after = after.map_or_else(|| members.last(), |after| members.get(after));
        let style = self.style(map);
        match after {
            None => {
                let entries = Item::Inline(vec![entry.clone()]);
                self.edits.push((map.at.clone(), emit::line(&entries, style)));
            }
            Some(member) if style != Style::Block => {
                let text = emit::line(&Item::Inline(vec![entry.clone()]), style);
                let inner = text.strip_prefix("{ ").and_then(|text| text.strip_suffix(" }")).unwrap_or(&text);
                let at = member.value.at.end.max(member.key.end);
                self.edits.push((at..at, format!(", {inner}")));
            }
            Some(member) => {
                let indent = self.column(members.first().map_or(member.key.start, |first| first.key.start));
                let at = self.line_end(member.value.at.end.max(member.key.end));
                let mut text = String::new();
                if self.text.get(..at).is_some_and(|before| !before.ends_with('\n')) {
                    text.push('\n');
                }
                emit::block(std::slice::from_ref(entry), indent, &mut text);
                self.edits.push((at..at, text));
            }
        }
    }

    /// Adds an entry to the document's own mapping, before its member `name`, with an empty line around it.
    pub fn insert_before(&mut self, name: &str, entry: &Entry) {
        let root = self.root.clone();
        let Some(position) = root.members().iter().position(|member| member.name == name) else {
            return self.insert(&root, None, entry);
        };
        if root.is_flow() {
            return self.insert(&root, position.checked_sub(1), entry);
        }
        let Some(member) = root.members().get(position) else { return };
        let at = self.first_comment(member);
        let mut text = String::new();
        emit::block(std::slice::from_ref(entry), 0, &mut text);
        text.push('\n');
        self.edits.push((at..at, text));
    }

    /// Removes a member, with the comments above it.
    pub fn remove(&mut self, map: &Ranged, index: usize) {
        let members = map.members();
        let Some(member) = members.get(index) else { return };
        let end = member.value.at.end.max(member.key.end);
        if !map.is_flow() {
            self.edits.push((self.first_comment(member)..self.line_end(end), String::new()));
            return;
        }
        let before = index.checked_sub(1).and_then(|before| members.get(before));
        let range = match (before, members.get(index.saturating_add(1))) {
            (_, Some(next)) => member.key.start..next.key.start,
            (Some(before), None) => before.value.at.end.max(before.key.end)..end,
            (None, None) => member.key.start..end,
        };
        self.edits.push((range, String::new()));
    }

    /// Puts a comment line above a member, unless one that begins like it is there. `false` where there is no room.
    pub fn mark(&mut self, map: &Ranged, member: &Member, line: &str, beginning: &str) -> bool {
        if map.is_flow() {
            return false;
        }
        if self.comments(member).any(|comment| comment.trim_start().starts_with(beginning)) {
            return true;
        }
        let at = self.line_start(member.key.start);
        let margin = " ".repeat(self.column(member.key.start));
        self.edits.push((at..at, format!("{margin}{line}\n")));
        true
    }

    /// Takes the comment lines above a member away that begin so.
    pub fn unmark(&mut self, map: &Ranged, member: &Member, beginning: &str) {
        if map.is_flow() {
            return;
        }
        let mut at = self.first_comment(member);
        let lines: Vec<&str> = self.comments(member).collect();
        for line in lines {
            let end = at.saturating_add(line.len());
            if line.trim_start().starts_with(beginning) {
                self.edits.push((at..end, String::new()));
            }
            at = end;
        }
    }

    /// The text with all changes made.
    pub fn finish(mut self) -> String {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len().saturating_mul(2));
        let mut at = 0;
        for (range, text) in &self.edits {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(text);
            at = at.max(range.end);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end.saturating_add(1))
    }

    /// Where the line after the one with `at` begins.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |end| at.saturating_add(end).saturating_add(1))
    }

    fn column(&self, at: usize) -> usize {
        at.saturating_sub(self.line_start(at))
    }

    /// The comment lines that stand directly above a member, as far in as it is.
    fn comments(&self, member: &Member) -> impl Iterator<Item = &'t str> + use<'t> {
        let end = self.line_start(member.key.start);
        let start = self.first_comment(member);
        self.text.get(start..end).unwrap_or_default().split_inclusive('\n')
    }

    /// Where they begin, or the member's own line.
    fn first_comment(&self, member: &Member) -> usize {
        let column = self.column(member.key.start);
        let mut start = self.line_start(member.key.start);
        let before = self.text.get(..start).unwrap_or_default();
        for line in before.split_inclusive('\n').rev() {
            let bare = line.trim_start_matches(' ');
            if !bare.starts_with('#') || line.len().saturating_sub(bare.len()) != column {
                break;
            }
            start = start.saturating_sub(line.len());
        }
        start
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    text: &'t str,
    /// Offset of each character; empty where all are of one byte.
    bytes: Vec<usize>,
    anchors: HashMap<usize, Rc<Ranged>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Span)> {
        self.parser.next_event()?.ok()
    }

    fn offset(&self, index: usize) -> usize {
        if self.bytes.is_empty() {
            return index.min(self.text.len());
        }
        self.bytes.get(index).copied().unwrap_or(self.text.len())
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let (start, end) = (self.offset(span.start.index()), self.offset(span.end.index()));
        // Block scalars end where the next token begins.
        let inside = self.text.get(start..end).unwrap_or_default();
        start..start.saturating_add(inside.trim_end().len())
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Option<Ranged> {
        if depth > MAX_DEPTH {
            return None;
        }
        let deeper = depth.saturating_add(1);
        let mut at = self.range(&span);
        let (kind, anchor) = match event {
            Event::Alias(anchor) => (Kind::Alias(Rc::clone(self.anchors.get(&anchor)?)), 0),
            Event::Scalar(_, style, anchor, _) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                self.pass(anchor, block, &mut at);
                (Kind::Scalar(style), anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.pass(anchor, false, &mut at);
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        at.end = at.end.max(self.closing(&span));
                        break;
                    }
                    let item = self.value(event, span, deeper)?;
                    at.end = at.end.max(item.at.end);
                    items.push(item);
                }
                (Kind::List(items), anchor)
            }
            Event::MappingStart(anchor, _) => {
                self.pass(anchor, false, &mut at);
                let flow = self.text.get(at.start..)?.starts_with('{');
                let mut members = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    let name = match event {
                        Event::MappingEnd => {
                            at.end = at.end.max(self.closing(&span));
                            break;
                        }
                        Event::Scalar(name, ..) => name.into_owned(),
                        _ => return None,
                    };
                    let key = self.range(&span);
                    let (event, span) = self.next()?;
                    let mut value = self.value(event, span, deeper)?;
                    if value.at.is_empty() {
                        // Nothing stands there: right after the colon.
                        let colon = self.text.get(key.end..)?.find(':')?;
                        let after = key.end.saturating_add(colon).saturating_add(1);
                        value.at = after..after;
                    }
                    at.end = at.end.max(value.at.end).max(key.end);
                    members.push(Member { name, key, value });
                }
                (Kind::Map { flow, members }, anchor)
            }
            _ => return None,
        };
        let value = Ranged { at, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::new(value.clone()));
        }
        Some(value)
    }

    /// Lets the text of a value that has an anchor begin behind it, as that of others does: with the first character of
    /// its content, below the line that says how a block is written.
    fn pass(&self, anchor: usize, block: bool, at: &mut Range<usize>) {
        if anchor == 0 {
            return;
        }
        let whole = self.text.get(at.clone()).unwrap_or_default();
        let mut rest = whole.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
        let below = |text: &'t str| text.split_once('\n').map_or("", |(_, below)| below.trim_start());
        if block {
            rest = below(rest);
        }
        while !block && rest.starts_with('#') {
            rest = below(rest);
        }
        at.start = at.end.saturating_sub(rest.len());
    }

    /// Where a closing bracket ends; the beginning of the text, and so nothing, for a block's end.
    fn closing(&self, span: &Span) -> usize {
        let range = self.range(span);
        let bracket = self.text.get(range.clone()).is_some_and(|text| text.ends_with(['}', ']']));
        if bracket { range.end } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# top\na: 1   # one\n\nroutes:\n  # first\n  x:\n    match: GET /é # m\n    body: { max: 1KiB }\n\n  # mark me\n  # second\n  y: { match: \"GET /y\", auth: none }\nlast: |\n  text\n";

    fn routes(editor: &Editor<'_>) -> Ranged {
        editor.root.get("routes").unwrap().value.clone()
    }

    #[test]
    fn nothing_is_changed_by_reading() {
        for text in [FILE, "a: 1", "{\"a\": {\"b\": []}}", "a:\n- 1\n- b: c\n"] {
            let editor = Editor::new(text).unwrap();
            assert_eq!(editor.finish(), text);
        }
    }

    #[test]
    fn values_are_replaced_in_place() {
        let mut editor = Editor::new(FILE).unwrap();
        let routes = routes(&editor);
        for member in routes.members() {
            let value = member.value.get("match").unwrap().value.clone();
            editor.replace(&member.value, &value, &Item::Text("GET /{a}".into()));
        }
        let text = editor.finish();
        assert!(text.contains("    match: GET /{a} # m\n"), "{text}");
        assert!(text.contains("  y: { match: \"GET /{a}\", auth: none }\n"), "{text}");
        assert_eq!(text.len(), FILE.len() + 3 - "é".len() + 2);
    }

    #[test]
    fn entries_are_added_and_removed() {
        let new = Entry {
            above: vec!["# new".into()],
            ..Entry::new("new", Item::Map(vec![Entry::text("match", "GET /n")]))
        };
        let mut editor = Editor::new(FILE).unwrap();
        let routes = routes(&editor);
        editor.insert(&routes, Some(0), &new);
        let y = routes.get("y").unwrap().value.clone();
        editor.insert(&y, Some(0), &Entry::text("operation", "y"));
        editor.insert_before("routes", &Entry::new("issuers", Item::Map(vec![Entry::text("k", "v")])));
        let text = editor.finish();
        let expected = "# top\na: 1   # one\n\nissuers:\n  k: v\n\nroutes:\n  # first\n  x:\n    match: GET /é # m\n    body: { max: 1KiB }\n  # new\n  new:\n    match: GET /n\n\n  # mark me\n  # second\n  y: { match: \"GET /y\", operation: \"y\", auth: none }\nlast: |\n  text\n";
        assert_eq!(text, expected);

        let mut editor = Editor::new(FILE).unwrap();
        editor.remove(&routes, 1);
        assert!(editor.finish().contains("max: 1KiB }\n\nlast: |\n"));
        let mut editor = Editor::new(FILE).unwrap();
        editor.remove(&y, 1);
        assert!(editor.finish().contains("y: { match: \"GET /y\" }\n"));
    }

    #[test]
    fn marks_are_set_once_and_taken_away() {
        let mut editor = Editor::new(FILE).unwrap();
        let routes = routes(&editor);
        let y = routes.get("y").unwrap();
        assert!(editor.mark(&routes, y, "# mark me: no", "# mark me"));
        assert!(editor.edits.is_empty());
        assert!(editor.mark(&routes, routes.get("x").unwrap(), "# mark x", "# mark"));
        editor.unmark(&routes, y, "# mark me");
        let text = editor.finish();
        assert!(
            text.contains("  # first\n  # mark x\n  x:\n") && text.contains("1KiB }\n\n  # second\n  y"),
            "{text}"
        );
    }

    #[test]
    fn json_stays_json() {
        let mut editor = Editor::new("{\"routes\": {\"x\": {\"match\": \"GET /\"}}}").unwrap();
        let routes = routes(&editor);
        editor.insert(&routes, None, &Entry::new("new", Item::Map(vec![Entry::text("match", "GET /n")])));
        let text = editor.finish();
        assert_eq!(text, "{\"routes\": {\"x\": {\"match\": \"GET /\"}, \"new\": { \"match\": \"GET /n\" }}}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn what_stands_behind_an_anchor_is_edited_like_the_rest() {
        for (text, expected) in [
            ("routes: &r { x: 1 }\n", "routes: &r { x: 1, new: n }\n"),
            ("routes: &r\n  # first\n  x: 1\n", "routes: &r\n  # first\n  x: 1\n  new: n\n"),
        ] {
            let mut editor = Editor::new(text).unwrap();
            let routes = routes(&editor);
            editor.insert(&routes, None, &Entry::new("new", Item::Bare("n".into())));
            assert_eq!(editor.finish(), expected);
        }
    }

    #[test]
    fn a_file_without_a_last_line_end_is_added_to() {
        let mut editor = Editor::new("routes:\n  x:\n    match: GET /").unwrap();
        let routes = routes(&editor);
        editor.insert(&routes, None, &Entry::new("new", Item::Map(vec![Entry::text("match", "GET /n")])));
        assert_eq!(editor.finish(), "routes:\n  x:\n    match: GET /\n  new:\n    match: GET /n\n");
        let mut editor = Editor::new("routes:\n").unwrap();
        let root = editor.root.clone();
        let nothing = root.get("routes").unwrap().value.clone();
        editor.replace(&root, &nothing, &Item::Inline(vec![]));
        assert_eq!(editor.finish(), "routes: {}\n");
    }
}
