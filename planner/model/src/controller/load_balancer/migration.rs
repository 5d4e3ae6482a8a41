//! How a Service leaves a load balancer for another (reference: cloud-controller, section 2).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::arm::resource::LoadBalancer;
use crate::facts::LoadBalancerSku;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;

use super::selection::Status;
use super::selection::has_own;
use crate::annotation;
use crate::controller::cloud::Cloud;
use crate::controller::failure::Failure;
use crate::controller::name;
use crate::controller::probe::{self, owns};
use crate::controller::rule;
use crate::controller::value::{get, is_local, quote, same};

/// What leaving a load balancer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// The load balancer is still there.
    There,
    /// It had no other frontend, and is gone.
    Gone,
    /// A PLS was deleted, and nothing else yet.
    LinkDeleted,
}

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

    /// Takes a Service off a load balancer: these frontends of it, or what is left of the Service where
    /// none is its own (`removeServiceFromLB`). Whether a PLS was deleted on the way.
    fn leave(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
        frontends: &[String],
    ) -> Result<bool, Failure> {
        let left = if frontends.is_empty() {
            self.leave_rules(service, balancer.clone(), existing)?
        } else {
            self.leave_frontends(service, balancer.clone(), existing, frontends)?
        };
        if left == Left::LinkDeleted {
            return Ok(true);
        }
        let own_name = balancer.name();
        if left == Left::Gone {
            existing.retain(|it| !same(it.name(), own_name));
        }
        self.record_placement(service, own_name, false);
        if is_local(service) && self.facts.has_several_load_balancers() && left == Left::There {
            self.delete_local_pools(service, None, existing).map_err(|why| {
                why.within(&format!(
                    "clean up backend pool for local service {} on load balancer {}",
                    quote(&service.key.to_string()),
                    quote(own_name)
                ))
            })?;
        }
        Ok(false)
    }

    /// Removes a Service's rules and probes, and frontends that nobody uses without them
    /// (`removeStaleServiceLBResources`).
    fn leave_rules(
        &mut self,
        service: &Service,
        mut balancer: LoadBalancer,
        existing: &[Arc<LoadBalancer>],
    ) -> Result<Left, Failure> {
        let users: BTreeSet<String> = balancer
            .properties
            .load_balancing_rules
            .iter()
            .flatten()
            .filter(|rule| owns(service, rule.name()))
            .filter_map(|rule| rule.properties.frontend_ip_configuration.as_ref())
            .map(|it| it.id().to_owned())
            .collect();
        let probes = probe::reconcile(self.facts, &mut balancer, service, false, Vec::new());
        let rules = rule::reconcile(&mut balancer, service, false, Vec::new());
        if !probes && !rules {
            return Ok(Left::There);
        }
        let mut orphaned = Vec::new();
        let all = balancer.properties.frontend_ip_configurations.clone().unwrap_or_default();
        for frontend in all.iter().filter(|frontend| users.contains(frontend.id())) {
            if !self.is_unsafe_to_delete(&balancer, service, frontend.id()) {
                orphaned.push(frontend.name().to_owned());
            }
        }
        if orphaned.is_empty() {
            self.put_load_balancer(balancer)?;
            return Ok(Left::There);
        }
        self.leave_frontends(service, balancer, existing, &orphaned)
            .map_err(|why| why.within("remove orphaned frontend IP configurations"))
    }

    /// Removes frontends with their rules, probes and PLS
    /// (`removeFrontendIPConfigurationFromLoadBalancer`).
    fn leave_frontends(
        &mut self,
        service: &Service,
        mut balancer: LoadBalancer,
        existing: &[Arc<LoadBalancer>],
        frontends: &[String],
    ) -> Result<Left, Failure> {
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
            return Ok(Left::LinkDeleted);
        }
        if empty {
            self.delete_orphaned(service, &balancer, existing)?;
            return Ok(Left::Gone);
        }
        self.put_load_balancer(balancer)?;
        Ok(Left::There)
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
        nodes: Option<&[Arc<Node>]>,
        existing: &mut Vec<Arc<LoadBalancer>>,
    ) -> Result<(), Failure> {
        let names = [false, true].map(|ipv6| name::local_pool(service, ipv6));
        let mut changed = false;
        for balancer in existing.iter() {
            let pools = balancer.properties.backend_address_pools.iter().flatten();
            for pool in pools.filter(|pool| names.iter().any(|it| same(it, pool.name()))) {
                let id = name::load_balancer_id(self.facts, balancer.name());
                self.delete(&id.child("backendAddressPools", pool.name()))?;
                self.forget_load_balancer(balancer.name());
                changed = true;
            }
        }
        if changed {
            *existing = self
                .managed_load_balancers(service, nodes)
                .map_err(|why| why.within("reconcileLoadBalancer: failed to list managed LB"))?;
        }
        Ok(())
    }
}
