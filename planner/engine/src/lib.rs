//! Observes and applies: the asynchronous shell around the core.

pub mod apply;
pub mod execute;
pub mod journal;
pub mod observe;
pub mod outputs;
pub mod patience;
pub mod preflight;
pub mod resume;
pub mod retry;
pub mod session;
pub mod wait;
