//! `Vary` (RFC 9110 §12.5.5) of answers whose route, version or backend fields of the request chose: a shared cache in
//! front of the gateway must not give one route's answer to who is meant for another.

use crate::header;

/// What `Vary` must say if it names these fields too, each name once; `None` where it says just that already. `said` is
/// what it says so far.
pub fn merged(said: Option<&str>, names: &[String]) -> Option<String> {
    let said = said.unwrap_or_default();
    let mut all: Vec<&str> = Vec::with_capacity(8);
    for name in header::list(said).chain(names.iter().map(String::as_str)) {
        // Nothing is left to be said.
        if name == "*" {
            return None;
        }
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push(name);
        }
    }
    let all = all.join(", ");
    (all != said).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_once() {
        let names = ["X-Beta".to_owned(), "Cookie".to_owned()];
        for (said, expected) in [
            (None, Some("X-Beta, Cookie")),
            (Some(""), Some("X-Beta, Cookie")),
            (Some("Accept-Encoding"), Some("Accept-Encoding, X-Beta, Cookie")),
            (Some("cookie, Origin"), Some("cookie, Origin, X-Beta")),
            (Some("Origin,Origin, x-beta"), Some("Origin, x-beta, Cookie")),
            (Some("X-Beta, Cookie"), None),
            (Some("*"), None),
            (Some("Origin, *"), None),
        ] {
            assert_eq!(merged(said, &names).as_deref(), expected, "{said:?}");
        }
    }
}
