//! An object's change with all its fields and ids.
use std::fmt::{self, Write};

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::layout::Layout;
use crate::style::{Label, Style};
use privlink_core::change::{Action, Change, Effect, FieldDiff, one_line, one_line_of};
use privlink_core::consumer::Consumer;
use privlink_core::escape::terminal;
use privlink_core::plan::Refusal;
use privlink_core::plan::chain::What;
use privlink_core::plural::count;

pub(super) fn label(action: Action) -> Label {
    match action {
        Action::Create => Label::Create,
        Action::Update | Action::Adopt | Action::Approve | Action::Reject | Action::Await => {
            Label::Update
        }
        Action::Replace | Action::Delete => Label::Delete,
        Action::Keep => Label::Faint,
    }
}

pub(super) fn change(change: &Change, style: Style, out: &mut dyn Write) -> fmt::Result {
    let Change { address, action, actor, reason, object, fields, effect, .. } = change;
    let head = format!("{:>3} {}", action.symbol(), terminal(&address.to_string()));
    let by = format!("{} by {}", action.word(), terminal(actor.as_str()));
    writeln!(out, "{}  {by}", style.paint(label(*action), head))?;
    writeln!(out, "      why: {}", terminal(reason))?;
    if let Some(object) = object {
        let object = terminal(object);
        writeln!(out, "      {}", style.paint(Label::Faint, object))?;
    }
    for diff in fields {
        field(diff, style, out)?;
    }
    let words = What::Change(change).effect().as_str();
    self::effect(effect, words, style, out)?;
    writeln!(out)
}

pub(super) fn field(diff: &FieldDiff, style: Style, out: &mut dyn Write) -> fmt::Result {
    let FieldDiff { path, before, after, after_unknown, forces_replacement } = diff;
    let path = terminal(path);
    let forces = if *forces_replacement { "  # cannot change in place" } else { "" };
    match (before, after) {
        (Some(Value::String(before)), Some(Value::String(after)))
            if before.contains('\n') || after.contains('\n') =>
        {
            let head = format_args!("      ~ {path}:{forces}");
            writeln!(out, "{}", style.paint(Label::Update, head))?;
            lines(before, after, style, out)
        }
        (Some(before), Some(after)) => {
            let (before, after) = (one_line(before), one_line_of(after, *after_unknown));
            let line = format_args!("      ~ {path}: {before} -> {after}{forces}");
            writeln!(out, "{}", style.paint(Label::Update, line))
        }
        (None, Some(after)) => {
            let after = one_line_of(after, *after_unknown);
            let line = format_args!("      + {path}: {after}{forces}");
            writeln!(out, "{}", style.paint(Label::Create, line))
        }
        (before, None) => {
            let before = before.as_ref().map(one_line).unwrap_or_default();
            let line = format_args!("      - {path}: {before}{forces}");
            writeln!(out, "{}", style.paint(Label::Delete, line))
        }
    }
}

/// The lines in which two texts differ, with one line around them.
fn lines(before: &str, after: &str, style: Style, out: &mut dyn Write) -> fmt::Result {
    let diff = TextDiff::from_lines(before, after);
    for group in diff.grouped_ops(1) {
        for op in group {
            for line in diff.iter_changes(&op) {
                let (sign, label) = match line.tag() {
                    ChangeTag::Delete => ("-", Label::Delete),
                    ChangeTag::Insert => ("+", Label::Create),
                    ChangeTag::Equal => (" ", Label::Faint),
                };
                let text = terminal(line.value().trim_end_matches(['\n', '\r']));
                writeln!(out, "{}", style.paint(label, format!("          {sign} {text}")))?;
            }
        }
    }
    Ok(())
}

fn effect(effect: &Effect, words: &str, style: Style, out: &mut dyn Write) -> fmt::Result {
    match effect {
        Effect::None => Ok(()),
        Effect::BriefInterruption => {
            let text = format!("      ! {words}");
            writeln!(out, "{}", style.paint(Label::Warning, text))
        }
        Effect::ConsumersDisconnected(consumers) => {
            let text = format!(
                "      ! disconnects {}, until each endpoint is re-created:",
                count(consumers.len(), "consumer")
            );
            writeln!(out, "{}", style.paint(Label::Error, text))?;
            consumers.iter().try_for_each(|consumer| {
                writeln!(out, "{}", style.paint(Label::Error, self::consumer(consumer)))
            })
        }
    }
}

pub(super) fn consumer(consumer: &Consumer) -> String {
    let Consumer { endpoint, subscription, request_message, status, own, owner } = consumer;
    let own = match owner {
        _ if *own => ", in this stack".to_owned(),
        Some(owner) => format!(", {}", terminal(owner)),
        None => String::new(),
    };
    let message = if request_message.is_empty() {
        String::new()
    } else {
        format!(", {}", one_line(&Value::String(request_message.clone())))
    };
    format!(
        "        {} (subscription {}, {}{own}{message})",
        terminal(endpoint),
        terminal(subscription),
        terminal(status.as_str())
    )
}

pub(super) fn refusal(refusal: &Refusal, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let Refusal { code, message, overridden_by, .. } = refusal;
    let head = layout.style.paint(Label::Error, format!("refused[{code}]"));
    writeln!(out, "{head}")?;
    layout.paragraph("      ", &terminal(message), None, out)?;
    layout.paragraph("      override: ", &terminal(&overridden_by.to_string()), None, out)?;
    writeln!(out)
}
