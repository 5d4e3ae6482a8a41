//! What can go wrong between this tool and ARM.

use std::fmt;
use std::ops::Deref;

use privlink_http::failure::{Doing, ErrorKind, Failure, shown};
use privlink_model::reason::clean;
use serde_json::Value;

use crate::operation::Operation;

/// A nested error of ARM's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedError {
    /// Its code.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// What is known of a failed call to ARM beside [`Failure`].
#[derive(Clone, Debug)]
pub struct ArmDetail {
    /// What was being done ...
    pub doing: Doing,
    /// ... to which resource or list: its path, without the query.
    pub resource: String,
    /// As whom.
    pub identity: String,
    /// ARM's nested errors.
    pub errors: Vec<NestedError>,
    /// `x-ms-request-id`.
    pub request_id: Option<String>,
    /// `x-ms-correlation-request-id`.
    pub correlation_id: Option<String>,
    /// `x-ms-client-request-id` as this client sent it.
    pub client_request_id: Option<String>,
    /// The operation that may still be running, to be resumed.
    pub operation: Option<Operation>,
}

/// An error of the ARM client: a boxed [`Failure`].
#[derive(Clone, Debug)]
pub struct ArmError(Box<Failure<ArmDetail>>);

impl Deref for ArmError {
    type Target = Failure<ArmDetail>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl ArmError {
    /// An error of this side, before or without a reply.
    pub(crate) fn new(
        kind: ErrorKind,
        (doing, resource, identity): (Doing, &str, &str),
        message: impl AsRef<str>,
    ) -> Self {
        let detail = ArmDetail {
            doing,
            resource: resource.to_owned(),
            identity: identity.to_owned(),
            errors: Vec::new(),
            request_id: None,
            correlation_id: None,
            client_request_id: None,
            operation: None,
        };
        Self(Box::new(Failure::new(kind, message.as_ref(), detail)))
    }

    /// The failure, to fill in.
    pub(crate) fn failure_mut(&mut self) -> &mut Failure<ArmDetail> {
        &mut self.0
    }

    /// Takes code, message and details from an ARM error object (`{code, message, details}`).
    pub(crate) fn describe(&mut self, error: &Value) {
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).map(shown).filter(|text| !text.is_empty())
        };
        self.0.code = text(error, "code");
        if let Some(message) = text(error, "message") {
            self.0.message = message;
        }
        let details = error.get("details").and_then(Value::as_array);
        self.0.detail.errors = details
            .into_iter()
            .flatten()
            .map(|detail| NestedError {
                code: text(detail, "code").unwrap_or_default(),
                message: text(detail, "message").unwrap_or_default(),
            })
            .collect();
    }

    /// Whether ARM used this code, at the top or in the details.
    pub fn has_code(&self, code: &str) -> bool {
        self.0.code.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(code))
            || self.0.detail.errors.iter().any(|detail| detail.code.eq_ignore_ascii_case(code))
    }

    /// Whether it says that the resource or what holds it is not there, as opposed to a 404 of
    /// somebody else's or a subscription that cannot be seen.
    pub(crate) fn is_absence(&self) -> bool {
        const ABSENT: [&str; 4] =
            ["ResourceNotFound", "NotFound", "ResourceGroupNotFound", "ParentResourceNotFound"];
        self.0.kind == ErrorKind::Missing
            && self
                .0
                .code
                .as_deref()
                .is_some_and(|code| ABSENT.iter().any(|absent| absent.eq_ignore_ascii_case(code)))
    }

    /// What a person can do about it.
    pub fn help(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::Transient | ErrorKind::Throttled => "run the command again later",
            ErrorKind::Busy => "wait for the other operation, then run the command again",
            ErrorKind::Stale => "plan again: somebody changed it in the meantime",
            ErrorKind::Denied if self.0.status == Some(403) => {
                "grant the identity the missing action (`privlink preflight --role` prints a role)"
            }
            ErrorKind::Denied => {
                "log in again (`az login`; with --auth token, set another PRIVLINK_ARM_TOKEN), or choose \
                 another identity by --auth; check its tenant and this machine's clock"
            }
            ErrorKind::Invalid if self.has_code(UNPROVISIONED) => {
                "have the resource that failed written again, then run the command again"
            }
            ErrorKind::Invalid | ErrorKind::Conflict => {
                "change the desired state as the message says"
            }
            ErrorKind::Missing if self.has_code("SubscriptionNotFound") => {
                "set `subscription` of the Stack, or --subscription, to one that `az account list` \
                 shows, and log in to its tenant"
            }
            ErrorKind::Missing => "check the subscription and the names",
            ErrorKind::Canceled => {
                "find out who canceled the operation, then run the command again"
            }
            ErrorKind::Network | ErrorKind::Unconfigured => {
                "check the network, the proxy variables and the ARM endpoint"
            }
            ErrorKind::Tls => {
                "check the endpoint, this machine's clock, and the authorities it trusts \
                 (SSL_CERT_FILE adds to them)"
            }
            ErrorKind::UntrustedUrl => {
                "check the ARM endpoint and what stands between: no token was sent to the other host"
            }
            ErrorKind::Protocol => "check the ARM endpoint, and proxies that answer in its place",
            ErrorKind::Deadline => "run the command again: it resumes the operation",
        }
    }
}

