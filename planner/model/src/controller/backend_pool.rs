//! Backend pools and who is in them (reference: cloud-controller, section 4).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::arm::allocator::{Family, family};
use crate::arm::arm_type::ArmType;
use crate::arm::resource::{BackendPool, LoadBalancer, Reference};
use crate::facts::BackendPoolType;
use crate::kubernetes::node::{Node, machine_of};
use crate::kubernetes::service::Service;
use crate::pointer::At;
use crate::resource_id::ResourceId;

use super::cloud::Cloud;
use super::failure::Failure;
use super::name::{self, IsIpv6};
use super::value::{is_internal, is_local, same};

/// Whether a node is of the control plane.
pub(crate) fn is_control_plane(node: &Node) -> bool {
    node.labels.iter().any(|(label, value)| match label.as_str() {
        "node-role.kubernetes.io/control-plane" | "node-role.kubernetes.io/master" => true,
        "kubernetes.io/role" => value == "master",
        _ => false,
    })
}

/// Whether a label puts a node into the provider's list of those kept out (`updateNodeCaches`).
fn lists_out(label: &str, value: &str) -> bool {
    match label {
        "node.kubernetes.io/exclude-from-external-load-balancers" => true,
        "kubernetes.azure.com/managed" => same(value, "false"),
        _ => false,
    }
}

/// Whether a node is in the provider's list of those kept out.
fn is_listed_out(node: &Node) -> bool {
    node.labels.iter().any(|(label, value)| lists_out(label, value))
}

/// Whether a node's interface is kept out of all pools (`ShouldNodeExcludedFromLoadBalancer`): that of
/// one in another group is.
pub(crate) fn is_excluded(node: &Node, resource_group: &str) -> bool {
    node.labels.iter().any(|(label, value)| match label.as_str() {
        "kubernetes.azure.com/resource-group" => !value.is_empty() && !same(value, resource_group),
        other => lists_out(other, value),
    })
}

/// The address of a node in a family.
fn address_of(node: &Node, ipv6: IsIpv6) -> Option<&str> {
    let wanted = if ipv6 { Family::V6 } else { Family::V4 };
    let mut addresses = node.internal_addresses.iter().map(String::as_str);
    addresses.find(|address| family(address) == Some(wanted))
}

fn member_address(member: &Value) -> &str {
    member.at("/properties/ipAddress").and_then(Value::as_str).unwrap_or_default()
}

impl Cloud<'_, '_> {
    /// Whether somebody else fills the pools of a Service's load balancer (`isBackendPoolPreConfigured`).
    pub(crate) fn is_pre_configured(&self, service: &Service) -> bool {
        match self.facts.pre_configured_backend_pools.as_str() {
            "all" => true,
            "internal" => is_internal(service),
            "external" => !is_internal(service),
            _ => false,
        }
    }

    fn pool_names(&self, service: &Service) -> [String; 2] {
        [false, true].map(|ipv6| match self.facts.backend_pool_type {
            BackendPoolType::NodeIp => name::pool(self.facts, service, ipv6),
            _ => name::cluster_pool(self.facts, ipv6),
        })
    }

    /// Makes sure the pools are there (`ReconcileBackendPools`). Returns whether they count as
    /// pre-configured, and whether any is new.
    pub(crate) fn reconcile_pools(
        &mut self,
        service: &Service,
        balancer: &mut LoadBalancer,
    ) -> Result<(bool, bool), Failure> {
        let names = self.pool_names(service);
        let pools = balancer.properties.backend_address_pools.clone().unwrap_or_default();
        let mut found = [false, false];
        for pool in &pools {
            for (family, slot) in names.iter().zip(found.iter_mut()) {
                *slot |= same(pool.name(), family);
            }
        }
        let mut pre_configured = self.is_pre_configured(service);
        if !pre_configured {
            self.clean_pools(service, balancer, &names)?;
        }
        let mut created = false;
        for family in &service.ip_families {
            let ipv6 = family == "IPv6";
            let [found_ipv4, found_ipv6] = found;
            if if ipv6 { found_ipv6 } else { found_ipv4 } {
                continue;
            }
            let [ipv4_name, ipv6_name] = &names;
            let name = if ipv6 { ipv6_name } else { ipv4_name };
            let pool = BackendPool { name: Some(name.clone()), ..BackendPool::default() };
            let pools = balancer.properties.backend_address_pools.get_or_insert_default();
            pools.push(Arc::new(pool));
            // A pool that is missing is made even where somebody else fills it.
            pre_configured = false;
            created = true;
        }
        Ok((pre_configured, created))
    }

