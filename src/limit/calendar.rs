//! Calendar periods in UTC: where the one that holds a moment begins and ends.
//!
//! Days have 86,400 seconds: the clock knows no leap seconds.

use super::Period;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

impl Period {
    /// The period that holds `now` as `[start, end)`, in milliseconds since 1970-01-01T00:00Z. A week that began
    /// before then is given from then; an end beyond 2^64 is given as 2^64 − 1.
    pub fn bounds(self, now: u64) -> (u64, u64) {
        let days = now / DAY;
        let (start, length) = match self {
            Period::Hour => return (now - now % HOUR, (now - now % HOUR).saturating_add(HOUR)),
            Period::Day => (days, 1),
            // 1970-01-01 was a Thursday, three days after a Monday.
            Period::Week => {
                let since_monday = (days + 3) % 7;
                return (
                    days.saturating_sub(since_monday) * DAY,
                    (days + 7 - since_monday).saturating_mul(DAY),
                );
            }
            Period::Month => {
                let (year, month, day) = civil(days);
                (days - (day - 1), days_in(year, month))
            }
        };
        (start * DAY, (start + length).saturating_mul(DAY))
    }
}

/// Year, month (1–12) and day (1–31) of a day since 1970, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day comes last, in eras of 400 years that all have 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A year's and month's first day since 1970, counted day by day: the slow way, to compare with.
    fn first_of(year: u64, month: u64) -> u64 {
        let mut days = 0;
        for y in 1970..=year {
            for m in 1..=12 {
                if (y, m) == (year, month) {
                    return days;
                }
                days += days_in(y, m);
            }
        }
        days
    }

    #[test]
    fn months_end_where_the_calendar_says() {
        for (now, start, end, what) in [
            // Taken from `date -u -d … +%s`.
            (951_782_400, 949_363_200, 951_868_800, "29 February 2000, a leap year though a century"),
            (4_107_542_399, 4_105_123_200, 4_107_542_400, "28 February 2100, no leap year"),
            (1_709_164_800, 1_706_745_600, 1_709_251_200, "29 February 2024"),
            (1_735_689_599, 1_733_011_200, 1_735_689_600, "the last second of 2024"),
            (1_735_689_600, 1_735_689_600, 1_738_368_000, "the first second of 2025"),
            (0, 0, 2_678_400, "January 1970"),
        ] {
            assert_eq!(Period::Month.bounds(now * 1000), (start * 1000, end * 1000), "{what}");
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        // 2026-11-16 was a Monday.
        let monday = 1_794_787_200_000;
        assert_eq!(Period::Week.bounds(monday), (monday, monday + 7 * DAY));
        assert_eq!(Period::Week.bounds(monday - 1), (monday - 7 * DAY, monday));
        assert_eq!(Period::Week.bounds(monday + 7 * DAY - 1), (monday, monday + 7 * DAY));
        assert_eq!(Period::Week.bounds(0), (0, 4 * DAY), "the week of 1970-01-01 ends on Monday the 5th");
    }

    #[test]
    fn every_month_of_two_eras_agrees_with_counting_days() {
        let mut days = 0;
        for year in 1970..2780 {
            for month in 1..=12 {
                let end = days + days_in(year, month);
                assert_eq!(Period::Month.bounds(days * DAY), (days * DAY, end * DAY), "{year}-{month}");
                assert_eq!(Period::Month.bounds(end * DAY - 1), (days * DAY, end * DAY), "{year}-{month}");
                days = end;
            }
        }
        assert_eq!(first_of(2780, 1), days);
    }

    proptest! {
        #[test]
        fn a_period_holds_its_moment_and_touches_the_next(now in any::<u64>()) {
            for period in [Period::Hour, Period::Day, Period::Week, Period::Month] {
                let (start, end) = period.bounds(now);
                prop_assert!(start <= now && (now < end || end == u64::MAX), "{period:?} of {now}: {start}–{end}");
                if end < u64::MAX {
                    prop_assert_eq!(period.bounds(end).0, end);
                    prop_assert_eq!(period.bounds(end - 1), (start, end));
                }
            }
        }
    }
}
