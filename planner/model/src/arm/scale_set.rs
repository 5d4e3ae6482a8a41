//! Scale sets and their instances.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::pointer::text;
use crate::resource_id::ResourceId;

use super::arm_type::{ArmType, type_of};
use super::azure::{Azure, Done, check_match, not_found};
use super::error::ArmError;

impl Azure<'_> {
    /// A PUT of a scale set or one of its instances: the fields sent replace those stored.
    ///
    /// # Errors
    /// 404: instances and scale sets are not made by a PUT here. 412.
    pub(crate) fn put_machine(
        &mut self,
        id: &ResourceId,
        body: &Value,
        if_match: Option<&str>,
    ) -> Result<Done, ArmError> {
        self.strike("PUT", id.as_str())?;
        let Some(existing) = self.world.others.get(&id.key()) else {
            return Err(not_found(id));
        };
        check_match(id, existing.get("etag").and_then(Value::as_str), if_match)?;
        let mut stored = existing.as_ref().clone();
        merge(&mut stored, body);
        if let Some(stored) = stored.as_object_mut() {
            stored.insert("etag".to_owned(), Value::from(self.allocator.etag(id)));
        }
        self.world.others.insert(id.key(), Arc::new(stored));
        self.world.show_nics_in_pools();
        Ok(Done::Updated)
    }

    /// A load balancer stays while the model of a scale set names a pool of it (cloud-provider-azure's tests have the words;
    /// Microsoft's guide to migrations the status). The controller takes it out of the models first.
    pub(crate) fn check_scale_sets(&self, balancer: &ResourceId) -> Result<(), ArmError> {
        let prefix = format!("{}/backendaddresspools/", balancer.key());
        for (key, set) in &self.world.others {
            if type_of(key) != ArmType::ScaleSet {
                continue;
            }
            let mut pools = Vec::new();
            named_pools(set, &prefix, &mut pools);
            if !pools.is_empty() {
                let message = format!(
                    "Cannot delete load balancer {balancer} since its child resources {} are in use by virtual machine scale set {}.",
                    pools.join(", "),
                    text(set, "/id")
                );
                let code = "LoadBalancerInUseByVirtualMachineScaleSet";
                return Err(ArmError::new(400, code, message));
            }
        }
        Ok(())
    }

    /// Azure drops the references of interfaces to a load balancer that is deleted (README of the
    /// recordings, "dependencies of scale set models on pools").
    pub(crate) fn drop_nic_references(&mut self, balancer: &ResourceId) {
        let prefix = format!("{}/", balancer.key());
        for machine in self.world.others.values_mut() {
            let refers = machine.to_string().to_ascii_lowercase().contains(&prefix);
            if refers {
                drop_references(Arc::make_mut(machine), &prefix);
            }
        }
    }
}

/// The names of the pools, of those whose keys begin so, that a scale set's model names.
fn named_pools<'a>(value: &'a Value, prefix: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let pools = field.as_array().filter(|_| name == "loadBalancerBackendAddressPools");
                let Some(pools) = pools else {
                    named_pools(field, prefix, found);
                    continue;
                };
                for id in pools.iter().map(|pool| text(pool, "/id")) {
                    let is_it = id.to_ascii_lowercase().starts_with(prefix);
                    let name = id.rsplit('/').next().unwrap_or_default();
                    if is_it && !found.contains(&name) {
                        found.push(name);
                    }
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named_pools(item, prefix, found)),
        _ => {}
    }
}

fn merge(stored: &mut Value, sent: &Value) {
    match (stored, sent) {
        (Value::Object(stored), Value::Object(sent)) => {
            for (field, value) in sent {
                if field == "etag" {
                    continue;
                }
                merge(stored.entry(field.clone()).or_insert(json!({})), value);
            }
        }
        (stored, sent) => *stored = sent.clone(),
    }
}

fn drop_references(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "loadBalancerBackendAddressPools"
                    && let Some(pools) = field.as_array_mut()
                {
                    pools.retain(|pool| {
                        let id = pool.get("id").and_then(Value::as_str).unwrap_or_default();
                        !id.to_ascii_lowercase().starts_with(prefix)
                    });
                } else {
                    drop_references(field, prefix);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_references(item, prefix)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::allocator::Unknowns;
    use crate::arm::rules::Rules;
    use crate::arm::world::World;

    #[test]
    fn a_load_balancer_stays_while_a_scale_set_names_its_pools() {
        const GROUP: &str = "/subscriptions/s/resourceGroups/g/providers";
        let balancer = format!("{GROUP}/Microsoft.Network/loadBalancers/lb");
        let set = format!("{GROUP}/Microsoft.Compute/virtualMachineScaleSets/vmss");
        let pool = json!({"id": format!("{balancer}/backendAddressPools/kubernetes")});
        let model = |pools: Value| {
            json!({"id": set, "name": "vmss", "properties": {"virtualMachineProfile": {"networkProfile":
                {"networkInterfaceConfigurations": [{"properties": {"ipConfigurations":
                    [{"properties": {"loadBalancerBackendAddressPools": pools}}]}}]}}}})
        };
        let mut world = World::default();
        world.insert(json!({"id": balancer, "name": "lb", "properties": {}})).unwrap();
        world.insert(model(json!([pool]))).unwrap();
        let delete = |world: &mut World| {
            let (mut allocator, mut faults) = (Unknowns::default(), Vec::new());
            let mut azure = Azure::new(world, Rules::Azure, &mut allocator, &mut faults);
            azure.delete_load_balancer(&ResourceId::new(balancer.as_str()))
        };
        let refused = delete(&mut world).unwrap_err();
        assert_eq!(refused.code, "LoadBalancerInUseByVirtualMachineScaleSet");
        assert_eq!(
            refused.message,
            format!(
                "Cannot delete load balancer {balancer} since its child resources kubernetes are in use by virtual machine scale set {set}."
            )
        );
        world.insert(model(json!([]))).unwrap();
        assert_eq!(delete(&mut world), Ok(Done::Deleted));
    }
}
