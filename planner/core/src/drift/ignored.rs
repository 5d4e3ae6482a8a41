//! Drift that the Stack says is known: it stays in every report, marked, and counts for nothing.

use crate::date::Day;
use crate::desired::IgnoredDrift;
use crate::input::Input;
use crate::names;

use super::report::{Difference, Ignored, UnusedIgnore, Why};

/// Unknowns what is ignored, and gives the entries that ignore nothing.
pub(super) fn mark(input: &Input<'_>, differences: &mut [Difference]) -> Vec<UnusedIgnore> {
    let policy = input.wanted.policy().into_iter();
    let entries = policy.flat_map(|policy| &policy.ignore_drift);
    let today = input.options.today;
    let mut unused = Vec::new();
    for entry in entries {
        let until = entry.until.as_ref().map(|it| it.value);
        let is_over = is_over(until, today);
        let mut is_used = false;
        for difference in differences.iter_mut().filter(|it| !is_over && concerns(entry, it)) {
            is_used = true;
            let reason = entry.reason.value.clone();
            let until = until.map(|it| it.to_string());
            difference.ignored.get_or_insert(Ignored { reason, until });
        }
        if is_used {
            continue;
        }
        unused.push(UnusedIgnore {
            object: entry.object.value.clone(),
            class: entry.class.value,
            reason: entry.reason.value.clone(),
            why: if is_over { Why::Expired } else { Why::Unused },
            until: until.map(|it| it.to_string()),
            place: entry.object.span.place().to_string(),
        });
    }
    unused
}

/// Whether the last day is over. On a day that nobody knows, nothing that ends with a day is ignored.
fn is_over(until: Option<Day>, today: Option<Day>) -> bool {
    until.is_some_and(|until| today.is_none_or(|today| today > until))
}

/// Whether an entry is about a difference.
fn concerns(entry: &IgnoredDrift, difference: &Difference) -> bool {
    entry.class.value == difference.class
        && names::is_like(&difference.address.to_string(), &entry.object.value)
}
