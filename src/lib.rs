//! Tollgate: an API gateway that runs as an edge function.
#![deny(missing_docs)]

pub mod cache;
#[cfg(all(feature = "cli", not(target_arch = "wasm32")))]
pub mod config;
pub mod fault;
pub mod header;
pub mod limit;
pub mod plan;
pub mod policy;
pub mod routing;
pub mod sql;
pub mod token;
pub mod upstream;
