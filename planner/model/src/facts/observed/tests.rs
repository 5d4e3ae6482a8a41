//! Facts from what was observed.

use std::collections::BTreeMap;

use crate::snapshot::{FORMAT_VERSION, Kubernetes};
use serde_json::json;

use super::super::BackendPoolType;
use super::*;

const NETWORK: &str =
    "/subscriptions/S/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v";

fn snapshot(lists: &[(&str, &str, Value)]) -> Snapshot {
    let azure: BTreeMap<_, _> = lists
        .iter()
        .map(|(group, kind, list)| {
            let path = format!("/subscriptions/S/resourceGroups/{group}/providers/{kind}");
            (path.to_lowercase(), Reading::of(list.as_array().unwrap().clone()))
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
            namespaces: None,
        },
        azure,
        index: crate::snapshot::Index::default(),
    }
}

/// The facts of cluster aks in group rg.
fn facts(snapshot: &Snapshot, pinned: &Facts) -> Facts {
    let cluster = Cluster { group: Group::new("S", "rg"), name: String::from("aks") };
    let place = Place { cluster: Some(&cluster), node_resource_group: None };
    infer(snapshot, place, pinned)
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
    let facts = facts(&snapshot(&[("rg", clusters, cluster())]), &Facts::default());
    assert_eq!(facts.resource_group, "MC_rg");
    assert_eq!(facts.subnet_id("nodes").as_str(), format!("{NETWORK}/subnets/nodes"));
    assert_eq!(facts.subnet, "nodes");
    assert_eq!(facts.backend_pool_type, BackendPoolType::NodeIp);
    assert_eq!(facts.ip_families, ["IPv4", "IPv6"]);
    for fact in [
        Fact::ResourceGroup,
        Fact::Location,
        Fact::Subnet,
        Fact::BackendPoolType,
        Fact::LoadBalancerSku,
    ] {
        assert_eq!(facts.source(fact), Origin::Read, "{fact:?}");
    }
    assert_eq!(facts.source(Fact::DisableOutboundSnat), Origin::Assumed);
    assert_eq!(facts.source(Fact::KnowsDisableNsgRule), Origin::Inferred);
    assert!(!facts.knows_disable_nsg_rule);
}

#[test]
fn several_load_balancers_are_read_as_the_controller_has_them() {
    let clusters = "Microsoft.ContainerService/managedClusters";
    let of_cluster = "Microsoft.ContainerService/managedClusters/aks/loadBalancers";
    let scale_sets = json!([
        {"name": "aks-one-1-vmss", "tags": {"aks-managed-poolName": "one"}},
        {"name": "aks-two-2-vmss"},
    ]);
    let configurations = json!([
        {"name": "kubernetes", "properties": {"primaryAgentPoolName": "one"}},
        {"name": "lb-two", "properties": {
            "primaryAgentPoolName": "two",
            "allowServicePlacement": false,
            "serviceLabelSelector": {"matchLabels": ["tier=edge"]},
        }},
    ]);
    let snapshot = snapshot(&[
        ("rg", clusters, cluster()),
        ("rg", of_cluster, configurations),
        ("MC_rg", "Microsoft.Compute/virtualMachineScaleSets", scale_sets),
    ]);
    let facts = facts(&snapshot, &Facts::default());
    let [one, two] = facts.load_balancer_configurations.as_slice() else { panic!() };
    assert_eq!((one.name.as_str(), one.primary_vm_set.as_str()), ("kubernetes", "aks-one-1-vmss"));
    assert_eq!(two.primary_vm_set, "aks-two-2-vmss");
    assert_eq!(two.allow_service_placement, Some(false));
    assert_eq!(two.service_label_selector, Some(json!({"matchLabels": {"tier": "edge"}})));
    assert_eq!(facts.source(Fact::LoadBalancerConfigurations), Origin::Read);
}

#[test]
fn what_is_pinned_stays() {
    let mut pinned = Facts { location: String::from("westus"), ..Facts::default() };
    pinned.virtual_network = String::from("other");
    for fact in [Fact::Location, Fact::VirtualNetwork] {
        pinned.sources.insert(fact, Origin::Pinned);
    }
    let clusters = "Microsoft.ContainerService/managedClusters";
    let facts = facts(&snapshot(&[("rg", clusters, cluster())]), &pinned);
    assert_eq!((facts.location.as_str(), facts.source(Fact::Location)), ("westus", Origin::Pinned));
    // The node pool's subnet is in another network than the pinned one.
    assert_eq!((facts.subnet.as_str(), facts.source(Fact::Subnet)), ("", Origin::Assumed));
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
    let group = Group::new("S", "MC_rg");
    let place = Place { cluster: None, node_resource_group: Some(&group) };
    let facts = infer(&snapshot, place, &Facts::default());
    assert_eq!(facts.virtual_network_resource_group.as_deref(), Some("net"));
    assert_eq!(facts.zones, ["1", "2"]);
    assert_eq!((facts.location.as_str(), facts.cluster_name.as_str()), ("eastus", "prod"));
    assert!(!facts.disable_outbound_snat);
    for fact in
        [Fact::Subnet, Fact::Zones, Fact::Location, Fact::ClusterName, Fact::DisableOutboundSnat]
    {
        assert_eq!(facts.source(fact), Origin::Inferred, "{fact:?}");
    }
}

#[test]
fn the_node_group_has_a_name_by_default() {
    let mut pinned = Facts { location: String::from("eastus"), ..Facts::default() };
    pinned.sources.insert(Fact::Location, Origin::Pinned);
    let facts = facts(&snapshot(&[]), &pinned);
    assert_eq!(facts.resource_group, "MC_rg_aks_eastus");
    assert_eq!(facts.source(Fact::ResourceGroup), Origin::Assumed);
}

#[test]
fn zonal_nodes_alone_are_no_proof() {
    let mut snapshot = snapshot(&[]);
    let node = |zone| json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}});
    snapshot.kubernetes.nodes = Reading::of([node("0")]);
    assert!(facts(&snapshot, &Facts::default()).zones.is_empty());
    snapshot.kubernetes.nodes = Reading::of([node("eastus-1")]);
    let facts = facts(&snapshot, &Facts::default());
    assert_eq!((facts.zones.len(), facts.source(Fact::Zones)), (3, Origin::Assumed));
}

#[test]
fn a_cluster_that_is_not_there_is_told_from_a_list_that_was_not_read() {
    let clusters = "Microsoft.ContainerService/managedClusters";
    let cluster = |name: &str| Cluster { group: Group::new("S", "rg"), name: name.to_owned() };
    let mut read = snapshot(&[("rg", clusters, json!([{"name": "b"}, {"name": "A"}]))]);
    assert_eq!(missing_cluster(&read, &cluster("a")), None);
    let others = vec![String::from("A"), String::from("b")];
    assert_eq!(missing_cluster(&read, &cluster("c")), Some(Missing::Name(others)));
    let path = cluster("a").list().to_lowercase();
    read.azure.insert(path.clone(), Reading::Absent);
    assert_eq!(missing_cluster(&read, &cluster("a")), Some(Missing::Group));
    read.azure.insert(path, Reading::Unreadable(String::from("403")));
    assert_eq!(missing_cluster(&read, &cluster("a")), None);
}
