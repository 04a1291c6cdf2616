//! Plain HTTP: let in, refused, or sent to HTTPS. Decided before anybody is asked who he is.

use super::redirect::{Query, Redirect};
use crate::fault::{Fault, Reason};
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Https {
    /// Both are served.
    #[default]
    Optional,
    /// Plain HTTP is refused: whatever the request carried was sent in the clear, and its sender should learn that.
    Required,
    /// Plain HTTP is answered with the same URL by HTTPS.
    Redirect,
}

/// The same URL by HTTPS, at its own port; method and body stay (RFC 9110 §15.4.9).
pub static TO_HTTPS: Redirect =
    Redirect { status: 308, https: Some(true), host: None, port: None, path: None, query: Query::Keep };

impl Https {
    /// What comes of a request over plain HTTP; `None`: it goes on.
    ///
    /// # Errors
    /// It is refused.
    pub fn admit(self) -> Result<Option<&'static Redirect>, Fault> {
        match self {
            Https::Optional => Ok(None),
            Https::Required => {
                Err(Fault::new(Reason::HttpsRequired, "This route is served over HTTPS only."))
            }
            Https::Redirect => Ok(Some(&TO_HTTPS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::redirect::Asked;

    #[test]
    fn plain_http_is_let_in_refused_or_sent_on() {
        assert_eq!(Https::Optional.admit().unwrap(), None);
        assert_eq!(Https::Required.admit().unwrap_err().reason, Reason::HttpsRequired);
        assert_eq!(Https::Redirect.admit().unwrap().map(|redirect| redirect.status), Some(308));
    }

    #[test]
    fn the_url_stays_but_for_scheme_and_port() {
        for (authority, query, location) in [
            ("api.test", None, "https://api.test/a%2Fb"),
            ("api.test:8080", Some("x=1&y"), "https://api.test/a%2Fb?x=1&y"),
            ("api.test", Some(""), "https://api.test/a%2Fb?"),
        ] {
            let asked = Asked { https: false, host: "api.test", authority, path: "/a%2Fb", query };
            assert_eq!(TO_HTTPS.location(&asked, |_| None).unwrap(), location);
        }
    }
}
