//! A drift report in every format.

pub mod chat;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod prometheus;
mod standing;
pub mod text;
mod way;

use std::collections::BTreeSet;

use privlink_core::change::short;
use privlink_core::change::{one_line as shown, one_line_of};
use privlink_core::drift::{
    Cause, Difference, Field, Report, ScreenSource, StackReport, UnusedIgnore, Urgency, Weight, Why,
};
use privlink_core::names::folded;
use privlink_core::node_id::Kind;
use privlink_core::plural::count;
use privlink_core::resource_id::ResourceId;

/// The one line that says what a report comes to.
pub fn line(report: &Report) -> String {
    let summary = report.summary;
    let mut sentences = Vec::new();
    match (summary.drift, report.is_complete()) {
        (0, true) => sentences.push("No drift.".to_owned()),
        (0, false) if summary.failed == summary.stacks => {}
        (0, false) => sentences.push("No drift in what could be read.".to_owned()),
        _ => sentences.push(drifted(report)),
    }
    if summary.stacks > 1 {
        let drifted = report.stacks.iter().filter(|it| it.count(Weight::Drift) > 0);
        let drifted = drifted.count();
        if drifted > 0 {
            sentences.push(format!("{drifted} of {} drifted.", count(summary.stacks, "stack")));
        }
    }
    let more = [
        (summary.unverified, "unverified"),
        (summary.notes, "to note"),
        (summary.ignored, "ignored"),
        (summary.unused_ignores, "unused in ignoreDrift"),
        (summary.unreadable, "unreadable"),
    ];
    let more: Vec<String> = more
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if !more.is_empty() {
        sentences.push(format!("{}.", more.join(", ")));
    }
    if summary.failed > 0 {
        let failed = count(summary.failed, "stack");
        sentences.push(format!("{failed} could not be looked at."));
    }
    if report.compared {
        let all: usize = report.stacks.iter().map(|it| it.counted().count()).sum();
        let still = all - summary.new.min(all);
        let gone = summary.gone;
        sentences.push(format!(
            "Since the earlier report: {} new, {still} still, {gone} gone.",
            summary.new
        ));
    }
    sentences.extend(crate::fleet::not_in_it(&report.missing_shards));
    sentences.join(" ")
}

/// That stacks were looked at in a copy of Azure alone; nothing where all were read from ARM.
fn screened(report: &Report) -> Option<String> {
    let screens: Vec<_> = report.stacks.iter().filter_map(|it| it.screen.as_ref()).collect();
    let oldest = screens.iter().map(|it| it.read_at.as_str()).min()?;
    let source = match screens.first()?.source {
        ScreenSource::ResourceGraph => "Azure Resource Graph",
    };
    let (some, all) = (screens.len(), report.stacks.len());
    let verb = if some == 1 { "was" } else { "were" };
    let mut said = format!(
        "{some} of {} {verb} looked at in {source} alone, read {}. It lags behind Azure without an upper bound, so what \
         changed lately may not show there.",
        count(all, "stack"),
        instant(oldest)
    );
    if some < all {
        said.push_str(" What differs there was read again from ARM.");
    }
    Some(said)
}

/// How many objects differ, and how: `2 of 6 objects differ: 1 broken now, 1 edited.`
fn drifted(report: &Report) -> String {
    how_many(&report.stacks.iter().collect::<Vec<_>>()) + "."
}

