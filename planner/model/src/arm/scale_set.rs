//! Scale sets and their instances.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::resource_id::ResourceId;

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
