//! Everything Azure holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::pointer::{At, text};
use crate::resource_id::ResourceId;

use super::address::{is_ipv4, nth_address, parse_range, ranges};
use super::resource::{
    Frontend, LoadBalancer, NetworkSecurityGroup, PrivateLinkService, PublicIpAddress, Resource,
    Subnet, VirtualNetwork,
};

/// Resources by their id in lower case. Iteration is in the order of the keys.
pub type Shelf<T> = BTreeMap<String, Arc<T>>;

/// Everything Azure holds. Cloning is cheap: resources are shared until they are changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// Load balancers.
    pub load_balancers: Shelf<LoadBalancer>,
    /// Private link services.
    pub private_link_services: Shelf<PrivateLinkService>,
    /// Public IP addresses.
    pub public_ip_addresses: Shelf<PublicIpAddress>,
    /// Network security groups.
    pub network_security_groups: Shelf<NetworkSecurityGroup>,
    /// Virtual networks, without their subnets.
    pub virtual_networks: Shelf<VirtualNetwork>,
    /// Subnets of all virtual networks.
    pub subnets: Shelf<Subnet>,
    /// All other resources: scale sets and their instances, network interfaces, private endpoints, DNS.
    pub others: Shelf<Value>,
    /// Private addresses held by what the world does not show them on, with the holder's id: machines,
    /// and dynamic NAT addresses of PLS. By the subnet's id in lower case, then by address.
    pub taken: BTreeMap<String, BTreeMap<IpAddr, String>>,
    /// Resource groups that are known not to exist, by [`group_key`]. Every request in one is answered 404
    /// `ResourceGroupNotFound`.
    pub missing_groups: BTreeSet<String>,
}

/// What a resource group is known by, from the id of anything in it:
/// `/subscriptions/.../resourcegroups/...` in lower case.
pub fn group_key(id: &ResourceId) -> Option<String> {
    let (subscription, group) = (id.subscription()?, id.resource_group()?);
    Some(format!("/subscriptions/{subscription}/resourcegroups/{group}").to_lowercase())
}

/// Why a resource could not be taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It has no id.
    #[error("the resource has no id")]
    NoId,
    /// Its body does not fit its type.
    #[error("{id}: {why}")]
    Body {
        /// The resource.
        id: String,
        /// What does not fit.
        why: String,
    },
}

/// The types that the model holds typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    LoadBalancer,
    PrivateLinkService,
    PublicIpAddress,
    NetworkSecurityGroup,
    VirtualNetwork,
    Subnet,
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
        _ => Kind::Other,
    }
}

fn typed<T: DeserializeOwned>(id: &ResourceId, value: &Value) -> Result<Arc<T>, Malformed> {
    T::deserialize(value)
        .map(Arc::new)
        .map_err(|error| Malformed::Body { id: id.to_string(), why: error.to_string() })
}

/// The child of this name.
fn named<P: Serialize>(children: &Option<Vec<Arc<Resource<P>>>>, name: &str) -> Option<Value> {
    json(children.iter().flatten().find(|child| child.name().eq_ignore_ascii_case(name)))
}

fn json<T: Serialize>(resource: Option<&Arc<T>>) -> Option<Value> {
    resource.and_then(|resource| serde_json::to_value(resource.as_ref()).ok())
}

