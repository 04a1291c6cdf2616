//! The path sent upstream or told in a redirect: made from the captured parameters, or by another prefix.
//!
//! What comes out is canonical again (see [`path`](crate::routing::path)): a parameter that was harmless where it
//! was captured (`..` of `/v..` by `/v{x}`) may be a dot segment where it is put, so the whole is judged anew.

use crate::fault::{Fault, Reason};
use crate::routing::path::{Leniency, canonical, canonical_query};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Compiled form: what becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Path {
    /// Another path altogether.
    Template(Rewrite),
    /// The same with another beginning.
    Prefix(Prefix),
}

impl Path {
    /// The path for a request's canonical `path` and its captured parameters, with a query if the template has one.
    ///
    /// # Errors
    /// See [`Rewrite::apply`] and [`Prefix::apply`].
    pub fn apply<'p>(&self, path: &str, param: impl Fn(&str) -> Option<&'p str>) -> Result<String, Fault> {
        match self {
            Path::Template(template) => template.apply(param),
            Path::Prefix(prefix) => prefix.apply(path),
        }
    }
}

/// Another beginning of a path, by whole elements (`ReplacePrefixMatch` of the Gateway API).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix {
    /// What is replaced: canonical paths without a trailing slash, longer ones first; empty for the root. The first
    /// under which a path lies counts.
    pub from: Vec<String>,
    /// What stands in its place: canonical, without a trailing slash; empty for the root.
    pub to: String,
}

impl Prefix {
    /// Reads what stands in the place of a prefix, such as `/v2`; `/` and nothing mean the root. A trailing slash
    /// says nothing.
    ///
    /// # Errors
    /// Text for the author: what is wrong, and what to write.
    pub fn parse(mut from: Vec<String>, to: &str) -> Result<Prefix, String> {
        if to.contains('{') {
            return Err("a prefix has no parameters; write `path` with a template instead".into());
        }
        if to.contains('?') {
            return Err("a prefix has no query".into());
        }
        if !to.is_empty() {
            let right = canonical(to, LENIENT).map_err(|fault| fault.detail)?;
            if right != to {
                return Err(format!("write it in its canonical form, such as `{right}`"));
            }
        }
        let to = to.strip_suffix('/').unwrap_or(to);
        from.sort_by_key(|from| std::cmp::Reverse(from.len()));
        Ok(Prefix { from, to: to.into() })
    }

    /// The path with its prefix replaced. It is canonical where `path` is: elements are taken whole.
    ///
    /// # Errors
    /// 500 for a path under none of the prefixes, which means that the plan is wrong.
    pub fn apply(&self, path: &str) -> Result<String, Fault> {
        let below = |from: &String| path.strip_prefix(from.as_str()).filter(|rest| is_below(rest));
        let Some(rest) = self.from.iter().find_map(below) else {
            let fault = Fault::new(Reason::GatewayFault, "The gateway cannot make the new path.");
            return Err(fault.private("the path lies under no prefix that the route replaces"));
        };
        let path = [self.to.as_str(), rest].concat();
        Ok(if path.is_empty() { "/".into() } else { path })
    }
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// A template: literal pieces and parameters in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The pieces in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// Text as it is.
    Literal(String),
    /// A parameter by its name in the route's template, as it stands in the canonical path.
    Param(String),
}

/// Encoded slashes are the business of the route that captured them; they stay encoded.
const LENIENT: Leniency = Leniency { encoded_slashes: true };

impl Rewrite {
    /// Reads a template such as `/internal/{id}?by={id}`; `params` are the names that the route's own template
    /// captures. A parameter of any number of segments is written `{rest}` or `{*rest}`.
    ///
    /// # Errors
    /// Text for the author: what is wrong, and what to write.
    pub fn parse(text: &str, params: &[impl AsRef<str>]) -> Result<Rewrite, String> {
        if !text.starts_with('/') {
            return Err(format!("a path begins with `/`: write `/{}`", text.escape_debug()));
        }
        let mut pieces = Vec::new();
        // The same with a letter for each parameter, to be judged as a path.
        let mut probe = String::with_capacity(text.len());
        let mut rest = text;
        loop {
            let (literal, braces) = rest.split_once('{').map_or((rest, None), |(l, b)| (l, Some(b)));
            if literal.contains('}') {
                return Err("a brace closes that was not opened; write `%7D` for a literal one".into());
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.into()));
                probe.push_str(literal);
            }
            let Some(braces) = braces else { break };
            let Some((name, after)) = braces.split_once('}') else {
                return Err("a brace opens and does not close; write `%7B` for a literal one".into());
            };
            let name = name.strip_prefix('*').unwrap_or(name);
            if !params.iter().any(|p| p.as_ref() == name) {
                let known: Vec<_> = params.iter().map(|p| format!("`{{{}}}`", p.as_ref())).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(format!("the route captures no `{{{}}}`; it has: {known}", name.escape_debug()));
            }
            pieces.push(Piece::Param(name.into()));
            probe.push('x');
            rest = after;
        }
        let (path, query) = split(&probe);
        let canonical_path = canonical(path, LENIENT).map_err(|fault| fault.detail)?;
        let canonical_query = query.map(canonical_query).transpose().map_err(|fault| fault.detail)?;
        for (given, right) in [Some((path, canonical_path)), query.zip(canonical_query)].into_iter().flatten()
        {
            if given != right {
                return Err(format!("write it in its canonical form, such as `{right}`"));
            }
        }
        Ok(Rewrite { pieces })
    }

    /// The path, and the query if the template has one, for the captured parameters as they stand in the canonical
    /// path. In the query they are encoded so that none can begin another query parameter.
    ///
    /// # Errors
    /// 400 if the whole is no canonical path; 500 for a parameter that was not captured, which means that the plan
    /// is wrong.
    pub fn apply<'p>(&self, param: impl Fn(&str) -> Option<&'p str>) -> Result<String, Fault> {
        let mut out = String::with_capacity(64);
        // Where the template's own `?` stands: a value's would be another matter.
        let mut path_end = None;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => {
                    path_end = path_end.or_else(|| out.len().checked_add(text.find('?')?));
                    out.push_str(text);
                }
                Piece::Param(name) => match param(name) {
                    Some(value) if path_end.is_some() => push_query(&mut out, value),
                    Some(value) => out.push_str(value),
                    None => {
                        let fault =
                            Fault::new(Reason::GatewayFault, "The gateway cannot make the upstream's path.");
                        return Err(
                            fault.private(format!("the rewrite names `{name}`, which was not captured"))
                        );
                    }
                },
            }
        }
        let path = out.get(..path_end.unwrap_or(out.len())).unwrap_or("");
        match canonical(path, LENIENT)? {
            Cow::Borrowed(_) => Ok(out),
            Cow::Owned(_) => Err(Fault::new(Reason::MalformedPath, "The path cannot be rewritten.")),
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// Adds a value from a canonical path to a query. Its percent triplets stay; what would separate, or reads
/// differently there (`+` as a space), is encoded.
fn push_query(out: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && !b"&=+;'\"<>#".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
