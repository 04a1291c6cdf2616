//! A request that shows what was found.

use super::conditions::Thing;
use std::fmt;

/// A request, as `tollgate explain` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// Method.
    pub method: String,
    /// Host.
    pub host: String,
    /// Path.
    pub path: String,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Cookies.
    pub cookies: Vec<(String, String)>,
    /// Whether the client shows a certificate.
    pub certificate: bool,
}

impl Witness {
    /// The request with these values.
    pub fn new(method: &str, host: &str, path: &str, values: &[(Thing<'_>, Option<String>)]) -> Witness {
        let mut witness = Witness {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            ..Witness::default()
        };
        let mut media = String::new();
        for (thing, value) in values {
            let Some(value) = value else { continue };
            let pair = |name: &str| (name.to_owned(), value.clone());
            match thing {
                Thing::Header(name) => witness.headers.push(pair(name)),
                Thing::Query(name) => witness.query.push(pair(name)),
                Thing::Cookie(name) => witness.cookies.push(pair(name)),
                Thing::Certificate => witness.certificate = true,
                Thing::Media(name) => media.push_str(&format!(";{name}={value}")),
            }
        }
        if !media.is_empty() {
            witness.headers.push(("accept".into(), format!("*/*{media}")));
        }
        witness
    }

    /// The URL.
    pub fn url(&self) -> String {
        let mut url = format!("https://{}{}", self.host, self.path);
        for (i, (name, value)) in self.query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            encode(name, &mut url);
            url.push('=');
            encode(value, &mut url);
        }
        url
    }
}

fn encode(text: &str, out: &mut String) {
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}", self.method, self.url())?;
        for (name, value) in &self.headers {
            write!(f, " -H '{name}: {value}'")?;
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            write!(f, " -H 'cookie: {}'", pairs.join("; "))?;
        }
        write!(f, "`")?;
        if self.certificate { write!(f, " with a client certificate") } else { Ok(()) }
    }
}
