//! The world a recording starts with, as its README tells it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use crate::arm::address::{is_ipv4, nth_address, parse_range, ranges};
use crate::arm::allocator::Unknowns;
use crate::arm::arm_type::ArmType;
use crate::arm::azure::Azure;
use crate::arm::resource::Subnet;
use crate::arm::rules::Rules;
use crate::arm::world::{World, group_key};
use crate::facts::{
    BackendPoolType, Facts, HealthProbeMode, LoadBalancerConfiguration, LoadBalancerSku, Origin,
    TABLE,
};
use crate::kubernetes::node::Node;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::case::{NodeDetail, RecordedCluster, Recording};

/// The first address of machines in the cluster's subnet.
const FIRST_ADDRESS: u128 = 4;
/// The zones of the fake's region.
const ZONES: [&str; 3] = ["1", "2", "3"];

fn text<'a>(config: &'a Map<String, Value>, field: &str) -> &'a str {
    config.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn some(config: &Map<String, Value>, field: &str) -> Option<String> {
    Some(text(config, field).to_owned()).filter(|value| !value.is_empty())
}

fn flag(config: &Map<String, Value>, field: &str, default: bool) -> bool {
    config.get(field).and_then(Value::as_bool).unwrap_or(default)
}

fn is(config: &Map<String, Value>, field: &str, value: &str) -> bool {
    text(config, field).eq_ignore_ascii_case(value)
}

/// The facts in a controller's cloud configuration. What it leaves out has the controller's default.
pub(crate) fn facts(cluster: &RecordedCluster) -> Facts {
    let config = &cluster.cloud_config;
    let mut facts = Facts {
        cluster_name: cluster.cluster_name.clone(),
        subscription: text(config, "subscriptionId").to_owned(),
        network_subscription: some(config, "networkResourceSubscriptionID"),
        resource_group: text(config, "resourceGroup").to_owned(),
        location: text(config, "location").to_owned(),
        extended_location: some(config, "extendedLocationName"),
        virtual_network: text(config, "vnetName").to_owned(),
        virtual_network_resource_group: some(config, "vnetResourceGroup"),
        subnet: text(config, "subnetName").to_owned(),
        security_group: text(config, "securityGroupName").to_owned(),
        security_group_resource_group: some(config, "securityGroupResourceGroup"),
        load_balancer_sku: if is(config, "loadBalancerSku", "basic") {
            LoadBalancerSku::Basic
        } else {
            LoadBalancerSku::Standard
        },
        load_balancer_name: some(config, "loadBalancerName"),
        load_balancer_resource_group: some(config, "loadBalancerResourceGroup"),
        private_link_service_resource_group: some(config, "privateLinkServiceResourceGroup"),
        backend_pool_type: pool_type(text(config, "loadBalancerBackendPoolConfigurationType")),
        pre_configured_backend_pools: text(config, "preConfiguredBackendPoolLoadBalancerTypes")
            .to_owned(),
        disable_outbound_snat: flag(config, "disableOutboundSNAT", false),
        exclude_control_plane: flag(config, "excludeMasterFromStandardLB", true),
        health_probe_mode: if is(config, "clusterServiceLoadBalancerHealthProbeMode", "shared") {
            HealthProbeMode::Shared
        } else {
            HealthProbeMode::ServiceNodePort
        },
        tags: configured_tags(config),
        system_tags: some(config, "systemTags"),
        primary_vm_set: some(config, "primaryScaleSetName")
            .or_else(|| some(config, "primaryAvailabilitySetName"))
            .unwrap_or_default(),
        load_balancer_configurations: configurations(config),
        zones: ZONES.map(ToOwned::to_owned).to_vec(),
        ..Facts::default()
    };
    let number = |field: &str| config.get(field).and_then(Value::as_i64);
    if let Some(limit) = number("maximumLoadBalancerRuleCount") {
        facts.maximum_rules = limit;
    }
    if let Some(port) = number("clusterServiceSharedLoadBalancerHealthProbePort") {
        facts.shared_probe_port = port;
    }
    if let Some(path) = some(config, "clusterServiceSharedLoadBalancerHealthProbePath") {
        facts.shared_probe_path = path;
    }
    if let Some(endpoint) = some(config, "resourceManagerEndpoint") {
        facts.endpoint = endpoint;
    }
    if cluster.dual_stack_nodes {
        facts.ip_families.push("IPv6".to_owned());
    }
    facts.sources = TABLE.iter().map(|row| (row.fact, Origin::Read)).collect();
    facts
}

fn pool_type(text: &str) -> BackendPoolType {
    if text.eq_ignore_ascii_case("nodeIP") {
        BackendPoolType::NodeIp
    } else if text.eq_ignore_ascii_case("podIP") {
        BackendPoolType::PodIp
    } else {
        BackendPoolType::NodeIpConfiguration
    }
}

