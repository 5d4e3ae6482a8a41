//! What pools show of the network interfaces in them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::arm_type::{ArmType, type_of};
use super::resource::{BackendPool, Reference};
use super::world::World;
use crate::pointer::{At, text};

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

fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

impl World {
    /// All IP configurations of scale set instances, in the order of their ids.
    pub(crate) fn nics(&self) -> Vec<Nic> {
        let mut nics = Vec::new();
        for (key, machine) in &self.others {
            let may_be = key.contains("/virtualmachinescalesets/");
            if !may_be || type_of(key) != ArmType::Instance {
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

    /// Writes into the pools of all load balancers which interfaces are in them. A pool of addresses
    /// is left as it is.
    pub(crate) fn show_nics_in_pools(&mut self) {
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

/// The pool with its members by interface: `backendIPConfigurations`, and an entry without an address
/// for each in `loadBalancerBackendAddresses` (recording 001.nicpool).
pub(crate) fn with_members(pool: &Arc<BackendPool>, nics: &[Nic]) -> Arc<BackendPool> {
    let members: Vec<&Nic> = nics
        .iter()
        .filter(|nic| nic.pools.iter().any(|id| id.eq_ignore_ascii_case(pool.id())))
        .collect();
    let before = pool.properties.backend_ip_configurations.as_deref().unwrap_or_default();
    let unchanged = before.len() == members.len()
        && before.iter().zip(&members).all(|(old, new)| old.id() == new.id);
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
    addresses.extend(members.iter().map(|nic| {
        let path = nic.id.rsplit_once("/virtualMachineScaleSets/").map_or("", |(_, path)| path);
        json!({
            "name": path.replace('/', "_"),
            "properties": {"networkInterfaceIPConfiguration": {"id": nic.id}},
        })
    }));
    pool.properties.load_balancer_backend_addresses = Some(addresses);
    pool.properties.backend_ip_configurations =
        Some(members.iter().map(|nic| Reference::to(nic.id.as_str())).collect());
    Arc::new(pool)
}
