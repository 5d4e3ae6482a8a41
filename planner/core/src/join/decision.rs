//! What the stack's approvals decide on connections.

use crate::desired;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::resource_id::ResourceId;

/// What is decided on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is let in.
    Approve,
    /// It is turned away.
    Reject,
}

impl Decision {
    /// The state it gives the connection.
    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Approve => "Approved",
            Self::Reject => "Rejected",
        }
    }
}

/// What the stack's approvals decide on an endpoint that asks for a Service, given its connection's
/// state. A rejection wins; a rejected connection is never turned round.
pub(crate) fn decision(
    input: &Input<'_>,
    service: Option<&Key>,
    endpoint: &ResourceId,
    status: &str,
) -> Option<Decision> {
    let service = service?;
    let mut approved = false;
    for approval in input.desired.approvals.values() {
        if approval.service.value != *service {
            continue;
        }
        if approval.reject.iter().any(|it| matches(it, endpoint)) {
            return (status != "Rejected").then_some(Decision::Reject);
        }
        approved |= approval.approve.iter().any(|it| matches(it, endpoint));
    }
    (approved && status == "Pending").then_some(Decision::Approve)
}

/// The EndpointApproval that turns an endpoint away which asks for a Service.
pub(crate) fn rejecting<'a>(
    input: &Input<'a>,
    service: Option<&Key>,
    endpoint: &ResourceId,
) -> Option<&'a str> {
    let of_service =
        input.desired.approvals.values().filter(|it| Some(&it.service.value) == service);
    let mut rejecting = of_service.filter(|it| it.reject.iter().any(|it| matches(it, endpoint)));
    rejecting.next().map(|approval| approval.name.as_str())
}

/// Whether an EndpointApproval of a Service names an endpoint, to let it in or to turn it away.
pub(crate) fn names(input: &Input<'_>, service: &Key, endpoint: &ResourceId) -> bool {
    let of_service = input.desired.approvals.values().filter(|it| it.service.value == *service);
    let mut listed = of_service.flat_map(|it| it.approve.iter().chain(&it.reject));
    listed.any(|it| matches(it, endpoint))
}

fn matches(consumer: &desired::Consumer, endpoint: &ResourceId) -> bool {
    match consumer {
        desired::Consumer::Subscription(subscription) => {
            endpoint.subscription().is_some_and(|it| it.eq_ignore_ascii_case(subscription))
        }
        desired::Consumer::Endpoint(id) => id.value == *endpoint,
    }
}
