//! Network interfaces that clients write: those of endpoints and Private Link Services are made with them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

use super::address::in_subnet;
use super::azure::{Azure, Done, check_match, missing_reference, not_found, succeeded};
use super::error::ArmError;
use super::private_endpoint::{not_in_subnet, subnet_is_full};
use super::resource::{InterfaceAddress, NetworkInterface, Reference};

impl Azure<'_> {
    /// A PUT of an interface that a client makes: its addresses are given or checked, as those of frontends are.
    ///
    /// # Errors
    /// 412; 400 for one of an endpoint, a missing subnet (Azure/azure-cli#8569), an address that is not to be had.
    pub(crate) fn put_network_interface(
        &mut self,
        id: &ResourceId,
        mut interface: NetworkInterface,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        self.check_free_interface(id)?;
        let existing = self.world.network_interfaces.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|it| it.etag.as_deref()), if_match)?;
        let configurations = interface.properties.ip_configurations.take().unwrap_or_default();
        let mut filled = Vec::new();
        for (at, asked) in configurations.into_iter().enumerate() {
            let before = existing.iter().flat_map(|it| it.properties.ip_configurations.iter());
            let before = before.flatten().find(|it| it.name().eq_ignore_ascii_case(asked.name()));
            let address = self.address_of_interface(id, &asked, before)?;
            filled.push(filled_in(id, asked, address, at == 0));
            // So that the next one gets another address.
            interface.properties.ip_configurations = Some(filled.clone());
            self.insert_interface(id, interface.clone());
        }
        interface.properties.ip_configurations = Some(filled);
        let guid = existing.as_ref().and_then(|it| it.properties.resource_guid.clone());
        interface.properties.resource_guid = guid;
        self.insert_interface(id, interface);
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    /// The address that an IP configuration gets: the one asked for, the one that it has, or a free one.
    fn address_of_interface(
        &mut self,
        id: &ResourceId,
        asked: &InterfaceAddress,
        before: Option<&InterfaceAddress>,
    ) -> Result<String, ArmError> {
        let wanted = asked.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
        let Some(subnet) = self.world.subnets.get(&wanted.to_ascii_lowercase()).cloned() else {
            return Err(missing_reference(wanted, id));
        };
        let own = id.child("ipConfigurations", asked.name());
        let is_static = asked.properties.private_ip_allocation_method.as_deref() == Some("Static");
        let text = asked.address();
        if let Some(address) = text.parse::<IpAddr>().ok().filter(|_| is_static) {
            if !in_subnet(address, &subnet) {
                return Err(not_in_subnet(text, &subnet));
            }
            let holder = self.world.holder_of(address, subnet.id()).unwrap_or_default();
            if !holder.eq_ignore_ascii_case(id.as_str()) {
                self.check_free(address, &subnet, &own)?;
            }
            return Ok(text.to_owned());
        }
        let kept = before.filter(|before| {
            let live = before.properties.subnet.as_ref().map(Reference::id);
            live.is_some_and(|live| live.eq_ignore_ascii_case(wanted))
        });
        if let Some(kept) = kept {
            return Ok(kept.address().to_owned());
        }
        let version = asked.properties.private_ip_address_version.as_deref().unwrap_or("IPv4");
        let subnet_id = ResourceId::new(subnet.id());
        let given = self.allocator.private_address(self.world, &subnet_id, version, &own);
        given.ok_or_else(|| subnet_is_full(&subnet))
    }

    /// A PATCH of the tags of an interface.
    ///
    /// # Errors
    /// 404.
    pub fn tag_network_interface(
        &mut self,
        id: &ResourceId,
        tags: Option<BTreeMap<String, String>>,
    ) -> Result<Done, ArmError> {
        let etag = self.allocator.etag(id);
        let Some(interface) = self.world.network_interfaces.get_mut(&id.key()) else {
            return Err(not_found(id));
        };
        let interface = Arc::make_mut(interface);
        interface.tags = tags;
        interface.etag = Some(etag);
        Ok(Done::Updated)
    }
}

/// An IP configuration that a client asked for, with what Azure adds.
fn filled_in(
    interface: &ResourceId,
    mut asked: InterfaceAddress,
    address: String,
    is_first: bool,
) -> InterfaceAddress {
    asked.id = Some(interface.child("ipConfigurations", asked.name()).as_str().to_owned());
    asked.kind = Some(ArmType::NetworkInterface.child("ipConfigurations"));
    let it = &mut asked.properties;
    it.provisioning_state = succeeded();
    it.private_ip_address = Some(address);
    it.private_ip_allocation_method.get_or_insert_with(|| "Dynamic".to_owned());
    it.private_ip_address_version.get_or_insert_with(|| "IPv4".to_owned());
    it.primary.get_or_insert(is_first);
    asked
}
