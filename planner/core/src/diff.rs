//! The diff: desired state against what is observed, with what the controller will make of it, as
//! changes and drafts of steps.
//!
//! Each part looks at one kind of node: [`service`] at Services, [`controller`] at what the controller
//! makes of them, [`finish`] at what one sync leaves for the next, [`endpoint`] at private endpoints and their connections, [`approval`] at connections
//! of others, [`dns`] at records; [`trial`] puts what is written to the model of Azure; [`selection`] says which of them a plan is about. Ownership is settled by what each part looks at; nothing is
//! filtered afterwards.

pub mod approval;
mod awaited;
pub mod controller;
pub mod dns;
pub mod draft;
pub mod endpoint;
pub mod finish;
pub(crate) mod ownership;
pub(crate) mod rules;
pub mod selection;
pub mod service;
pub mod trial;

use std::collections::BTreeSet;

use crate::change::Change;
use crate::consumer::Consumer;
use crate::plan::{Finding, Refusal};

use draft::{Draft, DraftKey};

/// What one part of a diff comes to. No part changes what another came to: what a step of another part has to wait for
/// is a need of its own.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Changes, in no order.
    pub changes: Vec<Change>,
    /// Drafts of steps, in no order.
    pub drafts: Vec<Draft>,
    /// What a draft has to wait for beside what it says itself: the draft, and what comes before it. One of a draft that
    /// does not exist counts for nothing.
    pub needs: Vec<(DraftKey, DraftKey)>,
    /// Findings, in no order.
    pub findings: Vec<Finding>,
    /// Refusals, in no order.
    pub refusals: Vec<Refusal>,
    /// Connections that will wait for approval.
    pub awaiting_approval: Vec<Consumer>,
}

impl Part {
    /// With what another part comes to.
    pub fn add(&mut self, other: Self) {
        let Self { changes, drafts, needs, findings, refusals, awaiting_approval } = other;
        self.changes.extend(changes);
        self.drafts.extend(drafts);
        self.needs.extend(needs);
        self.findings.extend(findings);
        self.refusals.extend(refusals);
        self.awaiting_approval.extend(awaiting_approval);
    }

    /// The names of the drafts.
    pub(crate) fn drafted(&self) -> BTreeSet<&DraftKey> {
        self.drafts.iter().map(|draft| &draft.key).collect()
    }
}
