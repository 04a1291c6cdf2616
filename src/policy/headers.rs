//! Header edits of a route: set, add, remove, on the request and on the response. Values may hold captured parameters.

use super::rewrite::Piece;
use crate::header;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Compiled form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Headers {
    /// On the way to the origin.
    pub request: Vec<Edit>,
    /// On the way to the client.
    pub response: Vec<Edit>,
    /// Those whose values hold captured parameters.
    pub fills: Vec<Fill>,
}

/// A value with captured parameters, in place of the one that stands in the list of edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// The edit is one of the response's.
    pub response: bool,
    /// Its index.
    pub index: u32,
    /// The value in pieces.
    pub value: Vec<Piece>,
}

/// Names and values of captured parameters, as they stand in the canonical path: visible ASCII, percent-encoded.
pub type Captured = [(String, String)];

/// Text that usually stands in the code: an edit of every request must not allocate.
pub type Text = Cow<'static, str>;

/// One edit. Names are lower case and valid tokens; values are valid field values (RFC 9110 §5.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// Replaces all values.
    Set(Text, Text),
    /// Adds a value.
    Add(Text, Text),
    /// Removes the field.
    Remove(Text),
}

impl Edit {
    /// The field's name.
    pub fn name(&self) -> &str {
        match self {
            Edit::Set(name, _) | Edit::Add(name, _) | Edit::Remove(name) => name,
        }
    }

    /// The value written, if one is.
    pub fn value(&self) -> Option<&str> {
        match self {
            Edit::Set(_, value) | Edit::Add(_, value) => Some(value),
            Edit::Remove(_) => None,
        }
    }
}

/// Does edits to header fields, as hosts do.
pub fn apply(fields: &mut Vec<(String, String)>, edits: &[Edit]) {
    for edit in edits {
        if !matches!(edit, Edit::Add(..)) {
            fields.retain(|(own, _)| !own.eq_ignore_ascii_case(edit.name()));
        }
        fields.extend(edit.value().map(|value| (edit.name().to_owned(), value.to_owned())));
    }
}

impl Headers {
    /// Adds the edits of the request to `out`.
    pub fn request_edits(&self, captured: &Captured, out: &mut Vec<Edit>) {
        self.put(&self.request, false, captured, out);
    }

    /// Adds the edits of the response to `out`.
    pub fn response_edits(&self, captured: &Captured, out: &mut Vec<Edit>) {
        self.put(&self.response, true, captured, out);
    }

    fn put(&self, edits: &[Edit], response: bool, captured: &Captured, out: &mut Vec<Edit>) {
        let from = out.len();
        out.extend(edits.iter().cloned());
        for fill in self.fills.iter().filter(|fill| fill.response == response) {
            let at = from.saturating_add(fill.index as usize);
            if let Some(Edit::Set(_, value) | Edit::Add(_, value)) = out.get_mut(at) {
                *value = fill.with(captured).into();
            }
        }
    }

    /// Refuses edits that no HTTP message may carry or that belong to the gateway; for the time of checking.
    pub fn check(&self) -> Result<(), String> {
        for edit in self.request.iter().chain(&self.response) {
            check_name(edit.name())?;
            if let Some(value) = edit.value() {
                check_value(value).map_err(|why| format!("`{}`: {why}", edit.name()))?;
            }
        }
        // Hop by hop or written by us on the way in; on the way out an origin's may be replaced.
        for edit in &self.request {
            let name = edit.name();
            if matches!(name, "forwarded" | "via" | "max-forwards") || name.starts_with("x-forwarded-") {
                return Err(format!("`{name}` is written by the gateway itself (see `trust_forwarded`)"));
            }
        }
        Ok(())
    }
}

impl Fill {
    fn with(&self, captured: &Captured) -> String {
        let mut out = String::new();
        for piece in &self.value {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                // Compiling sees to it that every match of the route captures it.
                Piece::Param(name) => {
                    out.push_str(captured.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value));
                }
            }
        }
        out
    }
}

/// Reads a value: `{name}` stands for a captured parameter, `{{` and `}}` for braces.
///
/// # Errors
/// Text for the author: what is wrong, and what to write.
pub fn template(text: &str, params: &[impl AsRef<str>]) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at_checked(at).unwrap_or((rest, ""));
        literal.push_str(before);
        if let Some((brace, after)) =
            [("{{", '{'), ("}}", '}')].iter().find_map(|(two, one)| Some((one, braces.strip_prefix(two)?)))
        {
            literal.push(*brace);
            rest = after;
            continue;
        }
        let named = braces.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = named else {
            return Err("a brace stands alone: write `{{` and `}}` for literal ones".into());
        };
        let name = name.strip_prefix('*').unwrap_or(name);
        if !params.iter().any(|own| own.as_ref() == name) {
            let known: Vec<_> = params.iter().map(|own| format!("`{{{}}}`", own.as_ref())).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(format!(
                "the route captures no `{{{}}}`; it has: {known}; write `{{{{` and `}}}}` for literal braces",
                name.escape_debug()
            ));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Param(name.into()));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// Whether a route may edit the field: a token in lower case that is neither about the connection nor about the
/// message's framing.
pub fn check_name(name: &str) -> Result<(), String> {
    if !header::is_token(name) {
        return Err(format!("`{}` is no header name: use letters, digits and hyphens", name.escape_debug()));
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("write header names in lower case: `{}`", name.to_ascii_lowercase()));
    }
    if crate::upstream::hop::is_hop_by_hop(name) {
        return Err(format!("`{name}` belongs to the connection, which the gateway manages"));
    }
    match name {
        "content-length" => Err("`content-length` follows from the body".into()),
        "host" => Err("`host` follows from the upstream's URL".into()),
        _ if name.starts_with("tollgate-") => {
            Err(format!("`{name}`: names with `tollgate-` are the gateway's own"))
        }
        _ => Ok(()),
    }
}

