//! The nodes of two worlds, before and after, so that they can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::arm::world::{Shelf, World};
use crate::node::{Known, Node, Owners};
use crate::node_id::NodeId;

use super::{load_balancer, private_link_service, public_ip, security_rule, subnet};

/// Nodes by address. Those that did not change are shared between worlds.
pub(crate) type Nodes = BTreeMap<NodeId, Arc<Node>>;

/// The nodes of each resource, by the resource's id in lower case.
type Collected = BTreeMap<String, Vec<(NodeId, Arc<Node>)>>;

/// The nodes of one world, worked out once for many predictions that begin with it.
#[derive(Clone, Debug)]
pub(crate) struct LiveNodes {
    world: World,
    owners: Arc<Owners>,
    nodes: Collected,
}

impl LiveNodes {
    /// The nodes of a world whose resources belong to these; what did not change is taken from others.
    pub(crate) fn of(world: &World, owners: Owners, others: Option<&Self>) -> Self {
        let owners = Arc::new(owners);
        let nothing = (World::default(), Collected::new());
        let known = others.and_then(|it| it.known(&owners)).unwrap_or((&nothing.0, &nothing.1));
        let nodes = collect(world, &owners, known);
        Self { world: world.clone(), owners, nodes }
    }

    /// What was worked out, if resources belonged to the same Services.
    fn known(&self, owners: &Owners) -> Option<(&World, &Collected)> {
        (*self.owners == *owners).then_some((&self.world, &self.nodes))
    }
}

/// The nodes of two worlds, addressed alike, so that they can be compared. What was worked out before counts if resources belong
/// to the same Services.
pub(crate) fn nodes(
    before: &World,
    after: &World,
    owners: &Arc<Owners>,
    live_nodes: Option<&LiveNodes>,
) -> (Nodes, Nodes) {
    let nothing = (World::default(), Collected::new());
    let known = live_nodes.and_then(|it| it.known(owners)).unwrap_or((&nothing.0, &nothing.1));
    let nodes_before = collect(before, owners, known);
    let nodes_after = collect(after, owners, (before, &nodes_before));
    let crowded = crowded(&nodes_before, &nodes_after);
    (addressed(nodes_before, &crowded), addressed(nodes_after, &crowded))
}

/// Addresses that two nodes of one world would share: a Service may have a frontend on the internal
/// and one on the public load balancer.
fn crowded(before: &Collected, after: &Collected) -> BTreeSet<NodeId> {
    let mut crowded = BTreeSet::new();
    for world in [before, after] {
        let mut seen = BTreeSet::new();
        for (address, _) in world.values().flatten() {
            if !seen.insert(address) {
                crowded.insert(address.clone());
            }
        }
    }
    crowded
}

fn addressed(nodes: Collected, crowded: &BTreeSet<NodeId>) -> Nodes {
    nodes
        .into_values()
        .flatten()
        .map(|(address, node)| {
            if crowded.contains(&address) {
                let holder = node.id.parent().map(|id| id.name().to_owned()).unwrap_or_default();
                let name = format!("{}/{holder}", address.name);
                (NodeId::new(address.kind, name), node)
            } else {
                (address, node)
            }
        })
        .collect()
}

/// The nodes of a world. Those of resources that are the very ones of `known` are taken from there.
fn collect(world: &World, owners: &Arc<Owners>, known: (&World, &Collected)) -> Collected {
    let (other, known) = known;
    let mut nodes = Collected::new();
    each(&world.load_balancers, &other.load_balancers, known, &mut nodes, |balancer, known| {
        load_balancer::nodes(balancer, owners, known)
    });
    each(&world.private_link_services, &other.private_link_services, known, &mut nodes, |it, _| {
        alone(private_link_service::node(it, owners))
    });
    each(&world.public_ip_addresses, &other.public_ip_addresses, known, &mut nodes, |it, _| {
        alone(public_ip::node(it, owners))
    });
    let groups = (&world.network_security_groups, &other.network_security_groups);
    each(groups.0, groups.1, known, &mut nodes, |it, _| {
        security_rule::nodes(it).into_iter().flat_map(alone).collect()
    });
    each(&world.subnets, &other.subnets, known, &mut nodes, |it, _| alone(subnet::node(it)));
    nodes
}

/// A resource that is one node.
fn alone((address, node): (NodeId, Node)) -> Vec<(NodeId, Arc<Node>)> {
    vec![(address, Arc::new(node))]
}

fn each<T>(
    shelf: &Shelf<T>,
    other: &Shelf<T>,
    known: &Collected,
    nodes: &mut Collected,
    make: impl Fn(&Arc<T>, Known<'_, T>) -> Vec<(NodeId, Arc<Node>)>,
) {
    for (key, resource) in shelf {
        let version = other.get(key).zip(known.get(key));
        let of_it = match version {
            Some((other, nodes)) if Arc::ptr_eq(other, resource) => nodes.clone(),
            _ => make(resource, version.map(|(other, nodes)| (other.as_ref(), nodes.as_slice()))),
        };
        nodes.insert(key.clone(), of_it);
    }
}
