//! YAML 1.2 (and with it JSON) as a tree of values that know their place.
//!
//! Aliases are expanded within a bound. Duplicate keys, merge keys, tags and several documents are refused: each
//! would let a file mean something else than it seems to.

use super::problem::Span;
use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};
use std::collections::HashMap;

/// Largest file in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values in a file, aliases expanded.
const MAX_NODES: usize = 500_000;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
    /// The variable that the value came from.
    pub variable: Option<String>,
}

/// A value of YAML's core schema.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping with keys in declared order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// What cannot be read: place, what is wrong, remedy.
pub type Broken = (Span, String, Option<String>);

impl Node {
    /// The member called `name` of a mapping.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// Key and value called `name` of a mapping.
    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name),
            _ => None,
        }
    }

    /// The entries of a mapping; none for other values.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text of a text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value's place at the end of `path`, or of the nearest enclosing value that exists.
    pub fn place(&self, path: &[String]) -> Span {
        self.follow(self.span, path)
    }

    /// The same from a member of a mapping on.
    pub fn place_in((key, node): &(Key, Node), path: &[String]) -> Span {
        node.follow(node.shown(key.span), path)
    }

    /// A mapping or list is shown by its key, which says more than its first line.
    fn shown(&self, key: Span) -> Span {
        match self.value {
            Value::Map(_) | Value::List(_) => key,
            _ => self.span,
        }
    }

    fn follow(&self, mut span: Span, path: &[String]) -> Span {
        let mut node = self;
        for part in path {
            let next = match &node.value {
                Value::Map(_) => node.entry(part).map(|(key, node)| (key.span, node)),
                Value::List(items) => {
                    part.parse().ok().and_then(|i: usize| items.get(i)).map(|n| (n.span, n))
                }
                _ => None,
            };
            match next {
                Some((key, inner)) => {
                    node = inner;
                    span = inner.shown(key);
                }
                None => break,
            }
        }
        span
    }

    /// The place of the key at the end of `path`.
    pub fn key_place(&self, path: &[String]) -> Span {
        let Some((last, parents)) = path.split_last() else { return self.span };
        let mut node = self;
        for part in parents {
            match node.get(part) {
                Some(inner) => node = inner,
                None => return self.place(path),
            }
        }
        node.entry(last).map_or_else(|| self.place(path), |(key, _)| key.span)
    }
}

/// Reads a text.
///
/// # Errors
/// The first thing that is no YAML, or that is refused.
pub fn parse(text: &str) -> Result<Node, Broken> {
    parse_within(text, Bounds { bytes: MAX_BYTES, values: MAX_NODES, depth: MAX_DEPTH })
}

/// How large a text may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Largest text in bytes.
    pub bytes: usize,
    /// Most values, aliases expanded.
    pub values: usize,
    /// Deepest nesting.
    pub depth: usize,
}

/// Reads a text that may be larger or smaller than a route file.
///
/// # Errors
/// The first thing that is no YAML, or that is refused.
pub fn parse_within(text: &str, bounds: Bounds) -> Result<Node, Broken> {
    document(text, bounds).map_err(|(span, message, help)| (within(span, text), message, help))
}

/// What the parser misses at the end of a text it misses on a line that is not there: shown after the last one.
fn within(span: Span, text: &str) -> Span {
    let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).max(1);
    if span.line <= lines {
        return span;
    }
    let last = text.lines().next_back().map_or(0, |line| line.chars().count());
    Span { line: lines, column: u32::try_from(last).unwrap_or(u32::MAX).saturating_add(1), length: 1 }
}

fn document(text: &str, bounds: Bounds) -> Result<Node, Broken> {
    if text.len() > bounds.bytes {
        let message = format!("the file is larger than {} MiB", bounds.bytes >> 20);
        return Err((Span::default(), message, None));
    }
    let parser = Parser::new_from_str(text);
    let mut reader = Reader { parser, anchors: HashMap::new(), left: bounds.values, bounds };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            Event::DocumentStart(_) if document.is_some() => {
                return Err((
                    place(&span),
                    "a second document begins here".into(),
                    Some("a file holds one document".into()),
                ));
            }
            Event::DocumentStart(_) => {
                let (event, span) = reader.next()?;
                document = Some(reader.node(event, span, 0)?);
            }
            _ => return Err((place(&span), "this stands outside the document".into(), None)),
        }
    }
    let empty = Node { value: Value::Null, span: Span { line: 1, column: 1, length: 1 }, variable: None };
    Ok(document.unwrap_or(empty))
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, (Node, usize)>,
    left: usize,
    bounds: Bounds,
}

