//! `tollgate explain`: what the gateway would do with a request, and why. Asks nobody.

mod batch;

use super::{RoutesArgs, misused, now, print, refuse};
use clap::Args;
use std::fmt::Write;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tollgate::pipeline::explain::{Ending, Explainer, Explanation, Question, explain};
use tollgate::pipeline::record;

/// Shows which route a request meets and why, what each policy would do, and the upstream's request.
///
/// Compiles the route files in memory and asks nobody. What only the outside knows is assumed: signatures verify,
/// limits have room, nothing is cached, origins answer 200. Ends with 0 if a route matched, 1 if none did, 2 for wrong
/// input. With --batch: 0 if every line could be read, 1 if not.
#[derive(Args)]
#[command(after_help = "Examples:
  tollgate explain GET /orders/v2/1001
  tollgate explain POST https://api.example.com/orders/v2/ -H \"content-length: 12\" --env production --json
  tollgate explain --batch requests.jsonl >answers.jsonl")]
pub struct Explain {
    /// The method.
    #[arg(required_unless_present = "batch")]
    method: Option<String>,
    /// The URL as a client would ask for it; a path alone is asked of http://127.0.0.1:8787.
    #[arg(required_unless_present = "batch")]
    url: Option<String>,
    /// A header field of the request.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS", default_value = ADDRESS)]
    address: String,
    #[command(flatten)]
    routes: RoutesArgs,
    /// The environment.
    #[arg(long, value_name = "ENV", default_value = "dev")]
    env: String,
    /// Print one JSON object in place of text: docs/explain.md says what it holds.
    #[arg(long)]
    json: bool,
    /// Explain many: each line of FILE (`-`: of standard input) is a request as a JSON object with `url` and, where
    /// wanted, `method`, `headers`, `body`, `address`, `now` (milliseconds since 1970); each line printed is its answer.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "url", "headers"])]
    batch: Option<PathBuf>,
}

/// The client's address unless one is given.
const ADDRESS: &str = "127.0.0.1";

impl Explain {
    /// Runs it.
    pub fn run(self) -> ExitCode {
        if let Some(file) = &self.batch {
            return self.batch(file);
        }
        let url = match absolute(self.url.as_deref().unwrap_or_default()) {
            Ok(url) => url,
            Err(why) => return misused(&why),
        };
        let mut headers = Vec::new();
        for line in &self.headers {
            match line.split_once(':') {
                Some((name, value)) if !name.trim().is_empty() => {
                    headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => return misused(&format!("`{line}`: write a header field as `name: value`")),
            }
        }
        let plan = match self.plan() {
            Ok(plan) => plan,
            Err(code) => return code,
        };
        let method = self.method.unwrap_or_default();
        let question =
            Question { method, url, headers, address: self.address, now: now(), ..Question::default() };
        let explanation = explain(plan, &question);
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&explanation).unwrap_or_default()));
        } else {
            print(&text(&question, &explanation));
        }
        if explanation.decision.route.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn plan(&self) -> Result<Vec<u8>, ExitCode> {
        let compiled = self.routes.compile(&self.env).map(|compiled| compiled.plan);
        compiled.map_err(|problems| refuse(self.json, &problems, 2))
    }

    fn batch(&self, file: &Path) -> ExitCode {
        let input: Box<dyn BufRead> = if file == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            match std::fs::File::open(file) {
                Ok(file) => Box::new(BufReader::with_capacity(1 << 16, file)),
                Err(error) => return misused(&format!("{}: cannot be read: {error}", file.display())),
            }
        };
        let explainer = match self.plan() {
            Ok(plan) => Explainer::new(plan),
            Err(code) => return code,
        };
        let mut output = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        let ran = batch::run(&explainer, input, &mut output, now());
        match ran.and_then(|good| std::io::Write::flush(&mut output).map(|()| good)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            // Whoever reads has had enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => misused(&format!("{}: {error}", file.display())),
        }
    }
}

/// The URL of a request; a path alone is asked of the gateway of `scripts/dev`.
fn absolute(url: &str) -> Result<String, String> {
    match url {
        path if path.starts_with('/') => Ok(format!("http://127.0.0.1:8787{path}")),
        url if url.starts_with("http://") || url.starts_with("https://") => Ok(url.to_owned()),
        _ => Err("the URL begins with `http://` or `https://`, or is a path that begins with `/`".to_owned()),
    }
}

/// An explanation for people.
// Writing to a string cannot fail.
pub(crate) fn text(question: &Question, explained: &Explanation) -> String {
    let mut out = format!("{} {}\n", question.method, question.url);
    out.push_str(&record::text::text(&explained.record, |phase| {
        let said = explained.said.iter().find(|said| said.phase == phase);
        said.map(|said| said.says.clone()).unwrap_or_default()
    }));
    let decision = &explained.decision;
    if decision.outcome == Ending::Forward {
        out.push_str("\nanswer: the upstream's, or the cache's\n");
        return out;
    }
    let _ = write!(out, "\nanswer {}", decision.status);
    for part in [decision.reason.unwrap_or_default(), &explained.detail] {
        if !part.is_empty() {
            let _ = write!(out, " {part}");
        }
    }
    if !explained.private.is_empty() {
        let _ = write!(out, " ({})", explained.private);
    }
    out.push('\n');
    for (name, value) in &decision.response_headers.0 {
        let _ = writeln!(out, "  {name}: {value}");
    }
    out
}
