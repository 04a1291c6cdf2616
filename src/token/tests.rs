use super::*;
use base64ct::{Base64UrlUnpadded, Encoding};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOW: u64 = 1_800_000_000;

fn encode(text: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(text.as_ref())
}

fn compact(header: &str, payload: &str) -> String {
    format!("{}.{}.{}", encode(header), encode(payload), encode("signature"))
}

pub(super) fn issuer() -> Issuer {
    Issuer {
        id: "customers".into(),
        issuer: "https://id.example".into(),
        audiences: vec!["orders".into(), "shop".into()],
        algorithms: vec![Algorithm::ES256],
        keys: Keys::Secret("UNUSED".into()),
        leeway: 30,
        types: vec![],
        required: vec![],
        scope_claim: "scope".into(),
        consumer_claim: "sub".into(),
    }
}

fn good() -> Value {
    json!({ "iss": "https://id.example", "aud": "orders", "exp": NOW + 60, "sub": "alice" })
}

fn with(name: &str, value: Value) -> Map<String, Value> {
    let mut claims = good();
    claims[name] = value;
    claims.as_object().unwrap().clone()
}

fn check(issuer: &Issuer, claims: &Map<String, Value>) -> Result<Identity, Reason> {
    claims::check(7, issuer, claims, NOW)
}

#[test]
fn a_token_is_read_as_it_was_written() {
    let text =
        compact(r#"{"alg":"ES256","kid":"k","typ":"at+jwt","x":[1,{"a":2}]}"#, r#"{"iss":"i","n":[1,1]}"#);
    let token = parse::token(&text).unwrap();
    assert_eq!(token.jws.algorithm, Algorithm::ES256);
    assert_eq!(token.jws.kid.as_deref(), Some("k"));
    assert_eq!(token.jws.typ.as_deref(), Some("at+jwt"));
    assert_eq!(token.jws.signing_input, text.rsplit_once('.').unwrap().0);
    assert_eq!(token.jws.signature, b"signature");
    assert_eq!(token.issuer(), Some("i"));
}

#[test]
fn malformed_headers_are_refused() {
    for header in [
        "",
        "null",
        "[]",
        r#"["ES256"]"#,
        r#""alg""#,
        "{}",
        r#"{"alg":1}"#,
        r#"{"alg":null}"#,
        r#"{"alg":"ES256","kid":1}"#,
        r#"{"alg":"ES256","typ":{}}"#,
        r#"{"alg":"ES256"} x"#,
        r#"{"alg":"ES256",}"#,
        "\u{feff}{\"alg\":\"ES256\"}",
        r#"{"alg":"ES256","alg":"ES256"}"#,
        r#"{"alg":"none","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
        r#"{"alg":"ES256","typ":"a","typ":"b"}"#,
        r#"{"alg":"ES256","x":1,"x":1}"#,
        r#"{"alg":"ES256","x":{"y":1,"y":1}}"#,
        r#"{"alg":"ES256","x":[{"y":1,"y":1}]}"#,
        r#"{"alg":"ES256","\u0061lg":"none"}"#,
        r#"{"alg":"ES256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":null}"#,
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","b64":true}"#,
        r#"{"alg":"ES256","zip":"DEF"}"#,
        r#"{"alg":"ES256","enc":"A128GCM"}"#,
    ] {
        assert_eq!(parse::token(&compact(header, "{}")).unwrap_err(), Reason::TokenMalformed, "{header}");
    }
    let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(parse::MAX_KID + 1));
    assert_eq!(parse::token(&compact(&long, "{}")), Err(Reason::TokenMalformed));
    let broken = format!("{}.e30.AA", encode([b'{', 0xff, b'}']));
    assert_eq!(parse::token(&broken), Err(Reason::TokenMalformed));
}