fn configured_tags(config: &Map<String, Value>) -> std::collections::BTreeMap<String, String> {
    let mut tags = crate::controller::parse_tags(text(config, "tags"));
    let map = config.get("tagsMap").and_then(Value::as_object);
    for (key, value) in map.into_iter().flatten() {
        let key = key.trim().to_owned();
        tags.retain(|other, _| !other.eq_ignore_ascii_case(&key));
        tags.insert(key, value.as_str().unwrap_or_default().trim().to_owned());
    }
    tags
}

fn configurations(config: &Map<String, Value>) -> Vec<LoadBalancerConfiguration> {
    let field = config
        .get("multipleStandardLoadBalancerConfigurations")
        .or_else(|| config.get("multipleStandardLoadbalancerConfigurations"));
    let list = field.and_then(Value::as_array).into_iter().flatten();
    list.map(|it| LoadBalancerConfiguration {
        name: it.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        primary_vm_set: it
            .get("primaryVMSet")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        allow_service_placement: it.get("allowServicePlacement").and_then(Value::as_bool),
        service_label_selector: it.get("serviceLabelSelector").cloned(),
        service_namespace_selector: it.get("serviceNamespaceSelector").cloned(),
        node_selector: it.get("nodeSelector").cloned(),
    })
    .collect()
}

/// The provider path of the cluster's resource group, as configured: `${base}` in a recording.
pub(crate) fn base(facts: &Facts) -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers",
        facts.subscription, facts.resource_group
    )
}

/// Fills in `${base}` and `${vnet}`, and `${fip:NAME}` by what `frontend` knows.
pub(crate) fn fill_in(
    value: &Value,
    facts: &Facts,
    frontend: &dyn Fn(&str) -> Option<String>,
) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text
                .replace("${base}", &base(facts))
                .replace("${vnet}", facts.virtual_network_id().as_str());
            while let Some((before, rest)) = text.split_once("${fip:") {
                let Some((name, after)) = rest.split_once('}') else {
                    break;
                };
                let filled = frontend(name).unwrap_or_default();
                text = format!("{before}{filled}{after}");
            }
            Value::String(text)
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill_in(item, facts, frontend)).collect())
        }
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), fill_in(field, facts, frontend)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The scale set and the number of a machine in its node's name, `aks-nodepool1-vmss00000a`.
fn scale_set_of(node: &str) -> (&str, u64) {
    let at = node.len().saturating_sub(6);
    let (name, digits) = node.split_at_checked(at).unwrap_or((node, ""));
    (name, u64::from_str_radix(digits, 36).unwrap_or_default())
}

/// The names of the Nodes before the first step. A recording lists those there at its end.
fn first_nodes(recording: &Recording) -> Vec<String> {
    let mut names: BTreeSet<String> = recording.cluster.nodes.iter().cloned().collect();
    let of = |objects: &[Value]| -> Vec<String> {
        let nodes = objects.iter().filter(|it| it.get("kind") == Some(&Value::from("Node")));
        let names = nodes.filter_map(|it| it.pointer("/metadata/name")?.as_str());
        names.map(ToOwned::to_owned).collect()
    };
    for step in recording.steps.iter().rev() {
        for applied in of(&step.apply) {
            names.remove(&applied);
        }
        names.extend(of(&step.delete));
    }
    names.into_iter().collect()
}

/// The Nodes before the first step: registered with address, machine and nothing else.
pub(crate) fn nodes(recording: &Recording, facts: &Facts) -> Vec<Arc<Node>> {
    let cluster = &recording.cluster;
    let subnet = cluster.subnets.get(&facts.subnet);
    let subnet: Option<Subnet> = subnet
        .and_then(|properties| serde_json::from_value(json!({"properties": properties})).ok());
    let ranges: Vec<IpNet> = subnet.iter().flat_map(ranges).filter_map(parse_range).collect();
    let mut nodes = Vec::new();
    for name in first_nodes(recording) {
        if let Some(detail) = cluster.node_details.iter().find(|it| it.name == name) {
            nodes.push(registered(detail).into());
            continue;
        }
        let (scale_set, number) = scale_set_of(&name);
        let at = u128::from(number);
        let addresses = ranges
            .iter()
            .filter(|range| cluster.dual_stack_nodes || is_ipv4(range))
            .filter_map(|range| nth_address(*range, FIRST_ADDRESS + at))
            .map(|address| address.to_string());
        let internal_addresses = addresses.collect();
        let machine = format!(
            "{}/Microsoft.Compute/virtualMachineScaleSets/{scale_set}/virtualMachines/{number}",
            base(facts)
        );
        let node = Node { name, internal_addresses, machine: Some(machine), ..Node::default() };
        nodes.push(node.into());
    }
    nodes
}

