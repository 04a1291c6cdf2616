//! Path templates of OpenAPI, as route files can express them.

use super::model::{Operation, Parameter, Where};
use crate::routing::path::{MAX_PARAMS, template};

/// What becomes of an operation's path.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// How requests to it are recognised.
    pub shape: Shape,
    /// The path sent upstream, below the server's own, where it differs from the client's in more than the base.
    pub upstream: String,
    /// What could not be carried as it is, in words.
    pub notes: Vec<String>,
    /// The document says that a parameter may hold slashes: encoded ones must pass.
    pub encoded_slashes: bool,
}

/// How requests are recognised by their path.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A path template.
    Template(String),
    /// A regular expression that the whole path must fit.
    Regex(String),
    /// One of these, and what the query must hold: some documents tell operations apart by it. Without a value, the
    /// parameter must be there.
    Query(Box<Shape>, Vec<(String, Option<String>)>),
}

impl Shape {
    /// The path without the query.
    pub fn path(&self) -> &Shape {
        match self {
            Shape::Query(path, _) => path.path(),
            path => path,
        }
    }
}

/// A piece of a path.
#[derive(Clone, Debug, PartialEq)]
enum Piece<'p> {
    Literal(&'p str),
    Param(&'p str),
}

/// The pieces of each segment.
fn segments(path: &str) -> Result<Vec<Vec<Piece<'_>>>, String> {
    path.split('/')
        .skip(1)
        .map(|segment| {
            let mut pieces = Vec::new();
            let mut rest = segment;
            while let Some((literal, after)) = rest.split_once('{') {
                let (name, after) = after
                    .split_once('}')
                    .ok_or_else(|| format!("`{path}` opens a brace and does not close it"))?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(literal));
                }
                pieces.push(Piece::Param(name));
                rest = after;
            }
            if !rest.is_empty() {
                pieces.push(Piece::Literal(rest));
            }
            let brace =
                |piece: &Piece<'_>| matches!(piece, Piece::Literal(text) if text.contains(['{', '}']));
            if pieces.iter().any(brace) {
                return Err(format!("`{path}` closes a brace that was not opened"));
            }
            Ok(pieces)
        })
        .collect()
}

