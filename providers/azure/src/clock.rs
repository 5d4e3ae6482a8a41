//! Whether this machine's clock is Azure's. Tokens and assertions are valid by the clock of whoever
//! checks them.

use azure_core::time::{Duration, OffsetDateTime, parse_rfc7231};

/// What Entra forgives.
const FORGIVEN: Duration = Duration::minutes(5);

/// What to add to a refusal whose reply has this `Date`; nothing where the clocks agree.
pub(crate) fn note(date: Option<&str>) -> Option<String> {
    note_at(OffsetDateTime::now_utc(), date)
}

fn note_at(now: OffsetDateTime, date: Option<&str>) -> Option<String> {
    let off = now - parse_rfc7231(date?).ok()?;
    let word = if off.is_negative() { "behind" } else { "ahead of" };
    let off = off.abs();
    (off > FORGIVEN).then(|| {
        let (hours, minutes) = (off.whole_hours(), off.whole_minutes() % 60);
        format!(" This machine's clock is {hours} h {minutes} min {word} Azure's.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told() {
        let now = parse_rfc7231("Fri, 01 Jan 2027 12:00:00 GMT").unwrap();
        let note = |date| note_at(now, Some(date));
        assert_eq!(note("Fri, 01 Jan 2027 12:04:59 GMT"), None);
        assert_eq!(
            note("Fri, 01 Jan 2027 10:30:00 GMT").unwrap(),
            " This machine's clock is 1 h 30 min ahead of Azure's."
        );
        assert!(note("Sat, 02 Jan 2027 12:00:00 GMT").unwrap().contains("24 h 0 min behind"));
        assert_eq!(note("yesterday"), None);
    }
}
