//! A watch that says when to look again.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{AsyncBufReadExt, AsyncReadExt, TryStreamExt};
use http::Response;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Service};
use kube::client::Body;
use kube::core::params::WatchParams;
use privlink_http::failure::Doing;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tracing::Instrument;

use crate::call::{Call, requests};
use crate::client::KubernetesClient;

/// How long the API server is asked to keep one watch open.
const WATCH_SECONDS: u32 = 240;
/// How long a watch may be silent before it is taken for dead.
const SILENCE: Duration = Duration::from_secs(270);
/// The pause after a watch that ended, and the longest pause after watches that failed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Wake-ups: something about a Service or its Events may have changed.
///
/// They carry no content on purpose: what is true is what a fresh read shows. A wake-up may come
/// without a change, and may stand for many; while the API server cannot be watched none come, so a
/// wait needs a timer beside them. Clones wake independently.
#[derive(Clone, Debug)]
pub struct Wakeups(watch::Receiver<u64>);

/// An event of a watch, as far as its kind.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
}

/// Objects of one kind that are watched for what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// All Services.
    Services,
    /// All Nodes.
    Nodes,
    /// All Namespaces.
    Namespaces,
}

impl Watched {
    /// The request. Without a version the API server first sends what is there.
    fn call(self) -> Call {
        let (what, request) = match self {
            Self::Services => ("Services", requests::<Service>(None).watch(&params(), "")),
            Self::Nodes => ("Nodes", requests::<Node>(None).watch(&params(), "")),
            Self::Namespaces => ("Namespaces", requests::<Namespace>(None).watch(&params(), "")),
        };
        Call::new(Doing::List, what, request)
    }
}

/// What happens in a watch.
enum Told<'a> {
    /// It begins; what happened before it is not told.
    Begun,
    /// An object changed: the event as it came.
    Changed(&'a [u8]),
}

/// Wake-ups when an object of the kind comes, goes or differs from what it was. Nodes report every few seconds that they
/// are well, and managers note when they wrote: that wakes nobody.
pub(crate) fn changes(client: &KubernetesClient, watched: Watched) -> Wakeups {
    let (sender, receiver) = watch::channel(0);
    let (client, call) = (client.clone(), watched.call());
    let watch = async move {
        let mut digests = Digests::default();
        let mut told = |told: Told<'_>| {
            if digests.differs(&told) {
                wake(&sender);
            }
        };
        tokio::select! {
            () = follow(&client, &call, &mut told) => {}
            () = sender.closed() => {}
        }
    };
    tokio::spawn(watch.in_current_span());
    Wakeups(receiver)
}

fn wake(sender: &watch::Sender<u64>) {
    sender.send_modify(|count| *count = count.wrapping_add(1));
}

/// A digest of each object, as it was last seen.
#[derive(Default)]
struct Digests(BTreeMap<String, u64>);

impl Digests {
    /// Whether it is worth a look. What went while nobody watched is in no event: each beginning is.
    fn differs(&mut self, told: &Told<'_>) -> bool {
        let Told::Changed(line) = told else {
            self.0.clear();
            return true;
        };
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else { return true };
        let is_gone = event.get("type").and_then(Value::as_str) == Some("DELETED");
        let Some(object) = event.get_mut("object") else { return true };
        let Some(uid) = object.pointer("/metadata/uid").and_then(Value::as_str) else {
            return true;
        };
        let uid = uid.to_owned();
        if is_gone {
            self.0.remove(&uid);
            return true;
        }
        let digest = digest(object);
        self.0.insert(uid, digest) != Some(digest)
    }
}

/// A digest of an object without what changes by itself.
fn digest(object: &mut Value) -> u64 {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("resourceVersion");
        metadata.shift_remove("managedFields");
    }
    let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        condition.shift_remove("lastHeartbeatTime");
    }
    let mut hasher = DefaultHasher::new();
    object.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The watches of one client: they run while anybody waits for wake-ups, and are shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches(Arc<Mutex<Option<watch::Sender<u64>>>>);

