//! What can go wrong between this tool and an API server.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use privlink_http::failure::{Doing, ErrorKind, Failure, log_unanswered, shown};
use privlink_http::reply::{LONGEST_WAIT, Reply};
use privlink_model::reason::{chain, clean, is_tls, root};
use serde_json::Value;

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The field, as the API server names it: `.spec.ports[port=80,protocol="TCP"].targetPort`.
    pub field: String,
    /// The field manager that owns it.
    pub manager: String,
    /// The API server's words.
    pub message: String,
}

/// A cause of a refusal, as the API server's `Status` lists it under `details.causes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCause {
    /// `FieldValueInvalid`, `FieldManagerConflict`, `NamespaceTerminating`, ...
    pub reason: String,
    /// The API server's words about the field.
    pub message: String,
    /// The field, such as `spec.ports[0].port`.
    pub field: String,
}

/// What is known of a failed call to an API server beside [`Failure`].
#[derive(Clone, Debug)]
pub struct KubernetesDetail {
    /// What was being done ...
    pub doing: Doing,
    /// ... to what: `Service default/app`, `Services`.
    pub object: String,
    /// Through which way: the context, or the API server's address.
    pub identity: String,
    /// The fields in conflict, for [`ErrorKind::Conflict`].
    pub conflicts: Vec<Conflict>,
    /// What the refusal is about, as the `Status` says under `details.kind`: `namespaces`; empty if it does not say.
    pub about: String,
    /// The causes that the `Status` lists.
    pub causes: Vec<StatusCause>,
}

/// An error of the Kubernetes client: a boxed [`Failure`].
#[derive(Clone, Debug)]
pub struct KubernetesError(Box<Failure<KubernetesDetail>>);

impl Deref for KubernetesError {
    type Target = Failure<KubernetesDetail>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// What an error is about: doing what, to which object, through which way.
pub(crate) type About<'a> = (Doing, &'a str, &'a str);

impl KubernetesError {
    pub(crate) fn new(
        kind: ErrorKind,
        (doing, object, identity): About<'_>,
        message: impl AsRef<str>,
    ) -> Self {
        let (object, identity) = (object.to_owned(), identity.to_owned());
        let (conflicts, about, causes) = (Vec::new(), String::new(), Vec::new());
        let detail = KubernetesDetail { doing, object, identity, conflicts, about, causes };
        Self(Box::new(Failure::new(kind, message.as_ref(), detail)))
    }

    /// That there is no cluster to ask: desired state names none.
    pub fn no_cluster() -> Self {
        let about = (Doing::Connect, "Kubernetes", "no context");
        Self::new(ErrorKind::Unconfigured, about, "desired state names no cluster")
    }

    /// From a failure without a reply.
    pub(crate) fn from_kube(error: &kube::Error, about: About<'_>) -> Self {
        let kind = match error {
            kube::Error::Auth(_) => ErrorKind::Denied,
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => ErrorKind::Protocol,
            kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => ErrorKind::Invalid,
            _ if is_tls(&chain(error)) => ErrorKind::Tls,
            // The layers below say only in words whether a connection was made.
            _ if chain(error).contains("client error (Connect)") => ErrorKind::Network,
            _ => ErrorKind::Transient,
        };
        log_unanswered("the API server", error);
        let message = if kind == ErrorKind::Network { root(error) } else { chain(error) };
        Self::new(kind, about, message)
    }

