//! What happens, in order: one row an object, each below the one that brings it about.

use std::fmt::{self, Write};

use crate::full;
use crate::layout::{Cell, GAP, Layout, width};
use crate::style::Label;
use crate::summary;
use privlink_core::change::short;
use privlink_core::change::{Action, Actor, Change, FieldDiff};
use privlink_core::escape::terminal;
use privlink_core::plan::Plan;
use privlink_core::plan::chain::{Row, RowEffect, What};
use privlink_core::plural::count;
use privlink_core::report::{Outcome, Report};

use super::Frame;

/// The columns of a row's sign.
const SIGN: usize = 3;
/// The least width of the reasons beside which effects have a column of their own.
const REASON: usize = 24;
/// The most characters of a value.
const VALUE: usize = 40;

/// Writes the chain, if anything happens.
pub(super) fn write(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let rows = plan.chain();
    if rows.is_empty() {
        return Ok(());
    }
    let title = match rows.as_slice() {
        [_] => "What happens",
        _ => "What happens, in this order",
    };
    writeln!(out, "{}", frame.style().paint(Label::Heading, title))?;
    let names: Vec<String> = rows.iter().map(name).collect();
    let widest = |texts: &mut dyn Iterator<Item = usize>, most: usize| {
        texts.max().unwrap_or_default().min(most)
    };
    let columns = frame.layout.columns();
    let name_width = widest(&mut names.iter().map(|it| width(it)), columns * 2 / 5);
    let actors = rows.iter().map(|row| width(&terminal(actor(row.what.actor()))));
    let actor_width = widest(&mut actors.into_iter(), 18);
    let effects = rows.iter().map(|row| width(row.what.effect().as_str()));
    let effect_width = widest(&mut effects.into_iter(), 30);
    let left = columns.saturating_sub(SIGN + 1 + name_width + GAP + actor_width + GAP);
    let reason_width = left.saturating_sub(effect_width + GAP);
    for (row, name) in rows.iter().zip(&names) {
        let action = row.what.action();
        let label = full::label(action);
        let by = terminal(actor(row.what.actor())).into_owned();
        let (why, effect) = (why(&row.what), row.what.effect());
        let mut cells = vec![
            Cell::new(format!("{:>SIGN$}", action.symbol()), SIGN).labelled(Some(label)),
            Cell::new(name.as_str(), name_width).labelled(Some(label)),
            Cell::new(by, actor_width),
        ];
        if effect == RowEffect::None {
            cells.push(Cell::new(why, left));
        } else if reason_width >= REASON {
            cells.push(Cell::new(why, reason_width));
            cells.push(Cell::new(effect.as_str(), effect_width).labelled(effect_label(effect)));
        } else {
            cells.push(
                Cell::new(format!("{why}; {}", effect.as_str()), left)
                    .labelled(effect_label(effect)),
            );
        }
        signed(frame.layout, &cells, out)?;
    }
    writeln!(out)
}

/// Writes what came of the chain, if anything was to happen: the same rows, each with how it ended.
pub(super) fn outcome(
    plan: &Plan,
    report: &Report,
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let rows = plan.chain();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", layout.style.paint(Label::Heading, "What happened"))?;
    let names: Vec<String> = rows.iter().map(name).collect();
    let most = layout.columns() / 2;
    let name_width = names.iter().map(|it| width(it)).max().unwrap_or_default().min(most);
    let actors = rows.iter().map(|row| width(&terminal(actor(row.what.actor()))));
    let actor_width = actors.max().unwrap_or_default().min(18);
    let left = layout.columns().saturating_sub(SIGN + 1 + name_width + GAP + actor_width + GAP);
    // What has no step of its own ended as what brought it about.
    let mut above: Vec<Ended> = Vec::new();
    for (row, name) in rows.iter().zip(&names) {
        above.truncate(row.depth);
        let own = match row.what {
            What::Change(change) => Ended::of(report, change),
            What::Connections { .. } => None,
        };
        let ended = own.or_else(|| above.last().copied()).unwrap_or(Ended::Done);
        above.push(ended);
        let action = row.what.action();
        let (said, label) = match ended {
            Ended::Done => (action.word(), None),
            Ended::Awaits => ("awaits approval", Some(Label::Warning)),
            Ended::Failed => ("failed", Some(Label::Error)),
            Ended::Left => ("not done", Some(Label::Warning)),
        };
        let row_label = Some(full::label(action));
        let cells = [
            Cell::new(format!("{:>SIGN$}", action.symbol()), SIGN).labelled(row_label),
            Cell::new(name.as_str(), name_width).labelled(row_label),
            Cell::new(terminal(actor(row.what.actor())).into_owned(), actor_width),
            Cell::new(said, left).labelled(label),
        ];
        signed(layout, &cells, out)?;
    }
    writeln!(out)
}

