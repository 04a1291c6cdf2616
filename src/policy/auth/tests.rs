use super::*;
use crate::token::{Algorithm, Keys};
use proptest::prelude::*;
use serde_json::{Value, json};

fn auth(scopes: &[&str], any: bool) -> Auth {
    Auth {
        issuers: vec![1],
        scopes: scopes.iter().map(ToString::to_string).collect(),
        any,
        keep_credentials: false,
        claim_headers: vec![("x-plan".into(), "plan".into()), ("x-roles".into(), "roles".into())],
    }
}

fn identity(consumer: &str, scopes: &[&str], claims: Value) -> Identity {
    Identity {
        issuer: 1,
        consumer: consumer.into(),
        scopes: scopes.join(" "),
        expires: 0,
        valid_from: 0,
        valid_until: 0,
        claims: claims.as_object().unwrap().clone(),
    }
}

fn challenge(fault: &Fault) -> Option<&str> {
    fault.headers.iter().find(|(name, _)| *name == "www-authenticate").map(|(_, value)| value.as_str())
}

#[test]
fn a_bearer_token_is_one_token68() {
    for value in ["Bearer a.b-c_d~e+f/g==", "bearer x", "BEARER x", "Bearer   x", " Bearer x "] {
        assert!(bearer(value).is_ok(), "{value}");
    }
    assert_eq!(bearer("bEaReR  abc="), Ok("abc="));
    for value in ["", " ", "Basic dTpw", "Bearerx y", "Bearer\tx", "DPoP x", "x"] {
        assert_eq!(bearer(value), Err(Reason::TokenMissing), "{value}");
    }
    for value in [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a, Bearer b",
        "Bearer a,b",
        "Bearer =",
        "Bearer a=b",
        "Bearer \"a\"",
        "Bearer \u{e9}",
        "Bearer a\0",
    ] {
        assert_eq!(bearer(value), Err(Reason::TokenMalformed), "{value}");
    }
}

