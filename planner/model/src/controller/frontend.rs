//! Frontends: whose they are, when they are re-created, and what a new one looks like
//! (reference: cloud-controller, section 5).

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::arm::address::in_subnet;
use crate::arm::allocator::{Family, family};
use crate::arm::arm_type::ArmType;
use crate::arm::resource::{Frontend, FrontendProperties, LoadBalancer, Reference, Subnet};
use crate::controller::public_ip::asked::{all_pinned, pinned};
use crate::evidence::Evidence;
use crate::kubernetes::service::Service;
use crate::pointer::At;
use crate::resource_id::ResourceId;
use crate::unknown;

use super::cloud::Cloud;
use super::failure::{Cause, Failure};
use super::name::{self, IsIpv6};
use super::outcome::{Action, Reason};
use super::probe::owns as owns_rule;
use super::value::{families, internal_subnet, is_dual_stack, is_internal, same};

/// Whose a frontend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// It bears the Service's name: the Service made it.
    pub(crate) primary: bool,
    /// Its family, if it is not the Service's own.
    pub(crate) ipv6: Option<IsIpv6>,
}

/// What `reconcileFrontendIPConfigs` found and did.
#[derive(Default)]
pub(crate) struct Frontends {
    /// The Service's frontends that stay.
    pub(crate) kept: Vec<(IsIpv6, Arc<Frontend>)>,
    /// Those that go.
    pub(crate) dropped: Vec<Arc<Frontend>>,
    /// Whether anything changed.
    pub(crate) changed: bool,
}

impl Cloud<'_, '_> {
    /// Whether a frontend is a Service's (`serviceOwnsFrontendIP`): by its name, else by the address
    /// asked for.
    pub(crate) fn owns_frontend(
        &mut self,
        frontend: &Frontend,
        service: &Service,
    ) -> Option<Owned> {
        if name::has_base(frontend.name(), service) {
            return Some(Owned { primary: true, ipv6: None });
        }
        let pinned = all_pinned(service);
        if is_internal(service) {
            let address = frontend.properties.private_ip_address.as_deref()?;
            let is_it = pinned.iter().any(|pinned| same(pinned, address));
            let ipv6 = || family(address) != Some(Family::V4);
            return is_it.then(|| Owned { primary: false, ipv6: Some(ipv6()) });
        }
        let group = self.public_ip_group(service);
        let used = frontend.properties.public_ip_address.as_ref().map(Reference::id)?;
        let named = crate::controller::public_ip::asked::names(service);
        let asked = if pinned.is_empty() { named.to_vec() } else { pinned.clone() };
        for wanted in asked.into_iter().filter(|wanted| !wanted.is_empty()) {
            // The first that is not found ends the search, whatever comes after it.
            let address = if pinned.is_empty() {
                self.find_public_ip_by_name(&group, wanted).ok()?
            } else {
                self.find_public_ip_by_address(&group, wanted).ok()?
            };
            if address.properties.ip_address.is_some() && same(address.id(), used) {
                let version = address.properties.public_ip_address_version.as_deref();
                return Some(Owned { primary: false, ipv6: Some(version == Some("IPv6")) });
            }
        }
        None
    }

    /// The family of a frontend that is a Service's.
    pub(crate) fn frontend_is_ipv6(
        &self,
        frontend: &Frontend,
        owned: Option<Owned>,
        service: &Service,
    ) -> IsIpv6 {
        if let Some(ipv6) = owned.and_then(|owned| owned.ipv6) {
            return ipv6;
        }
        if is_dual_stack(service) {
            return name::is_ipv6(frontend.name());
        }
        service.ip_families.first().is_some_and(|family| family == "IPv6")
    }

    /// Why a frontend has to be re-created, if it has to (`isFrontendIPChanged`).
    fn frontend_change(
        &mut self,
        frontend: &Frontend,
        service: &Service,
        owned: Owned,
        subnet: Option<&Subnet>,
    ) -> Result<Option<Reason>, Failure> {
        let ipv6 = self.frontend_is_ipv6(frontend, Some(owned), service);
        let wanted = name::frontend(service, ipv6);
        if !same(frontend.name(), &wanted) {
            return Ok(owned.primary.then_some(Reason::NameChanged));
        }
        let pinned = pinned(service, ipv6);
        if is_internal(service) {
            if internal_subnet(service).is_some()
                && let (Some(current), Some(subnet)) = (&frontend.properties.subnet, subnet)
                && !same(current.id(), subnet.id())
            {
                return Ok(Some(Reason::SubnetChanged));
            }
            let current = frontend.properties.private_ip_address.as_deref().unwrap_or_default();
            let moved = !pinned.is_empty() && !same(pinned, current);
            return Ok(moved.then_some(Reason::AddressChanged));
        }
        let (wanted, _) = self.public_ip_name(service, ipv6)?;
        let group = self.public_ip_group(service);
        let Some(address) = self.public_ip(&group, &wanted)? else {
            return Ok(Some(Reason::PublicIpChanged));
        };
        let current = frontend.properties.public_ip_address.as_ref().map(Reference::id);
        let moved = current.is_some_and(|current| !same(current, address.id()));
        Ok(moved.then_some(Reason::PublicIpChanged))
    }