    /// From a refusal: a reply, whose body may be a `Status` object.
    pub(crate) fn from_reply(reply: &Reply, about: About<'_>) -> Self {
        let (status, body) = (reply.status, reply.json().unwrap_or_default());
        let is_status = body.get("kind").and_then(Value::as_str) == Some("Status");
        let reason = text(&body, "reason").filter(|_| is_status);
        let message = text(&body, "message").filter(|_| is_status);
        let causes = causes(&body);
        let conflicts = conflicts(&causes);
        let kind = match (status, reason.as_deref()) {
            (401 | 403, _) => ErrorKind::Denied,
            (404 | 410, _) if is_status => ErrorKind::Missing,
            (409, _) if !conflicts.is_empty() => ErrorKind::Conflict,
            (409, _) => ErrorKind::Stale,
            (429, _) => ErrorKind::Throttled,
            (408 | 500.., _) => ErrorKind::Transient,
            _ if is_status => ErrorKind::Invalid,
            _ => ErrorKind::Protocol,
        };
        let mut error = Self::new(kind, about, message.as_deref().unwrap_or("no message"));
        let in_body = body.pointer("/details/retryAfterSeconds").and_then(Value::as_u64);
        error.0.status = Some(status);
        error.0.code = reason;
        error.0.detail.conflicts = conflicts;
        error.0.detail.about =
            body.get("details").and_then(|it| text(it, "kind")).unwrap_or_default();
        error.0.detail.causes = causes;
        let asked = reply.retry_after().or(in_body.map(Duration::from_secs));
        error.0.retry_after = asked.map(|asked| asked.min(LONGEST_WAIT));
        error
    }

    /// What a person can do about it.
    pub fn help(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::Transient
            | ErrorKind::Throttled
            | ErrorKind::Busy
            | ErrorKind::Canceled
            | ErrorKind::Deadline => "run the command again later",
            ErrorKind::Conflict => {
                "change the field where its manager takes it from, or leave it out of the manifest"
            }
            ErrorKind::Stale => "plan again: somebody changed it in the meantime",
            ErrorKind::Denied if self.0.status == Some(403) => {
                "grant the missing verb (`privlink preflight --role` prints the RBAC rules)"
            }
            ErrorKind::Denied => "log in again, and check the context's user and its exec plugin",
            ErrorKind::Invalid => "change the manifest as the message says",
            ErrorKind::Missing => "check the context, the namespace and the name",
            ErrorKind::Network | ErrorKind::Unconfigured => {
                "check the kubeconfig, the context (--context), the network and the proxies, or try \
                 without a cluster: --sandbox"
            }
            ErrorKind::Tls => {
                "check the API server's address, the kubeconfig's certificate authority, and this \
                 machine's clock"
            }
            ErrorKind::Protocol | ErrorKind::UntrustedUrl => {
                "check the API server's address, and proxies that answer in its place"
            }
        }
    }
}

impl fmt::Display for KubernetesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failure, detail) = (&self.0, &self.0.detail);
        match (failure.kind, detail.doing) {
            // This is about no object: the next call would end as this one.
            (ErrorKind::Network, doing) if doing != Doing::Connect => {
                write!(f, "cannot reach the API server: ")?;
            }
            (_, doing) => write!(f, "cannot {doing} {}: ", clean(&detail.object))?,
        }
        failure.fmt_reply(f)?;
        for conflict in &detail.conflicts {
            write!(f, "; {} belongs to {}", conflict.field, conflict.manager)?;
        }
        write!(f, " (through {})", detail.identity)
    }
}

impl std::error::Error for KubernetesError {}

/// The causes that a `Status` lists.
fn causes(body: &Value) -> Vec<StatusCause> {
    let causes = body.pointer("/details/causes").and_then(Value::as_array);
    let cause = |cause: &Value| {
        let field = |name| text(cause, name).unwrap_or_default();
        StatusCause { reason: field("reason"), message: field("message"), field: field("field") }
    };
    causes.into_iter().flatten().map(cause).collect()
}

