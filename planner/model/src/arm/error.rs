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
    /// What is wrong in detail, where ARM says that apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Its code.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// 404 of what a resource is to be in: `kind` is the type of what is in it, `parent` as the type names it.
pub fn missing_parent(verb: &str, kind: &str, parent: &str) -> ArmError {
    ArmError::new(
        404,
        "ParentResourceNotFound",
        format!(
            "Failed to perform '{verb}' on resource(s) of type '{kind}', because the parent resource '{parent}' could not be found."
        ),
    )
}

impl ArmError {
    /// A refusal.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: Vec::new() }
    }

    /// 400 of a body that Azure's network provider cannot read: what is wrong with it is in the detail.
    pub fn unreadable(code: impl Into<String>, message: impl Into<String>) -> Self {
        let detail = Detail { code: code.into(), message: message.into() };
        let refused = Self::new(400, "InvalidRequestFormat", "Cannot parse the request.");
        Self { details: vec![detail], ..refused }
    }

    /// The code and the message that say most: those of the first detail, if there is one.
    pub fn reason(&self) -> (&str, &str) {
        let detail = self.details.first().map(|it| (it.code.as_str(), it.message.as_str()));
        detail.unwrap_or((&self.code, &self.message))
    }

    /// The body of ARM's answer.
    pub fn body(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (false, Some(error)) = (self.details.is_empty(), error.as_object_mut()) {
            error.insert("details".to_owned(), json!(self.details));
        }
        json!({"error": error})
    }
}
