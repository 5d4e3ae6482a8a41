//! What a plan is made from: what the stack wants, what is live, facts, and what the user chose.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use crate::date::Day;
use crate::desired::PrivateEndpoint;
use crate::diagnostic::Span;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::kubernetes::service::Key;
use crate::node::{dns_record, private_endpoint};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Mode, Scope};
use crate::resource_id::ResourceId;
use crate::rule::Code;
use crate::wanted::{Endpoints, Identified};

/// The units of a plan, and which of them it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The units the plan is about; all, if nothing limits it.
    pub covered: Option<BTreeSet<NodeId>>,
    /// The units to be re-created.
    pub replaced: BTreeSet<NodeId>,
}

impl Selection {
    /// All units, none of them re-created.
    const ALL: &'static Self = &Self { covered: None, replaced: BTreeSet::new() };

    /// Whether the plan is about this unit.
    pub fn covers(&self, unit: &NodeId) -> bool {
        self.covered.as_ref().is_none_or(|covered| covered.contains(unit))
    }

    /// Whether the plan is about some units only.
    pub fn is_limited(&self) -> bool {
        self.covered.is_some()
    }

    /// Whether this unit is re-created even if nothing differs.
    pub fn replaces(&self, unit: &NodeId) -> bool {
        self.replaced.contains(unit)
    }
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What the stack wants.
    pub(crate) wanted: &'a Identified<'a>,
    /// What is live.
    pub(crate) live: &'a Inventory<'a>,
    /// What the model takes the cluster to be.
    pub facts: &'a Facts,
    /// What the user chose.
    pub options: &'a Options,
    /// The units that the plan is about.
    pub(crate) selection: &'a Selection,
    /// Told when a stage begins; what it returns is dropped when the stage ends. The shell measures with it; the core has
    /// no clock.
    pub(crate) entered: fn(Stage) -> Box<dyn Any>,
}

/// A desired endpoint, with what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Named<'a> {
    /// Its address.
    pub(crate) at: NodeId,
    /// Its id.
    pub(crate) id: ResourceId,
    /// Its document.
    pub(crate) wanted: &'a PrivateEndpoint,
}

impl<'a> Named<'a> {
    fn new(wanted: &'a PrivateEndpoint, subscription: &str) -> Self {
        let at = private_endpoint::address(&wanted.name.value);
        Self { at, id: private_endpoint::id(wanted, subscription), wanted }
    }

    /// The address of its connection.
    pub(crate) fn connection(&self) -> NodeId {
        NodeId::new(Kind::EndpointConnection, self.at.name.clone())
    }

    /// The id of its subnet.
    pub(crate) fn subnet(&self) -> ResourceId {
        private_endpoint::subnet_id(self.wanted, &self.id)
    }

    /// What keeps its name: the address and the id.
    pub(crate) fn record(&self) -> Option<(NodeId, ResourceId)> {
        dns_record::target(self.wanted, &self.id)
    }
}

/// A part of planning that is worth a look of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What the controller and Azure make of the changes.
    Predict,
}

/// Nobody listens. A box of nothing is no allocation.
fn unheard(_: Stage) -> Box<dyn Any> {
    Box::new(())
}

/// What the user chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Apply or destroy.
    pub mode: Mode,
    /// That every Service is for others to write, whatever marks it has: privlink only says what comes of it.
    pub guard: Option<Guarded>,
    /// Whether objects that exist and are unmanaged, or kubectl's, are allowed to be adopted.
    pub adopt: bool,
    /// How many consumers the plan is allowed to disconnect; overrides the Stack.
    pub max_disconnects: Option<usize>,
    /// What day it is: the core has no clock. Without one, consent that ends is none.
    pub today: Option<Day>,
    /// How many nodes may be deleted, whatever the Stack says.
    pub max_deletes: Option<usize>,
    /// Protected nodes that are allowed to be deleted anyway.
    pub unprotect: Vec<String>,
    /// Findings that are errors and do not block the plan.
    pub accept: Vec<Code>,
    /// What the plan is limited to, and what it re-creates.
    pub scope: Scope,
    /// The version of privlink.
    pub tool_version: String,
}

/// Services that others write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// Those of them that are about to be deleted, as far as they are there and desired state has them not, with where they
    /// were written until now.
    pub gone: BTreeMap<Key, Span>,
}

impl<'a> Input<'a> {
    /// What a plan is made from, limited by nothing yet.
    pub const fn new(
        wanted: &'a Identified<'a>,
        live: &'a Inventory<'a>,
        facts: &'a Facts,
        options: &'a Options,
    ) -> Self {
        Self { wanted, live, facts, options, selection: Selection::ALL, entered: unheard }
    }

    /// The same, limited to some of its units.
    #[must_use]
    pub(crate) const fn limited_to(self, selection: &'a Selection) -> Self {
        Self { selection, ..self }
    }

    /// The same, with somebody told when a stage begins.
    #[must_use]
    pub const fn heard_by(self, entered: fn(Stage) -> Box<dyn Any>) -> Self {
        Self { entered, ..self }
    }

    /// The endpoints of this stack, wanted or live.
    pub fn own(&self) -> &'a Endpoints {
        self.wanted.own()
    }

    /// The desired endpoints, in order of their documents' names.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = Named<'a>> + use<'a> {
        let subscription = self.facts.subscription.as_str();
        self.wanted.endpoints().map(|wanted| Named::new(wanted, subscription))
    }

    /// A desired endpoint, by the name of its document.
    pub(crate) fn endpoint(&self, name: &str) -> Option<Named<'a>> {
        self.wanted.endpoint(name).map(|wanted| Named::new(wanted, &self.facts.subscription))
    }

    /// Whether the plan is about this unit, see [`selection`].
    pub fn covers(&self, unit: &NodeId) -> bool {
        self.selection.covers(unit)
    }

    /// Whether the plan is about some units only.
    pub fn is_limited(&self) -> bool {
        self.selection.is_limited()
    }

    /// Whether this unit is re-created even if nothing differs.
    pub fn replaces(&self, unit: &NodeId) -> bool {
        self.selection.replaces(unit)
    }

    /// Whether objects that left the desired state are deleted: only when exactly one Stack document
    /// says whose they are, or when everything is deleted.
    pub fn prunes(&self) -> bool {
        self.wanted.has_stack() || self.options.mode == Mode::Destroy
    }
}
