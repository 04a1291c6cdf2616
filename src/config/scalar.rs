//! The characters of a text where they stand in YAML: plain, in quotes, or as a block.

use saphyr_parser::ScalarStyle;

/// What has to be put where into `raw`, which reads as `old`, so that it reads as `new`: offsets in bytes. `None` where
/// `new` is not `old` with more characters, such as need no escape anywhere.
pub fn missing(raw: &str, style: ScalarStyle, old: &str, new: &str) -> Option<Vec<(usize, String)>> {
    let mut missing: Vec<(usize, String)> = Vec::new();
    let places = visible(raw, style);
    let mut rest = new.chars();
    let mut seen: usize = 0;
    let mut at = places.first().map_or(0, |place| place.0);
    for c in old.chars() {
        let more = until(&mut rest, Some(c))?;
        if !more.is_empty() {
            missing.push((at, more));
        }
        if !c.is_whitespace() {
            at = places.get(seen)?.1;
            seen = seen.saturating_add(1);
        }
    }
    let more = until(&mut rest, None)?;
    if !more.is_empty() {
        missing.push((at, more));
    }
    Some(missing)
}

/// Takes what stands before `c`, and `c`.
fn until(rest: &mut std::str::Chars<'_>, c: Option<char>) -> Option<String> {
    let mut more = String::new();
    loop {
        match (rest.next(), c) {
            (None, None) => return Some(more),
            (Some(next), Some(c)) if next == c => return Some(more),
            (Some(next), _) if next.is_ascii_graphic() && !matches!(next, '"' | '\'' | '\\') => {
                more.push(next)
            }
            _ => return None,
        }
    }
}

/// Begin and end of everything that reads as one visible character; for a text in quotes with the closing one, for a block
/// with comments below it. White space is no guide: folds change it.
fn visible(raw: &str, style: ScalarStyle) -> Vec<(usize, usize)> {
    let mut at = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 1,
        _ => 0,
    };
    let mut places = Vec::new();
    while let Some(rest) = raw.get(at..)
        && let Some(c) = rest.chars().next()
    {
        let (length, shows) = match (style, c) {
            (ScalarStyle::DoubleQuoted, '\\') => escape(rest),
            (ScalarStyle::SingleQuoted, '\'') => (2, true),
            _ => (c.len_utf8(), !c.is_whitespace()),
        };
        let end = at.saturating_add(length);
        if shows {
            places.push((at, end));
        }
        at = end;
    }
    places
}

/// The length of an escape, and whether it is a visible character (YAML 1.2.2 §5.7).
fn escape(text: &str) -> (usize, bool) {
    let digits = |count: usize| {
        let end = count.saturating_add(2);
        let code = text.get(2..end).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        (end, code.and_then(char::from_u32).is_none_or(|c| !c.is_whitespace()))
    };
    match text.chars().nth(1) {
        Some('x') => digits(2),
        Some('u') => digits(4),
        Some('U') => digits(8),
        Some('n' | 'r' | 't' | '\t' | 'v' | 'f' | ' ' | '_' | 'N' | 'L' | 'P' | '\n' | '\r') => (2, false),
        Some(c) => (c.len_utf8().saturating_add(1), true),
        None => (1, true),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::edit::Editor;
    use crate::config::tree;
    use proptest::prelude::*;

    /// A text made complete, alone and behind an anchor.
    fn completed(raw: &str, new: &str) -> Option<String> {
        let both = ["x: ", "x: &anchor "].map(|before| {
            let text = format!("{before}{raw}\n");
            let old = tree::parse(&text).ok()?.get("x")?.text()?.to_owned();
            let mut editor = Editor::new(&text)?;
            let value = editor.root.get("x")?.value.clone();
            editor
                .complete(&value, &old, new)
                .then(|| editor.finish())?
                .strip_prefix(before)
                .map(str::to_owned)
        });
        let [alone, anchored] = both;
        assert_eq!(alone, anchored);
        alone
    }

    #[test]
    fn what_is_missing_is_put_where_it_belongs() {
        for (raw, new, expected) in [
            ("a{b", "a{{b", "a{{b"),
            ("'it''s {'", "it's {{", "'it''s {{'"),
            (r#""\x7b \"\u007D""#, "{{ \"}}", r#""\x7b{ \"\u007D}""#),
            (r#""a \tb {""#, "a \tb {{", r#""a \tb {{""#),
            ("\"a\\\n  b {\"", "ab {{", "\"a\\\n  b {{\""),
            ("|- # {\n  {a}\n  # {b}", "{{a}}\n# {{b}}", "|- # {\n  {{a}}\n  # {{b}}"),
            ("|-\n  \"a\" {b}\n# {c}", "\"a\" {{b}}", "|-\n  \"a\" {{b}}\n# {c}"),
            (">-\n  {é\n  }", "{{é }}", ">-\n  {{é\n  }}"),
            ("b", "ab", "ab"),
        ] {
            assert_eq!(completed(raw, new), Some(format!("{expected}\n")), "{raw}");
        }
        for (raw, new) in [("a", "b"), ("ab", "a"), ("'a'", "a'"), ("a", "a b")] {
            assert_eq!(completed(raw, new), None, "{raw}");
        }
    }

    proptest! {
        /// Whatever a text looks like, it reads as it should afterwards.
        #[test]
        fn every_style_can_be_completed(
            text in r#"[{}a'"\\$ é:#,.-]{1,10}|[ -~]{1,12}"#,
            style in 0..5_u8,
            escapes in any::<u16>(),
        ) {
            let escaped = || text.chars().enumerate().map(|(i, c)| match c {
                _ if escapes >> (i % 16) & 1 == 1 => format!("\\u{:04x}", u32::from(c)),
                '"' | '\\' => format!("\\{c}"),
                c => c.to_string(),
            });
            let raw = match style {
                0 => text.clone(),
                1 => format!("'{}'", text.replace('\'', "''")),
                2 => format!("\"{}\"", escaped().collect::<String>()),
                3 => format!("|-\n  {text}\n# {{"),
                _ => format!(">-\n  {}", text.replace(' ', "\n  ")),
            };
            let read = |raw: &str| tree::parse(&format!("x: {raw}\n")).ok()?.get("x")?.text().map(str::to_owned);
            if let Some(old) = read(&raw) {
                let new = old.replace('{', "{{").replace('}', "}}");
                let raw = completed(&raw, &new);
                prop_assert_eq!(raw.as_deref().and_then(read), Some(new), "{:?}", raw);
            }
        }
    }
}
