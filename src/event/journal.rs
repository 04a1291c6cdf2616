//! The object that keeps events readable: one row for each batch, bounded history, newest first.
//!
//! Isolates write to one of [`SHARDS`] objects, chosen once; a reader asks all of them. A batch carries its sender's
//! number and is stored once, however often it arrives. Messages and rows carry a version; a message of a newer one
//! is refused, a row of a newer one is left out of answers and pruned like any other.

use super::queue::BATCH;
use crate::sql::{Sql, SqlError, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Version of messages and rows.
const VERSION: u32 = 1;
/// Objects that share the writing.
pub const SHARDS: u64 = 4;
/// Events in one answer at most.
pub const PAGE: u32 = 500;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS batch (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, \
                     version INTEGER NOT NULL, total INTEGER NOT NULL, events TEXT NOT NULL)";
/// `total` counts all events up to and with the row's, so that nothing needs sums: it grows with `seq`, and so neither
/// storing, pruning nor listing looks at more rows than it has to, however long the history is.
const INSERT: &str = "INSERT OR IGNORE INTO batch (id, version, total, events) \
                      SELECT ?, ?, coalesce((SELECT total FROM batch ORDER BY seq DESC LIMIT 1), 0) + ?, ?";
/// Of the oldest rows those that nobody needs: a batch makes room for as many as it has events, and for a few more
/// where the bound was lowered.
const PRUNE: &str = "DELETE FROM batch WHERE seq IN (SELECT seq FROM batch ORDER BY seq LIMIT 200) \
                     AND total <= (SELECT total FROM batch ORDER BY seq DESC LIMIT 1) - ?";
const _: () = assert!(BATCH < 200);
/// Rows, newest first, that hold so many events; the search for the first that does not stops at it.
const LIST: &str = "SELECT version, events FROM batch WHERE seq > coalesce((SELECT seq FROM batch \
                    WHERE total <= (SELECT total FROM batch ORDER BY seq DESC LIMIT 1) - ? \
                    ORDER BY seq DESC LIMIT 1), 0) ORDER BY seq DESC LIMIT ?";

/// Full records, each for the debug token under which it was made.
const RECORDS: &str = "CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, \
                       version INTEGER NOT NULL, owner TEXT NOT NULL, until INTEGER NOT NULL, body TEXT NOT NULL)";
const EXPIRE: &str = "DELETE FROM record WHERE until <= ?";
/// Of the oldest records those that are too many.
const MAKE_ROOM: &str = "DELETE FROM record WHERE seq <= (SELECT max(seq) FROM record) - ?";
/// Records kept in an object at most.
const KEPT: i64 = 200;
/// Milliseconds that a record is kept at most.
const LONGEST: u64 = 3_600_000;

/// A message to the object.
#[derive(Debug, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Version.
    pub v: u32,
    /// What to do.
    #[serde(borrow, flatten)]
    pub verb: Verb<'a>,
}

/// What the object is asked to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb<'a> {
    /// Store a batch.
    Put {
        /// Unique: the isolate's id and its batch's number.
        batch: String,
        /// Events kept in all. Batches go as a whole, so up to one of them more.
        keep: u32,
        /// The events as JSON objects, oldest first, each on a line.
        #[serde(borrow)]
        events: Cow<'a, str>,
        /// How many.
        count: u32,
    },
    /// The newest events.
    List {
        /// How many at most.
        limit: u32,
    },
    /// One event by its request id.
    Find {
        /// The id.
        id: String,
    },
    /// Keep a full record for a while.
    Keep {
        /// Its request's id.
        id: String,
        /// Who alone may read it.
        owner: String,
        /// Until when, milliseconds since 1970.
        until: u64,
        /// The record as one JSON object.
        #[serde(borrow)]
        record: Cow<'a, str>,
    },
    /// A record that is kept, for its owner.
    Kept {
        /// Its request's id.
        id: String,
        /// Who asks.
        owner: String,
    },
}

