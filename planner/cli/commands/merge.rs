//! `merge`: makes one report of those of several shards.

use std::path::Path;

use privlink_core::drift::Report;
use privlink_core::plan::Plan;
use privlink_render::fleet::record::{self, FleetReport, Record};
use privlink_render::fleet::{self as table, Line, not_in_it};
use privlink_render::plans::{self, Outcome};
use privlink_render::style::Label;
use serde::Deserialize;

use crate::args::{DriftFormat, Merge, Output};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::plan_format::Format;
use crate::ui::Ui;

use super::drift::publish::Publisher;
use super::plan::stacks::{Forms, Showing, Told};
use super::{fleet, summary};

/// What a run over many stacks wrote, or a look for drift.
#[derive(Debug)]
pub(super) enum ReportFile {
    /// What came of a command.
    Fleet(Box<FleetReport>),
    /// What drifted.
    Drift(Box<Report>),
}

/// What tells them from each other.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    format_version: String,
    command: Option<String>,
    #[serde(rename = "stacks")]
    _stacks: Vec<serde::de::IgnoredAny>,
}

impl ReportFile {
    /// What is in a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no such report, or one of another version.
    pub(super) fn read(file: &Path) -> Result<Self, CommandError> {
        let shown = file.display().to_string();
        let text = super::file::read_text(file)?;
        let no_report = |error: serde_json::Error| {
            CommandError::new(format!("{shown} is no report: {error}"))
                .hint("Make one with `-o json`, of a command with --stacks or of `drift`.")
        };
        let probe: Probe = serde_json::from_str(&text).map_err(no_report)?;
        let known = match probe.command {
            Some(_) => record::FORMAT_VERSION,
            None => privlink_core::drift::FORMAT_VERSION,
        };
        let major = |version: &str| version.split('.').next().map(ToOwned::to_owned);
        if major(&probe.format_version) != major(known) {
            let found = probe.format_version;
            return Err(CommandError::new(format!(
                "{shown} has the format {found}, and this privlink reads {known}"
            )));
        }
        Ok(match probe.command {
            Some(_) => Self::Fleet(serde_json::from_str(&text).map_err(no_report)?),
            None => Self::Drift(serde_json::from_str(&text).map_err(no_report)?),
        })
    }
}

pub(crate) fn run(args: &Merge, ui: &mut Ui) -> Result<Exit, CommandError> {
    let (mut fleets, mut drifts) = (Vec::new(), Vec::new());
    for file in &args.reports {
        match ReportFile::read(file)? {
            ReportFile::Fleet(report) => fleets.push(*report),
            ReportFile::Drift(report) => drifts.push(*report),
        }
    }
    match (fleets.is_empty(), drifts.is_empty()) {
        (true, _) => {
            if args.comment.is_some() {
                return Err(CommandError::new(
                    "--comment is of plans, and these are reports of drift",
                ));
            }
            let publisher = Publisher::of(&args.told)?;
            publisher.publish(Report::merge(drifts).map_err(apart)?, ui)
        }
        (false, true) => {
            no_drift(args)?;
            of_fleet(&record::merge(fleets).map_err(apart)?, args, ui)
        }
        (false, false) => {
            Err(apart("some reports are of drift, and others of a command".to_owned()))
        }
    }
}

fn apart(why: String) -> CommandError {
    CommandError::new(why)
        .hint("Reports that are merged are of one command, over the shards of one folder.")
}

/// Refuses what is said of drift where no report is of drift.
fn no_drift(args: &Merge) -> Result<(), CommandError> {
    let told = &args.told;
    let given = [
        (told.baseline.is_some(), "--baseline"),
        (told.prometheus.is_some(), "--prometheus"),
        (told.pushgateway.is_some(), "--pushgateway"),
        (told.webhook.is_some(), "--webhook"),
        (told.webhook_env.is_some(), "--webhook-env"),
        (told.exit_zero, "--exit-zero"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, flag)) => {
            Err(CommandError::new(format!("{flag} is of drift, and no report is of drift")))
        }
        None => Ok(()),
    }
}

