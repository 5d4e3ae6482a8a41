//! What can go wrong in starting or keeping a sandbox.

use std::io;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The world file or its lock could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The world file is not one.
    #[error("{path} is not a sandbox world: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The world file has a version that this build cannot read: it was written by a newer build.
    #[error("{path} has format version {found}; this build reads {supported}", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: String,
        /// The version this build reads.
        supported: &'static str,
    },
    /// Another process uses the world.
    #[error("{path} is in use by another process{holder}", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// ` (pid N)`, or empty if it is not known.
        holder: String,
    },
    /// No port on 127.0.0.1 could be opened.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port asked for; 0 is any.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// No certificate could be made for TLS.
    #[error("no certificate for TLS can be made: {reason}")]
    Certificate {
        /// Why.
        reason: String,
    },
    /// The other API server cannot be used.
    #[error("{0}")]
    ApiServer(#[from] privlink_kubernetes::KubernetesError),
    /// The other API server is one of a cluster on Azure.
    #[error(
        "{cluster} has the node {node}, which runs on Azure and not in this world: it has a \
         controller of its own, and two would undo each other's work"
    )]
    OtherController {
        /// The connection.
        cluster: String,
        /// The Node.
        node: String,
    },
    /// The snapshot cannot be made into a world.
    #[error("the snapshot cannot be a world: {0}")]
    Snapshot(String),
}
