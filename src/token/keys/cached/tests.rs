use super::*;
use proptest::prelude::*;
use serde_json::json;

const TIMING: Timing = Timing { ttl: 300, interval: 30, max_stale: 3600, deadline: 4 };

fn set(kids: &[&str]) -> KeySet {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let keys: Vec<_> =
        kids.iter().map(|kid| json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid })).collect();
    KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

fn need(cached: &mut Cached, now: u64, kid: &str) -> Need {
    cached.need(now, Some(kid), Algorithm::EdDSA)
}

fn begin(cached: &mut Cached, now: u64, kid: &str) -> Ticket {
    match need(cached, now, kid) {
        Need::Fetch(ticket) => ticket,
        Need::Refresh(_) => cached.due(now).expect("a fetch"),
        other => panic!("{other:?}"),
    }
}

/// With the key `a`, fetched at second 1000.
fn warm() -> Cached {
    let mut cached = Cached::new(TIMING);
    let ticket = begin(&mut cached, 1000, "a");
    assert!(cached.fetched(1000, ticket, Some(Ok(set(&["a"])))));
    cached
}

fn uses(need: &Need) -> bool {
    matches!(need, Need::Use(_))
}

#[test]
fn a_fresh_set_serves_without_fetching() {
    let mut cached = warm();
    for now in [1000, 1029, 1299] {
        assert!(uses(&need(&mut cached, now, "a")));
    }
}

#[test]
fn the_first_fetch_makes_the_others_wait_until_its_deadline() {
    let mut cached = Cached::new(TIMING);
    begin(&mut cached, 1000, "a");
    assert_eq!(need(&mut cached, 1000, "a"), Need::Wait(1004));
    assert_eq!(need(&mut cached, 1003, "b"), Need::Wait(1004));
    // Given up, but too soon for the next.
    assert_eq!(need(&mut cached, 1004, "a"), Need::Unavailable(1005));
    begin(&mut cached, 1005, "a");
}

#[test]
fn without_any_keys_a_failure_is_repeated_soon_but_not_at_once() {
    let mut cached = Cached::new(TIMING);
    let ticket = begin(&mut cached, 1000, "a");
    assert!(!cached.fetched(1003, ticket, None));
    assert_eq!(need(&mut cached, 1003, "a"), Need::Unavailable(1008));
    assert_eq!(need(&mut cached, 1007, "a"), Need::Unavailable(1008));
    begin(&mut cached, 1008, "a");
}

#[test]
fn a_stale_set_is_refreshed_by_one_and_serves_the_others() {
    let mut cached = warm();
    assert!(matches!(need(&mut cached, 1300, "a"), Need::Refresh(_)));
    assert!(uses(&need(&mut cached, 1300, "a")), "nobody waits");
    assert_eq!(need(&mut cached, 1300, "b"), Need::Wait(1304), "but who has no key");
    let ticket = cached.due(1301).expect("a fetch");
    assert_eq!(cached.due(1301), None, "one at a time");
    assert!(uses(&need(&mut cached, 1301, "a")));
    assert!(!cached.fetched(1302, ticket, Some(Ok(set(&["a"])))));
    assert!(uses(&need(&mut cached, 1601, "a")));
    begin(&mut cached, 1602, "a");
}

#[test]
fn the_last_known_good_serves_while_fetches_fail_and_not_for_ever() {
    let mut cached = warm();
    let last = 1000 + 300 + 3600;
    let (mut fetches, mut now) = (0, 1300);
    while now < last {
        match need(&mut cached, now, "a") {
            Need::Refresh(_) => {
                fetches += 1;
                let ticket = cached.due(now).expect("a fetch");
                let broken = if fetches % 2 == 0 { None } else { Some(KeySet::parse("{}")) };
                assert!(!cached.fetched(now, ticket, broken));
            }
            other => assert!(uses(&other), "{now}: {other:?}"),
        }
        assert!(uses(&need(&mut cached, now, "a")), "after a failure at {now}");
        now += 1;
    }
    assert_eq!(fetches, 3600 / 30);
    let ticket = begin(&mut cached, last, "a");
    cached.fetched(last, ticket, None);
    assert_eq!(need(&mut cached, last, "a"), Need::Unavailable(last + RETRY));
}

#[test]
fn an_unknown_kid_costs_one_fetch_per_interval() {
    let mut cached = warm();
    assert_eq!(need(&mut cached, 1029, "b"), Need::Unknown);
    let ticket = begin(&mut cached, 1030, "b");
    assert_eq!(need(&mut cached, 1030, "c"), Need::Wait(1034));
    assert!(uses(&need(&mut cached, 1030, "a")));
    assert!(!cached.fetched(1031, ticket, Some(Ok(set(&["a"])))));
    assert_eq!(need(&mut cached, 1031, "b"), Need::Unknown);
    assert_eq!(need(&mut cached, 1059, "c"), Need::Unknown);
    let ticket = begin(&mut cached, 1060, "b");
    assert!(cached.fetched(1060, ticket, Some(Ok(set(&["a", "b"])))));
    assert!(uses(&need(&mut cached, 1060, "b")));
}

