//! `apply` and `destroy`: change what the plan says.

use std::path::Path;
use std::time::Duration;

use privlink_azure::ArmClient;
use privlink_core::desired::Desired;
use privlink_core::event::EventKind;
use privlink_core::node_id::NodeId;
use privlink_core::plan::{Mode, Output, Plan, Summary};
use privlink_core::report::{Outcome, Report};
use privlink_core::route::gate;
use privlink_core::saved::SavedPlan;
use privlink_core::wanted::Wanted;
use privlink_engine::run::{End, Ending, Execution, LockedRun, Run, Terms};
use privlink_engine::session::{Patience, WaitKind};
use privlink_engine::span;
use privlink_engine::{lock, outputs};
use privlink_render as render;
use privlink_render::fleet::Line;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::args::{self, DataFormat};
use crate::audience::Reader;
use crate::command_error::CommandError;
use crate::connect::{self, Common, Connected};
use crate::exit::Exit;
use crate::ui::Ui;

use super::fleet::{self, Fleet};
use super::stacks;
use super::walk::Walk;

/// Where journals are kept, under the working directory.
pub(super) const JOURNALS: &str = ".privlink/journal";

/// Plans desired state, of one stack or of many, and carries the plan out.
pub(crate) fn desired(
    (input, many): (&args::Input, &args::Many),
    args: &args::Run,
    mode: Mode,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let Some(folder) = &many.stacks else { return run(input, args, mode, None, ui) };
    if !args.turn.auto_approve {
        return Err(CommandError::new("several stacks cannot be confirmed one by one: give --auto-approve")
            .hint("Or look first, and carry out what was looked at: `plan --stacks FOLDER --out PLANS`, then `apply PLANS`."));
    }
    let (place, is_json) = (Some(&args.turn.place), args.turn.output == DataFormat::Json);
    let fleet = Fleet { folder, many, input, place, is_json, quiet: super::fleet::UNCHANGED };
    if many.shard()?.is_some() {
        super::fleet::can_be_sharded(folder, many, input, ui)?;
    }
    let mut waves = super::fleet::waves(fleet.chosen(ui)?);
    if mode == Mode::Destroy {
        waves.reverse();
    }
    let arm = stacks::shared_arm(&args.turn.place);
    fleet.run_in_order(waves, ui, |source, ui| run(&source.input, args, mode, arm.as_ref(), ui))
}

/// Carries out the saved plans below a folder.
pub(crate) fn saved_plans(
    folder: &Path,
    args: &args::Apply,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if args.expect_digest.is_some() {
        return Err(CommandError::new(
            "--expect-digest is of one plan, and this is a folder of them",
        ));
    }
    let (many, input) = (&args.many, &args.input());
    let turn = &args.run.turn;
    let (place, is_json) = (Some(&turn.place), turn.output == DataFormat::Json);
    let plans = Fleet { folder, many, input, place, is_json, quiet: fleet::UNCHANGED };
    plans.run_in_order(vec![fleet::saved_plans(folder)?], ui, |source, ui| {
        source
            .input
            .filename
            .iter()
            .try_fold(Exit::Done, |exit, file| Ok(exit.worse(saved(file, None, &args.run, ui)?)))
    })
}

/// Plans desired state and carries the plan out.
fn run(
    input: &args::Input,
    args: &args::Run,
    mode: Mode,
    arm: Option<&ArmClient>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &args.turn.place, None, ui)?;
    super::replaces_in(mode, &args.limits)?;
    super::block_on(async {
        let common = arm.map(Common::Client);
        let connected =
            connect::connect_sharing(&desired, &args.turn.place, patience(args), common).await?;
        let work = Work { stack: &desired.name, mode, what: What::Desired(args, &desired) };
        whole(&args.turn, &work, connected, ui).await
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
        let seconds =
            gate::second_endpoints(&Wanted::as_written(&desired), &connected.pinned.subscription);
        connected.targets.zone_group_endpoints.extend(seconds);
        let what = What::Route(Walk { args, desired: &desired, written: &written });
        let work = Work { stack: &desired.name, mode: Mode::Apply, what };
        whole(&args.turn, &work, connected, ui).await
    })
}

