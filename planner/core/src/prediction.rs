//! What the controller will make of a change, from what is observed now.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::controller::outcome::Outcome;
use crate::controller::predict::{self, Change};
use crate::controller::sync::Cluster;
use crate::facts::Facts;
use crate::kubernetes::defaults::{self, Marks, Network};
use crate::kubernetes::managers::FIELD_MANAGER;
use crate::kubernetes::node::Node;
use crate::kubernetes::server_side_apply::{self, SERVICE, Writer};
use crate::kubernetes::service::{Key, Service};
use crate::snapshot::{Reading, Snapshot};
use crate::view::Owners;

/// Azure and the Services before and after.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Azure as it was observed.
    pub before: World,
    /// Azure once the controller is done.
    pub after: World,
    /// The Services as they were observed.
    pub live: BTreeMap<Key, Arc<Service>>,
    /// The Services once the controller is done.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// What each sync did, in order.
    pub outcomes: Vec<Outcome>,
}

impl Prediction {
    /// The sync of a Service, if there was one.
    pub fn outcome(&self, service: &Key) -> Option<&Outcome> {
        self.outcomes.iter().rev().find(|outcome| &outcome.service == service)
    }

    /// Whose names Azure's resources carry, before or after.
    pub fn owners(&self) -> Owners {
        let services = self.live.values().chain(self.services.values());
        Owners::of(services.map(AsRef::as_ref))
    }
}

/// Azure as a snapshot shows it. Resources that do not fit their type are left out, and named.
pub fn world(snapshot: &Snapshot) -> (World, Vec<String>) {
    let mut world = World::default();
    let mut malformed = Vec::new();
    for reading in snapshot.azure.values() {
        let Reading::Present(resources) = reading else { continue };
        for resource in resources {
            if let Err(error) = world.insert(resource.clone()) {
                malformed.push(error.to_string());
            }
        }
    }
    (world, malformed)
}

/// The Services of a snapshot; those that could not be read are none.
pub fn services(snapshot: &Snapshot) -> BTreeMap<Key, Arc<Service>> {
    objects(&snapshot.kubernetes.services)
        .filter_map(|object| Service::from_value(object.clone()).ok())
        .map(|service| (service.key.clone(), Arc::new(service)))
        .collect()
}

fn objects(reading: &Reading<Vec<Value>>) -> impl Iterator<Item = &Value> {
    match reading {
        Reading::Present(objects) => objects.iter(),
        Reading::Absent | Reading::Unreadable(_) => [].iter(),
    }
}

/// The cluster of a snapshot, as the controller sees it.
pub fn cluster(snapshot: &Snapshot, facts: &Facts) -> Cluster {
    Cluster {
        facts: Arc::new(facts.clone()),
        nodes: objects(&snapshot.kubernetes.nodes).filter_map(Node::from_value).collect(),
        services: services(snapshot),
        ..Cluster::default()
    }
}

/// Predicts what comes of changes to Services.
pub fn predict(before: World, cluster: Cluster, changes: &[Change]) -> Prediction {
    let live = cluster.services.clone();
    let predicted = predict::predict(before.clone(), cluster, changes, Rules::Azure);
    Prediction {
        before,
        after: predicted.world,
        live,
        services: predicted.services,
        outcomes: predicted.outcomes,
    }
}

/// A Service as the API server will store it once a manifest is applied, whoever applies it: fields
/// that others own are taken. A Service that is not there yet gets `uid`, or an unknown one.
///
/// # Errors
///
/// When the manifest has no name.
pub fn stored(
    manifest: &Value,
    live: Option<&Value>,
    facts: &Facts,
    uid: Option<&str>,
) -> Result<Service, String> {
    let writer = Writer { manager: FIELD_MANAGER, api_version: "v1", time: "", subresource: None };
    let merged = server_side_apply::apply(&SERVICE, live, manifest, &writer, true)
        .map_err(|conflicts| server_side_apply::conflict_message(&conflicts))?;
    let network = Network { ip_families: facts.ip_families.clone() };
    let mut object = match live {
        None => defaults::create(merged, &network, &mut Marks),
        Some(live) => defaults::update(merged, live, &network, &mut Marks),
    };
    if let (None, Some(uid)) = (live, uid)
        && let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("uid".to_owned(), uid.into());
    }
    Service::from_value(object)
}
