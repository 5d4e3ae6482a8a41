//! The parts of a plan as Markdown: who is cut off, what is destroyed, a picture, what else changes, what
//! was found, the fields that differ. [`super::comment`] makes a document of them.

use std::fmt::Write;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::budget::{Rank, Section};
use crate::escape::{self, fence};
use crate::picture;
use privlink_core::change::{Action, Change, Effect, FieldDiff, one_line as shown};
use privlink_core::code::Severity;
use privlink_core::escape::{shorten, terminal};
use privlink_core::node::consumer::Consumer;
use privlink_core::plan::{Finding, Plan, REDACTED, disconnected};
use privlink_core::plural::count;
use privlink_core::resource_id::ResourceId;

/// The most characters of a name or a message that are shown.
const NAME: usize = 300;
/// The most characters of a value that are shown.
const VALUE: usize = 1_000;
/// The most lines of fields that stand in one block, which is shown whole or not at all.
const LINES: usize = 50;

/// A name as inline code.
pub(super) fn code(text: &str) -> String {
    escape::code(&shorten(text, NAME))
}

/// A sentence as text.
fn prose(text: &str) -> String {
    escape::markdown(&shorten(text, NAME * 2))
}

/// The sections of a plan, in the order in which they are read.
pub(super) fn sections(plan: &Plan, draws_mermaid: bool) -> Vec<Section> {
    let section = |rank, noun, head: String, items, tail: &str| Section {
        rank,
        noun,
        head,
        items,
        tail: tail.to_owned(),
        unwritten: 0,
    };
    let goes = |change: &&Change| matches!(change.action, Action::Delete | Action::Replace);
    let (gone, rest): (Vec<&Change>, Vec<&Change>) =
        plan.changes.iter().filter(|change| change.is_change()).partition(goes);
    let (cut, waiting) = (disconnected(&plan.changes), &plan.awaiting_approval);
    let cut_off = format!("**{} cut off:**\n\n", count(cut.len(), "consumer"));
    let verb = if waiting.len() == 1 { "awaits" } else { "await" };
    let awaiting = format!("**{} {verb} approval:**\n\n", count(waiting.len(), "connection"));
    let cut = cut.into_iter().map(consumer).collect();
    let waiting = waiting.iter().map(consumer).collect();
    let blocks = plan.changes.iter().filter(|it| it.is_change()).flat_map(fields).collect();
    let open = "<details><summary>Fields</summary>\n\n".to_owned();
    let heading = "#### Findings\n\n".to_owned();
    let mut sections = vec![
        section(Rank::Destructive, "refusal", String::new(), refusals(plan), ""),
        section(Rank::Destructive, "consumer", cut_off, cut, "\n"),
        section(
            Rank::Destructive,
            "destroyed node",
            table("Destroyed or replaced"),
            rows(&gone),
            "\n",
        ),
        picture(plan, draws_mermaid),
        section(Rank::Change, "change", table("Changes"), rows(&rest), "\n"),
        section(Rank::Finding, "connection", awaiting, waiting, "\n"),
        section(Rank::Finding, "finding", heading, findings(&plan.findings), "\n"),
        section(Rank::Finding, "assumption", String::new(), assumptions(plan), ""),
        section(Rank::Field, "block of fields", open, blocks, "</details>\n\n"),
    ];
    sections.retain(|section| !section.items.is_empty() || section.unwritten > 0);
    sections
}

fn refusals(plan: &Plan) -> Vec<String> {
    let refusals = plan.refusals.iter().map(|refusal| {
        let (message, by) = (prose(&refusal.message), prose(&refusal.overridden_by));
        format!("> **Refused** ({}): {message}. Override: {by}\n\n", code(refusal.code.as_str()))
    });
    refusals.collect()
}

fn consumer(consumer: &Consumer) -> String {
    let id = ResourceId::new(&consumer.endpoint);
    let mut text = match id.resource_group() {
        Some(group) => format!("- {}, resource group {}", code(id.name()), code(group)),
        None => format!("- {}", code(&consumer.endpoint)),
    };
    let own = if consumer.own { ", of this stack" } else { "" };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        ", subscription {} ({}{own}",
        code(&consumer.subscription),
        prose(&consumer.status)
    );
    if !consumer.request_message.is_empty() {
        let _ = write!(text, ", asked with {}", code(&consumer.request_message));
    }
    text.push_str(")\n");
    text
}

fn table(title: &str) -> String {
    format!("#### {title}\n\n| | node | action | by | because |\n|---|---|---|---|---|\n")
}

