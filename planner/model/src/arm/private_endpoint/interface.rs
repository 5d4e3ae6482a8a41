//! The network interfaces of endpoints and PLS, and what subnets show of both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::address::{in_subnet, ranges};
use crate::arm::arm_type::ArmType;
use crate::arm::azure::{Azure, succeeded};
use crate::arm::error::ArmError;
use crate::arm::network_security_group::reflect_groups;
use crate::arm::resource::{
    InterfaceAddress, InterfaceAddressProperties, NetworkInterface, NetworkInterfaceProperties,
    PrivateEndpoint, PrivateLinkService, Reference, Subnet,
};
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::pointer::text;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::bad_request;

impl Azure<'_> {
    /// The interface that a new endpoint will have, and the name of its IP configuration.
    pub(super) fn interface_of(
        &mut self,
        endpoint: &ResourceId,
        body: &PrivateEndpoint,
    ) -> (ResourceId, String) {
        let given = self.allocator.network_interface(endpoint);
        let id = asked_interface(endpoint, body).unwrap_or_else(|| ResourceId::new(given));
        let name = format!("privateEndpointIpConfig.{}", self.allocator.guid(&id));
        (id, name)
    }

    /// The address of a new endpoint in a subnet, for the IP configuration `by`: the one asked for, or a free
    /// one.
    pub(super) fn address_of_endpoint(
        &mut self,
        id: &ResourceId,
        body: &PrivateEndpoint,
        (subnet_id, by): (&ResourceId, &ResourceId),
    ) -> Result<String, ArmError> {
        let wanted = body.asked_address().unwrap_or_default();
        let Some(subnet) = self.world.subnets.get(&subnet_id.key()).cloned() else {
            return Err(super::missing_reference(subnet_id.as_str(), id));
        };
        if wanted.is_empty() {
            let given = self.allocator.private_address(self.world, subnet_id, "IPv4", id);
            return given.ok_or_else(|| subnet_is_full(&subnet));
        }
        let Some(address) =
            wanted.parse::<IpAddr>().ok().filter(|address| in_subnet(*address, &subnet))
        else {
            return Err(not_in_subnet(wanted, &subnet));
        };
        // A prediction does not know the interface, but who will have it.
        let by = if unknown::is_unknown(by.as_str()) { id } else { by };
        self.check_free(address, &subnet, by)?;
        Ok(wanted.to_owned())
    }

    /// The interface of an endpoint is the endpoint's: a PUT of it is refused, a PATCH of its tags is not
    /// (Azure/azure-sdk-for-python#18911, Azure/azure-rest-api-specs#34437,
    /// hashicorp/terraform-provider-azurerm#29319; the words are not quoted).
    pub(crate) fn check_free_interface(&self, id: &ResourceId) -> Result<(), ArmError> {
        let interface = self.world.network_interfaces.get(&id.key());
        let endpoint = interface.and_then(|it| it.properties.private_endpoint.as_ref());
        match endpoint.filter(|_| self.rules == Rules::Azure) {
            None => Ok(()),
            Some(endpoint) => Err(bad_request(
                "CannotModifyNicAttachedToPrivateEndpoint",
                format!(
                    "Network interface {id} is attached to private endpoint {}. It can not be modified by user.",
                    endpoint.id()
                ),
            )),
        }
    }

    /// An interface of the name that is asked for is not there yet (Azure/bicep-types-az#2649; the code is
    /// not quoted).
    pub(super) fn check_interface_name(
        &self,
        endpoint: &ResourceId,
        body: &PrivateEndpoint,
    ) -> Result<(), ArmError> {
        match asked_interface(endpoint, body).filter(|id| self.world.holds(id)) {
            None => Ok(()),
            Some(id) => Err(bad_request(
                "PrivateEndpointCustomNicNameAlreadyExists",
                format!("{endpoint} contains custom NIC name {} which already exists.", id.name()),
            )),
        }
    }

    /// Makes the interface of an endpoint, with the IP configuration `by`.
    pub(super) fn create_interface(
        &mut self,
        endpoint: &ResourceId,
        body: &PrivateEndpoint,
        by: &ResourceId,
        address: &str,
        service: &PrivateLinkService,
    ) {
        let id = by.parent().unwrap_or_default();
        let wanted = body.subnet();
        let subnet = self.world.subnets.get(&wanted.to_lowercase());
        let subnet = subnet.map_or(wanted, |subnet| subnet.id()).to_owned();
        let mut configuration = configuration(&id, by.name(), address, &subnet, true);
        configuration.properties.private_link_connection_properties = Some(json!({
            "groupId": "", "requiredMemberName": "",
            "fqdns": service.properties.fqdns.as_deref().unwrap_or_default(),
        }));
        let interface = NetworkInterface {
            location: Some(body.location.clone().unwrap_or_default()),
            properties: NetworkInterfaceProperties {
                private_endpoint: Some(Reference::to(endpoint.as_str())),
                ip_configurations: Some(vec![configuration]),
                ..NetworkInterfaceProperties::default()
            },
            ..NetworkInterface::default()
        };
        self.insert_interface(&id, interface);
    }

    /// Takes an interface in with what Azure fills in of every one.
    pub(crate) fn insert_interface(&mut self, id: &ResourceId, mut interface: NetworkInterface) {
        let etag = self.allocator.etag(id);
        for configuration in interface.properties.ip_configurations.iter_mut().flatten() {
            configuration.etag = Some(etag.clone());
        }
        interface.name = Some(id.name().to_owned());
        interface.id = Some(id.as_str().to_owned());
        interface.etag = Some(etag);
        interface.kind = Some(ArmType::NetworkInterface.name().to_owned());
        interface.other.insert("kind".to_owned(), json!("Regular"));
        interface.properties.provisioning_state = succeeded();
        let guid = interface.properties.resource_guid.take();
        interface.properties.resource_guid = Some(guid.unwrap_or_else(|| self.allocator.guid(id)));
        let rest = json!({
            "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
            "enableAcceleratedNetworking": false,
            "enableIPForwarding": false,
            "hostedWorkloads": [],
            "nicType": "Standard",
        });
        if let Value::Object(rest) = rest {
            for (name, default) in rest {
                interface.properties.other.entry(name).or_insert(default);
            }
        }
        self.world.network_interfaces.insert(id.key(), Arc::new(interface));
    }
}

