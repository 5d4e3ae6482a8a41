//! The client: reads, lists and writes of ARM resources.

mod exchange;
mod lost_reply;
mod query;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use azure_core::http::{ClientOptions, Method, Pipeline, RetryOptions, Transport};
use privlink_http::failure::{Doing, ErrorKind};
use privlink_http::retry::Retry;
use privlink_model::resource_id::ResourceId;
use serde_json::Value;
use url::Url;

use crate::authorization::{ArmAuthorization, CredentialSource};
use crate::budget::{Budget, Share};
use crate::cloud::Cloud;
use crate::error::ArmError;
use crate::identity::{Environment, Identity};
use crate::operation::{Operation, Verb, Wait};
use crate::transport::transport;

use privlink_model::reason::chain;

pub(crate) use exchange::Call;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How reads and polls are repeated.
    pub reads: Retry,
    /// How long to wait for the reply to one request.
    pub reply_timeout: Duration,
    /// How long a read may take with all its tries, where nobody set a deadline.
    pub read_timeout: Duration,
    /// How often an operation is polled when ARM does not say.
    pub poll_interval: Duration,
    /// How many pages a list may have. ARM's pages hold hundreds of entries.
    pub most_pages: usize,
    /// How many bytes one reply may have, after decompression: many times what a page of ARM's has.
    pub most_bytes: usize,
    /// How much of what ARM allows an identity is for this client.
    pub share: Share,
    /// Who hears that ARM asked all calls of a kind to wait.
    pub told: fn(&str),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reads: Retry::READS,
            reply_timeout: Duration::from_secs(120),
            read_timeout: Duration::from_secs(300),
            poll_interval: Duration::from_secs(5),
            most_pages: 2000,
            most_bytes: 256 << 20,
            share: Share::default(),
            told: |_| {},
        }
    }
}

/// What a write depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// That the resource still has this etag.
    IfMatch(String),
    /// That it is not there yet. The client looks first and also sends `If-None-Match: *`, since not
    /// every provider honours the header.
    Absent,
}

/// How a deletion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It was deleted.
    Deleted,
    /// It was not there.
    WasAbsent,
}

/// How many requests were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// GETs of resources and pages.
    pub reads: u64,
    /// GETs of operations' statuses.
    pub polls: u64,
    /// PUT and DELETE.
    pub writes: u64,
}

/// A client of ARM in one cloud, as one identity. Cheap to clone.
#[derive(Clone)]
pub struct ArmClient {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Url,
    pipeline: Pipeline,
    identity: String,
    settings: Settings,
    budget: Budget,
    reads: AtomicU64,
    polls: AtomicU64,
    writes: AtomicU64,
}

impl fmt::Debug for ArmClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArmClient")
            .field("endpoint", &self.inner.endpoint.as_str())
            .field("identity", &self.inner.identity)
            .finish_non_exhaustive()
    }
}

impl ArmClient {
    /// A client of `cloud` as `identity`. Nothing is contacted yet.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the environment lacks what the identity needs;
    /// [`ErrorKind::Network`] when no HTTP client can be made.
    pub fn new(
        cloud: &Cloud,
        identity: &Identity,
        environment: &Environment,
        settings: Settings,
    ) -> Result<Self, ArmError> {
        let name = identity.describe(environment);
        let about = (Doing::Read, cloud.endpoint(), name.as_str());
        let failed = |why: reqwest::Error| ArmError::new(ErrorKind::Network, about, chain(&why));
        let most_bytes = settings.most_bytes;
        let to_arm = transport(cloud.is_loopback(), most_bytes).map_err(failed)?;
        let to_issuer = transport(identity.is_local(), most_bytes).map_err(failed)?;
        let source = {
            let (cloud, identity) = (cloud.clone(), identity.clone());
            let environment = environment.clone();
            move |tenant: Option<&str>| {
                identity.credential(tenant, &cloud, &environment, &to_issuer)
            }
        };
        if let Err(why) = source(None) {
            return Err(ArmError::new(ErrorKind::Denied, about, chain(&why)));
        }
        Self::with_transport(cloud, name, Box::new(source), to_arm, settings)
    }

