//! The fold over the Services of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::azure::Azure;
use crate::arm::hand::Marks;
use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::kubernetes::service::{Key, Service};

use super::memory::Memory;
use super::outcome::Outcome;
use super::sync::{Cluster, Trigger, sync};

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
    /// The Service.
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
}

/// Folds changes over a cluster: live Services first, then new ones, each by namespace and name.
/// Time does not pass, the controller's caches are fresh, and nothing fails but what Azure refuses.
pub fn predict(
    mut world: World,
    mut cluster: Cluster,
    changes: &[Change],
    rules: Rules,
) -> Prediction {
    let mut memory = Memory {
        seen: cluster.services.clone(),
        synced: cluster.services.clone(),
        ..Memory::default()
    };
    let mut outcomes = Vec::new();
    let mut hand = Marks::default();
    let mut faults = Vec::new();
    for change in in_order(changes, &cluster) {
        let Some(trigger) = show(change, &mut cluster) else { continue };
        let mut azure = Azure { world: &mut world, rules, hand: &mut hand, faults: &mut faults };
        outcomes.extend(sync(&mut azure, &mut cluster, &mut memory, &trigger).outcomes);
    }
    Prediction { world, outcomes, services: cluster.services }
}

/// Live Services first, each by namespace and name.
fn in_order<'a>(changes: &'a [Change], cluster: &Cluster) -> Vec<&'a Change> {
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(|change| {
        let key = change.key();
        (!cluster.services.contains_key(key), key.clone())
    });
    ordered
}

/// Shows the controller a change as its watch would. `None`: there is nothing to see.
fn show(change: &Change, cluster: &mut Cluster) -> Option<Trigger> {
    match change {
        Change::Apply(service) => {
            cluster.services.insert(service.key.clone(), service.clone());
            Some(Trigger::Service(service.key.clone()))
        }
        Change::Delete(key) => {
            let service = cluster.services.get_mut(key)?;
            if service.finalizers.is_empty() {
                cluster.services.remove(key);
                return None;
            }
            Arc::make_mut(service).deleting = true;
            Some(Trigger::Service(key.clone()))
        }
        Change::Nudge(key) => {
            let service = cluster.services.get(key)?;
            service.wants_load_balancer().then(|| Trigger::Retry(key.clone()))
        }
    }
}
