//! One execution of a plan: journalled, shown, and stopped when somebody or something says so.

use std::io;
use std::path::Path;

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
const JOURNALS: &str = ".privlink/journal";

/// What came of an execution.
pub(super) struct Executed {
    /// The report.
    pub(super) report: Report,
    /// Why it was stopped, if nobody asked for it.
    pub(super) stopped: Option<String>,
}

/// Carries a plan out while the lock is ours.
pub(super) async fn execute(
    args: &args::Run,
    plan: &Plan,
    connected: &Connected,
    lock: &KeptLock,
    ui: &mut Ui,
) -> Result<Executed, CommandError> {
    let failed = crate::command_error::io("the journal");
    let mut journal = Journal::begin(Path::new(JOURNALS), &plan.stack).map_err(failed)?;
    let path = journal.path().display().to_string();
    let session = &connected.session;
    let mut progress = Progress::new(plan, ui.talk_style());
    let mut failure: Option<io::Error> = None;
    let json = args.output == DataFormat::Json;
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
    for left in left {
        let resource = &left.operation.resource;
        ui.say(&format!("Following what the run before left under way: {resource} ..."));
        let kind = match resume::follow(&left.operation, &connected.session).await {
            Ok(()) => EventKind::Succeeded { detail: "by the run after this one".to_owned() },
            Err(error) => {
                ui.say(&format!("It failed: {error}"));
                EventKind::Failed { error: error.to_string(), otherwise: false }
            }
        };
        if connected.session.stop.is_cancelled() {
            return;
        }
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