/// The object's answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Reply {
    /// Version.
    pub v: u32,
    /// Events, newest first.
    #[serde(default)]
    pub events: Vec<Box<RawValue>>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Name of a shard's object.
pub fn shard(number: u64) -> String {
    format!("journal-{}", number % SHARDS)
}

/// A message's text.
pub fn message(verb: Verb<'_>) -> String {
    serde_json::to_string(&Message { v: VERSION, verb }).unwrap_or_default()
}

/// Answers a message, and says when the object wants to be woken (ms since 1970).
pub fn handle(sql: &dyn Sql, message: &str, now: u64) -> (String, Option<u64>) {
    let mut alarm = None;
    let events = match serde_json::from_str::<Message>(message) {
        Ok(message) if message.v <= VERSION => {
            if let Verb::Keep { until, .. } = message.verb {
                alarm = Some(until);
            }
            answer(sql, &message.verb, now).map_err(|error| error.to_string())
        }
        Ok(message) => Err(format!("message of version {}; this object knows {VERSION}", message.v)),
        Err(error) => Err(format!("unreadable message: {error}")),
    };
    let reply = match events {
        Ok(events) => Reply { v: VERSION, events, error: None },
        Err(error) => Reply { v: VERSION, events: Vec::new(), error: Some(error) },
    };
    (serde_json::to_string(&reply).unwrap_or_default(), alarm)
}

/// Forgets records whose time is over; the answer is when to be woken next.
pub fn alarm(sql: &dyn Sql, now: u64) -> Option<u64> {
    sql.query(RECORDS, &[]).ok()?;
    sql.query(EXPIRE, &[Value::Int(now as i64)]).ok()?;
    match sql.query("SELECT min(until) FROM record", &[]).ok()?.first()?.as_slice() {
        [Value::Int(next)] => u64::try_from(*next).ok(),
        _ => None,
    }
}

/// Keeps a record, and forgets those that are over or too many.
fn keep(sql: &dyn Sql, id: &str, owner: &str, until: u64, record: &str, now: u64) -> Result<(), SqlError> {
    sql.query(RECORDS, &[])?;
    sql.query(EXPIRE, &[Value::Int(now as i64)])?;
    let values = [
        Value::Text(id.to_owned()),
        Value::Int(i64::from(VERSION)),
        Value::Text(owner.to_owned()),
        // A token lasts an hour at most, whatever its maker's clock says.
        Value::Int(until.min(now.saturating_add(LONGEST)) as i64),
        Value::Text(record.to_owned()),
    ];
    sql.query(
        "INSERT OR IGNORE INTO record (id, version, owner, until, body) VALUES (?, ?, ?, ?, ?)",
        &values,
    )?;
    sql.query(MAKE_ROOM, &[Value::Int(KEPT)])?;
    Ok(())
}

fn answer(sql: &dyn Sql, verb: &Verb<'_>, now: u64) -> Result<Vec<Box<RawValue>>, SqlError> {
    match verb {
        Verb::Keep { id, owner, until, record } => {
            return keep(sql, id, owner, *until, record, now).map(|()| Vec::new());
        }
        Verb::Kept { id, owner } => {
            sql.query(RECORDS, &[])?;
            let of = [Value::Text(id.clone()), Value::Text(owner.clone()), Value::Int(now as i64)];
            let rows =
                sql.query("SELECT version, body FROM record WHERE id = ? AND owner = ? AND until > ?", &of)?;
            return Ok(rows.iter().filter_map(|row| known(row)).flat_map(newest_first).take(1).collect());
        }
        _ => {}
    }
    sql.query(TABLE, &[])?;
    match verb {
        Verb::Keep { .. } | Verb::Kept { .. } => Ok(Vec::new()),
        Verb::Put { batch, keep, events, count } => {
            let values = [
                Value::Text(batch.clone()),
                Value::Int(i64::from(VERSION)),
                Value::Int(i64::from(*count)),
                Value::Text(events.clone().into_owned()),
            ];
            sql.query(INSERT, &values)?;
            sql.query(PRUNE, &[Value::Int(i64::from(*keep))])?;
            Ok(Vec::new())
        }
        Verb::List { limit } => {
            let limit = (*limit).clamp(1, PAGE);
            let most = Value::Int(i64::from(limit));
            let rows = sql.query(LIST, &[most.clone(), most])?;
            Ok(rows.iter().filter_map(|row| known(row)).flat_map(newest_first).take(limit as usize).collect())
        }
        Verb::Find { id } => {
            // Ids are letters, digits and hyphens; anything else can be in no event.
            let sought = format!("\"id\":\"{id}\"");
            let rows = sql.query(
                "SELECT version, events FROM batch WHERE instr(events, ?) > 0 ORDER BY seq DESC LIMIT 1",
                &[Value::Text(sought.clone())],
            )?;
            let events = rows.iter().filter_map(|row| known(row)).flat_map(newest_first);
            Ok(events.filter(|event| event.get().contains(&sought)).take(1).collect())
        }
    }
}

