//! The ways on from a plan that disconnects or is refused, each a command to paste.

use std::fmt::{self, Write};

use crate::layout::{GAP, width};
use crate::style::Label;
use crate::summary;
use privlink_core::escape::terminal;
use privlink_core::node_id::NodeId;
use privlink_core::plan::{Cause, Mode, Plan};
use privlink_core::plural::count;

use super::Frame;

/// How many alternatives and edits are told.
const MOST: usize = 3;

/// Writes them.
pub(super) fn write(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let goes_on = !plan.refusals.is_empty();
    if !goes_on && plan.alternatives.is_empty() && plan.route.is_none() {
        return Ok(());
    }
    writeln!(out, "{}", frame.style().paint(Label::Heading, "Instead"))?;
    if let Some(route) = plan.route {
        way("step by step", &format!("{}:", summary::route(route)), frame, out)?;
        command("route", None, frame, out)?;
    }
    // A route that disconnects nobody makes a second Private Link Service needless.
    let needed = plan.route.is_none_or(|route| route.disconnects > 0);
    for alternative in plan.alternatives.iter().take(MOST).filter(|_| needed) {
        let steps = count(alternative.steps.len(), "step");
        way("nobody disconnected", &format!("{} ({steps}):", alternative.summary), frame, out)?;
        command("explain", Some(&alternative.address), frame, out)?;
    }
    if needed && plan.alternatives.len() > MOST {
        way("", &format!("and {} more", plan.alternatives.len() - MOST), frame, out)?;
    }
    if goes_on {
        go_ahead(plan, frame, out)?;
    }
    undo(plan, frame, out)?;
    writeln!(out)
}

/// The columns before what is to be done.
const INDENT: usize = 2 + "nobody disconnected".len() + GAP;

/// A command on the stack that the plan is of.
fn command(
    name: &str,
    about: Option<&NodeId>,
    frame: &Frame<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    let words = ["privlink".to_owned(), name.to_owned()].into_iter();
    let about = about.map(ToString::to_string);
    let words: Vec<String> = words.chain(about).chain(arguments(frame.arguments)).collect();
    frame.layout.command(&" ".repeat(INDENT), &words, out)
}

fn way(name: &str, text: &str, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let head = format!("  {name}{}", " ".repeat(INDENT.saturating_sub(2 + width(name))));
    frame.layout.paragraph(&head, &terminal(text), None, out)
}

/// What says where the stack is, as it was given.
fn arguments(given: &[String]) -> Vec<String> {
    if given.is_empty() {
        return vec!["-f".to_owned(), "...".to_owned()];
    }
    given.to_vec()
}

/// The flags that override every refusal, or why there are none.
fn go_ahead(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let mut flags: Vec<&str> = Vec::new();
    for refusal in &plan.refusals {
        match refusal.flag() {
            Some(flag) if flags.contains(&flag) => {}
            Some(flag) => flags.push(flag),
            None => {
                let text = format!("{}: {}", refusal.code, refusal.overridden_by);
                return way("go ahead", &text, frame, out);
            }
        }
    }
    let mut words = vec!["privlink".to_owned(), frame.command.to_owned()];
    words.extend(without_numbers(arguments(frame.all_arguments), &flags));
    if plan.mode == Mode::Destroy && frame.command == "plan" {
        words.push("--destroy".to_owned());
    }
    let flags = flags.iter().flat_map(|it| it.split(' '));
    words.extend(flags.map(|it| terminal(it).into_owned()));
    let head = format!("  {:<1$}", "go ahead", INDENT - 2);
    frame.layout.command(&head, &words, out)
}

/// What was given, without the limits that are given anew: each may be given once.
fn without_numbers(given: Vec<String>, flags: &[&str]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut given = given.into_iter();
    while let Some(word) = given.next() {
        let (name, is_joined) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word.as_str(), false),
        };
        let is_limit = ["--max-disconnects", "--max-deletes"].contains(&name);
        if !is_limit || !flags.iter().any(|it| it.split(' ').next() == Some(name)) {
            kept.push(word);
        } else if !is_joined {
            given.next();
        }
    }
    kept
}

fn undo(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let mut name = if plan.causes.len() > 1 { "undo the edits" } else { "undo the edit" };
    for cause in plan.causes.iter().take(MOST) {
        if plan.scope.replaces.contains(&cause.address) {
            way("undo it", &format!("leave out --replace {}", cause.address), frame, out)?;
        } else if let Some(text) = back(cause) {
            way(name, &text, frame, out)?;
            name = "";
        }
    }
    Ok(())
}

/// How one edit is undone.
fn back(cause: &Cause) -> Option<String> {
    let Cause { title, field, place, live, wanted, .. } = cause;
    let field = field.as_ref()?;
    let line = place.as_deref().map(summary::line_of);
    Some(match (live, wanted, line) {
        (Some(live), Some(_), Some(line)) => {
            format!("set {line} back to {}", summary::plain(live))
        }
        (None, Some(_), Some(line)) => format!("remove {field} ({line})"),
        (Some(live), _, _) => format!("in {title}, set {field} back to {}", summary::plain(live)),
        (None, _, _) => format!("in {title}, leave out {field}"),
    })
}
