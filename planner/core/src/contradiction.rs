//! Facts that live load balancers contradict.
//!
//! A load balancer with rules of a Service of this cluster is the controller's, so its name is one that the
//! controller gives (`ListManagedLBs`). Where it has another name, the facts are of another cluster, or of
//! fewer load balancers: what is on it would be taken for something to delete.

use crate::arm::resource::LoadBalancer;
use crate::arm::world::World;
use crate::controller;
use crate::facts::{Facts, LoadBalancerSku};
use crate::node::Owners;
use crate::resource_id::ResourceId;

/// Live load balancers serve the cluster's Services that its configuration, as it is known, does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} in {group} serve Services of this cluster, and are none of the load balancers that the controller \
     is taken to manage",
    .names.join(", ")
)]
pub struct Contradiction {
    /// The load balancers.
    pub names: Vec<String>,
    /// The resource group they are in.
    pub group: String,
}

impl Contradiction {
    /// What to do.
    pub fn help(&self) -> &'static str {
        "Let the AKS API be read (Microsoft.ContainerService/managedClusters/loadBalancers/read), or pin \
         `loadBalancers`, `loadBalancerName` or `clusterName` under `facts` of the Stack."
    }
}

/// What live load balancers say against the facts, if anything.
pub fn find(facts: &Facts, world: &World, owners: &Owners) -> Option<Contradiction> {
    if facts.load_balancer_sku == LoadBalancerSku::Basic {
        // Named after scale sets.
        return None;
    }
    let group = facts.load_balancer_group();
    let serves_unmanaged = |balancer: &LoadBalancer| {
        let id = ResourceId::new(balancer.id());
        let mut rules = balancer.properties.load_balancing_rules.iter().flatten();
        id.resource_group().is_some_and(|it| it.eq_ignore_ascii_case(&group))
            && !controller::is_managed(facts, balancer.name())
            && rules.any(|rule| owners.of_name(rule.name()).is_some())
    };
    let balancers = world.load_balancers.values();
    let found = balancers.filter(|balancer| serves_unmanaged(balancer));
    let mut names: Vec<String> = found.map(|balancer| balancer.name().to_owned()).collect();
    names.sort();
    (!names.is_empty()).then_some(Contradiction { names, group })
}
