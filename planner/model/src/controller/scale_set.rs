//! Scale sets and their instances in pools (`azure_vmss.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::kubernetes::node::{Node, machine_of};
use crate::pointer::{At, text};
use crate::resource_id::ResourceId;

use super::backend_pool::{is_control_plane, is_excluded};
use super::cloud::Cloud;
use super::failure::Failure;
use super::name::{self, IsIpv6};
use super::value::same;

/// Where a scale set and an instance keep their interfaces.
const OF_SCALE_SET: &str = "/properties/virtualMachineProfile/networkProfile";
const OF_INSTANCE: &str = "/properties/networkProfileConfiguration";

fn is_primary(value: &Value) -> bool {
    value.at("/properties/primary").and_then(Value::as_bool).unwrap_or(false)
}

/// Where a machine says in which pools the primary interface's configuration of a family is.
fn properties_at(machine: &Value, profile: &str, ipv6: IsIpv6) -> Option<String> {
    let interfaces = machine.at(profile)?.at("/networkInterfaceConfigurations")?.as_array()?;
    let only = interfaces.len() == 1;
    let is_it = |(_, it): &(usize, &Value)| only || is_primary(it);
    let (interface, own) = interfaces.iter().enumerate().find(is_it)?;
    let configurations = own.at("/properties/ipConfigurations")?.as_array()?;
    let wanted = if ipv6 { "IPv6" } else { "IPv4" };
    let of_family = |it: &Value| {
        let version = it.at("/properties/privateIPAddressVersion").and_then(Value::as_str);
        version.unwrap_or("IPv4") == wanted
    };
    let only = configurations.len() == 1 && !ipv6;
    let configuration = configurations.iter().position(|it| {
        if ipv6 { of_family(it) } else { only || (is_primary(it) && of_family(it)) }
    })?;
    Some(format!(
        "{profile}/networkInterfaceConfigurations/{interface}/properties/ipConfigurations/{configuration}/properties"
    ))
}

/// The pools of the primary interface's configuration of a family.
fn pools_of<'a>(machine: &'a mut Value, profile: &str, ipv6: IsIpv6) -> Option<&'a mut Value> {
    let at = properties_at(machine, profile, ipv6)?;
    let properties = machine.pointer_mut(&at)?.as_object_mut()?;
    Some(properties.entry("loadBalancerBackendAddressPools").or_insert(json!([])))
}

/// The ids of the pools that it is in; nothing if it has no such configuration.
fn pools_at<'a>(machine: &'a Value, profile: &str, ipv6: IsIpv6) -> Option<Vec<&'a str>> {
    let properties = machine.at(&properties_at(machine, profile, ipv6)?)?.as_object()?;
    let pools = properties.get("loadBalancerBackendAddressPools").and_then(Value::as_array);
    Some(pools.into_iter().flatten().map(|pool| text(pool, "/id")).collect())
}

/// Whether who is in these pools is to join one more: not who is in it, or in a pool of another load
/// balancer, since one interface cannot be in pools of two load balancers of a kind.
fn joins(existing: &[&str], pool: &ResourceId) -> bool {
    let balancer = |id: &str| {
        let id = ResourceId::new(id);
        name::without_internal(id.segment("loadBalancers").unwrap_or_default()).to_lowercase()
    };
    let wanted = balancer(pool.as_str());
    !existing.iter().any(|id| same(id, pool.as_str()) || balancer(id) != wanted)
}

/// The machine in one more pool, if it joins it.
fn with(machine: &Value, profile: &str, pool: &ResourceId, ipv6: IsIpv6) -> Option<Value> {
    let existing = pools_at(machine, profile, ipv6)?;
    if !joins(&existing, pool) {
        return None;
    }
    let mut machine = machine.clone();
    let pools = pools_of(&mut machine, profile, ipv6).and_then(Value::as_array_mut);
    pools.into_iter().for_each(|pools| pools.push(json!({"id": pool.as_str()})));
    Some(machine)
}

/// The machine without these pools; nothing if it is in none of them.
fn without(machine: &Value, profile: &str, gone: &[String]) -> Option<Value> {
    let is_in = |pool: &String| {
        let pools = pools_at(machine, profile, name::is_ipv6(pool)).unwrap_or_default();
        pools.iter().any(|id| same(id, pool))
    };
    if !gone.iter().any(is_in) {
        return None;
    }
    let mut machine = machine.clone();
    for pool in gone {
        if let Some(pools) = pools_of(&mut machine, profile, name::is_ipv6(pool))
            && let Some(pools) = pools.as_array_mut()
        {
            pools.retain(|it| !same(text(it, "/id"), pool));
        }
    }
    Some(machine)
}

