//! JSON as the same tree of values with places that YAML becomes.
//!
//! JSON is YAML, and the YAML reader takes it; but the documents of large interfaces are JSON of many megabytes, which
//! this reads some ten times as fast. Whatever is not plain JSON is left to the YAML reader, and so is saying what is
//! wrong with it.

use crate::config::problem::Span;
use crate::config::tree::{Key, Node, Value};

/// Deepest nesting, as of documents in YAML.
pub(super) const MAX_DEPTH: usize = 200;

/// Reads a text that is JSON by RFC 8259 without duplicate names and of a bounded depth; `None` for all else.
pub(super) fn parse(text: &str) -> Option<Node> {
    let mut reader = Reader { text, at: 0, line: 1, known: (0, 0) };
    reader.blank();
    let node = reader.value(0)?;
    reader.blank();
    (reader.at == text.len()).then_some(node)
}

struct Reader<'t> {
    text: &'t str,
    /// Offset of the next byte.
    at: usize,
    line: u32,
    /// An offset on this line, and the characters before it.
    known: (usize, usize),
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.step(1))
    }

    fn blank(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.step(1);
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
                self.known = (self.at, 0);
            }
        }
    }

    /// The place of what begins at `from`, on this line, and ends here. Places are asked for from left to right, so that
    /// a document of one endless line is counted once.
    fn place(&mut self, from: usize) -> Span {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let count = |from: usize, to: usize| {
            self.text.as_bytes().get(from..to).map_or(0, |bytes| {
                // Bytes that continue a character are none of their own.
                bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
            })
        };
        let (at, before) = self.known;
        let column = before.saturating_add(count(at, from));
        let length = count(from, self.at).max(1);
        self.known = (from, column);
        Span { line: self.line, column: narrow(column.saturating_add(1)), length: narrow(length) }
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        let from = self.at;
        let value = match self.peek()? {
            b'{' => {
                let span = self.opening();
                let value = self.map(depth)?;
                return Some(Node { value, span, variable: None });
            }
            b'[' => {
                let span = self.opening();
                let value = self.list(depth)?;
                return Some(Node { value, span, variable: None });
            }
            b'"' => Value::Text(self.string()?),
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'n' => self.word("null", Value::Null)?,
            _ => self.number()?,
        };
        Some(Node { value, span: self.place(from), variable: None })
    }

    /// The place of a bracket, which is taken.
    fn opening(&mut self) -> Span {
        let from = self.at;
        self.step(1);
        self.place(from)
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.text.get(self.at..)?.starts_with(word).then(|| self.step(word.len()))?;
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.text.get(self.at..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let digits = rest.get(..end)?;
        // serde_json knows the grammar; numbers are few.
        let number: serde_json::Number = serde_json::from_str(digits).ok()?;
        self.step(end);
        Some(match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64()?),
        })
    }

    fn string(&mut self) -> Option<String> {
        let from = self.at;
        self.take(b'"')?;
        let mut escaped = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.step(2);
                }
                0..=0x1F => return None,
                _ => self.step(1),
            }
        }
        self.step(1);
        let whole = self.text.get(from..self.at)?;
        if escaped {
            return serde_json::from_str(whole).ok();
        }
        whole.get(1..whole.len().checked_sub(1)?).map(str::to_owned)
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.blank();
        if self.take(b']').is_some() {
            return Some(Value::List(items));
        }
        loop {
            self.blank();
            items.push(self.value(depth.saturating_add(1))?);
            self.blank();
            if self.take(b']').is_some() {
                return Some(Value::List(items));
            }
            self.take(b',')?;
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        // Most mappings are small; large ones are looked up by a set.
        let mut seen = std::collections::HashSet::new();
        self.blank();
        if self.take(b'}').is_some() {
            return Some(Value::Map(entries));
        }
        loop {
            self.blank();
            let from = self.at;
            let name = self.string()?;
            let span = self.place(from);
            let twice = if entries.len() < 16 {
                entries.iter().any(|(key, _)| key.name == name)
            } else {
                if seen.is_empty() {
                    seen.extend(entries.iter().map(|(key, _)| key.name.clone()));
                }
                !seen.insert(name.clone())
            };
            if twice {
                return None;
            }
            self.blank();
            self.take(b':')?;
            self.blank();
            let node = self.value(depth.saturating_add(1))?;
            entries.push((Key { name, span }, node));
            self.blank();
            if self.take(b'}').is_some() {
                return Some(Value::Map(entries));
            }
            self.take(b',')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_plain_json_is_left_to_yaml() {
        for text in [
            "",
            "a: 1",
            "{a: 1}",
            "[1,]",
            "{\"a\":1,\"a\":2}",
            "[01]",
            "\"\n\"",
            "[1] x",
            "{\"a\" 1}",
            "\"\\",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
        let wide: String = (0..40).map(|n| format!("\"k{}\":1,", n % 39)).collect();
        assert_eq!(parse(&format!("{{{}}}", wide.trim_end_matches(','))), None);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "[ -~é😀\\n]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map("[a-zé/]{1,6}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Without the places, which the two readers measure differently for collections.
    fn bare(node: &Node) -> Node {
        let value = match &node.value {
            Value::List(items) => Value::List(items.iter().map(bare).collect()),
            Value::Map(entries) => {
                Value::Map(entries.iter().map(|(key, node)| (key.clone(), bare(node))).collect())
            }
            value => value.clone(),
        };
        let span = match value {
            Value::List(_) | Value::Map(_) | Value::Null => Span { length: 1, ..node.span },
            _ => node.span,
        };
        Node { value, span, variable: None }
    }

    proptest! {
        #[test]
        fn reads_what_the_yaml_reader_reads(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let ours = parse(&text).unwrap();
            prop_assert_eq!(bare(&ours), bare(&tree::parse(&text).unwrap()), "{}", text);
        }

        #[test]
        fn no_text_panics(text in "[\\[\\]{}:,\"\\\\0-9a-zé.eE+ \\n-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
