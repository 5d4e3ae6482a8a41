//! Load balancers, with their backend pools and frontends.

use serde_json::json;

use crate::address::{Address, Kind};
use crate::arm::resource::LoadBalancer;
use crate::node::fields::strip;
use crate::node::{Owners, View, plain};
use crate::resource_id::ResourceId;

use super::frontend_ip::{self, Rules};

pub(crate) fn nodes(balancer: &LoadBalancer, owners: &Owners) -> Vec<(Address, View)> {
    let mut nodes = Vec::new();
    let name = balancer.name();
    let fields = json!({
        "location": balancer.location,
        "sku": balancer.sku.as_ref().and_then(|sku| sku.name.clone()),
        "tags": balancer.tags,
    });
    let mut view = plain(balancer.id(), None, strip(fields));
    view.identity.clone_from(&balancer.properties.resource_guid);
    nodes.push((Address::new(Kind::LoadBalancer, name), view));
    for pool in balancer.properties.backend_address_pools.iter().flatten() {
        let id = ResourceId::new(balancer.id()).child("backendAddressPools", pool.name());
        let address = Address::new(Kind::BackendPool, format!("{name}/{}", pool.name()));
        nodes.push((address, plain(id.as_str(), None, json!({"name": pool.name()}))));
    }
    let rules = Rules::of(balancer);
    for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
        nodes.push(frontend_ip::node(balancer, frontend, &rules, owners));
    }
    nodes
}
