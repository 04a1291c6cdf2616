//! A request that a route answers, made up from its rules.

use crate::plan::rule::{Condition, Pattern, Rule, Selector, Subject, Test};
use crate::plan::{Api, Plan};
use crate::routing::{Asked, Facts, Router};
use std::borrow::Cow;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// Method.
    pub method: String,
    /// Absolute URL.
    pub url: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Whether the client shows a certificate.
    pub certificate: bool,
}

/// Values that are tried where a rule leaves them open: what a more specific rule takes away, another value may escape.
const TRIED: [&str; 6] = ["1", "a", "x9", "2026-01-02", "00000000-0000-4000-8000-000000000000", "zz-zz"];

/// Requests that each route answers, the first of its rules that one can be made up for; by the route's index.
pub fn all(router: &Router) -> Vec<Option<Witness>> {
    let plan = router.plan();
    let mut found: Vec<Option<Witness>> = vec![None; plan.len()];
    let rules =
        (0..u32::try_from(plan.rules()).unwrap_or(u32::MAX)).filter_map(|index| plan.rule(index).ok());
    for rule in rules {
        let Some(place) = found.get_mut(rule.route as usize).filter(|place| place.is_none()) else {
            continue;
        };
        *place =
            TRIED.iter().filter_map(|value| of(plan, &rule, value)).find(|made| answers(router, &rule, made));
    }
    found
}

fn of(plan: &Plan, rule: &Rule, value: &str) -> Option<Witness> {
    let api = plan.shared().apis.get(plan.route(rule.route).ok()?.api as usize)?;
    let mut made = Witness {
        method: rule.methods.first().cloned().unwrap_or_else(|| "GET".to_owned()),
        url: format!("https://{}{}{}", host(api, value), api.base, path(&rule.path, value)?),
        ..Witness::default()
    };
    rule.conditions.iter().for_each(|condition| fit(condition, value, &mut made));
    Some(made)
}

fn host(api: &Api, value: &str) -> String {
    let Some(pattern) = api.hosts.first() else { return "api.test".to_owned() };
    match pattern.split_once('.') {
        Some((label, rest)) if label == "*" || label.starts_with('{') => format!("a{value}.{rest}"),
        _ => pattern.clone(),
    }
}

fn path(pattern: &Pattern, value: &str) -> Option<String> {
    match pattern {
        Pattern::Prefix(prefix) => Some(format!("{prefix}/")),
        Pattern::Regex(_) => None,
        Pattern::Template(template) => {
            let (mut path, mut rest) = (String::new(), template.as_str());
            while let Some((before, after)) = rest.split_once('{') {
                let (_, behind) = after.split_once('}')?;
                path.push_str(before);
                path.push_str(value);
                rest = behind;
            }
            path.push_str(rest);
            Some(path)
        }
    }
}

/// Makes a condition hold, as far as that is known; whether it does, the router says.
fn fit(condition: &Condition, value: &str, made: &mut Witness) {
    let value = match &condition.test {
        Test::Absent | Test::InOrAbsent(_) => return,
        Test::Present | Test::Regex(_) => value.to_owned(),
        Test::In(values) => values.first().cloned().unwrap_or_default(),
    };
    match &condition.subject {
        Subject::Header(name) | Subject::Version(Selector::Header(name)) => {
            made.headers.push((name.clone(), value))
        }
        Subject::Query(name) | Subject::Version(Selector::Query(name)) => {
            made.url.push(if made.url.contains('?') { '&' } else { '?' });
            let encode =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            made.url.push_str(&format!("{}={}", encode(name), encode(&value)));
        }
        Subject::Cookie(name) => match made.headers.iter_mut().find(|(own, _)| own == "cookie") {
            Some((_, cookies)) => cookies.push_str(&format!("; {name}={value}")),
            None => made.headers.push(("cookie".into(), format!("{name}={value}"))),
        },
        Subject::Certificate => made.certificate = true,
        Subject::Version(Selector::Media(name)) => {
            made.headers.push(("accept".into(), format!("application/json;{name}={value}")));
        }
    }
}

impl Facts for Witness {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = |(own, _): &&(String, String)| own == name;
        self.headers.iter().find(own).map(|(_, value)| value.as_str().into())
    }

    fn certificate(&self) -> bool {
        self.certificate
    }
}

/// Whether the rule's route is the one that answers.
fn answers(router: &Router, rule: &Rule, made: &Witness) -> bool {
    let Ok(target) = crate::routing::path::split(&made.url) else { return false };
    let asked = Asked {
        query: target.query,
        facts: Some(made),
        ..Asked::of(target.authority, &made.method, target.path)
    };
    router.find(&asked).is_ok_and(|found| found.index == rule.route)
}
