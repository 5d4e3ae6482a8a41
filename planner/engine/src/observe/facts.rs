//! Facts about a cluster, from what was observed.

use std::collections::BTreeSet;

use privlink_core::facts::{BackendPoolType, Facts, LoadBalancerSku, Origin};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::{Reading, Snapshot};
use serde_json::Value;

use super::targets::{Cluster, Group, Targets, find, node_resource_group, node_subnets};

/// The facts about the targets' cluster: the pinned ones as they are, then those that the AKS API
/// tells, then those that live objects let infer; the rest is assumed. Which is which is in
/// [`Facts::sources`].
pub fn facts(snapshot: &Snapshot, targets: &Targets, pinned: &Facts) -> Facts {
    let mut found = Found(pinned.clone());
    if let Some(cluster) = &targets.cluster {
        let subscription = cluster.group.subscription.clone();
        found.set("subscription", Origin::Pinned, Some(subscription), |f, v| f.subscription = v);
        if let Some(live) = live_cluster(snapshot, targets) {
            found.read(live);
        }
    }
    if found.0.resource_group.is_empty()
        && targets.node_resource_group.is_none()
        && let Some(cluster) = &targets.cluster
        && !found.0.location.is_empty()
    {
        found.0.resource_group = default_node_group(cluster, &found.0.location);
    }
    let group = match &targets.node_resource_group {
        Some(group) => Some(group.clone()),
        None if found.0.resource_group.is_empty() => None,
        None => Some(Group::new(&found.0.subscription, &found.0.resource_group)),
    };
    if let Some(group) = group {
        let name = Some(group.name.clone());
        if targets.node_resource_group.is_some() {
            found.set("resourceGroup", Origin::Pinned, name, |f, v| f.resource_group = v);
        }
        found.infer_network(snapshot, &group);
        found.infer_controller(snapshot, &group);
    }
    found.infer_zones(snapshot);
    found.infer_version(snapshot);
    found.0
}

struct Found(Facts);

impl Found {
    /// Takes a fact, unless it is known already.
    fn set<T>(
        &mut self,
        field: &str,
        origin: Origin,
        value: Option<T>,
        assign: impl FnOnce(&mut Facts, T),
    ) {
        if let Some(value) = value
            && self.0.source(field) == Origin::Assumed
        {
            assign(&mut self.0, value);
            self.0.sources.insert(field.to_owned(), origin);
        }
    }

    fn set_text(
        &mut self,
        field: &str,
        origin: Origin,
        value: Option<&str>,
        assign: impl FnOnce(&mut Facts, String),
    ) {
        let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
        self.set(field, origin, value, assign);
    }

    /// A subnet says the virtual network and its group too. They are one fact: a subnet of another
    /// network than the pinned one would be nonsense.
    fn set_subnet(&mut self, origin: Origin, subnet: &ResourceId) {
        let network = subnet.segment("virtualNetworks");
        let known = self.0.virtual_network.as_str();
        let same = network.is_some_and(|name| known.is_empty() || name.eq_ignore_ascii_case(known));
        if !same {
            return;
        }
        self.set_text("virtualNetwork", origin, network, |f, v| f.virtual_network = v);
        self.set_text("subnet", origin, Some(subnet.name()), |f, v| f.subnet = v);
        if subnet.subscription() != Some(&self.0.subscription) {
            self.set_text("networkSubscription", origin, subnet.subscription(), |f, v| {
                f.network_subscription = Some(v);
            });
        }
        let group = subnet.resource_group();
        if !group.is_some_and(|group| group.eq_ignore_ascii_case(&self.0.resource_group)) {
            self.set_text("virtualNetworkResourceGroup", origin, group, |f, v| {
                f.virtual_network_resource_group = Some(v);
            });
        }
    }

