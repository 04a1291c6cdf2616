//! How long matching takes, natively: `cargo bench --bench routing`. With `TOLLGATE_VECTORS`, real route sets as well.
//!
//! A match is host, base path, path and method; the bar is a median of 1 µs among 10,000 routes. Cold is what the first
//! request of an isolate pays: loading the plan, and decoding the rules of one API.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

extern crate tollgate;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::rc::Rc;
use tollgate::plan::Plan;
use tollgate::routing::path::{Leniency, canonical, template};
use tollgate::routing::{Asked, Router, host};

#[path = "../support/plans.rs"]
mod plans;

const HOST: &str = "api.example.com";

/// `count` routes over `apis` APIs, and a request for each: method and path.
fn sample(apis: usize, count: usize) -> Sample {
    let (mut requests, mut all) = (Vec::new(), Vec::new());
    for api in 0..apis {
        let base = if apis == 1 { String::new() } else { format!("/team{}/api{api}", api % 7) };
        let mut lines = Vec::new();
        for route in 0..count / apis {
            let (line, path) = match route % 4 {
                0 => (format!("GET /things{route}"), format!("/things{route}")),
                1 => (format!("GET /things{route}/{{id}}"), format!("/things{route}/81f0-{route}")),
                2 => (
                    format!("POST /things{route}/{{id}}/parts/{{part}}"),
                    format!("/things{route}/a81/parts/{route}"),
                ),
                _ => (format!("GET /files{route}/{{*rest}}"), format!("/files{route}/a/b/c.txt")),
            };
            let method = line.split(' ').next().unwrap_or_default().to_owned();
            requests.push((method, format!("{base}{path}")));
            lines.push(line);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        all.push(plans::api(&[HOST, "*.example.org"], &base, &lines));
    }
    (all, requests)
}

/// APIs, and requests to them: method and path.
type Sample = (Vec<plans::TestApi>, Vec<(String, String)>);

/// Real route sets by name, and a request for each of their routes.
fn real() -> Vec<(String, Sample)> {
    let Ok(folder) = std::env::var("TOLLGATE_VECTORS") else { return Vec::new() };
    let text =
        std::fs::read_to_string(format!("{folder}/routes/route-corpora.json")).expect("route-corpora.json");
    let corpora: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).expect("JSON");
    let mut sets = Vec::new();
    for (name, corpus) in corpora {
        let (mut lines, mut requests) = (Vec::new(), Vec::new());
        for route in corpus["routes"].as_array().expect("routes") {
            let (Some(method), Some(path)) = (route[0].as_str(), route[1].as_str()) else { continue };
            let elements = path.split('/').map(|element| match element.split_at_checked(1) {
                Some((":", name)) => format!("{{{name}}}"),
                Some(("*", name)) => format!("{{*{name}}}"),
                _ => element.to_owned(),
            });
            let source = elements.collect::<Vec<_>>().join("/");
            let Ok(template) = template(&source) else { continue };
            let path = template.params.iter().fold(template.text, |path, param| {
                path.replace(&format!("{{{param}}}"), "value-1").replace(&format!("{{*{param}}}"), "a/b")
            });
            lines.push(format!("{method} {source}"));
            requests.push((method.to_owned(), path));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        sets.push((name, (vec![plans::api(&[HOST], "", &lines)], requests)));
    }
    sets
}

/// Matches one request after another, so that no branch or cache line is always the same.
fn matches(criterion: &mut Criterion, name: &str, apis: &[plans::TestApi], requests: &[(String, String)]) {
    let router = Router::new(plans::plan(apis));
    let find = |n: usize| {
        let (method, path) = &requests[n % requests.len()];
        black_box(router.find(&Asked::of(black_box(HOST), method, path)).expect("route"));
    };
    // Every route is decoded once before, so that what is measured is the matching.
    (0..requests.len()).for_each(find);
    let mut n = 0_usize;
    criterion.bench_function(&format!("match/{name}"), |bencher| {
        bencher.iter(|| {
            // A step that is prime to the number of routes visits them all, none twice in a row.
            n = n.wrapping_add(7919);
            find(n);
        });
    });
}

fn routing(criterion: &mut Criterion) {
    for (apis, count) in [(1, 1_000), (1, 10_000), (100, 10_000)] {
        let (sample, requests) = sample(apis, count);
        let name = format!("{count} routes in {apis} APIs");
        matches(criterion, &name, &sample, &requests);
        let bytes = plans::bytes(&sample);
        let (method, path) = &requests[count / 2 + 1];
        criterion.bench_function(&format!("cold/{name}"), |bencher| {
            bencher.iter_batched(
                || bytes.clone(),
                |bytes| {
                    let router = Router::new(Rc::new(Plan::load(bytes).expect("plan")));
                    router.find(&Asked::of(HOST, method, path)).expect("route");
                    router
                },
                BatchSize::LargeInput,
            );
        });
        let router = Router::new(plans::plan(&sample));
        criterion.bench_function(&format!("miss/{name}"), |bencher| {
            bencher
                .iter(|| drop(black_box(router.find(&Asked::of(HOST, "GET", black_box("/nothing/here"))))));
        });
    }
    for (name, (apis, requests)) in real() {
        matches(criterion, &name, &apis, &requests);
    }
    criterion.bench_function("canonical forms", |bencher| {
        bencher.iter(|| {
            let path = canonical(black_box("/team1/api8/things12/81f0-12"), Leniency::default());
            black_box((path.expect("canonical"), host::canonical(black_box(HOST)).expect("canonical")));
        });
    });
}

criterion_group!(benches, routing);
criterion_main!(benches);
