//! Public IP addresses.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, succeeded};
use super::error::ArmError;
use super::resource::PublicIpAddress;
use super::rules::Rules;

impl Azure<'_> {
    /// A PUT of a public IP. Its address and what uses it stay.
    ///
    /// # Errors
    /// 412.
    pub fn put_public_ip_address(
        &mut self,
        id: &ResourceId,
        body: &PublicIpAddress,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.public_ip_addresses.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|address| address.etag.as_deref()), if_match)?;
        let mut address = body.clone();
        address.name = Some(id.name().to_owned());
        address.id = Some(existing.as_ref().map_or(id.as_str(), |it| it.id()).to_owned());
        address.kind = Some(ArmType::PublicIpAddress.name().to_owned());
        let version = address.properties.public_ip_address_version.clone();
        let before = existing.as_ref().map(|it| &it.properties);
        let given = before.and_then(|it| it.ip_address.clone());
        let properties = &mut address.properties;
        properties.provisioning_state = succeeded();
        properties.public_ip_address_version.get_or_insert_with(|| "IPv4".to_owned());
        properties.idle_timeout_in_minutes.get_or_insert(4);
        properties.ip_configuration = before.and_then(|it| it.ip_configuration.clone());
        properties.ip_address = Some(given.unwrap_or_else(|| {
            self.allocator.public_address(id, version.as_deref().unwrap_or("IPv4"))
        }));
        if self.rules == Rules::Azure {
            let guid = before.and_then(|it| it.other.get("resourceGuid").cloned());
            let guid = guid.unwrap_or_else(|| Value::from(self.allocator.guid(id)));
            fill_as_azure(&mut address, guid);
        }
        address.etag = Some(self.allocator.etag(id));
        self.world.public_ip_addresses.insert(id.key(), Arc::new(address));
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    /// A DELETE of a public IP.
    ///
    /// # Errors
    /// 400 while something uses it.
    pub fn delete_public_ip_address(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let Some(existing) = self.world.public_ip_addresses.get(&id.key()) else {
            return Ok(Done::Absent);
        };
        if let Some(user) = &existing.properties.ip_configuration {
            return Err(ArmError::new(
                400,
                "PublicIPAddressCannotBeDeleted",
                format!(
                    "Public IP address {} can not be deleted since it is still allocated to resource {}. In order to delete the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see aka.ms/deletepublicip.",
                    existing.id(),
                    user.id()
                ),
            ));
        }
        self.world.public_ip_addresses.remove(&id.key());
        Ok(Done::Deleted)
    }

    /// Shows on the public IPs which frontends use them.
    pub(crate) fn show_users_of_public_ips(&mut self) {
        let mut users = std::collections::BTreeMap::new();
        for balancer in self.world.load_balancers.values() {
            for frontend in balancer.properties.frontend_ip_configurations.iter().flatten() {
                if let Some(address) = &frontend.properties.public_ip_address {
                    users.insert(address.id().to_ascii_lowercase(), frontend.id().to_owned());
                }
            }
        }
        for (key, address) in &mut self.world.public_ip_addresses {
            let shown =
                address.properties.ip_configuration.as_ref().map(super::resource::Reference::id);
            let user = users.get(key).map(String::as_str);
            let by_balancer =
                shown.is_none_or(|id| id.to_ascii_lowercase().contains("/loadbalancers/"));
            if shown != user && by_balancer {
                Arc::make_mut(address).properties.ip_configuration =
                    user.map(super::resource::Reference::to);
            }
        }
    }
}

/// What Azure adds besides: as it shows addresses in the requests of the recordings.
fn fill_as_azure(address: &mut PublicIpAddress, guid: Value) {
    let properties = &mut address.properties;
    properties.ip_tags.get_or_insert_default();
    properties.public_ip_allocation_method.get_or_insert_with(|| "Dynamic".to_owned());
    properties.other.insert("resourceGuid".to_owned(), guid);
    let protection = json!({"protectionMode": "VirtualNetworkInherited"});
    properties.other.entry("ddosSettings").or_insert(protection);
    if let Some(sku) = &mut address.sku {
        sku.tier.get_or_insert_with(|| "Regional".to_owned());
    }
}
