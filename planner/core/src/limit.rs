//! Azure's limits that a stack can hit: one table, for plans, for `preflight` and for docs/limits.md.

pub mod network;

use std::collections::BTreeMap;

use crate::arm::world::World;
use crate::node::private_link_service;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of what there may be so many, in words that follow the number.
    pub what: &'static str,
    /// How many.
    pub most: usize,
    /// The fact that makes it this many, where another fact makes it others.
    pub given: Option<&'static str>,
    /// What to do.
    pub help: &'static str,
    /// Where it is documented.
    pub source: &'static str,
    /// The rule by which a plan reports it, or the area of a preflight.
    pub rule: &'static str,
}

const BALANCER: &str = "Azure subscription and service limits, Load Balancer: rules per NIC";
const PRIVATE_LINK: &str = "Azure subscription and service limits, Private Link";
const HIGH_SCALE: &str = "Azure Private Link, high scale private endpoints";
const SPREAD: &str = "Spread them over more of these.";

/// Load balancing and inbound NAT rules that reach one network interface.
pub static RULES_OF_INTERFACE: Limit = Limit {
    what: "rules of a network interface",
    most: 300,
    given: None,
    help: "Every node is in the pool of every rule: use fewer ports, one gateway for several Services, or several load balancers (az aks loadbalancer add).",
    source: BALANCER,
    rule: "limit-exceeded",
};
/// Private Link Services on one load balancer.
pub static LINKS_OF_BALANCER: Limit = Limit {
    what: "Private Link Services on a load balancer",
    most: 8,
    given: None,
    help: "Spread them over several load balancers or clusters, or put several Services behind one gateway.",
    source: PRIVATE_LINK,
    rule: "limit-exceeded",
};
/// NAT addresses of one Private Link Service.
pub static NAT_ADDRESSES: Limit = Limit {
    what: "NAT addresses of a Private Link Service",
    most: 8,
    given: None,
    help: "Use fewer NAT addresses, or a second Service.",
    source: PRIVATE_LINK,
    rule: "quota",
};
/// Private endpoints of one Private Link Service.
pub static ENDPOINTS_OF_LINK: Limit = Limit {
    what: "endpoints of a Private Link Service",
    most: 1000,
    given: None,
    help: SPREAD,
    source: PRIVATE_LINK,
    rule: "quota",
};
/// Private endpoints in one virtual network.
pub static ENDPOINTS_OF_NETWORK: Limit = Limit {
    what: "endpoints in a virtual network",
    most: 1000,
    given: None,
    help: "Spread them over more networks, or set privateEndpointVNetPolicies of the network to Basic, which allows 5000.",
    source: PRIVATE_LINK,
    rule: "limit-exceeded",
};
/// Private endpoints in one virtual network whose policies let it have more.
pub static ENDPOINTS_OF_BASIC_NETWORK: Limit = Limit {
    what: "endpoints in a virtual network",
    most: 5000,
    given: Some("privateEndpointVNetPolicies: Basic"),
    help: SPREAD,
    source: HIGH_SCALE,
    rule: "limit-exceeded",
};
/// Private endpoints in a virtual network and those peered with it, from which on it is near its limit.
pub static ENDPOINTS_OF_PEERS: Limit = Limit {
    what: "endpoints in a virtual network and those peered with it",
    most: 4000,
    given: None,
    help: "Spread them over networks that are not peered with each other.",
    source: HIGH_SCALE,
    rule: "limit-near",
};

/// All limits.
pub static ALL: [&Limit; 7] = [
    &RULES_OF_INTERFACE,
    &LINKS_OF_BALANCER,
    &NAT_ADDRESSES,
    &ENDPOINTS_OF_LINK,
    &ENDPOINTS_OF_NETWORK,
    &ENDPOINTS_OF_BASIC_NETWORK,
    &ENDPOINTS_OF_PEERS,
];

/// How much of a limit is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The limit.
    pub limit: &'static Limit,
    /// Of what: a load balancer, its nodes.
    pub of: String,
    /// The load balancer's name.
    pub balancer: String,
    /// How many there are.
    pub count: usize,
}

