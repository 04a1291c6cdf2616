//! Rules into the trees that the router searches.

use super::order::{Rank, rank};
use super::pattern::{Element, Shape};
use crate::plan::rule::{Pattern, Rule};
use crate::plan::table::{Affix, Brief, Literal, Node, Piece, Run, Table, hash};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// Most different methods of one API.
pub const MAX_METHODS: usize = 32;

/// A tree for each API, given by its base path and its rules. Rules are numbered through, API after API.
///
/// # Errors
/// More than [`MAX_METHODS`] methods in one API, as text for its author.
pub fn tables(apis: &[(&str, &[Rule])]) -> Result<Vec<Table>, String> {
    let shapes: Vec<Vec<(Shape, Rank)>> = apis
        .iter()
        .map(|(base, rules)| {
            let shapes = rules.iter().map(|rule| (Shape::of(&rule.path), rule));
            shapes
                .map(|(shape, rule)| {
                    let rank = rank(base, &shape, rule);
                    (shape, rank)
                })
                .collect()
        })
        .collect();
    let mut ranks: Vec<&Rank> = shapes.iter().flatten().map(|(_, rank)| rank).collect();
    ranks.sort();
    ranks.dedup();
    let mut places: Vec<_> = ranks.iter().map(|rank| &rank.path).collect();
    places.dedup();
    let mut first = 0_u32;
    apis.iter()
        .zip(&shapes)
        .map(|((_, rules), shapes)| {
            let table = Builder::default().build(rules, shapes, first, &ranks, &places);
            first = first.saturating_add(index(rules.len()));
            table
        })
        .collect()
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A node while the tree grows.
#[derive(Default)]
struct Growing {
    literals: BTreeMap<String, usize>,
    affixes: BTreeMap<(Reverse<usize>, Reverse<usize>, String, String), usize>,
    exact: Vec<u32>,
    rest: Vec<u32>,
    prefix: Vec<u32>,
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Growing>,
    out: Table,
    known: HashMap<String, Piece>,
}

impl Builder {
    fn build(
        mut self,
        rules: &[Rule],
        shapes: &[(Shape, Rank)],
        first: u32,
        ranks: &[&Rank],
        places: &[&super::order::PathRank],
    ) -> Result<Table, String> {
        let mut sorted: Vec<(u32, &Rule, &Shape, &Rank)> = (first..)
            .zip(rules)
            .zip(shapes)
            .map(|((number, rule), (shape, rank))| (number, rule, shape, rank))
            .collect();
        sorted.sort_by_key(|(number, _, _, rank)| (*rank, *number));
        self.nodes.push(Growing::default());
        for (position, (number, rule, shape, rank)) in sorted.into_iter().enumerate() {
            let methods = self.methods(&rule.methods)?;
            let names = self.names(rule, shape);
            self.out.rules.push(Brief {
                rule: number,
                route: rule.route,
                methods,
                place: index(places.binary_search(&&rank.path).unwrap_or(places.len())),
                order: index(ranks.binary_search(&rank).unwrap_or(ranks.len())),
                names,
                conditional: !rule.conditions.is_empty(),
            });
            let position = index(position);
            let node = shape.elements().iter().fold(0, |node, element| self.child(node, element));
            self.out.tails |= matches!(shape, Shape::Rest(..) | Shape::Prefix(_));
            if matches!(shape, Shape::Regex(_)) {
                self.out.regexes.push(position);
            } else if let Some(node) = self.nodes.get_mut(node) {
                match shape {
                    Shape::Rest(..) => node.rest.push(position),
                    Shape::Prefix(_) => node.prefix.push(position),
                    _ => node.exact.push(position),
                }
            }
        }
        Ok(self.flatten())
    }

    fn methods(&mut self, names: &[String]) -> Result<u32, String> {
        let mut bits = 0;
        for name in names {
            let at = match self.out.methods.iter().position(|known| known == name) {
                Some(at) => at,
                None => {
                    self.out.methods.push(name.clone());
                    self.out.methods.len().saturating_sub(1)
                }
            };
            if at >= MAX_METHODS {
                return Err(format!("an API has at most {MAX_METHODS} different methods"));
            }
            bits |= 1 << at;
        }
        Ok(bits)
    }

    fn names(&mut self, rule: &Rule, shape: &Shape) -> Run {
        let groups: Vec<String> = match &rule.path {
            Pattern::Regex(source) => crate::routing::path::groups(source),
            _ => shape.names().into_iter().map(str::to_owned).collect(),
        };
        let start = index(self.out.names.len());
        for name in &groups {
            let piece = self.piece(name);
            self.out.names.push(piece);
        }
        Run { start, length: index(groups.len()) }
    }

    fn piece(&mut self, text: &str) -> Piece {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let piece = Piece { start: index(self.out.text.len()), length: index(text.len()) };
        self.out.text.push_str(text);
        self.known.insert(text.to_owned(), piece);
        piece
    }

    fn child(&mut self, node: usize, element: &Element) -> usize {
        let next = self.nodes.len();
        let Some(parent) = self.nodes.get_mut(node) else { return node };
        let child = match element {
            Element::Literal(text) => *parent.literals.entry(text.clone()).or_insert(next),
            Element::Param { before, after, .. } => {
                let key = (Reverse(after.len()), Reverse(before.len()), before.clone(), after.clone());
                *parent.affixes.entry(key).or_insert(next)
            }
        };
        if child == next {
            self.nodes.push(Growing::default());
        }
        child
    }

    fn flatten(mut self) -> Table {
        for node in std::mem::take(&mut self.nodes) {
            let mut literals: Vec<Literal> = Vec::with_capacity(node.literals.len());
            for (text, child) in &node.literals {
                literals.push(Literal { hash: hash(text), text: self.piece(text), node: index(*child) });
            }
            literals.sort_by_key(|literal| literal.hash);
            let mut affixes = Vec::with_capacity(node.affixes.len());
            for ((_, _, before, after), child) in &node.affixes {
                let (before, after) = (self.piece(before), self.piece(after));
                affixes.push(Affix { before, after, node: index(*child) });
            }
            let flat = Node {
                literals: append(&mut self.out.literals, literals),
                affixes: append(&mut self.out.affixes, affixes),
                exact: append(&mut self.out.leaves, node.exact),
                rest: append(&mut self.out.leaves, node.rest),
                prefix: append(&mut self.out.leaves, node.prefix),
            };
            self.out.nodes.push(flat);
        }
        self.out
    }
}

fn append<T>(list: &mut Vec<T>, mut items: Vec<T>) -> Run {
    let run = Run { start: index(list.len()), length: index(items.len()) };
    list.append(&mut items);
    run
}
