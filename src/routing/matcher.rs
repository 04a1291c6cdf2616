//! The matcher of one API: a `matchit` tree over its templates, and the methods of each.

use crate::plan::Entry;
use std::cmp::Ordering;
use std::fmt;

/// Templates and methods of one API.
pub struct Matcher {
    tree: matchit::Router<u32>,
    /// Templates that are matched beside the tree; see [`Beside`].
    beside: Option<Beside>,
    /// For each entry, where its methods begin in `methods`; the end is the next one's beginning.
    starts: Vec<u32>,
    /// Index into `names`, and the route.
    methods: Vec<(u16, u32)>,
    /// Each method once; `*` for any.
    names: Vec<Box<str>>,
}

/// A template that cannot be matched beside the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The template.
    pub template: String,
    /// What is wrong with it, naming the other one.
    pub why: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.template, self.why)
    }
}

impl std::error::Error for Conflict {}

/// The values of a template's parameters, as they stand in the canonical path: still percent-encoded, never empty,
/// and without a slash except in a catch-all.
#[derive(Clone, Debug)]
pub struct Params<'r, 'p>(matchit::Params<'r, 'p>);

impl<'p> Params<'_, 'p> {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        self.0.get(name)
    }

    /// Names and values in the template's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'p str)> {
        self.0.iter()
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the template has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Index of an entry, and what its parameters stand for.
type Match<'r, 'p> = (u32, Params<'r, 'p>);

impl Matcher {
    /// Builds the tree. Compiling does this too, so that a loaded plan cannot conflict.
    ///
    /// # Errors
    /// The first template that differs from another only in the names of its parameters, or that is none.
    pub fn new(entries: &[Entry<'_>]) -> Result<Matcher, Conflict> {
        let (tree, beside) = grow(entries)?;
        let mut matcher = Matcher {
            tree,
            beside,
            starts: Vec::with_capacity(entries.len()),
            methods: Vec::with_capacity(entries.len()),
            names: Vec::new(),
        };
        for entry in entries {
            matcher.starts.push(u32::try_from(matcher.methods.len()).unwrap_or(u32::MAX));
            for (name, route) in &entry.methods {
                let id = match matcher.names.iter().position(|known| **known == **name) {
                    Some(id) => id,
                    None => {
                        matcher.names.push((*name).into());
                        matcher.names.len().saturating_sub(1)
                    }
                };
                let too_many =
                    |_| Conflict { template: entry.template.into(), why: "too many methods".into() };
                matcher.methods.push((u16::try_from(id).map_err(too_many)?, *route));
            }
        }
        Ok(matcher)
    }

    /// Number of trees beside the main one. Every request to this API asks them all.
    pub fn beside(&self) -> usize {
        self.beside.as_ref().map_or(0, |beside| beside.trees.len())
    }

    /// The entry that a path below the API's base matches.
    pub(super) fn at<'p>(&self, path: &'p str) -> Option<Match<'_, 'p>> {
        let found = self.tree.at(path).ok().map(|found| (*found.value, Params(found.params)));
        match &self.beside {
            None => found,
            Some(beside) => beside.better(path, found),
        }
    }

    /// The entry's route for a method: the method's own, GET's for HEAD, or that for any.
    pub(super) fn method(&self, entry: u32, method: &str) -> Option<u32> {
        let (mut get, mut any) = (None, None);
        for (name, route) in self.methods_of(entry) {
            match name {
                _ if name == method => return Some(route),
                "GET" if method == "HEAD" => get = Some(route),
                "*" => any = any.or(Some(route)),
                _ => {}
            }
        }
        get.or(any)
    }

    /// The value of `Allow`. Meant for entries without a route for any method.
    pub(super) fn allow(&self, entry: u32) -> String {
        let mut allow = String::new();
        let mut add = |name: &str| {
            if !allow.is_empty() {
                allow.push_str(", ");
            }
            allow.push_str(name);
        };
        let has = |method| self.methods_of(entry).any(|(name, _)| name == method);
        for (name, _) in self.methods_of(entry) {
            add(name);
        }
        if has("GET") && !has("HEAD") {
            add("HEAD");
        }
        if !has("OPTIONS") {
            add("OPTIONS");
        }
        allow
    }

