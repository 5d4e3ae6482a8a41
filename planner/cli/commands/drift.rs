//! `drift`: looks for what differs, in one stack or many, and tells who made it.

mod delivery;
mod look;
mod pushgateway;
mod textfile;
mod webhook;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use privlink_core::desired::Desired;
use privlink_core::drift::{Baseline, Report, StackReport};
use privlink_core::saved::SavedPlan;
use privlink_render as render;
use privlink_render::layout::Layout;

use crate::args::{Drift, DriftFormat};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::invocation::Invocation;
use crate::ui::Ui;

use super::stacks::{self, Source};
use look::{By, Looking};

pub(crate) fn run(args: &Drift, ui: &mut Ui) -> Result<Exit, CommandError> {
    let since = args.since.as_deref().map(since).transpose()?;
    let webhook = webhook::Webhook::of(args)?;
    let pushgateway = pushgateway::Pushgateway::of(args.pushgateway.as_deref())?;
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
    let looked = Report::new(env!("CARGO_PKG_VERSION"), reports);
    let mut failures = Vec::new();
    if let Some(webhook) = &webhook {
        failures.extend(super::block_on(async { Ok(webhook.deliver(&looked).await.err()) })?);
    }
    if let Some(pushgateway) = &pushgateway {
        failures.extend(super::block_on(async { Ok(pushgateway.push(&looked).await.err()) })?);
    }
    publish(args, &looked, ui)?;
    for why in &failures {
        ui.say(&format!("warning: {why}"));
    }
    Ok(exit(args, &looked, failures.is_empty()))
}

/// What could not be read, or told, weighs more than drift.
fn exit(args: &Drift, report: &Report, delivered: bool) -> Exit {
    if !report.is_complete() || !delivered {
        return Exit::Error;
    }
    if report.has_drift() && !args.exit_zero { Exit::Changes } else { Exit::Done }
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
    stacks::side_by_side(loaded, jobs, |(source, desired)| {
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
    match SavedPlan::parse(&text) {
        Ok(saved) => Ok(Baseline::of_plan(&saved)),
        Err(not_a_plan) => match super::file::read_snapshot(path) {
            Ok(snapshot) => {
                super::file::unredacted(path, &snapshot)?;
                Ok(Baseline::of_snapshot(&snapshot))
            }
            Err(error) if text.contains("\"kubernetes\"") => Err(error),
            Err(_) => Err(CommandError::new(format!(
                "{shown} is neither a snapshot nor a saved plan: {not_a_plan}"
            ))
            .hint("Make one with `observe --out` or `plan --out`.")),
        },
    }
}

/// Writes the report in every format that is asked for.
fn publish(args: &Drift, report: &Report, ui: &mut Ui) -> Result<(), CommandError> {
    ui.print(&rendered(report, args.output, ui.layout()))?;
    for (format, file) in &args.render {
        super::file::write_shown(file, &rendered(report, *format, Layout::default()))?;
    }
    super::summary::of_text(&rendered(report, DriftFormat::Markdown, Layout::default()), ui);
    match &args.prometheus {
        Some(file) => textfile::write(file, report),
        None => Ok(()),
    }
}

fn rendered(report: &Report, format: DriftFormat, layout: Layout) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match format {
        DriftFormat::Text => render::drift::text::report(report, layout, &mut text),
        DriftFormat::Json => render::drift::json(report, &mut text),
        DriftFormat::Markdown => render::drift::markdown::report(report, &mut text),
        DriftFormat::Html => text.write_str(&render::drift::html::report(report)),
        DriftFormat::Junit => render::drift::junit::report(report, &mut text),
    };
    text
}
