//! Which Services and which nodes are on which of several load balancers
//! (`reconcileMultipleStandardLoadBalancerConfigurations`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::arm::resource::LoadBalancer;
use crate::facts::LoadBalancerConfiguration;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;
use crate::pointer::At;

use super::selection::{selects, vm_sets};
use crate::controller::cloud::Cloud;
use crate::controller::failure::Failure;
use crate::controller::name;
use crate::controller::value::{is_local, quote, same};

impl Cloud<'_, '_> {
    /// Once after a start: which Service is on which of several load balancers, by its rules
    /// (`reconcileMultipleStandardLoadBalancerConfigurations`).
    pub(crate) fn record_placements(
        &mut self,
        service: &Service,
        existing: &[Arc<LoadBalancer>],
        nodes: Option<&[Arc<Node>]>,
    ) -> Result<(), Failure> {
        if !self.facts.has_several_load_balancers() || self.memory.placements_recorded {
            return Ok(());
        }
        let configurations = &self.facts.load_balancer_configurations;
        if !configurations.iter().any(|it| same(&it.name, &self.facts.cluster_name)) {
            return Err(Failure::new(format!(
                "multiple standard load balancers are enabled but no configuration named {} is found",
                quote(&self.facts.cluster_name)
            )));
        }
        for balancer in existing {
            let own_name = name::without_internal(balancer.name());
            let Some(of) = configurations.iter().find(|it| same(&it.name, own_name)) else {
                continue;
            };
            for other in self.cluster.services.values().filter(|it| it.kind == "LoadBalancer") {
                let base = name::base(other).to_lowercase();
                let rules = balancer.properties.load_balancing_rules.iter().flatten();
                let mut prefixes = rules
                    .map(|rule| rule.name().split('-').next().unwrap_or_default().to_lowercase());
                if prefixes.any(|prefix| prefix == base) {
                    let placed = self.memory.placements.entry(of.name.clone()).or_default();
                    placed.insert(other.key.to_string());
                }
            }
            self.record_nodes(balancer, &of.name);
        }
        self.memory.placements_recorded = true;
        self.place_nodes(service, "", existing, nodes.unwrap_or_default());
        Ok(())
    }

    /// The nodes in a load balancer's own pools (`recordExistingNodesOnLoadBalancers`).
    fn record_nodes(&mut self, balancer: &LoadBalancer, of: &str) {
        let names = [false, true].map(|ipv6| name::cluster_pool(self.facts, ipv6));
        let pools = balancer.properties.backend_address_pools.iter().flatten();
        for pool in pools.filter(|pool| names.iter().any(|name| same(name, pool.name()))) {
            let placed = self.memory.node_placements.entry(of.to_owned()).or_default();
            let members = pool.properties.load_balancer_backend_addresses.iter().flatten();
            let addresses: BTreeSet<&str> = members
                .filter_map(|member| member.at("/properties/ipAddress").and_then(Value::as_str))
                .collect();
            let in_pool = |node: &&Arc<Node>| {
                node.internal_addresses.iter().any(|it| addresses.contains(it.as_str()))
            };
            placed.extend(
                self.cluster.nodes.iter().filter(in_pool).map(|node| node.name.to_lowercase()),
            );
        }
    }

    pub(crate) fn record_placement(&mut self, service: &Service, balancer: &str, want: bool) {
        let own_name = name::without_internal(balancer);
        let configurations = &self.facts.load_balancer_configurations;
        let Some(of) = configurations.iter().find(|it| same(&it.name, own_name)) else {
            return;
        };
        let placed = self.memory.placements.entry(of.name.clone()).or_default();
        if want {
            placed.insert(service.key.to_string());
        } else {
            placed.remove(&service.key.to_string());
        }
    }

    pub(crate) fn forget_nodes(&mut self, balancer: &str) {
        let own_name = name::without_internal(balancer);
        for (_, nodes) in
            self.memory.node_placements.iter_mut().filter(|(name, _)| same(name, own_name))
        {
            for node in std::mem::take(nodes) {
                self.memory.settled_nodes.remove(&node);
            }
        }
    }

    /// The nodes that belong on one of several load balancers, in lower case. `None`: all, which is also
    /// what one gets that never had a node of its own (`getActiveNodesByLoadBalancerName`: no set).
    pub(crate) fn active_nodes(
        &self,
        service: &Service,
        balancer: &str,
    ) -> Option<BTreeSet<String>> {
        if is_local(service) {
            // Where the endpoints are is not known here: all nodes count.
            return None;
        }
        let own_name = name::without_internal(balancer);
        let placed = self.memory.node_placements.iter().find(|(name, _)| same(name, own_name));
        placed.map(|(_, nodes)| nodes.clone())
    }

