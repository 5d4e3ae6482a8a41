//! Long-running operations.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an operation does when it is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The resource was written and becomes `Succeeded`.
    Put,
    /// The resource goes.
    Delete,
    /// The resource group goes.
    DeleteGroup,
    /// An action that answers with a body.
    Action(Value),
}

/// A long-running operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What it does.
    pub kind: Kind,
    /// On what.
    pub target: String,
    /// How often its status is yet `InProgress`.
    pub polls: u32,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted: u64,
    /// Whether it is done.
    pub done: bool,
    /// How it failed: a code and a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<(String, String)>,
}
