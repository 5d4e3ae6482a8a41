//! `apply` and `destroy`: change what the plan says.

use std::path::Path;
use std::time::Duration;

use privlink_core::binding::{self, Moved};
use privlink_core::desired::Desired;
use privlink_core::event::{Event, EventKind};
use privlink_core::plan::{Mode, Output, Plan, Summary};
use privlink_core::render;
use privlink_core::render::summary::count;
use privlink_core::report::{Outcome, Report};
use privlink_core::saved::SavedPlan;
use privlink_engine::journal::Journal;
use privlink_engine::session::Patience;
use privlink_engine::{apply, outputs};
use privlink_kubernetes::{Acquisition, Holder, KubernetesError, Lock};
use tokio_util::sync::CancellationToken;

use crate::args::{self, DataFormat, Format};
use crate::command_error::{CommandError, io};
use crate::connect::{self, Connected};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::ui::Ui;

/// Plans desired state and carries the plan out.
pub(crate) fn run(
    input: &args::Input,
    args: &args::Run,
    mode: Mode,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &args.place, None, ui)?;
    super::block_on(async {
        let connected = connect::connect(&desired, &args.place, patience(args)).await?;
        let what = What::Desired(&desired, mode);
        let exit = locked(args, &desired.name, &what, &connected, ui).await;
        connected.close().await?;
        told(args, (&desired.name, mode), exit, ui)
    })
}

/// Carries a saved plan out, as it is: nothing is asked.
pub(crate) fn saved(file: &Path, args: &args::Run, ui: &mut Ui) -> Result<Exit, CommandError> {
    let saved = super::read_plan(file)?;
    super::block_on(async {
        let connected = connect::connect_saved(&saved, &args.place, patience(args)).await?;
        let exit = locked(args, &saved.plan.stack, &What::Saved(&saved), &connected, ui).await;
        connected.close().await?;
        told(args, (&saved.plan.stack, saved.plan.mode), exit, ui)
    })
}

/// Tells a failure of the run as the last event, where events are asked for.
fn told(
    args: &args::Run,
    (stack, mode): (&str, Mode),
    exit: Result<Exit, CommandError>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if let Err(failure) = &exit
        && args.output == DataFormat::Json
    {
        let report = Report { stack: stack.to_owned(), mode, ..Report::default() };
        let kind = EventKind::Reported {
            exit_code: failure.exit.code(),
            summary: Summary::default(),
            report,
            error: Some(failure.message.clone()),
        };
        stream(&apply::about_run(kind), ui)?;
    }
    exit
}

