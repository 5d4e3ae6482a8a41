//! Objects that are nobody's, and objects that nobody could read.

use crate::address::Address;
use crate::code::Code;
use crate::plan::{Finding, Override, Refusal};

use super::Gathered;

/// An object is as it is wanted, and nobody's: it is left alone until it is adopted.
pub(super) fn unmarked(at: &Address) -> Finding {
    Finding {
        code: Code::Unmarked,
        severity: Code::Unmarked.severity(),
        address: at.clone(),
        message: "it is as its document says, and carries no stack's mark".to_owned(),
        help: Some(
            "Give --adopt once to mark it. Until then it is neither changed nor deleted."
                .to_owned(),
        ),
        place: None,
    }
}

/// Refuses to plan for a resource that could not be read.
pub(super) fn refuse_unreadable(at: &Address, why: &str, gathered: &mut Gathered) {
    gathered.refusals.push(Refusal::of(
        Code::Unreadable,
        at,
        format!("{at} could not be read ({why}), so nothing is planned for it"),
        Override::never("make it readable"),
    ));
}

/// Refuses to take over an object that exists. `whose` says whose it is, in words that stand after "and".
pub(super) fn not_adopted(at: &Address, whose: &str) -> Refusal {
    let message = format!("{at} exists already, and {whose}");
    Refusal::of(Code::NotAdopted, at, message, Override::flag("--adopt"))
}
