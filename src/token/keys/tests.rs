use super::*;
use base64ct::{Base64UrlUnpadded, Encoding};
use proptest::prelude::*;
use serde_json::json;

fn bytes(length: usize) -> String {
    Base64UrlUnpadded::encode_string(&vec![0xff; length])
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "n": bytes(256), "e": "AQAB" })
}

fn ec(crv: &str, length: usize) -> Value {
    json!({ "kty": "EC", "crv": crv, "x": bytes(length), "y": bytes(length) })
}

fn okp() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(32) })
}

fn oct(length: usize) -> Value {
    json!({ "kty": "oct", "k": bytes(length) })
}

fn and(mut key: Value, name: &str, value: impl Into<Value>) -> Value {
    key[name] = value.into();
    key
}

fn set(keys: &[Value]) -> Result<KeySet, SetError> {
    KeySet::parse(&json!({ "keys": keys }).to_string())
}

fn fitting(key: Value) -> Vec<&'static str> {
    let set = set(&[key]).unwrap();
    Algorithm::ALL.iter().filter(|alg| set.has(None, **alg)).map(|alg| alg.name()).collect()
}

#[test]
fn a_key_fits_the_algorithms_of_its_type_curve_and_length() {
    assert_eq!(fitting(rsa()), ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]);
    assert_eq!(fitting(ec("P-256", 32)), ["ES256"]);
    assert_eq!(fitting(ec("P-384", 48)), ["ES384"]);
    assert_eq!(fitting(okp()), ["EdDSA"]);
    assert_eq!(fitting(oct(32)), ["HS256"]);
    assert_eq!(fitting(oct(48)), ["HS256", "HS384"]);
    assert_eq!(fitting(oct(64)), ["HS256", "HS384", "HS512"]);
    assert_eq!(fitting(and(rsa(), "alg", "PS256")), ["PS256"]);
    assert_eq!(fitting(and(okp(), "alg", "Ed25519")), ["EdDSA"]);
    assert_eq!(fitting(and(rsa(), "use", "sig")).len(), 6);
    assert_eq!(fitting(and(rsa(), "key_ops", json!(["verify"]))).len(), 6);
}

#[test]
fn unusable_keys_are_skipped_and_named() {
    let unusable = [
        json!("key"),
        json!({}),
        json!({ "kty": "XYZ" }),
        json!({ "kty": "RSA", "n": bytes(255), "e": "AQAB" }),
        json!({ "kty": "RSA", "n": bytes(1025), "e": "AQAB" }),
        json!({ "kty": "RSA", "n": bytes(256), "e": "AQ" }),
        json!({ "kty": "RSA", "n": bytes(256), "e": "" }),
        json!({ "kty": "RSA", "n": bytes(256), "e": "Ag" }),
        json!({ "kty": "RSA", "n": bytes(256), "e": bytes(5) }),
        json!({ "kty": "RSA", "n": bytes(256) }),
        json!({ "kty": "RSA", "n": format!("{}=", bytes(256)), "e": "AQAB" }),
        json!({ "kty": "RSA", "n": 7, "e": "AQAB" }),
        ec("P-521", 66),
        ec("secp256k1", 32),
        ec("P-256", 31),
        ec("P-256", 48),
        json!({ "kty": "EC", "crv": "P-256", "x": bytes(32) }),
        json!({ "kty": "OKP", "crv": "X25519", "x": bytes(32) }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": bytes(33) }),
        oct(31),
        oct(0),
        oct(MAX_SECRET + 1),
        and(oct(32), "alg", "HS512"),
        and(oct(32), "alg", "A256GCM"),
        and(rsa(), "alg", "ES256"),
        and(rsa(), "alg", "none"),
        and(rsa(), "alg", 1),
        and(rsa(), "use", "enc"),
        and(rsa(), "use", Value::Null),
        and(rsa(), "key_ops", json!(["encrypt"])),
        and(rsa(), "key_ops", "verify"),
        and(rsa(), "kid", 1),
        and(rsa(), "kid", "k".repeat(257)),
        and(rsa(), "d", bytes(256)),
        and(okp(), "d", bytes(32)),
    ];
    for key in &unusable {
        assert_eq!(set(std::slice::from_ref(key)), Err(SetError::Empty), "{key}");
    }
    let mut keys = unusable.to_vec();
    keys.push(rsa());
    let set = set(&keys).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, unusable.len()));
}

#[test]
fn leading_zeros_of_a_modulus_do_not_count() {
    let padded = |zeros: usize, length: usize| {
        let modulus = [vec![0; zeros], vec![0xff; length]].concat();
        json!({ "kty": "RSA", "n": Base64UrlUnpadded::encode_string(&modulus), "e": "AAEAAQ" })
    };
    assert_eq!(set(&[padded(8, 255)]), Err(SetError::Empty));
    let key = set(&[padded(1, 256)]).unwrap().candidates(None, Algorithm::RS256).remove(0);
    assert_eq!(serde_json::from_str::<Value>(key.jwk()).unwrap(), rsa());
}

