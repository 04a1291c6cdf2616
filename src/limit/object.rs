//! The object that counts: what it does with a message, and with its alarm.
//!
//! One object keeps all limits of one key in its own SQLite, single-threaded, so a charge needs no lock: it reads,
//! judges and writes with no await in between. The usual charge of one limit costs one SELECT and one UPSERT, a
//! refused one the SELECT alone. Nothing is kept outside the database: an object is evicted at any time.
//!
//! Rows (`version` is that of their meaning; a newer one is neither read nor written):
//! - `limits(id, version, state, lapses)`: one per limit, see [`State::encode`];
//! - `charges(id, version, taken, lapses)`: one per charge that may be refunded, kept for [`REFUNDABLE_MS`] at least;
//!   `taken` lists limit, cost and state after the charge. It is empty once refunded, and where a refund overtook its
//!   charge: a charge whose id is there already counts nothing.
//!
//! Columns are only ever added, and `lapses` means the same in every version: from that moment on the row may go.

use super::message::{Ask, Message, ObjectError, Reply};
use super::{State, Verdict};
use crate::sql::{Sql, SqlError, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// Version of the rows that this code writes, and the newest that it reads.
pub const ROW_VERSION: i64 = 1;

/// How long a charge can be refunded, in milliseconds. Far longer than a gateway waits for the other objects that a
/// request asks.
pub const REFUNDABLE_MS: u64 = 60_000;

/// Alarms are at least so far apart, in milliseconds: a bucket lapses within seconds of its last request, and waking
/// up that often would cost more than its row.
pub const ALARM_APART_MS: u64 = 60_000;

const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS limits(id TEXT PRIMARY KEY,version INTEGER NOT NULL,state TEXT NOT NULL,lapses INTEGER NOT NULL)WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS charges(id TEXT PRIMARY KEY,version INTEGER NOT NULL,taken TEXT NOT NULL,lapses INTEGER NOT NULL)WITHOUT ROWID",
];

/// What the object answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Handled {
    /// The reply's text.
    pub reply: String,
    /// Set where the alarm must be set, to this time in milliseconds since 1970; otherwise it stays as it is.
    pub alarm: Option<u64>,
}

/// Answers a message at `now` (milliseconds since 1970, by the object's clock). Never fails: what goes wrong is in
/// the reply.
pub fn handle(sql: &dyn Sql, message: &str, now: u64) -> Handled {
    let mut alarm = None;
    let reply = match Message::decode(message) {
        Err(error) => Reply::Refused(error),
        Ok(Message::Charge { id, limits }) => charge(sql, id.as_deref(), &limits, now, &mut alarm),
        Ok(Message::Refund { id }) => match refund(sql, &id, now, &mut alarm) {
            Ok(done) => Reply::Refunded(done),
            Err(_) => Reply::Refused(ObjectError::Storage),
        },
    };
    Handled { reply: reply.encode(), alarm }
}

/// Deletes what has lapsed; everything, tables included, where nothing is left. Gives the time of the next alarm.
pub fn alarm(sql: &dyn Sql, now: u64) -> Option<u64> {
    let next = || -> Result<Option<u64>, SqlError> {
        sql.query("DELETE FROM charges WHERE lapses<=?1", &[Value::int(now)])?;
        sql.query("DELETE FROM limits WHERE lapses<=?1", &[Value::int(now)])?;
        Ok(earliest(sql, "limits")?.into_iter().chain(earliest(sql, "charges")?).min())
    };
    match next() {
        Ok(Some(lapses)) => Some(lapses.max(now.saturating_add(ALARM_APART_MS))),
        Ok(None) => {
            sql.delete_all();
            None
        }
        Err(error) if no_table(&error) => {
            sql.delete_all();
            None
        }
        Err(_) => Some(now.saturating_add(ALARM_APART_MS)),
    }
}

