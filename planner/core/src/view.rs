//! Azure's side of a stack as nodes: each resource the controller touches, under the address of the
//! Service it belongs to, without what only the server knows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::address::{Address, Kind};
use crate::arm::resource::{Frontend, LoadBalancer, PrivateLinkService};
use crate::arm::world::World;
use crate::change::Consumer;
use crate::kubernetes::service::{Key, Service};
use crate::resource_id::ResourceId;

/// One node as it stands in Azure.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its id.
    pub id: ResourceId,
    /// The Service it belongs to.
    pub service: Option<Key>,
    /// What is compared and shown.
    pub fields: Value,
    /// What tells it from another resource of the same id, if there is such a thing.
    pub identity: Option<String>,
    /// Who is connected to it.
    pub consumers: Vec<Consumer>,
}

/// The Services whose names Azure's resources carry, by the base of those names.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    bases: BTreeMap<String, Key>,
}

impl Owners {
    /// Services by what the controller names their resources after.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>) -> Self {
        let bases = services
            .into_iter()
            .filter(|service| !service.uid.is_empty())
            .map(|service| (base_name(&service.uid), service.key.clone()))
            .collect();
        Self { bases }
    }

    /// The Service that a resource of this name belongs to.
    pub fn of_name(&self, name: &str) -> Option<&Key> {
        // The base that prefixes a name is the last one that does not sort behind it.
        let (base, key) =
            self.bases.range::<str, _>((Bound::Unbounded, Bound::Included(name))).next_back()?;
        name.starts_with(base.as_str()).then_some(key)
    }
}

/// The nodes of two worlds, addressed alike, so that they can be compared.
pub fn nodes(
    before: &World,
    after: &World,
    owners: &Owners,
) -> (BTreeMap<Address, View>, BTreeMap<Address, View>) {
    let (before, after) = (collect(before, owners), collect(after, owners));
    let crowded = crowded(&before, &after);
    (addressed(before, &crowded), addressed(after, &crowded))
}

/// Addresses that two nodes of one world would share: a Service may have a frontend on the internal
/// and one on the public load balancer.
fn crowded(before: &[(Address, View)], after: &[(Address, View)]) -> BTreeSet<Address> {
    let mut crowded = BTreeSet::new();
    for world in [before, after] {
        let mut seen = BTreeSet::new();
        for (address, _) in world {
            if !seen.insert(address) {
                crowded.insert(address.clone());
            }
        }
    }
    crowded
}

fn addressed(nodes: Vec<(Address, View)>, crowded: &BTreeSet<Address>) -> BTreeMap<Address, View> {
    nodes
        .into_iter()
        .map(|(address, view)| {
            if crowded.contains(&address) {
                let holder = view.id.parent().map(|id| id.name().to_owned()).unwrap_or_default();
                let name = format!("{}/{holder}", address.name);
                (Address::new(address.kind, name), view)
            } else {
                (address, view)
            }
        })
        .collect()
}

fn collect(world: &World, owners: &Owners) -> Vec<(Address, View)> {
    let mut nodes = Vec::new();
    for balancer in world.load_balancers.values() {
        load_balancer(balancer, owners, &mut nodes);
    }
    for service in world.private_link_services.values() {
        nodes.push(private_link_service(service, owners));
    }
    for address in world.public_ip_addresses.values() {
        let service = address.name().split('-').find_map(|part| owners.of_name(part));
        let name = match service {
            Some(key) if address.name().ends_with("-IPv6") => format!("{key}/IPv6"),
            Some(key) => key.to_string(),
            None => address.name().to_owned(),
        };
        let view = plain(address.id(), service, clean(address.as_ref()));
        nodes.push((Address::new(Kind::PublicIp, name), view));
    }
    for group in world.network_security_groups.values() {
        for rule in group.properties.security_rules.iter().flatten() {
            let name = format!("{}/{}", group.name(), rule.name());
            let id = ResourceId::new(group.id()).child("securityRules", rule.name());
            let view = plain(id.as_str(), None, clean(rule));
            nodes.push((Address::new(Kind::SecurityRule, name), view));
        }
    }
    for subnet in world.subnets.values() {
        let id = ResourceId::new(subnet.id());
        let network = id.parent().map(|id| id.name().to_owned()).unwrap_or_default();
        let policy = &subnet.properties.private_link_service_network_policies;
        let fields = json!({"properties": {"privateLinkServiceNetworkPolicies": policy}});
        let name = format!("{network}/{}", id.name());
        nodes.push((Address::new(Kind::Subnet, name), plain(id.as_str(), None, fields)));
    }
    nodes
}

fn plain(id: &str, service: Option<&Key>, fields: Value) -> View {
    View {
        id: ResourceId::new(id),
        service: service.cloned(),
        fields,
        identity: None,
        consumers: Vec::new(),
    }
}

