//! Subnets, as far as the controller writes them.

use serde_json::json;

use crate::arm::resource::Subnet;
use crate::node::{Node, plain};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

pub(crate) fn node(subnet: &Subnet) -> (NodeId, Node) {
    let id = ResourceId::new(subnet.id());
    let network = id.parent().map(|id| id.name().to_owned()).unwrap_or_default();
    let policy = subnet.properties.private_link_service_network_policies.clone();
    let fields = move || json!({"properties": {"privateLinkServiceNetworkPolicies": policy}});
    let name = format!("{network}/{}", id.name());
    (NodeId::new(Kind::Subnet, name), plain(id.as_str(), None, fields))
}
