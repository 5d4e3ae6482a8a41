//! Replaying a recording step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::arm::allocator::Unknowns;
use crate::arm::azure::Azure;
use crate::arm::rules::{Fault, Rules};
use crate::arm::world::World;
use crate::controller::cluster::Cluster;
use crate::controller::memory::Memory;
use crate::controller::outcome::Outcome;
use crate::controller::predict::kept_ingress;
use crate::controller::sync::{Trigger, sync, wait};
use crate::kubernetes::node::Node;
use crate::kubernetes::service::{Key, Service};
use crate::resource_id::ResourceId;

use super::case::{Recording, Step};
use super::seed;
use super::shape::{self, StepPrediction};
use super::substitute::Known;

/// What there is between two steps.
struct State {
    world: World,
    seed: World,
    cluster: Cluster,
    all_nodes: Vec<Arc<Node>>,
    memory: Memory,
    allocator: Unknowns,
    faults: Vec<Fault>,
    rules: Rules,
}

/// Predicts each step of a recording from what was there before it: the results of the steps before, the
/// step, and of its own result the Services as the API server stored them.
pub fn replay(recording: &Recording) -> Vec<StepPrediction> {
    let facts = Arc::new(seed::facts(&recording.cluster));
    let nodes = seed::nodes(recording, &facts);
    let (world, allocator) = seed::world(recording, &facts, &nodes);
    let mut state = State {
        seed: world.clone(),
        world,
        cluster: Cluster { facts, nodes: nodes.clone(), ..Cluster::default() },
        all_nodes: nodes,
        memory: Memory::default(),
        allocator,
        faults: recording.arm_fake.faults.clone(),
        rules: if recording.arm_fake.strict {
            Rules::RecordedStrict
        } else {
            Rules::RecordedLenient
        },
    };
    let mut predictions = Vec::new();
    for (step, result) in recording.steps.iter().zip(&recording.result_after_each_step) {
        let outcomes = state.play(step, result);
        let facts = state.cluster.facts.clone();
        predictions.push(shape::step(
            &state.world,
            &state.seed,
            &outcomes,
            &state.cluster.services,
            &facts,
        ));
        state.take_over(result);
    }
    predictions
}

fn list<'a>(result: &'a Map<String, Value>, field: &str) -> &'a [Value] {
    result.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn key_of(object: &Value) -> Key {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    Key::new(
        text("/metadata/namespace").unwrap_or("default"),
        text("/metadata/name").unwrap_or_default(),
    )
}

fn is_kind(object: &Value, kind: &str) -> bool {
    object.get("kind").and_then(Value::as_str) == Some(kind)
}

/// The Services in a step's result.
fn stored(result: &Map<String, Value>) -> BTreeMap<Key, Service> {
    let services = list(result, "services").iter().cloned();
    services.filter_map(|it| Service::from_value(it).ok()).map(|it| (it.key.clone(), it)).collect()
}

impl State {
    fn play(&mut self, step: &Step, result: &Map<String, Value>) -> Vec<Outcome> {
        if let Some(edit) = &step.arm_edit {
            self.edit(edit, step.keep_failed);
        }
        let mut triggers = Vec::new();
        if step.restart_controller {
            triggers.push(Trigger::Started);
        }
        let nodes = self.change_nodes(step);
        triggers.extend(self.change_services(step, result));
        if nodes {
            triggers.push(Trigger::Nodes);
        }
        let mut azure =
            Azure::new(&mut self.world, self.rules, &mut self.allocator, &mut self.faults);
        let mut outcomes = Vec::new();
        for trigger in &triggers {
            let reaction = sync(&mut azure, &mut self.cluster, &mut self.memory, trigger);
            outcomes.extend(reaction.outcomes);
        }
        // A whole number of seconds, as steps have it.
        let seconds = step.wait.unwrap_or_default().max(0.0) as u64;
        let reaction = wait(&mut azure, &mut self.cluster, &mut self.memory, seconds);
        outcomes.extend(reaction.outcomes);
        outcomes
    }

    /// Nodes applied or deleted. Whether any were.
    fn change_nodes(&mut self, step: &Step) -> bool {
        let mut changed = false;
        for manifest in step.apply.iter().filter(|it| is_kind(it, "Node")) {
            let name = key_of(manifest).name;
            let known = self.all_nodes.iter().find(|node| node.name == name).cloned();
            let given = Node::from_value(manifest).filter(|node| node.machine.is_some());
            if let Some(node) = given.map(Arc::new).or(known) {
                self.cluster.nodes.retain(|it| it.name != name);
                self.cluster.nodes.push(node);
                self.cluster.nodes.sort_by(|a, b| a.name.cmp(&b.name));
                changed = true;
            }
        }
        for deleted in step.delete.iter().filter(|it| is_kind(it, "Node")) {
            let name = key_of(deleted).name;
            self.cluster.nodes.retain(|node| node.name != name);
            changed = true;
        }
        changed
    }

