//! Host names: their canonical form, and which host pattern is the most specific for one.

use crate::fault::{Fault, Reason};
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest host name in bytes, without the dot of the root (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// Longest label in bytes.
const MAX_LABEL: usize = 63;

/// The host of an authority in canonical form: lower case, without port, without the dot of the root. Borrowed where
/// it has that form already.
///
/// Names are ASCII letters, digits, `-` and `_` (an internationalised name comes as its A-labels); IPv4 addresses are
/// in dotted decimal form, IPv6 addresses in brackets. What WHATWG parsing would read as an IPv4 address of another
/// form (`0x7f.1`) is refused.
///
/// # Errors
/// `malformed-host`.
pub fn canonical(authority: &str) -> Result<Cow<'_, str>, Fault> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or_else(malformed)?;
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return Err(malformed());
        }
        let address: Ipv6Addr = address.parse().map_err(|_| malformed())?;
        return Ok(Cow::Owned(format!("[{}]", ipv6(address))));
    }
    let host = match authority.split_once(':') {
        Some((host, port)) if is_port(port) => host,
        Some(_) => return Err(malformed()),
        None => authority,
    };
    name(host.strip_suffix('.').unwrap_or(host))
}

/// An authority in canonical form: `host`, which is [`canonical`] of `raw`, with its port unless that is the scheme's
/// own. Borrowed where it has that form already.
pub fn authority<'a>(raw: &'a str, host: &Cow<'a, str>, https: bool) -> Cow<'a, str> {
    // The colons of an IPv6 address are no ports.
    let port = raw.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains(']'));
    let own = if https { 443 } else { 80 };
    match port.and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != own) {
        None => host.clone(),
        Some(port) => {
            let whole = format!("{host}:{port}");
            if whole == raw { Cow::Borrowed(raw) } else { Cow::Owned(whole) }
        }
    }
}

/// What a host pattern in canonical form is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// This host.
    Exact(&'a str),
    /// One label of this name, a dot, and this suffix.
    Label(&'a str, &'a str),
    /// One or more labels, a dot, and this suffix.
    Wildcard(&'a str),
}

/// Takes a pattern in canonical form apart.
pub fn kind(pattern: &str) -> Kind<'_> {
    if let Some(suffix) = pattern.strip_prefix("*.") {
        return Kind::Wildcard(suffix);
    }
    match pattern.strip_prefix('{').and_then(|rest| rest.split_once("}.")) {
        Some((label, suffix)) => Kind::Label(label, suffix),
        None => Kind::Exact(pattern),
    }
}

/// Name and value of the label that the first fitting `{label}.` pattern captures.
pub fn label<'r, 'h>(patterns: &'r [String], host: &'h str) -> Option<(&'r str, &'h str)> {
    let (label, rest) = host.split_once('.')?;
    patterns.iter().find_map(|pattern| match kind(pattern) {
        Kind::Label(name, suffix) if suffix == rest => Some((name, label)),
        _ => None,
    })
}

/// The canonical form of a host pattern of a route file: a host name, or `*.` or `{label}.` and a host name.
///
/// # Errors
/// Text for the author of the pattern.
pub fn pattern(source: &str) -> Result<String, String> {
    let (before, host) = match kind(source) {
        Kind::Exact(host) => (String::new(), host),
        Kind::Wildcard(host) => ("*.".to_owned(), host),
        Kind::Label(name, host) => {
            let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !first || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
                return Err(format!(
                    "`{name}` cannot name a label; use ASCII letters, digits, `_` and `-`, a letter first"
                ));
            }
            (format!("{{{name}}}."), host)
        }
    };
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    match canonical(host) {
        Ok(_) if !before.is_empty() && is_address => Err(format!("`{source}`: an address has no subdomains")),
        Ok(_) if !host.starts_with('[') && host.contains(':') => {
            Err(format!("`{source}` has a port; hosts match on every port"))
        }
        Ok(canonical) => Ok(format!("{before}{canonical}")),
        Err(_) => Err(format!(
            "`{source}` is no host; write a name such as `api.example.com`, `*.example.com` or `{{tenant}}.example.com`"
        )),
    }
}

fn malformed() -> Fault {
    Fault::new(Reason::MalformedHost, "The request names no valid host.")
}