    /// Takes out of the pools what must not be in them: members of the other pool type, and nodes
    /// excluded.
    fn clean_pools(
        &mut self,
        service: &Service,
        balancer: &mut LoadBalancer,
        names: &[String; 2],
    ) -> Result<(), Failure> {
        let pools = balancer.properties.backend_address_pools.clone().unwrap_or_default();
        let mut refresh = false;
        let (mut machines, mut left) = (BTreeSet::new(), Vec::new());
        for pool in pools.iter().rev() {
            if !names.iter().any(|name| same(name, pool.name())) {
                continue;
            }
            if self.facts.backend_pool_type != BackendPoolType::NodeIpConfiguration {
                refresh |= self.clean_address_pool(service, balancer.name(), pool)?;
                continue;
            }
            refresh |= self.clean_interface_pool(service, balancer.name(), pool)?;
            let unwanted = self.unwanted_machines(pool);
            if !unwanted.is_empty() {
                machines.extend(unwanted);
                left.push(pool.id().to_owned());
            }
        }
        // A machine leaves the pools of both families at once.
        refresh |= self.leave_pools(&machines, &left)?;
        if refresh {
            let name = balancer.name().to_owned();
            if let Some(fresh) = self.load_balancer(&name, true)? {
                *balancer = fresh.as_ref().clone();
            }
        }
        Ok(())
    }

    /// A pool of interfaces loses members by address.
    fn clean_interface_pool(
        &mut self,
        service: &Service,
        balancer: &str,
        pool: &BackendPool,
    ) -> Result<bool, Failure> {
        let addresses =
            pool.properties.load_balancer_backend_addresses.as_deref().unwrap_or_default();
        if addresses.iter().all(|member| member_address(member).is_empty()) {
            return Ok(false);
        }
        let mut without = pool.clone();
        without.properties.virtual_network = None;
        if let Some(members) = &mut without.properties.load_balancer_backend_addresses {
            members.retain(|member| member_address(member).is_empty());
        }
        let words = format!(
            "bc.ReconcileBackendPools for service ({}): failed to cleanup IP based backend pool {}",
            service.key,
            pool.name()
        );
        self.put_pool(balancer, without).map_err(|failure| failure.within(&words))?;
        Ok(true)
    }

    /// The machines that are to leave a pool of interfaces: those of excluded nodes, and those that are
    /// gone. None if the pool would be empty without them.
    fn unwanted_machines(&self, pool: &BackendPool) -> BTreeSet<String> {
        let members = pool.properties.backend_ip_configurations.as_deref().unwrap_or_default();
        let unwanted: Vec<&Reference> =
            members.iter().filter(|member| self.is_unwanted_interface(member.id())).collect();
        if unwanted.len() == members.len() {
            return BTreeSet::new();
        }
        unwanted.iter().filter_map(|member| machine_of(member.id())).collect()
    }

    fn is_unwanted_interface(&self, id: &str) -> bool {
        let Some(machine) = machine_of(id) else {
            return false;
        };
        let node = self
            .cluster
            .nodes
            .iter()
            .find(|node| node.machine.as_deref().is_some_and(|it| same(it, &machine)));
        let group = self.facts.controller_resource_group();
        // A machine without a Node is one whose Node was deleted: it counts as excluded.
        node.is_none_or(|node| is_excluded(node, &group))
    }

    /// A pool of addresses loses interfaces (a scale set's model may still name the pool), and nodes
    /// excluded.
    fn clean_address_pool(
        &mut self,
        service: &Service,
        balancer: &str,
        pool: &BackendPool,
    ) -> Result<bool, Failure> {
        let id = pool.id().to_owned();
        let members = pool.properties.backend_ip_configurations.as_deref().unwrap_or_default();
        let migrates = !members.is_empty();
        self.leave_scale_sets(std::slice::from_ref(&id))?;
        let machines: BTreeSet<String> =
            members.iter().filter_map(|member| machine_of(member.id())).collect();
        let mut changed = self.leave_pools(&machines, &[id])?;
        // The group of a node plays no role for its address.
        let excluded: BTreeSet<&str> = self
            .cluster
            .nodes
            .iter()
            .filter(|node| is_listed_out(node))
            .flat_map(|node| node.internal_addresses.iter().map(String::as_str))
            .collect();
        let mut cleaned = pool.clone();
        if remove_addresses(&mut cleaned, &excluded, false) {
            let words = format!(
                "bi.ReconcileBackendPools for service ({}): lb backendpool - failed to update backend pool {} for load balancer {balancer}",
                service.key,
                pool.name()
            );
            self.put_pool(balancer, cleaned).map_err(|failure| failure.within(&words))?;
            changed = true;
        }
        Ok(changed || migrates)
    }

    fn put_pool(&mut self, balancer: &str, pool: BackendPool) -> Result<(), Failure> {
        let id =
            name::load_balancer_id(self.facts, balancer).child("backendAddressPools", pool.name());
        let result =
            self.put(&id, pool, None, |azure, body| azure.put_backend_pool(&id, body, None));
        match &result {
            Err(failure) if failure.status() != Some(412) => {}
            _ => self.forget_load_balancer(balancer),
        }
        result
    }

