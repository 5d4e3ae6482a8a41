//! The commands: each loads, asks the core and the engine, and prints.

mod apply;
mod comment;
mod diff;
mod drift;
mod explain;
mod failed;
mod file;
mod fleet;
mod forget;
mod graph;
mod guard;
mod import;
mod man;
mod merge;
mod observe;
mod output;
pub(crate) mod plan;
mod policy;
mod predict;
pub(crate) mod preflight;
mod route;
mod sandbox;
mod schema;
mod show;
mod stacks;
mod stages;
mod summary;
mod touched;
mod turns;
mod unlock;
mod validate;
mod version;
mod walk;

use std::future::Future;
use std::path::Path;

use privlink_core::desired::{self, Desired};
use privlink_core::diagnostic::Diagnostic;
use privlink_core::facts::Facts;
use privlink_core::input::{Guarded, Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::planned::Planned;
use privlink_core::rehearsal;
use privlink_core::rule;
use privlink_core::snapshot::Snapshot;
use privlink_core::unread::{NoCluster, Unread};
use privlink_core::wanted::Wanted;
use privlink_engine::observe::Targets;
use privlink_render::notice::Notice;
use serde::Serialize;

use crate::args::{Args, Command, Limits, TargetFlags};
use crate::command_error::{CommandError, io};
use crate::connect::{self, Common, Connected};
use crate::exit::Exit;
use crate::input;
use crate::pipeline::Pipeline;
use crate::ui::Ui;
use privlink_engine::session::Patience;

/// Runs the command.
pub(crate) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    match args.command {
        Command::Validate(args) => validate::run(&args, ui),
        Command::Plan(args) => plan::run(&args, ui),
        Command::Apply(args) => match &args.plan {
            Some(folder) if folder.is_dir() => apply::saved_plans(folder, &args, ui),
            Some(file) => apply::saved(file, args.expect_digest.as_deref(), &args.run, ui),
            None if args.route => apply::route(&args.input(), &args.run, ui),
            None => apply::desired((&args.input(), &args.many), &args.run, Mode::Apply, ui),
        },
        Command::Destroy(args) => {
            apply::desired((&args.input.input(), &args.input.many), &args.run, Mode::Destroy, ui)
        }
        Command::Show(args) => show::run(&args, ui),
        Command::Diff(args) => diff::run(&args, ui),
        Command::Drift(args) => drift::run(&args, ui),
        Command::Explain(args) => explain::run(&args, ui),
        Command::Unlock(args) => unlock::run(&args, ui),
        Command::Comment(args) => comment::run(&args, ui),
        Command::Merge(args) => merge::run(&args, ui),
        Command::Observe(args) => observe::run(&args, ui),
        Command::Forget(args) => forget::run(&args, ui),
        Command::Import(args) => import::run(&args, ui),
        Command::Predict(args) => predict::run(&args, ui),
        Command::Preflight(args) => preflight::run(&args, ui),
        Command::Graph(args) => graph::run(&args, ui),
        Command::Guard(args) => guard::run(args.command, ui),
        Command::Policy(args) => policy::run(&args, ui),
        Command::Route(args) => route::run(&args, ui),
        Command::Output(args) => output::run(&args, ui),
        Command::Sandbox(args) => sandbox::run(args.command, ui),
        Command::Schema(args) => schema::run(&args, ui),
        Command::Completions(args) => {
            ui.print(&crate::completion::script(args.shell)?)?;
            Ok(Exit::Done)
        }
        Command::Man(args) => man::run(&args, ui),
        Command::Version(args) => version::run(&args, ui),
    }
}

/// A value as JSON, over several lines.
fn json(value: &impl Serialize) -> Result<String, CommandError> {
    privlink_render::json::text(value)
        .map_err(|error| CommandError::new(format!("it cannot be written as JSON: {error}")))
}

/// Runs a future to its end, in the runtime that this thread is in, or else in one of its own.
fn block_on<T>(future: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => handle.block_on(future),
        Err(_) => runtime()?.block_on(future),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(io("starting the runtime"))
}

/// Desired state, if nothing is wrong with it; what is to be said all the same is said. Services that
/// name no namespace are in the snapshot's, the sandbox's or the context's.
fn sound(
    input: &crate::args::Input,
    place: &TargetFlags,
    snapshot: Option<&Snapshot>,
    ui: &mut Ui,
) -> Result<Desired, CommandError> {
    not_empty(sound_sources(input::sources(&input.filename)?, input, place, snapshot, ui)?)
}

