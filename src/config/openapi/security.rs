//! What a route asks of its callers, made of what the document says of an operation.
//!
//! A route may ask for more than the document, never for less. A requirement is carried as a whole or not at all, and an
//! operation of whose alternatives none can be carried asks for a token that nobody has: it is closed until somebody
//! decides.

use super::document::Document;
use super::model::{Alternative, Kind, Scheme, Security};
use super::names;
use std::collections::BTreeSet;

/// Name of the issuer that stands in where the document names none that could be carried.
pub const STAND_IN: &str = "callers";

/// Who may call.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Everybody: the document says so.
    Open,
    /// Callers with a token.
    Token {
        /// Any one of these issuers.
        issuers: Vec<String>,
        /// The scopes.
        scopes: Scopes,
    },
}

/// Scopes of a route.
#[derive(Clone, Debug, PartialEq)]
pub enum Scopes {
    /// All of these.
    All(Vec<String>),
    /// Any one of these.
    Any(Vec<String>),
}

/// A rule, and what of the document it does not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The rule.
    pub rule: Rule,
    /// What was not carried, in words.
    pub note: Option<String>,
}

/// The scheme and scopes of an alternative that a token satisfies: one scheme, a token's.
pub fn by_token<'a>(
    alternative: &'a Alternative,
    schemes: &'a [Scheme],
) -> Option<(&'a Scheme, &'a [String])> {
    let [(name, scopes)] = alternative.as_slice() else { return None };
    let scheme = schemes.iter().find(|scheme| scheme.name == *name)?;
    (matches!(scheme.kind, Kind::Token { .. }) && scopes.iter().all(|scope| is_scope(scope)))
        .then_some((scheme, scopes.as_slice()))
}

/// Whether a text can be a scope (RFC 6749 §3.3).
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// What an alternative asks for, in words.
fn words(alternative: &Alternative, schemes: &[Scheme]) -> String {
    let one = |(name, _): &(String, Vec<String>)| {
        let kind = schemes.iter().find(|scheme| scheme.name == *name).map(|scheme| &scheme.kind);
        match kind {
            Some(Kind::Other(what)) => format!("`{name}` ({what})"),
            _ => format!("`{name}`"),
        }
    };
    alternative.iter().map(one).collect::<Vec<_>>().join(" with ")
}

/// Decides who may call. `issuer` is the one of gateway.yaml that is to be asked for in place of the document's.
pub fn decide(document: &Document, security: &Security, issuer: Option<&str>) -> Decision {
    let stand_in = |note: String| Decision {
        rule: Rule::Token {
            issuers: vec![issuer.unwrap_or(STAND_IN).to_owned()],
            scopes: Scopes::All(Vec::new()),
        },
        note: Some(note).filter(|note| !note.is_empty()),
    };
    let alternatives = match security {
        Security::Unsaid => return stand_in(String::new()),
        Security::Any(_) if security.is_open() => return Decision { rule: Rule::Open, note: None },
        Security::Any(alternatives) => alternatives,
    };
    let schemes = &document.schemes;
    let carried: Vec<(&Scheme, &[String])> =
        alternatives.iter().filter_map(|alternative| by_token(alternative, schemes)).collect();
    let mut left: Vec<String> = alternatives
        .iter()
        .filter(|alternative| by_token(alternative, schemes).is_none())
        .map(|alternative| match alternative.is_empty() {
            true => "no credentials at all".to_owned(),
            false => words(alternative, schemes),
        })
        .collect();
    let Some((first, scopes)) = carried.first().copied() else {
        return stand_in(format!(
            "the document asks for {}, which is not carried: closed until `auth` says who may call",
            left.join(" or ")
        ));
    };
    // Either any of several single scopes, or alternatives that all ask for the same ones.
    let single = carried.len() > 1
        && carried.iter().all(|(scheme, scopes)| scheme.name == first.name && scopes.len() == 1);
    let (mut issuers, mut any) = (Vec::new(), Vec::new());
    for (scheme, theirs) in &carried {
        if single {
            any.extend(theirs.iter().cloned());
        } else if *theirs != scopes {
            left.push(format!("`{}` with {}", scheme.name, theirs.join(" and ")));
            continue;
        }
        let name = names::name(&scheme.name);
        if !issuers.contains(&name) {
            issuers.push(name);
        }
    }
    let scopes = if single { Scopes::Any(any) } else { Scopes::All(scopes.to_vec()) };
    if let Some(issuer) = issuer {
        issuers = vec![issuer.to_owned()];
    }
    let note =
        (!left.is_empty()).then(|| format!("the document also accepts {}; this does not", left.join(" or ")));
    Decision { rule: Rule::Token { issuers, scopes }, note }
}

/// An issuer that the routes name, as far as the document tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Issuer {
    /// Its name in the route file.
    pub name: String,
    /// URL of the issuer.
    pub url: String,
    /// All scopes that routes may ask for.
    pub scopes: Vec<String>,
    /// What the document does not say.
    pub comment: String,
}

/// The issuers that `rules` name, to be declared in the route file.
pub fn issuers(document: &Document, rules: &[Rule]) -> Vec<Issuer> {
    let named: BTreeSet<&String> = rules
        .iter()
        .filter_map(|rule| match rule {
            Rule::Token { issuers, .. } => Some(issuers),
            Rule::Open => None,
        })
        .flatten()
        .collect();
    let asked = |name: &str| {
        let mut scopes: Vec<String> = Vec::new();
        for rule in rules {
            let Rule::Token { issuers, scopes: Scopes::All(list) | Scopes::Any(list) } = rule else {
                continue;
            };
            if issuers.iter().any(|issuer| issuer == name) {
                scopes.extend(list.iter().cloned());
            }
        }
        scopes
    };
    let mut out = Vec::new();
    for name in named {
        let scheme = document
            .schemes
            .iter()
            .find(|scheme| matches!(scheme.kind, Kind::Token { .. }) && names::name(&scheme.name) == *name);
        let (url, comment) = match scheme.map(|scheme| (&scheme.name, &scheme.kind)) {
            Some((scheme, Kind::Token { issuer: Some(url), .. })) => (
                url.clone(),
                format!("From the security scheme `{scheme}`. The document does not tell `audience`, `algorithms` and `keys`: check them."),
            ),
            Some((scheme, _)) => (
                format!("https://{}.invalid", name.to_ascii_lowercase().replace('_', "-")),
                format!("Stands in for the security scheme `{scheme}`: the document does not tell who issues its tokens. Nobody passes until you do."),
            ),
            None => (
                format!("https://{name}.invalid"),
                "Stands in for callers of whom the document tells nothing that is carried. Nobody passes until you name who may call.".to_owned(),
            ),
        };
        let mut scopes = scheme.map(|scheme| scheme.scopes.clone()).unwrap_or_default();
        scopes.retain(|scope| is_scope(scope));
        for scope in asked(name) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        out.push(Issuer { name: name.clone(), url, scopes, comment });
    }
    out
}
