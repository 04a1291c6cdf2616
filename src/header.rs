//! Header fields as the core sees them: a view to read from, and the small grammars that many fields share.
//!
//! At the edge each read is a call into JavaScript, so whoever takes a [`Headers`] reads only what can change
//! its decision. Changes are lists of [`Edit`], applied once.

mod names;

pub use names::{Kept, Names, Present, Table};

use crate::policy::headers::Edit;
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The header fields of one message.
pub trait Headers {
    /// The combined value (RFC 9110 §5.3) of the field with this lower-case name; `None` if there is none.
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;

    /// Whether the field is there.
    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Visits the names, in lower case, as far as the view was made to know them: whoever takes them away asks for
    /// those that are there, not for each that might be.
    fn each(&self, visit: &mut dyn FnMut(&str));

    /// Those of a table's names that are there.
    fn present(&self, table: &'static Table) -> Present {
        table.among(|visit| self.each(visit))
    }
}

/// The lines of a text, each ended by a line feed.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (line, after) = rest.split_at_checked(rest.bytes().position(|b| b == b'\n')?)?;
        rest = after.get(1..)?;
        Some(line)
    })
}

/// Names of any case, lines in order: for tests, the simulator and answers of our own.
impl Headers for Vec<(String, String)> {
    fn each(&self, visit: &mut dyn FnMut(&str)) {
        self.iter().for_each(|(name, _)| visit(&name.to_ascii_lowercase()));
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut lines = self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim());
        let first = lines.next()?;
        match lines.next() {
            None => Some(Cow::Borrowed(first)),
            Some(second) => {
                let mut all = format!("{first}, {second}");
                for line in lines {
                    all.push_str(", ");
                    all.push_str(line);
                }
                Some(Cow::Owned(all))
            }
        }
    }
}

/// All fields of a message in one text: lower-case name, line feed, combined value, line feed, for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    all: String,
    /// Where each line ends: a field is looked for dozens of times.
    ends: Vec<(usize, usize)>,
    /// The [`mark`]s of the names: mostly a field is looked for in vain.
    marks: u64,
}

/// One bit, of a name's length and two of its letters: of most absent names, no present one has it.
const fn mark(name: &str) -> u64 {
    let letter = match name.as_bytes() {
        [first, .., last] => (*first as usize * 3) ^ (*last as usize * 5),
        _ => 0,
    };
    1 << (((name.len() * 11) ^ letter) & 63)
}

impl Fields {
    /// Reads such a text. A line that lacks its pair is left out.
    pub fn new(all: String) -> Fields {
        let mut ends = Vec::with_capacity(16);
        let mut breaks = all.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        let (mut begin, mut marks) = (0, 0);
        while let (Some(name), Some(value)) = (breaks.next(), breaks.next()) {
            marks |= all.get(begin..name).map_or(0, mark);
            begin = value.saturating_add(1);
            ends.push((name, value));
        }
        Fields { all, ends, marks }
    }

    /// Of names in any case and of any number: each once, with its combined value, as a host gives them.
    pub fn of(lines: &Vec<(String, String)>) -> Fields {
        let mut all = String::new();
        for (at, (name, _)) in lines.iter().enumerate() {
            if lines.iter().take(at).all(|(earlier, _)| !earlier.eq_ignore_ascii_case(name)) {
                let value = lines.get(name).unwrap_or_default();
                all.push_str(&format!("{}\n{value}\n", name.to_ascii_lowercase()));
            }
        }
        Fields::new(all)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut from = 0;
        self.ends.iter().filter_map(move |(name, value)| {
            let begin = std::mem::replace(&mut from, value.saturating_add(1));
            Some((self.all.get(begin..*name)?, self.all.get(name.saturating_add(1)..*value)?))
        })
    }
}

impl Headers for Fields {
    fn each(&self, visit: &mut dyn FnMut(&str)) {
        self.iter().for_each(|(name, _)| visit(name));
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if self.marks & mark(name) == 0 {
            return None;
        }
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| Cow::Borrowed(value))
    }
}

/// A message's fields as they are after edits, without applying them.
#[derive(Clone, Copy)]
pub struct Edited<'a> {
    /// The fields before.
    pub base: &'a dyn Headers,
    /// The edits in order.
    pub edits: &'a [Edit],
}

impl Headers for Edited<'_> {
    fn each(&self, visit: &mut dyn FnMut(&str)) {
        let gone =
            |name: &str| matches!(self.edits.iter().rfind(|edit| edit.name() == name), Some(Edit::Remove(_)));
        self.base.each(&mut |name| {
            if !gone(name) {
                visit(name);
            }
        });
    }

    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut ours = self.edits.iter().filter(|e| e.name() == name).peekable();
        // Reading below a field that is replaced first thing would be a call for nothing.
        let mut value = match ours.peek() {
            Some(Edit::Set(..) | Edit::Remove(_)) => None,
            _ => self.base.get(name),
        };
        for edit in ours {
            value = match edit {
                Edit::Set(_, new) => Some(Cow::Borrowed(new.as_ref())),
                Edit::Add(_, more) => match value {
                    Some(old) => Some(Cow::Owned(format!("{old}, {more}"))),
                    None => Some(Cow::Borrowed(more.as_ref())),
                },
                Edit::Remove(_) => None,
            };
        }
        value
    }
}

/// Elements of a comma-separated list (RFC 9110 §5.6.1): trimmed, empty ones left out, commas within quoted
/// strings kept. A quote that never closes runs to the end.
pub fn list(value: &str) -> List<'_> {
    List { rest: Some(value), separator: b',' }
}

/// Parts separated by semicolons, by the same rules as [`list`].
pub fn parameters(value: &str) -> List<'_> {
    List { rest: Some(value), separator: b';' }
}

