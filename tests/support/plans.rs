//! Plans for tests and benches: APIs given as host patterns, base path and `METHOD template` lines.

use super::tollgate::plan::{Action, Api, Entry, Forward, Plan, Route, Shared, Source, format};
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

/// Templates of an API with their methods and routes.
type Table<'a> = Vec<(String, Vec<(&'a str, u32)>)>;

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
        https: false,
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
        }),
        timeout: Timeout { headers: 1000, total: 1000 },
        secrets: Vec::new(),
        csrf: None,
        hsts: None,
        maintenance: None,
    }
}

/// The bytes of a plan with these APIs.
pub fn bytes(apis: &[TestApi]) -> Vec<u8> {
    let mut shared = Shared::default();
    let mut routes = Vec::new();
    let mut tables: Vec<Table<'_>> = Vec::new();
    for (api, index) in apis.iter().zip(0_u32..) {
        shared.apis.push(Api {
            name: format!("api{index}"),
            owner: "team".into(),
            version: "v1".into(),
            status: Lifecycle::Current,
            hosts: api.hosts.clone(),
            base: api.base.clone(),
            cors: None,
            source: Source::default(),
        });
        let mut table = Table::new();
        let mut places = std::collections::HashMap::new();
        for (method, source) in &api.routes {
            let number = u32::try_from(routes.len()).expect("fewer routes");
            routes.push(route(index, method, source));
            let text = template(source).expect("template").text;
            let place = *places.entry(text.clone()).or_insert_with(|| {
                table.push((text, Vec::new()));
                table.len() - 1
            });
            table[place].1.push((method, number));
        }
        tables.push(table);
    }
    let entries: Vec<Vec<Entry<'_>>> = tables
        .iter()
        .map(|table| {
            table.iter().map(|(template, methods)| Entry { template, methods: methods.clone() }).collect()
        })
        .collect();
    format::write(&shared, &entries, &routes).expect("a small plan")
}

/// A loaded plan with these APIs.
pub fn plan(apis: &[TestApi]) -> std::rc::Rc<Plan> {
    std::rc::Rc::new(Plan::load(bytes(apis)).expect("a plan just written"))
}
