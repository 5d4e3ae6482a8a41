//! Who is connected to a Private Link Service.

use serde::{Deserialize, Serialize};

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
