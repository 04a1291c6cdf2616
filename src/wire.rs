//! What the wasm and its JavaScript shim say to each other, as one table.
//!
//! A [`Frame`] is a row of 32-bit words, one UTF-8 text and a row of lengths. Words 0–5 are the head: state, task,
//! number of records, address and length of the text in bytes, address of the lengths. Each record takes four words:
//! kind, operation, argument, number of fields. The text is all records' fields in order; each has a word among the
//! lengths: how many UTF-16 units it has, and in the two highest bits its [`mark`]. The tables in
//! `src/edge/shim/tables.js` must equal the constants here: a test compares them.

use crate::policy::headers::Edit;
use crate::sql::Value;

/// Words of a frame's head.
pub const HEAD: usize = 6;
/// Words of a record.
pub const RECORD: usize = 4;
/// Bits of a field's word that are its length.
pub const LENGTH_BITS: u32 = 30;
/// Methods that the shim gives by number, counted from 1, so that they need no copy.
pub const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
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
        /// (timeout in ms) key.
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
        /// (timeout in ms) base, method, URL, binding or nothing, most bytes of the body, edits: a fetch nobody waits for.
        MIRROR = 14,
        /// () call `refresh` as soon as may be.
        REFRESH = 15,
    }
}

table! {
    /// Marks of fields: names of edits have one.
    mark, MARKS {
        /// No name of an edit.
        PLAIN = 0,
        /// The field is set to the value that follows.
        SET = 1,
        /// The value that follows is added.
        ADD = 2,
        /// The field is removed; no value follows.
        REMOVE = 3,
    }
}