/// Whether a text may be written as a field value.
pub fn check_value(value: &str) -> Result<(), String> {
    if header::is_value(value) {
        return Ok(());
    }
    Err("a header value holds visible ASCII characters, spaces and tabs, and neither begins nor ends with a space"
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_may_not_be_edited() {
        for (name, part) in [
            ("", "no header name"),
            ("a b", "no header name"),
            ("a\r\nb", "no header name"),
            ("a:b", "no header name"),
            ("é", "no header name"),
            ("X-Foo", "x-foo"),
            ("connection", "connection"),
            ("transfer-encoding", "connection"),
            ("upgrade", "connection"),
            ("te", "connection"),
            ("content-length", "body"),
            ("host", "upstream"),
            ("tollgate-stored", "own"),
        ] {
            let error = check_name(name).unwrap_err();
            assert!(error.contains(part), "{name:?}: {error}");
        }
        for name in ["x-foo", "cache-control", "set-cookie", "authorization"] {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn edits_are_checked_in_both_directions() {
        let headers =
            |request: Vec<Edit>, response: Vec<Edit>| Headers { request, response, fills: vec![] }.check();
        headers(vec![Edit::Set("x-a".into(), "1".into())], vec![Edit::Remove("server".into())]).unwrap();
        headers(vec![], vec![Edit::Remove("via".into())]).unwrap();
        assert!(headers(vec![Edit::Remove("via".into())], vec![]).is_err());
        assert!(headers(vec![Edit::Set("x-forwarded-for".into(), "::1".into())], vec![]).is_err());
        assert!(headers(vec![], vec![Edit::Add("x-a".into(), "a\r\nset-cookie: b".into())]).is_err());
        assert!(headers(vec![], vec![Edit::Remove("Server".into())]).is_err());
    }

    #[test]
    fn values_are_read_with_parameters_and_braces() {
        use Piece::{Literal, Param};
        let lit = |text: &str| Literal(text.into());
        for (text, pieces) in [
            ("", vec![lit("")]),
            ("a b", vec![lit("a b")]),
            ("{id}", vec![Param("id".into())]),
            (
                "a-{id}/{*rest}.",
                vec![lit("a-"), Param("id".into()), lit("/"), Param("rest".into()), lit(".")],
            ),
            ("{{id}}", vec![lit("{id}")]),
            ("{{{id}}}", vec![lit("{"), Param("id".into()), lit("}")]),
            ("{{\"a\":1}}", vec![lit("{\"a\":1}")]),
        ] {
            assert_eq!(template(text, &["id", "rest"]).as_ref(), Ok(&pieces), "{text}");
        }
        for (text, part) in
            [("{", "alone"), ("}", "alone"), ("a}b", "alone"), ("{x}", "`{id}`"), ("{\"a\":1}", "{{")]
        {
            assert!(template(text, &["id"]).unwrap_err().contains(part), "{text}");
        }
        assert!(template("{id}", &[""; 0]).unwrap_err().contains("none"));
    }

    #[test]
    fn captured_values_stand_where_they_are_named() {
        let piece = |name: &str| vec![Piece::Literal("v-".into()), Piece::Param(name.into())];
        let set = |name: &'static str| Edit::Set(name.into(), "?".into());
        let headers = Headers {
            request: vec![set("x-a"), set("x-b")],
            response: vec![Edit::Remove("x-c".into()), Edit::Add("x-d".into(), "?".into())],
            fills: vec![
                Fill { response: false, index: 1, value: piece("id") },
                Fill { response: true, index: 1, value: piece("tenant") },
                Fill { response: true, index: 9, value: piece("id") },
            ],
        };
        let captured = [("tenant".to_owned(), "t".to_owned()), ("id".to_owned(), "7%20".to_owned())];
        let mut edits = vec![set("x-0")];
        headers.request_edits(&captured, &mut edits);
        assert_eq!(edits, [set("x-0"), set("x-a"), Edit::Set("x-b".into(), "v-7%20".into())]);
        let mut edits = Vec::new();
        headers.response_edits(&captured, &mut edits);
        assert_eq!(edits, [Edit::Remove("x-c".into()), Edit::Add("x-d".into(), "v-t".into())]);
    }

    proptest! {
        #[test]
        fn any_value_reads_or_not(text in "[{}a-c*]{0,12}|\\PC{0,12}") {
            if let Ok(pieces) = template(&text, &["a"]) {
                // Read back, it is the same text.
                let mut again = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Literal(text) => again.push_str(&text.replace('{', "{{").replace('}', "}}")),
                        Piece::Param(name) => again.push_str(&format!("{{{name}}}")),
                    }
                }
                prop_assert_eq!(again, text.replace("{*a}", "{a}"));
            }
        }

        #[test]
        fn what_passes_cannot_split_a_message(name in "\\PC{0,12}|[a-z-]{1,12}", value in "[ -~\\r\\n\\t\\x00é]{0,12}") {
            if check_name(&name).is_ok() {
                prop_assert!(name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
            }
            if check_value(&value).is_ok() {
                prop_assert!(!value.contains(['\r', '\n', '\0']) && value.is_ascii());
            }
        }
    }
}