    fn methods_of(&self, entry: u32) -> impl Iterator<Item = (&str, u32)> {
        let index = usize::try_from(entry).unwrap_or(usize::MAX);
        let bound = |at: usize| self.starts.get(at).and_then(|bound| usize::try_from(*bound).ok());
        let start = bound(index).unwrap_or(usize::MAX);
        let end = bound(index.saturating_add(1)).unwrap_or(self.methods.len());
        let methods = self.methods.get(start..end).unwrap_or_default();
        methods.iter().filter_map(|(id, route)| Some((&**self.names.get(usize::from(*id))?, *route)))
    }
}

/// Templates that `matchit` 0.9 cannot have in one tree with the others, in trees of their own:
/// - Those that end in text after a parameter, such as `/{id}:cancel`, have one together: beside `/a` and `/a{x}`, the
///   tree would take the prefix before the suffix, and only then.
/// - Those with text after a parameter in a segment that is not the last, such as `/{repo}.git/refs`, or with text both
///   before and after: the search does not go back on the choice of a suffix, and beside `/{a}/{b}` that template would
///   hide `/x.git/other`. Each has its own.
/// - Those that a tree takes for conflicts though the order of [`specificity`] decides, such as a catch-all beside a
///   parameter. Each has its own.
///
/// All trees are asked, and the most specific answer is taken. Such templates are rare, and bounded by the route files.
struct Beside {
    trees: Vec<matchit::Router<u32>>,
    /// The template of each entry.
    templates: Vec<Box<str>>,
}

/// Where a template goes.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Main,
    Suffixes,
    Own,
}

impl Place {
    fn of(template: &str) -> Place {
        let mut place = Place::Main;
        let mut segments = template.split('/').peekable();
        while let Some(segment) = segments.next() {
            let Some((before, rest)) = segment.split_once('{') else { continue };
            let suffix = rest.split_once('}').is_some_and(|(_, after)| !after.is_empty());
            place = match (suffix, before.is_empty()) {
                (true, true) if segments.peek().is_none() && place == Place::Main => Place::Suffixes,
                (true, _) => Place::Own,
                (false, _) => place,
            };
        }
        // A prefix anywhere keeps a template out of the tree of suffixes.
        let prefix = template.split('/').any(|segment| segment.find('{').is_some_and(|at| at > 0));
        if place == Place::Suffixes && prefix { Place::Own } else { place }
    }
}

