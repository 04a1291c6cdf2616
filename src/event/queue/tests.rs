use super::*;
use proptest::prelude::*;

fn success(at: u64) -> Event {
    Event { at, status: 200, ..Event::default() }
}

fn refusal(reason: Reason) -> Event {
    Event { status: reason.status(), reason: Some(reason), ..Event::default() }
}

/// As the pipeline does: weighs, and pushes what is kept.
fn take(queue: &mut Queue, event: Event, sample: u16, now: u64, random: u64) {
    if let Some(weight) = queue.weigh(&event, sample, now, || random) {
        queue.push(event, weight);
    }
}

fn put(queue: &mut Queue, at: u64) {
    take(queue, success(at), 1000, at, 0);
}

fn drained(queue: &mut Queue) -> Vec<Weighed> {
    std::iter::from_fn(|| queue.batch()).flat_map(|batch| batch.events).collect()
}

fn weights(queue: &mut Queue) -> f64 {
    drained(queue).iter().map(|weighed| weighed.weight).sum()
}

#[test]
fn a_share_of_successes_is_kept_by_chance_and_weighs_for_the_rest() {
    for (sample, kept, weight) in [(1000, 100, 1.0), (100, 10, 10.0), (300, 30, 1000.0 / 300.0), (0, 0, 0.0)]
    {
        let mut queue = Queue::default();
        // Every hundredth of what may come of chance.
        (0..100_u64).for_each(|n| take(&mut queue, success(n), sample, n, ((n << 32) / 100 + 1) << 32));
        let all = drained(&mut queue);
        assert_eq!(all.len(), kept, "{sample}");
        assert!(all.iter().all(|weighed| weighed.weight == weight), "{sample}");
    }
}

#[test]
fn an_event_is_taken_back_by_its_own_request_only() {
    let mut queue = Queue::default();
    let named = |id: &str, event: Event| Event { id: id.into(), ..event };
    // What was left out of a flood weighs on the next of its reason.
    for n in 0..REFUSALS + 5 {
        take(&mut queue, named(&format!("r{n}"), refusal(Reason::RateLimited)), 1000, 0, 0);
    }
    take(&mut queue, named("next", refusal(Reason::RateLimited)), 1000, 1000, 0);
    take(&mut queue, named("last", success(1000)), 1000, 1000, 0);
    assert!(queue.retract("next").is_none(), "not the newest");
    assert_eq!(queue.retract("last").map(|event| event.status), Some(200));
    assert_eq!(queue.retract("next").map(|event| event.status), Some(429));
    take(&mut queue, named("again", refusal(Reason::RateLimited)), 1000, 1000, 0);
    assert_eq!(queue.newest_first().next().map(|held| held.weight), Some(6.0));
    assert_eq!(weights(&mut queue), f64::from(REFUSALS + 6));
    assert!(queue.retract("again").is_none(), "it has left");
}

proptest! {
    /// Whoever asks seldom beside somebody who asks all the time is counted as truly.
    #[test]
    fn sums_are_true_of_each_part(seed: u64, sample in 100_u16..1000) {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut queue, mut sums) = (Queue::default(), [0.0, 0.0]);
        for n in 0..40_000_u64 {
            take(&mut queue, success(n % 10), sample, 0, random.u64(..));
            if n % 1000 == 0 {
                drained(&mut queue).iter().for_each(|w| sums[usize::from(w.event.at == 0)] += w.weight);
            }
        }
        drained(&mut queue).iter().for_each(|w| sums[usize::from(w.event.at == 0)] += w.weight);
        // Standard deviations: at a share of 0.1 at most 570 of 36,000 and 190 of 4,000; eight of them.
        prop_assert!((sums[0] - 36_000.0).abs() < 4_560.0, "{}", sums[0]);
        prop_assert!((sums[1] - 4_000.0).abs() < 1_520.0, "{}", sums[1]);
    }
}

#[test]
fn a_flood_of_refusals_is_bounded_by_the_second_and_counted_by_its_reason() {
    let mut queue = Queue::default();
    for _ in 0..1000 {
        take(&mut queue, refusal(Reason::RateLimited), 0, 5_000, 0);
    }
    assert_eq!(drained(&mut queue).len(), REFUSALS as usize);
    for reason in [Reason::NotFound, Reason::RateLimited] {
        take(&mut queue, refusal(reason), 0, 6_000, 0);
    }
    let weights: Vec<f64> = drained(&mut queue).iter().map(|weighed| weighed.weight).collect();
    assert_eq!(weights, [1.0, 801.0], "nobody else stands for the flood");
}

