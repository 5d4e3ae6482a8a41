//! The parts of a plan as Markdown: the edit, who is disconnected, what is re-created or deleted, a picture,
//! what else changes, what was found, how nobody is disconnected, the fields that differ. `comment` makes a document of them.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::budget::{Rank, Section};
use crate::consumers::{self, Group};
use crate::escape::{self, fence};
use crate::picture;
use crate::place::Options;
use crate::summary;
use privlink_core::change::{Action, Change, Effect, FieldDiff, one_line_of};
use privlink_core::consumer::Consumer;
use privlink_core::escape::{shorten, terminal};
use privlink_core::facts::Origin;
use privlink_core::plan::chain::{Row, What};
use privlink_core::plan::{Cause, Consent, Finding, Override, Plan, REDACTED, disconnected};
use privlink_core::plural::count;
use privlink_core::resource_id::ResourceId;
use privlink_core::rule::{self, Severity};

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
pub(super) fn prose(text: &str) -> String {
    escape::markdown(&shorten(text, NAME * 2))
}

/// The sections of a plan, in the order in which they are read.
pub(super) fn sections(plan: &Plan, options: &Options<'_>) -> Vec<Section> {
    let section = |rank, noun, head: String, items, tail: &str| Section {
        rank,
        noun,
        head,
        items,
        tail: tail.to_owned(),
        unwritten: 0,
    };
    let goes = |row: &&Row<'_>| matches!(row.what.action(), Action::Delete | Action::Replace);
    let chain = plan.chain();
    let (gone, rest): (Vec<&Row<'_>>, Vec<&Row<'_>>) = chain.iter().partition(goes);
    let cut = disconnected(&plan.changes);
    let waiting: Vec<&Consumer> = plan.awaiting_approval.iter().collect();
    let blocks = plan.changes.iter().filter(|it| it.is_change()).flat_map(fields).collect();
    let open = format!("<details><summary>{}</summary>\n\n", "Objects, field by field");
    let heading = "#### Findings\n\n".to_owned();
    let mut sections = vec![
        section(Rank::Destructive, "edit", "> \n".to_owned(), edits(plan, options), "\n"),
        section(Rank::Destructive, "refusal", String::new(), refusals(plan), "\n"),
        section(Rank::Destructive, "route", String::new(), route(plan), "\n"),
        section(Rank::Destructive, "consent", String::new(), consents(plan), "\n"),
        section(
            Rank::Destructive,
            "row of consumers",
            people("disconnected"),
            consumers(plan, &cut),
            "\n",
        ),
        section(
            Rank::Destructive,
            "deleted object",
            table("Re-created or deleted"),
            rows(&gone),
            "\n",
        ),
        picture(plan, options.flavour.draws_mermaid()),
        section(Rank::Change, "change", table("Created or changed"), rows(&rest), "\n"),
        section(
            Rank::Finding,
            "row of connections",
            people("awaits approval"),
            consumers(plan, &waiting),
            "\n",
        ),
        section(Rank::Finding, "finding", heading, findings(plan), "\n"),
        section(Rank::Finding, "assumption", String::new(), assumptions(plan), ""),
    ];
    sections.extend(plan.alternatives.iter().take(MOST).map(|alternative| {
        let steps = alternative.steps.len();
        let head = format!(
            "<details><summary>How nobody is disconnected: {}</summary>\n\n",
            count(steps, "step")
        );
        let numbered = alternative.steps.iter().enumerate();
        let items =
            numbered.map(|(at, step)| format!("- **{}.** {}\n", at + 1, prose(step))).collect();
        section(Rank::Finding, "step", head, items, "\n</details>\n\n")
    }));
    sections.push(section(Rank::Field, "block of fields", open, blocks, "</details>\n\n"));
    sections.retain(|section| !section.items.is_empty() || section.unwritten > 0);
    sections
}

/// How many alternatives and edits are told.
const MOST: usize = 5;

/// The edits that bring the disconnects about, each linked to its line.
fn edits(plan: &Plan, options: &Options<'_>) -> Vec<String> {
    let one = |cause: &Cause| {
        let place = cause.place.as_deref();
        let at = match place.and_then(summary::parts) {
            Some((file, line, _)) => {
                let name = code(&format!("{file}:{line}"));
                options.blob(file, line).map_or(name.clone(), |link| format!("[{name}]({link})"))
            }
            None => code(&cause.title),
        };
        let value = |value: Option<&Value>| match value {
            Some(value) => code(&shorten(&summary::plain(value), NAME)),
            None => "not set".to_owned(),
        };
        match &cause.field {
            Some(field) => format!(
                "> {at}: {} {} \u{2192} {}\n",
                code(field),
                value(cause.live.as_ref()),
                value(cause.wanted.as_ref())
            ),
            None => format!("> {at}: {}\n", prose(&cause.reason)),
        }
    };
    plan.causes.iter().take(MOST).map(one).collect()
}

fn refusals(plan: &Plan) -> Vec<String> {
    let refusals = plan.objections().map(|refusal| {
        let by = match &refusal.overridden_by {
            Override::Flag { flag, fields: Some(fields) } => {
                format!("{}, {}", code(flag), prose(&format!("or {fields} of the Stack")))
            }
            Override::Flag { flag, fields: None } => code(flag),
            never @ Override::Never { .. } => prose(&never.to_string()),
        };
        if refusal.code == rule::TOO_MANY_DISCONNECTS {
            return format!("- **To go ahead anyway:** {by}\n");
        }
        let (code, message) = (code(refusal.code.as_str()), prose(&refusal.message));
        format!("- **Refused** ({code}): {message}. Override: {by}\n")
    });
    refusals.collect()
}

