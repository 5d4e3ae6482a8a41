//! A world from an observation.

use std::sync::Arc;

use privlink_model::controller::sync::FINALIZER;
use privlink_model::kubernetes::service::Service;
use privlink_model::snapshot::{List, Reading, Snapshot};
use serde_json::{Value, json};

use crate::Error;
use crate::azure::directory::{Subscription, Tenant};
use crate::kubernetes::resource::Resource;

use super::World;
use super::allocator::Allocator;

impl World {
    /// A world that holds what a snapshot shows: its Services and Nodes, and every Azure resource in
    /// its lists. How the controller is configured is inferred from the cluster that AKS shows, its
    /// Nodes and networks; the machines of the Nodes are added. Tenants and rights, which a snapshot
    /// does not hold, are as in [`World::first`].
    ///
    /// # Errors
    /// An object has no name or no id, or does not fit its type.
    pub fn from_snapshot(snapshot: &Snapshot) -> Result<Self, Error> {
        let mut world = Self { allocator: Allocator::new("snapshot"), ..Self::default() };
        let first = Self::first();
        world.directory = first.directory;
        world.kubernetes.version = match &snapshot.kubernetes.version {
            Reading::Present(version) => version.clone(),
            Reading::Absent | Reading::Unreadable(_) => first.kubernetes.version,
        };
        world.take_objects(&snapshot.kubernetes.services, "Service")?;
        world.take_objects(&snapshot.kubernetes.nodes, "Node")?;
        world.take_objects(&snapshot.kubernetes.events, "Event")?;
        if let Some(namespaces) = &snapshot.kubernetes.namespaces {
            world.take_objects(namespaces, "Namespace")?;
        }
        world.add_namespaces(&snapshot.kubernetes.namespace)?;
        world.kubernetes.resource_version = world.highest_version() + 1;
        for reading in snapshot.azure.values() {
            for resource in reading.objects() {
                world.take_resource(resource.clone())?;
            }
        }
        world.infer_facts(snapshot);
        world.add_machines();
        world.remember_services();
        Ok(world)
    }

    /// The controller has served the Services there are, and goes on from there.
    fn remember_services(&mut self) {
        let nodes = self.nodes();
        let memory = &mut self.controller.memory;
        let services = Resource::find("", "services").into_iter();
        for (key, object) in services.flat_map(|kind| self.kubernetes.shelf(kind)) {
            let Ok(service) = Service::from_value(object.clone()) else { continue };
            let service = Arc::new(service);
            memory.seen.insert(key.clone(), Arc::clone(&service));
            if service.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
                memory.synced.insert(key.clone(), service);
                memory.nodes.insert(key.clone(), nodes.clone());
            }
        }
    }

    fn take_objects(&mut self, reading: &Reading<List>, kind: &str) -> Result<(), Error> {
        for object in reading.objects() {
            let mut object = object.clone();
            let named = object.pointer("/metadata/name").is_some();
            let Some(fields) = object.as_object_mut().filter(|_| named) else {
                return Err(Error::Snapshot(format!("a {kind} has no name")));
            };
            // Items of a list do not say their kind.
            fields.insert("kind".to_owned(), json!(kind));
            fields.entry("apiVersion").or_insert_with(|| json!("v1"));
            self.insert_object(object).map_err(Error::Snapshot)?;
        }
        Ok(())
    }

    fn add_namespaces(&mut self, current: &str) -> Result<(), Error> {
        let objects = self.kubernetes.objects.values().flat_map(|shelf| shelf.keys());
        let mut names: std::collections::BTreeSet<String> =
            objects.map(|key| key.namespace.clone()).filter(|name| !name.is_empty()).collect();
        names.extend(["default".to_owned(), "kube-system".to_owned(), current.to_owned()]);
        let namespaces = Resource::find("", "namespaces").into_iter();
        let held = namespaces.flat_map(|kind| self.kubernetes.shelf(kind));
        let held: std::collections::BTreeSet<String> =
            held.map(|(key, _)| key.name.clone()).collect();
        for name in names.into_iter().filter(|it| !it.is_empty() && !held.contains(it)) {
            let uid = self.allocator.guid(&format!("Namespace/{name}"));
            let object = json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "uid": uid, "resourceVersion": "1"},
                "status": {"phase": "Active"},
            });
            self.insert_object(object).map_err(Error::Snapshot)?;
        }
        Ok(())
    }

    fn highest_version(&self) -> u64 {
        let versions = self.kubernetes.objects.values().flat_map(|shelf| shelf.values());
        versions
            .filter_map(|object| {
                object.pointer("/metadata/resourceVersion")?.as_str()?.parse().ok()
            })
            .max()
            .unwrap_or(0)
    }

    fn take_resource(&mut self, resource: Value) -> Result<(), Error> {
        let id = resource.get("id").and_then(Value::as_str).unwrap_or_default();
        let id = privlink_model::resource_id::ResourceId::new(id);
        let location = resource.get("location").and_then(Value::as_str).unwrap_or("eastus");
        if let (Some(subscription), Some(group)) = (id.subscription(), id.resource_group()) {
            if self.directory.subscription(subscription).is_none() {
                let tenant =
                    self.directory.tenants.first().map(|tenant: &Tenant| tenant.id.clone());
                self.directory.subscriptions.push(Subscription {
                    id: subscription.to_owned(),
                    tenant: tenant.unwrap_or_default(),
                    display_name: subscription.to_owned(),
                });
            }
            if self.directory.group(subscription, group).is_none() {
                self.directory.put_group(subscription, group, location);
            }
        }
        self.azure.insert(resource).map_err(|error| Error::Snapshot(error.to_string()))
    }
}
