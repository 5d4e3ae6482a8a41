//! The state of a private endpoint's connection, as both of its ends show it.

/// A state (`privateLinkServiceConnectionState.status` of Microsoft.Network).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// It is connected.
    Approved,
    /// It waits for the provider.
    Pending,
    /// The provider turned it away.
    Rejected,
    /// It was connected, and is not any more.
    Disconnected,
    /// A state that nobody knows, or none: it is never taken for connected.
    Other(String),
}

impl ConnectionStatus {
    /// A state by its name.
    pub fn of(text: &str) -> Self {
        match text {
            "Approved" => Self::Approved,
            "Pending" => Self::Pending,
            "Rejected" => Self::Rejected,
            "Disconnected" => Self::Disconnected,
            other => Self::Other(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ConnectionStatus;

    #[test]
    fn what_nobody_knows_is_a_state_of_its_own() {
        assert_eq!(ConnectionStatus::of("Approved"), ConnectionStatus::Approved);
        for text in ["", "Removed", "approved"] {
            assert_eq!(ConnectionStatus::of(text), ConnectionStatus::Other(text.to_owned()));
        }
    }
}
