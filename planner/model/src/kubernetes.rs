//! Kubernetes' side: the Service as the API server stores it, its defaults, server-side apply.

pub mod defaults;
pub mod managers;
pub mod node;
pub mod server_side_apply;
pub mod service;
pub mod sync_events;
pub mod validation;
