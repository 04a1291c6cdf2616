//! Claims (RFC 7519 §4): what an issuer's tokens must say, and the identity that follows.
//!
//! `jwt-compact`'s own checks are not used: they accept a token at the very second of `exp` where §4.1.4 does not,
//! and subtract the leeway from `nbf` without a bound, which panics for dates that anyone can write.

use super::Issuer;
use crate::fault::Reason;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Longest consumer name in bytes.
pub const MAX_CONSUMER: usize = 256;
/// Most scopes in a token.
pub const MAX_SCOPES: usize = 256;

/// Who calls, as a verified token says.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Index of the issuer in the plan. A consumer's name is unique within its issuer only.
    pub issuer: u32,
    /// The consumer: 1 to [`MAX_CONSUMER`] bytes without control characters.
    pub consumer: String,
    /// Granted scopes as the token lists them, each a scope-token, with single spaces between (RFC 6749 §3.3): one
    /// text, ready for the origin. See [`Identity::has_scope`].
    pub scopes: String,
    /// `exp` in Unix seconds, without leeway.
    pub expires: u64,
    /// First Unix second at which the token is accepted, leeway included (0: at any time).
    pub valid_from: u64,
    /// First Unix second at which it is not any more, leeway included.
    pub valid_until: u64,
    /// All claims.
    pub claims: Map<String, Value>,
}

impl Identity {
    /// Whether a scope was granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.split(' ').any(|granted| granted == scope) && !scope.is_empty()
    }

    /// A claim as text, for limit keys and header fields: strings as they are, numbers and booleans as JSON writes
    /// them, arrays and objects as compact JSON. `None` if it is absent or null.
    pub fn claim_text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.claims.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    /// Whether the token's own dates hold at `now` (Unix seconds).
    pub fn valid_at(&self, now: u64) -> bool {
        self.valid_from <= now && now < self.valid_until
    }
}

/// Checks the header's `typ` against the issuer's list, without regard to case and an `application/` prefix
/// (RFC 7515 §4.1.9).
///
/// # Errors
/// [`Reason::TokenType`].
pub fn typ(issuer: &Issuer, typ: Option<&str>) -> Result<(), Reason> {
    if issuer.types.is_empty() {
        return Ok(());
    }
    let typ = typ.ok_or(Reason::TokenType)?;
    let short = match typ.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => typ,
    };
    if issuer.types.iter().any(|accepted| accepted.eq_ignore_ascii_case(short)) {
        Ok(())
    } else {
        Err(Reason::TokenType)
    }
}

/// Checks the claims of a token of `issuer` (at `index` in the plan) at `now` (Unix seconds).
///
/// # Errors
/// [`Reason::TokenIssuer`], [`Reason::TokenAudience`], [`Reason::TokenExpired`], [`Reason::TokenNotYetValid`] (`nbf`
/// or `iat` in the future beyond the leeway), or [`Reason::TokenClaims`] for a claim that is missing or of the wrong
/// form.
pub fn check(index: u32, issuer: &Issuer, claims: &Map<String, Value>, now: u64) -> Result<Identity, Reason> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer.issuer.as_str()) {
        return Err(Reason::TokenIssuer);
    }
    audience(issuer, claims.get("aud"))?;
    let leeway = u64::from(issuer.leeway);
    let expires = date(claims, "exp")?.ok_or(Reason::TokenClaims)?;
    let valid_until = expires.saturating_add(leeway);
    if now >= valid_until {
        return Err(Reason::TokenExpired);
    }
    // A date with a fraction of a second counts from the next whole one where it begins something.
    let valid_from = date_up(claims, "nbf")?.unwrap_or(0).saturating_sub(leeway);
    if now < valid_from || date(claims, "iat")?.is_some_and(|issued| issued.saturating_sub(leeway) > now) {
        return Err(Reason::TokenNotYetValid);
    }
    if issuer.required.iter().any(|name| claims.get(name).is_none_or(Value::is_null)) {
        return Err(Reason::TokenClaims);
    }
    let consumer = claims.get(&issuer.consumer_claim).and_then(Value::as_str).ok_or(Reason::TokenClaims)?;
    if consumer.is_empty() || consumer.len() > MAX_CONSUMER || consumer.chars().any(char::is_control) {
        return Err(Reason::TokenClaims);
    }
    Ok(Identity {
        issuer: index,
        consumer: consumer.to_owned(),
        scopes: scopes(claims.get(&issuer.scope_claim))?,
        expires,
        valid_from,
        valid_until,
        claims: claims.clone(),
    })
}

fn audience(issuer: &Issuer, aud: Option<&Value>) -> Result<(), Reason> {
    let accepts =
        |value: &Value| value.as_str().is_some_and(|aud| issuer.audiences.iter().any(|own| own == aud));
    match aud {
        Some(Value::Array(list)) if list.iter().all(Value::is_string) && list.iter().any(accepts) => Ok(()),
        Some(value @ Value::String(_)) if accepts(value) => Ok(()),
        _ => Err(Reason::TokenAudience),
    }
}

/// A NumericDate (RFC 7519 §2), fractions cut off. Dates before 1970 count as 1970.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Reason> {
    Ok(number(claims, name)?.map(|(whole, _)| whole))
}

/// The same, fractions rounded up.
fn date_up(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Reason> {
    Ok(number(claims, name)?.map(|(whole, fraction)| whole.saturating_add(u64::from(fraction))))
}

fn number(claims: &Map<String, Value>, name: &str) -> Result<Option<(u64, bool)>, Reason> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(whole) = value.as_u64() {
        return Ok(Some((whole, false)));
    }
    match value.as_f64() {
        // Float to integer casts saturate, so every finite number is in range.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(number) if number.is_finite() => {
            Ok(Some((number as u64, number > 0.0 && number.fract() != 0.0)))
        }
        _ => Err(Reason::TokenClaims),
    }
}

fn scopes(claim: Option<&Value>) -> Result<String, Reason> {
    let list: Vec<&str> = match claim {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().ok_or(Reason::TokenClaims)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(Reason::TokenClaims),
    };
    if list.len() > MAX_SCOPES || !list.iter().all(|scope| is_scope_token(scope)) {
        return Err(Reason::TokenClaims);
    }
    Ok(list.join(" "))
}

/// `scope-token` of RFC 6749 §3.3: visible ASCII but for `"` and `\`.
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
