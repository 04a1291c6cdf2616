mod agreement;

use super::*;
use crate::plan::Matching;
use crate::plan::rule::{Pattern, Rule};
use crate::plan::samples::{TestApi, api, head, plan, route};

fn router(apis: &[TestApi]) -> Router {
    Router::new(plan(apis))
}

/// The name of the route found, `METHOD template`, or the miss.
fn find(router: &Router, host: &str, method: &str, path: &str) -> Result<String, Miss> {
    router.find(&Asked::of(host, method, path)).map(|found| found.route.name.clone())
}

#[test]
fn the_most_specific_host_goes_first() {
    let router = router(&[
        api(&[], "", &["GET /any", "GET /{x}/any"]),
        api(&["api.example.com", "www.example.com"], "", &["GET /exact"]),
        api(&["*.example.com"], "", &["GET /wildcard"]),
        api(&["*.eu.example.com"], "", &["GET /eu"]),
        api(&["example.com"], "/apex", &["GET /apex"]),
    ]);
    for (host, path, api) in [
        ("api.example.com", "/exact", 1),
        ("www.example.com", "/exact", 1),
        ("other.example.com", "/wildcard", 2),
        ("a.b.example.com", "/wildcard", 2),
        ("a.eu.example.com", "/eu", 3),
        ("a.b.eu.example.com", "/eu", 3),
        ("eu.example.com", "/wildcard", 2),
        ("example.com", "/apex/apex", 4),
        ("example.com", "/any", 0),
        ("example.org", "/any", 0),
        ("notexample.com", "/any", 0),
        ("[::1]", "/any", 0),
        ("", "/any", 0),
    ] {
        assert_eq!(router.find(&Asked::of(host, "GET", path)).expect(host).route.api, api, "{host}{path}");
    }
    // A host without such a route leaves the request to the next level.
    assert_eq!(find(&router, "api.example.com", "GET", "/wildcard"), Ok("GET /wildcard".to_owned()));
    assert_eq!(find(&router, "a.eu.example.com", "GET", "/any"), Ok("GET /any".to_owned()));
    // Where no level has one, the API of the most specific host is the one that is said to be asked.
    assert_eq!(find(&router, "api.example.com", "GET", "/nothing"), Err(Miss::NotFound { api: Some(1) }));
    assert_eq!(find(&router, "example.com", "GET", "/nothing"), Err(Miss::NotFound { api: Some(0) }));
}

#[test]
fn the_longest_base_of_whole_segments_goes_first() {
    let router = router(&[
        api(&[], "/orders", &["GET /", "GET /{id}", "GET /{v}/{id}"]),
        api(&[], "/orders/v2", &["GET /", "GET /{id}"]),
        api(&["api.example.com"], "/orders/v3", &["GET /"]),
    ]);
    for (path, expected) in [
        ("/orders", Ok(0)),
        ("/orders/", Ok(0)),
        ("/orders/1", Ok(0)),
        ("/orders/v2x", Ok(0)),
        ("/orders/v2", Ok(1)),
        ("/orders/v2/", Ok(1)),
        ("/orders/v2/1", Ok(1)),
        ("/orders/v3/1", Ok(0)),
        ("/orders/v2/1/2", Err(Some(1))),
        ("/orders/1/", Err(Some(0))),
        ("/ordersx", Err(None)),
        ("/order", Err(None)),
        ("/", Err(None)),
        ("*", Err(None)),
        ("", Err(None)),
    ] {
        let found = router.find(&Asked::of("h", "GET", path)).map(|found| found.route.api);
        assert_eq!(found, expected.map_err(|api| Miss::NotFound { api }), "{path}");
    }
    assert_eq!(router.find(&Asked::of("api.example.com", "GET", "/orders/v2/1")).unwrap().route.api, 1);
    assert_eq!(router.find(&Asked::of("api.example.com", "GET", "/orders/v3")).unwrap().route.api, 2);
}

