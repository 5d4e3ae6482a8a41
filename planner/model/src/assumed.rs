//! A cluster that nobody has looked at: what AKS makes by default, with what is pinned.

use std::sync::Arc;

use crate::arm::world::World;
use crate::controller::assume::assume;
use crate::controller::cluster::Cluster;
use crate::controller::predict::Change;
use crate::facts::{Facts, Origin};
use crate::kubernetes::node::Node;

/// A cluster without Services, and its facts. Names that are not pinned are those of the AKS
/// documentation.
pub fn cluster(pinned: &Facts) -> (Facts, Cluster) {
    let facts = facts(pinned);
    let node = |number: usize| Node {
        name: format!("aks-nodepool1-vmss00000{number}"),
        internal_addresses: vec![format!("10.240.0.{}", 4 + number)],
        ..Node::default()
    };
    let cluster = Cluster {
        facts: Arc::new(facts.clone()),
        nodes: vec![node(0).into(), node(1).into()],
        ..Cluster::default()
    };
    (facts, cluster)
}

/// Its network: subnets that Services name are taken to exist, with address ranges that nobody knows.
pub fn world(facts: &Facts, changes: &[Change]) -> World {
    let services = changes.iter().filter_map(|change| match change {
        Change::Apply(service) => Some(service.as_ref()),
        Change::Delete(_) | Change::Nudge(_) => None,
    });
    let mut world = World::default();
    assume(&mut world, facts, services);
    world
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
