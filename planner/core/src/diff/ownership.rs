//! Objects that are unmanaged, and objects that could not be read.

use crate::change::FieldDiff;
use crate::node_id::NodeId;
use crate::plan::{Finding, Override, Refusal};
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule;

/// An unmanaged object of which nothing differs but these fields: it is left unchanged until it is adopted.
pub(super) fn unmarked(at: &NodeId, fields: &[FieldDiff]) -> Finding {
    let failed = fields.iter().find(|it| it.path == provisioning::FIELD);
    if let Some(state) = failed.and_then(|it| it.before.as_ref()?.as_str()) {
        let message = format!(
            "Azure failed to provision it: its provisioningState is {state}; it carries no stack's mark, and is left as it is"
        );
        return Finding::new(rule::RESOURCE_FAILED, at.clone(), message)
            .help("Give --adopt once: this stack takes it over, and writes it again.");
    }
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

/// Refuses to plan for an endpoint whose virtual network could not be read: nobody knows its region.
pub(super) fn refuse_unread_network(at: &NodeId, network: &ResourceId, why: &str) -> Refusal {
    let message =
        format!("the virtual network {network} could not be read, so nothing is planned for {at}");
    Refusal::of(rule::UNREADABLE, at, message, Override::never(network_help(why)))
}

/// What to do about a virtual network that could not be read.
pub(crate) fn network_help(why: &str) -> String {
    format!("make the virtual network readable, or write the endpoint's `location`: {why}")
}

/// Refuses to take over an object that exists. `whose` says whose it is, in words that stand after "and".
pub(super) fn not_adopted(at: &NodeId, whose: &str) -> Refusal {
    let message = format!("{at} exists already, and {whose}");
    Refusal::of(rule::NOT_ADOPTED, at, message, Override::flag("--adopt"))
}
