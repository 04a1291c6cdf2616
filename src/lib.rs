//! Tollgate: an API gateway that runs as an edge function.
//!
//! Three layers, one direction. Route files become a *plan* (native); the *core* decides, in pure Rust, and asks the
//! outside only through [`ports`]; the *edge* (wasm) and the simulator are that outside.
//!
//! | module | what it is | may use |
//! | --- | --- | --- |
//! | `config` | route files as people write them (`cli`) | `cache`, `fault`, `limit`, `outside`, `plan`, `policy`, `routing`, `token` |
//! | [`fault`] | everything that can go wrong, as one closed list | nothing |
//! | [`header`] | header fields seen through a view, and their small grammars | `policy::headers` |
//! | [`sql`] | the port of an object to its storage | nothing |
//! | [`plan`] | the compiled route files: types, bytes, loading | `cache`, `limit`, `policy`, `routing::path`, `token`, `upstream` |
//! | `plan::compile` | route files into a plan (`cli`) | `config`, `header`, `routing`, and what `plan` may |
//! | [`routing`] | one canonical path and host; from a request line to a route | `fault`, `plan` |
//! | [`token`] | JSON Web Tokens: parsing, keys, claims, memory | `fault` |
//! | `token::native` | signatures outside the edge (`cli`) | `outside` |
//! | [`limit`] | rate limits and quotas: arithmetic, messages, the object that counts | `fault`, `plan`, `sql` |
//! | [`cache`] | RFC 9111: what may be stored and served | `header`, `policy::headers` |
//! | [`upstream`] | targets, choosing among them, what may pass to and fro | `fault`, `header`, `policy::headers`, `ports` |
//! | [`policy`] | one file per policy: compiled form, one verb, tests | `fault`, `header`, `routing`, `token`, `upstream` |
//! | `diff` | what two plans differ in, by meaning (`cli`) | `plan`, `routing` |
//! | [`event`] | one request as data, its queue, the object that keeps it | `fault`, `plan`, `ports`, `sql`, `token` |
//! | [`ports`] | what the pipeline asks of the outside, as one trait | `event`, `header`, `limit`, `policy::headers`, `sql`, `token` |
//! | [`pipeline`] | the life of a request: [`pipeline::handle`] | everything but `config` |
//! | [`wire`] | what wasm and shim say to each other, as one table | `policy::headers`, `ports`, `sql` |
//! | `outside` | other hosts and programs, SQL, signatures: natively or by Node (`cli`) | `sql`, `token` |
//! | `simulator` | the outside made up, with a virtual clock (`cli`) | everything but `config` |
//! | `suite` | the tests of route files, and what is done when things fail (`cli`) | `config`, `event`, `fault`, `limit`, `outside`, `pipeline`, `plan`, `ports`, `policy`, `routing`, `simulator`, `token`, `upstream` |
//! | `edge` | the outside at the edge (wasm32 without `cli`) | everything but `config` |
//!
//! The feature `cli` is the command, natively and as wasm for Node; without it, what stands at the edge remains.
//! Nothing uses `edge`, and only tests and `suite` use `simulator`.
//! `tests/architecture.rs` holds the code to this table.
#![deny(missing_docs)]

pub mod cache;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod diff;
pub mod event;
pub mod fault;
pub mod header;
pub mod limit;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod routing;
pub mod sql;
pub mod token;
pub mod upstream;
pub mod wire;

#[cfg(feature = "cli")]
pub mod outside;
#[cfg(feature = "cli")]
pub mod simulator;
#[cfg(feature = "cli")]
pub mod suite;

#[cfg(all(target_arch = "wasm32", not(feature = "cli")))]
mod edge;
