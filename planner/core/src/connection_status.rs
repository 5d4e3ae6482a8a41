//! The state of a private endpoint's connection, as both of its ends show it.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A state (`privateLinkServiceConnectionState.status` of Microsoft.Network). In JSON it is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ConnectionStatus {
    /// It is connected.
    Approved,
    /// It waits for the provider.
    Pending,
    /// The provider rejected it.
    Rejected,
    /// It was connected, and is no longer.
    Disconnected,
    /// A state that this version does not know, or none: it is not taken for connected where something is to be
    /// reached, and not for disconnected where something is to be deleted.
    Other(String),
}

impl ConnectionStatus {
    /// Its name, as Azure spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Approved => "Approved",
            Self::Pending => "Pending",
            Self::Rejected => "Rejected",
            Self::Disconnected => "Disconnected",
            Self::Other(other) => other,
        }
    }

    /// Whether it is known to be connected.
    pub fn is_connected(&self) -> bool {
        *self == Self::Approved
    }

    /// Whether somebody may be connected: known to be, or nobody knows.
    pub const fn may_be_connected(&self) -> bool {
        matches!(self, Self::Approved | Self::Other(_))
    }

    /// Whether it is known to be over: the endpoint cannot connect again.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Rejected | Self::Disconnected)
    }
}

impl Default for ConnectionStatus {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<&str> for ConnectionStatus {
    fn from(name: &str) -> Self {
        match name {
            "Approved" => Self::Approved,
            "Pending" => Self::Pending,
            "Rejected" => Self::Rejected,
            "Disconnected" => Self::Disconnected,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<String> for ConnectionStatus {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<ConnectionStatus> for String {
    fn from(status: ConnectionStatus) -> Self {
        match status {
            ConnectionStatus::Other(other) => other,
            known => known.as_str().to_owned(),
        }
    }
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// By their names.
impl Ord for ConnectionStatus {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for ConnectionStatus {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionStatus;

    #[test]
    fn a_state_that_is_not_known_is_a_state_of_its_own_and_not_connected() {
        assert_eq!(ConnectionStatus::from("Approved"), ConnectionStatus::Approved);
        for text in ["", "Removed", "approved"] {
            let status = ConnectionStatus::from(text);
            assert_eq!(status, ConnectionStatus::Other(text.to_owned()));
            assert!(!status.is_connected() && status.may_be_connected() && !status.is_over());
            let json = serde_json::to_value(&status).unwrap();
            assert_eq!(json, text);
            assert_eq!(serde_json::from_value::<ConnectionStatus>(json).unwrap(), status);
        }
    }
}