fn rows(changes: &[&Change]) -> Vec<String> {
    let row = |change: &&Change| {
        let Change { address, action, actor, reason, .. } = change;
        format!(
            "| {} | {} | {} | {} | {} |\n",
            code(action.symbol()),
            code(&address.to_string()),
            action.word(),
            prose(actor.as_str()),
            prose(reason)
        )
    };
    changes.iter().map(row).collect()
}

/// What changes as a picture; as a tree where nothing draws.
fn picture(plan: &Plan, draws_mermaid: bool) -> Section {
    let (noun, drawn) = if draws_mermaid {
        let whole = |text| ("```mermaid\n".to_owned(), vec![text], "```\n\n".to_owned());
        ("picture", picture::mermaid(plan).map(whole))
    } else {
        let whole = |lines: Vec<String>| {
            let fence = fence(&lines.concat());
            let lines = lines.into_iter().map(|line| line + "\n").collect();
            (format!("{fence}text\n"), lines, format!("{fence}\n\n"))
        };
        ("line of the picture", picture::tree(plan).map(whole))
    };
    let unwritten = usize::from(drawn.is_none() && picture::is_worth_it(plan));
    let (head, items, tail) = drawn.unwrap_or_default();
    Section { rank: Rank::Picture, noun, head, items, tail, unwritten }
}

fn findings(findings: &[Finding]) -> Vec<String> {
    let one = |finding: &Finding| {
        let Finding { code: slug, severity, address, message, help, place } = finding;
        let severity = match severity {
            Severity::Note => "note",
            Severity::Warning => "**warning**",
            Severity::Error => "**error**",
        };
        let place = place.as_deref().map(|it| format!(" at {}", code(it))).unwrap_or_default();
        let help = help.as_deref().map(|it| format!(" {}", prose(it))).unwrap_or_default();
        let (slug, address) = (code(slug.as_str()), code(&address.to_string()));
        format!("- {severity} {slug} {address}{place}: {}.{help}\n", prose(message))
    };
    findings.iter().map(one).collect()
}

/// What the prediction rests on without having been pinned or read, and without names.
fn assumptions(plan: &Plan) -> Vec<String> {
    let redacted = plan.redacted.then(|| format!("{}\n\n", prose(REDACTED)));
    if plan.is_empty() {
        return redacted.into_iter().collect();
    }
    let assumed = plan.facts.iter().filter(|fact| fact.source == "assumed");
    let assumed: Vec<String> =
        assumed.map(|fact| format!("{} = {}", fact.name, fact.value)).collect();
    let assumed = (!assumed.is_empty())
        .then(|| format!("Assumed of the cluster: {}\n\n", prose(&assumed.join(", "))));
    redacted.into_iter().chain(assumed).collect()
}

/// The fields of a change as blocks of lines.
fn fields(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    change.fields.iter().for_each(|field| field_lines(field, &mut lines));
    if let Effect::BriefInterruption = change.effect {
        lines.push("! connections in flight may break and come back".to_owned());
    }
    if change.fields.is_empty() {
        return Vec::new();
    }
    let address = code(&change.address.to_string());
    let block = |(at, lines): (usize, &[String])| {
        let block = lines.join("\n");
        let fence = fence(&block);
        let more = if at > 0 { " (continued)" } else { "" };
        format!("{address}{more}\n\n{fence}diff\n{block}\n{fence}\n\n")
    };
    lines.chunks(LINES).enumerate().map(block).collect()
}

fn field_lines(field: &FieldDiff, lines: &mut Vec<String>) {
    let FieldDiff { path, before, after, forces_replacement } = field;
    let path = shorten(path, NAME);
    let path = terminal(&path);
    let forces = if *forces_replacement { "  # forces replacement" } else { "" };
    if let (Some(Value::String(before)), Some(Value::String(after))) = (before, after)
        && (before.contains('\n') || after.contains('\n'))
    {
        lines.push(format!("  {path}:{forces}"));
        text_lines(before, after, lines);
        return;
    }
    let mut line = |sign: char, value: &Option<Value>| {
        if let Some(value) = value {
            let value = shown(value);
            lines.push(format!("{sign} {path}: {}{forces}", shorten(&value, VALUE)));
        }
    };
    line('-', before);
    line('+', after);
}

/// The lines in which two texts differ, with one line around them.
fn text_lines(before: &str, after: &str, lines: &mut Vec<String>) {
    let diff = TextDiff::from_lines(before, after);
    for op in diff.grouped_ops(1).iter().flatten() {
        for line in diff.iter_changes(op) {
            let sign = match line.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let text = terminal(line.value().trim_end_matches(['\n', '\r']));
            lines.push(format!("{sign}   {}", shorten(&text, VALUE)));
        }
    }
}
