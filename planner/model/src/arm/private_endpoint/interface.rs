//! The network interfaces of endpoints and PLS, and what subnets show of both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::address::{in_subnet, ranges};
use crate::arm::azure::Azure;
use crate::arm::error::ArmError;
use crate::arm::resource::{PrivateLinkService, Reference};
use crate::pointer::At;
use crate::resource_id::ResourceId;

use super::{bad_request, text};

impl Azure<'_> {
    /// The address of a new endpoint: the one asked for, or a free one.
    pub(super) fn address_of_endpoint(
        &mut self,
        id: &ResourceId,
        body: &Value,
        subnet_id: &ResourceId,
    ) -> Result<String, ArmError> {
        let wanted = text(body, "/properties/ipConfigurations/0/properties/privateIPAddress");
        let Some(subnet) = self.world.subnets.get(&subnet_id.key()).cloned() else {
            return Err(super::missing_reference(subnet_id.as_str(), id));
        };
        let prefix = ranges(&subnet).next().unwrap_or_default().to_owned();
        if wanted.is_empty() {
            return self.hand.private_address(self.world, subnet_id, "IPv4", id).ok_or_else(|| {
                bad_request(
                    "SubnetIsFull",
                    format!(
                        "Subnet {} with address prefix {prefix} does not have enough capacity for 1 IP addresses.",
                        subnet_id.name()
                    ),
                )
            });
        }
        let Some(address) =
            wanted.parse::<IpAddr>().ok().filter(|address| in_subnet(*address, &subnet))
        else {
            return Err(bad_request(
                "PrivateIPAddressNotInSubnet",
                format!(
                    "Private static IP address {wanted} does not belong to the range of subnet prefix {prefix}."
                ),
            ));
        };
        self.check_free(address, &subnet, id)?;
        Ok(wanted.to_owned())
    }

    /// Makes the interface of an endpoint. Answers its id.
    pub(super) fn create_interface(
        &mut self,
        endpoint: &ResourceId,
        body: &Value,
        address: &str,
        service: &PrivateLinkService,
    ) -> String {
        let given = self.hand.network_interface(endpoint);
        let custom = text(body, "/properties/customNetworkInterfaceName");
        let id = match given.rsplit_once('/') {
            Some((collection, _)) if !custom.is_empty() => format!("{collection}/{custom}"),
            _ => given,
        };
        let id = ResourceId::new(id);
        let wanted = text(body, "/properties/subnet/id");
        let subnet = self.world.subnets.get(&wanted.to_lowercase());
        let subnet = subnet.map_or(wanted, |subnet| subnet.id()).to_owned();
        let name = format!("privateEndpointIpConfig.{}", self.hand.guid(&id));
        let mut configuration = configuration(&id, &name, address, &subnet, true);
        let connection = json!({
            "groupId": "", "requiredMemberName": "",
            "fqdns": service.properties.fqdns.as_deref().unwrap_or_default(),
        });
        super::set(
            &mut configuration,
            "/properties",
            "privateLinkConnectionProperties",
            connection,
        );
        let location = text(body, "/location").to_owned();
        let owner = ("privateEndpoint", endpoint.as_str());
        self.insert_interface(&id, &location, owner, vec![configuration]);
        id.as_str().to_owned()
    }

    fn insert_interface(
        &mut self,
        id: &ResourceId,
        location: &str,
        owner: (&str, &str),
        mut configurations: Vec<Value>,
    ) {
        let etag = self.hand.etag(id);
        for configuration in &mut configurations {
            super::set(configuration, "", "etag", json!(etag));
        }
        let guid = self.hand.guid(id);
        let interface = json!({
            "name": id.name(),
            "id": id.as_str(),
            "etag": etag,
            "type": "Microsoft.Network/networkInterfaces",
            "location": location,
            "kind": "Regular",
            "properties": {
                "provisioningState": "Succeeded",
                "resourceGuid": guid,
                "ipConfigurations": configurations,
                "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
                "enableAcceleratedNetworking": false,
                "enableIPForwarding": false,
                "hostedWorkloads": [],
                "nicType": "Standard",
                owner.0: {"id": owner.1},
            },
        });
        self.world.others.insert(id.key(), Arc::new(interface));
    }
}

fn configuration(
    interface: &ResourceId,
    name: &str,
    address: &str,
    subnet: &str,
    primary: bool,
) -> Value {
    json!({
        "name": name,
        "id": interface.child("ipConfigurations", name).as_str(),
        "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
        "properties": {
            "provisioningState": "Succeeded",
            "privateIPAddress": address,
            "privateIPAllocationMethod": "Dynamic",
            "privateIPAddressVersion": "IPv4",
            "subnet": {"id": subnet},
            "primary": primary,
        },
    })
}

/// Brings up to date what Azure derives from endpoints and PLS: the interfaces of PLS with the
/// addresses of their NAT configurations, and the endpoints each subnet shows. To be called after any
/// write; a second call changes nothing.
pub fn reflect(azure: &mut Azure<'_>) {
    remove_orphans(azure);
    let services: Vec<Arc<PrivateLinkService>> =
        azure.world.private_link_services.values().cloned().collect();
    for service in services {
        reflect_service(azure, &service);
    }
    reflect_subnets(azure);
}

