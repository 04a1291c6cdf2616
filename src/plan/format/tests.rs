use super::*;
use crate::plan::samples as plans;
use proptest::prelude::*;
use std::rc::Rc;

fn sample() -> Vec<u8> {
    plans::bytes(&[
        plans::api(&["api.example.com"], "/orders", &["GET /", "POST /", "GET /{id}"]),
        plans::api(&[], "", &["GET /health"]),
    ])
}

/// Writes the hash that the content has.
fn seal(bytes: &mut [u8]) {
    if let Some((head, content)) = bytes.split_at_mut_checked(HEADER) {
        head[8..].copy_from_slice(&hash(content));
    }
}

/// Reads everything that a plan gives.
fn read_all(plan: &Plan) {
    for api in 0..=u32::try_from(plan.shared().apis.len()).unwrap() {
        let _ = plan.table(api);
    }
    for rule in 0..=u32::try_from(plan.rules()).unwrap().min(1000) {
        let _ = plan.rule(rule);
    }
    for route in 0..=u32::try_from(plan.len()).unwrap().min(1000) {
        let _ = plan.route(route);
    }
}

#[test]
fn what_is_written_is_read() {
    let plan = Plan::load(sample()).unwrap();
    assert_eq!(plan.shared().apis[0].base, "/orders");
    assert_eq!(plan.len(), 4);
    assert_eq!(plan.route(2).unwrap().name, "GET /{id}");
    assert!(Rc::ptr_eq(&plan.route(2).unwrap(), &plan.route(2).unwrap()));
    assert!(plan.route(4).is_err());
    let table = plan.table(0).unwrap();
    assert_eq!((table.rules.len(), table.methods.join(" ")), (3, "GET POST".to_owned()));
    assert_eq!(plan.rule(2).unwrap().path.to_string(), "/{id}");
    assert_eq!((plan.rules(), plan.rule(3).unwrap().route), (4, 3));
    assert!(plan.table(2).is_err() && plan.rule(4).is_err());
    assert_eq!(plan.hash(), Plan::load(sample()).unwrap().hash());
    assert_eq!(plan.hash().len(), 32);
}

#[test]
fn an_unusable_plan_says_why() {
    let whole = sample();
    let load = |bytes: &[u8]| Plan::load(bytes.to_vec()).unwrap_err();
    assert_eq!(load(b""), LoadError::Truncated);
    assert_eq!(load(b"TGPL"), LoadError::Truncated);
    assert_eq!(load(b"<!doctype html>"), LoadError::Magic);
    assert_eq!(load(&whole[..whole.len() - 1]), LoadError::Corrupt);

    let mut newer = whole.clone();
    newer[4..6].copy_from_slice(&(VERSION + 1).to_le_bytes());
    assert_eq!(load(&newer), LoadError::Version { found: VERSION + 1, supported: VERSION });
    assert!(load(&newer).to_string().contains("newer Tollgate"));

    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(load(&flipped), LoadError::Corrupt);

    let empty = assemble(&[]).unwrap();
    assert_eq!(load(&empty), LoadError::Missing("shared tables"));
}

#[test]
fn unknown_sections_are_skipped() {
    let shared = postcard::to_allocvec(&Shared::default()).unwrap();
    let none = list::<Route>(&[]).unwrap();
    let sections = [
        (700, vec![1, 2, 3]),
        (SHARED, shared),
        (TABLES, none.clone()),
        (ROUTES, none.clone()),
        (RULES, none),
    ];
    let plan = Plan::load(assemble(&sections).unwrap()).unwrap();
    assert!(plan.is_empty());
}

/// What is in the world's plans must stay readable: a change of this hash is a change of the format.
#[test]
fn the_format_is_pinned() {
    assert_eq!(plans::plan(&[]).hash(), "5708a04b32147ed16940687f27aaf3ab");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), sealed: bool) {
        let mut plan = b"TGPL\x01\0\0\0".to_vec();
        plan.extend(bytes);
        if sealed {
            seal(&mut plan);
        }
        if let Ok(plan) = Plan::load(plan) {
            read_all(&plan);
        }
    }

    #[test]
    fn no_mutation_panics(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        sealed: bool,
    ) {
        let whole = sample();
        let mut bytes = whole.clone();
        for (index, value) in edits {
            *index.get_mut(&mut bytes) = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(whole.len()));
        }
        if sealed {
            seal(&mut bytes);
        }
        match Plan::load(bytes.clone()) {
            Ok(plan) => {
                prop_assert!(sealed || bytes == whole, "a changed plan was accepted");
                read_all(&plan);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
