//! A drift report as Markdown, for an issue, a comment or a step summary.

use std::fmt::{self, Write};

use crate::escape::{code, fence, markdown};
use privlink_core::change::{one_line as shown, one_line_of};
use privlink_core::drift::{Difference, Field, Report, StackReport, Weight};
use privlink_core::escape::terminal;

/// Writes a report: the verdict, then the stacks that drifted or could not be read, then the others.
///
/// # Errors
///
/// Fails when the writer does.
pub fn report(report: &Report, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "### privlink drift\n\n**{}**\n", super::line(report))?;
    let worth = |stack: &&StackReport| !stack.is_complete() || !stack.differences.is_empty();
    let (told, quiet): (Vec<&StackReport>, Vec<&StackReport>) =
        report.stacks.iter().partition(worth);
    for stack in told {
        self::stack(stack, out)?;
    }
    if !quiet.is_empty() && report.stacks.len() > 1 {
        let names: Vec<String> = quiet.iter().map(|stack| code(&stack.stack)).collect();
        writeln!(out, "Without drift: {}\n", names.join(", "))?;
    }
    Ok(())
}

fn stack(stack: &StackReport, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "#### Stack {}\n", code(&super::title(stack)))?;
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
    table(stack, out)?;
    details(stack, out)
}

fn table(stack: &StackReport, out: &mut dyn Write) -> fmt::Result {
    if stack.differences.is_empty() {
        return Ok(());
    }
    writeln!(out, "| class | object | what | by | heals by itself |\n|---|---|---|---|---|")?;
    for difference in &stack.differences {
        let Difference { class, weight, address, message, cause, heals, .. } = difference;
        let is_drift = *weight == Weight::Drift;
        let (by, heals) =
            if is_drift { (super::who(cause), heals.as_str()) } else { (String::new(), "") };
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code(class.as_str()),
            code(&address.to_string()),
            markdown(message),
            markdown(&by),
            markdown(heals)
        )?;
    }
    writeln!(out)
}

fn details(stack: &StackReport, out: &mut dyn Write) -> fmt::Result {
    let told: Vec<&Difference> = stack
        .differences
        .iter()
        .filter(|it| !it.fields.is_empty() || it.repair.is_some() || !it.cuts_off.is_empty())
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details><summary>Fields and repairs</summary>\n")?;
    for difference in told {
        let (class, address) = (difference.class.as_str(), difference.address.to_string());
        writeln!(out, "{} {}\n", code(class), code(&address))?;
        if !difference.fields.is_empty() {
            let mut block = String::new();
            difference.fields.iter().try_for_each(|field| lines(field, &mut block))?;
            let fence = fence(&block);
            writeln!(out, "{fence}diff\n{block}{fence}\n")?;
        }
        if let Some(cut) = super::cut(difference) {
            writeln!(out, "**{}**\n", markdown(&cut))?;
        }
        if let Some(repair) = &difference.repair {
            let repair = terminal(repair);
            let fence = fence(&repair);
            writeln!(out, "{fence}sh\n{repair}\n{fence}\n")?;
        }
    }
    writeln!(out, "</details>\n")
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
