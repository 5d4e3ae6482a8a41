//! The controller's memory in the world file.

use std::collections::BTreeMap;
use std::sync::Arc;

use privlink_core::controller::memory::{Cached, Memory, Retry};
use privlink_core::kubernetes::service::{Key, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Controller;

impl Controller {
    /// As the world file holds it.
    pub fn to_json(&self) -> Value {
        let memory = &self.memory;
        let synced: Vec<&Value> =
            memory.synced.values().map(|service| service.object.as_ref()).collect();
        let retries: Vec<Value> = memory
            .retries
            .iter()
            .map(|(key, retry)| {
                json!({"service": key, "due": retry.due, "failures": retry.failures})
            })
            .collect();
        json!({
            "epoch": self.epoch,
            "waiting": self.waiting,
            "nodesChanged": self.nodes_changed,
            "starting": self.starting,
            "now": memory.now,
            "synced": synced,
            "retries": retries,
            "nodes": memory.nodes,
            "loadBalancers": caches(&memory.load_balancers),
            "privateLinkServices": caches(&memory.private_link_services),
            "publicIps": caches(&memory.public_ips),
            "securityGroups": caches(&memory.security_groups),
        })
    }

    /// From what the world file holds.
    ///
    /// # Errors
    /// What does not fit.
    pub fn from_json(document: &Value) -> Result<Self, String> {
        let field = |name: &str| document.get(name).cloned().unwrap_or(Value::Null);
        let number = |name: &str| field(name).as_u64().unwrap_or_default();
        let mut memory = Memory {
            now: number("now"),
            nodes: parsed("nodes", list(field("nodes")))?,
            load_balancers: parsed_caches("loadBalancers", field("loadBalancers"))?,
            private_link_services: parsed_caches(
                "privateLinkServices",
                field("privateLinkServices"),
            )?,
            public_ips: parsed_caches("publicIps", field("publicIps"))?,
            security_groups: parsed_caches("securityGroups", field("securityGroups"))?,
            ..Memory::default()
        };
        for object in field("synced").as_array().into_iter().flatten() {
            let service = Service::from_value(object.clone())?;
            memory.synced.insert(service.key.clone(), Arc::new(service));
        }
        for entry in field("retries").as_array().into_iter().flatten() {
            let key: Key = parsed("retries", entry.get("service").cloned().unwrap_or_default())?;
            let number = |name: &str| entry.get(name).and_then(Value::as_u64).unwrap_or_default();
            let failures = u32::try_from(number("failures")).unwrap_or(u32::MAX);
            memory.retries.insert(key, Retry { due: number("due"), failures });
        }
        Ok(Self {
            memory,
            epoch: number("epoch"),
            waiting: parsed("waiting", list(field("waiting")))?,
            nodes_changed: field("nodesChanged").as_bool().unwrap_or_default(),
            starting: field("starting").as_bool().unwrap_or_default(),
        })
    }
}

fn list(value: Value) -> Value {
    if value.is_null() { json!([]) } else { value }
}

fn caches<T: Serialize>(cached: &BTreeMap<String, Cached<T>>) -> Value {
    cached
        .iter()
        .map(|(name, cached)| (name.clone(), json!({"at": cached.at, "value": cached.value})))
        .collect()
}

fn parsed<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("controller.{name}: {error}"))
}

fn parsed_caches<T: DeserializeOwned>(
    name: &str,
    value: Value,
) -> Result<BTreeMap<String, Cached<T>>, String> {
    let mut caches = BTreeMap::new();
    for (key, entry) in value.as_object().into_iter().flatten() {
        let at = entry.get("at").and_then(Value::as_u64).unwrap_or_default();
        let value = parsed(name, entry.get("value").cloned().unwrap_or_default())?;
        caches.insert(key.clone(), Cached { at, value });
    }
    Ok(caches)
}

/// Makes every cache as fresh as if it had just been read, whatever it holds.
pub(super) fn renew_caches(memory: &mut Memory) {
    let now = memory.now;
    memory.load_balancers.values_mut().for_each(|cached| cached.at = now);
    memory.private_link_services.values_mut().for_each(|cached| cached.at = now);
    memory.public_ips.values_mut().for_each(|cached| cached.at = now);
    memory.security_groups.values_mut().for_each(|cached| cached.at = now);
}
