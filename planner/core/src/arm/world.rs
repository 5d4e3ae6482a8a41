//! Everything Azure holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::resource_id::ResourceId;

use super::resource::{
    LoadBalancer, NetworkSecurityGroup, PrivateLinkService, PublicIpAddress, Subnet, VirtualNetwork,
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
    Other,
}

/// The kind of resource an id names, by the types in its last provider's path.
pub(crate) fn kind_of(id: &ResourceId) -> Kind {
    let key = id.key();
    let Some((_, path)) = key.rsplit_once("/providers/microsoft.network/") else {
        return Kind::Other;
    };
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["loadbalancers", _] => Kind::LoadBalancer,
        ["privatelinkservices", _] => Kind::PrivateLinkService,
        ["publicipaddresses", _] => Kind::PublicIpAddress,
        ["networksecuritygroups", _] => Kind::NetworkSecurityGroup,
        ["virtualnetworks", _] => Kind::VirtualNetwork,
        ["virtualnetworks", _, "subnets", _] => Kind::Subnet,
        _ => Kind::Other,
    }
}

fn typed<T: DeserializeOwned>(id: &ResourceId, value: Value) -> Result<Arc<T>, Malformed> {
    serde_json::from_value(value)
        .map(Arc::new)
        .map_err(|error| Malformed::Body { id: id.to_string(), why: error.to_string() })
}

fn json<T: Serialize>(resource: Option<&Arc<T>>) -> Option<Value> {
    resource.and_then(|resource| serde_json::to_value(resource.as_ref()).ok())
}

impl World {
    /// Takes a resource in, as ARM's JSON shows it: nothing is checked, defaulted or allocated.
    /// A virtual network brings the subnets in its body with it.
    ///
    /// # Errors
    /// [`Malformed`] if it has no id, or its body does not fit its type.
    pub fn insert(&mut self, mut resource: Value) -> Result<(), Malformed> {
        let id = resource.get("id").and_then(Value::as_str).ok_or(Malformed::NoId)?;
        let id = ResourceId::new(id);
        let key = id.key();
        match kind_of(&id) {
            Kind::LoadBalancer => {
                self.load_balancers.insert(key, typed(&id, resource)?);
            }
            Kind::PrivateLinkService => {
                self.private_link_services.insert(key, typed(&id, resource)?);
            }
            Kind::PublicIpAddress => {
                self.public_ip_addresses.insert(key, typed(&id, resource)?);
            }
            Kind::NetworkSecurityGroup => {
                self.network_security_groups.insert(key, typed(&id, resource)?);
            }
            Kind::VirtualNetwork => {
                let subnets = resource
                    .get_mut("properties")
                    .and_then(Value::as_object_mut)
                    .and_then(|properties| properties.shift_remove("subnets"));
                if let Some(Value::Array(subnets)) = subnets {
                    for subnet in subnets {
                        self.insert(subnet)?;
                    }
                }
                self.virtual_networks.insert(key, typed(&id, resource)?);
            }
            Kind::Subnet => {
                self.subnets.insert(key, typed(&id, resource)?);
            }
            Kind::Other => {
                self.others.insert(key, Arc::new(resource));
            }
        }
        Ok(())
    }

    /// Drops a resource, asking nobody.
    pub fn remove(&mut self, id: &ResourceId) {
        let key = id.key();
        match kind_of(id) {
            Kind::LoadBalancer => drop(self.load_balancers.remove(&key)),
            Kind::PrivateLinkService => drop(self.private_link_services.remove(&key)),
            Kind::PublicIpAddress => drop(self.public_ip_addresses.remove(&key)),
            Kind::NetworkSecurityGroup => drop(self.network_security_groups.remove(&key)),
            Kind::VirtualNetwork => drop(self.virtual_networks.remove(&key)),
            Kind::Subnet => drop(self.subnets.remove(&key)),
            Kind::Other => drop(self.others.remove(&key)),
        }
    }

    /// A resource as ARM's JSON, or a child that its parent holds (backend pools, frontends, rules,
    /// probes, connections of a PLS, security rules).
    pub fn get(&self, id: &ResourceId) -> Option<Value> {
        let key = id.key();
        match kind_of(id) {
            Kind::LoadBalancer => json(self.load_balancers.get(&key)),
            Kind::PrivateLinkService => json(self.private_link_services.get(&key)),
            Kind::PublicIpAddress => json(self.public_ip_addresses.get(&key)),
            Kind::NetworkSecurityGroup => json(self.network_security_groups.get(&key)),
            Kind::VirtualNetwork => self.virtual_network(&key),
            Kind::Subnet => json(self.subnets.get(&key)),
            Kind::Other => {
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
        let parent = self.get(&id.parent()?)?;
        let collection = id.collection()?;
        let properties = parent.get("properties")?.as_object()?;
        let children = properties
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(collection.name()))
            .map(|(_, children)| children)?;
        let is_it = |child: &&Value| {
            child
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|name| name.eq_ignore_ascii_case(id.name()))
        };
        children.as_array()?.iter().find(is_it).cloned()
    }

    /// The resources of a collection (`/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers`),
    /// in the order of their ids.
    pub fn list(&self, collection: &str) -> Vec<Value> {
        let prefix = format!("{}/", collection.to_lowercase());
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

    /// All resources, in the order of their ids in lower case.
    pub fn to_json(&self) -> Vec<Value> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.get(&ResourceId::new(key))).collect()
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
