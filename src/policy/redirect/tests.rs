use super::*;
use crate::policy::rewrite::Prefix;
use proptest::prelude::*;

fn kept() -> Redirect {
    Redirect { status: 302, https: None, host: None, port: None, path: None, query: Query::Keep }
}

fn path(template: &str) -> Option<Path> {
    Some(Path::Template(Rewrite::parse(template, &["id"]).unwrap()))
}

fn prefix(from: &str, to: &str) -> Option<Path> {
    Some(Path::Prefix(Prefix::parse(vec![from.to_owned()], to).unwrap()))
}

fn query(text: &str) -> Query {
    Query::Replace(Rewrite::parse(&format!("{QUERY}{text}"), &["id"]).unwrap())
}

/// The location for a request of this URL, by whatever takes URLs apart at the door.
fn location(redirect: &Redirect, url: &str, id: &str) -> Result<String, Reason> {
    use crate::routing::{host, path};
    let target = path::split(url).unwrap();
    let host = host::canonical(target.authority).unwrap();
    let authority = host::authority(target.authority, &host, target.https);
    let asked = Asked {
        https: target.https,
        host: &host,
        authority: &authority,
        path: target.path,
        query: target.query,
    };
    redirect.location(&asked, |name| (name == "id").then_some(id)).map_err(|fault| fault.reason)
}

#[test]
fn parts_that_are_not_given_are_kept() {
    let to = |url: &str, redirect: Redirect| location(&redirect, url, "7").unwrap();
    let host = || Some("www.example.com".to_owned());
    for (url, redirect, expected) in [
        ("http://a.test/x?y=1", Redirect { host: host(), ..kept() }, "http://www.example.com/x?y=1"),
        ("https://a.test:8443/x", Redirect { host: host(), ..kept() }, "https://www.example.com:8443/x"),
        ("http://a.test:8080/x", Redirect { https: Some(true), ..kept() }, "https://a.test/x"),
        ("https://a.test:8443/x", Redirect { https: Some(false), ..kept() }, "http://a.test/x"),
        ("http://a.test/x", Redirect { https: Some(true), port: Some(443), ..kept() }, "https://a.test/x"),
        ("http://a.test/x", Redirect { https: Some(true), port: Some(80), ..kept() }, "https://a.test:80/x"),
        ("http://a.test/x", Redirect { port: Some(8080), ..kept() }, "http://a.test:8080/x"),
        ("http://a.test:8080/x", Redirect { port: Some(80), ..kept() }, "http://a.test/x"),
        ("http://[::1]:8787/x", Redirect { path: path("/n/{id}"), ..kept() }, "http://[::1]:8787/n/7"),
        (
            "http://a.test/x?y=1",
            Redirect { path: path("/n"), query: Query::Drop, ..kept() },
            "http://a.test/n",
        ),
        (
            "http://a.test/x?y=1",
            Redirect { path: path("/n"), query: query("z={id}"), ..kept() },
            "http://a.test/n?z=7",
        ),
        ("http://a.test/x?y=1", Redirect { query: query("z=2"), ..kept() }, "http://a.test/x?z=2"),
        ("http://a.test/a/b?", Redirect { path: prefix("/a", "/c/d"), ..kept() }, "http://a.test/c/d/b?"),
        ("http://a.test/a", Redirect { path: prefix("/a", ""), ..kept() }, "http://a.test/"),
    ] {
        assert_eq!(to(url, redirect), expected, "{url}");
    }
}

#[test]
fn nobody_is_led_to_where_they_are() {
    let https = Redirect { https: Some(true), ..kept() };
    assert_eq!(location(&https, "https://a.test/x?y", ""), Err(Reason::LoopDetected));
    assert_eq!(location(&https, "https://a.test:443/x?y", ""), Err(Reason::LoopDetected));
    let same = Redirect { path: path("/x/{id}"), ..kept() };
    assert_eq!(location(&same, "http://a.test/x/7", "7"), Err(Reason::LoopDetected));
    for url in ["http://a.test/x/77", "http://a.test/x/7?", "http://a.test/x/7/"] {
        let there = location(&Redirect { query: Query::Drop, ..same.clone() }, url, "7");
        assert_eq!(there.as_deref(), Ok("http://a.test/x/7"), "{url}");
    }
}

#[test]
fn check_refuses_what_leads_nowhere() {
    assert!(kept().check().unwrap_err().contains("itself"));
    assert!(Redirect { https: Some(true), ..kept() }.check().unwrap_err().contains("`https: redirect`"));
    assert!(Redirect { status: 304, path: path("/x"), ..kept() }.check().is_err());
    Redirect { status: 308, path: path("/x"), ..kept() }.check().unwrap();
    Redirect { query: Query::Drop, ..kept() }.check().unwrap();
}

proptest! {
    /// Whatever is captured: no other host, a fixed point of URL parsing, and a field value.
    #[test]
    fn no_captured_value_leads_away(id in "[a-z./;%2eF?#&=+@:\\\\]{0,10}|\\PC{0,8}", given in any::<bool>()) {
        let host = given.then(|| "www.example.com".to_owned());
        let redirect = Redirect { host, path: path("/{id}/x"), query: query("a={id}"), ..kept() };
        if let Ok(location) = location(&redirect, "https://a.test:8443/?q=//evil.example", &id) {
            let url = url::Url::parse(&location).unwrap();
            prop_assert_eq!(url.as_str(), &location);
            prop_assert_eq!(url.host_str(), Some(if given { "www.example.com" } else { "a.test" }));
            prop_assert!(url.username().is_empty() && url.port() == Some(8443) && url.fragment().is_none());
            prop_assert!(crate::header::is_value(&location));
        }
    }
}
