//! The port through which an object speaks to its own SQL storage.
//!
//! Implemented by the edge over the object's SQLite, in tests by an SQLite in memory. A port holds no state of ours;
//! the statements between two awaits of one object are one transaction at the edge.

/// One value of a row or parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An integer, within ±2^53: it passes through JavaScript's numbers.
    Int(i64),
    /// Text.
    Text(String),
    /// NULL.
    Null,
}

/// A statement that failed, with the database's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError(pub String);

/// An object's storage.
pub trait Sql {
    /// Runs one statement with its parameters (`?1`, `?2` …) and gives all rows, each in the order of its columns.
    ///
    /// # Errors
    /// The statement failed and changed nothing.
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, SqlError>;

    /// Deletes everything that the object stores, tables and alarm included, so that it costs nothing any more.
    fn delete_all(&self);
}

impl Value {
    /// A number as an integer; what lies beyond 2^53 − 1 becomes that, since greater ones do not pass JavaScript
    /// unharmed.
    pub fn int(number: u64) -> Value {
        const MAX_SAFE: i64 = (1 << 53) - 1;
        Value::Int(i64::try_from(number).unwrap_or(MAX_SAFE).min(MAX_SAFE))
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SqlError {}
