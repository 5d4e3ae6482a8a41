//! Observes and applies: the asynchronous shell around the core.

pub mod observe;
pub mod retry;
