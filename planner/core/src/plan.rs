//! The plan: changes, the steps that carry them out in order, and why it is refused.
//!
//! A plan is plain data. It survives JSON, holds no handle, closure or clock, and leaves no choices to
//! whoever carries it out: payload, order and precondition are in the step.

pub mod chain;

use std::collections::BTreeMap;
use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::{Action, Actor, Change, Effect};
use crate::connection_status::ConnectionStatus;
use crate::consumer::Consumer;
use crate::diagnostic::Span;
use crate::facts::Origin;
use crate::node_id::NodeId;
use crate::rule::{self, Code, Severity};

pub use crate::refusal::{Override, Refusal};

/// The version of the plan's JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "4.1";

/// What is to be done to reach desired state, and what it leads to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The version of privlink that made it.
    pub tool_version: String,
    /// The stack's name.
    pub stack: String,
    /// What it plans.
    pub mode: Mode,
    /// Whether it was made from a redacted snapshot: objects of other owners have pseudonyms in it, and it is not
    /// applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// What it is limited to, and what it re-creates although nothing differs.
    #[serde(default, skip_serializing_if = "Scope::is_default")]
    pub scope: Scope,
    /// What the prediction took the cluster to be.
    pub facts: Vec<FactNote>,
    /// What could not be read, which no prediction rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadNote>,
    /// Every object's change, in order of address; objects that stay only where there is a reason to show them.
    pub changes: Vec<Change>,
    /// What is done, each step behind those it needs.
    pub steps: Vec<Step>,
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// Why it is refused, if it is.
    pub refusals: Vec<Refusal>,
    /// Connections that wait for somebody's approval once all is done.
    pub awaiting_approval: Vec<Consumer>,
    /// The counts.
    pub summary: Summary,
    /// What to show when it is carried out.
    pub outputs: Vec<Output>,
    /// What depends on what among the objects that change, for a picture of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// The cluster and its resource group, as far as the Stack says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// The edits that bring about that consumers are disconnected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// How the same comes about with nobody disconnected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// The route that disconnects fewer than the plan, if one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteNote>,
    /// The consent by name that the plan makes use of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// The lines of the input that causes and findings name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excerpts: Vec<Excerpt>,
}

/// A cluster by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub resource_group: String,
}

/// An edit at the root of a chain of changes that disconnects consumers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The object whose document was edited.
    pub address: NodeId,
    /// As people call it.
    pub title: String,
    /// The field, by its shortest name: `azure-load-balancer-ipv4`. None if the whole object is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why the object changes.
    pub reason: String,
    /// Where the input says so, as `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What the field is now; absent when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// What the input says; absent when it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Value>,
}

/// How a change comes about with nobody disconnected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alternative {
    /// The object whose change disconnects: `explain` shows all of it.
    pub address: NodeId,
    /// In one sentence.
    pub summary: String,
    /// What to do, in order.
    pub steps: Vec<String>,
}

/// A sequence of edits that comes to the same as the plan and disconnects fewer consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteNote {
    /// How many consumers it disconnects.
    pub disconnects: usize,
    /// How many the plan disconnects.
    pub at_once: usize,
    /// How many edits it has.
    pub steps: usize,
}

/// Consent to disconnect one consumer, as the Stack's `allowDisconnects` gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consent {
    /// The endpoint, as the Stack names it.
    pub endpoint: String,
    /// The last day of it, such as `2026-12-05`.
    pub until: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A few lines of the input. Values that may be secret are masked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Excerpt {
    /// The place it is for, as `file:line:column`.
    pub place: String,
    /// The number of its first line, from 1.
    pub first_line: usize,
    /// The lines.
    pub lines: Vec<String>,
}

/// What is said of a plan that was made from a redacted snapshot.
pub const REDACTED: &str = "Planned from a redacted snapshot: objects of other owners have pseudonyms, and this plan cannot be applied.";

/// An object that changes, and another one that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The object.
    #[serde(rename = "object")]
    pub node: NodeId,
    /// What it depends on.
    #[serde(rename = "dependsOn")]
    pub on: NodeId,
    /// How, in words that stand between the two: `is on it`.
    pub why: String,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Reach desired state.
    #[default]
    Apply,
    /// Remove all that belongs to the stack.
    Destroy,
}

/// What a plan is limited to, and what it re-creates although nothing differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Only these objects and what they need; all, if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<NodeId>,
    /// Not these objects, nor what needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<NodeId>,
    /// Objects that are re-created whatever is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<NodeId>,
}

impl Scope {
    /// Whether nothing is limited and nothing forced.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadNote {
    /// A list's path, or a kind of Kubernetes objects.
    pub what: String,
    /// Why.
    pub why: String,
}

/// A fact about the cluster, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactNote {
    /// Its name, as in a Stack's `facts`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// `pinned`, `read`, `inferred` or `assumed`.
    #[schemars(with = "String")]
    pub source: Origin,
}