#[test]
fn algorithms_other_than_the_known_are_refused() {
    for name in ["none", "None", "nOnE", "NONE"] {
        let text = compact(&json!({ "alg": name }).to_string(), "{}");
        assert_eq!(parse::token(&text), Err(Reason::TokenUnsigned), "{name}");
    }
    for name in ["", "none ", "es256", "ES256K", "ES512", "HS1", "RSA-OAEP", "dir", "ES256 "] {
        let text = compact(&json!({ "alg": name }).to_string(), "{}");
        assert_eq!(parse::token(&text), Err(Reason::TokenAlgorithm), "{name}");
    }
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode("{}"));
    assert_eq!(parse::token(&unsigned), Err(Reason::TokenUnsigned));
    let stripped = format!("{}.{}.", encode(r#"{"alg":"ES256"}"#), encode("{}"));
    assert_eq!(parse::token(&stripped), Err(Reason::TokenMalformed));
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::parse(algorithm.name()), Some(*algorithm));
    }
    assert_eq!(Algorithm::parse("Ed25519"), Some(Algorithm::EdDSA));
}

#[test]
fn keys_that_a_token_brings_are_ignored() {
    let header = r#"{"alg":"ES256","jku":"https://evil.example","x5u":"https://evil.example","jwk":{"kty":"oct","k":"AA"},"x5c":["AA"]}"#;
    let text = compact(header, "{}");
    let token = parse::token(&text).unwrap();
    assert_eq!(token.jws.kid, None);
}

