//! Policies: one file each. A policy has a compiled form, one verb that decides, and its tests. It is synchronous
//! and pure; order and I/O belong to the pipeline.

pub mod auth;
pub mod body;
pub mod canary;
pub mod combine;
pub mod cors;
pub mod csrf;
pub mod headers;
pub mod https;
pub mod lifecycle;
pub mod maintenance;
pub mod mirror;
pub mod redirect;
pub mod respond;
pub mod rewrite;
pub mod security;
pub mod split;
pub mod timeout;
pub mod vary;
