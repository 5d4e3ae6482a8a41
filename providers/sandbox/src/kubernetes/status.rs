//! `metav1.Status`: the API server's refusals.

use privlink_model::kubernetes::validation::Cause;
use serde_json::{Value, json};

use crate::server::Answer;

/// A refusal, in the words of `apimachinery/pkg/api/errors`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// `NotFound`, `Conflict`, ...; empty: none is given.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// `details`, if there is something to say.
    pub details: Option<Value>,
}

fn json_of(cause: &Cause) -> Value {
    json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// 401 of who brings no token.
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 404 of an object: `resource` is `services`.
    pub(crate) fn not_found(resource: &str, name: &str) -> Self {
        let message = format!("{resource} {name:?} not found");
        let details = Some(json!({"name": name, "kind": resource}));
        Self { details, ..Self::new(404, "NotFound", message) }
    }

    /// 404 of a path.
    pub(crate) fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self { details: Some(json!({})), ..Self::new(404, "NotFound", message) }
    }

    /// 409 of a create.
    pub(crate) fn already_exists(resource: &str, name: &str) -> Self {
        let message = format!("{resource} {name:?} already exists");
        let details = Some(json!({"name": name, "kind": resource}));
        Self { details, ..Self::new(409, "AlreadyExists", message) }
    }

    /// 409 of a write with a resource version, uid or precondition that is not the live one's.
    pub(crate) fn conflict(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        let details = Some(json!({"name": name, "kind": resource}));
        Self { details, ..Self::new(409, "Conflict", message) }
    }

    /// 409 of a write with another resource version than the live one.
    pub(crate) fn modified(resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        Self::conflict(resource, name, why)
    }

    /// 409 of an apply: fields of other managers.
    pub(crate) fn apply_conflict(message: String, causes: &[Cause]) -> Self {
        let causes: Vec<Value> = causes.iter().map(json_of).collect();
        Self { details: Some(json!({"causes": causes})), ..Self::new(409, "Conflict", message) }
    }

    /// 422 of an object that cannot be.
    pub(crate) fn invalid(kind: &str, name: &str, causes: &[Cause]) -> Self {
        let list: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let all = match list.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind} {name:?} is invalid: {all}");
        let causes: Vec<Value> = causes.iter().map(json_of).collect();
        let details = Some(json!({"name": name, "kind": kind, "causes": causes}));
        Self { details, ..Self::new(422, "Invalid", message) }
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// 415 of a patch.
    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    }

    /// 415 of a body in Kubernetes' protobuf encoding, which kubectl uses for kinds it knows.
    pub(crate) fn no_protobuf() -> Self {
        let message = "the sandbox reads JSON bodies only; give the object in a file (kubectl -f)";
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 410 of a resource version or a continue token from too long ago.
    pub(crate) fn expired(message: &str) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The `Status` object.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let (true, Some(body)) = (self.reason.is_empty(), body.as_object_mut()) {
            body.shift_remove("reason");
        }
        if let (Some(details), Some(body)) = (&self.details, body.as_object_mut()) {
            body.insert("details".to_owned(), details.clone());
        }
        body
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.code, refusal.body())
    }
}

/// An injected failure.
pub(crate) fn injected(status: u16, message: &str) -> Answer {
    let (reason, default) = match status {
        401 => ("Unauthorized", "Unauthorized"),
        403 => ("Forbidden", "forbidden"),
        409 => ("Conflict", "the object has been modified"),
        429 => ("TooManyRequests", "too many requests, please try again later"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        504 => ("Timeout", "the server was unable to return a response in the time allotted"),
        _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
    };
    Refusal::new(status, reason, if message.is_empty() { default } else { message }).into()
}
