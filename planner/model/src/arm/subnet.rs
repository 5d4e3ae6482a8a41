//! Virtual networks and subnets.

use std::sync::Arc;

use serde_json::Value;

use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, not_found, succeeded};
use super::error::ArmError;
use super::resource::Subnet;
use super::rules::Rules;

impl Azure<'_> {
    /// A PUT of a subnet. Policies that are not sent get Azure's defaults: endpoints `Disabled`,
    /// private link services `Enabled` (arm-contract, section 2).
    ///
    /// # Errors
    /// 412, 404 if the virtual network is missing, 400 if the policy is to be enabled under a PLS.
    pub fn put_subnet(
        &mut self,
        id: &ResourceId,
        body: &Subnet,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.subnets.get(&id.key());
        check_match(id, existing.and_then(|subnet| subnet.etag.as_deref()), if_match)?;
        let created = existing.is_none();
        if let Some(network) = id.parent()
            && !self.world.virtual_networks.contains_key(&network.key())
        {
            return Err(not_found(&network));
        }
        let mut subnet = body.clone();
        subnet.name = Some(id.name().to_owned());
        subnet.id = Some(existing.map_or(id.as_str(), |subnet| subnet.id()).to_owned());
        subnet.kind = Some("Microsoft.Network/virtualNetworks/subnets".to_owned());
        let properties = &mut subnet.properties;
        properties.provisioning_state = succeeded();
        let policies = &mut properties.private_link_service_network_policies;
        let policies = policies.get_or_insert_with(|| "Enabled".to_owned());
        if self.rules == Rules::Azure && policies != "Disabled" && self.has_private_link_service(id)
        {
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceNetworkPoliciesCannotBeEnabledOnPrivateLinkServiceSubnet",
                format!(
                    "Private link service network policies cannot be enabled on private link service subnet {id}."
                ),
            ));
        }
        properties.private_endpoint_network_policies.get_or_insert_with(|| "Disabled".to_owned());
        subnet.etag = Some(self.hand.etag(id));
        self.world.subnets.insert(id.key(), Arc::new(subnet));
        Ok(if created { Done::Created } else { Done::Updated })
    }

    fn has_private_link_service(&self, subnet: &ResourceId) -> bool {
        self.world.private_link_services.values().any(|service| {
            service.properties.ip_configurations.iter().flatten().any(|address| {
                address
                    .properties
                    .subnet
                    .as_ref()
                    .is_some_and(|it| it.id().eq_ignore_ascii_case(subnet.as_str()))
            })
        })
    }

    /// A PUT of a virtual network, its subnets included.
    ///
    /// # Errors
    /// 412, 400 for a body that does not fit.
    pub fn put_virtual_network(
        &mut self,
        id: &ResourceId,
        mut body: Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.virtual_networks.get(&id.key());
        check_match(id, existing.and_then(|network| network.etag.as_deref()), if_match)?;
        let created = existing.is_none();
        let subnets = body
            .get_mut("properties")
            .and_then(Value::as_object_mut)
            .and_then(|properties| properties.shift_remove("subnets"));
        let malformed = |error: serde_json::Error| {
            ArmError::new(400, "InvalidRequestFormat", format!("Cannot parse the request. {error}"))
        };
        let mut network: super::resource::VirtualNetwork =
            serde_json::from_value(body).map_err(malformed)?;
        network.name = Some(id.name().to_owned());
        network.id = Some(id.as_str().to_owned());
        network.kind = Some("Microsoft.Network/virtualNetworks".to_owned());
        network.properties.provisioning_state = succeeded();
        network.etag = Some(self.hand.etag(id));
        self.world.virtual_networks.insert(id.key(), Arc::new(network));
        if let Some(Value::Array(subnets)) = subnets {
            for subnet in subnets {
                let subnet: Subnet = serde_json::from_value(subnet).map_err(malformed)?;
                let subnet_id = id.child("subnets", subnet.name());
                self.put_subnet(&subnet_id, &subnet, None)?;
            }
        }
        Ok(if created { Done::Created } else { Done::Updated })
    }

    /// A DELETE of a subnet.
    ///
    /// # Errors
    /// 400 while a frontend or a PLS is in it.
    pub fn delete_subnet(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let used = self.world.load_balancers.values().find_map(|balancer| {
            let frontends = balancer.properties.frontend_ip_configurations.iter().flatten();
            frontends
                .filter(|frontend| {
                    let subnet = frontend.properties.subnet.as_ref();
                    subnet.is_some_and(|subnet| subnet.id().eq_ignore_ascii_case(id.as_str()))
                })
                .map(|frontend| frontend.id().to_owned())
                .next()
        });
        if used.is_some() || self.has_private_link_service(id) {
            return Err(ArmError::new(
                400,
                "InUseSubnetCannotBeDeleted",
                format!(
                    "Subnet {} is in use by {} and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
                    id.name(),
                    used.unwrap_or_default()
                ),
            ));
        }
        let existed = self.world.subnets.remove(&id.key()).is_some();
        Ok(if existed { Done::Deleted } else { Done::Absent })
    }
}