/// A template without the names of its parameters: two that are the same in this match the same paths. `{*}` stands for
/// a rest of any number of segments.
pub fn nameless(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((literal, after)) = rest.split_once('{') {
        out.push_str(literal);
        if let Some(after) = after.strip_prefix('{') {
            out.push_str("{{");
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(if name.starts_with('*') { "{*}" } else { "{}" });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Decides between operations that are regular expressions: from the left, literal text goes before parameters with text
/// around them, these before parameters alone, as with templates. Only those that tie in all else are compared by it.
pub fn priority(path: &str) -> i32 {
    path.split('/').skip(1).fold(0_i32, |sum, segment| {
        let weight = match (segment.split_once('{'), segment.ends_with('}')) {
            (None, _) => 2,
            (Some(("", rest)), true) if !rest.contains('{') => 0,
            _ => 1,
        };
        sum.saturating_mul(3).saturating_add(weight)
    })
}

/// Whether every path of one template is one of another's, which has no more than one parameter in a segment.
pub fn covers(template: &str, path: &str) -> bool {
    let (mut own, mut theirs) = (template.split('/'), path.split('/'));
    loop {
        match (own.next(), theirs.next()) {
            (None, None) => return true,
            (Some(own), Some(theirs)) if own == theirs && !own.contains('{') => {}
            (Some(own), Some(theirs)) if one_parameter(own).is_some_and(|around| takes(around, theirs)) => {}
            _ => return false,
        }
    }
}

/// The text before and behind the only parameter of a segment.
fn one_parameter(segment: &str) -> Option<(&str, &str)> {
    let (before, rest) = segment.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    (!name.contains('*') && !after.contains('{')).then_some((before, after))
}

/// Whether whatever another segment stands for has these texts around at least one character.
fn takes((before, after): (&str, &str), segment: &str) -> bool {
    let lead = segment.split('{').next().unwrap_or_default();
    let tail = segment.rsplit('}').next().unwrap_or_default();
    let long = segment.contains('{') || segment.len() > before.len().saturating_add(after.len());
    long && lead.starts_with(before) && tail.ends_with(after)
}

/// Whether a parameter in this place takes slashes. `{path*}`, `{+path}` and `{proxy+}` are spellings of other tools; a
/// last segment that is called a path is one.
fn takes_rest(name: &str, declared: Option<&Parameter>, last: bool) -> bool {
    let bare = name.trim_matches(['*', '+']);
    bare != name
        || declared.is_some_and(|parameter| parameter.slashes)
        || last && (bare.eq_ignore_ascii_case("path") || bare.to_ascii_lowercase().ends_with("path"))
}

/// A parameter's name as templates take it, unlike those before it.
fn named(name: &str, taken: &mut Vec<String>, regex: bool) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || !regex && matches!(c, '-' | '.');
    let mut out: String =
        name.trim_matches(['*', '+']).chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        out.insert(0, '_');
    }
    while taken.contains(&out) {
        out.push('_');
    }
    taken.push(out.clone());
    out
}

/// How an operation's path is carried.
///
/// # Errors
/// Why no route can serve it.
pub fn carry(operation: &Operation) -> Result<Carried, String> {
    let (path, query) = match operation.path.split_once('?') {
        Some((path, query)) => (path, query),
        None => (operation.path.as_str(), ""),
    };
    if operation.path.contains('#') {
        return Err(format!("the path `{path}` holds a `#`, which no request carries"));
    }
    let segments = segments(path)?;
    let declared =
        |name: &str| operation.parameters.iter().find(|p| p.within == Where::Path && p.name == name);
    let count = segments.iter().flatten().filter(|piece| matches!(piece, Piece::Param(_))).count();
    if count > MAX_PARAMS {
        return Err(format!("`{path}` has {count} parameters, of {MAX_PARAMS} at most"));
    }
    let mut carried = Carried {
        shape: Shape::Template(String::new()),
        upstream: String::new(),
        notes: Vec::new(),
        encoded_slashes: false,
    };
    let (mut text, mut taken) = (String::new(), Vec::new());
    for (number, pieces) in segments.iter().enumerate() {
        let last = number.saturating_add(1) == segments.len();
        text.push('/');
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => {
                    text.push_str(literal);
                }
                Piece::Param(original) => {
                    let parameter = declared(original);
                    let rest = takes_rest(original, parameter, last);
                    let whole = last && pieces.len() == 1;
                    let name = named(original, &mut taken, false);
                    if rest && parameter.is_some_and(|parameter| parameter.slashes) {
                        carried.encoded_slashes = true;
                    }
                    if rest && !whole {
                        carried.notes.push(format!(
                            "`{{{name}}}` may hold slashes: encoded ones (%2F) reach this route, plain ones do not"
                        ));
                        carried.encoded_slashes = true;
                    }
                    if name != *original && original.trim_matches(['*', '+']) != name {
                        carried.notes.push(format!("`{{{original}}}` is called `{{{name}}}` here"));
                    }
                    let star = if rest && whole { "*" } else { "" };
                    text.push_str(&format!("{{{star}{name}}}"));
                }
            }
        }
    }
    let crowded = segments
        .iter()
        .any(|pieces| pieces.iter().filter(|piece| matches!(piece, Piece::Param(_))).count() > 1);
    match template(&text) {
        Ok(template) => {
            carried.upstream = template.text;
            carried.shape = Shape::Template(text);
        }
        // What a template cannot say in a segment, an expression can.
        Err(why) if crowded || why.contains("must not begin with") => {
            let (regex, upstream) = expression(&segments)?;
            carried.shape = Shape::Regex(regex);
            carried.upstream = upstream;
            carried.notes.push(if crowded {
                "an expression, since a template has one parameter in a segment at most".to_owned()
            } else {
                "an expression, since in a template a parameter's end could not be told".to_owned()
            });
        }
        Err(why) => return Err(why),
    }
    let conditions = conditions(query)?;
    if !conditions.is_empty() {
        carried.shape = Shape::Query(Box::new(carried.shape), conditions);
    }
    Ok(carried)
}

