//! Stands in for the reader of rewrites until it is here.

use crate::policy::rewrite::{Piece, Rewrite};

/// Reads a rewrite.
pub fn rewrite(text: &str) -> Result<Rewrite, String> {
    Ok(Rewrite { pieces: vec![Piece::Literal(text.into())] })
}
