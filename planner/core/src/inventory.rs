//! What is live, worked out once from a snapshot: Azure, the Services, whose is what, and the nodes.
//!
//! Whoever reads a snapshot beside desired state reads it through this, so that nobody works out ownership
//! anew.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::arm::world::World;
use crate::kubernetes::service::{Key, Service};
use crate::node::sides::{Nodes, Views};
use crate::node::{Owners, sides};
use crate::prediction;
use crate::snapshot::Snapshot;

/// Azure as a snapshot shows it.
#[derive(Clone, Debug, Default)]
pub struct Azure {
    /// All that fits its type.
    pub world: World,
    /// Resources that do not, with why.
    pub malformed: Vec<String>,
    /// Its nodes, where they were worked out for many predictions.
    pub(crate) views: Option<Arc<Views>>,
}

impl Azure {
    /// What a snapshot shows.
    pub fn of(snapshot: &Snapshot) -> Self {
        let (world, malformed) = prediction::world(snapshot);
        Self { world, malformed, views: None }
    }

    /// It with its nodes worked out, for many predictions that begin with it and with the Services of this snapshot.
    #[must_use]
    pub fn with_views(self, snapshot: &Snapshot) -> Self {
        let services = prediction::services(snapshot);
        let owners = Owners::of(services.values().map(AsRef::as_ref), &[&self.world]);
        let views = Views::of(&self.world, owners, self.views.as_deref());
        Self { views: Some(Arc::new(views)), ..self }
    }
}

/// What is live. Not to be changed once its nodes were looked at.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Azure.
    pub world: World,
    /// Resources that do not fit their type, which [`Self::world`] leaves out, with why.
    pub malformed: Vec<String>,
    /// The Services; none, if they could not be read.
    pub services: BTreeMap<Key, Arc<Service>>,
    /// Which Service Azure's resources belong to.
    pub owners: Owners,
    nodes: OnceLock<Nodes>,
}

impl Inventory {
    /// What a snapshot shows.
    pub fn of(snapshot: &Snapshot) -> Self {
        let Azure { world, malformed, .. } = Azure::of(snapshot);
        let services = prediction::services(snapshot);
        let owners = Owners::of(services.values().map(AsRef::as_ref), &[&world]);
        Self { world, malformed, services, owners, nodes: OnceLock::new() }
    }

    /// Azure's nodes by address.
    pub(crate) fn nodes(&self) -> &Nodes {
        self.nodes
            .get_or_init(|| sides::nodes(&self.world, &World::default(), &self.owners, None).0)
    }
}