/// With `{:#}` without the request's ids, which Azure's support wants and most readers do not.
impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failure, detail) = (&self.0, &self.0.detail);
        match (failure.kind, failure.status) {
            // These are about no resource: the next call would end as this one.
            (ErrorKind::Network, None) => write!(f, "cannot reach Azure at ")?,
            (ErrorKind::Denied, None) => match subscription(&detail.resource) {
                // Another subscription may be another tenant's.
                Some(id) => write!(f, "not signed in to Azure for subscription {}: ", clean(id))?,
                None => write!(f, "not signed in to Azure: ")?,
            },
            _ => write!(f, "cannot {} {}: ", detail.doing, clean(&detail.resource))?,
        }
        failure.fmt_reply(f)?;
        for nested in &detail.errors {
            write!(f, "; {}: {}", nested.code, nested.message)?;
        }
        write!(f, " (as {}", detail.identity)?;
        let ids = [
            ("request", &detail.request_id),
            ("correlation", &detail.correlation_id),
            ("client request", &detail.client_request_id),
        ];
        // What never arrived is found by nobody.
        let is_sent = failure.status.is_some() || !is_unsent(failure.kind);
        let is_sent = is_sent && !f.alternate();
        for (name, id) in ids {
            if let Some(id) = id.as_ref().filter(|_| is_sent) {
                write!(f, ", {name} id {id}")?;
            }
        }
        f.write_str(")")
    }
}

impl std::error::Error for ArmError {}

/// The subscription that a path is in.
fn subscription(path: &str) -> Option<&str> {
    let mut segments = path.trim_start_matches('/').split('/');
    let is_it = segments.next()?.eq_ignore_ascii_case("subscriptions");
    segments.next().filter(|id| is_it && !id.is_empty())
}

/// Whether a failure of the kind, without a reply, means that nothing was sent to ARM.
const fn is_unsent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Network | ErrorKind::Denied | ErrorKind::Tls)
}

/// What is referred to is being written, or has failed.
const UNPROVISIONED: &str = "ReferencedResourceNotProvisioned";

