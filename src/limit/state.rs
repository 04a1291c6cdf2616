//! What is kept of one limit and one key between requests, and its form in a row.

use super::{Period, gcra, quota, sliding};
use std::fmt::Write;

/// What was counted so far for one limit and one key. It names the parameters it was written under, so that a limit
/// whose parameters have changed still understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A token bucket's level.
    Bucket(gcra::Level),
    /// A sliding window's cells.
    Sliding(sliding::Cells),
    /// A quota's count.
    Quota(quota::Count),
}

impl State {
    /// What is taken at `now`, in units of cost, rounded up.
    pub fn used(&self, now: u64) -> u64 {
        match self {
            State::Bucket(level) => level.used(now),
            State::Sliding(cells) => cells.used(now),
            State::Quota(count) => count.used(now),
        }
    }

    /// When the state says no more than no state would, in milliseconds since 1970: from then on it may be deleted.
    pub fn lapses(&self) -> u64 {
        match self {
            State::Bucket(level) => level.lapses(),
            State::Sliding(cells) => cells.lapses(),
            State::Quota(count) => count.lapses(),
        }
    }

    /// Takes back a charge of `cost` that left the state as `charged`. Never leaves more than a fresh state has, nor
    /// more than there would be had the charge never been. `None`: there is nothing left to take back.
    pub fn refund(&self, charged: &State, cost: u32, now: u64) -> Option<State> {
        match (self, charged) {
            (State::Bucket(level), State::Bucket(charged)) => {
                level.refund(charged, cost, now).map(State::Bucket)
            }
            (State::Sliding(cells), State::Sliding(charged)) => {
                cells.refund(charged, cost, now).map(State::Sliding)
            }
            (State::Quota(count), State::Quota(charged)) => {
                count.refund(charged, cost, now).map(State::Quota)
            }
            _ => None,
        }
    }

    /// The state as a row keeps it: a letter and decimal numbers, separated by commas. Text, because JavaScript's
    /// numbers end at 2^53.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(48);
        // Writing to a string cannot fail.
        let _ = match self {
            State::Bucket(s) => {
                write!(text, "b,{},{},{},{},{}", s.at, s.used, s.part, s.rate, s.period)
            }
            State::Sliding(s) => write!(text, "s,{},{},{},{}", s.window, s.cell, s.current, s.previous),
            State::Quota(s) => write!(text, "q,{},{},{}", letter(s.period), s.start, s.used),
        };
        text
    }

    /// Reads what [`State::encode`] wrote; `None` for anything else.
    pub fn decode(text: &str) -> Option<State> {
        let mut parts = text.split(',');
        let state = match parts.next()? {
            "b" => State::Bucket(gcra::Level {
                at: number(&mut parts)?,
                used: number(&mut parts)?,
                part: number(&mut parts)?,
                rate: number(&mut parts).filter(|rate| *rate > 0)?,
                period: number(&mut parts).filter(|period| *period > 0)?,
            }),
            "s" => State::Sliding(sliding::Cells {
                window: number(&mut parts).filter(|window| *window > 0)?,
                cell: number(&mut parts)?,
                current: number(&mut parts)?,
                previous: number(&mut parts)?,
            }),
            "q" => State::Quota(quota::Count {
                period: match parts.next()? {
                    "h" => Period::Hour,
                    "d" => Period::Day,
                    "w" => Period::Week,
                    "m" => Period::Month,
                    _ => return None,
                },
                start: number(&mut parts)?,
                used: number(&mut parts)?,
            }),
            _ => return None,
        };
        parts.next().is_none().then_some(state)
    }
}

fn letter(period: Period) -> char {
    match period {
        Period::Hour => 'h',
        Period::Day => 'd',
        Period::Week => 'w',
        Period::Month => 'm',
    }
}

fn number<'a, T: std::str::FromStr>(parts: &mut impl Iterator<Item = &'a str>) -> Option<T> {
    parts.next()?.parse().ok()
}
