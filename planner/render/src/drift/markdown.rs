//! A drift report as Markdown, for an issue, a comment or a step summary.

use std::fmt::{self, Write};

use super::{Part, standing};
use crate::escape::{code, fence, markdown};
use crate::fleet::markdown_rows;
use crate::picture;
use privlink_core::change::{one_line as shown, one_line_of};
use privlink_core::drift::{Difference, Field, Report, StackReport, Urgency, Weight};
use privlink_core::escape::terminal;

/// Writes a report: the verdict, then the stacks that drifted or could not be read, then the others.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, out: &mut dyn Write) -> fmt::Result {
    verdict(report, out)?;
    let sorted = standing::sorted(&report.stacks);
    let (quiet, told): (Vec<&StackReport>, Vec<&StackReport>) =
        sorted.into_iter().partition(|stack| standing::is_quiet(stack));
    if report.stacks.len() > 1 {
        let rows: Vec<_> = told.iter().map(|it| standing::row(&report.folder, it)).collect();
        markdown_rows(&rows, out)?;
    }
    for stack in told {
        self::stack(stack, report.compared, out)?;
    }
    if !quiet.is_empty() && report.stacks.len() > 1 {
        writeln!(out, "No drift in {} of {}.\n", quiet.len(), report.stacks.len())?;
    }
    if let Some(screened) = super::screened(report) {
        writeln!(out, "{}\n", markdown(&screened))?;
    }
    Ok(())
}

/// What it comes to; a block that stands out, if anything is wrong.
fn verdict(report: &Report, out: &mut dyn Write) -> fmt::Result {
    let line = super::line(report);
    let kind = match (super::urgent(report, Urgency::Broken), report.is_complete()) {
        (0, true) if !report.has_drift() => {
            return writeln!(out, "### \u{2705} privlink drift: {line}\n");
        }
        (0, _) => "WARNING",
        _ => "CAUTION",
    };
    writeln!(out, "### privlink drift\n\n> [!{kind}]\n> **{line}**\n")
}

fn stack(stack: &StackReport, is_compared: bool, out: &mut dyn Write) -> fmt::Result {
    write!(out, "#### Stack {}", code(&stack.stack))?;
    if !stack.source.is_empty() {
        write!(out, " in {}", code(&stack.source))?;
    }
    writeln!(out, "\n")?;
    if let Some(error) = &stack.error {
        writeln!(out, "Could not be looked at:\n")?;
        let fence = fence(error);
        writeln!(out, "{fence}")?;
        error.lines().try_for_each(|line| writeln!(out, "{}", terminal(line)))?;
        writeln!(out, "{fence}\n")?;
    }
    for unread in &stack.unreadable {
        writeln!(out, "- **unreadable** {}: {}", code(&unread.what), markdown(&unread.why))?;
    }
    if !stack.unreadable.is_empty() {
        writeln!(out)?;
    }
    table(stack, is_compared, out)?;
    known(stack, out)?;
    if let Some(picture) = picture::of_drift(stack) {
        writeln!(out, "```mermaid\n{picture}```\n")?;
    }
    repairs(stack, out)?;
    if !stack.observed_at.is_empty() {
        writeln!(out, "<sub>read {}</sub>\n", code(&super::instant(&stack.observed_at)))?;
    }
    Ok(())
}

/// The differences of a stack, the most urgent first.
fn sorted(stack: &StackReport) -> impl Iterator<Item = &Difference> {
    Urgency::ALL.into_iter().flat_map(|urgency| super::of_urgency(stack, urgency))
}

/// How many fields stand in a row of the table; all are below it.
const FIELDS: usize = 2;

fn table(stack: &StackReport, is_compared: bool, out: &mut dyn Write) -> fmt::Result {
    if stack.counted().next().is_none() {
        return Ok(());
    }
    writeln!(out, "| | object | what | by | heals by itself |\n|---|---|---|---|---|")?;
    for difference in sorted(stack) {
        let Difference { class, weight, message, cause, heals, .. } = difference;
        let word = match class.urgency() {
            Urgency::Broken => format!("**{}**", class.word()),
            _ => class.word().to_owned(),
        };
        let (by, heals) = match weight {
            Weight::Drift => (by(&super::who(cause)), heals.as_str()),
            _ => (String::new(), ""),
        };
        let object = code(&super::object(difference));
        let mut what = markdown(message);
        let fields = difference.fields.iter().take(FIELDS);
        fields.for_each(|it| what.push_str(&format!("<br>{}", code(&super::field(it)))));
        if let Some(since) = super::since(is_compared, difference) {
            what.push_str(&format!("<br>{}", markdown(&since)));
        }
        writeln!(out, "| {word} | {object} | {what} | {by} | {} |", markdown(heals))?;
    }
    writeln!(out)
}

