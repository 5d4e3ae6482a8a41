//! What the stack's approvals decide on connections.

use std::collections::BTreeSet;

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

/// An endpoint that asks to connect.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The Services that are reached through what it asks for.
    pub(crate) services: &'a BTreeSet<&'a Key>,
    /// The endpoint.
    pub(crate) endpoint: &'a ResourceId,
    /// The state of its connection.
    pub(crate) status: &'a ConnectionStatus,
    /// Its request message.
    pub(crate) message: &'a str,
}

/// What the stack's approvals decide on an endpoint that asks to connect. A rejection wins; a rejected connection
/// is never approved again, and one that is disconnected is over: Azure takes no decision on it. Where a request
/// message is expected, it must be the same to the letter.
pub(crate) fn decision(input: &Input<'_>, asker: &Asker<'_>) -> Option<Decision> {
    let Asker { services, endpoint, status, message } = *asker;
    let mut approved = false;
    for approval in approvals(input, services) {
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
    let mut expecting = approvals(input, asker.services).flat_map(|approval| {
        let named = approval.approve.iter().filter(|it| matches(&it.consumer, asker.endpoint));
        named.map(move |it| (approval, it.consumer.span()))
    });
    expecting.next()
}

/// The EndpointApproval that rejects an endpoint which asks to connect.
pub(crate) fn rejecting<'a>(
    input: &Input<'a>,
    services: &BTreeSet<&Key>,
    endpoint: &ResourceId,
) -> Option<&'a str> {
    let mut rejecting =
        approvals(input, services).filter(|it| it.reject.iter().any(|it| matches(it, endpoint)));
    rejecting.next().map(|approval| approval.name.as_str())
}

/// Whether an EndpointApproval of one of these Services names an endpoint, to approve or to reject it.
pub(crate) fn names(input: &Input<'_>, services: &BTreeSet<&Key>, endpoint: &ResourceId) -> bool {
    let mut listed = approvals(input, services)
        .flat_map(|it| it.approve.iter().map(|it| &it.consumer).chain(&it.reject));
    listed.any(|it| matches(it, endpoint))
}

/// The EndpointApprovals of these Services.
fn approvals<'a>(
    input: &Input<'a>,
    services: &BTreeSet<&Key>,
) -> impl Iterator<Item = &'a EndpointApproval> {
    input.wanted.approvals().filter(|it| services.contains(&it.service.value))
}

fn matches(consumer: &desired::Consumer, endpoint: &ResourceId) -> bool {
    match consumer {
        desired::Consumer::Subscription(subscription) => {
            endpoint.subscription().is_some_and(|it| it.eq_ignore_ascii_case(subscription))
        }
        desired::Consumer::Endpoint(id) => id.value == *endpoint,
    }
}
