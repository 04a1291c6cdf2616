//! Public test vectors. `TOLLGATE_VECTORS` names their folder; without it these tests do nothing but say so, with it
//! a wrong case fails.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test file: its helpers may panic like its tests")]

#[path = "vectors/jose.rs"]
mod jose;
#[path = "vectors/ratelimit.rs"]
mod ratelimit;

use std::path::PathBuf;

/// A file or folder of the vectors.
fn vectors(name: &str) -> Option<PathBuf> {
    match std::env::var_os("TOLLGATE_VECTORS") {
        Some(folder) => Some(PathBuf::from(folder).join(name)),
        None => {
            eprintln!("skipped: TOLLGATE_VECTORS is not set");
            None
        }
    }
}

/// A JSON file of the vectors.
fn json(path: &std::path::Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
