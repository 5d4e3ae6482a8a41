//! Subnets, as far as the controller writes them.

use serde_json::json;

use crate::address::{Address, Kind};
use crate::arm::resource::Subnet;
use crate::node::{View, plain};
use crate::resource_id::ResourceId;

pub(crate) fn node(subnet: &Subnet) -> (Address, View) {
    let id = ResourceId::new(subnet.id());
    let network = id.parent().map(|id| id.name().to_owned()).unwrap_or_default();
    let policy = subnet.properties.private_link_service_network_policies.clone();
    let fields = move || json!({"properties": {"privateLinkServiceNetworkPolicies": policy}});
    let name = format!("{network}/{}", id.name());
    (Address::new(Kind::Subnet, name), plain(id.as_str(), None, fields))
}
