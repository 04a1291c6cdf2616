//! How long `tollgate check` takes for the route files of an organisation: `cargo bench --bench check`.
//!
//! 10,000 routes, in many files, in few, and in one, with every kind of match among them; three environments, as `check`
//! without `--env` has them. Files are in memory, so disks have no part in it.
#![allow(clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tollgate::config::{self, Files};

/// Environments and what stands in gateway.yaml.
const GATEWAY: &str = "tollgate: 2
environments: [dev, staging, production]
variables:
  api_host: { type: host, values: { dev: localhost, staging: api.staging.acme.dev, production: api.acme.dev } }
issuers:
  customers:
    issuer: https://login.acme.dev
    audience: api
    algorithms: [ES256]
    keys: { jwks: https://login.acme.dev/jwks }
    scopes: [\"things:read\", \"things:write\"]
limits: { common: { rate: 50/s, burst: 100, per: consumer } }
upstreams: { origin: { url: https://origin.acme.dev } }
defaults: { auth: { jwt: customers }, limits: [common] }
";

/// Route files with `each` routes.
fn files(count: usize, each: usize) -> Files {
    let mut texts: Vec<(String, String)> = vec![("routes/gateway.yaml".into(), GATEWAY.to_owned())];
    for file in 0..count {
        let team = file % 12;
        let mut text = format!(
            "tollgate: 2\napi: api{file}\nowner: team{team}\nversion: {{ name: v1 }}\nhosts: [\"${{api_host}}\", \"*.tenants.acme.dev\"]\nbase: /team{team}/api{file}\nupstream: origin\nroutes:\n"
        );
        for route in 0..each {
            let line = match route % 10 {
                0 => format!("{{ match: \"GET /things{route}\", scopes: [\"things:read\"] }}"),
                1 | 2 => format!("{{ match: \"GET /things{route}/{{id}}\", scopes: [\"things:read\"] }}"),
                3 => format!(
                    "{{ match: \"POST /things{route}\", scopes: [\"things:write\"], body: {{ max: 64KiB }} }}"
                ),
                4 => format!("{{ match: \"PUT /things{route}/{{id}}/parts/{{part}}\" }}"),
                5 => format!("{{ match: \"DELETE /things{}/{{id}}\" }}", route - 4),
                6 => format!("{{ match: \"GET /files{route}/{{*rest}}\", timeout: {{ total: 20s }} }}"),
                7 => long(&format!("path: /search, query: {{ kind: k{route} }}")),
                8 => long(&format!("prefix: /static{route}, methods: [GET]")),
                _ => long(&format!("path: /tenant, headers: {{ x-tenant: [t{route}, u{route}] }}")),
            };
            writeln!(text, "  route{route}: {line}").expect("a string");
        }
        texts.push((format!("routes/team{team}/api{file}.yaml"), text));
    }
    Files::new(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

fn long(text: &str) -> String {
    format!("{{ match: {{ {text} }} }}")
}

fn main() {
    for (count, each) in [(1, 1), (400, 25), (20, 500), (1, 10_000)] {
        let files = files(count, each);
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                let start = Instant::now();
                let (_, problems) = config::check(&files, None, false);
                if let Some(problem) = problems.first() {
                    panic!("{problem}");
                }
                start.elapsed()
            })
            .collect();
        times.sort();
        let median = times.get(times.len() / 2).expect("five");
        println!("{} routes in {count} files, 3 environments: {median:.0?}", count * each);
    }
}
