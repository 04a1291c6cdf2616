use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const NOW: u64 = 1_800_000_000;

fn identity(issuer: u32, consumer: &str) -> Arc<Identity> {
    Arc::new(Identity {
        issuer,
        consumer: consumer.into(),
        scopes: String::new(),
        expires: NOW + 60,
        valid_from: NOW - 10,
        valid_until: NOW + 90,
        claims: serde_json::Map::new(),
    })
}

fn memory(entries: usize, bytes: usize) -> Memory {
    Memory::with_bounds([7; 16], entries, bytes)
}

fn remember(memory: &mut Memory, token: &str, issuer: u32) {
    let tag = memory.tag(token);
    memory.put(tag, token.len(), identity(issuer, token), u64::MAX, 0);
}

fn recall(memory: &mut Memory, token: &str, accepted: &[u32], now: u64) -> Option<String> {
    let tag = memory.tag(token);
    memory.get(tag, accepted, now, 0).map(|identity| identity.consumer.clone())
}

#[test]
fn a_token_is_recalled_for_its_issuer_while_it_is_valid() {
    let mut memory = memory(16, 1000);
    remember(&mut memory, "t", 3);
    assert_eq!(recall(&mut memory, "t", &[1, 3], NOW).as_deref(), Some("t"));
    assert_eq!(recall(&mut memory, "t", &[1], NOW), None);
    assert_eq!(recall(&mut memory, "t", &[], NOW), None);
    assert_eq!(recall(&mut memory, "T", &[3], NOW), None);
    assert_eq!(recall(&mut memory, "t", &[3], NOW + 89).as_deref(), Some("t"));
    assert_eq!(recall(&mut memory, "t", &[3], NOW + 90), None);
    assert_eq!(recall(&mut memory, "t", &[3], NOW - 10).as_deref(), Some("t"));
    assert_eq!(recall(&mut memory, "t", &[3], NOW - 11), None);
}

#[test]
fn a_token_is_not_recalled_past_its_keys() {
    let mut memory = memory(16, 1000);
    let tag = memory.tag("t");
    memory.put(tag, 1, identity(0, "t"), NOW + 5, 0);
    assert!(memory.get(tag, &[0], NOW + 4, 0).is_some());
    assert!(memory.get(tag, &[0], NOW + 5, 0).is_none());
}

#[test]
fn a_new_epoch_forgets_and_an_old_one_is_not_remembered() {
    let mut memory = memory(16, 1000);
    remember(&mut memory, "t", 0);
    let tag = memory.tag("t");
    assert!(memory.get(tag, &[0], NOW, 1).is_none());
    assert!(memory.is_empty());
    memory.put(tag, 1, identity(0, "t"), u64::MAX, 0);
    assert!(memory.get(tag, &[0], NOW, 1).is_none());
    memory.put(tag, 1, identity(0, "t"), u64::MAX, 1);
    assert!(memory.get(tag, &[0], NOW, 1).is_some());
    // What was verified before the change neither enters nor pushes out what was verified after it.
    let late = memory.tag("late");
    memory.put(late, 4, identity(0, "late"), u64::MAX, 0);
    assert!(memory.get(late, &[0], NOW, 1).is_none());
    assert!(memory.get(tag, &[0], NOW, 1).is_some());
    // The first token after a change of keys is remembered without another look.
    let other = memory.tag("other");
    memory.put(other, 1, identity(0, "other"), u64::MAX, 2);
    assert_eq!(memory.len(), 1);
    assert!(memory.get(other, &[0], NOW, 2).is_some());
}

#[test]
fn the_secret_decides_the_tag() {
    let (one, two) = (Memory::new([1; 16]), Memory::new([2; 16]));
    assert_ne!(one.tag("t"), two.tag("t"));
    assert_ne!(one.tag("t"), one.tag("u"));
    assert_eq!(one.tag("t"), one.tag("t"));
}

#[test]
fn entries_and_bytes_are_bounded() {
    let mut few = memory(64, usize::MAX);
    let mut small = memory(usize::MAX, 1000);
    for index in 0..1000 {
        let token = format!("token {index}");
        remember(&mut few, &token, 0);
        remember(&mut small, &token, 0);
        assert!(few.len() <= 64 && small.bytes() <= 1000);
        assert!(
            recall(&mut few, &token, &[0], NOW).is_some() && recall(&mut small, &token, &[0], NOW).is_some()
        );
    }
    assert!(few.len() >= 32 && small.bytes() >= 400);
    let long = "x".repeat(501);
    remember(&mut small, &long, 0);
    assert_eq!(recall(&mut small, &long, &[0], NOW), None);
}

#[test]
fn what_is_used_stays() {
    let mut memory = memory(64, usize::MAX);
    remember(&mut memory, "used", 0);
    for index in 0..10_000 {
        remember(&mut memory, &format!("token {index}"), 0);
        assert!(recall(&mut memory, "used", &[0], NOW).is_some(), "{index}");
    }
}

#[test]
fn remembering_twice_counts_once() {
    let mut memory = memory(64, 1000);
    for _ in 0..3 {
        remember(&mut memory, "t", 0);
    }
    assert_eq!((memory.len(), memory.bytes()), (1, 1));
}

proptest! {
    /// A recalled identity is always the one last remembered for that token and issuer, and the counts are right.
    #[test]
    fn it_never_recalls_anything_else(steps in prop::collection::vec((0u8..3, 0u8..24, 0u32..2, 0u64..120), 1..400)) {
        let mut memory = memory(8, 60);
        let mut model = HashSet::new();
        for (action, number, issuer, later) in steps {
            let token = format!("t{number}");
            if action == 0 {
                remember(&mut memory, &token, issuer);
                model.insert((token, issuer));
            } else if let Some(consumer) = recall(&mut memory, &token, &[issuer], NOW + later) {
                prop_assert!(later < 90);
                prop_assert_eq!(&consumer, &token);
                prop_assert!(model.contains(&(token, issuer)));
            }
            prop_assert!(memory.len() <= 8 && memory.bytes() <= 60);
            let counted: usize = [&memory.young, &memory.old].iter().flat_map(|g| g.map.values()).map(|e| e.bytes).sum();
            prop_assert_eq!(memory.bytes(), counted);
        }
    }
}
