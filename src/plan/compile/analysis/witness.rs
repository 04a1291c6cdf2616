//! A request that shows what was found.

use super::conditions::Thing;
use crate::header::is_token;
use crate::routing::{Asked, Facts};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::borrow::Cow;
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
        let mut media = Vec::new();
        for (thing, value) in values {
            let Some(value) = value else { continue };
            let pair = |name: &str| (name.to_owned(), value.clone());
            match thing {
                Thing::Header(name) => witness.headers.push(pair(name)),
                Thing::Query(name) => witness.query.push(pair(name)),
                Thing::Cookie(name) => witness.cookies.push(pair(name)),
                Thing::Certificate => witness.certificate = true,
                Thing::Media(name) => media.push((*name, value.as_str())),
            }
        }
        if !media.is_empty() {
            witness.headers.push(("accept".into(), accept(media)));
        }
        witness
    }

    /// The URL.
    pub fn url(&self) -> String {
        let query = self.query();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("https://{}{}{mark}{query}", self.host, self.path)
    }

    fn query(&self) -> String {
        let mut out = String::new();
        for (i, (name, value)) in self.query.iter().enumerate() {
            if i > 0 {
                out.push('&');
            }
            encode(name, &mut out);
            out.push('=');
            encode(value, &mut out);
        }
        out
    }

    /// All header fields, that of the cookies included.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let pairs = self.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let cookies = (!self.cookies.is_empty()).then(|| ("cookie", Cow::Owned(cookie(pairs))));
        self.headers.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str()))).chain(cookies)
    }

    /// Asks somebody who sees requests as the router does.
    pub fn ask<T>(&self, ask: impl FnOnce(&Asked<'_, '_>) -> T) -> T {
        let query = self.query();
        ask(&Asked {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: Some(query.as_str()).filter(|query| !query.is_empty()),
            facts: Some(self),
        })
    }
}

impl Facts for Witness {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    fn certificate(&self) -> bool {
        self.certificate
    }
}

impl Serialize for Witness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Witness", 4)?;
        out.serialize_field("method", &self.method)?;
        out.serialize_field("url", &self.url())?;
        let fields: Vec<(&str, Cow<'_, str>)> = self.fields().collect();
        if !fields.is_empty() {
            out.serialize_field("headers", &fields)?;
        }
        if self.certificate {
            out.serialize_field("certificate", &true)?;
        }
        out.end()
    }
}

/// A `Cookie` field with these cookies. What a reader would take from around a value stands in quotes.
pub fn cookie<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let blank = [' ', '\t'];
    let pair = |(name, value): (&str, &str)| {
        let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        let mark = if quoted || value.trim_matches(blank) != value { "\"" } else { "" };
        format!("{name}={mark}{value}{mark}")
    };
    pairs.into_iter().map(pair).collect::<Vec<_>>().join("; ")
}

/// An `Accept` field with these parameters (RFC 9110 §5.6.6).
pub fn accept<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let parameter = |(name, value): (&str, &str)| match is_token(value) {
        true => format!(";{name}={value}"),
        false => format!(";{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    format!("*/*{}", pairs.into_iter().map(parameter).collect::<String>())
}

/// A word of a command line for a POSIX shell, in quotes where it needs them.
fn word(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/:%@+=,".contains(&b)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
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
        write!(f, "`{} {}", self.method, word(&self.url()))?;
        for (name, value) in self.fields() {
            write!(f, " -H {}", word(&format!("{name}: {value}")))?;
        }
        write!(f, "`")?;
        if self.certificate { write!(f, " with a client certificate") } else { Ok(()) }
    }
}
