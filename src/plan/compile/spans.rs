//! Where places are in the files.

use super::{Compiler, Place};
use crate::config::problem::Span;
use crate::config::tree::{Key, Node};
use crate::plan::Source;

impl<'a> Compiler<'a> {
    pub(super) fn span(&self, place: &Place) -> Span {
        if let [first, name, path @ ..] = place.path.as_slice()
            && first == "routes"
            && let Some(entry) = self.entry(place.file, name)
        {
            return Node::place_in(entry, path);
        }
        self.input.files.get(place.file).map_or(Span::default(), |file| file.tree.place(&place.path))
    }

    /// A file's route of this name. A file may have thousands.
    fn entry(&self, file: usize, route: &str) -> Option<&'a (Key, Node)> {
        self.entries.get(file)?.get(route).copied()
    }

    pub(super) fn source(&self, place: &Place) -> Source {
        let span = match place.path.as_slice() {
            [first, name] if first == "routes" => self.entry(place.file, name).map(|(key, _)| key.span),
            _ => None,
        };
        let file = self.input.files.get(place.file);
        let span = span.or_else(|| file.map(|file| file.tree.key_place(&place.path))).unwrap_or_default();
        Source {
            file: u16::try_from(place.file).unwrap_or(u16::MAX),
            line: span.line,
            column: u16::try_from(span.column).unwrap_or(u16::MAX),
        }
    }

    /// `routes/orders/v2.yaml:14` of a place.
    pub(super) fn named(&self, place: &Place) -> String {
        let name = self.input.files.get(place.file).map_or("", |file| file.name.as_str());
        format!("{name}:{}", self.source(place).line)
    }
}
