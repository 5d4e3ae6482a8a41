//! Load balancers and their backend pools.

mod check;
mod fill;
mod frontend;
mod nat_rule;
mod place;
mod reference;
mod users;

use std::sync::Arc;

use crate::arm::arm_type::ArmType;
use crate::resource_id::ResourceId;

use super::azure::{Azure, Done, check_match, not_found};
use super::error::ArmError;
use super::resource::{BackendPool, LoadBalancer};
use super::rules::Rules;
pub(super) use check::check_length;
pub use check::{NO_IPV4, NOT_IN_SUBNET, refused_probe};
use fill::set_etags;

const KIND: &str = ArmType::LoadBalancer.name();

impl Azure<'_> {
    /// A PUT of a load balancer.
    ///
    /// # Errors
    /// ARM's refusal: 412, missing references, addresses, ports, frontends under a PLS.
    pub fn put_load_balancer(
        &mut self,
        id: &ResourceId,
        body: &LoadBalancer,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let existing = self.world.load_balancers.get(&id.key()).cloned();
        check_match(id, existing.as_ref().and_then(|it| it.etag.as_deref()), if_match)?;
        let own_id = existing.as_ref().map_or(id.as_str(), |it| it.id()).to_owned();
        let own_id = ResourceId::new(own_id);
        let mut balancer = body.clone();
        self.check_load_balancer(&own_id, &balancer, existing.as_deref())?;
        self.fill_load_balancer(&own_id, &mut balancer, existing.as_deref())?;
        self.world.load_balancers.insert(id.key(), Arc::new(balancer));
        self.show_users_of_public_ips();
        Ok(if existing.is_some() { Done::Updated } else { Done::Created })
    }

    /// A DELETE of a load balancer.
    ///
    /// # Errors
    /// 400 while a PLS is on it, or a scale set names its pools.
    pub fn delete_load_balancer(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let Some(balancer) = self.world.load_balancers.get(&id.key()) else {
            return Ok(Done::Absent);
        };
        let prefix = format!("{}/", id.key());
        let on_it = self.world.private_link_services.values().find(|service| {
            service
                .properties
                .load_balancer_frontend_ip_configurations
                .iter()
                .flatten()
                .any(|frontend| frontend.id().to_ascii_lowercase().starts_with(&prefix))
        });
        if let Some(service) = on_it {
            let (balancer, service) = (balancer.id(), service.id());
            return Err(if self.rules == Rules::Azure {
                ArmError::new(
                    400,
                    "CannotDeleteLoadBalancerWithPrivateLinkService",
                    format!(
                        "Cannot delete load balancer {balancer} since it is referenced by private link service {service}. Please delete private link service prior to deleting load balancer."
                    ),
                )
            } else {
                ArmError::new(
                    400,
                    "InUseLoadBalancerCannotBeDeleted",
                    format!(
                        "Load balancer {balancer} cannot be deleted since it is in use by private link service {service}."
                    ),
                )
            });
        }
        if self.rules == Rules::Azure {
            self.check_scale_sets(id)?;
        }
        self.world.load_balancers.remove(&id.key());
        self.drop_nic_references(id);
        self.show_users_of_public_ips();
        Ok(Done::Deleted)
    }

    /// A PUT of a backend pool. The load balancer and all its children get a new etag.
    ///
    /// # Errors
    /// 404 without its load balancer, 412.
    pub fn put_backend_pool(
        &mut self,
        id: &ResourceId,
        body: &BackendPool,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let (balancer_id, existing) = self.pool_parent(id)?;
        let mut balancer = existing.as_ref().clone();
        let pools = balancer.properties.backend_address_pools.get_or_insert_default();
        let position = pools.iter().position(|pool| pool.name().eq_ignore_ascii_case(id.name()));
        let before = position.and_then(|at| pools.get(at)).and_then(|pool| pool.etag.as_deref());
        check_match(id, before, if_match)?;
        let mut pool = body.clone();
        pool.name = Some(id.name().to_owned());
        let done = match position.and_then(|at| pools.get_mut(at)) {
            Some(slot) => {
                *slot = Arc::new(pool);
                Done::Updated
            }
            None => {
                pools.push(Arc::new(pool));
                Done::Created
            }
        };
        self.fill_load_balancer(&balancer_id, &mut balancer, Some(existing.as_ref()))?;
        self.world.load_balancers.insert(balancer_id.key(), Arc::new(balancer));
        Ok(done)
    }

    /// A DELETE of a backend pool.
    ///
    /// # Errors
    /// 404 without its load balancer, 400 while a rule uses it.
    pub fn delete_backend_pool(&mut self, id: &ResourceId) -> Result<Done, ArmError> {
        self.strike("DELETE", id.as_str())?;
        let (balancer_id, existing) = self.pool_parent(id)?;
        let mut balancer = existing.as_ref().clone();
        let rules = balancer.properties.load_balancing_rules.iter().flatten();
        let user = rules.clone().find(|rule| {
            let pool = rule.properties.backend_address_pool.as_ref();
            pool.is_some_and(|pool| pool.id().eq_ignore_ascii_case(id.as_str()))
        });
        if let Some(rule) = user {
            return Err(ArmError::new(
                400,
                "InUseBackendAddressPoolCannotBeDeleted",
                format!(
                    "Backend address pool {id} is in use by {} and cannot be deleted.",
                    rule.id()
                ),
            ));
        }
        let pools = balancer.properties.backend_address_pools.get_or_insert_default();
        let before = pools.len();
        pools.retain(|pool| !pool.name().eq_ignore_ascii_case(id.name()));
        if pools.len() == before {
            return Ok(Done::Absent);
        }
        self.fill_load_balancer(&balancer_id, &mut balancer, Some(existing.as_ref()))?;
        self.world.load_balancers.insert(balancer_id.key(), Arc::new(balancer));
        Ok(Done::Deleted)
    }

    fn pool_parent(&self, id: &ResourceId) -> Result<(ResourceId, Arc<LoadBalancer>), ArmError> {
        let parent = id.parent().unwrap_or_default();
        match self.world.load_balancers.get(&parent.key()) {
            Some(balancer) => Ok((ResourceId::new(balancer.id()), balancer.clone())),
            None => Err(not_found(&parent)),
        }
    }

    /// Gives the load balancer and its children a new etag: a PLS came or went on it.
    pub(crate) fn touch_load_balancer(&mut self, id: &ResourceId) {
        let Some(existing) = self.world.load_balancers.get(&id.key()).cloned() else {
            return;
        };
        let mut balancer = existing.as_ref().clone();
        let own_id = ResourceId::new(balancer.id());
        self.show_private_link_services(&mut balancer);
        let etag = self.allocator.etag(&own_id);
        let of_children = self.allocator.etag_of_children(&etag);
        set_etags(&mut balancer, etag, &of_children);
        self.world.load_balancers.insert(id.key(), Arc::new(balancer));
    }
}
