//! How a Service leaves a load balancer for another (reference: cloud-controller, section 2).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::arm::resource::LoadBalancer;
use crate::facts::LoadBalancerSku;
use crate::kubernetes::service::Service;

use super::annotation;
use super::cloud::Cloud;
use super::failure::Failure;
use super::name;
use super::probe::{self, owns};
use super::rule;
use super::selection::has_own;
use super::value::{get, is_local, quote, same};
use crate::controller::selection::Status;

impl Cloud<'_, '_> {
    /// Whether a Service has to leave the load balancer it is on (`shouldChangeLoadBalancer`).
    pub(crate) fn should_move(&self, service: &Service, current: &str, wanted: &str) -> bool {
        if self.facts.load_balancer_sku == LoadBalancerSku::Standard {
            return !same(current, wanted);
        }
        let Some(mode) = get(service, annotation::MODE).map(str::trim) else {
            return false;
        };
        if same(mode, "__auto__") {
            return false;
        }
        let current = name::without_internal(current);
        let primary = same(mode, &self.facts.primary_vm_set);
        let cluster = same(current, &self.facts.cluster_name);
        if same(current, mode) { !cluster && primary } else { !(primary && cluster) }
    }

    /// Takes a Service off a load balancer. Whether a PLS was deleted on the way.
    fn leave(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
        frontends: &[String],
    ) -> Result<bool, Failure> {
        let mut changed = balancer.clone();
        if frontends.is_empty() {
            let users: BTreeSet<String> = balancer
                .properties
                .load_balancing_rules
                .iter()
                .flatten()
                .filter(|rule| owns(service, rule.name()))
                .filter_map(|rule| rule.properties.frontend_ip_configuration.as_ref())
                .map(|it| it.id().to_owned())
                .collect();
            let probes = probe::reconcile(self.facts, &mut changed, service, false, Vec::new());
            let rules = rule::reconcile(&mut changed, service, false, Vec::new());
            if !probes && !rules {
                return Ok(false);
            }
            let mut orphaned = Vec::new();
            let all = changed.properties.frontend_ip_configurations.clone().unwrap_or_default();
            for frontend in all.iter().filter(|frontend| users.contains(frontend.id())) {
                if !self.is_unsafe_to_delete(&changed, service, frontend.id()) {
                    orphaned.push(frontend.name().to_owned());
                }
            }
            if orphaned.is_empty() {
                self.put_load_balancer(changed)?;
                self.record_placement(service, balancer.name(), false);
                return Ok(false);
            }
            return self.leave_frontends(service, changed, existing, &orphaned);
        }
        self.leave_frontends(service, changed, existing, frontends)
    }

    /// Removes frontends with their rules, probes and PLS
    /// (`removeFrontendIPConfigurationFromLoadBalancer`).
    fn leave_frontends(
        &mut self,
        service: &Service,
        mut balancer: LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
        frontends: &[String],
    ) -> Result<bool, Failure> {
        let is_gone = |name: &str| frontends.iter().any(|gone| same(gone, name));
        let of_gone = |name: &str| frontends.iter().any(|gone| name.contains(gone.as_str()));
        let all = balancer.properties.frontend_ip_configurations.get_or_insert_default();
        let (gone, left): (Vec<_>, Vec<_>) =
            all.drain(..).partition(|frontend| is_gone(frontend.name()));
        let empty = left.is_empty();
        *all = left;
        if let Some(rules) = &mut balancer.properties.load_balancing_rules {
            rules.retain(|rule| !of_gone(rule.name()));
        }
        if let Some(probes) = &mut balancer.properties.probes {
            probes.retain(|probe| !of_gone(probe.name()));
        }
        let mut deleted = false;
        for frontend in &gone {
            deleted |= self.reconcile_private_link(service, frontend, false)?;
        }
        if deleted {
            return Ok(true);
        }
        let own_name = balancer.name().to_owned();
        if empty {
            self.delete_orphaned(service, &balancer, existing)?;
            existing.retain(|it| !same(it.name(), &own_name));
        } else {
            self.put_load_balancer(balancer)?;
        }
        self.record_placement(service, &own_name, false);
        if is_local(service) && self.facts.has_several_load_balancers() && !empty {
            self.delete_local_pools(service, existing)?;
        }
        Ok(false)
    }

    /// With several load balancers, a Service leaves one of the other kind first.
    pub(crate) fn leave_other_kind(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
        want: bool,
    ) -> Result<bool, Failure> {
        if want && self.facts.has_several_load_balancers() && has_own(balancer, service) {
            let words = format!(
                "remove stale service resources from opposite-type load balancer {} for service {}",
                quote(balancer.name()),
                quote(&service.key.to_string())
            );
            return self.leave(service, balancer, existing, &[]).map_err(|why| why.within(&words));
        }
        Ok(false)
    }

    /// Rules left on a load balancer whose frontends are others'.
    pub(crate) fn leave_stale(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
    ) -> Result<bool, Failure> {
        if self.facts.has_several_load_balancers() && has_own(balancer, service) {
            let words = format!(
                "remove stale service resources from load balancer {} for service {}",
                quote(balancer.name()),
                quote(&service.key.to_string())
            );
            return self.leave(service, balancer, existing, &[]).map_err(|why| why.within(&words));
        }
        Ok(false)
    }

    /// Moves a Service off a load balancer, unless its frontend is shared.
    pub(crate) fn move_away(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
        status: &Status,
        wanted: &str,
    ) -> Result<bool, Failure> {
        if self.facts.has_several_load_balancers() {
            for frontend in &status.frontends {
                if self.is_unsafe_to_delete(balancer, service, frontend.id()) {
                    return Err(Failure::new(format!(
                        "service {} cannot migrate from load balancer {} to {} because frontend IP {} is also referenced by other resources; remove the {} annotation to stay on load balancer {}",
                        quote(&service.key.name),
                        quote(balancer.name()),
                        quote(wanted),
                        quote(frontend.name()),
                        annotation::CONFIGURATIONS,
                        quote(balancer.name())
                    )));
                }
            }
        }
        let frontends: Vec<String> =
            status.frontends.iter().map(|frontend| frontend.name().to_owned()).collect();
        let words = format!(
            "remove service {} from load balancer {} (frontend IPs [{}])",
            quote(&service.key.to_string()),
            quote(balancer.name()),
            frontends.join(" ")
        );
        self.leave(service, balancer, existing, &frontends).map_err(|why| why.within(&words))
    }

    /// The pools of local Services go when there is one load balancer, or the Service is local no more
    /// (`cleanupLocalServiceBackendPool`).
    pub(crate) fn delete_local_pools(
        &mut self,
        service: &Service,
        existing: &mut [Arc<LoadBalancer>],
    ) -> Result<(), Failure> {
        let names = [false, true].map(|ipv6| name::local_pool(service, ipv6));
        for balancer in existing.iter_mut() {
            let pools = balancer.properties.backend_address_pools.clone().unwrap_or_default();
            let mut changed = false;
            for pool in pools.iter().filter(|pool| names.iter().any(|it| same(it, pool.name()))) {
                let id = name::load_balancer_id(self.facts, balancer.name());
                let id = id.child("backendAddressPools", pool.name());
                self.delete(&id)?;
                changed = true;
            }
            if changed {
                let own_name = balancer.name().to_owned();
                self.forget_load_balancer(&own_name);
                if let Some(fresh) = self.load_balancer(&own_name, true)? {
                    *balancer = fresh;
                }
            }
        }
        Ok(())
    }
}
