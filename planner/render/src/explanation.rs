//! An explanation for people.

use std::fmt::{self, Write};

use privlink_core::change::{Change, Effect};
use privlink_core::consumer::Consumer;
use privlink_core::escape::terminal;
use privlink_core::explanation::{Beside, Explanation, State};

use super::style::{Label, Style};
use super::{full, summary, text};

/// Writes an explanation.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(it: &Explanation, style: Style, out: &mut dyn Write) -> fmt::Result {
    let address = it.address.to_string();
    let head = style.paint(Label::Heading, terminal(&address));
    writeln!(out, "{head}: {}", it.what)?;
    writeln!(out, "  written by: {}", terminal(&it.owner))?;
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
    causes(&it.causes, style, out)?;
    if it.change.is_some() {
        writeln!(out, "How sure: {}\n", it.certainty)?;
    }
    text::findings(&it.findings, style, out)?;
    for refusal in &it.refusals {
        full::refusal(refusal, style, out)?;
    }
    if let Some(edit) = &it.edit {
        writeln!(out, "To avoid it: {}\n", terminal(edit))?;
    }
    if let Some(route) = it.route {
        writeln!(out, "Step by step: {}: privlink route -f ...\n", summary::route(route))?;
    }
    if let Some(beside) = &it.beside {
        self::beside(beside, out)?;
    }
    it.links.iter().try_for_each(|link| writeln!(out, "See {link}"))
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

fn causes(causes: &[Change], style: Style, out: &mut dyn Write) -> fmt::Result {
    if causes.is_empty() {
        return Ok(());
    }
    writeln!(out, "Because, one after the other:")?;
    for (depth, cause) in causes.iter().enumerate() {
        let Change { address, action, actor, reason, .. } = cause;
        let what = format!("{}{address}", "  ".repeat(depth + 1));
        let what = style.paint(Label::Heading, terminal(&what));
        writeln!(
            out,
            "{what}: {} by {}: {}",
            action.word(),
            terminal(actor.as_str()),
            terminal(reason)
        )?;
        if depth + 1 == causes.len() {
            for field in &cause.fields {
                full::field(field, style, out)?;
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

fn beside(beside: &Beside, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "With nobody disconnected:")?;
    for (number, step) in beside.steps.iter().enumerate() {
        writeln!(out, "  {}. {}", number + 1, terminal(step))?;
    }
    writeln!(out)
}