    /// Whether something else depends on a frontend (`isFrontendIPConfigUnsafeToDelete`); says so in
    /// events.
    pub(crate) fn is_unsafe_to_delete(
        &mut self,
        balancer: &LoadBalancer,
        service: &Service,
        frontend: &str,
    ) -> bool {
        let words = format!(
            "isFrontendIPConfigUnsafeToDelete: frontend IP configuration with ID {frontend} on LB {} cannot be deleted because it is being referenced by",
            balancer.name()
        );
        let properties = &balancer.properties;
        let mut found = Vec::new();
        let by_others = properties.load_balancing_rules.iter().flatten().any(|rule| {
            let it = rule.properties.frontend_ip_configuration.as_ref();
            it.is_some_and(|it| same(it.id(), frontend)) && !owns_rule(service, rule.name())
        });
        if by_others {
            found.push(format!("{words} load balancing rules of other services"));
        }
        for rule in properties.outbound_rules.iter().flatten() {
            let frontends = rule.at("/properties/frontendIPConfigurations");
            let frontends = frontends.and_then(Value::as_array).into_iter().flatten();
            let mut ids = frontends.filter_map(|it| it.get("id")?.as_str());
            if ids.any(|id| same(id, frontend)) {
                found.push(format!("{words} the outbound rule {}", nat_name(rule)));
                break;
            }
        }
        let nat = [
            (&properties.inbound_nat_rules, "the inbound NAT rule"),
            (&properties.inbound_nat_pools, "the inbound NAT pool"),
        ];
        for (list, what) in nat {
            let user = list.iter().flatten().find(|nat| {
                let id = nat.at("/properties/frontendIPConfiguration/id");
                id.and_then(Value::as_str).is_some_and(|id| same(id, frontend))
            });
            if let Some(user) = user {
                found.push(format!("{words} {what} {}", nat_name(user)));
            }
        }
        let is_unsafe = !found.is_empty();
        for message in found {
            self.warn(service, "DeletingFrontendIPConfiguration", message);
        }
        is_unsafe
    }

    /// Brings a Service's frontends on a load balancer in line (`reconcileFrontendIPConfigs`). `status`:
    /// the addresses its frontends had before.
    pub(crate) fn reconcile_frontends(
        &mut self,
        service: &Service,
        balancer: &mut LoadBalancer,
        status: &[String],
        want: bool,
    ) -> Result<Frontends, Failure> {
        let mut frontends =
            balancer.properties.frontend_ip_configurations.clone().unwrap_or_default();
        let mut result = Frontends::default();
        if !want {
            for at in (0..frontends.len()).rev() {
                let Some(frontend) = frontends.get(at).cloned() else {
                    continue;
                };
                if self.owns_frontend(&frontend, service).is_some()
                    && !self.is_unsafe_to_delete(balancer, service, frontend.id())
                {
                    frontends.remove(at);
                    result.dropped.push(frontend);
                    result.changed = true;
                }
            }
        } else {
            self.reconcile_wanted(service, balancer, status, &mut frontends, &mut result)?;
        }
        if result.changed {
            balancer.properties.frontend_ip_configurations = Some(frontends);
        }
        Ok(result)
    }

    fn reconcile_wanted(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        status: &[String],
        frontends: &mut Vec<Arc<Frontend>>,
        result: &mut Frontends,
    ) -> Result<(), Failure> {
        let subnet = self.frontend_subnet(service, balancer)?;
        let mut zones = None;
        let mut last_changed = None;
        let mut reasons = Vec::new();
        for at in (0..frontends.len()).rev() {
            let Some(frontend) = frontends.get(at).cloned() else {
                continue;
            };
            let Some(owned) = self.owns_frontend(&frontend, service) else {
                continue;
            };
            last_changed = self.frontend_change(&frontend, service, owned, subnet.as_deref())?;
            if let Some(reason) = last_changed {
                frontends.remove(at);
                zones = frontend.zones.clone();
                reasons.push(reason);
                result.dropped.push(frontend);
                result.changed = true;
            }
        }
        for frontend in frontends.iter() {
            if let Some(owned) = self.owns_frontend(frontend, service) {
                let ipv6 = self.frontend_is_ipv6(frontend, Some(owned), service);
                result.kept.retain(|(family, _)| *family != ipv6);
                result.kept.push((ipv6, frontend.clone()));
            }
        }
        let (ipv4, ipv6) = families(service);
        for family in [false, true] {
            let wanted = if family { ipv6 } else { ipv4 };
            if !wanted || result.kept.iter().any(|(kept, _)| *kept == family) {
                continue;
            }
            // A frontend made anew keeps the zones of the one before.
            let zones = if last_changed.is_some() { zones.clone() } else { self.region_zones() };
            let new = self.new_frontend(service, balancer, status, subnet.as_deref(), family)?;
            let new = Frontend { zones: zones.filter(|_| is_internal(service)), ..new };
            let id = ResourceId::new(new.id());
            match reasons.first() {
                Some(reason) => self.effect(Action::Recreated, &id, *reason, Evidence::Recorded),
                None => self.effect(Action::Created, &id, Reason::Wanted, Evidence::Recorded),
            }
            frontends.push(Arc::new(new));
            result.changed = true;
        }
        Ok(())
    }

