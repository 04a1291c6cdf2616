//! Names of fields that are looked for together, and what is known of the names of a message.

use super::{lines, mark};
use crate::policy::headers::Text;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// Some names, in lower case, that are looked for together.
#[derive(Debug)]
pub struct Table {
    names: &'static [&'static str],
    /// The [`mark`]s of the names: hardly any usual field has one.
    marks: u64,
}

/// Names of a table that a message has, in the table's order.
pub type Present = Rc<[&'static str]>;

impl Table {
    /// A table of these names.
    pub const fn of(names: &'static [&'static str]) -> Table {
        let (mut marks, mut rest) = (0, names);
        while let [name, others @ ..] = rest {
            marks |= mark(name);
            rest = others;
        }
        Table { names, marks }
    }

    /// The names in their order.
    pub const fn names(&self) -> &'static [&'static str] {
        self.names
    }

    /// Whether it has a name.
    pub fn contains(&self, name: &str) -> bool {
        self.marks & mark(name) != 0 && self.names.contains(&name)
    }

    /// Those of its names that `each` visits.
    pub(super) fn among(&self, each: impl FnOnce(&mut dyn FnMut(&str))) -> Present {
        let mut found = Vec::new();
        each(&mut |name| {
            if self.marks & mark(name) != 0 {
                found.extend(self.names.iter().position(|own| *own == name));
            }
        });
        found.sort_unstable();
        found.iter().filter_map(|at| self.names.get(*at).copied()).collect()
    }
}

/// The names of a message's fields, each on a line, with what was found among them. Clients and origins send the same
/// names again and again, so who keeps these ([`Kept`]) looks through them once, not for each message.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    /// The [`mark`]s of the names.
    marks: u64,
    tables: RefCell<Vec<(&'static Table, Present)>>,
    chosen: OnceCell<Box<[Text]>>,
}

impl Names {
    /// The names in a text, each ended by a line feed.
    pub fn new(text: String) -> Names {
        let marks = lines(&text).fold(0, |marks, name| marks | mark(name));
        Names { text, marks, ..Names::default() }
    }

    /// Visits the names.
    pub fn each(&self, visit: &mut dyn FnMut(&str)) {
        lines(&self.text).for_each(visit);
    }

    /// Whether a name is among them.
    pub fn has(&self, name: &str) -> bool {
        self.marks & mark(name) != 0 && lines(&self.text).any(|own| own == name)
    }

    /// Those of a table's names that are among them.
    pub fn present(&self, table: &'static Table) -> Present {
        let mut tables = self.tables.borrow_mut();
        if let Some((_, found)) = tables.iter().find(|(known, _)| std::ptr::eq(*known, table)) {
            return Rc::clone(found);
        }
        let found = table.among(|visit| self.each(visit));
        tables.push((table, Rc::clone(&found)));
        found
    }

    /// Those that are chosen, by a choice that is the same for all messages.
    pub fn chosen(&self, choice: impl Fn(&str) -> bool) -> &[Text] {
        self.chosen.get_or_init(|| {
            lines(&self.text).filter(|name| choice(name)).map(|name| Text::Owned(name.to_owned())).collect()
        })
    }
}

/// The names of the last messages, as far as they are different: at most [`MOST`], each of [`LONGEST`] bytes at most.
#[derive(Debug, Default)]
pub struct Kept(RefCell<Vec<Rc<Names>>>);

/// Different lists of names kept.
const MOST: usize = 16;
/// Bytes of the longest list kept.
const LONGEST: usize = 1024;

impl Kept {
    /// The names in a text, those that are kept if it is known.
    pub fn of(&self, text: String) -> Rc<Names> {
        let mut kept = self.0.borrow_mut();
        if let Some(at) = kept.iter().position(|known| known.text == text)
            && let Some(known) = kept.get(at).cloned()
        {
            // One place forward: what is asked for often is found early, and one message alone displaces nothing.
            kept.swap(at, at.saturating_sub(1));
            return known;
        }
        let names = Rc::new(Names::new(text));
        if names.text.len() <= LONGEST {
            kept.truncate(MOST - 1);
            kept.push(Rc::clone(&names));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static TABLE: Table = Table::of(&["te", "connection", "x-a"]);
    static OTHER: Table = Table::of(&["accept"]);

    #[test]
    fn what_is_found_is_remembered_for_each_table() {
        let names = Names::new("x-a\naccept\nte\n".to_owned());
        for _ in 0..2 {
            assert_eq!(*names.present(&TABLE), ["te", "x-a"]);
            assert_eq!(*names.present(&OTHER), ["accept"]);
            assert_eq!(names.chosen(|name| name.len() > 2), ["x-a", "accept"]);
        }
        assert!(names.has("te") && !names.has("t") && !names.has("connection"));
    }

    #[test]
    fn the_same_names_are_the_same_and_their_number_is_bounded() {
        let kept = Kept::default();
        let first = kept.of("a\n".to_owned());
        assert!(Rc::ptr_eq(&first, &kept.of("a\n".to_owned())));
        for n in 0..3 * MOST {
            kept.of(format!("x-{n}\n"));
            assert!(Rc::ptr_eq(&first, &kept.of("a\n".to_owned())), "others displace what is in use: {n}");
        }
        assert_eq!(kept.0.borrow().len(), MOST);
        kept.of("x".repeat(LONGEST + 1));
        assert!(kept.0.borrow().iter().all(|names| names.text.len() <= LONGEST));
    }

    proptest! {
        #[test]
        fn kept_names_say_what_fresh_ones_say(all in prop::collection::vec(prop::collection::vec("te|x-a|accept|x-[b-d]", 0..5), 1..40)) {
            let kept = Kept::default();
            for names in &all {
                let text: String = names.iter().map(|name| format!("{name}\n")).collect();
                let (known, fresh) = (kept.of(text.clone()), Names::new(text));
                prop_assert_eq!(known.present(&TABLE), fresh.present(&TABLE));
                prop_assert_eq!(known.chosen(|name| name.starts_with('x')), fresh.chosen(|name| name.starts_with('x')));
                for name in ["te", "x-a", "accept", "x-b"] {
                    prop_assert_eq!(known.has(name), names.iter().any(|own| own == name));
                }
            }
        }
    }
}
