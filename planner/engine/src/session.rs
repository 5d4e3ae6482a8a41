//! What a run has to work with: clients, patience, and what it has learnt.

use std::sync::{Mutex, PoisonError};

use privlink_azure::ArmClient;
use privlink_core::resolution::Resolved;
use privlink_kubernetes::{KubernetesClient, KubernetesError};
use tokio_util::sync::CancellationToken;

pub use crate::patience::{Patience, WaitKind};

/// The clients of a run, and what it has learnt so far.
#[derive(Debug)]
pub struct Session {
    /// The Kubernetes API; nothing where desired state has no cluster.
    pub kubernetes: Option<KubernetesClient>,
    /// Azure Resource Manager.
    pub arm: ArmClient,
    /// How patient it is.
    pub patience: Patience,
    /// Stops the run: writes in flight are finished, waits are left, and nothing more starts.
    pub stop: CancellationToken,
    /// Whether both control planes are simulated by this process.
    pub is_sandbox: bool,
    resolved: Mutex<Resolved>,
}

impl Session {
    /// A session that knows nothing yet.
    pub fn new(kubernetes: Option<KubernetesClient>, arm: ArmClient, patience: Patience) -> Self {
        let stop = CancellationToken::new();
        let resolved = Mutex::new(Resolved::default());
        Self { kubernetes, arm, patience, stop, is_sandbox: false, resolved }
    }

    /// The Kubernetes API.
    ///
    /// # Errors
    ///
    /// When desired state has no cluster.
    pub fn cluster(&self) -> Result<&KubernetesClient, KubernetesError> {
        self.kubernetes.as_ref().ok_or_else(KubernetesError::no_cluster)
    }

    /// The values of unknowns, to read or to learn them; not to be held while waiting.
    pub fn resolved<T>(&self, with: impl FnOnce(&mut Resolved) -> T) -> T {
        // A panic elsewhere leaves what was learnt as sound as before.
        with(&mut self.resolved.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
