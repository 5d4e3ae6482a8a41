//! The controller's memory in the world file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use privlink_model::controller::memory::{Cached, Memory};
use privlink_model::kubernetes::service::{Key, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Controller;

impl Controller {
    /// As the world file holds it.
    pub fn to_json(&self) -> Value {
        let memory = &self.memory;
        json!({
            "epoch": self.epoch,
            // A sync that was under way is done again.
            "waiting": self.waiting.iter().chain(&self.under_way).collect::<BTreeSet<_>>(),
            "nodesChanged": self.nodes_changed,
            "starting": self.starting,
            "now": memory.now,
            "seen": services(&memory.seen),
            "synced": services(&memory.synced),
            "retries": by_service(&memory.retries),
            "queued": by_service(&memory.queued),
            "failures": by_service(&memory.failures),
            "nodes": by_service(&memory.nodes),
            "loadBalancers": caches(&memory.load_balancers),
            "privateLinkServices": caches(&memory.private_link_services),
            "publicIps": caches(&memory.public_ips),
            "securityGroups": caches(&memory.security_groups),
            "placements": memory.placements,
            "nodePlacements": memory.node_placements,
            "placementsRecorded": memory.placements_recorded,
            "settledNodes": memory.settled_nodes,
            "localPlacements": by_service(&memory.local_placements),
        })
    }

    /// From what the world file holds.
    ///
    /// # Errors
    /// What does not fit.
    pub fn from_json(document: &Value) -> Result<Self, String> {
        let field = |name: &str| document.get(name).cloned().unwrap_or(Value::Null);
        let number = |name: &str| field(name).as_u64().unwrap_or_default();
        let memory = Memory {
            now: number("now"),
            seen: parsed_services(&field("seen"))?,
            synced: parsed_services(&field("synced"))?,
            retries: parsed_by_service("retries", &field("retries"))?,
            queued: parsed_by_service("queued", &field("queued"))?,
            failures: parsed_by_service("failures", &field("failures"))?,
            nodes: parsed_by_service("nodes", &field("nodes"))?,
            load_balancers: parsed_caches("loadBalancers", field("loadBalancers"))?,
            private_link_services: parsed_caches(
                "privateLinkServices",
                field("privateLinkServices"),
            )?,
            public_ips: parsed_caches("publicIps", field("publicIps"))?,
            security_groups: parsed_caches("securityGroups", field("securityGroups"))?,
            placements: parsed("placements", map(field("placements")))?,
            node_placements: parsed("nodePlacements", map(field("nodePlacements")))?,
            placements_recorded: field("placementsRecorded").as_bool().unwrap_or_default(),
            settled_nodes: parsed("settledNodes", list(field("settledNodes")))?,
            local_placements: parsed_by_service("localPlacements", &field("localPlacements"))?,
        };
        Ok(Self {
            memory,
            epoch: number("epoch"),
            waiting: parsed("waiting", list(field("waiting")))?,
            nodes_changed: field("nodesChanged").as_bool().unwrap_or_default(),
            starting: field("starting").as_bool().unwrap_or_default(),
            under_way: None,
        })
    }
}

fn services(services: &BTreeMap<Key, Arc<Service>>) -> Vec<&Value> {
    services.values().map(|service| service.object.as_ref()).collect()
}

fn parsed_services(objects: &Value) -> Result<BTreeMap<Key, Arc<Service>>, String> {
    let mut services = BTreeMap::new();
    for object in objects.as_array().into_iter().flatten() {
        let service = Service::from_value(object.clone())?;
        services.insert(service.key.clone(), Arc::new(service));
    }
    Ok(services)
}

/// A map by Service as a list, since JSON has texts for keys only.
fn by_service<T: Serialize>(map: &BTreeMap<Key, T>) -> Vec<Value> {
    map.iter().map(|(key, value)| json!({"service": key, "value": value})).collect()
}

fn parsed_by_service<T: DeserializeOwned>(
    name: &str,
    list: &Value,
) -> Result<BTreeMap<Key, T>, String> {
    let mut map = BTreeMap::new();
    for entry in list.as_array().into_iter().flatten() {
        let part = |field: &str| entry.get(field).cloned().unwrap_or_default();
        map.insert(parsed(name, part("service"))?, parsed(name, part("value"))?);
    }
    Ok(map)
}

fn map(value: Value) -> Value {
    if value.is_null() { json!({}) } else { value }
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
