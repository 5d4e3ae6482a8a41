//! One Service's load balancer (reference: cloud-controller, section 1; `reconcileLoadBalancer`).

mod migration;
mod placement;
pub(crate) mod selection;

use std::sync::Arc;

use serde_json::json;

use crate::arm::resource::{Frontend, LoadBalancer, Reference, Sku};
use crate::evidence::Evidence;
use crate::facts::LoadBalancerSku;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::Service;

use super::cloud::Cloud;
use super::failure::Failure;
use super::name::{self, IsIpv6};
use super::outcome::{Action, Reason};
use super::probe;
use super::rule::{self, Target, Wanted};
use super::security_group::additional;
use super::tags;
use super::value::{families, is_internal, is_local, same};
use crate::annotation;
use selection::{Found, Status};

/// What a pass over a load balancer left.
pub(crate) struct Pass {
    pub(crate) balancer: LoadBalancer,
    /// A PLS was deleted: the load balancer's etag moved, and the pass has to be made again.
    pub(crate) again: bool,
}

impl Cloud<'_, '_> {
    /// The load balancers the controller manages, in the order of their ids (`ListManagedLBs`).
    pub(crate) fn managed_load_balancers(
        &mut self,
        service: &Service,
        nodes: Option<&[Arc<Node>]>,
    ) -> Result<Vec<Arc<LoadBalancer>>, Failure> {
        let mut all = self.list_load_balancers(service)?;
        let facts = self.facts;
        if facts.load_balancer_sku == LoadBalancerSku::Basic && nodes.is_none() {
            return Ok(all);
        }
        let vm_sets = if facts.load_balancer_sku == LoadBalancerSku::Basic {
            selection::vm_sets(&self.cluster.nodes)
        } else {
            Vec::new()
        };
        all.retain(|balancer| {
            let name = name::without_internal(balancer.name());
            same(name, &facts.cluster_name)
                || facts.load_balancer_configurations.iter().any(|it| same(name, &it.name))
                || vm_sets.iter().any(|vm_set| same(name, vm_set))
        });
        Ok(all)
    }

    /// Deletes Basic load balancers of a cluster that has gone Standard (`cleanupBasicLoadBalancer`).
    fn delete_basic(
        &mut self,
        service: &Service,
        existing: &mut Vec<Arc<LoadBalancer>>,
    ) -> Result<(), Failure> {
        if self.facts.load_balancer_sku != LoadBalancerSku::Standard {
            return Ok(());
        }
        for at in (0..existing.len()).rev() {
            let Some(balancer) = existing.get(at).cloned() else {
                continue;
            };
            let sku = balancer.sku.as_ref().and_then(|sku| sku.name.as_deref());
            if sku == Some("Basic") {
                self.decouple_and_delete(service, &balancer)?;
                existing.remove(at);
                if !balancer.name().to_lowercase().contains(name::INTERNAL_SUFFIX) {
                    self.memory.public_ips.clear();
                }
            }
        }
        Ok(())
    }

    /// The addresses and frontends of a Service on a load balancer (`getServiceLoadBalancerStatus`).
    pub(crate) fn status(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
    ) -> Result<Option<Status>, Failure> {
        let mut status = Status::default();
        let frontends = balancer.properties.frontend_ip_configurations.clone().unwrap_or_default();
        for frontend in frontends {
            if self.owns_frontend(&frontend, service).is_none() {
                continue;
            }
            let address = if is_internal(service) {
                frontend.properties.private_ip_address.clone()
            } else {
                self.public_address(service, balancer, &frontend)?
            };
            status.addresses.push(address.unwrap_or_default());
            status.frontends.push(frontend);
        }
        if status.frontends.is_empty() {
            return Ok(None);
        }
        status.ingress = status.addresses.clone();
        status.ingress.extend(additional(service)?);
        Ok(Some(status))
    }

