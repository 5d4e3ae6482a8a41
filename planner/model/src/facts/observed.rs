//! Facts about a cluster, from what was observed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Fact, Facts, LoadBalancerConfiguration, Origin, Read, TABLE};
use crate::arm::arm_type::ArmType;
use crate::group::{Cluster, Group};
use crate::resource_id::ResourceId;
use crate::snapshot::{Reading, Snapshot};

/// The probe that Services share in shared-probe mode.
pub(crate) const SHARED_PROBE: &str = "cluster-service-shared-health-probe";

/// Where a cluster is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The cluster, where it is said.
    pub cluster: Option<&'a Cluster>,
    /// Its node resource group, where that is said; the cluster's otherwise.
    pub node_resource_group: Option<&'a Group>,
}

/// The facts about a cluster: the pinned ones as they are, then those that the AKS API has, then those
/// that live objects let infer; the rest is assumed. Which is which is in [`Facts::sources`].
pub fn infer(snapshot: &Snapshot, place: Place<'_>, pinned: &Facts) -> Facts {
    let mut facts = pinned.clone();
    if let Some(cluster) = place.cluster {
        let subscription = json!(cluster.group.subscription);
        facts.take(Fact::Subscription, Origin::Pinned, &subscription);
        if let Some(live) = live_cluster(snapshot, cluster) {
            read_cluster(&mut facts, live);
        }
    }
    if facts.resource_group.is_empty()
        && place.node_resource_group.is_none()
        && let Some(cluster) = place.cluster
        && !facts.location.is_empty()
    {
        facts.resource_group = default_node_group(cluster, &facts.location);
    }
    let group = match place.node_resource_group {
        Some(group) => Some(group.clone()),
        None if facts.resource_group.is_empty() => None,
        None => Some(Group::new(&facts.subscription, &facts.resource_group)),
    };
    if let Some(group) = group {
        if place.node_resource_group.is_some() {
            facts.take(Fact::ResourceGroup, Origin::Pinned, &json!(group.name));
        }
        infer_network(&mut facts, snapshot, &group);
        infer_controller(&mut facts, snapshot, &group);
        if let Some(cluster) = place.cluster {
            read_load_balancers(&mut facts, snapshot, cluster, &group);
        }
    }
    infer_zones(&mut facts, snapshot);
    if let Reading::Present(version) = &snapshot.kubernetes.version {
        facts.take(Fact::KnowsDisableNsgRule, Origin::Inferred, &json!(version));
    }
    facts
}

/// What the AKS API says of the cluster, by the pointers of [`TABLE`].
fn read_cluster(facts: &mut Facts, cluster: &Value) {
    for row in TABLE {
        let (value, absent) = match row.read {
            Read::Pointer(pointer) => (cluster.pointer(pointer), None),
            Read::Feature(pointer, off) => (cluster.pointer(pointer), Some(Value::from(off))),
            Read::Nowhere | Read::Subnet(_) | Read::SubResource(_) => continue,
        };
        let value = value.filter(|it| !it.is_null()).or(absent.as_ref());
        if let Some(value) = value.filter(|it| it.as_array().is_none_or(|list| !list.is_empty())) {
            facts.take(row.fact, Origin::Read, value);
        }
    }
    if let Some(subnet) = node_subnets(cluster).next() {
        take_subnet(facts, Origin::Read, &subnet);
    }
}

/// A subnet says the virtual network and its group too. They are one fact: a subnet of another network
/// than the pinned one would be nonsense.
fn take_subnet(facts: &mut Facts, origin: Origin, subnet: &ResourceId) {
    let network = subnet.segment("virtualNetworks");
    let known = facts.virtual_network.as_str();
    let same = network.is_some_and(|name| known.is_empty() || name.eq_ignore_ascii_case(known));
    if !same {
        return;
    }
    facts.take(Fact::VirtualNetwork, origin, &json!(network));
    facts.take(Fact::Subnet, origin, &json!(subnet.name()));
    if subnet.subscription() != Some(&facts.subscription) {
        facts.take(Fact::NetworkSubscription, origin, &json!(subnet.subscription()));
    }
    let group = subnet.resource_group();
    if !group.is_some_and(|group| group.eq_ignore_ascii_case(&facts.resource_group)) {
        facts.take(Fact::VirtualNetworkResourceGroup, origin, &json!(group));
    }
}

