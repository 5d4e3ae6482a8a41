//! What can go wrong between this tool and an API server.

use privlink_http::secret::hide;
use privlink_model::reason::{chain, clean, is_tls, root};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;

/// What kind of failure it is, which decides what can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// The API server failed for the moment, or its reply broke off: 5xx, timeouts, resets.
    Transient,
    /// Too many requests: 429.
    Throttled,
    /// Another field manager owns a field that would change. Never forced.
    Conflict,
    /// The object is not the one that was read: another uid or resourceVersion, or it exists already.
    Stale,
    /// No valid credentials, or none with the right: 401, 403, and failing exec plugins.
    Denied,
    /// The API server does not accept the request.
    Invalid,
    /// It is not there.
    Missing,
    /// The API server was not reached, or there is no way to it in the configuration.
    Network,
    /// No TLS connection was made: the certificate is not trusted, or the server speaks no TLS.
    Tls,
    /// The reply is not an API server's, or larger than any of one.
    Protocol,
}

/// What the client was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Finding and reading the configuration.
    Connect,
    /// GET of one object.
    Read,
    /// GET of a list.
    List,
    /// Server-side apply, or a dry run of it.
    Apply,
    /// A patch, or an update.
    Update,
    /// DELETE.
    Delete,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect to",
            Self::Read => "read",
            Self::List => "list",
            Self::Apply => "apply",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

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

/// A failed call, with all that is known of it. Its text holds no credential.
#[derive(Clone, Debug)]
pub struct Failure {
    /// See [`ErrorKind`].
    pub kind: ErrorKind,
    /// What was being done ...
    pub doing: Doing,
    /// ... to what: `Service default/app`, `Services`.
    pub object: String,
    /// Through which way: the context, or the API server's address.
    pub identity: String,
    /// The HTTP status, if there was a reply.
    pub status: Option<u16>,
    /// The API server's reason: `Forbidden`, `Invalid`.
    pub reason: Option<String>,
    /// The API server's message, or the whole chain of reasons of what failed on this side.
    pub message: String,
    /// The fields in conflict, for [`ErrorKind::Conflict`].
    pub conflicts: Vec<Conflict>,
    /// How long the API server asks to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// An error of the Kubernetes client: a boxed [`Failure`].
#[derive(Clone, Debug)]
pub struct KubernetesError(Box<Failure>);

impl Deref for KubernetesError {
    type Target = Failure;

    fn deref(&self) -> &Failure {
        &self.0
    }
}

/// What an error is about: doing what, to which object, through which way.
pub(crate) type About<'a> = (Doing, &'a str, &'a str);

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl KubernetesError {
    pub(crate) fn new(
        kind: ErrorKind,
        (doing, object, identity): About<'_>,
        message: impl AsRef<str>,
    ) -> Self {
        Self(Box::new(Failure {
            kind,
            doing,
            object: object.to_owned(),
            identity: identity.to_owned(),
            status: None,
            reason: None,
            message: clean(&hide(message.as_ref())),
            conflicts: Vec::new(),
            retry_after: None,
        }))
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
        tracing::info!(why = clean(&hide(&chain(error))), "the API server gave no reply");
        let message = if kind == ErrorKind::Network { root(error) } else { chain(error) };
        Self::new(kind, about, message)
    }

    /// From a refusal: an HTTP status and the `Status` object, if the body is one.
    pub(crate) fn from_status(
        status: u16,
        retry_after: Option<Duration>,
        body: &[u8],
        about: About<'_>,
    ) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let is_status = body.get("kind").and_then(Value::as_str) == Some("Status");
        let reason = text(&body, "reason").filter(|_| is_status);
        let message = text(&body, "message").filter(|_| is_status);
        let conflicts = conflicts(&body);
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
        error.0.reason = reason;
        error.0.conflicts = conflicts;
        let asked = retry_after.or(in_body.map(Duration::from_secs));
        error.0.retry_after = asked.map(|asked| asked.min(LONGEST_WAIT));
        error
    }

    /// Whether the same request may succeed later, unchanged.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Transient | ErrorKind::Throttled | ErrorKind::Network)
    }

    /// What a person can do about it.
    pub fn help(&self) -> &'static str {
        match self.0.kind {
            ErrorKind::Transient | ErrorKind::Throttled => "run the command again later",
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
            ErrorKind::Network => {
                "check the kubeconfig, the context (--context), the network and the proxies, or try \
                 without a cluster: --sandbox"
            }
            ErrorKind::Tls => {
                "check the API server's address, the kubeconfig's certificate authority, and this \
                 machine's clock"
            }
            ErrorKind::Protocol => {
                "check the API server's address, and proxies that answer in its place"
            }
        }
    }
}

impl fmt::Display for KubernetesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = &self.0;
        match (failure.kind, failure.doing) {
            // This is about no object: the next call would end as this one.
            (ErrorKind::Network, doing) if doing != Doing::Connect => {
                write!(f, "cannot reach the API server: ")?;
            }
            (_, doing) => write!(f, "cannot {doing} {}: ", clean(&failure.object))?,
        }
        match (&failure.reason, failure.status) {
            (Some(reason), Some(status)) => write!(f, "{reason} ({status}): ")?,
            (_, Some(status)) => write!(f, "HTTP {status}: ")?,
            (_, None) => {}
        }
        f.write_str(&failure.message)?;
        for conflict in &failure.conflicts {
            write!(f, "; {} belongs to {}", conflict.field, conflict.manager)?;
        }
        write!(f, " (through {})", failure.identity)
    }
}

impl std::error::Error for KubernetesError {}

/// The fields of a `Status` whose causes are field manager conflicts.
fn conflicts(body: &Value) -> Vec<Conflict> {
    let causes = body.pointer("/details/causes").and_then(Value::as_array);
    let mut conflicts: Vec<Conflict> = causes
        .into_iter()
        .flatten()
        .filter(|cause| text(cause, "reason").as_deref() == Some("FieldManagerConflict"))
        .map(|cause| {
            let message = text(cause, "message").unwrap_or_default();
            // `conflict with "kubectl-client-side-apply" using v1`
            let manager = message.split('"').nth(1).unwrap_or("another manager").to_owned();
            Conflict { field: text(cause, "field").unwrap_or_default(), manager, message }
        })
        .collect();
    conflicts.sort();
    conflicts
}

fn text(value: &Value, name: &str) -> Option<String> {
    value
        .get(name)
        .and_then(Value::as_str)
        .map(|text| clean(&hide(text)))
        .filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(status: u16, body: &Value) -> KubernetesError {
        let about = (Doing::Apply, "Service default/app", "context prod");
        KubernetesError::from_status(status, None, body.to_string().as_bytes(), about)
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
            error.conflicts.iter().map(|c| (c.field.as_str(), c.manager.as_str())).collect();
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
