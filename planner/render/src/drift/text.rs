//! A drift report for people: what is broken now first, then what was edited, then the rest.

use std::fmt::{self, Write};

use super::standing::{self, Standing};
use crate::fleet::{self, Row};
use crate::layout::{Layout, width};
use crate::style::Label;
use privlink_core::drift::{Difference, Heals, Repair, Report, StackReport, Urgency, Weight};
use privlink_core::escape::terminal;
use privlink_core::plural::count;

/// Writes a report: of several stacks a table first, the worst on top; then each difference with who made it and what repairs
/// it, and the counts at the end.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let sorted = standing::sorted(&report.stacks);
    if sorted.len() > 1 {
        let folder = &report.folder;
        let place = if folder.is_empty() { String::new() } else { format!(" in {folder}") };
        let head = format!("{}{place}", count(sorted.len(), "stack"));
        writeln!(out, "{}\n", layout.style.paint(Label::Heading, terminal(&head)))?;
        let (quiet, told): (Vec<_>, Vec<_>) =
            sorted.iter().partition(|it| Standing::of(it) == Standing::Quiet);
        let rows: Vec<Row> = told.into_iter().map(|it| standing::row(folder, it)).collect();
        fleet::table(&rows, (standing::NO_DRIFT, quiet.len()), layout, out)?;
    }
    for stack in sorted.into_iter().filter(|it| !standing::is_quiet(it)) {
        self::stack(stack, report.compared, layout, out)?;
    }
    if let Some(screened) = super::screened(report) {
        layout.paragraph("", &terminal(&screened), Some(Label::Faint), out)?;
        writeln!(out)?;
    }
    let label = match (report.has_drift(), report.is_complete()) {
        (true, _) => Label::Warning,
        (false, false) => Label::Error,
        (false, true) => Label::Success,
    };
    layout.paragraph("", &terminal(&super::line(report)), Some(label), out)
}

fn stack(
    stack: &StackReport,
    is_compared: bool,
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let mut head = format!("Stack {}", stack.stack);
    if !stack.source.is_empty() {
        head.push_str(&format!(" \u{b7} {}", stack.source));
    }
    if !stack.observed_at.is_empty() {
        head.push_str(&format!(" \u{b7} read {}", super::instant(&stack.observed_at)));
    }
    layout.paragraph("", &terminal(&head), Some(Label::Heading), out)?;
    writeln!(out)?;
    if let Some(error) = &stack.error {
        writeln!(out, "{}", layout.style.paint(Label::Error, "Could not be looked at"))?;
        for line in error.lines() {
            layout.paragraph("  ", &terminal(line), None, out)?;
        }
        writeln!(out)?;
    }
    if !stack.unreadable.is_empty() {
        writeln!(out, "{}", layout.style.paint(Label::Error, "Could not be read"))?;
        for unread in &stack.unreadable {
            layout.paragraph("  ", &terminal(&unread.what), None, out)?;
            layout.paragraph("    ", &terminal(&unread.why), None, out)?;
        }
        writeln!(out)?;
    }
    let words = stack.differences.iter().map(|it| width(it.class.word()));
    let column = words.max().unwrap_or_default();
    for urgency in Urgency::ALL {
        let differences = super::of_urgency(stack, urgency);
        if differences.is_empty() {
            continue;
        }
        let heading = format!("{}: {}", super::heading(urgency), differences.len());
        writeln!(out, "{}", layout.style.paint(colour(urgency), heading))?;
        for difference in differences {
            Entry { difference, is_compared, column, layout }.write(out)?;
        }
        writeln!(out)?;
    }
    known(stack, column, layout, out)
}

