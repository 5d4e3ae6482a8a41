//! The model: what cloud-provider-azure, Azure and the API server make of what they are given, as
//! functions without effects, with the words in which all of privlink speaks of it.
//!
//! [`controller`] is what the cloud controller writes, [`arm`] what Azure stores and refuses,
//! [`kubernetes`] what the API server stores; [`recording`] holds all three to recordings of the real
//! controller. [`snapshot`] is one observation of both control planes, [`facts`] what the model needs to
//! know of a cluster.

pub mod annotation;
pub mod arm;
pub mod assumed;
pub mod compared;
pub mod controller;
pub mod date;
pub mod escape;
pub mod evidence;
pub mod facts;
pub mod gateway;
pub mod group;
pub mod kubernetes;
pub mod location;
pub mod marks;
pub mod node_id;
pub mod plural;
pub mod pointer;
pub mod reason;
pub mod recording;
pub mod redact;
pub mod resource_id;
pub mod snapshot;
pub mod unknown;
