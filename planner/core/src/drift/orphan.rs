//! What nothing wants: left behind by its marks, or another owner's on the controller's load balancer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::annotation::keys;
use crate::arm::resource::{LoadBalancer, NetworkSecurityGroup, PrivateLinkService};
use crate::arm::world::World;
use crate::controller::{CLUSTER_TAG, LeftRule, OWNER_TAG, left_rules};
use crate::input::Input;
use crate::kubernetes::service::Key;
use crate::node::private_link_service;
use crate::node_id::{Kind, NodeId};
use crate::plural::count;
use crate::resource_id::ResourceId;

use super::Class;
use super::Look;
use super::controller::{Seen, last_modified};
use super::gathered::{Gathered, difference};
use super::repair::{self, Repair};
use super::report::{By, Cause, Difference};

/// Looks for what nothing wants, and for what others put beside it.
pub(super) fn find(input: &Input<'_>, look: &Look<'_>, seen: &Seen, gathered: &mut Gathered) {
    let world = &seen.prediction.before;
    let group = input.facts.load_balancer_group();
    for balancer in world.load_balancers.values() {
        let lies_in = ResourceId::new(balancer.id()).resource_group().map(str::to_lowercase);
        if lies_in.as_deref() == Some(group.to_lowercase().as_str()) {
            frontends(balancer, seen, gathered);
        }
    }
    for link in world.private_link_services.values() {
        if let Some(found) = link_left(input, look, seen, link) {
            gathered.push(found);
        }
    }
    security_rules(input, seen, gathered);
    let served = addresses_served(seen);
    for address in world.public_ip_addresses.values() {
        let name = address.name();
        let made = name.split('-').any(is_made_name);
        let served = served.contains(&ResourceId::new(address.id()).key());
        if made
            && !served
            && name.split('-').all(|part| seen.prediction.owners().of_name(part).is_none())
        {
            let at = NodeId::new(Kind::PublicIp, name);
            gathered.push(left(seen, &at, address.id(), "no Service has it"));
        }
    }
}

/// The public IP addresses on frontends that a live Service has, by id in lower case.
fn addresses_served(seen: &Seen) -> BTreeSet<String> {
    let mut served = BTreeSet::new();
    for balancer in seen.prediction.before.load_balancers.values() {
        let id = ResourceId::new(balancer.id());
        for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
            let child = id.child("frontendIPConfigurations", frontend.name());
            if seen.prediction.owners().of_frontend(&child).is_some()
                && let Some(address) = &frontend.properties.public_ip_address
            {
                served.insert(address.id().to_lowercase());
            }
        }
    }
    served
}

/// Whether the controller made a name: `a` and the first 31 digits of a uid
/// (`DefaultLoadBalancerName` of k8s.io/cloud-provider).
fn is_made_name(name: &str) -> bool {
    let base = name.get(..32).unwrap_or_default();
    base.starts_with('a')
        && base.chars().skip(1).all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        && base.len() == 32
}

fn left(seen: &Seen, at: &NodeId, id: &str, message: &str) -> Difference {
    let mut cause = Cause::by(By::Controller);
    cause.last_modified = last_modified(&seen.prediction.before, &ResourceId::new(id));
    let message = format!("{message}: it was left behind");
    let mut difference = difference(Class::Orphan, at, Some(id), message, cause);
    difference.repair = Some(repair::delete(id));
    difference
}

/// Frontends and rules that no Service owns: left behind if the controller named them, and else another
/// owner's, which it leaves alone and which keep the load balancer alive (finding 35).
fn frontends(balancer: &LoadBalancer, seen: &Seen, gathered: &mut Gathered) {
    let id = ResourceId::new(balancer.id());
    let mut foreign: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let is_served =
        |frontend: &ResourceId| seen.prediction.owners().of_frontend(frontend).is_some();
    for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
        let name = frontend.name();
        let child = id.child("frontendIPConfigurations", name);
        if is_served(&child) {
            continue;
        }
        if is_made_name(name) {
            let at = NodeId::new(Kind::FrontendIp, format!("{}/{name}", balancer.name()));
            let mut found = left(seen, &at, child.as_str(), "no Service owns it");
            found.repair = Some(repair::delete_frontend(&id, name));
            gathered.push(found);
        } else {
            foreign.entry("frontends").or_default().push(name);
        }
    }
    let rules = balancer.properties.load_balancing_rules.iter().flatten();
    for rule in rules {
        let name = rule.name();
        let on = rule.properties.frontend_ip_configuration.as_ref();
        let is_served = on.is_some_and(|it| is_served(&ResourceId::new(it.id())));
        match seen.prediction.owners().of_name(name) {
            Some(_) => {}
            None if !is_made_name(name) => foreign.entry("rules").or_default().push(name),
            // Those of a frontend that was left behind go with it.
            None if is_served => gathered.push(rule_left(seen, &id, name)),
            None => {}
        }
    }
    if foreign.is_empty() {
        return;
    }
    let lists: Vec<String> =
        foreign.into_iter().map(|(what, names)| format!("{what} {}", names.join(", "))).collect();
    let message = format!(
        "it has {} of other owners, which the controller leaves alone and which keep it from being deleted",
        lists.join(" and ")
    );
    let at = NodeId::new(Kind::LoadBalancer, balancer.name());
    let cause = Cause::by(By::Unknown);
    gathered.push(difference(Class::Foreign, &at, Some(id.as_str()), message, cause));
}

/// A rule of a Service that is gone, on a frontend that others serve on: no sync takes it away.
fn rule_left(seen: &Seen, balancer: &ResourceId, rule: &str) -> Difference {
    let at = NodeId::new(Kind::FrontendIp, format!("{}/{rule}", balancer.name()));
    let id = balancer.child("loadBalancingRules", rule);
    let mut found = left(seen, &at, id.as_str(), "the rule is of no Service");
    found.repair = Some(repair::delete_rule(balancer, rule));
    found
}