/// The route that disconnects fewer.
fn route(plan: &Plan) -> Vec<String> {
    let one = |note| {
        let text = prose(&summary::route(note));
        format!("- **Step by step:** {text}: {}\n", code("privlink route -f ..."))
    };
    plan.route.map(one).into_iter().collect()
}

/// The consent that is made use of.
fn consents(plan: &Plan) -> Vec<String> {
    let one = |consent: &Consent| {
        let name = code(ResourceId::new(&consent.endpoint).name());
        let reason = consent.reason.as_ref().map(|it| format!(": {}", prose(it)));
        let until = code(&consent.until);
        format!(
            "- **Consent:** {name} may be disconnected until {until}{}\n",
            reason.unwrap_or_default()
        )
    };
    plan.consents.iter().map(one).collect()
}

fn people(what: &str) -> String {
    format!("| {what} | group | subscription | state | whose |\n|---|---|---|---|---|\n")
}

/// Consumers as rows, those alike in one.
fn consumers(plan: &Plan, all: &[&Consumer]) -> Vec<String> {
    let own = plan.facts.iter().find(|it| it.name == "subscription").map(|it| it.value.as_str());
    let row = |group: Group| {
        let more = group.names.len().saturating_sub(NAMES);
        let mut names: Vec<String> = group.names.iter().take(NAMES).map(|it| code(it)).collect();
        if more > 0 {
            names.push(format!("and {more} more"));
        }
        let subscription = match Some(group.subscription.as_str()) == own {
            true => "this one".to_owned(),
            false => code(&group.subscription),
        };
        format!(
            "| {} | {} | {subscription} | {} | {} |\n",
            names.join(", "),
            code(&group.resource_group),
            prose(&group.status),
            prose(&group.whose)
        )
    };
    consumers::groups(plan, all).into_iter().map(row).collect()
}

/// How many names stand in one row.
const NAMES: usize = 10;

fn table(title: &str) -> String {
    format!("#### {title}\n\n| | object | | by | why | traffic |\n|---|---|---|---|---|---|\n")
}

fn rows(rows: &[&Row<'_>]) -> Vec<String> {
    let row = |row: &&Row<'_>| {
        let what = row.what;
        let why = match what {
            What::Change(change) => prose(&change.reason),
            What::Connections { .. } => "deleted with it".to_owned(),
        };
        format!(
            "| {} | {} | {} | {} | {why} | {} |\n",
            code(what.action().symbol()),
            code(&what.title()),
            what.action().word(),
            prose(what.actor().as_str()),
            what.effect().as_str()
        )
    };
    rows.iter().map(row).collect()
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

fn findings(plan: &Plan) -> Vec<String> {
    let one = |finding: &Finding| {
        let Finding { code: slug, severity, address, message, help, place, pre_existing } = finding;
        let severity = match severity {
            Severity::Note => "note",
            Severity::Warning => "**warning**",
            Severity::Error => "**error**, refused",
        };
        let place = place.as_deref().map(|it| format!(" at {}", code(it))).unwrap_or_default();
        let help = help.as_deref().map(|it| format!(" {}", prose(it))).unwrap_or_default();
        let (slug, address) = (code(slug.as_str()), code(&address.to_string()));
        let standing = crate::notice::standing(*pre_existing);
        format!("- {severity} {slug} {address}{place}: {}{standing}.{help}\n", prose(message))
    };
    plan.untold().map(one).collect()
}

/// What the prediction rests on without having been pinned or read, and without names; and what could not be read.
fn assumptions(plan: &Plan) -> Vec<String> {
    let redacted = plan.redacted.then(|| format!("{}\n\n", prose(REDACTED)));
    let unread = plan.unread.iter();
    let unread = unread.map(|it| format!("Not read: {}: {}\n\n", code(&it.what), prose(&it.why)));
    let told = redacted.into_iter().chain(unread);
    if plan.is_empty() {
        return told.collect();
    }
    let assumed = plan.facts.iter().filter(|fact| fact.source == Origin::Assumed);
    let assumed: Vec<String> =
        assumed.map(|fact| format!("{} = {}", fact.name, fact.value)).collect();
    let assumed = (!assumed.is_empty())
        .then(|| format!("Assumed about the cluster: {}\n\n", prose(&assumed.join(", "))));
    told.chain(assumed).collect()
}

/// The fields of a change as blocks of lines.
fn fields(change: &Change) -> Vec<String> {
    let mut lines = Vec::new();
    change.fields.iter().for_each(|field| field_lines(field, &mut lines));
    if let Effect::BriefInterruption = change.effect {
        lines.push(format!("! {}", What::Change(change).effect().as_str()));
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

/// The fields of a change, a line or more each: `-` what is, `+` what will be.
pub(crate) fn field_text(change: &Change) -> String {
    let mut lines = Vec::new();
    change.fields.iter().for_each(|field| field_lines(field, &mut lines));
    lines.join("\n")
}

fn field_lines(field: &FieldDiff, lines: &mut Vec<String>) {
    let FieldDiff { path, before, after, after_unknown, forces_replacement } = field;
    let path = shorten(path, NAME);
    let path = terminal(&path);
    let forces = if *forces_replacement { "  # cannot change in place" } else { "" };
    if let (Some(Value::String(before)), Some(Value::String(after))) = (before, after)
        && (before.contains('\n') || after.contains('\n'))
    {
        lines.push(format!("  {path}:{forces}"));
        text_lines(before, after, lines);
        return;
    }
    let mut line = |sign: char, value: &Option<Value>, is_unknown: bool| {
        if let Some(value) = value {
            let value = one_line_of(value, is_unknown);
            lines.push(format!("{sign} {path}: {}{forces}", shorten(&value, VALUE)));
        }
    };
    line('-', before, false);
    line('+', after, *after_unknown);
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
