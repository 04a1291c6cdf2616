//! Route files as people write them: read, checked, compiled into a plan.
//!
//! Text → [`tree`] (YAML with places) → [`variables`] of one environment → [`structure`] against the JSON Schema of
//! [`settings`] → typed values → [`crate::plan::compile`]. All problems come at once, each at its place with a
//! remedy. Native only; the edge sees nothing but the plan.

pub mod cases;
mod de;
mod deploy;
mod edit;
mod emit;
pub mod format;
mod load;
pub mod openapi;
pub mod problem;
mod reference;
mod scalar;
pub mod schema;
pub mod settings;
pub mod structure;
pub mod tree;
pub mod units;
pub mod variables;
mod wrangler;

#[cfg(test)]
mod tests;

pub use load::{Files, GATEWAYS, further, is_route_file, normal, read, relative};
pub use reference::reference;

use crate::plan::compile::{self, File, Input, problem};
use crate::plan::rule::Rule;
use crate::plan::{Plan, Route, Shared};
use cases::Case;
use problem::{Problem, Severity, Span};
use serde::Deserialize;
use settings::{ApiFile, GatewayFile, Variable};
use std::path::PathBuf;
use structure::Finding;
use tree::{Node, Value};
use variables::Variables;

/// A plan and what it was made of.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The plan's bytes.
    pub plan: Vec<u8>,
    /// The plan's content hash, as in events and health.
    pub hash: String,
    /// What all routes share.
    pub shared: Shared,
    /// The rules of each API.
    pub rules: Vec<Vec<Rule>>,
    /// The routes.
    pub routes: Vec<Route>,
    /// Ids of the issuers with `development: true`.
    pub development: Vec<String>,
    /// What is probably not meant.
    pub warnings: Vec<Problem>,
    /// The files, variables resolved.
    pub files: Vec<File>,
    /// The tests of all environments.
    pub cases: Vec<Case>,
}

/// Compiles folders of route files for one environment; see [`read`].
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn compile(routes: &[PathBuf], environment: &str) -> Result<Compiled, Vec<Problem>> {
    compile_files(&read(routes).map_err(|problem| vec![*problem])?, environment)
}

/// The same from files in memory.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn compile_files(files: &Files, environment: &str) -> Result<Compiled, Vec<Problem>> {
    let (compiled, problems) = run(&Sources::parse(files), files, environment, false);
    compiled.ok_or(problems)
}

/// The declared environments; `dev` if there are none.
pub fn environments(files: &Files) -> Vec<String> {
    Sources::parse(files).environments()
}

/// Who owns each route file, as far as it says so.
pub fn owners(files: &Files) -> std::collections::BTreeMap<String, String> {
    let sources = Sources::parse(files);
    files.routes.keys().map(|name| (name.clone(), sources.owner(name))).collect()
}

/// Checks the files in every environment, or in `only`. For `deploy`, what suits a developer's machine alone is an
/// error too. Returns the environments checked, and the problems in order of their places.
pub fn check(files: &Files, only: Option<&str>, deploy: bool) -> (Vec<String>, Vec<Problem>) {
    let sources = Sources::parse(files);
    let environments = match only {
        Some(environment) => vec![environment.to_owned()],
        None => sources.environments(),
    };
    let mut all: indexmap::IndexMap<Problem, Vec<String>> = indexmap::IndexMap::new();
    for environment in &environments {
        for problem in run(&sources, files, environment, deploy).1 {
            let seen = all.entry(problem).or_default();
            if !seen.contains(environment) {
                seen.push(environment.clone());
            }
        }
    }
    let mut problems: Vec<Problem> = all
        .into_iter()
        .map(|(mut problem, seen)| {
            if seen.len() < environments.len() {
                problem.environments = seen;
            }
            problem
        })
        .collect();
    if deploy && cfg!(feature = "trap") {
        problems.push(Problem {
            severity: Severity::Error,
            code: "test-build",
            file: "Cargo.toml".into(),
            span: Span::default(),
            message: "this build has the feature `trap`, which is for tests".into(),
            help: Some("build without it".into()),
            environments: Vec::new(),
            excerpt: String::new(),
            owner: String::new(),
        });
    }
    sort(&mut problems);
    for problem in &mut problems {
        problem.owner = sources.owner(&problem.file);
    }
    (environments, problems)
}

fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        (&a.file, a.span, a.severity, &a.message).cmp(&(&b.file, b.span, b.severity, &b.message))
    });
}

/// The files' trees, the same for every environment.
struct Sources {
    files: Vec<File>,
    /// Index of gateway.yaml.
    gateway: Option<usize>,
    broken: Vec<Problem>,
    /// Read when they are first needed.
    documents: std::cell::OnceCell<openapi::Documents>,
}