table! {
    /// How an operation ended.
    ended, ENDED {
        /// As hoped; of an answer the argument is the status.
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

/// A record as the shim reads it: kind, operation, argument, fields, each with its mark.
pub type Record = (u32, u32, u32, Vec<(u32, String)>);

/// Length in UTF-16 units, in which JavaScript counts.
fn units(text: &str) -> u32 {
    let length = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
    length as u32
}

/// Records under construction. The buffers are reused.
#[derive(Debug)]
pub struct Frame {
    words: Vec<u32>,
    text: String,
    lengths: Vec<u32>,
    records: u32,
}

impl Default for Frame {
    fn default() -> Self {
        let mut words = Vec::with_capacity(HEAD + RECORDS * RECORD);
        words.resize(HEAD, 0);
        Frame { words, text: String::with_capacity(4096), lengths: Vec::with_capacity(256), records: 0 }
    }
}

impl Frame {
    /// Forgets the records of the last call.
    pub fn clear(&mut self) {
        self.words.truncate(HEAD);
        self.text.clear();
        self.lengths.clear();
        self.records = 0;
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
        self.marked(mark::PLAIN, text);
    }

    fn marked(&mut self, mark: u32, text: &str) {
        self.text.push_str(text);
        self.end(mark, units(text));
    }

    /// Ends a field of so many UTF-16 units.
    fn end(&mut self, mark: u32, length: u32) {
        self.lengths.push(mark << LENGTH_BITS | length & ((1 << LENGTH_BITS) - 1));
        if let Some(count) = self.words.last_mut() {
            *count += 1;
        }
    }

    /// Adds one field of names and values, each followed by a line feed.
    pub fn lines<'a>(&mut self, lines: impl Iterator<Item = (&'a str, &'a str)>) {
        let begin = self.text.len();
        for (name, value) in lines {
            for text in [name, value] {
                // No value of ours holds one; an answer must not break for one that does.
                match text.bytes().any(|byte| byte == b'\n') {
                    true => self.text.extend(text.split('\n')),
                    false => self.text.push_str(text),
                }
                self.text.push('\n');
            }
        }
        let added = self.text.get(begin..).unwrap_or_default();
        self.end(mark::PLAIN, units(added));
    }

    /// Adds the fields of an edit that sets a field.
    pub fn set(&mut self, name: &str, value: &str) {
        self.marked(mark::SET, name);
        self.field(value);
    }

    /// Adds the fields of edits: a marked name, and the value where there is one.
    pub fn edits(&mut self, edits: &[Edit]) {
        for edit in edits {
            match edit {
                Edit::Set(name, value) => self.set(name, value),
                Edit::Add(name, value) => {
                    self.marked(mark::ADD, name);
                    self.field(value);
                }
                Edit::Remove(name) => self.marked(mark::REMOVE, name),
            }
        }
    }

    /// Completes the head and gives the address of the words.
    pub fn finish(&mut self, state: u32, task: u32) -> *const u32 {
        let (text, length) = (self.text.as_ptr() as usize as u32, self.text.len() as u32);
        let lengths = self.lengths.as_ptr() as usize as u32;
        if let [a, b, c, d, e, f, ..] = self.words.as_mut_slice() {
            (*a, *b, *c, *d, *e, *f) = (state, task, self.records, text, length, lengths);
        }
        self.words.as_ptr()
    }

    /// The records as the shim reads them, for tests.
    pub fn records(&self) -> Vec<Record> {
        let mut units = self.text.encode_utf16();
        let mut lengths = self.lengths.iter();
        let mut field = || {
            let word = lengths.next()?;
            let units: Vec<u16> = units.by_ref().take((word & ((1 << LENGTH_BITS) - 1)) as usize).collect();
            Some((word >> LENGTH_BITS, String::from_utf16_lossy(&units)))
        };
        let records = self.words.get(HEAD..).unwrap_or_default().chunks_exact(RECORD);
        records
            .filter_map(|record| {
                let [kind, operation, argument, count] = *record else { return None };
                Some((kind, operation, argument, (0..count).filter_map(|_| field()).collect()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Base;

    fn plain(text: &str) -> (u32, String) {
        (mark::PLAIN, text.to_owned())
    }

    #[test]
    fn a_frame_reads_back_what_was_written() {
        let mut frame = Frame::default();
        for _ in 0..2 {
            frame.clear();
            assert!(frame.record(kind::FETCH, 7, 1500));
            frame.field("GET");
            frame.field("");
            frame.edits(&[
                Edit::Set("via".into(), "1.1 x".into()),
                Edit::Remove("te".into()),
                Edit::Add("a".into(), "".into()),
            ]);
            assert!(frame.record(kind::REPLY, 0, 404));
            frame.field("\u{feff}b\0o\u{1f512}dy");
            frame.lines([("a", "1"), ("b", "é\n2")].into_iter());
            frame.field("end");
        }
        let edits =
            [(mark::SET, "via".into()), plain("1.1 x"), (mark::REMOVE, "te".into()), (mark::ADD, "a".into())];
        assert_eq!(
            frame.records(),
            [
                (kind::FETCH, 7, 1500, [&[plain("GET"), plain("")][..], &edits, &[plain("")]].concat()),
                (
                    kind::REPLY,
                    0,
                    404,
                    vec![plain("\u{feff}b\0o\u{1f512}dy"), plain("a\n1\nb\né2\n"), plain("end")]
                ),
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
        let shim = include_str!("edge/shim/tables.js");
        for (name, table) in [("KIND", KINDS), ("STATE", STATES), ("ENDED", ENDED), ("MARK", MARKS)] {
            let entries: Vec<String> = table.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let line = format!("const {name} = Object.freeze({{ {} }});", entries.join(", "));
            assert!(shim.contains(&line), "src/edge/shim/tables.js must hold\n{line}");
        }
        for base in [Base::Nothing, Base::Headers, Base::Whole, Base::Isolate] {
            let entry = format!("{}: \"{}\"", format!("{base:?}").to_uppercase(), base.digit());
            assert!(shim.contains(&entry), "src/edge/shim/tables.js must hold {entry}");
        }
        let methods = format!("const METHODS = Object.freeze([\"{}\"]);", METHODS.join("\", \""));
        assert!(shim.contains(&methods), "{methods}");
        let sizes = format!("const HEAD = {HEAD}, RECORD = {RECORD}, LENGTH_BITS = {LENGTH_BITS};");
        assert!(shim.contains(&sizes), "{sizes}");
    }
}
