//! What the stack's approvals decide on connections.

use crate::connection_status::ConnectionStatus;
use crate::desired::{self, EndpointApproval};
use crate::diagnostic::Span;
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::resource_id::ResourceId;

/// What is decided on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is approved.
    Approve,
    /// It is rejected.
    Reject,
}

impl Decision {
    /// The state it gives the connection.
    pub(crate) const fn status(self) -> ConnectionStatus {
        match self {
            Self::Approve => ConnectionStatus::Approved,
            Self::Reject => ConnectionStatus::Rejected,
        }
    }
}

/// An endpoint that asks for a Service.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The Service, if it is known.
    pub(crate) service: Option<&'a Key>,
    /// The endpoint.
    pub(crate) endpoint: &'a ResourceId,
    /// The state of its connection.
    pub(crate) status: &'a ConnectionStatus,
    /// Its request message.
    pub(crate) message: &'a str,
}

/// What the stack's approvals decide on an endpoint that asks for a Service. A rejection wins; a rejected connection
/// is never approved again, and one that is disconnected is over: Azure takes no decision on it. Where a request
/// message is expected, it must be the same to the letter.
pub(crate) fn decision(input: &Input<'_>, asker: &Asker<'_>) -> Option<Decision> {
    let Asker { service, endpoint, status, message } = *asker;
    let service = service?;
    let mut approved = false;
    for approval in input.wanted.approvals() {
        if approval.service.value != *service {
            continue;
        }
        if approval.reject.iter().any(|it| matches(it, endpoint)) {
            let is_over =
                [ConnectionStatus::Rejected, ConnectionStatus::Disconnected].contains(status);
            return (!is_over).then_some(Decision::Reject);
        }
        approved |= approval.approve.iter().any(|it| {
            let expected = it.request_message.as_ref();
            matches(&it.consumer, endpoint) && expected.is_none_or(|it| it.value == message)
        });
    }
    (approved && *status == ConnectionStatus::Pending).then_some(Decision::Approve)
}

/// The EndpointApproval that names an endpoint which asks, and expects another request message of it.
pub(crate) fn expecting_other<'a>(
    input: &Input<'a>,
    asker: &Asker<'_>,
) -> Option<(&'a EndpointApproval, &'a Span)> {
    if *asker.status != ConnectionStatus::Pending || decision(input, asker).is_some() {
        return None;
    }
    let service = asker.service?;
    let of_service = input.wanted.approvals().filter(|it| it.service.value == *service);
    let mut expecting = of_service.flat_map(|approval| {
        let named = approval.approve.iter().filter(|it| matches(&it.consumer, asker.endpoint));
        named.map(move |it| (approval, it.consumer.span()))
    });
    expecting.next()
}

/// The EndpointApproval that rejects an endpoint which asks for a Service.
pub(crate) fn rejecting<'a>(
    input: &Input<'a>,
    service: Option<&Key>,
    endpoint: &ResourceId,
) -> Option<&'a str> {
    let of_service = input.wanted.approvals().filter(|it| Some(&it.service.value) == service);
    let mut rejecting = of_service.filter(|it| it.reject.iter().any(|it| matches(it, endpoint)));
    rejecting.next().map(|approval| approval.name.as_str())
}

/// Whether an EndpointApproval of a Service names an endpoint, to approve or to reject it.
pub(crate) fn names(input: &Input<'_>, service: &Key, endpoint: &ResourceId) -> bool {
    let of_service = input.wanted.approvals().filter(|it| it.service.value == *service);
    let mut listed =
        of_service.flat_map(|it| it.approve.iter().map(|it| &it.consumer).chain(&it.reject));
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
