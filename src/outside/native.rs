//! The outside natively: `ureq`, `std::process`, `rusqlite`; signatures stand beside.

pub use super::signatures::{PrivateKey, hmac_sha256, verify};
pub use super::signers::Signer;
use super::{Answer, Ended, Failed, Program, Request};
use crate::sql::{SqlError, Value};
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Error};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// To be called first thing in `main`.
pub fn begin() {}

/// The path with all links followed, from the root.
///
/// # Errors
/// There is nothing at this path.
pub fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// The paths of a list like PATH.
pub fn split_paths(list: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(list).collect()
}

/// Asks another host.
///
/// # Errors
/// No answer, or one that is too long or late.
pub fn fetch(request: &Request) -> Result<Answer, Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed(format!("{}: {error}", request.url));
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(request.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        // Any method may carry a body.
        .allow_non_standard_methods(true)
        .build();
    let agent: ureq::Agent = config.into();
    let mut asked = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        asked = asked.header(name, value);
    }
    // Where a method usually has a body, none is one of length 0: otherwise it would be announced in chunks.
    let bodiless = ["GET", "HEAD", "DELETE", "OPTIONS"].contains(&request.method.as_str());
    let answer = if request.body.is_empty() && bodiless {
        agent.run(asked.body(()).map_err(|error| failed(&error))?)
    } else {
        agent.run(asked.body(request.body.as_slice()).map_err(|error| failed(&error))?)
    };
    let mut answer = answer.map_err(|error| failed(&error))?;
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let body = answer.body_mut().with_config().limit(request.longest).read_to_vec();
    let body = body.map_err(|error| failed(&error))?;
    Ok(Answer { status: answer.status().as_u16(), headers, body })
}

/// Runs another program to its end.
///
/// # Errors
/// It cannot be started.
pub fn run(program: &Program) -> Result<Ended, Failed> {
    let failed = |error: std::io::Error| Failed(format!("{}: {error}", program.name));
    let mut command = Command::new(&program.name);
    command.args(&program.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(folder) = &program.folder {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(failed)?;
    let input = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Beside the reading, so that neither waits for the other. A program need not read what it is given.
        scope.spawn(move || input.map(|mut input| input.write_all(&program.input)));
        child.wait_with_output()
    });
    let output = output.map_err(failed)?;
    Ok(Ended { code: output.status.code(), stdout: output.stdout, stderr: output.stderr })
}

/// The file that a launcher of the clone names for what it is to do once the command has ended.
const NEXT: &str = "TOLLGATE_NEXT";

/// Leaves to the launcher what it is to do once the command has ended well: a JSON object.
///
/// # Errors
/// There is no launcher.
pub fn hand_over(next: &serde_json::Value) -> Result<(), Failed> {
    let file = std::env::var_os(NEXT).ok_or(Failed("no launcher of this clone has started it".into()))?;
    std::fs::write(&file, next.to_string()).map_err(|error| Failed(error.to_string()))
}

/// An SQLite database in memory.
pub struct Database(Connection);

impl Database {
    /// A new one.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn open() -> Result<Self, SqlError> {
        Connection::open_in_memory().map(Database).map_err(failed)
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// The first that fails.
    pub fn execute(&self, sql: &str) -> Result<(), SqlError> {
        self.0.execute_batch(sql).map_err(failed)
    }

    /// Runs one statement and gives all rows. What is neither integer nor text becomes NULL.
    ///
    /// # Errors
    /// It fails.
    pub fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        self.rows(sql, params).map_err(failed)
    }

    fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>, Error> {
        let params = params.iter().map(|value| match value {
            Value::Int(number) => Stored::Integer(*number),
            Value::Text(text) => Stored::Text(text.clone()),
            Value::Null => Stored::Null,
        });
        let mut statement = self.0.prepare(sql)?;
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
    }
}

fn failed(error: Error) -> SqlError {
    SqlError(error.to_string())
}
