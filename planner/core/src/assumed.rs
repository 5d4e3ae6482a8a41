//! A cluster that nobody has looked at: what AKS makes by default, with what is pinned.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::arm::world::World;
use crate::controller::sync::Cluster;
use crate::desired::Desired;
use crate::facts::{Facts, Origin};
use crate::kubernetes::node::Node;

/// The annotations that name subnets of the cluster's virtual network.
const SUBNETS: [&str; 2] = [
    "service.beta.kubernetes.io/azure-load-balancer-internal-subnet",
    "service.beta.kubernetes.io/azure-pls-ip-configuration-subnet",
];

/// A cluster without Services, its network, and its facts. Names that are not pinned are those of the
/// AKS documentation; subnets that Services name are taken to exist.
pub fn cluster(pinned: &Facts, desired: &Desired) -> (Facts, World, Cluster) {
    let facts = facts(pinned);
    let world = world(&facts, desired);
    let node = |number: usize| Node {
        name: format!("aks-nodepool1-vmss00000{number}"),
        internal_addresses: vec![format!("10.240.0.{}", 4 + number)],
        ..Node::default()
    };
    let cluster = Cluster {
        facts: Arc::new(facts.clone()),
        nodes: vec![node(0), node(1)],
        ..Cluster::default()
    };
    (facts, world, cluster)
}

fn facts(pinned: &Facts) -> Facts {
    let mut facts = pinned.clone();
    let mut assume = |name: &str, value: &mut String, assumed: &str| {
        if value.is_empty() {
            assumed.clone_into(value);
            facts.sources.insert(name.to_owned(), Origin::Assumed);
        }
    };
    assume("subscription", &mut facts.subscription, "00000000-0000-0000-0000-000000000000");
    let group = "MC_myResourceGroup_myAKSCluster_eastus";
    assume("resourceGroup", &mut facts.resource_group, group);
    assume("location", &mut facts.location, "eastus");
    assume("virtualNetwork", &mut facts.virtual_network, "aks-vnet");
    assume("subnet", &mut facts.subnet, "aks-subnet");
    assume("securityGroup", &mut facts.security_group, "aks-agentpool-nsg");
    if facts.zones.is_empty() && facts.source("zones") != Origin::Pinned {
        facts.zones = ["1", "2", "3"].map(ToOwned::to_owned).to_vec();
    }
    facts
}

fn world(facts: &Facts, desired: &Desired) -> World {
    let mut names = BTreeSet::from([facts.subnet.clone()]);
    for service in desired.services.values() {
        let named = SUBNETS.iter().filter_map(|key| service.annotation(key));
        names.extend(named.map(|name| name.value.clone()).filter(|name| !name.trim().is_empty()));
    }
    let subnets: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            // The cluster's own subnet holds the nodes; the others come beside it.
            let prefix = if *name == facts.subnet {
                "10.240.0.0/16".to_owned()
            } else {
                format!("10.241.{at}.0/24")
            };
            json!({
                "id": facts.subnet_id(name).as_str(),
                "name": name,
                "properties": {
                    "provisioningState": "Succeeded",
                    "addressPrefix": prefix,
                    "privateLinkServiceNetworkPolicies": "Enabled",
                },
            })
        })
        .collect();
    let network = json!({
        "id": facts.virtual_network_id().as_str(),
        "name": facts.virtual_network,
        "location": facts.location,
        "properties": {"provisioningState": "Succeeded", "subnets": subnets},
    });
    let group = json!({
        "id": crate::resource_id::ResourceId::in_group(
            facts.network_subscription(),
            &facts.security_group_group(),
            "Microsoft.Network/networkSecurityGroups",
            &facts.security_group,
        )
        .as_str(),
        "name": facts.security_group,
        "location": facts.location,
        "properties": {"provisioningState": "Succeeded", "securityRules": []},
    });
    let mut world = World::default();
    for resource in [network, group] {
        // Made above, of the shapes the world takes in.
        let taken = world.insert(resource);
        debug_assert!(taken.is_ok(), "{taken:?}");
    }
    world
}
