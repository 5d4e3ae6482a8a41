//! How the controller of an observed cluster is configured, as far as the observation tells.

use privlink_model::arm::arm_type::ArmType;
use std::sync::Arc;

use privlink_model::arm::address::in_subnet;
use privlink_model::facts::{self, Facts, Place};
use privlink_model::group::{Cluster, Group};
use privlink_model::kubernetes::node::Node;
use privlink_model::resource_id::ResourceId;
use privlink_model::snapshot::Snapshot;
use serde_json::json;

use crate::kubernetes::store::text;

use super::World;

impl World {
    /// Sets the facts: those that a plan finds in the observation, then what the Nodes' addresses show, and
    /// the rest as AKS does by default.
    pub(super) fn infer_facts(&mut self, snapshot: &Snapshot) {
        let nodes = self.nodes();
        let machine = nodes.iter().find_map(|node| node.machine.as_deref()).map(ResourceId::new);
        let group = machine.as_ref().and_then(Group::of);
        let cluster = cluster_of(snapshot, group.as_ref());
        let place = Place { cluster: cluster.as_ref(), node_resource_group: group.as_ref() };
        let mut facts = facts::infer(snapshot, place, &Facts::default());
        if facts.subscription.is_empty() {
            facts.subscription = group.map(|group| group.subscription).unwrap_or_default();
        }
        if facts.zones.is_empty() {
            facts.zones = ["1", "2", "3"].map(ToOwned::to_owned).to_vec();
        }
        let families = nodes.iter().flat_map(|node| &node.internal_addresses);
        if families.into_iter().any(|address| address.contains(':'))
            && !facts.ip_families.iter().any(|family| family == "IPv6")
        {
            facts.ip_families.push("IPv6".to_owned());
        }
        if facts.subnet.is_empty()
            && let Some(subnet) = self.subnet_of_nodes(&nodes, &facts)
        {
            place_in_subnet(&mut facts, &subnet);
        }
        if facts.location.is_empty() {
            let network = self.azure.virtual_networks.get(&facts.virtual_network_id().key());
            let location = network.and_then(|network| network.location.clone());
            facts.location = location.unwrap_or_else(|| "eastus".to_owned());
        }
        self.facts = facts;
        self.add_security_group();
    }

    /// The subnet that holds a Node's address, the node resource group's first.
    fn subnet_of_nodes(&self, nodes: &[Arc<Node>], facts: &Facts) -> Option<ResourceId> {
        let address =
            nodes.iter().flat_map(|node| &node.internal_addresses).next()?.parse().ok()?;
        let group = format!(
            "/subscriptions/{}/resourcegroups/{}/",
            facts.subscription, facts.resource_group
        )
        .to_lowercase();
        let holding = self.azure.subnets.iter().filter(|(_, subnet)| in_subnet(address, subnet));
        let found = holding.min_by_key(|(key, _)| !key.starts_with(&group))?;
        Some(ResourceId::new(found.1.id()))
    }

    /// The security group that AKS makes for the nodes, if the observation does not hold it.
    fn add_security_group(&mut self) {
        let group = format!(
            "/subscriptions/{}/resourcegroups/{}/",
            self.facts.subscription, self.facts.resource_group
        )
        .to_lowercase();
        let mut known = self.azure.network_security_groups.iter();
        if let Some((_, found)) = known.find(|(key, _)| key.starts_with(&group)) {
            self.facts.security_group = found.name().to_owned();
            return;
        }
        "aks-agentpool-nsg".clone_into(&mut self.facts.security_group);
        let id = ResourceId::in_group(
            &self.facts.subscription,
            &self.facts.resource_group,
            ArmType::NetworkSecurityGroup.name(),
            &self.facts.security_group,
        );
        let made = self.azure.insert(json!({
            "id": id.as_str(),
            "name": self.facts.security_group,
            "type": ArmType::NetworkSecurityGroup.name(),
            "location": self.facts.location,
            "properties": {"provisioningState": "Succeeded", "securityRules": []},
        }));
        debug_assert_eq!(made, Ok(()));
    }
}

/// The cluster whose nodes are in this group; else the only one there is.
fn cluster_of(snapshot: &Snapshot, node_group: Option<&Group>) -> Option<Cluster> {
    let clusters: Vec<_> = snapshot.resources_of_type(ArmType::ManagedCluster.name()).collect();
    let own = clusters.iter().find(|cluster| {
        let named = text(cluster, "/properties/nodeResourceGroup");
        node_group.is_some_and(|group| named.eq_ignore_ascii_case(&group.name))
    });
    let found = match (own, clusters.as_slice()) {
        (Some(own), _) => own,
        (None, [only]) => only,
        (None, _) => return None,
    };
    let id = ResourceId::new(text(found, "/id"));
    Some(Cluster { group: Group::of(&id)?, name: id.name().to_owned() })
}

/// The cluster's subnet, with its network and group.
fn place_in_subnet(facts: &mut Facts, subnet: &ResourceId) {
    subnet.name().clone_into(&mut facts.subnet);
    let network = subnet.segment("virtualNetworks").unwrap_or_default();
    network.clone_into(&mut facts.virtual_network);
    facts.virtual_network_resource_group = subnet.resource_group().map(ToOwned::to_owned);
    let subscription = subnet.subscription().unwrap_or_default();
    if !subscription.eq_ignore_ascii_case(&facts.subscription) {
        facts.network_subscription = Some(subscription.to_owned());
    }
}