/// The body of a PUT: location, etag and interfaces.
fn body(machine: &Value, profile: &str) -> Value {
    let interfaces = machine.at(&format!("{profile}/networkInterfaceConfigurations"));
    let mut inner = json!({"networkInterfaceConfigurations": interfaces});
    for field in profile.rsplit('/').filter(|field| !field.is_empty() && *field != "properties") {
        inner = json!({field: inner});
    }
    let mut body = Map::new();
    for field in ["etag", "location"] {
        if let Some(value) = machine.get(field) {
            body.insert(field.to_owned(), value.clone());
        }
    }
    body.insert("properties".to_owned(), inner);
    Value::Object(body)
}

impl Cloud<'_, '_> {
    fn put_machine(
        &mut self,
        id: &ResourceId,
        machine: &Value,
        profile: &str,
    ) -> Result<(), Failure> {
        let sent = body(machine, profile);
        let etag = machine.get("etag").and_then(Value::as_str).map(ToOwned::to_owned);
        let if_match = etag.clone();
        self.put(id, sent, etag.as_deref(), |azure, body| {
            azure.put_machine(id, body, if_match.as_deref())
        })
    }

    fn machine(&self, key: &str) -> Option<Arc<Value>> {
        self.azure.world.others.get(key).cloned()
    }

