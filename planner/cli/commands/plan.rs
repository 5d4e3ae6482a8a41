//! `plan`: shows what would change.

pub(crate) mod stacks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use privlink_core::date::{self, Day};
use privlink_core::desired::Desired;
use privlink_core::input::Guarded;
use privlink_core::inventory::Inventory;
use privlink_core::plan::{Mode, Plan};
use privlink_core::planned::Planned;
use privlink_core::saved::{self, Home, SavedPlan};
use privlink_core::staleness::{self, Binding};
use privlink_engine::home;
use privlink_engine::observe::SharedLists;
use privlink_engine::session::Patience;
use privlink_engine::span;
use privlink_render::layout::Layout;
use privlink_render::notice::Notice;
use privlink_render::text::Frame;

use crate::args;
use crate::command_error::CommandError;
use crate::connect::{self, Common};
use crate::exit::Exit;
use crate::invocation::Invocation;
use crate::plan_format::Format;

use super::Observed;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Plan, ui: &mut Ui) -> Result<Exit, CommandError> {
    let mut args = args.clone();
    let guarding = args::Guarding { guard: args.guard, base: args.base.clone() };
    let stack = args.input.input();
    let observed = args.observed.as_deref();
    args.limits.guard = guarded(&guarding, (&stack, &args.place), observed, ui)?;
    let args = &args;
    let jobs = super::jobs(args.input.many.jobs);
    match &args.input.many.stacks {
        None => {
            let basis = Basis { observed: args.observed.as_deref(), lists: None, jobs };
            let plan = one(&args.input.input(), args, &basis, ui)?;
            let exit = show(&plan, args, ui)?;
            if let (Some(_), Exit::Refused) = (&args.place.sandbox, exit) {
                other_world(&args.input.filename, ui);
            }
            Ok(exit)
        }
        Some(folder) => stacks::run(folder, args, jobs, ui),
    }
}

/// What others write, if nothing is privlink's: of the Services that were rendered before, those that are no more.
pub(super) fn guarded(
    guarding: &args::Guarding,
    (input, place): (&args::Input, &args::TargetFlags),
    observed: Option<&Path>,
    ui: &mut Ui,
) -> Result<Option<Guarded>, CommandError> {
    let args::Guarding { guard, base } = guarding;
    if !guard {
        return Ok(None);
    }
    if base.is_empty() {
        return Ok(Some(Guarded::default()));
    }
    let base = args::Input { filename: base.clone(), ..input.clone() };
    let (base, _) = super::sound_and_observed(&base, place, observed, 1, ui)?;
    let gone = base.services.into_iter().map(|(key, service)| (key, service.span)).collect();
    Ok(Some(Guarded { gone }))
}

/// Says which world a folder brings along, where a plan in another one is refused: an example may need a
/// cluster that is not as AKS makes it by default.
fn other_world(paths: &[PathBuf], ui: &mut Ui) {
    for folder in paths {
        let world = folder.join("world").join("observed.json");
        let Some(name) = folder.file_name().filter(|_| world.is_file()) else { continue };
        let file = Path::new(".privlink/sandbox").join(name).with_extension("world.json");
        let quoted = |path: &Path| crate::invocation::quoted(&path.display().to_string());
        let (world, file) = (quoted(&world), quoted(&file));
        ui.say(&format!(
            "help: {} needs a cluster of its own: privlink sandbox init {file} --from {world}, and --sandbox={file} from then on",
            folder.display()
        ));
    }
}

/// A plan, and whether what it needs was found to be there.
pub(crate) struct Made {
    plan: Plan,
    /// What it is bound to, where it is saved.
    bindings: Vec<Binding>,
    met: bool,
    /// The digest of the file it was saved in.
    digest: Option<String>,
}

impl Made {
    /// One that is saved is bound to what is live.
    fn of(planned: Planned, live: Option<&Inventory<'_>>) -> Self {
        let Planned { plan, subjects, .. } = planned;
        let bindings = live.map(|live| staleness::bind(&plan, &subjects, live)).unwrap_or_default();
        Self { plan, bindings, met: true, digest: None }
    }

    /// One that was made before.
    fn read(plan: Plan) -> Self {
        Self { plan, bindings: Vec::new(), met: true, digest: None }
    }
}

/// What a stack is planned from.
struct Basis<'a> {
    /// A saved observation, in place of what is live.
    observed: Option<&'a Path>,
    /// Lists that several stacks read together.
    lists: Option<&'a Arc<SharedLists>>,
    /// How many jobs may run at once.
    jobs: usize,
}

/// Plans one stack.
fn one(
    input: &args::Input,
    args: &args::Plan,
    basis: &Basis<'_>,
    ui: &mut Ui,
) -> Result<Made, CommandError> {
    let basis_of = (basis.observed, args.limits.guard.as_ref());
    let (desired, snapshot) =
        super::guarded_and_observed(input, &args.place, basis_of, basis.jobs, ui)?;
    let _stack = span::stack(&desired.name).entered();
    let mode = if args.destroy { Mode::Destroy } else { Mode::Apply };
    let (observed, mut made, home) = match snapshot {
        Some(snapshot) => {
            let observed = super::offline(&desired, &args.place, snapshot)?;
            super::read(&observed, &desired)?;
            let live = Inventory::of(&observed.snapshot);
            let planned = super::planned(&desired, (&live, &observed.facts), mode, &args.limits)?;
            let made = Made::of(planned, args.out.as_ref().map(|_| &live));
            (observed, made, None)
        }
        None => super::block_on(live(&desired, args, mode, basis.lists, ui))?,
    };
    if let Some(file) = &args.out {
        let saved = SavedPlan { home, ..seal(&made, &observed, &args.place) }.sealed();
        super::file::write_private(file, &saved.to_text())?;
        made.digest = Some(saved.digest.clone());
        if args.input.many.stacks.is_some() {
            return Ok(made);
        }
        let shown = crate::invocation::quoted(&file.display().to_string());
        ui.say(&format!("Saved {shown}, with the digest {}.", saved.digest));
        match made.plan.refusals.is_empty() {
            true => ui.say(&format!("Apply it: {}", applying(&shown, ui.invocation()))),
            false => ui.say(
                "It is refused, and `apply` refuses it too: plan again with what allows it, or change the files.",
            ),
        }
    }
    Ok(made)
}

