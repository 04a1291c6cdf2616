use super::*;
use crate::limit::{Algorithm, Period};
use crate::simulator::Sqlite as Database;
use proptest::prelude::*;

const T0: u64 = 1_790_000_000_000;
const BUCKET: Algorithm = Algorithm::Bucket { rate: 1, period: 1_000, burst: 3 };
const DAY: Algorithm = Algorithm::Quota { limit: 50, period: Period::Day };

fn asks<'a>(limits: &[(&'a str, Algorithm)]) -> Vec<Ask<'a>> {
    limits.iter().map(|(id, algorithm)| Ask { limit: (*id).into(), algorithm: *algorithm, cost: 1 }).collect()
}

fn send(database: &Database, message: &Message<'_>, now: u64) -> (Reply, Option<u64>) {
    let handled = handle(database, &message.encode(), now);
    let limits = if let Message::Charge { limits, .. } = message { limits.len() } else { 0 };
    (Reply::decode(&handled.reply, limits).unwrap(), handled.alarm)
}

fn try_charge(database: &Database, id: Option<&str>, limits: &[(&str, Algorithm)], now: u64) -> Reply {
    send(database, &Message::Charge { id: id.map(Into::into), limits: asks(limits) }, now).0
}

fn charged(database: &Database, id: Option<&str>, limits: &[(&str, Algorithm)], now: u64) -> Vec<Verdict> {
    match try_charge(database, id, limits, now) {
        Reply::Verdicts(verdicts) => verdicts,
        other => panic!("{other:?}"),
    }
}

fn refunded(database: &Database, id: &str, now: u64) -> bool {
    match send(database, &Message::Refund { id: id.into() }, now).0 {
        Reply::Refunded(done) => done,
        other => panic!("{other:?}"),
    }
}

