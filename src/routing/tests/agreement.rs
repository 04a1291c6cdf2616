//! The router against the naive reference, with every kind of condition.

use crate::plan::compile::Output;
use crate::plan::compile::analysis::vary;
use crate::plan::rule::{Condition, Pattern, Rule, Selector, Subject, Test};
use crate::plan::samples;
use crate::plan::{Api, BaseForm, Matching, Plan, Shared, Slash};
use crate::routing::reference::{Placed, Request, fits, winners};
use crate::routing::{Asked, Facts, Miss, Router, Verdict};
use proptest::prelude::*;
use proptest::sample::select;
use std::borrow::Cow;
use std::rc::Rc;

/// A router over these rules, each the only one of an API and a route of its own.
fn router(rules: &[Placed]) -> Router {
    let mut output = Output { shared: Shared::default(), ..Output::default() };
    for (placed, index) in rules.iter().zip(0_u32..) {
        output.shared.apis.push(head(index, placed));
        output.routes.push(samples::route(index, "GET", "/"));
        output.rules.push(vec![Rule { route: index, ..placed.rule.clone() }]);
    }
    vary::fill(&mut output);
    Router::new(Rc::new(Plan::load(output.write().unwrap()).unwrap()))
}

fn head(index: u32, placed: &Placed) -> Api {
    Api { matching: placed.matching, ..samples::head(index, &placed.hosts, &placed.base) }
}

/// The same rules in one API where all else is the same: in one tree, that is.
fn together(rules: &[Placed]) -> Router {
    let mut output = gathered(rules);
    vary::fill(&mut output);
    Router::new(Rc::new(Plan::load(output.write().unwrap()).unwrap()))
}

fn gathered(rules: &[Placed]) -> Output {
    let mut output = Output { shared: Shared::default(), ..Output::default() };
    for (placed, index) in rules.iter().zip(0_u32..) {
        output.routes.push(samples::route(0, "GET", "/"));
        let same = |api: &Api| Api { name: api.name.clone(), ..head(index, placed) } == *api;
        let at = output.shared.apis.iter().position(same).unwrap_or_else(|| {
            output.shared.apis.push(head(index, placed));
            output.rules.push(Vec::new());
            output.rules.len() - 1
        });
        output.rules[at].push(Rule { route: index, ..placed.rule.clone() });
    }
    output
}

struct Known<'a>(&'a Request);

impl Facts for Known<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        if name == "cookie" {
            let pairs: Vec<String> =
                self.0.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            return (!pairs.is_empty()).then(|| Cow::Owned(pairs.join("; ")));
        }
        self.0.headers.iter().find(|(own, _)| own == name).map(|(_, value)| Cow::Borrowed(value.as_str()))
    }

    fn certificate(&self) -> bool {
        self.0.certificate
    }
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let element = "a|b|\\{p\\}|a\\{p\\}|\\{p\\}\\.x|ab";
    let template =
        (proptest::collection::vec(element, 0..4), "(|/|/\\{\\*rest\\})").prop_map(|(elements, end)| {
            let named = elements.iter().enumerate();
            let text: String =
                named.map(|(n, e)| format!("/{}", e.replace("{p}", &format!("{{p{n}}}")))).collect();
            Pattern::Template(if text.is_empty() && end.is_empty() { "/".to_owned() } else { text + &end })
        });
    let prefix = proptest::collection::vec("a|b", 0..3)
        .prop_map(|elements| Pattern::Prefix(elements.iter().map(|e| format!("/{e}")).collect()));
    let regex =
        select(&["/a.*", "/[ab]+", "/(a|b)/(?<g>.+)", ".*", "/"][..]).prop_map(|r| Pattern::Regex(r.into()));
    prop_oneof![4 => template, 2 => prefix, 1 => regex]
}

fn condition() -> impl Strategy<Value = Condition> {
    let subject = select(vec![
        Subject::Header("x".into()),
        Subject::Header("y".into()),
        Subject::Query("q".into()),
        Subject::Query("r".into()),
        Subject::Cookie("c".into()),
        Subject::Certificate,
        Subject::Version(Selector::Header("v".into())),
        Subject::Version(Selector::Query("v".into())),
        Subject::Version(Selector::Media("v".into())),
    ]);
    let value = || select(vec!["1".to_owned(), "2".to_owned(), "3".to_owned()]);
    let test = prop_oneof![
        Just(Test::Present),
        Just(Test::Absent),
        proptest::collection::vec(value(), 1..3).prop_map(Test::In),
        value().prop_map(|value| Test::InOrAbsent(vec![value])),
        select(vec!["[12]".to_owned(), ".".to_owned(), "3?".to_owned()]).prop_map(Test::Regex),
    ];
    (subject, test).prop_map(|(subject, test)| {
        // The certificate has no value of which more could be said.
        let test = match (&subject, test) {
            (Subject::Certificate, Test::Present) => Test::Present,
            (Subject::Certificate, _) => Test::Absent,
            (_, test) => test,
        };
        Condition { subject, test }
    })
}