/// Plans one stack against what is there now.
async fn live(
    desired: &Desired,
    args: &args::Plan,
    mode: Mode,
    lists: Option<&Arc<SharedLists>>,
    ui: &mut Ui,
) -> Result<(Observed, Made, Option<Home>), CommandError> {
    let common = lists.map(Common::Lists);
    let connected =
        connect::connect_sharing(desired, &args.place, Patience::default(), common).await?;
    let (snapshot, facts) = connected.observe().await;
    super::there(&snapshot, &connected.targets, desired)?;
    let observed = Observed { snapshot, facts, connected: None };
    super::read(&observed, desired)?;
    let live = Inventory::of(&observed.snapshot);
    let seen = (&live, &observed.facts);
    let mut planned = super::planned(desired, seen, mode, &args.limits)?;
    super::rehearse(&mut planned.plan, desired, &args.limits, &connected).await;
    let mut met = true;
    if args.preflight {
        met = super::preflight::passed(desired, seen, &connected, ui).await?;
    }
    let home = match args.out {
        Some(_) => Some(home::read(&connected.session, &observed.facts.subscription).await?),
        None => None,
    };
    connected.close().await?;
    let made = Made { met, ..Made::of(planned, args.out.as_ref().map(|_| &live)) };
    Ok((observed, made, home))
}

/// The command that carries a saved plan out. What is planned is in the plan, and how to get there is not.
fn applying(file: &str, called: &Invocation) -> String {
    let words = ["privlink", "apply", file].map(ToOwned::to_owned).into_iter();
    words.chain(called.reach()).collect::<Vec<_>>().join(" ")
}

fn show(made: &Made, args: &args::Plan, ui: &mut Ui) -> Result<Exit, CommandError> {
    let Made { plan, digest, .. } = made;
    let read = if args.observed.is_some() { "" } else { "just now" };
    ui.print(&rendered(
        plan,
        args.shown.output,
        &Shown { full: args.shown.full, read, called: None },
        ui,
    ))?;
    for (format, file) in &args.shown.render {
        super::file::write_shown(
            file,
            &format.render(plan, &Frame::plain(Layout::default()), ui.pipeline()),
        )?;
    }
    ui.annotate(&Notice::of_plan(plan));
    super::summary::of_plans(&[plan], ui);
    let commented = [(plan, digest.as_deref())];
    if let Some(id) = &args.comment
        && let Err(error) = super::comment::of_plans(&commented, id, ui)
    {
        ui.warn(&error);
    }
    Ok(exit(made, args))
}

/// What a plan ends with.
fn exit(made: &Made, args: &args::Plan) -> Exit {
    if !made.met {
        return Exit::Error;
    }
    if !made.plan.refusals.is_empty() {
        return Exit::Refused;
    }
    let has_changes = args.detailed_exitcode && !made.plan.is_empty();
    if has_changes { Exit::Changes } else { Exit::Done }
}

/// A plan with what it is bound to, not sealed yet.
fn seal(made: &Made, observed: &Observed, place: &args::TargetFlags) -> SavedPlan {
    let Made { plan, bindings, .. } = made;
    let Observed { snapshot, facts, .. } = observed;
    SavedPlan {
        format_version: saved::FORMAT_VERSION.to_owned(),
        digest: String::new(),
        subscription: facts.subscription.clone(),
        context: place.context.clone(),
        without_cluster: !snapshot.kubernetes.is_there(),
        home: None,
        lists: snapshot.azure.keys().filter(|it| it.contains("/providers/")).cloned().collect(),
        bindings: bindings.clone(),
        plan: plan.clone(),
    }
}

/// A plan in a format, as it looks on stdout.
pub(crate) fn rendered(plan: &Plan, format: Format, shown: &Shown<'_>, ui: &Ui) -> String {
    in_frame(shown, ui, |frame| format.render(plan, frame, ui.pipeline()))
}

fn in_frame(shown: &Shown<'_>, ui: &Ui, render: impl FnOnce(&Frame<'_>) -> String) -> String {
    let called = shown.called.unwrap_or(ui.invocation());
    let arguments = called.whole();
    let frame = Frame {
        layout: ui.layout(),
        full: shown.full,
        command: &called.command,
        arguments: &called.place,
        all_arguments: &arguments,
        read: shown.read,
    };
    render(&frame)
}

/// The time, as a reader of a comment takes it: to the minute.
pub(super) fn now() -> String {
    let of_day = minutes() % 1440;
    format!("{} {:02}:{:02} UTC", today(), of_day / 60, of_day % 60)
}

/// The day, in UTC.
pub(super) fn today() -> Day {
    date::of_days(minutes() / 1440)
}

/// The minutes since 1970.
fn minutes() -> u64 {
    seconds() / 60
}

/// The seconds since 1970.
pub(super) fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}

/// How a plan is shown as text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown<'a> {
    /// Whether with all ids and fields.
    pub(crate) full: bool,
    /// When it was read, in words.
    pub(crate) read: &'a str,
    /// How one like it is made, where that is not how privlink was called.
    pub(crate) called: Option<&'a Invocation>,
}
