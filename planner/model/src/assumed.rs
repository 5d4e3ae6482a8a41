//! A cluster that nobody has looked at: what AKS makes by default, with what is pinned.

use std::sync::Arc;

use crate::arm::world::World;
use crate::controller::assume::assume;
use crate::controller::cluster::Cluster;
use crate::controller::predict::Change;
use crate::facts::{Fact, Facts, Origin};
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
    let default = Facts::default();
    for (fact, name) in [
        (Fact::Subscription, "00000000-0000-0000-0000-000000000000"),
        (Fact::ResourceGroup, "MC_myResourceGroup_myAKSCluster_eastus"),
        (Fact::Location, "eastus"),
        (Fact::VirtualNetwork, "aks-vnet"),
        (Fact::Subnet, "aks-subnet"),
        (Fact::SecurityGroup, "aks-agentpool-nsg"),
    ] {
        if facts.value(fact) == default.value(fact) {
            facts.sources.remove(&fact);
            facts.take(fact, Origin::Assumed, &name.into());
        }
    }
    if facts.zones.is_empty() && facts.source(Fact::Zones) != Origin::Pinned {
        facts.zones = ["1", "2", "3"].map(ToOwned::to_owned).to_vec();
    }
    facts
}
