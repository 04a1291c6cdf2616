//! The search of a [`Table`].

use super::asked::{Asked, Ready};
use crate::plan::table::{Brief, Node, Run, Table, hash};

/// A search for the rules of one API that a path fits.
pub struct Walk<'t> {
    /// The API's table.
    pub table: &'t Table,
    /// A slash behind a path that fits is ignored.
    pub slash: bool,
}

/// Which methods of a table are a request's.
#[derive(Clone, Copy, Debug)]
pub struct Methods {
    /// The bit of its own.
    own: u32,
    /// The bit of GET, where that answers it too.
    get: u32,
}

impl Methods {
    /// The bits of a method; `head`: GET's rules answer HEAD.
    pub fn of(table: &Table, method: &str, head: bool) -> Methods {
        let bit = |wanted: &str| {
            let at = table.methods.iter().position(|known| known == wanted);
            at.map_or(0, |at| 1_u32.checked_shl(at as u32).unwrap_or(0))
        };
        Methods { own: bit(method), get: if head && method == "HEAD" { bit("GET") } else { 0 } }
    }

    /// How well a rule takes the method, the best first; `None`: not at all.
    pub fn class(self, rule: &Brief) -> Option<u8> {
        match rule.methods {
            0 => Some(2),
            bits if bits & self.own != 0 => Some(0),
            bits if bits & self.get != 0 => Some(1),
            _ => None,
        }
    }
}

/// Where a rule stands among those that fit the same request: its path, how it takes the method, all the rest. Smaller
/// goes first.
pub type Rank = (u32, u8, u32);

/// A rule that fits.
pub struct Hit<'p> {
    /// Its position in the table.
    pub position: u32,
    /// Where it stands.
    pub rank: Rank,
    /// The values of its parameters.
    pub values: Vec<&'p str>,
}

impl<'t> Walk<'t> {
    /// Visits the rules that a path below the API's base fits, in their order, those of one node together, until the
    /// visitor says that it has seen enough. A regular expression's rule is tried by `fits`, which adds the values of
    /// its groups.
    pub fn each<'p>(
        &self,
        path: &'p str,
        fits: &mut impl FnMut(u32, &mut Vec<&'p str>) -> bool,
        visit: &mut impl FnMut(&[u32], &mut Vec<&'p str>) -> bool,
    ) -> bool {
        let mut values = Vec::new();
        let Some(root) = self.table.nodes.first() else { return false };
        if self.exact(root, path, &mut values, visit) {
            return true;
        }
        for position in &self.table.regexes {
            values.clear();
            if fits(*position, &mut values) && visit(&[*position], &mut values) {
                return true;
            }
        }
        values.clear();
        self.table.tails && self.tails(root, path, &mut values, visit)
    }

    /// Rules whose path ends with `rest`.
    fn exact<'p>(
        &self,
        node: &Node,
        rest: &'p str,
        values: &mut Vec<&'p str>,
        visit: &mut impl FnMut(&[u32], &mut Vec<&'p str>) -> bool,
    ) -> bool {
        if rest.is_empty() || self.slash && rest == "/" {
            let leaves = self.leaves(node.exact);
            if !leaves.is_empty() && visit(leaves, values) {
                return true;
            }
        }
        self.children(node, rest, values, &mut |child, tail, values| self.exact(child, tail, values, visit))
    }

    /// Rules with a beginning of `rest`, the longest first.
    fn tails<'p>(
        &self,
        node: &Node,
        rest: &'p str,
        values: &mut Vec<&'p str>,
        visit: &mut impl FnMut(&[u32], &mut Vec<&'p str>) -> bool,
    ) -> bool {
        if self
            .children(node, rest, values, &mut |child, tail, values| self.tails(child, tail, values, visit))
        {
            return true;
        }
        let below = rest.strip_prefix('/').filter(|below| !below.is_empty());
        let catch_alls = self.leaves(node.rest);
        if let Some(below) = below.filter(|_| !catch_alls.is_empty()) {
            values.push(below);
            if visit(catch_alls, values) {
                return true;
            }
            values.pop();
        }
        let prefixes = self.leaves(node.prefix);
        !prefixes.is_empty() && visit(prefixes, values)
    }

    /// The children that the first element of `rest` fits, in their order.
    fn children<'p>(
        &self,
        node: &Node,
        rest: &'p str,
        values: &mut Vec<&'p str>,
        go: &mut impl FnMut(&Node, &'p str, &mut Vec<&'p str>) -> bool,
    ) -> bool {
        let Some(below) = rest.strip_prefix('/') else { return false };
        let end = below.bytes().position(|b| b == b'/').unwrap_or(below.len());
        let Some((element, tail)) = below.split_at_checked(end) else { return false };
        if let Some(child) = self.literal(node, element)
            && go(child, tail, values)
        {
            return true;
        }
        if element.is_empty() {
            return false;
        }
        for affix in node.affixes.of(&self.table.affixes) {
            let inner = element.strip_prefix(self.table.piece(affix.before));
            let value = inner.and_then(|inner| inner.strip_suffix(self.table.piece(affix.after)));
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            values.push(value);
            if self.node(affix.node).is_some_and(|child| go(child, tail, values)) {
                return true;
            }
            values.pop();
        }
        if node.param != 0 {
            values.push(element);
            if self.node(node.param).is_some_and(|child| go(child, tail, values)) {
                return true;
            }
            values.pop();
        }
        false
    }

