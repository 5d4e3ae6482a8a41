//! Public IP addresses.

use std::sync::Arc;

use crate::arm::resource::PublicIpAddress;
use crate::node::fields::clean;
use crate::node::{Node, Owners, plain};
use crate::node_id::{Kind, NodeId};

pub(crate) fn node(address: &Arc<PublicIpAddress>, owners: &Owners) -> (NodeId, Node) {
    let service = address.name().split('-').find_map(|part| owners.of_name(part));
    let name = match service {
        Some(key) if address.name().ends_with("-IPv6") => format!("{key}/IPv6"),
        Some(key) => key.to_string(),
        None => address.name().to_owned(),
    };
    let own = Arc::clone(address);
    let node = plain(address.id(), service, move || clean(own.as_ref()));
    (NodeId::new(Kind::PublicIp, name), node)
}