    /// What the AKS API says of the cluster.
    fn read(&mut self, cluster: &Value) {
        let read = Origin::Read;
        let text = |pointer| cluster.pointer(pointer).and_then(Value::as_str);
        self.set_text("location", read, text("/location"), |f, v| f.location = v);
        let group = node_resource_group(cluster);
        self.set_text("resourceGroup", read, group, |f, v| f.resource_group = v);
        let sku = match text("/properties/networkProfile/loadBalancerSku") {
            Some(sku) if sku.eq_ignore_ascii_case("basic") => Some(LoadBalancerSku::Basic),
            Some(sku) if sku.eq_ignore_ascii_case("standard") => Some(LoadBalancerSku::Standard),
            _ => None,
        };
        self.set("loadBalancerSku", read, sku, |f, v| f.load_balancer_sku = v);
        let pool = text("/properties/networkProfile/loadBalancerProfile/backendPoolType");
        let pool = match pool {
            Some(kind) if kind.eq_ignore_ascii_case("nodeIP") => Some(BackendPoolType::NodeIp),
            Some(kind) if kind.eq_ignore_ascii_case("nodeIPConfiguration") => {
                Some(BackendPoolType::NodeIpConfiguration)
            }
            _ => None,
        };
        self.set("backendPoolType", read, pool, |f, v| f.backend_pool_type = v);
        let families = cluster.pointer("/properties/networkProfile/ipFamilies");
        let families = families.map(texts).filter(|families| !families.is_empty());
        self.set("ipFamilies", read, families, |f, v| f.ip_families = v);
        if let Some(subnet) = node_subnets(cluster).next() {
            self.set_subnet(read, &subnet);
        }
    }

    /// The network, from the node resource group: the subnet the nodes are in, else the only network
    /// with the only subnet, or the one that AKS makes.
    fn infer_network(&mut self, snapshot: &Snapshot, group: &Group) {
        let inferred = Origin::Inferred;
        let scale_sets = list(snapshot, group, "Microsoft.Compute/virtualMachineScaleSets");
        if let [only] = scale_sets.as_slice() {
            let name = only.get("name").and_then(Value::as_str);
            self.set_text("primaryVmSet", inferred, name, |f, v| f.primary_vm_set = v);
        }
        if let Some(subnet) = scale_sets.iter().find_map(|it| scale_set_subnet(it)) {
            self.set_subnet(inferred, &subnet);
        }
        let networks = list(snapshot, group, "Microsoft.Network/virtualNetworks");
        if let [network] = networks.as_slice()
            && let Some(subnet) = default_subnet(network)
        {
            self.set_subnet(inferred, &subnet);
        }
        let located = list(snapshot, group, "Microsoft.Network/loadBalancers").into_iter();
        let located = located.chain(scale_sets).chain(networks);
        let location = located.filter_map(|resource| resource.get("location")?.as_str()).next();
        self.set_text("location", inferred, location, |f, v| f.location = v);
        let groups = list(snapshot, group, "Microsoft.Network/networkSecurityGroups");
        if let [only] = groups.as_slice() {
            let name = only.get("name").and_then(Value::as_str);
            self.set_text("securityGroup", inferred, name, |f, v| f.security_group = v);
        }
    }

    /// What the controller's own work tells: its name for the cluster, and outbound SNAT.
    fn infer_controller(&mut self, snapshot: &Snapshot, group: &Group) {
        let tagged =
            ["Microsoft.Network/privateLinkServices", "Microsoft.Network/publicIPAddresses"];
        let names: BTreeSet<&str> = tagged
            .into_iter()
            .flat_map(|kind| list(snapshot, group, kind))
            .filter_map(|resource| resource.get("tags")?.get("k8s-azure-cluster-name")?.as_str())
            .collect();
        if names.len() == 1 {
            let name = names.first().copied();
            self.set_text("clusterName", Origin::Inferred, name, |f, v| f.cluster_name = v);
        }
        let balancers = list(snapshot, group, "Microsoft.Network/loadBalancers");
        let rules = balancers
            .iter()
            .filter_map(|balancer| balancer.pointer("/properties/loadBalancingRules")?.as_array())
            .flatten();
        let snat = rules
            .filter_map(|rule| rule.pointer("/properties/disableOutboundSnat")?.as_bool())
            .next();
        self.set("disableOutboundSnat", Origin::Inferred, snat, |f, v| {
            f.disable_outbound_snat = v;
        });
    }

