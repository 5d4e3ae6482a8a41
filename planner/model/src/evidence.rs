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

impl Evidence {
    /// How sure that is, in words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Recorded => "recorded: seen in recordings of the real controller",
            Self::RecordedFromAzure => "recorded from Azure: seen in answers of Azure itself",
            Self::Documented => "documented: read in the controller's source or in documentation",
            Self::Guessed => "guessed: neither recorded nor documented",
        }
    }
}