/// What the query in a path asks for.
fn conditions(query: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut out: Vec<(String, Option<String>)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
        let plain = |text: &str| super::library::decoded(&text.replace('+', " "));
        let value = value.filter(|value| !value.starts_with('{')).map(plain);
        let (Some(name), Some(value)) = (plain(name), value.map_or(Some(None), |value| value.map(Some)))
        else {
            return Err(format!("the query `{query}` is not UTF-8"));
        };
        if name.contains(['{', '}']) || value.as_ref().is_some_and(|value| value.contains(['{', '}'])) {
            return Err(format!("the query `{query}` has a parameter within a text"));
        }
        if out.iter().any(|(known, _)| *known == name) {
            return Err(format!("the query `{query}` has `{name}` twice"));
        }
        out.push((name, value));
    }
    Ok(out)
}

/// The path as a regular expression, and as a rewrite template with the names of its groups.
fn expression(segments: &[Vec<Piece<'_>>]) -> Result<(String, String), String> {
    let (mut regex, mut upstream, mut taken) = (String::new(), String::new(), Vec::new());
    for pieces in segments {
        regex.push('/');
        upstream.push('/');
        for (number, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => {
                    // Literal text in its canonical form, as requests are compared.
                    let literal =
                        template(&format!("/x{}", literal.replace('{', "{{").replace('}', "}}")))?.text;
                    let literal = literal.strip_prefix("/x").unwrap_or_default();
                    for c in literal.chars() {
                        if "\\.+*?()|[]{}^$#&-~".contains(c) {
                            regex.push('\\');
                        }
                        regex.push(c);
                    }
                    upstream.push_str(literal);
                }
                Piece::Param(name) => {
                    let name = named(name, &mut taken, true);
                    // The first of several takes as little as it can, as a reader from the left would.
                    let lazy = if number.saturating_add(1) < pieces.len() { "?" } else { "" };
                    regex.push_str(&format!("(?<{name}>[^/]+{lazy})"));
                    upstream.push_str(&format!("{{{name}}}"));
                }
            }
        }
    }
    Ok((regex, upstream))
}