#[test]
fn malformed_structures_are_refused() {
    let token = compact(r#"{"alg":"ES256"}"#, "{}");
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "....".into(),
        input.into(),
        format!("{token}."),
        format!("{token}.AA.AA"),
        format!(".{token}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!("{header}.{payload}.{signature}\u{e9}"),
        format!("{header}.{payload}.+/+/"),
        // Trailing bits: `e30` is `{}`, `e31` would decode to the same octets.
        format!("{header}.e31.{signature}"),
        format!("{header}.{payload}.AB"),
        format!("{header}.{payload}.A"),
        format!("{header}.{}.{signature}", "A".repeat(parse::MAX_TOKEN)),
        r#"{"payload":"e30","signatures":[]}"#.into(),
    ] {
        assert_eq!(parse::token(&text), Err(Reason::TokenMalformed), "{text}");
    }
    assert!(parse::token(&token).is_ok());
}

#[test]
fn payloads_that_are_no_objects_of_unique_names_are_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for payload in [
        "",
        "null",
        "[]",
        "\"x\"",
        "1",
        "{",
        r#"{"iss":"a","iss":"b"}"#,
        r#"{"iss":"a","\u0069ss":"b"}"#,
        r#"{"a":{"b":1,"b":1}}"#,
        r#"{"a":[{"b":1,"b":1}]}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":1e999}"#,
        r#"{"a":NaN}"#,
        "{} {}",
        &deep,
    ] {
        let text = compact(r#"{"alg":"ES256"}"#, payload);
        assert_eq!(parse::token(&text), Err(Reason::TokenMalformed), "{payload}");
    }
}

#[test]
fn good_claims_make_an_identity() {
    let claims = with("scope", json!("read  write"));
    let identity = check(&issuer(), &claims).unwrap();
    assert_eq!((identity.issuer, identity.consumer.as_str()), (7, "alice"));
    assert_eq!(identity.scopes, "read write");
    for (scope, granted) in
        [("read", true), ("write", true), ("rea", false), ("read write", false), ("", false)]
    {
        assert_eq!(identity.has_scope(scope), granted, "{scope}");
    }
    assert_eq!(check(&issuer(), &with("scope", json!(["a", "b"]))).unwrap().scopes, "a b");
    let none = check(&issuer(), good().as_object().unwrap()).unwrap();
    assert!(none.scopes.is_empty() && !none.has_scope(""));
    assert_eq!((identity.expires, identity.valid_from, identity.valid_until), (NOW + 60, 0, NOW + 90));
    assert_eq!(identity.claims, claims);
}

#[test]
fn each_wrong_claim_has_its_reason() {
    let mut strict = issuer();
    strict.required = vec!["tenant".into()];
    assert_eq!(check(&strict, good().as_object().unwrap()), Err(Reason::TokenClaims));
    assert_eq!(check(&strict, &with("tenant", Value::Null)), Err(Reason::TokenClaims));
    assert!(check(&strict, &with("tenant", json!("t"))).is_ok());

    for (name, value, reason) in [
        ("iss", Value::Null, Reason::TokenIssuer),
        ("iss", json!("https://id.example/"), Reason::TokenIssuer),
        ("iss", json!(["https://id.example"]), Reason::TokenIssuer),
        ("aud", Value::Null, Reason::TokenAudience),
        ("aud", json!("Orders"), Reason::TokenAudience),
        ("aud", json!([]), Reason::TokenAudience),
        ("aud", json!(["billing"]), Reason::TokenAudience),
        ("aud", json!(["orders", 1]), Reason::TokenAudience),
        ("aud", json!({ "orders": true }), Reason::TokenAudience),
        ("exp", Value::Null, Reason::TokenClaims),
        ("exp", json!("1900000000"), Reason::TokenClaims),
        ("exp", json!(true), Reason::TokenClaims),
        ("exp", json!([NOW + 60]), Reason::TokenClaims),
        ("exp", json!(-1), Reason::TokenExpired),
        ("exp", json!(0), Reason::TokenExpired),
        ("exp", json!(NOW - 30), Reason::TokenExpired),
        ("nbf", json!("0"), Reason::TokenClaims),
        ("nbf", json!(NOW + 31), Reason::TokenNotYetValid),
        ("nbf", json!(1e300), Reason::TokenNotYetValid),
        ("nbf", json!(NOW as f64 + 30.5), Reason::TokenNotYetValid),
        ("iat", json!({}), Reason::TokenClaims),
        ("iat", json!(NOW + 31), Reason::TokenNotYetValid),
        ("iat", json!(u64::MAX), Reason::TokenNotYetValid),
        ("sub", Value::Null, Reason::TokenClaims),
        ("sub", json!(""), Reason::TokenClaims),
        ("sub", json!(1), Reason::TokenClaims),
        ("sub", json!("a\nb"), Reason::TokenClaims),
        ("sub", json!("a\u{7f}"), Reason::TokenClaims),
        ("sub", json!("a\u{85}b"), Reason::TokenClaims),
        ("sub", json!("x".repeat(claims::MAX_CONSUMER + 1)), Reason::TokenClaims),
        ("scope", json!(1), Reason::TokenClaims),
        ("scope", json!(["a", 1]), Reason::TokenClaims),
        ("scope", json!(["a b"]), Reason::TokenClaims),
        ("scope", json!([""]), Reason::TokenClaims),
        ("scope", json!("a\u{e9}"), Reason::TokenClaims),
        ("scope", json!("a\"b"), Reason::TokenClaims),
        ("scope", json!("s ".repeat(claims::MAX_SCOPES + 1)), Reason::TokenClaims),
    ] {
        assert_eq!(check(&issuer(), &with(name, value.clone())), Err(reason), "{name} {value}");
    }
    for name in ["iss", "aud", "exp", "sub"] {
        let mut claims = good().as_object().unwrap().clone();
        claims.remove(name);
        assert!(check(&issuer(), &claims).is_err(), "{name}");
    }
}

#[test]
fn claims_at_the_edge_are_accepted() {
    for (name, value) in [
        ("aud", json!(["x", "shop"])),
        ("exp", json!(NOW - 29)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(NOW + 30)),
        ("nbf", json!(-1e300)),
        ("nbf", json!(-8_334_601_228_800_i64)),
        ("iat", json!(NOW + 30)),
        ("scope", json!("")),
        ("scope", json!([])),
        ("scope", Value::Null),
        ("sub", json!("Zoë|auth0 %")),
    ] {
        assert!(check(&issuer(), &with(name, value.clone())).is_ok(), "{name} {value}");
    }
}

#[test]
fn types_are_compared_without_case_and_prefix() {
    let mut strict = issuer();
    assert_eq!(claims::typ(&strict, None), Ok(()));
    strict.types = vec!["at+jwt".into()];
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert_eq!(claims::typ(&strict, Some(typ)), Ok(()), "{typ}");
    }
    for typ in
        [None, Some("JWT"), Some(""), Some("application/"), Some("applicatio\u{e9}/at+jwt"), Some("at+jwt ")]
    {
        assert_eq!(claims::typ(&strict, typ), Err(Reason::TokenType), "{typ:?}");
    }
}

