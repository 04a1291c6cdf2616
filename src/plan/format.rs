//! The plan's bytes.
//!
//! All numbers are little-endian.
//!
//! | offset | what |
//! | --- | --- |
//! | 0 | `TGPL` |
//! | 4 | format version, `u16` |
//! | 6 | zero, `u16` |
//! | 8 | SipHash-2-4-128 under a fixed key of everything after the header: the plan's identity, and proof that it is whole (not that it is genuine: a plan is trusted like the code beside it) |
//! | 24 | number of sections, `u16`; zero, `u16` |
//! | 28 | for each section: kind `u16`, zero `u16`, offset from the beginning `u32`, length `u32` |
//!
//! Section 1 is [`Shared`]; section 2 is a list with the [`Table`] of each API; section 3 is the list of [`Route`]s;
//! section 4 is the list of [`Rule`]s, API after API.
//! A list is its length `u32`, as many and one more offsets `u32` from the section's beginning, then the items. Items
//! are in `postcard`'s encoding. Readers skip kinds that they do not know, so a section can be added without a new
//! version; a change of a type that a section holds needs one.

use super::rule::Rule;
use super::table::Table;
use super::{Plan, Route, Shared};
use serde::Deserialize;
use siphasher::sip128::SipHasher24;
use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

/// Version that this build writes, and the only one that it reads.
pub const VERSION: u16 = 3;

const MAGIC: [u8; 4] = *b"TGPL";
const KEY: [u8; 16] = *b"tollgate plan v1";
const HEADER: usize = 24;
const SHARED: u16 = 1;
const TABLES: u16 = 2;
const ROUTES: u16 = 3;
const RULES: u16 = 4;