    fn public_address(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        frontend: &Frontend,
    ) -> Result<Option<String>, Failure> {
        let Some(id) = frontend.properties.public_ip_address.as_ref().map(Reference::id) else {
            return Err(Failure::new(format!(
                "get({}): lb({}) - failed to get LB PublicIPAddress is Nil",
                service.key,
                balancer.name()
            )));
        };
        let wanted = id.rsplit('/').next().unwrap_or_default().to_owned();
        let group = self.public_ip_group(service);
        let found = self.public_ip(&group, &wanted)?;
        Ok(found.and_then(|address| address.properties.ip_address.clone()))
    }

    /// The load balancer a Service is on, or is to be on (`getServiceLoadBalancer`).
    pub(crate) fn find_load_balancer(
        &mut self,
        service: &Service,
        nodes: Option<&[Arc<Node>]>,
        want: bool,
        existing: Vec<Arc<LoadBalancer>>,
    ) -> Result<Found, Failure> {
        let internal = is_internal(service);
        let default_name = self.load_balancer_name(service, &existing, want)?;
        let mut existing = existing;
        if existing.is_empty() {
            existing = self.list_load_balancers(service)?;
        }
        let pinned = want && self.facts.has_several_load_balancers() && selection::pins(service);
        let mut default: Option<Arc<LoadBalancer>> = None;
        let mut pinned_status = None;
        let mut moves = false;
        // What the last one said that was looked at: who moves keeps the address it had.
        let mut last = None;
        for at in (0..existing.len()).rev() {
            let Some(balancer) = existing.get(at).cloned() else {
                continue;
            };
            if same(balancer.name(), &default_name) {
                default = Some(balancer.clone());
            }
            if name::is_internal_balancer(balancer.name()) != internal {
                if self.leave_other_kind(service, &balancer, &mut existing, want)? {
                    return Ok(Found::after_deletion(balancer, existing));
                }
                continue;
            }
            let status = self.status(service, &balancer)?;
            last.clone_from(&status);
            let elsewhere = want && self.should_move(service, balancer.name(), &default_name);
            let Some(status) = status else {
                if elsewhere && self.leave_stale(service, &balancer, &mut existing)? {
                    return Ok(Found::after_deletion(balancer, existing));
                }
                continue;
            };
            if elsewhere {
                moves = true;
                if self.move_away(service, &balancer, &mut existing, &status, &default_name)? {
                    return Ok(Found::after_deletion(balancer, existing));
                }
                if pinned {
                    continue;
                }
                break;
            }
            if pinned {
                pinned_status = Some(status);
                continue;
            }
            let balancer = balancer.as_ref().clone();
            return Ok(Found::there(balancer, existing, Some(status)));
        }
        if let (Some(default), Some(status)) = (&default, pinned_status) {
            return Ok(Found::there(default.as_ref().clone(), existing, Some(status)));
        }
        if want && self.facts.load_balancer_sku == LoadBalancerSku::Basic {
            return self.select_basic(service, existing, nodes.unwrap_or_default());
        }
        if moves && let Some(default) = existing.iter().find(|it| same(it.name(), &default_name)) {
            let default = default.as_ref().clone();
            return Ok(Found::there(default, existing, last));
        }
        let balancer = match default {
            Some(default) => default.as_ref().clone(),
            None => self.new_load_balancer(&default_name),
        };
        Ok(Found { balancer, existing, status: None, exists: false, deleted_link: false })
    }

    pub(crate) fn new_load_balancer(&self, balancer: &str) -> LoadBalancer {
        let standard = self.facts.load_balancer_sku == LoadBalancerSku::Standard;
        let edge = self.facts.extended_location.as_deref();
        LoadBalancer {
            name: Some(balancer.to_owned()),
            location: Some(self.facts.location.clone()),
            sku: standard.then(|| Sku { name: Some("Standard".to_owned()), ..Sku::default() }),
            extended_location: edge.map(|name| json!({"name": name, "type": "EdgeZone"})),
            ..LoadBalancer::default()
        }
    }