/// The main tree, and what must stand beside it.
fn grow(entries: &[Entry<'_>]) -> Result<(matchit::Router<u32>, Option<Beside>), Conflict> {
    let mut places: Vec<Place> = entries.iter().map(|entry| Place::of(entry.template)).collect();
    let main = shared(entries, &mut places, Place::Main)?;
    let suffixes = shared(entries, &mut places, Place::Suffixes)?;
    let mut trees = Vec::new();
    if places.contains(&Place::Suffixes) {
        trees.push(suffixes);
    }
    for ((entry, _), index) in
        entries.iter().zip(&places).zip(0_u32..).filter(|((_, place), _)| **place == Place::Own)
    {
        let mut twins =
            entries.iter().zip(0_u32..).filter(|(other, _)| same_shape(entry.template, other.template));
        if let Some((twin, _)) = twins.find(|(_, other)| *other != index) {
            let why = format!(
                "matches the same paths as `{}`; give their parameters the same names",
                twin.template
            );
            return Err(Conflict { template: entry.template.into(), why });
        }
        let mut own = matchit::Router::new();
        if !insert(&mut own, entry.template, index)? {
            return Err(Conflict { template: entry.template.into(), why: "is no template".into() });
        }
        trees.push(own);
    }
    if trees.is_empty() {
        return Ok((main, None));
    }
    Ok((main, Some(Beside { trees, templates: entries.iter().map(|entry| entry.template.into()).collect() })))
}

/// A tree of the templates of one place. Those that it refuses get a place of their own.
fn shared(entries: &[Entry<'_>], places: &mut [Place], of: Place) -> Result<matchit::Router<u32>, Conflict> {
    loop {
        let mut tree = matchit::Router::new();
        let mut refused = false;
        for ((entry, place), index) in entries.iter().zip(&mut *places).zip(0_u32..) {
            if *place == of && !insert(&mut tree, entry.template, index)? {
                (*place, refused) = (Place::Own, true);
            }
        }
        // A refused insertion may leave its traces: once more without it.
        if !refused {
            return Ok(tree);
        }
    }
}

/// Whether the tree took the template, or took it for a conflict.
fn insert(tree: &mut matchit::Router<u32>, template: &str, index: u32) -> Result<bool, Conflict> {
    let conflict = |why: String| Conflict { template: template.to_owned(), why };
    // `matchit` panics above 25 parameters.
    if template.bytes().filter(|b| *b == b'{').count() > super::path::MAX_PARAMS {
        return Err(conflict("has too many parameters".into()));
    }
    match tree.insert(template, index) {
        Ok(()) => Ok(true),
        Err(matchit::InsertError::Conflict { .. }) => Ok(false),
        Err(error) => Err(conflict(error.to_string())),
    }
}

/// Whether two templates differ at most in the names of their parameters.
fn same_shape(a: &str, b: &str) -> bool {
    fn shape(segment: &str) -> (&str, bool, Option<&str>) {
        match segment.split_once('{') {
            Some((before, rest)) => {
                (before, rest.starts_with('*'), rest.split_once('}').map(|(_, after)| after))
            }
            None => (segment, false, None),
        }
    }
    a.split('/').map(shape).eq(b.split('/').map(shape))
}

impl Beside {
    fn better<'r, 'p>(&'r self, path: &'p str, found: Option<Match<'r, 'p>>) -> Option<Match<'r, 'p>> {
        let template = |found: &Match<'_, '_>| {
            let index = usize::try_from(found.0).unwrap_or(usize::MAX);
            self.templates.get(index).map_or("", |template| template)
        };
        let own = self.trees.iter().filter_map(|tree| tree.at(path).ok());
        let all = found.into_iter().chain(own.map(|own| (*own.value, Params(own.params))));
        all.min_by(|a, b| specificity(template(a), template(b)))
    }
}

/// Which of two templates goes first, by `matchit`'s rules, segment by segment: literal text; a parameter with text
/// around it, longer suffixes first, then longer prefixes; a parameter alone; a catch-all.
fn specificity(a: &str, b: &str) -> Ordering {
    /// Smaller goes first.
    fn rank(segment: &str) -> (u8, usize, usize) {
        let Some((before, rest)) = segment.split_once('{') else { return (0, 0, 0) };
        let after = rest.split_once('}').map_or("", |(_, after)| after);
        let kind = match (rest.starts_with('*'), before.is_empty() && after.is_empty()) {
            (true, _) => 3,
            (false, true) => 2,
            (false, false) => 1,
        };
        (kind, usize::MAX.saturating_sub(after.len()), usize::MAX.saturating_sub(before.len()))
    }
    a.split('/').map(rank).cmp(b.split('/').map(rank))
}

/// Whether a template in `matchit`'s syntax matches a canonical path, whatever else there is. For explain; requests
/// go through the tree.
pub fn matches(template: &str, path: &str) -> bool {
    let mut rest = path;
    for segment in template.split('/').skip(1) {
        let Some(below) = rest.strip_prefix('/') else { return false };
        if segment.starts_with("{*") {
            return !below.is_empty();
        }
        let end = below.find('/').unwrap_or(below.len());
        let Some((actual, tail)) = below.split_at_checked(end) else { return false };
        let fits = match segment
            .split_once('{')
            .and_then(|(before, tail)| Some((before, tail.split_once('}')?.1)))
        {
            Some((before, after)) => actual
                .strip_prefix(before)
                .and_then(|actual| actual.strip_suffix(after))
                .is_some_and(|value| !value.is_empty()),
            None => actual == segment,
        };
        if !fits {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}
