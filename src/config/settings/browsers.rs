//! What protects people with browsers, and maintenance.

use super::*;
use crate::config::units::{Date, Duration, Network, Secret};

/// `none`, `same-origin`, or whom else it trusts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CsrfUse {
    /// A word.
    Word(CsrfWord),
    /// Whom it trusts.
    Trusting(Csrf),
}

/// Words for [`CsrfUse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum CsrfWord {
    /// Not looked at, also where `defaults` say otherwise.
    None,
    /// No origin but the request's own is trusted.
    SameOrigin,
}

/// Protection against cross-site request forgery: requests other than GET, HEAD and OPTIONS, and handshakes of
/// WebSockets, that a page of another origin made a browser send are refused with 403. `Sec-Fetch-Site` says so, or
/// where a browser does not send it, `Origin`, whose host must be the request's. Requests with neither come from no
/// browser, and pass.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Csrf {
    /// Other origins whose pages may send such requests: exact (`https://app.example.com`) or
    /// `https://*.example.com`.
    #[schemars(length(min = 1))]
    pub trusted: Vec<String>,
}

/// `none`, `default`, or the fields.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SecurityUse {
    /// A word.
    Word(SecurityWord),
    /// The fields.
    Fields(Security),
}

/// Words for [`SecurityUse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SecurityWord {
    /// None of the fields, also where `defaults` say otherwise.
    None,
    /// Each field as it is unless said otherwise.
    Default,
}

/// Response fields that make browsers stricter, on every answer of the route; in `defaults`, also on answers that belong
/// to the API and to no route (404, 405, OPTIONS). They replace the origin's, and `headers.response` comes after them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct Security {
    /// `Strict-Transport-Security`, on answers over HTTPS. Default: `max-age` of a year, for this host alone.
    pub hsts: Option<HstsUse>,
    /// `X-Content-Type-Options: nosniff`. Default: true.
    pub nosniff: Option<bool>,
    /// Who may show the answer in a frame, by `X-Frame-Options` and `frame-ancestors`. Default: `deny`, or what
    /// `frame-ancestors` in `csp` says.
    pub frames: Option<Frames>,
    /// `Referrer-Policy`. Default: `no-referrer`.
    pub referrer: Option<Referrer>,
    /// `Content-Security-Policy`, added to the origin's: browsers hold to both. Default: `frame-ancestors` alone.
    #[schemars(length(min = 1))]
    pub csp: Option<String>,
    /// `Permissions-Policy`. Default: none.
    #[schemars(length(min = 1))]
    pub permissions: Option<String>,
    /// `Cross-Origin-Opener-Policy`. Default: none.
    pub coop: Option<Opener>,
    /// `Cross-Origin-Resource-Policy`. Default: none.
    pub corp: Option<Resource>,
    /// `Cross-Origin-Embedder-Policy`. Default: none.
    pub coep: Option<Embedder>,
    /// Take the origin's `Server` and `X-Powered-By` away. Default: true.
    pub hide_server: Option<bool>,
}

/// `true`, `false` or `redirect`. It is decided before the caller is looked at, by the scheme of the request's URL, or
/// behind a trusted proxy by its `X-Forwarded-Proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HttpsUse {
    /// Whether plain HTTP is refused, with 403: for APIs whose callers have secrets. Whoever sends one in the clear should
    /// learn it, and a redirect would hide it.
    Required(bool),
    /// A word.
    Word(HttpsWord),
}

/// Words for [`HttpsUse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum HttpsWord {
    /// Plain HTTP is answered with 308 and the same URL by HTTPS, at its own port.
    Redirect,
}

/// `none`, or for how long.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HstsUse {
    /// `none`: the field is not sent.
    Off(Nothing),
    /// What it says.
    On(Hsts),
}

