//! A drift report in every format.

pub mod junit;
pub mod markdown;
pub mod prometheus;
pub mod text;

use std::collections::BTreeSet;

use privlink_core::change::{one_line, one_line_of};
use privlink_core::drift::{Cause, Difference, Field, Report, StackReport, State};
use privlink_core::plural::count;

/// The one line that says what a report comes to.
pub fn line(report: &Report) -> String {
    let summary = report.summary;
    let nodes: BTreeSet<_> = report
        .stacks
        .iter()
        .flat_map(|stack| {
            let drifted = stack.nodes.iter().filter(|node| node.state == State::Drifted);
            drifted.map(move |node| (&stack.stack, &stack.source, &node.address))
        })
        .collect();
    let of: usize = report.stacks.iter().map(|stack| stack.nodes.len()).sum();
    let mut sentences = Vec::new();
    match (summary.drift, report.is_complete()) {
        (0, true) => sentences.push("No drift.".to_owned()),
        (0, false) => sentences.push("No drift in what could be read.".to_owned()),
        (drift, _) => {
            let differences = count(drift, "difference");
            // Nodes that could not be read may differ too, as far as they were.
            let nodes = nodes.len();
            sentences.push(format!("Drift: {differences}, in {nodes} of {}.", count(of, "object")));
        }
    }
    if summary.stacks > 1 {
        let drifted =
            report.stacks.iter().filter(|it| it.count(privlink_core::drift::Weight::Drift) > 0);
        sentences.push(format!(
            "{} of {} drifted.",
            drifted.count(),
            count(summary.stacks, "stack")
        ));
    }
    let more = [
        (summary.unverified, "unverified"),
        (summary.notes, "to note"),
        (summary.unreadable, "unreadable"),
    ];
    let more: Vec<String> = more
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if !more.is_empty() {
        sentences.push(format!("{}.", more.join(", ")));
    }
    if summary.failed > 0 {
        let failed = count(summary.failed, "stack");
        sentences.push(format!("{failed} could not be looked at."));
    }
    sentences.join(" ")
}

/// Writes a report as indented JSON, for programs.
///
/// # Errors
///
/// Fails when the writer does.
pub fn json(report: &Report, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
    let text = serde_json::to_string_pretty(report).map_err(|_| std::fmt::Error)?;
    writeln!(out, "{text}")
}

/// Who made a difference, with all that is known of it, on one line; not escaped.
fn who(cause: &Cause) -> String {
    let Cause { by, manager, at, event, last_modified, after } = cause;
    let mut text = by.as_str().to_owned();
    let mut more = Vec::new();
    more.extend(manager.as_ref().map(|manager| format!("field manager {manager}")));
    more.extend(at.as_ref().map(|at| format!("at {at}")));
    if let Some(modified) = last_modified {
        let by = modified.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let at = modified.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        more.push(format!("last modified{by}{at}"));
    }
    more.extend(after.as_ref().map(|after| format!("after {after}")));
    if !more.is_empty() {
        text.push_str(&format!(" ({})", more.join(", ")));
    }
    if let Some(event) = event {
        let (reason, at) = (&event.reason, &event.at);
        text.push_str(&format!("; newest event {reason} at {at}"));
        if event.kind == "Warning" {
            text.push_str(&format!(": {}", privlink_core::reason::clean(&event.message)));
        }
    }
    text
}

/// What a field is and what it should be.
fn said(field: &Field) -> String {
    let found = field.found.as_ref().map_or_else(|| "not set".to_owned(), one_line);
    match &field.wanted {
        Some(wanted) => {
            format!("is {found}, should be {}", one_line_of(wanted, field.wanted_unknown))
        }
        None => format!("is {found}, should not be set"),
    }
}

/// What cuts whom off; not escaped.
fn cut(difference: &Difference) -> Option<String> {
    let consumers = &difference.cuts_off;
    if consumers.is_empty() {
        return None;
    }
    let whom = count(consumers.len(), "consumer");
    Some(format!("the repair disconnects {whom}: {}", consumers.join(", ")))
}

/// The title of a stack; not escaped.
fn title(stack: &StackReport) -> String {
    let source =
        if stack.source.is_empty() { String::new() } else { format!(" ({})", stack.source) };
    format!("{}{source}", stack.stack)
}