/// The events of a row whose version is known.
fn known(row: &[Value]) -> Option<&str> {
    match row {
        [Value::Int(version), Value::Text(events)] if *version <= i64::from(VERSION) => Some(events),
        _ => None,
    }
}

fn newest_first(events: &str) -> impl Iterator<Item = Box<RawValue>> {
    events.lines().rev().filter_map(|line| serde_json::from_str(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Sqlite as Memory;

    fn put(sql: &Memory, batch: &str, keep: u32, ids: std::ops::Range<u32>) -> String {
        let lines: Vec<String> = ids.clone().map(|n| format!("{{\"id\":\"r-{n}\"}}")).collect();
        let verb =
            Verb::Put { batch: batch.into(), keep, events: lines.join("\n").into(), count: ids.len() as u32 };
        handle(sql, &message(verb), 0).0
    }

    fn ids(reply: &str) -> Vec<String> {
        let reply: Reply = serde_json::from_str(reply).unwrap();
        assert_eq!(reply.error, None);
        let id = |event: &RawValue| {
            let event: serde_json::Value = serde_json::from_str(event.get()).unwrap();
            event["id"].as_str().unwrap().to_owned()
        };
        reply.events.iter().map(|event| id(event)).collect()
    }

    fn list(sql: &Memory, limit: u32) -> Vec<String> {
        ids(&handle(sql, &message(Verb::List { limit }), 0).0)
    }

    #[test]
    fn events_come_back_newest_first_and_by_their_id() {
        let sql = Memory::default();
        put(&sql, "a-1", 100, 0..3);
        put(&sql, "a-2", 100, 3..5);
        assert_eq!(list(&sql, 4), ["r-4", "r-3", "r-2", "r-1"]);
        assert_eq!(ids(&handle(&sql, &message(Verb::Find { id: "r-1".into() }), 0).0), ["r-1"]);
        assert!(ids(&handle(&sql, &message(Verb::Find { id: "r-".into() }), 0).0).is_empty());
    }

    #[test]
    fn a_batch_counts_once() {
        let sql = Memory::default();
        put(&sql, "a-1", 100, 0..3);
        put(&sql, "a-1", 100, 0..3);
        assert_eq!(list(&sql, 100).len(), 3);
    }

    #[test]
    fn history_is_bounded() {
        let sql = Memory::default();
        // Single events first, and then batches of many, which push out as many rows as they have events.
        let mut next = 0;
        for (n, count) in [1; 400].into_iter().chain([BATCH as u32; 12]).chain([7; 90]).enumerate() {
            put(&sql, &format!("a-{n}"), 300, next..next + count);
            next += count;
            let held = sql
                .number("SELECT sum(length(events) - length(replace(events, char(10), '')) + 1) FROM batch")
                .unwrap();
            let least = i64::from(next.min(300));
            assert!((least..least + BATCH as i64).contains(&held), "{held} after {next}");
        }
        assert_eq!(list(&sql, 1), [format!("r-{}", next - 1)]);
    }

    #[test]
    fn a_list_reads_no_more_rows_than_it_shows() {
        let sql = Memory::default();
        (0..50).for_each(|n| drop(put(&sql, &format!("a-{n}"), 10_000, n * 100..n * 100 + 100)));
        for (limit, rows) in [(1, 1), (100, 1), (101, 2), (500, 5)] {
            assert_eq!(list(&sql, limit).len(), limit as usize);
            let limit = Value::Int(i64::from(limit));
            let read = sql.query(LIST, &[limit.clone(), limit]).unwrap().len();
            assert_eq!(read, rows);
        }
    }

    #[test]
    fn newer_messages_are_refused_and_newer_rows_left_alone() {
        let sql = Memory::default();
        put(&sql, "a-1", 100, 0..1);
        let reply = handle(&sql, r#"{"v":2,"list":{"limit":1}}"#, 0).0;
        assert_eq!(reply, r#"{"v":1,"events":[],"error":"message of version 2; this object knows 1"}"#);
        sql.query("UPDATE batch SET version = 2, events = '{\"shape\":\"new\"}'", &[]).unwrap();
        assert!(list(&sql, 10).is_empty());
    }

    #[test]
    fn records_are_for_their_owner_for_a_while_and_not_too_many() {
        let sql = Memory::default();
        let keep = |id: &str, until: u64, now: u64| {
            let record = format!("{{\"id\":\"{id}\"}}").into();
            let verb = Verb::Keep { id: id.into(), owner: "o".into(), until, record };
            handle(&sql, &message(verb), now).1
        };
        let kept = |id: &str, owner: &str, now: u64| {
            ids(&handle(&sql, &message(Verb::Kept { id: id.into(), owner: owner.into() }), now).0)
        };
        assert_eq!(keep("a", 1_000, 0), Some(1_000));
        assert_eq!(kept("a", "o", 999), ["a"]);
        assert!(
            kept("a", "p", 999).is_empty()
                && kept("a", "o", 1_000).is_empty()
                && kept("b", "o", 0).is_empty()
        );
        keep("b", 5_000, 0);
        assert_eq!((alarm(&sql, 1_000), alarm(&sql, 5_000)), (Some(5_000), None));
        assert_eq!(sql.number("SELECT count(*) FROM record"), Ok(0));
        // A clock that is wrong keeps nothing forever.
        keep("c", u64::MAX, 0);
        assert_eq!(alarm(&sql, 0), Some(LONGEST));
        (0..300).for_each(|n| assert!(keep(&format!("d{n}"), 9_000, 0).is_some()));
        assert_eq!(sql.number("SELECT count(*) FROM record"), Ok(KEPT));
        assert!(kept("d99", "o", 0).is_empty() && kept("d299", "o", 0) == ["d299"]);
    }

    #[test]
    fn the_messages_are_pinned() {
        let put = message(Verb::Put { batch: "a-1".into(), keep: 9, events: "{}".into(), count: 1 });
        assert_eq!(put, r#"{"v":1,"put":{"batch":"a-1","keep":9,"events":"{}","count":1}}"#);
        assert_eq!(message(Verb::List { limit: 5 }), r#"{"v":1,"list":{"limit":5}}"#);
        assert_eq!(message(Verb::Find { id: "x".into() }), r#"{"v":1,"find":{"id":"x"}}"#);
        let keep = Verb::Keep { id: "x".into(), owner: "o".into(), until: 9, record: "{}".into() };
        assert_eq!(message(keep), r#"{"v":1,"keep":{"id":"x","owner":"o","until":9,"record":"{}"}}"#);
        let kept = message(Verb::Kept { id: "x".into(), owner: "o".into() });
        assert_eq!(kept, r#"{"v":1,"kept":{"id":"x","owner":"o"}}"#);
    }
}