#[test]
fn scopes_are_all_needed_or_any() {
    let holder = |scopes: &[&str]| identity("a", scopes, json!({}));
    assert_eq!(auth(&[], false).authorize(&holder(&[])), Ok(()));
    assert_eq!(auth(&[], true).authorize(&holder(&[])), Ok(()));
    assert_eq!(auth(&["r", "w"], false).authorize(&holder(&["w", "x", "r"])), Ok(()));
    assert_eq!(auth(&["r", "w"], true).authorize(&holder(&["w"])), Ok(()));

    let fault = auth(&["r", "w", "x"], false).authorize(&holder(&["w", "R"])).unwrap_err();
    assert_eq!((fault.reason, fault.reason.status()), (Reason::ScopeInsufficient, 403));
    assert_eq!(
        challenge(&fault),
        Some(r#"Bearer realm="tollgate", error="insufficient_scope", scope="r x""#)
    );
    assert_eq!(fault.members, [("scopes", json!(["r", "x"]))]);
    let fault = auth(&["r", "w"], true).authorize(&holder(&["rw"])).unwrap_err();
    assert!(challenge(&fault).unwrap().ends_with(r#"scope="r w""#));
}

#[test]
fn an_identity_of_another_issuer_is_refused() {
    let stranger = Identity { issuer: 2, ..identity("a", &["r"], json!({})) };
    assert_eq!(auth(&["r"], false).authorize(&stranger).unwrap_err().reason, Reason::TokenIssuer);
}

#[test]
fn each_refusal_has_its_challenge() {
    assert_eq!(challenge(&refuse(Reason::TokenMissing)), Some(r#"Bearer realm="tollgate""#));
    for reason in Reason::ALL.iter().filter(|reason| reason.code().starts_with("token-")) {
        let fault = refuse(*reason);
        assert_eq!(reason.status(), 401);
        let challenge = challenge(&fault).unwrap();
        assert_eq!(
            challenge.contains(r#"error="invalid_token""#),
            *reason != Reason::TokenMissing,
            "{reason:?}"
        );
        assert_eq!(challenge.matches('"').count() % 2, 0);
        assert!(challenge.is_ascii() && !challenge.contains('\\'));
        assert_ne!(fault.detail, reason.title(), "{reason:?} has no sentence of its own");
    }
    for reason in [Reason::IssuerUnavailable, Reason::SecretMissing] {
        assert_eq!(challenge(&refuse(reason)), None);
    }
}

/// Every spelling of the identity fields.
const STRIPPED: &[&str] = &[
    "x-consumer-id",
    "x-consumer_id",
    "x_consumer-id",
    "x_consumer_id",
    "x-consumer-issuer",
    "x-consumer_issuer",
    "x_consumer-issuer",
    "x_consumer_issuer",
    "x-consumer-scopes",
    "x-consumer_scopes",
    "x_consumer-scopes",
    "x_consumer_scopes",
];

#[test]
fn inbound_identity_fields_are_known_in_every_spelling() {
    for name in STRIPPED {
        assert!(is_reserved(None, name) && is_reserved(None, &name.to_uppercase()), "{name}");
    }
    let auth = auth(&[], false);
    for name in ["x-plan", "X-Plan", "x_plan", "X_ROLES"] {
        assert!(is_reserved(Some(&auth), name) && !is_reserved(None, name), "{name}");
    }
    for name in ["", "x-consumer", "x-consumer-id2", "xconsumer-id", "authorization", "x-planet"] {
        assert!(!is_reserved(Some(&auth), name), "{name}");
    }
    // Every spelling of the three with `_` for `-` is in the list.
    assert_eq!(STRIPPED.len(), 3 * 4);
    let unique: std::collections::HashSet<_> = STRIPPED.iter().collect();
    assert_eq!(unique.len(), STRIPPED.len());
}

fn headers(identity: &Identity) -> Vec<(String, String)> {
    let issuer = Issuer {
        id: "customers".into(),
        issuer: "https://id.example".into(),
        audiences: vec!["a".into()],
        algorithms: vec![Algorithm::ES256],
        keys: Keys::Secret("S".into()),
        leeway: 0,
        types: vec![],
        required: vec![],
        scope_claim: "scope".into(),
        consumer_claim: "sub".into(),
    };
    let mut list = Vec::new();
    auth(&[], false)
        .identity_headers(&issuer, identity, |name, value| list.push((name.to_owned(), value.into_owned())));
    list
}

#[test]
fn the_origin_is_told_who_calls() {
    let who = identity("auth0|Zoë 100%", &["r", "w%"], json!({ "plan": "gold", "roles": ["a", "b c"] }));
    let expected = [
        ("x-consumer-id", "auth0|Zo%C3%AB%20100%25"),
        ("x-consumer-issuer", "https://id.example"),
        ("x-consumer-scopes", "r w%25"),
        ("x-plan", "gold"),
        ("x-roles", r#"["a","b%20c"]"#),
    ];
    assert_eq!(headers(&who), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn absent_and_overlong_values_are_left_out() {
    let long = "x".repeat(MAX_VALUE + 1);
    let encoded = "é".repeat(MAX_VALUE / 4);
    let who = identity("a", &[], json!({ "plan": long, "roles": encoded }));
    let names: Vec<_> = headers(&who).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-consumer-id", "x-consumer-issuer"]);
    let who = identity("a", &[], json!({ "plan": "", "roles": null }));
    assert_eq!(headers(&who).len(), 2);
}

proptest! {
    #[test]
    fn no_authorization_panics(value in any::<String>(), rest in any::<String>()) {
        let _ = bearer(&value);
        if let Ok(token) = bearer(&format!("Bearer {rest}")) {
            prop_assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
        }
    }

    #[test]
    fn values_are_safe_and_distinct(one in any::<String>(), two in any::<String>()) {
        let (safe_one, safe_two) = (safe(Cow::Borrowed(&one), b""), safe(Cow::Borrowed(&two), b""));
        prop_assert!(safe_one.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(one == two, safe_one == safe_two);
    }
}
