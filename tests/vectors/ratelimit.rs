//! Limits: GCRA as throttled and redis-cell test it, and the field lines of the IETF draft.

use super::{json, vectors};
use tollgate::limit::{Algorithm, Limit, NEVER, Per, Unreachable, Verdict, fields};

#[test]
fn gcra_steps() {
    let Some(path) = vectors("http/ratelimit-vectors.json") else { return };
    let gcra = &json(&path)["gcra"];
    let quota = |name: &str| u32::try_from(gcra["quota"][name].as_u64().unwrap()).unwrap();
    let rule = Algorithm::Bucket { rate: quota("rate_per_s"), period: 1_000, burst: quota("limit") };
    let steps = gcra["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 16);
    let mut state = None;
    for step in steps {
        let number = |name: &str| step[name].as_i64().unwrap();
        let cost = u32::try_from(number("volume")).unwrap();
        let (verdict, next) = rule.judge(state.as_ref(), cost, number("t_ms").unsigned_abs());
        if verdict.admitted {
            state = Some(next);
        }
        assert_eq!(verdict.admitted, !step["limited"].as_bool().unwrap(), "{step}");
        assert_eq!(verdict.remaining, number("remaining").unsigned_abs(), "{step}");
        assert_eq!(verdict.reset_ms, number("reset_ms").unsigned_abs(), "{step}");
        let retry = match number("retry_ms") {
            // −1: admitted, or never.
            -1 if verdict.admitted => 0,
            -1 => NEVER,
            wait => wait.unsigned_abs(),
        };
        assert_eq!(verdict.retry_ms, retry, "{step}");
    }
}

/// The members of a line whose parameters are those two integers alone: name and both numbers.
fn members<'a>(line: &'a str, field: &str, parameters: [&str; 2]) -> Option<Vec<(&'a str, u64, u64)>> {
    let value = line.strip_prefix(field)?.strip_prefix(": ")?;
    value
        .split(',')
        .map(|member| {
            let mut parts = member.trim().split(';');
            let name = parts.next()?.strip_prefix('"')?.strip_suffix('"')?;
            let [first, second] = parameters.map(|parameter| {
                let part = parts.next()?;
                part.strip_prefix(parameter)?.strip_prefix('=')?.parse().ok()
            });
            parts.next().is_none().then_some((name, first?, second?))
        })
        .collect()
}

fn limit(id: &str, quota: u64, seconds: u64) -> Limit {
    let algorithm = Algorithm::Sliding {
        limit: u32::try_from(quota).unwrap(),
        window: u32::try_from(seconds * 1_000).unwrap(),
    };
    Limit {
        id: id.into(),
        algorithm,
        per: Per::Route,
        unreachable: Unreachable::Closed,
        deadline: 500,
        source: tollgate::plan::Source::default(),
    }
}

/// The draft's lines that say what the gateway says are written alike. The others show parameters that it does not
/// send: partition keys, other units, extensions, and names as Tokens from older drafts.
#[test]
fn lines_of_the_draft() {
    let Some(path) = vectors("http/ratelimit-vectors.json") else { return };
    let vectors = json(&path);
    let lines = vectors["header_examples"]["lines"].as_array().unwrap();
    let (mut policies, mut limits) = (0, 0);
    for line in lines {
        let line = line.as_str().unwrap();
        if let Some(members) = members(line, "RateLimit-Policy", ["q", "w"]) {
            let told: Vec<Limit> =
                members.iter().map(|(id, quota, window)| limit(id, *quota, *window)).collect();
            let written = format!("RateLimit-Policy: {}", fields::rate_limit_policy(&told, 0));
            assert_eq!(written.replace(", ", ","), line.replace(", ", ","));
            policies += 1;
        } else if let Some(members) = members(line, "RateLimit", ["r", "t"]) {
            let told: Vec<(Limit, Verdict)> = members
                .iter()
                .map(|(id, remaining, reset)| {
                    let reset_ms = reset * 1_000;
                    (
                        limit(id, 1, 1),
                        Verdict { admitted: true, remaining: *remaining, reset_ms, retry_ms: 0 },
                    )
                })
                .collect();
            let told: Vec<fields::Told<'_>> = told.iter().map(|(limit, verdict)| (limit, *verdict)).collect();
            assert_eq!(format!("RateLimit: {}", fields::rate_limit(&told)), line);
            limits += 1;
        }
    }
    assert_eq!((policies, limits), (10, 17), "of {} lines", lines.len());
}
