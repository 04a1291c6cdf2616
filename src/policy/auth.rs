//! Who may call a route: accepted issuers and the scopes that a caller needs (RFC 6750), and what the origin is told
//! about the caller.

use crate::fault::{Fault, Reason};
use crate::header::same_field;
use crate::token::{Identity, Issuer, claims::is_scope_token};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write;

/// Compiled form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// Accepted issuers, indexes into the plan's; a token is checked against the one that its `iss` names.
    pub issuers: Vec<u32>,
    /// Scopes needed; empty: none.
    pub scopes: Vec<String>,
    /// Any one of `scopes` is enough; otherwise all are needed.
    pub any: bool,
    /// Forward the `Authorization` field to the origin.
    pub keep_credentials: bool,
    /// Claims passed to the origin: header name (lower case) and claim.
    pub claim_headers: Vec<(String, String)>,
}

/// Field that tells the origin the consumer.
pub const CONSUMER_ID: &str = "x-consumer-id";
/// Field that tells the origin the issuer, by its `iss`. A consumer's name means nothing without it.
pub const CONSUMER_ISSUER: &str = "x-consumer-issuer";
/// Field that tells the origin the granted scopes, separated by spaces.
pub const CONSUMER_SCOPES: &str = "x-consumer-scopes";

/// Longest value of one identity field in bytes, after encoding. A longer one is left out: half a name is a wrong
/// name.
pub const MAX_VALUE: usize = 2048;

/// Whether an inbound field must not reach the origin because the gateway speaks there: an identity field or one of
/// the route's `claim_headers`, in any case, with `_` and `-` alike: origins that follow CGI (RFC 3875 §4.1.18) take
/// `X_Consumer_Id` for `X-Consumer-Id`.
pub fn is_reserved(auth: Option<&Auth>, name: &str) -> bool {
    [CONSUMER_ID, CONSUMER_ISSUER, CONSUMER_SCOPES].iter().any(|own| same_field(own, name))
        || auth.is_some_and(|auth| auth.claim_headers.iter().any(|(own, _)| same_field(own, name)))
}

/// The token in an `Authorization` field (RFC 6750 §2.1): the scheme in any case, spaces, one token68.
///
/// # Errors
/// [`Reason::TokenMissing`] for another scheme, [`Reason::TokenMalformed`] for `Bearer` with anything but one
/// token68, which two joined fields are too.
pub fn bearer(value: &str) -> Result<&str, Reason> {
    let value = value.trim_matches([' ', '\t']);
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::TokenMissing);
    }
    let token = token.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    if body.is_empty() || !body.bytes().all(allowed) { Err(Reason::TokenMalformed) } else { Ok(token) }
}