fn load_balancer(balancer: &LoadBalancer, owners: &Owners, nodes: &mut Vec<(Address, View)>) {
    let name = balancer.name();
    let fields = json!({
        "location": balancer.location,
        "sku": balancer.sku.as_ref().and_then(|sku| sku.name.clone()),
        "tags": balancer.tags,
    });
    let mut view = plain(balancer.id(), None, without_nulls(fields));
    view.identity.clone_from(&balancer.properties.resource_guid);
    nodes.push((Address::new(Kind::LoadBalancer, name), view));
    for pool in balancer.properties.backend_address_pools.iter().flatten() {
        let id = ResourceId::new(balancer.id()).child("backendAddressPools", pool.name());
        let address = Address::new(Kind::BackendPool, format!("{name}/{}", pool.name()));
        nodes.push((address, plain(id.as_str(), None, json!({"name": pool.name()}))));
    }
    for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
        nodes.push(self::frontend(balancer, frontend, owners));
    }
}

fn frontend(balancer: &LoadBalancer, frontend: &Frontend, owners: &Owners) -> (Address, View) {
    let name = frontend.name();
    let service = owners.of_name(name);
    let address = match service {
        Some(key) if name.ends_with("-IPv6") => format!("{key}/IPv6"),
        Some(key) => key.to_string(),
        None => format!("{}/{name}", balancer.name()),
    };
    let id = ResourceId::new(balancer.id()).child("frontendIPConfigurations", name);
    let mut fields = clean(frontend);
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("name".to_owned(), name.into());
        fields.insert("loadBalancer".to_owned(), balancer.name().into());
        let (rules, probes) = rules_of(balancer, &id, owners);
        fields.insert("loadBalancingRules".to_owned(), rules);
        fields.insert("probes".to_owned(), probes);
    }
    let view = plain(id.as_str(), service, fields);
    (Address::new(Kind::FrontendIp, address), view)
}

/// The rules on a frontend, and the probes they use. They are named by what follows the Service's part
/// of their name (`TCP-80`), so that they can be compared across a change of the frontend's name.
fn rules_of(balancer: &LoadBalancer, frontend: &ResourceId, owners: &Owners) -> (Value, Value) {
    let mut rules = Map::new();
    let mut probes = Map::new();
    for rule in balancer.properties.load_balancing_rules.iter().flatten() {
        let of =
            rule.properties.frontend_ip_configuration.as_ref().map(|of| ResourceId::new(of.id()));
        if of.as_ref() != Some(frontend) {
            continue;
        }
        let mut fields = clean(rule);
        let probe = rule.properties.probe.as_ref().map(|probe| ResourceId::new(probe.id()));
        if let Some(fields) = fields.get_mut("properties").and_then(Value::as_object_mut) {
            fields.shift_remove("frontendIPConfiguration");
            fields.shift_remove("backendAddressPools");
            if let Some(probe) = &probe {
                fields.insert("probe".to_owned(), short_name(probe.name(), owners).into());
            }
        }
        let properties = fields.get("properties").cloned().unwrap_or_default();
        rules.insert(short_name(rule.name(), owners), properties);
        let live = balancer.properties.probes.iter().flatten();
        for live in
            live.filter(|live| probe.as_ref().is_some_and(|probe| probe.name() == live.name()))
        {
            let properties = clean(live).get("properties").cloned().unwrap_or_default();
            probes.insert(short_name(live.name(), owners), properties);
        }
    }
    (Value::Object(rules), Value::Object(probes))
}

/// What tells a rule or probe from others of its Service: `TCP-80` of `a257b...-apps-subnet-TCP-80`.
fn short_name(name: &str, owners: &Owners) -> String {
    let Some(key) = owners.of_name(name) else {
        return name.to_owned();
    };
    for protocol in ["-TCP-", "-UDP-", "-SCTP-"] {
        if let Some(at) = name.rfind(protocol) {
            let short = name.get(at + 1..).unwrap_or(name);
            let shared = owners.of_name(name) != Some(key);
            return if shared { format!("{key} {short}") } else { short.to_owned() };
        }
    }
    name.to_owned()
}

/// The address of a Private Link Service: its frontend's Service, or where it lies.
pub fn link_address(service: &PrivateLinkService, owners: &Owners) -> Address {
    let id = ResourceId::new(service.id());
    let frontend = frontend_of(service);
    let owner = frontend.as_ref().and_then(|frontend| owners.of_name(frontend.name()));
    let name = owner.map_or_else(
        || format!("{}/{}", id.resource_group().unwrap_or_default(), id.name()),
        ToString::to_string,
    );
    Address::new(Kind::PrivateLinkService, name)
}

