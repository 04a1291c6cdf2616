//! The rules of one API as a tree that is searched as it lies in the plan: nothing is built when an isolate starts.
//!
//! A node stands for the elements of a path so far. Its children are found by literal text, then by the text around a
//! parameter, most of it first and none last; so a search from the root meets what fits a path in the order of
//! [`super::rule`]. All texts lie in one, all lists in flat ones: decoding costs a few allocations, not one for each
//! node.

use serde::{Deserialize, Serialize};

/// Rules of one API, in the order of their precedence wherever that can be said without a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Every literal text and parameter name.
    pub text: String,
    /// The nodes; the first is the root.
    pub nodes: Vec<Node>,
    /// Children by literal text, those of a node together and in order of their hashes.
    pub literals: Vec<Literal>,
    /// Children by text around a parameter, those of a node together: longer suffixes first, then longer prefixes.
    pub affixes: Vec<Affix>,
    /// Positions in `rules`, those of a node together and in their order.
    pub leaves: Vec<u32>,
    /// The rules.
    pub rules: Vec<Brief>,
    /// Names of parameters, those of a rule together.
    pub names: Vec<Piece>,
    /// Methods that rules name, 32 at most: the first is the lowest bit of [`Brief::methods`].
    pub methods: Vec<String>,
    /// Positions of the rules that are regular expressions, in their order.
    pub regexes: Vec<u32>,
    /// Whether any rule is a prefix or a catch-all.
    pub tails: bool,
}

/// A text within [`Table::text`], in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Where it begins.
    pub start: u32,
    /// How long it is.
    pub length: u32,
}

/// Some consecutive items of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Index of the first.
    pub start: u32,
    /// How many.
    pub length: u32,
}

/// A node of the tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Children by literal text, in [`Table::literals`].
    pub literals: Run,
    /// Children by text around a parameter, in [`Table::affixes`].
    pub affixes: Run,
    /// Rules whose path ends here, in [`Table::leaves`].
    pub exact: Run,
    /// Rules with a catch-all here.
    pub rest: Run,
    /// Rules with this prefix.
    pub prefix: Run,
}

/// A child by literal text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Literal {
    /// [`hash`] of the text.
    pub hash: u32,
    /// The text.
    pub text: Piece,
    /// The child.
    pub node: u32,
}

/// A child by text around a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affix {
    /// Text before the parameter.
    pub before: Piece,
    /// Text behind it.
    pub after: Piece,
    /// The child.
    pub node: u32,
}

/// What a search needs of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Index of the rule in the plan.
    pub rule: u32,
    /// Index of the route in the plan.
    pub route: u32,
    /// Bits of its methods in [`Table::methods`]; 0: any.
    pub methods: u32,
    /// Rank of its base and path among those of the whole plan; smaller goes first. Paths of the same shape share one.
    pub place: u32,
    /// Rank of the whole rule in the whole plan; smaller goes first.
    pub order: u32,
    /// Names of its parameters, in [`Table::names`].
    pub names: Run,
    /// Whether it has conditions.
    pub conditional: bool,
}

impl Table {
    /// A text of the table; empty if there is none (which compiling rules out).
    pub fn piece(&self, piece: Piece) -> &str {
        let start = piece.start as usize;
        self.text.get(start..start.saturating_add(piece.length as usize)).unwrap_or_default()
    }
}

impl Run {
    /// The items of the run.
    pub fn of<T>(self, items: &[T]) -> &[T] {
        let start = self.start as usize;
        items.get(start..start.saturating_add(self.length as usize)).unwrap_or_default()
    }
}

/// FNV-1a of 32 bits. Not for what clients choose: only texts of route files lie in the tables that it orders.
pub fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
