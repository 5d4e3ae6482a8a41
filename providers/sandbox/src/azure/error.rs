//! ARM's refusals.

use privlink_model::arm::error::{ArmError, missing_parent};
use privlink_model::resource_id::ResourceId;
use serde_json::{Value, json};

use crate::server::Answer;

/// Codes that the resource manager itself answers, before any resource provider. Their bodies have
/// no `details`.
const GATEWAY: [&str; 12] = [
    "ResourceNotFound",
    "ResourceGroupNotFound",
    "SubscriptionNotFound",
    "ParentResourceNotFound",
    "InvalidResourceType",
    "AuthenticationFailed",
    "AuthorizationFailed",
    "MissingApiVersionParameter",
    "LocationRequired",
    "InvalidResourceLocation",
    "InvalidResourceGroupLocation",
    "CannotDeleteResource",
];

/// How the network provider begins to say that an etag does not fit, in a detail. Private DNS says it outright.
const ETAG: &str = "Etag provided in if-match header";

/// An answer that refuses.
pub(crate) fn refusal(error: &ArmError) -> Answer {
    if GATEWAY.contains(&error.code.as_str()) {
        let answer = Answer::json(error.status, error.body());
        return if error.status == 404 {
            answer.header("x-ms-failure-cause", "gateway")
        } else {
            answer
        };
    }
    let (message, details) = if error.message.starts_with(ETAG) {
        let detail = json!({"code": "PreconditionFailedEtagMismatch", "message": error.message});
        ("Precondition failed.", json!([detail]))
    } else {
        (error.message.as_str(), json!(error.details))
    };
    let body = json!({"error": {"code": error.code, "message": message, "details": details}});
    Answer::json(error.status, body)
}

/// An injected failure.
pub(crate) fn injected(path: &str, status: u16, code: &str, message: &str) -> Answer {
    if path.contains("/oauth2/") {
        let number = code.trim_start_matches("AADSTS").parse().unwrap_or(50_000);
        let error = if status < 500 { "invalid_client" } else { "temporarily_unavailable" };
        return super::identity::refusal(status, error, number, message);
    }
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

/// 400 of a body that is no JSON or not what it should be.
pub(super) fn malformed(why: &str) -> ArmError {
    ArmError::new(400, "InvalidRequestFormat", format!("Cannot parse the request. {why}"))
}

/// 404 of a subscription.
pub(super) fn no_subscription(id: &str) -> ArmError {
    let message = format!("The subscription '{id}' could not be found.");
    ArmError::new(404, "SubscriptionNotFound", message)
}

/// 404 of a resource group.
pub(super) fn no_group(name: &str) -> ArmError {
    let message = format!("Resource group '{name}' could not be found.");
    ArmError::new(404, "ResourceGroupNotFound", message)
}

/// 404 of a parent. The resource manager has one text for all providers: users paste it of storage accounts, SQL servers
/// and private DNS. It leaves out the namespace of the type, and has the parent's whole id.
pub(super) fn no_parent(verb: &str, kind: &str, parent: &ResourceId) -> ArmError {
    let kind = kind.split_once('/').map_or(kind, |(_, kind)| kind);
    missing_parent(verb, kind, parent.as_str())
}

/// 403 of an action.
pub(super) fn not_allowed(action: &str, scope: &str) -> ArmError {
    ArmError::new(
        403,
        "AuthorizationFailed",
        format!(
            "The client 'sandbox' with object id '00000000-0000-0000-0000-0000000000cc' does not \
             have authorization to perform action '{action}' over scope '{scope}' or the scope is \
             invalid. If access was recently granted, please refresh your credentials."
        ),
    )
}

/// 405.
pub(super) fn no_method(method: &str) -> ArmError {
    let message = format!("The HTTP method '{method}' is not supported at this path.");
    ArmError::new(405, "MethodNotAllowed", message)
}
