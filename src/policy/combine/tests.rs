use super::super::rewrite::Rewrite;
use super::*;
use proptest::prelude::*;

fn call(name: &str, required: bool) -> Call {
    let path = Rewrite { pieces: vec![] };
    Call { name: name.into(), upstream: 0, path, required, forward_headers: vec![], max_bytes: 1000 }
}

fn combine() -> Combine {
    Combine { calls: vec![call("item", true), call("stock", false), call("notes", false)] }
}

fn ok(text: &str) -> Result<String, Failure> {
    Ok(text.into())
}

#[test]
fn parts_stand_in_declared_order_as_written() {
    let parts = [ok(" {\"id\": 12345678901234567890.10} \n"), ok("1E400"), ok("\"\\ud83d\"")];
    let merged = combine().merge(&parts, "tollgate").unwrap();
    assert_eq!(merged.body, r#"{"item":{"id": 12345678901234567890.10},"stock":1E400,"notes":"\ud83d"}"#);
    assert_eq!(merged.partial, []);
    assert_eq!(merged.headers(), [("content-type", "application/json".to_string())]);
}

#[test]
fn a_partial_answer_is_marked() {
    let parts = [ok("1"), Err(Failure::Status(404)), ok("<html>")];
    let merged = combine().merge(&parts, "tollgate").unwrap();
    assert_eq!(
        merged.body,
        r#"{"item":1,"stock":null,"notes":null,"_partial":[{"call":"stock","reason":"status"},{"call":"notes","reason":"not-json"}]}"#
    );
    assert_eq!(
        merged.headers(),
        [
            ("content-type", "application/json".to_string()),
            (PARTIAL_FIELD, "stock, notes".into()),
            ("cache-control", "no-store".into())
        ]
    );
}

#[test]
fn a_required_call_fails_the_whole() {
    for (part, reason) in [
        (Err(Failure::Proxy(ProxyError::Refused)), Reason::UpstreamUnreachable),
        (Err(Failure::Proxy(ProxyError::ResponseTimeout)), Reason::UpstreamTimeout),
        (Err(Failure::Status(500)), Reason::UpstreamInvalid),
        (ok("{"), Reason::UpstreamInvalid),
        (ok(&"1".repeat(1001)), Reason::UpstreamInvalid),
    ] {
        let fault = combine().merge(&[part.clone(), ok("1"), ok("1")], "tollgate").unwrap_err();
        assert_eq!(fault.reason, reason, "{part:?}");
        assert!(fault.members.contains(&("call", "item".into())), "{part:?}");
    }
    assert_eq!(combine().merge(&[], "tollgate").unwrap_err().reason, Reason::UpstreamUnreachable);
}

#[test]
fn only_json_passes() {
    for text in [
        "",
        " ",
        "{} {}",
        "{}x",
        "[1,]",
        "{\"a\":1,}",
        "NaN",
        "'a'",
        "01",
        "\u{feff}{}",
        "\"\n\"",
        "}",
        "{},\"x\":{",
    ] {
        assert_eq!(json(text, 1000), Err(Failure::NotJson), "{text:?}");
    }
    assert_eq!(json("[1]", 2), Err(Failure::TooLarge));
    // Deeper than any stack: must neither overflow nor pass half read.
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(json(&deep, u32::MAX), Ok(deep.as_str()));
    assert_eq!(json(&"[".repeat(200_000), u32::MAX), Err(Failure::NotJson));
}

#[test]
fn check_names_what_is_wrong() {
    combine().check().unwrap();
    for (calls, part) in [
        (vec![], "1 to 6"),
        ((0..7).map(|i| call(&format!("c{i}"), true)).collect(), "1 to 6"),
        (vec![call("a", true), call("a", false)], "two calls"),
        (vec![call("_partial", true)], "begins with a letter"),
        (vec![call("a b", true)], "begins with a letter"),
        (vec![call("", true)], "begins with a letter"),
        (vec![Call { max_bytes: 0, ..call("a", true) }], "no bytes"),
        (vec![Call { forward_headers: vec!["host".into()], ..call("a", true) }], "host"),
    ] {
        let error = Combine { calls }.check().unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

proptest! {
    /// Whatever the upstreams say, the answer is JSON, has exactly the declared members, and each holds its part.
    #[test]
    fn always_one_object_with_the_declared_members(
        parts in prop::collection::vec(
            prop_oneof![
                "\\PC{0,12}".prop_map(Ok),
                "(\\{\"a\": ?-?[0-9]{1,3}\\}|\\[\\]|\"x\"| null)".prop_map(Ok),
                Just(Err(Failure::TooLarge)),
            ],
            0..4,
        )
    ) {
        let all_optional = Combine { calls: combine().calls.into_iter().map(|c| Call { required: false, ..c }).collect() };
        let merged = all_optional.merge(&parts, "tollgate").unwrap();
        let value: serde_json::Value = serde_json::from_str(&merged.body).unwrap();
        let object = value.as_object().unwrap();
        let marked = usize::from(!merged.partial.is_empty());
        prop_assert_eq!(object.len(), 3 + marked);
        for (i, name) in ["item", "stock", "notes"].iter().enumerate() {
            let expected = parts.get(i).and_then(|p| p.as_ref().ok()).and_then(|t| serde_json::from_str(t).ok());
            prop_assert_eq!(object.get(*name).unwrap(), &expected.unwrap_or(serde_json::Value::Null));
        }
    }
}