fn remaining(database: &Database, limit: (&str, Algorithm), now: u64) -> u64 {
    let peek = Ask { limit: limit.0.into(), algorithm: limit.1, cost: 0 };
    match send(database, &Message::Charge { id: None, limits: vec![peek] }, now).0 {
        Reply::Verdicts(verdicts) => verdicts[0].remaining,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_usual_charge_is_one_select_and_one_upsert() {
    let database = Database::default();
    charged(&database, None, &[("a", BUCKET)], T0);
    assert_eq!(
        database.verbs(),
        ["SELECT", "CREATE", "CREATE", "SELECT", "INSERT", "SELECT"],
        "the first one"
    );
    charged(&database, None, &[("a", BUCKET)], T0);
    assert_eq!(database.verbs(), ["SELECT", "INSERT"]);
    charged(&database, None, &[("a", BUCKET), ("b", DAY)], T0);
    assert_eq!(database.verbs(), ["SELECT", "INSERT", "SELECT"], "a new limit's row may lapse first");
    assert!(!charged(&database, None, &[("a", BUCKET), ("b", DAY)], T0)[0].admitted);
    assert_eq!(database.verbs(), ["SELECT"], "a refused request writes nothing");
    charged(&database, Some("one"), &[("c", BUCKET)], T0);
    assert_eq!(database.verbs(), ["SELECT", "INSERT", "INSERT"], "what may be refunded is one row more");
}

#[test]
fn two_hundred_requests_on_fifty_a_day_admit_fifty_across_evictions() {
    let database = Database::default();
    let admitted = (0..200).filter(|at| charged(&database, None, &[("q", DAY)], T0 + at)[0].admitted).count();
    assert_eq!(admitted, 50);
    // Nothing is kept outside the database, so this is also how it stands after a restart.
    let verdict = charged(&database, None, &[("q", DAY)], T0 + 1_000)[0];
    assert!(!verdict.admitted);
    assert!(charged(&database, None, &[("q", DAY)], T0 + 1_000 + verdict.retry_ms)[0].admitted);
}

#[test]
fn where_one_limit_refuses_none_is_charged() {
    let database = Database::default();
    let both = [("burst", BUCKET), ("day", DAY)];
    for left in [49, 48, 47] {
        assert_eq!(charged(&database, None, &both, T0)[1].remaining, left);
    }
    let refused = charged(&database, None, &both, T0);
    assert!(!refused[0].admitted && refused[1].admitted);
    assert_eq!(refused[1].remaining, 47, "the other limit says what is left uncharged");
    assert_eq!(remaining(&database, both[1], T0), 47);
}

#[test]
fn limits_of_one_object_do_not_touch_each_other() {
    let database = Database::default();
    charged(&database, None, &[("a", BUCKET)], T0);
    charged(&database, None, &[("b", BUCKET), ("a", BUCKET)], T0);
    assert_eq!(remaining(&database, ("a", BUCKET), T0), 1);
    assert_eq!(remaining(&database, ("b", BUCKET), T0), 2);
}

#[test]
fn a_refund_is_taken_once_and_only_for_an_admitted_charge() {
    let database = Database::default();
    let both = [("burst", BUCKET), ("day", DAY)];
    charged(&database, Some("zero"), &both, T0);
    charged(&database, Some("one"), &both, T0);
    assert_eq!(remaining(&database, both[1], T0), 48);
    assert!(refunded(&database, "one", T0 + 5));
    assert_eq!(remaining(&database, both[1], T0 + 5), 49);
    assert_eq!(remaining(&database, both[0], T0 + 5), 2);
    for _ in 0..3 {
        assert!(!refunded(&database, "one", T0 + 5), "its reply was lost and it comes again");
    }
    assert_eq!(remaining(&database, both[1], T0 + 5), 49);
    charged(&database, None, &both, T0 + 5);
    charged(&database, None, &both, T0 + 5);
    assert!(!charged(&database, Some("refused"), &both, T0 + 5)[0].admitted);
    assert!(!refunded(&database, "refused", T0 + 5), "it was never charged");
    assert_eq!(remaining(&database, both[1], T0 + 5), 47);
}

#[test]
fn a_charge_is_refundable_for_a_minute_and_alarms_clear_the_records() {
    let database = Database::default();
    charged(&database, Some("one"), &[("day", DAY)], T0);
    assert!(!refunded(&database, "one", T0 + REFUNDABLE_MS));
    let mut due: Option<u64> = None;
    for at in 1..=200 {
        let now = T0 + at * REFUNDABLE_MS / 10;
        if due.is_some_and(|due| due <= now) {
            due = alarm(&database, now);
        }
        let limits = asks(&[("day", Algorithm::Quota { limit: 5_000, period: Period::Day })]);
        let (_, set) = send(&database, &Message::Charge { id: Some(format!("c{at}").into()), limits }, now);
        due = due.into_iter().chain(set).min();
        assert!(due.is_some_and(|due| due <= now + ALARM_APART_MS));
        assert!(database.number("SELECT count(*) FROM charges").unwrap() <= 21);
    }
    // And when nobody comes any more.
    let last = alarm(&database, due.unwrap()).unwrap();
    assert!((1..=10).contains(&database.number("SELECT count(*) FROM charges").unwrap()), "a minute's");
    assert_eq!(alarm(&database, last), Some(Period::Day.bounds(T0).1), "only the quota is left");
    assert_eq!(database.number("SELECT count(*) FROM charges"), Ok(0));
}

#[test]
fn a_charge_that_its_refund_has_overtaken_counts_nothing() {
    let both = [("burst", BUCKET), ("day", DAY)];
    for limits in [&both[..], &both[1..]] {
        let database = Database::default();
        assert!(!refunded(&database, "one", T0), "nothing was charged yet");
        let (reply, _) = send(&database, &Message::Refund { id: "one".into() }, T0);
        assert_eq!(reply, Reply::Refunded(false), "again");
        assert_eq!(try_charge(&database, Some("one"), limits, T0 + 1), Reply::Refused(ObjectError::KnownId));
        assert_eq!(remaining(&database, both[1], T0 + 1), 50);
        assert!(!refunded(&database, "one", T0 + 2));
        assert!(charged(&database, Some("two"), limits, T0 + 2)[0].admitted, "others are charged");
        assert_eq!(remaining(&database, both[1], T0 + 2), 49);
    }
}

#[test]
fn an_object_that_only_got_a_refund_goes_too() {
    let database = Database::default();
    let set = send(&database, &Message::Refund { id: "one".into() }, T0).1.unwrap();
    assert_eq!(set, T0 + ALARM_APART_MS);
    assert_eq!(alarm(&database, T0 + 1), Some(T0 + 1 + ALARM_APART_MS), "too early: it may still be needed");
    assert_eq!(
        try_charge(&database, Some("one"), &[("a", BUCKET)], T0 + 2),
        Reply::Refused(ObjectError::KnownId)
    );
    assert_eq!(alarm(&database, set), None);
    assert_eq!(database.number("SELECT count(*) FROM sqlite_schema WHERE type=\'table\'").unwrap(), 0);
}

#[test]
fn an_id_counts_once() {
    let database = Database::default();
    charged(&database, Some("same"), &[("day", DAY)], T0);
    assert_eq!(
        try_charge(&database, Some("same"), &[("day", DAY)], T0),
        Reply::Refused(ObjectError::KnownId)
    );
    assert_eq!(remaining(&database, ("day", DAY), T0), 49);
    assert!(refunded(&database, "same", T0));
    assert!(!refunded(&database, "same", T0));
    assert_eq!(remaining(&database, ("day", DAY), T0), 50);
}

#[test]
fn a_row_of_newer_code_is_left_untouched() {
    let database = Database::default();
    charged(&database, Some("one"), &[("old", BUCKET), ("new", BUCKET)], T0);
    database.run("ALTER TABLE limits ADD COLUMN loans TEXT; UPDATE limits SET version=2,state='b2;{}',loans='[7]' WHERE id='new'").unwrap();
    let reply = try_charge(&database, None, &[("old", BUCKET), ("new", BUCKET)], T0);
    assert_eq!(reply, Reply::Refused(ObjectError::NewerRows(vec![1])));
    assert_eq!(remaining(&database, ("old", BUCKET), T0), 2, "and nothing is charged");
    assert!(charged(&database, None, &[("old", BUCKET)], T0)[0].admitted, "the rest may be asked without it");
    assert!(refunded(&database, "one", T0), "what can be read is refunded");
    let sql = "SELECT count(*) FROM limits WHERE id='new' AND version=2 AND state='b2;{}' AND loans='[7]'";
    assert_eq!(database.number(sql), Ok(1));
    assert_eq!(remaining(&database, ("old", BUCKET), T0), 2);
}

#[test]
fn a_damaged_row_fails_closed() {
    let database = Database::default();
    for damage in ["state='b,1'", "state=''", "version=0", "version='x'"] {
        charged(&database, None, &[(damage, BUCKET)], T0);
        database.query(&format!("UPDATE limits SET {damage} WHERE id=?1"), &[damage.into()]).unwrap();
        let reply = try_charge(&database, None, &[(damage, BUCKET)], T0);
        assert_eq!(reply, Reply::Refused(ObjectError::NewerRows(vec![0])), "{damage}");
    }
}

#[test]
fn a_charge_record_of_newer_code_is_not_refunded() {
    let database = Database::default();
    charged(&database, Some("one"), &[("a", BUCKET)], T0);
    database.run("UPDATE charges SET version=2").unwrap();
    assert!(!refunded(&database, "one", T0));
    assert_eq!(remaining(&database, ("a", BUCKET), T0), 2);
}

#[test]
fn rows_of_this_version_are_pinned() {
    let database = Database::default();
    charged(&database, Some("one"), &[("a", BUCKET), ("q", DAY)], T0);
    let dump = |sql| {
        database.query(sql, &[]).unwrap().iter().map(|row| format!("{row:?}")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        dump("SELECT id,version,state,lapses FROM limits ORDER BY id"),
        concat!(
            r#"[Text("a"), Int(1), Text("b,1790000000000,1,0,1,1000"), Int(1790000001000)]"#,
            "\n",
            r#"[Text("q"), Int(1), Text("q,d,1789948800000,1"), Int(1790035200000)]"#,
        )
    );
    assert_eq!(
        dump("SELECT id,version,taken,lapses FROM charges"),
        r#"[Text("one"), Int(1), Text("[[\"a\",1,\"b,1790000000000,1,0,1,1000\"],[\"q\",1,\"q,d,1789948800000,1\"]]"), Int(1790000060000)]"#,
    );
}

#[test]
fn messages_of_newer_code_and_noise_change_nothing() {
    let database = Database::default();
    for (message, error) in [
        (r#"{"v":2,"op":"charge"}"#, ObjectError::NewerMessage),
        ("", ObjectError::Malformed),
        ("'; DROP TABLE limits; --", ObjectError::Malformed),
    ] {
        let handled = handle(&database, message, T0);
        assert_eq!(Reply::decode(&handled.reply, 1), Ok(Reply::Refused(error)), "{message}");
        assert_eq!(handled.alarm, None);
    }
    assert_eq!(database.number("SELECT count(*) FROM sqlite_schema WHERE type=\'table\'").unwrap(), 0);
}

#[test]
fn failures_of_the_storage_never_admit() {
    let all = [("a", BUCKET), ("b", DAY)];
    for verb in ["SELECT id", "INSERT INTO limits", "INSERT INTO charges"] {
        let database = Database::default();
        charged(&database, None, &all, T0);
        database.broken.set(Some(verb));
        let reply = try_charge(&database, Some("one"), &all, T0);
        assert_eq!(reply, Reply::Refused(ObjectError::Storage), "{verb}");
        database.broken.set(None);
        assert!(!refunded(&database, "one", T0), "{verb}");
        assert!(remaining(&database, all[1], T0) <= 49, "{verb}");
    }
    let database = Database::default();
    database.broken.set(Some("CREATE"));
    assert_eq!(try_charge(&database, None, &all, T0), Reply::Refused(ObjectError::Storage));
}

#[test]
fn an_alarm_deletes_what_has_lapsed_and_at_last_everything() {
    let database = Database::default();
    let charge = |limits: &[(&str, Algorithm)]| {
        send(&database, &Message::Charge { id: None, limits: asks(limits) }, T0).1
    };
    let end_of_day = Period::Day.bounds(T0).1;
    assert_eq!(charge(&[("q", DAY)]), Some(end_of_day));
    assert_eq!(charge(&[("q", DAY)]), None, "it is set already");
    assert_eq!(charge(&[("q", DAY), ("a", BUCKET)]), Some(T0 + ALARM_APART_MS), "the bucket lapses first");
    charged(&database, Some("one"), &[("q", DAY)], T0);
    let first = T0 + ALARM_APART_MS;
    assert_eq!(alarm(&database, first), Some(end_of_day));
    assert_eq!(
        (
            database.number("SELECT count(*) FROM limits").unwrap(),
            database.number("SELECT count(*) FROM charges").unwrap()
        ),
        (1, 0)
    );
    assert_eq!(
        alarm(&database, end_of_day - 1),
        Some(end_of_day - 1 + ALARM_APART_MS),
        "too early, it stays"
    );
    assert_eq!(database.number("SELECT count(*) FROM limits").unwrap(), 1);
    assert_eq!(alarm(&database, end_of_day), None);
    assert_eq!(database.number("SELECT count(*) FROM sqlite_schema WHERE type=\'table\'").unwrap(), 0);
    assert_eq!(alarm(&database, end_of_day), None, "an alarm of an empty object");
    assert_eq!(charged(&database, None, &[("q", DAY)], end_of_day)[0].remaining, 49, "and it begins anew");
}

#[test]
fn an_object_that_only_refused_goes_too() {
    let database = Database::default();
    let dear = Ask { limit: "a".into(), algorithm: BUCKET, cost: 9 };
    let (reply, set) = send(&database, &Message::Charge { id: None, limits: vec![dear] }, T0);
    assert!(matches!(reply, Reply::Verdicts(verdicts) if verdicts[0].retry_ms == crate::limit::NEVER));
    assert_eq!(alarm(&database, set.unwrap()), None);
    assert_eq!(database.number("SELECT count(*) FROM sqlite_schema WHERE type=\'table\'").unwrap(), 0);
}

#[test]
fn an_alarm_whose_storage_fails_comes_again() {
    let database = Database::default();
    charged(&database, None, &[("q", DAY)], T0);
    database.broken.set(Some("DELETE"));
    assert_eq!(alarm(&database, T0), Some(T0 + ALARM_APART_MS));
    assert_eq!(database.number("SELECT count(*) FROM limits").unwrap(), 1);
}

proptest! {
    /// All-or-nothing with refunds, against counting by hand: two quotas, one of them smaller, asked together or
    /// apart, and refunds of known, unknown and refunded charges.
    #[test]
    fn quotas_with_refunds_count_as_by_hand(steps in prop::collection::vec((0usize..4, 0usize..12), 1..60)) {
        let database = Database::default();
        let rules = [("small", Algorithm::Quota { limit: 4, period: Period::Day }), ("large", Algorithm::Quota { limit: 7, period: Period::Day })];
        let mut used = [0u64, 0];
        let mut spent = std::collections::HashSet::new();
        let mut live: std::collections::HashMap<String, &[usize]> = std::collections::HashMap::new();
        for (at, (kind, which)) in steps.into_iter().enumerate() {
            let now = T0 + at as u64;
            let asked: &[usize] = match kind { 0 => &[0], 1 => &[1], 2 => &[0, 1], _ => &[] };
            if asked.is_empty() {
                let id = which.to_string();
                let expected = live.remove(&id);
                spent.insert(id.clone());
                prop_assert_eq!(refunded(&database, &id, now), expected.is_some());
                for index in expected.unwrap_or_default() { used[*index] -= 1; }
                continue;
            }
            // An id counts once, and a refund takes it from the next.
            let id = which.to_string();
            if !spent.insert(id.clone()) {
                let limits: Vec<_> = asked.iter().map(|index| rules[*index]).collect();
                prop_assert_eq!(try_charge(&database, Some(&id), &limits, now), Reply::Refused(ObjectError::KnownId));
                continue;
            }
            let fits = asked.iter().all(|index| used[*index] < rules[*index].1.capacity());
            let limits: Vec<_> = asked.iter().map(|index| rules[*index]).collect();
            let verdicts = charged(&database, Some(&id), &limits, now);
            prop_assert_eq!(verdicts.iter().all(|verdict| verdict.admitted), fits);
            if !fits {
                // What was refused has left nothing: the same id may come again.
                spent.remove(&id);
            }
            if fits {
                for index in asked { used[*index] += 1; }
                live.insert(id, asked);
            }
            for (index, verdict) in asked.iter().zip(&verdicts) {
                prop_assert_eq!(verdict.remaining, rules[*index].1.capacity() - used[*index]);
            }
        }
    }

    /// A request that asks two objects, over a network that loses messages and replies and lets a refund overtake its
    /// charge: whatever happens, neither limit ever lets more pass than it allows, and what was refunded may be used
    /// again.
    #[test]
    fn two_objects_never_over_admit_whatever_is_lost(
        steps in prop::collection::vec((0u8..8, 0u8..8, 0u8..8), 1..60),
    ) {
        let objects = [Database::default(), Database::default()];
        let rules = [Algorithm::Quota { limit: 9, period: Period::Day }, Algorithm::Quota { limit: 6, period: Period::Day }];
        let (mut passed, mut kept) = (0, 0);
        for (request, (first, second, refund)) in steps.into_iter().enumerate() {
            let id = request.to_string();
            // 0: the message is lost or comes after all others, 1: its reply is lost, otherwise both arrive. A gateway
            // cannot tell 0 from 1.
            let ask = |object: usize, fate: u8| {
                let charge = (fate > 0).then(|| charged(&objects[object], Some(&id), &[("q", rules[object])], T0)[0]);
                charge.filter(|_| fate > 1).is_some_and(|verdict| verdict.admitted)
            };
            if ask(0, first) && ask(1, second) {
                passed += 1;
            } else if refund > 0 {
                // Also to an object that may never have charged.
                refunded(&objects[0], &id, T0);
                refunded(&objects[1], &id, T0);
                if refund == 1 {
                    refunded(&objects[0], &id, T0);
                }
                for (object, rule) in objects.iter().zip(&rules) {
                    try_charge(object, Some(&id), &[("q", *rule)], T0);
                }
            } else {
                kept += 1;
            }
            for (object, rule) in objects.iter().zip(&rules) {
                let left = remaining(object, ("q", *rule), T0);
                let used = rule.capacity() - left;
                prop_assert!(passed <= used && used <= passed + kept, "{passed} passed, {kept} kept, {used} used");
            }
        }
    }
}