#[test]
fn a_failed_signature_refetches_once_per_interval() {
    let mut cached = warm();
    assert_eq!(cached.refetch(1029), Need::Unknown);
    let Need::Fetch(ticket) = cached.refetch(1030) else { panic!("no fetch") };
    assert_eq!((cached.refetch(1031), cached.due(1031)), (Need::Wait(1034), None));
    assert!(!cached.fetched(1031, ticket, None));
    assert!(uses(&need(&mut cached, 1031, "a")));
    assert_eq!(cached.refetch(1060), Need::Unknown);
    assert!(matches!(cached.refetch(1061), Need::Fetch(_)));
}

#[test]
fn keys_that_nobody_asked_for_in_long_are_fetched_before_they_serve() {
    let mut cached = warm();
    assert!(matches!(need(&mut cached, 1599, "a"), Need::Refresh(_)));
    let mut cached = warm();
    let Need::Fetch(ticket) = need(&mut cached, 1600, "a") else { panic!("a withdrawn key would serve") };
    // But they do serve where that fails, and from then on nobody waits.
    assert!(!cached.fetched(1602, ticket, None));
    assert!(uses(&need(&mut cached, 1602, "a")));
    assert!(matches!(need(&mut cached, 1632, "a"), Need::Refresh(_)));
}

#[test]
fn a_refresh_that_nobody_takes_is_begun_anew_after_its_deadline() {
    let mut cached = warm();
    assert!(matches!(need(&mut cached, 1300, "a"), Need::Refresh(_)));
    assert!(uses(&need(&mut cached, 1329, "a")));
    assert_eq!(cached.due(1304), None, "too late");
    assert!(matches!(need(&mut cached, 1330, "a"), Need::Refresh(_)));
    assert!(cached.due(1330).is_some());
}

#[test]
fn a_late_answer_never_replaces_a_later_fetch() {
    let mut cached = warm();
    let first = begin(&mut cached, 1300, "a");
    let second = begin(&mut cached, 1330, "a");
    assert!(cached.fetched(1331, second, Some(Ok(set(&["b"])))));
    assert!(!cached.fetched(1332, first, Some(Ok(set(&["c"])))));
    assert!(uses(&need(&mut cached, 1332, "b")));
}

#[test]
fn the_epoch_counts_changes_only() {
    let mut cached = warm();
    assert_eq!(cached.epoch(), 1);
    let ticket = begin(&mut cached, 1300, "a");
    cached.fetched(1300, ticket, Some(Ok(set(&["a"]))));
    assert_eq!(cached.epoch(), 1);
    let ticket = begin(&mut cached, 1600, "a");
    cached.fetched(1600, ticket, Some(Ok(set(&["b"]))));
    assert_eq!(cached.epoch(), 2);
}

#[test]
fn a_token_is_remembered_no_longer_than_its_keys_are_fresh() {
    let cached = warm();
    assert_eq!(cached.remember_until(1000), 1300);
    assert_eq!(cached.remember_until(1290), 1320);
    assert_eq!(cached.remember_until(4890), 4900);
    assert_eq!(Cached::new(TIMING).remember_until(1000), 0);
}

#[test]
fn zeros_in_the_numbers_are_not_a_busy_loop() {
    let mut cached = Cached::new(Timing { ttl: 0, interval: 0, max_stale: 0, deadline: 0 });
    let ticket = begin(&mut cached, 1000, "a");
    cached.fetched(1000, ticket, Some(Ok(set(&["a"]))));
    assert_eq!(need(&mut cached, 1000, "a"), Need::Unavailable(1001));
}

proptest! {
    /// Whatever arrives and whatever the issuer does: fetches keep their distance, and a good key within its time
    /// is never refused.
    #[test]
    fn fetches_are_bounded_and_good_keys_stay(steps in prop::collection::vec((0u64..20, 0u8..4, 0u8..4), 1..300)) {
        let mut cached = warm();
        let (mut now, mut last, mut good, mut flying) = (1000u64, 1000u64, 1000u64, None);
        for (wait, kid, action) in steps {
            now += wait;
            let known = kid == 0;
            let kid = if known { "a".to_owned() } else { format!("x{kid}") };
            let ticket = match need(&mut cached, now, &kid) {
                Need::Fetch(ticket) => { prop_assert!(!known || now >= last + 600); Some(ticket) }
                Need::Refresh(_) => { prop_assert!(known); cached.due(now) }
                Need::Use(_) => { prop_assert!(known); None }
                other => { prop_assert!(!known || now >= good + 3900, "{:?}", other); None }
            };
            let ticket = ticket.or_else(|| match (action == 3).then(|| cached.refetch(now)) {
                Some(Need::Fetch(ticket)) => Some(ticket),
                _ => None,
            });
            if let Some(ticket) = ticket {
                let least = if now < good + 3900 { 30 } else { 5 };
                prop_assert!(now - last >= least, "{} after {}", now, last);
                last = now;
                flying = Some(ticket);
            }
            match (action, flying) {
                (0, Some(ticket)) => {
                    cached.fetched(now, ticket, Some(Ok(set(&["a"]))));
                    good = now;
                    flying = None;
                }
                (1, Some(ticket)) => {
                    cached.fetched(now, ticket, None);
                    flying = None;
                }
                _ => {}
            }
        }
    }
}