    /// One pass (`reconcileLoadBalancer`): finds the load balancer, brings pools, frontends, probes and
    /// rules in line, writes it, and fills its pools.
    pub(crate) fn reconcile_load_balancer(
        &mut self,
        service: &Service,
        nodes: Option<&[Arc<Node>]>,
        want: bool,
    ) -> Result<Pass, Failure> {
        let mut existing = self
            .managed_load_balancers(service, nodes)
            .map_err(|why| why.within("reconcileLoadBalancer: failed to list managed LB"))?;
        self.delete_basic(service, &mut existing)?;
        if !(self.facts.has_several_load_balancers() && is_local(service)) {
            self.delete_local_pools(service, nodes, &mut existing)?;
        }
        self.record_placements(service, &existing, nodes)?;
        let found = self.find_load_balancer(service, nodes, want, existing)?;
        if found.deleted_link {
            return Ok(Pass { balancer: found.balancer, again: true });
        }
        let Found { mut balancer, mut existing, status, .. } = found;
        let mut dirty = false;
        let mut pre_configured = self.is_pre_configured(service);
        if want {
            let (configured, created) = self.reconcile_pools(service, &mut balancer)?;
            pre_configured = configured;
            dirty |= created;
            put_into(&mut existing, &balancer);
        }
        let had = status.map(|status| status.ingress).unwrap_or_default();
        let frontends = self.reconcile_frontends(service, &mut balancer, &had, want)?;
        dirty |= frontends.changed;
        let wanted = if want {
            self.wanted(service, &balancer, &frontends.kept)?
        } else {
            Wanted::default()
        };
        dirty |= probe::reconcile(self.facts, &mut balancer, service, want, wanted.probes);
        let rules_changed = rule::reconcile(&mut balancer, service, want, wanted.rules);
        dirty |= rules_changed;
        dirty |= tags::ensure(self.facts, &mut balancer.tags);
        if dirty {
            if self.delete_links(service, &frontends.dropped) {
                return Ok(Pass { balancer, again: true });
            }
            let wrote =
                self.write_load_balancer(service, balancer, &mut existing, frontends.changed)?;
            for gone in frontends.dropped.iter().filter(|_| !want) {
                let id = crate::resource_id::ResourceId::new(gone.id());
                self.effect(Action::Deleted, &id, Reason::Unwanted, Evidence::Recorded);
            }
            balancer = wrote;
        }
        if want
            && !pre_configured
            && let Some(nodes) = nodes
        {
            let result = self.fill_pools(service, &balancer, &existing, nodes);
            // Filling a pool moves the etag, so the cached load balancer is dropped in any case.
            self.forget_load_balancer(balancer.name());
            result?;
        }
        if frontends.changed || (self.facts.has_several_load_balancers() && rules_changed) {
            self.record_placement(service, balancer.name(), want);
        }
        Ok(Pass { balancer, again: false })
    }

    fn fill_pools(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &[Arc<LoadBalancer>],
        nodes: &[Arc<Node>],
    ) -> Result<(), Failure> {
        if !self.facts.has_several_load_balancers() {
            return self.reconcile_hosts(service, balancer, nodes);
        }
        self.place_nodes(service, balancer.name(), existing, nodes);
        for balancer in existing {
            self.reconcile_hosts(service, balancer, nodes)?;
        }
        Ok(())
    }

    /// The rules and probes of all families a Service has.
    fn wanted(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        kept: &[(IsIpv6, Arc<Frontend>)],
    ) -> Result<Wanted, Failure> {
        let id = name::load_balancer_id(self.facts, balancer.name());
        let mut wanted = Wanted::default();
        let (ipv4, ipv6) = families(service);
        for family in [false, true] {
            if !(if family { ipv6 } else { ipv4 }) {
                continue;
            }
            let own = id.child("frontendIPConfigurations", &name::frontend(service, family));
            let kept = kept.iter().find(|(of, _)| *of == family).map(|(_, it)| it.id());
            let pool = id.child("backendAddressPools", &name::pool(self.facts, service, family));
            let target = Target {
                balancer: balancer.name(),
                frontend: kept.unwrap_or(own.as_str()),
                pool: pool.as_str(),
                ipv6: family,
            };
            rule::check_conflicts(balancer, target.frontend, service)?;
            let of_family = rule::wanted(self.facts, service, &target)?;
            wanted.rules.extend(of_family.rules);
            wanted.probes.extend(of_family.probes);
        }
        Ok(wanted)
    }

