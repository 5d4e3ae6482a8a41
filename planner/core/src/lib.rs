//! The pure core of privlink: text in, data out.
//!
//! Everything here is synchronous and free of effects. Files become [`document`]s, documents become
//! [`desired`] state, desired state becomes a [`graph`]; the [`controller`] and [`arm`] models predict
//! what cloud-provider-azure and Azure will make of it; [`diff`] compares the prediction with a
//! [`snapshot`]; [`plan`] orders what is to be done; [`render`] prints it.

pub mod address;
pub mod annotation;
pub mod arm;
pub mod assumed;
pub mod binding;
pub mod change;
pub mod code;
mod compare;
pub mod controller;
pub mod desired;
pub mod diagnostic;
pub mod diff;
pub mod document;
pub mod drift;
pub mod event;
pub mod explanation;
pub mod facts;
pub mod finding;
pub mod forget;
pub mod frontier;
pub mod graph;
pub mod import;
pub mod known;
pub mod kubernetes;
pub mod limit;
mod order;
pub mod plan;
pub mod planning;
mod pointer;
pub mod prediction;
pub mod preflight;
pub mod reason;
pub mod recording;
pub mod rehearsal;
pub mod render;
pub mod report;
pub mod resource_id;
mod safety;
pub mod saved;
pub mod schema;
pub mod snapshot;
pub mod stack_graph;
pub mod unknown;
mod view;
pub mod yaml;