/// Interfaces of PLS that went.
fn remove_orphans(azure: &mut Azure<'_>) {
    let kept: BTreeSet<String> = azure
        .world
        .private_link_services
        .values()
        .flat_map(|service| service.properties.network_interfaces.iter().flatten())
        .map(|interface| interface.id().to_lowercase())
        .collect();
    azure.world.others.retain(|key, resource| {
        kept.contains(key) || resource.at("/properties/privateLinkService/id").is_none()
    });
}

fn reflect_service(azure: &mut Azure<'_>, service: &PrivateLinkService) {
    let interfaces = service.properties.network_interfaces.as_deref().unwrap_or_default();
    let Some(id) = interfaces.first().map(|interface| ResourceId::new(interface.id())) else {
        return;
    };
    let live = azure.world.others.get(&id.key()).cloned();
    let had: BTreeMap<String, String> = live
        .iter()
        .filter_map(|live| live.at("/properties/ipConfigurations")?.as_array().cloned())
        .flatten()
        .map(|item| {
            let address = text(&item, "/properties/privateIPAddress").to_owned();
            (text(&item, "/name").to_owned(), address)
        })
        .collect();
    let wanted = service.properties.ip_configurations.as_deref().unwrap_or_default();
    let unchanged = live.is_some()
        && had.len() == wanted.len()
        && wanted.iter().all(|nat| {
            let fixed = nat.properties.private_ip_address.as_deref();
            had.get(nat.name()).is_some_and(|had| fixed.is_none_or(|fixed| fixed == had))
        });
    if unchanged {
        return;
    }
    // Without the old interface first, or its addresses would count as taken.
    azure.world.others.remove(&id.key());
    let mut configurations = Vec::new();
    for nat in wanted {
        let subnet = nat.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
        let fixed = nat.properties.private_ip_address.clone();
        let address = fixed.or_else(|| had.get(nat.name()).cloned()).or_else(|| {
            let of = ResourceId::new(nat.id());
            azure.hand.private_address(azure.world, &ResourceId::new(subnet), "IPv4", &of)
        });
        let primary = nat.properties.primary.unwrap_or_default();
        let address = address.unwrap_or_default();
        configurations.push(configuration(&id, nat.name(), &address, subnet, primary));
        // So that the next one gets another address.
        let location = service.location.clone().unwrap_or_default();
        let owner = ("privateLinkService", service.id());
        azure.insert_interface(&id, &location, owner, configurations.clone());
    }
}

fn reflect_subnets(azure: &mut Azure<'_>) {
    let mut endpoints: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, resource) in &azure.world.others {
        let is_endpoint = key
            .rsplit_once("/providers/microsoft.network/privateendpoints/")
            .is_some_and(|(_, rest)| !rest.contains('/'));
        if is_endpoint {
            let subnet = text(resource, "/properties/subnet/id").to_lowercase();
            endpoints.entry(subnet).or_default().push(text(resource, "/id").to_owned());
        }
    }
    let mut inside = azure.world.inside_subnets();
    let mut entered = BTreeSet::new();
    for (key, subnet) in &mut azure.world.subnets {
        let lists = [
            ("privateEndpoints", endpoints.remove(key).unwrap_or_default()),
            ("ipConfigurations", inside.remove(key).unwrap_or_default()),
        ];
        for (name, ids) in lists {
            let before = subnet.properties.other.get(name);
            let after = references(before, ids);
            if before == after.as_ref() {
                continue;
            }
            let shown = &mut Arc::make_mut(subnet).properties.other;
            match after {
                Some(after) => drop(shown.insert(name.to_owned(), after)),
                None => drop(shown.shift_remove(name)),
            }
            entered.extend(ResourceId::new(subnet.id()).parent());
        }
    }
    // The etag of a network moves when something enters one of its subnets, or leaves it.
    for network in entered {
        azure.touch_virtual_network(&network);
    }
}

/// A list of references: what it had before comes first, what is new behind. Nothing if it is empty.
fn references(before: Option<&Value>, mut ids: Vec<String>) -> Option<Value> {
    let before = before.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let place = |id: &str| {
        let is_it = |it: &Value| text(it, "/id").eq_ignore_ascii_case(id);
        before.iter().position(is_it).unwrap_or(usize::MAX)
    };
    ids.sort_by_cached_key(|id| place(id));
    let shown: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    (!shown.is_empty()).then_some(Value::Array(shown))
}

/// The private addresses of an endpoint or a PLS, as its interfaces show them.
pub fn addresses_of(world: &crate::arm::world::World, resource: &Value) -> Vec<String> {
    let interfaces = resource.at("/properties/networkInterfaces").and_then(Value::as_array);
    interfaces
        .into_iter()
        .flatten()
        .filter_map(|interface| world.get(&ResourceId::new(text(interface, "/id"))))
        .filter_map(|interface| interface.at("/properties/ipConfigurations")?.as_array().cloned())
        .flatten()
        .map(|item| text(&item, "/properties/privateIPAddress").to_owned())
        .collect()
}