/// Takes objects out of the stack.
pub(super) fn forget(
    input: &args::Input,
    turn: &args::RunFlags,
    addresses: &[NodeId],
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &turn.place, None, ui)?;
    super::block_on(async {
        let connected = connect::connect(&desired, &turn.place, Patience::default()).await?;
        let what = What::Forgotten(&desired, addresses);
        let work = Work { stack: &desired.name, mode: Mode::Apply, what };
        whole(turn, &work, connected, ui).await
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
            .hint("It is not the plan that was reviewed."));
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
        let Plan { stack, mode, .. } = &saved.plan;
        let work = Work { stack, mode: *mode, what: What::Saved(&saved, file) };
        whole(&args.turn, &work, connected, ui).await
    })
}

/// What a run is for.
struct Work<'a> {
    stack: &'a str,
    mode: Mode,
    what: What<'a>,
}

/// What is to be carried out.
enum What<'a> {
    /// Desired state, planned now.
    Desired(&'a args::Run, &'a Desired),
    /// Objects that are no longer to be the stack's.
    Forgotten(&'a Desired, &'a [NodeId]),
    /// A plan made before, and its file.
    Saved(&'a SavedPlan, &'a Path),
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

/// A run from its lock to its end; a failure of it is told as the last event, where events are asked for.
async fn whole(
    turn: &args::RunFlags,
    work: &Work<'_>,
    connected: Connected,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let span = span::stack(work.stack);
    let exit = Box::pin(locked(turn, work, &connected, ui)).instrument(span).await;
    connected.close().await?;
    if let Err(failure) = &exit
        && turn.output == DataFormat::Json
    {
        let stack = work.stack.to_owned();
        let report = Report { stack, mode: work.mode, ..Report::default() };
        let kind = EventKind::Reported {
            exit_code: failure.exit.code(),
            summary: Summary::default(),
            report,
            error: Some(failure.message.clone()),
        };
        Reader::new(turn, String::new(), ui).stream(kind)?;
    }
    exit
}

/// Works while no other run works on the stack.
async fn locked(
    turn: &args::RunFlags,
    work: &Work<'_>,
    connected: &Connected,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let run = Run {
        stack: work.stack,
        session: &connected.session,
        targets: &connected.targets,
        pinned: &connected.pinned,
        journals: Path::new(JOURNALS),
        lock: lock::Terms {
            timeout: Duration::from_secs(turn.lock_timeout),
            lease: Duration::from_secs(turn.lease_duration),
        },
    };
    let listener = tokio::spawn(interrupt(connected.session.stop.clone()));
    let called = match &work.what {
        What::Saved(saved, file) => Some(ui.invocation().of_saved(saved, file)),
        _ => None,
    };
    let mut reader = Reader::new(turn, connected.reading(), ui).of(called);
    let Some(begun) = run.begin(&mut reader).await? else {
        return Ok(interrupted(reader.ui));
    };
    let exit = work_on(&begun, turn, work, connected, &mut reader).await;
    listener.abort();
    begun.end(&mut reader).await;
    exit
}

async fn work_on(
    begun: &LockedRun<'_>,
    turn: &args::RunFlags,
    work: &Work<'_>,
    connected: &Connected,
    reader: &mut Reader<'_>,
) -> Result<Exit, CommandError> {
    let ending = match &work.what {
        What::Desired(args, desired) => {
            let options = super::options(work.mode, &args.limits);
            begun.desired(desired, &options, terms(args), reader).await?
        }
        What::Forgotten(desired, addresses) => {
            let options = super::options(Mode::Apply, &args::Limits::default());
            let terms = Terms { approved: turn.auto_approve, ..Terms::default() };
            begun.forget((desired, &options), addresses, terms, reader).await?
        }
        What::Saved(saved, _) => begun.saved(saved, reader).await?,
        What::Route(walk) => return walk.run(begun, connected, reader).await,
    };
    tell(ending, connected, reader).await
}

/// What a run does beside its steps.
pub(super) fn terms(args: &args::Run) -> Terms {
    let args::Run { turn, preflight, verify, .. } = args;
    Terms { approved: turn.auto_approve, preflight: *preflight, verify: *verify }
}

