//! The graph of a stack: its Services, what the controller makes of them, and who connects.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{self, Graph, Ownership};
use crate::input::{Input, Named};
use crate::kubernetes::service::Key;
use crate::node::endpoint_connection::address as connection_address;
use crate::node::sides::Nodes;
use crate::node::{Node, private_link_service};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Mode, Need};
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;

/// Builds the graph: desired nodes, and in a plan to destroy those that are to go.
pub fn of(input: &Input<'_>, prediction: &Prediction) -> Graph {
    let nodes = match input.options.mode {
        Mode::Apply => prediction.nodes_after(),
        Mode::Destroy => prediction.nodes_before(),
    };
    let mut graph = Graph::default();
    let services: BTreeSet<&Key> = input.wanted.keys().collect();
    azure(nodes, &services, &mut graph);
    endpoints(input, prediction, &mut graph);
    graph
}

/// What depends on what among some nodes, as it was and as it will be. `planned` is the graph of the plan, where there
/// is one already.
pub fn needs(
    input: &Input<'_>,
    prediction: &Prediction,
    among: &BTreeSet<NodeId>,
    planned: Option<&Graph>,
) -> Vec<Need> {
    if among.is_empty() {
        return Vec::new();
    }
    let wanted: BTreeSet<&Key> = input.wanted.keys().collect();
    let mut services = wanted.clone();
    services.extend(prediction.services.keys());
    services.extend(prediction.outcomes.iter().map(|outcome| &outcome.service));
    let is_about_all = |_: &&Graph| services == wanted;
    let drawn = |nodes: &Nodes| {
        let mut graph = Graph::default();
        azure(nodes, &services, &mut graph);
        endpoints(input, prediction, &mut graph);
        graph
    };
    let (before, after) = (prediction.nodes_before(), prediction.nodes_after());
    let (of_before, of_after) = match input.options.mode {
        Mode::Apply => (None, planned.filter(is_about_all)),
        Mode::Destroy => (planned.filter(is_about_all), None),
    };
    let mut needs = BTreeMap::new();
    for (nodes, known) in [(before, of_before), (after, of_after)] {
        match known {
            Some(graph) => take(graph, among, &mut needs),
            None => take(&drawn(nodes), among, &mut needs),
        }
        let mut graph = Graph::default();
        connected(nodes, input.own(), &mut graph);
        take(&graph, among, &mut needs);
    }
    needs.into_iter().map(|((node, on), why)| Need { node, on, why }).collect()
}

/// Takes what depends on what among some nodes from a graph.
fn take(graph: &Graph, among: &BTreeSet<NodeId>, needs: &mut BTreeMap<(NodeId, NodeId), String>) {
    for (node, _) in graph.nodes().filter(|(node, _)| among.contains(*node)) {
        for (on, why) in graph.needs(node).filter(|(on, _)| among.contains(*on)) {
            needs.insert((node.clone(), on.clone()), why.to_owned());
        }
    }
}

/// The endpoints and connections that depend on each Private Link Service of a world, whoever owns them.
fn connected(nodes: &Nodes, own: &BTreeMap<String, NodeId>, graph: &mut Graph) {
    for (address, node) in nodes.iter().filter(|(it, _)| it.kind == Kind::PrivateLinkService) {
        for consumer in &node.consumers {
            add(graph, address, Ownership::Controller);
            let connection = connection_address(&consumer.endpoint, own);
            add(graph, &connection, Ownership::Observed);
            match own.get(&ResourceId::new(&consumer.endpoint).key()) {
                Some(endpoint) => {
                    add(graph, endpoint, Ownership::Written);
                    graph.need(endpoint, address, "connects to it");
                    graph.need(&connection, endpoint, "is its other side");
                }
                None => graph.need(&connection, address, "connects to it"),
            }
        }
    }
}

/// Services, and what Azure holds for them.
fn azure(nodes: &Nodes, services: &BTreeSet<&Key>, graph: &mut Graph) {
    for name in services {
        let node = graph::Node { ownership: Ownership::Written, detail: String::new() };
        graph.add(NodeId::new(Kind::Service, name.to_string()), node);
    }
    for (address, node) in nodes {
        if node.service.as_ref().is_some_and(|key| services.contains(key)) {
            let node =
                graph::Node { ownership: Ownership::Controller, detail: node.id.name().to_owned() };
            graph.add(address.clone(), node);
        }
    }
    shared(nodes, graph);
}

