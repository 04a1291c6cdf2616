//! `tollgate explain`: what the gateway would do with a request, and why. Asks nobody.

use super::{RoutesArgs, misused, now, print};
use clap::Args;
use std::fmt::Write;
use std::process::ExitCode;
use tollgate::config::problem;
use tollgate::pipeline::explain::{Explanation, Problem, Question, Step, explain};

/// Shows which route a request meets and why, what each policy would do, and the upstream URL.
///
/// Compiles the route files in memory and asks nobody: signatures are not checked, limits not counted, no origin is
/// called. Ends with 0 if a route matched, 1 if none did, 2 for wrong input.
#[derive(Args)]
pub struct Explain {
    /// The method.
    method: String,
    /// The URL as a client would ask for it; a path alone is asked of http://127.0.0.1:8787.
    url: String,
    /// A header field of the request.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: String,
    #[command(flatten)]
    routes: RoutesArgs,
    /// The environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    /// Print one JSON object in place of text.
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        let url = if self.url.starts_with('/') {
            format!("http://127.0.0.1:8787{}", self.url)
        } else {
            self.url.clone()
        };
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return misused("the URL begins with `http://` or `https://`, or is a path that begins with `/`");
        }
        let mut headers = Vec::new();
        for line in &self.headers {
            match line.split_once(':') {
                Some((name, value)) if !name.trim().is_empty() => {
                    headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => return misused(&format!("`{line}`: write a header field as `name: value`")),
            }
        }
        let compiled = match self.routes.compile(&self.env) {
            Ok(compiled) => compiled,
            Err(problems) => {
                eprint!("{}", problem::render(&problems));
                return ExitCode::from(2);
            }
        };
        let question = Question { method: self.method, url, headers, address: self.address, now: now() };
        let explanation = explain(compiled.plan, &question);
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&explanation).unwrap_or_default()));
        } else {
            print(&text(&question, &explanation));
        }
        if explanation.route.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Width of the column that names phases.
const COLUMN: usize = 10;

// Writing to a string cannot fail.
fn text(question: &Question, explained: &Explanation) -> String {
    let mut out = format!("{} {}\n", question.method, question.url);
    if let Some(request) = &explained.request {
        let query = request.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        let _ = writeln!(out, "  as {}://{}{}{query}", request.scheme, request.host, request.path);
    }
    let _ = writeln!(out, "  plan {}, environment {}", explained.plan, explained.environment);
    if let Some(route) = &explained.route {
        let _ = writeln!(out, "\nroute {}   {}   {}", route.name, route.template, route.place);
        for (name, value) in &route.parameters {
            let _ = writeln!(out, "  {name} = {}", value.as_str().unwrap_or_default());
        }
    } else {
        out.push_str("\nno route\n");
    }
    if !explained.candidates.is_empty() {
        out.push_str("\ncandidates\n");
    }
    for rival in &explained.candidates {
        let mark = if rival.matched { "*" } else { " " };
        let _ = writeln!(out, "{mark} {}   {}   {}", rival.template, rival.methods.join(", "), rival.place);
        let _ = writeln!(out, "    {}", rival.why);
    }
    if !explained.steps.is_empty() {
        out.push('\n');
    }
    for step in &explained.steps {
        describe(&mut out, step);
    }
    match &explained.answer {
        Some(answer) => {
            let _ = writeln!(out, "\nanswer {}", problem(answer));
            for (name, value) in &answer.headers {
                let _ = writeln!(out, "  {name}: {value}");
            }
        }
        None if explained.route.is_some() => out.push_str("\nanswer: the upstream's, or the cache's\n"),
        None => {}
    }
    out
}

fn describe(out: &mut String, step: &Step) {
    let mut name = step.phase;
    for line in &step.says {
        let _ = writeln!(out, "{name:COLUMN$}{line}");
        name = "";
    }
    if let Some(refusal) = &step.refuses {
        let _ = writeln!(out, "{:COLUMN$}→ {}", "", problem(refusal));
    }
}

fn problem(problem: &Problem) -> String {
    let mut text = problem.status.to_string();
    for part in [problem.reason.unwrap_or_default(), &problem.detail] {
        if !part.is_empty() {
            let _ = write!(text, " {part}");
        }
    }
    if !problem.private.is_empty() {
        let _ = write!(text, " ({})", problem.private);
    }
    text
}
