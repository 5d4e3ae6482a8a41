//! `drift` against the sandbox: every class of difference, who made it, and what repairs it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod alike;
mod azure;
mod consumer;
mod formats;
mod known;
mod kubernetes;
mod manifests;
mod many;
mod orphan;
mod snapshot;
#[path = "../support/mod.rs"]
mod support;
mod world;
