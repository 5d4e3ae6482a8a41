//! `apply` and `destroy`: change what the plan says.

use std::path::Path;
use std::time::Duration;

use privlink_core::address::Address;
use privlink_core::binding::{self, Moved};
use privlink_core::desired::Desired;
use privlink_core::event::{Event, EventKind};
use privlink_core::plan::{Mode, Output, Plan, Summary};
use privlink_core::plural::count;
use privlink_core::report::{Outcome, Report};
use privlink_core::route::gate;
use privlink_core::saved::SavedPlan;
use privlink_engine::session::{Patience, WaitKind};
use privlink_engine::{apply, outputs};
use privlink_kubernetes::KeptLock;
use privlink_render as render;
use privlink_render::layout::Layout;
use privlink_render::text::Frame;
use tokio_util::sync::CancellationToken;

use crate::args::{self, DataFormat, Format};
use crate::command_error::CommandError;
use crate::connect::{self, Connected};
use crate::exit::Exit;
use crate::ui::Ui;
use crate::unreadable;

use super::execution::RunOf;
use super::walk::Walk;
use super::{execution, lock};

/// Plans desired state and carries the plan out.
pub(crate) fn run(
    input: &args::Input,
    args: &args::Run,
    mode: Mode,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &args.turn.place, None, ui)?;
    super::block_on(async {
        let connected = connect::connect(&desired, &args.turn.place, patience(args)).await?;
        let what = What::Desired(args, &desired, mode);
        let exit = locked(&args.turn, &desired.name, &what, &connected, ui).await;
        connected.close().await?;
        told(&args.turn, (&desired.name, mode), exit, ui)
    })
}

/// Carries out the route to desired state.
pub(crate) fn route(
    input: &args::Input,
    args: &args::Run,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let sources = crate::input::sources(&input.filename)?;
    let written = sources.documents();
    let (desired, _) =
        super::sound_sources_and_observed(sources, input, &args.turn.place, None, ui)?;
    super::block_on(async {
        let mut connected = connect::connect(&desired, &args.turn.place, patience(args)).await?;
        // Endpoints that are made beside others on the way with gates get their names in DNS from them.
        let seconds = gate::second_endpoints(&desired, &connected.pinned.subscription);
        connected.targets.zone_group_endpoints.extend(seconds);
        let what = What::Route(Walk { args, desired: &desired, written: &written });
        let exit = locked(&args.turn, &desired.name, &what, &connected, ui).await;
        connected.close().await?;
        told(&args.turn, (&desired.name, Mode::Apply), exit, ui)
    })
}

/// Takes objects out of the stack.
pub(super) fn forget(
    input: &args::Input,
    turn: &args::Turn,
    addresses: &[Address],
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &turn.place, None, ui)?;
    super::block_on(async {
        let connected = connect::connect(&desired, &turn.place, Patience::default()).await?;
        let what = What::Forgotten(&desired, addresses);
        let exit = locked(turn, &desired.name, &what, &connected, ui).await;
        connected.close().await?;
        told(turn, (&desired.name, Mode::Apply), exit, ui)
    })
}

/// Carries a saved plan out, as it is: nothing is asked.
pub(crate) fn saved(
    file: &Path,
    digest: Option<&str>,
    args: &args::Run,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let saved = super::file::read_plan(file)?;
    if let Some(expected) = digest.filter(|it| !it.eq_ignore_ascii_case(&saved.digest)) {
        let shown = file.display();
        let found = &saved.digest;
        return Err(CommandError::new(format!("{shown} has the digest {found}, not {expected}"))
            .hint("It is another plan than the one that was looked at."));
    }
    if saved.plan.redacted {
        let shown = file.display();
        return Err(CommandError::new(format!("{shown} was planned from a redacted snapshot"))
            .hint("Names in it may be pseudonyms: plan again from what is live, and apply that."));
    }
    let is_of_sandbox = saved.home.as_ref().is_some_and(|home| home.arm.is_none());
    if is_of_sandbox && args.turn.place.sandbox.is_none() {
        let shown = file.display();
        return Err(CommandError::new(format!("{shown} was planned in a sandbox"))
            .hint("Add --sandbox, with the file of its world if it was named."));
    }
    super::block_on(async {
        let connected = connect::connect_saved(&saved, &args.turn.place, patience(args)).await?;
        elsewhere(file, &saved, &connected).await?;
        let exit =
            locked(&args.turn, &saved.plan.stack, &What::Saved(&saved), &connected, ui).await;
        connected.close().await?;
        told(&args.turn, (&saved.plan.stack, saved.plan.mode), exit, ui)
    })
}

