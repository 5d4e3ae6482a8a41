//! Private link services and the connections to them.

mod check;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, not_found, succeeded};
use super::error::ArmError;
use super::load_balancer::check_length;
use super::resource::{
    ConnectionState, PrivateLinkService, Reference, ServiceConnection, Subscriptions,
};
use super::rules::Rules;
use super::write::set_etags;

const KIND: &str = ArmType::PrivateLinkService.name();

impl Azure<'_> {
    /// A PUT of a private link service. Alias, interfaces and connections stay as they are.
    ///
    /// # Errors
    /// ARM's refusal: 412, missing references, subnet policies, addresses, subscriptions, the load
    /// balancer.
    pub fn put_private_link_service(
        &mut self,
        id: &ResourceId,
        body: &PrivateLinkService,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.private_link_services.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|it| it.etag.as_deref()), if_match)?;
        let own_id = existing.as_ref().map_or(id.as_str(), |it| it.id()).to_owned();
        let own_id = ResourceId::new(own_id);
        if self.rules != Rules::RecordedLenient {
            check_length(id.name())?;
        }
        self.check_private_link_service(&own_id, body, existing.as_deref())?;
        let mut service = body.clone();
        if self.rules == Rules::Azure {
            take_first_for_primary(&mut service);
            self.fill_as_azure(&own_id, &mut service, existing.as_deref());
        }
        self.fill_private_link_service(&own_id, &mut service, existing.as_deref());
        let before = existing.as_deref().map(balancers_of).unwrap_or_default();
        let moved = existing.as_deref().is_none_or(|it| frontends_of(it) != frontends_of(&service));
        let after = balancers_of(&service);
        self.world.private_link_services.insert(id.key(), Arc::new(service));
        if moved {
            for balancer in before.union(&after) {
                self.touch_load_balancer(balancer);
            }
        }
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    /// A DELETE of a private link service. Its endpoints are left `Disconnected`.
    ///
    /// # Errors
    /// 400 while it has connections (not under the lenient recorded rules).
    pub fn delete_private_link_service(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let Some(existing) = self.world.private_link_services.get(&id.key()).cloned() else {
            return Ok(Done::Absent);
        };
        let connections =
            existing.properties.private_endpoint_connections.as_deref().unwrap_or_default();
        if !connections.is_empty() && self.rules != Rules::RecordedLenient {
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted",
                format!(
                    "Private link service {} cannot be deleted since it has {} private endpoint connection. Please delete all private endpoint connections before deleting the private link service.",
                    existing.id(),
                    connections.len()
                ),
            ));
        }
        self.world.private_link_services.remove(&id.key());
        // Its network interfaces go with it, and give their addresses back.
        for interface in existing.properties.network_interfaces.iter().flatten() {
            self.world.remove(&ResourceId::new(interface.id()));
        }
        self.disconnect_endpoints(&existing, None);
        for balancer in balancers_of(&existing) {
            self.touch_load_balancer(&balancer);
        }
        Ok(Done::Deleted)
    }

    /// A DELETE of a connection, by the provider. Its endpoint is left `Disconnected`.
    ///
    /// # Errors
    /// 404 without its private link service.
    pub fn delete_endpoint_connection(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let parent = id.parent().unwrap_or_default();
        let Some(existing) = self.world.private_link_services.get(&parent.key()).cloned() else {
            return Err(not_found(&parent));
        };
        let mut service = existing.as_ref().clone();
        let connections = service.properties.private_endpoint_connections.get_or_insert_default();
        let at = connections
            .iter()
            .position(|connection| connection.name().eq_ignore_ascii_case(id.name()));
        let Some(at) = at else {
            return Ok(Done::Absent);
        };
        let connection = connections.remove(at);
        let etag = self.allocator.etag(&parent);
        set_etags(&mut service, &etag);
        self.world.private_link_services.insert(parent.key(), Arc::new(service));
        let endpoint = connection.properties.private_endpoint.map(|it| it.id().to_owned());
        self.disconnect_endpoints(&existing, endpoint.as_deref());
        Ok(Done::Deleted)
    }

    fn fill_private_link_service(
        &mut self,
        id: &ResourceId,
        service: &mut PrivateLinkService,
        existing: Option<&PrivateLinkService>,
    ) {
        service.id = Some(id.as_str().to_owned());
        service.name = Some(existing.map_or(id.name(), |it| it.name()).to_owned());
        service.kind = Some(KIND.to_owned());
        let etag = self.allocator.etag(id);
        service.etag = Some(etag.clone());
        let location = service.location.clone().unwrap_or_default();
        let before = existing.map(|it| &it.properties);
        let properties = &mut service.properties;
        properties.provisioning_state = succeeded();
        properties.enable_proxy_protocol.get_or_insert(false);
        properties.fqdns.get_or_insert_default();
        if self.rules != Rules::Azure {
            let nobody =
                || Subscriptions { subscriptions: Some(Vec::new()), ..Subscriptions::default() };
            properties.visibility.get_or_insert_with(nobody);
            properties.auto_approval.get_or_insert_with(nobody);
        }
        properties.private_endpoint_connections =
            Some(before.and_then(|it| it.private_endpoint_connections.clone()).unwrap_or_default());
        properties.alias = Some(match before.and_then(|it| it.alias.clone()) {
            Some(alias) => alias,
            None => self.allocator.alias(id, &location),
        });
        properties.network_interfaces =
            Some(match before.and_then(|it| it.network_interfaces.clone()) {
                Some(interfaces) => interfaces,
                None => vec![Reference::to(self.allocator.network_interface(id))],
            });
        for address in properties.ip_configurations.iter_mut().flatten() {
            address.id = Some(id.child("ipConfigurations", address.name()).as_str().to_owned());
            address.kind = Some(format!("{KIND}/ipConfigurations"));
            address.etag = Some(etag.clone());
            address.properties.provisioning_state = succeeded();
            if let Some(subnet) = &mut address.properties.subnet {
                *subnet = Reference::to(subnet.id());
            }
        }
    }

    /// What Azure adds besides (recorded): a guid, the method and version of addresses; references to
    /// frontends and subnets come back as they spell themselves, and with nothing but their id.
    fn fill_as_azure(
        &mut self,
        id: &ResourceId,
        service: &mut PrivateLinkService,
        existing: Option<&PrivateLinkService>,
    ) {
        let properties = &mut service.properties;
        let guid = existing.and_then(|it| it.properties.resource_guid.clone());
        properties.resource_guid = Some(guid.unwrap_or_else(|| self.allocator.guid(id)));
        for frontend in properties.load_balancer_frontend_ip_configurations.iter_mut().flatten() {
            let live = self.world.frontend(frontend.id()).map(|live| live.id().to_owned());
            *frontend = Reference::to(live.unwrap_or_else(|| frontend.id().to_owned()));
        }
        for address in properties.ip_configurations.iter_mut().flatten() {
            let address = &mut address.properties;
            address.private_ip_allocation_method.get_or_insert_with(|| "Dynamic".to_owned());
            address.private_ip_address_version.get_or_insert_with(|| "IPv4".to_owned());
            if let Some(subnet) = &mut address.subnet {
                let live = self.world.subnets.get(&subnet.id().to_ascii_lowercase());
                *subnet = Reference::to(live.map_or(subnet.id(), |live| live.id()));
            }
        }
    }

    /// Leaves the endpoints of a PLS that went, or one of them, `Disconnected`.
    fn disconnect_endpoints(&mut self, service: &PrivateLinkService, endpoint: Option<&str>) {
        let alias = service.properties.alias.as_deref();
        let endpoint = endpoint.map(str::to_ascii_lowercase);
        let range = match endpoint.as_deref() {
            Some(id) => (Bound::Included(id), Bound::Included(id)),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let reaches = |connection: &ServiceConnection| {
            let target = connection.target();
            target.eq_ignore_ascii_case(service.id()) || Some(target) == alias
        };
        for (_, endpoint) in self.world.private_endpoints.range_mut::<str, _>(range) {
            if !endpoint.connection().is_some_and(|(connection, _)| reaches(connection)) {
                continue;
            }
            for connection in Arc::make_mut(endpoint).connections_mut().filter(|it| reaches(it)) {
                connection.properties.private_link_service_connection_state =
                    Some(ConnectionState {
                        status: Some("Disconnected".to_owned()),
                        description: Some("Connection deleted by the service provider".to_owned()),
                        actions_required: Some("None".to_owned()),
                        ..ConnectionState::default()
                    });
            }
        }
    }
}

/// One NAT address is the primary one: the first, where none is said to be.
fn take_first_for_primary(service: &mut PrivateLinkService) {
    let addresses = service.properties.ip_configurations.as_deref_mut().unwrap_or_default();
    let is_said = addresses.iter().any(|address| address.properties.primary == Some(true));
    if let (false, Some(first)) = (is_said, addresses.first_mut()) {
        first.properties.primary = Some(true);
    }
}

fn frontends_of(service: &PrivateLinkService) -> BTreeSet<String> {
    let frontends = service.properties.load_balancer_frontend_ip_configurations.iter().flatten();
    frontends.map(|frontend| frontend.id().to_ascii_lowercase()).collect()
}

/// The load balancers whose frontends a PLS is on.
pub(crate) fn balancers_of(service: &PrivateLinkService) -> BTreeSet<ResourceId> {
    let frontends = service.properties.load_balancer_frontend_ip_configurations.iter().flatten();
    frontends.filter_map(|frontend| ResourceId::new(frontend.id()).parent()).collect()
}
