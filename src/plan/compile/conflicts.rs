//! What [`super::analysis`] finds, said where it stands, with owners and remedies.

use super::analysis::conditions::{Flaw, Thing};
use super::analysis::{Finding, Placed, Witness, analyse};
use super::{Compiler, Place};
use crate::config::problem::Severity;
use crate::config::settings::{MatchRule, Matches, OneMatch};
use crate::plan::rule::{Pattern, Rule, Subject};
use std::collections::{HashMap, HashSet};

/// Below it stand the gateway's own pages.
const ADMIN: &str = "/_tollgate";
/// Conflicts shown between two API versions, and pairs that are undecided; of the others only the number.
const SHOWN: usize = 5;

/// One rule as people know it.
struct Known {
    /// Index of its API.
    api: usize,
    /// API, version and route, e.g. `orders/v2/getOrder`.
    name: String,
    /// Who owns it.
    owner: String,
    /// Whether its route has other matches.
    several: bool,
    /// Where it stands.
    place: Place,
}

impl Compiler<'_> {
    /// Routes that tie or never answer, matches that never fit or say nothing. Of `twins`, APIs that are in conflict as a
    /// whole, the single conflicts are not said.
    pub(super) fn conflicts(&mut self, twins: &HashSet<(usize, usize)>) {
        let rules: Vec<(usize, &Rule)> = self
            .out
            .rules
            .iter()
            .enumerate()
            .flat_map(|(api, rules)| rules.iter().map(move |rule| (api, rule)))
            .collect();
        let placed = Placed::all(&self.out.shared.apis, self.out.rules.iter().flatten(), &self.out.routes);
        let findings = analyse(&placed);
        let owned: Vec<usize> =
            placed.iter().enumerate().filter(|(_, placed)| self.owns(placed)).map(|(at, _)| at).collect();
        if findings.is_empty() && owned.is_empty() {
            return;
        }
        // Each rule's place among those of its route.
        let mut counts: HashMap<u32, usize> = HashMap::new();
        let numbers: Vec<usize> = rules
            .iter()
            .map(|(_, rule)| {
                let count = counts.entry(rule.route).or_default();
                *count = count.saturating_add(1);
                count.saturating_sub(1)
            })
            .collect();
        let known = |index: usize| self.known(*rules.get(index)?, *numbers.get(index)?);
        let mut said: Vec<(Severity, &'static str, Place, String, String)> = Vec::new();
        let mut pairs: HashMap<(usize, usize), usize> = HashMap::new();
        let mut undecided: Vec<(usize, String)> = Vec::new();
        for finding in &findings {
            let rule = finding.rule();
            let Some(own) = known(rule) else { continue };
            let other = finding.other().and_then(known);
            if other
                .as_ref()
                .is_some_and(|other| twins.contains(&(own.api.max(other.api), own.api.min(other.api))))
            {
                continue;
            }
            if let (Finding::Conflict { .. }, Some(other)) = (finding, &other) {
                let count = pairs.entry((own.api, other.api)).or_default();
                *count = count.saturating_add(1);
                if *count > SHOWN {
                    continue;
                }
            }
            if let (Finding::Undecided { .. }, Some(other)) = (finding, &other) {
                undecided.push((own.api, format!("`{}` with `{}`", own.name, other.name)));
                if undecided.len() > SHOWN {
                    continue;
                }
            }
            let place = match (finding, rules.get(rule)) {
                (Finding::Condition { condition, .. }, Some((_, rule))) => {
                    rule.conditions.get(*condition).and_then(|c| self.condition(&own.place, &c.subject))
                }
                _ => None,
            };
            let names = |index: &usize| rules.get(rule).and_then(|(_, rule)| rule.conditions.get(*index));
            let name = |index: &usize| names(index).map(|c| Thing::of(&c.subject).name()).unwrap_or_default();
            let at = other.as_ref().map(|other| self.place(&other.place)).unwrap_or_default();
            let (severity, code, message, help) = match finding {
                Finding::Condition { condition, flaw, .. } => flawed(flaw, &name(condition)),
                Finding::NoPath { .. } => no_path(),
                _ => {
                    let Some(other) = &other else { continue };
                    of_two(finding, &own, other, &at)
                }
            };
            said.push((severity, code, place.unwrap_or(own.place), message, help));
        }
        for own in owned.into_iter().filter_map(known) {
            let message =
                format!("no request reaches `{}` of {}: `{ADMIN}` is the gateway's own", own.name, own.owner);
            let help = "choose another path, or set `admin: { host }` in gateway.yaml to a host of its own"
                .to_owned();
            said.push((Severity::Error, "shadowed", own.place, message, help));
        }
        let mut pairs: Vec<_> = pairs.into_iter().filter(|(_, count)| *count > SHOWN).collect();
        pairs.sort_unstable();
        for ((own, other), count) in pairs {
            let name = |api: usize| {
                self.out.shared.apis.get(api).map(|api| format!("`{}` {}", api.name, api.version))
            };
            let (Some(a), Some(b)) = (name(own), name(other)) else { continue };
            let count = count.saturating_sub(SHOWN);
            let (with, help) = match own == other {
                true => (format!("within {a}"), "see the first of them"),
                false => (format!("of {a} with {b}"), "give one of them another `base` or host"),
            };
            let message = format!("{count} more conflict{} {with}", if count == 1 { "" } else { "s" });
            let place = Place::new(self.file_of(own), &["api"]);
            said.push((Severity::Error, "conflict", place, message, help.to_owned()));
        }
        if let [_, _, _, _, _, (api, _), ..] = undecided.as_slice() {
            let more = undecided.iter().skip(SHOWN);
            let first: Vec<&str> = more.clone().take(3).map(|(_, pair)| pair.as_str()).collect();
            let (count, dots) = (more.len(), if more.len() > first.len() { ", and so on" } else { "" });
            let message = format!(
                "cannot decide of {count} more pair{} of routes whether they fit a common request: {}{dots}",
                if count == 1 { "" } else { "s" },
                first.join(", "),
            );
            let help = "write narrower patterns, best with a text of its own in the same element of each; or a `priority`";
            let place = Place::new(self.file_of(*api), &["api"]);
            said.push((Severity::Warning, "undecided", place, message, help.to_owned()));
        }
        for (severity, code, place, message, help) in said {
            self.report(severity, code, &place, message, help);
        }
    }

    /// Whether all of a rule's requests are for the gateway's own pages.
    fn owns(&self, placed: &Placed<'_>) -> bool {
        let text = match &placed.rule.path {
            Pattern::Template(text) | Pattern::Prefix(text) => text,
            Pattern::Regex(_) => "",
        };
        let full = format!("{}{text}", placed.api.base);
        let below = full.strip_prefix(ADMIN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        below
            && match &self.out.shared.gateway.admin_host {
                None => true,
                Some(host) => placed.api.hosts.iter().all(|own| own == host) && !placed.api.hosts.is_empty(),
            }
    }

    /// A rule, the so-manieth of its route.
    fn known(&self, (api, rule): (usize, &Rule), number: usize) -> Option<Known> {
        let route = self.out.routes.get(usize::try_from(rule.route).ok()?)?;
        let fact = self.facts.get(usize::try_from(rule.route).ok()?)?;
        let (file, written) = self.input.apis.get(api)?;
        let several = match written.routes.get(&route.name).map(|route| &route.matches) {
            Some(Matches::Any(list)) => list.len(),
            _ => 0,
        };
        let at = fact.place.key("match");
        let known = self.out.shared.apis.get(api)?;
        debug_assert_eq!(*file, fact.place.file);
        Some(Known {
            api,
            name: format!("{}/{}/{}", known.name, known.version, route.name),
            owner: known.owner.clone(),
            several: several > 1,
            place: if several > 0 { at.index(number) } else { at },
        })
    }

    /// Where a condition of a match stands.
    fn condition(&self, at: &Place, subject: &Subject) -> Option<Place> {
        let (_, file) = self.input.apis.iter().find(|(file, _)| *file == at.file)?;
        let route = file.routes.get(at.path.get(1)?)?;
        let long: &MatchRule = match &route.matches {
            Matches::Long(long) => long,
            Matches::Any(list) => match list.get(at.path.last()?.parse::<usize>().ok()?)? {
                OneMatch::Long(long) => long,
                OneMatch::Short(_) => return None,
            },
            Matches::Short(_) => return None,
        };
        match subject {
            Subject::Header(name) => {
                let written = long.headers.keys().find(|key| key.eq_ignore_ascii_case(name))?;
                Some(at.key("headers").key(written))
            }
            Subject::Query(name) => Some(at.key("query").key(name)),
            Subject::Cookie(name) => Some(at.key("cookies").key(name)),
            Subject::Certificate => Some(at.key("certificate")),
            Subject::Version(_) => Some(Place::new(at.file, &["version", "from"])),
        }
    }

    /// `routes/orders/v2.yaml:14:3` of a place.
    fn place(&self, place: &Place) -> String {
        let name = self.input.files.get(place.file).map_or("", |file| file.name.as_str());
        let span = self.span(place);
        format!("{name}:{}:{}", span.line, span.column)
    }
}

/// Severity, code, message, help.
type Said = (Severity, &'static str, String, String);

fn of_two(finding: &Finding, own: &Known, other: &Known, at: &str) -> Said {
    let (a, b) = (format!("`{}` of {}", own.name, own.owner), format!("`{}` of {}", other.name, other.owner));
    let apart = "set them apart by a condition, or give one of them a `priority`";
    match finding {
        Finding::Conflict { witness, .. } => {
            let message = format!("{a} ties with {b}: {witness} fits both, and neither goes first");
            (Severity::Error, "conflict", message, format!("the other is {at}; {apart}"))
        }
        Finding::Shadowed { by, witness, .. } => {
            let what = if own.several { "a match of " } else { "" };
            let more = match by.len() {
                0 | 1 => String::new(),
                n => format!(", or one of {} others,", n.saturating_sub(1)),
            };
            let example = |witness: &Witness| format!(", as on {witness}");
            let example = witness.as_ref().map(example).unwrap_or_default();
            let message = format!("no request reaches {what}{a}: {b}{more} always goes first{example}");
            let help = format!(
                "the other is {at}; remove one of them, or give this one a narrower match or a `priority`"
            );
            (Severity::Error, "shadowed", message, help)
        }
        Finding::Within { same: true, .. } => {
            let message = "this match stands in its route twice".to_owned();
            (Severity::Error, "duplicate", message, format!("the other is {at}; remove one"))
        }
        Finding::Within { .. } => {
            let message =
                "this match adds nothing: whatever fits it fits another match of its route".to_owned();
            (Severity::Warning, "duplicate", message, format!("the other is {at}; remove this one"))
        }
        _ => {
            let shadow = matches!(finding, Finding::Undecided { shadow: true, .. });
            let message = if shadow {
                format!(
                    "cannot decide whether any request reaches {a}: {b} goes first, and may fit all that it fits"
                )
            } else {
                format!(
                    "cannot decide whether {a} and {b} fit a common request; if they do, neither goes first"
                )
            };
            let help = if shadow {
                "write narrower patterns"
            } else {
                "give one of them a `priority`, or write narrower patterns"
            };
            (Severity::Warning, "undecided", message, format!("the other is {at}; {help}"))
        }
    }
}

fn flawed(flaw: &Flaw, name: &str) -> Said {
    match flaw {
        Flaw::Never(why) => (
            Severity::Error,
            "never-matches",
            format!("this can never hold: {why}"),
            "change it, or remove the match".into(),
        ),
        Flaw::Against => {
            let message = format!("what this match asks of {name} can never hold together");
            (Severity::Error, "never-matches", message, "leave one of its conditions out".into())
        }
        Flaw::Idle => {
            let message = format!("the other conditions on {name} say this already");
            (Severity::Warning, "duplicate", message, "remove it".into())
        }
    }
}

fn no_path() -> Said {
    let message = "no path fits this expression".to_owned();
    let help = "it must fit the whole path below `base`, which begins with `/`, has no empty or dot elements, and has all but \
                unreserved characters percent-encoded";
    (Severity::Error, "never-matches", message, help.into())
}
