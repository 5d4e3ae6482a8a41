//! Azure's side of a stack as nodes: each resource the controller touches, under the address of the
//! Service it belongs to, without what only the server knows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::address::{Address, Kind};
use crate::arm::resource::{
    Frontend, LoadBalancer, NetworkSecurityGroup, PrivateLinkService, Probe, PublicIpAddress,
    Resource, Rule, SecurityRule, Subnet,
};
use crate::arm::world::{Shelf, World};
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

/// Nodes by address. Those that did not change are shared between worlds.
pub(crate) type Nodes = BTreeMap<Address, Arc<View>>;

/// The nodes of each resource, by the resource's id in lower case.
type Collected = BTreeMap<String, Vec<(Address, Arc<View>)>>;

/// The nodes of two worlds, addressed alike, so that they can be compared.
pub(crate) fn nodes(before: &World, after: &World, owners: &Owners) -> (Nodes, Nodes) {
    let nothing = (World::default(), Collected::new());
    let nodes_before = collect(before, owners, (&nothing.0, &nothing.1));
    let nodes_after = collect(after, owners, (before, &nodes_before));
    let crowded = crowded(&nodes_before, &nodes_after);
    (addressed(nodes_before, &crowded), addressed(nodes_after, &crowded))
}

/// Addresses that two nodes of one world would share: a Service may have a frontend on the internal
/// and one on the public load balancer.
fn crowded(before: &Collected, after: &Collected) -> BTreeSet<Address> {
    let mut crowded = BTreeSet::new();
    for world in [before, after] {
        let mut seen = BTreeSet::new();
        for (address, _) in world.values().flatten() {
            if !seen.insert(address) {
                crowded.insert(address.clone());
            }
        }
    }
    crowded
}

fn addressed(nodes: Collected, crowded: &BTreeSet<Address>) -> Nodes {
    nodes
        .into_values()
        .flatten()
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

/// The nodes of a world. Those of resources that are the very ones of `known` are taken from there.
fn collect(world: &World, owners: &Owners, known: (&World, &Collected)) -> Collected {
    let (other, known) = known;
    let mut nodes = Collected::new();
    each(&world.load_balancers, &other.load_balancers, known, &mut nodes, |balancer| {
        load_balancer(balancer, owners)
    });
    each(&world.private_link_services, &other.private_link_services, known, &mut nodes, |link| {
        vec![private_link_service(link, owners)]
    });
    each(&world.public_ip_addresses, &other.public_ip_addresses, known, &mut nodes, |address| {
        vec![public_ip_address(address, owners)]
    });
    let groups = (&world.network_security_groups, &other.network_security_groups);
    each(groups.0, groups.1, known, &mut nodes, security_rules);
    each(&world.subnets, &other.subnets, known, &mut nodes, |it| vec![subnet(it)]);
    nodes
}

fn each<T>(
    shelf: &Shelf<T>,
    other: &Shelf<T>,
    known: &Collected,
    nodes: &mut Collected,
    make: impl Fn(&T) -> Vec<(Address, View)>,
) {
    for (key, resource) in shelf {
        let is_known = other.get(key).is_some_and(|other| Arc::ptr_eq(other, resource));
        let of_it = match known.get(key).filter(|_| is_known) {
            Some(nodes) => nodes.clone(),
            None => make(resource)
                .into_iter()
                .map(|(address, view)| (address, Arc::new(view)))
                .collect(),
        };
        nodes.insert(key.clone(), of_it);
    }
}

fn public_ip_address(address: &PublicIpAddress, owners: &Owners) -> (Address, View) {
    let service = address.name().split('-').find_map(|part| owners.of_name(part));
    let name = match service {
        Some(key) if address.name().ends_with("-IPv6") => format!("{key}/IPv6"),
        Some(key) => key.to_string(),
        None => address.name().to_owned(),
    };
    let view = plain(address.id(), service, clean(address));
    (Address::new(Kind::PublicIp, name), view)
}

fn security_rules(group: &NetworkSecurityGroup) -> Vec<(Address, View)> {
    let rules = group.properties.security_rules.iter().flatten();
    let rule = |rule: &Arc<SecurityRule>| {
        let name = format!("{}/{}", group.name(), rule.name());
        let id = ResourceId::new(group.id()).child("securityRules", rule.name());
        let view = plain(id.as_str(), None, clean(rule));
        (Address::new(Kind::SecurityRule, name), view)
    };
    rules.map(rule).collect()
}

fn subnet(subnet: &Subnet) -> (Address, View) {
    let id = ResourceId::new(subnet.id());
    let network = id.parent().map(|id| id.name().to_owned()).unwrap_or_default();
    let policy = &subnet.properties.private_link_service_network_policies;
    let fields = json!({"properties": {"privateLinkServiceNetworkPolicies": policy}});
    let name = format!("{network}/{}", id.name());
    (Address::new(Kind::Subnet, name), plain(id.as_str(), None, fields))
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

fn load_balancer(balancer: &LoadBalancer, owners: &Owners) -> Vec<(Address, View)> {
    let mut nodes = Vec::new();
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
    let rules = Rules::of(balancer);
    for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
        nodes.push(self::frontend(balancer, frontend, &rules, owners));
    }
    nodes
}

fn frontend(
    balancer: &LoadBalancer,
    frontend: &Frontend,
    rules: &Rules<'_>,
    owners: &Owners,
) -> (Address, View) {
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
        let (rules, probes) = rules.on(&id, owners);
        fields.insert("loadBalancingRules".to_owned(), rules);
        fields.insert("probes".to_owned(), probes);
    }
    let view = plain(id.as_str(), service, fields);
    (Address::new(Kind::FrontendIp, address), view)
}

