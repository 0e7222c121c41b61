//! Moscow time, in which QIWI writes every date (`protocols/terminal.md` §9.6, §9.9).
//!
//! The clock that Moscow went by, with the moments at which it changed, in local time:
//!
//! | from | offset from UTC |
//! | --- | --- |
//! | 1996 | +3 in winter; +4 from the last Sunday of March, 02:00, to the last Sunday of October, 03:00 |
//! | 2011-03-27 02:00 | +4 the whole year |
//! | 2014-10-26 02:00 | +3 the whole year |
//!
//! An hour that a clock showed twice is read as its second occurrence, an hour that it skipped as if it had already
//! been put forward: QIWI's text does not say which one it means, and the day comes out right either way.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc, Weekday};

/// First year that is read. The summer time rule above was another one before, and no terminal network existed.
const YEAR_MIN: i32 = 1996;

const WINTER_HOURS: i64 = 3;
const SUMMER_HOURS: i64 = 4;

/// Reads `YYYYMMDDHHMMSS`.
pub fn read_compact(text: &str) -> Option<NaiveDateTime> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let date = read_date(text.get(..4)?, text.get(4..6)?, text.get(6..8)?)?;
    Some(date.and_time(read_time(text.get(8..10)?, text.get(10..12)?, text.get(12..)?)?))
}

/// Reads a date from its three parts: four, two and two digits.
pub fn read_date(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    let year = i32::try_from(read_digits(year, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, read_digits(month, 2)?, read_digits(day, 2)?).filter(|_| year >= YEAR_MIN)
}

/// Reads a time of day from its three parts, two digits each.
pub fn read_time(hour: &str, minute: &str, second: &str) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(read_digits(hour, 2)?, read_digits(minute, 2)?, read_digits(second, 2)?)
}

fn read_digits(text: &str, width: usize) -> Option<u32> {
    let all_digits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}

/// The instant at which a clock in Moscow showed `local`.
pub fn to_utc(local: NaiveDateTime) -> Option<DateTime<Utc>> {
    local
        .checked_sub_signed(Duration::hours(offset_hours(local)))
        .map(|utc| utc.and_utc())
}

/// The instant at which a day began in Moscow.
pub fn start_of(day: NaiveDate) -> Option<DateTime<Utc>> {
    to_utc(day.and_time(NaiveTime::MIN))
}

fn offset_hours(local: NaiveDateTime) -> i64 {
    let moment = (local.year(), local.month(), local.day(), local.hour());
    // 01:00 and not 02:00: the hour that was shown twice.
    if moment >= (2014, 10, 26, 1) {
        WINTER_HOURS
    } else if moment >= (2011, 3, 27, 2) || is_summer(local) {
        SUMMER_HOURS
    } else {
        WINTER_HOURS
    }
}

fn is_summer(local: NaiveDateTime) -> bool {
    let moment = (local.month(), local.day(), local.hour());
    moment >= (3, last_sunday(local.year(), 3), 2) && moment < (10, last_sunday(local.year(), 10), 2)
}

fn last_sunday(year: i32, month: u32) -> u32 {
    [5, 4]
        .into_iter()
        .find_map(|week| NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, week))
        .map_or(0, |day| day.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::today("20230615143000", "2023-06-15T11:30:00Z")]
    #[case::winter_too("20230115143000", "2023-01-15T11:30:00Z")]
    #[case::evening_is_the_same_utc_day("20230615235959", "2023-06-15T20:59:59Z")]
    #[case::night_is_the_utc_day_before("20230615010000", "2023-06-14T22:00:00Z")]
    #[case::leap_day("20240229000000", "2024-02-28T21:00:00Z")]
    #[case::published_sample_of_2009_summer("20090815120133", "2009-08-15T08:01:33Z")]
    #[case::published_sample_of_2011_winter("20110101120005", "2011-01-01T09:00:05Z")]
    #[case::before_spring_2010("20100328015959", "2010-03-27T22:59:59Z")]
    #[case::after_spring_2010("20100328030000", "2010-03-27T23:00:00Z")]
    #[case::before_autumn_2010("20101031015959", "2010-10-30T21:59:59Z")]
    #[case::after_autumn_2010("20101031030000", "2010-10-31T00:00:00Z")]
    #[case::before_the_long_summer("20110327015959", "2011-03-26T22:59:59Z")]
    #[case::start_of_the_long_summer("20110327030000", "2011-03-26T23:00:00Z")]
    #[case::winter_of_the_long_summer("20130115120000", "2013-01-15T08:00:00Z")]
    #[case::end_of_the_long_summer("20141026005959", "2014-10-25T20:59:59Z")]
    #[case::after_the_long_summer("20141026020000", "2014-10-25T23:00:00Z")]
    #[case::last_readable("99991231235959", "9999-12-31T20:59:59Z")]
    fn a_moscow_moment_is_an_instant(#[case] text: &str, #[case] utc: &str) {
        let at = read_compact(text).and_then(to_utc).unwrap();
        assert_eq!(at, utc.parse::<DateTime<Utc>>().unwrap());
    }

    #[rstest]
    #[case::empty("")]
    #[case::thirteen_digits("2023061514300")]
    #[case::fifteen_digits("202306151430000")]
    #[case::letters("2023061514300x")]
    #[case::sign("+2023061514300")]
    #[case::other_digits("٢٠٢٣٠٦١")]
    #[case::month_13("20231315143000")]
    #[case::day_31_of_june("20230631143000")]
    #[case::no_leap_day("20230229000000")]
    #[case::hour_24("20230615240000")]
    #[case::minute_60("20230615146000")]
    #[case::leap_second("20230615143060")]
    #[case::before_any_terminal("19951231235959")]
    #[case::year_zero("00000101000000")]
    fn what_is_no_moment_is_refused(#[case] text: &str) {
        assert_eq!(read_compact(text), None);
    }

    #[test]
    fn a_day_begins_at_its_own_midnight() {
        let day = |text: &str| start_of(text.parse().unwrap()).unwrap().to_rfc3339();
        assert_eq!(day("2023-06-15"), "2023-06-14T21:00:00+00:00");
        assert_eq!(day("2014-10-26"), "2014-10-25T20:00:00+00:00");
        assert_eq!(day("2014-10-27"), "2014-10-26T21:00:00+00:00");
    }
}
