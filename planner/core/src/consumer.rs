//! Who is connected to a Private Link Service.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connection_status::ConnectionStatus;

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
    #[schemars(with = "String")]
    pub status: ConnectionStatus,
    /// Whether the endpoint belongs to this stack, which will make it again.
    pub own: bool,
    /// Who keeps the endpoint, by its tags, as `managed-by=terraform`; nothing if they say nothing or were not
    /// read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Tags by which people and tools say whose a resource is, in the order in which they are believed.
const OWNERS: [&str; 8] = [
    "owner",
    "team",
    "managed-by",
    "managedby",
    "managed_by",
    "created-by",
    "createdby",
    "azd-env-name",
];

/// Whose a resource is, by its tags.
pub fn owner(live: &Value) -> Option<String> {
    let tags = live.get("tags")?.as_object()?;
    OWNERS.iter().find_map(|name| {
        let (tag, value) = tags.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(name))?;
        let value = value.as_str().filter(|it| !it.is_empty())?;
        Some(format!("{tag}={value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::owner;
    use serde_json::json;

    #[test]
    fn tags_say_whose_it_is() {
        let tagged = |tags| owner(&json!({"tags": tags}));
        let both = json!({"Managed-By": "terraform", "Owner": "payments", "cost": "1"});
        assert_eq!(tagged(both).as_deref(), Some("Owner=payments"));
        assert_eq!(
            tagged(json!({"ManagedBy": "terraform"})).as_deref(),
            Some("ManagedBy=terraform")
        );
        assert_eq!(tagged(json!({"cost": "1", "owner": ""})), None);
        assert_eq!(owner(&json!({})), None);
    }
}
