use super::*;
use crate::plan::rule::{Condition, Pattern, Selector, Subject, Test};
use crate::plan::{BaseForm, Matching, Slash, Source};
use crate::policy::lifecycle::Lifecycle;
use crate::routing::reference::{self, Request};
use proptest::prelude::*;
use proptest::sample::select;
use std::cmp::Ordering;

mod ends;

/// A rule with its API.
type One = (Api, Rule);

fn api(hosts: &[&str], base: &str, matching: Matching) -> Api {
    Api {
        name: "a".into(),
        owner: "team".into(),
        version: "v1".into(),
        status: Lifecycle::Current,
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        base: base.into(),
        matching,
        selector: None,
        cors: None,
        headers: crate::policy::headers::Headers::default(),
        hsts: None,
        vary: Vec::new(),
        source: Source::default(),
    }
}

fn found(rules: &[One]) -> Vec<Finding> {
    let placed: Vec<Placed<'_>> =
        rules.iter().map(|(api, rule)| Placed { api, rule, leniency: Leniency::default() }).collect();
    analyse(&placed)
}

fn reference((api, rule): &One) -> reference::Placed {
    reference::Placed {
        hosts: api.hosts.clone(),
        base: api.base.clone(),
        matching: api.matching,
        rule: rule.clone(),
    }
}

fn request(witness: &Witness) -> Request {
    Request {
        host: witness.host.clone(),
        method: witness.method.clone(),
        path: witness.path.clone(),
        query: witness.query.clone(),
        headers: witness.headers.clone(),
        cookies: witness.cookies.clone(),
        certificate: witness.certificate,
    }
}

/// Values that tell all tests of [`conditions`] apart; `None` for being absent.
const VALUES: [Option<&str>; 6] = [None, Some("1"), Some("2"), Some("3"), Some("33"), Some("x")];

/// Requests that tell all rules of [`one`] apart as far as these rules look.
fn requests(rules: &[One]) -> Vec<Request> {
    let mut paths = vec![String::new()];
    let mut longest = paths.clone();
    for _ in 0..4 {
        let next =
            longest.iter().flat_map(|path| ["a", "b", "ab", "axb", "xb"].map(|e| format!("{path}/{e}")));
        longest = next.collect();
        paths.extend(longest.clone());
    }
    let paths =
        paths.iter().flat_map(|path| [path.clone(), format!("{path}/")]).filter(|path| !path.is_empty());
    // Conditions look at nothing of this: of the requests that all rules treat alike but for them, one is enough.
    let whole: Vec<reference::Placed> = rules.iter().map(reference).collect();
    let mut bare = whole.clone();
    bare.iter_mut().for_each(|placed| placed.rule.conditions.clear());
    let (mut requests, mut seen) = (Vec::new(), HashSet::new());
    let mut anyhow = bare.clone();
    anyhow.iter_mut().for_each(|placed| {
        placed.hosts.clear();
        placed.rule.methods.clear();
    });
    for path in paths {
        let request = Request { path: path.clone(), ..Request::default() };
        if !anyhow.iter().any(|placed| reference::fits(placed, &request)) {
            continue;
        }
        for host in ["a.s", "b.s", "a.a.s", "b.a.s", "b.b.s", "t"] {
            for method in ["GET", "HEAD", "POST", "PUT"] {
                let request = Request {
                    host: host.into(),
                    method: method.into(),
                    path: path.clone(),
                    ..Request::default()
                };
                let fit: Vec<usize> =
                    (0..bare.len()).filter(|i| reference::fits(&bare[*i], &request)).collect();
                let order: Vec<Ordering> = fit
                    .iter()
                    .flat_map(|a| fit.iter().map(|b| reference::goes_first(&whole[*a], &whole[*b], &request)))
                    .collect();
                if !fit.is_empty() && seen.insert((fit, order)) {
                    requests.push(request);
                }
            }
        }
    }
    let mut looked: Vec<&Subject> =
        rules.iter().flat_map(|(_, rule)| &rule.conditions).map(|c| &c.subject).collect();
    looked.sort();
    looked.dedup();
    for subject in looked {
        let values = if *subject == Subject::Certificate { &VALUES[..2] } else { &VALUES };
        requests = requests
            .iter()
            .flat_map(|request| values.iter().map(|value| with(request, subject, *value)))
            .collect();
    }
    requests
}

