//! YAML as route files are written: mappings in block style, short texts plain where that is safe.
//!
//! For the limited shape of what an import writes; whatever it writes is read back as the same.

use crate::config::tree::{Value, plain};
use std::fmt::Write as _;

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A text.
    Text(String),
    /// A number or a boolean, as it is written.
    Bare(String),
    /// A list, written in one line.
    List(Vec<Item>),
    /// A mapping in block style.
    Map(Vec<Entry>),
    /// A mapping in one line.
    Inline(Vec<Entry>),
}

/// A key, its value, and the comment lines above it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Comments, a line each.
    pub above: Vec<String>,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Item,
}

impl Entry {
    /// Without comments.
    pub fn new(key: &str, value: Item) -> Entry {
        Entry { above: Vec::new(), key: key.to_owned(), value }
    }
    /// A text.
    pub fn text(key: &str, value: &str) -> Entry {
        Entry::new(key, Item::Text(value.to_owned()))
    }
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// YAML in block style.
    Block,
    /// YAML in one line.
    Flow,
    /// JSON in one line.
    Json,
}

/// Longest comment line.
const MAX_COMMENT: usize = 110;

/// A line of comment from any text: its first line, without control characters, cut where it is long.
pub fn comment(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    let line = without_tags(line);
    let line = line.trim();
    let mut out: String =
        line.chars().filter(|c| !c.is_control() && printable(*c)).take(MAX_COMMENT).collect();
    if line.chars().count() > MAX_COMMENT {
        out.push('…');
    }
    format!("# {}", out.trim_end()).trim_end().to_owned()
}

/// Descriptions may be HTML, which nobody reads in a comment.
fn without_tags(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let tag = after.split_once('>').filter(|(tag, _)| {
            tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && tag.len() < 300
        });
        out.push_str(before);
        rest = match tag {
            Some((_, after)) => after,
            None => {
                out.push('<');
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// Whether YAML lets the character stand as it is (YAML 1.2.2 §5.1), without marks that a reader would not see.
fn printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as a scalar.
pub fn scalar(text: &str, style: Style) -> String {
    // What a document calls `${x}` is no variable of ours.
    let text = text.replace("${", "$${");
    if style != Style::Json && is_plain(&text, style == Style::Flow) {
        return text;
    }
    quoted(&text)
}

/// A key: keys hold no variables, and need no care for them.
fn key(text: &str, style: Style) -> String {
    if style != Style::Json && is_plain(text, true) { text.to_owned() } else { quoted(text) }
}

/// Whether a text may stand without quotes and be read as itself.
fn is_plain(text: &str, flow: bool) -> bool {
    let first = text.chars().next();
    let starts = first
        .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '$') || !c.is_ascii());
    let indicator = |c: char| !printable(c) || flow && matches!(c, ',' | '[' | ']' | '{' | '}');
    starts
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("...")
        && !text.contains(indicator)
        && matches!(plain(text), Value::Text(_))
        && !text.chars().any(|c| c.is_whitespace() && c != ' ')
        // Words that older readers take for booleans.
        && !matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n")
}

/// In double quotes, as JSON and YAML both read it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !printable(c) => {
                let mut units = [0_u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes a value in one line.
pub fn line(item: &Item, style: Style) -> String {
    let inner = if style == Style::Block { Style::Flow } else { style };
    match item {
        Item::Text(text) => scalar(text, style),
        Item::Bare(text) => text.clone(),
        Item::List(items) => {
            let items: Vec<String> = items.iter().map(|item| line(item, inner)).collect();
            format!("[{}]", items.join(", "))
        }
        Item::Map(entries) | Item::Inline(entries) if entries.is_empty() => "{}".to_owned(),
        Item::Map(entries) | Item::Inline(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| format!("{}: {}", key(&entry.key, inner), line(&entry.value, inner)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Writes entries in block style, `indent` spaces in.
pub fn block(entries: &[Entry], indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    for entry in entries {
        for line in &entry.above {
            if line.is_empty() {
                out.push('\n');
            } else {
                let _ = writeln!(out, "{margin}{line}");
            }
        }
        let key = key(&entry.key, Style::Block);
        match &entry.value {
            Item::Map(inner) if !inner.is_empty() => {
                let _ = writeln!(out, "{margin}{key}:");
                block(inner, indent.saturating_add(2), out);
            }
            value => {
                let _ = writeln!(out, "{margin}{key}: {}", line(value, Style::Block));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::{Node, parse};
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,12}",
            "[-?:,\\[\\]{}#&*!|>'\"%@` a1~.=<\\\\\n\t$/]{0,8}",
            "[\\x00-\\x20a\u{85}\u{2028}\u{feff}]{0,4}",
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("1e3".to_owned()),
            Just("0x1f".to_owned()),
            Just("GET /{id}/${x}".to_owned()),
            Just("---".to_owned()),
        ]
    }

    fn item() -> impl Strategy<Value = Item> {
        text().prop_map(Item::Text).prop_recursive(3, 16, 4, |inner| {
            let entries = || {
                prop::collection::btree_map(text(), inner.clone(), 0..4).prop_map(|map| {
                    let entry =
                        |(key, value): (String, Item)| Entry { above: vec![comment(&key)], key, value };
                    // Merge keys are none of ours.
                    map.into_iter().filter(|(key, _)| key != "<<").map(entry).collect::<Vec<_>>()
                })
            };
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Item::List),
                entries().prop_map(Item::Map),
                entries().prop_map(Item::Inline),
            ]
        })
    }

    fn same(item: &Item, node: &Node) -> bool {
        match (item, &node.value) {
            (Item::Text(text), Value::Text(read)) => text.replace("${", "$${") == *read,
            (Item::List(items), Value::List(nodes)) => {
                items.len() == nodes.len() && items.iter().zip(nodes).all(|(item, node)| same(item, node))
            }
            (Item::Map(entries) | Item::Inline(entries), Value::Map(read)) => {
                entries.len() == read.len()
                    && entries
                        .iter()
                        .zip(read)
                        .all(|(entry, (key, node))| entry.key == key.name && same(&entry.value, node))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(item in item()) {
            let mut block_text = String::new();
            block(&[Entry { above: vec![comment("x")], key: "top".into(), value: item.clone() }], 0, &mut block_text);
            let read = parse(&block_text).map_err(|broken| TestCaseError::fail(format!("{broken:?}\n{block_text}")))?;
            prop_assert!(same(&item, read.get("top").unwrap()), "{}\n{:?}", block_text, read);
            for style in [Style::Flow, Style::Json] {
                let text = format!("{{\"top\": {}}}", line(&item, style));
                let read = parse(&text).map_err(|broken| TestCaseError::fail(format!("{broken:?}\n{text}")))?;
                prop_assert!(same(&item, read.get("top").unwrap()), "{}", text);
                if style == Style::Json {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
                }
            }
        }
    }
}
