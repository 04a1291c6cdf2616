//! An object's storage, made up: SQLite in memory, so that statements mean what they mean at the edge.

use crate::outside::Database;
use crate::sql::{Sql, SqlError, Value};
use std::cell::{Cell, RefCell};

/// The greatest integer that passes JavaScript's numbers unharmed.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// An SQLite in memory that notes its statements and can be made to fail. As at the edge, an integer beyond 2^53 − 1
/// is an error.
#[derive(Default)]
pub struct Sqlite {
    /// `None` until the first statement, and after everything was deleted.
    database: RefCell<Option<Database>>,
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
        self.opened(|database| database.execute(sql))
    }

    /// The one number that a query gives.
    ///
    /// # Errors
    /// The statement fails, or gives no number.
    pub fn number(&self, sql: &str) -> Result<i64, SqlError> {
        let rows = self.opened(|database| database.query(sql, &[]))?;
        let cell = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
        cell.ok_or_else(|| SqlError("no number".into()))
    }

    fn opened<T>(&self, act: impl FnOnce(&Database) -> Result<T, SqlError>) -> Result<T, SqlError> {
        let mut held = self.database.borrow_mut();
        let database = match held.take() {
            Some(database) => database,
            None => Database::open()?,
        };
        act(held.insert(database))
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
        self.opened(|database| database.query(sql, params))
    }

    fn delete_all(&self) {
        self.database.take();
    }
}
