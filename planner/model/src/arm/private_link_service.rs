//! Private link services and the connections to them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use crate::arm::arm_type::ArmType;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::address::{check_distinct, in_subnet};
use super::azure::{Azure, Done, check_match, missing_reference, not_found, succeeded};
use super::error::ArmError;
use super::load_balancer::check_length;
use super::resource::{
    ConnectionState, PrivateLinkService, Reference, ServiceConnection, Subscriptions,
};
use super::rules::Rules;
use super::write::set_etags;

const KIND: &str = ArmType::PrivateLinkService.name();
/// How many NAT addresses a PLS can have.
const NAT_ADDRESSES: usize = 8;

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

    /// Whether a network interface is one of a PLS's own.
    fn holds_interface(&self, id: &ResourceId, interface: &str) -> bool {
        let service = self.world.private_link_services.get(&id.key());
        let own = service.and_then(|service| service.properties.network_interfaces.as_ref());
        own.into_iter().flatten().any(|own| own.id().eq_ignore_ascii_case(interface))
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

    fn check_private_link_service(
        &self,
        id: &ResourceId,
        body: &PrivateLinkService,
        existing: Option<&PrivateLinkService>,
    ) -> Result<(), ArmError> {
        let frontends =
            body.properties.load_balancer_frontend_ip_configurations.as_deref().unwrap_or_default();
        for frontend in frontends {
            if self.world.frontend(frontend.id()).is_none() {
                return Err(missing_reference(frontend.id(), id));
            }
        }
        for address in body.properties.ip_configurations.iter().flatten() {
            let subnet = address.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
            if !self.world.subnets.contains_key(&subnet.to_ascii_lowercase()) {
                return Err(missing_reference(subnet, id));
            }
        }
        if self.rules == Rules::RecordedLenient {
            return Ok(());
        }
        self.check_nat_addresses(id, body)?;
        check_subscriptions(body)?;
        self.check_frontends(id, body, existing)?;
        if self.rules == Rules::Azure {
            self.check_azure(id, body)?;
        }
        Ok(())
    }

    fn check_frontends(
        &self,
        id: &ResourceId,
        body: &PrivateLinkService,
        existing: Option<&PrivateLinkService>,
    ) -> Result<(), ArmError> {
        let wanted = frontends_of(body);
        for other in self.world.private_link_services.values() {
            let is_other = !other.id().eq_ignore_ascii_case(id.as_str());
            let shared = frontends_of(other).intersection(&wanted).next().cloned();
            if let Some(frontend) = shared.filter(|_| is_other) {
                return Err(ArmError::new(
                    400,
                    "LoadBalancerFrontendIPConfigurationInUseByAnotherPrivateLinkService",
                    format!("Frontend {frontend} is already used by {}.", other.id()),
                ));
            }
        }
        if existing.is_some_and(|it| balancers_of(it) != balancers_of(body)) {
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceLoadBalancerCannotBeChanged",
                format!("The load balancer of private link service {id} cannot be changed."),
            ));
        }
        Ok(())
    }

    fn check_nat_addresses(
        &self,
        id: &ResourceId,
        body: &PrivateLinkService,
    ) -> Result<(), ArmError> {
        let addresses = body.properties.ip_configurations.as_deref().unwrap_or_default();
        for address in addresses {
            let subnet_id =
                address.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
            let Some(subnet) = self.world.subnets.get(&subnet_id.to_ascii_lowercase()) else {
                continue;
            };
            let policy = subnet.properties.private_link_service_network_policies.as_deref();
            if policy != Some("Disabled") {
                return Err(ArmError::new(
                    400,
                    "PrivateLinkServiceNetworkPoliciesCannotBeEnabledOnPrivateLinkServiceSubnet",
                    format!(
                        "Private link service network policies cannot be enabled on private link service subnet {subnet_id}."
                    ),
                ));
            }
            let text = address.properties.private_ip_address.as_deref().unwrap_or_default();
            let is_static =
                address.properties.private_ip_allocation_method.as_deref() == Some("Static");
            if !is_static || unknown::is_unknown(text) {
                continue;
            }
            let Some(parsed) =
                text.parse::<IpAddr>().ok().filter(|parsed| in_subnet(*parsed, subnet))
            else {
                return Err(ArmError::new(
                    400,
                    "PrivateIPAddressNotInSubnet",
                    format!(
                        "Private static IP address {text} does not belong to the range of subnet prefix {}.",
                        super::address::ranges(subnet).next().unwrap_or_default()
                    ),
                ));
            };
            // A PLS may keep its own addresses under other names.
            let holder = self.world.holder_of(parsed, subnet.id()).unwrap_or_default();
            let own = format!("{}/", id.key());
            let is_own =
                holder.to_ascii_lowercase().starts_with(&own) || self.holds_interface(id, &holder);
            if !is_own {
                self.check_free(parsed, subnet, &id.child("ipConfigurations", address.name()))?;
            }
        }
        if self.rules == Rules::Azure {
            check_distinct(addresses.iter().filter_map(|address| {
                let subnet = address.properties.subnet.as_ref()?.id();
                let by = id.child("ipConfigurations", address.name());
                Some((by, subnet, address.properties.private_ip_address.as_deref()?))
            }))?;
        }
        let primaries =
            addresses.iter().filter(|address| address.properties.primary == Some(true)).count();
        // The Azure CLI says of none that it is, and Azure takes the first.
        let may_be_none = self.rules == Rules::Azure && !addresses.is_empty();
        if primaries > 1 || primaries == 0 && !may_be_none {
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceMustHaveOnePrimaryIpConfiguration",
                format!(
                    "Private link service {id} must have exactly one primary IP configuration."
                ),
            ));
        }
        Ok(())
    }

    /// What only Azure refuses (arm-contract, section 3).
    fn check_azure(&self, id: &ResourceId, body: &PrivateLinkService) -> Result<(), ArmError> {
        let frontends =
            body.properties.load_balancer_frontend_ip_configurations.as_deref().unwrap_or_default();
        if frontends.len() > 1 {
            return Err(ArmError::new(
                400,
                "InvalidNumberOfPrivateLinkServiceLoadBalancerFrontendIpConfigurationsSpecified",
                format!(
                    "Cannot have more than one load balancer frontend IP configuration on the private link service. Private link service {} has {} load balancer frontend IP configurations specified.",
                    id.name(),
                    frontends.len()
                ),
            ));
        }
        let addresses = body.properties.ip_configurations.as_deref().unwrap_or_default();
        if addresses.len() > NAT_ADDRESSES {
            // The limit is documented, the code is synthetic.
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceHasTooManyIpConfigurations",
                format!(
                    "Private link service {id} has {} IP configurations; it can have {NAT_ADDRESSES} at most.",
                    addresses.len()
                ),
            ));
        }
        let by_address = balancers_of(body).iter().any(|balancer| {
            let balancer = self.world.load_balancers.get(&balancer.key());
            let pools = balancer.and_then(|it| it.properties.backend_address_pools.as_deref());
            pools.unwrap_or_default().iter().any(|pool| {
                let addresses = pool.properties.load_balancer_backend_addresses.iter().flatten();
                addresses.into_iter().any(|address| address.at("/properties/ipAddress").is_some())
            })
        });
        if by_address {
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceIsNotSupportedForIPBasedLoadBalancer",
                format!(
                    "Private link service {id} is not supported for an IP based load balancer."
                ),
            ));
        }
        Ok(())
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

/// Visibility and auto-approval hold `*` or GUIDs, and who is approved must be allowed to see.
fn check_subscriptions(body: &PrivateLinkService) -> Result<(), ArmError> {
    let list = |list: &Option<Subscriptions>| {
        list.as_ref().and_then(|list| list.subscriptions.clone()).unwrap_or_default()
    };
    let visible = list(&body.properties.visibility);
    let approved = list(&body.properties.auto_approval);
    for subscription in visible.iter().chain(&approved) {
        if subscription != "*" && !is_guid(subscription) {
            return Err(ArmError::new(
                400,
                "InvalidSubscriptionIdFormat",
                format!("Subscription id {subscription} is not a GUID."),
            ));
        }
    }
    let all = visible.iter().any(|it| it == "*");
    let unseen =
        approved.iter().any(|it| !visible.iter().any(|visible| visible.eq_ignore_ascii_case(it)));
    if unseen && !all {
        return Err(ArmError::new(
            400,
            "AutoApprovalSubscriptionsNotSubsetOfVisibility",
            "Auto approval subscriptions must be a subset of visibility subscriptions.",
        ));
    }
    Ok(())
}

/// Whether a text is a GUID in its usual form.
fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    lengths.eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
