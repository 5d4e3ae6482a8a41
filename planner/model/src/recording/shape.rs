//! Predictions in the shape of a recording's step result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::controller::cluster::Cluster;
use crate::controller::outcome::{Outcome, Write};
use crate::controller::predict::{self, Change};
use crate::controller::sync::status_of;
use crate::facts::Facts;
use crate::kubernetes::service::{Key, Service};
use crate::resource_id::ResourceId;
use crate::unknown;

/// The prediction of a step, or of a plan, in the shape of a recording's step result. What Azure or
/// the API server allocate is unknown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepPrediction {
    /// Load balancers, by id.
    pub load_balancers: Vec<Value>,
    /// Private link services, by id.
    pub private_link_services: Vec<Value>,
    /// Public IPs, by id.
    #[serde(rename = "publicIPAddresses")]
    pub public_ip_addresses: Vec<Value>,
    /// Security groups, by id.
    pub network_security_groups: Vec<Value>,
    /// Subnets that differ from those at the start.
    pub subnets_changed: Vec<Value>,
    /// Interfaces of scale set instances that are in pools.
    pub backend_nics: Vec<Value>,
    /// Writes in order: method, resource, status, path, ifMatch, body, error.
    pub arm_writes: Vec<Value>,
    /// Status by Service.
    pub service_status: Map<String, Value>,
    /// Finalizers by Service.
    pub service_finalizers: Map<String, Value>,
    /// Events: object, type, reason, message, source.
    pub events: Vec<Value>,
}

impl StepPrediction {
    /// The prediction as JSON, what Azure or the API server allocate as words: `(known after apply)`.
    pub fn to_value(&self) -> Value {
        unknown::show_value(self.with_marks())
    }

    /// The prediction as JSON with its unknowns.
    pub(super) fn with_marks(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// How a Service is named: by its name alone in the namespace `default`, as recordings do.
pub fn service_name(key: &Key) -> String {
    if key.namespace == "default" { key.name.clone() } else { key.to_string() }
}

/// How recordings name a resource: from its type on, with the group if it is not the cluster's.
pub fn resource_name(id: &ResourceId, facts: &Facts) -> String {
    let path = id.as_str().rsplit_once("/providers/").map_or(id.as_str(), |(_, path)| path);
    let name = path.split_once('/').map_or(path, |(_, name)| name);
    match id.resource_group() {
        Some(group) if !group.eq_ignore_ascii_case(&facts.resource_group) => {
            format!("{name} [rg {group}]")
        }
        _ => name.to_owned(),
    }
}

fn write(write: &Write, facts: &Facts) -> Value {
    let mut shape = Map::new();
    shape.insert("method".to_owned(), Value::from(write.method.as_str()));
    shape.insert("resource".to_owned(), Value::from(resource_name(&write.id, facts)));
    let status = match &write.answer {
        Ok(status) => *status,
        Err(error) => error.status,
    };
    shape.insert("status".to_owned(), Value::from(status));
    shape.insert("path".to_owned(), Value::from(write.id.as_str()));
    if let Some(etag) = &write.if_match {
        shape.insert("ifMatch".to_owned(), Value::from(etag.clone()));
    }
    if let Some(body) = &write.body {
        shape.insert("body".to_owned(), body.to_value());
    }
    if let Err(error) = &write.answer {
        shape.insert("error".to_owned(), json!({"code": error.code}));
    }
    Value::Object(shape)
}

fn all<T: Serialize>(shelf: &BTreeMap<String, Arc<T>>) -> Vec<Value> {
    shelf.values().filter_map(|it| serde_json::to_value(it.as_ref()).ok()).collect()
}

fn nics(world: &World) -> Vec<Value> {
    let in_pools = world.nics().into_iter().filter(|nic| !nic.pools.is_empty());
    in_pools
        .map(|nic| json!({"vm": nic.machine, "ipConfiguration": nic.name, "pools": nic.pools}))
        .collect()
}

/// What is there after a step, and what was done in it. `before`: the world whose subnets count as
/// unchanged.
pub fn step(
    world: &World,
    before: &World,
    outcomes: &[Outcome],
    services: &BTreeMap<Key, Arc<Service>>,
    facts: &Facts,
) -> StepPrediction {
    let changed = world.subnets.iter().filter(|(key, subnet)| {
        before.subnets.get(*key).is_none_or(|before| before.properties != subnet.properties)
    });
    let changed = changed.map(|(key, subnet)| (key.clone(), subnet.clone())).collect();
    let mut seen = BTreeSet::new();
    let mut events = Vec::new();
    for event in outcomes.iter().flat_map(|outcome| &outcome.events) {
        let object = format!("Service/{}", service_name(&event.service));
        let of_reason = (object.clone(), event.reason.clone(), event.message.clone());
        // Kubernetes counts an event that comes again.
        if seen.insert(of_reason) {
            events.push(json!({
                "object": object,
                "type": event.kind,
                "reason": event.reason,
                "message": event.message,
                "source": event.source,
            }));
        }
    }
    let by_name = |of: &dyn Fn(&Service) -> Value| -> Map<String, Value> {
        let entries = services.values().map(|it| (service_name(&it.key), of(it)));
        entries.collect()
    };
    let writes = outcomes.iter().flat_map(|outcome| &outcome.writes);
    StepPrediction {
        load_balancers: all(&world.load_balancers),
        private_link_services: all(&world.private_link_services),
        public_ip_addresses: all(&world.public_ip_addresses),
        network_security_groups: all(&world.network_security_groups),
        subnets_changed: all(&changed),
        backend_nics: nics(world),
        arm_writes: writes.map(|it| write(it, facts)).collect(),
        service_status: by_name(&|service| status_of(&service.ingress)),
        service_finalizers: by_name(&|service| json!(service.finalizers)),
        events,
    }
}

/// The prediction of a plan in the shape of a recording's step result: what is there after the changes,
/// and what the controller does. `world` is what Azure holds, see also
/// [`add_network`](crate::assumed::add_network).
pub fn predict(world: World, cluster: Cluster, changes: &[Change], rules: Rules) -> StepPrediction {
    let before = world.clone();
    let facts = cluster.facts.clone();
    let after = predict::predict(world, cluster, changes, rules);
    step(&after.world, &before, &after.outcomes, &after.services, &facts)
}