impl Sources {
    fn parse(input: &Files) -> Sources {
        let mut sources =
            Sources { files: Vec::new(), gateway: None, broken: Vec::new(), documents: Default::default() };
        let mut unreadable_gateway = false;
        for (name, text) in &input.routes {
            let is_gateway = input.is_gateway(name);
            match tree::parse(text) {
                Ok(tree) => {
                    let file = File { name: name.clone(), text: text.as_str().into(), tree };
                    let first = sources.gateway.and_then(|first| sources.files.get(first));
                    if let Some(first) = first.filter(|_| is_gateway) {
                        let message = format!("there is a gateway file already, `{}`", first.name);
                        let help = "keep one of them: it holds what the APIs of all folders share".to_owned();
                        let help = Some(help);
                        let span = Span::default();
                        sources.broken.push(problem(
                            Severity::Error,
                            "two-gateways",
                            &file,
                            span,
                            message,
                            help,
                        ));
                        continue;
                    }
                    if is_gateway {
                        sources.gateway = Some(sources.files.len());
                    }
                    sources.files.push(file);
                }
                Err((span, message, help)) => {
                    unreadable_gateway |= is_gateway;
                    let none = Node { value: Value::Null, span, variable: None };
                    let file = File { name: name.clone(), text: text.as_str().into(), tree: none };
                    sources.broken.push(problem(Severity::Error, "syntax", &file, span, message, help));
                }
            }
        }
        if sources.gateway.is_none() && !unreadable_gateway {
            sources.broken.push(Problem {
                severity: Severity::Error,
                code: "no-gateway",
                file: format!("{}/gateway.yaml", input.roots.first().map_or("routes", String::as_str)),
                span: Span::default(),
                message: match input.roots.as_slice() {
                    [] | [_] => "this file is missing".into(),
                    [_, others @ ..] => format!("this file is missing, here and in {}", others.join(", ")),
                },
                help: Some(format!(
                    "make it, with `tollgate: {}`; it holds what all APIs share",
                    format::CURRENT
                )),
                environments: Vec::new(),
                excerpt: String::new(),
                owner: String::new(),
            });
        }
        sources
    }

    fn gateway(&self) -> Option<&Node> {
        self.files.get(self.gateway?).map(|file| &file.tree)
    }

    /// Who owns a file: as an API's file says itself; whatever else lies about is the gateway's owner's.
    fn owner(&self, name: &str) -> String {
        // An OpenAPI document belongs to whom the route file belongs.
        let name = self.documents.get().and_then(|documents| documents.named_by(name)).unwrap_or(name);
        let own = self.files.iter().find(|file| file.name == name).map(|file| &file.tree);
        let owner = own.or(self.gateway()).and_then(|root| root.get("owner")).and_then(Node::text);
        owner.unwrap_or_default().to_owned()
    }

    fn documents(&self, input: &Files) -> &openapi::Documents {
        self.documents.get_or_init(|| openapi::Documents::read(&self.files, input.documents.as_ref()))
    }

    /// The declared environments; `dev` if there are none.
    fn environments(&self) -> Vec<String> {
        let declared = self.gateway().and_then(|root| root.get("environments"));
        match declared.map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
            _ => vec!["dev".to_owned()],
        }
    }
}

