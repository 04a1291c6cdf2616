//! By which fields of the request it is decided which route answers a URL, or that none does: what `Vary` must name.
//!
//! An answer of a route depends on the conditions of its own rules, and on those of every rule that goes before one of
//! them on a URL that both can have; an answer that belongs to an API and to no route, on those of all rules that any of
//! its URLs can have. Where this is not looked at closely (text around parameters, regular expressions, slashes at the
//! end), a field too many is named, never one too few.

use super::language::beginning;
use super::places::{host_fits, host_shape, specific};
use crate::plan::compile::Output;
use crate::plan::compile::order::{PathRank, path_rank};
use crate::plan::compile::pattern::{Element, Shape};
use crate::plan::rule::{Selector, Subject};
use crate::plan::{Action, Api};
use crate::policy::split::By;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Fields = BTreeSet<String>;

/// Writes down for each route and each API what the `Vary` of its answers must name.
pub fn fill(out: &mut Output) {
    let asking = Asking::of(out);
    let mut routes: Vec<Fields> = out.routes.iter().map(|route| chooses(&route.action)).collect();
    let mut known: HashMap<Asked<'_>, Fields> = HashMap::new();
    // Most plans ask for nothing.
    let apis = out.shared.apis.iter().zip(&out.rules).enumerate().filter(|_| !asking.rules.is_empty());
    for (api, (head, rules)) in apis {
        for rule in rules {
            let Some(fields) = usize::try_from(rule.route).ok().and_then(|route| routes.get_mut(route))
            else {
                continue;
            };
            fields.extend(rule.conditions.iter().filter_map(|condition| field(&condition.subject)));
            let asked = Asked { api, methods: &rule.methods, place: Place::of(head, Shape::of(&rule.path)) };
            fields
                .extend(known.entry(asked).or_insert_with_key(|asked| asking.before(asked)).iter().cloned());
        }
    }
    let apis: Vec<Fields> =
        (0..out.shared.apis.len()).map(|api| asking.within(&out.shared.apis, api)).collect();
    for (route, fields) in out.routes.iter_mut().zip(routes) {
        route.vary = fields.into_iter().collect();
    }
    for (api, fields) in out.shared.apis.iter_mut().zip(apis) {
        api.vary = fields.into_iter().collect();
    }
}

/// The field that is looked at, as it is written in `Vary`; none for what no header field says, and for the URL.
fn field(subject: &Subject) -> Option<String> {
    match subject {
        Subject::Header(name) | Subject::Version(Selector::Header(name)) => Some(title(name)),
        Subject::Cookie(_) => Some("Cookie".to_owned()),
        Subject::Version(Selector::Media(_)) => Some("Accept".to_owned()),
        Subject::Query(_) | Subject::Certificate | Subject::Version(Selector::Query(_)) => None,
    }
}

/// Fields that choose one of a route's backends.
fn chooses(action: &Action) -> Fields {
    let Action::Forward(forward) = action else { return Fields::new() };
    let split = forward.split.as_deref();
    let canary = split.and_then(|split| split.canary.as_ref()?.header.as_deref()).map(title);
    let sticky = split.and_then(|split| match &split.sticky.as_ref()?.by {
        By::Header(name) => Some(title(name)),
        By::Cookie(_) => Some("Cookie".to_owned()),
        By::Consumer | By::Address => None,
    });
    canary.into_iter().chain(sticky).collect()
}

/// `x-api-version` as people write it: `X-Api-Version`.
fn title(name: &str) -> String {
    let mut begins = true;
    let letters = name.chars().map(|c| {
        let first = std::mem::replace(&mut begins, c == '-');
        if first { c.to_ascii_uppercase() } else { c }
    });
    letters.collect()
}

/// The paths that a rule can have: with these elements, base included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    elements: Vec<Element>,
    /// No more than these.
    here: bool,
    /// And more.
    below: bool,
    rank: PathRank,
}