pub(super) fn interrupted(ui: &mut Ui) -> Exit {
    ui.say("Interrupted; nothing was changed.");
    Exit::Interrupted
}

/// Stops the run at the first Ctrl-C, once writes in flight are done; at the second, at once.
async fn interrupt(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    }
}

/// Tells how a run ended, and what to exit with.
pub(super) async fn tell(
    ending: Ending,
    connected: &Connected,
    reader: &mut Reader<'_>,
) -> Result<Exit, CommandError> {
    reader.unwritten()?;
    sum_up(&ending, reader.ui);
    let Ending { plan: Some(plan), end } = ending else { return Ok(interrupted(reader.ui)) };
    let exit = match end {
        End::Interrupted => return Ok(interrupted(reader.ui)),
        End::Executed(execution) => return executed(&plan, *execution, connected, reader).await,
        End::Refused => {
            if reader.reads_events() {
                reader.stream(EventKind::Refused { refusals: plan.refusals.clone() })?;
            }
            Exit::Refused
        }
        End::Unmet | End::Declined => {
            reader.ui.say("Not applied.");
            Exit::Error
        }
    };
    reported(&plan, Report::default(), exit, reader)?;
    Ok(exit)
}

/// Says in a line what came of it; nothing where nothing was to be done.
fn sum_up(ending: &Ending, ui: &mut Ui) {
    let Some(plan) = &ending.plan else { return };
    match &ending.end {
        End::Executed(_) if plan.is_empty() && plan.findings.is_empty() => ui.sum_up(String::new()),
        End::Executed(execution) => ui.sum_up(render::report::total(&execution.report)),
        End::Refused => ui.sum_up(Line::of_plan(String::new(), plan).said),
        End::Unmet | End::Declined => ui.sum_up("not applied".to_owned()),
        End::Interrupted => ui.sum_up("interrupted".to_owned()),
    }
}

/// Tells what was carried out.
async fn executed(
    plan: &Plan,
    execution: Execution,
    connected: &Connected,
    reader: &mut Reader<'_>,
) -> Result<Exit, CommandError> {
    let exit = exit(plan, &execution);
    let is_done = execution.is_done();
    let Execution { report, stopped, again: _ } = execution;
    if reader.reads_events() {
        reported(plan, report, exit, reader)?;
    } else {
        show(plan, &report, connected, reader.ui).await?;
    }
    match stopped {
        Some(why) if is_done => {
            reader.ui.say(&format!("All steps were done, although {why}."));
            Ok(exit)
        }
        Some(why) => Err(CommandError::new(format!("the run was stopped: {why}"))
            .hint("Apply desired state again: it continues from what is live.")
            .exit(exit)),
        None => Ok(exit),
    }
}

fn exit(plan: &Plan, execution: &Execution) -> Exit {
    let is_converged = |plan: &Plan| plan.is_empty() && plan.refusals.is_empty();
    if execution.is_partial() || execution.stopped.is_some() && !execution.is_done() {
        return Exit::Partly;
    }
    if execution.is_cancelled() {
        return Exit::Interrupted;
    }
    if execution.again.as_ref().is_some_and(|again| !is_converged(again)) {
        return Exit::Partly;
    }
    let waits = execution.report.count(|it| matches!(it, Outcome::AwaitingApproval { .. })) > 0;
    // A plan that changes nothing is done, whoever is still to approve.
    let awaits = waits || !plan.steps.is_empty() && !plan.awaiting_approval.is_empty();
    if awaits { Exit::AwaitingApproval } else { Exit::Done }
}

/// Writes the last event, where events are read: the outcome.
fn reported(
    plan: &Plan,
    mut report: Report,
    exit: Exit,
    reader: &mut Reader<'_>,
) -> Result<(), CommandError> {
    if !reader.reads_events() {
        return Ok(());
    }
    report.stack.clone_from(&plan.stack);
    report.mode = plan.mode;
    let (exit_code, summary) = (exit.code(), plan.summary);
    reader.stream(EventKind::Reported { exit_code, summary, report, error: None })
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