#[test]
fn the_bound_is_by_the_second_in_which_requests_end() {
    let mut queue = Queue::default();
    for n in 0..1000 {
        // Slow ones that began long ago end among fast ones.
        let event = Event { at: 5_000 - (n % 2) * 3_000, ..refusal(Reason::UpstreamTimeout) };
        take(&mut queue, event, 0, 5_000, 0);
    }
    assert_eq!(drained(&mut queue).len(), REFUSALS as usize);
}

#[test]
fn the_queue_is_bounded_and_what_goes_is_counted() {
    let mut queue = Queue::default();
    take(&mut queue, refusal(Reason::NotFound), 0, 0, 0);
    (0..3 * HELD as u64).for_each(|at| put(&mut queue, at));
    assert_eq!(queue.events.len(), HELD);
    put(&mut queue, 0);
    take(&mut queue, refusal(Reason::NotFound), 0, 9_000, 0);
    put(&mut queue, 0);
    let waiting: f64 = queue.left_out.iter().map(|(_, weight)| weight).sum();
    assert_eq!(weights(&mut queue) + waiting, 3.0 * HELD as f64 + 4.0);
}

#[test]
fn one_flush_is_promised_at_a_time_and_renewed_when_it_does_not_come() {
    let mut queue = Queue::default();
    assert_eq!(queue.promise(0), None);
    put(&mut queue, 1000);
    assert_eq!(queue.promise(1000), Some(DELAY));
    put(&mut queue, 1100);
    assert_eq!(queue.promise(1100), None);
    assert_eq!(queue.promise(1000 + OVERDUE), Some(DELAY));
    queue.batch();
    put(&mut queue, 7000);
    assert_eq!(queue.promise(7000), Some(DELAY));
}

#[test]
fn requests_whose_events_are_left_out_promise_only_what_nobody_else_did() {
    let mut queue = Queue::default();
    assert_eq!(queue.overdue(0), None);
    // As a client leaves it that went away.
    put(&mut queue, 1000);
    assert_eq!(queue.overdue(1000), Some(DELAY));
    assert_eq!(queue.overdue(1000), None);
    (1..BATCH).for_each(|_| put(&mut queue, 1000));
    assert_eq!((queue.promise(1000), queue.overdue(1000)), (Some(0), None), "a full batch is promised once");
    assert_eq!(queue.overdue(1000 + OVERDUE), Some(0));
}

#[test]
fn a_full_batch_does_not_wait() {
    let mut queue = Queue::default();
    let promises = (0..BATCH as u64).filter_map(|_| {
        put(&mut queue, 1);
        queue.promise(1)
    });
    assert_eq!(promises.collect::<Vec<_>>(), [DELAY, 0]);
}

#[test]
fn a_batch_that_was_not_taken_is_sent_again_under_its_number_and_given_up_in_the_end() {
    let mut queue = Queue::default();
    (0..3).for_each(|at| put(&mut queue, at));
    let batch = queue.batch().unwrap();
    assert_eq!(batch.number, 1);
    queue.restore(batch);
    put(&mut queue, 9);
    assert!(queue.promise(9).is_some());
    let again = queue.batch().unwrap();
    assert_eq!((again.number, again.events.len()), (1, 3));
    queue.restore(again);
    let last = queue.batch().unwrap();
    queue.restore(last);
    assert_eq!((queue.batch().unwrap().number, queue.lost()), (2, 3));
}

#[test]
fn batches_that_fail_at_the_same_time_are_all_sent_again_up_to_a_bound() {
    let mut queue = Queue::default();
    (0..(RETRIES + 1) * BATCH).for_each(|at| put(&mut queue, at as u64));
    let batches: Vec<Batch> = std::iter::from_fn(|| queue.batch()).collect();
    assert_eq!(batches.len(), RETRIES + 1);
    batches.into_iter().for_each(|batch| queue.restore(batch));
    assert_eq!(queue.lost(), BATCH as u64);
    let times: Vec<u64> = queue.newest_first().map(|weighed| weighed.event.at).collect();
    assert_eq!(times, (0..(RETRIES * BATCH) as u64).rev().collect::<Vec<_>>());
    assert_eq!(queue.batch().unwrap().number, 1);
}

#[test]
fn claims_do_not_wait_with_the_events() {
    let identity = Arc::new(Identity {
        issuer: 3,
        consumer: "ann".into(),
        scopes: "read write".into(),
        expires: 1,
        valid_from: 0,
        valid_until: 2,
        claims: Map::from_iter([("sub".to_owned(), "x".repeat(8_000).into())]),
    });
    let mut queue = Queue::default();
    queue.push(Event { identity: Some(Arc::clone(&identity)), ..success(0) }, 1.0);
    assert_eq!(Arc::strong_count(&identity), 1);
    let kept = drained(&mut queue).remove(0).event.identity.unwrap();
    assert_eq!((kept.issuer, kept.consumer.as_str()), (3, "ann"));
    assert!(kept.claims.is_empty() && kept.scopes.is_empty());
}
