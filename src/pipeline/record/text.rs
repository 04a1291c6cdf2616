//! A record for people.

use super::{Change, Record, Verdict};
use std::fmt::Write;

/// Width of the column that names phases.
const COLUMN: usize = 10;

/// The record, each phase with what `says` has to say of it beside.
// Writing to a string cannot fail.
pub fn text(record: &Record, says: impl Fn(&str) -> Vec<String>) -> String {
    let mut out = String::new();
    if let Some(request) = &record.request {
        let query = request.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        let _ = writeln!(out, "  as {}://{}{}{query}", request.scheme, request.host, request.path);
    }
    let _ = writeln!(out, "  plan {}, environment {}", record.event.plan, record.environment);
    if record.event.route.is_empty() {
        out.push_str("\nno route\n");
    } else {
        let template = record.template.as_deref().unwrap_or_default();
        let place = record.event.place.as_deref().unwrap_or_default();
        let _ = writeln!(out, "\nroute {}   {template}   {place}", record.event.route);
        for (name, value) in &record.parameters {
            let _ = writeln!(out, "  {name} = {value}");
        }
    }
    if !record.near_misses.is_empty() {
        out.push_str("\nothers\n");
    }
    for miss in &record.near_misses {
        let methods = if miss.methods.is_empty() { "ANY".to_owned() } else { miss.methods.join("|") };
        let _ = writeln!(
            out,
            "  {methods} {}   {} of {}   {}",
            miss.template, miss.route, miss.owner, miss.place
        );
        let _ = writeln!(out, "    {}", miss.why);
    }
    out.push('\n');
    for step in &record.steps {
        let mut lines = says(&step.phase);
        lines.extend(step.inputs.iter().map(|input| format!("{}: {}", input.of, input.shown.text())));
        match (step.verdict, &step.reason) {
            (Verdict::Passed, _) if lines.is_empty() => continue,
            (Verdict::Passed, _) => {}
            (verdict, None) => lines.push(format!("→ {}", word(verdict))),
            (verdict, Some(reason)) => lines.push(format!("→ {}: {reason}", word(verdict))),
        }
        let mut name = step.phase.as_str();
        for line in lines {
            let _ = writeln!(out, "{name:COLUMN$}{line}");
            name = "";
        }
    }
    for cell in &record.limits {
        let left = match (cell.admitted, cell.remaining) {
            (Some(true), Some(left)) => format!("admits, {left} left"),
            (Some(false), _) => "refuses".to_owned(),
            _ => "not asked".to_owned(),
        };
        let wait = cell.retry_ms.map_or(String::new(), |wait| format!(", again in {wait} ms"));
        let _ = writeln!(out, "{:COLUMN$}{} by {}: {left}{wait}   {}", "limit", cell.id, cell.by, cell.place);
    }
    for attempt in &record.event.attempts {
        let end = match (attempt.status, &attempt.error) {
            (Some(status), _) => status.to_string(),
            (None, error) => error.clone().unwrap_or_default(),
        };
        let call = if attempt.call.is_empty() { String::new() } else { format!("{}: ", attempt.call) };
        let target = attempt.target.as_deref().unwrap_or_default();
        let _ = writeln!(out, "{:COLUMN$}{call}{target}  {end}  {} ms", "attempt", attempt.ms);
    }
    changes(&mut out, "request", &record.request_headers);
    changes(&mut out, "response", &record.response_headers);
    out
}

fn changes(out: &mut String, of: &str, changes: &[Change]) {
    let mut name = of;
    for change in changes {
        let value =
            if change.edit == "remove" { String::new() } else { format!(": {}", change.shown.text()) };
        let _ = writeln!(out, "{name:COLUMN$}{} {}{value}   by {}", change.edit, change.name, change.by);
        name = "";
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Answered => "answered",
        Verdict::Refused => "refused",
        Verdict::Failed => "failed",
        Verdict::Skipped => "skipped",
    }
}