/// The same of some stacks, as a part of a sentence; nothing if none differs.
fn how_many(stacks: &[&StackReport]) -> String {
    let drift = |stack: &&StackReport| -> Vec<Urgency> {
        let drift = stack.counted().filter(|it| it.weight == Weight::Drift);
        drift.map(|it| it.class.urgency()).collect()
    };
    let urgencies: Vec<Urgency> = stacks.iter().flat_map(drift).collect();
    if urgencies.is_empty() {
        return String::new();
    }
    let nodes: usize = stacks
        .iter()
        .map(|stack| {
            let drift = stack.counted().filter(|it| it.weight == Weight::Drift);
            drift.map(|it| &it.address).collect::<BTreeSet<_>>().len()
        })
        .sum();
    let all: usize = stacks.iter().map(|stack| stack.nodes.len()).sum();
    let all = count(all, "object");
    let verb = if nodes == 1 { "differs" } else { "differ" };
    let parts: Vec<String> =
        [(Urgency::Broken, "broken now"), (Urgency::Edited, "edited"), (Urgency::Other, "other")]
            .into_iter()
            .map(|(urgency, words)| (urgencies.iter().filter(|it| **it == urgency).count(), words))
            .filter(|(number, _)| *number > 0)
            .map(|(number, words)| format!("{number} {words}"))
            .collect();
    format!("{nodes} of {all} {verb}: {}", parts.join(", "))
}

/// How many differences are so urgent.
fn urgent(report: &Report, urgency: Urgency) -> usize {
    let differences = report.stacks.iter().flat_map(StackReport::counted);
    differences.filter(|it| it.class.urgency() == urgency).count()
}

/// The differences of a stack that are so urgent, the worst first, but for those that are ignored.
fn of_urgency(stack: &StackReport, urgency: Urgency) -> Vec<&Difference> {
    let all = stack.counted().filter(|it| it.class.urgency() == urgency);
    let mut all: Vec<&Difference> = all.collect();
    all.sort_by_key(|it| it.class.rank());
    all
}

/// The differences of a stack that are ignored.
fn ignored(stack: &StackReport) -> Vec<&Difference> {
    stack.differences.iter().filter(|it| it.ignored.is_some()).collect()
}

/// Why a difference is ignored, and how long; not escaped.
fn why_ignored(difference: &Difference) -> Option<String> {
    let ignored = difference.ignored.as_ref()?;
    let until = ignored.until.as_ref().map(|day| format!(" until {day}"));
    Some(format!("ignored{}: {}", until.unwrap_or_default(), ignored.reason))
}

/// What an entry comes to that ignores nothing; not escaped.
fn unused(entry: &UnusedIgnore) -> String {
    let UnusedIgnore { object, class, reason, why, until, place } = entry;
    let about = format!("{object} ({})", class.as_str());
    let why = match (why, until) {
        (Why::Expired, Some(day)) => format!("ended on {day}"),
        (Why::Expired, None) => "ended".to_owned(),
        (Why::Unused, _) => "ignores nothing now".to_owned(),
    };
    format!("{about} {why}: {reason}, at {place}")
}

/// Since when a difference is known, if that was compared; not escaped.
fn since(report_is_compared: bool, difference: &Difference) -> Option<String> {
    match (report_is_compared, difference.is_new, difference.first_seen.as_str()) {
        (false, ..) | (true, false, "") => None,
        (true, true, _) => Some("new".to_owned()),
        (true, false, at) => Some(format!("first seen {}", instant(at))),
    }
}

/// What differences of an urgency are called above them.
const fn heading(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Broken => "Broken now",
        Urgency::Edited => "Edited",
        Urgency::Other => "Other differences",
        Urgency::Note => "To note",
    }
}

/// Writes a report as indented JSON, for programs.
///
/// # Errors
///
/// Fails when the writer does.
pub fn json(report: &Report, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
    out.write_str(&crate::json::text(report).map_err(|_| std::fmt::Error)?)
}

/// A part of a sentence, not escaped.
enum Part {
    /// Words.
    Words(String),
    /// A name or a time, which Markdown shows as code.
    Name(String),
}

impl Part {
    fn words(text: impl Into<String>) -> Self {
        Self::Words(text.into())
    }

    fn text(&self) -> &str {
        match self {
            Self::Words(text) | Self::Name(text) => text,
        }
    }
}

/// Parts as one text.
fn joined(parts: &[Part]) -> String {
    parts.iter().map(Part::text).collect()
}

