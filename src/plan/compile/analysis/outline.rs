//! What texts that fit an expression look like at both ends: enough to tell most expressions apart without automata.
//!
//! A text is read as the elements between its slashes. From either end, as long as an expression fixes how many there
//! are, each element is known: one of a few texts, or what begins with one of them (from the back: ends). Two expressions
//! have nothing in common where two elements at the same place have nothing.

use super::language;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Most texts that an element is one of.
const MAX_TEXTS: usize = 16;

/// Some bytes, and whether that is all of the element; otherwise it goes on.
type Text = (Vec<u8>, bool);

/// What an element can be.
type Element = Vec<Text>;

/// The elements of one end, from there inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    elements: Vec<Element>,
    /// Whether there are no others.
    all: bool,
}

/// What is known of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    front: End,
    back: End,
}

impl Outline {
    /// Of what fits an expression as a whole.
    pub fn of(source: &str) -> Outline {
        let hir = language::read(source);
        let end = |reversed| hir.as_ref().map_or_else(End::unknown, |hir| End::of(hir, reversed));
        Outline { front: end(false), back: end(true) }
    }

    /// Of paths that are a base and behind it what this is of, which begins with a slash; `bare`: or the base alone.
    pub fn below(mut self, base: &str, bare: bool) -> Outline {
        let elements = base.split('/').map(|element| vec![(element.as_bytes().to_vec(), true)]);
        if bare {
            return Outline { front: End { elements: elements.collect(), all: false }, back: End::unknown() };
        }
        // What stands before the first slash belongs to the base.
        let mut below = std::mem::take(&mut self.front.elements).into_iter();
        below.next();
        self.front.elements = elements.chain(below).collect();
        if self.back.all {
            self.back.elements.pop();
        }
        self.back.all = false;
        self
    }

    /// Whether no text is of both.
    pub fn apart(&self, other: &Outline) -> bool {
        self.front.apart(&other.front) || self.back.apart(&other.back)
    }
}

impl End {
    fn unknown() -> End {
        End { elements: Vec::new(), all: false }
    }

    fn of(hir: &Hir, reversed: bool) -> End {
        let mut read = Reader { end: End::unknown(), element: vec![(Vec::new(), true)], reversed };
        read.end.all = read.read(hir);
        read.element.iter_mut().for_each(|(_, whole)| *whole &= read.end.all);
        read.end.elements.push(read.element);
        read.end
    }

    fn apart(&self, other: &End) -> bool {
        let (own, theirs) = (self.elements.len(), other.elements.len());
        let differ = |(a, b): (&Element, &Element)| a.iter().all(|a| b.iter().all(|b| unlike(a, b)));
        self.all && own < theirs
            || other.all && theirs < own
            || self.elements.iter().zip(&other.elements).any(differ)
    }
}

/// Whether no element is both.
fn unlike((a, a_whole): &Text, (b, b_whole): &Text) -> bool {
    !(match (a_whole, b_whole) {
        (true, true) => a == b,
        (true, false) => a.starts_with(b),
        (false, true) => b.starts_with(a),
        (false, false) => a.starts_with(b) || b.starts_with(a),
    })
}

struct Reader {
    end: End,
    /// The element that is being read. A text that is not whole is not added to.
    element: Element,
    reversed: bool,
}

impl Reader {
    /// Reads on; `false`: how many elements there are is no longer known.
    fn read(&mut self, hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => true,
            HirKind::Literal(literal) => {
                let mut bytes = literal.0.to_vec();
                if self.reversed {
                    bytes.reverse();
                }
                for byte in bytes {
                    if byte == b'/' {
                        let element = std::mem::replace(&mut self.element, vec![(Vec::new(), true)]);
                        self.end.elements.push(element);
                    } else {
                        self.add(&[vec![byte]]);
                    }
                }
                true
            }
            HirKind::Capture(capture) => self.read(&capture.sub),
            HirKind::Concat(parts) if self.reversed => parts.iter().rev().all(|part| self.read(part)),
            HirKind::Concat(parts) => parts.iter().all(|part| self.read(part)),
            HirKind::Repetition(repetition) if repetition.min == 1 && repetition.max == Some(1) => {
                self.read(&repetition.sub)
            }
            _ if slashes(hir) => false,
            _ => {
                match texts(hir) {
                    Some(mut texts) => {
                        if self.reversed {
                            texts.iter_mut().for_each(|text| text.reverse());
                        }
                        self.add(&texts);
                    }
                    None => self.element.iter_mut().for_each(|(_, whole)| *whole = false),
                }
                true
            }
        }
    }

    /// Adds one of these texts to the element.
    fn add(&mut self, texts: &[Vec<u8>]) {
        if self.element.len().saturating_mul(texts.len()) > MAX_TEXTS {
            self.element.iter_mut().for_each(|(_, whole)| *whole = false);
            return;
        }
        let old = std::mem::take(&mut self.element);
        for (before, whole) in old {
            if whole {
                let longer = |text: &Vec<u8>| (before.iter().chain(text).copied().collect(), true);
                self.element.extend(texts.iter().map(longer));
            } else {
                self.element.push((before, false));
            }
        }
    }
}