    /// Services applied or deleted, as the API server stored them, with the status and finalizers they
    /// had before.
    fn change_services(&mut self, step: &Step, result: &Map<String, Value>) -> Vec<Trigger> {
        let stored = stored(result);
        let mut triggers = Vec::new();
        for manifest in step.apply.iter().filter(|it| is_kind(it, "Service")) {
            let key = key_of(manifest);
            // One that goes in the same step is not in its result.
            let before = self.cluster.services.get(&key);
            let gone = || before.and_then(|before| written(before, manifest));
            let Some(mut new) = stored.get(&key).cloned().or_else(gone) else {
                continue;
            };
            let before = self.cluster.services.get(&key).filter(|it| it.uid == new.uid);
            new.ingress = before.map(|it| kept_ingress(&new, it)).unwrap_or_default();
            new.finalizers = before.map(|it| it.finalizers.clone()).unwrap_or_default();
            new.deleting = before.is_some_and(|it| it.deleting);
            self.cluster.services.insert(key.clone(), Arc::new(new));
            // The API server gives each namespace this label.
            let name = ("kubernetes.io/metadata.name".to_owned(), key.namespace.clone());
            let labels = self.cluster.namespaces.entry(key.namespace.clone()).or_default();
            labels.extend([name]);
            triggers.push(Trigger::Service(key));
        }
        for deleted in step.delete.iter().filter(|it| is_kind(it, "Service")) {
            let key = key_of(deleted);
            let Some(service) = self.cluster.services.get_mut(&key) else {
                continue;
            };
            if service.finalizers.is_empty() {
                self.cluster.services.remove(&key);
            } else {
                Arc::make_mut(service).deleting = true;
            }
            triggers.push(Trigger::Service(key));
        }
        triggers
    }

    /// Somebody changes Azure behind the controller.
    fn edit(&mut self, edit: &Value, keep_failed: bool) {
        let facts = self.cluster.facts.clone();
        let services = self.cluster.services.clone();
        let frontend = |name: &str| {
            let service = services.values().find(|service| service.key.name == name)?;
            Some(crate::controller::frontend_name(service, false))
        };
        let edit = seed::fill_in(edit, &facts, &frontend);
        let mut azure =
            Azure::new(&mut self.world, self.rules, &mut self.allocator, &mut self.faults);
        if let Some(resource) = edit.get("put") {
            let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
            let id = ResourceId::new(id);
            // The fake took whatever the recording put.
            let _ = azure.edit(&id, resource.clone(), keep_failed);
            return;
        }
        let id = ResourceId::new(edit.get("id").and_then(Value::as_str).unwrap_or_default());
        if edit.get("delete").and_then(Value::as_bool) == Some(true) {
            azure.edit_away(&id);
            return;
        }
        let Some(mut resource) = azure.world.get(&id) else {
            return;
        };
        for operation in edit.get("ops").and_then(Value::as_array).into_iter().flatten() {
            patch(&mut resource, operation);
        }
        let _ = azure.edit(&id, resource, keep_failed);
    }

    /// Goes on from what was recorded, so that an error in one step does not show in all that follow.
    fn take_over(&mut self, result: &Map<String, Value>) {
        if !result.contains_key("loadBalancers") {
            return;
        }
        let lists = [
            "loadBalancers",
            "privateLinkServices",
            "publicIPAddresses",
            "networkSecurityGroups",
            "subnetsChanged",
        ];
        let mut known = Known::default();
        let held = std::mem::take(&mut self.world);
        let mut world = World {
            // All of these that there are, are listed.
            load_balancers: BTreeMap::new(),
            private_link_services: BTreeMap::new(),
            public_ip_addresses: BTreeMap::new(),
            network_security_groups: self.seed.network_security_groups.clone(),
            virtual_networks: self.seed.virtual_networks.clone(),
            subnets: self.seed.subnets.clone(),
            missing_groups: self.seed.missing_groups.clone(),
            ..held.clone()
        };
        if !list(result, "networkSecurityGroups").is_empty() {
            world.network_security_groups.clear();
        }
        for resource in lists.iter().flat_map(|field| list(result, field)) {
            let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
            if let Some(predicted) = held.get(&ResourceId::new(id)) {
                known.learn(&predicted, resource);
            }
            // What the fake held was a resource.
            let _ = world.insert(resource.clone());
        }
        self.world = world;
        known.memory(&mut self.memory);
        let after = stored(result);
        self.cluster.services.retain(|key, _| after.contains_key(key));
        for (key, service) in after {
            let service = Arc::new(service);
            self.cluster.services.insert(key.clone(), service.clone());
            if self.memory.seen.contains_key(&key) {
                self.memory.seen.insert(key.clone(), service.clone());
            }
            if self.memory.synced.contains_key(&key) {
                self.memory.synced.insert(key, service);
            }
        }
        let services = &self.cluster.services;
        self.memory.seen.retain(|key, _| services.contains_key(key));
        self.memory.synced.retain(|key, _| services.contains_key(key));
    }
}

/// A Service as it is after a manifest is applied whole: what the manifest says in place of what was there.
fn written(before: &Service, manifest: &Value) -> Option<Service> {
    let mut object = before.object.as_ref().clone();
    let annotations = manifest.pointer("/metadata/annotations").cloned().unwrap_or_default();
    object.get_mut("metadata")?.as_object_mut()?.insert("annotations".to_owned(), annotations);
    let spec = object.get_mut("spec")?.as_object_mut()?;
    for (field, value) in manifest.get("spec")?.as_object()? {
        spec.insert(field.clone(), value.clone());
    }
    Service::from_value(object).ok()
}

/// One operation of a JSON patch: add, replace or remove.
fn patch(resource: &mut Value, operation: &Value) {
    let text = |field: &str| operation.get(field).and_then(Value::as_str).unwrap_or_default();
    let Some((parent, last)) = text("path").rsplit_once('/') else {
        return;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    let value = operation.get("value").cloned().unwrap_or_default();
    let remove = text("op") == "remove";
    match resource.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            if remove {
                fields.shift_remove(&last);
            } else {
                fields.insert(last, value);
            }
        }
        Some(Value::Array(items)) => {
            let at = last.parse().unwrap_or(items.len());
            if at > items.len() {
                return;
            }
            match (remove, text("op") == "replace" && at < items.len()) {
                (true, _) if at < items.len() => drop(items.remove(at)),
                (true, _) => {}
                (false, true) => {
                    if let Some(item) = items.get_mut(at) {
                        *item = value;
                    }
                }
                (false, false) => items.insert(at, value),
            }
        }
        _ => {}
    }
}
