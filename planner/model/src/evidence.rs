//! How sure a rule is.

use serde::{Deserialize, Serialize};

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
