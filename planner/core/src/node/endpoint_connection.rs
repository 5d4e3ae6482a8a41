//! Connections of private endpoints to Private Link Services.

use std::collections::BTreeMap;

use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

/// The address of the connection of an endpoint.
pub fn address(endpoint: &str, own: &BTreeMap<String, NodeId>) -> NodeId {
    let id = ResourceId::new(endpoint);
    let name = own.get(&id.key()).map_or_else(
        || {
            let part = |segment: Option<&str>| segment.unwrap_or_default().to_owned();
            format!("{}/{}/{}", part(id.subscription()), part(id.resource_group()), id.name())
        },
        |address| address.name.clone(),
    );
    NodeId::new(Kind::EndpointConnection, name)
}