fn matching() -> impl Strategy<Value = Matching> {
    let slash = select(vec![Slash::Significant, Slash::Ignored, Slash::Redirected]);
    let base = select(vec![BaseForm::Either, BaseForm::Bare, BaseForm::Slash]);
    let parts = (slash, base, any::<bool>(), any::<bool>());
    let any = parts.prop_map(|(slash, base, head, options)| Matching { slash, base, head, options });
    prop_oneof![Just(Matching::default()), any]
}

fn rule() -> impl Strategy<Value = Placed> {
    let host = select(vec!["h.a.b", "{l}.a.b", "*.a.b", "*.b", "{m}.b", "a.b"]);
    let hosts = proptest::collection::vec(host, 0..3);
    let methods = proptest::collection::btree_set(select(vec!["GET", "HEAD", "POST"]), 0..3);
    let conditions = proptest::collection::vec(condition(), 0..3);
    let place = (hosts, select(vec!["", "/a", "/a/b"]), matching());
    (place, pattern(), methods, conditions, -1..2).prop_map(
        |((hosts, base, matching), mut path, methods, conditions, priority)| {
            // As compiling does: where a slash at the end is ignored, templates have none.
            if let Pattern::Template(text) = &mut path
                && matching.slash == Slash::Ignored
                && text.len() > 1
                && text.ends_with('/')
            {
                text.pop();
            }
            let methods = methods.into_iter().map(str::to_owned).collect();
            let hosts = hosts.into_iter().map(str::to_owned).collect();
            let rule = Rule { route: 0, path, methods, conditions, priority };
            Placed { hosts, base: base.into(), matching, rule }
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let host = select(vec!["h.a.b", "x.a.b", "x.y.a.b", "a.b", "z.b", "c"]);
    let path =
        (proptest::collection::vec("a|b|ab|c|a\\.x", 0..5), any::<bool>()).prop_map(|(elements, slash)| {
            let text: String = elements.iter().map(|e| format!("/{e}")).collect();
            if slash || text.is_empty() { text + "/" } else { text }
        });
    let value = || select(vec!["1", "2", "3", "4"]);
    let few = |names: Vec<&'static str>| {
        proptest::collection::btree_map(select(names), value(), 0..3).prop_map(|map| {
            map.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        })
    };
    let methods = select(vec!["GET", "HEAD", "POST", "PUT", "OPTIONS"]);
    let media = proptest::option::of(value());
    let parts =
        (few(vec!["x", "y", "v"]), few(vec!["q", "r", "v"]), few(vec!["c", "d"]), any::<bool>(), media);
    (host, path, methods, parts).prop_map(
        |(host, path, method, (mut headers, query, cookies, certificate, media))| {
            headers.extend(media.map(|version| ("accept".to_owned(), format!("text/html, a/b;v={version}"))));
            Request { host: host.into(), method: method.into(), path, query, headers, cookies, certificate }
        },
    )
}

fn query(request: &Request) -> String {
    let query: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    query.join("&")
}

fn asked<'a>(request: &'a Request, query: &'a str, facts: &'a Known<'a>) -> Asked<'a, 'a> {
    Asked {
        method: &request.method,
        host: &request.host,
        path: &request.path,
        query: Some(query).filter(|query| !query.is_empty()),
        facts: Some(facts),
    }
}

/// What a request gets, and what its answer's `Vary` names.
fn gets(router: &Router, request: &Request) -> (Result<u32, Miss>, Vec<String>) {
    let (query, facts) = (query(request), Known(request));
    let asked = asked(request, &query, &facts);
    match router.find(&asked) {
        Ok(found) => (Ok(found.index), found.route.vary.clone()),
        Err(miss) => {
            let near = match &miss {
                Miss::NotFound { api: None } | Miss::Unusable(_) => router.near(&asked),
                Miss::NotFound { api } => *api,
                Miss::Method { api, .. } | Miss::Options { api, .. } | Miss::Slash { api, .. } => Some(*api),
            };
            let api = near.and_then(|api| router.plan().shared().apis.get(api as usize));
            (Err(miss), api.map(|api| api.vary.clone()).unwrap_or_default())
        }
    }
}

