//! Differences that hang on assumed facts.
//!
//! Nobody knows what an assumed fact really is. A difference that is not there when the fact has
//! another value, one that Azure itself suggests, shows nothing of Azure but only that the fact may be
//! wrong: it is unverified.

use std::collections::BTreeSet;

use crate::arm::world::World;
use crate::facts::{BackendPoolType, Facts, Origin, TakenPlsName};
use crate::resource_id::ResourceId;

/// Other values of the assumed facts, one at a time, with the fact's name.
pub(super) fn alternatives(facts: &Facts, world: &World) -> Vec<(&'static str, Facts)> {
    let mut others = Vec::new();
    let mut try_one = |fact: &'static str, assign: &dyn Fn(&mut Facts)| {
        let mut other = facts.clone();
        assign(&mut other);
        if facts.source(fact) == Origin::Assumed && other != *facts {
            others.push((fact, other));
        }
    };
    for zones in [Vec::new(), ["1", "2", "3"].map(str::to_owned).to_vec()] {
        try_one("zones", &|it| it.zones.clone_from(&zones));
    }
    try_one("disableOutboundSnat", &|it| it.disable_outbound_snat = !it.disable_outbound_snat);
    try_one("sharedProbe", &|it| it.shared_probe = !it.shared_probe);
    try_one("excludeControlPlane", &|it| it.exclude_control_plane = !it.exclude_control_plane);
    for kind in
        [BackendPoolType::NodeIpConfiguration, BackendPoolType::NodeIp, BackendPoolType::PodIp]
    {
        try_one("backendPoolType", &|it| it.backend_pool_type = kind);
    }
    for taken in [TakenPlsName::TakenOver, TakenPlsName::Refused] {
        try_one("takenPlsName", &|it| it.taken_pls_name = taken);
    }
    try_one("knowsDisableNsgRule", &|it| it.knows_disable_nsg_rule = !it.knows_disable_nsg_rule);
    let seen = Seen::of(world);
    for name in &seen.clusters {
        try_one("clusterName", &|it| it.cluster_name.clone_from(name));
    }
    for name in &seen.balancers {
        try_one("loadBalancerName", &|it| it.load_balancer_name = Some(name.clone()));
    }
    for subnet in &seen.subnets {
        try_one("subnet", &|it| subnet.name().clone_into(&mut it.subnet));
        let network = subnet.segment("virtualNetworks").unwrap_or_default();
        try_one("virtualNetwork", &|it| {
            network.clone_into(&mut it.virtual_network);
            subnet.name().clone_into(&mut it.subnet);
        });
    }
    for group in &seen.link_groups {
        try_one("privateLinkServiceResourceGroup", &|it| {
            it.private_link_service_resource_group = Some(group.clone());
        });
    }
    for location in &seen.locations {
        try_one("location", &|it| it.location.clone_from(location));
    }
    others
}

/// The facts without which the model can only guess that the controller fails.
pub(super) fn unknown_place(facts: &Facts) -> Option<&'static str> {
    let place = [
        ("resourceGroup", &facts.resource_group),
        ("virtualNetwork", &facts.virtual_network),
        ("subnet", &facts.subnet),
        ("securityGroup", &facts.security_group),
    ];
    place
        .into_iter()
        .find(|(fact, value)| value.is_empty() && facts.source(fact) == Origin::Assumed)
        .map(|(fact, _)| fact)
}

/// What Azure suggests the facts to be.
#[derive(Default)]
struct Seen {
    clusters: BTreeSet<String>,
    balancers: BTreeSet<String>,
    subnets: BTreeSet<ResourceId>,
    link_groups: BTreeSet<String>,
    locations: BTreeSet<String>,
}

impl Seen {
    fn of(world: &World) -> Self {
        let mut seen = Self::default();
        for balancer in world.load_balancers.values() {
            seen.balancers.insert(balancer.name().trim_end_matches("-internal").to_owned());
            seen.locations.extend(balancer.location.clone());
            for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
                let subnet = frontend.properties.subnet.as_ref();
                seen.subnets.extend(subnet.map(|subnet| ResourceId::new(subnet.id())));
            }
        }
        for link in world.private_link_services.values() {
            let name = link.tags.as_ref().and_then(|tags| tags.get("k8s-azure-cluster-name"));
            seen.clusters.extend(name.cloned());
            let group = ResourceId::new(link.id()).resource_group().map(ToOwned::to_owned);
            seen.link_groups.extend(group);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assumed_facts_have_alternatives() {
        let mut facts = Facts::default();
        let names = |facts: &Facts| -> BTreeSet<&str> {
            alternatives(facts, &World::default()).into_iter().map(|(fact, _)| fact).collect()
        };
        assert!(names(&facts).contains("zones") && names(&facts).contains("disableOutboundSnat"));
        facts.sources.insert("zones".to_owned(), Origin::Read);
        assert!(!names(&facts).contains("zones"));
    }
}
