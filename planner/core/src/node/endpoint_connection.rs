//! Connections of private endpoints to Private Link Services.

use std::collections::BTreeMap;

use crate::address::{Address, Kind};
use crate::resource_id::ResourceId;

/// The address of the connection of an endpoint.
pub fn address(endpoint: &str, own: &BTreeMap<String, Address>) -> Address {
    let id = ResourceId::new(endpoint);
    let name = own.get(&id.key()).map_or_else(
        || {
            let part = |segment: Option<&str>| segment.unwrap_or_default().to_owned();
            format!("{}/{}/{}", part(id.subscription()), part(id.resource_group()), id.name())
        },
        |address| address.name.clone(),
    );
    Address::new(Kind::EndpointConnection, name)
}
