//! One wait's clock: when it is over, and when it is time to tell how it stands.

use privlink_core::event::EventKind;
use privlink_core::kubernetes::service::Key;
use privlink_core::kubernetes::sync_events;
use tokio::time::{Instant, timeout};

use crate::apply::Teller;
use crate::execute::Failure;
use crate::patience::WaitKind;
use crate::session::Session;

/// A wait's clock.
pub(super) struct Countdown<'a> {
    session: &'a Session,
    teller: &'a Teller,
    kind: WaitKind,
    begun: Instant,
    next_notice: Instant,
    state: String,
    /// The last Event that was told.
    event: String,
}

impl<'a> Countdown<'a> {
    /// Begins to count.
    pub(super) fn begin(session: &'a Session, teller: &'a Teller, kind: WaitKind) -> Self {
        let begun = Instant::now();
        let next_notice = begun + session.patience.notice;
        Self {
            session,
            teller,
            kind,
            begun,
            next_notice,
            state: String::new(),
            event: String::new(),
        }
    }

    /// Whether the time is over.
    pub(super) fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.session.patience.deadline(self.kind)
    }

    /// Tells how the wait stands: at once if that is news, and every so often if it is not, with the
    /// last Event of the Service behind it if that is news.
    pub(super) async fn tell(&mut self, state: &str, service: Option<&Key>) {
        if self.state != state {
            state.clone_into(&mut self.state);
            self.teller.tell(EventKind::Progress { state: state.to_owned() });
        }
        if Instant::now() < self.next_notice {
            return;
        }
        self.next_notice = Instant::now() + self.session.patience.notice;
        let (waited, at_most) = (self.begun.elapsed(), self.session.patience.deadline(self.kind));
        let event = last_event(self.session, service).await;
        let news = if event == self.event { "" } else { event.as_str() };
        let state = format!(
            "{state}, after {} s of at most {} s{news}",
            waited.as_secs(),
            at_most.as_secs(),
        );
        self.event = event;
        self.teller.tell(EventKind::Progress { state });
    }

    /// The failure of a wait whose time is over.
    pub(super) async fn stalled(&self, what: &str, service: Option<&Key>) -> Failure {
        let Self { kind, state, .. } = self;
        let seconds = self.session.patience.deadline(*kind).as_secs();
        let event = last_event(self.session, service).await;
        Failure::new(format!("{what} within {seconds} s (--timeout {kind}=...): {state}{event}"))
    }

    /// Waits until it is time to look again: until something wakes it, or its interval is over.
    ///
    /// # Errors
    ///
    /// When the run is stopped.
    pub(super) async fn pause(&self, wake: impl Future<Output = ()>) -> Result<(), Failure> {
        let interval = self.session.patience.poll_interval;
        tokio::select! {
            biased;
            () = self.session.stop.cancelled() => Err(Failure::stopped()),
            // Either a wake-up or the end of the interval: both mean to look again.
            _ = timeout(interval, wake) => Ok(()),
        }
    }
}

/// The last Event of a Service, as the end of a sentence.
async fn last_event(session: &Session, service: Option<&Key>) -> String {
    let Some(service) = service else { return String::new() };
    let Ok(kubernetes) = session.cluster() else { return String::new() };
    let Ok(events) = kubernetes.service_events().await else { return String::new() };
    let Ok(live) = kubernetes.service(&service.namespace, &service.name).await else {
        return String::new();
    };
    let uid = live.as_ref().and_then(|it| it.pointer("/metadata/uid")?.as_str());
    let last = sync_events::of(service, uid, &events).last;
    last.map_or_else(String::new, |(reason, said)| {
        format!("; the last event of the Service is {reason}: {}", in_one_line(&said))
    })
}

/// What an Event says, in one line: the controller passes on errors of Azure's client, which have several, with rulers
/// between them.
fn in_one_line(said: &str) -> String {
    let says = |line: &&str| line.chars().any(|it| !"-=_*".contains(it));
    let lines = said.lines().map(str::trim).filter(says);
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    #[test]
    fn what_an_event_says_is_one_line_without_rulers() {
        let said = "Error syncing load balancer: PUT https://management.azure.com/subscriptions/s\n\
            --------------------------------------------------------------------------------\n\
            RESPONSE 409: 409 Conflict\n  ERROR CODE:   InUse\n\
            ================\n{\n  \"code\": \"InUse\"\n}\n";
        assert_eq!(
            in_one_line(said),
            "Error syncing load balancer: PUT https://management.azure.com/subscriptions/s RESPONSE 409: 409 Conflict \
             ERROR CODE: InUse { \"code\": \"InUse\" }"
        );
        assert_eq!(in_one_line("pool-a is in use"), "pool-a is in use");
    }
}
