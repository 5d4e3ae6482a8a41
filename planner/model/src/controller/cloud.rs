//! The controller's side of ARM: its requests, its caches, and what it did.

use std::sync::Arc;

use serde::Serialize;

use crate::arm::arm_type::ArmType;
use crate::arm::azure::{Azure, Done};
use crate::arm::error::ArmError;
use crate::arm::resource::{LoadBalancer, NetworkSecurityGroup, PublicIpAddress, Subnet};
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::kubernetes::service::Service;
use crate::resource_id::ResourceId;

use super::failure::Failure;
use super::memory::{CACHE_SECONDS, Cached, Memory};
use super::name;
use super::outcome::{Action, Body, Effect, Event, EventType, Method, Reason, Write};
use crate::controller::cluster::Cluster;

/// How often the SDK tries again on an answer that may pass.
const SDK_RETRIES: u32 = 3;
/// The answers it tries again on.
const SDK_RETRIED: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// One sync under way.
pub(crate) struct Cloud<'c, 'a> {
    pub(crate) azure: &'c mut Azure<'a>,
    pub(crate) facts: &'c Facts,
    pub(crate) cluster: &'c Cluster,
    pub(crate) memory: &'c mut Memory,
    pub(crate) writes: Vec<Write>,
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Effect>,
}

/// Where none of several load balancers is eligible its name is empty, which the SDK refuses (`BackendAddressPools` and
/// `LoadBalancers` of armnetwork check their parameters).
fn check_name(balancer: &str) -> Result<(), Failure> {
    match balancer.is_empty() {
        true => Err(Failure::new("parameter loadBalancerName cannot be empty")),
        false => Ok(()),
    }
}

impl<'c, 'a> Cloud<'c, 'a> {
    pub(crate) fn new(
        azure: &'c mut Azure<'a>,
        cluster: &'c Cluster,
        memory: &'c mut Memory,
    ) -> Self {
        Self {
            azure,
            facts: &cluster.facts,
            cluster,
            memory,
            writes: Vec::new(),
            events: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// An event of the Azure provider.
    pub(crate) fn warn(&mut self, service: &Service, reason: &str, message: impl Into<String>) {
        self.events.push(Event {
            service: service.key.clone(),
            kind: EventType::Warning,
            reason: reason.to_owned(),
            message: message.into(),
            source: "azure-cloud-provider".to_owned(),
        });
    }

    pub(crate) fn effect(
        &mut self,
        action: Action,
        id: &ResourceId,
        reason: Reason,
        evidence: Evidence,
    ) {
        self.effects.push(Effect { action, id: id.clone(), reason, evidence });
    }

    fn refused(&self, method: Method, id: &ResourceId, error: ArmError) -> Failure {
        Failure::refused(method.as_str(), &self.facts.endpoint, id.as_str(), error)
    }

    /// A read: fails only where a failure was injected. The SDK tries again by itself.
    pub(crate) fn read(&mut self, path: &ResourceId) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            match self.azure.strike("GET", path.as_str()) {
                Ok(()) => return Ok(()),
                Err(error) if tries < SDK_RETRIES && SDK_RETRIED.contains(&error.status) => {
                    tries += 1;
                }
                Err(error) => {
                    return Err(Failure::refused(
                        "GET",
                        &self.facts.endpoint,
                        path.as_str(),
                        error,
                    ));
                }
            }
        }
    }

    /// A PUT, tried again by the SDK where the answer may pass. Every try is a write.
    pub(crate) fn put<T: Serialize + Send + Sync + 'static>(
        &mut self,
        id: &ResourceId,
        body: T,
        if_match: Option<&str>,
        send: impl Fn(&mut Azure<'a>, &T) -> Result<Done, ArmError>,
    ) -> Result<(), Failure> {
        let body = Arc::new(body);
        let mut tries = 0;
        loop {
            let answer = send(self.azure, &body);
            self.writes.push(Write {
                method: Method::Put,
                id: id.clone(),
                body: Some(Body::of(body.clone())),
                if_match: if_match.map(ToOwned::to_owned),
                answer: answer.clone().map(Done::status),
            });
            match answer {
                Ok(_) => {
                    self.azure.pass();
                    return Ok(());
                }
                Err(error) if tries < SDK_RETRIES && SDK_RETRIED.contains(&error.status) => {
                    tries += 1;
                }
                Err(error) => return Err(self.refused(Method::Put, id, error)),
            }
        }
    }

