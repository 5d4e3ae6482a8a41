//! The controller model: what cloud-provider-azure writes.
//!
//! [`sync::sync`] is one reaction of the controller: it takes Azure as it is, the cluster as the
//! controller sees it, the controller's [`memory::Memory`] (caches with ages, pending retries, what it
//! last synced), and a [`sync::Trigger`], and changes Azure and the memory. What it did is a
//! [`outcome::Reaction`]: per Service the ordered writes, events, status, finalizers and error.
//!
//! [`predict::predict`] folds it over the Services of a cluster, live ones first, then by namespace
//! and name: the final world, and an outcome per Service. It is what plans use.

pub mod memory;
pub mod outcome;
pub mod predict;
pub mod sync;
