//! How the controller of an observed cluster is configured, as far as the observation tells.

use std::sync::Arc;

use privlink_model::arm::address::in_subnet;
use privlink_model::facts::{BackendPoolType, Facts, LoadBalancerSku};
use privlink_model::kubernetes::node::Node;
use privlink_model::resource_id::ResourceId;
use privlink_model::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::kubernetes::store::text;

use super::World;

impl World {
    /// Sets the facts: what AKS says of the cluster, then what its Nodes and networks let infer, and
    /// the rest as AKS does by default.
    pub(super) fn infer_facts(&mut self, snapshot: &Snapshot) {
        let nodes = self.nodes();
        let mut facts =
            Facts { zones: ["1", "2", "3"].map(ToOwned::to_owned).to_vec(), ..Facts::default() };
        let machine = nodes.iter().find_map(|node| node.machine.as_deref()).map(ResourceId::new);
        if let Some(machine) = &machine {
            facts.subscription = machine.subscription().unwrap_or_default().to_owned();
            facts.resource_group = machine.resource_group().unwrap_or_default().to_owned();
        }
        let cluster = self.cluster_of(snapshot, &facts.resource_group);
        if let Some(cluster) = &cluster {
            read(&mut facts, cluster);
        }
        let families = nodes.iter().flat_map(|node| &node.internal_addresses);
        if families.into_iter().any(|address| address.contains(':'))
            && !facts.ip_families.iter().any(|family| family == "IPv6")
        {
            facts.ip_families.push("IPv6".to_owned());
        }
        let named = cluster.as_ref().map(|cluster| {
            ResourceId::new(text(cluster, "/properties/agentPoolProfiles/0/vnetSubnetID"))
        });
        let subnet = named.filter(|id| !id.as_str().is_empty());
        if let Some(subnet) = subnet.or_else(|| self.subnet_of_nodes(&nodes, &facts)) {
            place(&mut facts, &subnet);
        }
        if facts.location.is_empty() {
            let network = self.azure.virtual_networks.get(&facts.virtual_network_id().key());
            let location = network.and_then(|network| network.location.clone());
            facts.location = location.unwrap_or_else(|| "eastus".to_owned());
        }
        self.facts = facts;
        self.add_security_group();
    }

    /// The cluster whose nodes these are; else the only one there is.
    fn cluster_of(&self, snapshot: &Snapshot, node_group: &str) -> Option<Value> {
        let clusters: Vec<&Value> =
            snapshot.resources_of_type("Microsoft.ContainerService/managedClusters").collect();
        let own = clusters.iter().find(|cluster| {
            text(cluster, "/properties/nodeResourceGroup").eq_ignore_ascii_case(node_group)
        });
        match (own, clusters.as_slice()) {
            (Some(own), _) => Some((*own).clone()),
            (None, [only]) => Some((*only).clone()),
            (None, _) => None,
        }
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
            "Microsoft.Network/networkSecurityGroups",
            &self.facts.security_group,
        );
        let made = self.azure.insert(json!({
            "id": id.as_str(),
            "name": self.facts.security_group,
            "type": "Microsoft.Network/networkSecurityGroups",
            "location": self.facts.location,
            "properties": {"provisioningState": "Succeeded", "securityRules": []},
        }));
        debug_assert_eq!(made, Ok(()));
    }
}

/// What AKS says of a cluster.
fn read(facts: &mut Facts, cluster: &Value) {
    let id = ResourceId::new(text(cluster, "/id"));
    id.subscription().unwrap_or_default().clone_into(&mut facts.subscription);
    text(cluster, "/location").clone_into(&mut facts.location);
    text(cluster, "/properties/nodeResourceGroup").clone_into(&mut facts.resource_group);
    let profile = "/properties/networkProfile";
    if text(cluster, &format!("{profile}/loadBalancerSku")).eq_ignore_ascii_case("basic") {
        facts.load_balancer_sku = LoadBalancerSku::Basic;
    }
    let pool = text(cluster, &format!("{profile}/loadBalancerProfile/backendPoolType"));
    if pool.eq_ignore_ascii_case("nodeIP") {
        facts.backend_pool_type = BackendPoolType::NodeIp;
    }
    let families = cluster.pointer(&format!("{profile}/ipFamilies")).and_then(Value::as_array);
    let families: Vec<String> = families
        .into_iter()
        .flatten()
        .filter_map(|family| family.as_str().map(ToOwned::to_owned))
        .collect();
    if !families.is_empty() {
        facts.ip_families = families;
    }
}

/// The cluster's subnet, with its network and group.
fn place(facts: &mut Facts, subnet: &ResourceId) {
    subnet.name().clone_into(&mut facts.subnet);
    let network = subnet.segment("virtualNetworks").unwrap_or_default();
    network.clone_into(&mut facts.virtual_network);
    facts.virtual_network_resource_group = subnet.resource_group().map(ToOwned::to_owned);
    let subscription = subnet.subscription().unwrap_or_default();
    if !subscription.eq_ignore_ascii_case(&facts.subscription) {
        facts.network_subscription = Some(subscription.to_owned());
    }
}