/// A path below the server's that the operation serves, each parameter filled in; `None` where no route can serve it.
pub fn example(operation: &Operation) -> Option<String> {
    let shape = carry(operation).ok()?.shape;
    let text = match shape.path() {
        Shape::Template(text) => text,
        _ => operation.path.split('?').next()?,
    };
    let mut out = String::new();
    let mut rest: &str = text;
    let mut number = 0_u32;
    while let Some((literal, after)) = rest.split_once('{') {
        out.push_str(literal);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        number = number.saturating_add(1);
        out.push_str(&format!("v{number}z"));
        if name.starts_with('*') {
            out.push_str("/w/w/w/w/w/w");
        }
        rest = after;
    }
    out.push_str(rest);
    if let Shape::Query(_, conditions) = &shape {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        for (number, (name, value)) in conditions.iter().enumerate() {
            out.push(if number == 0 { '?' } else { '&' });
            out.push_str(&format!("{}={}", encoded(name), encoded(value.as_deref().unwrap_or("v"))));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::openapi::model::Security;

    fn operation(path: &str, slashes: &[&str]) -> Operation {
        let parameter = |name: &&str| Parameter {
            name: (*name).to_owned(),
            within: Where::Path,
            required: true,
            slashes: true,
        };
        Operation {
            id: None,
            method: "GET".into(),
            path: path.into(),
            summary: String::new(),
            deprecated: false,
            parameters: slashes.iter().map(parameter).collect(),
            security: Security::Unsaid,
            servers: None,
            place: Default::default(),
        }
    }

    fn template_of(path: &str, slashes: &[&str]) -> String {
        match carry(&operation(path, slashes)).unwrap().shape {
            Shape::Template(text) => text,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn templates_are_carried() {
        for (path, expected) in [
            ("/", "/"),
            ("/a/{id}", "/a/{id}"),
            ("/a/{id}/", "/a/{id}/"),
            ("/v1/{name}:cancel", "/v1/{name}:cancel"),
            ("/{user id}/{2nd}", "/{user_id}/{_2nd}"),
            ("/{a*}/{a}", "/{a}/{a_}"),
            ("/x/{proxy+}", "/x/{*proxy}"),
            ("/x/{+name}", "/x/{*name}"),
            ("/logs/{logpath}", "/logs/{*logpath}"),
            ("/{path}/x", "/{path}/x"),
            ("/files/{path}.json", "/files/{path}.json"),
        ] {
            assert_eq!(template_of(path, &[]), expected);
        }
        assert_eq!(template_of("/git/{ref}", &["ref"]), "/git/{*ref}");
    }

    #[test]
    fn slashes_in_the_middle_pass_encoded() {
        let carried = carry(&operation("/b/{branch}/rename", &["branch"])).unwrap();
        assert_eq!(carried.shape, Shape::Template("/b/{branch}/rename".into()));
        assert!(carried.encoded_slashes && carried.notes[0].contains("%2F"), "{carried:?}");
        assert!(!carry(&operation("/logs/{logpath}", &[])).unwrap().encoded_slashes);
    }

    #[test]
    fn two_parameters_in_a_segment_are_an_expression() {
        let carried = carry(&operation("/r/{owner}/compare/{base}...{head}", &[])).unwrap();
        let expected = r"/r/(?<owner>[^/]+)/compare/(?<base>[^/]+?)\.\.\.(?<head>[^/]+)";
        assert_eq!(carried.shape, Shape::Regex(expected.into()));
        assert_eq!(carried.upstream, "/r/{owner}/compare/{base}...{head}");
        assert!(matches!(carry(&operation("/{a}9", &[])).unwrap().shape, Shape::Regex(_)));
    }

    #[test]
    fn what_no_request_can_have_is_refused() {
        for path in [
            "/a?b=x{c}",
            "/a?b=1&b=2",
            "/#x",
            "/{a",
            "/a}",
            "/../a",
            "/a//b",
            "/a\\b",
            "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
        ] {
            assert!(carry(&operation(path, &[])).is_err(), "{path}");
        }
    }

    #[test]
    fn a_query_in_the_path_is_a_condition() {
        let operation = operation("/a/{id}?Action=Do%20it&x={x}&dry", &[]);
        let conditions = [("Action", Some("Do it")), ("x", None), ("dry", None)];
        let conditions = conditions.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).to_vec();
        assert_eq!(
            carry(&operation).unwrap().shape,
            Shape::Query(Box::new(Shape::Template("/a/{id}".into())), conditions)
        );
        assert_eq!(example(&operation).unwrap(), "/a/v1z?Action=Do+it&x=v&dry=v");
    }

    #[test]
    fn names_do_not_tell_templates_apart() {
        assert_eq!(nameless("/a/{x}.{y}/{*z}"), "/a/{}.{}/{*}");
        assert_eq!(nameless("/{{x}}/{y}"), "/{{x}}/{}");
        assert!(covers("/a/{b}/{c}", "/a/{x}...{y}/d") && covers("/{a}/d", "/{x}.{y}/d"));
        assert!(
            covers("/{a}/{b}.json/{c}", "/{x}...{y}/{z}.json/a") && !covers("/p-{a}/{b}", "/{x}/{y}.{z}")
        );
        assert!(
            !covers("/a/{b}", "/a/{x}.{y}/d")
                && !covers("/{a}.x", "/{x}.{y}")
                && !covers("/{*a}", "/{x}.{y}")
        );
        let order = ["/{a}.{b}/{c}", "/{a}.{b}/{c}.x", "/{a}.{b}/c", "/a/{a}.{b}", "/a/b"];
        assert!(order.windows(2).all(|two| priority(two[0]) < priority(two[1])));
        let example = |path| example(&operation(path, &[])).unwrap();
        assert_eq!(example("/a/{x}...{y}"), "/a/v1z...v2z");
        assert_eq!(example("/logs/{path}"), "/logs/v1z/w/w/w/w/w/w");
    }
}
