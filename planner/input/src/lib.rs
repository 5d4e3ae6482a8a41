//! The input: [`yaml`] becomes [`document`]s, documents become [`desired`] state; [`diagnostic`]s say
//! where something is wrong, what, and what to do about it.

pub mod annotation;
mod chunk;
pub mod desired;
pub mod diagnostic;
pub mod document;
pub mod drift_class;
pub mod rule;
pub mod schema;
pub mod stack_order;
pub mod yaml;

use privlink_model::{escape, kubernetes, marks, node_id, resource_id, unknown};
