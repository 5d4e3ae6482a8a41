//! Private endpoints.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;
use crate::arm::resource::PrivateEndpoint as Live;
use crate::arm::world::World;
use crate::connection_status::ConnectionStatus;
use crate::desired::PrivateEndpoint;
use crate::desired::Subnet;
use crate::marks::{DNS_TAG, PROTECT_TAG, STACK_TAG};
use crate::node::Owners;
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

use super::service;

pub(crate) const TYPE: &str = ArmType::PrivateEndpoint.name();

/// The address of an endpoint.
pub fn address(name: &str) -> NodeId {
    NodeId::new(Kind::PrivateEndpoint, name)
}

/// The id of a desired endpoint; `subscription` is that of documents that name none.
pub fn id(endpoint: &PrivateEndpoint, subscription: &str) -> ResourceId {
    let subscription = endpoint.subscription.as_ref().map_or(subscription, |it| it.as_str());
    ResourceId::in_group(subscription, &endpoint.resource_group, TYPE, endpoint.resource_name())
}

/// The stack whose mark a live endpoint carries, by ARM's JSON of it.
pub(crate) fn stack_of(live: &Value) -> Option<&str> {
    live.get("tags")?.get(STACK_TAG)?.as_str()
}

/// The stack whose mark a live endpoint carries.
pub(crate) fn owner(live: &Live) -> Option<&str> {
    live.tags.as_ref()?.get(STACK_TAG).map(String::as_str)
}

/// The state of a live endpoint's connection, as the endpoint shows it.
pub fn status(live: &Value) -> Option<ConnectionStatus> {
    live_connection(&parsed(live)).map(|connection| connection.status)
}

/// The Service whose Private Link Service a live endpoint reaches.
pub fn service_of(live: &Live, world: &World, owners: &Owners) -> Option<NodeId> {
    let target = live_connection(live)?.target?;
    let link = world.private_link_services.get(&target.to_lowercase())?;
    owners.of_link(link).map(service::address)
}

/// The id of an endpoint's subnet.
pub(crate) fn subnet_id(endpoint: &PrivateEndpoint, id: &ResourceId) -> ResourceId {
    match &endpoint.subnet {
        Subnet::Id(id) => id.value.clone(),
        Subnet::Named { virtual_network, name } => ResourceId::in_group(
            id.subscription().unwrap_or_default(),
            id.resource_group().unwrap_or_default(),
            ArmType::VirtualNetwork.name(),
            virtual_network,
        )
        .child("subnets", name),
    }
}

/// The mark of the address an endpoint gets.
pub use crate::arm::allocator::endpoint_address as address_mark;

/// A connection as its endpoint shows it.
pub(crate) struct LiveConnection {
    pub(crate) target: Option<String>,
    pub(crate) status: ConnectionStatus,
    pub(crate) manual: bool,
}

pub(crate) fn live_connection(live: &Live) -> Option<LiveConnection> {
    let (connection, manual) = live.connection()?;
    Some(LiveConnection {
        target: connection.properties.private_link_service_id.clone(),
        status: connection.status().into(),
        manual,
    })
}

/// The tags that privlink writes, and takes away again.
pub(crate) const OWN_TAGS: [&str; 3] = [STACK_TAG, PROTECT_TAG, DNS_TAG];

/// An endpoint, from ARM's JSON of it. One that does not fit its type is none: it equals no other.
pub(crate) fn parsed(endpoint: &Value) -> Live {
    Live::deserialize(endpoint).unwrap_or_default()
}

/// What of an endpoint is compared: what privlink writes.
pub(crate) fn comparable(endpoint: &Live) -> Value {
    let connection = endpoint.connection();
    let manual = connection.is_none_or(|(_, manual)| manual);
    let connection = connection.map(|(connection, _)| connection);
    let message = connection.and_then(|it| it.properties.request_message.as_deref());
    let tags = endpoint.tags.iter().flatten();
    let own: BTreeMap<_, _> = tags.filter(|(tag, _)| OWN_TAGS.contains(&tag.as_str())).collect();
    let mut fields = json!({
        "location": endpoint.location,
        "subnet": endpoint.properties.subnet.as_ref().and_then(|it| it.id.as_deref()),
        "approval": if manual { "Manual" } else { "Automatic" },
        "connectionName": connection.and_then(|it| it.name.as_deref()),
        "privateLinkServiceId": connection.and_then(|it| it.properties.private_link_service_id.as_deref()),
        "requestMessage": message.filter(|it| !it.is_empty()),
        "privateIPAddress": endpoint.asked_address(),
        "tags": own,
    });
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    fields
}

/// What a plan uses of a live endpoint.
pub fn bound(live: &Value) -> Value {
    let live = parsed(live);
    let status = live_connection(&live).map(|connection| connection.status);
    json!({"fields": comparable(&live), "status": status})
}
