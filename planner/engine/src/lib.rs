//! Observes and applies: the asynchronous shell around the core.

pub mod apply;
pub mod departure;
mod execute;
pub mod home;
pub mod journal;
pub mod lock;
pub mod observe;
pub mod outputs;
mod patience;
pub mod preflight;
pub mod rehearsal;
pub mod resume;
mod retry;
pub mod run;
pub mod session;
pub mod span;
mod wait;
