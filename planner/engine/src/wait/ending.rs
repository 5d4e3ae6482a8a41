//! Whether the controller is still at a sync although Azure shows all that was predicted: what it has yet to
//! write is then another run's trouble, so its own word is waited for where it shows.

use privlink_core::kubernetes::service::Key;
use privlink_core::kubernetes::sync_events;
use tokio::time::Instant;

use crate::session::Session;

/// What was seen of a sync's end so far.
pub(super) struct Ending<'a> {
    session: &'a Session,
    service: &'a Key,
    since: Option<Instant>,
}

impl<'a> Ending<'a> {
    /// Nothing was seen yet.
    pub(super) fn new(session: &'a Session, service: &'a Key) -> Self {
        Self { session, service, since: None }
    }

    /// How it stands, if a sync has begun and not ended by its Events. A word that does not come within the
    /// time of grace is not waited for: recorders drop Events when there are many.
    pub(super) async fn running(&mut self) -> Option<&'static str> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.session.patience.grace {
            return None;
        }
        let kubernetes = self.session.cluster().ok()?;
        let Key { namespace, name } = self.service;
        let live = kubernetes.service(namespace, name).await.ok()?;
        let uid = live.as_ref().and_then(|it| it.pointer("/metadata/uid")?.as_str());
        let events = kubernetes.service_events().await.ok()?;
        let syncs = sync_events::of(self.service, uid, &events);
        let ended = syncs.ensured.max(syncs.failed);
        (syncs.begun > ended).then_some(
            "Azure shows all that was predicted, and the controller has not said yet that it is done",
        )
    }
}
