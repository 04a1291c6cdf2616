//! An API version's life: current, deprecated (`Deprecation` RFC 9745, `Sunset` RFC 8594, `Link`), retired (410).

use super::headers::Edit;
use crate::fault::{Fault, Reason};
use crate::header::format_date;
use serde::{Deserialize, Serialize};

/// Compiled form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Lifecycle {
    /// In service.
    #[default]
    Current,
    /// In service, with a warning.
    Deprecated {
        /// Since when, Unix seconds.
        since: i64,
        /// When it ends, Unix seconds; not before `since`.
        sunset: Option<i64>,
        /// What to read (`Link` with `rel="deprecation"`).
        link: Option<String>,
        /// URL of the successor (`Link` with `rel="successor-version"`).
        successor: Option<String>,
    },
    /// Out of service: every request is answered with 410.
    Retired {
        /// URL of the successor.
        successor: Option<String>,
    },
}

impl Lifecycle {
    /// Edits of every answer while the version is in service. Fields are added: an origin may have its own.
    pub fn edits(&self) -> Vec<Edit> {
        let Lifecycle::Deprecated { since, sunset, link, successor } = self else { return Vec::new() };
        let add = |name: &'static str, value: String| Edit::Add(name.into(), value.into());
        // An item of structured fields (RFC 9745 §2.1): two of them would be none, so ours replaces an origin's.
        let mut edits = vec![Edit::Set("deprecation".into(), format!("@{since}").into())];
        if let Some(date) = sunset.and_then(format_date) {
            edits.push(Edit::Set("sunset".into(), date.into()));
        }
        if let Some(url) = link {
            edits.push(add("link", format!("<{url}>; rel=\"deprecation\"; type=\"text/html\"")));
        }
        if let Some(url) = successor {
            edits.push(add("link", successor_link(url)));
        }
        edits
    }

    /// The 410 that answers every request to a retired version.
    pub fn fault(&self) -> Option<Fault> {
        let Lifecycle::Retired { successor } = self else { return None };
        let fault = Fault::new(Reason::ApiRetired, "This version of the API is no longer served.");
        Some(match successor {
            Some(url) => fault.member("successor", url.as_str()).header("link", successor_link(url)),
            None => fault,
        })
    }

    /// Refuses dates and links that cannot be sent; for the time of checking.
    pub fn check(&self) -> Result<(), String> {
        let (link, successor) = match self {
            Lifecycle::Current => return Ok(()),
            Lifecycle::Retired { successor } => (&None, successor),
            Lifecycle::Deprecated { since, sunset, link, successor } => {
                if format_date(*since).is_none() {
                    return Err("the date of deprecation must lie between 1970 and 9999".into());
                }
                if let Some(sunset) = sunset {
                    if format_date(*sunset).is_none() {
                        return Err("the date of sunset must lie between 1970 and 9999".into());
                    }
                    // RFC 9745 §4: "the Sunset timestamp MUST NOT be earlier than the one given in Deprecation".
                    if sunset < since {
                        return Err("the sunset lies before the deprecation".into());
                    }
                }
                (link, successor)
            }
        };
        for url in [link, successor].into_iter().flatten() {
            let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&b));
            let form = url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/');
            if !plain || !form {
                return Err(format!("`{}` is no URL: write `https://…` or a path", url.escape_debug()));
            }
        }
        Ok(())
    }
}

fn successor_link(url: &str) -> String {
    format!("<{url}>; rel=\"successor-version\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn deprecated(sunset: Option<i64>, link: Option<&str>) -> Lifecycle {
        let successor = Some("https://api.example.com/orders/v3".to_string());
        Lifecycle::Deprecated { since: 1_688_169_599, sunset, link: link.map(Into::into), successor }
    }

    #[test]
    fn a_deprecated_version_says_so() {
        let edits = deprecated(Some(1_719_792_000), Some("https://docs.example.com/v2")).edits();
        assert_eq!(
            edits,
            [
                Edit::Set("deprecation".into(), "@1688169599".into()),
                Edit::Set("sunset".into(), "Mon, 01 Jul 2024 00:00:00 GMT".into()),
                Edit::Add(
                    "link".into(),
                    r#"<https://docs.example.com/v2>; rel="deprecation"; type="text/html""#.into()
                ),
                Edit::Add(
                    "link".into(),
                    r#"<https://api.example.com/orders/v3>; rel="successor-version""#.into()
                ),
            ]
        );
        assert_eq!(deprecated(None, None).fault(), None);
        assert_eq!(Lifecycle::Current.edits(), []);
        assert_eq!(Lifecycle::Current.fault(), None);
    }

    #[test]
    fn a_retired_version_is_gone() {
        let fault = Lifecycle::Retired { successor: Some("/orders/v3".into()) }.fault().unwrap();
        assert_eq!(fault.reason.status(), 410);
        assert_eq!(fault.members, [("successor", "/orders/v3".into())]);
        assert_eq!(fault.headers, [("link", r#"</orders/v3>; rel="successor-version""#.to_string())]);
        assert_eq!(Lifecycle::Retired { successor: None }.fault().unwrap().headers, []);
        assert_eq!(Lifecycle::Retired { successor: None }.edits(), []);
    }

    #[test]
    fn check() {
        deprecated(Some(1_688_169_599), Some("/docs")).check().unwrap();
        Lifecycle::Current.check().unwrap();
        assert!(deprecated(Some(1_688_169_598), None).check().unwrap_err().contains("before"));
        assert!(deprecated(Some(i64::MAX), None).check().unwrap_err().contains("sunset"));
        for url in
            ["", "docs", "javascript:x", "https://a b", "https://a>; rel=x", "https://a\r\nx: y", "https://é"]
        {
            assert!(deprecated(None, Some(url)).check().is_err(), "{url}");
            assert!(Lifecycle::Retired { successor: Some(url.into()) }.check().is_err(), "{url}");
        }
    }

    proptest! {
        #[test]
        fn what_passes_the_check_is_a_header_value(url in "https://\\PC{0,20}", at in any::<i64>()) {
            let l = deprecated(Some(at), Some(&url));
            if l.check().is_ok() {
                prop_assert!(l.edits().len() == 4);
                prop_assert!(l.edits().iter().all(|e| crate::header::is_value(e.value().unwrap())));
            }
        }
    }
}