    /// The id of a machine as the controller spells it: group in lower case.
    fn machine_id(&self, key: &str) -> ResourceId {
        let spelled = self
            .azure
            .world
            .others
            .get(key)
            .map(|machine| text(machine, "/id").to_owned())
            .unwrap_or_else(|| key.to_owned());
        let group = self.facts.controller_resource_group();
        let path = spelled.split_once("/providers/").map_or("", |(_, path)| path);
        let subscription = &self.facts.subscription;
        ResourceId::new(format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/{path}"
        ))
    }

    /// Puts nodes into a pool: their scale sets' models first, then each instance (`ensureHostsInPool`).
    pub(crate) fn join_pool(
        &mut self,
        nodes: &[Arc<Node>],
        pool: &ResourceId,
        ipv6: IsIpv6,
    ) -> Result<(), Failure> {
        let group = self.facts.controller_resource_group();
        let machines: BTreeSet<String> = nodes
            .iter()
            .filter(|node| !(self.facts.exclude_control_plane && is_control_plane(node)))
            .filter(|node| !is_excluded(node, &group))
            .filter_map(|node| node.machine.as_deref().map(str::to_lowercase))
            .collect();
        if !self.azure.world.knows_instances() {
            self.join_unseen(&machines, pool, ipv6);
        }
        let of_group = format!("/resourcegroups/{group}/");
        let scale_sets: BTreeSet<String> = machines
            .iter()
            .filter(|machine| machine.contains(&of_group))
            .filter_map(|machine| machine.split_once("/virtualmachines/"))
            .map(|(scale_set, _)| scale_set.to_owned())
            .collect();
        for (keys, profile) in [(scale_sets, OF_SCALE_SET), (machines, OF_INSTANCE)] {
            for key in keys {
                let Some(machine) = self.machine(&key) else {
                    continue;
                };
                if let Some(machine) = with(&machine, profile, pool, ipv6) {
                    let id = self.machine_id(&key);
                    self.put_machine(&id, &machine, profile)?;
                }
            }
        }
        Ok(())
    }

    /// Puts instances into a pool that nobody has seen: an observation has no machines, and its pools alone
    /// say who is in them. How interfaces and configurations are called there is taken from AKS.
    fn join_unseen(&mut self, machines: &BTreeSet<String>, pool: &ResourceId, ipv6: IsIpv6) {
        if self.are_in(machines, pool) {
            return;
        }
        let own = self.members_of(|id| same(id, pool.as_str()));
        let mut missing = machines.iter().filter(|it| !own.contains_key(*it)).peekable();
        if missing.peek().is_none() {
            return;
        }
        let elsewhere = self.members_of(|id| name::is_ipv6(id) == ipv6);
        let configuration = if ipv6 { "ipconfigv6" } else { "ipconfig1" };
        let mut more = Vec::new();
        for machine in missing {
            let in_pools = elsewhere.get(machine).map_or(&[][..], Vec::as_slice);
            let in_pools: Vec<&str> = in_pools.iter().map(String::as_str).collect();
            let instance = ResourceId::new(machine.as_str());
            let scale_set = instance.segment("virtualMachineScaleSets");
            if let Some(interface) = scale_set.filter(|_| joins(&in_pools, pool)) {
                more.push(format!(
                    "{instance}/networkInterfaces/{interface}/ipConfigurations/{configuration}"
                ));
            }
        }
        self.azure.world.edit_members(pool, |members| members.extend(more));
    }

    /// Whether a pool shows all these machines, as their ids are spelled.
    fn are_in(&self, machines: &BTreeSet<String>, pool: &ResourceId) -> bool {
        let balancer = pool.parent().unwrap_or_default();
        let Some(balancer) = self.azure.world.load_balancers.get(&balancer.key()) else {
            return false;
        };
        let mut pools = balancer.properties.backend_address_pools.iter().flatten();
        let Some(pool) = pools.find(|it| same(it.name(), pool.name())) else { return false };
        let members = pool.properties.backend_ip_configurations.iter().flatten();
        let shown: BTreeSet<&str> =
            members.filter_map(|it| Some(it.id().split_once("/networkInterfaces/")?.0)).collect();
        machines.iter().all(|machine| shown.contains(machine.as_str()))
    }

    /// The machines in pools, each with the ids of those pools that it is in.
    fn members_of(&self, is_it: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<String>> {
        let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let balancers = self.azure.world.load_balancers.values();
        let pools = balancers.flat_map(|it| it.properties.backend_address_pools.iter().flatten());
        for pool in pools.filter(|pool| is_it(pool.id())) {
            for member in pool.properties.backend_ip_configurations.iter().flatten() {
                if let Some(machine) = machine_of(member.id()) {
                    members.entry(machine).or_default().push(pool.id().to_owned());
                }
            }
        }
        members
    }

    /// Takes instances that nobody has seen out of pools. Whether any was in one.
    fn leave_unseen(&mut self, machines: &BTreeSet<String>, pools: &[String]) -> bool {
        let mut changed = false;
        let goes = |id: &String| machine_of(id).is_some_and(|it| machines.contains(&it));
        for pool in pools {
            self.azure.world.edit_members(&ResourceId::new(pool.as_str()), |members| {
                changed |= members.iter().any(goes);
                members.retain(|id| !goes(id));
            });
        }
        changed
    }

    /// Takes scale sets' models out of pools (`ensureBackendPoolDeletedFromVMSS`).
    pub(crate) fn leave_scale_sets(&mut self, pools: &[String]) -> Result<(), Failure> {
        let group = format!("/resourcegroups/{}/", self.facts.controller_resource_group());
        let keys: Vec<String> = self
            .azure
            .world
            .others
            .keys()
            .filter(|key| {
                let path = key.split_once("/virtualmachinescalesets/").map(|(_, path)| path);
                path.is_some_and(|path| !path.contains('/')) && key.contains(&group)
            })
            .cloned()
            .collect();
        for key in keys {
            let machine = self.machine(&key);
            if let Some(machine) = machine.and_then(|it| without(&it, OF_SCALE_SET, pools)) {
                let id = self.machine_id(&key);
                self.put_machine(&id, &machine, OF_SCALE_SET)?;
            }
        }
        Ok(())
    }

    /// Takes instances out of pools (`ensureBackendPoolDeleted`). Whether any was in one.
    pub(crate) fn leave_pools(
        &mut self,
        machines: &BTreeSet<String>,
        pools: &[String],
    ) -> Result<bool, Failure> {
        if !self.azure.world.knows_instances() {
            return Ok(self.leave_unseen(machines, pools));
        }
        let mut changed = false;
        for key in machines {
            let machine = self.machine(key);
            if let Some(machine) = machine.and_then(|it| without(&it, OF_INSTANCE, pools)) {
                let id = self.machine_id(key);
                self.put_machine(&id, &machine, OF_INSTANCE)?;
                changed = true;
            }
        }
        Ok(changed)
    }
}
