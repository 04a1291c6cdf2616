//! Durable Objects at the edge: the shell's calls, and SQL on the storage of the object being called.

use super::{input_text, with};
use crate::ports::Class;
use crate::sql::{Sql, SqlError, Value};
use crate::wire::{self, kind, state};

/// SQL on the storage of the object in whose call the shim is.
struct Storage;

impl Sql for Storage {
    fn query(&self, statement: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        let frame = with(|i| {
            let mut frame = i.frame.borrow_mut();
            frame.clear();
            frame.record(kind::SQL, 0, 0);
            frame.field(statement);
            parameters.iter().for_each(|value| frame.field(&wire::value(value)));
            frame.finish(state::PENDING, 0)
        });
        let fields = 1 + parameters.len() as u32;
        // SAFETY: the shim reads the frame during the call and writes the rows into the input buffer, which no
        // borrow holds here. Negative: an error, whose text has that length.
        let length = unsafe { super::sql(frame, fields) };
        let text = input_text(length.unsigned_abs() as usize);
        if length < 0 { Err(SqlError(text)) } else { Ok(wire::rows(&text)) }
    }

    fn delete_all(&self) {
        // An empty statement is the shim's word for it; it cannot fail at once.
        self.query("", &[]).ok();
    }
}

fn answer(alarm: Option<u64>, reply: &str) -> *const u32 {
    with(|i| {
        let mut frame = i.frame.borrow_mut();
        frame.clear();
        // Whole seconds, rounded up, fit 32 bits until 2106.
        let seconds = alarm.map_or(0, |at| at.div_ceil(1000));
        frame.record(kind::OBJECT, 0, seconds as u32);
        frame.field(reply);
        frame.finish(state::DONE, 0)
    })
}

/// A message to an object of a class: input is the message, the answer an `OBJECT` record.
#[unsafe(no_mangle)]
pub extern "C" fn object(class: u32, length: usize, now: f64) -> *const u32 {
    let message = input_text(length);
    #[cfg(feature = "trap")]
    super::trap::object(&message);
    let (reply, alarm) = Class::of(class).answer(&Storage, &message, now as u64);
    answer(alarm, &reply)
}

/// An object's alarm.
#[unsafe(no_mangle)]
pub extern "C" fn alarm(class: u32, now: f64) -> *const u32 {
    answer(Class::of(class).alarm(&Storage, now as u64), "")
}
