//! The lock that keeps two applies off the same stack: a Lease (coordination.k8s.io/v1).
//!
//! Expiry trusts no clock but this machine's and no timestamp in the Lease: a holder is dead when its
//! Lease was *seen unchanged here* for as long as the Lease says it may go without renewal. Every
//! write carries the resourceVersion that was read, so of two takers one loses.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::core::params::{GetParams, PostParams};
use kube::core::request;
use privlink_http::failure::{Doing, ErrorKind};
use privlink_model::marks::FIELD_MANAGER;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::call::{Call, escape, requests};
use crate::client::KubernetesClient;
use crate::error::KubernetesError;

/// A Lease used as a lock.
#[derive(Clone)]
pub struct Lock {
    client: KubernetesClient,
    namespace: String,
    name: String,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its identity.
    pub identity: String,
    /// Since when, in its own words (RFC 3339).
    pub since: String,
    /// When it last renewed, in its own words.
    pub renewed: String,
}

/// How an attempt to take a lock ended.
#[derive(Debug)]
pub enum Acquisition {
    /// It is ours; it is renewed until it is released or dropped.
    Acquired(KeptLock),
    /// It is somebody else's, who was seen to renew it.
    HeldBy(Holder),
}

/// A lock that is held and renewed in the background.
pub struct KeptLock {
    lost: watch::Receiver<Option<String>>,
    release: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), KubernetesError>>,
    /// The dead holder it was taken from.
    pub taken_from: Option<Holder>,
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lock({}/{})", self.namespace, self.name)
    }
}

impl fmt::Debug for KeptLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLock").field("lost", &*self.lost.borrow()).finish_non_exhaustive()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} since {}", self.identity, self.since)
    }
}