#[test]
fn parameters_are_slices_of_the_path() {
    let router = router(&[api(
        &[],
        "/b",
        &["GET /{id}", "GET /{id}/items/{item}", "GET /img-{n}.png", "GET /files/{*rest}", "GET /files/"],
    )]);
    let params = |path: &str| {
        let found = router.find(&Asked::of("h", "GET", path)).expect(path);
        found.params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(params("/b/7"), "id=7");
    assert_eq!(params("/b/a%2Fb%20c"), "id=a%2Fb%20c");
    assert_eq!(params("/b/7/items/8"), "id=7 item=8");
    assert_eq!(params("/b/img-1.png"), "n=1");
    assert_eq!(params("/b/img-.png"), "id=img-.png");
    assert_eq!(params("/b/files/x/y/"), "rest=x/y/");
    let found = router.find(&Asked::of("h", "GET", "/b/7/items/8")).unwrap();
    assert_eq!((found.params.len(), found.params.is_empty()), (2, false));
    // A catch-all is never empty: this is the route of its own.
    assert_eq!(params("/b/files/"), "");
    assert_eq!(router.find(&Asked::of("h", "GET", "/b/7")).unwrap().params.get("id"), Some("7"));
    assert_eq!(router.find(&Asked::of("h", "GET", "/b/7")).unwrap().params.get("x"), None);
}

#[test]
fn methods() {
    let router = router(&[api(
        &[],
        "",
        &[
            "GET /a",
            "POST /a",
            "HEAD /h",
            "GET /h",
            "* /any",
            "GET /any",
            "OPTIONS /o",
            "PURGE /p",
            "PUT /{x}",
        ],
    )]);
    let allow = |allow: &str| (allow.to_owned(), 0);
    for (method, path, expected) in [
        ("GET", "/a", Ok("GET /a")),
        ("HEAD", "/a", Ok("GET /a")),
        ("HEAD", "/h", Ok("HEAD /h")),
        ("GET", "/any", Ok("GET /any")),
        ("HEAD", "/any", Ok("GET /any")),
        ("BREW", "/any", Ok("* /any")),
        ("OPTIONS", "/any", Ok("* /any")),
        ("OPTIONS", "/o", Ok("OPTIONS /o")),
        ("PURGE", "/p", Ok("PURGE /p")),
        // Methods are case-sensitive (RFC 9110 §9.1).
        ("get", "/a", Err(false)),
        ("*", "/a", Err(false)),
        ("", "/a", Err(false)),
        // A less specific path answers where the more specific one lacks the method.
        ("PUT", "/a", Ok("PUT /{x}")),
        ("OPTIONS", "/a", Err(true)),
    ] {
        let expected = expected.map(str::to_owned).map_err(|options| {
            let (allow, api) = allow("GET, HEAD, POST, PUT, OPTIONS");
            if options { Miss::Options { allow, api } } else { Miss::Method { allow, api } }
        });
        assert_eq!(find(&router, "h", method, path), expected, "{method} {path}");
    }
    let (allow, api) = allow("OPTIONS, PUT");
    assert_eq!(find(&router, "h", "HEAD", "/o"), Err(Miss::Method { allow, api }));
}

#[test]
fn explain_names_the_winner_and_why_the_others_lost() {
    let router = router(&[
        api(&[], "", &["GET /orders/me"]),
        api(&["api.example.com"], "/orders", &["GET /{id}", "POST /me"]),
        api(&["api.example.com"], "", &["GET /orders/{x}/y", "* /orders/me"]),
        api(&["api.example.com"], "/orders", &["GET /me"]),
        api(&["*.example.com"], "/orders", &["GET /me", "GET /you"]),
        api(&["example.com"], "/orders", &["GET /me"]),
    ]);
    let verdicts = |method: &str, path: &str| {
        let candidates = router.candidates(&Asked::of("api.example.com", method, path)).unwrap();
        candidates.into_iter().map(|c| (c.api, c.rule.path.to_string(), c.verdict)).collect::<Vec<_>>()
    };
    let say = |api: u32, path: &str, verdict| (api, path.to_owned(), verdict);
    assert_eq!(
        verdicts("GET", "/orders/me"),
        [
            say(3, "/me", Verdict::Won),
            say(2, "/orders/me", Verdict::LessSpecificMethod),
            say(1, "/{id}", Verdict::LessSpecificPath),
            say(4, "/me", Verdict::LessSpecificHost),
            say(0, "/orders/me", Verdict::LessSpecificHost),
            say(1, "/me", Verdict::Method),
            say(5, "/me", Verdict::Host),
        ]
    );
    assert_eq!(verdicts("POST", "/orders/me")[0], say(1, "/me", Verdict::Won));
    assert_eq!(verdicts("GET", "/nothing"), []);
}

#[test]
fn an_api_that_does_not_take_the_base_hides_no_other_form() {
    let mut output = crate::plan::compile::Output::default();
    for (index, base, template, matching) in [
        (0, "/a", "/x", Matching { base: BaseForm::Slash, ..Matching::default() }),
        (1, "", "/a", Matching { slash: Slash::Redirected, ..Matching::default() }),
    ] {
        output.shared.apis.push(Api { matching, ..head(index, &[], base) });
        output.routes.push(route(index, "GET", template));
        let path = Pattern::Template(template.to_owned());
        let (methods, conditions) = (Vec::new(), Vec::new());
        output.rules.push(vec![Rule { route: index, path, methods, conditions, priority: 0 }]);
    }
    let router = Router::new(Rc::new(Plan::load(output.write().unwrap()).unwrap()));
    let slash = Miss::Slash { path: "/a".to_owned(), api: 1 };
    assert_eq!(find(&router, "h", "GET", "/a/"), Err(slash));
}
