//! The objects, as etcd would hold them.

use std::collections::BTreeMap;

use privlink_model::kubernetes::service::Key;
use serde_json::{Value, json};

use crate::state::State;

use super::resource::Resource;
use super::watch::Kind;

/// The objects of one kind.
pub(crate) type Shelf = BTreeMap<Key, Value>;

/// All objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    /// The version the API server says it has, such as `v1.33.1`.
    pub version: String,
    /// The last resource version given out.
    pub resource_version: u64,
    /// The objects by their kind's name in errors (`services`, `leases.coordination.k8s.io`).
    pub objects: BTreeMap<String, Shelf>,
}

impl Store {
    /// The objects of a kind.
    pub fn shelf(&self, resource: &Resource) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.get(&resource.qualified()).into_iter().flatten()
    }

    /// An object.
    pub fn get(&self, resource: &Resource, key: &Key) -> Option<&Value> {
        self.objects.get(&resource.qualified())?.get(key)
    }

    /// Puts an object under the next resource version, telling no watch.
    pub fn put(&mut self, resource: &Resource, key: &Key, mut object: Value) -> Value {
        self.resource_version += 1;
        set_resource_version(&mut object, self.resource_version);
        let shelf = self.objects.entry(resource.qualified()).or_default();
        shelf.insert(key.clone(), object.clone());
        object
    }
}

/// Stores an object, and tells the watches and the controller.
pub(crate) fn put(
    state: &mut State,
    resource: &'static Resource,
    key: &Key,
    object: Value,
) -> Value {
    let before = state.world.kubernetes.get(resource, key).cloned();
    let stored = state.world.kubernetes.put(resource, key, object);
    let kind = if before.is_some() { Kind::Modified } else { Kind::Added };
    state.history.record(state.world.kubernetes.resource_version, resource, kind, &stored, before);
    state.touch();
    if resource.kind == "Service" || resource.kind == "Node" {
        crate::controller::noticed(state, resource, key);
    }
    stored
}

/// Removes an object, and tells the watches and the controller.
pub(crate) fn remove(state: &mut State, resource: &'static Resource, key: &Key) -> Option<Value> {
    let shelf = state.world.kubernetes.objects.get_mut(&resource.qualified())?;
    let mut gone = shelf.remove(key)?;
    state.world.kubernetes.resource_version += 1;
    let version = state.world.kubernetes.resource_version;
    set_resource_version(&mut gone, version);
    state.history.record(version, resource, Kind::Deleted, &gone, None);
    state.touch();
    if resource.kind == "Service" || resource.kind == "Node" {
        crate::controller::noticed(state, resource, key);
    }
    Some(gone)
}

/// The text at a place, empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The namespace and name in an object's metadata.
pub(crate) fn key_of(object: &Value) -> Key {
    Key::new(text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

/// `metadata`, made if it is not there.
pub(crate) fn metadata(object: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

fn set_resource_version(object: &mut Value, version: u64) {
    if let Some(metadata) = metadata(object) {
        metadata.insert("resourceVersion".to_owned(), Value::String(version.to_string()));
    }
}
