//! What ARM refuses of a load balancer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::arm::address::{check_distinct, in_subnet, ranges};
use crate::arm::azure::{Azure, missing_reference};
use crate::arm::error::ArmError;
use crate::arm::name::check_child_names;
use crate::arm::resource::{
    Frontend, LoadBalancer, LoadBalancerProperties, Reference, Resource, Rule, Subnet,
};
use crate::arm::rules::Rules;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::frontend::asked;
use super::place::check_place;
use super::reference::check_references;

/// The code for an address outside its subnet.
pub const NOT_IN_SUBNET: &str = "PrivateIPAddressNotInSubnet";
/// The code for a load balancer with frontends of IPv6 alone.
pub const NO_IPV4: &str = "AtleastOneIpV4RequiredForIpV6LbFrontendIpConfiguration";

impl Azure<'_> {
    pub(super) fn check_load_balancer(
        &self,
        id: &ResourceId,
        body: &LoadBalancer,
        existing: Option<&LoadBalancer>,
    ) -> Result<(), ArmError> {
        if self.rules == Rules::Azure {
            check_sku(id, body, existing)?;
        }
        let properties = &body.properties;
        let frontends: Vec<&Arc<Frontend>> =
            properties.frontend_ip_configurations.iter().flatten().collect();
        self.check_names(id, frontends.iter().map(|it| it.name()))?;
        self.check_names(id, names(&properties.backend_address_pools))?;
        self.check_names(id, names(&properties.load_balancing_rules))?;
        self.check_names(id, names(&properties.probes))?;
        for frontend in &frontends {
            self.check_frontend(id, frontend)?;
        }
        if self.rules == Rules::Azure {
            self.check_places(id, body, existing)?;
            let frontends = properties.frontend_ip_configurations.as_deref().unwrap_or_default();
            check_distinct(asked(id, frontends).into_iter())?;
        }
        self.check_kept_frontends(id, &frontends)?;
        if self.rules != Rules::RecordedLenient {
            long_names(body)?;
            conflicting_rules(id, properties, self.rules)?;
            for probe in properties.probes.iter().flatten() {
                if probe.properties.interval_in_seconds.is_some_and(|seconds| seconds < 5) {
                    return Err(ArmError::new(
                        400,
                        "InvalidProbeInterval",
                        format!("Probe {} has an interval under 5 seconds.", probe.name()),
                    ));
                }
            }
        }
        if self.rules == Rules::Azure {
            self.check_as_azure(id, properties)?;
            check_references(id, properties)?;
            probe_ports(body)?;
        }
        Ok(())
    }

    /// What users report that Azure refuses besides: a load balancer with IPv6 frontends alone
    /// (cloud-provider-azure #1831).
    fn check_as_azure(
        &self,
        id: &ResourceId,
        properties: &LoadBalancerProperties,
    ) -> Result<(), ArmError> {
        let is_ipv6 = |frontend: &Arc<Frontend>| {
            let of = &frontend.properties;
            let public = of.public_ip_address.as_ref().and_then(|public| {
                self.world.public_ip_addresses.get(&public.id().to_ascii_lowercase())
            });
            let public = public.and_then(|it| it.properties.public_ip_address_version.as_deref());
            public.or(of.private_ip_address_version.as_deref()) == Some("IPv6")
        };
        let frontends = properties.frontend_ip_configurations.as_deref().unwrap_or_default();
        if !frontends.is_empty() && frontends.iter().all(is_ipv6) {
            return Err(ArmError::new(
                400,
                NO_IPV4,
                format!(
                    "Load balancer {id} has IPv6 frontend IP configurations; at least one IPv4 frontend IP configuration is required."
                ),
            ));
        }
        Ok(())
    }

    /// Children of one type have names of their own. Azure says what is wrong in a detail; the fake of the
    /// recordings says it outright.
    fn check_names<'a>(
        &self,
        id: &ResourceId,
        names: impl Iterator<Item = &'a str>,
    ) -> Result<(), ArmError> {
        check_child_names(id, names).map_err(|refused| match (self.rules, refused.reason()) {
            (Rules::Azure, _) => refused,
            (_, (code, message)) => ArmError::new(400, code, message.replace(['(', ')'], "")),
        })
    }

    fn check_frontend(&self, id: &ResourceId, frontend: &Frontend) -> Result<(), ArmError> {
        let frontend_id = id.child("frontendIPConfigurations", frontend.name());
        if self.rules == Rules::Azure {
            check_place(&frontend_id, frontend)?;
        }
        let properties = &frontend.properties;
        if let Some(address) = &properties.public_ip_address
            && !self.world.public_ip_addresses.contains_key(&address.id().to_ascii_lowercase())
        {
            return Err(missing_reference(address.id(), &frontend_id));
        }
        let Some(subnet_id) = properties.subnet.as_ref().map(Reference::id) else {
            return Ok(());
        };
        let Some(subnet) = self.world.subnets.get(&subnet_id.to_ascii_lowercase()) else {
            return Err(missing_reference(subnet_id, &frontend_id));
        };
        let is_static = properties.private_ip_allocation_method.as_deref() == Some("Static");
        let Some(text) = properties.private_ip_address.as_deref().filter(|_| is_static) else {
            return Ok(());
        };
        if self.rules == Rules::RecordedLenient || unknown::is_unknown(text) {
            return Ok(());
        }
        let Ok(address) = text.parse::<IpAddr>() else {
            return Err(ArmError::new(
                400,
                "InvalidIPAddressFormat",
                format!(
                    "IP address {text} used in frontend {frontend_id} is not a valid IP address."
                ),
            ));
        };
        if !in_subnet(address, subnet) {
            let ranges: Vec<&str> = ranges(subnet).collect();
            return Err(ArmError::new(
                400,
                NOT_IN_SUBNET,
                format!(
                    "Private static IP address {text} does not belong to the range of subnet prefix {}.",
                    ranges.join(", ")
                ),
            ));
        }
        self.check_free(address, subnet, &frontend_id)
    }

    /// Refuses an address that Azure reserves, or that another IP configuration has.
    pub(crate) fn check_free(
        &self,
        address: IpAddr,
        subnet: &Subnet,
        by: &ResourceId,
    ) -> Result<(), ArmError> {
        if self.rules == Rules::Azure && self.world.is_reserved(address, subnet) {
            return Err(ArmError::new(
                400,
                "PrivateIPAddressInReservedRange",
                format!(
                    "Private static IP address {address} falls within reserved IP range of subnet."
                ),
            ));
        }
        let holder = self.world.holder_of(address, subnet.id());
        match holder.filter(|holder| !holder.eq_ignore_ascii_case(by.as_str())) {
            None => Ok(()),
            Some(holder) if self.rules == Rules::Azure => Err(ArmError::new(
                400,
                "PrivateIPAddressIsAllocated",
                format!(
                    "IP configuration {by} is using the private IP address {address} which is already allocated to resource {}.",
                    self.world.configuration_with(address, &holder).unwrap_or(&holder)
                ),
            )),
            Some(holder) => Err(ArmError::new(
                400,
                "PrivateIPAddressInUse",
                format!(
                    "IP configuration {by} is using the private IP address {address} which is already allocated to {holder}."
                ),
            )),
        }
    }

    /// A frontend under a PLS cannot be removed.
    fn check_kept_frontends(
        &self,
        id: &ResourceId,
        frontends: &[&Arc<Frontend>],
    ) -> Result<(), ArmError> {
        let prefix = format!("{}/frontendipconfigurations/", id.key());
        for service in self.world.private_link_services.values() {
            let on = service.properties.load_balancer_frontend_ip_configurations.iter().flatten();
            for used in on {
                let key = used.id().to_ascii_lowercase();
                let Some(name) = key.strip_prefix(&prefix) else {
                    continue;
                };
                if !frontends.iter().any(|it| it.name().eq_ignore_ascii_case(name)) {
                    return Err(ArmError::new(
                        400,
                        "InUseFrontendIPConfigurationCannotBeDeleted",
                        format!(
                            "Frontend IP configuration {} cannot be deleted since it is in use by private link service {}.",
                            used.id(),
                            service.id()
                        ),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A load balancer keeps the SKU that it was made with (Azure/azure-cli#6743; the code is not quoted).
fn check_sku(
    id: &ResourceId,
    body: &LoadBalancer,
    existing: Option<&LoadBalancer>,
) -> Result<(), ArmError> {
    let sku = |balancer: &LoadBalancer| balancer.sku.as_ref().and_then(|sku| sku.name.clone());
    let (Some(live), Some(wanted)) = (existing.and_then(sku), sku(body)) else { return Ok(()) };
    if live.eq_ignore_ascii_case(&wanted) {
        return Ok(());
    }
    Err(ArmError::new(
        400,
        "SkuCannotBeChangedOnUpdate",
        format!(
            "Sku property is set at creation time and cannot be changed from {live} to {wanted} on resource update for resource {id}."
        ),
    ))
}

/// The first probe whose port Azure refuses, with the port: one that is not 1 to 65535 (ARM's description
/// of the type).
pub fn refused_probe(body: &LoadBalancer) -> Option<(&str, i64)> {
    let mut probes = body.properties.probes.iter().flatten();
    probes.find_map(|probe| {
        let port = probe.properties.port.as_ref().and_then(Value::as_i64)?;
        (!(1..=65535).contains(&port)).then(|| (probe.name(), port))
    })
}

/// That ARM refuses such a probe is reported (Azure/AKS 3165, 3453); its code is not.
fn probe_ports(body: &LoadBalancer) -> Result<(), ArmError> {
    match refused_probe(body) {
        None => Ok(()),
        Some((probe, port)) => Err(ArmError::new(
            400,
            "InvalidRequestFormat",
            format!("Probe {probe} has port {port}: a probe's port must be 1 to 65535."),
        )),
    }
}

fn names<P>(children: &Option<Vec<Arc<Resource<P>>>>) -> impl Iterator<Item = &str> {
    children.iter().flatten().map(|child| child.name())
}

fn long_names(body: &LoadBalancer) -> Result<(), ArmError> {
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
fn conflicting_rules(
    id: &ResourceId,
    properties: &LoadBalancerProperties,
    rules: Rules,
) -> Result<(), ArmError> {
    let mut fronts: BTreeMap<(String, i64, String), &str> = BTreeMap::new();
    let mut backs: BTreeMap<(String, i64, String), &str> = BTreeMap::new();
    for rule in properties.load_balancing_rules.iter().flatten() {
        let it = &rule.properties;
        let key = |reference: &Option<Reference>| {
            reference.as_ref().map(|it| it.id().to_ascii_lowercase()).unwrap_or_default()
        };
        let protocol = it.protocol.clone().unwrap_or_default().to_ascii_lowercase();
        let front =
            (key(&it.frontend_ip_configuration), it.frontend_port.unwrap_or(0), protocol.clone());
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
        let back = (key(&it.backend_address_pool), backend_port, protocol);
        if let Some(other) = backs.insert(back, rule.name()) {
            return Err(same_backend_port(id, (other, rule), rules));
        }
    }
    Ok(())
}

/// The refusal of two rules with one port of one pool: in the words that users of Terraform paste, or in those of the
/// recordings' fake.
fn same_backend_port(id: &ResourceId, (other, rule): (&str, &Rule), rules: Rules) -> ArmError {
    let message = if rules == Rules::Azure {
        let own = |name: &str| id.child("loadBalancingRules", name);
        let it = &rule.properties;
        format!(
            "Load balancing rules {} and {} with floating IP disabled use the same protocol {} and backend port {}, and must not be used with the same backend address pool {}.",
            own(other),
            own(rule.name()),
            it.protocol.as_deref().unwrap_or_default(),
            known_port(rule).unwrap_or_default(),
            it.backend_address_pool.as_ref().map(Reference::id).unwrap_or_default()
        )
    } else {
        format!(
            "Load balancing rules {other} and {} belong to the load balancer of the same type and use the same backend port and protocol with floatingIP disabled.",
            rule.name()
        )
    };
    ArmError::new(400, "RulesUseSameBackendPortProtocolAndPool", message)
}

pub(super) fn known_port(rule: &Rule) -> Option<i64> {
    rule.properties.backend_port.as_ref().and_then(Value::as_i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_rules_with_one_port_of_one_pool_are_named_with_their_ids() {
        let balancer = ResourceId::new("/lb");
        let rule = |name: &str, port: i64| {
            json!({"name": name, "properties": {
                "protocol": "Tcp", "frontendPort": port, "backendPort": 8200,
                "backendAddressPool": {"id": "/lb/backendAddressPools/p"},
            }})
        };
        let properties = json!({"loadBalancingRules": [rule("a", 8200), rule("b", 443)]});
        let properties = serde_json::from_value(properties).unwrap();
        let refused = conflicting_rules(&balancer, &properties, Rules::Azure).unwrap_err();
        assert_eq!(refused.code, "RulesUseSameBackendPortProtocolAndPool");
        assert_eq!(
            refused.message,
            "Load balancing rules /lb/loadBalancingRules/a and /lb/loadBalancingRules/b with floating IP disabled use the same protocol Tcp and backend port 8200, and must not be used with the same backend address pool /lb/backendAddressPools/p."
        );
    }
}
