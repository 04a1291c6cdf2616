//! Path patterns taken apart into elements.

use crate::plan::rule::Pattern;

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
