//! ARM's long-running operations.
//!
//! The protocol (Azure REST guidelines, and recorded traffic of the Azure CLI and of
//! cloud-provider-azure): the reply to a write names a URL in `Azure-AsyncOperation`, else in
//! `Location`; a PUT without either is followed by the resource's own `provisioningState`. The URLs are
//! opaque. A PUT ends with a GET of the resource; a DELETE that has both headers ends with a GET of
//! `Location`.

use std::fmt;
use std::time::Duration;

use azure_core::http::Method;
use privlink_http::failure::{Doing, ErrorKind};
use privlink_http::reply::Reply;
use privlink_model::resource_id::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::client::{ArmClient, Call};
use crate::error::{ArmError, classify};

/// What started the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// A resource is written.
    Put,
    /// A resource is deleted.
    Delete,
}

/// How an operation is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Follow {
    /// A URL whose body has a `status`.
    AsyncOperation(String),
    /// A URL that answers 202 until the operation is done.
    Location(String),
    /// The resource, whose `provisioningState` tells.
    ProvisioningState,
}

/// A running operation: all that another process needs to follow it to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What started it.
    pub verb: Verb,
    /// The resource.
    pub resource: ResourceId,
    /// How it is followed.
    pub follow: Follow,
    /// Where the result is, where that is a URL of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

impl Operation {
    /// The operation as it may be kept in a file: of its URLs' queries only the API version stays, since
    /// ARM may sign the rest.
    #[must_use]
    pub fn to_be_kept(&self) -> Self {
        let follow = match &self.follow {
            Follow::AsyncOperation(url) => Follow::AsyncOperation(unsigned(url)),
            Follow::Location(url) => Follow::Location(unsigned(url)),
            Follow::ProvisioningState => Follow::ProvisioningState,
        };
        let location = self.location.as_deref().map(unsigned);
        Self { follow, location, ..self.clone() }
    }
}

/// The URL with nothing but the API version in its query; nothing at all if it is none.
fn unsigned(url: &str) -> String {
    let Ok(mut url) = url::Url::parse(url) else { return String::new() };
    let version = url.query_pairs().find(|(name, _)| name.eq_ignore_ascii_case("api-version"));
    let version = version.map(|(_, version)| version.into_owned());
    url.set_query(None);
    url.set_fragment(None);
    if let Some(version) = version {
        url.query_pairs_mut().append_pair("api-version", &version);
    }
    url.to_string()
}

/// News of a running operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// ARM's word: `Updating`, `InProgress`.
    pub status: &'a str,
    /// The operation, to be noted before anything else happens.
    pub operation: &'a Operation,
}

/// How long to wait for an operation, and whom to tell.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// When to give up waiting. The operation goes on; the error has it, to be resumed.
    pub deadline: Instant,
    /// Called when the operation is known, and after each poll that finds it running.
    pub progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
}

