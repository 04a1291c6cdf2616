//! Plans for tests and benches: APIs given as host patterns, base path and `METHOD template` lines.

use super::tollgate::plan::compile::Output;
use super::tollgate::plan::rule::{Pattern, Rule};
use super::tollgate::plan::{Action, Api, Forward, Matching, Plan, Route, Shared, Source};
use super::tollgate::policy::{headers::Headers, lifecycle::Lifecycle, timeout::Timeout};
use super::tollgate::routing::path::{Leniency, template};

/// One API: host patterns, base path, routes.
pub struct TestApi {
    /// Host patterns.
    pub hosts: Vec<String>,
    /// Base path.
    pub base: String,
    /// Method and template of each route.
    pub routes: Vec<(String, String)>,
}

/// An API from `METHOD template` lines.
pub fn api(hosts: &[&str], base: &str, routes: &[&str]) -> TestApi {
    TestApi {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        base: base.to_owned(),
        routes: routes
            .iter()
            .map(|line| {
                let (method, template) = line.split_once(' ').expect("METHOD template");
                (method.to_owned(), template.to_owned())
            })
            .collect(),
    }
}

/// A route that forwards, named after its method and template.
pub fn route(api: u32, method: &str, template: &str) -> Route {
    Route {
        name: format!("{method} {template}"),
        api,
        source: Source::default(),
        template: template.to_owned(),
        https: Default::default(),
        paths: Leniency::default(),
        auth: None,
        limits: Vec::new(),
        body: None,
        cors: None,
        cache: None,
        headers: Headers::default(),
        action: Action::Forward(Forward {
            upstream: 0,
            rewrite: None,
            failover: 0,
            told_host: None,
            split: None,
            mirrors: Vec::new(),
        }),
        timeout: Timeout { headers: 1000, total: 1000 },
        secrets: Vec::new(),
        csrf: None,
        hsts: None,
        maintenance: None,
        vary: Vec::new(),
    }
}

/// What a plan says of an API with these host patterns and this base path.
pub fn head(index: u32, hosts: &[String], base: &str) -> Api {
    Api {
        name: format!("api{index}"),
        owner: "team".into(),
        version: "v1".into(),
        status: Lifecycle::Current,
        hosts: hosts.to_vec(),
        base: base.to_owned(),
        matching: Matching::default(),
        selector: None,
        cors: None,
        headers: Headers::default(),
        hsts: None,
        vary: Vec::new(),
        source: Source::default(),
    }
}

/// The bytes of a plan with these APIs.
pub fn bytes(apis: &[TestApi]) -> Vec<u8> {
    let mut shared = Shared::default();
    let mut routes = Vec::new();
    let mut rules: Vec<Vec<Rule>> = Vec::new();
    for (api, index) in apis.iter().zip(0_u32..) {
        shared.apis.push(head(index, &api.hosts, &api.base));
        let mut own = Vec::new();
        for (method, source) in &api.routes {
            own.push(Rule {
                route: u32::try_from(routes.len()).expect("fewer routes"),
                path: Pattern::Template(template(source).expect("template").text),
                methods: if method == "*" { Vec::new() } else { vec![method.clone()] },
                conditions: Vec::new(),
                priority: 0,
            });
            routes.push(route(index, method, source));
        }
        rules.push(own);
    }
    Output { shared, rules, routes, ..Output::default() }.write().expect("a small plan")
}

/// A loaded plan with these APIs.
pub fn plan(apis: &[TestApi]) -> std::rc::Rc<Plan> {
    std::rc::Rc::new(Plan::load(bytes(apis)).expect("a plan just written"))
}
