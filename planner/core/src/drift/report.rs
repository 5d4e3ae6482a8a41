//! What a look for drift found, as plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::plan::Need;

use super::class::{Class, Weight};
use super::repair::Repair;

/// The version of the report's JSON. Minor: a new optional field or a new class; major: all else.
pub const FORMAT_VERSION: &str = "2.1";

/// What a run found, over all its stacks.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The version of privlink that made it.
    pub tool_version: String,
    /// The stacks, in the order of their names.
    pub stacks: Vec<StackReport>,
    /// The counts.
    pub summary: Summary,
}

impl Report {
    /// The report of these stacks.
    pub fn new(tool_version: &str, mut stacks: Vec<StackReport>) -> Self {
        stacks.sort_by(|one, other| (&one.stack, &one.source).cmp(&(&other.stack, &other.source)));
        let mut summary = Summary { stacks: stacks.len(), ..Summary::default() };
        for stack in &stacks {
            summary.drift += stack.count(Weight::Drift);
            summary.unverified += stack.count(Weight::Unverified);
            summary.notes += stack.count(Weight::Note);
            summary.unreadable += stack.unreadable.len();
            summary.failed += usize::from(stack.error.is_some());
        }
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            tool_version: tool_version.to_owned(),
            stacks,
            summary,
        }
    }

    /// Whether there is drift.
    pub fn has_drift(&self) -> bool {
        self.summary.drift > 0
    }

    /// Whether everything was looked at.
    pub fn is_complete(&self) -> bool {
        self.summary.unreadable == 0 && self.summary.failed == 0
    }
}

/// How much of what, over all stacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Stacks looked at.
    pub stacks: usize,
    /// Differences that are drift.
    pub drift: usize,
    /// Differences that depend on assumed facts.
    pub unverified: usize,
    /// Differences worth knowing only.
    pub notes: usize,
    /// Lists and objects that could not be read.
    pub unreadable: usize,
    /// Stacks that could not be looked at.
    pub failed: usize,
}

/// What was found in one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StackReport {
    /// The stack's name.
    pub stack: String,
    /// Where its desired state was read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// When the cluster and Azure were looked at, in RFC 3339; empty if they were not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub observed_at: String,
    /// What showed Azure in place of ARM; absent where ARM did, as it does of everything that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Screen>,
    /// How long that took, in seconds; absent for a saved observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe_seconds: Option<f64>,
    /// Why it could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// All objects looked at, in order of address.
    #[serde(rename = "objects")]
    pub nodes: Vec<Node>,
    /// What depends on what among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// What differs, in order of address and class.
    pub differences: Vec<Difference>,
    /// What could not be read.
    pub unreadable: Vec<Unread>,
}

impl StackReport {
    /// A stack that could not be looked at.
    pub fn failed(stack: &str, source: &str, error: impl Into<String>) -> Self {
        Self {
            stack: stack.to_owned(),
            source: source.to_owned(),
            error: Some(error.into()),
            ..Self::default()
        }
    }

    /// How many differences weigh so.
    pub fn count(&self, weight: Weight) -> usize {
        self.differences.iter().filter(|it| it.class.weight() == weight).count()
    }

    /// Whether everything was looked at.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.unreadable.is_empty()
    }

    /// The differences of an object.
    pub fn of<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a Difference> {
        self.differences.iter().filter(move |difference| difference.address == *address)
    }
}

/// A copy of Azure that showed nothing to report: what happened lately may not be in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Screen {
    /// Which.
    pub source: ScreenSource,
    /// When it was read, in RFC 3339. What it showed was older, by nobody knows how much.
    pub read_at: String,
}

/// A copy of Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScreenSource {
    /// Azure Resource Graph.
    ResourceGraph,
}

/// One object that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// The object.
    pub address: Address,
    /// As people call it.
    pub title: String,
    /// How it stands: the worst of its differences.
    pub state: State,
}

/// How an object stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    InSync,
    /// It has a note only.
    Noted,
    /// A difference depends on an assumed fact.
    Unverified,
    /// It drifted.
    Drifted,
    /// It could not be looked at.
    Unreadable,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What kind of difference.
    pub class: Class,
    /// How much that weighs.
    pub weight: Weight,
    /// The object.
    pub address: Address,
    /// As people call it: `Private Link Service my-pls`.
    pub title: String,
    /// Its name in its own control plane: an ARM id, or `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What is so, in a sentence.
    pub message: String,
    /// Who made it.
    pub cause: Cause,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Whether it goes away without anybody doing anything.
    pub heals: Heals,
    /// What repairs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// Consumers that the repair disconnects, or else the controller's next sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disconnects: Vec<String>,
    /// The assumed fact it depends on.
    #[serde(rename = "dependsOn", default, skip_serializing_if = "Option::is_none")]
    pub hangs_on: Option<String>,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// The field, in dotted form with ARM's or Kubernetes' spelling.
    pub path: String,
    /// What it should be; absent when it should not be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Value>,
    /// Whether `wanted`, or a part of it, is handed out later, and words stand in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wanted_unknown: bool,
    /// What it is; absent when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
}

/// Who made a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// Who.
    pub by: By,
    /// The field manager, of who wrote to Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// When, in RFC 3339, as far as it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The newest event of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<LastEvent>,
    /// Who last changed the resource, where Azure shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<LastModified>,
    /// When it was still otherwise, by the earlier look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Cause {
    /// A cause of which nothing else is known.
    pub fn by(by: By) -> Self {
        Self { by, manager: None, at: None, event: None, last_modified: None, after: None }
    }
}

/// Who makes differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Somebody or something that wrote to the Kubernetes API.
    SomebodyInKubernetes,
    /// The tool that keeps the Services, such as Argo CD.
    Tool,
    /// The cloud controller.
    Controller,
    /// Azure, or somebody who wrote to it.
    AzureOrSomebodyInIt,
    /// The provider of a Private Link Service, or who deleted it.
    Provider,
    /// The party at the other end of a connection.
    Consumer,
    /// Whoever changed desired state without applying it.
    DesiredState,
    /// It does not show.
    Unknown,
}

impl By {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SomebodyInKubernetes => "somebody in Kubernetes",
            Self::Tool => "the tool that keeps the Services",
            Self::Controller => "the controller",
            Self::AzureOrSomebodyInIt => "Azure, or somebody in it",
            Self::Provider => "the provider",
            Self::Consumer => "the consumer",
            Self::DesiredState => "desired state, which moved on",
            Self::Unknown => "an unknown writer",
        }
    }
}

/// The newest event of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastEvent {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Such as `SyncLoadBalancerFailed`.
    pub reason: String,
    /// What it says.
    pub message: String,
    /// When, in RFC 3339.
    pub at: String,
}

/// Who last changed a resource in Azure (`systemData`, which not every type has).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastModified {
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Whether a difference goes away by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Heals {
    /// No.
    No,
    /// The controller is on it, or tries again.
    Soon,
    /// With the Service's next sync, whatever starts that; nothing does by itself (findings 33 and 34).
    NextSync,
    /// When the tool that keeps the Services writes them.
    Tool,
}

impl Heals {
    /// As it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Soon => "the controller is on it",
            Self::NextSync => "only with the Service's next sync, which nothing starts by itself",
            Self::Tool => "when the tool that keeps the Services writes them",
        }
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// A list's path, a kind of Kubernetes objects, or an object.
    pub what: String,
    /// Why.
    pub why: String,
}
