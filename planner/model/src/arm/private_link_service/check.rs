//! What ARM refuses of a private link service.

use std::net::IpAddr;

use crate::arm::address::{check_distinct, in_subnet, ranges};
use crate::arm::azure::{Azure, missing_reference};
use crate::arm::error::ArmError;
use crate::arm::resource::{PrivateLinkService, Reference, Subnet, Subscriptions};
use crate::arm::rules::Rules;
use crate::arm::subnet::policy_under_service;
use crate::location;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::{balancers_of, frontends_of};

/// How many NAT addresses a PLS can have.
const NAT_ADDRESSES: usize = 8;

impl Azure<'_> {
    pub(super) fn check_private_link_service(
        &self,
        id: &ResourceId,
        body: &PrivateLinkService,
        existing: Option<&PrivateLinkService>,
    ) -> Result<(), ArmError> {
        for frontend in frontends(body) {
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
            self.check_balancer(id, body)?;
            self.check_nat_places(id, body)?;
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
                return Err(self.frontend_in_use(&frontend, other.id()));
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

    /// The refusal of a frontend that another Private Link Service is on. Microsoft's support pages have the code;
    /// the words are not quoted. The fake of the recordings has a code of its own.
    fn frontend_in_use(&self, frontend: &str, user: &str) -> ArmError {
        let code = match self.rules {
            Rules::Azure => {
                "PrivateLinkServiceCannotReferenceFrontendIpConfigurationReferencedByDifferentPrivateLinkService"
            }
            _ => "LoadBalancerFrontendIPConfigurationInUseByAnotherPrivateLinkService",
        };
        let shown = self.world.frontend(frontend).filter(|_| self.rules == Rules::Azure);
        let frontend = shown.map_or(frontend, |shown| shown.id());
        ArmError::new(400, code, format!("Frontend {frontend} is already used by {user}."))
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
                return Err(self.policy_enabled(id, subnet));
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
                        ranges(subnet).next().unwrap_or_default()
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

    /// The refusal of a NAT address in a subnet whose policy is not `Disabled` (a user of Terraform pasted Azure's
    /// whole answer; Azure/ARO-RP asks for the code). The fake of the recordings has that of the subnet's write.
    fn policy_enabled(&self, id: &ResourceId, subnet: &Subnet) -> ArmError {
        let subnet = subnet.id();
        if self.rules == Rules::Azure {
            let message = format!(
                "Private link service {id} cannot be created in a subnet {subnet} since it has private link service network policies enabled."
            );
            let code = "PrivateLinkServiceCannotBeCreatedInSubnetThatHasNetworkPoliciesEnabled";
            return ArmError::new(400, code, message);
        }
        policy_under_service(subnet)
    }

    /// Its load balancer is of SKU Standard (documented; the code is synthetic), in its region, and has not failed.
    fn check_balancer(&self, id: &ResourceId, body: &PrivateLinkService) -> Result<(), ArmError> {
        for frontend in frontends(body) {
            let balancer = ResourceId::new(frontend.id()).parent().unwrap_or_default();
            let Some(live) = self.world.load_balancers.get(&balancer.key()) else { continue };
            let region = (live.location.as_deref(), body.location.as_deref());
            if let (Some(live), Some(wanted)) = region
                && !location::is_same(live, wanted)
            {
                return Err(missing_reference(frontend.id(), id));
            }
            let sku = live.sku.as_ref().and_then(|sku| sku.name.as_deref());
            if sku.is_some_and(|sku| sku.eq_ignore_ascii_case("Basic")) {
                return Err(ArmError::new(
                    400,
                    "PrivateLinkServiceRequiresStandardLoadBalancer",
                    format!("Private link service {id} is on Basic sku load balancer {balancer}."),
                ));
            }
            let state = live.properties.provisioning_state.as_deref();
            self.check_provisioned((live.id(), state), id)?;
        }
        Ok(())
    }

    /// Its NAT addresses are in its region, and in its load balancer's virtual network (arm-contract, section 3; the
    /// code of the latter is synthetic).
    fn check_nat_places(&self, id: &ResourceId, body: &PrivateLinkService) -> Result<(), ArmError> {
        let network = frontends(body).iter().find_map(|frontend| {
            let subnet = self.world.frontend(frontend.id())?.properties.subnet.as_ref()?;
            ResourceId::new(subnet.id()).parent()
        });
        for address in body.properties.ip_configurations.iter().flatten() {
            let subnet = address.properties.subnet.as_ref().map(Reference::id).unwrap_or_default();
            if body.location.as_deref().is_some_and(|wanted| self.is_elsewhere(subnet, wanted)) {
                return Err(missing_reference(subnet, id));
            }
            let own = ResourceId::new(subnet).parent();
            if network.is_some() && own != network {
                return Err(ArmError::new(
                    400,
                    "PrivateLinkServiceSubnetNotInVirtualNetworkOfLoadBalancer",
                    format!(
                        "Private link service {id} has an IP configuration in subnet {subnet}, which is not in the virtual network of its load balancer."
                    ),
                ));
            }
        }
        Ok(())
    }

    /// What only Azure refuses (arm-contract, section 3).
    fn check_azure(&self, id: &ResourceId, body: &PrivateLinkService) -> Result<(), ArmError> {
        let frontends = frontends(body);
        let is_direct = body.properties.other.contains_key("destinationIPAddress");
        if frontends.is_empty() && !is_direct {
            // Nothing is known of the answer; the code is synthetic.
            return Err(ArmError::new(
                400,
                "PrivateLinkServiceMustHaveLoadBalancerFrontendIpConfiguration",
                format!(
                    "Private link service {id} has no load balancer frontend IP configuration."
                ),
            ));
        }
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

    /// Whether a network interface is one of a PLS's own.
    fn holds_interface(&self, id: &ResourceId, interface: &str) -> bool {
        let service = self.world.private_link_services.get(&id.key());
        let own = service.and_then(|service| service.properties.network_interfaces.as_ref());
        own.into_iter().flatten().any(|own| own.id().eq_ignore_ascii_case(interface))
    }
}

fn frontends(body: &PrivateLinkService) -> &[Reference] {
    body.properties.load_balancer_frontend_ip_configurations.as_deref().unwrap_or_default()
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

#[cfg(test)]
mod tests;
