//! The algorithms against references that keep a log of every admitted request.

use super::*;
use proptest::prelude::*;

const T0: u64 = 1_790_000_000_000;

/// Waits in milliseconds and costs.
fn requests() -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec(
        (prop_oneof![Just(0u64), 0u64..50, 0u64..3_000], prop_oneof![4 => Just(1u32), 1 => 0u32..6]),
        1..80,
    )
}

fn bucket() -> impl Strategy<Value = Algorithm> {
    (1u32..40, prop_oneof![Just(1_000u32), 1u32..5_000], 1u32..12)
        .prop_map(|(rate, period, burst)| Algorithm::Bucket { rate, period, burst })
}

fn sliding() -> impl Strategy<Value = Algorithm> {
    (1u32..12, 1_000u32..4_000).prop_map(|(limit, window)| Algorithm::Sliding { limit, window })
}

fn quota() -> impl Strategy<Value = Algorithm> {
    let periods = prop_oneof![Just(Period::Hour), Just(Period::Day), Just(Period::Week), Just(Period::Month)];
    (1u64..12, periods).prop_map(|(limit, period)| Algorithm::Quota { limit, period })
}

fn any_algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![bucket(), sliding(), quota()]
}

/// Runs the requests and gives the log of what was admitted: time and cost.
fn admitted(algorithm: &Algorithm, requests: &[(u64, u32)]) -> Vec<(u64, u64)> {
    let (mut now, mut state, mut log) = (T0, None, Vec::new());
    for (wait, cost) in requests {
        now += wait;
        let (verdict, next) = algorithm.judge(state.as_ref(), *cost, now);
        if verdict.admitted {
            state = Some(next);
            log.push((now, u64::from(*cost)));
        }
    }
    log
}

