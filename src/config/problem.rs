//! What is wrong in a route file: where, what, and the remedy.

use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No plan is made.
    Error,
    /// The plan is made, but probably not what was meant.
    Warning,
}

/// A place in a text. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// Line; 0 where the whole file is meant.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Characters to underline on that line, at least 1.
    pub length: u32,
}

impl Span {
    /// The place of bytes of a text, as far as they stand on their first line; of none, where they would begin.
    pub fn of(text: &str, at: &Range<usize>) -> Span {
        let before = text.get(..at.start).unwrap_or("");
        let inside = text.get(at.clone()).unwrap_or("");
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            line: narrow(before.matches('\n').count().saturating_add(1)),
            column: narrow(before.rsplit('\n').next().unwrap_or("").chars().count().saturating_add(1)),
            length: narrow(inside.lines().next().unwrap_or("").chars().count().max(1)),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Stable word for the kind of problem, e.g. `unknown-key`.
    pub code: &'static str,
    /// The file, e.g. `routes/orders/v2.yaml`.
    pub file: String,
    /// Where in the file.
    #[serde(flatten)]
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The environments that have the problem; empty: all.
    pub environments: Vec<String>,
    /// The line of the file, for display.
    #[serde(skip)]
    pub excerpt: String,
    /// Who owns the file; empty where nobody in particular does. Filled in when everything was checked.
    pub owner: String,
}

/// Text whose control characters are written as escapes: messages quote what stands in the files.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") }
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

/// Text between codes of ECMA-48 §8.3.117, where colour is wanted.
struct Paint<T>(bool, &'static str, T);

impl<T: fmt::Display> fmt::Display for Paint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Paint(color, code, text) = self;
        if *color { write!(f, "\u{1b}[{code}m{text}\u{1b}[0m") } else { write!(f, "{text}") }
    }
}

const BOLD: &str = "1";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const BLUE: &str = "1;34";
const CYAN: &str = "36";

impl Problem {
    /// Writes place, message, the line with a caret and the remedy; coloured for a terminal if `color`.
    ///
    /// # Errors
    /// What `f` fails with.
    pub fn write(&self, f: &mut impl fmt::Write, color: bool) -> fmt::Result {
        let mut place = Plain(&self.file).to_string();
        if self.span.line > 0 {
            place.push_str(&format!(":{}:{}", self.span.line, self.span.column));
        }
        write!(f, "{}: ", Paint(color, BOLD, place))?;
        let warns = self.severity == Severity::Warning;
        let tone = if warns { YELLOW } else { RED };
        if warns {
            write!(f, "{}: {}", Paint(color, tone, "warning"), Plain(&self.message))?;
        } else {
            write!(f, "{}", Paint(color, tone, Plain(&self.message)))?;
        }
        if !self.environments.is_empty() {
            write!(f, " (in {})", Plain(&self.environments.join(", ")))?;
        }
        let gutter = self.span.line.to_string().len().max(3);
        let bar = Paint(color, BLUE, "|");
        if self.span.line > 0 && !self.excerpt.trim().is_empty() {
            // A window of the line around the place: generated files may have endless lines. Tabs and control
            // characters become spaces, so that the caret stands right and nothing reaches the terminal.
            let column = usize::try_from(self.span.column).unwrap_or(1).max(1);
            let from = if column > 90 { column.saturating_sub(60) } else { 0 };
            let shown: String = self
                .excerpt
                .chars()
                .skip(from)
                .take(120)
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            let room = shown.chars().count().saturating_sub(column.saturating_sub(1).saturating_sub(from));
            let length = usize::try_from(self.span.length).unwrap_or(1).min(room).max(1);
            let number = Paint(color, BLUE, format!("{:>gutter$}", self.span.line));
            write!(f, "\n {number} {bar} {}", shown.trim_end())?;
            let indent = " ".repeat(column.saturating_sub(1).saturating_sub(from));
            write!(f, "\n {:>gutter$} {bar} {indent}{}", "", Paint(color, tone, "^".repeat(length)))?;
        }
        if let Some(help) = &self.help {
            write!(
                f,
                "\n {:>gutter$} {} {}",
                "",
                Paint(color, BLUE, "="),
                Paint(color, CYAN, format!("help: {}", Plain(help)))
            )?;
        }
        Ok(())
    }
}