    fn literal(&self, node: &Node, element: &str) -> Option<&'t Node> {
        let children = node.literals.of(&self.table.literals);
        if children.is_empty() {
            return None;
        }
        let hash = hash(element);
        let first = children.partition_point(|child| child.hash < hash);
        let same = children.get(first..)?.iter().take_while(|child| child.hash == hash);
        let child = same.into_iter().find(|child| self.table.piece(child.text) == element)?;
        self.node(child.node)
    }

    fn node(&self, index: u32) -> Option<&'t Node> {
        self.table.nodes.get(index as usize)
    }

    fn leaves(&self, run: Run) -> &'t [u32] {
        run.of(&self.table.leaves)
    }

    /// The first rule that a request fits.
    ///
    /// `ready` gives a rule with its regular expressions; `wrong` is set where a path fits and its rules lack the method.
    pub fn first<'p>(
        &self,
        path: &'p str,
        asked: &Asked<'_, '_>,
        methods: Methods,
        ready: &impl Fn(&Brief) -> Option<std::rc::Rc<Ready>>,
        wrong: &mut bool,
    ) -> Option<Hit<'p>> {
        let mut hit = None;
        self.each(
            path,
            &mut |position, values| self.regex(position, path, ready, values),
            &mut |leaves, values| {
                let found = self.best(leaves, asked, methods, ready, wrong);
                hit = found.map(|(position, rank)| Hit { position, rank, values: std::mem::take(values) });
                hit.is_some()
            },
        );
        hit
    }

    /// Whether a rule's regular expression fits; its groups are added to `values`.
    pub fn regex<'p>(
        &self,
        position: u32,
        path: &'p str,
        ready: &impl Fn(&Brief) -> Option<std::rc::Rc<Ready>>,
        values: &mut Vec<&'p str>,
    ) -> bool {
        let rule = self.table.rules.get(position as usize).and_then(ready);
        let Some(regex) = rule.as_ref().and_then(|rule| rule.path.as_ref()) else { return false };
        let Some(captures) = regex.captures(path) else { return false };
        let names = regex.capture_names().enumerate().filter(|(_, name)| name.is_some());
        values.extend(names.map(|(at, _)| captures.get(at).map_or("", |group| group.as_str())));
        true
    }

    /// The first of a node's rules that takes method and conditions. A HEAD prefers a rule of its own to GET's.
    fn best(
        &self,
        leaves: &[u32],
        asked: &Asked<'_, '_>,
        methods: Methods,
        ready: &impl Fn(&Brief) -> Option<std::rc::Rc<Ready>>,
        wrong: &mut bool,
    ) -> Option<(u32, Rank)> {
        let mut second = None;
        for position in leaves {
            let rule = self.table.rules.get(*position as usize)?;
            let Some(class) = methods.class(rule) else {
                *wrong = true;
                continue;
            };
            if class == 2 && second.is_some() {
                break;
            }
            if class == 1 && second.is_some() {
                continue;
            }
            if rule.conditional && ready(rule).is_none_or(|rule| rule.failing(asked).is_some()) {
                continue;
            }
            let found = (*position, (rule.place, class, rule.order));
            if class == 1 {
                second = Some(found);
            } else {
                return Some(found);
            }
        }
        second
    }
}
