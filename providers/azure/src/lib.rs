//! privlink's client of Azure Resource Manager (ARM).
//!
//! [`ArmClient`] reads, lists and writes ARM resources as JSON: reads keep what they do not know, and a
//! write sends back the whole document with a [`Precondition`]. It speaks ARM's own protocols (paging,
//! long-running operations, throttling), talks to the one origin its [`Cloud`] names, and sorts every
//! failure by [`ErrorKind`].
//!
//! Reads and polls are retried inside the client, since a repeated GET changes nothing. Writes are sent
//! once: whether a write is repeated is the caller's decision. Every future here may be dropped at any
//! time; a running operation is then followed with [`ArmClient::resume`], from the [`Operation`] last
//! reported.

pub mod api_version;
mod authorization;
mod budget;
mod client;
mod clock;
mod cloud;
mod error;
mod identity;
mod operation;
#[cfg(test)]
mod testing;
mod transport;

pub use authorization::leads_to;
pub use budget::{Share, WrongShare};
pub use client::{ArmClient, Calls, Deletion, Precondition, Settings};
pub use cloud::Cloud;
pub use error::{ArmDetail, ArmError, NestedError};
pub use identity::{Environment, Identity};
pub use operation::{Follow, Operation, Progress, Verb, Wait};
pub use privlink_http::failure::{Doing, ErrorKind};
pub use privlink_http::retry::Retry;

/// What the client calls itself.
pub(crate) const USER_AGENT: &str = concat!("privlink/", env!("CARGO_PKG_VERSION"));