proptest! {
    /// Between any two admitted requests `t` apart, both counted, there are at most burst + rate·t/period.
    #[test]
    fn a_bucket_admits_at_most_burst_and_rate_in_any_span(rule in bucket(), requests in requests()) {
        let Algorithm::Bucket { rate, period, burst } = rule else { unreachable!() };
        let log = admitted(&rule, &requests);
        for (from, (start, _)) in log.iter().enumerate() {
            let mut sum = 0;
            for (end, cost) in &log[from..] {
                sum += cost;
                let bound = u64::from(burst) * u64::from(period) + u64::from(rate) * (end - start);
                prop_assert!(sum * u64::from(period) <= bound, "{sum} in {} ms of {rule:?}", end - start);
            }
        }
    }

    /// The bucket also admits all that it may: it decides as a bucket filled token by token in exact fractions.
    #[test]
    fn a_bucket_decides_as_one_filled_by_hand(rule in bucket(), requests in requests()) {
        let Algorithm::Bucket { rate, period, burst } = rule else { unreachable!() };
        // Tokens in the bucket, in 1/period.
        let size = u64::from(burst) * u64::from(period);
        let (mut tokens, mut now, mut state) = (size, T0, None);
        for (wait, cost) in requests {
            for _ in 0..wait {
                tokens = (tokens + u64::from(rate)).min(size);
            }
            now += wait;
            let price = u64::from(cost) * u64::from(period);
            let (verdict, next) = rule.judge(state.as_ref(), cost, now);
            prop_assert_eq!(verdict.admitted, price <= tokens);
            if verdict.admitted {
                tokens -= price;
                state = Some(next);
            }
            prop_assert_eq!(verdict.remaining, tokens / u64::from(period));
        }
    }

    /// The documented bound of two cells: each cell of the clock at most the limit, any window at most 2·limit − 1
    /// (with requests of cost 1).
    #[test]
    fn a_sliding_window_keeps_its_bound(rule in sliding(), waits in prop::collection::vec(0u64..1_500, 1..120)) {
        let Algorithm::Sliding { limit, window } = rule else { unreachable!() };
        let (limit, window) = (u64::from(limit), u64::from(window));
        let requests: Vec<_> = waits.into_iter().map(|wait| (wait, 1)).collect();
        let log = admitted(&rule, &requests);
        for (start, _) in &log {
            let cell: u64 = log.iter().filter(|(at, _)| at / window == start / window).map(|(_, cost)| cost).sum();
            prop_assert!(cell <= limit);
            let span = log.iter().filter(|(at, _)| (*start..start + window).contains(at));
            let count: u64 = span.map(|(_, cost)| cost).sum();
            prop_assert!(count <= (2 * limit).saturating_sub(1).max(1), "{count} of {limit} in {window} ms");
        }
    }

    /// Decides as the definition over a log: the current cell's count and the previous one's weighted share.
    #[test]
    fn a_sliding_window_decides_as_its_definition(rule in sliding(), requests in requests()) {
        let Algorithm::Sliding { limit, window } = rule else { unreachable!() };
        let window = u64::from(window);
        let (mut now, mut state, mut log): (_, _, Vec<(u64, u64)>) = (T0, None, Vec::new());
        for (wait, cost) in requests {
            now += wait;
            let cell = now / window;
            let count = |cell: u64| log.iter().filter(|(at, _)| at / window == cell).map(|(_, cost)| cost).sum::<u64>();
            let weighted = count(cell) * window + count(cell - 1) * (window - now % window);
            let (verdict, next) = rule.judge(state.as_ref(), cost, now);
            let fits = weighted + u64::from(cost) * window <= u64::from(limit) * window;
            prop_assert_eq!(verdict.admitted, fits || cost == 0);
            if verdict.admitted {
                state = Some(next);
                log.push((now, cost.into()));
            }
        }
    }

    /// A quota is exact: in each period as much as the limit where it is asked for, and never more.
    #[test]
    fn a_quota_is_exact(rule in quota(), steps in prop::collection::vec((0u64..40, 0u64..86_400_000), 1..60)) {
        let Algorithm::Quota { limit, period } = rule else { unreachable!() };
        let requests: Vec<_> = steps.iter().map(|(days, ms)| (if *days < 30 { ms / 20 } else { days * 86_400_000 }, 1)).collect();
        let log = admitted(&rule, &requests);
        let mut now = T0;
        let asked: Vec<u64> = requests.iter().map(|(wait, _)| { now += wait; now }).collect();
        for at in &asked {
            let (start, end) = period.bounds(*at);
            let in_period = |at: &u64| (start..end).contains(at);
            let count = log.iter().filter(|(at, _)| in_period(at)).count() as u64;
            let wanted = asked.iter().filter(|at| in_period(at)).count() as u64;
            prop_assert_eq!(count, wanted.min(limit));
        }
    }

    /// A denial's wait is exact: refused a millisecond earlier, admitted then; and the same with the reset.
    #[test]
    fn waits_are_exact(rule in any_algorithm(), requests in requests(), cost in 1u32..14) {
        let (mut now, mut state) = (T0, None);
        for (wait, cost) in requests {
            now += wait;
            let (verdict, next) = rule.judge(state.as_ref(), cost, now);
            if verdict.admitted { state = Some(next); }
        }
        let (verdict, after) = rule.judge(state.as_ref(), cost, now);
        if verdict.admitted {
            prop_assert_eq!(verdict.retry_ms, 0);
        } else if u64::from(cost) > rule.capacity() {
            prop_assert_eq!(verdict.retry_ms, NEVER);
        } else {
            prop_assert!(verdict.retry_ms > 0);
            let then = now + verdict.retry_ms;
            prop_assert!(!rule.judge(state.as_ref(), cost, then - 1).0.admitted);
            prop_assert!(rule.judge(state.as_ref(), cost, then).0.admitted);
        }
        let kept = if verdict.admitted { Some(after) } else { state };
        let then = now + verdict.reset_ms;
        prop_assert_eq!(rule.judge(kept.as_ref(), 0, then).0.remaining, rule.capacity());
        if let Some(kept) = kept {
            prop_assert_eq!(kept.used(kept.lapses().max(now)), 0, "a row that lapses says nothing any more");
        }
    }

    /// Once a state was written, a clock that goes back admits nothing that it would have refused had it stood, and its
    /// return gives nothing twice.
    #[test]
    fn a_clock_that_goes_back_never_admits_more(
        rule in any_algorithm(), requests in requests(), back in prop_oneof![0u64..5_000, any::<u64>()], cost in 0u32..8,
    ) {
        let (mut now, mut state) = (T0, None);
        for (wait, cost) in requests {
            now += wait;
            let (verdict, next) = rule.judge(state.as_ref(), cost, now);
            if verdict.admitted {
                state = Some(next);
            }
        }
        let (_, state) = rule.judge(state.as_ref(), 0, now);
        let earlier = now.saturating_sub(back);
        let (stood, direct) = rule.judge(Some(&state), cost, now);
        let (went, next) = rule.judge(Some(&state), cost, earlier);
        prop_assert!(stood.admitted || !went.admitted);
        let left = |now| rule.judge(Some(&state), 0, now).0.remaining;
        prop_assert!(left(earlier) <= left(now));
        if went.admitted {
            prop_assert!(next.used(now) >= direct.used(now));
        } else if went.retry_ms != NEVER {
            prop_assert!(rule.judge(Some(&state), cost, earlier.saturating_add(went.retry_ms)).0.admitted);
        }
    }

    /// No state, parameter, cost or time makes the arithmetic fail, and a state survives its text.
    #[test]
    fn the_extremes_are_safe(
        numbers in any::<[u64; 4]>(), small in any::<[u32; 5]>(), kind in 0..6, now in any::<u64>(), cost in any::<u32>(),
    ) {
        let [a, b, c, _] = numbers;
        let [x, y, z, rate, period] = small;
        let periods = [Period::Hour, Period::Day, Period::Week, Period::Month];
        let state = match kind % 3 {
            0 => State::Bucket(gcra::Level { at: a, used: b, part: x, rate: rate.max(1), period: period.max(1) }),
            1 => State::Sliding(sliding::Cells { window: x.max(1), cell: a, current: b, previous: c }),
            _ => State::Quota(quota::Count { period: periods[x as usize % 4], start: a, used: b }),
        };
        prop_assert_eq!(State::decode(&state.encode()), Some(state));
        for rule in [
            Algorithm::Bucket { rate: x, period: y, burst: z },
            Algorithm::Bucket { rate, period, burst: z },
            Algorithm::Sliding { limit: x, window: y },
            Algorithm::Quota { limit: c, period: periods[y as usize % 4] },
        ] {
            let (verdict, next) = rule.judge(Some(&state), cost, now);
            prop_assert!(verdict.admitted || cost > 0);
            prop_assert!(verdict.remaining <= rule.capacity());
            let _ = (next.lapses(), next.used(now), next.refund(&state, cost, now), state.refund(&next, cost, now));
            prop_assert_eq!(State::decode(&next.encode()), Some(next));
        }
    }

    /// Other parameters, or another algorithm, see what was counted before: nobody gets a fresh allowance by a
    /// change of the plan.
    #[test]
    fn a_change_of_parameters_keeps_the_count(old in any_algorithm(), new in any_algorithm(), count in 1u32..12) {
        let mut state = None;
        let mut taken = 0;
        for _ in 0..count {
            let (verdict, next) = old.judge(state.as_ref(), 1, T0);
            if verdict.admitted { state = Some(next); taken += 1; }
        }
        let (verdict, _) = new.judge(state.as_ref(), 0, T0);
        prop_assert_eq!(verdict.remaining, new.capacity().saturating_sub(taken));
    }

    /// Two plans that are live at once and ask in turn do not refresh the count either: together they admit at most
    /// what the more generous one would.
    #[test]
    fn two_plans_in_turn_admit_no_more_than_the_more_generous(
        periods in prop_oneof![Just((1_000u32, 1_000u32)), (1u32..3_000, 1u32..3_000)], rates in (1u32..20, 1u32..20), burst in 1u32..10,
        waits in prop::collection::vec((0u64..500, any::<bool>()), 1..80),
    ) {
        let plans = [
            Algorithm::Bucket { rate: rates.0, period: periods.0, burst },
            Algorithm::Bucket { rate: rates.1, period: periods.1, burst },
        ];
        let (mut now, mut state, mut count) = (T0, None, 0u64);
        for (wait, which) in waits {
            now += wait;
            let (verdict, next) = plans[usize::from(which)].judge(state.as_ref(), 1, now);
            if verdict.admitted { state = Some(next); count += 1; }
        }
        let fits = |rate: u32, period: u32| {
            count * u64::from(period) <= u64::from(burst) * u64::from(period) + u64::from(rate) * (now - T0)
        };
        prop_assert!(fits(rates.0, periods.0) || fits(rates.1, periods.1));
    }

    /// A refund gives back no more than the charge took: with it, the limit admits at most what it would had the
    /// charge never been, whatever came between.
    #[test]
    fn a_refund_never_admits_more_than_had_the_charge_never_been(
        rule in any_algorithm(), before in requests(), cost in 1u32..6, between in requests(), after in 0u64..3_000,
    ) {
        let run = |mut now: u64, mut state: Option<State>, requests: &[(u64, u32)]| {
            for (wait, cost) in requests {
                now += wait;
                let (verdict, next) = rule.judge(state.as_ref(), *cost, now);
                if verdict.admitted { state = Some(next); }
            }
            (now, state)
        };
        let (now, state) = run(T0, None, &before);
        // As early as the charge is admitted.
        let cost = cost.min(u32::try_from(rule.capacity()).unwrap());
        let now = now + rule.judge(state.as_ref(), cost, now).0.retry_ms;
        let (verdict, charged) = rule.judge(state.as_ref(), cost, now);
        prop_assert!(verdict.admitted);
        // What was admitted with the charge in place is admitted without it too: replay exactly those.
        let (mut with, mut without, mut clock) = (charged, state, now);
        for (wait, cost) in &between {
            clock += wait;
            let (verdict, next) = rule.judge(Some(&with), *cost, clock);
            if verdict.admitted {
                with = next;
                let (verdict, next) = rule.judge(without.as_ref(), *cost, clock);
                prop_assert!(verdict.admitted);
                without = Some(next);
            }
        }
        clock += after;
        let refunded = with.refund(&charged, cost, clock).unwrap_or(with);
        let never = rule.judge(without.as_ref(), 0, clock).0.remaining;
        let left = rule.judge(Some(&refunded), 0, clock).0.remaining;
        prop_assert!(left <= never, "{left} left, {never} had it never been");
        prop_assert!(left >= rule.judge(Some(&with), 0, clock).0.remaining, "a refund takes nothing");
    }
}