    /// A client over a given transport, with given credentials.
    pub(crate) fn with_transport(
        cloud: &Cloud,
        identity: String,
        credentials: CredentialSource,
        transport: Transport,
        settings: Settings,
    ) -> Result<Self, ArmError> {
        let endpoint = cloud.endpoint_url().map_err(|why| {
            let about = (Doing::Read, cloud.endpoint(), identity.as_str());
            ArmError::new(ErrorKind::Invalid, about, why.to_string())
        })?;
        let authorization = ArmAuthorization::new(endpoint.clone(), cloud.scope(), credentials);
        let options = ClientOptions {
            transport: Some(transport),
            // azure_core would repeat PUT and POST too; what is repeated is decided here.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        };
        let policies: Vec<Arc<dyn azure_core::http::policies::Policy>> =
            vec![Arc::new(authorization)];
        let pipeline = Pipeline::new(
            Some("privlink"),
            Some(env!("CARGO_PKG_VERSION")),
            options,
            Vec::new(),
            policies,
            None,
        );
        let inner = Inner {
            endpoint,
            pipeline,
            identity,
            budget: Budget::new(settings.share),
            settings,
            reads: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As whom it calls, for messages.
    pub fn identity(&self) -> &str {
        &self.inner.identity
    }

    /// ARM's endpoint, as it is configured.
    pub fn endpoint(&self) -> &str {
        self.inner.endpoint.as_str()
    }

    /// How many requests were made so far, repetitions included.
    pub fn calls(&self) -> Calls {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Calls {
            reads: count(&self.inner.reads),
            polls: count(&self.inner.polls),
            writes: count(&self.inner.writes),
        }
    }

    /// One resource, or `None` when ARM says that it, its parent or its group is not there.
    ///
    /// # Errors
    /// Any other failure: a refusal is never an absence.
    pub async fn get(&self, id: &ResourceId) -> Result<Option<Value>, ArmError> {
        let call = self.call(Doing::Read, Method::Get, id.as_str())?;
        match self.read(&call, None).await {
            Ok(reply) => match self.json(&call, &reply)? {
                resource @ Value::Object(_) => Ok(Some(resource)),
                _ => Err(self.error(&call, ErrorKind::Protocol, "the reply holds no resource")),
            },
            Err(error) if error.is_absence() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All pages of the list at `path`, or `None` when ARM says that what holds it is not there. An
    /// error on any page is an error: half a list would read as absences.
    ///
    /// # Errors
    /// As for [`ArmClient::get`]; [`ErrorKind::UntrustedUrl`] when a page's `nextLink` leads elsewhere.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<Value>>, ArmError> {
        self.list_where(path, &[]).await
    }

    /// As [`ArmClient::list`], with further query parameters, such as `$filter`.
    ///
    /// # Errors
    /// As for [`ArmClient::list`].
    pub async fn list_where(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<Vec<Value>>, ArmError> {
        let mut call = self.call(Doing::List, Method::Get, path)?;
        call.url.query_pairs_mut().extend_pairs(query);
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        while seen.insert(call.url.to_string()) {
            if seen.len() > self.inner.settings.most_pages {
                let message = format!("the list has more than {} pages", seen.len() - 1);
                return Err(self.error(&call, ErrorKind::Protocol, message));
            }
            let reply = match self.read(&call, None).await {
                Err(error) if error.is_absence() && entries.is_empty() => return Ok(None),
                other => other?,
            };
            let mut page = self.json(&call, &reply)?;
            match page.get_mut("value").map(Value::take) {
                Some(Value::Array(mut value)) => entries.append(&mut value),
                _ => {
                    let message = "the reply holds no list";
                    return Err(self.error(&call, ErrorKind::Protocol, message));
                }
            }
            match page.get("nextLink").and_then(Value::as_str).filter(|next| !next.is_empty()) {
                None => return Ok(Some(entries)),
                Some(next) => call.url = self.parse(&call, next)?,
            }
        }
        Err(self.error(&call, ErrorKind::Protocol, "the list's pages lead back to one another"))
    }

    /// Writes a resource whole, waits until ARM is done, and returns it as it then is. When the reply
    /// was lost and the resource shows that the write arrived, it counts as written.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] when the precondition does not hold; [`ErrorKind::Deadline`] with the
    /// operation to resume; any other failure, of the request or of the operation.
    pub async fn put(
        &self,
        id: &ResourceId,
        body: &Value,
        precondition: &Precondition,
        wait: &Wait<'_>,
    ) -> Result<Value, ArmError> {
        let mut call = self.call(Doing::Write, Method::Put, id.as_str())?;
        call.body = Some(body);
        call.precondition = precondition;
        call.deadline = Some(wait.deadline);
        if *precondition == Precondition::Absent && self.get(id).await?.is_some() {
            return Err(self.error(&call, ErrorKind::Stale, "it is there already"));
        }
        let reply = match self.send(&call).await.and_then(|reply| self.check(&call, reply)) {
            Err(error) if error.kind == ErrorKind::Transient => {
                return self.recover(id, body, error, wait).await;
            }
            outcome => outcome?,
        };
        let result = self.finish(Verb::Put, id, &call, reply, wait).await?;
        result.ok_or_else(|| {
            self.error(&call, ErrorKind::Missing, "it was written, and is not there now")
        })
    }

    /// Deletes a resource and waits until ARM is done.
    ///
    /// # Errors
    /// As for [`ArmClient::put`].
    pub async fn delete(
        &self,
        id: &ResourceId,
        precondition: &Precondition,
        wait: &Wait<'_>,
    ) -> Result<Deletion, ArmError> {
        let mut call = self.call(Doing::Delete, Method::Delete, id.as_str())?;
        call.precondition = precondition;
        call.deadline = Some(wait.deadline);
        let reply = match self.send(&call).await.and_then(|reply| self.check(&call, reply)) {
            Err(error) if error.is_absence() => return Ok(Deletion::WasAbsent),
            other => other?,
        };
        if reply.status == 204 {
            return Ok(Deletion::WasAbsent);
        }
        self.finish(Verb::Delete, id, &call, reply, wait).await?;
        Ok(Deletion::Deleted)
    }

    /// Follows an operation that was started before, here or in another process, to its end. The
    /// result is the resource for a PUT, and `None` for a DELETE.
    ///
    /// # Errors
    /// As for [`ArmClient::put`].
    pub async fn resume(
        &self,
        operation: &Operation,
        wait: &Wait<'_>,
    ) -> Result<Option<Value>, ArmError> {
        self.follow(operation.clone(), None, wait).await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;
