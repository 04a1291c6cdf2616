use super::super::{keys::KeySet, parse};
use super::*;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, KeyPair};

fn claims() -> Map<String, Value> {
    json!({ "iss": "https://id.example", "sub": "alice" }).as_object().unwrap().clone()
}

fn verifies(set: &KeySet, token: &str) -> bool {
    let jws = parse::token(token).unwrap().jws;
    set.candidates(jws.kid.as_deref(), jws.algorithm)
        .iter()
        .any(|key| verify(jws.algorithm, key.jwk(), jws.signing_input, &jws.signature) == Ok(true))
}

#[test]
fn the_development_issuer_signs_what_its_published_keys_verify() {
    let key = DevelopmentKey::generate().unwrap();
    let set = KeySet::parse(&key.public_set()).unwrap();
    assert!(!key.public_set().contains("\"d\""));
    let token = key.sign(&claims(), Some("at+jwt")).unwrap();
    assert!(verifies(&set, &token));
    assert_eq!(parse::token(&token).unwrap().jws.typ.as_deref(), Some("at+jwt"));
    assert_eq!(parse::token(&token).unwrap().claims, claims());

    let again = DevelopmentKey::from_jwk(&key.private_jwk()).unwrap();
    assert_eq!(again.kid(), key.kid());
    assert!(verifies(&set, &again.sign(&claims(), None).unwrap()));

    let stranger = DevelopmentKey::generate().unwrap();
    assert!(!verifies(&set, &stranger.sign(&claims(), None).unwrap()));
    assert!(!format!("{key:?}").contains(&Base64UrlUnpadded::encode_string(&key.pair.scalar)));
}

#[test]
fn any_change_breaks_the_signature() {
    let key = DevelopmentKey::generate().unwrap();
    let set = KeySet::parse(&key.public_set()).unwrap();
    let candidate = set.candidates(None, Algorithm::ES256).remove(0);
    let token = key.sign(&claims(), None).unwrap();
    let jws = parse::jws(&token).unwrap();
    let check = |input: &str, signature: &[u8]| verify(jws.algorithm, candidate.jwk(), input, signature);
    assert_eq!(check(jws.signing_input, &jws.signature), Ok(true));
    assert_eq!(check(&format!("{} ", jws.signing_input), &jws.signature), Ok(false));
    for index in 0..jws.signature.len() {
        let mut signature = jws.signature.clone();
        signature[index] ^= 1;
        assert_eq!(check(jws.signing_input, &signature), Ok(false), "{index}");
    }
    assert_eq!(check(jws.signing_input, &[]), Ok(false));
    // All zeros: "psychic signatures" (CVE-2022-21449).
    assert_eq!(check(jws.signing_input, &[0; 64]), Ok(false));
}

#[test]
fn a_secret_verifies_its_own_tags() {
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let key = KeySet::secret(secret).unwrap().candidates(None, Algorithm::HS256).remove(0);
    for (algorithm, hash) in [
        (Algorithm::HS256, hmac::HMAC_SHA256),
        (Algorithm::HS384, hmac::HMAC_SHA384),
        (Algorithm::HS512, hmac::HMAC_SHA512),
    ] {
        let tag = hmac::sign(&hmac::Key::new(hash, secret.as_bytes()), b"a.b");
        assert_eq!(verify(algorithm, key.jwk(), "a.b", tag.as_ref()), Ok(true));
        assert_eq!(verify(algorithm, key.jwk(), "a.c", tag.as_ref()), Ok(false));
        assert_eq!(verify(algorithm, key.jwk(), "a.b", &tag.as_ref()[1..]), Ok(false));
    }
}

#[test]
fn the_other_curves_verify_their_own_signatures() {
    use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, Ed25519KeyPair};
    let random = SystemRandom::new();
    let encode = Base64UrlUnpadded::encode_string;

    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
    let jwk = json!({ "kty": "EC", "crv": "P-384", "x": encode(x), "y": encode(y) }).to_string();
    let signature = pair.sign(&random, b"a.b").unwrap();
    assert_eq!(verify(Algorithm::ES384, &jwk, "a.b", signature.as_ref()), Ok(true));
    assert_eq!(verify(Algorithm::ES384, &jwk, "a.c", signature.as_ref()), Ok(false));
    assert!(verify(Algorithm::ES256, &jwk, "a.b", signature.as_ref()).is_err());

    let pair = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) }).to_string();
    let signature = pair.sign(b"a.b");
    assert_eq!(verify(Algorithm::EdDSA, &jwk, "a.b", signature.as_ref()), Ok(true));
    assert_eq!(verify(Algorithm::EdDSA, &jwk, "a.c", signature.as_ref()), Ok(false));
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let set = DevelopmentKey::generate().unwrap().public_set();
    let key = KeySet::parse(&set).unwrap().candidates(None, Algorithm::ES256).remove(0);
    for algorithm in Algorithm::ALL.iter().filter(|algorithm| **algorithm != Algorithm::ES256) {
        assert!(verify(*algorithm, key.jwk(), "a.b", b"x").is_err(), "{algorithm:?}");
    }
    assert!(verify(Algorithm::ES256, "{", "a.b", b"x").is_err());
}

