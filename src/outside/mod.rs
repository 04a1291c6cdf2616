//! What the command asks of the world beyond files, clock and terminal: other hosts, other programs, SQL, signatures.
//!
//! Two implementations of the same functions. Natively crates do it (`ureq`, `std::process`, `rusqlite`, `ring`). As
//! wasm for Node (wasm32-wasip1) none of these builds, and Node does it: one import carries a question as JSON to the
//! launcher (`package/lib/outside.mjs`) and its answer back. The rest of the command knows of no difference.

use std::path::PathBuf;
use std::time::Duration;

#[cfg(not(target_os = "wasi"))]
#[path = "native.rs"]
mod here;
#[cfg(target_os = "wasi")]
#[path = "node.rs"]
mod here;
#[cfg(not(target_os = "wasi"))]
mod signatures;
#[cfg(not(target_os = "wasi"))]
mod signers;

pub use here::{
    Database, PrivateKey, Signer, begin, fetch, hand_over, hmac_sha256, real_path, run, split_paths, verify,
};

/// A request to another host. Redirects are not followed: a credential is for the host that was named.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// An absolute URL, `http` or `https`.
    pub url: String,
    /// Fields beside those that HTTP itself needs.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Longest answer body that is read, in bytes; a longer one is an error.
    pub longest: u64,
}

impl Request {
    /// A request without fields and body, for at most ten seconds and one MiB.
    pub fn new(method: &str, url: &str) -> Self {
        Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            longest: 1 << 20,
        }
    }

    /// The same with one field more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// An answer of another host, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Fields, names in lower case; one row for each line.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text, whatever is no UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Another program, without a shell.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name, looked up on PATH, or a path.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it runs; `None`: where the command does.
    pub folder: Option<PathBuf>,
    /// What it reads on its standard input.
    pub input: Vec<u8>,
}

impl Program {
    /// A program in the working directory, with nothing on its standard input.
    pub fn new(name: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        Program { name: name.to_owned(), arguments, folder: None, input: Vec::new() }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None`: ended by a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it said on standard error.
    pub stderr: Vec<u8>,
}

/// Why something outside did not come about, in its own words; never with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed(pub String);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// A private key of P-256 and its public point.
#[derive(Clone)]
pub struct Pair {
    /// The scalar.
    pub scalar: [u8; 32],
    /// The point's coordinates, 64 bytes.
    pub point: Vec<u8>,
}

#[cfg(test)]
mod tests;
