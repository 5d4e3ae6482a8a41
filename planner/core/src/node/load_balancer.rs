//! Load balancers, with their backend pools and frontends.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::arm::resource::{Frontend, LoadBalancer};
use crate::node::fields::clean;
use crate::node::{Known, Node, Owners, plain};
use crate::node_id::{Kind, NodeId};
use crate::resource_id::ResourceId;

use super::frontend_ip::{self, Rules};

/// The nodes of a load balancer. Those of frontends on which nothing differs from another version are taken from there: a load
/// balancer may have hundreds, and one Service touches one of them.
pub(crate) fn nodes(
    balancer: &LoadBalancer,
    owners: &Arc<Owners>,
    known: Known<'_, LoadBalancer>,
) -> Vec<(NodeId, Arc<Node>)> {
    let mut nodes = Vec::new();
    let name = balancer.name();
    let (location, tags) = (balancer.location.clone(), balancer.tags.clone());
    let sku = balancer.sku.as_ref().and_then(|sku| sku.name.clone());
    let fields = move || clean(&json!({"location": location, "sku": sku, "tags": tags}));
    let mut node = plain(balancer.id(), None, fields);
    node.identity.clone_from(&balancer.properties.resource_guid);
    nodes.push((NodeId::new(Kind::LoadBalancer, name), Arc::new(node)));
    for pool in balancer.properties.backend_address_pools.iter().flatten() {
        let id = ResourceId::new(balancer.id()).child("backendAddressPools", pool.name());
        let address = NodeId::new(Kind::BackendPool, format!("{name}/{}", pool.name()));
        let called = pool.name().to_owned();
        let node = plain(id.as_str(), None, move || json!({"name": called}));
        nodes.push((address, Arc::new(node)));
    }
    let rules = Rules::of(balancer);
    let before = known.map(|(other, _)| (frontends(other), Rules::of(other)));
    let known: BTreeMap<&str, &(NodeId, Arc<Node>)> =
        known.into_iter().flat_map(|(_, nodes)| nodes).map(|it| (it.1.id.as_str(), it)).collect();
    for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
        let id = frontend_ip::id(balancer, frontend);
        let is_same = before.as_ref().is_some_and(|(frontends, others)| {
            let other = frontends.get(frontend.name());
            other.is_some_and(|other| Arc::ptr_eq(other, frontend))
                && rules.are_those_of(others, &id)
        });
        let node = known.get(id.as_str()).filter(|_| is_same).map(|node| (*node).clone());
        nodes.push(node.unwrap_or_else(|| {
            let (address, node) = frontend_ip::node(balancer, frontend, &rules, owners);
            (address, Arc::new(node))
        }));
    }
    nodes
}

/// The frontends of a load balancer by their names.
fn frontends(balancer: &LoadBalancer) -> BTreeMap<&str, &Arc<Frontend>> {
    let frontends = balancer.properties.frontend_ip_configurations.iter().flatten();
    frontends.map(|frontend| (frontend.name(), frontend)).collect()
}
