//! Private endpoints.

use serde_json::{Value, json};

use crate::address::{Address, Kind};
use crate::arm::world::World;
use crate::desired::PrivateEndpoint;
use crate::desired::Subnet;
use crate::marks::{DNS_TAG, PROTECT_TAG, STACK_TAG};
use crate::node::Owners;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::service;

pub(crate) const TYPE: &str = "Microsoft.Network/privateEndpoints";

/// The address of an endpoint.
pub fn address(name: &str) -> Address {
    Address::new(Kind::PrivateEndpoint, name)
}

/// The id of a desired endpoint; `subscription` is that of documents that name none.
pub fn id(endpoint: &PrivateEndpoint, subscription: &str) -> ResourceId {
    let subscription = endpoint.subscription.as_ref().map_or(subscription, |it| it.as_str());
    ResourceId::in_group(subscription, &endpoint.resource_group, TYPE, endpoint.resource_name())
}

pub(crate) fn stack_of(live: &Value) -> Option<&str> {
    live.get("tags")?.get(STACK_TAG)?.as_str()
}

/// The state of a live endpoint's connection, as the endpoint shows it.
pub fn status(live: &Value) -> Option<String> {
    live_connection(live).map(|connection| connection.status)
}

/// The Service whose Private Link Service a live endpoint reaches.
pub fn service_of(live: &Value, world: &World, owners: &Owners) -> Option<Address> {
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
            "Microsoft.Network/virtualNetworks",
            virtual_network,
        )
        .child("subnets", name),
    }
}

/// The mark of the address an endpoint gets.
pub fn address_mark(endpoint: &ResourceId) -> String {
    unknown::mark("address", &endpoint.key())
}

/// A connection as its endpoint shows it.
pub(crate) struct LiveConnection {
    pub(crate) target: Option<String>,
    pub(crate) status: String,
    pub(crate) manual: bool,
}

pub(crate) fn live_connection(live: &Value) -> Option<LiveConnection> {
    let first = |list: &str| live.at(&format!("/properties/{list}/0/properties"));
    let (connection, manual) =
        first("privateLinkServiceConnections").map(|connection| (connection, false)).or_else(
            || first("manualPrivateLinkServiceConnections").map(|connection| (connection, true)),
        )?;
    let text = |pointer: &str| connection.at(pointer).and_then(Value::as_str);
    Some(LiveConnection {
        target: text("/privateLinkServiceId").map(ToOwned::to_owned),
        status: text("/privateLinkServiceConnectionState/status").unwrap_or_default().to_owned(),
        manual,
    })
}

/// The tags that privlink writes, and takes away again.
pub(crate) const OWN_TAGS: [&str; 3] = [STACK_TAG, PROTECT_TAG, DNS_TAG];

/// Of a live endpoint's tags, those that privlink writes.
fn own_tags(mut tags: Value) -> Value {
    if let Some(tags) = tags.as_object_mut() {
        tags.retain(|tag, _| OWN_TAGS.contains(&tag.as_str()));
        return Value::Object(std::mem::take(tags));
    }
    json!({})
}

/// What of an endpoint is compared: what privlink writes.
pub(crate) fn comparable(endpoint: &Value) -> Value {
    let at = |pointer: &str| endpoint.at(pointer).cloned().unwrap_or_default();
    let automatic = at("/properties/privateLinkServiceConnections/0");
    let manual = at("/properties/manualPrivateLinkServiceConnections/0");
    let (connection, approval) =
        if automatic.is_null() { (manual, "Manual") } else { (automatic, "Automatic") };
    let of = |pointer: &str| connection.at(pointer).cloned().unwrap_or_default();
    let mut fields = json!({
        "location": at("/location"),
        "subnet": at("/properties/subnet/id"),
        "approval": approval,
        "connectionName": of("/name"),
        "privateLinkServiceId": of("/properties/privateLinkServiceId"),
        "requestMessage": of("/properties/requestMessage").as_str().filter(|it| !it.is_empty()),
        "privateIPAddress": at("/properties/ipConfigurations/0/properties/privateIPAddress"),
        "tags": own_tags(at("/tags")),
    });
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    fields
}

/// What a plan uses of a live endpoint.
pub fn bound(live: &Value) -> Value {
    let status = live_connection(live).map(|connection| connection.status);
    json!({"fields": comparable(live), "status": status})
}
