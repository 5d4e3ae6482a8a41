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
    /// 412; 400 for a dynamic address of SKU Standard.
    pub fn put_public_ip_address(
        &mut self,
        id: &ResourceId,
        body: &PublicIpAddress,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.public_ip_addresses.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|address| address.etag.as_deref()), if_match)?;
        if self.rules == Rules::Azure {
            check_method(id, body)?;
        }
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
        let waits =
            self.rules == Rules::Azure && !is_static(body) && properties.ip_configuration.is_none();
        properties.ip_address = given.filter(|_| !waits).or_else(|| {
            let version = version.as_deref().unwrap_or("IPv4");
            (!waits).then(|| self.allocator.public_address(id, version))
        });
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
        let rules = self.rules;
        for (key, address) in &mut self.world.public_ip_addresses {
            let shown =
                address.properties.ip_configuration.as_ref().map(super::resource::Reference::id);
            let user = users.get(key).map(String::as_str);
            let by_balancer =
                shown.is_none_or(|id| id.to_ascii_lowercase().contains("/loadbalancers/"));
            if shown != user && by_balancer {
                let is_dynamic = rules == Rules::Azure && !is_static(address);
                let properties = &mut Arc::make_mut(address).properties;
                properties.ip_configuration = user.map(super::resource::Reference::to);
                if is_dynamic {
                    let version = properties.public_ip_address_version.as_deref();
                    let given = properties.ip_address.take();
                    properties.ip_address = user.map(|_| {
                        given.unwrap_or_else(|| {
                            let id = ResourceId::new(key.as_str());
                            self.allocator.public_address(&id, version.unwrap_or("IPv4"))
                        })
                    });
                }
            }
        }
    }
}

/// An address of SKU Standard is static. Users paste code and words; of one whose method is not sent nothing is
/// known, and it is taken for static.
fn check_method(id: &ResourceId, body: &PublicIpAddress) -> Result<(), ArmError> {
    let method = body.properties.public_ip_allocation_method.as_deref();
    if !is_standard(body) || method != Some("Dynamic") {
        return Ok(());
    }
    Err(ArmError::new(
        400,
        "StandardAndStandardV2SkuPublicIPAddressesMustBeStatic",
        format!("Standard sku publicIp {id} must have AllocationMethod set to Static."),
    ))
}

/// Whether it has its address from the beginning. One that is not gets it when something uses it, and loses it afterwards
/// (learn.microsoft.com, "Public IP addresses").
fn is_static(address: &PublicIpAddress) -> bool {
    let method = address.properties.public_ip_allocation_method.as_deref();
    method.map_or_else(|| is_standard(address), |method| method.eq_ignore_ascii_case("Static"))
}

fn is_standard(address: &PublicIpAddress) -> bool {
    let sku = address.sku.as_ref().and_then(|sku| sku.name.as_deref());
    sku.is_some_and(|sku| sku.eq_ignore_ascii_case("Standard"))
}

/// What Azure adds besides: as it shows addresses in the requests of the recordings.
fn fill_as_azure(address: &mut PublicIpAddress, guid: Value) {
    let sku = address.sku.get_or_insert_default();
    sku.name.get_or_insert_with(|| "Basic".to_owned());
    sku.tier.get_or_insert_with(|| "Regional".to_owned());
    let method = if is_standard(address) { "Static" } else { "Dynamic" };
    let properties = &mut address.properties;
    properties.ip_tags.get_or_insert_default();
    properties.public_ip_allocation_method.get_or_insert_with(|| method.to_owned());
    properties.other.insert("resourceGuid".to_owned(), guid);
    let protection = json!({"protectionMode": "VirtualNetworkInherited"});
    properties.other.entry("ddosSettings").or_insert(protection);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arm::allocator::Unknowns;
    use crate::arm::azure::parse;
    use crate::arm::world::World;

    const ID: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/a";

    fn with_azure<T>(world: &mut World, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
        let (mut allocator, mut faults) = (Unknowns::default(), Vec::new());
        act(&mut Azure::new(world, Rules::Azure, &mut allocator, &mut faults))
    }

    fn put(world: &mut World, sku: &str, method: &str) -> Result<Done, ArmError> {
        let body = json!({"location": "eastus", "sku": {"name": sku},
            "properties": {"publicIPAllocationMethod": method}});
        let body = parse(body)?;
        with_azure(world, |azure| azure.put_public_ip_address(&ResourceId::new(ID), &body, None))
    }

    #[test]
    fn an_address_of_sku_standard_is_static() {
        let mut world = World::default();
        let refused = put(&mut world, "Standard", "Dynamic").unwrap_err();
        assert_eq!(refused.code, "StandardAndStandardV2SkuPublicIPAddressesMustBeStatic");
        let words = format!("Standard sku publicIp {ID} must have AllocationMethod set to Static.");
        assert_eq!(refused.message, words);
        assert_eq!(put(&mut world, "Standard", "Static"), Ok(Done::Created));
        assert_eq!(put(&mut World::default(), "Basic", "Dynamic"), Ok(Done::Created));
    }

    #[test]
    fn an_address_in_use_stays() {
        let mut world = World::default();
        let user = json!({"ipConfiguration": {"id": "/lb/f"}});
        world.insert(json!({"id": ID, "name": "a", "properties": user})).unwrap();
        let id = ResourceId::new(ID);
        let refused = with_azure(&mut world, |azure| azure.delete_public_ip_address(&id));
        let message = refused.unwrap_err().message;
        assert!(
            message.ends_with(
                " from the resource.  To learn how to do this, see aka.ms/deletepublicip."
            )
        );
    }

    #[test]
    fn a_dynamic_address_comes_with_its_user_and_goes_with_it() {
        let mut world = World::default();
        put(&mut world, "Basic", "Dynamic").unwrap();
        let address = |world: &World| {
            let live = world.get(&ResourceId::new(ID)).unwrap();
            assert_eq!(live["sku"], json!({"name": "Basic", "tier": "Regional"}));
            live["properties"].get("ipAddress").cloned()
        };
        assert_eq!(address(&world), None);
        let balancer = ID.replace("publicIPAddresses/a", "loadBalancers/lb");
        let balancer = ResourceId::new(balancer);
        let frontend = json!({"name": "f", "properties": {"publicIPAddress": {"id": ID}}});
        let body = json!({"properties": {"frontendIPConfigurations": [frontend]}});
        let body = parse(body).unwrap();
        with_azure(&mut world, |azure| azure.put_load_balancer(&balancer, &body, None)).unwrap();
        assert_eq!(world.get(&balancer).unwrap()["sku"]["name"], "Basic");
        assert!(address(&world).is_some());
        with_azure(&mut world, |azure| azure.delete_load_balancer(&balancer)).unwrap();
        assert_eq!(address(&world), None);
    }
}
