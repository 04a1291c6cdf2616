//! The versions of an API and their lives, across files: what follows what, and what nobody serves any more.

use super::{Compiler, Place};
use crate::config::problem::nearest;
use crate::config::settings::{ApiFile, Status};
use crate::plan::Api;
use std::cmp::Ordering;

impl Compiler<'_> {
    /// The URL of the version that follows: as it is written, or where the version of that name is served.
    pub(super) fn successor(&mut self, api: &ApiFile, place: &Place) -> Option<String> {
        let text = api.version.successor.as_ref()?;
        if text.contains("://") {
            return Some(text.clone());
        }
        let named = self
            .input
            .apis
            .iter()
            .map(|(_, other)| other)
            .find(|other| other.api == api.api && other.version.name == *text);
        match named {
            // Relative to the answer's own URL (RFC 8288 §3.1), unless it is served on another host.
            Some(other) => {
                let base = other.base.as_deref().unwrap_or("/");
                let same = other.hosts == api.hosts || other.hosts.is_empty();
                let host = other.hosts.first().filter(|host| !same && !host.0.starts_with(['*', '{']));
                Some(host.map_or_else(|| base.to_owned(), |host| format!("https://{}{base}", host.0)))
            }
            None => {
                let own = self.input.apis.iter().map(|(_, other)| other).filter(|other| other.api == api.api);
                let names: Vec<&str> = own.map(|other| other.version.name.as_str()).collect();
                let message = format!("`{}` has no version `{text}`", api.api);
                let help = match nearest(text, names) {
                    Some(word) => format!("did you mean `{word}`? Of what others serve, write the URL"),
                    None => "write the name of a version, or a URL".to_owned(),
                };
                self.error("bad-successor", &place.key("successor"), message, help);
                None
            }
        }
    }

    /// What is wrong between versions.
    pub(super) fn lives(&mut self) {
        for (file, api) in self.input.apis {
            let at = Place::new(*file, &["version"]);
            self.follows(api, &at);
            let name = &api.version.name;
            let current = |other: &&(usize, ApiFile)| {
                other.1.api == api.api && other.1.version.status == Status::Current
            };
            if api.version.status == Status::Deprecated
                && !self.input.apis.iter().any(|other| current(&other))
            {
                let message =
                    format!("version `{name}` of `{}` is deprecated, and no version is current", api.api);
                self.warn(
                    "no-current",
                    &at.key("status"),
                    message,
                    "add the version that follows, or keep this one current",
                );
            }
            let over =
                api.version.sunset.as_ref().zip(self.input.now).filter(|(sunset, now)| sunset.0 <= *now);
            if over.is_some() && api.version.status == Status::Deprecated {
                let message = format!(
                    "the sunset of version `{name}` of `{}` is over, and it is still served",
                    api.api
                );
                let help = "set `status: retired`, or a later `sunset`";
                self.warn("past-sunset", &at.key("sunset"), message, help);
            }
        }
    }

    /// A successor is served, and not older.
    fn follows(&mut self, api: &ApiFile, at: &Place) {
        let Some(text) = &api.version.successor else { return };
        if api.version.status == Status::Current {
            return;
        }
        let own = |other: &&Api| other.name == api.api && other.version == *text;
        let named = self.out.shared.apis.iter().find(own).or_else(|| self.served(text));
        // Another API may well be what follows; its versions are not compared.
        let Some(next) = named.cloned().filter(|next| next.name == api.api) else { return };
        let status = |next: &Api| {
            let found = self
                .input
                .apis
                .iter()
                .find(|(_, other)| other.api == next.name && other.version.name == next.version);
            found.map(|(_, other)| other.version.status)
        };
        let wrong = if next.version == api.version.name {
            "is this one itself"
        } else if status(&next) == Some(Status::Retired) {
            "is retired"
        } else if order(&next.version, &api.version.name) == Ordering::Less {
            "is an earlier one"
        } else {
            return;
        };
        let message = format!("the successor, version `{}` of `{}`, {wrong}", next.version, next.name);
        self.error(
            "bad-successor",
            &at.key("successor"),
            message,
            "name the version that clients are to use now",
        );
    }

    /// The API version that serves a URL: of those whose host and base fit, the one with the longest base.
    fn served(&self, url: &str) -> Option<&Api> {
        let (_, rest) = url.split_once("://")?;
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let below =
            |base: &str| path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let fits = |api: &&Api| {
            // A version that is told by a field or a parameter cannot be told from a URL.
            api.selector.is_none()
                && below(&api.base)
                // Of what serves every path of every host nobody says that a URL leads there.
                && (!api.hosts.is_empty() || !api.base.is_empty())
                && (api.hosts.is_empty() || api.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
        };
        self.out.shared.apis.iter().filter(fits).max_by_key(|api| api.base.len())
    }
}

/// The order of names of versions: numbers in them count as numbers, so that `v10` follows `v9`.
fn order(one: &str, other: &str) -> Ordering {
    let parts = |name: &str| -> Vec<(String, u64)> {
        let mut parts: Vec<(String, u64)> = Vec::new();
        for piece in name.split_inclusive(|c: char| !c.is_ascii_digit()) {
            let digits: String = piece.chars().take_while(char::is_ascii_digit).collect();
            let rest: String = piece.chars().skip_while(char::is_ascii_digit).collect();
            parts.push((rest, digits.parse().unwrap_or(0)));
        }
        parts
    };
    let (one, other) = (parts(one), parts(other));
    let pairs = one.iter().zip(&other).map(|((text, number), (their_text, their_number))| {
        number.cmp(their_number).then_with(|| text.cmp(their_text))
    });
    pairs.fold(Ordering::Equal, Ordering::then).then(one.len().cmp(&other.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_numbers() {
        for pair in ["v1 v2", "v9 v10", "2026-01-31 2026-02-01", "1.9 1.10", "v1 v1.1", "1 2"] {
            let (one, other) = pair.split_once(' ').unwrap();
            assert_eq!(order(one, other), Ordering::Less, "{pair}");
            assert_eq!(order(other, one), Ordering::Greater, "{pair}");
            assert_eq!(order(one, one), Ordering::Equal, "{pair}");
        }
    }
}