/// Security rules for nodes that no Service needs, and that no sync takes away.
fn security_rules(input: &Input<'_>, seen: &Seen, gathered: &mut Gathered) {
    let group = |world: &World| -> Option<Arc<NetworkSecurityGroup>> {
        let mut groups = world.network_security_groups.values();
        groups.find(|it| it.name().eq_ignore_ascii_case(&input.facts.security_group)).cloned()
    };
    let prediction = &seen.prediction;
    let (Some(before), Some(after)) = (group(&prediction.before), group(&prediction.after)) else {
        return;
    };
    let left = |group| {
        left_rules(group, prediction.live.values().map(AsRef::as_ref), &prediction.machines)
    };
    let stay: BTreeSet<String> = left(&after).iter().map(|it| it.rule.name().to_owned()).collect();
    for rule in left(&before).iter().filter(|it| stay.contains(it.rule.name())) {
        gathered.push(security_rule_left(seen, &before, rule));
    }
}

fn security_rule_left(
    seen: &Seen,
    group: &NetworkSecurityGroup,
    left_rule: &LeftRule<'_>,
) -> Difference {
    let name = left_rule.rule.name();
    let at = NodeId::new(Kind::SecurityRule, format!("{}/{name}", group.name()));
    let group = ResourceId::new(group.id());
    let id = group.child("securityRules", name);
    let does = if left_rule.denies() { "keeps traffic from" } else { "lets traffic through to" };
    let more = left_rule.nodes.len().saturating_sub(NODES_SHOWN);
    let shown = left_rule.nodes.iter().take(NODES_SHOWN).map(String::as_str);
    let mut shown = shown.collect::<Vec<_>>().join(", ");
    if more > 0 {
        shown = format!("{shown} and {} more", count(more, "node"));
    }
    let message = format!("it {does} the nodes {shown} for no Service");
    let mut found = left(seen, &at, id.as_str(), &message);
    found.repair = Some(repair::narrow_security_rule(&group, name, &left_rule.others));
    found
}

/// How many nodes a message names.
const NODES_SHOWN: usize = 3;

/// Whether a live Service asks for a Private Link Service.
fn asks_for_link(seen: &Seen, service: &Key) -> bool {
    seen.prediction.live.get(service).is_some_and(|live| {
        let asks = live.annotations.get(keys::PLS_CREATE);
        asks.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    })
}

/// Whether desired state asks for a Private Link Service: what an apply takes into use again is no orphan.
fn is_wanted(input: &Input<'_>, service: &Key) -> bool {
    input.wanted.service(service).is_some_and(|it| it.asks_for_link())
}

/// A Private Link Service of this cluster's controller that nothing wants.
fn link_left(
    input: &Input<'_>,
    look: &Look<'_>,
    seen: &Seen,
    link: &PrivateLinkService,
) -> Option<Difference> {
    let cluster = private_link_service::tag(link, CLUSTER_TAG)?;
    if !cluster.eq_ignore_ascii_case(&input.facts.cluster_name) {
        return None;
    }
    let at = private_link_service::address(link, seen.prediction.owners());
    let frontend = private_link_service::frontend(link)?;
    let Some(service) = seen.prediction.owners().of_link(link) else {
        return Some(left(seen, &at, link.id(), "no Service owns the frontend it is on"));
    };
    let owner = private_link_service::owner(link)?;
    if !seen.prediction.live.contains_key(&owner) {
        // The Service that frontend and tag are named after is gone, and who shared the frontend goes on as
        // before (recording 238).
        let is_shared = seen.prediction.owners().of_name(frontend.name()).is_none();
        let outcome = seen.prediction.outcome(service);
        if is_shared && outcome.is_none_or(|outcome| outcome.error.is_none()) {
            return None;
        }
        // Of those on the frontend the one that asks for a Private Link Service is to have it.
        let sharing = seen.prediction.owners().sharing(&frontend);
        let asking = std::iter::once(service).chain(sharing).find(|key| asks_for_link(seen, key));
        let service = asking.unwrap_or(service);
        // Ownership goes by namespace and name, and the tag is never moved (findings 8 and F5).
        let message = format!(
            "its tag says that Service {owner} owns it, which is gone; Service {service} on the same frontend cannot change its settings"
        );
        let cause = Cause::by(By::Controller);
        let mut found = difference(Class::Orphan, &at, Some(link.id()), message, cause);
        found.repair = Some(repair::tag(link.id(), &format!("{OWNER_TAG}={service}")));
        return Some(found);
    }
    if asks_for_link(seen, &owner) || !input.wanted.has(&owner) || is_wanted(input, &owner) {
        return None;
    }
    // Recordings 201, 202 and 250: nothing deletes it while its frontend lives.
    let message =
        "its Service no longer asks for it, and nothing deletes it while its frontend lives";
    let cause = Cause::by(By::Controller);
    let mut found = difference(Class::Orphan, &at, Some(link.id()), message, cause);
    found.repair = Some(Repair::apply(look.apply).saying(format!(
        "but first set azure-pls-create to \"true\" again, or delete Service {owner}"
    )));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::is_made_name;

    #[test]
    fn the_controllers_names_are_told_from_others() {
        for name in ["a692d862619bd44c9aa0d41df1c0201f", "a692d862619bd44c9aa0d41df1c0201f-apps"] {
            assert!(is_made_name(name), "{name}");
        }
        for name in ["a692d862", "2ac5a8c1-0000-0000-0000-000000000000", "app-gateway", ""] {
            assert!(!is_made_name(name), "{name}");
        }
    }
}