    /// A DELETE. What is not there is deleted.
    pub(crate) fn delete(&mut self, id: &ResourceId) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let answer = self.azure.delete(id, None);
            self.writes.push(Write {
                method: Method::Delete,
                id: id.clone(),
                body: None,
                if_match: None,
                answer: answer.clone().map(Done::status),
            });
            match answer {
                Ok(_) => {
                    self.azure.pass();
                    return Ok(());
                }
                Err(error) if tries < SDK_RETRIES && SDK_RETRIED.contains(&error.status) => {
                    tries += 1;
                }
                Err(error) => return Err(self.refused(Method::Delete, id, error)),
            }
        }
    }

    fn is_fresh<T>(&self, cached: &Cached<T>) -> bool {
        self.memory.now.saturating_sub(cached.at) < CACHE_SECONDS
    }

    /// The load balancers of the group, in the order of their ids (`ListLB`).
    pub(crate) fn list_load_balancers(
        &mut self,
        service: &Service,
    ) -> Result<Vec<Arc<LoadBalancer>>, Failure> {
        let collection = name::load_balancer_id(self.facts, "").collection().unwrap_or_default();
        if let Err(failure) = self.read(&collection) {
            if failure.status() == Some(404) {
                return Ok(Vec::new());
            }
            self.warn(service, "ListLoadBalancers", failure.text.clone());
            return Err(failure);
        }
        let prefix = format!("{}/", collection.key());
        let all = self.azure.world.load_balancers.range(prefix.clone()..);
        let of_group = all.take_while(|(key, _)| key.starts_with(&prefix));
        Ok(of_group.map(|(_, balancer)| balancer.clone()).collect())
    }

    /// A load balancer, from the cache unless it is to be read afresh (`getAzureLoadBalancer`).
    pub(crate) fn load_balancer(
        &mut self,
        balancer: &str,
        afresh: bool,
    ) -> Result<Option<Arc<LoadBalancer>>, Failure> {
        let key = balancer.to_lowercase();
        let cached = self.memory.load_balancers.get(&key);
        if let Some(cached) = cached.filter(|cached| !afresh && self.is_fresh(cached)) {
            return Ok(cached.value.clone());
        }
        check_name(balancer)?;
        let id = name::load_balancer_id(self.facts, balancer);
        let value = match self.read(&id) {
            Err(failure) if failure.status() == Some(404) => None,
            read => {
                read?;
                self.azure.world.load_balancers.get(&id.key()).cloned()
            }
        };
        let cached = Cached { at: self.memory.now, value: value.clone() };
        self.memory.load_balancers.insert(key, cached);
        Ok(value)
    }

    pub(crate) fn forget_load_balancer(&mut self, balancer: &str) {
        self.memory.load_balancers.remove(&balancer.to_lowercase());
    }

    /// A PUT of a load balancer (`CreateOrUpdateLB`): of a frontend's subnet only id and name go along.
    pub(crate) fn put_load_balancer(&mut self, mut balancer: LoadBalancer) -> Result<(), Failure> {
        for frontend in balancer.properties.frontend_ip_configurations.iter_mut().flatten() {
            let subnet = frontend.properties.subnet.as_ref();
            let has_more =
                subnet.is_some_and(|subnet| subnet.other.keys().any(|field| field != "name"));
            if has_more && let Some(subnet) = &mut Arc::make_mut(frontend).properties.subnet {
                subnet.other.retain(|field, _| field == "name");
            }
        }
        let lb_name = balancer.name().to_owned();
        check_name(&lb_name)?;
        let id = name::load_balancer_id(self.facts, &lb_name);
        let etag = balancer.etag.clone();
        let sent = etag.clone();
        let result = self.put(&id, balancer, etag.as_deref(), |azure, body| {
            azure.put_load_balancer(&id, body, sent.as_deref())
        });
        match &result {
            Ok(()) => self.forget_load_balancer(&lb_name),
            Err(failure) if failure.status() == Some(412) => self.forget_load_balancer(&lb_name),
            Err(_) => {}
        }
        result
    }

    /// A DELETE of a load balancer (`DeleteLB`).
    pub(crate) fn delete_load_balancer(
        &mut self,
        service: &Service,
        balancer: &str,
    ) -> Result<(), Failure> {
        let id = name::load_balancer_id(self.facts, balancer);
        match self.delete(&id) {
            Ok(()) => {
                self.forget_load_balancer(balancer);
                self.effect(Action::Deleted, &id, Reason::Unwanted, Evidence::Recorded);
                Ok(())
            }
            Err(failure) => {
                self.warn(service, "DeleteLoadBalancer", failure.text.clone());
                Err(failure)
            }
        }
    }

    /// A subnet of the cluster's virtual network; never cached.
    pub(crate) fn subnet(&mut self, subnet: &str) -> Result<Option<Arc<Subnet>>, Failure> {
        let id = self.facts.subnet_id(subnet);
        match self.read(&id) {
            Err(failure) if failure.status() == Some(404) => Ok(None),
            Err(failure) => Err(failure),
            Ok(()) => Ok(self.azure.world.subnets.get(&id.key()).cloned()),
        }
    }

    /// The security group (`GetSecurityGroup`), cached.
    pub(crate) fn security_group(&mut self) -> Result<Arc<NetworkSecurityGroup>, Failure> {
        let group = self.facts.security_group.clone();
        if group.is_empty() {
            return Err(Failure::new("securityGroupName is not configured"));
        }
        let key = group.to_lowercase();
        let cached = self.memory.security_groups.get(&key);
        if let Some(cached) = cached.filter(|cached| self.is_fresh(cached)) {
            return Ok(cached.value.clone());
        }
        let id = self.security_group_id();
        let missing = || Failure::new(format!("nsg {} not found", super::value::quote(&group)));
        match self.read(&id) {
            Err(failure) if failure.status() == Some(404) => return Err(missing()),
            read => read?,
        }
        let found = self.azure.world.network_security_groups.get(&id.key()).cloned();
        let value = found.ok_or_else(missing)?;
        let cached = Cached { at: self.memory.now, value: value.clone() };
        self.memory.security_groups.insert(key, cached);
        Ok(value)
    }

    pub(crate) fn security_group_id(&self) -> ResourceId {
        ResourceId::in_group(
            self.facts.network_subscription(),
            &self.facts.security_group_group(),
            ArmType::NetworkSecurityGroup.name(),
            &self.facts.security_group,
        )
    }

    /// The public IPs of a group (`listPIP`).
    pub(crate) fn public_ips(
        &mut self,
        group: &str,
        afresh: bool,
    ) -> Result<Vec<Arc<PublicIpAddress>>, Failure> {
        let cached = self.memory.public_ips.get(group);
        if let Some(cached) = cached.filter(|cached| !afresh && self.is_fresh(cached)) {
            return Ok(cached.value.clone());
        }
        let collection = self.public_ip_id(group, "").collection().unwrap_or_default();
        self.read(&collection)?;
        let prefix = format!("{}/", collection.key());
        let all = self.azure.world.public_ip_addresses.range(prefix.clone()..);
        let of_group = all.take_while(|(key, _)| key.starts_with(&prefix));
        let value: Vec<_> = of_group.map(|(_, address)| address.clone()).collect();
        let cached = Cached { at: self.memory.now, value: value.clone() };
        self.memory.public_ips.insert(group.to_owned(), cached);
        Ok(value)
    }

    pub(crate) fn public_ip_id(&self, group: &str, address: &str) -> ResourceId {
        ResourceId::in_group(
            self.facts.network_subscription(),
            group,
            ArmType::PublicIpAddress.name(),
            address,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn a_load_balancer_without_a_name_is_neither_read_nor_written() {
        assert!(check_name("kubernetes").is_ok());
        assert!(check_name("").is_err());
    }
}
