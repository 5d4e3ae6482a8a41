//! privlink's client of the Kubernetes API.
//!
//! [`KubernetesClient`] reads Services, Nodes and Events as JSON, as the API server gives them, and
//! writes Services by server-side apply as the field manager `privlink`; it never forces a field away
//! from another manager. [`Lock`] is a Lease that keeps two applies apart, and [`Wakeups`] a watch that
//! says when to look again.
//!
//! Nothing is retried here: whether a call is repeated is the caller's decision, and each error's
//! [`ErrorKind`] says whether that helps. Every future may be dropped at any time.

mod call;
mod client;
mod connection;
mod error;
mod lease;
#[cfg(test)]
mod testing;
mod watch;

pub use call::{Call, escape, requests};
pub use client::{Deletion, KubernetesClient};
pub use connection::{Connection, Settings, contexts};
pub use error::{Conflict, KubernetesDetail, KubernetesError, StatusCause};
pub use kube::core::{params, request};
pub use lease::{Acquisition, Holder, KeptLock, Lock};
pub use privlink_http::failure::{Doing, ErrorKind};
pub use watch::{Wakeups, Watched};

/// What the client calls itself.
pub(crate) const USER_AGENT: &str = concat!("privlink/", env!("CARGO_PKG_VERSION"));