/// How an object's steps ended, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Done,
    Awaits,
    Left,
    Failed,
}

impl Ended {
    /// The worst of a change's steps; none if it has none.
    fn of(report: &Report, change: &Change) -> Option<Self> {
        let steps = report.steps.values().filter(|step| step.address == change.address);
        let ended = steps.map(|step| match step.outcome {
            Outcome::Succeeded => Self::Done,
            Outcome::AwaitingApproval { .. } => Self::Awaits,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Unfinished | Outcome::Skipped { .. } | Outcome::Cancelled => Self::Left,
        });
        ended.max()
    }
}

/// A row whose first cell is its sign, one space away.
fn signed(layout: Layout, cells: &[Cell<'_>], out: &mut dyn Write) -> fmt::Result {
    let Some((sign, rest)) = cells.split_first() else { return Ok(()) };
    let mut text = String::new();
    layout.row(SIGN + 1, rest, &mut text)?;
    for (at, line) in text.lines().enumerate() {
        match line.get(SIGN..).filter(|_| at == 0) {
            Some(line) => {
                let sign = match sign.label {
                    Some(label) => layout.style.paint(label, &sign.text).to_string(),
                    None => sign.text.to_string(),
                };
                writeln!(out, "{sign}{line}")?;
            }
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

fn name(row: &Row<'_>) -> String {
    let title = row.what.title();
    let title = terminal(&title);
    match row.depth {
        0 => title.into_owned(),
        depth => format!("{}\u{2514} {title}", "  ".repeat(depth - 1)),
    }
}

fn actor(actor: &Actor) -> &str {
    match actor {
        Actor::Azure => "Azure",
        other => other.as_str(),
    }
}

/// Effects are never told by colour alone: it goes with their words.
const fn effect_label(effect: RowEffect) -> Option<Label> {
    match effect {
        RowEffect::None | RowEffect::NewAlias => None,
        RowEffect::Disconnected | RowEffect::DisconnectedMeanwhile => Some(Label::Error),
        RowEffect::Interrupted | RowEffect::Ended => Some(Label::Warning),
    }
}

/// Why, on one line: what differs where that is little, and else the reason.
pub(super) fn why(what: &What<'_>) -> String {
    let change = match what {
        What::Change(change) => change,
        What::Connections { number: 1, .. } => return "deleted with it".to_owned(),
        What::Connections { .. } => return "go with it".to_owned(),
    };
    let text = match change.action {
        Action::Update | Action::Adopt | Action::Await if !change.fields.is_empty() => {
            edits(change)
        }
        _ => change.reason.clone(),
    };
    terminal(&text).into_owned()
}

fn edits(change: &Change) -> String {
    let is_privlinks = change.actor != Actor::Controller;
    let shown: Vec<String> = change.fields.iter().take(2).map(edit).collect();
    let more = change.fields.len().saturating_sub(2);
    let before = match change.action {
        Action::Adopt => "exists, and is taken over: ",
        _ => "",
    };
    let after = match change.action {
        Action::Await => " (not written yet)",
        _ => "",
    };
    if more > 0 && !is_privlinks {
        return format!("{} ({})", change.reason, count(change.fields.len(), "field"));
    }
    let more = if more > 0 { format!("; {} more", count(more, "field")) } else { String::new() };
    format!("{before}{}{more}{after}", shown.join("; "))
}

fn edit(field: &FieldDiff) -> String {
    let name = short(&field.path);
    let value = |value: &serde_json::Value| {
        let text = summary::plain(value);
        if text.chars().count() > VALUE {
            format!("{}...", text.chars().take(VALUE - 3).collect::<String>())
        } else {
            text
        }
    };
    match (&field.before, &field.after) {
        (Some(before), Some(after)) => format!("{name} {} -> {}", value(before), value(after)),
        (None, Some(after)) => format!("{name} set to {}", value(after)),
        (Some(before), None) => format!("{name} {} removed", value(before)),
        (None, None) => name,
    }
}
