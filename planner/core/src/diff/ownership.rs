//! Objects that are nobody's, and objects that nobody could read.

use crate::address::Address;
use crate::plan::{Finding, Refusal};
use crate::rule;

use super::Gathered;

/// An object is as it is wanted, and nobody's: it is left alone until it is adopted.
pub(super) fn unmarked(at: &Address) -> Finding {
    Finding::new(
        rule::UNMARKED,
        at.clone(),
        "it is as its document says, and carries no stack's mark",
    )
    .help("Give --adopt once to mark it. Until then it is neither changed nor deleted.")
}

/// Refuses to plan for a resource that could not be read.
pub(super) fn refuse_unreadable(at: &Address, why: &str, gathered: &mut Gathered) {
    gathered.refusals.push(Refusal {
        code: rule::UNREADABLE,
        message: format!("{at} could not be read ({why}), so nothing is planned for it"),
        overridden_by: "none: make it readable".to_owned(),
    });
}