    /// Spreads nodes over several load balancers: by scale set, then by selector, then to the one with
    /// the fewest (`reconcileMultipleStandardLoadBalancerBackendNodes`).
    pub(crate) fn place_nodes(
        &mut self,
        service: &Service,
        balancer: &str,
        existing: &[Arc<LoadBalancer>],
        nodes: &[Arc<Node>],
    ) {
        let configurations = &self.facts.load_balancer_configurations;
        let wanted = name::without_internal(balancer);
        let will_be = |of: &LoadBalancerConfiguration| {
            same(&of.name, wanted)
                || existing.iter().any(|it| same(name::without_internal(it.name()), &of.name))
        };
        let alive: BTreeSet<String> = nodes.iter().map(|node| node.name.to_lowercase()).collect();
        let mut placed = std::mem::take(&mut self.memory.node_placements);
        for nodes in placed.values_mut() {
            nodes.retain(|node| alive.contains(node));
        }
        // The nodes of a scale set that has a load balancer go there first of all.
        let settled = &mut self.memory.settled_nodes;
        place_by_vm_set(&mut placed, settled, configurations, nodes, &will_be);
        let mut orphaned = Vec::new();
        for node in nodes.iter().filter(|node| !settled.contains(&node.name.to_lowercase())) {
            let key = node.name.to_lowercase();
            let eligible = eligible_for(node, configurations, &will_be);
            let nodes_of = |it: &&&LoadBalancerConfiguration| placed.get(&it.name);
            let here = eligible
                .iter()
                .find(|it| nodes_of(it).is_some_and(|nodes| nodes.contains(&key)))
                .or_else(|| eligible.iter().min_by_key(|it| nodes_of(it).map_or(0, BTreeSet::len)));
            match here.map(|it| it.name.clone()) {
                Some(target) => place(&mut placed, target, key),
                None => {
                    placed.values_mut().for_each(|nodes| {
                        nodes.remove(&key);
                    });
                    orphaned.push(node.name.clone());
                }
            }
        }
        self.memory.node_placements = placed;
        for node in orphaned {
            self.warn(
                service,
                "FailedToFindLoadBalancerForNode",
                format!("failed to find a lb for node {node}"),
            );
        }
    }
}

/// Which nodes, in lower case, are on which of several load balancers.
type Placements = BTreeMap<String, BTreeSet<String>>;

fn place(placed: &mut Placements, on: String, node: String) {
    for nodes in placed.values_mut() {
        nodes.remove(&node);
    }
    placed.entry(on).or_default().insert(node);
}

/// Places the nodes of scale sets that have a load balancer (`accommodateNodesByPrimaryVMSet`). Those
/// placed before are not looked at again, unless they went and came back.
fn place_by_vm_set(
    placed: &mut Placements,
    settled: &mut BTreeSet<String>,
    configurations: &[LoadBalancerConfiguration],
    nodes: &[Arc<Node>],
    will_be: &dyn Fn(&LoadBalancerConfiguration) -> bool,
) {
    for node in nodes {
        let key = node.name.to_lowercase();
        if settled.contains(&key) {
            continue;
        }
        let Some(vm_set) = vm_sets(std::slice::from_ref(node)).pop() else {
            continue;
        };
        let own = configurations.iter().find(|it| same(&it.primary_vm_set, &vm_set) && will_be(it));
        if let Some(own) = own {
            place(placed, own.name.clone(), key.clone());
            settled.insert(key);
        }
    }
}

/// The load balancers whose selector a node matches, else those without any
/// (`accommodateNodesByNodeSelector`).
fn eligible_for<'c>(
    node: &Node,
    configurations: &'c [LoadBalancerConfiguration],
    will_be: &dyn Fn(&LoadBalancerConfiguration) -> bool,
) -> Vec<&'c LoadBalancerConfiguration> {
    let selected: Vec<_> = configurations
        .iter()
        .filter(|it| has_selector(it) && will_be(it))
        .filter(|it| selects(it.node_selector.as_ref().unwrap_or(&Value::Null), &node.labels))
        .collect();
    if !selected.is_empty() {
        return selected;
    }
    configurations.iter().filter(|it| !has_selector(it) && will_be(it)).collect()
}

fn has_selector(of: &LoadBalancerConfiguration) -> bool {
    let empty = |it: &Value| {
        let labels = it.get("matchLabels").and_then(Value::as_object);
        let expressions = it.get("matchExpressions").and_then(Value::as_array);
        labels.is_none_or(serde_json::Map::is_empty) && expressions.is_none_or(Vec::is_empty)
    };
    of.node_selector.as_ref().is_some_and(|it| !empty(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_a_load_balancer_of_their_own_count_before_the_others_choose() {
        // `reconcileMultipleStandardLoadBalancerBackendNodes`: by scale set first, then by number.
        let of = |name: &str, vm_set: &str| LoadBalancerConfiguration {
            name: name.to_owned(),
            primary_vm_set: vm_set.to_owned(),
            ..LoadBalancerConfiguration::default()
        };
        let configurations = [of("kubernetes", "pool-a"), of("lb1", "pool-b")];
        let node = |name: &str, vm_set: &str| Node {
            name: name.to_owned(),
            machine: Some(format!("/x/virtualMachineScaleSets/{vm_set}/virtualMachines/0")),
            ..Node::default()
        };
        let nodes = [("other", "pool-c"), ("own", "pool-a")];
        let nodes = nodes.map(|(name, vm_set)| Arc::new(node(name, vm_set)));
        let mut placed = Placements::new();
        let mut settled = BTreeSet::new();
        place_by_vm_set(&mut placed, &mut settled, &configurations, &nodes, &|_| true);
        assert_eq!(settled, BTreeSet::from(["own".to_owned()]));
        assert_eq!(placed.get("kubernetes").map(BTreeSet::len), Some(1));
        // `nodesWithCorrectLoadBalancerByPrimaryVMSet`: one that was placed is not looked at again.
        placed.clear();
        place_by_vm_set(&mut placed, &mut settled, &configurations, &nodes, &|_| true);
        assert!(placed.is_empty());
        let [other, _] = &nodes;
        assert_eq!(eligible_for(other, &configurations, &|_| true).len(), 2);
        assert!(eligible_for(other, &configurations, &|it| it.name == "lb1").len() == 1);
    }
}
