//! Reports as people read them: by owner, each change once with all that it concerns, what is looser first and flagged.

use super::structure::missing;
use super::{Change, Direction, Entry, Kind, Moved, Report};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Most requests that go elsewhere that are shown for each owner; JSON has all.
const MOST: usize = 20;
/// Most names in one heading.
const NAMES: usize = 6;
/// Longest value, in characters.
const LONGEST: usize = 200;

/// Environments, by their positions.
type Where = BTreeSet<usize>;

/// What concerns one owner, or the gateway itself.
#[derive(Default)]
struct Part<'r> {
    /// Things that came, went or have another name, and where.
    things: BTreeMap<(Direction, Kind, &'r str), (&'r Entry, Where)>,
    /// Changes and what they concern; the text of the change makes it one.
    changes: BTreeMap<String, (&'r Change, BTreeMap<&'r str, Where>)>,
    /// Requests that go elsewhere: what to say of each pair of routes, its witness, and where.
    moved: BTreeMap<(Direction, &'r str, &'r str), (String, Where)>,
    /// The same where it cannot be decided whether there is such a request.
    undecided: BTreeMap<(Direction, &'r str, &'r str), (String, Where)>,
}

impl<'r> Part<'r> {
    fn change(&mut self, change: &'r Change, name: &'r str, at: usize) {
        let key = format!("{change:?}");
        let (_, names) = self.changes.entry(key).or_insert_with(|| (change, BTreeMap::new()));
        names.entry(name).or_default().insert(at);
    }
}

/// Reports of several environments as text; `color` for terminals.
pub fn text(reports: &[(String, Report)], color: bool) -> String {
    let paint = Paint(color);
    let mut gateway = Part::default();
    let mut owners: BTreeMap<&str, Part<'_>> = BTreeMap::new();
    for (at, (_, report)) in reports.iter().enumerate() {
        for change in &report.gateway {
            gateway.change(change, "", at);
        }
        for entry in report.apis.iter().chain(&report.routes) {
            let part = owners.entry(&entry.owner).or_default();
            if entry.kind != Kind::Changed {
                let key = (entry.direction, entry.kind, entry.name.as_str());
                part.things.entry(key).or_insert_with(|| (entry, Where::new())).1.insert(at);
            }
            for change in &entry.changes {
                part.change(change, &entry.name, at);
            }
        }
        for moved in report.elsewhere.iter().chain(&report.undecided) {
            let part = owners.entry(&moved.owner).or_default();
            let Moved { old, new, direction, .. } = moved;
            let says = flag(*direction, &moved.says.join(", "), paint);
            let key = (*direction, old.as_str(), new.as_str());
            let (kind, text) = match &moved.request {
                Some(request) => (&mut part.moved, format!("{request}\n      was {old}, now {new}{says}")),
                None => (
                    &mut part.undecided,
                    format!(
                        "cannot decide whether requests go from {old} to {new}: what these match is too much{says}"
                    ),
                ),
            };
            kind.entry(key).or_insert_with(|| (text, Where::new())).1.insert(at);
        }
    }
    let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
    let mut out = String::new();
    if !gateway.changes.is_empty() {
        owner(&mut out, "the gateway", &gateway, &names, paint);
    }
    for (name, part) in &owners {
        owner(&mut out, name, part, &names, paint);
    }
    out
}

