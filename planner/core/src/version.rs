//! Which privlink this is, and what its predictions rest on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compared::Compared;

/// The version of the JSON. Minor: a new optional field; major: all else.
pub const FORMAT_VERSION: &str = "1.0";

/// Which privlink this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// See [`FORMAT_VERSION`].
    pub format_version: String,
    /// The version of privlink.
    pub version: String,
    /// The commit that it was built from; `unknown` of sources without a repository.
    pub commit: String,
    /// The target triple that it was built for.
    pub target: String,
    /// What the model was compared with.
    #[serde(flatten)]
    pub compared: Compared,
}