/// Something a reader of the plan should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its stable code.
    #[serde(deserialize_with = "rule::deserialize")]
    #[schemars(with = "String")]
    pub code: Code,
    /// How bad it is: as bad as its code says, but no error if it is pre-existing.
    #[schemars(with = "String")]
    pub severity: Severity,
    /// The object it is about.
    pub address: NodeId,
    /// What is so.
    pub message: String,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The place in the input it comes from, as `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Whether it is so before the plan, and the plan neither causes nor worsens it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pre_existing: bool,
}

impl Finding {
    /// A finding of the severity its code has, without help and place.
    pub fn new(code: Code, address: NodeId, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            address,
            message: message.into(),
            help: None,
            place: None,
            pre_existing: false,
        }
    }

    /// With the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With its place in the input.
    #[must_use]
    pub fn at(mut self, span: &Span) -> Self {
        self.place = Some(span.place().to_string());
        self
    }

    /// With its place in the input, as `file:line:column`, if it has one there.
    #[must_use]
    pub fn placed(mut self, place: Option<String>) -> Self {
        self.place = place;
        self
    }

    /// The same found before the plan: it holds nothing back.
    pub(crate) fn held_before(&mut self) {
        self.pre_existing = true;
        self.severity = self.severity.min(Severity::Warning);
    }
}

/// The refusal of a finding that is an error.
impl From<&Finding> for Refusal {
    fn from(finding: &Finding) -> Self {
        Self::of(
            finding.code,
            &finding.address,
            format!("{}: {}", finding.address, finding.message),
            Override::flag(format!("--accept {}", finding.code)),
        )
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number; every step it needs has a lower one.
    pub id: usize,
    /// The change it belongs to.
    pub change: NodeId,
    /// What is done.
    pub op: Op,
    /// The steps that must have succeeded before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<usize>,
    /// Resources no other step may write meanwhile, since Azure serialises them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
}

/// What a step does. Text in it may hold unknowns ([`crate::unknown`]) which steps before it make
/// known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Op {
    /// Applies a Service by server-side apply.
    ApplyService {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// All fields privlink owns.
        manifest: Value,
        /// The uid of the Service it was planned against; absent for one that was not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<String>,
    },
    /// Deletes a Service.
    DeleteService {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The uid it must have.
        uid: String,
    },
    /// Takes the stack's label off a Service, which is unmanaged from then on.
    ReleaseService {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The uid it must have.
        uid: String,
    },
    /// Makes the controller sync a Service whose Azure side is not as it would leave it.
    Nudge {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The value of `privlink.dev/sync` to set.
        to: String,
    },
    /// Waits until another tool has written a Service.
    AwaitService {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The fields it must have.
        manifest: Value,
    },
    /// Waits until Azure shows what the controller is predicted to make of a Service.
    AwaitController {
        /// The Service's namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What ARM must show.
        expect: Vec<Expectation>,
        /// Whether the Service itself must be gone, its finalizer removed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        gone: bool,
        /// Whether the controller is made to sync again once its caches are old: what somebody deleted
        /// shortly before, it believes to be there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// Writes a resource to ARM: a private endpoint, a DNS record or zone group.
    PutResource {
        /// Its id.
        id: String,
        /// Its whole body.
        body: Value,
        /// The etag it was read with; absent for one that was not there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        etag: Option<String>,
    },
    /// Deletes a resource from ARM.
    DeleteResource {
        /// Its id.
        id: String,
    },
    /// Waits until an endpoint's connection has a state.
    AwaitConnection {
        /// The endpoint's id.
        endpoint: String,
        /// The state, `Approved` or `Pending`; `Approved` satisfies either.
        #[schemars(with = "String")]
        status: ConnectionStatus,
    },
    /// Approves or rejects a connection on the provider's side.
    SetConnection {
        /// The Private Link Service's id.
        service: String,
        /// The endpoint at the other end.
        endpoint: String,
        /// `Approved` or `Rejected`.
        #[schemars(with = "String")]
        status: ConnectionStatus,
        /// The description the consumer will read.
        description: String,
    },
}

impl Op {
    /// What it does, in a word or two.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::ApplyService { .. } => "apply",
            Self::DeleteService { .. } | Self::DeleteResource { .. } => "delete",
            Self::ReleaseService { .. } => "release",
            Self::Nudge { .. } => "nudge",
            Self::AwaitService { .. } => "await",
            Self::AwaitController { .. } => "await controller for",
            Self::PutResource { .. } => "write",
            Self::AwaitConnection { .. } => "await connection of",
            Self::SetConnection { .. } => "set state of",
        }
    }
}

/// What ARM must show of one resource, or of a child inside one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expectation {
    /// The resource's id; a child's id stands for the entry of that name within its parent.
    pub id: String,
    /// Fields it must have; absent when it must be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<Value>,
    /// The alias or guid it must no longer have: another resource is to take its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
}

/// A value to show when the plan is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The object it belongs to.
    pub address: NodeId,
    /// What it is, such as `alias`.
    pub name: String,
    /// The resource it is read from; a child's id stands for the entry within its parent.
    pub id: String,
    /// Where the value is.
    pub from: OutputSource,
}

/// Where the value of an output is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutputSource {
    /// In a field of the resource, by its JSON pointer.
    Field(String),
    /// The address of the endpoint's network interface.
    NetworkInterface,
    /// The state of the endpoint's connection.
    Connection,
}

/// How many objects are created, changed, re-created and deleted. Connections that only follow their
/// endpoint or their Private Link Service are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Objects that are created.
    pub create: usize,
    /// Objects that change in place.
    pub update: usize,
    /// Objects that are deleted and created again.
    pub replace: usize,
    /// Objects that are deleted.
    pub delete: usize,
}

impl Counts {
    fn count(&mut self, action: Action) {
        match action {
            Action::Create => self.create += 1,
            Action::Update | Action::Adopt | Action::Approve | Action::Reject => self.update += 1,
            Action::Replace => self.replace += 1,
            Action::Delete => self.delete += 1,
            Action::Keep | Action::Await => {}
        }
    }

    /// All of them.
    pub const fn all(self) -> usize {
        self.create + self.update + self.replace + self.delete
    }
}

/// The counts of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// What privlink writes.
    pub privlink: Counts,
    /// What the controller makes of it.
    pub controller: Counts,
    /// What other tools are to write.
    pub awaited: usize,
    /// Consumers that are disconnected, each once.
    pub consumers_disconnected: usize,
    /// Connections that wait for approval once all is done.
    pub awaiting_approval: usize,
}

impl Summary {
    /// Counts.
    pub fn of(changes: &[Change], awaiting_approval: usize) -> Self {
        let mut summary = Self { awaiting_approval, ..Self::default() };
        for change in changes.iter().filter(|it| !it.only_follows()) {
            match change.actor {
                Actor::Privlink => summary.privlink.count(change.action),
                Actor::Controller => summary.controller.count(change.action),
                Actor::External(_) if change.is_change() => summary.awaited += 1,
                Actor::External(_) | Actor::Azure | Actor::Consumer => {}
            }
        }
        summary.consumers_disconnected = disconnected(changes).len();
        summary
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.create += other.create;
        self.update += other.update;
        self.replace += other.replace;
        self.delete += other.delete;
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.privlink += other.privlink;
        self.controller += other.controller;
        self.awaited += other.awaited;
        self.consumers_disconnected += other.consumers_disconnected;
        self.awaiting_approval += other.awaiting_approval;
    }
}

/// The consumers that changes disconnect, each once, in order of their endpoint's id.
pub fn disconnected(changes: &[Change]) -> Vec<&Consumer> {
    let mut consumers: BTreeMap<String, &Consumer> = BTreeMap::new();
    for change in changes {
        if let Effect::ConsumersDisconnected(list) = &change.effect {
            for consumer in list {
                consumers.entry(consumer.endpoint.to_lowercase()).or_insert(consumer);
            }
        }
    }
    consumers.into_values().collect()
}

impl Plan {
    /// An object's change.
    pub fn change(&self, address: &NodeId) -> Option<&Change> {
        let at = self.changes.binary_search_by(|it| it.address.cmp(address)).ok()?;
        self.changes.get(at)
    }

    /// The changes that bring a change about, each brought about by the next; the last is the root.
    pub fn chain_to(&self, change: &Change) -> Vec<&Change> {
        let mut chain: Vec<&Change> = Vec::new();
        let mut next = change.brought_about_by.as_ref();
        while let Some(found) = next.and_then(|at| self.change(at)) {
            let seen = chain.iter().any(|it| it.address == found.address);
            if seen || found.address == change.address {
                break;
            }
            chain.push(found);
            next = found.brought_about_by.as_ref();
        }
        chain
    }

    /// Lines of the input at a place.
    pub fn excerpt(&self, place: &str) -> Option<&Excerpt> {
        self.excerpts.iter().find(|it| it.place == place)
    }

    /// The findings that are not told by what disconnects already.
    pub fn untold(&self) -> impl Iterator<Item = &Finding> {
        let recreated = |finding: &Finding| {
            let link =
                NodeId::new(crate::node_id::Kind::PrivateLinkService, finding.address.name.clone());
            finding.code == rule::LINK_RECREATED
                && self.change(&link).is_some_and(|it| it.effect != Effect::None)
        };
        self.findings.iter().filter(move |it| !recreated(it))
    }

    /// The refusals that no finding tells.
    pub fn objections(&self) -> impl Iterator<Item = &Refusal> {
        let is_told = |refusal: &&Refusal| {
            self.findings
                .iter()
                .any(|it| it.code == refusal.code && refusal.address.as_ref() == Some(&it.address))
        };
        self.refusals.iter().filter(move |it| !is_told(it))
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.changes.iter().any(Change::is_change)
    }
}