impl Place {
    fn of(api: &Api, shape: Shape) -> Place {
        let rank = path_rank(&api.base, &shape);
        let literals = |text: &str| -> Vec<Element> {
            text.split('/').skip(1).map(|text| Element::Literal(text.to_owned())).collect()
        };
        let own = shape.elements().iter().map(|element| match element {
            // Names tell nothing apart.
            Element::Param { before, after, .. } => {
                Element::Param { before: before.clone(), name: String::new(), after: after.clone() }
            }
            literal => literal.clone(),
        });
        let mut elements = literals(&api.base);
        elements.extend(own);
        if let Shape::Regex(source) = &shape {
            elements.extend(literals(&beginning(source)));
            // The last may go on.
            if elements.len() > literals(&api.base).len() {
                elements.pop();
            }
        }
        // A slash at the end may or may not make a difference.
        while elements.pop_if(|last| *last == Element::Literal(String::new())).is_some() {}
        let (here, below) = (!matches!(shape, Shape::Rest(..)), !matches!(shape, Shape::Exact(_)));
        Place { elements, here, below, rank }
    }
}

/// A rule of which it is asked what goes before it.
#[derive(PartialEq, Eq, Hash)]
struct Asked<'r> {
    api: usize,
    methods: &'r [String],
    place: Place,
}

/// What rules ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    api: usize,
    methods: Vec<String>,
    rank: PathRank,
    fields: Fields,
}

/// An element of paths, and what follows.
#[derive(Default)]
struct Node {
    literals: BTreeMap<String, usize>,
    params: Vec<(Element, usize)>,
    /// Rules, by index, whose paths end here.
    here: BTreeSet<usize>,
    /// Those whose paths go on.
    below: BTreeSet<usize>,
}

/// All rules that ask for fields, by their paths.
struct Asking {
    rules: Vec<Rule>,
    nodes: Vec<Node>,
    /// For each API, which of the different lists of hosts is its own.
    lists: Vec<usize>,
    /// How the hosts of a list stand to those of another; none where no host has both.
    hosts: Vec<Vec<Option<Ordering>>>,
}

impl Asking {
    fn of(out: &Output) -> Asking {
        let mut asking =
            Asking { rules: Vec::new(), nodes: vec![Node::default()], lists: Vec::new(), hosts: Vec::new() };
        let mut numbers: BTreeMap<Rule, usize> = BTreeMap::new();
        for (api, (head, rules)) in out.shared.apis.iter().zip(&out.rules).enumerate() {
            for rule in rules {
                let fields = rule.conditions.iter().filter_map(|condition| field(&condition.subject));
                let place = Place::of(head, Shape::of(&rule.path));
                asking.put(api, rule.methods.clone(), place, fields.collect(), &mut numbers);
            }
            // A version that has no routes any more is asked for all the same.
            let selector = head.selector.iter().filter_map(|selector| field(&selector.subject));
            let everything = Place::of(head, Shape::Prefix(Vec::new()));
            asking.put(api, Vec::new(), everything, selector.collect(), &mut numbers);
        }
        // Many APIs share their hosts.
        let mut lists: Vec<&[String]> = Vec::new();
        for api in &out.shared.apis {
            let known = lists.iter().position(|list| *list == api.hosts);
            asking.lists.push(known.unwrap_or(lists.len()));
            if known.is_none() {
                lists.push(&api.hosts);
            }
        }
        asking.hosts =
            lists.iter().map(|one| lists.iter().map(|other| hosts(one, other)).collect()).collect();
        asking
    }

    fn put(
        &mut self,
        api: usize,
        methods: Vec<String>,
        place: Place,
        fields: Fields,
        numbers: &mut BTreeMap<Rule, usize>,
    ) {
        if fields.is_empty() {
            return;
        }
        let node = place.elements.iter().fold(0, |node, element| self.child(node, element));
        let rule = Rule { api, methods, rank: place.rank, fields };
        let next = self.rules.len();
        let number = *numbers.entry(rule.clone()).or_insert(next);
        if number == next {
            self.rules.push(rule);
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.here.extend(place.here.then_some(number));
            node.below.extend(place.below.then_some(number));
        }
    }

