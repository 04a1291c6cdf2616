//! Header edits of a route: set, add, remove, on the request and on the response.

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
}

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

impl Headers {
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
        let headers = |request: Vec<Edit>, response: Vec<Edit>| Headers { request, response }.check();
        headers(vec![Edit::Set("x-a".into(), "1".into())], vec![Edit::Remove("server".into())]).unwrap();
        headers(vec![], vec![Edit::Remove("via".into())]).unwrap();
        assert!(headers(vec![Edit::Remove("via".into())], vec![]).is_err());
        assert!(headers(vec![Edit::Set("x-forwarded-for".into(), "::1".into())], vec![]).is_err());
        assert!(headers(vec![], vec![Edit::Add("x-a".into(), "a\r\nset-cookie: b".into())]).is_err());
        assert!(headers(vec![], vec![Edit::Remove("Server".into())]).is_err());
    }

    proptest! {
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
