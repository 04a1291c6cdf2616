//! What the wasm and its JavaScript shim say to each other, as one table.
//!
//! A [`Frame`] is a row of 32-bit words and one UTF-8 text. Words 0–4 are the head: state, task, number of records,
//! address and length of the text in bytes. Each record takes four words: kind, operation, argument, number of
//! fields. The text is all records' fields in order, joined by NUL, which no URL, header value, JSON text or SQL
//! of ours may hold; [`Frame::record`] drops it where it appears. The shim's `KIND` and `STATE` tables must equal
//! the constants here: a test reads them from `src/edge/shim.js`.

use crate::header::Headers;
use crate::policy::headers::Edit;
use crate::sql::Value;

/// Words of a frame's head.
pub const HEAD: usize = 5;
/// Words of a record.
pub const RECORD: usize = 4;
/// Operations that fit a frame: a whole batch of events for the analytics sink, and more than any request needs at
/// once. An answer always fits.
pub const RECORDS: usize = 256;

macro_rules! table {
    ($(#[$doc:meta])* $module:ident, $names:ident { $( $(#[$item:meta])* $name:ident = $value:literal, )+ }) => {
        $(#[$doc])*
        pub mod $module {
            $( $(#[$item])* pub const $name: u32 = $value; )+
        }
        /// The table as the shim must have it.
        pub const $names: &[(&str, u32)] = &[ $( (stringify!($name), $value), )+ ];
    };
}

table! {
    /// State of a request after a call.
    state, STATES {
        /// Waiting for operations.
        PENDING = 0,
        /// Answered: the last record is `REPLY` or `RELAY`.
        DONE = 1,
    }
}

table! {
    /// Kinds of records; in brackets the argument, then the fields.
    kind, KINDS {
        /// (status) body, request id, and the other headers as one field: name, line feed, value, line feed, for
        /// each. They repeat from answer to answer, so the shim keeps them by their text.
        REPLY = 1,
        /// (status, 0: the answer's own) operation = the answer; edits.
        RELAY = 2,
        /// (timeout in ms) base, method, URL, binding or nothing, edits.
        FETCH = 3,
        /// (deadline in ms) class, name, message.
        ASK = 4,
        /// () algorithm, JWK, input, signature.
        VERIFY = 5,
        /// () key.
        LOOKUP = 6,
        /// (most bytes) operation of the answer.
        READ = 7,
        /// () key, edits: store the relayed answer before its own edits.
        STORE = 8,
        /// (milliseconds) call `flush` after so long.
        FLUSH = 9,
        /// () a data point for the analytics sink: index, number of blobs, blobs, doubles.
        POINT = 10,
        /// (alarm: seconds since 1970, 0: none) reply of an object.
        OBJECT = 11,
        /// () an SQL statement, then its typed parameters.
        SQL = 12,
        /// (milliseconds) wait.
        WAIT = 13,
    }
}

table! {
    /// How an operation ended.
    ended, ENDED {
        /// As hoped; of an answer the argument is the status, the input its fields as in `headers`.
        OK = 0,
        /// The time ran out.
        TIMEOUT = 1,
        /// It failed; the input says how.
        FAILED = 2,
        /// What was read is larger than allowed.
        TOO_LARGE = 3,
        /// Nothing stored.
        MISS = 4,
    }
}

/// Fields as [`lines`] reads them: each once, with its combined value, as the shim gives them.
pub fn fields(all: &Vec<(String, String)>) -> String {
    let mut text = String::new();
    for (at, (name, _)) in all.iter().enumerate() {
        if all.iter().take(at).all(|(earlier, _)| !earlier.eq_ignore_ascii_case(name)) {
            let value = all.get(name).unwrap_or_default();
            text.push_str(&format!("{}\n{value}\n", name.to_ascii_lowercase()));
        }
    }
    text
}

/// Names and values of fields, each on a line.
pub fn lines(all: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = all;
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('\n')?;
        let (value, after) = after.split_once('\n')?;
        rest = after;
        Some((name, value))
    })
}

/// A value of SQL as a field: its type's first letter and the value.
pub fn value(value: &Value) -> String {
    match value {
        Value::Int(number) => format!("i{number}"),
        Value::Text(text) => format!("t{text}"),
        Value::Null => "n".to_owned(),
    }
}

/// Rows of an answer: the number of columns, then typed values, joined by NUL.
pub fn rows(text: &str) -> Vec<Vec<Value>> {
    let mut fields = text.split('\0');
    let columns: usize = fields.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let values: Vec<Value> = fields
        .map(|field| match (field.get(..1), field.get(1..)) {
            (Some("i"), Some(number)) => number.parse().map_or(Value::Null, Value::Int),
            (Some("t"), Some(text)) => Value::Text(text.to_owned()),
            _ => Value::Null,
        })
        .collect();
    values.chunks(columns.max(1)).map(<[Value]>::to_vec).collect()
}

/// Records under construction. The buffers are reused.
#[derive(Debug)]
pub struct Frame {
    words: Vec<u32>,
    text: String,
    records: u32,
    fields: u32,
}

impl Default for Frame {
    fn default() -> Self {
        let mut words = Vec::with_capacity(HEAD + RECORDS * RECORD);
        words.resize(HEAD, 0);
        Frame { words, text: String::with_capacity(4096), records: 0, fields: 0 }
    }
}

impl Frame {
    /// Forgets the records of the last call.
    pub fn clear(&mut self) {
        self.words.truncate(HEAD);
        self.text.clear();
        self.records = 0;
        self.fields = 0;
    }

    /// Begins a record; its fields follow. Returns whether there was room, as there always is for an answer.
    pub fn record(&mut self, kind: u32, operation: u32, argument: u32) -> bool {
        if self.records as usize >= RECORDS && !matches!(kind, kind::REPLY | kind::RELAY) {
            return false;
        }
        self.records += 1;
        self.words.extend([kind, operation, argument, 0]);
        true
    }

    /// Adds a field to the last record.
    pub fn field(&mut self, text: &str) {
        self.fields += 1;
        if self.fields > 1 {
            self.text.push('\0');
        }
        if text.contains('\0') {
            self.text.extend(text.chars().filter(|c| *c != '\0'));
        } else {
            self.text.push_str(text);
        }
        if let Some(count) = self.words.last_mut() {
            *count += 1;
        }
    }

    /// Adds one field of names and values, each followed by a line feed.
    pub fn lines<'a>(&mut self, lines: impl Iterator<Item = (&'a str, &'a str)>) {
        self.field("");
        for text in lines.flat_map(|(name, value)| [name, value]) {
            // No value of ours holds either; an answer must not break for one that does.
            self.text.extend(text.split(['\0', '\n']));
            self.text.push('\n');
        }
    }

    /// Adds the fields of an edit that sets a field.
    pub fn set(&mut self, name: &str, value: &str) {
        self.field("=");
        self.text.push_str(name);
        self.field(value);
    }

    /// Adds the fields of edits: `=name`, `+name` or `-name`, and the value.
    pub fn edits(&mut self, edits: &[Edit]) {
        for edit in edits {
            let (mark, name, value) = match edit {
                Edit::Set(name, value) => ('=', name, value.as_ref()),
                Edit::Add(name, value) => ('+', name, value.as_ref()),
                Edit::Remove(name) => ('-', name, ""),
            };
            self.field("");
            self.text.push(mark);
            self.text.push_str(name);
            self.field(value);
        }
    }

    /// Completes the head and gives the address of the words.
    pub fn finish(&mut self, state: u32, task: u32) -> *const u32 {
        let (address, length) = (self.text.as_ptr() as usize as u32, self.text.len() as u32);
        if let [a, b, c, d, e, ..] = self.words.as_mut_slice() {
            (*a, *b, *c, *d, *e) = (state, task, self.records, address, length);
        }
        self.words.as_ptr()
    }

    /// The records as the shim reads them: kind, operation, argument, fields. For tests and the simulator.
    pub fn records(&self) -> Vec<(u32, u32, u32, Vec<&str>)> {
        let mut fields = self.text.split('\0');
        let records = self.words.get(HEAD..).unwrap_or_default().chunks_exact(RECORD);
        records
            .filter_map(|record| {
                let [kind, operation, argument, count] = *record else { return None };
                Some((kind, operation, argument, fields.by_ref().take(count as usize).collect()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_what_was_written() {
        let mut frame = Frame::default();
        for _ in 0..2 {
            frame.clear();
            assert!(frame.record(kind::FETCH, 7, 1500));
            frame.field("GET");
            frame.field("");
            frame.edits(&[Edit::Set("via".into(), "1.1 x".into()), Edit::Remove("te".into())]);
            assert!(frame.record(kind::REPLY, 0, 404));
            frame.field("bo\0dy");
        }
        assert_eq!(
            frame.records(),
            [
                (kind::FETCH, 7, 1500, vec!["GET", "", "=via", "1.1 x", "-te", ""]),
                (kind::REPLY, 0, 404, vec!["body"]),
            ]
        );
    }

    #[test]
    fn a_full_frame_takes_no_more_records() {
        let mut frame = Frame::default();
        assert!((0..RECORDS).all(|_| frame.record(kind::ASK, 1, 1)));
        assert!(!frame.record(kind::ASK, 1, 1));
        // Without its answer a request would end in the platform's own 500.
        assert!(frame.record(kind::REPLY, 0, 200) && frame.record(kind::RELAY, 1, 0));
    }

    #[test]
    fn a_batch_of_events_fits() {
        const { assert!(crate::event::queue::BATCH + 16 <= RECORDS) };
    }

    #[test]
    fn values_of_sql_pass_both_ways() {
        let values = [Value::Int(-5), Value::Text("a b".into()), Value::Null, Value::Text(String::new())];
        let fields: Vec<String> = values.iter().map(value).collect();
        assert_eq!(fields, ["i-5", "ta b", "n", "t"]);
        assert_eq!(rows(&format!("2\0{}", fields.join("\0"))), values.chunks(2).collect::<Vec<_>>());
        assert!(rows("0").is_empty());
    }

    #[test]
    fn the_shim_has_the_same_tables() {
        let shim = include_str!("edge/shim.js");
        for (name, table) in [("KIND", KINDS), ("STATE", STATES), ("ENDED", ENDED)] {
            let entries: Vec<String> = table.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let line = format!("const {name} = Object.freeze({{ {} }});", entries.join(", "));
            assert!(shim.contains(&line), "src/edge/shim.js must hold\n{line}");
        }
    }
}
