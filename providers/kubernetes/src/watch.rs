//! A watch that says when to look again.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{AsyncBufReadExt, AsyncReadExt, TryStreamExt};
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{Event, Service};
use kube::client::Body;
use kube::core::params::WatchParams;
use privlink_http::failure::Doing;
use serde::Deserialize;
use tokio::sync::watch;

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

#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
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
        tokio::spawn(self.clone().run(client.clone(), sender.clone()));
        *running = Some(sender);
        Wakeups(receiver)
    }

    /// Watches until the last receiver is dropped.
    async fn run(self, client: KubernetesClient, sender: watch::Sender<u64>) {
        let [services, events] = watched();
        let services = follow(&client, &services, &sender);
        let events = follow(&client, &events, &sender);
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

/// What is watched: Services, and the Events about them.
fn watched() -> [Call; 2] {
    let params = WatchParams::default().timeout(WATCH_SECONDS);
    let of_services = params.clone().fields("involvedObject.kind=Service");
    // Without a version the API server first sends what is there.
    let services = requests::<Service>(None).watch(&params, "");
    let events = requests::<Event>(None).watch(&of_services, "");
    [Call::new(Doing::List, "Services", services), Call::new(Doing::List, "Events", events)]
}

/// Watches again and again.
async fn follow(client: &KubernetesClient, call: &Call, sender: &watch::Sender<u64>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match watch_once(client, call, sender).await {
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
    sender: &watch::Sender<u64>,
) -> Result<(), String> {
    let mut request = call.request.clone()?.map(Body::from);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let reply = client.raw().send(request).await.map_err(|why| why.to_string())?;
    if !reply.status().is_success() {
        return Err(format!("the API server answered {}", reply.status()));
    }
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
        let event: Told<'_> = serde_json::from_slice(&line).map_err(|why| why.to_string())?;
        match &*event.kind {
            "BOOKMARK" => {}
            "ERROR" => return Err(String::from("the API server ended the watch")),
            _ => sender.send_modify(|count| *count = count.wrapping_add(1)),
        }
    }
}

#[cfg(test)]
#[path = "watch/tests.rs"]
mod tests;
