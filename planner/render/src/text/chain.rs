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
use privlink_core::planning;
use privlink_core::plural::count;
use privlink_core::report::{Outcome, Report};

use super::Frame;

/// The columns of a row's sign.
const SIGN: usize = 3;
/// The least width of the reasons beside which effects have a column of their own.
const REASON: usize = 24;
/// The most width of reasons: effects stay where the eye finds them on wide terminals.
const REASON_AT_MOST: usize = 60;
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
    let reason_width = left.saturating_sub(effect_width + GAP).min(REASON_AT_MOST);
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
        let (written, own) = match row.what {
            What::Change(change) => Ended::of(plan, report, change),
            What::Connections { .. } => (false, None),
        };
        let before = above.last().copied();
        let ended = match (own, before) {
            // There was nothing to wait for.
            (Some(Ended::Unawaited), Some(Ended::Left | Ended::Failed)) if !written => Ended::Left,
            (own, before) => own.or(before).unwrap_or(Ended::Done),
        };
        above.push(ended);
        let action = row.what.action();
        let (said, label) = ended.said();
        let said = match (said, written) {
            ("", _) => action.word().to_owned(),
            (said, true) if ended.is_of_wait() => format!("{}; {said}", action.word()),
            (said, _) => said.to_owned(),
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
    /// The wait for what others make of it was left.
    Unawaited,
    /// The wait failed.
    Unseen,
    /// The wait showed something else than was predicted.
    Otherwise,
    Left,
    Failed,
}

impl Ended {
    /// The worst of a change's steps, and whether it was written; no end if it has no steps. A write that is done stays
    /// done, whatever came of the wait for what follows from it.
    fn of(plan: &Plan, report: &Report, change: &Change) -> (bool, Option<Self>) {
        let writes = |id: &usize| plan.steps.iter().any(|it| it.id == *id && planning::writes(it));
        let steps = report.steps.iter().filter(|(_, step)| step.address == change.address);
        let (writes, waits): (Vec<_>, Vec<_>) = steps.partition(|(id, _)| writes(id));
        let written = writes.iter().map(|(_, step)| Self::of_write(&step.outcome)).max();
        let waited = waits.iter().map(|(_, step)| Self::of_wait(&step.outcome)).max();
        match written {
            Some(Self::Left | Self::Failed) => (false, written),
            _ => (written.is_some(), written.max(waited)),
        }
    }

    const fn of_write(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Succeeded => Self::Done,
            Outcome::AwaitingApproval { .. } => Self::Awaits,
            Outcome::Failed { .. } => Self::Failed,
            Outcome::Unfinished | Outcome::Skipped { .. } | Outcome::Cancelled => Self::Left,
        }
    }

    const fn of_wait(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Unfinished | Outcome::Cancelled => Self::Unawaited,
            Outcome::Failed { otherwise: true, .. } => Self::Otherwise,
            Outcome::Failed { .. } => Self::Unseen,
            other => Self::of_write(other),
        }
    }

    /// Whether it is how a wait ended.
    const fn is_of_wait(self) -> bool {
        matches!(self, Self::Unawaited | Self::Unseen | Self::Otherwise)
    }

    /// In words; none if all is done.
    const fn said(self) -> (&'static str, Option<Label>) {
        match self {
            Self::Done => ("", None),
            Self::Awaits => ("awaits approval", Some(Label::Warning)),
            Self::Unawaited => ("not waited for", Some(Label::Warning)),
            Self::Unseen => ("the wait failed", Some(Label::Error)),
            Self::Otherwise => ("Azure not as predicted", Some(Label::Error)),
            Self::Left => ("not done", Some(Label::Warning)),
            Self::Failed => ("failed", Some(Label::Error)),
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is said of a Service that was written or not, and of the frontend that the controller makes of it.
    fn said(write: &serde_json::Value, wait: &serde_json::Value) -> Vec<String> {
        let (service, frontend) = ("Service/default/app", "FrontendIp/default/app");
        let change = |address: &str, actor: &str, by: Option<&str>| {
            json!({
                "address": address, "action": "create", "actor": actor, "reason": "new",
                "title": address, "broughtAboutBy": by,
            })
        };
        let plan: Plan = serde_json::from_value(json!({
            "formatVersion": "4.0", "toolVersion": "0", "stack": "s", "mode": "apply", "facts": [],
            "changes": [change(frontend, "controller", Some(service)), change(service, "privlink", None)],
            "steps": [
                {"id": 1, "change": service, "op": {"applyService": {
                    "namespace": "default", "name": "app", "manifest": {},
                }}},
                {"id": 2, "change": service, "needs": [1], "op": {"awaitController": {
                    "namespace": "default", "name": "app", "expect": [],
                }}},
            ],
            "findings": [], "refusals": [], "awaitingApproval": [], "outputs": [],
            "summary": serde_json::to_value(privlink_core::plan::Summary::default()).unwrap(),
        }))
        .unwrap();
        let report: Report = serde_json::from_value(json!({
            "stack": "s", "mode": "apply", "retries": 0, "ended": true,
            "steps": {
                "1": {"address": service, "outcome": write},
                "2": {"address": service, "outcome": wait},
            },
        }))
        .unwrap();
        let mut text = String::new();
        outcome(&plan, &report, Layout::plain(100), &mut text).unwrap();
        let rows = text.lines().skip(1).filter(|line| !line.is_empty());
        rows.map(|row| row.rsplit("  ").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn effects_stay_near_on_wide_terminals() {
        let change = json!({
            "address": "Service/default/app", "action": "delete", "actor": "privlink", "reason": "left the stack",
            "title": "Service default/app", "effect": "briefInterruption",
        });
        let plan: Plan = serde_json::from_value(json!({
            "formatVersion": "4.0", "toolVersion": "0", "stack": "s", "mode": "apply", "facts": [],
            "changes": [change], "steps": [], "findings": [], "refusals": [], "awaitingApproval": [], "outputs": [],
            "summary": serde_json::to_value(privlink_core::plan::Summary::default()).unwrap(),
        }))
        .unwrap();
        let mut text = String::new();
        write(&plan, &Frame::plain(Layout::plain(300)), &mut text).unwrap();
        let row = text.lines().nth(1).unwrap();
        assert!(row.ends_with("its traffic ends") && row.len() < 130, "{row}");
        let mut text = String::new();
        Layout::plain(300).beside("", ("refused", "code"), None, &mut text).unwrap();
        assert_eq!(text.trim_end().len(), 120, "{text}");
    }

    #[test]
    fn what_was_written_stays_so_whatever_came_of_the_wait() {
        let done = json!("succeeded");
        let failed = |otherwise: bool| json!({"failed": {"error": "e", "otherwise": otherwise}});
        assert_eq!(said(&done, &done), ["created", "created"]);
        assert_eq!(said(&done, &json!("cancelled")), ["created; not waited for", "not waited for"]);
        assert_eq!(
            said(&done, &failed(true)),
            ["created; Azure not as predicted", "Azure not as predicted"]
        );
        assert_eq!(said(&done, &failed(false)), ["created; the wait failed", "the wait failed"]);
        assert_eq!(said(&failed(false), &json!({"skipped": {"because": 1}})), ["failed", "failed"]);
        assert_eq!(said(&json!("cancelled"), &json!("cancelled")), ["not done", "not done"]);
    }
}