/// What is to be carried out.
enum What<'a> {
    /// Desired state, planned now.
    Desired(&'a Desired, Mode),
    /// A plan made before.
    Saved(&'a SavedPlan),
}

fn patience(args: &args::Run) -> Patience {
    Patience {
        parallelism: args.parallelism,
        fail_fast: args.fail_fast,
        controller: Duration::from_secs(args.controller_timeout),
        ..Patience::default()
    }
}

/// Plans and applies while no other apply works on the stack.
async fn locked(
    args: &args::Run,
    stack: &str,
    what: &What<'_>,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let client = &connected.session.kubernetes;
    let lock = Lock::new(client, client.default_namespace(), &lease_name(stack));
    let identity = format!("privlink-{}-{}", std::process::id(), host());
    let failed = |error: KubernetesError| {
        CommandError::new(format!("the stack's lock: {error}")).hint(error.help())
    };
    let duration = Duration::from_secs(args.lease_duration);
    let kept = match lock.acquire(&identity, duration).await.map_err(failed)? {
        Acquisition::Acquired(kept) => kept,
        Acquisition::HeldBy(holder) => {
            let Holder { identity, since, .. } = holder;
            let message = format!("{identity} works on stack {stack} since {since}");
            return Err(CommandError::new(message)
                .hint("Wait until it is done, then apply again.")
                .exit(Exit::Locked));
        }
    };
    if let Some(dead) = &kept.taken_from {
        ui.say(&format!("Took the stack over from {}, which gave no sign of life.", dead.identity));
    }
    let exit = match what {
        What::Desired(desired, mode) => {
            let (snapshot, facts) = connected.observe().await;
            let observed = super::Observed { snapshot, facts, connected: None };
            let plan = super::planned(desired, &observed, *mode, &args.limits)?.plan;
            let seen = (&observed.snapshot, &observed.facts);
            let met = !args.preflight
                || *mode == Mode::Destroy
                || super::preflight::passed(desired, seen, connected, ui).await?;
            if met {
                carry_out(args, &plan, args.auto_approve, connected, ui).await
            } else {
                ui.say("Not applied.");
                if args.output == DataFormat::Json {
                    reported(&plan, Report::default(), Exit::Error, ui)?;
                }
                Ok(Exit::Error)
            }
        }
        What::Saved(saved) => {
            let snapshot = connected.observe_lists(&saved.lists).await;
            let moved = binding::moved(&saved.bindings, &snapshot);
            if moved.is_empty() {
                carry_out(args, &saved.plan, true, connected, ui).await
            } else {
                Err(stale(&moved))
            }
        }
    };
    kept.release().await.map_err(failed)?;
    exit
}

/// What to say of a plan whose objects have moved.
fn stale(moved: &[Moved]) -> CommandError {
    let lines: Vec<String> = moved.iter().map(ToString::to_string).collect();
    CommandError::new(format!("the saved plan is stale: {}", lines.join("; ")))
        .hint("Plan again, look at it, and apply the new plan.")
        .exit(Exit::Stale)
}

/// The name of a stack's Lease: what Kubernetes takes for a name.
pub(super) fn lease_name(stack: &str) -> String {
    let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stack.chars().map(lower).take(200).collect();
    format!("privlink-{}", name.trim_matches('-'))
}

fn host() -> String {
    std::env::var("HOSTNAME").unwrap_or_else(|_| "host".to_owned())
}

async fn carry_out(
    args: &args::Run,
    plan: &Plan,
    approved: bool,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let text = args.output == DataFormat::Text;
    if text {
        ui.print(&super::plan::rendered(plan, Format::Text, ui.style()))?;
    }
    if !plan.refusals.is_empty() {
        if !text {
            let refusals = plan.refusals.clone();
            stream(&apply::about_run(EventKind::Refused { refusals }), ui)?;
            reported(plan, Report::default(), Exit::Refused, ui)?;
        }
        return Ok(Exit::Refused);
    }
    let report = if plan.steps.is_empty() {
        Report { ended: true, ..Report::default() }
    } else {
        if !approved && !confirmed(plan, ui)? {
            ui.say("Not applied.");
            if !text {
                reported(plan, Report::default(), Exit::Error, ui)?;
            }
            return Ok(Exit::Error);
        }
        report(args, plan, connected, ui).await?
    };
    let exit = exit(plan, &report);
    if text {
        show(plan, &report, connected, ui).await?;
    } else {
        reported(plan, report, exit, ui)?;
    }
    Ok(exit)
}

/// Writes an event as a line of JSON.
fn stream(event: &Event, ui: &mut Ui) -> Result<(), CommandError> {
    let line = serde_json::to_string(event)
        .map_err(|error| CommandError::new(format!("an event: {error}")))?;
    ui.print(&format!("{line}\n"))
}

/// Writes the last event: what came of it all.
fn reported(plan: &Plan, mut report: Report, exit: Exit, ui: &mut Ui) -> Result<(), CommandError> {
    report.stack.clone_from(&plan.stack);
    report.mode = plan.mode;
    let (exit_code, summary) = (exit.code(), plan.summary);
    let kind = EventKind::Reported { exit_code, summary, report, error: None };
    stream(&apply::about_run(kind), ui)
}

/// Asks for a `yes`, or for the number of consumers that will be cut off.
fn confirmed(plan: &Plan, ui: &mut Ui) -> Result<bool, CommandError> {
    let cut = plan.summary.consumers_disconnected;
    if cut > 0 {
        let consumers = count(cut, "consumer");
        let question = format!("\n{consumers} will be cut off. Type their number to go on:");
        return ui.confirm(&question, &cut.to_string());
    }
    ui.confirm("\nDo you want to go on? Only `yes` is taken for a yes:", "yes")
}

async fn report(
    args: &args::Run,
    plan: &Plan,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<Report, CommandError> {
    let mut journal = Journal::begin(Path::new(".privlink/journal"), &safe(&plan.stack))
        .map_err(io("the journal"))?;
    let stop = CancellationToken::new();
    let listener = tokio::spawn(interrupt(stop.clone()));
    let mut progress = Progress::new(plan, ui.talk_style());
    let mut failure: Option<std::io::Error> = None;
    let json = args.output == DataFormat::Json;
    let mut heard = |event: &Event| {
        // A run that can no longer be journalled is stopped: nothing may happen unrecorded.
        if let Err(error) = journal.append(event) {
            failure.get_or_insert(error);
            stop.cancel();
        }
        if json {
            // What is on stdout is a copy; the journal has it all.
            let _ = stream(event, ui);
        }
        progress.show(event);
    };
    let report = apply::apply(plan, &connected.session, &stop, &mut heard).await;
    progress.end();
    listener.abort();
    match failure {
        Some(error) => Err(io("the journal")(error)),
        None => Ok(report),
    }
}

/// Stops the run at the first Ctrl-C, once what is in flight is done; at the second, at once.
async fn interrupt(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }
}

fn safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().map(safe).collect()
}

async fn show(
    plan: &Plan,
    report: &Report,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let mut text = String::new();
    if !plan.steps.is_empty() {
        text.push('\n');
        // Writing to a String cannot fail.
        let _ = render::report::text(report, ui.style(), &mut text);
    }
    let outputs = outputs::read(plan, &connected.session).await;
    text.push_str(&outputs_text(&outputs));
    ui.print(&text)
}

/// Outputs as text, one a line.
pub(super) fn outputs_text(outputs: &[(Output, Option<String>)]) -> String {
    use privlink_core::render::escape::terminal;
    let mut text = String::new();
    if outputs.iter().any(|(_, value)| value.is_some()) {
        text.push_str("\nOutputs:\n");
    }
    for (output, value) in outputs {
        if let Some(value) = value {
            let name = format!("{} {}", output.address, output.name);
            text.push_str(&format!("  {} = {}\n", terminal(&name), terminal(value)));
        }
    }
    text
}

fn exit(plan: &Plan, report: &Report) -> Exit {
    let count = |is: fn(&Outcome) -> bool| report.count(is);
    if count(|it| matches!(it, Outcome::Failed { .. } | Outcome::Unfinished)) > 0 {
        return Exit::Partly;
    }
    if count(|it| matches!(it, Outcome::Cancelled)) > 0 {
        return Exit::Interrupted;
    }
    let waits = count(|it| matches!(it, Outcome::AwaitingApproval { .. })) > 0;
    // A plan that changes nothing is done, whoever is still to approve.
    let awaits = waits || !plan.steps.is_empty() && !plan.awaiting_approval.is_empty();
    if awaits { Exit::AwaitingApproval } else { Exit::Done }
}