/// Why a plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// Shorter than its header, or than its header says.
    Truncated,
    /// No plan at all.
    Magic,
    /// Of a version that this build does not read.
    Version {
        /// The plan's version.
        found: u16,
        /// The version that this build reads.
        supported: u16,
    },
    /// The content is not what was written.
    Corrupt,
    /// A part that cannot be missing is.
    Missing(&'static str),
    /// A part does not decode, though its bytes are as written.
    Undecodable(&'static str),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Truncated => f.write_str("the plan is cut short; compile it again"),
            LoadError::Magic => f.write_str("this is no plan; write one with `tollgate compile`"),
            LoadError::Version { found, supported } if found > supported => write!(
                f,
                "the plan has format {found} and this build reads {supported}; deploy a newer Tollgate, or compile \
                 the plan with this one"
            ),
            LoadError::Version { found, supported } => {
                write!(f, "the plan has format {found} and this build reads {supported}; compile it again")
            }
            LoadError::Corrupt => f.write_str("the plan is corrupt: its content does not have its hash"),
            LoadError::Missing(part) => write!(f, "the plan has no {part}"),
            LoadError::Undecodable(part) => write!(f, "the plan's {part} cannot be decoded"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Why a plan cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Larger than offsets of 32 bits reach.
    TooLarge,
    /// An item cannot be encoded.
    Encode(postcard::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::TooLarge => f.write_str("the plan is larger than 4 GiB"),
            WriteError::Encode(error) => write!(f, "the plan cannot be encoded: {error}"),
        }
    }
}

impl std::error::Error for WriteError {}

/// Writes a plan. `tables` holds that of each of [`Shared::apis`], in the same order; tables name `rules`, and these
/// `routes`, by index. The same input gives the same bytes.
///
/// # Errors
/// A plan that 32-bit offsets cannot address.
pub fn write(
    shared: &Shared,
    tables: &[Table],
    rules: &[&Rule],
    routes: &[Route],
) -> Result<Vec<u8>, WriteError> {
    let sections = [
        (SHARED, postcard::to_allocvec(shared).map_err(WriteError::Encode)?),
        (TABLES, list(tables)?),
        (ROUTES, list(routes)?),
        (RULES, list(rules)?),
    ];
    assemble(&sections)
}

fn assemble(sections: &[(u16, Vec<u8>)]) -> Result<Vec<u8>, WriteError> {
    let mut content = Vec::new();
    content.extend(u16::try_from(sections.len()).map_err(|_| WriteError::TooLarge)?.to_le_bytes());
    content.extend([0, 0]);
    let mut offset = HEADER + 4 + 12 * sections.len();
    for (kind, bytes) in sections {
        content.extend(kind.to_le_bytes());
        content.extend([0, 0]);
        content.extend(small(offset)?);
        content.extend(small(bytes.len())?);
        offset = offset.checked_add(bytes.len()).ok_or(WriteError::TooLarge)?;
    }
    for (_, bytes) in sections {
        content.extend(bytes);
    }
    let mut plan = Vec::with_capacity(HEADER + content.len());
    plan.extend(MAGIC);
    plan.extend(VERSION.to_le_bytes());
    plan.extend([0, 0]);
    plan.extend(hash(&content));
    plan.append(&mut content);
    Ok(plan)
}

fn list<T: serde::Serialize>(items: &[T]) -> Result<Vec<u8>, WriteError> {
    let mut bytes = small(items.len())?.to_vec();
    let mut content = Vec::new();
    let start = 4 + 4 * (items.len() + 1);
    for item in items {
        bytes.extend(small(start + content.len())?);
        content.append(&mut postcard::to_allocvec(item).map_err(WriteError::Encode)?);
    }
    bytes.extend(small(start + content.len())?);
    bytes.append(&mut content);
    Ok(bytes)
}

fn small(number: usize) -> Result<[u8; 4], WriteError> {
    u32::try_from(number).map(u32::to_le_bytes).map_err(|_| WriteError::TooLarge)
}

fn hash(content: &[u8]) -> [u8; 16] {
    SipHasher24::new_with_key(&KEY).hash(content).as_bytes()
}

/// Reads the header, checks the content, and decodes what all routes share. Nothing is allocated for a route but its
/// place in one table.
pub(super) fn load(bytes: Vec<u8>) -> Result<Plan, LoadError> {
    if bytes.get(..MAGIC.len()).ok_or(LoadError::Truncated)? != MAGIC {
        return Err(LoadError::Magic);
    }
    let found = number16(&bytes, 4)?;
    if found != VERSION {
        return Err(LoadError::Version { found, supported: VERSION });
    }
    let content = bytes.get(HEADER..).ok_or(LoadError::Truncated)?;
    if number16(&bytes, 6)? != 0 || bytes.get(8..HEADER) != Some(&hash(content)) {
        return Err(LoadError::Corrupt);
    }
    let hash = bytes.get(8..HEADER).unwrap_or_default().iter().map(|b| format!("{b:02x}")).collect();

    let (mut shared, mut tables, mut routes, mut rules) = (None, None, None, None);
    for index in 0..usize::from(number16(&bytes, HEADER)?) {
        let at = HEADER + 4 + 12 * index;
        let start = number32(&bytes, at + 4)?;
        let end = start.checked_add(number32(&bytes, at + 8)?).ok_or(LoadError::Truncated)?;
        bytes.get(start..end).ok_or(LoadError::Truncated)?;
        match number16(&bytes, at)? {
            SHARED => shared = Some(start..end),
            TABLES => tables = Some(start..end),
            ROUTES => routes = Some(start..end),
            RULES => rules = Some(start..end),
            _ => {}
        }
    }
    let shared = shared.and_then(|range| bytes.get(range)).ok_or(LoadError::Missing("shared tables"))?;
    let shared: Shared = decode(shared, "shared tables")?;
    let tables = List::new(&bytes, tables.ok_or(LoadError::Missing("matchers"))?, "matchers")?;
    let rules = List::new(&bytes, rules.ok_or(LoadError::Missing("rules"))?, "rules")?;
    let routes = List::new(&bytes, routes.ok_or(LoadError::Missing("routes"))?, "routes")?;
    if tables.length != shared.apis.len() {
        return Err(LoadError::Missing("matchers"));
    }
    let decoded = vec![OnceCell::new(); routes.length];
    Ok(Plan { bytes, shared, tables, rules, routes, decoded, hash })
}

/// Where a list of items lies in the plan.
#[derive(Clone, Debug)]
pub(super) struct List {
    section: Range<usize>,
    pub(super) length: usize,
    name: &'static str,
}

impl List {
    /// Checks that the offsets are there. Whether they make sense shows when an item is read.
    fn new(bytes: &[u8], section: Range<usize>, name: &'static str) -> Result<List, LoadError> {
        let length = number32(bytes, section.start)?;
        let offsets =
            length.checked_mul(4).and_then(|n| n.checked_add(8)).ok_or(LoadError::Undecodable(name))?;
        if offsets > section.len() {
            return Err(LoadError::Undecodable(name));
        }
        Ok(List { section, length, name })
    }

    /// Decodes an item.
    pub(super) fn get<'a, T: Deserialize<'a>>(&self, bytes: &'a [u8], index: u32) -> Result<T, LoadError> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.length);
        let index = index.ok_or(LoadError::Missing(self.name))?;
        let section = bytes.get(self.section.clone()).ok_or(LoadError::Truncated)?;
        let at = index.saturating_mul(4).saturating_add(4);
        let (start, end) = (number32(section, at)?, number32(section, at.saturating_add(4))?);
        decode(section.get(start..end).ok_or(LoadError::Undecodable(self.name))?, self.name)
    }
}

/// Decodes a value that fills its bytes.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], name: &'static str) -> Result<T, LoadError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(LoadError::Undecodable(name)),
    }
}

fn number16(bytes: &[u8], at: usize) -> Result<u16, LoadError> {
    let bytes = at.checked_add(2).and_then(|end| bytes.get(at..end)).ok_or(LoadError::Truncated)?;
    bytes.try_into().map(u16::from_le_bytes).map_err(|_| LoadError::Truncated)
}

fn number32(bytes: &[u8], at: usize) -> Result<usize, LoadError> {
    let bytes = at.checked_add(4).and_then(|end| bytes.get(at..end)).ok_or(LoadError::Truncated)?;
    let number = bytes.try_into().map(u32::from_le_bytes).map_err(|_| LoadError::Truncated)?;
    usize::try_from(number).map_err(|_| LoadError::Truncated)
}

#[cfg(test)]
mod tests;