/// Compiles the files for one environment.
fn run(
    sources: &Sources,
    input: &Files,
    environment: &str,
    deploy: bool,
) -> (Option<Compiled>, Vec<Problem>) {
    let mut problems = sources.broken.clone();
    let Some((gateway, root)) = sources.gateway.zip(sources.gateway()) else { return (None, problems) };
    let mut files = sources.files.clone();

    let environments = sources.environments();
    if let Some(finding) = unknown_environment(environment, &environments, root) {
        // Nothing else is worth saying: no variable has a value there.
        let file = files.get(gateway).map(|file| {
            problem(Severity::Error, finding.code, file, finding.span, finding.message, finding.help)
        });
        problems.extend(file);
        return (None, problems);
    }
    let mut head_findings = Vec::new();
    let declared = declared(root);
    let mut variables = Variables::resolve(&declared, &environments, environment, root, &mut head_findings);

    let gateway_schema = schema::gateway();
    let api_schema = schema::api();
    let mut gateway_file: Option<GatewayFile> = None;
    let mut apis: Vec<(usize, ApiFile)> = Vec::new();
    let mut old = Vec::new();
    for (index, file) in files.iter_mut().enumerate() {
        let (mut findings, mut known) = (Vec::new(), true);
        if index == gateway {
            findings.append(&mut head_findings);
            if let Value::Map(entries) = &mut file.tree.value {
                for (key, value) in entries {
                    if !matches!(key.name.as_str(), "variables" | "environments" | "folders") {
                        known &= variables.substitute(value, &mut findings);
                    }
                }
            }
        } else {
            known = variables.substitute(&mut file.tree, &mut findings);
        }
        if let Some(Finding { span, code, message, help }) = format::upgrade(&mut file.tree) {
            old.push(problem(Severity::Warning, code, file, span, message, help));
        }
        let schema = if index == gateway { &gateway_schema } else { &api_schema };
        findings.extend(structure::check(schema, &file.tree));
        if findings.is_empty() && known {
            // The check of the structure should have said it, and better.
            let untyped = |error: de::Error| Finding {
                span: error.span.unwrap_or(file.tree.span),
                code: "structure",
                message: error.message,
                help: Some("compare what stands here with docs/route-files.md".into()),
            };
            if index == gateway {
                match GatewayFile::deserialize(de::Reading(&file.tree)) {
                    Ok(typed) => gateway_file = Some(typed),
                    Err(error) => findings.push(untyped(error)),
                }
            } else {
                match ApiFile::deserialize(de::Reading(&file.tree)) {
                    Ok(typed) => apis.push((index, typed)),
                    Err(error) => findings.push(untyped(error)),
                }
            }
        }
        for finding in findings {
            let Finding { span, code, message, help } = finding;
            problems.push(problem(Severity::Error, code, file, span, message, help));
        }
    }
    let structured = problems.is_empty();
    problems.append(&mut old);
    let Some(gateway_file) = gateway_file else {
        sort(&mut problems);
        return (None, problems);
    };

    let gateway_entry = (gateway, &gateway_file);
    let typed =
        Input { environment, deploy, files: &files, gateway: gateway_entry, apis: &apis, now: input.now };
    let mut found = Vec::new();
    let output = compile::compile(&typed, &mut found);
    for (order, (file, api)) in apis.iter().enumerate() {
        let Some(file) = files.get(*file) else { continue };
        let own = |route: &&Route| usize::try_from(route.api) == Ok(order);
        let routes: Vec<&Route> = output.routes.iter().filter(own).collect();
        found.extend(openapi::drift(sources.documents(input), file, api, &routes));
    }
    // While a file cannot be read or a name is misspelt, what looks unused may be meant there.
    let nameless = found.iter().any(|problem| problem.code == "unknown-name");
    found.retain(|problem| problem.code != "unused" || structured && !nameless);
    problems.append(&mut found);
    let mut cases = Vec::new();
    // Names that tests use can only be judged where all else is right.
    if structured && !problems.iter().any(|problem| problem.severity == Severity::Error) {
        let plan = (&output.shared, output.routes.as_slice());
        let gateway = (gateway, &gateway_file);
        let (collected, findings) = cases::collect(&files, gateway, &apis, plan, &environments);
        cases = collected;
        for (index, Finding { span, code, message, help }) in findings {
            let file = files.get(index);
            problems.extend(file.map(|file| problem(Severity::Error, code, file, span, message, help)));
        }
    }
    if structured {
        for name in declared.keys().filter(|name| !variables.used.contains(*name)) {
            if let Some(file) = files.get(gateway) {
                let span = file.tree.key_place(&["variables".to_owned(), name.clone()]);
                let message = format!("no file uses the variable `{name}`");
                let help = Some("remove it".to_owned());
                problems.push(problem(Severity::Warning, "unused", file, span, message, help));
            }
        }
    }
    problems.append(&mut wrangler::check(input, &files, gateway, environment, &output.shared));
    if deploy {
        problems.append(&mut deploy::check(input, &files, gateway, environment, &output.shared));
    }
    sort(&mut problems);
    problems.dedup();
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return (None, problems);
    }
    let written = output.write();
    // Loading proves that the gateway will take what was written.
    let loaded = written.and_then(|plan| {
        Plan::load(plan.clone())
            .map(|loaded| (plan, loaded.hash().to_owned()))
            .map_err(|error| error.to_string())
    });
    match loaded {
        Ok((plan, hash)) => {
            let compiled = Compiled {
                hash,
                plan,
                shared: output.shared,
                rules: output.rules,
                routes: output.routes,
                development: output.development,
                warnings: problems.clone(),
                files,
                cases,
            };
            (Some(compiled), problems)
        }
        Err(error) => {
            if let Some(file) = files.get(gateway) {
                let span = Span::default();
                problems.push(problem(Severity::Error, "plan", file, span, error, None));
            }
            (None, problems)
        }
    }
}

fn unknown_environment(environment: &str, known: &[String], root: &Node) -> Option<Finding> {
    if known.iter().any(|own| own == environment) {
        return None;
    }
    let help = problem::nearest(environment, known.iter().map(String::as_str));
    Some(Finding {
        span: root.place(&["environments".to_owned()]),
        code: "unknown-environment",
        message: format!("there is no environment `{environment}`"),
        help: Some(match help {
            Some(word) => format!("did you mean `{word}`?"),
            None => "add it to `environments`".into(),
        }),
    })
}

/// The variables that can be read. What is wrong with others, the check of the whole file says.
fn declared(root: &Node) -> indexmap::IndexMap<String, Variable> {
    let entries = root.get("variables").map(Node::entries).unwrap_or_default();
    let typed = |node| Variable::deserialize(de::Reading(node)).ok();
    entries.iter().filter_map(|(key, node)| Some((key.name.clone(), typed(node)?))).collect()
}
