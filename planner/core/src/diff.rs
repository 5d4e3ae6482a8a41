//! The diff: desired state against what is observed, with what the controller will make of it, as
//! changes and drafts of steps.
//!
//! Each part looks at one kind of node: [`service`] at Services, [`controller`] at what the controller
//! makes of them, [`endpoint`] at private endpoints and their connections, [`approval`] at connections
//! of others, [`dns`] at records; [`selection`] says which of them a plan is about. Ownership is settled by what each part looks at; nothing is
//! filtered afterwards.

pub mod approval;
pub mod controller;
pub mod dns;
pub mod draft;
pub mod endpoint;
pub mod selection;
pub mod service;

use std::borrow::Cow;

use crate::address::Address;
use crate::change::{Change, Consumer};
use crate::code::Code;
use crate::desired::Desired;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::plan::{Finding, Mode, Refusal, Scope};
use crate::snapshot::Snapshot;

use draft::Draft;
use selection::Selection;

/// The label of a Service, and the tag of a resource, that says which stack owns it. Labels do not
/// make the controller sync (recording 279), annotations do.
pub const STACK_LABEL: &str = "privlink.dev/stack";
/// [`STACK_LABEL`] as a tag: ARM refuses `/` in the names of tags.
pub const STACK_TAG: &str = "privlink-stack";

/// The label of a Service or of a document that protects its node: `true` holds every plan back that
/// would delete or replace it.
pub const PROTECT_LABEL: &str = "privlink.dev/protect";
/// [`PROTECT_LABEL`] as a tag of an endpoint.
pub const PROTECT_TAG: &str = "privlink-protect";

/// The tag of an endpoint that says where privlink keeps its name, so that it is found when the document
/// no longer says: the id of a record, or the name of a zone group.
pub const DNS_TAG: &str = "privlink-dns";
/// The tags and metadata that privlink marks resources with.
pub const MARKS: [&str; 3] = [STACK_TAG, PROTECT_TAG, DNS_TAG];

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Desired state.
    pub desired: &'a Desired,
    /// What was observed.
    pub snapshot: &'a Snapshot,
    /// What the model takes the cluster to be.
    pub facts: &'a Facts,
    /// What the user chose.
    pub options: &'a Options,
    /// What the options limit the plan to, once it is found out: nothing before.
    pub selection: Option<&'a Selection>,
}

/// What the user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Apply or destroy.
    pub mode: Mode,
    /// Whether objects that exist and are nobody's, or kubectl's, may be taken over.
    pub adopt: bool,
    /// How many consumers may be cut off, whatever the Stack says.
    pub max_disconnects: Option<usize>,
    /// How many nodes may be deleted, whatever the Stack says.
    pub max_deletes: Option<usize>,
    /// Protected nodes that may go all the same.
    pub unprotect: Vec<String>,
    /// Findings that are errors and hold nothing back all the same.
    pub accept: Vec<Code>,
    /// What the plan is limited to, and what it makes anew.
    pub scope: Scope,
    /// The version of privlink.
    pub tool_version: String,
}

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

impl<'a> Input<'a> {
    /// What a plan is made from, limited by nothing yet.
    pub const fn new(
        desired: &'a Desired,
        snapshot: &'a Snapshot,
        facts: &'a Facts,
        options: &'a Options,
    ) -> Self {
        Self { desired, snapshot, facts, options, selection: None }
    }

    /// Desired state with what lives under another name under that one, see [`endpoint::settled`].
    pub fn settled(&self) -> Cow<'a, Desired> {
        endpoint::settled(self, &Inventory::of(self.snapshot))
    }

    /// Whether the plan is about this unit, see [`selection`].
    pub fn covers(&self, unit: &Address) -> bool {
        self.selection.is_none_or(|selection| selection.covers(unit))
    }

    /// Whether the plan is about some units only.
    pub fn is_limited(&self) -> bool {
        self.selection.is_some_and(Selection::is_limited)
    }

    /// Whether this unit is to be made anew whatever is found.
    pub fn replaces(&self, unit: &Address) -> bool {
        self.selection.is_some_and(|selection| selection.replaces(unit))
    }

    /// Whether objects that left the desired state are deleted: only when exactly one Stack document
    /// says whose they are, or when everything is to go.
    pub fn prunes(&self) -> bool {
        self.desired.stack.is_some() || self.options.mode == Mode::Destroy
    }
}