fn with(request: &Request, subject: &Subject, value: Option<&str>) -> Request {
    let mut request = request.clone();
    let Some(value) = value else { return request };
    let pair = |name: &String| (name.clone(), value.to_owned());
    // The first of a name counts.
    match subject {
        Subject::Header(name) | Subject::Version(Selector::Header(name)) => request.headers.push(pair(name)),
        Subject::Query(name) | Subject::Version(Selector::Query(name)) => request.query.push(pair(name)),
        Subject::Cookie(name) => request.cookies.push(pair(name)),
        Subject::Certificate => request.certificate = true,
        Subject::Version(Selector::Media(name)) => {
            request.headers.push(("accept".into(), format!("x/y;{name}={value}")));
        }
    }
    request
}

fn texts<const N: usize>(all: [&'static str; N]) -> impl Strategy<Value = String> {
    select(all.to_vec()).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = Pattern> {
    let element = texts(["a", "b", "{p}", "a{p}", "{p}b", "a{p}b", "{p}", "b"]);
    let template =
        (prop::collection::vec(element, 0..3), texts(["", "", "/", "/{*r}"])).prop_map(|(elements, end)| {
            // The same name twice is no template, and none of this looks at names.
            let text: String = elements.iter().map(|element| format!("/{element}")).collect();
            if text.is_empty() && end.is_empty() { "/".to_owned() } else { text + &end }
        });
    let regex = texts([
        "/a",
        "/[ab]",
        "/a.*",
        ".*",
        "/a/?",
        "/(?:a|b)/b",
        "(?i)/A+",
        r"/\w+",
        "/[^/]*b",
        "^/(?:ab|b)$",
        "/a/.+",
        "a",
        "/(?:a/)?b",
    ]);
    prop_oneof![
        5 => template.prop_map(Pattern::Template),
        2 => texts(["", "/a", "/a/b", "/b"]).prop_map(Pattern::Prefix),
        2 => regex.prop_map(Pattern::Regex),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let name = || "h".to_owned();
    let subject = select(vec![
        Subject::Header(name()),
        Subject::Header(name()),
        Subject::Query(name()),
        Subject::Cookie(name()),
        Subject::Certificate,
        Subject::Version(Selector::Header(name())),
        Subject::Version(Selector::Query("v".into())),
        Subject::Version(Selector::Media("v".into())),
    ]);
    let values = || select(vec![vec!["1"], vec!["2"], vec!["1", "2"], vec!["2", "3"]]);
    let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let test = prop_oneof![
        Just(Test::Present),
        Just(Test::Absent),
        values().prop_map(move |values| Test::In(owned(values))),
        values().prop_map(move |values| Test::InOrAbsent(owned(values))),
        texts(["1", "[12]", "2|3", "[0-9]+", "3+", ".", r"\d", "[^1]+"]).prop_map(Test::Regex),
    ];
    (subject, test).prop_map(|(subject, test)| {
        // A certificate is there or not.
        let test = match (&subject, test) {
            (Subject::Certificate, Test::Absent) => Test::Absent,
            (Subject::Certificate, _) => Test::Present,
            (_, test) => test,
        };
        Condition { subject, test }
    })
}

fn one() -> impl Strategy<Value = One> {
    let hosts = select(vec![
        vec![],
        vec!["a.s"],
        vec!["{l}.s"],
        vec!["*.s"],
        vec!["*.s"],
        vec!["a.s", "*.s"],
        vec!["*.a.s", "*.s"],
        vec!["{m}.s", "b.s"],
    ]);
    let methods = select(vec![
        vec![],
        vec!["GET"],
        vec!["GET"],
        vec!["POST"],
        vec!["HEAD"],
        vec!["GET", "POST"],
        vec!["GET", "HEAD"],
    ]);
    let matching = (
        select(vec![Slash::Significant, Slash::Significant, Slash::Ignored]),
        select(vec![BaseForm::Either, BaseForm::Either, BaseForm::Bare, BaseForm::Slash]),
        prop::bool::weighted(0.8),
    );
    (
        hosts,
        texts(["", "", "/a"]),
        matching,
        path(),
        methods,
        prop::collection::vec(condition(), 0..3),
        0..2_i32,
    )
        .prop_map(|(hosts, base, (slash, form, head), mut path, methods, conditions, priority)| {
            let matching = Matching { slash, base: form, head, options: true };
            if let (Slash::Ignored, Pattern::Template(text)) = (slash, &mut path)
                && text.len() > 1
            {
                *text = text.trim_end_matches('/').to_owned();
            }
            let methods = methods.into_iter().map(str::to_owned).collect();
            (api(&hosts, &base, matching), Rule { route: 0, path, methods, conditions, priority })
        })
}

/// The same as another rule but for a part, so that rules meet often.
fn near((api, rule): &One, (other_api, other): One, part: usize) -> One {
    let (mut api, mut rule) = (api.clone(), rule.clone());
    match part {
        0 => api.hosts = other_api.hosts,
        1 => (api.base, api.matching) = (other_api.base, api.matching),
        2 => rule.path = other.path,
        3 => rule.methods = other.methods,
        4 => rule.conditions = other.conditions,
        5 => rule.priority = other.priority,
        6 => rule.conditions.extend(other.conditions.into_iter().take(1)),
        7 => (rule.conditions, rule.methods) = (other.conditions, other.methods),
        8 => (rule.path, api.base) = (other.path, other_api.base),
        _ => return (other_api, other),
    }
    (api, rule)
}

fn pair() -> impl Strategy<Value = [One; 2]> {
    (one(), one(), 0..12_usize).prop_map(|(a, b, part)| {
        let mut b = near(&a, b, part);
        b.1.route = 1;
        [a, b]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn pairs_agree_with_exhaustive_search(rules in pair()) {
        let findings = found(&rules);
        let [a, b] = rules.each_ref().map(reference);
        let requests = requests(&rules);
        let possible = |placed: &reference::Placed| requests.iter().any(|request| reference::fits(placed, request));
        for (index, placed) in [&a, &b].into_iter().enumerate() {
            let never = findings.iter().any(|finding| match finding {
                Finding::NoPath { rule } => *rule == index,
                Finding::Condition { rule, flaw: Flaw::Never(_) | Flaw::Against, .. } => *rule == index,
                _ => false,
            });
            prop_assert_eq!(never, !possible(placed), "{:?}", findings);
        }
        let both = |request: &&Request| reference::fits(&a, request) && reference::fits(&b, request);
        let tie = requests.iter().filter(both).find(|request| reference::goes_first(&a, &b, request) == Ordering::Equal);
        let conflict = findings.iter().find_map(|finding| match finding {
            Finding::Conflict { witness, .. } => Some(request(witness)),
            _ => None,
        });
        prop_assert_eq!(conflict.is_some(), tie.is_some(), "{:?} {:?}", findings, tie);
        if let Some(witness) = conflict {
            prop_assert!(both(&&witness), "{:?}", witness);
            prop_assert_eq!(reference::goes_first(&a, &b, &witness), Ordering::Equal, "{:?}", witness);
        }
        for (rule, (own, other)) in [(&a, &b), (&b, &a)].into_iter().enumerate() {
            let lost = |request: &Request| reference::fits(other, request) && reference::goes_first(other, own, request).is_lt();
            let shadowed = possible(own) && requests.iter().filter(|request| reference::fits(own, request)).all(lost);
            let told = findings.iter().find_map(|finding| match finding {
                Finding::Shadowed { rule: told, witness, .. } if *told == rule => Some(witness.as_ref().map(request)),
                _ => None,
            });
            prop_assert_eq!(told.is_some(), shadowed, "{} {:?}", rule, findings);
            if let Some(witness) = told {
                let witness = witness.unwrap();
                prop_assert!(reference::fits(own, &witness) && lost(&witness), "{:?}", witness);
            }
        }
        let undecided = findings.iter().any(|finding| matches!(finding, Finding::Undecided { .. }));
        prop_assert!(!undecided, "{:?}", findings);
    }

    /// Rules of two routes: who is said to lose always, never wins; what is said to add nothing, can be left out.
    #[test]
    fn what_is_said_to_be_idle_is(first in one(), others in prop::collection::vec((one(), 0..12_usize, 0..2_u32), 2..4)) {
        let mut rules = vec![first];
        for (other, part, route) in others {
            let mut next = near(&rules[0], other, part);
            next.1.route = route;
            // All rules of a route have one API.
            if let Some((api, _)) = rules.iter().find(|(_, rule)| rule.route == route) {
                next.0 = api.clone();
            }
            rules.push(next);
        }
        let placed: Vec<reference::Placed> = rules.iter().map(reference).collect();
        let routes = |rules: &[reference::Placed], request: &Request| {
            let mut routes: Vec<u32> = reference::winners(rules, request).iter().map(|i| rules[*i].rule.route).collect();
            routes.sort_unstable();
            routes.dedup();
            routes
        };
        for finding in found(&rules) {
            let idle = match finding {
                Finding::Shadowed { rule, .. } | Finding::Within { rule, .. } => rule,
                _ => continue,
            };
            let mut rest = placed.clone();
            rest.remove(idle);
            for request in requests(&rules) {
                let (with, without) = (routes(&placed, &request), routes(&rest, &request));
                prop_assert_eq!(&with, &without, "{:?} {:?}", finding, request);
            }
        }
    }
}

/// The routes that answer a request.
fn answers(rules: &[reference::Placed], request: &Request) -> Vec<u32> {
    reference::winners(rules, request).iter().map(|at| rules[*at].rule.route).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A rule that is added, removed or changed: whatever exhaustive search finds to go elsewhere, a made-up request of the
    /// rules that are not in both sets shows, by the same two routes; and each fits what it was made up for.
    #[test]
    fn made_up_requests_show_what_goes_elsewhere(first in one(), others in prop::collection::vec((one(), 0..12_usize), 1..3), changed in one(), part in 0..12_usize) {
        let mut old = vec![first];
        for (other, part) in others {
            let next = near(&old[0], other, part);
            old.push(next);
        }
        let mut new = old.clone();
        new[0] = near(&old[1], changed, part);
        for rules in [&mut old, &mut new] {
            for (route, (_, rule)) in (0..).zip(rules.iter_mut()) {
                rule.route = route;
                // No two tie.
                rule.priority = i32::try_from(route).unwrap();
            }
        }
        let both: Vec<One> = old.iter().chain(&new).cloned().collect();
        let [before, after] = [&old, &new].map(|rules| rules.iter().map(reference).collect::<Vec<_>>());
        let placed: Vec<Placed<'_>> =
            both.iter().map(|(api, rule)| Placed { api, rule, leniency: Leniency::default() }).collect();
        let mut made = Requests::new(&placed);
        let mut shown: HashSet<(Vec<u32>, Vec<u32>)> = HashSet::new();
        let mut whole = true;
        let own = [0, old.len()];
        for rule in own {
            let theirs = if rule == 0 { old.len()..both.len() } else { 0..old.len() };
            let pairs = theirs.filter(|other| made.near(rule, *other)).map(|other| vec![rule, other]);
            for within in std::iter::once(vec![rule]).chain(pairs.collect::<Vec<_>>()) {
                whole &= made.each(&within, &mut |witness| {
                    let request = request(witness);
                    let (was, is) = (answers(&before, &request), answers(&after, &request));
                    let taken = was.iter().map(|route| *route as usize).chain(is.iter().map(|route| old.len() + *route as usize));
                    let taken = taken.collect();
                    shown.insert((was, is));
                    Some(taken)
                });
            }
        }
        prop_assert!(whole);
        for request in requests(&both[..=old.len()]) {
            let pair = (answers(&before, &request), answers(&after, &request));
            prop_assert!(pair.0 == pair.1 || shown.contains(&pair), "{:?} {:?} {:?} {:?}", pair, request, old, new);
        }
    }
}
