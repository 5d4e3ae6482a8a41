//! One Service made so (`reconcileService`, `EnsureLoadBalancerDeleted`).

use std::net::IpAddr;
use std::sync::Arc;

use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;
use crate::unknown;

use super::cloud::Cloud;
use super::failure::Failure;
use super::load_balancer::flipped;
use super::name::IsIpv6;
use super::value::{families, is_local};
use crate::annotation;
use crate::arm::allocator::{Family, family};

impl Cloud<'_, '_> {
    /// Makes a Service's load balancer what it should be. The addresses to announce.
    pub(crate) fn ensure(
        &mut self,
        service: &Service,
        nodes: Option<&[Arc<Node>]>,
    ) -> Result<Option<Vec<String>>, Failure> {
        let mut pass = self.reconcile_load_balancer(service, nodes, true)?;
        if pass.again {
            pass = self.reconcile_load_balancer(service, nodes, true)?;
        }
        let status = self.status(service, &pass.balancer)?.unwrap_or_default();
        let balancer = pass.balancer.name().to_owned();
        self.reconcile_security_group(service, &balancer, &status.addresses, true)?;
        for frontend in &status.frontends {
            self.reconcile_private_link(service, frontend, true)?;
        }
        let pinned = with_addresses(service, &status.addresses);
        // That a PLS was deleted on the other load balancer calls for a second pass, which the
        // controller does not make (recording 224).
        self.reconcile_load_balancer(&flipped(&pinned), None, false)?;
        self.reconcile_public_ips(&pinned, &balancer, true)?;
        if self.facts.has_several_load_balancers() && is_local(service) {
            self.memory.local_placements.insert(service.key.clone(), balancer);
        } else {
            self.memory.local_placements.remove(&service.key);
        }
        let found = !status.frontends.is_empty();
        Ok(found.then_some(status.ingress))
    }

    /// Removes a Service's load balancer.
    pub(crate) fn ensure_deleted(&mut self, service: &Service) -> Result<(), Failure> {
        let found = match self.find_load_balancer(service, None, false, Vec::new()) {
            Ok(found) => Some(found),
            Err(failure) if is_ignored(&failure) => None,
            Err(failure) => return Err(failure),
        };
        let status = found.as_ref().and_then(|found| found.status.clone()).unwrap_or_default();
        let balancer = found.map(|found| found.balancer.name().to_owned()).unwrap_or_default();
        self.reconcile_security_group(service, &balancer, &status.addresses, false)?;
        for _ in 0..2 {
            match self.reconcile_load_balancer(service, None, false) {
                Ok(pass) if pass.again => {}
                Ok(_) => break,
                Err(failure) if is_ignored(&failure) => break,
                Err(failure) => return Err(failure),
            }
        }
        self.reconcile_load_balancer(&flipped(service), None, false)?;
        self.reconcile_public_ips(service, "", false)?;
        if is_local(service) {
            self.memory.local_placements.remove(&service.key);
        }
        Ok(())
    }

    /// Whether anything of a Service is in Azure (`GetLoadBalancer`): a frontend on a load balancer of
    /// either kind, or its public IPs.
    pub(crate) fn exists(&mut self, service: &Service) -> Result<bool, Failure> {
        let existing = self.list_load_balancers(service)?;
        if self.find_load_balancer(service, None, false, existing.clone())?.exists {
            return Ok(true);
        }
        if self.find_load_balancer(&flipped(service), None, false, existing)?.exists {
            return Ok(true);
        }
        let (ipv4, ipv6) = families(service);
        Ok((!ipv4 || self.has_public_ip(service, false))
            && (!ipv6 || self.has_public_ip(service, true)))
    }

    fn has_public_ip(&mut self, service: &Service, ipv6: IsIpv6) -> bool {
        let group = self.public_ip_group(service);
        let Ok((wanted, _)) = self.public_ip_name(service, ipv6) else {
            return false;
        };
        self.public_ip(&group, &wanted).is_ok_and(|found| found.is_some())
    }

    /// Whether a change of nodes concerns a Service (`shouldUpdateLoadBalancer`).
    pub(crate) fn should_update(
        &mut self,
        service: &Service,
        nodes: Option<&[Arc<Node>]>,
    ) -> Result<bool, Failure> {
        let managed = self.managed_load_balancers(service, nodes).map_err(|why| {
            why.within("shouldUpdateLoadBalancer: failed to list managed load balancers")
        })?;
        let found = self.find_load_balancer(service, nodes, false, managed);
        let exists = found.is_ok_and(|found| found.exists);
        Ok(exists && !service.deleting && service.kind == "LoadBalancer")
    }
}

/// Errors that a deletion passes over: forbidden, and not there.
fn is_ignored(failure: &Failure) -> bool {
    matches!(failure.status(), Some(403 | 404))
}

/// The Service with the addresses it got asked for (`updateServiceLoadBalancerIPs`).
fn with_addresses(service: &Service, addresses: &[String]) -> Service {
    let mut service = service.clone();
    for address in addresses {
        let Some(family) = family(address) else {
            continue;
        };
        let key = if family == Family::V6 { annotation::IPV6 } else { annotation::IPV4 };
        service.annotations.insert(key.to_owned(), address.clone());
    }
    service
}

/// What the API server says of addresses that are none; `None` if all are good.
pub(crate) fn bad_status(service: &Service, addresses: &[String]) -> Option<String> {
    let is_good = |address: &String| {
        address.is_empty() || unknown::is_unknown(address) || address.parse::<IpAddr>().is_ok()
    };
    let errors: Vec<String> = addresses
        .iter()
        .enumerate()
        .filter(|(_, address)| !is_good(address))
        .map(|(at, address)| {
            format!(
                "status.loadBalancer.ingress[{at}].ip: Invalid value: {}: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                super::value::quote(address)
            )
        })
        .collect();
    let name = super::value::quote(&service.key.name);
    match errors.as_slice() {
        [] => None,
        [error] => Some(format!("Service {name} is invalid: {error}")),
        errors => Some(format!("Service {name} is invalid: [{}]", errors.join(", "))),
    }
}
