//! The report of a run as text.

use std::fmt::{self, Write};

use crate::style::{Label, Style};
use privlink_core::escape::terminal;
use privlink_core::plan::Mode;
use privlink_core::plural::count;
use privlink_core::report::{Outcome, Report, StepReport};

/// Writes what failed and the outcome of the run.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(report: &Report, style: Style, out: &mut dyn Write) -> fmt::Result {
    for (id, step) in &report.steps {
        let StepReport { address, doing, outcome } = step;
        let doing = terminal(doing);
        let (label, line) = match outcome {
            Outcome::Succeeded => continue,
            Outcome::Unfinished => (Label::Error, format!("unfinished: {doing}")),
            Outcome::AwaitingApproval { detail } => {
                (Label::Warning, format!("awaits approval: {}", terminal(detail)))
            }
            Outcome::Failed { error, otherwise } => {
                let what = if *otherwise { "the controller did otherwise" } else { "failed" };
                (Label::Error, format!("{what}: {doing}: {}", terminal(error)))
            }
            Outcome::Skipped { because } => {
                (Label::Warning, format!("skipped, because step {because} failed"))
            }
            Outcome::Cancelled if doing.is_empty() => {
                (Label::Warning, "not started, the run was stopped".to_owned())
            }
            Outcome::Cancelled => (Label::Warning, format!("left, the run was stopped: {doing}")),
        };
        let head = format!("step {id} {}", terminal(&address.to_string()));
        writeln!(out, "{} {line}", style.paint(label, head))?;
    }
    let label = if is_whole(report) { Label::Success } else { Label::Error };
    writeln!(out, "{}.", style.paint(label, total(report)))
}

/// Whether every step was done, or awaits an approval.
fn is_whole(report: &Report) -> bool {
    let undone = |outcome: &Outcome| {
        matches!(outcome, Outcome::Failed { .. } | Outcome::Skipped { .. } | Outcome::Cancelled)
    };
    report.ended && report.count(undone) == 0
}

/// The outcome of the run, in a line.
pub fn total(report: &Report) -> String {
    let what = match report.mode {
        Mode::Apply => "Apply",
        Mode::Destroy => "Destroy",
    };
    let succeeded = report.count(|outcome| *outcome == Outcome::Succeeded);
    let failed = report.count(|outcome| matches!(outcome, Outcome::Failed { .. }));
    let skipped =
        report.count(|outcome| matches!(outcome, Outcome::Skipped { .. } | Outcome::Cancelled));
    let awaiting = report.count(|outcome| matches!(outcome, Outcome::AwaitingApproval { .. }));
    let mut line = format!("{what} complete: {} done", count(succeeded + awaiting, "step"));
    if !is_whole(report) {
        line =
            format!("{what} incomplete: {succeeded} done, {failed} failed, {skipped} not started");
    }
    if awaiting > 0 {
        let verb = if awaiting == 1 { "awaits" } else { "await" };
        line = format!("{line}, {} {verb} approval", count(awaiting, "connection"));
    }
    line
}
