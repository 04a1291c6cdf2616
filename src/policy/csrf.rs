//! Cross-site request forgery: what a page of another site makes a browser send is refused, by what the browser itself
//! says of where the request comes from (as Go's `http.CrossOriginProtection`).
//!
//! 1. GET, HEAD and OPTIONS pass: they are safe (RFC 9110 §9.2.1). A WebSocket's handshake is a GET and does not pass
//!    so, for it is no read.
//! 2. `Sec-Fetch-Site` decides where it is sent: `same-origin` and `none` (the user's own doing) pass. Scripts cannot
//!    set it; browsers send it to HTTPS and to loopback addresses.
//! 3. Otherwise `Origin`: its host must be the request's. The scheme cannot be compared, since what stands in front may
//!    end TLS.
//! 4. With neither there is no browser, or one of before 2020 that was not asked by a script: it passes.
//!
//! An origin that the route trusts passes in 2 and 3.

use super::cors;
use crate::fault::{Fault, Reason};
use crate::header::Headers;
use crate::upstream::hop;
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Csrf {
    /// Trusted origins: exact serialised ones, or `https://*.example.com`.
    pub trusted: Vec<String>,
}

impl Csrf {
    /// Whether a request may pass; `authority` is its own host, with its port unless that is the scheme's.
    ///
    /// # Errors
    /// 403 for what another site made a browser send.
    pub fn admit(&self, method: &str, authority: &str, headers: &dyn Headers) -> Result<(), Fault> {
        if matches!(method, "GET" | "HEAD" | "OPTIONS") && !hop::is_websocket(method, headers) {
            return Ok(());
        }
        let origin = headers.get("origin");
        let trusted = || {
            origin.as_deref().is_some_and(|origin| self.trusted.iter().any(|own| cors::matches(own, origin)))
        };
        match headers.get("sec-fetch-site").as_deref() {
            Some("same-origin" | "none") => Ok(()),
            Some(_) if trusted() => Ok(()),
            Some(_) => Err(refused("Sec-Fetch-Site")),
            None => match origin.as_deref() {
                None => Ok(()),
                Some(own) if own.split_once("://").is_some_and(|(_, host)| host == authority) => Ok(()),
                Some(_) if trusted() => Ok(()),
                Some(_) => Err(refused("Origin")),
            },
        }
    }
}

fn refused(field: &str) -> Fault {
    Fault::new(Reason::CrossSite, "Another site made the browser send this request.")
        .private(format!("by `{field}`, and its origin is not among those that `csrf` trusts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admits(method: &str, site: Option<&str>, origin: Option<&str>) -> bool {
        let csrf = Csrf { trusted: vec!["https://app.example.com".into(), "https://*.example.org".into()] };
        let mut headers: Vec<(String, String)> = Vec::new();
        headers.extend(site.map(|site| ("sec-fetch-site".to_owned(), site.to_owned())));
        headers.extend(origin.map(|origin| ("origin".to_owned(), origin.to_owned())));
        csrf.admit(method, "api.example.com:8443", &headers).is_ok()
    }

    /// The cases of Go's `TestCrossOriginProtection`, and ours.
    #[test]
    fn who_sends_what() {
        let own = Some("https://api.example.com:8443");
        for (method, site, origin, passes) in [
            ("POST", Some("same-origin"), None, true),
            ("POST", Some("none"), None, true),
            ("POST", Some("cross-site"), None, false),
            ("POST", Some("same-site"), None, false),
            ("POST", Some(""), None, false),
            ("POST", Some("same-origin, cross-site"), None, false),
            ("POST", Some("Same-Origin"), None, false),
            ("POST", None, None, true),
            ("POST", None, own, true),
            ("POST", None, Some("http://api.example.com:8443"), true),
            ("POST", None, Some("https://api.example.com"), false),
            ("POST", None, Some("https://attacker.example"), false),
            ("POST", None, Some("https://api.example.com:8443.attacker.example"), false),
            ("POST", None, Some("null"), false),
            ("POST", None, Some(""), false),
            ("POST", None, Some("api.example.com:8443"), false),
            // The browser's word counts before that of an origin.
            ("POST", Some("cross-site"), own, false),
            ("GET", Some("cross-site"), Some("https://attacker.example"), true),
            ("HEAD", Some("cross-site"), None, true),
            ("OPTIONS", Some("cross-site"), None, true),
            ("PUT", Some("cross-site"), None, false),
            ("QUERY", Some("cross-site"), None, false),
            ("POST", Some("cross-site"), Some("https://app.example.com"), true),
            ("POST", None, Some("https://app.example.com"), true),
            ("POST", None, Some("http://app.example.com"), false),
            ("POST", Some("cross-site"), Some("https://a.example.org"), true),
            ("POST", None, Some("https://example.org"), false),
        ] {
            assert_eq!(admits(method, site, origin), passes, "{method} {site:?} {origin:?}");
        }
    }

    #[test]
    fn a_websocket_is_no_read() {
        let ask = |site: &str| {
            let headers = vec![
                ("upgrade".to_owned(), "websocket".to_owned()),
                ("sec-fetch-site".to_owned(), site.to_owned()),
            ];
            Csrf::default().admit("GET", "api.example.com", &headers).map_err(|fault| fault.reason)
        };
        assert_eq!(ask("same-origin"), Ok(()));
        assert_eq!(ask("cross-site"), Err(Reason::CrossSite));
    }

    proptest! {
        #[test]
        fn no_other_origin_passes_where_the_browser_is_silent(origin in "(https?://)?[a-z.:/@#]{0,12}(api\\.example\\.com:8443)?[a-z.:/@#]{0,6}") {
            let own = matches!(origin.as_str(), "https://api.example.com:8443" | "http://api.example.com:8443");
            prop_assert!(!admits("POST", None, Some(&origin)) || own, "{}", origin);
        }
    }
}
