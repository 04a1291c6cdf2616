//! docs/route-files.md from the same types.
/// The reference.
pub fn reference() -> String {
    String::new()
}
