//! What the client is told: `RateLimit`, `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and
//! `Retry-After` (RFC 9110 §10.2.3), and the faults of limits.
//!
//! Both fields are Lists of Structured Fields (RFC 9651), one member for each limit. The unit is requests, which is
//! what a member without `qu` means. `pk` is not sent: whom a limit counts is nobody else's business.

use super::{Algorithm, Limit, NEVER, Period, Verdict};
use crate::fault::{Fault, Reason};
use std::fmt::Write;

/// Name of the field with what is left.
pub const RATE_LIMIT: &str = "RateLimit";
/// Name of the field with what is allowed.
pub const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";
/// Name of the field with the seconds to wait.
pub const RETRY_AFTER: &str = "Retry-After";

/// The greatest Integer of Structured Fields (RFC 9651 §3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// A limit with what it said of the request.
pub type Told<'a> = (&'a Limit, Verdict);

/// Which limit binds, as an index: of those that refuse the one with the longest wait, otherwise the one with the
/// least left; of equals the first. `None` without limits.
pub fn binding(told: &[Told<'_>]) -> Option<usize> {
    let rank = |verdict: &Verdict| match verdict.admitted {
        false => (0, u64::MAX - verdict.retry_ms, 0),
        true => (1, verdict.remaining, u64::MAX - verdict.reset_ms),
    };
    let ranked = told.iter().enumerate();
    ranked.min_by_key(|(index, (_, verdict))| (rank(verdict), *index)).map(|(index, _)| index)
}

/// The value of `RateLimit`, the binding limit first: `r`, what is left, and `t`, the seconds until more is there.
///
/// `t` is the wait for this request where the limit refuses it, so that `Retry-After` never lies before `t`,
/// otherwise the time until all is available again.
pub fn rate_limit(told: &[Told<'_>]) -> String {
    let mut text = String::with_capacity(told.len() * 48);
    let first = binding(told);
    let rest = told.iter().enumerate().filter(|(index, _)| Some(*index) != first).map(|(_, told)| told);
    for (limit, verdict) in first.and_then(|index| told.get(index)).into_iter().chain(rest) {
        name(&mut text, &limit.id);
        // Writing to a string cannot fail.
        let _ = write!(text, ";r={}", verdict.remaining.min(MAX_INTEGER));
        let wait = if verdict.admitted { verdict.reset_ms } else { verdict.retry_ms };
        if wait > 0 && wait != NEVER {
            let _ = write!(text, ";t={}", seconds(wait));
        }
    }
    text
}

/// The value of `RateLimit-Policy` in the limits' order: `q`, what is allowed, in each `w` seconds.
///
/// A bucket allows its burst in the time in which it fills, so `q/w` is its rate; a month has the length of the one
/// that holds `now`.
pub fn rate_limit_policy<'a>(limits: impl IntoIterator<Item = &'a Limit>, now: u64) -> String {
    let mut text = String::with_capacity(48);
    for limit in limits {
        name(&mut text, &limit.id);
        let window = match limit.algorithm {
            Algorithm::Bucket { rate, period, burst } => {
                (u64::from(burst) * u64::from(period)).div_ceil(u64::from(rate.max(1)))
            }
            Algorithm::Sliding { window, .. } => window.into(),
            Algorithm::Quota { period: Period::Week, .. } => 7 * 86_400_000,
            Algorithm::Quota { period, .. } => {
                let (start, end) = period.bounds(now);
                end - start
            }
        };
        let quota = limit.algorithm.capacity().min(MAX_INTEGER);
        let _ = write!(text, ";q={quota};w={}", seconds(window));
    }
    text
}

/// The seconds of `Retry-After`: the longest wait of the limits that refuse, rounded up. `None` where none refuses,
/// or where the request can never pass.
pub fn retry_after(told: &[Told<'_>]) -> Option<u64> {
    let refusing = told.iter().filter(|(_, verdict)| !verdict.admitted);
    refusing.map(|(_, verdict)| verdict.retry_ms).max().filter(|wait| *wait != NEVER).map(seconds)
}

/// The fault of a request that a limit refuses; `None` where all admit.
///
/// Carries the three fields, and of the draft's problem type the member `violated-policies`: every limit that
/// refuses, the binding one first.
pub fn exceeded(told: &[Told<'_>], now: u64) -> Option<Fault> {
    let (limit, verdict) = told.get(binding(told)?)?;
    if verdict.admitted {
        return None;
    }
    let (reason, kind) = match limit.algorithm {
        Algorithm::Quota { .. } => (Reason::QuotaExhausted, "quota"),
        _ => (Reason::RateLimited, "rate limit"),
    };
    let retry = retry_after(told);
    let detail = match retry {
        Some(1) => format!("The {kind} \"{}\" is exhausted. Try again in 1 second.", limit.id),
        Some(retry) => format!("The {kind} \"{}\" is exhausted. Try again in {retry} seconds.", limit.id),
        None => format!("The request costs more than the {kind} \"{}\" ever allows.", limit.id),
    };
    let others = told.iter().filter(|(other, verdict)| !verdict.admitted && other.id != limit.id);
    let violated: Vec<&str> =
        std::iter::once(limit.id.as_str()).chain(others.map(|(other, _)| other.id.as_str())).collect();
    let mut fault = Fault::new(reason, detail).member("violated-policies", violated);
    if let Some(retry) = retry {
        fault = fault.header(RETRY_AFTER, retry.to_string());
    }
    Some(
        fault
            .header(RATE_LIMIT, rate_limit(told))
            .header(RATE_LIMIT_POLICY, rate_limit_policy(told.iter().map(|(limit, _)| *limit), now)),
    )
}

/// The fault of a request one of whose limits could not be asked, and fails closed. `why` is for the event only.
pub fn unavailable(limit: &Limit, why: &str) -> Fault {
    Fault::new(
        Reason::LimitUnavailable,
        format!("Whether the limit \"{}\" holds could not be found out in time.", limit.id),
    )
    .header(RETRY_AFTER, "1")
    .private(why)
}

/// Rounded up: who comes back when told must not be early.
fn seconds(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(1_000).min(MAX_INTEGER)
}

/// A limit's id as a String (RFC 9651 §3.3.3), behind a comma where it is not the first. What a String cannot hold
/// becomes `_`: no name may break the field.
fn name(text: &mut String, id: &str) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.push('"');
    for character in id.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => text.push('_'),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
