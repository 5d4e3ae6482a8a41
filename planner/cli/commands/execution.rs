//! One execution of a plan: journalled, shown, and stopped when somebody or something says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use privlink_core::address::Address;
use privlink_core::event::{Event, EventKind};
use privlink_core::plan::Plan;
use privlink_core::report::Report;
use privlink_core::snapshot::Snapshot;
use privlink_engine::journal::{self, Journal};
use privlink_engine::{apply, resume};
use privlink_kubernetes::KeptLock;
use tokio_util::sync::CancellationToken;

use crate::args::{self, DataFormat};
use crate::command_error::CommandError;
use crate::connect::Connected;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::ui::Ui;

/// Where journals are kept, under the working directory.
pub(super) const JOURNALS: &str = ".privlink/journal";

/// The outcome of an execution.
pub(super) struct Executed {
    /// The report.
    pub(super) report: Report,
    /// Why it was stopped, if nobody asked for it.
    pub(super) stopped: Option<String>,
}

/// A run of a saved plan, as its journal tells.
pub(super) struct RunOf {
    /// The journal.
    pub(super) journal: PathBuf,
    /// How many steps were done.
    pub(super) done: usize,
    /// How many there are.
    pub(super) steps: usize,
}

/// The stack's last run, if it was of this plan: its steps are those of the plan, of the same nodes.
pub(super) fn run_of(plan: &Plan) -> Option<RunOf> {
    let found = journal::newest(Path::new(JOURNALS), &plan.stack)?;
    let steps: BTreeMap<usize, &Address> =
        plan.steps.iter().map(|step| (step.id, &step.change)).collect();
    let is_begun = |event: &Event| {
        matches!(event.kind, EventKind::Begun { steps: count, mode, .. }
            if count == steps.len() && mode == plan.mode)
    };
    let told: Vec<(usize, &Address)> =
        found.events.iter().filter_map(|it| Some((it.step?, it.address.as_ref()?))).collect();
    let is_it = found.events.first().is_some_and(is_begun)
        && !told.is_empty()
        && told.iter().all(|(step, address)| steps.get(step) == Some(address));
    let is_done = |event: &&Event| {
        matches!(event.kind, EventKind::Succeeded { .. } | EventKind::AwaitingApproval { .. })
    };
    let done: BTreeSet<usize> =
        found.events.iter().filter(is_done).filter_map(|event| event.step).collect();
    is_it.then_some(RunOf { journal: found.path, done: done.len(), steps: steps.len() })
}

/// Carries a plan out while the lock is ours.
pub(super) async fn execute(
    turn: &args::Turn,
    plan: &Plan,
    connected: &Connected,
    lock: &KeptLock,
    ui: &mut Ui,
) -> Result<Executed, CommandError> {
    let failed = |error: io::Error| {
        CommandError::new(format!("no journal can be written under {JOURNALS}: {error}")).hint(
            "Nothing is done that is not journalled: call privlink from a folder it can write to.",
        )
    };
    let mut journal = Journal::begin(Path::new(JOURNALS), &plan.stack).map_err(failed)?;
    let path = journal.path().display().to_string();
    let session = &connected.session;
    let mut progress = Progress::new(plan, ui.talk_style());
    let mut failure: Option<io::Error> = None;
    let json = turn.output == DataFormat::Json;
    let heard = |event: &Event| {
        // A run that can no longer be journalled is stopped: nothing may happen unrecorded.
        if let Err(error) = journal.append(event) {
            failure.get_or_insert(error);
            session.stop.cancel();
        }
        if json {
            // What is on stdout is a copy; the journal has it all.
            let _ = super::apply::stream(event, ui);
        }
        progress.show(event);
    };
    let mut stopped = None;
    let report = {
        let mut running = std::pin::pin!(apply::apply(plan, session, heard));
        tokio::select! {
            report = &mut running => report,
            why = lock.until_lost() => {
                session.stop.cancel();
                stopped = Some(format!("the stack's lock was lost: {why}"));
                running.await
            }
        }
    };
    progress.end();
    if let Some(error) = failure {
        stopped = Some(format!("the journal {path} could not be written: {error}"));
    }
    Ok(Executed { report, stopped })
}

/// Stops the run at the first Ctrl-C, once writes in flight are done; at the second, at once.
pub(super) async fn interrupt(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }
}

/// Follows what the run before left under way to its end. That it failed is told, and holds nothing
/// up: what is planned next is planned from what is live then.
pub(super) async fn take_up(stack: &str, connected: &Connected, ui: &mut Ui) {
    let Some(found) = journal::newest(Path::new(JOURNALS), stack) else { return };
    let left = resume::left(&found.events);
    if left.is_empty() {
        return;
    }
    let Ok(mut journal) = Journal::go_on(&found.path) else { return };
    for left in &left {
        let resource = &left.operation.resource;
        ui.say(&format!("Following what the run before left under way: {resource} ..."));
    }
    let followed = resume::follow_all(&left, &connected.session).await;
    if connected.session.stop.is_cancelled() {
        return;
    }
    for (left, outcome) in left.into_iter().zip(followed) {
        let kind = match outcome {
            Ok(()) => EventKind::Succeeded { detail: "by the run after this one".to_owned() },
            Err(error) => {
                ui.say(&format!("{} failed: {error}", left.operation.resource));
                EventKind::Failed { error: error.to_string(), otherwise: false }
            }
        };
        let event = apply::event(kind, Some((left.step, left.address)));
        // Without this line the next run follows it once more, which does no harm.
        let _ = journal.append(&event);
    }
}

/// Waits for the stack's endpoints that Azure still works on; whether there were any.
pub(super) async fn settle(
    snapshot: &Snapshot,
    stack: &str,
    connected: &Connected,
    ui: &mut Ui,
) -> bool {
    let unsettled = resume::unsettled(snapshot, stack);
    for operation in &unsettled {
        ui.say(&format!("Azure still works on {}; waiting ...", operation.resource));
        if let Err(error) = resume::follow(operation, &connected.session).await {
            ui.say(&format!("It failed: {error}"));
        }
    }
    !unsettled.is_empty()
}
