//! Everything Azure holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::resource_id::ResourceId;

use super::address::{is_ipv4, nth_address, parse_range, ranges};
use super::arm_type::{ArmType, type_of};
use super::resource::{self, Frontend, NetworkInterface, Reference, Resource, Subnet};

/// Resources by their id in lower case. Iteration is in the order of the keys.
pub type Shelf<T> = BTreeMap<String, Arc<T>>;

macro_rules! world {
    ($($(#[doc = $doc:literal])+ $shelf:ident: $kind:ident,)+) => {
        /// Everything Azure holds. Cloning is cheap: resources are shared until they are changed.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct World {
            $($(#[doc = $doc])+ pub $shelf: Shelf<resource::$kind>,)+
            /// All other resources: scale sets and their instances, and what the model has no type for.
            pub others: Shelf<Value>,
            /// Private addresses held by what the world does not show them on, with the holder's id: machines,
            /// and dynamic NAT addresses of PLS. By the subnet's id in lower case, then by address.
            pub taken: BTreeMap<String, BTreeMap<IpAddr, String>>,
            /// Resource groups that are known not to exist, by [`group_key`]. Every request in one is answered 404
            /// `ResourceGroupNotFound`.
            pub missing_groups: BTreeSet<String>,
        }

        /// A resource that is held.
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Held<'a> {
            $($kind(&'a resource::$kind),)+
            Other(&'a Value),
        }

        impl World {
            fn store(&mut self, id: &ResourceId, resource: &Arc<Value>) -> Result<(), Malformed> {
                let key = id.key();
                match type_of(&key) {
                    $(ArmType::$kind => drop(self.$shelf.insert(key, typed(id, resource)?)),)+
                    _ => drop(self.others.insert(key, resource.clone())),
                }
                Ok(())
            }

            /// Drops a resource, asking nobody.
            pub fn remove(&mut self, id: &ResourceId) {
                let key = id.key();
                match type_of(&key) {
                    $(ArmType::$kind => drop(self.$shelf.remove(&key)),)+
                    _ => drop(self.others.remove(&key)),
                }
            }

            fn held(&self, key: &str) -> Option<Held<'_>> {
                self.held_as(type_of(key), key)
            }

            fn held_as(&self, kind: ArmType, key: &str) -> Option<Held<'_>> {
                match kind {
                    $(ArmType::$kind => self.$shelf.get(key).map(|it| Held::$kind(it)),)+
                    _ => self.others.get(key).map(|it| Held::Other(it)),
                }
            }

            /// The ids of the resources whose id begins so, in lower case, type by type.
            pub fn keys_below<'a>(&'a self, prefix: &str) -> impl Iterator<Item = &'a str> {
                let keys = std::iter::empty();
                $(let keys = keys.chain(below(&self.$shelf, prefix));)+
                keys.chain(below(&self.others, prefix))
            }
        }
    };
}

world! {
    /// Load balancers.
    load_balancers: LoadBalancer,
    /// Private link services.
    private_link_services: PrivateLinkService,
    /// Public IP addresses.
    public_ip_addresses: PublicIpAddress,
    /// Network security groups.
    network_security_groups: NetworkSecurityGroup,
    /// Virtual networks, without their subnets.
    virtual_networks: VirtualNetwork,
    /// Subnets of all virtual networks.
    subnets: Subnet,
    /// Private endpoints.
    private_endpoints: PrivateEndpoint,
    /// Network interfaces, those of scale sets apart.
    network_interfaces: NetworkInterface,
    /// Zone groups of private endpoints.
    zone_groups: ZoneGroup,
    /// Private DNS zones.
    private_dns_zones: PrivateDnsZone,
    /// Links of private DNS zones to virtual networks.
    zone_links: ZoneLink,
    /// Record sets of private DNS zones.
    record_sets: RecordSet,
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

fn typed<T: DeserializeOwned>(id: &ResourceId, value: &Value) -> Result<Arc<T>, Malformed> {
    T::deserialize(value)
        .map(Arc::new)
        .map_err(|error| Malformed::Body { id: id.to_string(), why: error.to_string() })
}

/// What a serializer makes of something.
type Written<S> = Result<<S as Serializer>::Ok, <S as Serializer>::Error>;

/// The child of this name.
fn named<P: Serialize, S: Serializer>(
    children: &Option<Vec<Arc<Resource<P>>>>,
    name: &str,
    serializer: S,
) -> Option<Written<S>> {
    let mut children = children.iter().flatten();
    let child = children.find(|child| child.name().eq_ignore_ascii_case(name))?;
    Some(child.serialize(serializer))
}

fn json<T: Serialize>(resource: &T) -> Option<Value> {
    serde_json::to_value(resource).ok()
}

/// A resource as ARM's JSON; those that are held as they are shown are written without a copy.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Held(Option<Held<'a>>),
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
        if type_of(&id.key()) != ArmType::VirtualNetwork {
            return self.store(&id, resource);
        }
        let mut network = resource.as_ref().clone();
        let properties = network.get_mut("properties").and_then(Value::as_object_mut);
        let subnets = properties.and_then(|it| it.shift_remove("subnets"));
        if let Some(Value::Array(subnets)) = subnets {
            for subnet in subnets {
                self.insert(subnet)?;
            }
        }
        self.store(&id, &Arc::new(network))
    }

    /// A resource as ARM's JSON, or a child that its parent holds (backend pools, frontends, rules,
    /// probes, connections of a PLS, security rules).
    pub fn get(&self, id: &ResourceId) -> Option<Value> {
        self.write(id, serde_json::value::Serializer)?.ok()
    }

    /// Writes what [`World::get`] gives. Nothing if it is not there.
    pub fn write<S: Serializer>(&self, id: &ResourceId, serializer: S) -> Option<Written<S>> {
        let key = id.key();
        let kind = type_of(&key);
        if kind == ArmType::VirtualNetwork {
            return Some(self.virtual_network(&key)?.serialize(serializer));
        }
        match (self.held_as(kind, &key), kind) {
            (Some(held), _) => Some(held.serialize(serializer)),
            (None, kind) if kind.is_held_in_parent() || kind == ArmType::Other => {
                self.write_child(id, &key, serializer)
            }
            (None, _) => None,
        }
    }

    /// Whether a resource is held.
    pub fn holds(&self, id: &ResourceId) -> bool {
        self.held(&id.key()).is_some()
    }

    fn virtual_network(&self, key: &str) -> Option<Value> {
        let mut network = json(self.virtual_networks.get(key)?.as_ref())?;
        let subnets: Vec<Value> = self.list(&format!("{key}/subnets"));
        if let Some(properties) = network.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("subnets".to_owned(), Value::Array(subnets));
        }
        Some(network)
    }

    /// A child that is held in its parent's properties.
    fn write_child<S: Serializer>(
        &self,
        id: &ResourceId,
        key: &str,
        serializer: S,
    ) -> Option<Written<S>> {
        let (rest, name) = key.rsplit_once('/')?;
        let (parent, collection) = rest.rsplit_once('/')?;
        // What a load balancer holds is asked for child by child: the others are not rendered.
        if let Some(balancer) = self.load_balancers.get(parent) {
            let properties = &balancer.properties;
            match collection {
                "frontendipconfigurations" => {
                    return named(&properties.frontend_ip_configurations, name, serializer);
                }
                "backendaddresspools" => {
                    return named(&properties.backend_address_pools, name, serializer);
                }
                "loadbalancingrules" => {
                    return named(&properties.load_balancing_rules, name, serializer);
                }
                "probes" => return named(&properties.probes, name, serializer),
                _ => {}
            }
        }
        let parent = self.get(&id.parent()?)?;
        let properties = parent.get("properties")?.as_object()?;
        let children = properties
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(collection))
            .map(|(_, children)| children)?;
        let is_it = |child: &&Value| {
            let own = child.get("name").and_then(Value::as_str);
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        Some(children.as_array()?.iter().find(is_it)?.serialize(serializer))
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
        let has_it = |interface: &&Arc<NetworkInterface>| {
            let mut addresses = interface.properties.ip_configurations.iter().flatten();
            addresses.any(|it| is_it(&it.properties.private_ip_address))
        };
        let interfaces = self.network_interfaces.values().filter(has_it);
        let interfaces = interfaces.map(|interface| interface.id().to_owned());
        frontends.chain(nat).chain(interfaces).next()
    }

    /// The IP configuration of a network interface that has an address.
    pub(crate) fn configuration_with(&self, address: IpAddr, interface: &str) -> Option<&str> {
        let interface = self.network_interfaces.get(&interface.to_ascii_lowercase())?;
        let mut all = interface.properties.ip_configurations.iter().flatten();
        let found = all.find(|it| it.address().parse() == Ok(address))?;
        found.id.as_deref()
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
        for interface in self.network_interfaces.values() {
            for it in interface.properties.ip_configurations.iter().flatten() {
                let subnet = it.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
                let id = match it.id() {
                    "" => format!("{}/ipConfigurations/{}", interface.id(), it.name()),
                    id => id.to_owned(),
                };
                inside.entry(subnet.to_ascii_lowercase()).or_default().push(id);
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

    fn shown(&self, key: &str) -> Shown<'_> {
        match type_of(key) {
            ArmType::VirtualNetwork => Shown::Made(self.virtual_network(key)),
            _ => Shown::Held(self.held(key)),
        }
    }

    /// The ids of all resources in lower case, type by type.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys_below("")
    }
}

fn below<'a, T>(shelf: &'a Shelf<T>, prefix: &str) -> impl Iterator<Item = &'a str> {
    let from = shelf.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
    from.map(|(key, _)| key.as_str()).take_while(move |key| key.starts_with(prefix))
}
