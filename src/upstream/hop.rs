//! What may not pass from one connection to the next (RFC 9110 §7.6.1), and what clients may not say to origins.

use crate::fault::{Fault, Reason};
use crate::header::{self, Headers, Table};
use crate::policy::headers::Edit;
use std::borrow::Cow;

/// Fields about one connection, whether or not `Connection` names them. `te` and `upgrade` are among them; see
/// [`request_edits`] for what passes of those.
pub static HOP_BY_HOP: Table = Table::of(&[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-authentication-info",
    "http2-settings",
]);

/// Field that tells an origin that a request is a copy. An origin may do less for one, so only the gateway says it.
pub const MIRROR: &str = "tollgate-mirror";

/// Request fields by which a client could pose as somebody else before origins that trust the edge. `cdn-loop`
/// stays: RFC 8586 forbids removing it.
pub static INTERNAL: Table = Table::of(&[
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "cf-ipcountry",
    "cf-visitor",
    "cf-ray",
    "cf-worker",
    "cf-ew-via",
    "true-client-ip",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    MIRROR,
]);

/// Most field names followed in one `Connection`.
const MAX_NAMED: usize = 64;

/// Whether the field belongs to a connection. `name` in lower case.
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(name)
}

/// Whether the request asks to become a WebSocket (RFC 6455 §4.1). HTTP/1.1 only: extended CONNECT does not
/// reach a worker. `Connection: upgrade` is not asked for, since platforms take it away on the way in.
pub fn is_websocket(method: &str, headers: &dyn Headers) -> bool {
    method == "GET"
        && headers
            .get("upgrade")
            .is_some_and(|v| header::list(&v).any(|p| p.eq_ignore_ascii_case("websocket")))
}

/// Edits that take from a request what may not pass. They come first: what the gateway itself sets must come
/// after them, lest `Connection: forwarded` remove it.
///
/// `TE` passes as `trailers` only; `Upgrade` only as `websocket`, where `websocket` says that the request asks
/// for it. `Connection` cannot name `host` and `content-length`: dropping those would change the message's
/// meaning or framing. More than 64 names are refused with 400.
pub fn request_edits(headers: &dyn Headers, websocket: bool) -> Result<Vec<Edit>, Fault> {
    let (mut edits, present) = (Vec::new(), headers.present(&HOP_BY_HOP));
    if let Some(connection) = connection(headers, &present) {
        for (at, name) in header::list(&connection).enumerate() {
            if at >= MAX_NAMED {
                return Err(Fault::new(Reason::MalformedHeader, "`Connection` names too many fields."));
            }
            named(name, headers, &mut edits);
        }
    }
    for name in present.iter().chain(headers.present(&INTERNAL).iter()).copied() {
        let kept = match name {
            "te" if headers.get("te").is_some_and(|te| header::list(&te).any(is_trailers)) => {
                Some("trailers")
            }
            "upgrade" if websocket => Some("websocket"),
            _ => None,
        };
        match kept {
            Some(kept) if headers.get(name).is_some_and(|value| kept == value) => {}
            Some(kept) => edits.push(Edit::Set(name.into(), kept.into())),
            None => edits.push(Edit::Remove(name.into())),
        }
    }
    Ok(edits)
}

/// Edits that take from a response what may not pass. `websocket`: it is the answer 101 to an upgrade, which
/// keeps `Upgrade`. Of more than 64 names in `Connection` the rest is not followed: the origin is the operator's.
pub fn response_edits(headers: &dyn Headers, websocket: bool) -> Vec<Edit> {
    let (mut edits, present) = (Vec::new(), headers.present(&HOP_BY_HOP));
    if let Some(connection) = connection(headers, &present) {
        for name in header::list(&connection).take(MAX_NAMED) {
            named(name, headers, &mut edits);
        }
    }
    let removed = present.iter().filter(|name| !(websocket && **name == "upgrade"));
    edits.extend(removed.map(|name| Edit::Remove((*name).into())));
    edits
}

/// The value of `Connection`, looked for only where it is among the names that are there.
fn connection<'h>(headers: &'h dyn Headers, present: &[&str]) -> Option<Cow<'h, str>> {
    present.contains(&"connection").then(|| headers.get("connection")).flatten()
}

/// Removes a field that `Connection` names, if it is there and not seen to already.
fn named(option: &str, headers: &dyn Headers, edits: &mut Vec<Edit>) {
    let name = option.to_ascii_lowercase();
    if !header::is_token(&name) || is_hop_by_hop(&name) || matches!(name.as_str(), "host" | "content-length")
    {
        return;
    }
    if headers.has(&name) && !edits.iter().any(|e| e.name() == name) {
        edits.push(Edit::Remove(name.into()));
    }
}

