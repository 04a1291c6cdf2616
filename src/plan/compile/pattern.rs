//! Path patterns taken apart into elements.

use crate::plan::rule::Pattern;
use regex_syntax::ast::{self, Ast, GroupKind};
use std::convert::Infallible;

/// A pattern's elements. `/a/{x}` has two, `/` one that is empty, the prefix of everything none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The whole path.
    Exact(Vec<Element>),
    /// These, a slash, and at least one more character, under a name.
    Rest(Vec<Element>, String),
    /// These, and whatever is below.
    Prefix(Vec<Element>),
    /// A regular expression for the whole path.
    Regex(String),
}

/// One element, without its slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Literal text.
    Literal(String),
    /// A parameter, with text around it.
    Param {
        /// Text before it.
        before: String,
        /// Its name.
        name: String,
        /// Text behind it.
        after: String,
    },
}

impl Shape {
    /// Takes a pattern apart.
    pub fn of(pattern: &Pattern) -> Shape {
        let elements = |text: &str| text.split('/').skip(1).map(Element::of).collect::<Vec<_>>();
        match pattern {
            Pattern::Regex(source) => Shape::Regex(source.clone()),
            Pattern::Prefix(prefix) => Shape::Prefix(elements(prefix)),
            Pattern::Template(template) => match template.rsplit_once('/') {
                Some((before, last)) if last.starts_with("{*") => {
                    let name = last.trim_start_matches("{*").trim_end_matches('}').to_owned();
                    Shape::Rest(elements(before), name)
                }
                _ => Shape::Exact(elements(template)),
            },
        }
    }

    /// The elements; none for a regular expression.
    pub fn elements(&self) -> &[Element] {
        match self {
            Shape::Exact(elements) | Shape::Rest(elements, _) | Shape::Prefix(elements) => elements,
            Shape::Regex(_) => &[],
        }
    }

    /// Names of the parameters in order; those of a regular expression's groups are not known here.
    pub fn names(&self) -> Vec<&str> {
        let rest = match self {
            Shape::Rest(_, name) => Some(name.as_str()),
            _ => None,
        };
        let names = self.elements().iter().filter_map(|element| match element {
            Element::Param { name, .. } => Some(name.as_str()),
            Element::Literal(_) => None,
        });
        names.chain(rest).collect()
    }
}

impl Element {
    fn of(text: &str) -> Element {
        // Literal braces are percent-encoded in canonical text.
        let parts = text.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        let Some((before, (name, after))) = parts else { return Element::Literal(text.to_owned()) };
        Element::Param { before: before.to_owned(), name: name.to_owned(), after: after.to_owned() }
    }
}

/// A template without the names of its parameters: `/a/{}`, `/a/{*}`.
pub fn nameless(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((text, named)) = rest.split_once('{') {
        out.push_str(text);
        out.push_str(if named.starts_with('*') { "{*}" } else { "{}" });
        rest = named.split_once('}').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

/// A pattern whose parameters have no names, and these with their positions: which of its parameters or groups it is.
pub fn named(pattern: &Pattern) -> (Pattern, Vec<(u32, String)>) {
    match pattern {
        Pattern::Template(text) => {
            let shape = Shape::of(pattern);
            let names = shape.names().into_iter().map(str::to_owned);
            (Pattern::Template(nameless(text)), (0..).zip(names).collect())
        }
        Pattern::Prefix(_) => (pattern.clone(), Vec::new()),
        Pattern::Regex(source) => {
            let mut groups = Groups(Vec::new());
            if let Ok(tree) = ast::parse::Parser::new().parse(source) {
                let Ok(()) = ast::visit(&tree, &mut groups);
            }
            let (mut text, mut at) = (String::with_capacity(source.len()), 0);
            for (from, to, ..) in &groups.0 {
                text.push_str(source.get(at..*from).unwrap_or_default());
                at = *to;
            }
            text.push_str(source.get(at..).unwrap_or_default());
            (Pattern::Regex(text), groups.0.into_iter().map(|(.., index, name)| (index, name)).collect())
        }
    }
}

/// Where the names of groups stand, from `?` to `>`; which groups they are; the names.
struct Groups(Vec<(usize, usize, u32, String)>);

impl ast::Visitor for &mut Groups {
    type Output = ();
    type Err = Infallible;

    fn finish(self) -> Result<(), Infallible> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Infallible> {
        if let Ast::Group(group) = tree
            && let GroupKind::CaptureName { name, .. } = &group.kind
        {
            let (from, to) = (group.span.start.offset, name.span.end.offset);
            self.0.push((from.saturating_add(1), to.saturating_add(1), name.index, name.name.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_out_of_patterns() {
        for (pattern, nameless, names) in [
            (
                Pattern::Template("/a/{x}/b-{y}.c/{*rest}".into()),
                "/a/{}/b-{}.c/{*}",
                vec![(0, "x"), (1, "y"), (2, "rest")],
            ),
            (Pattern::Prefix("/a".into()), "/a/*", vec![]),
            (
                Pattern::Regex(r"/(a|(?:b))/(?P<x>[0-9(?P<]+)/(?<y>(?i)é)\(?P<z>".into()),
                r"/~ /(a|(?:b))/([0-9(?P<]+)/((?i)é)\(?P<z>",
                vec![(2, "x"), (3, "y")],
            ),
        ] {
            let (text, found) = named(&pattern);
            let found: Vec<(u32, &str)> = found.iter().map(|(at, name)| (*at, name.as_str())).collect();
            assert_eq!((text.to_string().as_str(), found), (nameless, names), "{pattern}");
        }
    }
}
