//! The core: desired state against what is observed.
//!
//! Everything here is synchronous and free of effects. [`planning`] predicts with the model what the
//! controller and Azure make of [`desired`] state, [`diff`] compares the prediction with a [`snapshot`],
//! [`plan`] says what is to be done, in which order; [`drift`], [`preflight`], [`import`] and
//! [`explanation`] read the same nodes. What is printed of it is `privlink-render`'s.

mod by_hand;
pub mod change;
pub mod connection_status;
pub mod consumer;
pub mod contradiction;
pub mod diff;
pub mod difference;
pub mod drift;
pub mod event;
pub mod explanation;
pub mod field_diff;
pub mod forget;
pub mod frontier;
pub mod graph;
pub mod guard;
mod health;
pub mod import;
pub mod input;
pub mod inventory;
pub mod join;
pub mod landed;
pub mod limit;
pub mod lint;
pub mod names;
pub mod node;
pub mod offer;
mod order;
pub mod plan;
pub mod planned;
pub mod planning;
pub mod prediction;
pub mod preflight;
mod provisioning;
pub mod refusal;
pub mod rehearsal;
pub mod report;
pub mod resolution;
pub mod route;
pub mod rule;
mod safety;
pub mod saved;
pub mod shard;
pub mod stack_graph;
pub mod staleness;
pub mod sync_progress;
pub mod token;
pub mod unread;
pub mod version;
pub mod wanted;
mod writer;

pub use privlink_input::{annotation, desired, diagnostic, document, schema, stack_order, yaml};
pub use privlink_model::{
    arm, assumed, compared, controller, date, escape, evidence, facts, group, kubernetes, location,
    marks, node_id, plural, pointer, reason, recording, redact, resource_id, snapshot, unknown,
};