/// ARM's refusal of a static address outside its subnet.
pub(crate) fn not_in_subnet(address: &str, subnet: &Subnet) -> ArmError {
    let range = ranges(subnet).next().unwrap_or_default();
    bad_request(
        "PrivateIPAddressNotInSubnet",
        format!(
            "Private static IP address {address} does not belong to the range of subnet prefix {range}."
        ),
    )
}

/// ARM's refusal when a subnet has no free address.
pub(crate) fn subnet_is_full(subnet: &Subnet) -> ArmError {
    let (name, range) = (subnet.name(), ranges(subnet).next().unwrap_or_default());
    bad_request(
        "SubnetIsFull",
        format!(
            "Subnet {name} with address prefix {range} does not have enough capacity for 1 IP addresses."
        ),
    )
}

/// The interface whose name an endpoint asks for.
fn asked_interface(endpoint: &ResourceId, body: &PrivateEndpoint) -> Option<ResourceId> {
    let name = body.properties.custom_network_interface_name.as_deref();
    let name = name.filter(|name| !name.is_empty())?;
    let (group, _) = endpoint.as_str().rsplit_once("/providers/")?;
    Some(ResourceId::new(format!("{}/{name}", ArmType::NetworkInterface.list_in(group))))
}

fn configuration(
    interface: &ResourceId,
    name: &str,
    address: &str,
    subnet: &str,
    primary: bool,
) -> InterfaceAddress {
    InterfaceAddress {
        name: Some(name.to_owned()),
        id: Some(interface.child("ipConfigurations", name).as_str().to_owned()),
        kind: Some(ArmType::NetworkInterface.child("ipConfigurations")),
        properties: InterfaceAddressProperties {
            provisioning_state: succeeded(),
            private_ip_address: Some(address.to_owned()),
            private_ip_allocation_method: Some("Dynamic".to_owned()),
            private_ip_address_version: Some("IPv4".to_owned()),
            subnet: Some(Reference::to(subnet)),
            primary: Some(primary),
            ..InterfaceAddressProperties::default()
        },
        ..InterfaceAddress::default()
    }
}

/// Brings up to date what Azure derives from endpoints and PLS: the interfaces of PLS with the
/// addresses of their NAT configurations, the endpoints each subnet shows, and what security groups
/// show. To be called after any write; a second call changes nothing.
pub fn reflect(azure: &mut Azure<'_>) {
    remove_orphans(azure);
    let services: Vec<Arc<PrivateLinkService>> =
        azure.world.private_link_services.values().cloned().collect();
    for service in services {
        reflect_service(azure, &service);
    }
    reflect_subnets(azure);
    reflect_groups(azure);
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
    azure.world.network_interfaces.retain(|key, interface| {
        kept.contains(key) || interface.properties.private_link_service.is_none()
    });
}

fn reflect_service(azure: &mut Azure<'_>, service: &PrivateLinkService) {
    let interfaces = service.properties.network_interfaces.as_deref().unwrap_or_default();
    let Some(id) = interfaces.first().map(|interface| ResourceId::new(interface.id())) else {
        return;
    };
    let live = azure.world.network_interfaces.get(&id.key()).cloned();
    let had: BTreeMap<String, String> = live
        .iter()
        .flat_map(|live| live.properties.ip_configurations.iter().flatten())
        .map(|item| (item.name().to_owned(), item.address().to_owned()))
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
    azure.world.network_interfaces.remove(&id.key());
    let mut configurations = Vec::new();
    for nat in wanted {
        let subnet = nat.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
        let fixed = nat.properties.private_ip_address.clone();
        let address = fixed.or_else(|| had.get(nat.name()).cloned()).or_else(|| {
            let of = ResourceId::new(nat.id());
            azure.allocator.private_address(azure.world, &ResourceId::new(subnet), "IPv4", &of)
        });
        let primary = nat.properties.primary.unwrap_or_default();
        let address = address.unwrap_or_default();
        configurations.push(configuration(&id, nat.name(), &address, subnet, primary));
        // So that the next one gets another address.
        let interface = NetworkInterface {
            location: Some(service.location.clone().unwrap_or_default()),
            properties: NetworkInterfaceProperties {
                private_link_service: Some(Reference::to(service.id())),
                ip_configurations: Some(configurations.clone()),
                ..NetworkInterfaceProperties::default()
            },
            ..NetworkInterface::default()
        };
        azure.insert_interface(&id, interface);
    }
}

fn reflect_subnets(azure: &mut Azure<'_>) {
    let mut endpoints: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for endpoint in azure.world.private_endpoints.values() {
        let of_subnet = endpoints.entry(endpoint.subnet().to_lowercase()).or_default();
        of_subnet.push(endpoint.id().to_owned());
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
pub fn addresses_of(world: &World, interfaces: &[Reference]) -> Vec<String> {
    let interfaces = interfaces.iter().map(|it| it.id().to_ascii_lowercase());
    interfaces
        .filter_map(|id| world.network_interfaces.get(&id))
        .flat_map(|interface| interface.properties.ip_configurations.iter().flatten())
        .map(|item| item.address().to_owned())
        .collect()
}
