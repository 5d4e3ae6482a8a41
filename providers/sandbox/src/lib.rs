//! A simulator of the Kubernetes API and Azure Resource Manager on loopback.
//!
//! [`Sandbox::start`] serves both over real HTTP on 127.0.0.1, with the controller model acting
//! between them in a task of its own, so that the same clients, retries and polling are exercised
//! that meet a cluster and Azure. All that it knows is a [`World`], held in a file or in memory; an
//! accepted write is in the file before its answer is sent.
//!
//! - [`kubernetes`]: the Kubernetes API: storage, server-side apply, watches.
//! - [`azure`]: ARM's wire: paths, long-running operations, paging, who may do what. What Azure
//!   stores and refuses is the core's ARM model.
//! - [`controller`]: the loop that runs the core's controller model on Service changes.
//! - `api_server`: another API server in place of the sandbox's own.
//! - [`fault`]: what can be made to go wrong.
//!
//! Never a panic, never a print: what goes wrong is an [`Error`] or an HTTP answer.

mod api_server;
mod azure;
mod clock;
mod controller;
mod error;
mod fault;
mod kubernetes;
mod request_log;
mod server;
mod state;
pub mod world;

pub use azure::directory::Permission;
pub use error::Error;
pub use fault::{Effect, Fault};
pub use request_log::Entry;
pub use server::{Running, Sandbox, TOKEN};
pub use state::{ControllerMode, SandboxOptions, WorldSource};
pub use world::World;