impl Wait<'_> {
    /// Wait for this long, and tell nobody.
    pub fn quietly(time: Duration) -> Self {
        Self { deadline: Instant::now() + time, progress: &|_| {} }
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// What one poll found.
enum Poll {
    Running { status: String, wait: Option<Duration> },
    Done(Reply),
}

impl ArmClient {
    /// From the reply to a write to the end of its operation.
    pub(crate) async fn finish(
        &self,
        verb: Verb,
        id: &ResourceId,
        call: &Call<'_>,
        reply: Reply,
        wait: &Wait<'_>,
    ) -> Result<Option<Value>, ArmError> {
        let url = |name| reply.header(name).map(str::to_owned);
        let (async_operation, location) = (url("azure-asyncoperation"), url("location"));
        let body = self.json(call, &reply)?;
        let state = provisioning_state(&body);
        let follow = match (async_operation, &location) {
            (Some(url), _) => Follow::AsyncOperation(url),
            // A 200 or 201 may carry the resource's own address in Location.
            (None, Some(url)) if reply.status == 202 => Follow::Location(url.clone()),
            _ if verb == Verb::Delete => return Ok(None),
            _ if reply.status != 202 && is_final(state) => {
                return self.written(call, body).map(Some);
            }
            _ => Follow::ProvisioningState,
        };
        let location = location.filter(|_| matches!(follow, Follow::AsyncOperation(_)));
        let operation = Operation { verb, resource: id.clone(), follow, location };
        (wait.progress)(Progress { status: state.unwrap_or("Accepted"), operation: &operation });
        self.follow(operation, reply.retry_after(), wait).await
    }

    /// Polls an operation until it ends, then fetches its result.
    pub(crate) async fn follow(
        &self,
        mut operation: Operation,
        mut pause: Option<Duration>,
        wait: &Wait<'_>,
    ) -> Result<Option<Value>, ArmError> {
        loop {
            let delay = pause.unwrap_or(self.settings().poll_interval);
            let outcome = if Instant::now() + delay > wait.deadline {
                Err(self.too_late(&operation))
            } else {
                tokio::time::sleep(delay).await;
                self.poll(&mut operation, wait).await
            };
            match outcome {
                Ok(Poll::Running { status, wait: next }) => {
                    (wait.progress)(Progress { status: &status, operation: &operation });
                    pause = next;
                }
                Ok(Poll::Done(reply)) => return self.result(&operation, reply, wait).await,
                Err(mut error) => {
                    // An operation that ARM says has failed is over; otherwise it may still run.
                    if error.detail.doing == Doing::Poll {
                        error.failure_mut().detail.operation = Some(operation);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn too_late(&self, operation: &Operation) -> ArmError {
        let about = (Doing::Poll, operation.resource.as_str(), self.identity());
        ArmError::new(ErrorKind::Deadline, about, "it was still running at the deadline")
    }

    /// One look at an operation.
    async fn poll(&self, operation: &mut Operation, wait: &Wait<'_>) -> Result<Poll, ArmError> {
        let resource = operation.resource.clone();
        let call = self.poll_call(resource.as_str(), &operation.follow)?;
        let reply = match self.read(&call, Some(wait.deadline)).await {
            // The status of a deletion may go with the resource.
            Err(error) if error.kind == ErrorKind::Missing && operation.verb == Verb::Delete => {
                return match self.get(&resource).await? {
                    None => Ok(Poll::Done(Reply { status: 204, ..Reply::default() })),
                    Some(_) => Err(error),
                };
            }
            Err(error) => return Err(ended(error, operation)),
            Ok(reply) => reply,
        };
        let body = self.json(&call, &reply)?;
        let status = match &operation.follow {
            Follow::Location(_) if reply.status == 202 => Some("Running"),
            Follow::Location(_) => Some("Succeeded"),
            Follow::AsyncOperation(_) => body.get("status").and_then(Value::as_str),
            Follow::ProvisioningState => provisioning_state(&body).or(Some("Succeeded")),
        };
        let Some(status) = status else {
            return Err(self.error(&call, ErrorKind::Protocol, "the reply holds no status"));
        };
        match status.to_ascii_lowercase().as_str() {
            "succeeded" => Ok(Poll::Done(reply)),
            "failed" | "canceled" | "cancelled" => {
                Err(self.failed(operation, status, &body, &reply))
            }
            _ => {
                if let (Follow::Location(url), Some(next)) =
                    (&mut operation.follow, reply.header("location"))
                {
                    next.clone_into(url);
                }
                Ok(Poll::Running { status: status.to_owned(), wait: reply.retry_after() })
            }
        }
    }

    fn poll_call<'a>(&self, resource: &'a str, follow: &Follow) -> Result<Call<'a>, ArmError> {
        let mut call = self.call(Doing::Poll, Method::Get, resource)?;
        if let Follow::AsyncOperation(url) | Follow::Location(url) = follow {
            call.url = self.parse(&call, url)?;
        }
        Ok(call)
    }

    /// The error of an operation that failed or was canceled.
    fn failed(&self, operation: &Operation, status: &str, body: &Value, reply: &Reply) -> ArmError {
        let about = (doing(operation.verb), operation.resource.as_str(), self.identity());
        let message = format!("the operation ended as {status}");
        let mut error = ArmError::new(ErrorKind::Invalid, about, message);
        let details = body.get("error").or_else(|| body.pointer("/properties/error"));
        if let Some(details) = details {
            error.describe(details);
        }
        let canceled = !status.eq_ignore_ascii_case("failed") || error.has_code("Canceled");
        error.failure_mut().kind = match classify(None, &error) {
            ErrorKind::Invalid if canceled => ErrorKind::Canceled,
            kind => kind,
        };
        self.note_ids(&mut error, reply);
        error
    }

    /// What an operation that succeeded leaves.
    async fn result(
        &self,
        operation: &Operation,
        reply: Reply,
        wait: &Wait<'_>,
    ) -> Result<Option<Value>, ArmError> {
        let resource = operation.resource.as_str();
        match operation.verb {
            Verb::Put => {
                let call = self.call(Doing::Write, Method::Get, resource)?;
                let body = if operation.follow == Follow::ProvisioningState {
                    self.json(&call, &reply)?
                } else {
                    match self.get(&operation.resource).await? {
                        Some(body) => body,
                        None => return Ok(None),
                    }
                };
                self.written(&call, body).map(Some)
            }
            Verb::Delete => {
                if let Some(url) = &operation.location {
                    let mut call = self.call(Doing::Poll, Method::Get, resource)?;
                    call.url = self.parse(&call, url)?;
                    match self.read(&call, Some(wait.deadline)).await {
                        Err(error) if error.kind != ErrorKind::Missing => return Err(error),
                        _ => {}
                    }
                }
                Ok(None)
            }
        }
    }

    /// The resource as written, unless it says that the write failed.
    fn written(&self, call: &Call<'_>, body: Value) -> Result<Value, ArmError> {
        match provisioning_state(&body) {
            Some(state @ ("Failed" | "Canceled")) => {
                let message = format!("the resource is in the state {state} after the write");
                Err(self.error(call, ErrorKind::Invalid, message))
            }
            _ => Ok(body),
        }
    }
}

/// An error of a `Location` poll is the operation's own end when ARM refuses: then it is the write
/// that failed.
fn ended(mut error: ArmError, operation: &Operation) -> ArmError {
    let refused = matches!(error.kind, ErrorKind::Invalid | ErrorKind::Busy | ErrorKind::Stale);
    if refused && matches!(operation.follow, Follow::Location(_)) {
        error.failure_mut().detail.doing = doing(operation.verb);
    }
    error
}

fn doing(verb: Verb) -> Doing {
    match verb {
        Verb::Put => Doing::Write,
        Verb::Delete => Doing::Delete,
    }
}

fn provisioning_state(body: &Value) -> Option<&str> {
    body.pointer("/properties/provisioningState").and_then(Value::as_str)
}

/// Whether nothing more will happen. A resource without a state has none to wait for.
fn is_final(state: Option<&str>) -> bool {
    state.is_none_or(|state| {
        ["Succeeded", "Failed", "Canceled"].iter().any(|end| end.eq_ignore_ascii_case(state))
    })
}

#[cfg(test)]
#[path = "operation/tests.rs"]
mod tests;