/// The answer to a request whose credentials were not accepted: the reason's problem with the `WWW-Authenticate`
/// that RFC 6750 §3 wants. No credentials, no error code; what the issuer or the gateway fails at is no challenge.
pub fn refuse(reason: Reason) -> Fault {
    let detail = detail(reason);
    let fault = Fault::new(reason, detail);
    match reason {
        Reason::TokenMissing => fault.header("www-authenticate", r#"Bearer realm="tollgate""#),
        _ if reason.status() == 401 => fault.header(
            "www-authenticate",
            format!(r#"Bearer realm="tollgate", error="invalid_token", error_description="{detail}""#),
        ),
        _ => fault,
    }
}

/// One sentence for the client's developer. Quoted in a header field: ASCII without `"` and `\`.
const fn detail(reason: Reason) -> &'static str {
    match reason {
        Reason::TokenMissing => "This route needs a bearer token in the Authorization field.",
        Reason::TokenMalformed => "The bearer token is not a well-formed JSON Web Token.",
        Reason::TokenUnsigned => "The token is not signed.",
        Reason::TokenAlgorithm => "The token is signed with an algorithm that is not accepted here.",
        Reason::TokenIssuer => "The token comes from an issuer that is not accepted here.",
        Reason::TokenKeyUnknown => "The token names a signing key that its issuer does not publish.",
        Reason::TokenSignature => "The token's signature is not valid.",
        Reason::TokenExpired => "The token has expired.",
        Reason::TokenNotYetValid => "The token is not valid yet.",
        Reason::TokenAudience => "The token is meant for another audience.",
        Reason::TokenType => "The token is of a type that is not accepted here.",
        Reason::TokenClaims => "The token lacks a required claim, or has one of the wrong form.",
        Reason::IssuerUnavailable => "The issuer's keys cannot be had at present. Try again later.",
        Reason::SecretMissing => "The gateway lacks a secret that this route needs.",
        _ => reason.title(),
    }
}

impl Auth {
    /// Whether the identity has the scopes that the route needs.
    ///
    /// # Errors
    /// [`Reason::TokenIssuer`] if its issuer is none of the route's; [`Reason::ScopeInsufficient`] with the scopes
    /// that would help in `WWW-Authenticate` and in the problem's member `scopes`.
    pub fn authorize(&self, identity: &Identity) -> Result<(), Fault> {
        if !self.issuers.contains(&identity.issuer) {
            return Err(refuse(Reason::TokenIssuer));
        }
        let granted = |scope: &String| identity.has_scope(scope);
        let enough = if self.any { self.scopes.iter().any(granted) } else { self.scopes.iter().all(granted) };
        if enough || self.scopes.is_empty() {
            return Ok(());
        }
        // Ours, not the client's, and valid by the compiler; a header is built of them all the same.
        let missing: Vec<&str> = self
            .scopes
            .iter()
            .filter(|scope| !granted(scope) && is_scope_token(scope))
            .map(String::as_str)
            .collect();
        let names = missing.join(" ");
        let detail =
            if self.any { "The token has none of the scopes: " } else { "The token lacks the scopes: " };
        Err(Fault::new(Reason::ScopeInsufficient, format!("{detail}{names}."))
            .member("scopes", missing)
            .header(
                "www-authenticate",
                format!(r#"Bearer realm="tollgate", error="insufficient_scope", scope="{names}""#),
            ))
    }

    /// Calls `set` for each field that tells the origin who calls: name in lower case and value, visible ASCII (and
    /// single spaces between scopes) with all else percent-encoded, `%` too. Claims that are absent or longer than
    /// [`MAX_VALUE`] are left out; [`is_reserved`] fields were removed before, so nothing of the client's stands in
    /// for them.
    pub fn identity_headers<'a>(
        &'a self,
        issuer: &'a Issuer,
        identity: &'a Identity,
        mut set: impl FnMut(&'a str, Cow<'a, str>),
    ) {
        let mut put = |name: &'a str, value: Cow<'a, str>| {
            if value.len() <= MAX_VALUE {
                set(name, value);
            }
        };
        put(CONSUMER_ID, safe(Cow::Borrowed(&identity.consumer), b""));
        put(CONSUMER_ISSUER, safe(Cow::Borrowed(&issuer.issuer), b""));
        if !identity.scopes.is_empty() {
            put(CONSUMER_SCOPES, safe(Cow::Borrowed(&identity.scopes), b" "));
        }
        for (name, claim) in &self.claim_headers {
            if let Some(text) =
                identity.claim_text(claim).filter(|text| !text.is_empty() && text.len() <= MAX_VALUE)
            {
                put(name, safe(text, b""));
            }
        }
    }
}

/// A field value of visible ASCII and the octets of `also`; everything else, and `%`, percent-encoded by its UTF-8
/// octets. Allocates only if something must be encoded.
fn safe<'a>(text: Cow<'a, str>, also: &[u8]) -> Cow<'a, str> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%' || also.contains(&byte);
    if text.bytes().all(plain) {
        return text;
    }
    let mut encoded = String::with_capacity(text.len().saturating_add(16));
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests;
