//! The plan: changes, the steps that carry them out in order, and what speaks against it.
//!
//! A plan is plain data. It survives JSON, holds no handle, closure or clock, and leaves no choices to
//! whoever carries it out: payload, order and precondition are in the step.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::change::{Action, Actor, Change, Effect};
use crate::code::{Code, Severity};
use crate::node::consumer::Consumer;

/// The version of the plan's JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "1.0";

/// What is to be done to reach desired state, and what comes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether it was made from a redacted snapshot: what is somebody else's has pseudonyms in it, and it is not
    /// applied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// What it is limited to, and what it makes anew although nothing differs.
    #[serde(default, skip_serializing_if = "Scope::is_default")]
    pub scope: Scope,
    /// What the prediction took the cluster to be.
    pub facts: Vec<FactNote>,
    /// Every node's change, in order of address; nodes that stay only where there is a reason to tell.
    pub changes: Vec<Change>,
    /// What is done, each step behind those it needs.
    pub steps: Vec<Step>,
    /// What a reader should know.
    pub findings: Vec<Finding>,
    /// What speaks against carrying it out.
    pub refusals: Vec<Refusal>,
    /// Connections that wait for somebody's approval once all is done.
    pub awaiting_approval: Vec<Consumer>,
    /// The counts.
    pub summary: Summary,
    /// What to show when it is carried out.
    pub outputs: Vec<Output>,
    /// What hangs on what among the nodes that change, for a picture of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
}

/// What is said of a plan that was made from a redacted snapshot.
pub const REDACTED: &str = "Planned from a redacted snapshot: what is somebody else's has pseudonyms, and this plan cannot be applied.";

/// A node that changes, and another one that it hangs on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The node.
    pub node: Address,
    /// What it hangs on.
    pub on: Address,
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

/// What a plan is limited to, and what it makes anew although nothing differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// Only these nodes and what they need; all, if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Address>,
    /// Not these nodes, nor what needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<Address>,
    /// Nodes that are made anew whatever is found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<Address>,
}

impl Scope {
    /// Whether nothing is limited and nothing forced.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
    pub source: String,
}

/// Something a reader of the plan should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its stable code.
    #[schemars(with = "String")]
    pub code: Code,
    /// How bad it is.
    #[schemars(with = "String")]
    pub severity: Severity,
    /// The node it is about.
    pub address: Address,
    /// What is so.
    pub message: String,
    /// The way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The place in the input it comes from, as `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// A safety rule that does not let the plan be carried out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The rule's code.
    #[schemars(with = "String")]
    pub code: Code,
    /// What it holds against the plan.
    pub message: String,
    /// The flag, or the field of the Stack, that overrides it.
    pub overridden_by: String,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its number; every step it needs has a lower one.
    pub id: usize,
    /// The change it belongs to.
    pub change: Address,
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
    /// Takes the stack's label off a Service, which is nobody's from then on.
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
        /// The Service, as `namespace/name`.
        service: String,
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
        status: String,
    },
    /// Approves or rejects a connection on the provider's side.
    SetConnection {
        /// The Private Link Service's id.
        service: String,
        /// The endpoint at the other end.
        endpoint: String,
        /// `Approved` or `Rejected`.
        status: String,
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
    /// The node it belongs to.
    pub address: Address,
    /// What it is, such as `alias`.
    pub name: String,
    /// The resource it is read from; a child's id stands for the entry within its parent.
    pub id: String,
    /// The JSON pointer of the value within it.
    pub pointer: String,
}

/// How much of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Nodes that come, replaced ones included.
    pub add: usize,
    /// Nodes that change in place.
    pub change: usize,
    /// Nodes that go, replaced ones included.
    pub destroy: usize,
}

impl Counts {
    fn count(&mut self, action: Action) {
        match action {
            Action::Create => self.add += 1,
            Action::Update | Action::Adopt | Action::Approve | Action::Reject => self.change += 1,
            Action::Replace => {
                self.add += 1;
                self.destroy += 1;
            }
            Action::Delete => self.destroy += 1,
            Action::Keep | Action::Await => {}
        }
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
    /// Consumers that are cut off, each once.
    pub consumers_disconnected: usize,
    /// Connections that wait for approval once all is done.
    pub awaiting_approval: usize,
}

impl Summary {
    /// Counts.
    pub fn of(changes: &[Change], awaiting_approval: usize) -> Self {
        let mut summary = Self { awaiting_approval, ..Self::default() };
        for change in changes {
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
        self.add += other.add;
        self.change += other.change;
        self.destroy += other.destroy;
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

/// The consumers that changes cut off, each once, in order of their endpoint's id.
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
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.changes.iter().any(Change::is_change)
    }
}
