//! What pools show of the network interfaces in them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::arm_type::{ArmType, type_of};
use super::resource::{BackendPool, Reference};
use super::world::World;
use crate::pointer::{At, text};
use crate::resource_id::{ResourceId, split_last};

/// An IP configuration of a scale set instance.
pub(crate) struct Nic {
    /// Its id.
    pub(crate) id: String,
    /// The ids of the pools it is in.
    pub(crate) pools: Vec<String>,
    /// The instance.
    pub(crate) machine: String,
    /// Its name.
    pub(crate) name: String,
    /// The id of its subnet, empty if it names none.
    pub(crate) subnet: String,
}

const SCALE_SETS: &str = "/virtualmachinescalesets/";

fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether an id in lower case is that of an instance.
fn is_instance(key: &str) -> bool {
    // Most are of other types, which two segments show.
    let kind = split_last(key).and_then(|(rest, _)| Some(split_last(rest)?.1));
    kind == Some("virtualmachines") && type_of(key) == ArmType::Instance
}

impl World {
    /// All IP configurations of scale set instances, in the order of their ids.
    pub(crate) fn nics(&self) -> Vec<Nic> {
        let mut nics = Vec::new();
        for (key, machine) in &self.others {
            if !is_instance(key) {
                continue;
            }
            let id = text(machine, "/id");
            let interfaces = array(
                machine,
                "/properties/networkProfileConfiguration/networkInterfaceConfigurations",
            );
            for interface in interfaces {
                for configuration in array(interface, "/properties/ipConfigurations") {
                    let name = text(configuration, "/name");
                    nics.push(Nic {
                        id: format!(
                            "{id}/networkInterfaces/{}/ipConfigurations/{name}",
                            text(interface, "/name")
                        ),
                        pools: array(configuration, "/properties/loadBalancerBackendAddressPools")
                            .iter()
                            .map(|pool| text(pool, "/id").to_owned())
                            .collect(),
                        machine: id.to_owned(),
                        name: name.to_owned(),
                        subnet: text(configuration, "/properties/subnet/id").to_owned(),
                    });
                }
            }
        }
        nics
    }

    /// Whether instances of scale sets are known. An observation lists none: who is in a pool is then known
    /// from the pool alone.
    pub(crate) fn knows_instances(&self) -> bool {
        self.others.keys().any(|key| is_instance(key))
    }

    /// Changes which IP configurations are in a pool, where no instance is known that would say so.
    pub(crate) fn edit_members(&mut self, pool: &ResourceId, edit: impl FnOnce(&mut Vec<String>)) {
        let parent = pool.parent().unwrap_or_default();
        let Some(balancer) = self.load_balancers.get_mut(&parent.key()) else {
            return;
        };
        let mut pools =
            Arc::make_mut(balancer).properties.backend_address_pools.iter_mut().flatten();
        if let Some(slot) = pools.find(|it| it.name().eq_ignore_ascii_case(pool.name())) {
            let members = slot.properties.backend_ip_configurations.iter().flatten();
            let mut members: Vec<String> = members.map(|it| it.id().to_owned()).collect();
            edit(&mut members);
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            *slot = with_configurations(slot, &members);
        }
    }

    /// Writes into the pools of all load balancers which interfaces are in them. A pool of addresses
    /// is left as it is, and so is any where no instance is known that would say so.
    pub(crate) fn show_nics_in_pools(&mut self) {
        if !self.knows_instances() {
            return;
        }
        let nics = self.nics();
        for balancer in self.load_balancers.values_mut() {
            let pools = balancer.properties.backend_address_pools.as_deref().unwrap_or_default();
            let shown: Vec<Arc<BackendPool>> =
                pools.iter().map(|pool| with_members(pool, &nics)).collect();
            let same = shown.iter().zip(pools).all(|(new, old)| Arc::ptr_eq(new, old));
            if !same {
                Arc::make_mut(balancer).properties.backend_address_pools = Some(shown);
            }
        }
    }
}

/// The pool with its members by interface, as instances say.
pub(crate) fn with_members(pool: &Arc<BackendPool>, nics: &[Nic]) -> Arc<BackendPool> {
    let is_in = |nic: &&Nic| nic.pools.iter().any(|id| id.eq_ignore_ascii_case(pool.id()));
    let members: Vec<&str> = nics.iter().filter(is_in).map(|nic| nic.id.as_str()).collect();
    with_configurations(pool, &members)
}

/// The pool with these IP configurations in it: `backendIPConfigurations`, and an entry without an address
/// for each in `loadBalancerBackendAddresses` (recording 001.nicpool).
fn with_configurations(pool: &Arc<BackendPool>, members: &[&str]) -> Arc<BackendPool> {
    let before = pool.properties.backend_ip_configurations.as_deref().unwrap_or_default();
    let unchanged = before.len() == members.len()
        && before.iter().zip(members).all(|(old, new)| old.id() == *new);
    if unchanged {
        return pool.clone();
    }
    let mut pool = pool.as_ref().clone();
    let mut addresses = pool.properties.load_balancer_backend_addresses.take().unwrap_or_default();
    addresses.retain(|address| address.at("/properties/networkInterfaceIPConfiguration").is_none());
    if members.is_empty() {
        pool.properties.backend_ip_configurations = None;
        pool.properties.load_balancer_backend_addresses =
            (!addresses.is_empty()).then_some(addresses);
        return Arc::new(pool);
    }
    addresses.extend(members.iter().map(|id| {
        let of_scale_set =
            id.to_ascii_lowercase().rfind(SCALE_SETS).map(|at| at + SCALE_SETS.len());
        let path = of_scale_set.and_then(|at| id.get(at..)).unwrap_or_default();
        json!({
            "name": path.replace('/', "_"),
            "properties": {"networkInterfaceIPConfiguration": {"id": id}},
        })
    }));
    pool.properties.load_balancer_backend_addresses = Some(addresses);
    pool.properties.backend_ip_configurations =
        Some(members.iter().map(|id| Reference::to(*id)).collect());
    Arc::new(pool)
}