impl Watches {
    /// Wake-ups from now on. Starts the watches if they do not run.
    pub(crate) fn subscribe(&self, client: &KubernetesClient) -> Wakeups {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*running {
            return Wakeups(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(0);
        tokio::spawn(self.clone().run(client.clone(), sender.clone()).in_current_span());
        *running = Some(sender);
        Wakeups(receiver)
    }

    /// Watches until the last receiver is dropped.
    async fn run(self, client: KubernetesClient, sender: watch::Sender<u64>) {
        let mut by_service = |told: Told<'_>| wake_by_change(&sender, &told);
        let mut by_event = |told: Told<'_>| wake_by_change(&sender, &told);
        let (of_services, of_events) = (Watched::Services.call(), events_of_services());
        let services = follow(&client, &of_services, &mut by_service);
        let events = follow(&client, &of_events, &mut by_event);
        let unwanted = async {
            loop {
                sender.closed().await;
                let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                // Somebody may have subscribed in the meantime.
                if sender.receiver_count() == 0 {
                    *running = None;
                    return;
                }
            }
        };
        tokio::select! {
            () = services => {}
            () = events => {}
            () = unwanted => {}
        }
    }
}

impl Wakeups {
    /// Waits for the next wake-up since the last call.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The watches end only with the runtime; nothing will wake anybody then.
            std::future::pending::<()>().await;
        }
    }
}

/// The watch of the Events about Services.
fn events_of_services() -> Call {
    let params = params().fields("involvedObject.kind=Service");
    Call::new(Doing::List, "Events", requests::<Event>(None).watch(&params, ""))
}

fn params() -> WatchParams {
    WatchParams::default().timeout(WATCH_SECONDS)
}

fn wake_by_change(sender: &watch::Sender<u64>, told: &Told<'_>) {
    if let Told::Changed(_) = told {
        wake(sender);
    }
}

/// Who is told what happens in a watch.
type Listener<'a> = &'a mut (dyn FnMut(Told<'_>) + Send);

/// Watches again and again.
async fn follow(client: &KubernetesClient, call: &Call, told: Listener<'_>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match watch_once(client, call, told).await {
            Ok(()) => pause = SHORTEST_PAUSE,
            Err(why) => {
                tracing::debug!(watched = call.object, %why, "a watch ended");
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// One watch, from the state of now until it ends. It begins without a resourceVersion, so that the
/// API server first sends what is there: whatever happened while nobody watched wakes too.
async fn watch_once(
    client: &KubernetesClient,
    call: &Call,
    told: Listener<'_>,
) -> Result<(), String> {
    let mut request = call.request.clone()?.map(Body::from);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let sent = client.called(&method, &path);
    // The watch itself is long: its span ends with the head of the reply.
    let status = |reply: &Response<Body>| reply.status().as_u16();
    let reply = sent.traced(status, client.raw().send(request)).await;
    let reply = reply.map_err(|why| why.to_string())?;
    if !reply.status().is_success() {
        return Err(format!("the API server answered {}", reply.status()));
    }
    told(Told::Begun);
    let events = reply.into_body().into_data_stream().map_err(std::io::Error::other);
    let mut events = pin!(events.into_async_read());
    let most = client.settings().most_bytes;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut next = (&mut events).take(most as u64);
        match tokio::time::timeout(SILENCE, next.read_until(b'\n', &mut line)).await {
            Err(_) => return Err(String::from("the watch is silent")),
            Ok(Ok(0)) => return Ok(()),
            Ok(read) => read.map_err(|why| why.to_string())?,
        };
        if line.len() == most {
            return Err(format!("an event is larger than {} MiB", most >> 20));
        }
        let event: Typed<'_> = serde_json::from_slice(&line).map_err(|why| why.to_string())?;
        match &*event.kind {
            "BOOKMARK" => {}
            "ERROR" => return Err(String::from("the API server ended the watch")),
            _ => told(Told::Changed(&line)),
        }
    }
}

#[cfg(test)]
#[path = "watch/tests.rs"]
mod tests;
