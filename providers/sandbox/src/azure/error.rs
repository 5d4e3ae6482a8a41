//! ARM's refusals.

use privlink_core::arm::error::ArmError;
use serde_json::{Value, json};

use crate::server::Answer;

/// An answer that refuses.
pub fn refusal(error: &ArmError) -> Answer {
    let answer = Answer::json(error.status, error.body());
    match (error.status, error.code.as_str()) {
        (404, "ResourceNotFound" | "ResourceGroupNotFound" | "SubscriptionNotFound") => {
            answer.header("x-ms-failure-cause", "gateway")
        }
        _ => answer,
    }
}

/// An injected failure.
pub fn injected(status: u16, code: &str, message: &str) -> Answer {
    let (default_code, default_message) = match status {
        401 => ("AuthenticationFailed", "Authentication failed."),
        403 => ("AuthorizationFailed", "The client does not have authorization."),
        404 => ("NotFound", "Not found."),
        409 => ("AnotherOperationInProgress", "Another operation on this resource is in progress."),
        412 => ("PreconditionFailed", "Precondition failed."),
        429 => ("SubscriptionRequestsThrottled", "Number of requests exceeded. Please try again."),
        503 => ("ServiceUnavailable", "The service is unavailable."),
        _ => ("InternalServerError", "An error occurred."),
    };
    let pick = |given: &str, default: &str| -> Value {
        Value::from(if given.is_empty() { default } else { given })
    };
    let (code, message) = (pick(code, default_code), pick(message, default_message));
    Answer::json(status, json!({"error": {"code": code, "message": message}}))
}
