//! An explanation for people.

use std::fmt::{self, Write};

use privlink_core::change::{Change, Effect};
use privlink_core::consumer::Consumer;
use privlink_core::escape::terminal;
use privlink_core::explanation::{Beside, Explanation, State};
use privlink_core::node_id::NodeId;

use super::layout::Layout;
use super::style::Label;
use super::{full, summary, text};

/// Writes an explanation. `route` is the command that shows the way step by step, in words.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(
    it: &Explanation,
    route: &[String],
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let style = layout.style;
    named("", (&it.address, &it.what), layout, out)?;
    layout.paragraph("  written by: ", &terminal(&it.owner), None, out)?;
    if let Some(object) = &it.object {
        writeln!(out, "  object: {}", terminal(object))?;
    }
    state(&it.state, out)?;
    match &it.change {
        None => writeln!(out, "\nThe plan leaves it unchanged.")?,
        Some(change) => {
            writeln!(out, "\nThe plan:\n")?;
            full::change(change, style, out)?;
        }
    }
    causes(&it.causes, layout, out)?;
    if it.change.is_some() {
        layout.paragraph("How sure: ", &it.certainty, None, out)?;
        writeln!(out)?;
    }
    text::findings(&it.findings, layout, out)?;
    for refusal in &it.refusals {
        full::refusal(refusal, layout, out)?;
    }
    if let Some(edit) = &it.edit {
        layout.paragraph("To avoid it: ", &terminal(edit), None, out)?;
        writeln!(out)?;
    }
    if let Some(note) = it.route {
        let head = "Step by step: ";
        layout.paragraph(head, &format!("{}:", summary::route(note)), None, out)?;
        layout.command(&" ".repeat(head.len()), route, out)?;
        writeln!(out)?;
    }
    if let Some(beside) = &it.beside {
        self::beside(beside, layout, out)?;
    }
    it.links.iter().try_for_each(|link| writeln!(out, "See {link}"))
}

/// An object's address, and what is to be said of it.
fn named(
    indent: &str,
    (address, text): (&NodeId, &str),
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let address = terminal(&address.to_string()).into_owned();
    let mut lines = String::new();
    layout.paragraph(indent, &format!("{address}: {}", terminal(text)), None, &mut lines)?;
    // It is measured without its colour.
    let painted = layout.style.paint(Label::Heading, &address).to_string();
    out.write_str(&lines.replacen(&address, &painted, 1))
}

fn state(state: &State, out: &mut dyn Write) -> fmt::Result {
    let State { presence, details, consumers } = state;
    writeln!(out, "  now: {presence}")?;
    for detail in details {
        writeln!(out, "  {}", terminal(detail))?;
    }
    consumers.iter().try_for_each(|consumer| writeln!(out, "  connected: {}", line(consumer)))
}

fn line(consumer: &Consumer) -> String {
    full::consumer(consumer).trim_start().to_owned()
}

fn causes(causes: &[Change], layout: Layout, out: &mut dyn Write) -> fmt::Result {
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "Because, one after the other:")?;
    for (depth, cause) in causes.iter().enumerate() {
        let Change { address, action, actor, reason, .. } = cause;
        let indent = "  ".repeat(depth + 1);
        let by = format!("{} by {}: {reason}", action.word(), actor.as_str());
        named(&indent, (address, &by), layout, out)?;
        if depth + 1 == causes.len() {
            for field in &cause.fields {
                full::field(field, layout.style, out)?;
            }
        }
        if let Effect::ConsumersDisconnected(consumers) = &cause.effect {
            for consumer in consumers {
                writeln!(out, "{}  disconnects {}", "  ".repeat(depth + 1), line(consumer))?;
            }
        }
    }
    writeln!(out)
}

fn beside(beside: &Beside, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "With nobody disconnected:")?;
    for (number, step) in beside.steps.iter().enumerate() {
        layout.paragraph(&format!("  {}. ", number + 1), &terminal(step), None, out)?;
    }
    writeln!(out)
}