fn owner(out: &mut String, name: &str, part: &Part<'_>, all: &[&str], paint: Paint) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", paint.bold(name));
    let within = |at: &Where| {
        if at.len() == all.len() {
            return String::new();
        }
        let names: Vec<&str> = at.iter().filter_map(|at| all.get(*at)).copied().collect();
        format!("   (in {})", names.join(", "))
    };
    for ((direction, kind, name), (entry, at)) in &part.things {
        let mark = paint.by(
            *direction,
            match kind {
                Kind::Added => "+",
                Kind::Removed => "-",
                Kind::Renamed | Kind::Changed => "~",
            },
        );
        let was = entry.was.as_ref().map_or(String::new(), |was| format!(", was {was}"));
        let says = flag(*direction, entry.says, paint);
        let _ = writeln!(out, "  {mark} {}{was}   {}{}", paint.bold(name), entry.place, within(at));
        if *kind != Kind::Renamed {
            let requests: Vec<&str> = entry.requests.iter().take(NAMES).map(String::as_str).collect();
            let _ = writeln!(out, "      {}{says}", requests.join(", "));
        }
    }
    // Changes that concern the same things in the same places stand together.
    let mut groups: BTreeMap<(Direction, String), Vec<&Change>> = BTreeMap::new();
    let mut tightest: BTreeMap<String, Direction> = BTreeMap::new();
    let headed: Vec<(String, &Change)> = part
        .changes
        .values()
        .map(|(change, concerned)| (heading(concerned, &within, paint), *change))
        .collect();
    for (heading, change) in &headed {
        let first = tightest.entry(heading.clone()).or_insert(change.direction);
        *first = change.direction.min(*first);
    }
    for (heading, change) in headed {
        let direction = tightest.get(&heading).copied().unwrap_or(Direction::Other);
        groups.entry((direction, heading)).or_default().push(change);
    }
    for ((direction, heading), mut changes) in groups {
        if !heading.trim().is_empty() {
            let _ = writeln!(out, "  {} {heading}", paint.by(direction, "~"));
        }
        changes.sort_by_key(|change| change.direction);
        for change in changes {
            let says = flag(change.direction, change.says, paint);
            let _ = writeln!(out, "      {}: {}{says}", change.field, sides(change));
        }
    }
    for ((direction, ..), (text, at)) in part.moved.iter().take(MOST) {
        let _ = writeln!(out, "  {} {text}{}", paint.by(*direction, ">"), within(at));
    }
    if let Some(more) = part.moved.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(out, "    and {more} more requests go elsewhere (--json has all)");
    }
    for ((direction, ..), (text, at)) in part.undecided.iter().take(MOST) {
        let _ = writeln!(out, "  {} {text}{}", paint.by(*direction, "?"), within(at));
    }
    if let Some(more) = part.undecided.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(out, "    and {more} more pairs of routes that cannot be decided (--json has all)");
    }
    out.push('\n');
}

fn heading(concerned: &BTreeMap<&str, Where>, within: &impl Fn(&Where) -> String, paint: Paint) -> String {
    let mut names: Vec<&str> =
        concerned.keys().copied().filter(|name| !name.is_empty()).take(NAMES).collect();
    let more = concerned.len().saturating_sub(NAMES);
    let more_text = format!("and {more} more");
    if more > 0 {
        names.push(&more_text);
    }
    let everywhere: Where = concerned.values().flatten().copied().collect();
    format!("{}{}", paint.bold(&names.join(", ")), within(&everywhere)).trim_start().to_owned()
}

fn sides(change: &Change) -> String {
    let (old, new) = (&change.old, &change.new);
    if old.is_array() && new.is_array() {
        let list = |items: Vec<&Value>| items.into_iter().map(plain).collect::<Vec<_>>().join(", ");
        let (gone, came) = (list(missing(old, new)), list(missing(new, old)));
        match (gone.is_empty(), came.is_empty()) {
            (false, false) => return format!("without {gone}, with {came}"),
            (false, true) => return format!("without {gone}"),
            (true, false) => return format!("with {came}"),
            (true, true) => {}
        }
    }
    format!("{} → {}", short(old), short(new))
}

/// What is said of a direction: loudly where it is looser.
fn flag(direction: Direction, says: &str, paint: Paint) -> String {
    match (direction, says) {
        (Direction::Looser, "") => paint.by(direction, "   !! looser"),
        (Direction::Looser, says) => paint.by(direction, &format!("   !! {says}")),
        (_, "") => String::new(),
        (_, says) => format!("   {says}"),
    }
}

/// A value on one line.
fn short(value: &Value) -> String {
    let text = plain(value);
    let mut chars = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let shown: String = chars.by_ref().take(LONGEST).collect();
    if chars.next().is_some() { format!("{shown}…") } else { shown }
}

/// A value in words: what is null is left out.
fn plain(value: &Value) -> String {
    let list = |items: &[Value]| items.iter().map(plain).collect::<Vec<_>>().join(", ");
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", list(items)),
        Value::Object(members) => {
            let part = |(key, value): (&String, &Value)| match value {
                Value::Object(_) if key.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    format!("{key} {}", plain(value))
                }
                _ => format!("{key}: {}", plain(value)),
            };
            let parts: Vec<String> = members.iter().filter(|(_, value)| !value.is_null()).map(part).collect();
            if parts.len() == 1 { parts.concat() } else { format!("({})", parts.join(", ")) }
        }
        other => other.to_string(),
    }
}

/// Whether to colour.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
    fn by(self, direction: Direction, text: &str) -> String {
        match direction {
            Direction::Looser => self.with("1;31", text),
            Direction::Tighter => self.with("32", text),
            Direction::Other => text.to_owned(),
        }
    }
}