impl Use {
    /// Whether there are more than there may be.
    pub fn is_exceeded(&self) -> bool {
        self.count > self.limit.most
    }
}

/// What the controller's load balancers use. Nodes are in the pools of a public load balancer and of
/// its internal sister alike, so their rules add up on each network interface.
pub fn of_controller(world: &World) -> Vec<Use> {
    let mut links: BTreeMap<String, usize> = BTreeMap::new();
    for link in world.private_link_services.values() {
        if let Some(balancer) = private_link_service::frontend(link).and_then(|it| it.parent()) {
            *links.entry(balancer.key()).or_insert(0) += 1;
        }
    }
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    let mut uses = Vec::new();
    for (key, balancer) in &world.load_balancers {
        let properties = &balancer.properties;
        let pools = properties.backend_address_pools.iter().flatten().count();
        let count = properties.load_balancing_rules.iter().flatten().count()
            + properties.inbound_nat_rules.iter().flatten().count();
        if pools > 0 {
            let name = balancer.name();
            let sister = name.strip_suffix("-internal").unwrap_or(name);
            *rules.entry(sister.to_owned()).or_insert(0) += count;
        }
        if let Some(count) = links.get(key) {
            uses.push(Use {
                limit: &LINKS_OF_BALANCER,
                of: format!("load balancer {}", balancer.name()),
                balancer: balancer.name().to_owned(),
                count: *count,
            });
        }
    }
    uses.extend(rules.into_iter().map(|(balancer, count)| Use {
        limit: &RULES_OF_INTERFACE,
        of: format!("each node behind load balancer {balancer}"),
        balancer,
        count,
    }));
    uses
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[test]
    fn the_page_has_a_row_for_each_limit_with_its_source_and_a_rule_that_is_there() {
        let page = include_str!("../../../docs/limits.md");
        for limit in ALL {
            let Limit { what, most, given, source, rule, .. } = limit;
            assert!(crate::rule::find(rule).is_some(), "{rule}");
            let given = given.map_or(String::new(), |it| format!(", with `{it}`"));
            let row = format!("| {what}{given} | {most} | {source} | `{rule}` |");
            assert!(page.contains(&row), "docs/limits.md has no row: {row}");
        }
        // What Azure and the controller refuse by the facts of a cluster has its rule there too.
        for rule in ["internal-rejected", "zone-group-held", "link-without-frontend"] {
            assert!(crate::rule::find(rule).is_some(), "{rule}");
            assert!(page.contains(&format!("| `{rule}` |")), "{rule}");
        }
    }

    use super::*;

    fn world(rules: usize, links: usize) -> World {
        let mut world = World::default();
        for (name, count) in [("kubernetes", 10), ("kubernetes-internal", rules)] {
            let id = format!(
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/{name}"
            );
            let rules: Vec<Value> =
                (0..count).map(|it| json!({"name": format!("r{it}")})).collect();
            let balancer = json!({"id": id, "name": name, "properties": {
                "loadBalancingRules": rules, "backendAddressPools": [{"name": "kubernetes"}]}});
            world.insert_shared(&std::sync::Arc::new(balancer)).unwrap();
            for link in 0..links {
                let own = format!(
                    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/{name}{link}"
                );
                let on = json!([{"id": format!("{id}/frontendIPConfigurations/f{link}")}]);
                let link = json!({"id": own, "name": format!("{name}{link}"), "properties": {
                    "loadBalancerFrontendIpConfigurations": on}});
                world.insert_shared(&std::sync::Arc::new(link)).unwrap();
            }
        }
        world
    }

    fn exceeded(rules: usize, links: usize) -> Vec<(&'static str, usize)> {
        let uses = of_controller(&world(rules, links)).into_iter().filter(Use::is_exceeded);
        uses.map(|it| (it.limit.what, it.count)).collect()
    }

    #[test]
    fn rules_of_both_load_balancers_add_up_on_a_node() {
        assert_eq!(exceeded(290, 8), []);
        assert_eq!(exceeded(291, 0), [("rules of a network interface", 301)]);
        assert_eq!(exceeded(1, 9).len(), 2);
    }
}