impl Lock {
    /// The lock with this name. Nothing is contacted.
    pub fn new(client: &KubernetesClient, namespace: &str, name: &str) -> Self {
        let client = client.clone();
        Self { client, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Who holds it, as the Lease says; a dead holder shows too.
    ///
    /// # Errors
    /// When the Lease cannot be read.
    pub async fn holder(&self) -> Result<Option<Holder>, KubernetesError> {
        Ok(self.read().await?.as_ref().and_then(holder))
    }

    /// Takes the lock as `identity`, to be renewed within `duration`. A free lock is taken at once.
    /// A held one is watched: it is refused when its holder is seen to renew it, and taken over when
    /// it stayed unchanged for as long as its holder said. Where that is longer than `at_most` and than
    /// `duration`, it is refused after these: a Lease may name any time. An identity is one run's: where a Lease
    /// has it already, an attempt before this one took it and did not hear of it.
    ///
    /// # Errors
    /// When the Lease cannot be read or written.
    pub async fn acquire(
        &self,
        identity: &str,
        duration: Duration,
        at_most: Duration,
    ) -> Result<Acquisition, KubernetesError> {
        let mut seen: Option<(String, Instant)> = None;
        let watched = at_most.max(duration);
        let mut failures = 0;
        loop {
            let lease = match self.read().await {
                Err(error) if may_pass(&error, &mut failures) => {
                    tokio::time::sleep(pause(&error)).await;
                    continue;
                }
                outcome => outcome?,
            };
            let dead = match lease.as_ref().and_then(holder) {
                None => None,
                // Ours already: the reply to the write that took it was lost.
                Some(current) if current.identity == identity => None,
                Some(current) => {
                    let version = resource_version(lease.as_ref());
                    let patience = lease_duration(lease.as_ref()).unwrap_or(duration);
                    match &seen {
                        Some((known, _)) if *known != version => {
                            return Ok(Acquisition::HeldBy(current));
                        }
                        Some((_, since)) if since.elapsed() >= patience => Some(current),
                        Some((_, since)) if since.elapsed() >= watched => {
                            return Ok(Acquisition::HeldBy(current));
                        }
                        _ => {
                            seen.get_or_insert((version, Instant::now()));
                            let look = patience / 20;
                            let look =
                                look.clamp(Duration::from_millis(200), Duration::from_secs(2));
                            tokio::time::sleep(look).await;
                            continue;
                        }
                    }
                }
            };
            match self.write(lease.as_ref(), identity, duration, None).await {
                Ok(lease) => return Ok(self.keep(lease, identity, duration, dead)),
                // Somebody was faster; see who.
                Err(error) if error.kind == ErrorKind::Stale => {}
                // If it arrived all the same, the Lease is ours when it is read again.
                Err(error) if may_pass(&error, &mut failures) => {
                    tokio::time::sleep(pause(&error)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Frees the lock whoever holds it, if it is still as `holder` describes it.
    ///
    /// # Errors
    /// [`ErrorKind::Stale`] when its holder changed or renewed it in the meantime.
    pub async fn break_open(&self, expected: &Holder) -> Result<(), KubernetesError> {
        let lease = self.read().await?;
        if lease.as_ref().and_then(holder).as_ref() != Some(expected) {
            let object = self.object();
            let about = (Doing::Update, object.as_str(), self.client.name());
            return Err(KubernetesError::new(ErrorKind::Stale, about, "its holder changed"));
        }
        match lease {
            Some(lease) => self.free(&lease).await,
            None => Ok(()),
        }
    }

    /// Renews in the background until released, dropped, or lost.
    fn keep(
        &self,
        lease: Value,
        identity: &str,
        duration: Duration,
        taken_from: Option<Holder>,
    ) -> Acquisition {
        let (lost, lost_receiver) = watch::channel(None);
        let (release, released) = oneshot::channel();
        let (lock, identity) = (self.clone(), identity.to_owned());
        let renewing =
            async move { lock.renew_until(lease, &identity, duration, &lost, released).await };
        let task = tokio::spawn(renewing.in_current_span());
        let release = Some(release);
        Acquisition::Acquired(KeptLock { lost: lost_receiver, release, task, taken_from })
    }

    async fn renew_until(
        &self,
        mut lease: Value,
        identity: &str,
        duration: Duration,
        lost: &watch::Sender<Option<String>>,
        mut released: oneshot::Receiver<()>,
    ) -> Result<(), KubernetesError> {
        let since = since(&lease);
        let mut renewed = Instant::now();
        loop {
            let pause = tokio::time::sleep(duration / 4);
            tokio::select! {
                () = pause => {}
                asked = &mut released => {
                    if asked.is_err() {
                        // Dropped: the process is going away, and the lease runs out by itself.
                        return Ok(());
                    }
                    return self.free(&lease).await;
                }
            }
            // Given up well before anybody else may take it over.
            let last_moment = renewed + duration * 3 / 4;
            let sent = Instant::now();
            let renewal = self.renew(&lease, identity, duration, since.as_deref());
            match tokio::time::timeout_at(last_moment, renewal).await {
                Ok(Ok(Some(next))) => {
                    lease = next;
                    renewed = sent;
                }
                Ok(Ok(None)) => {
                    lost.send_replace(Some(String::from(
                        "another holder took it over, or it was deleted",
                    )));
                    return Ok(());
                }
                Ok(Err(error)) => tracing::debug!(%error, "the lock could not be renewed"),
                Err(_) => tracing::debug!("the lock could not be renewed in time"),
            }
            if Instant::now() >= last_moment && renewed != sent {
                let seconds = renewed.elapsed().as_secs();
                lost.send_replace(Some(format!("it could not be renewed for {seconds} s")));
                return Ok(());
            }
        }
    }

    /// Renews once; nothing when it belongs to another holder.
    async fn renew(
        &self,
        lease: &Value,
        identity: &str,
        duration: Duration,
        since: Option<&str>,
    ) -> Result<Option<Value>, KubernetesError> {
        match self.write(Some(lease), identity, duration, since).await {
            // A renewal whose reply was lost also moves the version: look before giving up.
            Err(error) if error.kind == ErrorKind::Stale => {
                let live = self
                    .read()
                    .await?
                    .filter(|live| holder(live).is_some_and(|holder| holder.identity == identity));
                match live {
                    None => Ok(None),
                    Some(live) => {
                        self.write(Some(&live), identity, duration, since).await.map(Some)
                    }
                }
            }
            // Somebody deleted it: the next run finds it free.
            Err(error) if error.kind == ErrorKind::Missing => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    async fn free(&self, lease: &Value) -> Result<(), KubernetesError> {
        self.write(Some(lease), "", Duration::from_secs(1), None).await.map(|_| ())
    }

    fn object(&self) -> String {
        format!("Lease {}/{}", self.namespace, self.name)
    }

    fn requests(&self) -> request::Request {
        requests::<Lease>(Some(&self.namespace))
    }

    async fn read(&self) -> Result<Option<Value>, KubernetesError> {
        let request = self.requests().get(&escape(&self.name), &GetParams::default());
        let call = Call::new(Doing::Read, self.object(), request);
        self.client.optional(self.client.call(&call).await)
    }

    /// Creates the Lease, or replaces the one that was read. An empty identity frees it.
    async fn write(
        &self,
        read: Option<&Value>,
        identity: &str,
        duration: Duration,
        since: Option<&str>,
    ) -> Result<Value, KubernetesError> {
        let now = format!("{:.6}", Timestamp::now());
        let transitions = read
            .and_then(|lease| lease.pointer("/spec/leaseTransitions")?.as_i64())
            .unwrap_or_default();
        let renewal = since.is_some();
        let mut metadata = json!({"name": self.name, "namespace": self.namespace});
        if let Some(read) = read
            && let Some(metadata) = metadata.as_object_mut()
        {
            let version = resource_version(Some(read));
            metadata.insert(String::from("resourceVersion"), Value::from(version));
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": identity,
                "leaseDurationSeconds": duration.as_secs().max(1),
                "acquireTime": since.unwrap_or(&now),
                "renewTime": now,
                "leaseTransitions": if renewal { transitions } else { transitions + 1 },
            },
        });
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run: false };
        let body = lease.to_string().into_bytes();
        let request = match read {
            None => self.requests().create(&params, body),
            Some(_) => self.requests().replace(&escape(&self.name), &params, body),
        };
        let call = Call::new(Doing::Update, self.object(), request);
        self.client.call(&call).await
    }
}

impl KeptLock {
    /// Why it is no longer ours, if it was lost.
    pub fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    /// Waits until it is lost, and says why. Never ends while it is ours.
    pub async fn until_lost(&self) -> String {
        let mut lost = self.lost.clone();
        let why = lost.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Frees it, for the next one not to wait.
    ///
    /// # Errors
    /// When the API server does not take it back; the lease then runs out by itself.
    pub async fn release(mut self) -> Result<(), KubernetesError> {
        if let Some(release) = self.release.take() {
            // No receiver: it was lost, and there is nothing to free.
            let _ = release.send(());
        }
        (&mut self.task).await.unwrap_or(Ok(()))
    }
}

/// Whether a failure to read or write the Lease is one that may pass; each counts, up to a few.
fn may_pass(error: &KubernetesError, failures: &mut u32) -> bool {
    *failures += 1;
    error.is_retryable() && *failures < 5
}

/// How long to wait before the Lease is looked at again.
fn pause(error: &KubernetesError) -> Duration {
    error.retry_after.unwrap_or(Duration::from_millis(500)).min(Duration::from_secs(10))
}

/// The holder, if the lock is held.
fn holder(lease: &Value) -> Option<Holder> {
    let text = |name| lease.pointer(&format!("/spec/{name}")).and_then(Value::as_str);
    let identity = text("holderIdentity").filter(|identity| !identity.is_empty())?;
    Some(Holder {
        identity: identity.to_owned(),
        since: text("acquireTime").unwrap_or("an unknown time").to_owned(),
        renewed: text("renewTime").unwrap_or("an unknown time").to_owned(),
    })
}

fn since(lease: &Value) -> Option<String> {
    lease.pointer("/spec/acquireTime").and_then(Value::as_str).map(str::to_owned)
}

fn resource_version(lease: Option<&Value>) -> String {
    let version = lease.and_then(|lease| lease.pointer("/metadata/resourceVersion")?.as_str());
    version.unwrap_or_default().to_owned()
}

fn lease_duration(lease: Option<&Value>) -> Option<Duration> {
    let seconds = lease?.pointer("/spec/leaseDurationSeconds")?.as_u64()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
#[path = "lease/tests.rs"]
mod tests;
