//! From a request line to a route: host, path, method.

pub mod path;
