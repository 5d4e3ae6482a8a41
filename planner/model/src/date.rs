//! Dates without a clock: who has one says what day it is.

use jiff::civil::Date;

/// A day of the calendar.
pub type Day = Date;

/// The day that is so many days after 1 January 1970; the last that there is, if that is later.
pub fn of_days(days: u64) -> Day {
    let first = Day::constant(1970, 1, 1);
    let days = i64::try_from(days).unwrap_or(i64::MAX);
    let span = jiff::Span::new().try_days(days);
    span.and_then(|span| first.checked_add(span)).unwrap_or(Day::MAX)
}

/// Reads a day, written as `2026-12-05`.
pub fn parse(text: &str) -> Option<Day> {
    let is_plain = text.len() == 10 && text.bytes().all(|it| it.is_ascii_digit() || it == b'-');
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(of_days(0).to_string(), "1970-01-01");
        assert_eq!(of_days(20_785).to_string(), "2026-11-28");
        assert_eq!(of_days(u64::MAX), Day::MAX);
    }

    #[test]
    fn a_day_is_written_one_way() {
        assert_eq!(parse("2026-12-05").map(|it| it.to_string()), Some("2026-12-05".to_owned()));
        for wrong in ["2026-02-30", "20261205", "2026-12-05T00:00", "5 December", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
