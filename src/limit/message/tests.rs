use super::*;
use proptest::prelude::*;

fn charge() -> Message<'static> {
    let ask = |limit: &'static str, algorithm, cost| Ask { limit: limit.into(), algorithm, cost };
    Message::Charge {
        id: Some("8f3c:1".into()),
        limits: vec![
            ask("shared/per-consumer", Algorithm::Bucket { rate: 20, period: 1_000, burst: 40 }, 1),
            ask("orders/v2/search", Algorithm::Sliding { limit: 100, window: 60_000 }, 3),
            ask("orders/v2/reports", Algorithm::Quota { limit: 5, period: Period::Day }, 1),
        ],
    }
}

/// Old isolates and objects meet these bytes after every deployment: a change here is a new version.
#[test]
fn messages_are_pinned() {
    let text = concat!(
        r#"{"v":1,"op":"charge","id":"8f3c:1","limits":["#,
        r#"{"id":"shared/per-consumer","rule":{"bucket":[20,1000,40]}},"#,
        r#"{"id":"orders/v2/search","rule":{"sliding":[100,60000]},"cost":3},"#,
        r#"{"id":"orders/v2/reports","rule":{"quota":[5,"day"]}}]}"#,
    );
    assert_eq!(charge().encode(), text);
    assert_eq!(Message::decode(text), Ok(charge()));
    let refund = Message::Refund { id: "8f3c:1".into() };
    assert_eq!(refund.encode(), r#"{"v":1,"op":"refund","id":"8f3c:1"}"#);
    assert_eq!(Message::decode(&refund.encode()), Ok(refund.clone()));
    for period in ["hour", "day", "week", "month"] {
        let text =
            format!(r#"{{"v":1,"op":"charge","limits":[{{"id":"a","rule":{{"quota":[5,"{period}"]}}}}]}}"#);
        assert_eq!(Message::decode(&text).unwrap().encode(), text);
    }
}

#[test]
fn replies_are_pinned() {
    let admits = Verdict { admitted: true, remaining: 39, reset_ms: 50, retry_ms: 0 };
    let refuses = Verdict { admitted: false, remaining: 0, reset_ms: 2_000, retry_ms: 50 };
    let never = Verdict { retry_ms: crate::limit::NEVER, ..refuses };
    for (reply, limits, text) in [
        (Reply::Verdicts(vec![admits]), 1, r#"{"v":1,"limits":[{"left":39,"reset":50}]}"#),
        (
            Reply::Verdicts(vec![admits, refuses]),
            2,
            r#"{"v":1,"limits":[{"left":39,"reset":50},{"left":0,"reset":2000,"retry":50}]}"#,
        ),
        (
            Reply::Verdicts(vec![never]),
            1,
            r#"{"v":1,"limits":[{"left":0,"reset":2000,"retry":18446744073709551615}]}"#,
        ),
        (Reply::Refunded(true), 0, r#"{"v":1,"refunded":true}"#),
        (Reply::Refunded(false), 0, r#"{"v":1,"refunded":false}"#),
        (Reply::Refused(ObjectError::NewerMessage), 1, r#"{"v":1,"error":"version"}"#),
        (Reply::Refused(ObjectError::Malformed), 1, r#"{"v":1,"error":"malformed"}"#),
        (Reply::Refused(ObjectError::NewerRows(vec![1])), 2, r#"{"v":1,"error":"rows","rows":[1]}"#),
        (Reply::Refused(ObjectError::KnownId), 1, r#"{"v":1,"error":"known"}"#),
        (Reply::Refused(ObjectError::Storage), 1, r#"{"v":1,"error":"storage"}"#),
    ] {
        assert_eq!(reply.encode(), text);
        assert_eq!(Reply::decode(text, limits), Ok(reply));
    }
}

#[test]
fn members_of_newer_code_are_ignored() {
    let text = concat!(
        r#"{"lease":{"c":5},"v":1,"op":"charge","zone":null,"limits":["#,
        r#"{"id":"a","rule":{"bucket":[1,1000,1]},"cost":1,"mode":"lease"}]}"#,
    );
    assert!(matches!(Message::decode(text), Ok(Message::Charge { id: None, limits }) if limits.len() == 1));
    let text = r#"{"v":1,"limits":[{"left":3,"reset":5,"loan":9}],"not_before":12}"#;
    assert!(matches!(Reply::decode(text, 1), Ok(Reply::Verdicts(verdicts)) if verdicts[0].remaining == 3));
    let text = r#"{"v":1,"error":"overloaded"}"#;
    assert_eq!(Reply::decode(text, 1), Ok(Reply::Refused(ObjectError::Unknown)));
}

#[test]
fn newer_versions_are_refused_whatever_their_shape() {
    for text in [r#"{"v":2}"#, r#"{"v":2,"op":"charge","limits":"all"}"#, r#"{"op":["x"],"v":9,"limits":[]}"#]
    {
        assert_eq!(Message::decode(text), Err(ObjectError::NewerMessage), "{text}");
    }
    let same_shape = charge().encode().replace("\"v\":1", "\"v\":2");
    assert_eq!(Message::decode(&same_shape), Err(ObjectError::NewerMessage));
    for text in [r#"{"v":2}"#, r#"{"v":2,"limits":7}"#, r#"{"v":2,"limits":[{"left":3,"reset":5}]}"#] {
        assert_eq!(Reply::decode(text, 1), Err(ReplyError::NewerReply), "{text}");
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let rule = r#""rule":{"bucket":[1,1000,1]}"#;
    let charge = |limits: &str| format!(r#"{{"v":1,"op":"charge","limits":[{limits}]}}"#);
    let many: Vec<String> = (0..=MAX_LIMITS).map(|index| format!(r#"{{"id":"{index}",{rule}}}"#)).collect();
    for text in [
        String::new(),
        "[]".into(),
        "{}".into(),
        r#"{"v":1,"op":"refund"}"#.into(),
        r#"{"v":1,"op":"reset","id":"a"}"#.into(),
        charge(""),
        charge(&many.join(",")),
        charge(&format!(r#"{{"id":"a",{rule}}},{{"id":"a",{rule}}}"#)),
        charge(r#"{"id":"a"}"#),
        charge(r#"{"id":"a","rule":{"bucket":[0,1000,1]}}"#),
        charge(r#"{"id":"a","rule":{"bucket":[1,0,1]}}"#),
        charge(r#"{"id":"a","rule":{"bucket":[1,1000,0]}}"#),
        charge(r#"{"id":"a","rule":{"bucket":[1,1000,1,5]}}"#),
        charge(r#"{"id":"a","rule":{"bucket":[-1,1000,1]}}"#),
        charge(r#"{"id":"a","rule":{"sliding":[1,999]}}"#),
        charge(r#"{"id":"a","rule":{"quota":[1,"year"]}}"#),
        charge(r#"{"id":"a","rule":{"lease":[1]}}"#),
        charge(&format!(r#"{{"id":"a",{rule},"cost":4294967296}}"#)),
        format!(r#"{{"v":1,"op":"refund","id":"{}"}}"#, "x".repeat(MAX_ID + 1)),
        " ".repeat(MAX_BYTES) + r#"{"v":1,"op":"refund","id":"a"}"#,
    ] {
        assert_eq!(Message::decode(&text), Err(ObjectError::Malformed), "{text}");
    }
}

#[test]
fn a_reply_must_answer_its_message() {
    for (text, limits) in [
        (r#"{"v":1,"limits":[{"left":3,"reset":5}]}"#, 2),
        (r#"{"v":1,"limits":[{"left":3,"reset":5}]}"#, 0),
        (r#"{"v":1,"refunded":true}"#, 1),
        (r#"{"v":1,"refunded":true,"limits":[{"left":3,"reset":5}]}"#, 1),
        (r#"{"v":1}"#, 1),
        (r#"{"v":1}"#, 0),
        ("", 1),
        ("Internal Server Error", 1),
    ] {
        assert_eq!(Reply::decode(text, limits), Err(ReplyError::Malformed), "{text} to {limits}");
    }
    // Naming rows that were not asked for would have the gateway ask the same again for ever.
    for text in [r#"{"v":1,"error":"rows"}"#, r#"{"v":1,"error":"rows","rows":[2]}"#] {
        assert_eq!(Reply::decode(text, 2), Ok(Reply::Refused(ObjectError::Unknown)), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,80}", cut in 0usize..300) {
        let _ = (Message::decode(&text), Reply::decode(&text, 1));
        let whole = charge().encode();
        if let Some(part) = whole.get(..cut.min(whole.len() - 1)) {
            prop_assert_eq!(Message::decode(part), Err(ObjectError::Malformed));
        }
    }

    #[test]
    fn any_charge_survives_its_text(
        limit in "\\PC{0,20}", id in "\\PC{1,20}", cost in any::<u32>(), rate in 1u32.., burst in 1u32.., quota in 1u64..,
    ) {
        let message = Message::Charge { id: Some(id.into()), limits: vec![
            Ask { limit: limit.clone().into(), algorithm: Algorithm::Bucket { rate, period: 7, burst }, cost },
            Ask { limit: (limit + "2").into(), algorithm: Algorithm::Quota { limit: quota, period: Period::Week }, cost: 1 },
        ]};
        let text = message.encode();
        prop_assert_eq!(Message::decode(&text), Ok(message));
    }
}
