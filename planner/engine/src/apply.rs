//! Apply: carries out the steps of a plan, side by side where they may be.
//!
//! The order is the [`Frontier`]'s; this is the loop around it. All that happens is told as events.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use privlink_core::change::{FieldDiff, taken_over};
use privlink_core::event::{Event, EventKind};
use privlink_core::frontier::Frontier;
use privlink_core::node_id::NodeId;
use privlink_core::plan::{Plan, Step};
use privlink_core::report::Report;
use privlink_core::saved;
use tokio::sync::mpsc;
use tracing::Instrument;

use crate::execute::{self, Done, End, Failure};
use crate::session::Session;
use crate::span;

/// Where a step tells how it goes.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    /// The stack that is worked on.
    pub(crate) stack: Arc<str>,
    /// The marks of other stacks that the plan shows it takes over, by the object in lower case.
    pub(crate) taken: Arc<BTreeMap<String, String>>,
    /// The fields that the plan shows to change, where no other may: see [`Origin::Saved`].
    pub(crate) held_to: Option<Arc<[FieldDiff]>>,
    step: usize,
    address: NodeId,
    events: mpsc::UnboundedSender<Event>,
}

impl Teller {
    /// Tells something of the step.
    pub(crate) fn tell(&self, kind: EventKind) {
        let event = event(kind, Some((self.step, self.address.clone())));
        // Nobody listens any more once the run is over.
        let _ = self.events.send(event);
    }
}

/// An event of now, about a step or about the whole run.
pub fn event(kind: EventKind, about: Option<(usize, NodeId)>) -> Event {
    let (step, address) = about.unzip();
    Event { at: now(), step, address, kind }
}

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// Where a plan comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was made just now, and writes what it was made for.
    Made,
    /// It was read from a file, which others may have written: a write that would change more than the plan shows is
    /// refused.
    Saved,
}

/// Carries out a plan that was made just now. Events go to `sink` in the order they happen; the report is a fold over
/// them. When the session is stopped, writes in flight are finished, waits are left, and nothing more starts.
pub async fn apply(plan: &Plan, session: &Session, sink: impl FnMut(&Event)) -> Report {
    carry_out(plan, Origin::Made, session, sink).await
}

/// Carries a plan out, from wherever it comes.
pub(crate) async fn carry_out(
    plan: &Plan,
    origin: Origin,
    session: &Session,
    mut sink: impl FnMut(&Event),
) -> Report {
    let mut report = Report::default();
    let mut emit = |event: &Event, report: &mut Report| {
        report.add(event);
        sink(event);
    };
    let begun = EventKind::Begun {
        stack: plan.stack.clone(),
        mode: plan.mode,
        steps: plan.steps.len(),
        plan: saved::digest(plan),
    };
    emit(&event(begun, None), &mut report);

    let steps: BTreeMap<usize, &Step> = plan.steps.iter().map(|step| (step.id, step)).collect();
    let mut frontier = Frontier::new(&plan.steps, session.patience.parallelism);
    let (events, mut heard) = mpsc::unbounded_channel();
    let stack: Arc<str> = Arc::from(plan.stack.as_str());
    let taken = Arc::new(taken_over(&plan.changes));
    let teller = |id: usize| {
        let address = steps.get(&id).map(|step| step.change.clone())?;
        let changes = plan.changes.iter().filter(|it| it.address == address);
        let shown = || changes.flat_map(|it| it.fields.iter().cloned()).collect();
        let held_to = (origin == Origin::Saved).then(shown);
        let (stack, taken, events) = (Arc::clone(&stack), Arc::clone(&taken), events.clone());
        Some(Teller { stack, taken, held_to, step: id, address, events })
    };
    // Steps wait for the network, not for a processor: one task carries them all.
    let mut running = FuturesUnordered::new();
    let mut stopped = false;
    loop {
        // What ended is told before what starts because of it.
        while let Ok(event) = heard.try_recv() {
            emit(&event, &mut report);
        }
        if !session.stop.is_cancelled() {
            for id in frontier.start() {
                let (Some(step), Some(teller)) = (steps.get(&id), teller(id)) else { continue };
                // Told, and with that in the journal, before anything is done.
                let doing = format!("{} {}", step.op.verb(), step.change);
                let about = Some((id, step.change.clone()));
                emit(&event(EventKind::Started { doing }, about), &mut report);
                running.push(run(step, session, teller));
            }
        }
        if frontier.is_done() && running.is_empty() && heard.is_empty() {
            break;
        }
        tokio::select! {
            biased;
            Some(event) = heard.recv() => emit(&event, &mut report),
            () = session.stop.cancelled(), if !stopped => {
                stopped = true;
                tell_all(frontier.cancel(), &teller, &EventKind::Cancelled);
            }
            Some((id, outcome)) = running.next() => {
                let succeeded = end(outcome, teller(id).as_ref());
                let skipped = frontier.finish(id, succeeded);
                tell_all(skipped, &teller, &EventKind::Skipped { because: id });
                if !succeeded && session.patience.fail_fast {
                    tell_all(frontier.cancel(), &teller, &EventKind::Cancelled);
                }
            }
            else => break,
        }
    }
    emit(&event(EventKind::Ended, None), &mut report);
    report
}

fn tell_all(ids: Vec<usize>, teller: &impl Fn(usize) -> Option<Teller>, kind: &EventKind) {
    for id in ids {
        if let Some(teller) = teller(id) {
            teller.tell(kind.clone());
        }
    }
}

async fn run(step: &Step, session: &Session, teller: Teller) -> (usize, Result<Done, Failure>) {
    if session.stop.is_cancelled() {
        // That it starts could not be told.
        return (step.id, Err(Failure::stopped()));
    }
    let span = span::step(step);
    let doing = Box::pin(execute::step(step, session, &teller));
    let outcome = doing.instrument(span.clone()).await;
    span.record("privlink.outcome", word(&outcome));
    if outcome.as_ref().is_err_and(|it| it.end != End::Stopped) {
        span.record("otel.status_code", "ERROR");
    }
    (step.id, outcome)
}

/// How a step ended, in a word.
fn word(outcome: &Result<Done, Failure>) -> &'static str {
    match outcome {
        Ok(Done::Well(_)) => "succeeded",
        Ok(Done::AwaitingApproval(_)) => "awaiting-approval",
        Err(Failure { end: End::Failed, .. }) => "failed",
        Err(Failure { end: End::Otherwise, .. }) => "otherwise",
        Err(Failure { end: End::Stopped, .. }) => "stopped",
    }
}

/// Tells how a step ended; returns whether what needs it may start.
fn end(outcome: Result<Done, Failure>, teller: Option<&Teller>) -> bool {
    let (kind, succeeded) = match outcome {
        Ok(Done::Well(detail)) => (EventKind::Succeeded { detail }, true),
        Ok(Done::AwaitingApproval(detail)) => (EventKind::AwaitingApproval { detail }, true),
        Err(Failure { end: End::Stopped, .. }) => (EventKind::Cancelled, false),
        Err(Failure { message, end }) => {
            (EventKind::Failed { error: message, otherwise: end == End::Otherwise }, false)
        }
    };
    if let Some(teller) = teller {
        teller.tell(kind);
    }
    succeeded
}
