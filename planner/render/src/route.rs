//! A route for people, and as a picture.

use std::fmt::{self, Write};

use serde_json::Value;

use privlink_core::change::FieldDiff;
use privlink_core::consumer::Consumer;
use privlink_core::route::{Edit, Route, Step, Verdict};

use super::escape;
use super::gates;
use super::layout::Layout;
use super::style::Label;
use super::summary;
use privlink_core::escape::terminal;
use privlink_core::plural::count;

/// Writes a route.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(route: &Route, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let plain = |head: &str, text: &str, out: &mut dyn Write| {
        layout.paragraph(head, &terminal(text), None, out)
    };
    layout.paragraph("", &terminal(&headline(route)), Some(Label::Heading), out)?;
    if route.verdict == Verdict::AtOnce {
        return Ok(());
    }
    let is_begun = route.gates.is_some() && route.searched.states == 0;
    if !route.at_once.is_empty() && !is_begun {
        writeln!(out, "\nAt once, these would be disconnected:")?;
    }
    for consumer in route.at_once.iter().filter(|_| !is_begun) {
        plain("  ", &name(consumer), out)?;
    }
    if !route.fails.is_empty() && !is_begun {
        writeln!(out, "\nAt once, the controller would fail:")?;
    }
    for failure in route.fails.iter().filter(|_| !is_begun) {
        plain("  ", failure, out)?;
    }
    for rule in &route.because {
        let sure = rule.evidence.map_or("", privlink_core::evidence::Evidence::in_words);
        plain("  ", &format!("{} would be lost: {}", rule.link, rule.reason), out)?;
        if !sure.is_empty() {
            plain("  ", &format!("How sure: {sure}"), out)?;
        }
    }
    for step in &route.steps {
        self::step(step, layout, out)?;
    }
    if !route.steps.is_empty() {
        writeln!(out)?;
        plain("", "Between two steps, wait until a plan of the step says `No changes.`", out)?;
    }
    if let Some(gated) = &route.gates {
        writeln!(out)?;
        layout.paragraph("", &gates::heading(gated), None, out)?;
        return gates::text(gated, layout, out);
    }
    if !route.instead.is_empty() {
        writeln!(out, "\nInstead, with nobody disconnected:")?;
        for (number, line) in route.instead.iter().enumerate() {
            plain(&format!("  {}. ", number + 1), line, out)?;
        }
    }
    Ok(())
}

/// What a route comes to, in a line.
pub fn headline(route: &Route) -> String {
    let at_once = route.at_once.len();
    if let Some(gated) = route.gates.as_ref().filter(|_| route.searched.states == 0) {
        return gates::headline(gated);
    }
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

fn step(step: &Step, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let label = match step.edit {
        Edit::Create => Label::Create,
        Edit::Update | Edit::Sync => Label::Update,
        Edit::Delete => Label::Delete,
    };
    let head = format!("{}. {}", step.number, doing(step));
    writeln!(out)?;
    layout.paragraph("", &terminal(&head), Some(label), out)?;
    let indented =
        |text: &str, out: &mut dyn Write| layout.paragraph("     ", &terminal(text), None, out);
    if let Some(tool) = &step.by {
        let of = step.gateway.as_ref();
        let of = of.map(|it| format!(", made of Gateway {it}: edit that")).unwrap_or_default();
        indented(&format!("written by {tool}{of}"), out)?;
    }
    if step.edit == Edit::Create {
        indented(&format!("on port {}", ports(step)), out)?;
    }
    for it in &step.fields {
        field(it, layout, out)?;
    }
    if !step.along.is_empty() {
        indented(&format!("with it, as desired: Service {}", step.along.join(", ")), out)?;
    }
    for line in effects(step) {
        indented(&line, out)?;
    }
    Ok(())
}

/// A page that lies beside the documents of a step, in Markdown.
pub fn page(route: &Route, step: &Step) -> String {
    let title = format!("Step {} of {}: {}", step.number, route.steps.len(), doing(step));
    let mut page = format!("# {}\n\nWhom it affects:\n\n", escape::markdown(&title));
    for line in effects(step) {
        page.push_str(&format!("- {}\n", escape::prose(&line)));
    }
    let after = if step.number == route.steps.len() {
        "It is the last one: these documents are those of desired state."
    } else {
        "The next step comes when a plan of this folder says `No changes.`"
    };
    page.push_str(&format!("\n{after}\n"));
    page
}

/// What a step does to its Service, in words.
fn doing(step: &Step) -> String {
    let word = match step.edit {
        Edit::Create => "create",
        Edit::Update => "change",
        Edit::Delete => "delete",
        Edit::Sync => "sync",
    };
    format!("{word} Service {}", step.service)
}

/// A field of a Service that a step changes.
fn field(diff: &FieldDiff, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let FieldDiff { path, before, after, .. } = diff;
    let value = |it: &Value| summary::plain(it);
    let (label, head, text) = match (before, after) {
        (Some(before), Some(after)) => {
            (Label::Update, "      ~ ", format!("{path}: {} -> {}", value(before), value(after)))
        }
        (None, Some(after)) => (Label::Create, "      + ", format!("{path}: {}", value(after))),
        (Some(before), None) => (Label::Delete, "      - ", format!("{path}: {}", value(before))),
        (None, None) => (Label::Delete, "      - ", path.clone()),
    };
    layout.paragraph(head, &terminal(&text), Some(label), out)
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
        let label = doing(step);
        let effects = effects(step).join("; ");
        let (before, at) = (step.number - 1, step.number);
        writeln!(out, "  s{at}[\"{}\"]", escape::mermaid(&label))?;
        writeln!(out, "  s{before} -->|\"{}\"| s{at}", escape::mermaid(&effects))?;
    }
    let stages = route.gates.as_ref().filter(|_| route.steps.is_empty());
    if let Some(gated) = stages {
        return gates::mermaid(gated, out);
    }
    let last = route.steps.len();
    writeln!(out, "  s{last} --> end_([\"desired\"])")
}
