//! The guard as a server: an admission webhook that answers an API server what a write to a Service does to Azure.
//!
//! It decides nothing by itself: [`privlink_core::guard`] does, from an observation that [`observation`] keeps fresh.
//! No answer waits for Azure. What is here is TLS, bounds, deadlines, metrics and the end.

pub mod authority;
mod certificate;
mod consents;
mod decided;
mod event;
mod listener;
mod metrics;
mod observation;
mod review;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use privlink_azure::ArmClient;
use privlink_core::date::Day;
use privlink_core::desired::Stack;
use privlink_core::facts::Facts;
use privlink_core::guard::policy::Policy;
use privlink_engine::observe::Targets;
use privlink_kubernetes::KubernetesClient;

pub use authority::SelfSigned;
pub use decided::Decided;
pub use server::serve;

/// What the guard works with.
pub struct Options {
    /// Where reviews are served, with TLS.
    pub listen: SocketAddr,
    /// Where probes and metrics are served, without.
    pub probes: SocketAddr,
    /// Its certificate.
    pub certificate: CertificateSource,
    /// Whose certificates a caller must have, as PEM; anybody may call where there is none.
    pub client_authority: Option<PathBuf>,
    /// How often Azure is read.
    pub refresh: Duration,
    /// How long an answer may take.
    pub deadline: Duration,
    /// How old an observation may be.
    pub max_age: Duration,
    /// How many reviews are judged at once.
    pub concurrency: usize,
    /// How long it goes on answering once it is told to end, so that no request is sent to one that is gone.
    pub drain: Duration,
    /// What is refused, and whom.
    pub policy: Policy,
    /// Consent, limits and protection.
    pub stack: Option<Stack>,
    /// The cluster.
    pub kubernetes: KubernetesClient,
    /// Azure.
    pub arm: ArmClient,
    /// What is read of Azure.
    pub targets: Targets,
    /// What is known of the cluster without looking.
    pub pinned: Facts,
    /// What day it is.
    pub today: fn() -> Day,
    /// The version of privlink.
    pub tool_version: &'static str,
    /// Is told of every decision.
    pub told: Arc<dyn Fn(&Decided) + Send + Sync>,
}

/// Where a certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// Files in PEM, read again when they change.
    Files {
        /// The certificate and those that vouch for it.
        certificate: PathBuf,
        /// Its key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
    /// An authority of its own.
    SelfSigned(SelfSigned),
}

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port can be opened.
    #[error("nothing can listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// There is no usable certificate to begin with.
    #[error("there is no certificate to serve with: {0}")]
    Certificate(String),
    /// The authority cannot be kept.
    #[error("the authority cannot be kept: {0}")]
    Authority(String),
}