/// Refuses a plan that was made for another cluster or another Azure.
async fn elsewhere(
    file: &Path,
    saved: &SavedPlan,
    connected: &Connected,
) -> Result<(), CommandError> {
    let Some(home) = &saved.home else { return Ok(()) };
    let here = connected.home(&saved.subscription).await?;
    let Some(why) = home.differs_from(&here) else { return Ok(()) };
    Err(CommandError::new(format!("{} is not for here: {why}", file.display()))
        .hint("Choose the context and the cloud that it was made with, or plan again."))
}

/// Tells a failure of the run as the last event, where events are asked for.
fn told(
    turn: &args::Turn,
    (stack, mode): (&str, Mode),
    exit: Result<Exit, CommandError>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if let Err(failure) = &exit
        && turn.output == DataFormat::Json
    {
        let report = Report { stack: stack.to_owned(), mode, ..Report::default() };
        let kind = EventKind::Reported {
            exit_code: failure.exit.code(),
            summary: Summary::default(),
            report,
            error: Some(failure.message.clone()),
        };
        stream(&apply::event(kind, None), ui)?;
    }
    exit
}

/// What is to be carried out.
enum What<'a> {
    /// Desired state, planned now.
    Desired(&'a args::Run, &'a Desired, Mode),
    /// Objects that are no longer to be the stack's.
    Forgotten(&'a Desired, &'a [Address]),
    /// A plan made before.
    Saved(&'a SavedPlan),
    /// Desired state, by a route.
    Route(Walk<'a>),
}

fn patience(args: &args::Run) -> Patience {
    let mut patience = Patience::default();
    patience.parallelism = args.parallelism;
    patience.fail_fast = args.fail_fast;
    if let Some(seconds) = args.controller_timeout {
        for kind in [WaitKind::Service, WaitKind::PrivateLinkService, WaitKind::Deletion] {
            patience.set_deadline(kind, Duration::from_secs(seconds));
        }
    }
    for (kind, limit) in &args.timeout {
        let all = WaitKind::ALL.into_iter();
        for kind in all.filter(|it| kind.is_none_or(|kind| kind == *it)) {
            patience.set_deadline(kind, *limit);
        }
    }
    patience
}

/// Plans and applies while no other apply works on the stack.
async fn locked(
    turn: &args::Turn,
    stack: &str,
    what: &What<'_>,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let stop = connected.session.stop.clone();
    let listener = tokio::spawn(execution::interrupt(stop.clone()));
    let kept = tokio::select! {
        kept = lock::take(stack, turn, connected, ui) => kept?,
        () = stop.cancelled() => return Ok(interrupted(ui)),
    };
    let exit = work(turn, stack, what, (connected, &kept), ui).await;
    listener.abort();
    if let Err(error) = kept.release().await {
        ui.say(&format!(
            "The stack's lock runs out by itself, since it could not be freed: {error}"
        ));
    }
    exit
}

/// Plans, or looks whether a saved plan is stale, and applies.
async fn work(
    turn: &args::Turn,
    stack: &str,
    what: &What<'_>,
    (connected, lock): (&Connected, &KeptLock),
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let stop = &connected.session.stop;
    execution::take_up(stack, connected, ui).await;
    match what {
        What::Desired(args, desired, mode) => {
            from_desired(args, (desired, *mode), (connected, lock), ui).await
        }
        What::Forgotten(desired, addresses) => {
            let (snapshot, facts) = tokio::select! {
                observed = connected.observe() => observed,
                () = stop.cancelled() => return Ok(interrupted(ui)),
            };
            let observed = super::Observed { snapshot, facts, connected: None };
            let plan = super::forget::plan(desired, &observed, addresses)?;
            carry_out(turn, &plan, turn.auto_approve, (connected, lock), ui).await
        }
        What::Route(walk) => walk.run(connected, lock, ui).await,
        What::Saved(saved) => {
            let snapshot = tokio::select! {
                snapshot = connected.observe_lists(&saved.lists) => snapshot,
                () = stop.cancelled() => return Ok(interrupted(ui)),
            };
            let moved = binding::moved(&saved.bindings, &snapshot);
            if moved.is_empty() {
                carry_out(turn, &saved.plan, true, (connected, lock), ui).await
            } else {
                Err(stale(&moved, execution::run_of(&saved.plan)))
            }
        }
    }
}

/// Plans desired state and carries the plan out.
pub(super) async fn from_desired(
    args: &args::Run,
    (desired, mode): (&Desired, Mode),
    (connected, lock): (&Connected, &KeptLock),
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let observing = async {
        let observed = connected.observe().await;
        if execution::settle(&observed.0, &desired.name, connected, ui).await {
            return connected.observe().await;
        }
        observed
    };
    let (snapshot, facts) = tokio::select! {
        observed = observing => observed,
        () = connected.session.stop.cancelled() => return Ok(interrupted(ui)),
    };
    unreadable::cluster(&snapshot, &connected.targets, desired)?;
    unreadable::check(&snapshot, &facts)?;
    let observed = super::Observed { snapshot, facts, connected: None };
    let mut plan = super::planned(desired, &observed, mode, &args.limits)?.plan;
    super::rehearse(&mut plan, desired, &args.limits, connected).await;
    let seen = (&observed.snapshot, &observed.facts);
    let met = !args.preflight
        || mode == Mode::Destroy
        || super::preflight::passed(desired, seen, connected, ui).await?;
    if !met {
        ui.say("Not applied.");
        if args.turn.output == DataFormat::Json {
            reported(&plan, Report::default(), Exit::Error, ui)?;
        }
        return Ok(Exit::Error);
    }
    let approved = args.turn.auto_approve;
    let exit = carry_out(&args.turn, &plan, approved, (connected, lock), ui).await?;
    let well = matches!(exit, Exit::Done | Exit::AwaitingApproval);
    if args.verify && well {
        return verified(args, (desired, mode), exit, connected, ui).await;
    }
    Ok(exit)
}

fn interrupted(ui: &mut Ui) -> Exit {
    ui.say("Interrupted; nothing was changed.");
    Exit::Interrupted
}

/// Plans again: a plan that is not empty fails what seemed done.
async fn verified(
    args: &args::Run,
    (desired, mode): (&Desired, Mode),
    exit: Exit,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let (snapshot, facts) = connected.observe().await;
    let observed = super::Observed { snapshot, facts, connected: None };
    let plan = super::planned(desired, &observed, mode, &args.limits)?.plan;
    if plan.is_empty() && plan.refusals.is_empty() {
        ui.say("Verified: a plan made after it is empty.");
        return Ok(exit);
    }
    ui.say("Not verified: a plan made after it is not empty.");
    let layout = Layout { style: ui.talk_style(), ..ui.layout() };
    let frame = Frame::plain(layout);
    let text = super::plan::rendering(&plan, Format::Text, &frame, ui.pipeline());
    ui.show(text.trim_end());
    Ok(Exit::Partly)
}

/// What to say of a plan whose objects have moved. One that was carried out in part is not gone on with:
/// what is left of it is another plan.
fn stale(moved: &[Moved], run: Option<RunOf>) -> CommandError {
    let lines: Vec<String> = moved.iter().map(ToString::to_string).collect();
    let error = CommandError::new(format!("the saved plan is stale: {}", lines.join("; ")))
        .exit(Exit::Stale);
    let again = "Plan again, look at it, and apply the new plan";
    let Some(RunOf { journal, done, steps }) = run else {
        return error.hint(format!("{again}."));
    };
    let was = if done == steps {
        "This plan was carried out already".to_owned()
    } else {
        format!("A run of this plan did {done} of its {}", count(steps, "step"))
    };
    error
        .hint(format!("{was}: `privlink show {}` shows it.", journal.display()))
        .hint(format!("{again}: it continues from what is live."))
}

async fn carry_out(
    turn: &args::Turn,
    plan: &Plan,
    approved: bool,
    (connected, lock): (&Connected, &KeptLock),
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let text = turn.output == DataFormat::Text;
    if text {
        let shown = super::plan::Shown { full: turn.full, read: "just now" };
        ui.print(&super::plan::rendered(plan, Format::Text, &shown, ui))?;
    }
    if !plan.refusals.is_empty() {
        if !text {
            let refusals = plan.refusals.clone();
            stream(&apply::event(EventKind::Refused { refusals }, None), ui)?;
            reported(plan, Report::default(), Exit::Refused, ui)?;
        }
        return Ok(Exit::Refused);
    }
    let mut stopped = None;
    let report = if plan.steps.is_empty() {
        Report { ended: true, ..Report::default() }
    } else {
        if !approved {
            match confirmed(plan, &connected.session.stop, ui).await? {
                Some(true) => {}
                Some(false) => {
                    ui.say("Not applied.");
                    if !text {
                        reported(plan, Report::default(), Exit::Error, ui)?;
                    }
                    return Ok(Exit::Error);
                }
                None => return Ok(interrupted(ui)),
            }
        }
        let executed = execution::execute(turn, plan, connected, lock, ui).await?;
        stopped = executed.stopped;
        executed.report
    };
    let mut exit = exit(plan, &report);
    let is_done = matches!(exit, Exit::Done | Exit::AwaitingApproval);
    if stopped.is_some() && !is_done {
        exit = Exit::Partly;
    }
    if text {
        show(plan, &report, connected, ui).await?;
    } else {
        reported(plan, report, exit, ui)?;
    }
    match stopped {
        Some(why) if is_done => {
            ui.say(&format!("All steps were done, although {why}."));
            Ok(exit)
        }
        Some(why) => Err(CommandError::new(format!("the run was stopped: {why}"))
            .hint("Apply desired state again: it continues from what is live.")
            .exit(exit)),
        None => Ok(exit),
    }
}

/// Writes an event as a line of JSON.
pub(super) fn stream(event: &Event, ui: &mut Ui) -> Result<(), CommandError> {
    let line = serde_json::to_string(event)
        .map_err(|error| CommandError::new(format!("an event: {error}")))?;
    ui.print(&format!("{line}\n"))
}

/// Writes the last event: the outcome.
fn reported(plan: &Plan, mut report: Report, exit: Exit, ui: &mut Ui) -> Result<(), CommandError> {
    report.stack.clone_from(&plan.stack);
    report.mode = plan.mode;
    let (exit_code, summary) = (exit.code(), plan.summary);
    let kind = EventKind::Reported { exit_code, summary, report, error: None };
    stream(&apply::event(kind, None), ui)
}

/// Asks for a `yes`, or for the number of consumers that will be cut off. Nothing when the run is stopped
/// before there is an answer.
async fn confirmed(
    plan: &Plan,
    stop: &CancellationToken,
    ui: &mut Ui,
) -> Result<Option<bool>, CommandError> {
    let cut = plan.summary.consumers_disconnected;
    let (question, word) = if cut > 0 {
        let consumers = count(cut, "consumer");
        (
            format!(
                "{consumers} will be disconnected. Type {cut} to disconnect, anything else to stop:"
            ),
            cut.to_string(),
        )
    } else {
        let question = "Do you want to go on? Only `yes` is taken for a yes:";
        (question.to_owned(), "yes".to_owned())
    };
    ui.show("");
    ui.ask(&question)?;
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own, and not the runtime's, which would wait at its end for a line to be typed.
    std::thread::spawn(move || tell.send(crate::ui::line()));
    tokio::select! {
        answer = told => match answer {
            Ok(line) => Ok(Some(line?.trim() == word)),
            Err(_) => Ok(Some(false)),
        },
        () = stop.cancelled() => Ok(None),
    }
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
        let _ = render::text::outcome(plan, report, ui.layout(), &mut text);
    }
    let outputs = outputs::read(plan, &connected.session).await;
    text.push_str(&outputs_text(&outputs));
    ui.print(&text)
}

/// Outputs as text, one a line.
pub(super) fn outputs_text(outputs: &[(Output, Option<String>)]) -> String {
    use privlink_core::escape::terminal;
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
