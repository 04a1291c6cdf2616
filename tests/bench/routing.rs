//! How long matching takes, natively: `cargo bench --bench routing`.
//!
//! A match is host, base path, template and method, among 10,000 routes; the bar is a p50 of 1 µs. Cold is what the
//! first request of an isolate pays: loading the plan, and building the matcher of one API that has every route.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

extern crate tollgate;

use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tollgate::plan::Plan;
use tollgate::routing::path::{Leniency, canonical};
use tollgate::routing::{Asked, Router, host};

#[path = "../support/plans.rs"]
mod plans;

/// `count` routes over `apis` APIs, and a path for each.
fn sample(apis: usize, count: usize) -> (Vec<plans::TestApi>, Vec<String>) {
    let (mut paths, mut all) = (Vec::new(), Vec::new());
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
            paths.push(format!("{} {base}{path}", line.split(' ').next().unwrap_or_default()));
            lines.push(line);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        all.push(plans::api(&["api.example.com", "*.example.org"], &base, &lines));
    }
    (all, paths)
}

/// Median and 99th percentile of the times of one call, each measured over a batch.
fn measure(mut call: impl FnMut(usize), rounds: usize) -> (Duration, Duration) {
    const BATCH: u32 = 16;
    let mut times: Vec<Duration> = (0..rounds)
        .map(|round| {
            let start = Instant::now();
            for n in 0..BATCH as usize {
                // A step that is prime to the number of routes visits them all, none twice in a row.
                call((round * BATCH as usize + n) * 7919);
            }
            start.elapsed() / BATCH
        })
        .collect();
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn main() {
    for (apis, count) in [(1, 1_000), (1, 10_000), (100, 10_000)] {
        let (sample, paths) = sample(apis, count);
        let bytes = plans::bytes(&sample);
        let requests: Vec<(&str, &str)> = paths.iter().filter_map(|line| line.split_once(' ')).collect();
        let cold = (0..15).map(|_| {
            let bytes = bytes.clone();
            let start = Instant::now();
            let plan = Rc::new(Plan::load(bytes).expect("plan"));
            let loaded = start.elapsed();
            let router = Router::new(plan);
            let (method, path) = requests[count / 2 + 1];
            router.find(&Asked::of("api.example.com", method, path)).expect("route");
            (start.elapsed(), loaded)
        });
        let mut cold: Vec<_> = cold.collect();
        cold.sort();
        let (first, loaded) = cold[cold.len() / 2];
        println!(
            "{count} routes in {apis} APIs, {} kB: load {loaded:.1?}, with the first match {first:.1?}",
            bytes.len() / 1000
        );

        let router = Router::new(plans::plan(&sample));
        let find = |n: usize| {
            let (method, path) = requests[n % requests.len()];
            black_box(router.find(&Asked::of(black_box("api.example.com"), method, path)).expect("route"));
        };
        // Decode every route once, so that what is measured is the matching.
        (0..requests.len()).for_each(find);
        let (p50, p99) = measure(find, 20_000);
        println!("  match            p50 {p50:?}, p99 {p99:?}");
        let (p50, p99) = measure(
            |n| {
                let path = black_box(["/nothing/here", "/things4/"][n % 2]);
                drop(black_box(router.find(&Asked::of("api.example.com", "GET", path))))
            },
            20_000,
        );
        println!("  miss             p50 {p50:?}, p99 {p99:?}");
        let (p50, p99) = measure(
            |n| {
                let path = requests[n % requests.len()].1;
                black_box(canonical(black_box(path), Leniency::default()).expect("canonical"));
                black_box(host::canonical(black_box("api.example.com")).expect("canonical"));
            },
            20_000,
        );
        println!("  canonical forms  p50 {p50:?}, p99 {p99:?}");
    }
}