/// Iterator of [`list`] and [`parameters`].
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let text = self.rest?;
            let end = unquoted(text, self.separator);
            let element = match end.and_then(|at| Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))) {
                Some((element, rest)) => {
                    self.rest = Some(rest);
                    element
                }
                None => {
                    self.rest = None;
                    text
                }
            };
            let element = element.trim_matches([' ', '\t']);
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// Where `wanted` (an ASCII byte) first stands outside of quoted strings.
fn unquoted(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return byte == wanted && !quoted,
        }
        false
    })
}

/// Whether every quoted string in `text` is closed.
pub fn quotes_closed(text: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// Whether `text` is a token (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    let is_tchar = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            )
    };
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// Whether two names are one field for an origin that takes `_` for `-`, as those do that follow CGI (RFC 3875
/// §4.1.18).
pub fn same_field(left: &str, right: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    left.len() == right.len() && left.bytes().map(fold).eq(right.bytes().map(fold))
}

/// Whether `text` may stand as a field value that we write (RFC 9110 §5.5): visible ASCII, spaces and tabs, none
/// of them at an end. Bytes above 127 are opaque by the standard; we never write any.
pub fn is_value(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t'))
        && text.trim_matches([' ', '\t']).len() == text.len()
}

/// A token as it is, anything else as a quoted string (RFC 9110 §5.6.4). Control and non-ASCII characters, which
/// no quoted string of ours may hold, become `?`.
pub fn token_or_quoted(text: &str) -> Cow<'_, str> {
    if is_token(text) {
        return Cow::Borrowed(text);
    }
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            ' '..='~' => quoted.push(c),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Seconds since 1970 of an HTTP date (RFC 9110 §5.6.7) in any of its three forms; `None` if it is none or lies
/// before 1970.
pub fn parse_date(text: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// The IMF-fixdate of `seconds` since 1970; `None` before 1970 and after 9999.
pub fn format_date(seconds: i64) -> Option<String> {
    // 253,402,300,799 is the last second of the year 9999; the library panics beyond it.
    let seconds = u64::try_from(seconds).ok().filter(|s| *s <= 253_402_300_799)?;
    let at: SystemTime = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    Some(httpdate::fmt_http_date(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    #[test]
    fn lines_of_one_field_combine_in_order() {
        let h = fields(&[("A", " 1 "), ("b", "x"), ("a", "2"), ("a", "3")]);
        assert_eq!(h.get("a").as_deref(), Some("1, 2, 3"));
        assert_eq!(h.get("b").as_deref(), Some("x"));
        assert!(!h.has("c"));
    }

    #[test]
    fn edits_show_before_they_are_applied() {
        let base = fields(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let edits = [
            Edit::Set("a".into(), "x".into()),
            Edit::Add("a".into(), "y".into()),
            Edit::Remove("b".into()),
            Edit::Add("c".into(), "4".into()),
            Edit::Add("d".into(), "5".into()),
            Edit::Remove("d".into()),
        ];
        let view = Edited { base: &base, edits: &edits };
        let all: Vec<_> = ["a", "b", "c", "d"].iter().map(|n| view.get(n).map(Cow::into_owned)).collect();
        assert_eq!(all, [Some("x, y".into()), None, Some("3, 4".into()), None]);
    }

    #[test]
    fn lists_split_outside_of_quotes() {
        for (value, elements) in [
            ("a, b,,c ,", vec!["a", "b", "c"]),
            (r#"a="1, 2", b"#, vec![r#"a="1, 2""#, "b"]),
            (r#"a="1\", 2", b"#, vec![r#"a="1\", 2""#, "b"]),
            (r#"a="never, closed"#, vec![r#"a="never, closed"#]),
            (r"a\, b", vec![r"a\", "b"]),
            (" , ,\t", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(list(value).collect::<Vec<_>>(), elements, "{value}");
        }
        assert_eq!(parameters(r#"a;b=";";c"#).collect::<Vec<_>>(), ["a", r#"b=";""#, "c"]);
        assert!(quotes_closed(r#"a="x\"y", b"#) && !quotes_closed(r#"a="x\""#));
    }

    #[test]
    fn tokens_and_values() {
        assert!(
            is_token("X-Foo!") && !is_token("") && !is_token("a b") && !is_token("a\r") && !is_token("é")
        );
        assert!(
            is_value("a\tb c") && is_value("") && !is_value(" a") && !is_value("a\r\nb") && !is_value("a\0")
        );
        assert!(!is_value("é"));
        assert_eq!(token_or_quoted("abc"), "abc");
        assert_eq!(token_or_quoted("a\"b\\\n:"), r#""a\"b\\?:""#);
    }

    #[test]
    fn dates_in_three_forms() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse_date(text), Some(784_111_777), "{text}");
        }
        for text in ["0", "", "-1", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 36 Nov 1994 08:49:37 GMT"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(format_date(784_111_777).as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(format_date(-1), None);
        assert_eq!(format_date(253_402_300_799).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
        assert_eq!(format_date(253_402_300_800), None);
    }

    proptest! {
        #[test]
        fn any_text_lists_without_panic(text in "\\PC{0,60}") {
            for element in list(&text) {
                prop_assert!(!element.is_empty() && text.contains(element));
            }
        }

        #[test]
        fn any_text_is_no_date_or_one(text in "\\PC{0,40}") {
            if let Some(at) = parse_date(&text) {
                prop_assert!(at >= 0);
            }
        }

        #[test]
        fn dates_survive_a_round_trip(at in 0i64..253_402_300_799) {
            prop_assert_eq!(format_date(at).as_deref().and_then(parse_date), Some(at));
        }
    }
}
