//! The whole gateway under the simulator: what clients see and what origins get, one file for each phase.

// Helpers of tests are no test functions, which clippy lets panic.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod admin;
mod answers;
mod backends;
mod browsers;
mod cache;
mod combine;
mod debug;
mod events;
mod explain;
mod failures;
mod forward;
mod leaks;
mod limits;
mod matching;
mod mirrors;
mod policies;
mod record;
mod routing;
mod scene;
mod tokens;
mod transparent;
mod vary;