/// Load balancers, pools and subnets that the stack's frontends and Private Link Services lie on, and
/// what depends on what.
fn shared(nodes: &Nodes, graph: &mut Graph) {
    let mine: Vec<(&NodeId, &Node)> = nodes
        .iter()
        .filter(|(address, _)| graph.node(address).is_some())
        .map(|(address, node)| (address, node.as_ref()))
        .collect();
    let pools = pools(nodes);
    let frontends: BTreeMap<&str, &NodeId> = mine
        .iter()
        .rev()
        .filter(|(address, _)| address.kind == Kind::FrontendIp)
        .map(|(address, node)| (node.id.name(), *address))
        .collect();
    for (address, node) in mine {
        match address.kind {
            Kind::FrontendIp => frontend(address, node, &pools, graph),
            Kind::PrivateLinkService => link(address, node, &frontends, graph),
            _ => {}
        }
        if let Some(service) = &node.service {
            let service = NodeId::new(Kind::Service, service.to_string());
            graph.need(address, &service, "is created for it");
        }
    }
}

/// The backend pools of each load balancer, by its name.
fn pools(nodes: &Nodes) -> BTreeMap<&str, Vec<&NodeId>> {
    let mut pools: BTreeMap<&str, Vec<&NodeId>> = BTreeMap::new();
    for pool in nodes.keys().filter(|it| it.kind == Kind::BackendPool) {
        if let Some((balancer, _)) = pool.name.split_once('/') {
            pools.entry(balancer).or_default().push(pool);
        }
    }
    pools
}

fn frontend(
    address: &NodeId,
    node: &Node,
    pools: &BTreeMap<&str, Vec<&NodeId>>,
    graph: &mut Graph,
) {
    let balancer = node.id.parent().unwrap_or_default();
    let balancer = balancer.name();
    let at = NodeId::new(Kind::LoadBalancer, balancer);
    add(graph, &at, Ownership::Controller);
    graph.need(address, &at, "is on it");
    for pool in pools.get(balancer).into_iter().flatten() {
        let is_six = pool.name.to_lowercase().ends_with("-ipv6");
        if is_six == address.name.ends_with("/IPv6") {
            add(graph, pool, Ownership::Controller);
            graph.need(pool, &at, "is in it");
            graph.need(address, pool, "its rules lead to it");
        }
    }
    if let Some(subnet) = node.subnet.as_ref().and_then(subnet) {
        add(graph, &subnet, Ownership::Observed);
        graph.need(address, &subnet, "takes its address from it");
    }
}

fn link(address: &NodeId, node: &Node, frontends: &BTreeMap<&str, &NodeId>, graph: &mut Graph) {
    let name = node.frontend.as_ref().map(ResourceId::name);
    if let Some(frontend) = name.and_then(|name| frontends.get(name)) {
        graph.need(address, frontend, "is on it");
    }
    if let Some(subnet) = node.subnet.as_ref().and_then(subnet) {
        add(graph, &subnet, Ownership::Observed);
        graph.need(address, &subnet, "takes its NAT addresses from it");
    }
}

fn add(graph: &mut Graph, address: &NodeId, ownership: Ownership) {
    if graph.node(address).is_none() {
        graph.add(address.clone(), graph::Node { ownership, detail: String::new() });
    }
}

/// The address of a subnet.
fn subnet(id: &ResourceId) -> Option<NodeId> {
    let network = id.parent()?;
    Some(NodeId::new(Kind::Subnet, [network.name(), "/", id.name()].concat()))
}

fn endpoints(input: &Input<'_>, prediction: &Prediction, graph: &mut Graph) {
    for endpoint in input.endpoints() {
        let Named { at, id, wanted } = &endpoint;
        add(graph, at, Ownership::Written);
        let connection = connection_address(id.as_str(), input.own());
        add(graph, &connection, Ownership::Written);
        graph.need(&connection, at, "is its other side");
        if let crate::desired::Target::Service(service) = &wanted.target {
            let key = &service.value;
            let link = prediction.link_after(key);
            if let Some(link) =
                link.map(|link| private_link_service::address(link, prediction.owners()))
            {
                graph.need(at, &link, "connects to it");
            }
        }
        if let Some((record, _)) = endpoint.record() {
            add(graph, &record, Ownership::Written);
            graph.need(&record, at, "leads to its address");
        }
    }
}
