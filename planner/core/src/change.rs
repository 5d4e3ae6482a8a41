//! Changes: what differs between what is and what is wanted, and why.
//!
//! A change is one node's; what is to be done about it are the [`crate::plan::Step`]s that name it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::address::Address;
use crate::unknown;

/// What becomes of a node.
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
    /// It comes into being.
    Create,
    /// It changes in place.
    Update,
    /// It is deleted and made again; whoever hangs on it loses it in between.
    Replace,
    /// It goes.
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

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Adopt => "adopt",
            Self::Await => "await",
            Self::Approve => "approve",
            Self::Reject => "reject",
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
    /// `(known after apply)`, alone or within a longer text.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[schemars(with = "Option<Value>")]
    pub after: Option<Value>,
    /// Whether this field cannot change in place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forces_replacement: bool,
}

/// Reads a side of a field such that a null that was written is a value, not an absence.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl FieldDiff {
    /// The field with its unknowns as words.
    #[must_use]
    pub fn shown(self) -> Self {
        Self {
            path: show_text(self.path),
            before: self.before.map(show_value),
            after: self.after.map(show_value),
            ..self
        }
    }
}

/// A value with its unknowns as words.
#[must_use]
pub fn show_value(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(show_text(text)),
        Value::Array(items) => Value::Array(items.into_iter().map(show_value).collect()),
        Value::Object(mut fields) => {
            if fields.keys().any(|key| unknown::is_unknown(key)) {
                let fields = fields.into_iter();
                Value::Object(fields.map(|(key, it)| (show_text(key), show_value(it))).collect())
            } else {
                fields.values_mut().for_each(|value| *value = show_value(value.take()));
                Value::Object(fields)
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn show_text(text: String) -> String {
    if unknown::is_unknown(&text) { unknown::show(&text) } else { text }
}

/// A party behind a private endpoint.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// The private endpoint's id.
    pub endpoint: String,
    /// The subscription it lies in.
    pub subscription: String,
    /// What the consumer wrote when it asked to connect.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_message: String,
    /// The state of its connection, such as `Approved`.
    pub status: String,
    /// Whether the endpoint belongs to this stack, which will make it again.
    pub own: bool,
}

/// What a change does to traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Nothing.
    #[default]
    None,
    /// Connections in flight may break and come back.
    BriefInterruption,
    /// These consumers are cut off until their endpoint is made again.
    ConsumersDisconnected(Vec<Consumer>),
}

/// How sure the rule behind a prediction is.
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
pub enum Evidence {
    /// Seen in a recording of the real controller.
    Recorded,
    /// Seen in recorded answers of Azure itself.
    RecordedFromAzure,
    /// Documented by Azure or Kubernetes, or read in the controller's source.
    Documented,
    /// Neither.
    Guessed,
}

/// One node's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The node.
    pub address: Address,
    /// What becomes of it.
    pub action: Action,
    /// Who does it.
    pub actor: Actor,
    /// Why, in a few words that fit after "because".
    pub reason: String,
    /// How sure that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The object in its own control plane: an ARM id, or `namespace/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
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
    pub fn new(address: Address, action: Action, actor: Actor, reason: impl Into<String>) -> Self {
        Self {
            address,
            action,
            actor,
            reason: reason.into(),
            evidence: None,
            object: None,
            fields: Vec::new(),
            effect: Effect::None,
        }
    }

    /// Whether anything is done at all.
    pub fn is_change(&self) -> bool {
        self.action != Action::Keep
    }
}