    /// Deletes the PLS of frontends that go. Whether any was deleted; what fails is only logged.
    fn delete_links(&mut self, service: &Service, dropped: &[Arc<Frontend>]) -> bool {
        let mut deleted = false;
        for frontend in dropped {
            deleted |= self.reconcile_private_link(service, frontend, false).unwrap_or(false);
        }
        deleted
    }

    /// Writes the load balancer and reads it again, or deletes it if it has no frontend left.
    fn write_load_balancer(
        &mut self,
        service: &Service,
        balancer: LoadBalancer,
        existing: &mut Vec<Arc<LoadBalancer>>,
        frontends_changed: bool,
    ) -> Result<LoadBalancer, Failure> {
        let frontends = balancer.properties.frontend_ip_configurations.as_deref();
        if frontends.unwrap_or_default().is_empty() {
            self.delete_orphaned(service, &balancer, existing)?;
            return Ok(balancer);
        }
        let balancer_name = balancer.name().to_owned();
        self.put_load_balancer(balancer)?;
        let Some(written) = self.load_balancer(&balancer_name, true)? else {
            return Err(Failure::new(format!(
                "load balancer {} not found",
                super::value::quote(&balancer_name)
            )));
        };
        put_into(existing, &written);
        if frontends_changed && !is_internal(service) {
            let group = self.public_ip_group(service);
            self.memory.public_ips.remove(&group);
        }
        Ok(written.as_ref().clone())
    }

    /// Deletes a load balancer that has no frontend left (`cleanOrphanedLoadBalancer`).
    pub(crate) fn delete_orphaned(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        existing: &[Arc<LoadBalancer>],
    ) -> Result<(), Failure> {
        let there = existing.iter().any(|it| same(it.name(), balancer.name()));
        if self.is_pre_configured(service) || !there {
            return Ok(());
        }
        self.decouple_and_delete(service, balancer)
    }

    /// Takes the machines out of a load balancer's pools and deletes it (`safeDeleteLoadBalancer`).
    fn decouple_and_delete(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
    ) -> Result<(), Failure> {
        let pools = balancer.properties.backend_address_pools.clone().unwrap_or_default();
        let ids: Vec<String> = pools.iter().map(|pool| pool.id().to_owned()).collect();
        let words = "safeDeleteLoadBalancer: failed to EnsureBackendPoolDeleted";
        self.leave_scale_sets(&ids).map_err(|why| why.within(words))?;
        let members = pools
            .iter()
            .flat_map(|pool| pool.properties.backend_ip_configurations.iter().flatten());
        let machines =
            members.filter_map(|it| crate::kubernetes::node::machine_of(it.id())).collect();
        self.leave_pools(&machines, &ids).map_err(|why| why.within(words))?;
        self.delete_load_balancer(service, balancer.name())?;
        self.forget_nodes(balancer.name());
        Ok(())
    }
}

/// Puts a load balancer into a list, in place of the one of its name (`addOrUpdateLBInList`).
fn put_into(list: &mut Vec<Arc<LoadBalancer>>, balancer: &LoadBalancer) {
    let balancer = Arc::new(balancer.clone());
    match list.iter_mut().find(|it| same(it.name(), balancer.name())) {
        Some(slot) => *slot = balancer,
        None => list.push(balancer),
    }
}

/// The Service with the annotation for internal turned over (`flipServiceInternalAnnotation`).
pub(crate) fn flipped(service: &Service) -> Service {
    let mut service = service.clone();
    if is_internal(&service) {
        service.annotations.remove(annotation::INTERNAL);
    } else {
        service.annotations.insert(annotation::INTERNAL.to_owned(), "true".to_owned());
    }
    service
}