/// The fields of causes that are field manager conflicts.
fn conflicts(causes: &[StatusCause]) -> Vec<Conflict> {
    let mut conflicts: Vec<Conflict> = causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            let StatusCause { message, field, .. } = cause.clone();
            // `conflict with "kubectl-client-side-apply" using v1`
            let manager = message.split('"').nth(1).unwrap_or("another manager").to_owned();
            Conflict { field, manager, message }
        })
        .collect();
    conflicts.sort();
    conflicts
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(shown).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(status: u16, body: &Value) -> KubernetesError {
        let about = (Doing::Apply, "Service default/app", "context prod");
        let body = body.to_string().into_bytes();
        KubernetesError::from_reply(&Reply { status, body, ..Reply::default() }, about)
    }

    #[test]
    fn what_a_refusal_is_about_is_known_by_its_status_and_not_by_its_words() {
        // As `plugin/pkg/admission/namespace/lifecycle` answers.
        let terminating = refused(
            403,
            &json!({
                "kind": "Status", "reason": "Forbidden", "message": "m",
                "details": {"name": "app", "kind": "services", "causes": [{
                    "reason": "NamespaceTerminating", "field": "metadata.namespace",
                    "message": "namespace default is being terminated",
                }]},
            }),
        );
        let cause = terminating.detail.causes.first().unwrap();
        assert_eq!(cause.reason, "NamespaceTerminating");
        assert_eq!(cause.field, "metadata.namespace");
        let missing = refused(
            404,
            &json!({
                "kind": "Status", "reason": "NotFound", "message": "m",
                "details": {"name": "default", "kind": "namespaces"},
            }),
        );
        assert_eq!(
            (missing.kind, missing.detail.about.as_str()),
            (ErrorKind::Missing, "namespaces")
        );
    }

    #[test]
    fn an_opaque_token_in_a_refusal_is_not_shown() {
        let error = refused(
            401,
            &json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized",
                "message": "bad header Authorization: Bearer opaque-secret-1",
            }),
        );
        assert!(!format!("{error} {error:?}").contains("opaque-secret"), "{error}");
    }

    /// A refusal of kube-apiserver 1.33 to a server-side apply.
    #[test]
    fn conflicts_name_field_and_manager() {
        let error = refused(
            409,
            &json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict",
                "message": "Apply failed with 2 conflicts: conflicts with \"kubectl\" using v1: ...",
                "details": {"causes": [
                    {"reason": "FieldManagerConflict", "field": ".spec.type",
                     "message": "conflict with \"kubectl-client-side-apply\" using v1"},
                    {"reason": "FieldManagerConflict", "field": ".spec.ports",
                     "message": "conflict with \"argocd-controller\" using v1 at 2026-01-01T00:00:00Z"},
                ]},
                "code": 409
            }),
        );
        assert_eq!(error.kind, ErrorKind::Conflict);
        let pairs: Vec<_> =
            error.detail.conflicts.iter().map(|c| (c.field.as_str(), c.manager.as_str())).collect();
        assert_eq!(
            pairs,
            [(".spec.ports", "argocd-controller"), (".spec.type", "kubectl-client-side-apply")]
        );
        assert!(error.to_string().contains(".spec.ports belongs to argocd-controller"));
        assert!(!error.is_retryable());
    }

    #[test]
    fn refusals_are_sorted_by_status() {
        let status = |reason: &str| json!({"kind": "Status", "reason": reason, "message": "m"});
        for (code, body, kind) in [
            (401, status("Unauthorized"), ErrorKind::Denied),
            (403, status("Forbidden"), ErrorKind::Denied),
            (404, status("NotFound"), ErrorKind::Missing),
            (404, json!("404 page not found"), ErrorKind::Protocol),
            (409, status("Conflict"), ErrorKind::Stale),
            (409, status("AlreadyExists"), ErrorKind::Stale),
            (422, status("Invalid"), ErrorKind::Invalid),
            (429, status("TooManyRequests"), ErrorKind::Throttled),
            (500, status("InternalError"), ErrorKind::Transient),
            (302, Value::Null, ErrorKind::Protocol),
        ] {
            assert_eq!(refused(code, &body).kind, kind, "{code} {body}");
        }
        let later = json!({"kind": "Status", "details": {"retryAfterSeconds": 7}});
        assert_eq!(refused(429, &later).retry_after, Some(Duration::from_secs(7)));
        let never = json!({"kind": "Status", "details": {"retryAfterSeconds": u64::MAX}});
        assert_eq!(refused(429, &never).retry_after, Some(LONGEST_WAIT));
    }
}