    /// The zones of new frontends: all the region has, of Standard load balancers outside edge zones.
    fn region_zones(&self) -> Option<Vec<String>> {
        let standard = self.facts.load_balancer_sku == crate::facts::LoadBalancerSku::Standard;
        let has = standard && self.facts.extended_location.is_none();
        Some(self.facts.zones.clone()).filter(|zones| has && !zones.is_empty())
    }

    fn frontend_subnet(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
    ) -> Result<Option<Arc<Subnet>>, Failure> {
        if !is_internal(service) {
            return Ok(None);
        }
        let wanted = internal_subnet(service).unwrap_or(&self.facts.subnet).to_owned();
        match self.subnet(&wanted)? {
            Some(subnet) => Ok(Some(subnet)),
            None => {
                let text = format!(
                    "ensure({}): lb({}) - failed to get subnet: {}/{wanted}",
                    service.key,
                    balancer.name(),
                    self.facts.virtual_network
                );
                Err(Failure::about(Cause::SubnetMissing, text))
            }
        }
    }

    fn new_frontend(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        status: &[String],
        subnet: Option<&Subnet>,
        ipv6: IsIpv6,
    ) -> Result<Frontend, Failure> {
        let own_name = name::frontend(service, ipv6);
        let properties = match subnet {
            Some(subnet) => private(service, subnet, status, ipv6),
            None => {
                let (wanted, must_exist) = self.public_ip_name(service, ipv6)?;
                let address = self.ensure_public_ip(service, &wanted, must_exist, ipv6)?;
                FrontendProperties {
                    public_ip_address: Some(Reference::to(address.id())),
                    ..FrontendProperties::default()
                }
            }
        };
        // The body's id is built with the resource group, wherever the load balancer is.
        let id = ResourceId::in_group(
            self.facts.network_subscription(),
            &self.facts.controller_resource_group(),
            ArmType::LoadBalancer.name(),
            balancer.name(),
        );
        Ok(Frontend {
            name: Some(own_name.clone()),
            id: Some(id.child("frontendIPConfigurations", &own_name).as_str().to_owned()),
            properties,
            ..Frontend::default()
        })
    }
}

fn nat_name(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The properties of a new private frontend: the address asked for, else the one the Service had if it
/// lies in the subnet, else a dynamic one.
fn private(
    service: &Service,
    subnet: &Subnet,
    status: &[String],
    ipv6: IsIpv6,
) -> FrontendProperties {
    let in_it = |address: &&String| {
        let of_family = (family(address) != Some(Family::V4)) == ipv6;
        of_family && lies_in(address, subnet)
    };
    let pinned = pinned(service, ipv6);
    let address = if pinned.is_empty() {
        let had = status.iter().find(in_it).or_else(|| service.ingress.iter().find(in_it));
        had.cloned()
    } else {
        Some(pinned.to_owned())
    };
    let mut reference = Reference::to(subnet.id());
    reference.other = Map::from_iter([("name".to_owned(), Value::from(subnet.name()))]);
    let method = if address.is_some() { "Static" } else { "Dynamic" };
    FrontendProperties {
        subnet: Some(reference),
        private_ip_allocation_method: Some(method.to_owned()),
        private_ip_address: address,
        private_ip_address_version: ipv6.then(|| "IPv6".to_owned()),
        ..FrontendProperties::default()
    }
}

/// Whether an address lies in a subnet. One that is not known yet lies in the subnet it was asked of,
/// which its mark does not tell: it is taken to lie in this one.
fn lies_in(address: &str, subnet: &Subnet) -> bool {
    if unknown::is_unknown(address) {
        return true;
    }
    address.parse::<IpAddr>().is_ok_and(|address| in_subnet(address, subnet))
}
