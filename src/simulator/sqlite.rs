//! An object's storage, made up: SQLite in memory, so that statements mean what they mean at the edge.

use crate::sql::{Sql, SqlError, Value};
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Error};
use std::cell::{Cell, RefCell};

/// The greatest integer that passes JavaScript's numbers unharmed.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// An SQLite in memory that notes its statements and can be made to fail. As at the edge, an integer beyond 2^53 − 1
/// is an error.
#[derive(Default)]
pub struct Sqlite {
    /// `None` until the first statement, and after everything was deleted.
    connection: RefCell<Option<Connection>>,
    /// Statements since they were last taken.
    pub statements: RefCell<Vec<String>>,
    /// Statements that begin with this fail without taking effect.
    pub broken: Cell<Option<&'static str>>,
}

impl Sqlite {
    /// The statements since the last call, by their first word.
    pub fn verbs(&self) -> Vec<String> {
        let taken = self.statements.take();
        taken.iter().map(|sql| sql.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// Runs statements without noting them.
    ///
    /// # Errors
    /// The first that fails.
    pub fn run(&self, sql: &str) -> Result<(), SqlError> {
        self.connected(|connection| connection.execute_batch(sql))
    }

    /// The one number that a query gives.
    ///
    /// # Errors
    /// The statement fails, or gives no number.
    pub fn number(&self, sql: &str) -> Result<i64, SqlError> {
        self.connected(|connection| connection.query_row(sql, [], |row| row.get(0)))
    }

    fn connected<T>(&self, act: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, SqlError> {
        let failed = |error: Error| SqlError(error.to_string());
        let mut held = self.connection.borrow_mut();
        let connection = match held.take() {
            Some(connection) => connection,
            None => Connection::open_in_memory().map_err(failed)?,
        };
        act(held.insert(connection)).map_err(failed)
    }
}

impl Sql for Sqlite {
    fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        self.statements.borrow_mut().push(sql.to_owned());
        if self.broken.get().is_some_and(|verb| sql.starts_with(verb)) {
            return Err(SqlError("disk I/O error".into()));
        }
        let unsafe_number = |value: &Value| matches!(value, Value::Int(n) if n.unsigned_abs() > MAX_SAFE);
        if params.iter().any(unsafe_number) {
            return Err(SqlError("an integer that does not pass JavaScript".into()));
        }
        let params = params.iter().map(|value| match value {
            Value::Int(number) => Stored::Integer(*number),
            Value::Text(text) => Stored::Text(text.clone()),
            Value::Null => Stored::Null,
        });
        self.connected(|connection| {
            let mut statement = connection.prepare(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(params))?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let cells = (0..columns).map(|column| {
                    Ok(match row.get_ref(column)? {
                        ValueRef::Integer(number) => Value::Int(number),
                        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                        _ => Value::Null,
                    })
                });
                all.push(cells.collect::<Result<Vec<Value>, Error>>()?);
            }
            Ok(all)
        })
    }

    fn delete_all(&self) {
        self.connection.take();
    }
}