    /// Puts the nodes into a Service's pools (`reconcileBackendPoolHosts`).
    pub(crate) fn reconcile_hosts(
        &mut self,
        service: &Service,
        balancer: &LoadBalancer,
        nodes: &[Arc<Node>],
    ) -> Result<(), Failure> {
        let names = [false, true].map(|ipv6| name::pool(self.facts, service, ipv6));
        for pool in balancer.properties.backend_address_pools.iter().flatten() {
            let ipv6 = name::is_ipv6(pool.name());
            let [ipv4_name, ipv6_name] = &names;
            if !same(pool.name(), if ipv6 { ipv6_name } else { ipv4_name }) {
                continue;
            }
            match self.facts.backend_pool_type {
                BackendPoolType::NodeIp => {
                    self.fill_address_pool(service, balancer.name(), pool, nodes, ipv6)?;
                }
                BackendPoolType::NodeIpConfiguration => {
                    let id = name::load_balancer_id(self.facts, balancer.name())
                        .child("backendAddressPools", if ipv6 { ipv6_name } else { ipv4_name });
                    self.join_pool(nodes, &id, ipv6)?;
                }
                BackendPoolType::PodIp => {}
            }
        }
        Ok(())
    }

    fn fill_address_pool(
        &mut self,
        service: &Service,
        balancer: &str,
        existing: &BackendPool,
        nodes: &[Arc<Node>],
        ipv6: IsIpv6,
    ) -> Result<(), Failure> {
        let several = self.facts.has_several_load_balancers();
        if several && is_local(service) {
            // Until its move has succeeded a local Service counts as being where it was.
            let placed = self.memory.local_placements.get(&service.key);
            if placed.is_some_and(|placed| !same(placed, balancer)) {
                return Ok(());
            }
        }
        let active = if several { self.active_nodes(service, balancer) } else { None };
        let mut pool = existing.clone();
        let members = pool.properties.load_balancer_backend_addresses.get_or_insert_default();
        if several && members.iter().any(|member| member_address(member).is_empty()) {
            return Ok(());
        }
        let mut addresses: BTreeSet<&str> = BTreeSet::new();
        let mut changed = false;
        for node in nodes.iter().filter(|node| !is_control_plane(node)) {
            let address = address_of(node, ipv6).unwrap_or_default();
            if !address.is_empty() {
                addresses.insert(address);
            }
            let is_active =
                active.as_ref().is_none_or(|active| active.contains(&node.name.to_lowercase()));
            if is_active && !members.iter().any(|member| member_address(member) == address) {
                members.push(json!({"name": node.name, "properties": {"ipAddress": address}}));
                changed = true;
            }
        }
        let network = &mut pool.properties.virtual_network;
        if network.as_ref().is_none_or(|it| it.id.is_none()) {
            // The virtual network's id is built with the cluster's subscription.
            let id = ResourceId::in_group(
                &self.facts.subscription,
                &self.facts.virtual_network_group(),
                ArmType::VirtualNetwork.name(),
                &self.facts.virtual_network,
            );
            *network = Some(Reference::to(id.as_str()));
        }
        let mut gone: BTreeSet<&str> = BTreeSet::new();
        let members = pool.properties.load_balancer_backend_addresses.clone().unwrap_or_default();
        for member in &members {
            let address = member_address(member);
            let is_active = active.as_ref().is_none_or(|active| {
                let node = nodes
                    .iter()
                    .find(|node| node.internal_addresses.iter().any(|it| it == address));
                node.is_none_or(|node| active.contains(&node.name.to_lowercase()))
            });
            if !addresses.contains(address) || !is_active {
                gone.insert(address);
                changed = true;
            }
        }
        remove_addresses(&mut pool, &gone, several);
        if changed {
            let words = format!(
                "bi.EnsureHostsInPool: failed to update backend pool {}",
                name::pool(self.facts, service, ipv6)
            );
            self.put_pool(balancer, pool).map_err(|failure| failure.within(&words))?;
        }
        Ok(())
    }
}

/// Takes addresses out of a pool; the last one stays unless it may go
/// (`removeNodeIPAddressesFromBackendPool`).
fn remove_addresses(pool: &mut BackendPool, gone: &BTreeSet<&str>, may_empty: bool) -> bool {
    let Some(members) = &mut pool.properties.load_balancer_backend_addresses else {
        return false;
    };
    let left: Vec<Value> = members
        .iter()
        .filter(|member| {
            let address = member_address(member);
            !address.is_empty() && !gone.contains(address)
        })
        .cloned()
        .collect();
    if left.len() == members.len() || (left.is_empty() && !may_empty) {
        return false;
    }
    *members = left;
    true
}