    /// The region's zones: those of a live internal frontend, which the controller spreads over all
    /// of them. Without one, zonal nodes show only that the region has zones; three are assumed, as
    /// every region with zones has.
    fn infer_zones(&mut self, snapshot: &Snapshot) {
        let live = snapshot
            .resources_of_type("Microsoft.Network/loadBalancers")
            .filter_map(|balancer| {
                balancer.pointer("/properties/frontendIPConfigurations")?.as_array()
            })
            .flatten()
            .filter(|frontend| frontend.pointer("/properties/subnet").is_some())
            .filter_map(|frontend| frontend.get("zones"))
            .map(texts)
            .find(|zones| !zones.is_empty());
        self.set("zones", Origin::Inferred, live, |f, v| f.zones = v);
        if self.0.source("zones") == Origin::Assumed
            && self.0.zones.is_empty()
            && has_zonal_nodes(snapshot)
        {
            self.0.zones = ["1", "2", "3"].map(str::to_owned).to_vec();
        }
    }

    /// What follows from the version of Kubernetes, which on AKS the controller's follows.
    fn infer_version(&mut self, snapshot: &Snapshot) {
        let Reading::Present(version) = &snapshot.kubernetes.version else { return };
        let mut parts = version.trim_start_matches('v').split('.');
        let major = parts.next().and_then(|part| part.parse::<u32>().ok());
        let minor = parts.next().and_then(|part| part.parse::<u32>().ok());
        if let (Some(major), Some(minor)) = (major, minor) {
            let knows = Some((major, minor) >= (1, 35));
            self.set("knowsDisableNsgRule", Origin::Inferred, knows, |f, v| {
                f.knows_disable_nsg_rule = v;
            });
        }
    }
}

/// The name AKS gives the node resource group when it is not told one, cut to 80 characters.
fn default_node_group(cluster: &Cluster, location: &str) -> String {
    let name = format!("MC_{}_{}_{location}", cluster.group.name, cluster.name);
    name.chars().take(80).collect()
}

fn live_cluster<'a>(snapshot: &'a Snapshot, targets: &Targets) -> Option<&'a Value> {
    let cluster = targets.cluster.as_ref()?;
    let clusters = list(snapshot, &cluster.group, "Microsoft.ContainerService/managedClusters");
    find(clusters, &cluster.name)
}

/// A list that was read; nothing if it was not.
fn list<'a>(snapshot: &'a Snapshot, group: &Group, provider_type: &str) -> Vec<&'a Value> {
    let reading = snapshot.azure.get(&group.list(provider_type).to_lowercase());
    reading.into_iter().flat_map(Reading::objects).collect()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
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
mod tests {
    use std::collections::BTreeMap;

    use privlink_core::snapshot::{FORMAT_VERSION, Kubernetes};
    use serde_json::json;

    use super::*;

    const NETWORK: &str =
        "/subscriptions/S/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v";

    fn snapshot(lists: &[(&str, &str, Value)]) -> Snapshot {
        let azure: BTreeMap<_, _> = lists
            .iter()
            .map(|(group, kind, list)| {
                let path = Group::new("S", *group).list(kind).to_lowercase();
                (path, Reading::of(list.as_array().unwrap().clone()))
            })
            .collect();
        Snapshot {
            format_version: FORMAT_VERSION.to_owned(),
            taken_at: String::new(),
            redacted: false,
            kubernetes: Kubernetes {
                version: Reading::Present(String::from("v1.33.1")),
                namespace: String::from("default"),
                services: Reading::Present(Vec::new()),
                nodes: Reading::Present(Vec::new()),
                events: Reading::Present(Vec::new()),
            },
            azure,
            index: privlink_core::snapshot::Index::default(),
        }
    }

    fn targets() -> Targets {
        let group = Group::new("S", "rg");
        let cluster = Some(Cluster { group, name: String::from("aks") });
        Targets { cluster, ..Targets::default() }
    }

    fn cluster() -> Value {
        json!([{"name": "aks", "location": "eastus", "properties": {
            "nodeResourceGroup": "MC_rg",
            "networkProfile": {
                "loadBalancerSku": "standard",
                "loadBalancerProfile": {"backendPoolType": "nodeIP"},
                "ipFamilies": ["IPv4", "IPv6"],
            },
            "agentPoolProfiles": [{"vnetSubnetID": format!("{NETWORK}/subnets/nodes")}],
        }}])
    }

