//! What a look for drift found, as plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::node_id::NodeId;
use crate::plan::Need;
use crate::shard::{self, Shard};
use crate::sync_progress::LastEvent;

use super::repair::Repair;
use super::{Class, Weight};

/// The version of the report's JSON. Minor: a new optional field or a new class; major: all else.
pub const FORMAT_VERSION: &str = "3.0";

/// What a run found, over all its stacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The version of privlink that made it.
    pub tool_version: String,
    /// The folder that the stacks are below, where several were looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// The part of the stacks that it is about, if it is not about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Parts of the stacks of which nothing is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_shards: Vec<Shard>,
    /// Whether it was compared with an earlier report: what is new is marked, and what is gone is named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compared: bool,
    /// The stacks, in the order of their names.
    pub stacks: Vec<StackReport>,
    /// The counts.
    pub summary: Summary,
}

impl Report {
    /// The report of these stacks.
    pub fn new(tool_version: &str, stacks: Vec<StackReport>) -> Self {
        let mut report = Self {
            format_version: FORMAT_VERSION.to_owned(),
            tool_version: tool_version.to_owned(),
            folder: String::new(),
            shard: None,
            missing_shards: Vec::new(),
            compared: false,
            stacks,
            summary: Summary::default(),
        };
        report.sort_and_count();
        report
    }

    /// Sorts the stacks, and counts what is in them.
    pub(super) fn sort_and_count(&mut self) {
        self.stacks
            .sort_by(|one, other| (&one.stack, &one.source).cmp(&(&other.stack, &other.source)));
        let mut summary = Summary { stacks: self.stacks.len(), ..Summary::default() };
        for stack in &self.stacks {
            summary.drift += stack.count(Weight::Drift);
            summary.unverified += stack.count(Weight::Unverified);
            summary.notes += stack.count(Weight::Note);
            summary.ignored += stack.differences.iter().filter(|it| it.ignored.is_some()).count();
            summary.unused_ignores += stack.unused_ignores.len();
            summary.new += stack.counted().filter(|it| it.is_new).count();
            summary.gone += stack.gone.len();
            summary.unreadable += stack.unreadable.len();
            summary.failed += usize::from(stack.error.is_some());
        }
        self.summary = summary;
    }

    /// One report of several, each of a part of the stacks.
    ///
    /// # Errors
    ///
    /// Says why they do not go together.
    pub fn merge(reports: Vec<Self>) -> Result<Self, String> {
        let shards: Vec<_> = reports.iter().map(|it| it.shard).collect();
        let missing_shards = shard::missing(&shards)?;
        let mut merged: Option<Self> = None;
        for report in reports {
            let Some(first) = &mut merged else {
                merged =
                    Some(Self { shard: None, missing_shards: missing_shards.clone(), ..report });
                continue;
            };
            let pairs = [
                ("versions of privlink", &first.tool_version, &report.tool_version),
                ("folders", &first.folder, &report.folder),
            ];
            if let Some((what, one, other)) = pairs.into_iter().find(|(_, one, other)| one != other)
            {
                return Err(format!("the reports are of two {what}: {one}, {other}"));
            }
            if first.compared != report.compared {
                return Err(
                    "some reports were compared with an earlier one, and others not".to_owned()
                );
            }
            first.stacks.extend(report.stacks);
        }
        let mut merged = merged.ok_or("there is no report")?;
        merged.sort_and_count();
        let twice = merged.stacks.windows(2).find_map(|pair| match pair {
            [one, other] if (&one.stack, &one.source) == (&other.stack, &other.source) => {
                Some(one.source.clone())
            }
            _ => None,
        });
        match twice {
            Some(source) => Err(format!("two reports have the stack {source}")),
            None => Ok(merged),
        }
    }

    /// Whether somebody is to be told now: of a report that was compared, only what is new counts.
    pub fn has_news(&self) -> bool {
        !self.compared
            || self.summary.new > 0
            || !self.missing_shards.is_empty()
            || self.stacks.iter().any(|it| !it.is_complete() && !it.still_unread)
    }

