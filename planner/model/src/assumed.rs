//! A cluster that nobody has looked at: what AKS makes by default, with what is pinned.

mod public;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::annotation;
use crate::arm::arm_type::ArmType;
use crate::arm::world::World;
use crate::controller::cluster::Cluster;
use crate::controller::predict::Change;
use crate::facts::{Fact, Facts, Origin};
use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;

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

/// Its network. What Services name is taken to exist: subnets, with address ranges that nobody knows, and
/// public addresses; and so is the load balancer that AKS makes for outbound traffic, where Services use it.
pub fn world(facts: &Facts, changes: &[Change]) -> World {
    let services = changes.iter().filter_map(|change| match change {
        Change::Apply(service) => Some(service.as_ref()),
        Change::Delete(_) | Change::Nudge(_) => None,
    });
    let mut world = World::default();
    add_network(&mut world, facts, services.clone());
    public::add(&mut world, facts, services);
    world
}

/// Adds, as far as they are not there, the virtual network, the subnets that the facts and the Services
/// name, and the security group. Their address ranges stay unknown.
pub fn add_network<'s>(
    world: &mut World,
    facts: &Facts,
    services: impl IntoIterator<Item = &'s Service>,
) {
    let network = facts.virtual_network_id();
    let mut subnets = BTreeSet::from([facts.subnet.clone()]);
    for service in services {
        for key in [annotation::INTERNAL_SUBNET, annotation::PLS_SUBNET] {
            let named = service.annotations.get(key).map(|name| name.trim().to_owned());
            subnets.extend(named.filter(|name| !name.is_empty()));
        }
    }
    let group = facts.security_group_resource_group.as_ref().unwrap_or(&facts.resource_group);
    let group = ResourceId::in_group(
        facts.network_subscription(),
        group,
        ArmType::NetworkSecurityGroup.name(),
        &facts.security_group,
    );
    let mut assumed = vec![
        json!({
            "id": network.as_str(),
            "name": facts.virtual_network,
            "location": facts.location,
            "type": ArmType::VirtualNetwork.name(),
            "properties": {"provisioningState": "Succeeded"},
        }),
        json!({
            "id": group.as_str(),
            "name": facts.security_group,
            "location": facts.location,
            "type": ArmType::NetworkSecurityGroup.name(),
            "properties": {"provisioningState": "Succeeded", "securityRules": []},
        }),
    ];
    for name in subnets {
        assumed.push(json!({
            "id": network.child("subnets", &name).as_str(),
            "name": name,
            "type": ArmType::Subnet.name(),
            "properties": {
                "privateLinkServiceNetworkPolicies": "Enabled",
                "provisioningState": "Succeeded",
            },
        }));
    }
    for resource in assumed {
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
        if !world.holds(&ResourceId::new(id)) {
            insert(world, resource);
        }
    }
}

/// Adds a resource that was made here, with an id: it cannot be malformed.
fn insert(world: &mut World, resource: Value) {
    let _ = world.insert(resource);
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
