//! Virtual networks and subnets.

mod range;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, not_found, parse, succeeded};
use super::error::ArmError;
use super::name::check_child_names;
use super::resource::{Subnet, VirtualNetwork};
use super::rules::Rules;

impl Azure<'_> {
    /// A PUT of a subnet. Policies that are not sent get Azure's defaults: endpoints `Disabled`,
    /// private link services `Enabled` (arm-contract, section 2).
    ///
    /// # Errors
    /// 412, 404 if the virtual network is missing, 400 if the policy is to be enabled under a PLS, or for a
    /// range or delegations that it cannot have.
    pub fn put_subnet(
        &mut self,
        id: &ResourceId,
        body: &Subnet,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.subnets.get(&id.key()).cloned();
        let existing = existing.as_deref();
        check_match(id, existing.and_then(|subnet| subnet.etag.as_deref()), if_match)?;
        let created = existing.is_none();
        if let Some(network) = id.parent()
            && !self.world.virtual_networks.contains_key(&network.key())
        {
            return Err(not_found(&network));
        }
        if self.rules == Rules::Azure {
            self.check_ranges(id, body, existing)?;
            self.check_delegations(id, body, existing)?;
        }
        let mut subnet = body.clone();
        subnet.name = Some(id.name().to_owned());
        subnet.id = Some(existing.map_or(id.as_str(), |subnet| subnet.id()).to_owned());
        subnet.kind = Some(ArmType::Subnet.name().to_owned());
        let properties = &mut subnet.properties;
        properties.provisioning_state = succeeded();
        let policies = &mut properties.private_link_service_network_policies;
        let policies = policies.get_or_insert_with(|| "Enabled".to_owned());
        if self.rules == Rules::Azure
            && policies != "Disabled"
            && self.private_link_service_in(id).is_some()
        {
            return Err(policy_under_service(id.as_str()));
        }
        properties.private_endpoint_network_policies.get_or_insert_with(|| "Disabled".to_owned());
        if self.rules == Rules::Azure {
            fill_as_azure(&mut subnet, existing);
        }
        subnet.etag = Some(self.allocator.etag(id));
        self.world.subnets.insert(id.key(), Arc::new(subnet));
        if self.rules == Rules::Azure
            && let Some(network) = id.parent()
        {
            self.touch_virtual_network(&network);
        }
        Ok(if created { Done::Created } else { Done::Updated })
    }

    /// The first NAT address in a subnet: its PLS may have no interface to show yet.
    fn private_link_service_in(&self, subnet: &ResourceId) -> Option<String> {
        let mut services = self.world.private_link_services.values();
        services.find_map(|service| {
            let mut addresses = service.properties.ip_configurations.iter().flatten();
            let inside = addresses.find(|address| {
                let of = address.properties.subnet.as_ref();
                of.is_some_and(|of| of.id().eq_ignore_ascii_case(subnet.as_str()))
            });
            inside.map(|address| address.id().to_owned())
        })
    }

    /// A PUT of a virtual network, its subnets included: those that are not listed go, unless no list is sent
    /// (PUT semantics: arm-contract, section 2).
    ///
    /// # Errors
    /// 412, 400 for a body that does not fit, or while something is in a subnet that would go.
    pub fn put_virtual_network(
        &mut self,
        id: &ResourceId,
        mut body: Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.virtual_networks.get(&id.key()).cloned();
        let existing = existing.as_deref();
        check_match(id, existing.and_then(|network| network.etag.as_deref()), if_match)?;
        let created = existing.is_none();
        let subnets = body
            .get_mut("properties")
            .and_then(Value::as_object_mut)
            .and_then(|properties| properties.shift_remove("subnets"));
        let subnets: Option<Vec<Subnet>> = subnets.map(parse).transpose()?;
        let mut network: VirtualNetwork = parse(body)?;
        let going = self.subnets_going(id, subnets.as_deref())?;
        network.name = Some(id.name().to_owned());
        network.id = Some(id.as_str().to_owned());
        network.kind = Some(ArmType::VirtualNetwork.name().to_owned());
        network.properties.provisioning_state = succeeded();
        network.etag = Some(self.allocator.etag(id));
        if self.rules == Rules::Azure {
            let guid = existing.and_then(|it| it.properties.other.get("resourceGuid").cloned());
            let guid = guid.unwrap_or_else(|| Value::from(self.allocator.guid(id)));
            let properties = &mut network.properties.other;
            properties.insert("resourceGuid".to_owned(), guid);
            let defaults = [
                ("dhcpOptions", json!({"dnsServers": []})),
                ("virtualNetworkPeerings", json!([])),
                ("enableDdosProtection", json!(false)),
                ("privateEndpointVNetPolicies", json!("Disabled")),
            ];
            for (name, default) in defaults {
                properties.entry(name).or_insert(default);
            }
        }
        self.world.virtual_networks.insert(id.key(), Arc::new(network));
        for key in going {
            self.world.subnets.remove(&key);
        }
        for subnet in subnets.iter().flatten() {
            let subnet_id = id.child("subnets", subnet.name());
            self.put_subnet(&subnet_id, subnet, None)?;
        }
        if self.rules == Rules::Azure {
            self.touch_virtual_network(id);
        }
        Ok(if created { Done::Created } else { Done::Updated })
    }

    /// The subnets of a network that a list of them leaves out, by key. The fake of the recordings keeps them.
    fn subnets_going(
        &self,
        id: &ResourceId,
        listed: Option<&[Subnet]>,
    ) -> Result<Vec<String>, ArmError> {
        let Some(listed) = listed.filter(|_| self.rules == Rules::Azure) else {
            return Ok(Vec::new());
        };
        check_child_names(id, listed.iter().map(|subnet| subnet.name()))?;
        let is_listed =
            |subnet: &Subnet| listed.iter().any(|it| it.name().eq_ignore_ascii_case(subnet.name()));
        let mut going = Vec::new();
        for (key, subnet) in self.subnets_of(id).filter(|(_, subnet)| !is_listed(subnet)) {
            let subnet = ResourceId::new(subnet.id());
            if let Some(user) = self.user_of_subnet(&subnet) {
                return Err(in_use(&subnet, &user));
            }
            going.push(key.clone());
        }
        Ok(going)
    }

    /// A DELETE of a subnet.
    ///
    /// # Errors
    /// 400 while a frontend, a network interface or a PLS is in it.
    pub fn delete_subnet(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        if let Some(user) = self.user_of_subnet(id) {
            return Err(in_use(id, &user));
        }
        let existed = self.world.subnets.remove(&id.key()).is_some();
        if existed
            && self.rules == Rules::Azure
            && let Some(network) = id.parent()
        {
            self.touch_virtual_network(&network);
        }
        Ok(if existed { Done::Deleted } else { Done::Absent })
    }

    /// A DELETE of a virtual network, its subnets included.
    ///
    /// # Errors
    /// 412; 400 while something is in one of its subnets.
    pub fn delete_virtual_network(
        &mut self,
        id: &ResourceId,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let key = id.key();
        let Some(existing) = self.world.virtual_networks.get(&key) else {
            return Ok(Done::Absent);
        };
        check_match(id, existing.etag.as_deref(), if_match)?;
        let prefix = format!("{key}/subnets/");
        let subnets = self.world.subnets.range(prefix.clone()..);
        let subnets: Vec<String> = subnets
            .map(|(key, _)| key.clone())
            .take_while(|key| key.starts_with(&prefix))
            .collect();
        if self.rules == Rules::Azure {
            for subnet in &subnets {
                let subnet = self.world.subnets.get(subnet).map(|it| ResourceId::new(it.id()));
                let subnet = subnet.unwrap_or_default();
                if let Some(user) = self.user_of_subnet(&subnet) {
                    return Err(in_use(&subnet, &user));
                }
            }
        }
        self.world.virtual_networks.remove(&key);
        for subnet in subnets {
            self.world.subnets.remove(&subnet);
        }
        Ok(Done::Deleted)
    }

    /// The first IP configuration in a subnet.
    fn user_of_subnet(&self, id: &ResourceId) -> Option<String> {
        let inside = self.world.inside_subnets().remove(&id.key()).unwrap_or_default();
        inside.into_iter().next().or_else(|| self.private_link_service_in(id))
    }
}

/// The refusal to enable the policy of a subnet with NAT addresses.
pub(super) fn policy_under_service(subnet: &str) -> ArmError {
    ArmError::new(
        400,
        "PrivateLinkServiceNetworkPoliciesCannotBeEnabledOnPrivateLinkServiceSubnet",
        format!(
            "Private link service network policies cannot be enabled on private link service subnet {subnet}."
        ),
    )
}

fn in_use(subnet: &ResourceId, user: &str) -> ArmError {
    ArmError::new(
        400,
        "InUseSubnetCannotBeDeleted",
        format!(
            "Subnet {} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
            subnet.name()
        ),
    )
}

/// What Azure adds to a subnet besides (recorded). Who is in it is not the caller's to say.
fn fill_as_azure(subnet: &mut Subnet, existing: Option<&Subnet>) {
    let properties = &mut subnet.properties.other;
    properties.entry("delegations").or_insert_with(|| json!([]));
    for name in ["ipConfigurations", "privateEndpoints"] {
        match existing.and_then(|it| it.properties.other.get(name)) {
            Some(shown) => drop(properties.insert(name.to_owned(), shown.clone())),
            None => drop(properties.shift_remove(name)),
        }
    }
}