/// A Node with the details that a recording tells.
fn registered(detail: &NodeDetail) -> Node {
    Node {
        name: detail.name.clone(),
        labels: detail.labels.clone(),
        internal_addresses: vec![detail.internal_ip.clone()],
        machine: detail.provider_id.strip_prefix("azure://").map(ToOwned::to_owned),
        ..Node::default()
    }
}

fn interfaces(scale_set: &str, subnet: &str, dual_stack: bool) -> Value {
    let configuration = |name: &str, version: &str, primary: bool| {
        json!({
            "name": name,
            "properties": {
                "primary": primary,
                "privateIPAddressVersion": version,
                "subnet": {"id": subnet},
                "loadBalancerBackendAddressPools": [],
            },
        })
    };
    let mut configurations = vec![configuration("ipconfig1", "IPv4", true)];
    if dual_stack {
        configurations.push(configuration("ipconfigv6", "IPv6", false));
    }
    json!([{
        "name": scale_set,
        "properties": {
            "primary": true,
            "enableIPForwarding": true,
            "ipConfigurations": configurations,
        },
    }])
}

/// The world before the first step: network, security group, scale set, and what the recording seeds; and the allocator
/// that its marks are of.
pub(crate) fn world(
    recording: &Recording,
    facts: &Facts,
    nodes: &[Arc<Node>],
) -> (World, Unknowns) {
    let cluster = &recording.cluster;
    let mut world = World::default();
    for group in &recording.arm_fake.missing_resource_groups {
        let anything = ResourceId::in_group(&facts.subscription, group, "Microsoft.Network/x", "x");
        world.missing_groups.extend(group_key(&anything));
    }
    let network = facts.virtual_network_id();
    let etag = |what: &str| unknown::mark("etag", what);
    let mut seeds = vec![json!({
        "id": network.as_str(),
        "name": facts.virtual_network,
        "location": facts.location,
        "type": ArmType::VirtualNetwork.name(),
        "etag": etag("virtual network"),
        "properties": {"provisioningState": "Succeeded"},
    })];
    for (name, properties) in &cluster.subnets {
        seeds.push(json!({
            "id": network.child("subnets", name).as_str(),
            "name": name,
            "type": ArmType::Subnet.name(),
            "etag": etag(&format!("subnet {name}")),
            "properties": properties,
        }));
    }
    let group = facts.security_group_resource_group.as_ref().unwrap_or(&facts.resource_group);
    let group = ResourceId::in_group(
        facts.network_subscription(),
        group,
        ArmType::NetworkSecurityGroup.name(),
        &facts.security_group,
    );
    seeds.push(json!({
        "id": group.as_str(),
        "name": facts.security_group,
        "location": facts.location,
        "type": ArmType::NetworkSecurityGroup.name(),
        "etag": etag("security group"),
        "properties": {
            "securityRules": [],
            "provisioningState": "Succeeded",
            "defaultSecurityRules": [],
        },
    }));
    let subnet = facts.subnet_id(&facts.subnet);
    for (at, node) in nodes.iter().enumerate() {
        let Some(machine) = &node.machine else {
            continue;
        };
        let scale_set = ResourceId::new(machine.as_str());
        let scale_set = scale_set.segment("virtualMachineScaleSets").unwrap_or_default();
        let interfaces = interfaces(scale_set, subnet.as_str(), cluster.dual_stack_nodes);
        let of_scale_set = machine.rsplit_once("/virtualMachines/").map_or("", |(id, _)| id);
        seeds.push(json!({
            "id": of_scale_set,
            "name": scale_set,
            "location": facts.location,
            "etag": etag("scale set"),
            "properties": {"virtualMachineProfile": {"networkProfile": {
                "networkInterfaceConfigurations": interfaces,
            }}},
        }));
        seeds.push(json!({
            "id": machine,
            "location": facts.location,
            "etag": etag(&format!("machine {at}")),
            "properties": {"networkProfileConfiguration": {
                "networkInterfaceConfigurations": interfaces,
            }},
        }));
        for address in node.internal_addresses.iter().filter_map(|it| it.parse::<IpAddr>().ok()) {
            let taken = world.taken.entry(subnet.key()).or_default();
            taken.insert(address, machine.clone());
        }
    }
    for seed in seeds {
        // All are made here, with ids; none can be malformed.
        let _ = world.insert(seed);
    }
    let mut allocator = Unknowns::default();
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world, Rules::RecordedLenient, &mut allocator, &mut faults);
    for resource in &cluster.seed_resources {
        let resource = fill_in(resource, facts, &|_| None);
        let id = ResourceId::new(resource.get("id").and_then(Value::as_str).unwrap_or_default());
        // A seed the fake refused would have failed the recording.
        let _ = azure.edit(&id, resource, false);
    }
    (world, allocator)
}
