//! Refusals.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What ARM answers when it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct ArmError {
    /// The HTTP status.
    pub status: u16,
    /// ARM's error code.
    pub code: String,
    /// ARM's message.
    pub message: String,
}

impl ArmError {
    /// A refusal.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// The body of ARM's answer.
    pub fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
    }
}
