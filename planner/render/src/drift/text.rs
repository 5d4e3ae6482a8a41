//! A drift report for people.

use std::fmt::{self, Write};

use crate::style::{Label, Style};
use privlink_core::drift::{Difference, Field, Report, StackReport, Weight};
use privlink_core::escape::terminal;

/// Writes a report: each difference with who made it and what repairs it, and the counts at the end.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, style: Style, out: &mut dyn Write) -> fmt::Result {
    for stack in &report.stacks {
        self::stack(stack, report.stacks.len() > 1, style, out)?;
    }
    let line = super::line(report);
    let line = terminal(&line);
    let label = match (report.has_drift(), report.is_complete()) {
        (true, _) => Label::Warning,
        (false, false) => Label::Error,
        (false, true) => Label::Success,
    };
    writeln!(out, "{}", style.paint(label, line))
}

fn stack(stack: &StackReport, titled: bool, style: Style, out: &mut dyn Write) -> fmt::Result {
    let is_empty = stack.is_complete() && stack.differences.is_empty();
    if titled {
        let tail = if is_empty { ": no drift" } else { "" };
        let head = format!("Stack {}{tail}", super::title(stack));
        writeln!(out, "{}\n", style.paint(Label::Heading, terminal(&head)))?;
    }
    if let Some(error) = &stack.error {
        let head = style.paint(Label::Error, "error");
        writeln!(out, "{head} {} could not be looked at", terminal(&stack.stack))?;
        error.lines().try_for_each(|line| writeln!(out, "      {}", terminal(line)))?;
        writeln!(out)?;
    }
    for unread in &stack.unreadable {
        let head = style.paint(Label::Error, "unreadable");
        writeln!(out, "{head} {}\n      {}\n", terminal(&unread.what), terminal(&unread.why))?;
    }
    stack.differences.iter().try_for_each(|it| difference(it, style, out))
}

fn difference(difference: &Difference, style: Style, out: &mut dyn Write) -> fmt::Result {
    let Difference { class, weight, address, object, message, cause, .. } = difference;
    let (word, label) = match weight {
        Weight::Drift => ("drift", Label::Warning),
        Weight::Unverified => ("unverified", Label::Faint),
        Weight::Note => ("note", Label::Faint),
    };
    let head = if *weight == Weight::Unverified {
        word.to_owned()
    } else {
        format!("{word}[{}]", class.as_str())
    };
    let head = style.paint(label, head);
    writeln!(out, "{head} {}: {}", terminal(&address.to_string()), terminal(message))?;
    if let Some(object) = object {
        writeln!(out, "      {}", style.paint(Label::Faint, terminal(object)))?;
    }
    if *weight == Weight::Drift {
        writeln!(out, "      by {}", terminal(&super::who(cause)))?;
    }
    for field in &difference.fields {
        self::field(field, style, out)?;
    }
    if let Some(cut) = super::cut(difference) {
        writeln!(out, "      {}", style.paint(Label::Error, terminal(&format!("! {cut}"))))?;
    }
    if *weight == Weight::Drift {
        writeln!(out, "      heals by itself: {}", difference.heals.as_str())?;
    }
    if let Some(repair) = &difference.repair {
        writeln!(out, "      repair: {}", terminal(repair))?;
    }
    writeln!(out)
}

fn field(field: &Field, style: Style, out: &mut dyn Write) -> fmt::Result {
    let (sign, label) = match (&field.wanted, &field.found) {
        (Some(_), Some(_)) => ("~", Label::Update),
        (Some(_), None) => ("-", Label::Delete),
        (None, _) => ("+", Label::Create),
    };
    let said = super::said(field);
    let line = format!("      {sign} {}: {said}", terminal(&field.path));
    writeln!(out, "{}", style.paint(label, line))
}
