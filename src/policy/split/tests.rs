use super::*;
use proptest::prelude::*;

fn backend(name: &str, weight: u32) -> Backend {
    let (rewrite, told_host, headers, timeout) = (None, None, Headers::default(), None);
    Backend { name: name.into(), upstream: 0, weight, rewrite, told_host, headers, timeout, failover: 0 }
}

fn split(seed: u64, backends: &[(&str, u32)]) -> Split {
    let backends = backends.iter().map(|(name, weight)| backend(name, *weight)).collect();
    Split { seed, backends, sticky: None, canary: None }
}

/// The name of the backend of a caller.
fn chosen<'s>(split: &'s Split, caller: &str) -> Option<&'s str> {
    let index = split.choose(split.point(caller), 0, None)?;
    split.backends.get(index).map(|backend| backend.name.as_str())
}

const NAMES: [&str; 5] = ["stable", "next", "a", "b", "shadow"];

fn weights() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![0u32..4, 1u32..100, Just(MAX_WEIGHT)], 1..=5)
}

fn named(weights: &[u32]) -> Vec<(&'static str, u32)> {
    NAMES.iter().copied().zip(weights.iter().copied()).collect()
}

/// The choice of callers is an interface: another one would send everybody elsewhere at once.
#[test]
fn choices_stay_as_they_are() {
    assert_eq!(seed("orders/v2/getOrder"), 17_609_018_749_067_249_923);
    let split = split(seed("orders/v2/getOrder"), &[("stable", 3), ("next", 1)]);
    let all: Vec<_> = (0..16)
        .map(|n| if chosen(&split, &format!("caller {n}")) == Some("next") { "n" } else { "s" })
        .collect();
    assert_eq!(all.concat(), "snsssssnsnsnssns");
}

#[test]
fn shares_follow_weights() {
    for weights in [[9, 1, 0], [1, 1, 1], [1, 2, 5], [1_000_000, 1_000_000, 0], [999_000, 1_000, 1]] {
        let split = split(1, &named(&weights));
        let mut counts = [0_u32; 3];
        let callers = 60_000;
        for n in 0..callers {
            counts[split.choose(split.point(&format!("caller {n}")), 0, None).unwrap()] += 1;
        }
        let sum: u32 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            let share = f64::from(weight) / f64::from(sum);
            let (expected, deviation) =
                (share * f64::from(callers), (share * (1.0 - share) * f64::from(callers)).sqrt());
            assert!((f64::from(*count) - expected).abs() <= 4.0 * deviation + 1.0, "{weights:?}: {counts:?}");
        }
    }
}

#[test]
fn the_depth_of_a_lot_is_its_logarithm() {
    let mut before = u64::MAX;
    for drawn in [0, 1, 2, 1 << 20, (1 << 40) + 7, 1 << 62, 3 << 62, u64::MAX - (1 << 33), u64::MAX] {
        let (own, exact) = (depth(drawn), -(((drawn | 1) as f64) / 2f64.powi(64)).log2());
        assert!((own as f64 / 2f64.powi(32) - exact).abs() < 1e-8, "{drawn}: {own} and {exact}");
        assert!(own <= before, "{drawn}");
        before = own;
    }
}

#[test]
fn a_backend_without_weight_gets_nothing_and_one_has_some() {
    assert!(split(0, &[("a", 0), ("b", 0)]).check().is_err());
    assert!(split(0, &[]).check().is_err());
    assert_eq!(split(0, &[("a", 0)]).choose(5, 0, None), None);
    let split = split(0, &[("a", 0), ("b", 1)]);
    split.check().unwrap();
    assert!((0..1000).all(|n| chosen(&split, &n.to_string()) == Some("b")));
}

#[test]
fn cookies_are_read_and_set() {
    for (field, expected) in [
        ("lane=1", Some("1")),
        ("a=b; lane=x=y; lane=2", Some("x=y")),
        ("a=b, lane=3", Some("3")),
        ("xlane=1; lanex=2; lane", None),
        ("lane=", None),
        ("", None),
    ] {
        assert_eq!(cookie(field, "lane"), expected, "{field}");
    }
    let new = NewCookie { max_age: Some(60), same_site: SameSite::None, path: "/shop".into() };
    let value = NewCookie::value(7);
    let [set, private] = new.edits("lane", &value);
    let expected = "lane=0000000000000007; Path=/shop; Max-Age=60; SameSite=None; Secure; HttpOnly";
    assert_eq!(set, Edit::Add("set-cookie".into(), expected.into()));
    assert_eq!(private, Edit::Add("cache-control".into(), "private".into()));
    assert_eq!(cookie(expected, "lane"), Some(value.as_str()));
}