    fn child(&mut self, node: usize, element: &Element) -> usize {
        let next = self.nodes.len();
        let Some(parent) = self.nodes.get_mut(node) else { return node };
        let child = match element {
            Element::Literal(text) => *parent.literals.entry(text.clone()).or_insert(next),
            param => match parent.params.iter().find(|(known, _)| known == param) {
                Some((_, child)) => *child,
                None => {
                    parent.params.push((param.clone(), next));
                    next
                }
            },
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// What the rules ask for that may go before one.
    fn before(&self, asked: &Asked<'_>) -> Fields {
        let Asked { api, methods, place } = asked;
        let first = |rule: &&Rule| match self.stand(*api, rule.api) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => rule.rank <= place.rank,
            _ => false,
        };
        let rules = self.meeting(place).into_iter().filter_map(|number| self.rules.get(number));
        let rules = rules.filter(first).filter(|rule| together(&rule.methods, methods));
        rules.flat_map(|rule| &rule.fields).cloned().collect()
    }

    /// What all rules ask for that an API's URLs can have.
    fn within(&self, apis: &[Api], api: usize) -> Fields {
        let Some(head) = apis.get(api) else { return Fields::new() };
        let everything = Place::of(head, Shape::Prefix(Vec::new()));
        let rules = self.meeting(&everything).into_iter().filter_map(|number| self.rules.get(number));
        let rules = rules.filter(|rule| self.stand(api, rule.api).is_some());
        rules.flat_map(|rule| &rule.fields).cloned().collect()
    }

    /// Whether an API's hosts are less specific than another's, where a host has both.
    fn stand(&self, api: usize, other: usize) -> Option<Ordering> {
        *self.hosts.get(*self.lists.get(api)?)?.get(*self.lists.get(other)?)?
    }

    /// The rules that have a path of a place.
    fn meeting(&self, place: &Place) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.walk(0, &place.elements, (place.here, place.below), &mut found);
        found
    }

    fn walk(&self, node: usize, elements: &[Element], ends: (bool, bool), found: &mut BTreeSet<usize>) {
        let Some(node) = self.nodes.get(node) else { return };
        let params = node.params.iter();
        if !elements.is_empty() || ends.1 {
            found.extend(&node.below);
        }
        match elements.split_first() {
            None => {
                if ends.0 {
                    found.extend(&node.here);
                }
                if ends.1 {
                    let children = node.literals.values().chain(params.map(|(_, child)| child));
                    children.for_each(|child| self.walk(*child, &[], (true, true), found));
                }
            }
            Some((Element::Literal(text), rest)) => {
                let literal = node.literals.get(text);
                let params = params.filter(|(param, _)| may_be(param, text)).map(|(_, child)| child);
                literal.into_iter().chain(params).for_each(|child| self.walk(*child, rest, ends, found));
            }
            Some((param, rest)) => {
                let literals = node.literals.iter().filter(|(text, _)| may_be(param, text));
                let children = literals.map(|(_, child)| child).chain(params.map(|(_, child)| child));
                children.for_each(|child| self.walk(*child, rest, ends, found));
            }
        }
    }
}

/// Whether a parameter with its text around it can stand for an element.
fn may_be(param: &Element, text: &str) -> bool {
    match param {
        Element::Literal(own) => own == text,
        Element::Param { before, after, .. } => text
            .strip_prefix(before.as_str())
            .is_some_and(|rest| rest.len() > after.len() && rest.ends_with(after)),
    }
}

/// Whether some method belongs to both. `GET` answers `HEAD`.
fn together(one: &[String], other: &[String]) -> bool {
    let plain = |method: &str| if method == "HEAD" { "GET".to_owned() } else { method.to_owned() };
    one.is_empty() || other.is_empty() || one.iter().any(|a| other.iter().any(|b| plain(a) == plain(b)))
}

/// How other hosts stand to those of an API: `Greater` where one is more specific, and a host has both.
fn hosts(own: &[String], other: &[String]) -> Option<Ordering> {
    let shapes = |hosts: &[String]| match hosts {
        [] => vec![String::new()],
        hosts => hosts.iter().map(|host| host_shape(host)).collect(),
    };
    let (mine, theirs) = (shapes(own), shapes(other));
    let pairs = mine.iter().flat_map(|one| theirs.iter().map(move |other| (one, other)));
    let pairs = pairs.filter(|(one, other)| {
        let shown = |shape: &str| shape.replacen("{}", "x", 1).replacen('*', "x", 1);
        host_fits(one, &shown(other)) || host_fits(other, &shown(one))
    });
    pairs.map(|(one, other)| specific(other).cmp(&specific(one))).max()
}
