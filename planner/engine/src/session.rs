//! What a run has to work with: clients, patience, and what it has learnt.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use privlink_core::controller::memory::CACHE_SECONDS;
use privlink_core::known::Known;
use privlink_kubernetes::KubernetesClient;

use crate::observe::ArmClients;

/// How patient a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many steps run at once.
    pub parallelism: usize,
    /// How often what is awaited is looked at, unless a watch wakes the wait earlier.
    pub poll_interval: Duration,
    /// How long the controller may take for one Service. Its retries come after 5, 10, 20 s and more,
    /// and one sync may write several resources that take minutes each.
    pub controller: Duration,
    /// After how long the controller no longer believes its caches.
    pub cache: Duration,
    /// How long one of Azure's operations may take.
    pub operation: Duration,
    /// How long a connection may take to show its state once its endpoint is written.
    pub connection: Duration,
    /// Whether the first failure stops everything that has not started.
    pub fail_fast: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            parallelism: 10,
            poll_interval: Duration::from_secs(5),
            controller: Duration::from_secs(15 * 60),
            cache: Duration::from_secs(CACHE_SECONDS + 10),
            operation: Duration::from_secs(15 * 60),
            connection: Duration::from_secs(2 * 60),
            fail_fast: false,
        }
    }
}

/// The clients of a run, and what it has learnt so far.
#[derive(Debug)]
pub struct Session {
    /// The Kubernetes API.
    pub kubernetes: KubernetesClient,
    /// Azure Resource Manager.
    pub arm: ArmClients,
    /// How patient it is.
    pub patience: Patience,
    known: Mutex<Known>,
}

impl Session {
    /// A session that knows nothing yet.
    pub fn new(kubernetes: KubernetesClient, arm: ArmClients, patience: Patience) -> Self {
        Self { kubernetes, arm, patience, known: Mutex::new(Known::default()) }
    }

    /// What is known, for reading or learning; not to be held while waiting.
    pub fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        // A panic elsewhere leaves what was learnt as sound as before.
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
