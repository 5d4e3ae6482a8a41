//! A plan as text for a terminal or a log: what it does to consumers first and again last, who they are,
//! the edit that causes it, what happens as a chain, and the ways on.

mod chain;
mod findings;
mod ways;

use std::fmt::{self, Write};

use crate::consumers::{self, Group};
use crate::full;
use crate::layout::{Cell, Layout, clip, width};
use crate::style::{Label, Style};
use crate::summary;
use privlink_core::consumer::Consumer;
use privlink_core::escape::terminal;
use privlink_core::facts::Origin;
use privlink_core::plan::{Cause, Plan, REDACTED, disconnected};
use privlink_core::plural::count;
use privlink_core::report::{Outcome, Report};
use privlink_core::resource_id::ResourceId;
use privlink_core::rule;

pub use findings::findings;

/// What a plan is shown with.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// How it is laid out.
    pub layout: Layout,
    /// Whether ids, all fields and every consumer are shown.
    pub full: bool,
    /// The command that made it, such as `plan`.
    pub command: &'a str,
    /// The arguments that say what it is about, fit to be pasted: `-f`, `shop`.
    pub arguments: &'a [String],
    /// The same, and those that limit what a plan does: `--adopt`.
    pub all_arguments: &'a [String],
    /// When it was read, in words: `just now`. Empty if that is not known.
    pub read: &'a str,
}

impl Frame<'_> {
    /// A frame that says nothing but how text looks.
    pub const fn plain(layout: Layout) -> Self {
        Frame { layout, full: false, command: "plan", arguments: &[], all_arguments: &[], read: "" }
    }

    pub(super) const fn style(&self) -> Style {
        self.layout.style
    }
}

/// Writes a plan.
///
/// # Errors
///
/// Fails when the writer does.
pub fn plan(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let layout = frame.layout;
    if !plan.is_empty() || !plan.refusals.is_empty() {
        head(plan, frame, out)?;
    }
    if plan.redacted {
        layout.paragraph("", REDACTED, Some(Label::Faint), out)?;
        writeln!(out)?;
    }
    objections(plan, frame, out)?;
    let cut = disconnected(&plan.changes);
    if !cut.is_empty() {
        table(plan, &cut, ("x", Label::Error), frame, out)?;
        consents(plan, frame, out)?;
        causes(plan, frame, out)?;
    }
    findings::errors(plan, layout, out)?;
    if frame.full {
        for change in &plan.changes {
            full::change(change, frame.style(), out)?;
        }
    } else {
        chain::write(plan, frame, out)?;
    }
    if !plan.awaiting_approval.is_empty() {
        let waiting: Vec<&Consumer> = plan.awaiting_approval.iter().collect();
        let verb = if waiting.len() == 1 { "awaits" } else { "await" };
        let title = format!("{} {verb} approval", count(waiting.len(), "connection"));
        writeln!(out, "{}\n", frame.style().paint(Label::Heading, title))?;
        table(plan, &waiting, ("?", Label::Warning), frame, out)?;
    }
    findings::others(plan, layout, out)?;
    unread(plan, layout, out)?;
    assumptions(plan, layout, out)?;
    ways::write(plan, frame, out)?;
    foot(plan, frame, out)
}

/// Writes what came of a plan, in the plan's form: each object with how it ended, and whom that disconnected.
///
/// # Errors
///
/// Fails when the writer does.
pub fn outcome(plan: &Plan, report: &Report, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    chain::outcome(plan, report, layout, out)?;
    crate::report::text(report, layout.style, out)?;
    let is_whole = report.ended
        && report.count(|it| !matches!(it, Outcome::Succeeded | Outcome::AwaitingApproval { .. }))
            == 0;
    let (text, label) = match plan.summary.consumers_disconnected {
        // What was not done may have disconnected nobody.
        _ if !is_whole => return Ok(()),
        0 => ("Nobody was disconnected.".to_owned(), Label::Success),
        1 => ("1 consumer was disconnected.".to_owned(), Label::Warning),
        cut => (format!("{cut} consumers were disconnected."), Label::Warning),
    };
    layout.paragraph("", &text, Some(label), out)
}

/// The lines of the input that an edit is in, with what is live beside it; nothing where they are not known.
pub(crate) fn excerpt_alone(plan: &Plan, cause: &Cause) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = excerpt(plan, cause, Layout::plain(ALONE), &mut text);
    text.trim_end().to_owned()
}