/// The kind of a refusal, from its HTTP status (none for an operation that failed) and its codes.
pub(crate) fn classify(status: Option<u16>, error: &ArmError) -> ErrorKind {
    // Whatever the status: these say that waiting helps.
    const CONFLICTS: [&str; 5] = [
        "AnotherOperationInProgress",
        "RetryableError",
        "RetryableErrorDueToAnotherOperation",
        UNPROVISIONED,
        "CanceledAndSupersededDueToAnotherOperation",
    ];
    // 409s that no waiting cures.
    const PERMANENT: [&str; 3] =
        ["MissingSubscriptionRegistration", "ScopeLocked", "SubscriptionNotRegistered"];
    // Failures of Azure's own, reported by an operation.
    const TRANSIENT: [&str; 4] =
        ["InternalServerError", "ServiceUnavailable", "Timeout", "GatewayTimeout"];
    // Refusals of what refers to something that went meanwhile.
    const MISSING: [&str; 1] = ["PrivateEndpointConnectionCannotBeCreatedByServiceProvider"];
    let any = |codes: &[&str]| codes.iter().any(|code| error.has_code(code));
    let superseded = error.message.to_ascii_lowercase().contains("canceledandsuperseded");
    // What failed stays so, until somebody writes it again.
    let failed = any(&[UNPROVISIONED]) && error.message.contains("Resource is in Failed state");
    if (any(&CONFLICTS) || superseded) && !failed {
        return ErrorKind::Busy;
    }
    match status {
        Some(401 | 403) => ErrorKind::Denied,
        Some(404 | 410) => ErrorKind::Missing,
        Some(400) if any(&MISSING) => ErrorKind::Missing,
        Some(408 | 500..) => ErrorKind::Transient,
        Some(409) if !any(&PERMANENT) => ErrorKind::Busy,
        Some(412) => ErrorKind::Stale,
        Some(429) => ErrorKind::Throttled,
        None if any(&TRANSIENT) => ErrorKind::Transient,
        None if any(&["PreconditionFailed"]) => ErrorKind::Stale,
        None if any(&["AuthorizationFailed", "LinkedAuthorizationFailed"]) => ErrorKind::Denied,
        Some(_) | None => ErrorKind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(status: Option<u16>, body: &Value) -> ErrorKind {
        let mut error = ArmError::new(ErrorKind::Invalid, (Doing::Write, "/r", "nobody"), "");
        error.describe(body);
        classify(status, &error)
    }

    /// Codes and statuses as ARM sends them (arm-contract, section 3).
    #[test]
    fn refusals_are_sorted_by_status_and_code() {
        let code = |code: &str| json!({"code": code, "message": "m"});
        let cases = [
            (Some(429), code("SubscriptionRequestsThrottled"), ErrorKind::Throttled),
            (Some(409), code("AnotherOperationInProgress"), ErrorKind::Busy),
            (Some(400), code("ReferencedResourceNotProvisioned"), ErrorKind::Busy),
            (Some(409), code("MissingSubscriptionRegistration"), ErrorKind::Invalid),
            (Some(412), code("PreconditionFailed"), ErrorKind::Stale),
            (Some(403), code("LinkedAuthorizationFailed"), ErrorKind::Denied),
            (Some(401), code("ExpiredAuthenticationToken"), ErrorKind::Denied),
            (Some(404), code("ResourceNotFound"), ErrorKind::Missing),
            (
                Some(400),
                code("PrivateEndpointConnectionCannotBeCreatedByServiceProvider"),
                ErrorKind::Missing,
            ),
            (Some(503), Value::Null, ErrorKind::Transient),
            (Some(400), code("SubnetIsFull"), ErrorKind::Invalid),
            (None, code("SubnetIsFull"), ErrorKind::Invalid),
            (None, code("InternalServerError"), ErrorKind::Transient),
        ];
        for (status, body, kind) in cases {
            assert_eq!(refused(status, &body), kind, "{status:?} {body}");
        }
        let lock = json!({"code": "RetryableError", "message": "m",
            "details": [{"code": "RetryableErrorDueToAnotherOperation", "message": "m"}]});
        assert_eq!(refused(Some(429), &lock), ErrorKind::Busy);
        let unfinished = |state: &str| {
            let message =
                format!("Cannot proceed. Resource is in {state} state and the last operation");
            refused(
                Some(400),
                &json!({"code": "ReferencedResourceNotProvisioned", "message": message}),
            )
        };
        assert_eq!(unfinished("Updating"), ErrorKind::Busy);
        assert_eq!(unfinished("Failed"), ErrorKind::Invalid);
        let superseded = json!({"code": "Canceled",
            "message": "Operation was canceled: CanceledAndSupersededDueToAnotherOperation"});
        assert_eq!(refused(None, &superseded), ErrorKind::Busy);
    }

    #[test]
    fn a_404_of_something_else_is_no_absence() {
        let missing = |code: Option<&str>| {
            let mut error = ArmError::new(ErrorKind::Missing, (Doing::Read, "/r", "nobody"), "");
            error.failure_mut().code = code.map(str::to_owned);
            error.is_absence()
        };
        assert!(missing(Some("ResourceNotFound")) && missing(Some("resourcegroupnotfound")));
        assert!(!missing(Some("SubscriptionNotFound")) && !missing(None));
    }
}
