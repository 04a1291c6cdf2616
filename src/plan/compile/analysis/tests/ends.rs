//! Cookies and parameters in fields, and many expressions at once.

use super::*;
use crate::plan::compile::analysis::conditions::Conditions;

/// A rule of one route for `/`, with conditions.
fn asking(route: u32, conditions: Vec<Condition>) -> One {
    let path = Pattern::Template("/".into());
    (api(&[], "", Matching::default()), Rule { route, path, methods: Vec::new(), conditions, priority: 0 })
}

/// A value of a cookie, or of the field that it is read from.
fn cookie_condition() -> impl Strategy<Value = Condition> {
    let subject = select(vec![
        Subject::Header("cookie".into()),
        Subject::Cookie("a".into()),
        Subject::Cookie("b".into()),
        Subject::Header("accept".into()),
        Subject::Version(Selector::Media("v".into())),
    ]);
    let values = select(vec![
        "",
        "1",
        "\"",
        "\"1\"",
        " 1",
        "1,",
        "1,2",
        ", ",
        "1, 2",
        "a=1",
        "a=1; b=1",
        "a=\"1\",b=1",
        "1;2",
        "\\",
        "x/y;v=1",
    ]);
    let list = prop::collection::vec(values.prop_map(str::to_owned), 1..3);
    let test = prop_oneof![
        Just(Test::Present),
        Just(Test::Absent),
        list.clone().prop_map(Test::In),
        list.prop_map(Test::InOrAbsent),
        texts(["[ab]=1", ".*1.*", "\".*", "[^;]+", ".*, .*"]).prop_map(Test::Regex),
    ];
    (subject, test).prop_map(|(subject, test)| Condition { subject, test })
}

/// Whether a request as it comes in fits a rule.
fn comes_to(rule: &Rule, witness: &Witness) -> bool {
    let ready = crate::routing::asked::Ready::new(rule.clone()).unwrap();
    witness.ask(|asked| ready.failing(asked).is_none())
}

proptest! {
    /// Whatever is shown of cookies is read back by those who read requests, and what is said never to hold does not for
    /// any of the fields that could be meant.
    #[test]
    fn cookies_are_what_requests_make_of_them(own in prop::collection::vec(cookie_condition(), 1..3), other in prop::collection::vec(cookie_condition(), 0..3)) {
        let rules = [asking(0, own), asking(1, other)];
        let mut automata = Automata::default();
        let of = |rule, automata: &mut Automata| Conditions::of(rule, automata).0;
        let [a, b] = [of(&rules[0].1, &mut automata), of(&rules[1].1, &mut automata)];
        let both = a.with(&b, &mut automata);
        match both {
            Answer::Yes(values) => {
                let witness = Witness::new("GET", "a.s", "/", &values);
                for (_, rule) in &rules {
                    prop_assert!(comes_to(rule, &witness), "{} {:?}", witness, rule);
                }
            }
            Answer::No => {
                let fields = ["a=1", "a=1; b=1", "a=\"1\",b=1", "b=1", "a=\"\"1\"\"", "a=\" 1\"; b=1,", "x", "1"];
                let accepts = [None, Some("x/y;v=1"), Some("*/*"), Some("1"), Some("*/*;v=\" 1\""), Some("*/*;v=\"a=1\"")];
                for cookie in fields.map(Some).into_iter().chain([None]) {
                    for accept in accepts {
                        let pair = |name: &str, value: Option<&str>| Some((name.to_owned(), value?.to_owned()));
                        let headers = [pair("cookie", cookie), pair("accept", accept)].into_iter().flatten().collect();
                        let witness = Witness { headers, ..Witness::default() };
                        prop_assert!(!rules.iter().all(|(_, rule)| comes_to(rule, &witness)), "{} {:?}", witness, rules);
                    }
                }
            }
            Answer::Unknown => {
                let expression = |c: &Condition| matches!((&c.subject, &c.test), (Subject::Header(_), Test::Regex(_)));
                prop_assert!(rules.iter().any(|(_, rule)| rule.conditions.iter().any(expression)), "{:?}", rules);
            }
        }
    }
}

#[test]
fn witnesses_can_be_typed() {
    let witness = Witness {
        method: "GET".into(),
        host: "a.s".into(),
        path: "/a$(b)".into(),
        headers: vec![("x".into(), "it's".into())],
        cookies: vec![("c".into(), " \"".into())],
        ..Witness::default()
    };
    let expected = r#"`GET 'https://a.s/a$(b)' -H 'x: it'\''s' -H 'cookie: c=" ""'`"#;
    assert_eq!(witness.to_string(), expected);
}

/// Many expressions that differ in a literal element, as people write them, are all told apart.
#[test]
fn many_expressions_are_decided() {
    for form in ["/[a-z]+/kN/[0-9]{1,10}", "/(v1|v2)/tN/(?:[0-9a-f-]{36})(/.*)?", ".*/zN", "/[a-z]+N"] {
        let rule = |route: u32| {
            let (api, mut rule) = asking(route, Vec::new());
            rule.path = Pattern::Regex(form.replace('N', &route.to_string()));
            (api, rule)
        };
        assert_eq!(found(&(0..120).map(rule).collect::<Vec<_>>()), [], "{form}");
    }
    let rule = |route: u32| {
        let subject = Subject::Header("x".into());
        asking(route, vec![Condition { subject, test: Test::Regex(format!("[a-z]+{route}")) }])
    };
    assert_eq!(found(&(0..120).map(rule).collect::<Vec<_>>()), []);
}