fn private_link_service(service: &PrivateLinkService, owners: &Owners) -> (Address, View) {
    let id = ResourceId::new(service.id());
    let frontend = frontend_of(service);
    let owner = frontend.as_ref().and_then(|frontend| owners.of_name(frontend.name()));
    let mut view = plain(id.as_str(), owner, clean(service));
    view.identity = identity_of(service).map(ToOwned::to_owned);
    view.consumers = consumers(service);
    (link_address(service, owners), view)
}

/// What the names of a Service's resources begin with (k8s.io/cloud-provider DefaultLoadBalancerName).
pub fn base_name(uid: &str) -> String {
    if crate::unknown::is_unknown(uid) {
        return format!("a{uid}");
    }
    format!("a{uid}").chars().filter(|c| *c != '-').take(32).collect()
}

/// The frontend a Private Link Service is on.
pub fn frontend_of(service: &PrivateLinkService) -> Option<ResourceId> {
    let frontends = service.properties.load_balancer_frontend_ip_configurations.as_deref()?;
    frontends.first().map(|frontend| ResourceId::new(frontend.id()))
}

/// What tells a Private Link Service from another of the same name: its alias, which is made with it
/// and never changes, and else its guid.
pub fn identity_of(service: &PrivateLinkService) -> Option<&str> {
    let guid = || service.properties.other.get("resourceGuid").and_then(Value::as_str);
    service.properties.alias.as_deref().or_else(guid)
}

/// What Azure and privlink write where nobody wrote anything.
const NO_MESSAGE: [&str; 2] = ["Auto Approved", "Approved by privlink"];

/// Who is connected to a Private Link Service, in order of their endpoints' ids.
pub fn consumers(service: &PrivateLinkService) -> Vec<Consumer> {
    let connections = service.properties.private_endpoint_connections.iter().flatten();
    let mut consumers: Vec<Consumer> = connections
        .map(|connection| {
            let properties = &connection.properties;
            let endpoint = properties.private_endpoint.as_ref().map(|endpoint| endpoint.id());
            let state = properties.private_link_service_connection_state.as_ref();
            let id = ResourceId::new(endpoint.unwrap_or_default());
            Consumer {
                endpoint: id.as_str().to_owned(),
                subscription: id.subscription().unwrap_or_default().to_owned(),
                request_message: state
                    .and_then(|state| state.description.clone())
                    .filter(|description| !NO_MESSAGE.contains(&description.as_str()))
                    .unwrap_or_default(),
                status: state.and_then(|state| state.status.clone()).unwrap_or_default(),
                own: false,
            }
        })
        .collect();
    consumers.sort();
    consumers
}

/// Fields that only the server knows, or that say again what other nodes say.
const VOLATILE: [&str; 14] = [
    "etag",
    "id",
    "type",
    "provisioningState",
    "resourceGuid",
    "loadBalancingRules",
    "inboundNatRules",
    "inboundNatPools",
    "outboundRules",
    "privateLinkService",
    "privateEndpointConnections",
    "networkInterfaces",
    "ipConfiguration",
    "backendIPConfigurations",
];

/// A resource's JSON without volatile fields, nulls and empty lists; references become short names.
pub fn clean<T: Serialize>(resource: &T) -> Value {
    strip(serde_json::to_value(resource).unwrap_or_default())
}

/// What of a predicted resource Azure must show: without volatile fields, those that Azure alone fills
/// in, and `unsure` ones; with references as they are.
pub fn expected(value: &Value, unsure: &[&str]) -> Value {
    const FILLED_IN: [&str; 2] = ["alias", "noHealthyBackendsBehavior"];
    let is_left_out =
        |key: &str| VOLATILE.contains(&key) || FILLED_IN.contains(&key) || unsure.contains(&key);
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(_))) = (fields.len(), fields.get("id")) {
                return value.clone();
            }
            let kept: Map<String, Value> = fields
                .iter()
                .filter(|(key, _)| !is_left_out(key))
                .map(|(key, value)| (key.clone(), expected(value, unsure)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(|item| expected(item, unsure)).collect(),
        other => other.clone(),
    }
}

fn strip(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(id))) = (fields.len(), fields.get("id")) {
                return Value::String(short_id(id));
            }
            let kept: Map<String, Value> = fields
                .into_iter()
                .filter(|(key, _)| !VOLATILE.contains(&key.as_str()))
                .map(|(key, value)| (key, strip(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.into_iter().map(strip).collect(),
        other => other,
    }
}

fn without_nulls(value: Value) -> Value {
    strip(value)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What follows the provider in an id, such as `virtualNetworks/aks-vnet/subnets/apps-subnet`.
fn short_id(id: &str) -> String {
    id.rsplit_once("/Microsoft.Network/").map_or(id, |(_, short)| short).to_owned()
}