fn agree(rules: &[Placed], router: &Router, request: &Request) -> Result<(), TestCaseError> {
    let (query, facts) = (query(request), Known(request));
    let asked = asked(request, &query, &facts);
    let expected = winners(rules, request);
    let candidates = router.candidates(&asked).unwrap();
    let fit = |index: usize| fits(&rules[index], request);
    match router.find(&asked) {
        Ok(found) => {
            // Of several that tie, which check refuses, any may answer.
            prop_assert!(
                expected.contains(&(found.index as usize)),
                "{:?} not among {:?}",
                found.index,
                expected
            );
            if expected.len() == 1 {
                prop_assert_eq!(
                    candidates.first().map(|c| (c.verdict, c.rule.route)),
                    Some((Verdict::Won, found.index))
                );
            }
        }
        Err(miss) => {
            prop_assert!(expected.is_empty(), "{:?} instead of {:?}", miss, expected);
            let mut other = request.clone();
            let mut but_for_method = Vec::new();
            for method in ["GET", "HEAD", "POST"] {
                other.method = method.to_owned();
                but_for_method.extend(rules.iter().filter(|rule| fits(rule, &other)));
            }
            let answers = |rule: &&Placed| request.method == "OPTIONS" && rule.matching.options;
            if let Miss::Method { allow, .. } | Miss::Options { allow, .. } = &miss {
                for method in ["GET", "HEAD", "POST", "PUT"] {
                    let taken = router.find(&Asked { method, ..asked }).is_ok();
                    let told = allow.split(", ").any(|told| told == method);
                    prop_assert_eq!(told, taken, "{} in {}", method, allow);
                }
            }
            match miss {
                Miss::Method { allow, .. } => {
                    prop_assert!(but_for_method.iter().any(|rule| !answers(rule)), "{allow}")
                }
                Miss::Options { allow, .. } => prop_assert!(but_for_method.iter().any(answers), "{allow}"),
                miss => {
                    prop_assert!(but_for_method.is_empty(), "{miss:?}");
                    let path = &request.path;
                    let path = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
                    let elsewhere = winners(rules, &Request { path: path.clone(), ..request.clone() });
                    let redirects = |index: &usize| rules[*index].matching.slash == Slash::Redirected;
                    match miss {
                        Miss::Slash { path: said, .. } => {
                            prop_assert_eq!(said, path);
                            prop_assert!(elsewhere.iter().any(redirects), "{:?}", elsewhere);
                        }
                        _ => prop_assert!(elsewhere.is_empty() || !elsewhere.iter().all(redirects)),
                    }
                }
            }
        }
    }
    for candidate in candidates {
        let fits = fit(candidate.rule.route as usize);
        let says = !matches!(candidate.verdict, Verdict::Host | Verdict::Method | Verdict::Condition(_));
        prop_assert_eq!(fits, says, "{:?}", candidate);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_router_agrees_with_the_reference(
        rules in proptest::collection::vec(rule(), 1..8),
        requests in proptest::collection::vec(request(), 1..12),
    ) {
        let (apart, one) = (router(&rules), together(&rules));
        for request in &requests {
            agree(&rules, &apart, request)?;
            agree(&rules, &one, request)?;
        }
    }

    /// Whatever a cache in front cannot tell apart by `Vary` gets the same answer.
    #[test]
    fn vary_names_whatever_decides(
        rules in proptest::collection::vec(rule(), 1..8),
        request in request(),
        others in proptest::collection::vec(request(), 1..8),
    ) {
        for router in [router(&rules), together(&rules)] {
            let (got, names) = gets(&router, &request);
            for other in &others {
                let named = |name: &str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
                let mut like = Request { headers: other.headers.clone(), cookies: other.cookies.clone(), ..request.clone() };
                like.headers.retain(|(name, _)| !named(name));
                like.headers.extend(request.headers.iter().filter(|(name, _)| named(name)).cloned());
                if named("cookie") {
                    like.cookies.clone_from(&request.cookies);
                }
                prop_assert_eq!(&gets(&router, &like).0, &got, "{:?} {:?}", names, like);
            }
        }
    }
}