#[test]
fn a_refund_at_once_restores_the_state() {
    for rule in [
        Algorithm::Bucket { rate: 3, period: 1_000, burst: 5 },
        Algorithm::Sliding { limit: 5, window: 60_000 },
        Algorithm::Quota { limit: 5, period: Period::Month },
    ] {
        let (_, before) = rule.judge(None, 2, T0);
        let (_, charged) = rule.judge(Some(&before), 3, T0 + 10);
        assert_eq!(rule.judge(Some(&charged), 0, T0 + 10).0.remaining, 0, "{rule:?}");
        let refunded = charged.refund(&charged, 3, T0 + 10).unwrap();
        assert_eq!(rule.judge(Some(&refunded), 3, T0 + 10).0.remaining, 0, "{rule:?}");
    }
}

#[test]
fn a_refund_after_the_bucket_has_filled_by_itself_gives_nothing() {
    // Charged at 0 and full again at 1 s; then one more request. Giving a token back for the first one would make
    // two of a bucket of one.
    let rule = Algorithm::Bucket { rate: 1, period: 1_000, burst: 1 };
    let (_, first) = rule.judge(None, 1, T0);
    let (verdict, second) = rule.judge(Some(&first), 1, T0 + 5_000);
    assert!(verdict.admitted);
    let refunded = second.refund(&first, 1, T0 + 5_000).unwrap();
    assert!(!rule.judge(Some(&refunded), 1, T0 + 5_000).0.admitted);
}

