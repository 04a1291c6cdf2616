//! The search of a [`Table`].

use super::asked::Asked;
use super::{Router, Unusable};
use crate::plan::table::{Brief, Node, Run, Table, hash};
use crate::plan::{Api, Slash};

/// A search for the rules of one API that a path fits.
#[derive(Clone, Copy)]
pub struct Walk<'r, 'p> {
    /// Whose rules they are.
    pub router: &'r Router,
    /// The API's index in the plan.
    pub index: u32,
    /// The API.
    pub api: &'r Api,
    /// Its table.
    pub table: &'r Table,
    /// The path below the API's base.
    pub path: &'p str,
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
pub struct Hit<'r, 'p> {
    /// The API's index in the plan.
    pub index: u32,
    /// The API.
    pub api: &'r Api,
    /// Its table.
    pub table: &'r Table,
    /// The rule.
    pub rule: &'r Brief,
    /// Where it stands.
    pub rank: Rank,
    /// The values of its parameters.
    pub values: Vec<&'p str>,
}

/// What a visitor sees: the rules of one node by their positions, and the values of their parameters. It says whether
/// the search has met what it is for; a part of the plan that cannot be used ends the search as well.
type Visit<'v, 'p> = &'v mut dyn FnMut(&[u32], &mut Vec<&'p str>) -> Result<bool, Unusable>;

impl<'r, 'p> Walk<'r, 'p> {
    /// The first rule that a request fits. `wrong` is set where a path fits and its rules lack the method.
    pub fn first(&self, asked: &Asked<'_, '_>, wrong: &mut bool) -> Result<Option<Hit<'r, 'p>>, Unusable> {
        let methods = Methods::of(self.table, asked.method, self.api.matching.head);
        let mut hit = None;
        self.each(&mut |leaves, values| {
            hit = self.best(leaves, asked, methods, wrong)?.map(|(rule, rank)| Hit {
                index: self.index,
                api: self.api,
                table: self.table,
                rule,
                rank,
                values: std::mem::take(values),
            });
            Ok(hit.is_some())
        })?;
        Ok(hit)
    }

    /// All rules that the path fits, whatever method and conditions they ask for, in the order of their paths.
    pub fn fitting(&self) -> Result<Vec<&'r Brief>, Unusable> {
        let mut rules = Vec::new();
        self.each(&mut |leaves, _| {
            rules.extend(leaves.iter().filter_map(|at| self.table.rules.get(*at as usize)));
            Ok(false)
        })?;
        Ok(rules)
    }

    /// Visits the rules that the path fits, in their order.
    fn each(&self, visit: Visit<'_, 'p>) -> Result<bool, Unusable> {
        let mut values = Vec::new();
        let Some(root) = self.table.nodes.first() else { return Ok(false) };
        if self.exact(root, self.path, &mut values, visit)? {
            return Ok(true);
        }
        for position in &self.table.regexes {
            values.clear();
            if self.regex(*position, &mut values)? && visit(&[*position], &mut values)? {
                return Ok(true);
            }
        }
        values.clear();
        Ok(self.table.tails && self.tails(root, self.path, &mut values, visit)?)
    }

    /// Rules whose path ends with `rest`.
    fn exact(
        &self,
        node: &Node,
        rest: &'p str,
        values: &mut Vec<&'p str>,
        visit: Visit<'_, 'p>,
    ) -> Result<bool, Unusable> {
        if rest.is_empty() || rest == "/" && self.api.matching.slash == Slash::Ignored {
            let leaves = self.leaves(node.exact);
            if !leaves.is_empty() && visit(leaves, values)? {
                return Ok(true);
            }
        }
        self.children(node, rest, values, &mut |child, tail, values| self.exact(child, tail, values, visit))
    }

    /// Rules with a beginning of `rest`, the longest first.
    fn tails(
        &self,
        node: &Node,
        rest: &'p str,
        values: &mut Vec<&'p str>,
        visit: Visit<'_, 'p>,
    ) -> Result<bool, Unusable> {
        let go = &mut |child: &Node, tail, values: &mut _| self.tails(child, tail, values, visit);
        if self.children(node, rest, values, go)? {
            return Ok(true);
        }
        let below = rest.strip_prefix('/').filter(|below| !below.is_empty());
        let catch_alls = self.leaves(node.rest);
        if let Some(below) = below.filter(|_| !catch_alls.is_empty()) {
            values.push(below);
            if visit(catch_alls, values)? {
                return Ok(true);
            }
            values.pop();
        }
        let prefixes = self.leaves(node.prefix);
        Ok(!prefixes.is_empty() && visit(prefixes, values)?)
    }

    /// The children that the first element of `rest` fits, in their order.
    fn children(
        &self,
        node: &Node,
        rest: &'p str,
        values: &mut Vec<&'p str>,
        go: &mut impl FnMut(&Node, &'p str, &mut Vec<&'p str>) -> Result<bool, Unusable>,
    ) -> Result<bool, Unusable> {
        let Some(below) = rest.strip_prefix('/') else { return Ok(false) };
        let end = below.bytes().position(|b| b == b'/').unwrap_or(below.len());
        let Some((element, tail)) = below.split_at_checked(end) else { return Ok(false) };
        if let Some(child) = self.literal(node, element)
            && go(child, tail, values)?
        {
            return Ok(true);
        }
        for affix in node.affixes.of(&self.table.affixes) {
            let inner = element.strip_prefix(self.table.piece(affix.before));
            let value = inner.and_then(|inner| inner.strip_suffix(self.table.piece(affix.after)));
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            let Some(child) = self.node(affix.node) else { continue };
            values.push(value);
            if go(child, tail, values)? {
                return Ok(true);
            }
            values.pop();
        }
        Ok(false)
    }

    fn literal(&self, node: &Node, element: &str) -> Option<&'r Node> {
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

    fn node(&self, index: u32) -> Option<&'r Node> {
        self.table.nodes.get(index as usize)
    }

    fn leaves(&self, run: Run) -> &'r [u32] {
        run.of(&self.table.leaves)
    }

    /// Whether a rule's regular expression fits; its groups are added to `values`.
    fn regex(&self, position: u32, values: &mut Vec<&'p str>) -> Result<bool, Unusable> {
        let Some(rule) = self.table.rules.get(position as usize) else { return Ok(false) };
        let Some(regex) = &self.router.ready(rule)?.path else { return Ok(false) };
        let Some(captures) = regex.captures(self.path) else { return Ok(false) };
        let names = regex.capture_names().enumerate().filter(|(_, name)| name.is_some());
        values.extend(names.map(|(at, _)| captures.get(at).map_or("", |group| group.as_str())));
        Ok(true)
    }

    /// The first of a node's rules that takes method and conditions. A HEAD prefers a rule of its own to GET's.
    fn best(
        &self,
        leaves: &[u32],
        asked: &Asked<'_, '_>,
        methods: Methods,
        wrong: &mut bool,
    ) -> Result<Option<(&'r Brief, Rank)>, Unusable> {
        let mut second = None;
        for rule in leaves.iter().filter_map(|position| self.table.rules.get(*position as usize)) {
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
            if rule.conditional && self.router.ready(rule)?.failing(asked).is_some() {
                continue;
            }
            let found = Some((rule, (rule.place, class, rule.order)));
            if class == 1 {
                second = found;
            } else {
                return Ok(found);
            }
        }
        Ok(second)
    }
}
