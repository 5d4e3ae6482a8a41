//! The ARM model: what Azure stores, defaults, allocates and refuses.
//!
//! - [`world::World`] is everything Azure holds: typed resources in ARM's own JSON spelling (unknown
//!   fields are kept), cheap to clone since every resource is behind an [`std::sync::Arc`]. Filled with
//!   [`world::World::insert`] from ARM JSON, read back with [`world::World::get`] and
//!   [`world::World::list`].
//! - [`azure::Azure`] is a world together with the [`rules::Rules`] it obeys and the [`allocator::Allocator`] of
//!   what Azure allocates (etags, addresses, aliases, guids). Its `put`, `get` and `delete`
//!   work on ids and JSON for any resource; the typed methods (`put_load_balancer`, ...) are what the
//!   controller model calls.
//! - Refusals are [`error::ArmError`]s with ARM's status, code and message.
//!
//! In a prediction the allocator is [`allocator::Unknowns`]: what Azure will allocate is
//! [unknown](crate::unknown). A simulator passes an allocator of real values.

pub mod address;
pub mod allocator;
pub mod arm_type;
pub mod azure;
mod backend;
pub mod delegation;
pub mod dns;
pub mod error;
pub mod load_balancer;
mod name;
mod network_interface;
mod network_security_group;
pub mod private_endpoint;
mod private_link_service;
pub mod provisioned;
mod public_ip_address;
pub mod resource;
pub mod rules;
mod scale_set;
mod subnet;
pub mod world;
pub mod write;
mod zone_group;