fn place(span: &YamlSpan) -> Span {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let length = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Span {
        line: narrow(span.start.line()),
        column: narrow(span.start.col().saturating_add(1)),
        length: narrow(length.max(1)),
    }
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, YamlSpan), Broken> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let mark = error.marker();
                let at = place(&YamlSpan::new(*mark, *mark));
                let help = error.info().contains("tab").then(|| "indent with spaces".to_owned());
                Err((at, format!("this is no YAML: {}", error.info()), help))
            }
            None => Ok((Event::StreamEnd, YamlSpan::default())),
        }
    }

    fn spend(&mut self, nodes: usize, at: Span) -> Result<(), Broken> {
        match self.left.checked_sub(nodes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let most = self.bounds.values;
                Err((at, format!("the file holds more than {most} values, aliases expanded"), None))
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: YamlSpan, depth: usize) -> Result<Node, Broken> {
        let at = place(&span);
        self.spend(1, at)?;
        if depth > self.bounds.depth {
            return Err((at, format!("values are nested more than {} deep", self.bounds.depth), None));
        }
        let before = self.left;
        let (value, anchor) = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err((at, "this alias stands inside its own anchor".into(), None));
                };
                self.spend(size, at)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, None) => {
                let value =
                    if style == ScalarStyle::Plain { plain(&text) } else { Value::Text(text.into_owned()) };
                (value, anchor)
            }
            Event::SequenceStart(anchor, None) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, None) => (self.map(depth)?, anchor),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                return Err((
                    at,
                    "tags are not supported".into(),
                    Some("quote the value to make it a text".into()),
                ));
            }
            _ => return Err((at, "a value is missing here".into(), None)),
        };
        let node = Node { value, span: at, variable: None };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), before.saturating_sub(self.left).saturating_add(1)));
            // The copy kept for aliases counts too: nested anchors would otherwise hold a square of the file.
            self.spend(before.saturating_sub(self.left), at)?;
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Broken> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(event, span, depth.saturating_add(1))?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Broken> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let at = place(&span);
            let name = match event {
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err((at, "a key must be a plain text".into(), None)),
            };
            if name == "<<" {
                let help = "use an alias for a whole value, or `defaults:` for what routes share";
                return Err((at, "merge keys are not part of YAML 1.2".into(), Some(help.into())));
            }
            if let Some(first) = seen.insert(name.clone(), at) {
                let help = format!("it stands on line {} already; remove one of them", first.line);
                return Err((at, format!("the key `{name}` stands here twice"), Some(help)));
            }
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth.saturating_add(1))?;
            entries.push((Key { name, span: at }, node));
        }
    }
}

/// Resolves a plain scalar by the core schema (YAML 1.2.2 §10.3.2).
pub fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let radix = |digits: &str, radix| {
        i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))
    };
    let whole = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) => radix(hex, 16),
        (_, Some(octal)) => radix(octal, 8),
        _ => text.parse().ok(),
    };
    if let Some(whole) = whole {
        return Value::Int(whole);
    }
    let numeric = text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    match text.parse::<f64>() {
        Ok(number) if numeric && number.is_finite() => Value::Float(number),
        _ => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn broken(text: &str) -> (u32, u32, String) {
        let (span, message, _) = parse(text).unwrap_err();
        (span.line, span.column, message)
    }

    #[test]
    fn places_are_one_based_in_characters() {
        let tree = parse("a: 1\nb: { 'ö': [x, yes] }\n").unwrap();
        let list = tree.get("b").unwrap().get("ö").unwrap();
        let Value::List(items) = &list.value else { panic!("{list:?}") };
        assert_eq!(items[1].value, Value::Text("yes".into()));
        assert_eq!(items[1].span, Span { line: 2, column: 15, length: 3 });
        assert_eq!(tree.key_place(&["b".into()]), Span { line: 2, column: 1, length: 1 });
    }

    #[test]
    fn json_is_read_too() {
        let tree = parse("{\n\t\"a\": {\"b\": [1, true, null, 1.5, \"x\\u00e9\"]}\n}").unwrap();
        let Value::List(items) = &tree.get("a").unwrap().get("b").unwrap().value else { panic!() };
        assert_eq!(items[4].value, Value::Text("xé".into()));
        assert_eq!(items[2].value, Value::Null);
    }

    #[test]
    fn aliases_are_expanded() {
        let tree = parse("a: &x [1]\nb: *x\n").unwrap();
        assert_eq!(tree.get("a").unwrap().value, tree.get("b").unwrap().value);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        assert_eq!(broken("a: 1\nb: 2\na: 3\n"), (3, 1, "the key `a` stands here twice".into()));
        assert!(broken("a: &x {k: 1}\nb:\n  <<: *x\n").2.contains("merge keys"));
        assert!(broken("a: !!int 1\n").2.contains("tags"));
        assert!(broken("a: 1\n---\nb: 2\n").2.contains("second document"));
        assert!(broken("a: [1\n").2.contains("no YAML"));
        assert!(broken("? [a]\n: 1\n").2.contains("key must be"));
    }

    #[test]
    fn what_is_missing_at_the_end_is_shown_there() {
        let (line, column, message) = broken("a: 1\nb: { c: 1\n");
        assert!((line, column) <= (2, 10) && message.contains("no YAML"), "{line}:{column}: {message}");
    }

    #[test]
    fn bombs_are_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let p = i - 1;
            text.push_str(&format!(
                "a{i}: &a{i} [*a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}]\n"
            ));
        }
        assert!(parse(&text).is_err());
        assert!(parse(&"[".repeat(10_000)).is_err());
        assert!(parse(&"- ".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:{}\\[\\]&*!|>%@\"'#,?\\- \\n\\t~]{0,120}") {
            let _ = parse(&text);
        }
        #[test]
        fn no_unicode_panics(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}