#[test]
fn a_rate_that_does_not_divide_a_second_loses_nothing() {
    let rule = Algorithm::Bucket { rate: 3, period: 1_000, burst: 3 };
    let (_, mut state) = rule.judge(None, 3, T0);
    for second in 1..=1_000 {
        let (verdict, next) = rule.judge(Some(&state), 3, T0 + second * 1_000);
        assert!(verdict.admitted, "second {second}");
        state = next;
    }
    assert!(!rule.judge(Some(&state), 1, T0 + 1_000_333).0.admitted);
    assert!(rule.judge(Some(&state), 1, T0 + 1_000_334).0.admitted);
}

#[test]
fn states_are_pinned_as_rows_keep_them() {
    for (state, text) in [
        (
            State::Bucket(gcra::Level { at: 1_790_000_000_000, used: 3, part: 7, rate: 20, period: 1_000 }),
            "b,1790000000000,3,7,20,1000",
        ),
        (
            State::Sliding(sliding::Cells { window: 60_000, cell: 29_833_333, current: 4, previous: 9 }),
            "s,60000,29833333,4,9",
        ),
        (
            State::Quota(quota::Count { period: Period::Month, start: 1_788_220_800_000, used: 12 }),
            "q,m,1788220800000,12",
        ),
    ] {
        assert_eq!(state.encode(), text);
        assert_eq!(State::decode(text), Some(state));
    }
    for damaged in [
        "",
        "b",
        "b,1,2,3,0,1000",
        "b,1,2,3,20,0",
        "b,1,2,3,20,1000,",
        "s,0,1,1,1",
        "q,y,1,1",
        "q,m,-1,1",
        "x,1",
    ] {
        assert_eq!(State::decode(damaged), None, "{damaged}");
    }
}
