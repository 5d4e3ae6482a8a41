//! A route for people, and as a picture.

use std::fmt::{self, Write};

use serde_json::Value;

use privlink_core::node::consumer::Consumer;
use privlink_core::route::{Edit, Route, Step, Verdict};

use super::escape;
use super::full;
use super::style::{Label, Style};
use privlink_core::escape::terminal;
use privlink_core::plural::count;

/// Writes a route.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(route: &Route, style: Style, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "{}", style.paint(Label::Heading, terminal(&headline(route))))?;
    if route.verdict == Verdict::AtOnce {
        return Ok(());
    }
    if !route.at_once.is_empty() {
        writeln!(out, "\nAt once, these would be disconnected:")?;
    }
    for consumer in &route.at_once {
        writeln!(out, "  {}", name(consumer))?;
    }
    if !route.fails.is_empty() {
        writeln!(out, "\nAt once, the controller would fail:")?;
    }
    for failure in &route.fails {
        writeln!(out, "  {}", terminal(failure))?;
    }
    for rule in &route.because {
        let sure = rule.evidence.map_or("", privlink_core::evidence::Evidence::in_words);
        writeln!(out, "  {} would be lost: {}", terminal(&rule.link), terminal(&rule.reason))?;
        if !sure.is_empty() {
            writeln!(out, "  How sure: {sure}")?;
        }
    }
    for step in &route.steps {
        self::step(step, style, out)?;
    }
    if !route.steps.is_empty() {
        writeln!(out, "\nBetween two steps, wait until a plan of the step says `No changes.`")?;
    }
    if !route.instead.is_empty() {
        writeln!(out, "\nInstead, with nobody disconnected:")?;
        for (number, line) in route.instead.iter().enumerate() {
            writeln!(out, "  {}. {}", number + 1, terminal(line))?;
        }
    }
    Ok(())
}

/// What a route comes to, in a line.
pub fn headline(route: &Route) -> String {
    let at_once = route.at_once.len();
    let searched = format!(
        "{} of up to {} looked at",
        count(route.searched.states, "state"),
        count(route.searched.bounds.edits, "edit")
    );
    match route.verdict {
        Verdict::AtOnce => "Doing all at once disconnects nobody: no route is needed.".to_owned(),
        Verdict::Found if !route.fails.is_empty() => format!(
            "At once the controller fails; a way in {} disconnects {}.",
            count(route.steps.len(), "step"),
            route.cost.disconnects
        ),
        Verdict::Found => format!(
            "{} instead of {at_once} disconnected, in {}.",
            route.cost.disconnects,
            count(route.steps.len(), "step")
        ),
        Verdict::None if !route.fails.is_empty() => format!(
            "There is no route: the controller fails whatever the order of edits ({searched}, all there are)."
        ),
        Verdict::None => format!(
            "There is no route: every sequence of edits disconnects {at_once} ({searched}, all there are)."
        ),
        Verdict::Unfinished => format!(
            "No route was found that disconnects fewer than {at_once} ({searched}; there are more)."
        ),
    }
}

fn step(step: &Step, style: Style, out: &mut dyn Write) -> fmt::Result {
    let (label, word) = match step.edit {
        Edit::Create => (Label::Create, "create"),
        Edit::Update => (Label::Update, "change"),
        Edit::Delete => (Label::Delete, "delete"),
        Edit::Sync => (Label::Update, "sync"),
    };
    let head = format!("{}. {word} Service {}", step.number, step.service);
    writeln!(out, "\n{}", style.paint(label, terminal(&head)))?;
    if let Some(tool) = &step.by {
        writeln!(out, "     written by {}", terminal(tool))?;
    }
    if step.edit == Edit::Create {
        writeln!(out, "     on port {}", terminal(&ports(step)))?;
    }
    for field in &step.fields {
        full::field(field, style, out)?;
    }
    for line in effects(step) {
        writeln!(out, "     {}", terminal(&line))?;
    }
    Ok(())
}

/// Who is affected by a step, and how.
fn effects(step: &Step) -> Vec<String> {
    let mut effects = Vec::new();
    if !step.disconnects.is_empty() {
        let names: Vec<String> = step.disconnects.iter().map(name).collect();
        effects.push(format!("disconnects {}", names.join(", ")));
    }
    for port in &step.unserved {
        effects.push(format!("nothing serves {port} until a later step"));
    }
    for link in &step.interrupts {
        effects.push(format!("connections through {link} break and come back"));
    }
    if effects.is_empty() {
        effects.push("nobody is affected".to_owned());
    }
    effects
}

fn ports(step: &Step) -> String {
    let manifest = step.services.get(&step.service).and_then(Option::as_ref);
    let ports = manifest.and_then(|it| it.get("spec")?.get("ports")?.as_array());
    let ports = ports.into_iter().flatten();
    let numbers: Vec<String> = ports
        .filter_map(|it| it.get("port").and_then(Value::as_i64))
        .map(|it| it.to_string())
        .collect();
    numbers.join(", ")
}

/// A consumer by the name of its endpoint.
fn name(consumer: &Consumer) -> String {
    let name = consumer.endpoint.rsplit('/').next().unwrap_or_default();
    terminal(name).into_owned()
}

/// Writes the steps as a Mermaid flowchart.
///
/// # Errors
///
/// Fails when the writer does.
pub fn mermaid(route: &Route, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "flowchart LR\n  s0([\"live\"])")?;
    for step in &route.steps {
        let word = match step.edit {
            Edit::Create => "create",
            Edit::Update => "change",
            Edit::Delete => "delete",
            Edit::Sync => "sync",
        };
        let label = format!("{word} Service {}", step.service);
        let effects = effects(step).join("; ");
        let (before, at) = (step.number - 1, step.number);
        writeln!(out, "  s{at}[\"{}\"]", escape::mermaid(&label))?;
        writeln!(out, "  s{before} -->|\"{}\"| s{at}", escape::mermaid(&effects))?;
    }
    let last = route.steps.len();
    writeln!(out, "  s{last} --> end_([\"desired\"])")
}
