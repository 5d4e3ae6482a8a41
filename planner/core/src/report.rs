//! The report of a run: what a fold over its events comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::node_id::NodeId;
use crate::plan::Mode;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// It began and nothing was heard of it since.
    Unfinished,
    /// It succeeded.
    Succeeded,
    /// It is done but for somebody's approval.
    AwaitingApproval {
        /// Whose.
        detail: String,
    },
    /// It failed.
    Failed {
        /// Why.
        error: String,
        /// Whether the controller did something else than was predicted.
        otherwise: bool,
    },
    /// It was not started because this step failed.
    Skipped {
        /// The step that failed.
        because: usize,
    },
    /// It was not started, or was a wait that was left, because the run was stopped.
    Cancelled,
}

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The stack.
    pub stack: String,
    /// What the run was for.
    pub mode: Mode,
    /// Each step's outcome with the object it was about, by number.
    pub steps: BTreeMap<usize, StepReport>,
    /// How often a step was tried again.
    pub retries: usize,
    /// Whether the run came to its end.
    pub ended: bool,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// The object.
    pub address: NodeId,
    /// What it did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doing: String,
    /// How it ended.
    pub outcome: Outcome,
}

impl Report {
    /// How many steps ended in a way.
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.steps.values().filter(|step| is(&step.outcome)).count()
    }
}