    #[test]
    fn the_aks_api_tells_and_says_so() {
        let clusters = "Microsoft.ContainerService/managedClusters";
        let facts = facts(&snapshot(&[("rg", clusters, cluster())]), &targets(), &Facts::default());
        assert_eq!(facts.resource_group, "MC_rg");
        assert_eq!(facts.subnet_id("nodes").as_str(), format!("{NETWORK}/subnets/nodes"));
        assert_eq!(facts.subnet, "nodes");
        assert_eq!(facts.backend_pool_type, BackendPoolType::NodeIp);
        assert_eq!(facts.ip_families, ["IPv4", "IPv6"]);
        for field in ["resourceGroup", "location", "subnet", "backendPoolType", "loadBalancerSku"] {
            assert_eq!(facts.source(field), Origin::Read, "{field}");
        }
        assert_eq!(facts.source("disableOutboundSnat"), Origin::Assumed);
        assert_eq!(facts.source("knowsDisableNsgRule"), Origin::Inferred);
        assert!(!facts.knows_disable_nsg_rule);
    }

    #[test]
    fn what_is_pinned_stays() {
        let mut pinned = Facts { location: String::from("westus"), ..Facts::default() };
        pinned.virtual_network = String::from("other");
        for field in ["location", "virtualNetwork"] {
            pinned.sources.insert(field.to_owned(), Origin::Pinned);
        }
        let clusters = "Microsoft.ContainerService/managedClusters";
        let facts = facts(&snapshot(&[("rg", clusters, cluster())]), &targets(), &pinned);
        assert_eq!((facts.location.as_str(), facts.source("location")), ("westus", Origin::Pinned));
        // The node pool's subnet is in another network than the pinned one.
        assert_eq!((facts.subnet.as_str(), facts.source("subnet")), ("", Origin::Assumed));
    }

    #[test]
    fn live_objects_let_infer_what_the_api_does_not_tell() {
        let subnet = format!("{NETWORK}/subnets/nodes");
        let primary = |inner: Value| json!([{"properties": inner}]);
        let interfaces =
            primary(json!({"ipConfigurations": primary(json!({"subnet": {"id": subnet}}))}));
        let scale_set = json!([{"name": "vmss", "location": "eastus", "properties": {
            "virtualMachineProfile": {
                "networkProfile": {"networkInterfaceConfigurations": interfaces}}}}]);
        let balancer = json!([{"name": "kubernetes-internal", "properties": {
            "frontendIPConfigurations": [
                {"zones": ["1", "2"], "properties": {"subnet": {"id": subnet}}}],
            "loadBalancingRules": [{"properties": {"disableOutboundSnat": false}}],
        }}]);
        let service = json!([{"tags": {"k8s-azure-cluster-name": "prod"}}]);
        let snapshot = snapshot(&[
            ("MC_rg", "Microsoft.Compute/virtualMachineScaleSets", scale_set),
            ("MC_rg", "Microsoft.Network/loadBalancers", balancer),
            ("MC_rg", "Microsoft.Network/privateLinkServices", service),
        ]);
        let targets = Targets { node_resource_group: Some(Group::new("S", "MC_rg")), ..targets() };
        let facts = facts(&snapshot, &targets, &Facts::default());
        assert_eq!(facts.virtual_network_resource_group.as_deref(), Some("net"));
        assert_eq!(facts.zones, ["1", "2"]);
        assert_eq!((facts.location.as_str(), facts.cluster_name.as_str()), ("eastus", "prod"));
        assert!(!facts.disable_outbound_snat);
        for field in ["subnet", "zones", "location", "clusterName", "disableOutboundSnat"] {
            assert_eq!(facts.source(field), Origin::Inferred, "{field}");
        }
    }

    #[test]
    fn the_node_group_has_a_name_by_default() {
        let mut pinned = Facts { location: String::from("eastus"), ..Facts::default() };
        pinned.sources.insert(String::from("location"), Origin::Pinned);
        let facts = facts(&snapshot(&[]), &targets(), &pinned);
        assert_eq!(facts.resource_group, "MC_rg_aks_eastus");
        assert_eq!(facts.source("resourceGroup"), Origin::Assumed);
    }

    #[test]
    fn zonal_nodes_alone_are_no_proof() {
        let mut snapshot = snapshot(&[]);
        let node = |zone| json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}});
        snapshot.kubernetes.nodes = Reading::of([node("0")]);
        assert!(facts(&snapshot, &targets(), &Facts::default()).zones.is_empty());
        snapshot.kubernetes.nodes = Reading::of([node("eastus-1")]);
        let facts = facts(&snapshot, &targets(), &Facts::default());
        assert_eq!((facts.zones.len(), facts.source("zones")), (3, Origin::Assumed));
    }
}