/// Desired state and the snapshot it is planned against. They are read side by side, unless this is one
/// job of several.
fn sound_and_observed(
    input: &crate::args::Input,
    place: &TargetFlags,
    observed: Option<&Path>,
    jobs: usize,
    ui: &mut Ui,
) -> Result<(Desired, Option<Snapshot>), CommandError> {
    guarded_and_observed(input, place, (observed, None), jobs, ui)
}

/// The same, which may hold nothing if others delete what it held before.
fn guarded_and_observed(
    input: &crate::args::Input,
    place: &TargetFlags,
    (observed, guarded): (Option<&Path>, Option<&Guarded>),
    jobs: usize,
    ui: &mut Ui,
) -> Result<(Desired, Option<Snapshot>), CommandError> {
    let may_be_empty = guarded.is_some_and(|it| !it.gone.is_empty());
    let holding = |desired| if may_be_empty { Ok(desired) } else { not_empty(desired) };
    let Some(path) = observed else {
        let sources = input::sources_of(&input.filename, may_be_empty)?;
        return Ok((holding(sound_sources(sources, input, place, None, ui)?)?, None));
    };
    let (sources, snapshot) = if jobs > 1 {
        std::thread::scope(|scope| {
            let snapshot = scope.spawn(|| file::read_snapshot(path));
            let sources = input::sources_of(&input.filename, may_be_empty);
            (sources, snapshot.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    } else {
        (input::sources_of(&input.filename, may_be_empty), file::read_snapshot(path))
    };
    let snapshot = snapshot?;
    let desired = holding(sound_sources(sources?, input, place, Some(&snapshot), ui)?)?;
    Ok((desired, Some(snapshot)))
}

/// As [`sound_and_observed`], from what was read already.
fn sound_sources_and_observed(
    sources: input::Sources,
    input: &crate::args::Input,
    place: &TargetFlags,
    observed: Option<&Path>,
    ui: &mut Ui,
) -> Result<(Desired, Option<Snapshot>), CommandError> {
    let snapshot = observed.map(file::read_snapshot).transpose()?;
    let desired = not_empty(sound_sources(sources, input, place, snapshot.as_ref(), ui)?)?;
    Ok((desired, snapshot))
}

fn sound_sources(
    sources: input::Sources,
    input: &crate::args::Input,
    place: &TargetFlags,
    snapshot: Option<&Snapshot>,
    ui: &mut Ui,
) -> Result<Desired, CommandError> {
    let namespace = match (snapshot, &place.sandbox) {
        (Some(snapshot), _) => Some(snapshot.kubernetes.namespace.clone()),
        (None, Some(_)) => Some("default".to_owned()),
        (None, None) => None,
    };
    // Only the context's namespace may have to be asked for; stdin cannot be read again.
    let again = namespace.is_none().then(|| sources.clone());
    let mut loaded = input::resolved(sources, input, namespace);
    let is_assumed = |it: &Diagnostic| it.code == rule::ASSUMED_NAMESPACE;
    if let Some(sources) = again
        && loaded.diagnostics.iter().any(is_assumed)
    {
        let of_context = block_on(connect::namespace(&loaded.desired, place))?;
        loaded = input::resolved(sources, input, Some(of_context));
    }
    let (desired, notes) = loaded.sound()?;
    ui.diagnostics(&notes);
    Ok(desired)
}

/// Desired state that says something.
fn not_empty(desired: Desired) -> Result<Desired, CommandError> {
    let Desired { name: _, stack, services, endpoints, approvals, gateways: _, makers: _ } =
        &desired;
    if stack.is_none() && services.is_empty() && endpoints.is_empty() && approvals.is_empty() {
        return Err(nothing());
    }
    Ok(desired)
}

/// The input holds nothing.
fn nothing() -> CommandError {
    CommandError::new("the input holds nothing to plan")
        .hint("A pipeline whose first command failed gives an empty stdin.")
}

/// Notices as SARIF, with paths from the root of the repository.
pub(crate) fn sarif(notices: &[Notice], pipeline: &Pipeline) -> serde_json::Value {
    let version = env!("CARGO_PKG_VERSION");
    let file = |file: &str| pipeline.below_root(file);
    privlink_render::sarif::log(notices, version, &file)
}

/// What a command works on: a snapshot, and what is known of the cluster.
struct Observed {
    snapshot: Snapshot,
    facts: Facts,
    connected: Option<Connected>,
}

/// Observes, or takes what was observed, if it is enough to plan from.
async fn observed(
    desired: &Desired,
    place: &TargetFlags,
    snapshot: Option<Snapshot>,
    common: Option<Common<'_>>,
) -> Result<Observed, CommandError> {
    let observed = seen(desired, place, snapshot, common).await?;
    read(&observed, desired)?;
    Ok(observed)
}

/// Says why nothing can be predicted, if something could not be read that every prediction rests on.
fn read(observed: &Observed, desired: &Desired) -> Result<(), CommandError> {
    let live = Inventory::of(&observed.snapshot);
    match Unread::of(&live, &observed.facts, desired.stack.as_ref()) {
        Some(unread) => Err(unread.into()),
        None => Ok(()),
    }
}

/// Observes, or takes what was observed.
async fn seen(
    desired: &Desired,
    place: &TargetFlags,
    snapshot: Option<Snapshot>,
    common: Option<Common<'_>>,
) -> Result<Observed, CommandError> {
    if let Some(snapshot) = snapshot {
        return offline(desired, place, snapshot);
    }
    let connected = connect::connect_sharing(desired, place, Patience::default(), common).await?;
    let (snapshot, facts) = connected.observe().await;
    there(&snapshot, &connected.targets, desired)?;
    Ok(Observed { snapshot, facts, connected: Some(connected) })
}

/// What was observed, and the facts in it.
fn offline(
    desired: &Desired,
    place: &TargetFlags,
    snapshot: Snapshot,
) -> Result<Observed, CommandError> {
    let said = place.said();
    let pinned = desired::pinned(desired, said.subscription(desired).as_deref());
    let targets = Targets::of(desired, &said, &pinned)?;
    there(&snapshot, &targets, desired)?;
    let facts = targets.facts(&snapshot, &pinned);
    Ok(Observed { snapshot, facts, connected: None })
}

/// Says that the cluster is not there, once and before anything that would follow from it.
fn there(snapshot: &Snapshot, targets: &Targets, desired: &Desired) -> Result<(), CommandError> {
    let cluster = targets.cluster.as_ref();
    match cluster.and_then(|cluster| {
        NoCluster::of(&Inventory::of(snapshot), cluster, desired.stack.as_ref())
    }) {
        Some(missing) => Err(missing.into()),
        None => Ok(()),
    }
}

/// How many jobs run at once: as many as were asked for, or as there are processors.
fn jobs(asked: Option<std::num::NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, Into::into)
}

/// What a plan is made with.
fn options(mode: Mode, limits: &Limits) -> Options {
    let Limits {
        guard,
        adopt,
        max_disconnects,
        max_deletes,
        unprotect,
        accept,
        target: targets,
        exclude: excludes,
        replace: replaces,
    } = limits.clone();
    Options {
        mode,
        guard,
        adopt,
        max_disconnects,
        today: Some(plan::today()),
        max_deletes,
        unprotect,
        accept,
        scope: Scope { targets, excludes, replaces },
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Asks the API server whether it takes what the plan would apply, and tells what it refuses.
async fn rehearse(plan: &mut Plan, desired: &Desired, limits: &Limits, connected: &Connected) {
    let answers =
        privlink_engine::rehearsal::ask(plan, connected.session.kubernetes.as_ref()).await;
    rehearsal::tell(plan, &Wanted::as_written(desired), &limits.accept, &answers);
}

/// Refuses to re-create what is destroyed.
fn replaces_in(mode: Mode, limits: &Limits) -> Result<(), CommandError> {
    if mode == Mode::Destroy && !limits.replace.is_empty() {
        return Err(CommandError::new("--replace and --destroy exclude each other")
            .hint("Leave out one of them."));
    }
    Ok(())
}

/// Plans.
fn planned(
    desired: &Desired,
    (live, facts): (&Inventory<'_>, &Facts),
    mode: Mode,
    limits: &Limits,
) -> Result<Planned, CommandError> {
    replaces_in(mode, limits)?;
    let options = options(mode, limits);
    let wanted = join::identify(desired, live, facts, &options);
    privlink_engine::span::planned(&Input::new(&wanted, live, facts, &options)).map_err(|error| {
        let is_of_another_stack = error.is_of_another_stack();
        let failure = CommandError { is_of_another_stack, ..CommandError::new(error.to_string()) };
        match error.help() {
            Some(help) => failure.hint(help),
            None => failure,
        }
    })
}
