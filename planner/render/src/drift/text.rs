//! A drift report for people: what is broken now first, then what was edited, then the rest.

use std::fmt::{self, Write};

use crate::layout::{Layout, width};
use crate::style::Label;
use privlink_core::drift::{Difference, Heals, Repair, Report, StackReport, Urgency, Weight};
use privlink_core::escape::terminal;

/// Writes a report: each difference with who made it and what repairs it, and the counts at the end.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    for stack in &report.stacks {
        if report.stacks.len() > 1 || !super::is_quiet(stack) {
            self::stack(stack, layout, out)?;
        }
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

fn stack(stack: &StackReport, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let mut head = format!("Stack {}", stack.stack);
    if !stack.source.is_empty() {
        head.push_str(&format!(" \u{b7} {}", stack.source));
    }
    if !stack.observed_at.is_empty() {
        head.push_str(&format!(" \u{b7} read {}", super::instant(&stack.observed_at)));
    }
    if super::is_quiet(stack) {
        head.push_str(" \u{b7} no drift");
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
            Entry { difference, column, layout }.write(out)?;
        }
        writeln!(out)?;
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