#[test]
fn a_set_is_bounded_and_an_object() {
    for text in
        ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[{"kty":"a","kty":"b"}]}"#]
    {
        assert_eq!(KeySet::parse(text), Err(SetError::Malformed), "{text}");
    }
    assert_eq!(set(&[]), Err(SetError::Empty));
    assert_eq!(KeySet::parse(&" ".repeat(MAX_SET + 1)), Err(SetError::TooLong));
    assert!(set(&vec![okp(); MAX_KEYS]).is_ok());
    assert_eq!(set(&vec![okp(); MAX_KEYS + 1]), Err(SetError::TooMany));
}

#[test]
fn a_kid_selects_and_its_absence_needs_a_single_choice() {
    let two =
        set(&[and(rsa(), "kid", "a"), and(rsa(), "kid", "b"), and(okp(), "kid", "a"), oct(32)]).unwrap();
    let count = |kid, algorithm| two.candidates(kid, algorithm).len();
    assert_eq!(count(Some("a"), Algorithm::RS256), 1);
    assert_eq!(count(Some("a"), Algorithm::EdDSA), 1);
    assert_eq!(count(Some("c"), Algorithm::RS256), 0);
    assert_eq!(count(Some("b"), Algorithm::EdDSA), 0);
    assert_eq!(count(Some(""), Algorithm::HS256), 0);
    assert_eq!(count(None, Algorithm::RS256), 0);
    assert_eq!(count(None, Algorithm::EdDSA), 1);
    // No algorithm confusion: the public keys never fit HS*, whatever their id.
    assert_eq!(count(Some("a"), Algorithm::HS256), 0);
    let many = set(&vec![and(okp(), "kid", "a"); 9]).unwrap();
    assert_eq!(many.candidates(Some("a"), Algorithm::EdDSA).len(), MAX_CANDIDATES);
}

#[test]
fn a_secret_is_meant_whatever_the_kid() {
    let set = KeySet::secret(&"s".repeat(32)).unwrap();
    assert!(set.has(Some("any"), Algorithm::HS256) && set.has(None, Algorithm::HS256));
    assert!(!set.has(None, Algorithm::HS384) && !set.has(None, Algorithm::ES256));
    assert_eq!(KeySet::secret(&"s".repeat(31)), Err(SetError::Empty));
}

#[test]
fn secrets_are_not_shown_for_debugging() {
    let set = KeySet::secret(&"s".repeat(32)).unwrap();
    let k = Base64UrlUnpadded::encode_string(&[b's'; 32]);
    assert!(set.candidates(None, Algorithm::HS256)[0].jwk().contains(&k));
    assert!(!format!("{set:?}").contains(&k));
}

#[test]
fn inconsistent_issuers_are_named() {
    use Algorithm::{ES256, HS256, RS256};
    let jwks = Keys::Jwks { url: "https://id.example/jwks".into(), ttl: 1, interval: 1, max_stale: 1 };
    let inline = |keys: &[Value]| Keys::Inline(json!({ "keys": keys }).to_string());
    let issuer = |algorithms: &[Algorithm], keys: &Keys| Issuer {
        algorithms: algorithms.to_vec(),
        keys: keys.clone(),
        ..super::super::tests::issuer()
    };
    for (algorithms, keys) in [
        (&[][..], &jwks),
        (&[HS256, RS256], &jwks),
        (&[HS256], &jwks),
        (&[RS256], &Keys::Secret("S".into())),
        (&[HS256], &inline(&[oct(32)])),
        (&[ES256], &inline(&[rsa()])),
        (&[RS256, ES256], &inline(&[rsa()])),
        (&[RS256], &Keys::Inline("{".into())),
    ] {
        assert!(consistent(&issuer(algorithms, keys)).is_err(), "{algorithms:?} {keys:?}");
    }
    for (algorithms, keys) in
        [(&[RS256, ES256][..], &jwks), (&[HS256], &Keys::Secret("S".into())), (&[RS256], &inline(&[rsa()]))]
    {
        assert_eq!(consistent(&issuer(algorithms, keys)), Ok(()));
    }
    let nobody = Issuer { audiences: vec![], ..issuer(&[RS256], &jwks) };
    assert!(consistent(&nobody).is_err());
}

proptest! {
    #[test]
    fn no_set_panics(text in any::<String>(), n in any::<Vec<u8>>(), e in any::<Vec<u8>>()) {
        let _ = KeySet::parse(&text);
        let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        for key in [
            json!({ "kty": "RSA", "n": encode(&n), "e": encode(&e) }),
            json!({ "kty": "EC", "crv": "P-256", "x": encode(&n), "y": text }),
            json!({ "kty": text, "k": encode(&n) }),
        ] {
            let _ = set(&[key]);
        }
    }
}
