//! Whether the controller did something else than was predicted: it says that it is done with a
//! Service, and Azure stays otherwise.

use jiff::Timestamp;
use privlink_core::kubernetes::service::Key;
use privlink_core::kubernetes::sync_events;
use serde_json::Value;
use tokio::time::Instant;

use crate::execute::Failure;
use crate::session::Session;

/// What was seen of the controller's word so far.
pub(super) struct Otherwise<'a> {
    session: &'a Session,
    service: &'a Key,
    next: Instant,
    seen: Option<Seen>,
}

/// The controller's word that it is done, and what Azure showed instead of what was predicted.
struct Seen {
    ensured: Timestamp,
    missing: String,
    since: Instant,
}

/// How often the controller's word is asked for within the time of grace.
const LOOKS: u32 = 10;

impl<'a> Otherwise<'a> {
    /// Nothing was seen yet.
    pub(super) fn new(session: &'a Session, service: &'a Key) -> Self {
        let next = Instant::now() + session.patience.grace / LOOKS;
        Self { session, service, next, seen: None }
    }

    /// Looks, if it is time to. The finding takes a word of the controller that is newer than the
    /// Service's last write, no sync begun since, and an Azure that did not move for the time of grace.
    pub(super) async fn look(&mut self, missing: &str) -> Option<Failure> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + self.session.patience.grace / LOOKS;
        let Some(ensured) = self.ensured().await else {
            self.seen = None;
            return None;
        };
        let same = self
            .seen
            .as_ref()
            .filter(|seen| seen.ensured == ensured && seen.missing == missing)
            .map(|seen| seen.since);
        let since = same.unwrap_or(now);
        self.seen = Some(Seen { ensured, missing: missing.to_owned(), since });
        (since.elapsed() >= self.session.patience.grace).then(|| {
            Failure::otherwise(format!(
                "the controller says that it is done (EnsuredLoadBalancer at {ensured}), and Azure is not as \
                 predicted: {missing}"
            ))
        })
    }

    /// When the controller ended its sync of the Service's last write, if it did, and none runs since.
    /// What cannot be read says nothing.
    async fn ensured(&self) -> Option<Timestamp> {
        let Key { namespace, name } = self.service;
        let kubernetes = self.session.cluster().ok()?;
        let live = kubernetes.service(namespace, name).await.ok()??;
        // Of one that is being deleted the word is of a sync before that.
        if live.pointer("/metadata/deletionTimestamp").is_some() {
            return None;
        }
        let events = kubernetes.service_events().await.ok()?;
        let written = sync_events::last_write(&live)?;
        let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
        let syncs = sync_events::of(self.service, uid, &events);
        syncs.ensured.filter(|ensured| *ensured >= written && syncs.begun <= Some(*ensured))
    }
}
