//! The plan's bytes.