/// The ways on from a plan, as plain lines; nothing if there are none.
pub(crate) fn ways_alone(plan: &Plan, frame: &Frame<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = ways::write(plan, &Frame { layout: Layout::plain(ALONE), ..*frame }, &mut text);
    let lines = text.lines().skip(1).map(|line| line.strip_prefix("  ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// The columns of lines that stand on a page.
const ALONE: usize = 100;

/// What it is about: the stack, its cluster, and when that was read.
fn head(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let mut text = format!("Stack {}", plan.stack);
    if let Some(cluster) = &plan.cluster {
        // Writing to a String cannot fail.
        let _ = write!(text, " \u{b7} cluster {} in {}", cluster.name, cluster.resource_group);
    }
    if !frame.read.is_empty() {
        let _ = write!(text, " \u{b7} read {}", frame.read);
    }
    frame.layout.paragraph("", &terminal(&text), Some(Label::Heading), out)?;
    writeln!(out)
}

/// Why the plan is refused, and else whom it disconnects: the first that is read.
fn objections(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let cut = plan.summary.consumers_disconnected;
    let mut is_told = false;
    let mut objections: Vec<_> = plan.objections().collect();
    objections.sort_by_key(|it| it.code != rule::TOO_MANY_DISCONNECTS);
    for refusal in objections {
        is_told |= refusal.code == rule::TOO_MANY_DISCONNECTS;
        headline(&refusal.message, refusal.code.as_str(), Label::Error, frame, out)?;
    }
    if cut > 0 && !is_told {
        let message = format!("{} will be disconnected", count(cut, "consumer"));
        headline(&message, &summary::allowed_by(plan), Label::Warning, frame, out)?;
    }
    Ok(())
}

/// A line with something about it at the right.
fn headline(
    text: &str,
    aside: &str,
    label: Label,
    frame: &Frame<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    let (text, aside) = (terminal(text), terminal(aside));
    frame.layout.beside("", (&text, &aside), Some(label), out)?;
    writeln!(out)
}

/// From how many columns on subscriptions have a column of their own.
const WIDE: usize = 130;
/// How many names of one group are listed.
const NAMES: usize = 10;

/// Consumers, each once.
fn table(
    plan: &Plan,
    consumers: &[&Consumer],
    (sign, label): (&str, Label),
    frame: &Frame<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    if frame.full {
        for consumer in consumers {
            writeln!(out, "{}", frame.style().paint(label, full::consumer(consumer)))?;
        }
        return writeln!(out);
    }
    let groups = consumers::groups(plan, consumers);
    let own = plan.facts.iter().find(|it| it.name == "subscription").map(|it| it.value.as_str());
    let elsewhere = groups.iter().any(|it| Some(it.subscription.as_str()) != own);
    // A GUID takes 36 columns: where there are few, it stands below whose they are.
    let is_wide = frame.layout.columns() >= WIDE;
    let names = |group: &Group| {
        let more = group.names.len().saturating_sub(NAMES);
        let mut names = group.names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 {
            names.push_str(&format!(", and {more} more (--full lists them)"));
        }
        names
    };
    let rows: Vec<[String; 5]> = groups
        .iter()
        .map(|group| {
            let shown = |it: bool| if it { group.subscription.clone() } else { String::new() };
            let subscription = shown(elsewhere && is_wide);
            let whose = match shown(elsewhere && !is_wide) {
                it if it.is_empty() => group.whose.clone(),
                it => format!("{}; subscription {it}", group.whose),
            };
            [names(group), group.resource_group.clone(), subscription, group.status.clone(), whose]
        })
        .map(|row| row.map(|text| terminal(&text).into_owned()))
        .collect();
    let most = [frame.layout.columns() / 3, 24, 36, 12];
    let widths: Vec<usize> = most
        .iter()
        .enumerate()
        .map(|(at, most)| {
            let texts = rows.iter().filter_map(|row| row.get(at));
            texts.map(|it| width(it)).max().unwrap_or_default().min(*most)
        })
        .collect();
    for row in &rows {
        let mut cells = vec![Cell::new(sign, 1).labelled(Some(label))];
        for (at, text) in row.iter().enumerate() {
            let width = widths.get(at).copied().unwrap_or_default();
            if at == 4 || width > 0 {
                let label = (at == 0).then_some(label);
                cells.push(Cell::new(text.as_str(), width).labelled(label));
            }
        }
        frame.layout.row(2, &cells, out)?;
    }
    writeln!(out)
}

/// The consent that is made use of.
fn consents(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    for consent in &plan.consents {
        let name = ResourceId::new(&consent.endpoint).name().to_owned();
        let reason = consent.reason.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
        let text = format!("{name} may be disconnected until {}{reason}", consent.until);
        frame.layout.paragraph("Consent  ", &terminal(&text), None, out)?;
    }
    if plan.consents.is_empty() { Ok(()) } else { writeln!(out) }
}

/// The edits that bring the disconnects about: the user's own lines, with what is live beside them.
fn causes(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    for cause in plan.causes.iter().take(CAUSES) {
        self::cause(plan, cause, frame, out)?;
    }
    if plan.causes.len() > CAUSES {
        let more = count(plan.causes.len() - CAUSES, "edit");
        writeln!(out, "and {more} more (--full, or -o json)\n")?;
    }
    Ok(())
}

/// How many edits are shown.
const CAUSES: usize = 5;

/// An edit, and where it is.
pub(crate) fn edit(cause: &Cause) -> String {
    let Cause { title, field, reason, place, live, wanted, .. } = cause;
    let at = place.as_deref().map(summary::line_of);
    match (field, &at) {
        (None, None) => format!("{title}: {reason}"),
        (None, Some(at)) => format!("{title}: {reason} ({at})"),
        (Some(_), Some(at)) if wanted.is_some() => at.clone(),
        (Some(field), at) => {
            let at = at.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
            let becomes = wanted.as_ref().map_or("not set".to_owned(), summary::plain);
            let live = live.as_ref().map_or("not set".to_owned(), summary::plain);
            format!("{title}: {field} is {live}, and becomes {becomes}{at}")
        }
    }
}

fn cause(plan: &Plan, cause: &Cause, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let layout = frame.layout;
    let head = layout.style.paint(Label::Heading, "Cause").to_string();
    // The paragraph's head is measured as it is printed, and must hold no colour.
    let mut text = String::new();
    layout.paragraph("Cause  ", &terminal(&edit(cause)), None, &mut text)?;
    out.write_str(&text.replacen("Cause", &head, 1))?;
    excerpt(plan, cause, layout, out)?;
    writeln!(out)
}

/// The lines of the input that an edit is in.
fn excerpt(plan: &Plan, cause: &Cause, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let Cause { field, place, live, wanted, .. } = cause;
    let excerpt = place.as_deref().and_then(|place| plan.excerpt(place));
    if let (Some(excerpt), Some(line), Some(_), Some(_)) =
        (excerpt, place.as_deref().and_then(summary::line_number), field, wanted)
    {
        let live = live.as_ref().map_or("not set".to_owned(), summary::plain);
        let before = line.checked_sub(1).filter(|it| *it >= excerpt.first_line);
        for number in before.into_iter().chain([line]) {
            let Some(text) = excerpt.lines.get(number - excerpt.first_line) else { continue };
            let text = terminal(text.trim_end());
            let head = format!("{number:>4} | ");
            let room = layout.columns().saturating_sub(width(&head));
            if number != line {
                let text = format!("{head}{}", clip(&text, room));
                writeln!(out, "{}", layout.style.paint(Label::Faint, text))?;
                continue;
            }
            let note = format!("   # live: {}", terminal(&live));
            if width(&text) + width(&note) <= room {
                let note = layout.style.paint(Label::Warning, &note);
                writeln!(out, "{head}{text}{note}")?;
            } else {
                writeln!(out, "{head}{}", clip(&text, room))?;
                let note = clip(note.trim_start(), room);
                writeln!(out, "     | {}", layout.style.paint(Label::Warning, note))?;
            }
        }
    }
    Ok(())
}

/// Says what could not be read.
fn unread(plan: &Plan, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    for note in &plan.unread {
        let text = format!("Not read: {}: {}", terminal(&note.what), terminal(&note.why));
        layout.paragraph("", &text, Some(Label::Warning), out)?;
    }
    if plan.unread.is_empty() { Ok(()) } else { writeln!(out) }
}

/// Says once what the prediction rests on without having been pinned or read.
fn assumptions(plan: &Plan, layout: Layout, out: &mut dyn Write) -> fmt::Result {
    let assumed: Vec<String> = plan
        .facts
        .iter()
        .filter(|fact| fact.source == Origin::Assumed)
        .map(|fact| format!("{} = {}", terminal(&fact.name), terminal(&fact.value)))
        .collect();
    if assumed.is_empty() || plan.is_empty() {
        return Ok(());
    }
    let text = format!("Assumed about the cluster: {}", assumed.join(", "));
    layout.paragraph("", &text, Some(Label::Faint), out)?;
    writeln!(out)
}

/// What it comes to, and last of all the verdict.
fn foot(plan: &Plan, frame: &Frame<'_>, out: &mut dyn Write) -> fmt::Result {
    let layout = frame.layout;
    if plan.is_empty() && plan.refusals.is_empty() {
        let line = summary::line(plan);
        return layout.paragraph("", &terminal(&line), Some(Label::Heading), out);
    }
    let mut counts = summary::counts(plan);
    if !frame.full && !plan.is_empty() {
        counts.push_str(" Fields and ids: --full.");
    }
    layout.paragraph("", &terminal(&counts), None, out)?;
    let (verdict, label) = summary::verdict(plan);
    layout.paragraph("", &terminal(&verdict), Some(label), out)
}
