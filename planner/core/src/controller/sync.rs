//! One reaction of the controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::azure::Azure;
use crate::facts::Facts;
use crate::kubernetes::node::Node;
use crate::kubernetes::service::{Key, Service};

use super::memory::Memory;
use super::outcome::Reaction;

/// The cluster as the controller sees it when it acts: what its informers show.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The cluster's facts.
    pub facts: Arc<Facts>,
    /// All Nodes.
    pub nodes: Vec<Node>,
    /// All Services, as the API server stores them now.
    pub services: BTreeMap<Key, Arc<Service>>,
}

/// What makes the controller act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A Service was created, changed, or marked for deletion (then `deleting` is set and it is still
    /// in [`Cluster::services`]).
    Service(Key),
    /// The set of nodes changed.
    Nodes,
    /// A retry is due.
    Retry(Key),
    /// It started, with an empty [`Memory`].
    Started,
}

/// One reaction. The caller's part: show the writes to nobody else meanwhile, and store status and
/// finalizers in the API server.
pub fn sync(
    azure: &mut Azure<'_>,
    cluster: &mut Cluster,
    memory: &mut Memory,
    trigger: &Trigger,
) -> Reaction {
    let _ = (azure, cluster, memory, trigger);
    Reaction::default()
}
