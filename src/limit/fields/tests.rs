use super::*;
use crate::limit::{Per, Unreachable};
use proptest::prelude::*;

const T0: u64 = 1_790_000_000_000; // in September, which has 30 days

fn limit(id: &str, algorithm: Algorithm) -> Limit {
    Limit {
        id: id.into(),
        algorithm,
        per: Per::Consumer,
        unreachable: Unreachable::Closed,
        deadline: 500,
        source: crate::plan::Source::default(),
    }
}

fn burst() -> Limit {
    limit("shared/burst", Algorithm::Bucket { rate: 20, period: 1_000, burst: 40 })
}

fn daily() -> Limit {
    limit("orders/v2/daily", Algorithm::Quota { limit: 1_000, period: Period::Day })
}

fn admits(remaining: u64, reset_ms: u64) -> Verdict {
    Verdict { admitted: true, remaining, reset_ms, retry_ms: 0 }
}

fn refuses(remaining: u64, reset_ms: u64, retry_ms: u64) -> Verdict {
    Verdict { admitted: false, remaining, reset_ms, retry_ms }
}

#[test]
fn fields_are_lists_with_the_binding_limit_first() {
    let (burst, daily) = (burst(), daily());
    let told = [(&burst, admits(39, 50)), (&daily, admits(7, 36_399_001))];
    assert_eq!(rate_limit(&told), r#""orders/v2/daily";r=7;t=36400, "shared/burst";r=39;t=1"#);
    let policy = rate_limit_policy([&burst, &daily], T0);
    assert_eq!(policy, r#""shared/burst";q=40;w=2, "orders/v2/daily";q=1000;w=86400"#);
    assert_eq!(rate_limit(&[]), "");
    assert_eq!(rate_limit(&[(&burst, admits(40, 0))]), r#""shared/burst";r=40"#, "all of it is there");
}

#[test]
fn windows_are_in_seconds_rounded_up() {
    for (algorithm, expected) in [
        (Algorithm::Bucket { rate: 3, period: 1_000, burst: 1 }, "q=1;w=1"),
        (Algorithm::Bucket { rate: 10, period: 60_000, burst: 10 }, "q=10;w=60"),
        (Algorithm::Bucket { rate: 1, period: u32::MAX, burst: u32::MAX }, "q=4294967295;w=999999999999999"),
        (Algorithm::Sliding { limit: 12, window: 1_500 }, "q=12;w=2"),
        (Algorithm::Quota { limit: 5, period: Period::Hour }, "q=5;w=3600"),
        (Algorithm::Quota { limit: 5, period: Period::Day }, "q=5;w=86400"),
        (Algorithm::Quota { limit: 5, period: Period::Week }, "q=5;w=604800"),
        (Algorithm::Quota { limit: 5, period: Period::Month }, "q=5;w=2592000"),
        (Algorithm::Quota { limit: u64::MAX, period: Period::Month }, "q=999999999999999;w=2592000"),
    ] {
        assert_eq!(rate_limit_policy([&limit("a", algorithm)], T0), format!("\"a\";{expected}"));
    }
}

#[test]
fn the_binding_limit_is_the_one_to_wait_for() {
    let (a, b) = (burst(), daily());
    for (first, second, index, what) in [
        (refuses(0, 9, 5), admits(0, 99), 0, "one that refuses before one that admits"),
        (admits(0, 99), refuses(3, 9, 5), 1, "also the other way round"),
        (refuses(0, 9, 5), refuses(0, 9, 6), 1, "the longer wait"),
        (refuses(0, 9, 5), refuses(0, 9, NEVER), 1, "a wait without end"),
        (admits(5, 9), admits(4, 9), 1, "the one with less left"),
        (admits(5, 9), admits(5, 10), 1, "the one that is full again later"),
        (admits(5, 9), admits(5, 9), 0, "the first of equals"),
    ] {
        assert_eq!(binding(&[(&a, first), (&b, second)]), Some(index), "{what}");
    }
    assert_eq!(binding(&[]), None);
}

#[test]
fn a_refusal_names_every_limit_that_refuses() {
    let (burst, daily) = (burst(), daily());
    let told = [(&burst, refuses(0, 2_000, 50)), (&daily, refuses(0, 36_000_000, 35_999_001))];
    let fault = exceeded(&told, T0).unwrap();
    assert_eq!(fault.reason, Reason::QuotaExhausted);
    assert_eq!(fault.detail, r#"The quota "orders/v2/daily" is exhausted. Try again in 36000 seconds."#);
    assert_eq!(
        fault.members,
        [("violated-policies", serde_json::json!(["orders/v2/daily", "shared/burst"]))]
    );
    assert_eq!(
        fault.headers,
        [
            (RETRY_AFTER, "36000".to_owned()),
            (RATE_LIMIT, r#""orders/v2/daily";r=0;t=36000, "shared/burst";r=0;t=1"#.to_owned()),
            (RATE_LIMIT_POLICY, r#""shared/burst";q=40;w=2, "orders/v2/daily";q=1000;w=86400"#.to_owned()),
        ]
    );
    let fault = exceeded(&[(&burst, refuses(0, 2_000, 50)), (&daily, admits(9, 9))], T0).unwrap();
    assert_eq!(fault.reason, Reason::RateLimited);
    assert_eq!(fault.detail, r#"The rate limit "shared/burst" is exhausted. Try again in 1 second."#);
    assert_eq!(fault.members, [("violated-policies", serde_json::json!(["shared/burst"]))]);
}

#[test]
fn a_request_that_can_never_pass_is_not_told_to_come_back() {
    let burst = burst();
    let fault = exceeded(&[(&burst, refuses(40, 0, NEVER))], T0).unwrap();
    assert!(fault.headers.iter().all(|(name, _)| *name != RETRY_AFTER), "{fault:?}");
    assert!(fault.headers.contains(&(RATE_LIMIT, r#""shared/burst";r=40"#.to_owned())), "{fault:?}");
}

#[test]
fn what_admits_is_no_fault() {
    let burst = burst();
    assert_eq!(exceeded(&[(&burst, admits(0, 9))], T0), None);
    assert_eq!(exceeded(&[], T0), None);
    assert_eq!(retry_after(&[(&burst, admits(0, 9))]), None);
}

#[test]
fn an_unavailable_limit_keeps_its_reason_to_itself() {
    let fault = unavailable(&daily(), "object answered 500 after 3 ms");
    assert_eq!((fault.reason, fault.reason.status()), (Reason::LimitUnavailable, 503));
    assert!(!fault.detail.contains("500"));
    assert_eq!(fault.private, "object answered 500 after 3 ms");
}

proptest! {
    /// Read back by the String grammar of RFC 9651 §3.3.3, whatever the id.
    #[test]
    fn no_id_breaks_the_field(id in "\\PC{0,20}|[\"\\\\;,\r\n]{0,8}") {
        let limit = limit(&id, Algorithm::Sliding { limit: 1, window: 1_000 });
        let text = rate_limit_policy([&limit, &limit], T0);
        let mut rest = text.as_str();
        for end in [", ", ""] {
            rest = rest.strip_prefix('"').unwrap();
            loop {
                let character = rest.chars().next().unwrap();
                rest = &rest[character.len_utf8()..];
                match character {
                    '"' => break,
                    '\\' => {
                        prop_assert!(rest.starts_with(['"', '\\']));
                        rest = &rest[1..];
                    }
                    other => prop_assert!((' '..='~').contains(&other)),
                }
            }
            rest = rest.strip_prefix(";q=1;w=1").unwrap().strip_prefix(end).unwrap();
        }
        prop_assert_eq!(rest, "");
    }

    /// `Retry-After` is never before the end of `t` of a limit that refuses (draft §6), nor before the wait.
    #[test]
    fn nobody_is_told_to_come_back_early(waits in prop::collection::vec(1u64..10_000_000, 1..4)) {
        let limits: Vec<_> = (0..waits.len()).map(|index| limit(&index.to_string(), burst().algorithm)).collect();
        let told: Vec<_> = limits.iter().zip(&waits).map(|(limit, wait)| (limit, refuses(0, wait * 2, *wait))).collect();
        let retry = retry_after(&told).unwrap();
        prop_assert!(waits.iter().all(|wait| retry * 1_000 >= *wait));
        prop_assert!(retry * 1_000 < waits.iter().max().unwrap() + 1_000);
        let binding = format!(";t={retry}");
        prop_assert!(rate_limit(&told).split(", ").next().unwrap().ends_with(&binding));
    }
}
