use super::*;
use crate::limit::key::{Facts, object};
use crate::limit::{Algorithm, NEVER, Per, Period, Unreachable};
use proptest::prelude::*;
use std::borrow::Cow;
use std::net::IpAddr;

const T0: u64 = 1_790_000_000_000;

/// A caller who is known by a number alone.
struct Numbered(String);

impl Facts for Numbered {
    fn route(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
    fn consumer(&self) -> Option<(&str, &str)> {
        None
    }
    fn claim(&self, _: &str) -> Option<(&str, Cow<'_, str>)> {
        None
    }
    fn address(&self) -> Option<IpAddr> {
        None
    }
    fn header(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

fn named(number: usize) -> ObjectName {
    object(&Per::Route, &Numbered(number.to_string())).unwrap()
}

fn limit(id: &str, algorithm: Algorithm) -> Limit {
    Limit {
        id: id.into(),
        algorithm,
        per: Per::Route,
        unreachable: Unreachable::Degrade,
        deadline: 500,
        source: crate::plan::Source::default(),
    }
}

fn bucket() -> Limit {
    limit("bucket", Algorithm::Bucket { rate: 1, period: 1_000, burst: 3 })
}

fn denial(retry_ms: u64) -> Verdict {
    Verdict { admitted: false, remaining: 1, reset_ms: 3_000, retry_ms }
}

fn admitted(memory: &mut Memory, asked: &[Asked<'_>], now: u64) -> bool {
    memory.share(asked, now).iter().all(|verdict| verdict.admitted)
}

#[test]
fn a_denial_is_remembered_until_it_could_change() {
    let (object, limit) = (named(1), bucket());
    let asked = Asked { object: &object, limit: &limit, cost: 2 };
    let mut memory = Memory::new([7; 16]);
    assert_eq!(memory.denied(&asked, T0), None);
    memory.remember(&asked, &denial(500), T0);
    assert_eq!(
        memory.denied(&asked, T0 + 100),
        Some(Verdict { admitted: false, remaining: 1, reset_ms: 2_900, retry_ms: 400 })
    );
    assert_eq!(memory.denied(&asked, T0 + 499).unwrap().retry_ms, 1);
    assert_eq!(memory.denied(&asked, T0 + 500), None, "now it could be admitted");
    assert_eq!(memory.denied(&asked, T0 - 1), None, "a clock that went back forgets");
    assert!(memory.denied(&Asked { cost: 3, ..asked }, T0).is_some(), "more is refused too");
    assert_eq!(memory.denied(&Asked { cost: 1, ..asked }, T0), None, "less might pass");
    let other_limit = super::tests::limit("other", limit.algorithm);
    assert_eq!(memory.denied(&Asked { limit: &other_limit, ..asked }, T0), None);
    assert_eq!(memory.denied(&Asked { object: &named(2), ..asked }, T0), None);
    memory.remember(&asked, &denial(NEVER), T0);
    assert_eq!(memory.denied(&asked, T0 + 5).unwrap().retry_ms, NEVER);
}

#[test]
fn a_long_denial_is_asked_again_after_a_minute() {
    // The fifth of five a day is charged and about to be refunded, for another object refuses the request. One that
    // comes in between is refused until midnight; the isolate must not refuse until midnight too.
    let (object, limit) = (named(1), limit("quota", Algorithm::Quota { limit: 5, period: Period::Day }));
    let asked = Asked { object: &object, limit: &limit, cost: 1 };
    let mut memory = Memory::new([7; 16]);
    memory.remember(&asked, &denial(36_000_000), T0);
    let last = memory.denied(&asked, T0 + MAX_TRUST_MS - 1).unwrap();
    assert_eq!(last.retry_ms, 36_000_000 - MAX_TRUST_MS + 1, "the client is told the whole wait");
    assert_eq!(memory.denied(&asked, T0 + MAX_TRUST_MS), None);
}

#[test]
fn admissions_are_not_remembered() {
    let (object, limit) = (named(1), bucket());
    let asked = Asked { object: &object, limit: &limit, cost: 1 };
    let mut memory = Memory::new([7; 16]);
    memory.remember(&asked, &Verdict { admitted: true, remaining: 0, reset_ms: 9, retry_ms: 0 }, T0);
    assert_eq!(memory.denied(&asked, T0), None);
}

#[test]
fn denials_are_bounded_and_the_latest_half_is_kept() {
    let limit = bucket();
    let mut memory = Memory::new([7; 16]);
    for number in 0..3 * MAX_DENIALS {
        memory.remember(&Asked { object: &named(number), limit: &limit, cost: 1 }, &denial(60_000), T0);
        assert!(memory.denials.iter().map(Map::len).sum::<usize>() <= MAX_DENIALS);
    }
    let known = |number: usize| {
        memory.denied(&Asked { object: &named(number), limit: &limit, cost: 1 }, T0).is_some()
    };
    assert!((3 * MAX_DENIALS - MAX_DENIALS / 2..3 * MAX_DENIALS).all(known));
    assert!(!known(0));
}

#[test]
fn a_newer_denial_hides_an_older_one() {
    let (object, limit) = (named(1), bucket());
    let asked = Asked { object: &object, limit: &limit, cost: 1 };
    let mut memory = Memory::new([7; 16]);
    memory.remember(&asked, &denial(100), T0);
    for number in 2..2 + MAX_DENIALS / 2 {
        memory.remember(&Asked { object: &named(number), limit: &limit, cost: 1 }, &denial(60_000), T0);
    }
    memory.remember(&asked, &denial(900), T0);
    assert_eq!(memory.denied(&asked, T0 + 500).unwrap().retry_ms, 400);
}

#[test]
fn a_share_is_charged_wholly_or_not_at_all() {
    let (object, bucket) = (named(1), bucket());
    let quota = limit("quota", Algorithm::Quota { limit: 50, period: Period::Day });
    let both = [
        Asked { object: &object, limit: &bucket, cost: 1 },
        Asked { object: &object, limit: &quota, cost: 1 },
    ];
    let mut memory = Memory::new([7; 16]);
    for left in [49, 48, 47] {
        assert_eq!(memory.share(&both, T0)[1].remaining, left);
    }
    let refused = memory.share(&both, T0);
    assert!(!refused[0].admitted && refused[1].admitted);
    assert_eq!(refused[1].remaining, 47);
    assert_eq!(memory.share(&both[1..], T0)[0].remaining, 46, "the refused one was not charged");
}

#[test]
fn a_flood_of_keys_refreshes_no_share() {
    let limit = bucket();
    let (first, mut memory) = (named(0), Memory::new([7; 16]));
    let asked = [Asked { object: &first, limit: &limit, cost: 3 }];
    assert!(admitted(&mut memory, &asked, T0));
    for number in 1..2 * MAX_SHARES {
        let passed = admitted(&mut memory, &[Asked { object: &named(number), limit: &limit, cost: 3 }], T0);
        assert_eq!(passed, number < MAX_SHARES, "a new key that finds no room is refused: {number}");
    }
    assert_eq!(memory.shares.len(), MAX_SHARES);
    assert!(!admitted(&mut memory, &asked, T0 + 999));
    let late = [Asked { object: &named(MAX_SHARES), limit: &limit, cost: 1 }];
    let refused = memory.share(&late, T0 + 10)[0];
    assert_eq!((refused.admitted, refused.retry_ms), (false, 2_990));
    assert!(admitted(&mut memory, &late, T0 + 3_000), "room is there once others have lapsed");
    assert_eq!(memory.shares.len(), 1);
}

proptest! {
    /// A share is the algorithm itself, for each key apart.
    #[test]
    fn a_share_admits_what_the_limit_admits(requests in prop::collection::vec((0usize..3, 0u64..900), 1..80)) {
        let limit = bucket();
        let mut memory = Memory::new([7; 16]);
        let (mut now, mut states) = (T0, [None; 3]);
        for (number, wait) in requests {
            now += wait;
            let (expected, next) = limit.algorithm.judge(states[number].as_ref(), 1, now);
            if expected.admitted { states[number] = Some(next); }
            let verdicts = memory.share(&[Asked { object: &named(number), limit: &limit, cost: 1 }], now);
            prop_assert_eq!(verdicts, vec![expected]);
        }
    }
}
