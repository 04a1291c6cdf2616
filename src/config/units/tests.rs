use super::*;
use proptest::prelude::*;

#[test]
fn durations_sizes_rates_quotas() {
    assert_eq!(Duration::parse("250ms"), Ok(250));
    assert_eq!(Duration::parse("10m"), Ok(600_000));
    assert_eq!(Size::parse("64KiB"), Ok(65_536));
    assert_eq!(Rate::parse("100/min"), Ok((100, 60_000)));
    assert_eq!(Quota::parse("1000/day"), Ok((1000, Period::Day)));
    for bad in ["", "5", "s", "5 s", "-5s", "5d", "99999999999999999999s", "9007199254740992h"] {
        assert!(Duration::parse(bad).is_err(), "{bad}");
    }
    for bad in ["0/s", "5/day", "/s", "5/", "4294967296/s"] {
        assert!(Rate::parse(bad).is_err(), "{bad}");
    }
    assert!(Rate::parse("5/day").unwrap_err().contains("quota"));
    assert!(Quota::parse("0/day").is_err() && Quota::parse("5/s").is_err());
    assert!(Size::parse("64KB").is_err() && Size::parse("9007199254740992GiB").is_err());
}

#[test]
fn urls_and_hosts() {
    assert_eq!(Origin::parse("https://H.example/api/").as_deref(), Ok("https://h.example/api"));
    for bad in ["h.example", "ftp://h", "https://u:p@h", "https://h?x", "https://h#x", "https:h", "/x"] {
        assert!(Origin::parse(bad).is_err(), "{bad}");
    }
    assert_eq!(Host::parse("*.Example.COM").as_deref(), Ok("*.example.com"));
    assert_eq!(Host::parse("[::1]").as_deref(), Ok("[::1]"));
    for bad in ["", "a:80", "a/b", "*.", "a.*.b", "*.1.2.3.4", "a b", "u@h"] {
        assert!(Host::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn dates() {
    assert_eq!(Date::parse("1970-01-02"), Ok(86_400));
    assert_eq!(Date::parse("1970-01-01T01:00:00+01:00"), Ok(0));
    for bad in ["2027-02-30", "2027-1-1", "2027", "20270131", "2027-W01-1", "tomorrow"] {
        assert!(Date::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn matches() {
    assert_eq!(Match::parse("GET|POST /x"), Ok((vec!["GET".into(), "POST".into()], "/x".into())));
    assert_eq!(Match::parse("ANY /"), Ok((vec!["*".into()], "/".into())));
    for bad in ["GET", "/x", "get /x", "GET|GET /x", "ANY|GET /x", "CONNECT /x", "GET x", "G@T /x"] {
        assert!(Match::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_pasted_secret_is_not_repeated() {
    assert!(!Secret::parse("hunter2-hunter2").unwrap_err().contains("hunter2"));
}

/// Every unit's schema, as the files' schemas hold them.
fn schemas() -> Vec<serde_json::Value> {
    let defs = [crate::config::schema::gateway(), crate::config::schema::api()].map(|s| s["$defs"].clone());
    defs.iter()
        .flat_map(|defs| defs.as_object().unwrap().values())
        .filter(|s| s.get(KEYWORD).is_some())
        .cloned()
        .collect()
}

#[test]
fn every_example_is_right() {
    let schemas = schemas();
    assert!(schemas.len() > 12);
    for schema in schemas {
        let unit = schema[KEYWORD].as_str().unwrap();
        for example in schema["examples"].as_array().unwrap() {
            assert_eq!(check(unit, example.as_str().unwrap()), Ok(()), "{unit}");
        }
    }
}

proptest! {
    #[test]
    fn no_unit_panics(text in prop_oneof!["\\PC{0,40}", "[0-9a-zA-Z:/.*?#@ |{}-]{0,30}"]) {
        for unit in schemas() {
            let _ = check(unit[KEYWORD].as_str().unwrap(), &text);
        }
    }
}
