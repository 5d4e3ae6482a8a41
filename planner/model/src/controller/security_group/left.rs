//! Destinations that stay in the controller's rules and that no sync takes away.
//!
//! The rules of a Service name the nodes where floating IP is off, and the load balancer's addresses where it is on.
//! Each sync takes out only what the Service's packets go to now (`reconcileSecurityGroup`), and the clean-up at
//! its end keeps every node's address (`listAvailableSecurityGroupDestinations`): who turns floating IP on leaves the
//! rules for the nodes behind.

use std::collections::BTreeSet;

use crate::annotation;
use crate::arm::resource::{NetworkSecurityGroup, SecurityRule};
use crate::controller::value::is_true;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;

use super::rules::{destinations, is_managed, port_list};
use super::{Allowed, Ports, ports};

/// A rule with destinations that no Service needs.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftRule<'a> {
    /// The rule.
    pub rule: &'a SecurityRule,
    /// The nodes' addresses that no Service needs there.
    pub nodes: Vec<String>,
    /// Its other destinations.
    pub others: Vec<String>,
}

impl LeftRule<'_> {
    /// Whether it keeps traffic out.
    pub fn denies(&self) -> bool {
        self.rule.properties.access.as_deref() == Some("Deny")
    }
}

/// The rules of a group that name nodes for no Service.
pub fn left_rules<'a, 's>(
    group: &'a NetworkSecurityGroup,
    services: impl Iterator<Item = &'s Service>,
    nodes: &[impl AsRef<Node>],
) -> Vec<LeftRule<'a>> {
    let needed = Needed::of(services);
    let machines: BTreeSet<&str> = nodes
        .iter()
        .flat_map(|node| &node.as_ref().internal_addresses)
        .map(String::as_str)
        .filter(|address| !needed.addresses.contains(*address))
        .collect();
    let rules = group.properties.security_rules.iter().flatten();
    let left = rules.filter(|rule| is_managed(rule) && !needed.has(rule)).map(|rule| {
        let is_node = |address: &String| machines.contains(address.as_str());
        let (nodes, others) = destinations(rule).into_iter().partition(is_node);
        LeftRule { rule, nodes, others }
    });
    left.filter(|it| !it.nodes.is_empty()).collect()
}

/// What Services need rules for.
#[derive(Default)]
struct Needed {
    /// The addresses that they are reached at.
    addresses: BTreeSet<String>,
    /// The node ports of those without floating IP.
    ports: Ports,
    /// Whether one of those denies the rest.
    denies: bool,
}

impl Needed {
    fn of<'s>(services: impl Iterator<Item = &'s Service>) -> Self {
        let mut needed = Self::default();
        for service in services {
            needed.addresses.extend(service.ingress.iter().cloned());
            if !is_true(service, annotation::DISABLE_FLOATING_IP) || !service.wants_load_balancer()
            {
                continue;
            }
            for (protocol, ports) in ports(service).unwrap_or_default() {
                needed.ports.entry(protocol).or_default().extend(ports);
            }
            needed.denies |= Allowed::of(service).is_ok_and(|allowed| allowed.deny_others);
        }
        needed
    }

    /// Whether a rule for nodes is one of theirs. A rule with ports that are no numbers is the controller's no more.
    fn has(&self, rule: &SecurityRule) -> bool {
        if rule.properties.access.as_deref() == Some("Deny") {
            return self.denies;
        }
        let protocol = rule.properties.protocol.as_deref().unwrap_or_default();
        let mine = self.ports.get(protocol).into_iter().flatten();
        let mine: BTreeSet<String> = mine.map(ToString::to_string).collect();
        port_list(rule).is_none_or(|ports| ports.iter().any(|port| mine.contains(port)))
    }
}