/// Every [`Problem::code`].
pub const CODES: &[&str] = &[
    "all-optional",
    "bad-backends",
    "bad-base",
    "bad-cache",
    "bad-canary",
    "bad-combine",
    "bad-cors",
    "bad-csrf",
    "bad-grant",
    "bad-header",
    "bad-issuer",
    "bad-keys",
    "bad-lifecycle",
    "bad-limit",
    "bad-maintenance",
    "bad-name",
    "bad-openapi",
    "bad-redirect",
    "bad-regex",
    "bad-respond",
    "bad-rewrite",
    "bad-scopes",
    "bad-security",
    "bad-successor",
    "bad-template",
    "bad-test",
    "bad-timeout",
    "bad-upstream",
    "bad-value",
    "bad-variable",
    "bare-address",
    "client-address",
    "conflict",
    "development-issuer",
    "drift",
    "duplicate",
    "duplicate-version",
    "empty-list",
    "insecure-url",
    "long-list",
    "loopback",
    "misplaced-key",
    "missing-binding",
    "missing-key",
    "missing-secret",
    "never-applies",
    "never-binds",
    "never-matches",
    "no-auth",
    "no-current",
    "no-gateway",
    "no-operation",
    "no-route",
    "no-routes",
    "no-upstream",
    "no-value",
    "not-carried",
    "not-granted",
    "not-migrated",
    "not-owned",
    "not-watched",
    "old-format",
    "out-of-range",
    "past-sunset",
    "placeholder",
    "plan",
    "private-key",
    "rarely-applies",
    "required",
    "shadowed",
    "structure",
    "syntax",
    "test-build",
    "too-fast",
    "too-long",
    "too-short",
    "two-gateways",
    "undecided",
    "unheld-scope",
    "unknown-environment",
    "unknown-key",
    "unknown-name",
    "unknown-owner",
    "unknown-variable",
    "unknown-word",
    "unreadable",
    "unrouted",
    "unset-variable",
    "unused",
    "variable-in-key",
    "variable-type",
    "wrong-type",
];

/// Renders findings one after the other, with a closing count.
pub fn render(problems: &[Problem]) -> String {
    render_in(problems, false)
}

/// The same, coloured for a terminal if `color`.
pub fn render_in(problems: &[Problem], color: bool) -> String {
    let mut out = String::new();
    for problem in problems {
        // Writing to a string cannot fail.
        let _ = problem.write(&mut out, color);
        out.push_str("\n\n");
    }
    out.push_str(&count(problems));
    out
}

/// The same by owner, each under a heading, where more than one is concerned.
pub fn render_by_owner(problems: &[Problem], color: bool) -> String {
    let owners: std::collections::BTreeSet<&str> =
        problems.iter().map(|problem| problem.owner.as_str()).collect();
    if owners.len() < 2 {
        return render_in(problems, color);
    }
    let mut out = String::new();
    for owner in owners {
        out.push_str(&self::owner(owner, color));
        for problem in problems.iter().filter(|problem| problem.owner == owner) {
            // Writing to a string cannot fail.
            let _ = problem.write(&mut out, color);
            out.push_str("\n\n");
        }
    }
    out.push_str(&count(problems));
    out
}

/// The heading of what concerns an owner, in every report.
pub fn owner(name: &str, color: bool) -> String {
    let name = if name.is_empty() { "nobody in particular" } else { name };
    format!("{}\n\n", Paint(color, BOLD, format!("── {}", Plain(name))))
}

/// `2 errors, 1 warning`, if there is any.
fn count(problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    let warnings = problems.len().saturating_sub(errors);
    let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    if problems.is_empty() {
        return String::new();
    }
    format!("{}, {}\n", plural(errors, "error"), plural(warnings, "warning"))
}

/// The word of `known` that is most like `word`, if any is like it.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    // Long words come from nobody's typing; the distance is quadratic.
    if lower.chars().count() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_ascii_lowercase()), k))
        .filter(|(distance, k)| *distance <= (k.len().max(lower.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}
