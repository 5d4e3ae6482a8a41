//! Who is told what a look found: readers of every format, metrics, a chat.

use std::fmt::Write;
use std::path::Path;

use privlink_core::drift::{self, Report};
use privlink_render as render;
use privlink_render::layout::Layout;

use super::pushgateway::Pushgateway;
use super::textfile;
use super::webhook::Webhook;
use crate::args::{DriftFormat, DriftOutput};
use crate::command_error::CommandError;
use crate::commands::merge::ReportFile;
use crate::exit::Exit;
use crate::ui::Ui;

/// Tells of a report, to whom the arguments say.
pub(in crate::commands) struct Publisher<'a> {
    args: &'a DriftOutput,
    webhook: Option<Webhook>,
    pushgateway: Option<Pushgateway>,
    earlier: Option<Earlier>,
}

/// The report that a look is compared with.
enum Earlier {
    /// It is there.
    Report(Box<Report>),
    /// It is not there yet.
    None(String),
}

impl<'a> Publisher<'a> {
    /// One that tells whom the arguments name; what is wrong with them is known before anything is looked at.
    ///
    /// # Errors
    ///
    /// When an argument is wrong, or the earlier report cannot be read.
    pub(in crate::commands) fn of(args: &'a DriftOutput) -> Result<Self, CommandError> {
        Ok(Self {
            args,
            webhook: Webhook::of(args)?,
            pushgateway: Pushgateway::of(args.pushgateway.as_deref())?,
            earlier: args.baseline.as_deref().map(earlier).transpose()?,
        })
    }

    /// Tells of a report, and what to end with.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(in crate::commands) fn publish(
        &self,
        mut report: Report,
        ui: &mut Ui,
    ) -> Result<Exit, CommandError> {
        match &self.earlier {
            Some(Earlier::Report(earlier)) => drift::compare(&mut report, earlier),
            Some(Earlier::None(file)) => {
                drift::compare(&mut report, &Report::new("", Vec::new()));
                ui.say(&format!("note: {file} does not exist yet, so all drift counts as new"));
            }
            None => {}
        }
        let failures = self.deliver(&report, ui)?;
        self.write(&report, failures.is_empty(), ui)?;
        for why in &failures {
            ui.say(&format!("warning: {why}"));
        }
        Ok(self.exit(&report, failures.is_empty()))
    }

    /// Sends it; why that failed.
    fn deliver(&self, report: &Report, ui: &mut Ui) -> Result<Vec<String>, CommandError> {
        let mut failures = Vec::new();
        match &self.webhook {
            Some(_) if !report.has_news() => {
                ui.say("Nothing is new since the earlier report: nothing is sent to the webhook.");
            }
            Some(webhook) => failures.extend(crate::commands::block_on(async {
                Ok(webhook.deliver(report).await.err())
            })?),
            None => {}
        }
        if let Some(pushgateway) = &self.pushgateway {
            let pushed = async { Ok(pushgateway.push(report).await.err()) };
            failures.extend(crate::commands::block_on(pushed)?);
        }
        Ok(failures)
    }

    /// Writes it in every format that is asked for. The report that the next look is compared with stays as it was if somebody
    /// was not told: what is new is new then, too.
    fn write(&self, report: &Report, delivered: bool, ui: &mut Ui) -> Result<(), CommandError> {
        ui.print(&rendered(report, self.args.output, ui.layout()))?;
        for (format, file) in &self.args.render {
            if !delivered && self.args.baseline.as_ref() == Some(file) {
                let file = file.display();
                ui.say(&format!(
                    "{file} stays as it was, so that the next look tells again what is new"
                ));
                continue;
            }
            let text = rendered(report, *format, Layout::default());
            crate::commands::file::write_shown(file, &text)?;
        }
        let summary = rendered(report, DriftFormat::Markdown, Layout::default());
        crate::commands::summary::of_text(&summary, ui);
        match &self.args.prometheus {
            Some(file) => textfile::write(file, report),
            None => Ok(()),
        }
    }

    /// What could not be read, or told, weighs more than drift.
    fn exit(&self, report: &Report, delivered: bool) -> Exit {
        if !report.is_complete() || !delivered {
            return Exit::Error;
        }
        if report.has_drift() && !self.args.exit_zero { Exit::Changes } else { Exit::Done }
    }
}

/// The report in a file. That there is none yet is how a job begins.
fn earlier(file: &Path) -> Result<Earlier, CommandError> {
    let shown = file.display().to_string();
    if !file.exists() {
        return Ok(Earlier::None(shown));
    }
    match ReportFile::read(file)? {
        ReportFile::Drift(report) => Ok(Earlier::Report(report)),
        ReportFile::Fleet(fleet) => {
            let command = fleet.head.command;
            Err(CommandError::new(format!("--baseline: {shown} is a report of `{command}`"))
                .hint("Make one with `privlink drift -o json`."))
        }
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
