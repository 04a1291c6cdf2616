//! Everything that can go wrong with a request, as one closed list.
//!
//! A [`Reason`] is an interface: its code is the metric label, the `type` of the problem body
//! (RFC 9457 §3.1.1) and the name of its page under `docs/problems/`. A [`Fault`] is one reason met by one
//! request: what the client may read is apart from what only the operator may.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($( $(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal; )+) => {
        /// Why the gateway answered by itself. The code never changes once released.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $( $(#[$doc])* $name, )+ }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Reason] = &[ $( Reason::$name, )+ ];
            /// Stable code: last segment of the problem type, metric label, file name in the docs.
            pub const fn code(self) -> &'static str { match self { $( Reason::$name => $code, )+ } }
            /// The problem's `type`: a path, the same for every occurrence.
            pub const fn kind(self) -> &'static str { match self { $( Reason::$name => concat!("/problems/", $code), )+ } }
            /// HTTP status of the answer.
            pub const fn status(self) -> u16 { match self { $( Reason::$name => $status, )+ } }
            /// The status as text.
            pub const fn digits(self) -> &'static str { match self { $( Reason::$name => stringify!($status), )+ } }
            /// The problem's `title`: the same words for every occurrence.
            pub const fn title(self) -> &'static str { match self { $( Reason::$name => $title, )+ } }
        }
    };
}

reasons! {
    /// The path holds an encoded slash, a backslash, NUL, hidden dot segments or invalid UTF-8.
    MalformedPath = "malformed-path", 400, "Malformed path";
    /// The `Host` is missing or cannot name a host.
    MalformedHost = "malformed-host", 400, "Malformed host";
    /// A header field that the gateway must understand cannot be parsed.
    MalformedHeader = "malformed-header", 400, "Malformed header field";
    /// The target is longer than the gateway accepts.
    UriTooLong = "uri-too-long", 414, "URI too long";
    /// The method is none that the gateway knows or may forward.
    MethodUnknown = "method-unknown", 501, "Method not implemented";
    /// No route matches.
    NotFound = "not-found", 404, "Not found";
    /// A route matches but for the method; `Allow` says which it has.
    MethodNotAllowed = "method-not-allowed", 405, "Method not allowed";
    /// The API version is retired.
    ApiRetired = "api-retired", 410, "API version retired";
    /// The route is served over HTTPS only.
    HttpsRequired = "https-required", 403, "HTTPS required";
    /// The route is under maintenance.
    Maintenance = "maintenance", 503, "Under maintenance";
    /// A page of another site made a browser send the request, and the route refuses such.
    CrossSite = "cross-site", 403, "Cross-site request refused";
    /// The request has passed this gateway before, or the route redirects it to itself.
    LoopDetected = "loop-detected", 508, "Loop detected";
    /// The body is larger than the route accepts.
    BodyTooLarge = "body-too-large", 413, "Content too large";
    /// The route limits bodies and the request does not declare its length.
    LengthRequired = "length-required", 411, "Length required";
    /// No credentials on a route that needs them.
    TokenMissing = "token-missing", 401, "Credentials required";
    /// What was sent is not a JSON Web Token of the compact form.
    TokenMalformed = "token-malformed", 401, "Malformed token";
    /// The token's algorithm is not one that the issuer uses.
    TokenAlgorithm = "token-algorithm", 401, "Algorithm not accepted";
    /// The token says itself that nobody has signed it (`alg: none`).
    TokenUnsigned = "token-unsigned", 401, "Unsigned token";
    /// The token's issuer is none that the route accepts.
    TokenIssuer = "token-issuer", 401, "Issuer not accepted";
    /// No key of the issuer fits the token.
    TokenKeyUnknown = "token-key-unknown", 401, "Signing key unknown";
    /// The signature does not verify.
    TokenSignature = "token-signature", 401, "Invalid signature";
    /// The token has expired.
    TokenExpired = "token-expired", 401, "Token expired";
    /// The token is not valid yet.
    TokenNotYetValid = "token-not-yet-valid", 401, "Token not yet valid";
    /// The token is meant for another audience.
    TokenAudience = "token-audience", 401, "Audience not accepted";
    /// The token's `typ` is not one that the issuer uses for access tokens.
    TokenType = "token-type", 401, "Token type not accepted";
    /// A claim that the issuer requires is missing or has the wrong form.
    TokenClaims = "token-claims", 401, "Required claim missing";
    /// The token has none of, or not all of, the scopes that the route needs.
    ScopeInsufficient = "scope-insufficient", 403, "Insufficient scope";
    /// The issuer's keys could not be had, and no earlier ones are known.
    IssuerUnavailable = "issuer-unavailable", 503, "Issuer unavailable";
    /// A rate limit is exhausted for now.
    RateLimited = "rate-limited", 429, "Rate limit exceeded";
    /// A quota is exhausted until its period ends.
    QuotaExhausted = "quota-exhausted", 429, "Quota exhausted";
    /// The object that keeps a limit did not answer in time, and the limit fails closed.
    LimitUnavailable = "limit-unavailable", 503, "Limit unavailable";
    /// A secret that the route needs is not bound.
    SecretMissing = "secret-missing", 503, "Gateway not fully configured";
    /// No upstream could be reached, or it broke off before its answer's headers were complete.
    UpstreamUnreachable = "upstream-unreachable", 502, "Upstream unreachable";
    /// The upstream's answer did not arrive in time.
    UpstreamTimeout = "upstream-timeout", 504, "Upstream timeout";
    /// The upstream's answer could not be used, e.g. a part of a combined answer that is no JSON.
    UpstreamInvalid = "upstream-invalid", 502, "Invalid upstream answer";
    /// The client wants nothing but a stored answer (`only-if-cached`), and none is usable (RFC 9111 §5.2.1.7).
    NotCached = "not-cached", 504, "Not in the cache";
    /// An administrative path without the administrator's token.
    AdminDenied = "admin-denied", 401, "Administrator token required";
    /// The plan is missing, corrupt or of a newer format.
    PlanUnusable = "plan-unusable", 503, "Gateway not configured";
    /// A fault of the gateway itself.
    GatewayFault = "gateway-fault", 500, "Gateway fault";
    /// The client went away before it was answered: of events only, with the status that nginx made usual.
    ClientGone = "client-gone", 499, "Client closed request";
}

/// One reason met by one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What went wrong.
    pub reason: Reason,
    /// The problem's `detail`: safe for strangers; never a secret, an internal URL or a claim's value.
    pub detail: String,
    /// Members of the problem body beyond the standard ones.
    pub members: Vec<(&'static str, serde_json::Value)>,
    /// Header fields of the answer, such as `WWW-Authenticate`, `Retry-After` or `Allow`.
    pub headers: Vec<(&'static str, String)>,
    /// For the event only.
    pub private: String,
}

impl Fault {
    /// A fault with the public `detail` and nothing else.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Fault {
            reason,
            detail: detail.into(),
            members: Vec::new(),
            headers: Vec::new(),
            private: String::new(),
        }
    }
    /// Adds a member to the problem body.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }
    /// Adds a header field to the answer.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
    /// Sets what only the operator may read.
    #[must_use]
    pub fn private(mut self, text: impl Into<String>) -> Self {
        self.private = text.into();
        self
    }
}
