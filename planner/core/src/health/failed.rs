//! What Azure failed of the things that the controller writes for a stack, and of those around them. A plan
//! finds no field that differs, and the controller writes most of them again only when something changes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::address::{Address, Kind};
use crate::join::Join;
use crate::plan::Finding;
use crate::pointer::At;
use crate::provisioning;
use crate::resource_id::ResourceId;
use crate::rule::{Example, basis, rules};

use super::{Check, finding};

/// What the stack's Services stand on in Azure, by its address.
fn footing(join: &Join<'_>) -> BTreeMap<Address, ResourceId> {
    let ours = |key| join.input.desired.services.contains_key(key);
    let world = &join.prediction.before;
    let mut found = BTreeMap::new();
    let add_subnets = |found: &mut BTreeMap<Address, ResourceId>,
                       configurations: Option<&Value>| {
        for it in configurations.and_then(Value::as_array).into_iter().flatten() {
            let Some(id) = it.at("/properties/subnet/id").and_then(Value::as_str) else { continue };
            let id = ResourceId::new(id);
            let network = id.parent().unwrap_or_default();
            let name = format!("{}/{}", network.name(), id.name());
            found.insert(Address::new(Kind::Subnet, name), id);
        }
    };
    for (at, node) in join.prediction.nodes_before() {
        if !node.service.as_ref().is_some_and(ours) {
            continue;
        }
        match at.kind {
            Kind::FrontendIp => {
                let Some(balancer) = node.id.parent() else { continue };
                let live = world.get(&balancer);
                let frontends =
                    live.as_ref().and_then(|it| it.at("/properties/frontendIPConfigurations"));
                add_subnets(&mut found, frontends);
                found.insert(Address::new(Kind::LoadBalancer, balancer.name()), balancer);
            }
            Kind::PrivateLinkService => {
                let live = world.get(&node.id);
                add_subnets(
                    &mut found,
                    live.as_ref().and_then(|it| it.at("/properties/ipConfigurations")),
                );
                found.insert(at.clone(), node.id.clone());
            }
            Kind::PublicIp => drop(found.insert(at.clone(), node.id.clone())),
            _ => {}
        }
    }
    let group = &join.input.facts.security_group;
    if !found.is_empty() && !group.is_empty() {
        let groups = world.network_security_groups.values();
        for live in groups.filter(|it| it.name().eq_ignore_ascii_case(group)) {
            let at = Address::new(Kind::SecurityRule, format!("{}/*", live.name()));
            found.insert(at, ResourceId::new(live.id()));
        }
    }
    found
}

fn resource_failed(join: &Join<'_>, findings: &mut Vec<Finding>) {
    for (at, id) in footing(join) {
        let Some(live) = join.prediction.before.get(&id) else { continue };
        let Some(state) = provisioning::failed(&live).filter(|_| join.input.covers(&at)) else {
            continue;
        };
        findings.push(finding(
            RESOURCE_FAILED,
            at,
            format!("Azure failed to provision {}: its provisioningState is {state}", id.name()),
            "Azure's activity log says why. What the controller wrote it writes again at a sync that changes it.",
        ));
    }
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[resource_failed];

rules! {
    /// Azure shows `Failed` or `Canceled` as the provisioning state of a load balancer, Private Link Service,
    /// public address, security group or subnet that the stack's Services stand on. It may serve or not. What
    /// privlink itself writes is planned again instead, and drift reports either as `provisioning-failed`.
    RESOURCE_FAILED = "resource-failed", Warning, [Desired, Live], {
        basis: basis::documented("provisioning states of resources", basis::link::SERVICE),
        advice: "Azure's activity log says why. What the controller wrote it writes again at a sync that \
            changes it.",
        example: Example::live("provisioningState: Failed   # of the load balancer"),
    }
}
