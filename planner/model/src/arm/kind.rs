//! The types of resources that the model knows, by their ids.

use crate::resource_id::ResourceId;

/// The types that the model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    LoadBalancer,
    PrivateLinkService,
    PublicIpAddress,
    NetworkSecurityGroup,
    VirtualNetwork,
    Subnet,
    PrivateEndpoint,
    NetworkInterface,
    ZoneGroup,
    PrivateDnsZone,
    ZoneLink,
    RecordSet,
    BackendPool,
    EndpointConnection,
    ScaleSet,
    Instance,
    Other,
}

/// Whether an id names a private DNS zone, a link or a record.
pub fn is_private_dns(id: &ResourceId) -> bool {
    id.segment("privateDnsZones").is_some()
}

/// Whether an id names a zone group of an endpoint.
pub fn is_zone_group(id: &ResourceId) -> bool {
    id.segment("privateDnsZoneGroups").is_some()
}

/// The kind of resource an id in lower case names, by the types in its last provider's path.
pub(crate) fn kind_of(key: &str) -> Kind {
    let Some((_, path)) = key.rsplit_once("/providers/") else {
        return Kind::Other;
    };
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["microsoft.network", parts @ ..] => network_kind(parts),
        ["microsoft.compute", "virtualmachinescalesets", _] => Kind::ScaleSet,
        ["microsoft.compute", "virtualmachinescalesets", _, "virtualmachines", _] => Kind::Instance,
        _ => Kind::Other,
    }
}

fn network_kind(parts: &[&str]) -> Kind {
    match parts {
        ["loadbalancers", _] => Kind::LoadBalancer,
        ["loadbalancers", _, "backendaddresspools", _] => Kind::BackendPool,
        ["privatelinkservices", _, "privateendpointconnections", _] => Kind::EndpointConnection,
        ["privatelinkservices", _] => Kind::PrivateLinkService,
        ["publicipaddresses", _] => Kind::PublicIpAddress,
        ["networksecuritygroups", _] => Kind::NetworkSecurityGroup,
        ["virtualnetworks", _] => Kind::VirtualNetwork,
        ["virtualnetworks", _, "subnets", _] => Kind::Subnet,
        ["privateendpoints", _] => Kind::PrivateEndpoint,
        ["privateendpoints", _, "privatednszonegroups", _] => Kind::ZoneGroup,
        ["networkinterfaces", _] => Kind::NetworkInterface,
        ["privatednszones", _] => Kind::PrivateDnsZone,
        ["privatednszones", _, "virtualnetworklinks", _] => Kind::ZoneLink,
        ["privatednszones", _, _, _] => Kind::RecordSet,
        _ => Kind::Other,
    }
}
