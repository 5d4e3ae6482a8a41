//! `drift`: looks for what differs, in one stack or many, and tells who made it.

mod delivery;
mod look;
pub(super) mod publish;
mod pushgateway;
mod textfile;
mod webhook;

use std::path::{Path, PathBuf};

use privlink_core::desired::Desired;
use privlink_core::drift::{Baseline, Report, StackReport};
use privlink_core::inventory::Inventory;
use privlink_core::saved::SavedPlan;
use privlink_engine::span;

use crate::args::Drift;
use crate::artefact::Artefact;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::Invocation;
use crate::ui::Ui;

use super::stacks::{self, Source};
use super::turns;
use look::{By, Looking};
use publish::Publisher;

pub(crate) fn run(args: &Drift, ui: &mut Ui) -> Result<Exit, CommandError> {
    let since = args.since.as_deref().map(since).transpose()?;
    let publisher = Publisher::of(&args.told)?;
    let many = &args.input.many;
    let sources = match &many.stacks {
        Some(folder) => {
            stacks::is_folder(args.observed.as_deref())?;
            stacks::chosen(folder, many, &args.input.input(), ui)?
        }
        None => vec![Source::of(&args.input.input())],
    };
    let mut loaded = Vec::new();
    let mut reports = Vec::new();
    for source in sources {
        let observed = observed(args, &source);
        let snapshot = observed.as_deref().map(super::file::read_snapshot).transpose();
        let desired =
            snapshot.and_then(|it| super::sound(&source.input, &args.place, it.as_ref(), ui));
        match desired {
            Ok(desired) => loaded.push((source, desired)),
            Err(error) => reports.push(failed(&source.name(), &source, &error, ui)),
        }
    }
    let outcomes = look_at_all(args, since.as_ref(), &loaded, ui.invocation())?;
    for ((source, desired), outcome) in loaded.iter().zip(outcomes) {
        reports.push(outcome.unwrap_or_else(|error| failed(&desired.name, source, &error, ui)));
    }
    let mut looked = Report::new(env!("CARGO_PKG_VERSION"), reports);
    if let Some(folder) = &many.stacks {
        looked.folder = folder.display().to_string();
        looked.shard = many.shard()?;
    }
    publisher.publish(looked, ui)
}

/// Looks at stacks side by side.
fn look_at_all(
    args: &Drift,
    since: Option<&Baseline>,
    loaded: &[(Source, Desired)],
    called: &Invocation,
) -> Result<Vec<Result<StackReport, CommandError>>, CommandError> {
    let is_live = args.observed.is_none() && args.input.many.stacks.is_some();
    let lists = if is_live { stacks::shared_lists(&args.place) } else { None };
    let jobs = stacks::jobs(&args.place, super::jobs(args.input.many.jobs));
    let screen = By::of(args, lists.as_ref(), loaded);
    let looking = Looking { args, since, lists: lists.as_ref(), screen, called };
    turns::side_by_side(loaded, jobs, |(source, desired)| {
        let _stack = span::stack(&desired.name).entered();
        super::block_on(looking.at(source, desired))
    })
}

/// The saved observation of a stack, if it is looked at from one.
fn observed(args: &Drift, source: &Source) -> Option<PathBuf> {
    match &args.input.many.stacks {
        Some(folder) => source.observed(folder, args.observed.as_deref()),
        None => args.observed.clone(),
    }
}

/// A stack that could not be looked at does not stop the others.
fn failed(name: &str, source: &Source, error: &CommandError, ui: &mut Ui) -> StackReport {
    ui.error(error);
    let mut lines = Vec::new();
    if !error.message.is_empty() {
        lines.push(error.message.clone());
    }
    lines.extend(error.diagnostics.iter().map(|it| {
        let place = it.labels.first().map(|label| format!("{}: ", label.span.place()));
        format!("{}{}: {}", place.unwrap_or_default(), it.code, it.message)
    }));
    StackReport::failed(name, &source.shown(), lines.join("\n"))
}

/// An earlier snapshot or a saved plan.
fn since(path: &Path) -> Result<Baseline, CommandError> {
    let shown = path.display().to_string();
    let text = super::file::read_text(path)?;
    if Artefact::of(text.as_bytes()) == Some(Artefact::Snapshot) {
        let snapshot = super::file::read_snapshot(path)?;
        super::file::unredacted(path, &snapshot)?;
        return Ok(Baseline::of_inventory(&Inventory::of(&snapshot)));
    }
    SavedPlan::parse(&text).map(|saved| Baseline::of_plan(&saved)).map_err(|not_a_plan| {
        CommandError::new(format!("{shown} is neither a snapshot nor a saved plan: {not_a_plan}"))
            .hint("Make one with `observe --out` or `plan --out`.")
    })
}
