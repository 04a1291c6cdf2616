//! Path templates as route files write them, made ready for the matcher.

use super::{Leniency, canonical, encode};

/// Most parameters of one path.
pub const MAX_PARAMS: usize = 16;

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The template, literal text in the canonical form of [`canonical`]: braces are those of parameters.
    pub text: String,
    /// Names of the parameters in order.
    pub params: Vec<String>,
}

/// Checks a template such as `/orders/{id}`, `/img-{id}.png` or `/files/{*rest}` and canonicalises its literal text.
///
/// A segment holds at most one parameter, with literal text before and after it. `{*rest}` is a whole segment, the
/// last, and matches one or more characters, slashes included: `/files/{*rest}` does not match `/files/`. `{{` and
/// `}}` stand for literal braces.
///
/// # Errors
/// Text for the author of the template: what is wrong, and what to write.
pub fn template(source: &str) -> Result<Template, String> {
    if !source.starts_with('/') {
        return Err("a path template begins with `/`".into());
    }
    let mut text = String::with_capacity(source.len());
    // The same with a letter for each parameter: what a matching path looks like, to be judged as one.
    let mut probe = String::with_capacity(source.len());
    let mut params: Vec<String> = Vec::new();
    let mut segments = source.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        text.push('/');
        probe.push('/');
        match Segment::parse(segment)? {
            Segment::Literal(literal) => {
                text.push_str(&literal);
                probe.push_str(&literal);
            }
            Segment::Param { before, name, after } => {
                if let Some(rest) = name.strip_prefix('*') {
                    if segments.peek().is_some() {
                        return Err(format!("`{{{name}}}` must be the last segment"));
                    }
                    if !before.is_empty() || !after.is_empty() {
                        return Err(format!("`{{{name}}}` must be a whole segment"));
                    }
                    checked(rest, &mut params)?;
                } else {
                    checked(name, &mut params)?;
                }
                // A parameter's value could otherwise end inside a percent triplet: `{x}9` on `%C3%A9`.
                if after.starts_with(|c: char| c.is_ascii_digit() || ('A'..='F').contains(&c)) {
                    return Err(format!(
                        "text after `{{{name}}}` must not begin with 0-9 or A-F; begin it with another character, \
                         such as `-` or `.`"
                    ));
                }
                text.extend([&*before, "{", name, "}", &*after]);
                probe.extend([&*before, "x", &*after]);
            }
        }
    }
    match canonical(&probe, Leniency { encoded_slashes: true }) {
        Ok(path) if path == probe => Ok(Template { text, params }),
        Ok(_) => Err("the template has no canonical form".into()),
        Err(fault) => Err(format!("no request can have such a path: {}", fault.detail)),
    }
}

/// Names of a regular expression's groups, in order; none if it is no regular expression.
pub fn groups(source: &str) -> Vec<String> {
    let regex = regex_lite::Regex::new(source).ok();
    regex.iter().flat_map(|regex| regex.capture_names()).flatten().map(str::to_owned).collect()
}

/// Adds a parameter's name.
fn checked(name: &str, params: &mut Vec<String>) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
        return Err(format!(
            "`{name}` cannot name a parameter; use ASCII letters, digits, `_`, `-` and `.`, a letter first"
        ));
    }
    if params.iter().any(|other| other == name) {
        return Err(format!("the parameter `{name}` stands twice in the template"));
    }
    if params.len() >= MAX_PARAMS {
        return Err(format!("a template has at most {MAX_PARAMS} parameters"));
    }
    params.push(name.to_owned());
    Ok(())
}

enum Segment<'a> {
    Literal(String),
    Param { before: String, name: &'a str, after: String },
}

impl<'a> Segment<'a> {
    fn parse(source: &'a str) -> Result<Segment<'a>, String> {
        let (before, rest) = literal(source)?;
        let Some(rest) = rest.strip_prefix('{') else { return Ok(Segment::Literal(before)) };
        let (name, rest) =
            rest.split_once('}').ok_or_else(|| format!("`{source}` opens a brace and does not close it"))?;
        let (after, rest) = literal(rest)?;
        if !rest.is_empty() {
            return Err(format!("`{source}` has two parameters; a segment holds at most one"));
        }
        Ok(Segment::Param { before, name, after })
    }
}

/// Reads literal text up to a `{` that opens a parameter; returns it canonical, and the rest.
fn literal(source: &str) -> Result<(String, &str), String> {
    let mut raw = String::new();
    let mut rest = source;
    loop {
        let end = rest.find(['{', '}']).unwrap_or(rest.len());
        let (text, braces) = rest.split_at_checked(end).unwrap_or((rest, ""));
        raw.push_str(text);
        rest = if let Some(rest) = braces.strip_prefix("{{") {
            raw.push('{');
            rest
        } else if let Some(rest) = braces.strip_prefix("}}") {
            raw.push('}');
            rest
        } else if braces.starts_with('}') {
            return Err(format!(
                "`{source}` closes a brace that was not opened; write `}}}}` for a literal one"
            ));
        } else {
            let place = super::Place::Path(Leniency { encoded_slashes: true });
            let text = encode(&raw, place).map_err(|fault| format!("in `{source}`: {}", fault.detail))?;
            return Ok((text.into_owned(), braces));
        };
    }
}