#[test]
fn claims_are_text_for_headers_and_keys() {
    let mut identity = check(&issuer(), good().as_object().unwrap()).unwrap();
    identity.claims =
        json!({ "s": "x", "n": 1, "b": true, "a": ["r", 1], "z": null }).as_object().unwrap().clone();
    let text = |name| identity.claim_text(name).map(std::borrow::Cow::into_owned);
    assert_eq!(text("s").as_deref(), Some("x"));
    assert_eq!(text("n").as_deref(), Some("1"));
    assert_eq!(text("b").as_deref(), Some("true"));
    assert_eq!(text("a").as_deref(), Some(r#"["r",1]"#));
    assert_eq!((text("z"), text("missing")), (None, None));
}

#[test]
fn a_token_is_admitted_for_accepted_issuers_only() {
    let other = Issuer { issuer: "https://other.example".into(), ..issuer() };
    let billing = Issuer { audiences: vec!["billing".into()], ..issuer() };
    let hmac = Issuer { algorithms: vec![Algorithm::HS256], ..issuer() };
    let issuers = [other, billing, issuer(), hmac];
    let text = compact(r#"{"alg":"ES256","kid":"k"}"#, &good().to_string());
    let admit =
        |accepted: &[u32]| parse::token(&text).unwrap().admit(&issuers, accepted, NOW).map(|p| p.issuer());
    assert_eq!(admit(&[2]), Ok(2));
    assert_eq!(admit(&[0, 1, 2]), Ok(2));
    assert_eq!(admit(&[0]), Err(Reason::TokenIssuer));
    assert_eq!(admit(&[]), Err(Reason::TokenIssuer));
    assert_eq!(admit(&[9]), Err(Reason::TokenIssuer));
    assert_eq!(admit(&[1]), Err(Reason::TokenAudience));
    assert_eq!(admit(&[3]), Err(Reason::TokenAlgorithm));
    let pending = parse::token(&text).unwrap().admit(&issuers, &[2], NOW).unwrap();
    assert_eq!((pending.kid.as_deref(), pending.algorithm), (Some("k"), Algorithm::ES256));
    assert_eq!(pending.verified().consumer, "alice");
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("orders")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse::token(&text);
    }

    #[test]
    fn no_parts_panic(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>()) {
        let text = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        let _ = parse::token(&text);
    }

    #[test]
    fn no_header_members_panic(members in prop::collection::btree_map("kid|typ|cty|x5t|x5t#S256|jku|x5u|crit|.{0,3}", json_value(), 0..5)) {
        let mut header = json!(members);
        header["alg"] = json!("ES256");
        let refused = ["crit", "b64", "zip", "enc"].iter().any(|name| members.contains_key(*name));
        let result = parse::token(&compact(&header.to_string(), "{}")).is_ok();
        prop_assert!(!(result && refused));
    }

    #[test]
    fn no_claims_panic_and_what_passes_is_in_time(
        name in "iss|aud|exp|nbf|iat|sub|scope", value in json_value(), now in any::<u64>(), leeway in 0u32..300,
    ) {
        let issuer = Issuer { leeway, ..issuer() };
        let claims = with(&name, value);
        if let Ok(identity) = claims::check(0, &issuer, &claims, now) {
            prop_assert!(identity.valid_at(now));
            prop_assert!(!identity.consumer.is_empty() && identity.consumer.len() <= claims::MAX_CONSUMER);
        }
    }

    #[test]
    fn strict_json_reads_what_serde_json_writes(value in json_value()) {
        let wrapped = json!({ "v": value });
        let expected: Value = serde_json::from_str(&wrapped.to_string()).unwrap();
        prop_assert_eq!(strict::object(wrapped.to_string().as_bytes()).map(Value::Object), Some(expected));
    }
}