fn charge(sql: &dyn Sql, id: Option<&str>, limits: &[Ask<'_>], now: u64, alarm: &mut Option<u64>) -> Reply {
    let due = now.saturating_add(ALARM_APART_MS);
    let rows = match select(sql, id, limits) {
        Ok(rows) => rows,
        // The usual reason is a new object: it costs nothing to try, and says the same error again otherwise.
        Err(_) => {
            // Tables without rows must go too, so the alarm is set whatever becomes of the charge.
            *alarm = Some(due);
            match tables(sql).and_then(|()| select(sql, id, limits)) {
                Ok(rows) => rows,
                Err(_) => return Reply::Refused(ObjectError::Storage),
            }
        }
    };
    if rows.iter().any(|row| row.first() == Some(&Value::Null)) {
        return Reply::Refused(ObjectError::KnownId);
    }
    let (judged, unreadable) = judge(limits, &rows, now);
    if !unreadable.is_empty() {
        return Reply::Refused(ObjectError::NewerRows(unreadable));
    }
    if judged.iter().any(|judged| !judged.verdict.admitted) {
        return Reply::Verdicts(uncharged(limits, &judged, now));
    }
    if write(sql, limits, &judged).is_err() {
        return Reply::Refused(ObjectError::Storage);
    }
    if let Some(id) = id {
        // The alarm clears the table: looking for what has lapsed at each charge would read a minute's charges.
        *alarm = Some(due);
        if remember(sql, id, &taken(limits, &judged), now).is_err() {
            // Charged, but the gateway must not believe that it can be refunded: it stays charged.
            return Reply::Refused(ObjectError::Storage);
        }
    } else if judged.iter().any(|judged| judged.is_new)
        && let Ok(Some(lapses)) = earliest(sql, "limits")
    {
        // An object has an alarm from its first row on; a further limit's row may lapse before it is due.
        *alarm = Some(lapses.max(due));
    }
    Reply::Verdicts(judged.iter().map(|judged| judged.verdict).collect())
}

struct Judged {
    verdict: Verdict,
    /// The state to keep where all limits admit.
    state: State,
    before: Option<State>,
    is_new: bool,
}

fn judge(limits: &[Ask<'_>], rows: &[Vec<Value>], now: u64) -> (Vec<Judged>, Vec<u16>) {
    let mut judged = Vec::with_capacity(limits.len());
    let mut unreadable = Vec::new();
    for (index, ask) in (0u16..).zip(limits) {
        let row = rows.iter().find(|row| row.first().and_then(Value::as_text) == Some(&ask.limit));
        let before = match row.map(|row| read(row)) {
            None => None,
            Some(Some(state)) => Some(state),
            Some(None) => {
                unreadable.push(index);
                continue;
            }
        };
        let (verdict, state) = ask.algorithm.judge(before.as_ref(), ask.cost, now);
        judged.push(Judged { verdict, state, before, is_new: row.is_none() });
    }
    (judged, unreadable)
}

/// The state of a row (`id, version, state`), unless newer code wrote it or it is damaged.
fn read(row: &[Value]) -> Option<State> {
    let version = row.get(1)?.as_int()?;
    if !(1..=ROW_VERSION).contains(&version) {
        return None;
    }
    State::decode(row.get(2)?.as_text()?)
}

/// The verdicts where one limit refuses: those that would have admitted say what is left uncharged.
fn uncharged(limits: &[Ask<'_>], judged: &[Judged], now: u64) -> Vec<Verdict> {
    let asks = limits.iter().zip(judged);
    asks.map(|(ask, judged)| match judged.verdict.admitted {
        true => ask.algorithm.judge(judged.before.as_ref(), 0, now).0,
        false => judged.verdict,
    })
    .collect()
}

fn tables(sql: &dyn Sql) -> Result<(), SqlError> {
    TABLES.iter().try_for_each(|table| sql.query(table, &[]).map(drop))
}

/// The rows of the limits, and one that begins with NULL where the charge's id is known.
fn select(sql: &dyn Sql, id: Option<&str>, limits: &[Ask<'_>]) -> Result<Vec<Vec<Value>>, SqlError> {
    let mut ids: Vec<Value> = limits.iter().map(|ask| Value::from(ask.limit.as_ref())).collect();
    ids.extend(id.map(Value::from));
    match (limits, id) {
        // Constant texts, which the database prepares once.
        ([_], None) => sql.query("SELECT id,version,state FROM limits WHERE id=?1", &ids),
        ([_], Some(_)) => sql.query(
            "SELECT id,version,state FROM limits WHERE id=?1 UNION ALL SELECT NULL,0,NULL FROM charges WHERE id=?2",
            &ids,
        ),
        (many, id) => {
            let mut text = String::from("SELECT id,version,state FROM limits WHERE id IN(");
            placeholders(&mut text, 1, many.len());
            text.push(')');
            if id.is_some() {
                // Writing to a string cannot fail.
                let _ = write!(text, "UNION ALL SELECT NULL,0,NULL FROM charges WHERE id=?{}", ids.len());
            }
            sql.query(&text, &ids)
        }
    }
}

/// One statement for all limits: it is all-or-nothing even where the second of two would fail.
fn write(sql: &dyn Sql, limits: &[Ask<'_>], judged: &[Judged]) -> Result<(), SqlError> {
    const CONFLICT: &str =
        "ON CONFLICT(id)DO UPDATE SET version=excluded.version,state=excluded.state,lapses=excluded.lapses";
    const ONE: &str = "INSERT INTO limits(id,version,state,lapses)VALUES(?1,?2,?3,?4)ON CONFLICT(id)DO UPDATE SET version=excluded.version,state=excluded.state,lapses=excluded.lapses";
    let params: Vec<Value> = limits
        .iter()
        .zip(judged)
        .flat_map(|(ask, judged)| {
            [
                Value::from(ask.limit.as_ref()),
                Value::Int(ROW_VERSION),
                Value::Text(judged.state.encode()),
                Value::int(judged.state.lapses()),
            ]
        })
        .collect();
    if limits.len() == 1 {
        return sql.query(ONE, &params).map(drop);
    }
    let mut text = String::from("INSERT INTO limits(id,version,state,lapses)VALUES");
    for row in 0..limits.len() {
        text.push_str(if row == 0 { "(" } else { ",(" });
        placeholders(&mut text, row * 4 + 1, 4);
        text.push(')');
    }
    text.push_str(CONFLICT);
    sql.query(&text, &params).map(drop)
}

/// `?first,?first+1,…`
fn placeholders(text: &mut String, first: usize, count: usize) {
    for index in first..first + count {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}?{index}", if index == first { "" } else { "," });
    }
}

fn earliest(sql: &dyn Sql, table: &'static str) -> Result<Option<u64>, SqlError> {
    let rows = sql.query(&format!("SELECT MIN(lapses)FROM {table}"), &[])?;
    let lapses = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
    Ok(lapses.map(|lapses| u64::try_from(lapses).unwrap_or(0)))
}

/// What a charge took of each limit: its id, the cost and the state after it.
type Taken<'a> = Vec<(Cow<'a, str>, u32, String)>;

fn taken<'a>(limits: &'a [Ask<'_>], judged: &[Judged]) -> Taken<'a> {
    let all = limits.iter().zip(judged);
    all.map(|(ask, judged)| (Cow::Borrowed(ask.limit.as_ref()), ask.cost, judged.state.encode())).collect()
}

/// Keeps what a refund needs.
fn remember(sql: &dyn Sql, id: &str, taken: &Taken<'_>, now: u64) -> Result<(), SqlError> {
    sql.query(
        "INSERT INTO charges(id,version,taken,lapses)VALUES(?1,?2,?3,?4)ON CONFLICT(id)DO NOTHING",
        &[
            Value::from(id),
            Value::Int(ROW_VERSION),
            Value::Text(serde_json::to_string(taken).map_err(|error| SqlError(error.to_string()))?),
            Value::int(now.saturating_add(REFUNDABLE_MS)),
        ],
    )
    .map(drop)
}

/// Takes a charge back, once: its row is emptied first, so that a repeated refund finds nothing. A charge that is not
/// known may still be under way, its gateway having lost patience: its id is kept, so that it counts nothing.
fn refund(sql: &dyn Sql, id: &str, now: u64, alarm: &mut Option<u64>) -> Result<bool, SqlError> {
    let find = || sql.query("SELECT version,taken,lapses FROM charges WHERE id=?1", &[Value::from(id)]);
    *alarm = Some(now.saturating_add(ALARM_APART_MS));
    let rows = match find() {
        Err(error) if no_table(&error) => {
            tables(sql)?;
            find()?
        }
        rows => rows?,
    };
    let Some(row) = rows.first() else {
        remember(sql, id, &Taken::new(), now)?;
        return Ok(false);
    };
    let taken = match row.as_slice() {
        [Value::Int(1..=ROW_VERSION), Value::Text(taken), Value::Int(lapses)]
            if u64::try_from(*lapses).is_ok_and(|lapses| now < lapses) =>
        {
            serde_json::from_str::<Taken<'_>>(taken).unwrap_or_default()
        }
        _ => Taken::new(),
    };
    if taken.is_empty() {
        return Ok(false);
    }
    sql.query("UPDATE charges SET taken='[]' WHERE id=?1", &[Value::from(id)])?;
    for (limit, cost, charged) in &taken {
        let found =
            sql.query("SELECT id,version,state FROM limits WHERE id=?1", &[Value::from(limit.as_ref())])?;
        let state = found.first().and_then(|row| read(row));
        let charged = State::decode(charged);
        if let (Some(state), Some(charged)) = (state, charged)
            && let Some(state) = state.refund(&charged, *cost, now)
        {
            sql.query(
                "UPDATE limits SET state=?2,lapses=?3 WHERE id=?1",
                &[Value::from(limit.as_ref()), Value::Text(state.encode()), Value::int(state.lapses())],
            )?;
        }
    }
    Ok(true)
}

fn no_table(error: &SqlError) -> bool {
    error.0.contains("no such table")
}

#[cfg(test)]
mod tests;
