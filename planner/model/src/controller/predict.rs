//! The fold over the Services of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::allocator::Unknowns;
use crate::arm::azure::Azure;
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::kubernetes::service::{Key, Service};

use super::memory::Memory;
use super::outcome::Outcome;
use super::sync::{Trigger, sync};
use crate::controller::cluster::Cluster;

/// A change to a Service.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is created or updated: as the API server would store it.
    Apply(Arc<Service>),
    /// It is deleted.
    Delete(Key),
    /// It is synced as it is (its annotation `privlink.dev/sync` moves).
    Nudge(Key),
}

impl Change {
    /// The Service it is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Apply(service) => &service.key,
            Self::Delete(key) | Self::Nudge(key) => key,
        }
    }
}

/// What is predicted.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// Azure afterwards.
    pub world: World,
    /// What each Service's sync did, in the order of the syncs.
    pub outcomes: Vec<Outcome>,
    /// The Services afterwards, with status and finalizers.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// What allocated the unknowns: a prediction that follows continues with it.
    pub allocator: Unknowns,
}

/// Folds changes over a cluster: live Services first, then new ones, each by namespace and name.
/// Time does not pass, the controller's caches are fresh, and nothing fails but what Azure refuses.
pub fn predict(world: World, cluster: Cluster, changes: &[Change], rules: Rules) -> Prediction {
    predict_after(world, cluster, changes, rules, Unknowns::default())
}

/// As [`predict`], for what follows another prediction: its allocator gives no unknown twice.
pub fn predict_after(
    world: World,
    cluster: Cluster,
    changes: &[Change],
    rules: Rules,
    mut allocator: Unknowns,
) -> Prediction {
    let (mut world, mut cluster) = (world, cluster);
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world, rules, &mut allocator, &mut faults);
    let mut memory = knowing(&cluster);
    let mut outcomes = Vec::new();
    for change in in_order(&cluster, changes) {
        let Some(trigger) = apply(&mut cluster, change) else {
            continue;
        };
        // A Service is synced once: what it fails at first is what a person sees.
        outcomes.extend(sync(&mut azure, &mut cluster, &mut memory, &trigger).outcomes);
        memory.retries.clear();
    }
    Prediction { world, outcomes, services: cluster.services, allocator }
}

/// The memory of a controller that has synced every Service there is, and whose caches are stale.
fn knowing(cluster: &Cluster) -> Memory {
    let mut memory = Memory::default();
    for (key, service) in &cluster.services {
        memory.seen.insert(key.clone(), service.clone());
        let synced = service.wants_load_balancer() && !service.finalizers.is_empty();
        if synced {
            memory.synced.insert(key.clone(), service.clone());
        }
    }
    memory
}

fn in_order<'c>(cluster: &Cluster, changes: &'c [Change]) -> Vec<&'c Change> {
    let mut all: Vec<&Change> = changes.iter().collect();
    all.sort_by_key(|change| {
        let key = change.key();
        (!cluster.services.contains_key(key), key.clone())
    });
    all
}

/// The addresses in the status after a write: the API server clears them where the type is another than LoadBalancer
/// (`dropTypeDependentFields` of the Service's strategy).
pub(crate) fn kept_ingress(new: &Service, live: &Service) -> Vec<String> {
    if new.kind == "LoadBalancer" { live.ingress.clone() } else { Vec::new() }
}

/// Changes the Service; what the controller is then to do.
fn apply(cluster: &mut Cluster, change: &Change) -> Option<Trigger> {
    let key = change.key().clone();
    match change {
        Change::Apply(service) => {
            let mut service = service.clone();
            if let Some(live) = cluster.services.get(&key).filter(|live| live.uid == service.uid) {
                let new = Arc::make_mut(&mut service);
                new.ingress = kept_ingress(new, live);
                new.finalizers.clone_from(&live.finalizers);
                new.deleting = live.deleting;
            }
            cluster.services.insert(key.clone(), service);
            Some(Trigger::Service(key))
        }
        Change::Delete(_) => {
            let service = cluster.services.get_mut(&key)?;
            if service.finalizers.is_empty() {
                cluster.services.remove(&key);
            } else {
                Arc::make_mut(service).deleting = true;
            }
            Some(Trigger::Service(key))
        }
        Change::Nudge(_) => cluster.services.contains_key(&key).then_some(Trigger::Retry(key)),
    }
}