#[test]
fn consumers_of_two_issuers_are_two() {
    assert_ne!(of_consumer("a", "bc"), of_consumer("ab", "c"));
}

proptest! {
    /// The law for which this way of choosing was taken: where one weight changes, callers only move to a backend that
    /// grew, or away from one that shrank.
    #[test]
    fn only_those_move_who_must(seed in any::<u64>(), weights in weights(), which in any::<prop::sample::Index>(), new in 0u32..200) {
        let before = split(seed, &named(&weights));
        let mut changed = weights.clone();
        let which = which.index(weights.len());
        let old = std::mem::replace(&mut changed[which], new);
        let after = split(seed, &named(&changed));
        for n in 0..200 {
            let caller = format!("caller {n}");
            let (was, is) = (chosen(&before, &caller), chosen(&after, &caller));
            if was != is {
                let name = Some(NAMES[which]);
                prop_assert!(if new > old { is == name } else { was == name }, "{was:?} → {is:?}");
            }
        }
    }

    /// Along a canary's ramp callers only move to it, and those whom it leaves stay where they are.
    #[test]
    fn a_canary_only_takes(seed in any::<u64>(), weights in prop::collection::vec(1u32..50, 2..=4), one in 0u64..2000, other in 0u64..2000) {
        let without = split(seed, &named(&weights));
        let mut with = without.clone();
        with.backends.insert(0, backend("canary", 0));
        with.canary = Some(Canary { backend: 0, from: 500, over: 1000, start: 100, to: 9000, header: None });
        let (early, late) = (one.min(other), one.max(other));
        for n in 0..200 {
            let point = with.point(&format!("caller {n}"));
            let name = |now, word| with.backends[with.choose(point, now, word).unwrap()].name.as_str();
            let plain = without.backends[without.choose(point, 0, None).unwrap()].name.as_str();
            prop_assert!(name(early, None) == "canary" || name(early, None) == plain);
            prop_assert!(name(early, None) != "canary" || name(late, None) == "canary");
            prop_assert_eq!(name(late, Some(Word::Never)), plain);
            prop_assert_eq!(name(early, Some(Word::Always)), "canary");
        }
    }

    /// A backend that comes or goes moves nobody else.
    #[test]
    fn others_do_not_move_when_one_comes(seed in any::<u64>(), weights in prop::collection::vec(1u32..50, 2..=5)) {
        let all = split(seed, &named(&weights));
        let few = split(seed, &named(&weights[1..]).iter().zip(&NAMES[1..]).map(|((_, w), n)| (*n, *w)).collect::<Vec<_>>());
        for n in 0..200 {
            let caller = format!("caller {n}");
            let was = chosen(&all, &caller);
            prop_assert!(was == Some(NAMES[0]) || was == chosen(&few, &caller));
        }
    }

    #[test]
    fn the_order_of_declaration_does_not_matter(seed in any::<u64>(), weights in weights(), by in 0usize..5) {
        let mut backends = named(&weights);
        let one = split(seed, &backends);
        let by = by % backends.len();
        backends.rotate_left(by);
        backends.reverse();
        let other = split(seed, &backends);
        for n in 0..100 {
            let caller = n.to_string();
            prop_assert_eq!(chosen(&one, &caller), chosen(&other, &caller));
        }
    }

    #[test]
    fn depths_fall_as_lots_rise(one in any::<u64>(), other in any::<u64>()) {
        let (low, high) = (one.min(other), one.max(other));
        prop_assert!(depth(low) >= depth(high));
    }

    #[test]
    fn any_cookie_field_is_survived(field in "\\PC{0,60}", name in "[a-z]{1,3}") {
        if let Some(value) = cookie(&field, &name) {
            prop_assert!(field.contains(value) && !value.is_empty());
        }
    }
}
