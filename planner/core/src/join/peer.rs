//! The other end of an endpoint's connection: what its Private Link Service shows of it.

use std::sync::Arc;

use crate::arm::resource::{PrivateEndpoint as Live, PrivateLinkService};
use crate::arm::world::World;
use crate::connection_status::ConnectionStatus;
use crate::input::Input;
use crate::node::private_endpoint::{LiveConnection, live_connection};
use crate::node::private_link_service;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::rule;
use crate::snapshot::Observation;

/// The other end of a live endpoint's connection.
pub(crate) enum Peer<'a> {
    /// Its Private Link Service is gone, or was not looked at.
    Unseen,
    /// Its Private Link Service has no connection of it.
    Unknown(&'a PrivateLinkService),
    /// Its Private Link Service shows it in this state.
    Shows(&'a PrivateLinkService, ConnectionStatus),
}

/// The other end of an endpoint's connection, by the id or the alias that it names.
pub(super) fn peer<'a>(prediction: &'a Prediction, id: &ResourceId, live: &Live) -> Peer<'a> {
    let Some(target) = live_connection(live).and_then(|connection| connection.target) else {
        return Peer::Unseen;
    };
    let links = &prediction.before.private_link_services;
    let is_it = |link: &&Arc<PrivateLinkService>| {
        let alias = link.properties.alias.as_deref();
        alias.is_some_and(|alias| alias.eq_ignore_ascii_case(&target))
    };
    let link = links.get(&target.to_lowercase()).or_else(|| links.values().find(is_it));
    let Some(link) = link else { return Peer::Unseen };
    match status_at(link, id) {
        Some(status) => Peer::Shows(link, status),
        None => Peer::Unknown(link),
    }
}

/// The connection as the endpoint shows it, and the Private Link Service it names, as it was read.
fn both<'a>(
    prediction: &'a Prediction,
    live: &Live,
) -> Option<(LiveConnection, &'a PrivateLinkService)> {
    let connection = live_connection(live)?;
    let target = connection.target.as_deref()?.to_lowercase();
    let link = prediction.before.private_link_services.get(&target)?;
    Some((connection, link))
}

fn status_at(link: &PrivateLinkService, id: &ResourceId) -> Option<ConnectionStatus> {
    let consumers = private_link_service::consumers(link).into_iter();
    let mut own = consumers.filter(|it| ResourceId::new(&it.endpoint) == *id);
    own.next().map(|consumer| consumer.status)
}

/// Whether an endpoint says that it is connected to a Private Link Service which has no connection of
/// it: another one of the same name took the place of the one it connected to (controller's reference:
/// connections vanish with their Private Link Service).
pub(super) fn forgot(
    input: &Input<'_>,
    (prediction, after): (&Prediction, &World),
    id: &ResourceId,
    live: &Live,
) -> bool {
    let Some(connection) = live_connection(live) else { return false };
    if !matches!(connection.status, ConnectionStatus::Approved | ConnectionStatus::Pending) {
        return false;
    }
    if let Some((_, link)) = both(prediction, live) {
        return status_at(link, id).is_none();
    }
    // One that is gone, and that the plan brings back.
    let Some(target) = connection.target.map(ResourceId::new) else { return false };
    let comes = after.private_link_services.contains_key(&target.key());
    comes && input.live.resource(&target) == Observation::Absent
}

/// Both ends of a connection show its state; they should show the same (ARM contract, table "States and
/// mirroring").
pub(super) fn disagreement(
    prediction: &Prediction,
    (at, id): (&NodeId, &ResourceId),
    live: &Live,
) -> Option<Finding> {
    let (connection, link) = both(prediction, live)?;
    let there = status_at(link, id);
    let is_cut = connection.status.is_over();
    let message = match &there {
        Some(there) if *there == connection.status => return None,
        // A connection that is over need not be listed any more.
        None if is_cut => return None,
        Some(there) => format!(
            "the endpoint shows it as {}, its Private Link Service {} as {there}",
            connection.status,
            link.name()
        ),
        None => format!(
            "the endpoint shows it as {}, its Private Link Service {} has no such connection",
            connection.status,
            link.name()
        ),
    };
    Some(Finding::new(rule::CONNECTION_DISAGREES, NodeId::new(Kind::EndpointConnection, at.name.clone()), message).help("Azure settles this within minutes; if it stays, re-create the endpoint with --replace."))
}