/// Strict transport security (RFC 6797): browsers come by HTTPS only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Hsts {
    /// For how long. Default: 8760h, a year.
    pub max_age: Option<Duration>,
    /// Also for all hosts below this one. Default: false.
    pub subdomains: Option<bool>,
    /// Browsers may build the host into their list. Needs `subdomains: true` and a year. Default: false.
    pub preload: Option<bool>,
}

/// Who may show an answer in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Frames {
    /// Nobody.
    Deny,
    /// Pages of the same origin.
    SameOrigin,
    /// Nothing is said of it.
    None,
}

macro_rules! words {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$word_doc:meta])* $word:ident = $text:literal, )+ } )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
        pub enum $name { $( $(#[$word_doc])* #[serde(rename = $text)] $word, )+ }

        impl $name {
            /// As the field has it.
            pub const fn word(self) -> &'static str { match self { $( $name::$word => $text, )+ } }
        }
    )+ };
}

words! {
    /// What a browser tells other sites of where a request comes from (Referrer Policy §3).
    Referrer {
        /// The field is not sent.
        None = "none",
        /// Nothing.
        NoReferrer = "no-referrer",
        /// The URL, but not from HTTPS to HTTP.
        NoReferrerWhenDowngrade = "no-referrer-when-downgrade",
        /// The URL, to the same origin.
        SameOrigin = "same-origin",
        /// The origin.
        Origin = "origin",
        /// The origin, but not from HTTPS to HTTP.
        StrictOrigin = "strict-origin",
        /// The URL to the same origin, the origin to others.
        OriginWhenCrossOrigin = "origin-when-cross-origin",
        /// The same, but nothing from HTTPS to HTTP.
        StrictOriginWhenCrossOrigin = "strict-origin-when-cross-origin",
        /// The URL, to everybody.
        UnsafeUrl = "unsafe-url",
    }
    /// Which windows share a page's group (HTML §7.1.3).
    Opener {
        /// Those that it opens, and that open it.
        UnsafeNone = "unsafe-none",
        /// Of the same origin, and those that it opens.
        SameOriginAllowPopups = "same-origin-allow-popups",
        /// Of the same origin.
        SameOrigin = "same-origin",
        /// None.
        NoopenerAllowPopups = "noopener-allow-popups",
    }
    /// Who may load an answer without CORS (Fetch §3.6).
    Resource {
        /// Pages of the same origin.
        SameOrigin = "same-origin",
        /// Pages of the same site.
        SameSite = "same-site",
        /// Everybody.
        CrossOrigin = "cross-origin",
    }
    /// What a page may load without CORS (HTML §7.1.4).
    Embedder {
        /// Everything.
        UnsafeNone = "unsafe-none",
        /// What allows it by `Cross-Origin-Resource-Policy`.
        RequireCorp = "require-corp",
        /// The same, or without credentials.
        Credentialless = "credentialless",
    }
}

/// `none`, or the maintenance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MaintenanceUse {
    /// `none`: the route serves, also where `defaults` say otherwise.
    Off(Nothing),
    /// The maintenance.
    On(Maintenance),
}

/// Maintenance: every request is refused with 503, before its caller is looked at.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Maintenance {
    /// Whether it is now; a variable makes it a matter of the environment. Default: true.
    pub on: Option<bool>,
    /// When it ends by itself; clients are told by `Retry-After` how long that is.
    pub until: Option<Date>,
    /// When clients may come again (`Retry-After`), from 1s to 720h, where no end is known. Not together with `until`.
    pub retry_after: Option<Duration>,
    /// What clients are told: the problem's `detail`. Default: that the API is under maintenance.
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// Addresses and networks that are served nevertheless.
    #[serde(default)]
    pub allow: Vec<Network>,
    /// A secret by which people are served nevertheless.
    pub key: Option<MaintenanceKey>,
}

/// A secret by which people are served during maintenance. Origins never get it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct MaintenanceKey {
    /// The request header that holds it, e.g. `x-preview`.
    #[schemars(length(min = 1, max = 64))]
    pub header: String,
    /// The name of the secret.
    pub secret: Secret,
}
