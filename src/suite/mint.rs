//! Tokens of made-up issuers, really signed.

use crate::config::settings::{Caller, SignatureFault};
use crate::outside::{self, Signer};
use crate::token::{Algorithm, Issuer};
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What a secret of a simulated gateway is: long enough for every HS algorithm and for an administrator.
pub const SECRET: &str = "a secret of a simulated gateway, sixty-four octets or more of them";

/// The key that issuers publish, and callers sign with, unless a test says otherwise.
pub const CURRENT: &str = "current";

thread_local! {
    /// Keys by algorithm and name: making one costs more than a test.
    static KEYS: RefCell<HashMap<(Algorithm, String), Rc<Signer>>> = RefCell::default();
}

fn signer(algorithm: Algorithm, name: &str) -> Option<Rc<Signer>> {
    KEYS.with_borrow_mut(|keys| {
        let known = keys.get(&(algorithm, name.to_owned())).cloned();
        known.or_else(|| {
            let made = Rc::new(Signer::new(algorithm, SECRET.as_bytes()).ok()?);
            keys.insert((algorithm, name.to_owned()), Rc::clone(&made));
            Some(made)
        })
    })
}

/// The JWK Set with the keys of these names, in every algorithm of the issuer.
pub fn key_set(issuer: &Issuer, names: &[String]) -> String {
    let mut keys = Vec::new();
    for name in names {
        for algorithm in &issuer.algorithms {
            let kid = kid(name, *algorithm);
            let Some(Value::Object(mut jwk)) = signer(*algorithm, &kid).and_then(|signer| signer.jwk())
            else {
                continue;
            };
            jwk.insert("kid".into(), kid.into());
            jwk.insert("alg".into(), algorithm.name().into());
            jwk.insert("use".into(), "sig".into());
            keys.push(Value::Object(jwk));
        }
    }
    json!({ "keys": keys }).to_string()
}

/// Ids tell keys of one name apart that are of different kinds.
fn kid(name: &str, algorithm: Algorithm) -> String {
    format!("{name}-{}", algorithm.name())
}

/// The token of a caller at a moment, in milliseconds since 1970.
///
/// # Errors
/// A caller for whom none can be made.
pub fn token(caller: &Caller, issuer: &Issuer, now: u64) -> Result<String, String> {
    if let Some(token) = &caller.token {
        return Ok(token.clone());
    }
    let algorithm = caller.algorithm.or_else(|| issuer.algorithms.first().copied());
    let algorithm = algorithm.ok_or("the issuer accepts no algorithm")?;
    let kid = kid(caller.key.as_deref().unwrap_or(CURRENT), algorithm);
    let signer = signer(algorithm, &kid).ok_or("there is no randomness for a key")?;
    let mut header = match caller.signature {
        Some(SignatureFault::None) => json!({ "alg": "none" }),
        Some(SignatureFault::PublicKey) => json!({ "alg": "HS256", "kid": kid }),
        Some(SignatureFault::Wrong) | None => json!({ "alg": algorithm.name(), "kid": kid }),
    };
    if let (Some(typ), Some(members)) =
        (caller.r#type.as_ref().or(issuer.types.first()), header.as_object_mut())
    {
        members.insert("typ".into(), typ.clone().into());
    }
    let encode = |value: &[u8]| Base64UrlUnpadded::encode_string(value);
    let claims = Value::Object(claims(caller, issuer, now)).to_string();
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.as_bytes()));
    let signature = match caller.signature {
        Some(SignatureFault::None) => Vec::new(),
        Some(SignatureFault::PublicKey) => {
            let public = signer.jwk().unwrap_or_default().to_string();
            outside::hmac_sha256(public.as_bytes(), input.as_bytes()).map_err(|error| error.to_string())?
        }
        Some(SignatureFault::Wrong) => signer.sign(b"another text").map_err(|error| error.to_string())?,
        None => signer.sign(input.as_bytes()).map_err(|error| error.to_string())?,
    };
    Ok(format!("{input}.{}", encode(&signature)))
}

fn claims(caller: &Caller, issuer: &Issuer, now: u64) -> Map<String, Value> {
    let moment = |offset: i64| i64::try_from(now).unwrap_or(i64::MAX).saturating_add(offset).div_euclid(1000);
    let mut claims = Map::new();
    claims.insert("iss".into(), issuer.issuer.clone().into());
    claims.insert("aud".into(), caller.audience.as_ref().or(issuer.audiences.first()).cloned().into());
    claims.insert(issuer.consumer_claim.clone(), caller.sub.as_deref().unwrap_or("ann").into());
    for name in &issuer.required {
        claims.entry(name.clone()).or_insert_with(|| "made up".into());
    }
    claims
        .insert("exp".into(), moment(caller.expires.as_ref().map_or(3_600_000, |expires| expires.0)).into());
    claims.extend(caller.starts.as_ref().map(|starts| ("nbf".to_owned(), moment(starts.0).into())));
    if !caller.scopes.is_empty() {
        claims.insert(issuer.scope_claim.clone(), caller.scopes.join(" ").into());
    }
    for (name, value) in &caller.claims {
        claims.insert(name.clone(), value.clone());
    }
    claims.retain(|name, _| !caller.without.contains(name));
    claims
}
