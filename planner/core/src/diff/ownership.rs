//! Objects that are unmanaged, and objects that could not be read.

use crate::node_id::NodeId;
use crate::plan::{Finding, Override, Refusal};
use crate::rule;

/// An object is as it is wanted, and unmanaged: it is left unchanged until it is adopted.
pub(super) fn unmarked(at: &NodeId) -> Finding {
    Finding::new(
        rule::UNMARKED,
        at.clone(),
        "it is as its document says, and carries no stack's mark",
    )
    .help("Give --adopt once to mark it. Until then it is neither changed nor deleted.")
}

/// Refuses to plan for a resource that could not be read.
pub(super) fn refuse_unreadable(at: &NodeId, why: &str) -> Refusal {
    Refusal::of(
        rule::UNREADABLE,
        at,
        format!("{at} could not be read, so nothing is planned for it"),
        Override::never(format!("make it readable: {why}")),
    )
}

/// Refuses to take over an object that exists. `whose` says whose it is, in words that stand after "and".
pub(super) fn not_adopted(at: &NodeId, whose: &str) -> Refusal {
    let message = format!("{at} exists already, and {whose}");
    Refusal::of(rule::NOT_ADOPTED, at, message, Override::flag("--adopt"))
}