/// An empty port is allowed (RFC 3986 §3.2.3).
fn is_port(port: &str) -> bool {
    port.is_empty() || port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

fn name(host: &str) -> Result<Cow<'_, str>, Fault> {
    // Where the last label begins, and whether it consists of digits.
    let (mut begin, mut digits, mut upper) = (0_usize, true, false);
    let is_length = |begin: usize, end: usize| matches!(end.saturating_sub(begin), 1..=MAX_LABEL);
    for (at, b) in host.bytes().enumerate() {
        match b {
            b'0'..=b'9' => {}
            b'a'..=b'z' | b'-' | b'_' => digits = false,
            b'A'..=b'Z' => (digits, upper) = (false, true),
            b'.' if is_length(begin, at) => (begin, digits) = (at.saturating_add(1), true),
            _ => return Err(malformed()),
        }
    }
    if host.len() > MAX_NAME || !is_length(begin, host.len()) {
        return Err(malformed());
    }
    // The URL standard takes a host for an IPv4 address if its last label is a number, decimal or hexadecimal.
    let hexadecimal = || match host.as_bytes().get(begin..) {
        Some([b'0', b'x' | b'X', rest @ ..]) => rest.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    if (digits || hexadecimal()) && host.parse::<Ipv4Addr>().is_err() {
        return Err(malformed());
    }
    if upper {
        return Ok(Cow::Owned(host.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(host))
}

/// RFC 5952, but IPv4-mapped addresses in hexadecimal, as the URL standard writes them.
fn ipv6(address: Ipv6Addr) -> String {
    match address.to_ipv4_mapped() {
        Some(_) => {
            let [.., high, low] = address.segments();
            format!("::ffff:{high:x}:{low:x}")
        }
        None => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_have_one_form() {
        for (authority, host) in [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM:8443", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("api.example.com.:80", "api.example.com"),
            ("localhost:", "localhost"),
            ("127.0.0.1:8787", "127.0.0.1"),
            ("[::1]:8787", "[::1]"),
            ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
            ("[::ffff:1.2.3.4]", "[::ffff:102:304]"),
            ("a_b.internal", "a_b.internal"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(canonical(authority).unwrap(), host, "{authority}");
            assert!(matches!(canonical(host).unwrap(), Cow::Borrowed(_)) || host.starts_with('['), "{host}");
        }
    }

    #[test]
    fn authorities_have_one_form() {
        for (raw, https, form) in [
            ("api.example.com", true, "api.example.com"),
            ("API.example.com.", true, "api.example.com"),
            ("api.example.com:", true, "api.example.com"),
            ("api.example.com:443", true, "api.example.com"),
            ("api.example.com:0443", true, "api.example.com"),
            ("api.example.com:80", false, "api.example.com"),
            ("api.example.com:80", true, "api.example.com:80"),
            ("api.example.com:443", false, "api.example.com:443"),
            ("API.example.com.:08443", true, "api.example.com:8443"),
            ("[::1]", true, "[::1]"),
            ("[0::1]:8787", true, "[::1]:8787"),
        ] {
            let host = canonical(raw).unwrap();
            let once = authority(raw, &host, https);
            assert_eq!(once, form, "{raw}");
            assert_eq!(canonical(&once).unwrap(), host);
            assert_eq!(authority(&once, &host, https), form);
        }
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for authority in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a:b",
            "a:99999",
            "a:1:2",
            "a:+1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "a b",
            "a%41",
            "a/b",
            "user@a",
            "bücher.example",
            "1.2.3",
            "1.2.3.4.5",
            "0x7f.1",
            "256.1.1.1",
            "01.2.3.4",
            "a.0x",
            "1",
            "a*",
            "a\0",
        ] {
            let fault = canonical(authority).expect_err(authority);
            assert_eq!(fault.reason, Reason::MalformedHost);
        }
        assert!(canonical(&"a".repeat(64)).is_err());
        assert!(canonical(&"a.".repeat(127)).is_ok());
        assert!(canonical(&format!("{}.bb", "a.".repeat(126))).is_err());
    }

    #[test]
    fn patterns() {
        assert_eq!(pattern("API.example.com").unwrap(), "api.example.com");
        assert_eq!(pattern("*.Example.com").unwrap(), "*.example.com");
        assert_eq!(pattern("{Tenant}.Example.com").unwrap(), "{Tenant}.example.com");
        for wrong in ["{}.a", "{1}.a", "{a}", "{a}b.c", "a.{b}.c", "{a}.1.2.3.4", "{a}.{b}.c"] {
            assert!(pattern(wrong).is_err(), "{wrong}");
        }
        for wrong in ["*", "*.", "a.*.b", "*.1.2.3.4", "*.[::1]", "a:80", "https://a", "a/b", ""] {
            assert!(pattern(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn canonical_hosts_are_fixed_points_of_url_parsing(authority in "[a-zA-Z0-9._:\\[\\]x-]{1,24}") {
            if let Ok(host) = canonical(&authority) {
                prop_assert_eq!(&canonical(&host).unwrap(), &host);
                // Punycode is judged by the resolver, not here.
                if !host.contains("xn--") {
                    let url = url::Url::parse(&format!("https://{host}/")).unwrap();
                    prop_assert_eq!(url.host_str(), Some(&*host));
                }
            }
        }

        #[test]
        fn no_text_panics(authority in any::<String>()) {
            let _ = canonical(&authority);
            let _ = pattern(&authority);
        }
    }
}