/// A resource as ARM's JSON; the most frequent types are written without a copy of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Other(&'a Value),
    Subnet(&'a Subnet),
    Balancer(&'a LoadBalancer),
    Link(&'a PrivateLinkService),
    Made(Option<Value>),
}

/// As [`World::to_json`], written resource by resource.
impl Serialize for World {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        serializer.collect_seq(keys.into_iter().map(|key| self.shown(key)))
    }
}

impl World {
    /// Takes a resource in, as ARM's JSON shows it: nothing is checked, defaulted or allocated.
    /// A virtual network brings the subnets in its body with it.
    ///
    /// # Errors
    /// [`Malformed`] if it has no id, or its body does not fit its type.
    pub fn insert(&mut self, resource: Value) -> Result<(), Malformed> {
        self.insert_shared(&Arc::new(resource))
    }

    /// Takes a resource in as [`World::insert`] does, without a copy of what the model does not type.
    ///
    /// # Errors
    /// As for [`World::insert`].
    pub fn insert_shared(&mut self, resource: &Arc<Value>) -> Result<(), Malformed> {
        let id = resource.get("id").and_then(Value::as_str).ok_or(Malformed::NoId)?;
        let id = ResourceId::new(id);
        let key = id.key();
        match kind_of(&key) {
            Kind::LoadBalancer => {
                self.load_balancers.insert(key, typed(&id, resource)?);
            }
            Kind::PrivateLinkService => {
                self.private_link_services.insert(key, typed(&id, resource)?);
            }
            Kind::NetworkSecurityGroup => {
                self.network_security_groups.insert(key, typed(&id, resource)?);
            }
            Kind::Subnet => {
                self.subnets.insert(key, typed(&id, resource)?);
            }
            Kind::PublicIpAddress => {
                self.public_ip_addresses.insert(key, typed(&id, resource)?);
            }
            Kind::VirtualNetwork => {
                let mut network = resource.as_ref().clone();
                let properties = network.get_mut("properties").and_then(Value::as_object_mut);
                let subnets = properties.and_then(|it| it.shift_remove("subnets"));
                if let Some(Value::Array(subnets)) = subnets {
                    for subnet in subnets {
                        self.insert(subnet)?;
                    }
                }
                self.virtual_networks.insert(key, typed(&id, &network)?);
            }
            _ => {
                self.others.insert(key, resource.clone());
            }
        }
        Ok(())
    }

    /// Drops a resource, asking nobody.
    pub fn remove(&mut self, id: &ResourceId) {
        let key = id.key();
        match kind_of(&key) {
            Kind::LoadBalancer => drop(self.load_balancers.remove(&key)),
            Kind::PrivateLinkService => drop(self.private_link_services.remove(&key)),
            Kind::PublicIpAddress => drop(self.public_ip_addresses.remove(&key)),
            Kind::NetworkSecurityGroup => drop(self.network_security_groups.remove(&key)),
            Kind::VirtualNetwork => drop(self.virtual_networks.remove(&key)),
            Kind::Subnet => drop(self.subnets.remove(&key)),
            _ => drop(self.others.remove(&key)),
        }
    }

    /// A resource as ARM's JSON, or a child that its parent holds (backend pools, frontends, rules,
    /// probes, connections of a PLS, security rules).
    pub fn get(&self, id: &ResourceId) -> Option<Value> {
        let key = id.key();
        match kind_of(&key) {
            Kind::LoadBalancer => json(self.load_balancers.get(&key)),
            Kind::PrivateLinkService => json(self.private_link_services.get(&key)),
            Kind::PublicIpAddress => json(self.public_ip_addresses.get(&key)),
            Kind::NetworkSecurityGroup => json(self.network_security_groups.get(&key)),
            Kind::VirtualNetwork => self.virtual_network(&key),
            Kind::Subnet => json(self.subnets.get(&key)),
            _ => {
                self.others.get(&key).map(|other| other.as_ref().clone()).or_else(|| self.child(id))
            }
        }
    }

    fn virtual_network(&self, key: &str) -> Option<Value> {
        let mut network = json(self.virtual_networks.get(key))?;
        let subnets: Vec<Value> = self.list(&format!("{key}/subnets"));
        if let Some(properties) = network.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("subnets".to_owned(), Value::Array(subnets));
        }
        Some(network)
    }

    /// A child that is held in its parent's properties.
    fn child(&self, id: &ResourceId) -> Option<Value> {
        let (parent, collection) = (id.parent()?, id.collection()?);
        let (name, collection) = (id.name(), collection.name());
        // What a load balancer holds is asked for child by child: the others are not rendered.
        if let Some(balancer) = self.load_balancers.get(&parent.key()) {
            let properties = &balancer.properties;
            match collection.to_ascii_lowercase().as_str() {
                "frontendipconfigurations" => {
                    return named(&properties.frontend_ip_configurations, name);
                }
                "backendaddresspools" => return named(&properties.backend_address_pools, name),
                "loadbalancingrules" => return named(&properties.load_balancing_rules, name),
                "probes" => return named(&properties.probes, name),
                _ => {}
            }
        }
        let parent = self.get(&parent)?;
        let properties = parent.get("properties")?.as_object()?;
        let children = properties
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(collection))
            .map(|(_, children)| children)?;
        let is_it = |child: &&Value| {
            let own = child.get("name").and_then(Value::as_str);
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        children.as_array()?.iter().find(is_it).cloned()
    }

    /// The resources of a collection (`/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers`),
    /// in the order of their ids.
    pub fn list(&self, collection: &str) -> Vec<Value> {
        let prefix = format!("{}/", collection.to_ascii_lowercase());
        let mut found = Vec::new();
        for key in self.keys() {
            let is_member = key
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'));
            if is_member && let Some(value) = self.get(&ResourceId::new(key)) {
                found.push(value);
            }
        }
        found
    }

    /// A frontend by its id.
    pub fn frontend(&self, id: &str) -> Option<&Arc<Frontend>> {
        let id = ResourceId::new(id);
        let balancer = self.load_balancers.get(&id.parent()?.key())?;
        let mut frontends = balancer.properties.frontend_ip_configurations.iter().flatten();
        frontends.find(|frontend| frontend.name().eq_ignore_ascii_case(id.name()))
    }

    /// What holds a private address of a subnet: a frontend, a NAT address of a PLS, a network
    /// interface, a machine.
    pub fn holder_of(&self, address: IpAddr, subnet: &str) -> Option<String> {
        let is_it = |text: &Option<String>| {
            text.as_deref().and_then(|text| text.parse::<IpAddr>().ok()) == Some(address)
        };
        let taken = self.taken.get(&subnet.to_ascii_lowercase());
        if let Some(holder) = taken.and_then(|taken| taken.get(&address)) {
            return Some(holder.clone());
        }
        let frontends = self
            .load_balancers
            .values()
            .flat_map(|balancer| balancer.properties.frontend_ip_configurations.iter().flatten())
            .filter(|frontend| is_it(&frontend.properties.private_ip_address))
            .map(|frontend| frontend.id().to_owned());
        let nat = self
            .private_link_services
            .values()
            .flat_map(|service| service.properties.ip_configurations.iter().flatten())
            .filter(|nat| is_it(&nat.properties.private_ip_address))
            .map(|nat| nat.id().to_owned());
        let text = address.to_string();
        let interfaces = self
            .others
            .iter()
            .filter(|(key, _)| key.contains("/providers/microsoft.network/networkinterfaces/"))
            .filter(|(_, interface)| {
                let configurations = interface.at("/properties/ipConfigurations");
                configurations.and_then(Value::as_array).into_iter().flatten().any(|it| {
                    let address = it.at("/properties/privateIPAddress");
                    address.and_then(Value::as_str) == Some(text.as_str())
                })
            })
            .map(|(_, interface)| {
                interface.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
            });
        frontends.chain(nat).chain(interfaces).next()
    }

    /// The ids of the IP configurations in each subnet: frontends and network interfaces, by the subnet's
    /// id in lower case.
    pub(crate) fn inside_subnets(&self) -> BTreeMap<String, Vec<String>> {
        let mut inside: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for balancer in self.load_balancers.values() {
            for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
                if let Some(subnet) = &frontend.properties.subnet {
                    let subnet = subnet.id().to_ascii_lowercase();
                    inside.entry(subnet).or_default().push(frontend.id().to_owned());
                }
            }
        }
        for (key, interface) in &self.others {
            if !key.contains("/providers/microsoft.network/networkinterfaces/") {
                continue;
            }
            let configurations = interface.at("/properties/ipConfigurations");
            for it in configurations.and_then(Value::as_array).into_iter().flatten() {
                let subnet = text(it, "/properties/subnet/id").to_ascii_lowercase();
                let id = match text(it, "/id") {
                    "" => {
                        format!("{}/ipConfigurations/{}", text(interface, "/id"), text(it, "/name"))
                    }
                    id => id.to_owned(),
                };
                inside.entry(subnet).or_default().push(id);
            }
        }
        for nic in self.nics() {
            inside.entry(nic.subnet.to_ascii_lowercase()).or_default().push(nic.id);
        }
        inside
    }

    /// Whether Azure keeps an address of a subnet to itself: the first four and the last.
    pub fn is_reserved(&self, address: IpAddr, subnet: &Subnet) -> bool {
        ranges(subnet).filter_map(parse_range).any(|range| {
            let mut first = (0..4).filter_map(|offset| nth_address(range, offset));
            first.any(|it| it == address) || range.broadcast() == address
        })
    }

    /// The lowest free address of a subnet from the fourth on, as Azure allocates.
    pub fn lowest_free_address(&self, subnet: &ResourceId, version: &str) -> Option<IpAddr> {
        let subnet = self.subnets.get(&subnet.key())?;
        let of_version = |range: &IpNet| is_ipv4(range) == (version != "IPv6");
        ranges(subnet)
            .filter_map(parse_range)
            .filter(of_version)
            .flat_map(|range| (4..u128::MAX).map_while(move |offset| nth_address(range, offset)))
            .find(|address| {
                !self.is_reserved(*address, subnet)
                    && self.holder_of(*address, subnet.id()).is_none()
            })
    }

    /// All resources, in the order of their ids in lower case.
    pub fn to_json(&self) -> Vec<Value> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.get(&ResourceId::new(key))).collect()
    }

    fn shown<'a>(&'a self, key: &'a str) -> Shown<'a> {
        let found = self.others.get(key).map(|it| Shown::Other(it));
        let found = found.or_else(|| self.subnets.get(key).map(|it| Shown::Subnet(it)));
        let found = found.or_else(|| self.load_balancers.get(key).map(|it| Shown::Balancer(it)));
        let found = found.or_else(|| self.private_link_services.get(key).map(|it| Shown::Link(it)));
        found.unwrap_or_else(|| Shown::Made(self.get(&ResourceId::new(key))))
    }

    /// The ids of the resources whose id begins so, in lower case, type by type.
    pub fn keys_below<'a>(&'a self, prefix: &str) -> impl Iterator<Item = &'a str> {
        below(&self.load_balancers, prefix)
            .chain(below(&self.private_link_services, prefix))
            .chain(below(&self.public_ip_addresses, prefix))
            .chain(below(&self.network_security_groups, prefix))
            .chain(below(&self.virtual_networks, prefix))
            .chain(below(&self.subnets, prefix))
            .chain(below(&self.others, prefix))
    }

    /// The ids of all resources in lower case, type by type.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.load_balancers
            .keys()
            .chain(self.private_link_services.keys())
            .chain(self.public_ip_addresses.keys())
            .chain(self.network_security_groups.keys())
            .chain(self.virtual_networks.keys())
            .chain(self.subnets.keys())
            .chain(self.others.keys())
            .map(String::as_str)
    }
}

fn below<'a, T>(shelf: &'a Shelf<T>, prefix: &str) -> impl Iterator<Item = &'a str> {
    let from = shelf.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
    from.map(|(key, _)| key.as_str()).take_while(move |key| key.starts_with(prefix))
}