/// An instant in RFC 3339, as people write it: `2026-01-01 00:00 UTC`. What is none stays as it is.
fn instant(at: &str) -> String {
    let parts = at.strip_suffix('Z').and_then(|it| it.split_once('T'));
    match parts.and_then(|(day, time)| Some((day, time.get(..5)?))) {
        Some((day, time)) => format!("{day} {time} UTC"),
        None => at.to_owned(),
    }
}

/// Who made a difference, with all that is known of it.
fn who(cause: &Cause) -> Vec<Part> {
    let Cause { by, manager, at, event, last_modified, after } = cause;
    let mut parts = match manager {
        Some(manager) => vec![Part::Name(manager.clone()), Part::words(" in Kubernetes")],
        None => vec![Part::words(by.as_str())],
    };
    let mut say = |words: &str, name: Option<&String>| {
        if let Some(name) = name {
            parts.extend([Part::words(words), Part::Name(name.clone())]);
        }
    };
    say(", ", at.as_deref().map(instant).as_ref());
    if let Some(modified) = last_modified {
        say("; last changed by ", modified.by.as_ref());
        let words = if modified.by.is_some() { ", " } else { "; last changed " };
        say(words, modified.at.as_deref().map(instant).as_ref());
    }
    say("; after ", after.as_deref().map(instant).as_ref());
    if let Some(event) = event {
        say("; newest event ", Some(&event.reason));
        say(", ", Some(&instant(&event.at)));
        if event.kind == "Warning" {
            let message = privlink_core::reason::clean(&event.message);
            parts.push(Part::words(format!(": {message}")));
        }
    }
    parts
}

/// An object that differs, as people call it, with its resource group where that tells it from others.
fn object(difference: &Difference) -> String {
    let is_far = matches!(
        difference.address.kind,
        Kind::PrivateEndpoint | Kind::EndpointConnection | Kind::DnsRecord
    );
    let id = difference.object.as_deref().map(ResourceId::new);
    match id.as_ref().and_then(|id| id.resource_group()).filter(|_| is_far) {
        Some(group) => format!("{} ({group})", difference.title),
        None => difference.title.clone(),
    }
}

/// What a field is and what it should be, by the field's short name.
fn field(field: &Field) -> String {
    let Field { path, wanted, wanted_unknown, found } = field;
    let found = found.as_ref().map_or_else(|| "not set".to_owned(), shown);
    let should = match wanted {
        Some(wanted) => format!("should be {}", one_line_of(wanted, *wanted_unknown)),
        None => "should not be set".to_owned(),
    };
    format!("{} is {found}, {should}", short(path))
}

/// Whom the repair disconnects, or the next sync where there is none; not escaped.
fn disconnected(difference: &Difference) -> Option<String> {
    let consumers = &difference.disconnects;
    if consumers.is_empty() {
        return None;
    }
    let names = consumers.iter().map(|id| ResourceId::new(id).name().to_owned()).collect();
    let names = folded(names).join(", ");
    let what = if difference.repair.is_some() { "the repair" } else { "the next sync" };
    Some(format!("{what} disconnects {}: {names}", count(consumers.len(), "consumer")))
}

/// What an apply would be refused for; not escaped.
fn refused(difference: &Difference) -> Option<String> {
    let refused = difference.repair.as_ref()?.refused.as_ref()?;
    let (code, message) = (refused.code.as_str(), &refused.message);
    Some(format!("a plan refuses it now: {message} ({code})"))
}

/// The title of a stack; not escaped.
fn title(stack: &StackReport) -> String {
    let source =
        if stack.source.is_empty() { String::new() } else { format!(" ({})", stack.source) };
    format!("{}{source}", stack.stack)
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn instants_are_read_to_the_minute() {
        assert_eq!(instant("2026-01-01T03:29:22Z"), "2026-01-01 03:29 UTC");
        assert_eq!(instant("2026-01-01T03:29:22.123456Z"), "2026-01-01 03:29 UTC");
        assert_eq!(instant("2026-01-01T03:29:22+02:00"), "2026-01-01T03:29:22+02:00");
        assert_eq!(instant("soon"), "soon");
    }
}