    /// Whether there is drift.
    pub fn has_drift(&self) -> bool {
        self.summary.drift > 0
    }

    /// Whether everything was looked at.
    pub fn is_complete(&self) -> bool {
        self.summary.unreadable == 0 && self.summary.failed == 0 && self.missing_shards.is_empty()
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
    /// Differences that a Stack ignores, which count as nothing else.
    #[serde(default)]
    pub ignored: usize,
    /// Entries by which a Stack ignores drift, and that ignore nothing.
    #[serde(default)]
    pub unused_ignores: usize,
    /// Differences that the earlier report did not have.
    #[serde(default)]
    pub new: usize,
    /// Differences that only the earlier report had.
    #[serde(default)]
    pub gone: usize,
    /// Lists and objects that could not be read.
    pub unreadable: usize,
    /// Stacks that could not be looked at.
    pub failed: usize,
}

/// What was found in one stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Entries of the Stack that ignore nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused_ignores: Vec<UnusedIgnore>,
    /// What differed in the earlier report, and does no longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Known>,
    /// What differed in the earlier report, and of which nothing is known now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<Known>,
    /// Whether something could not be read in the earlier report either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub still_unread: bool,
}

/// A difference of an earlier report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Its id.
    pub id: String,
    /// What kind of difference.
    pub class: Class,
    /// The object, as people call it.
    pub title: String,
    /// What was so, in a sentence.
    pub message: String,
    /// When it was first seen, in RFC 3339.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_seen: String,
}

/// That a difference is known, and not to be alarmed about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ignored {
    /// Why.
    pub reason: String,
    /// The last day on which it is, in UTC; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// An entry by which a Stack ignores drift, and that ignores nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnusedIgnore {
    /// The objects it is about.
    pub object: String,
    /// The class.
    pub class: Class,
    /// Why they were to be ignored.
    pub reason: String,
    /// Why it ignores nothing.
    pub why: Why,
    /// The last day on which it did, of one that is expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Where the input says so.
    pub place: String,
}

/// Why an entry ignores nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its last day is over.
    Expired,
    /// Nothing differs that it is about.
    Unused,
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

    /// The differences that nobody ignores.
    pub fn counted(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|it| it.ignored.is_none())
    }

    /// How many differences weigh so, but for those that are ignored.
    pub fn count(&self, weight: Weight) -> usize {
        self.counted().filter(|it| it.class.weight() == weight).count()
    }

    /// Where its desired state was read, below the folder of all stacks.
    pub fn below(&self, folder: &str) -> &str {
        match self.source.strip_prefix(folder.trim_end_matches('/')) {
            Some(rest) if !folder.is_empty() => rest.trim_start_matches('/'),
            _ => &self.source,
        }
    }

    /// Whether everything was looked at.
    pub fn is_complete(&self) -> bool {
        self.error.is_none() && self.unreadable.is_empty()
    }

    /// The differences of an object.
    pub fn of<'a>(&'a self, address: &'a NodeId) -> impl Iterator<Item = &'a Difference> {
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
    pub address: NodeId,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What tells it from others, and stays the same from look to look: of the stack, object, class and fields, not of values.
    pub id: String,
    /// What kind of difference.
    pub class: Class,
    /// How much that weighs.
    pub weight: Weight,
    /// The object.
    pub address: NodeId,
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
    /// Whether it resolves by itself.
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
    /// That the Stack ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
    /// Whether the earlier report did not have it.
    #[serde(rename = "new", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_new: bool,
    /// When it was first seen, in RFC 3339, by the earlier reports.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_seen: String,
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
            Self::DesiredState => "desired state, which has changed since",
            Self::Unknown => "an unknown writer",
        }
    }
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

/// Whether a difference resolves by itself.
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
            Self::Soon => "yes, the controller is working on it",
            Self::NextSync => "only at the Service's next sync, which nothing triggers",
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
