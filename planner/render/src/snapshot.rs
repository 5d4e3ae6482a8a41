//! What differs between two snapshots, as text and Markdown.

use std::fmt::{self, Write};

use crate::escape::{code, fence};
use crate::style::{Label, Style};
use privlink_core::change::FieldDiff;
use privlink_core::change::one_line as shown;
use privlink_core::difference::{NodeDiff, SnapshotDiff, What};
use privlink_core::escape::terminal;
use privlink_core::plural::count;

/// The one line that says what a comparison comes to.
pub fn line(diff: &SnapshotDiff) -> String {
    let of = |what: What| diff.nodes.iter().filter(|node| node.what == what).count();
    let mut sentences = Vec::new();
    if diff.nodes.is_empty() {
        sentences.push("No differences.".to_owned());
    } else {
        let counts: Vec<String> = [What::Added, What::Changed, What::Recreated, What::Removed]
            .into_iter()
            .filter(|what| of(*what) > 0)
            .map(|what| format!("{} {}", of(what), what.as_str()))
            .collect();
        let nodes = count(diff.nodes.len(), "object");
        let verb = if diff.nodes.len() == 1 { "differs" } else { "differ" };
        sentences.push(format!("{nodes} {verb}: {}.", counts.join(", ")));
    }
    if !diff.not_compared.is_empty() {
        let lists = count(diff.not_compared.len(), "list");
        sentences.push(format!("{lists} not compared."));
    }
    sentences.join(" ")
}

fn symbol(what: What) -> (&'static str, Label) {
    match what {
        What::Added => ("+", Label::Create),
        What::Changed => ("~", Label::Update),
        What::Recreated => ("-/+", Label::Delete),
        What::Removed => ("-", Label::Delete),
    }
}

/// Writes a comparison for people.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(diff: &SnapshotDiff, style: Style, out: &mut dyn Write) -> fmt::Result {
    let head = format!("From {} to {}", terminal(&diff.old), terminal(&diff.new));
    writeln!(out, "{}\n", style.paint(Label::Faint, head))?;
    for NodeDiff { address, object, what, fields } in &diff.nodes {
        let (symbol, label) = symbol(*what);
        let head = format!("{symbol:>3} {}", terminal(&address.to_string()));
        writeln!(out, "{}  {}", style.paint(label, head), what.as_str())?;
        writeln!(out, "      {}", style.paint(Label::Faint, terminal(object)))?;
        for field in fields {
            let (line, label) = self::field(field);
            writeln!(out, "{}", style.paint(label, format!("      {line}")))?;
        }
        writeln!(out)?;
    }
    for path in &diff.not_compared {
        writeln!(out, "{} {}", style.paint(Label::Warning, "not compared"), terminal(path))?;
    }
    writeln!(out, "{}", style.paint(Label::Heading, line(diff)))
}

fn field(field: &FieldDiff) -> (String, Label) {
    let path = terminal(&field.path);
    match (&field.before, &field.after) {
        (Some(before), Some(after)) => {
            (format!("~ {path}: {} -> {}", shown(before), shown(after)), Label::Update)
        }
        (None, Some(after)) => (format!("+ {path}: {}", shown(after)), Label::Create),
        (before, None) => {
            let before = before.as_ref().map(shown).unwrap_or_default();
            (format!("- {path}: {before}"), Label::Delete)
        }
    }
}

/// Writes a comparison as Markdown.
///
/// # Errors
///
/// Fails when the writer does.
pub fn markdown(diff: &SnapshotDiff, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "### privlink diff\n\n**{}**\n", line(diff))?;
    writeln!(out, "From {} to {}\n", code(&diff.old), code(&diff.new))?;
    if !diff.nodes.is_empty() {
        writeln!(out, "| | object | what |\n|---|---|---|")?;
        for node in &diff.nodes {
            let (symbol, _) = symbol(node.what);
            let address = code(&node.address.to_string());
            writeln!(out, "| {} | {address} | {} |", code(symbol), node.what.as_str())?;
        }
        writeln!(out)?;
    }
    let told: Vec<&NodeDiff> = diff.nodes.iter().filter(|node| !node.fields.is_empty()).collect();
    if !told.is_empty() {
        writeln!(out, "<details><summary>Fields</summary>\n")?;
        for node in told {
            writeln!(out, "{}\n", code(&node.address.to_string()))?;
            let mut block = String::new();
            for field in &node.fields {
                let path = terminal(&field.path);
                if let Some(before) = &field.before {
                    writeln!(block, "- {path}: {}", shown(before))?;
                }
                if let Some(after) = &field.after {
                    writeln!(block, "+ {path}: {}", shown(after))?;
                }
            }
            let fence = fence(&block);
            writeln!(out, "{fence}diff\n{block}{fence}\n")?;
        }
        writeln!(out, "</details>\n")?;
    }
    for path in &diff.not_compared {
        writeln!(out, "- not compared: {}", code(path))?;
    }
    Ok(())
}
