//! A plan as Markdown, for a pull request's comment or a step summary.

use std::fmt::{self, Write};

use crate::change::{Action, Change, Effect, FieldDiff};
use crate::plan::{Plan, disconnected};
use crate::render::escape::{code, fence, markdown, terminal};
use crate::render::summary;
use crate::render::text::shown;

/// Writes a plan: the verdict first, then what is destroyed and who is cut off, then the rest.
///
/// # Errors
///
/// Fails when the writer does.
pub fn plan(plan: &Plan, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "### privlink: {}\n", code(&plan.stack))?;
    writeln!(out, "**{}**\n", summary::line(plan))?;
    for refusal in &plan.refusals {
        let (message, by) = (markdown(&refusal.message), code(&refusal.overridden_by));
        writeln!(
            out,
            "> **Refused** ({}): {message}. Override: {by}\n",
            code(refusal.code.as_str())
        )?;
    }
    consumers(plan, out)?;
    let destructive = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace);
    let (gone, rest): (Vec<&Change>, Vec<&Change>) =
        plan.changes.iter().filter(|change| change.is_change()).partition(destructive);
    table("Destroyed or replaced", &gone, out)?;
    table("Changes", &rest, out)?;
    findings(plan, out)?;
    details(plan, out)
}

fn consumers(plan: &Plan, out: &mut dyn Write) -> fmt::Result {
    let consumers = disconnected(&plan.changes);
    if consumers.is_empty() {
        return Ok(());
    }
    writeln!(out, "**{} cut off:**\n", summary::count(consumers.len(), "consumer"))?;
    for consumer in consumers {
        let message = if consumer.request_message.is_empty() {
            String::new()
        } else {
            format!(", {}", code(&consumer.request_message))
        };
        let own = if consumer.own { ", of this stack" } else { "" };
        let (endpoint, status) = (code(&consumer.endpoint), markdown(&consumer.status));
        writeln!(out, "- {endpoint} ({status}{own}{message})")?;
    }
    writeln!(out)
}

fn table(title: &str, changes: &[&Change], out: &mut dyn Write) -> fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "#### {title}\n\n| | node | action | by | because |\n|---|---|---|---|---|")?;
    for change in changes {
        let Change { address, action, actor, reason, .. } = change;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            code(action.symbol()),
            code(&address.to_string()),
            action.word(),
            markdown(actor.as_str()),
            markdown(reason)
        )?;
    }
    writeln!(out)
}

fn findings(plan: &Plan, out: &mut dyn Write) -> fmt::Result {
    if plan.findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "#### Findings\n")?;
    for finding in &plan.findings {
        let help =
            finding.help.as_ref().map(|help| format!(" {}", markdown(help))).unwrap_or_default();
        let (address, message) = (code(&finding.address.to_string()), markdown(&finding.message));
        writeln!(out, "- {} {address}: {message}.{help}", code(finding.code.as_str()))?;
    }
    writeln!(out)
}

fn details(plan: &Plan, out: &mut dyn Write) -> fmt::Result {
    let shown: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| change.is_change() && !change.fields.is_empty())
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details><summary>Fields</summary>\n")?;
    for change in shown {
        writeln!(out, "{}\n", code(&change.address.to_string()))?;
        let mut block = String::new();
        for field in &change.fields {
            lines(field, &mut block)?;
        }
        if let Effect::BriefInterruption = change.effect {
            writeln!(block, "! connections in flight may break and come back")?;
        }
        let fence = fence(&block);
        writeln!(out, "{fence}diff\n{block}{fence}\n")?;
    }
    writeln!(out, "</details>")
}

fn lines(field: &FieldDiff, out: &mut String) -> fmt::Result {
    let FieldDiff { path, before, after, forces_replacement } = field;
    let path = terminal(path);
    let forces = if *forces_replacement { "  # forces replacement" } else { "" };
    if let Some(before) = before {
        writeln!(out, "- {path}: {}{forces}", shown(before))?;
    }
    if let Some(after) = after {
        writeln!(out, "+ {path}: {}{forces}", shown(after))?;
    }
    Ok(())
}