/// The rules of a load balancer by their frontend's id in lower case, and its probes by name.
struct Rules<'a> {
    by_frontend: BTreeMap<String, Vec<&'a Rule>>,
    probes: BTreeMap<&'a str, &'a Probe>,
}

impl<'a> Rules<'a> {
    fn of(balancer: &'a LoadBalancer) -> Self {
        let mut by_frontend: BTreeMap<String, Vec<&Rule>> = BTreeMap::new();
        for rule in balancer.properties.load_balancing_rules.iter().flatten() {
            if let Some(frontend) = &rule.properties.frontend_ip_configuration {
                by_frontend.entry(frontend.id().to_ascii_lowercase()).or_default().push(rule);
            }
        }
        let probes = balancer.properties.probes.iter().flatten();
        let probes = probes.map(|probe| (probe.name(), probe.as_ref())).collect();
        Self { by_frontend, probes }
    }

    /// The rules on a frontend, and the probes they use. They are named by what follows the Service's
    /// part of their name (`TCP-80`), so that they can be compared across a change of the frontend's
    /// name.
    fn on(&self, frontend: &ResourceId, owners: &Owners) -> (Value, Value) {
        let mut rules = Map::new();
        let mut probes = Map::new();
        for rule in self.by_frontend.get(&frontend.key()).into_iter().flatten() {
            let probe = rule.properties.probe.as_ref().map(|probe| ResourceId::new(probe.id()));
            let mut properties = properties(*rule);
            if let Some(fields) = properties.as_object_mut() {
                fields.shift_remove("frontendIPConfiguration");
                fields.shift_remove("backendAddressPools");
                if let Some(probe) = &probe {
                    fields.insert("probe".to_owned(), short_name(probe.name(), owners).into());
                }
            }
            rules.insert(short_name(rule.name(), owners), properties);
            if let Some(live) = probe.and_then(|probe| self.probes.get(probe.name())) {
                probes.insert(short_name(live.name(), owners), self::properties(*live));
            }
        }
        (Value::Object(rules), Value::Object(probes))
    }
}

/// The properties of a resource, cleaned.
fn properties<P: Serialize>(resource: &Resource<P>) -> Value {
    match clean(&resource.properties) {
        Value::Object(fields) if fields.is_empty() => Value::Null,
        properties => properties,
    }
}

/// What tells a rule or probe from others of its Service: `TCP-80` of `a257b...-apps-subnet-TCP-80`.
fn short_name(name: &str, owners: &Owners) -> String {
    if owners.of_name(name).is_none() {
        return name.to_owned();
    }
    let start = ["-TCP-", "-UDP-", "-SCTP-"].iter().find_map(|protocol| name.rfind(protocol));
    start.and_then(|at| name.get(at + 1..)).unwrap_or(name).to_owned()
}

/// The address of a Private Link Service: its frontend's Service, or where it lies.
pub(crate) fn link_address(service: &PrivateLinkService, owners: &Owners) -> Address {
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
pub(crate) fn base_name(uid: &str) -> String {
    if crate::unknown::is_unknown(uid) {
        return format!("a{uid}");
    }
    format!("a{uid}").chars().filter(|c| *c != '-').take(32).collect()
}

/// The frontend a Private Link Service is on.
pub(crate) fn frontend_of(service: &PrivateLinkService) -> Option<ResourceId> {
    let frontends = service.properties.load_balancer_frontend_ip_configurations.as_deref()?;
    frontends.first().map(|frontend| ResourceId::new(frontend.id()))
}

/// What tells a Private Link Service from another of the same name: its alias, which is made with it
/// and never changes, and else its guid.
pub(crate) fn identity_of(service: &PrivateLinkService) -> Option<&str> {
    let guid = || service.properties.resource_guid.as_deref();
    service.properties.alias.as_deref().or_else(guid)
}

/// What Azure and privlink write where nobody wrote anything.
const NO_MESSAGE: [&str; 4] = ["", "Auto Approved", "Awaiting Approval", "Approved by privlink"];

/// Who is connected to a Private Link Service, in order of their endpoints' ids.
pub(crate) fn consumers(service: &PrivateLinkService) -> Vec<Consumer> {
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
pub(crate) fn clean<T: Serialize>(resource: &T) -> Value {
    strip(serde_json::to_value(resource).unwrap_or_default())
}

/// What of a predicted resource Azure must show: without volatile fields, those that Azure alone fills
/// in, and `unsure` ones; with references as they are.
pub(crate) fn expected(mut value: Value, unsure: &[&str]) -> Value {
    keep_expected(&mut value, unsure);
    value
}

fn keep_expected(value: &mut Value, unsure: &[&str]) {
    const FILLED_IN: [&str; 2] = ["alias", "noHealthyBackendsBehavior"];
    let is_left_out =
        |key: &str| VOLATILE.contains(&key) || FILLED_IN.contains(&key) || unsure.contains(&key);
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(_))) = (fields.len(), fields.get("id")) {
                return;
            }
            fields.retain(|key, _| !is_left_out(key));
            fields.values_mut().for_each(|value| keep_expected(value, unsure));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| keep_expected(item, unsure)),
        _ => {}
    }
}

fn strip(mut value: Value) -> Value {
    strip_in_place(&mut value);
    value
}

fn strip_in_place(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let (1, Some(Value::String(id))) = (fields.len(), fields.get("id")) {
                *value = Value::String(short_id(id));
                return;
            }
            fields.retain(|key, value| {
                let is_kept = !VOLATILE.contains(&key.as_str());
                if is_kept {
                    strip_in_place(value);
                }
                is_kept && !is_empty(value)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(strip_in_place),
        _ => {}
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