/// What nobody is to be alarmed about: what is ignored, entries that ignore nothing, and what is gone.
fn known(stack: &StackReport, column: usize, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let faint = |text: String| layout.style.paint(Label::Faint, text);
    let ignored = super::ignored(stack);
    if !ignored.is_empty() {
        writeln!(out, "{}", faint(format!("Ignored: {}", ignored.len())))?;
        for it in ignored {
            let word = format!("  {:<1$}  ", it.class.word(), column);
            let what = format!("{}: {}", super::object(it), it.message);
            let aside = if it.class.word() == it.class.as_str() { "" } else { it.class.as_str() };
            layout.beside(&word, (&terminal(&what), aside), None, out)?;
            let why = super::why_ignored(it).unwrap_or_default();
            layout.paragraph(&" ".repeat(column + 4), &terminal(&why), Some(Label::Faint), out)?;
        }
        writeln!(out)?;
    }
    if !stack.unused_ignores.is_empty() {
        writeln!(
            out,
            "{}",
            faint(format!("Unused in ignoreDrift: {}", stack.unused_ignores.len()))
        )?;
        for it in &stack.unused_ignores {
            layout.paragraph("  ", &terminal(&super::unused(it)), None, out)?;
        }
        writeln!(out)?;
    }
    for (heading, all) in [("Gone", &stack.gone), ("Not known now", &stack.unconfirmed)] {
        if !all.is_empty() {
            writeln!(out, "{}", faint(format!("{heading}: {}", all.len())))?;
            for it in all {
                let what = format!("{}: {} ({})", it.title, it.message, it.class.as_str());
                layout.paragraph("  ", &terminal(&what), Some(Label::Faint), out)?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Colours go with the words of headings, and never tell anything alone.
const fn colour(urgency: Urgency) -> Label {
    match urgency {
        Urgency::Broken => Label::Error,
        Urgency::Edited | Urgency::Other => Label::Warning,
        Urgency::Note => Label::Faint,
    }
}

/// A difference: its class in a column, and beside it what is so, who made it, and what repairs it.
struct Entry<'a> {
    difference: &'a Difference,
    /// Whether it was compared with an earlier report.
    is_compared: bool,
    /// The width of the column of classes.
    column: usize,
    layout: Layout,
}

impl Entry<'_> {
    fn write(&self, out: &mut dyn Write) -> fmt::Result {
        let difference = self.difference;
        let class = difference.class;
        let word = format!("  {:<1$}  ", class.word(), self.column);
        let what = format!("{}: {}", super::object(difference), difference.message);
        let aside = if class.word() == class.as_str() { "" } else { class.as_str() };
        self.layout.beside(&word, (&terminal(&what), aside), None, out)?;
        if let Some(since) = super::since(self.is_compared, difference) {
            self.line(&since, Some(Label::Faint), out)?;
        }
        for field in &difference.fields {
            self.line(&super::field(field), None, out)?;
        }
        if difference.weight == Weight::Drift {
            let who = super::joined(&super::who(&difference.cause));
            self.line(&format!("by {who}"), Some(Label::Faint), out)?;
        }
        if difference.heals != Heals::No {
            let heals = format!("heals by itself: {}", difference.heals.as_str());
            self.line(&heals, Some(Label::Faint), out)?;
        }
        if let Some(whom) = super::disconnected(difference) {
            self.line(&format!("! {whom}"), Some(Label::Error), out)?;
        }
        match &difference.repair {
            Some(repair) => self.repair(repair, out),
            None => Ok(()),
        }
    }

    /// The columns before what is said.
    fn indent(&self) -> String {
        " ".repeat(2 + self.column + 2)
    }

    fn line(&self, text: &str, label: Option<Label>, out: &mut dyn Write) -> fmt::Result {
        self.layout.paragraph(&self.indent(), &terminal(text), label, out)
    }

    /// Commands as they are pasted, and what is to be said of them.
    fn repair(&self, repair: &Repair, out: &mut dyn Write) -> fmt::Result {
        let mut head = format!("{}repair: ", self.indent());
        for (at, command) in repair.commands.iter().enumerate() {
            let mut words: Vec<String> =
                command.words().iter().map(|it| terminal(it).into_owned()).collect();
            if at + 1 < repair.commands.len() {
                words.push("&&".to_owned());
            }
            self.layout.command(&head, &words, out)?;
            head = " ".repeat(width(&head));
        }
        if let Some(advice) = &repair.advice {
            self.layout.paragraph(&head, &terminal(advice), None, out)?;
            head = " ".repeat(width(&head));
        }
        match super::refused(self.difference) {
            Some(refused) => {
                self.layout.paragraph(&head, &terminal(&refused), Some(Label::Error), out)
            }
            None => Ok(()),
        }
    }
}
