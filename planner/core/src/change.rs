//! Changes: what differs between what is and what is wanted, and why.
//!
//! A change is one object's; what is to be done about it are the [`crate::plan::Step`]s that name it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::consumer::Consumer;
use crate::escape::{escaped, terminal};
use crate::evidence::Evidence;
use crate::marks::{STACK_LABEL, STACK_TAG};
use crate::node_id::{Kind, NodeId};
use crate::unknown::{holds_unknown, show_text};

pub use crate::unknown::show_value;

/// What becomes of an object.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is created.
    Create,
    /// It changes in place.
    Update,
    /// It is deleted and created again; whoever depends on it loses it in between.
    Replace,
    /// It is deleted.
    Delete,
    /// It stays as it is.
    Keep,
    /// It exists, and this stack takes it over.
    Adopt,
    /// Another tool is to write it, or the controller has yet to sync it; the plan waits for that.
    Await,
    /// A pending connection is approved.
    Approve,
    /// A connection is rejected.
    Reject,
}

impl Action {
    /// The symbol in front of a change, as Terraform and its kin print it.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update | Self::Adopt | Self::Approve | Self::Reject => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Keep => " ",
            Self::Await => "?",
        }
    }

    /// What happens to the object, before a "by".
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Update => "changed",
            Self::Replace => "re-created",
            Self::Delete => "deleted",
            Self::Keep => "kept",
            Self::Adopt => "adopted",
            Self::Await => "awaited",
            Self::Approve => "approved",
            Self::Reject => "rejected",
        }
    }
}

/// Who carries a change out.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Actor {
    /// privlink writes it.
    Privlink,
    /// The cloud controller writes it, because of a Service.
    Controller,
    /// Azure does it by itself.
    Azure,
    /// Another tool writes it, such as `argocd-controller`.
    External(String),
    /// The party at the other end of a connection.
    Consumer,
}

impl Actor {
    /// As it is printed.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Privlink => "privlink",
            Self::Controller => "controller",
            Self::Azure => "azure",
            Self::External(name) => name,
            Self::Consumer => "consumer",
        }
    }
}

/// One field that differs. At least one of the two sides is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldDiff {
    /// The field, in dotted form with ARM's or Kubernetes' spelling.
    pub path: String,
    /// What it is; absent when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    pub before: Option<Value>,
    /// What it will be; absent when it will not be set. What is handed out later reads
    /// `(known after apply)`, alone or within a longer text; see `afterUnknown`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    pub after: Option<Value>,
    /// Whether `after`, or a part of it, is handed out later, and words stand in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_unknown: bool,
    /// Whether this field cannot change in place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forces_replacement: bool,
}

/// Reads a side of a field such that a null that was written is a value, not an absence.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl FieldDiff {
    /// A field that can change in place.
    pub fn new(path: impl Into<String>, before: Option<Value>, after: Option<Value>) -> Self {
        Self { path: path.into(), before, after, after_unknown: false, forces_replacement: false }
    }

    /// The field with its unknowns as words, and said to be unknown.
    #[must_use]
    pub fn shown(mut self) -> Self {
        let held = self.after.as_ref().is_some_and(holds_unknown);
        self.after_unknown |= held;
        self.path = show_text(self.path);
        if held {
            self.after = self.after.map(show_value);
        }
        if self.before.as_ref().is_some_and(holds_unknown) {
            self.before = self.before.map(show_value);
        }
        self
    }

    /// What it will be, on one line.
    pub fn after_line(&self) -> Option<String> {
        self.after.as_ref().map(|value| one_line_of(value, self.after_unknown))
    }
}

/// The marks of other stacks that changes show they take over, by the object in lower case.
pub fn taken_over(changes: &[Change]) -> BTreeMap<String, String> {
    let is_mark =
        |it: &&FieldDiff| [STACK_TAG, STACK_LABEL].iter().any(|mark| it.path.contains(mark));
    let taken = changes.iter().filter(|it| it.is_change()).filter_map(|change| {
        let mark = change.fields.iter().find(is_mark)?.before.as_ref()?.as_str()?;
        Some((change.object.as_ref()?.to_lowercase(), mark.to_owned()))
    });
    taken.collect()
}

/// Fields with their unknowns as words.
pub fn shown(fields: Vec<FieldDiff>) -> Vec<FieldDiff> {
    fields.into_iter().map(FieldDiff::shown).collect()
}

/// A value on one line.
pub fn one_line(value: &Value) -> String {
    escaped(value.to_string())
}

/// A value on one line, of which a part may be unknown: such text stands bare, so that it is not taken for
/// text.
pub fn one_line_of(value: &Value, is_unknown: bool) -> String {
    match value {
        Value::String(text) if is_unknown => terminal(text).into_owned(),
        other => one_line(other),
    }
}

/// What a change does to traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// Traffic breaks for a moment, and ends where the object is deleted.
    BriefInterruption,
    /// These consumers are disconnected until their endpoint is re-created.
    ConsumersDisconnected(Vec<Consumer>),
}

/// One object's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The object's address.
    pub address: NodeId,
    /// What becomes of it.
    pub action: Action,
    /// Who does it.
    pub actor: Actor,
    /// Why, in a few words whose subject is the object, unless they name another: `cannot change its address`.
    pub reason: String,
    /// How sure that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The object in its own control plane: an ARM id, or `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// As people call it, such as `Frontend 10.240.0.25`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The object whose change brings this one about; nothing for the first of a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought_about_by: Option<NodeId>,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDiff>,
    /// What it does to traffic.
    #[serde(default, skip_serializing_if = "is_none")]
    pub effect: Effect,
}

fn is_none(effect: &Effect) -> bool {
    *effect == Effect::None
}

impl Change {
    /// A change without fields or effect.
    pub fn new(address: NodeId, action: Action, actor: Actor, reason: impl Into<String>) -> Self {
        Self {
            address,
            action,
            actor,
            reason: reason.into(),
            evidence: None,
            object: None,
            title: String::new(),
            brought_about_by: None,
            fields: Vec::new(),
            effect: Effect::None,
        }
    }

    /// Whether it is a connection that is created and deleted with its endpoint or its Private Link Service, and
    /// about which nobody decides.
    pub fn only_follows(&self) -> bool {
        self.address.kind == Kind::EndpointConnection
            && matches!(self.action, Action::Create | Action::Replace | Action::Delete)
    }

    /// Whether anything is done at all.
    pub fn is_change(&self) -> bool {
        self.action != Action::Keep
    }
}

/// The prefix of the controller's annotations, which people leave out.
const PREFIX: &str = "service.beta.kubernetes.io/";

/// A field's shortest name that people know: an annotation's without the controller's prefix.
pub fn short(path: &str) -> String {
    let path = path.strip_prefix("metadata.").unwrap_or(path);
    for map in ["annotations", "labels"] {
        let key = path.strip_prefix(map).and_then(|it| it.strip_prefix("[\"")?.strip_suffix("\"]"));
        if let Some(key) = key {
            return key.strip_prefix(PREFIX).unwrap_or(key).to_owned();
        }
    }
    path.strip_prefix("spec.")
        .or_else(|| path.strip_prefix("properties."))
        .unwrap_or(path)
        .to_owned()
}
