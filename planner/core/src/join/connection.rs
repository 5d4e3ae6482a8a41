//! The state of a connection, judged once from both its ends.
//!
//! It is the provider's word, which the Private Link Service holds and Azure mirrors to the endpoint (ARM contract, table
//! "States and mirroring"). An endpoint that says it is over cannot connect again, whatever the other end says.

use crate::arm::resource::PrivateLinkService;
use crate::connection_status::ConnectionStatus;
use crate::consumer::Consumer;
use crate::node::private_endpoint::LiveConnection;
use crate::node::private_link_service::has_failed;
use crate::resource_id::ResourceId;

use super::decision::Decision;
use super::peer::Peer;

/// The state of a connection that nobody decided on, or on which Azure failed what was decided.
pub(crate) const UNDECIDED: ConnectionStatus = ConnectionStatus::Pending;

/// The connection of an endpoint of the stack.
pub(crate) struct Connection {
    /// As the endpoint shows it.
    pub(crate) shown: LiveConnection,
    /// As it is.
    pub(crate) status: ConnectionStatus,
    /// What is decided on it, and not in force yet.
    pub(crate) decision: Option<Decision>,
    /// Whether Azure failed what was decided.
    pub(crate) has_failed: bool,
}

/// Judges the connection of an endpoint. `decide` says what is decided on a state.
pub(super) fn judged(
    shown: LiveConnection,
    (peer, endpoint): (&Peer<'_>, &ResourceId),
    decide: impl Fn(&ConnectionStatus) -> Option<Decision>,
) -> Connection {
    let (mut status, mut has_failed_at) = (shown.status.clone(), false);
    if let (Peer::Shows(link, there), false) = (peer, status.is_over()) {
        status = there.clone();
        has_failed_at = has_failed(link, endpoint);
    }
    // What Azure failed is not in force, whatever it shows.
    if has_failed_at && decide(&UNDECIDED).is_some() {
        status = UNDECIDED;
    }
    let decision = decide(&status);
    Connection { shown, status, decision, has_failed: has_failed_at }
}

/// The state of another owner's connection, of which only the provider's end is seen.
pub(crate) fn of_other(link: &PrivateLinkService, consumer: &Consumer) -> ConnectionStatus {
    if has_failed(link, &ResourceId::new(&consumer.endpoint)) {
        return UNDECIDED;
    }
    consumer.status.clone()
}
