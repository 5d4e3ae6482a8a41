//! All that a sandbox knows: two control planes and the controller between them.

pub(crate) mod allocator;
mod facts;
mod file;
mod first;
mod machine;
mod migration;
mod snapshot;

use std::collections::BTreeMap;
use std::path::Path;

use privlink_model::arm;
use privlink_model::facts::Facts;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::Error;
use crate::azure::directory::Directory;
use crate::azure::operation::Operation;
use crate::controller::Controller;
use crate::kubernetes::store::{Store, key_of};

use allocator::Allocator;
pub use file::WorldFile;
pub use first::{GROUP, SUBSCRIPTION};

/// The version of the file format this build writes. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "2.0";

/// All that a sandbox knows.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Hands out uids, guids, ports and addresses.
    pub allocator: Allocator,
    /// What the API server holds.
    pub kubernetes: Store,
    /// What Azure holds.
    pub azure: arm::world::World,
    /// Subscriptions, tenants, resource groups, and who may do what.
    pub directory: Directory,
    /// Long-running operations of ARM, by their id.
    pub operations: BTreeMap<String, Operation>,
    /// How the controller is configured.
    pub facts: Facts,
    /// What the controller remembers and has yet to do.
    pub controller: Controller,
}

/// The world as its file holds it. It is written part by part: the whole of it, as a value beside the
/// world, would be many times what one write changes.
impl Serialize for World {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let objects: Vec<&Value> =
            self.kubernetes.objects.values().flat_map(BTreeMap::values).collect();
        let mut document = serializer.serialize_struct("World", 8)?;
        document.serialize_field("formatVersion", FORMAT_VERSION)?;
        document.serialize_field("allocator", &self.allocator)?;
        let kubernetes = KubernetesPart {
            version: &self.kubernetes.version,
            resource_version: self.kubernetes.resource_version,
            objects,
        };
        document.serialize_field("kubernetes", &kubernetes)?;
        document.serialize_field("azure", &self.azure)?;
        document.serialize_field("directory", &self.directory)?;
        document.serialize_field("operations", &self.operations)?;
        document.serialize_field("facts", &self.facts)?;
        document.serialize_field("controller", &self.controller.to_json())?;
        document.end()
    }
}

/// What the API server holds, as the world's file has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KubernetesPart<'a> {
    version: &'a str,
    resource_version: u64,
    objects: Vec<&'a Value>,
}

impl World {
    /// The world as its file holds it.
    pub fn to_json(&self) -> Value {
        // Every part of it has text for keys, so it can be JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// A world from its file's document; `path` is for messages.
    ///
    /// # Errors
    /// It is not a world, or one of a major version that this build neither writes nor migrates.
    pub fn from_json(mut document: Value, path: &Path) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Format { path: path.to_owned(), reason };
        let version = document.get("formatVersion").and_then(Value::as_str).unwrap_or_default();
        if version.is_empty() {
            return Err(wrong("it has no formatVersion".to_owned()));
        }
        let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
        let found = version.to_owned();
        if major(&found) != major(FORMAT_VERSION)
            && !migration::migrate(&mut document, &major(&found))
        {
            let path = path.to_owned();
            return Err(Error::Version { path, found, supported: FORMAT_VERSION });
        }
        let mut take = |name: &str| {
            document
                .get_mut(name)
                .map(Value::take)
                .ok_or_else(|| wrong(format!("it has no {name}")))
        };
        let mut world = Self {
            allocator: parsed(take("allocator")?, "allocator").map_err(wrong)?,
            directory: parsed(take("directory")?, "directory").map_err(wrong)?,
            operations: parsed(take("operations")?, "operations").map_err(wrong)?,
            facts: parsed(take("facts")?, "facts").map_err(wrong)?,
            controller: Controller::from_json(&take("controller")?).map_err(wrong)?,
            ..Self::default()
        };
        let kubernetes = take("kubernetes")?;
        world.kubernetes.version =
            kubernetes.get("version").and_then(Value::as_str).unwrap_or("v1.33.1").to_owned();
        for object in kubernetes.get("objects").and_then(Value::as_array).into_iter().flatten() {
            world.insert_object(object.clone()).map_err(wrong)?;
        }
        world.kubernetes.resource_version =
            kubernetes.get("resourceVersion").and_then(Value::as_u64).unwrap_or_default();
        for resource in take("azure")?.as_array_mut().into_iter().flatten() {
            world.azure.insert(resource.take()).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(world)
    }

    /// Takes a Kubernetes object in as it is.
    fn insert_object(&mut self, object: Value) -> Result<(), String> {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let resource = crate::kubernetes::resource::RESOURCES
            .iter()
            .find(|resource| resource.kind == kind)
            .ok_or_else(|| format!("an object has the kind {kind:?}"))?;
        let key = key_of(&object);
        self.kubernetes.objects.entry(resource.qualified()).or_default().insert(key, object);
        Ok(())
    }
}

fn parsed<T: serde::de::DeserializeOwned>(value: Value, name: &str) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
}