/// Shows what came of a command.
fn of_fleet(merged: &FleetReport, args: &Merge, ui: &mut Ui) -> Result<Exit, CommandError> {
    match merged.head.command.as_str() {
        "plan" => of_plans(merged, args, ui)?,
        _ => of_others(merged, args, ui)?,
    }
    for it in merged.stacks.iter().filter(|it| it.is_failed()) {
        ui.say(&format!("{}: {}", it.path, it.said));
    }
    let exits = merged.stacks.iter().map(|it| Exit::of(it.exit_code));
    let all = if merged.head.missing_shards.is_empty() { Exit::Done } else { Exit::Error };
    Ok(exits.fold(all, Exit::worse))
}

fn of_plans(merged: &FleetReport, args: &Merge, ui: &mut Ui) -> Result<(), CommandError> {
    let format = |format: DriftFormat| match format {
        DriftFormat::Text => Ok(Format::Text),
        DriftFormat::Json => Ok(Format::Json),
        DriftFormat::Markdown => Ok(Format::Markdown),
        DriftFormat::Html => Ok(Format::Html),
        DriftFormat::Junit => {
            Err(CommandError::new("several plans are shown as text, json, markdown or html"))
        }
    };
    let output = format(args.told.output)?;
    let render = args.told.render.iter().map(|(it, file)| Ok((format(*it)?, file.clone())));
    let render = render.collect::<Result<_, CommandError>>()?;
    let shown = Output { output, full: args.full, render };
    let format: plans::Format = output.of_many()?;
    let forms = Forms::of(format, &merged.head, &shown, ui)?;
    let mut showing = Showing::new(&forms);
    let are_wanted = args.comment.is_some() || summary::is_shown(ui);
    let mut told = Told::new(are_wanted);
    for record in &merged.stacks {
        let plan = plan(record)?;
        let plan_or_why = plan.as_ref().ok_or(record.said.as_str());
        let Record { path, source, exit_code, .. } = record;
        let outcome = Outcome { path, source, plan: plan_or_why, exit_code: *exit_code };
        showing.add(forms.show(&outcome)?, ui)?;
        told.read(plan);
    }
    showing.end(ui)?;
    told.tell(args.comment.as_deref(), ui);
    Ok(())
}

/// The plan of a stack, if it could be planned.
fn plan(record: &Record) -> Result<Option<Plan>, CommandError> {
    let Some(result) = &record.result else { return Ok(None) };
    serde_json::from_str(result.get()).map(Some).map_err(|error| {
        CommandError::new(format!("{}: its plan cannot be read: {error}", record.path))
    })
}

/// Shows what came of another command: as it was written, or the table.
fn of_others(merged: &FleetReport, args: &Merge, ui: &mut Ui) -> Result<(), CommandError> {
    if !args.told.render.is_empty() {
        return Err(CommandError::new("--render is of plans and drift"));
    }
    match args.told.output {
        DriftFormat::Json => {
            let not_json = |error| CommandError::new(format!("it cannot be written: {error}"));
            ui.print(&merged.head.json().map_err(not_json)?)?;
            for (at, record) in merged.stacks.iter().enumerate() {
                let json = record::json(record).map_err(not_json)?;
                ui.print(&record::line(&json, at == 0))?;
            }
            ui.print(record::END)
        }
        DriftFormat::Text => {
            let mut lines: Vec<Line> = merged.stacks.iter().map(Record::line).collect();
            lines.sort_by(Line::order);
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = table::text(&lines, table::UNCHANGED, ui.layout(), &mut text);
            let total: Vec<String> = std::iter::once(fleet::total(&lines))
                .chain(not_in_it(&merged.head.missing_shards))
                .collect();
            text.push_str(&format!("{}\n", ui.style().paint(Label::Heading, total.join(" "))));
            ui.print(&text)
        }
        _ => {
            let command = &merged.head.command;
            Err(CommandError::new(format!("reports of `{command}` are shown as text or json")))
        }
    }
}