#[test]
fn foreign_private_keys_are_refused() {
    let (one, two) = (DevelopmentKey::generate().unwrap(), DevelopmentKey::generate().unwrap());
    let mut jwk: Map<String, Value> = serde_json::from_str(&one.private_jwk()).unwrap();
    jwk.insert("d".into(), Base64UrlUnpadded::encode_string(&two.pair.scalar).into());
    assert!(DevelopmentKey::from_jwk(&Value::Object(jwk).to_string()).is_err());
    for text in
        ["", "{}", r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#, r#"{"kty":"oct","k":"AA"}"#]
    {
        assert!(DevelopmentKey::from_jwk(text).is_err(), "{text}");
    }
}

/// The whole way: keys by URL, verification, memory, and the issuer changing its key under way.
#[test]
fn a_token_is_verified_remembered_and_follows_a_rotation() {
    use super::super::keys::{Need, Source};
    use super::super::{Issuer, Keys, memory::Memory};
    use std::sync::Arc;

    let now = 1_800_000_000;
    let jwks = Keys::Jwks { url: "https://id.example/jwks".into(), ttl: 300, interval: 30, max_stale: 0 };
    let issuers = [Issuer { keys: jwks.clone(), ..super::super::tests::issuer() }];
    let mut source = Source::new(&jwks, None).unwrap();
    let mut memory = Memory::new([7; 16]);
    let (old, new) = (DevelopmentKey::generate().unwrap(), DevelopmentKey::generate().unwrap());
    let mut fetches = 0;

    let mut call = |token: &str, published: &DevelopmentKey, now: u64| -> Result<bool, &'static str> {
        let tag = memory.tag(token);
        if memory.get(tag, &[0], now, source.epoch()).is_some() {
            return Ok(true);
        }
        let pending = parse::token(token).unwrap().admit(&issuers, &[0], now).unwrap();
        let mut need = source.need(now, pending.kid.as_deref(), pending.algorithm);
        if let Need::Fetch(ticket) = need {
            fetches += 1;
            source.fetched(now, ticket, Some(KeySet::parse(&published.public_set())));
            need = source.need(now, pending.kid.as_deref(), pending.algorithm);
        }
        let Need::Use(set) = need else { return Err("key unknown") };
        let epoch = source.epoch();
        let good = set.candidates(pending.kid.as_deref(), pending.algorithm).iter().any(|key| {
            verify(pending.algorithm, key.jwk(), pending.signing_input, &pending.signature) == Ok(true)
        });
        if !good {
            return Err("signature");
        }
        memory.put(tag, token.len(), Arc::new(pending.verified()), source.remember_until(now), epoch);
        Ok(false)
    };

    let mut claims = claims();
    claims.insert("aud".into(), "orders".into());
    claims.insert("exp".into(), (now + 3600).into());
    let (first, second) = (old.sign(&claims, None).unwrap(), new.sign(&claims, None).unwrap());
    assert_eq!(call(&first, &old, now), Ok(false));
    assert_eq!(call(&first, &old, now + 1), Ok(true));
    // A key that the issuer does not publish yet, and too soon to look again.
    assert_eq!(call(&second, &old, now + 2), Err("key unknown"));
    // After the interval the rotation is seen, and the old key's token is forgotten with its key.
    assert_eq!(call(&second, &new, now + 30), Ok(false));
    assert_eq!(call(&first, &new, now + 31), Err("key unknown"));
    assert_eq!(call(&second, &new, now + 329), Ok(true));
    // Past the keys' ttl the token is verified again, with keys fetched again.
    assert_eq!(call(&second, &new, now + 330), Ok(false));
    assert_eq!(fetches, 3);
}