/// The network, from the node resource group: the subnet the nodes are in, else the only network with
/// the only subnet, or the one that AKS makes.
fn infer_network(facts: &mut Facts, snapshot: &Snapshot, group: &Group) {
    let inferred = Origin::Inferred;
    let name = |resource: &Value| resource.get("name").cloned().unwrap_or_default();
    let scale_sets = list(snapshot, group, ArmType::ScaleSet);
    if let [only] = scale_sets.as_slice() {
        facts.take(Fact::PrimaryVmSet, inferred, &name(only));
    }
    if let Some(subnet) = scale_sets.iter().find_map(|it| scale_set_subnet(it)) {
        take_subnet(facts, inferred, &subnet);
    }
    let networks = list(snapshot, group, ArmType::VirtualNetwork);
    if let [network] = networks.as_slice()
        && let Some(subnet) = default_subnet(network)
    {
        take_subnet(facts, inferred, &subnet);
    }
    let located = list(snapshot, group, ArmType::LoadBalancer).into_iter();
    let mut located = located.chain(scale_sets).chain(networks);
    if let Some(location) = located.find_map(|resource| resource.get("location")) {
        facts.take(Fact::Location, inferred, location);
    }
    let groups = list(snapshot, group, ArmType::NetworkSecurityGroup);
    if let [only] = groups.as_slice() {
        facts.take(Fact::SecurityGroup, inferred, &name(only));
    }
}

/// What the controller's own work tells: its name for the cluster, outbound SNAT, and how it probes.
fn infer_controller(facts: &mut Facts, snapshot: &Snapshot, group: &Group) {
    let inferred = Origin::Inferred;
    let tagged = [ArmType::PrivateLinkService, ArmType::PublicIpAddress];
    let names: BTreeSet<&str> = tagged
        .into_iter()
        .flat_map(|kind| list(snapshot, group, kind))
        .filter_map(|resource| resource.get("tags")?.get("k8s-azure-cluster-name")?.as_str())
        .collect();
    if names.len() == 1 {
        facts.take(Fact::ClusterName, inferred, &json!(names.first()));
    }
    let balancers = list(snapshot, group, ArmType::LoadBalancer);
    let children = |pointer: &str| {
        let lists = balancers.iter().filter_map(|balancer| balancer.pointer(pointer)?.as_array());
        lists.flatten().collect::<Vec<_>>()
    };
    let rules = children("/properties/loadBalancingRules");
    let snat = rules.iter().find_map(|rule| rule.pointer("/properties/disableOutboundSnat"));
    facts.take(Fact::DisableOutboundSnat, inferred, snat.unwrap_or(&Value::Null));
    // In the shared mode Services have one probe of this name; without it none has it.
    let probes = children("/properties/probes");
    let mut names = probes.iter().filter_map(|probe| probe.get("name")?.as_str());
    if names.any(|name| name.eq_ignore_ascii_case(SHARED_PROBE)) {
        facts.take(Fact::HealthProbeMode, inferred, &json!("shared"));
    }
}

/// The configurations of several load balancers, on a list below the cluster. A list without entries
/// says that there is one load balancer.
fn read_load_balancers(facts: &mut Facts, snapshot: &Snapshot, cluster: &Cluster, group: &Group) {
    let path = cluster.list_of_load_balancers().to_lowercase();
    let Some(reading @ Reading::Present(_)) = snapshot.azure.get(&path) else { return };
    let scale_sets = list(snapshot, group, ArmType::ScaleSet);
    let read = |live: &Value| LoadBalancerConfiguration::from_aks(live, &scale_sets);
    let configurations: Vec<_> = reading.objects().filter_map(read).collect();
    facts.take(Fact::LoadBalancerConfigurations, Origin::Read, &json!(configurations));
}

/// The region's zones: those of a live internal frontend, which the controller spreads over all of
/// them. Without one, zonal nodes show only that the region has zones; three are assumed, as every region
/// with zones has.
fn infer_zones(facts: &mut Facts, snapshot: &Snapshot) {
    let live = snapshot
        .resources_of_type(ArmType::LoadBalancer.name())
        .filter_map(|balancer| balancer.pointer("/properties/frontendIPConfigurations")?.as_array())
        .flatten()
        .filter(|frontend| frontend.pointer("/properties/subnet").is_some())
        .filter_map(|frontend| frontend.get("zones"))
        .find(|zones| zones.as_array().is_some_and(|zones| !zones.is_empty()));
    facts.take(Fact::Zones, Origin::Inferred, live.unwrap_or(&Value::Null));
    if facts.source(Fact::Zones) == Origin::Assumed
        && facts.zones.is_empty()
        && has_zonal_nodes(snapshot)
    {
        facts.zones = ["1", "2", "3"].map(str::to_owned).to_vec();
    }
}

