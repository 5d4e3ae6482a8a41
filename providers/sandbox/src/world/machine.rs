//! The machines behind Nodes: scale sets and their instances, which no list of an observation holds.

use privlink_model::arm::arm_type::ArmType;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use privlink_model::kubernetes::node::Node;
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::kubernetes::resource::Resource;
use crate::kubernetes::store::text;

use super::World;

impl World {
    /// All Nodes.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        let nodes = Resource::find("", "nodes").into_iter();
        nodes
            .flat_map(|kind| self.kubernetes.shelf(kind))
            .filter_map(|(_, object)| Node::from_value(object))
            .map(Arc::new)
            .collect()
    }

    /// Adds the scale sets and instances that the Nodes say they run on and that are not there.
    pub(super) fn add_machines(&mut self) {
        let mut sets: BTreeMap<String, (ResourceId, BTreeSet<String>, usize)> = BTreeMap::new();
        let nodes = self.nodes();
        let subnet = self.facts.subnet_id(&self.facts.subnet);
        let families = self.facts.ip_families.clone();
        for node in &nodes {
            let Some(instance) = node.machine.as_deref().map(ResourceId::new) else { continue };
            let Some(set) = instance.segment("virtualMachineScaleSets").and(instance.parent())
            else {
                continue;
            };
            let zone = node.labels.get("topology.kubernetes.io/zone");
            let zone = zone.and_then(|zone| zone.rsplit('-').next()).unwrap_or_default();
            let entry = sets.entry(set.key()).or_insert_with(|| (set.clone(), BTreeSet::new(), 0));
            entry.1.insert(zone.to_owned());
            entry.2 += 1;
            let mut interfaces = interfaces(set.name(), &subnet, &families);
            self.join_pools(&instance, &mut interfaces);
            let machine = self.instance(&set, &instance, node, zone, interfaces);
            self.add(machine);
        }
        for (set, zones, count) in sets.into_values() {
            let interfaces = interfaces(set.name(), &subnet, &families);
            let machine = json!({
                "name": set.name(),
                "id": set.as_str(),
                "type": ArmType::ScaleSet.name(),
                "location": self.facts.location,
                "zones": zones.into_iter().filter(|zone| !zone.is_empty()).collect::<Vec<_>>(),
                "sku": {"name": "Standard_D4s_v5", "tier": "Standard", "capacity": count},
                "properties": {
                    "provisioningState": "Succeeded",
                    "orchestrationMode": "Uniform",
                    "virtualMachineProfile": {
                        "networkProfile": {"networkInterfaceConfigurations": interfaces},
                    },
                },
            });
            self.add(machine);
        }
    }

    /// Puts an instance's configurations into the pools that show them.
    fn join_pools(&self, instance: &ResourceId, interfaces: &mut Value) {
        for interface in interfaces.as_array_mut().into_iter().flatten() {
            let name = text(interface, "/name").to_owned();
            let list = interface.pointer_mut("/properties/ipConfigurations");
            for configuration in list.and_then(Value::as_array_mut).into_iter().flatten() {
                let id = format!(
                    "{instance}/networkInterfaces/{name}/ipConfigurations/{}",
                    text(configuration, "/name")
                );
                let pools = self.pools_with(&id);
                let properties = configuration.get_mut("properties").and_then(Value::as_object_mut);
                if let (false, Some(properties)) = (pools.is_empty(), properties) {
                    properties.insert("loadBalancerBackendAddressPools".to_owned(), json!(pools));
                }
            }
        }
    }

    /// References to the pools that show an IP configuration.
    fn pools_with(&self, configuration: &str) -> Vec<Value> {
        let balancers = self.azure.load_balancers.values();
        balancers
            .flat_map(|balancer| balancer.properties.backend_address_pools.iter().flatten())
            .filter(|pool| {
                let members = pool.properties.backend_ip_configurations.iter().flatten();
                members.into_iter().any(|member| member.id().eq_ignore_ascii_case(configuration))
            })
            .map(|pool| json!({"id": pool.id()}))
            .collect()
    }

    fn instance(
        &self,
        set: &ResourceId,
        instance: &ResourceId,
        node: &Node,
        zone: &str,
        interfaces: Value,
    ) -> Value {
        let index = instance.name();
        let interface = format!("{instance}/networkInterfaces/{}", set.name());
        json!({
            "name": format!("{}_{index}", set.name()),
            "id": instance.as_str(),
            "instanceId": index,
            "type": ArmType::Instance.name(),
            "location": self.facts.location,
            "zones": [zone],
            "properties": {
                "provisioningState": "Succeeded",
                "osProfile": {"computerName": node.name},
                "networkProfile": {
                    "networkInterfaces": [{"id": interface, "properties": {"primary": true}}],
                },
                "networkProfileConfiguration": {"networkInterfaceConfigurations": interfaces},
            },
        })
    }

    fn add(&mut self, machine: Value) {
        let id = machine.get("id").and_then(Value::as_str).unwrap_or_default();
        if self.azure.get(&ResourceId::new(id)).is_none() {
            // Machines are kept as they are, whatever they look like.
            let known = self.azure.insert(machine);
            debug_assert_eq!(known, Ok(()));
        }
    }
}

/// One interface with a configuration for each family.
fn interfaces(name: &str, subnet: &ResourceId, families: &[String]) -> Value {
    let configuration = |family: &str| {
        let first = family == "IPv4";
        json!({
            "name": if first { "ipconfig1" } else { "ipconfigv6" },
            "properties": {
                "primary": first,
                "privateIPAddressVersion": family,
                "subnet": {"id": subnet.as_str()},
            },
        })
    };
    let configurations: Vec<Value> = families.iter().map(|family| configuration(family)).collect();
    json!([{
        "name": name,
        "properties": {
            "primary": true,
            "enableIPForwarding": true,
            "ipConfigurations": configurations,
        },
    }])
}