/// An element of `TE` that says `trailers`, with or without parameters.
fn is_trailers(element: &str) -> bool {
    header::parameters(element).next().is_some_and(|coding| coding.eq_ignore_ascii_case("trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    fn removed(edits: &[Edit]) -> Vec<&str> {
        edits.iter().filter(|e| matches!(e, Edit::Remove(_))).map(Edit::name).collect()
    }

    #[test]
    fn removes_what_belongs_to_the_connection() {
        let h = fields(&[
            ("Connection", "close, X-Foo, x-bar, X-FOO, host, content-length, keep-alive, bad name"),
            ("X-Foo", "1"),
            ("host", "h"),
            ("content-length", "3"),
            ("keep-alive", "5"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("accept", "*/*"),
            ("cf-connecting-ip", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("cdn-loop", "cloudflare"),
        ]);
        assert_eq!(
            removed(&request_edits(&h, false).unwrap()),
            [
                "x-foo",
                "connection",
                "keep-alive",
                "transfer-encoding",
                "proxy-authorization",
                "cf-connecting-ip",
                "x-real-ip"
            ]
        );
        assert_eq!(request_edits(&fields(&[("accept", "*/*")]), false).unwrap(), []);
    }

    #[test]
    fn te_passes_as_trailers_only() {
        let of = |v| request_edits(&fields(&[("connection", "TE"), ("te", v)]), false).unwrap();
        assert_eq!(of("trailers"), [Edit::Remove("connection".into())]);
        assert!(of("gzip, Trailers;q=1").contains(&Edit::Set("te".into(), "trailers".into())));
        assert!(of("gzip").contains(&Edit::Remove("te".into())));
    }

    #[test]
    fn upgrade_passes_for_websockets_only() {
        let h = fields(&[("connection", "Upgrade"), ("upgrade", "h2c, WebSocket")]);
        assert!(is_websocket("GET", &h) && !is_websocket("POST", &h));
        assert!(!is_websocket("GET", &fields(&[("upgrade", "h2c")])));
        assert_eq!(
            request_edits(&h, true).unwrap(),
            [Edit::Remove("connection".into()), Edit::Set("upgrade".into(), "websocket".into())]
        );
        assert_eq!(removed(&request_edits(&h, false).unwrap()), ["connection", "upgrade"]);
        assert_eq!(removed(&response_edits(&h, true)), ["connection"]);
    }

    #[test]
    fn responses_lose_challenges_and_named_fields() {
        let h =
            fields(&[("connection", "x-a"), ("x-a", "1"), ("proxy-authenticate", "Basic"), ("trailer", "x")]);
        assert_eq!(
            removed(&response_edits(&h, false)),
            ["x-a", "connection", "trailer", "proxy-authenticate"]
        );
    }

    #[test]
    fn too_many_names_are_refused() {
        let names = |n: usize| (0..n).map(|i| format!("x-{i}")).collect::<Vec<_>>().join(",");
        assert!(request_edits(&fields(&[("connection", &names(64))]), false).is_ok());
        let fault = request_edits(&fields(&[("connection", &names(65))]), false).unwrap_err();
        assert_eq!(fault.reason, Reason::MalformedHeader);
    }

    proptest! {
        #[test]
        fn nothing_named_or_listed_survives(
            names in prop::collection::vec("(X-[ab]|te|upgrade|keep-alive|Host|close|a)", 0..6),
            present in prop::collection::vec("(x-[ab]|keep-alive|upgrade|host|trailer|a|accept)", 0..8),
        ) {
            let mut lines = vec![("connection".to_string(), names.join(", "))];
            lines.extend(present.iter().map(|n| (n.clone(), "v".to_string())));
            let edits = request_edits(&lines, false).unwrap();
            for (name, _) in &lines {
                let gone = edits.contains(&Edit::Remove(name.clone().into()));
                let expected = name != "host"
                    && (HOP_BY_HOP.contains(name) || names.iter().any(|n| n.eq_ignore_ascii_case(name)));
                prop_assert_eq!(gone, expected, "{}", name);
            }
        }

        #[test]
        fn any_connection_field_is_survived(value in "\\PC{0,80}") {
            let h = fields(&[("connection", &value), ("te", &value), ("upgrade", &value)]);
            let _ = request_edits(&h, is_websocket("GET", &h));
            let _ = response_edits(&h, false);
        }
    }
}
