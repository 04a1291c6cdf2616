//! Host patterns in the order of their precedence, each with the APIs that it serves by their base paths.

use super::host::{Kind, kind};
use crate::plan::Api;

/// All host patterns of a plan.
#[derive(Debug, Default)]
pub struct Levels {
    /// Exact hosts, in order of their names.
    exact: Vec<Level>,
    /// `{label}.` patterns by what follows, in the same order.
    label: Vec<Level>,
    /// `*.` patterns by what follows, in the same order.
    wildcard: Vec<Level>,
    /// APIs of any host.
    any: Level,
}

/// The APIs of one host pattern.
#[derive(Debug, Default)]
pub struct Level {
    name: String,
    /// Base paths with their APIs, in order of the base paths.
    bases: Vec<(String, Vec<u32>)>,
    /// Length of the longest base path, in bytes.
    longest: usize,
}

impl Levels {
    /// The levels of these APIs.
    pub fn new(apis: &[Api]) -> Levels {
        let mut levels = Levels::default();
        for (api, index) in apis.iter().zip(0_u32..) {
            if api.hosts.is_empty() {
                levels.any.add(&api.base, index);
            }
            for pattern in &api.hosts {
                let (list, name) = match kind(pattern) {
                    Kind::Exact(name) => (&mut levels.exact, name),
                    Kind::Label(_, name) => (&mut levels.label, name),
                    Kind::Wildcard(name) => (&mut levels.wildcard, name),
                };
                Level::of(list, name).add(&api.base, index);
            }
        }
        levels
    }

    /// The levels that a host fits, the most specific first.
    pub fn of<'l>(&'l self, host: &str) -> impl Iterator<Item = &'l Level> {
        let exact = Level::get(&self.exact, host);
        let patterns = !self.wildcard.is_empty() || !self.label.is_empty();
        let mut rest = if patterns { host.split_once('.').map(|(_, suffix)| suffix) } else { None };
        let label = rest.and_then(|suffix| Level::get(&self.label, suffix));
        let wildcards = std::iter::from_fn(move || {
            loop {
                let suffix = rest?;
                rest = suffix.split_once('.').map(|(_, suffix)| suffix);
                if let Some(level) = Level::get(&self.wildcard, suffix) {
                    return Some(level);
                }
            }
        });
        exact.into_iter().chain(label).chain(wildcards).chain(std::iter::once(&self.any))
    }
}

impl Level {
    fn of<'a>(levels: &'a mut Vec<Level>, name: &str) -> &'a mut Level {
        let at = match levels.binary_search_by(|level| level.name.as_str().cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                levels.insert(at, Level { name: name.to_owned(), ..Level::default() });
                at
            }
        };
        #[allow(clippy::indexing_slicing)] // Found or inserted just now.
        &mut levels[at]
    }

    fn get<'a>(levels: &'a [Level], name: &str) -> Option<&'a Level> {
        levels.binary_search_by(|level| level.name.as_str().cmp(name)).ok().and_then(|at| levels.get(at))
    }

    fn add(&mut self, base: &str, api: u32) {
        match self.bases.binary_search_by(|(other, _)| other.as_str().cmp(base)) {
            Ok(at) => self.bases.get_mut(at).into_iter().for_each(|(_, apis)| apis.push(api)),
            Err(at) => {
                self.bases.insert(at, (base.to_owned(), vec![api]));
                self.longest = self.longest.max(base.len());
            }
        }
    }

    /// The APIs whose base path is a prefix of whole elements, each with the path below it, which is empty for the base
    /// path itself.
    pub fn apis<'l, 'p>(&'l self, path: &'p str) -> impl Iterator<Item = (u32, &'p str)> + use<'l, 'p> {
        // Plain steps: chained and flattened iterators cost several times as much, on the way of every request.
        let (mut here, mut below): (&'l [u32], &'p str) = (&[], "");
        let mut next = Some(0_usize);
        std::iter::from_fn(move || {
            loop {
                if let Some((api, others)) = here.split_first() {
                    here = others;
                    return Some((*api, below));
                }
                let from = next.filter(|from| *from <= self.longest)?;
                let slash = path.bytes().skip(from).position(|byte| byte == b'/');
                let end = slash.map_or(path.len(), |at| from.saturating_add(at));
                next = slash.map(|_| end.saturating_add(1));
                let (base, rest) = path.split_at_checked(end)?;
                if let Ok(at) = self.bases.binary_search_by(|(other, _)| other.as_str().cmp(base)) {
                    (here, below) = (self.bases.get(at).map(|(_, apis)| apis.as_slice())?, rest);
                }
            }
        })
    }
}