/// What nobody is to be alarmed about: what is ignored, entries that ignore nothing, and what is gone.
fn known(stack: &StackReport, out: &mut dyn Write) -> fmt::Result {
    let mut all = Vec::new();
    for it in super::ignored(stack) {
        let (object, why) = (code(&super::object(it)), super::why_ignored(it).unwrap_or_default());
        all.push(format!(
            "{object}: {} ({}), {}",
            markdown(&it.message),
            it.class.as_str(),
            markdown(&why)
        ));
    }
    all.extend(
        stack
            .unused_ignores
            .iter()
            .map(|it| format!("unused in `ignoreDrift`: {}", markdown(&super::unused(it)))),
    );
    for (word, known) in [("gone", &stack.gone), ("not known now", &stack.unconfirmed)] {
        all.extend(known.iter().map(|it| {
            format!(
                "{word}: {}: {} ({})",
                code(&it.title),
                markdown(&it.message),
                it.class.as_str()
            )
        }));
    }
    if all.is_empty() {
        return Ok(());
    }
    all.iter().try_for_each(|it| writeln!(out, "- {it}"))?;
    writeln!(out)
}

/// Who made a difference, names and times as code.
fn by(parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Words(text) => markdown(text),
        Part::Name(text) => code(text),
    };
    parts.iter().map(part).collect()
}

/// What differs and what repairs it, difference by difference.
fn repairs(stack: &StackReport, out: &mut dyn Write) -> fmt::Result {
    let is_told = |it: &&Difference| !it.fields.is_empty() || it.repair.is_some();
    let told: Vec<&Difference> = sorted(stack).filter(is_told).collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<details><summary>Fields (<code>-</code> as they should be, <code>+</code> as they are) and repairs</summary>\n"
    )?;
    for difference in told {
        let (class, object) = (difference.class.as_str(), super::object(difference));
        writeln!(out, "**{}** {} ({})\n", difference.class.word(), code(&object), code(class))?;
        if !difference.fields.is_empty() {
            let mut block = String::new();
            difference.fields.iter().try_for_each(|field| lines(field, &mut block))?;
            let fence = fence(&block);
            writeln!(out, "{fence}diff\n{block}{fence}\n")?;
        }
        if let Some(whom) = super::disconnected(difference) {
            writeln!(out, "**{}**\n", markdown(&whom))?;
        }
        repair(difference, out)?;
    }
    writeln!(out, "</details>\n")
}

fn repair(difference: &Difference, out: &mut dyn Write) -> fmt::Result {
    let Some(repair) = &difference.repair else { return Ok(()) };
    let commands: Vec<String> =
        repair.commands.iter().map(|it| terminal(&it.to_string()).into_owned()).collect();
    if !commands.is_empty() {
        let commands = commands.join(" &&\n  ");
        let fence = fence(&commands);
        writeln!(out, "{fence}sh\n{commands}\n{fence}\n")?;
    }
    if let Some(advice) = &repair.advice {
        writeln!(out, "{}\n", markdown(advice))?;
    }
    match super::refused(difference) {
        Some(refused) => writeln!(out, "**{}**\n", markdown(&refused)),
        None => Ok(()),
    }
}

/// What should be, as removed; what is, as added: the edit that somebody made.
fn lines(field: &Field, out: &mut String) -> fmt::Result {
    let Field { path, wanted, wanted_unknown, found } = field;
    let path = terminal(path);
    if let Some(wanted) = wanted {
        writeln!(out, "- {path}: {}", one_line_of(wanted, *wanted_unknown))?;
    }
    if let Some(found) = found {
        writeln!(out, "+ {path}: {}", shown(found))?;
    }
    Ok(())
}