/// Whether a slash may be in what fits.
fn slashes(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'/'),
        HirKind::Class(Class::Unicode(class)) => {
            class.iter().any(|range| range.start() <= '/' && '/' <= range.end())
        }
        HirKind::Class(Class::Bytes(class)) => {
            class.iter().any(|range| range.start() <= b'/' && b'/' <= range.end())
        }
        HirKind::Repetition(repetition) => slashes(&repetition.sub),
        HirKind::Capture(capture) => slashes(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(slashes),
    }
}

/// The few texts that fit; `None` if they are not few.
fn texts(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let found = match hir.kind() {
        HirKind::Empty => vec![Vec::new()],
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Class(Class::Unicode(class)) => {
            let chars = class.iter().flat_map(|range| range.start()..=range.end());
            let chars: Vec<char> = chars.take(MAX_TEXTS.saturating_add(1)).collect();
            chars.into_iter().map(|c| c.to_string().into_bytes()).collect()
        }
        HirKind::Capture(capture) => texts(&capture.sub)?,
        HirKind::Repetition(repetition) if repetition.max == Some(1) => {
            let empty = (repetition.min == 0).then(Vec::new);
            empty.into_iter().chain(texts(&repetition.sub)?).collect()
        }
        HirKind::Alternation(parts) => {
            parts.iter().map(texts).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        HirKind::Concat(parts) => parts.iter().try_fold(vec![Vec::new()], |before: Vec<Vec<u8>>, part| {
            let more = texts(part)?;
            let small = before.len().saturating_mul(more.len()) <= MAX_TEXTS;
            let both = before.iter().flat_map(|a| more.iter().map(|b| [a.as_slice(), b].concat()));
            small.then(|| both.collect())
        })?,
        _ => return None,
    };
    (found.len() <= MAX_TEXTS).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::analysis::automata::{Answer, Automata, Kind};
    use proptest::prelude::*;

    #[test]
    fn most_expressions_are_told_apart_by_their_ends() {
        for (a, b) in [
            ("/[a-z]+/k1/[0-9]{1,10}", "/[a-z]+/k10/[0-9]{1,10}"),
            ("/(v1|v2)/t1/(?<id>[0-9a-f-]{36})(/.*)?", "/(v1|v2)/t2/(?<id>[0-9a-f-]{36})(/.*)?"),
            (".*/z1", ".*/z2"),
            ("/a/[0-9]+", "/a/[0-9]+/b"),
            ("/a[0-9]+", "/b[0-9]+"),
            ("(?i)/ab.*", "/ac.*"),
            ("/x[0-9]?/a", "/y/a"),
            ("/.*-a", "/.*-b"),
            ("(?:/a|/b)/c", "(?:/a|/b)/d"),
        ] {
            assert!(Outline::of(a).apart(&Outline::of(b)), "{a} {b}");
        }
    }

    #[test]
    fn a_base_stands_before() {
        let below = |base, bare, source: &str| Outline::of(source).below(base, bare);
        assert!(below("/a", true, "/x").apart(&below("/b", true, "/x")));
        assert!(below("/a", false, "/x").apart(&below("", false, "/a/y")));
        assert!(!below("/a", true, "/x?").apart(&below("", false, "/a")));
        assert!(!below("/a", true, ".*").apart(&below("", false, "/a/y")));
        assert!(!below("/a", false, "/b/c").apart(&below("/a/b", false, "/c")));
        assert!(!below("/a/b", false, "/c").apart(&below("", false, "/[a-z]/[a-z]/[a-z]")));
    }

    proptest! {
        /// Automata agree with every proof.
        #[test]
        fn what_is_apart_has_nothing_in_common(
            a in "(/|a|b|ab|[ab]|[^a]|.|a[?]|b[*]|(?:a|/b)|(?:a|bb)|(?:/a)[?]|\\.[*]){0,6}",
            b in "(/|a|b|ab|[ab]|[^a]|.|a[?]|b[*]|(?:a|/b)|(?:a|bb)|(?:/a)[?]|\\.[*]){0,6}",
        ) {
            if let (Some(_), Some(_)) = (language::read(&a), language::read(&b))
                && Outline::of(&a).apart(&Outline::of(&b))
            {
                prop_assert_eq!(Automata::default().value(Kind::Query, &[&a, &b], None), Answer::No, "{} {}", a, b);
            }
        }
    }
}
