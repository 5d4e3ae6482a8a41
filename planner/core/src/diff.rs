//! The diff: desired state against what is observed, with what the controller will make of it, as
//! changes and drafts of steps.
//!
//! Each part looks at one kind of node: [`service`] at Services, [`controller`] at what the controller
//! makes of them, [`finish`] at what one sync leaves for the next, [`endpoint`] at private endpoints and their connections, [`approval`] at connections
//! of others, [`dns`] at records; [`selection`] says which of them a plan is about. Ownership is settled by what each part looks at; nothing is
//! filtered afterwards.

pub mod approval;
mod awaited;
pub mod controller;
pub mod dns;
pub mod draft;
pub mod endpoint;
pub mod finish;
mod ownership;
pub(crate) mod rules;
pub mod selection;
pub mod service;

use crate::change::Change;
use crate::consumer::Consumer;
use crate::plan::{Finding, Refusal};

use draft::Draft;

/// What the parts of a diff gather.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// Changes, in no order.
    pub changes: Vec<Change>,
    /// Drafts of steps, in no order.
    pub drafts: Vec<Draft>,
    /// Findings, in no order.
    pub findings: Vec<Finding>,
    /// Refusals, in no order.
    pub refusals: Vec<Refusal>,
    /// Connections that will wait for approval.
    pub awaiting_approval: Vec<Consumer>,
}