/// The name AKS gives the node resource group when it is not told one, cut to 80 characters.
fn default_node_group(cluster: &Cluster, location: &str) -> String {
    let name = format!("MC_{}_{}_{location}", cluster.group.name, cluster.name);
    name.chars().take(80).collect()
}

/// The cluster on the list that would have it.
fn live_cluster<'a>(snapshot: &'a Snapshot, cluster: &Cluster) -> Option<&'a Value> {
    let reading = snapshot.azure.get(&cluster.list().to_lowercase())?;
    find(reading.objects(), &cluster.name)
}

/// Why a cluster is not where it is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Its resource group is not there.
    Group,
    /// The group has other clusters, by name; none if it has no cluster at all.
    Name(Vec<String>),
}

/// Why a cluster is not there; nothing if it is, or if the list that would have it was not read.
pub fn missing_cluster(snapshot: &Snapshot, cluster: &Cluster) -> Option<Missing> {
    let reading = match snapshot.azure.get(&cluster.list().to_lowercase())? {
        Reading::Absent => return Some(Missing::Group),
        Reading::Unreadable(_) => return None,
        reading @ Reading::Present(_) => reading,
    };
    if find(reading.objects(), &cluster.name).is_some() {
        return None;
    }
    let name = |other: &Value| other.get("name")?.as_str().map(str::to_owned);
    let mut others: Vec<String> = reading.objects().filter_map(name).collect();
    others.sort();
    Some(Missing::Name(others))
}

/// A list that was read; nothing if it was not.
fn list<'a>(snapshot: &'a Snapshot, group: &Group, of: ArmType) -> Vec<&'a Value> {
    let reading = snapshot.azure.get(&group.list(of).to_lowercase());
    reading.into_iter().flat_map(Reading::objects).collect()
}

/// The resource with this name.
pub fn find<'a>(list: impl IntoIterator<Item = &'a Value>, name: &str) -> Option<&'a Value> {
    list.into_iter().find(|resource| {
        let own = resource.get("name").and_then(Value::as_str);
        own.is_some_and(|own| own.eq_ignore_ascii_case(name))
    })
}

/// The subnets of an AKS cluster's node pools; none when AKS made the virtual network.
pub fn node_subnets(cluster: &Value) -> impl Iterator<Item = ResourceId> {
    let pools = cluster.pointer("/properties/agentPoolProfiles").and_then(Value::as_array);
    pools
        .into_iter()
        .flatten()
        .filter_map(|pool| Some(ResourceId::new(pool.get("vnetSubnetID")?.as_str()?)))
}

/// The subnet of a scale set's primary network interface.
fn scale_set_subnet(scale_set: &Value) -> Option<ResourceId> {
    let interfaces = scale_set
        .pointer("/properties/virtualMachineProfile/networkProfile/networkInterfaceConfigurations")?
        .as_array()?;
    let is_primary =
        |entry: &&Value| entry.pointer("/properties/primary") == Some(&Value::Bool(true));
    let interface = interfaces.iter().find(is_primary).or_else(|| interfaces.first())?;
    let configurations = interface.pointer("/properties/ipConfigurations")?.as_array()?;
    let configuration =
        configurations.iter().find(is_primary).or_else(|| configurations.first())?;
    Some(ResourceId::new(configuration.pointer("/properties/subnet/id")?.as_str()?))
}

/// The only subnet of a network, or the one that AKS makes.
fn default_subnet(network: &Value) -> Option<ResourceId> {
    let subnets = network.pointer("/properties/subnets")?.as_array()?;
    let subnet = match subnets.as_slice() {
        [only] => only,
        several => find(several, "aks-subnet")?,
    };
    Some(ResourceId::new(subnet.get("id")?.as_str()?))
}

/// Whether a node's zone is a zone of a region (`eastus-1`), not a fault domain (`0`).
fn has_zonal_nodes(snapshot: &Snapshot) -> bool {
    let mut zones =
        snapshot.kubernetes.nodes.objects().filter_map(|node| {
            node.pointer("/metadata/labels/topology.kubernetes.io~1zone")?.as_str()
        });
    zones.any(|zone| zone.contains('-'))
}

#[cfg(test)]
mod tests;
