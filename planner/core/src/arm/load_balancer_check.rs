//! What ARM refuses of a load balancer by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::ArmError;
use super::resource::{LoadBalancer, LoadBalancerProperties, Reference, Resource, Rule};
use crate::resource_id::ResourceId;
use crate::unknown;
use serde_json::Value;

pub(super) fn names<P>(children: &Option<Vec<Arc<Resource<P>>>>) -> impl Iterator<Item = &str> {
    children.iter().flatten().map(|child| child.name())
}

pub(super) fn duplicate_names<'a>(
    id: &ResourceId,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ArmError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.to_lowercase()) {
            return Err(ArmError::new(
                400,
                "DuplicateResourceName",
                format!("Resource {id} has two child resources with the same name {name}."),
            ));
        }
    }
    Ok(())
}

pub(super) fn long_names(body: &LoadBalancer) -> Result<(), ArmError> {
    let properties = &body.properties;
    let all = names(&properties.frontend_ip_configurations)
        .chain(names(&properties.backend_address_pools))
        .chain(names(&properties.load_balancing_rules))
        .chain(names(&properties.probes));
    for name in all {
        check_length(name)?;
    }
    Ok(())
}

/// Names have up to 80 characters. One that is not known yet counts as it will be (a uid has 31 digits
/// in it).
pub(crate) fn check_length(name: &str) -> Result<(), ArmError> {
    if unknown::is_unknown(name) || name.chars().count() <= 80 {
        return Ok(());
    }
    Err(ArmError::new(
        400,
        "InvalidResourceName",
        format!("Resource name {name} is invalid. The name can be up to 80 characters."),
    ))
}

/// Two rules may not share frontend, port and protocol, nor, without floating IP, pool, backend port
/// and protocol.
pub(super) fn conflicting_rules(properties: &LoadBalancerProperties) -> Result<(), ArmError> {
    let mut fronts: BTreeMap<(String, i64, String), &str> = BTreeMap::new();
    let mut backs: BTreeMap<(String, i64, String), &str> = BTreeMap::new();
    for rule in properties.load_balancing_rules.iter().flatten() {
        let it = &rule.properties;
        let id = |reference: &Option<Reference>| {
            reference.as_ref().map(|it| it.id().to_lowercase()).unwrap_or_default()
        };
        let protocol = it.protocol.clone().unwrap_or_default().to_lowercase();
        let front =
            (id(&it.frontend_ip_configuration), it.frontend_port.unwrap_or(0), protocol.clone());
        if let Some(other) = fronts.insert(front, rule.name()) {
            return Err(ArmError::new(
                400,
                "RulesUseSameFrontendPortProtocolAndVip",
                format!(
                    "Load balancing rules {other} and {} use the same frontend, port and protocol.",
                    rule.name()
                ),
            ));
        }
        let Some(backend_port) = known_port(rule).filter(|_| it.enable_floating_ip != Some(true))
        else {
            continue;
        };
        let back = (id(&it.backend_address_pool), backend_port, protocol);
        if let Some(other) = backs.insert(back, rule.name()) {
            return Err(ArmError::new(
                400,
                "RulesUseSameBackendPortProtocolAndPool",
                format!(
                    "Load balancing rules {other} and {} belong to the load balancer of the same type and use the same backend port and protocol with floatingIP disabled.",
                    rule.name()
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn known_port(rule: &Rule) -> Option<i64> {
    rule.properties.backend_port.as_ref().and_then(Value::as_i64)
}
