//! `tollgate failures`: what clients see when something that a route depends on fails.

use super::{RoutesArgs, by_owner, misused, print, print_json, refuse};
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::process::ExitCode;
use tollgate::suite::failures::{self, Cell, Dependency, Effect, Mode, RouteFailures};

/// Prints what each route answers when an upstream, an issuer's keys, a secret, the counters, the cache, a mirror, the
/// journal, the analytics sink or the plan itself is down, slow, or answers garbage; routes by their owners.
///
/// Each answer is that of the gateway's own code to a made-up request in a simulated world of which one thing is broken.
/// Requests that would pass although a check could not be made are marked OPEN and listed at the end.
///
/// Ends with 0, or with 2 if the route files have mistakes or no route begins so.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate failures
  tollgate failures orders/v2 --env production
  tollgate failures --json | jq '.routes[].cells[] | select(.effect == \"open\")'")]
pub struct Failures {
    /// Only routes whose name begins so: `api`, `api/version` or `api/version/route`.
    route: Option<String>,
    /// The environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    #[command(flatten)]
    routes: RoutesArgs,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

impl Failures {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let compiled = match self.routes.compile(&self.env) {
            Ok(compiled) => compiled,
            Err(problems) => return refuse(self.json, &problems, 2),
        };
        let wanted = |name: &str| self.route.as_deref().is_none_or(|begin| name.starts_with(begin));
        let routes = match failures::all(&compiled, wanted) {
            Ok(routes) => routes,
            Err(why) => return misused(&why),
        };
        if routes.is_empty() {
            return misused(&format!("no route begins with `{}`", self.route.unwrap_or_default()));
        }
        if self.json {
            print_json(&json!({ "plan": compiled.hash, "environment": self.env, "routes": routes }));
        } else {
            print(&text(&routes));
        }
        ExitCode::SUCCESS
    }
}

// Writing to a string cannot fail.
fn text(routes: &[RouteFailures]) -> String {
    let mut out = String::new();
    // What is the same on every route is said once.
    let common = |cell: &Cell| {
        let same = |route: &RouteFailures| route.cells.iter().any(|own| alike(own, cell));
        routes.len() > 1 && routes.iter().all(|route| route.request.is_none() || same(route))
    };
    let tried = routes.iter().find(|route| route.request.is_some());
    let said: Vec<&Cell> = tried.iter().flat_map(|route| &route.cells).filter(|cell| common(cell)).collect();
    if !said.is_empty() {
        out.push_str("every route\n");
        rows(&mut out, said.into_iter());
        out.push('\n');
    }
    out += &by_owner(
        routes,
        |route| &route.owner,
        |out, route| {
            let _ = writeln!(out, "{}   {}", route.route, route.place);
            let Some(request) = &route.request else {
                out.push_str("  no request could be made up that this route answers\n\n");
                return;
            };
            let reason = route.reason.as_ref().map_or(String::new(), |reason| format!(" {reason}"));
            let _ = writeln!(out, "  {request}   as a rule: {}{reason}", route.status);
            rows(out, route.cells.iter().filter(|cell| !common(cell)));
            out.push('\n');
        },
    );
    let open: Vec<String> = routes
        .iter()
        .flat_map(|route| route.cells.iter().map(move |cell| (route, cell)))
        .filter(|(_, cell)| cell.effect == Effect::Open)
        .map(|(route, cell)| {
            let (dependency, mode) = (name(&cell.dependency), mode(cell.mode));
            format!("  {} of {}: {dependency} {mode}\n", route.route, route.owner)
        })
        .collect();
    let unknown = routes.iter().filter(|route| route.request.is_none()).count();
    let but = if unknown > 0 { format!(", as far as is known: {unknown} not tried") } else { String::new() };
    match open.len() {
        0 => {
            let _ = writeln!(out, "Nothing fails open{but}.");
        }
        count => {
            let _ = write!(
                out,
                "OPEN, as the route files say (`unreachable: open`), {count}{but}:\n{}",
                open.concat()
            );
        }
    }
    out
}

/// Whether two routes have the same to say.
fn alike(a: &Cell, b: &Cell) -> bool {
    // Where it makes no difference, what the route answers is its own.
    let none = a.effect == Effect::None && a.waits_ms == 0;
    (&a.dependency, a.mode, a.effect, a.waits_ms) == (&b.dependency, b.mode, b.effect, b.waits_ms)
        && (none || (a.status, &a.reason) == (b.status, &b.reason))
}

fn rows<'c>(out: &mut String, cells: impl Iterator<Item = &'c Cell>) {
    let mut last = None;
    for cell in cells {
        let name = if last == Some(&cell.dependency) { String::new() } else { name(&cell.dependency) };
        last = Some(&cell.dependency);
        let _ = writeln!(out, "  {name:40} {:8} {}", mode(cell.mode), says(cell));
    }
}

fn name(dependency: &Dependency) -> String {
    match dependency {
        Dependency::Upstream(name) => format!("upstream {name}"),
        Dependency::Target(url) => format!("  its target {url}"),
        Dependency::Keys(name) => format!("keys of {name}"),
        Dependency::StaleKeys(name) => format!("keys of {name}, earlier ones known"),
        Dependency::Secret(name) => format!("secret {name}"),
        Dependency::Limiter => "counters".to_owned(),
        Dependency::Cache => "cache".to_owned(),
        Dependency::Mirror(name) => format!("mirror {name}"),
        Dependency::Journal => "journal".to_owned(),
        Dependency::Analytics => "analytics sink".to_owned(),
        Dependency::Plan => "the plan itself".to_owned(),
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Down => "down",
        Mode::Slow => "slow",
        Mode::Garbage => "garbage",
    }
}

fn says(cell: &Cell) -> String {
    let reason = cell.reason.as_ref().map_or(String::new(), |reason| format!(" {reason}"));
    let wait = match cell.waits_ms {
        0 => String::new(),
        wait => format!(", after {wait} ms"),
    };
    let effect = match cell.effect {
        Effect::None if cell.waits_ms == 0 => return "no difference".to_owned(),
        Effect::Unasked => return "no request is sent there at present".to_owned(),
        Effect::None | Effect::Fails => "",
        Effect::Open => "  OPEN: passes uncounted",
        Effect::Degrades => "  each isolate counts by itself",
        Effect::Partial => "  partial, and says so",
        Effect::Passed => "  passed on unread",
    };
    format!("{}{reason}{wait}{effect}", cell.status)
}
