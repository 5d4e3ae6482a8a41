//! What came of the plans of several stacks: the worst first, those without changes in one line.

pub mod record;

use std::fmt::{self, Write};

use crate::escape::{code, markdown};
use crate::layout::{Cell, Layout, width};
use crate::style::Label;
use crate::summary;
use privlink_core::escape::terminal;
use privlink_core::names::natural;
use privlink_core::plan::Plan;
use privlink_core::rule;
use privlink_core::shard::Shard;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of a stack, the worst first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// Its plan is refused.
    Refused,
    /// It could not be planned.
    Failed,
    /// It disconnects consumers who may be.
    Disconnects,
    /// It changes something.
    Changes,
    /// It changes nothing, and there is something to say.
    Noted,
    /// What was to be done is done.
    #[serde(rename = "done")]
    Well,
    /// It changes nothing.
    Unchanged,
}

impl Came {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "error",
            Self::Disconnects => "disconnects",
            Self::Changes => "changes",
            Self::Noted => "to note",
            Self::Well => "done",
            Self::Unchanged => UNCHANGED,
        }
    }

    pub(crate) const fn label(self) -> Label {
        match self {
            Self::Refused | Self::Failed => Label::Error,
            Self::Disconnects | Self::Changes => Label::Warning,
            Self::Well => Label::Success,
            Self::Noted | Self::Unchanged => Label::Faint,
        }
    }
}

/// A stack, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it is read, and so what it is called among the others.
    pub path: String,
    /// What came of it.
    pub came: Came,
    /// That in a sentence.
    pub said: String,
}

impl Line {
    /// Of a plan.
    pub fn of_plan(path: String, plan: &Plan) -> Self {
        let mut refusals: Vec<_> = plan.refusals.iter().collect();
        refusals.sort_by_key(|it| it.code != rule::TOO_MANY_DISCONNECTS);
        let (came, said) = match refusals.first() {
            Some(first) => (Came::Refused, format!("{} ({})", first.message, first.code)),
            None if plan.summary.consumers_disconnected > 0 => {
                (Came::Disconnects, summary::line(plan))
            }
            None if !plan.is_empty() => (Came::Changes, summary::counts(plan)),
            None if !plan.findings.is_empty() || !plan.awaiting_approval.is_empty() => {
                (Came::Noted, summary::counts(plan))
            }
            None => (Came::Unchanged, String::new()),
        };
        Self { path, came, said }
    }

    /// Of a stack that could not be planned.
    pub fn failed(path: String, why: String) -> Self {
        Self { path, came: Came::Failed, said: why }
    }

    /// Where it stands among others: the worst first, then as people sort paths.
    pub fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.came.cmp(&other.came).then_with(|| natural(&self.path, &other.path))
    }
}

/// Lines that have a row of their own, and how many have none.
fn with_rows(lines: &[Line]) -> (Vec<&Line>, usize) {
    let rows: Vec<&Line> = lines.iter().filter(|it| it.came != Came::Unchanged).collect();
    let quiet = lines.len() - rows.len();
    (rows, quiet)
}

/// The parts of the stacks that a report does not have, in a sentence.
pub fn not_in_it(missing: &[Shard]) -> Option<String> {
    let all: Vec<String> = missing.iter().map(ToString::to_string).collect();
    match all.as_slice() {
        [] => None,
        [one] => Some(format!("Not in this report: shard {one}.")),
        _ => Some(format!("Not in this report: shards {}.", all.join(", "))),
    }
}

/// What those are called that change nothing.
pub const UNCHANGED: &str = "no changes";

/// Writes them as a table, in the order in which they are given; those with nothing to say in one row, which has this
/// word.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(
    lines: &[Line],
    word_of_quiet: &str,
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let (rows, quiet) = with_rows(lines);
    let rows: Vec<Row> = rows.into_iter().map(Row::of).collect();
    table(&rows, (word_of_quiet, quiet), layout, out)
}

/// A row of a table of stacks.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What came of the stack, in a word or two.
    pub(crate) word: &'static str,
    /// How bad that is.
    pub(crate) label: Label,
    /// Where it is read.
    pub(crate) path: String,
    /// What came of it, in a sentence.
    pub(crate) said: String,
}

impl Row {
    pub(crate) fn of(line: &Line) -> Self {
        let Line { path, came, said } = line.clone();
        Self { word: came.word(), label: came.label(), path, said }
    }
}

/// Writes rows, and how many others there are, which all have one word.
pub(crate) fn table(
    rows: &[Row],
    (word_of_quiet, quiet): (&str, usize),
    layout: Layout,
    out: &mut dyn Write,
) -> fmt::Result {
    let all = [word_of_quiet].into_iter().filter(|_| quiet > 0);
    let words = all.chain(rows.iter().map(|it| it.word));
    let word = words.map(width).max().unwrap_or_default();
    let most = layout.columns() / 3;
    let path = rows.iter().map(|it| width(&terminal(&it.path))).max().unwrap_or_default().min(most);
    for row in rows {
        let cells = [
            Cell::new(row.word, word).labelled(Some(row.label)),
            Cell::new(terminal(&row.path), path),
            Cell::new(terminal(&row.said), 0),
        ];
        layout.row(2, &cells, out)?;
    }
    if quiet > 0 {
        let cells = [
            Cell::new(word_of_quiet, word).labelled(Some(Label::Faint)),
            Cell::new(quiet.to_string(), path),
        ];
        layout.row(2, &cells, out)?;
    }
    writeln!(out)
}

/// Writes them as a Markdown table, in the order in which they are given.
///
/// # Errors
///
/// Fails when the writer does.
pub fn markdown_table(lines: &[Line], out: &mut dyn Write) -> fmt::Result {
    let (rows, quiet) = with_rows(lines);
    let rows: Vec<Row> = rows.into_iter().map(Row::of).collect();
    markdown_rows(&rows, out)?;
    if quiet > 0 {
        writeln!(out, "No changes in {quiet} of {}.\n", lines.len())?;
    }
    Ok(())
}

/// Writes rows as a Markdown table.
pub(crate) fn markdown_rows(rows: &[Row], out: &mut dyn Write) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "| | stack | |\n|---|---|---|")?;
    for Row { word, label, path, said } in rows {
        let word = match label {
            Label::Error => format!("**{word}**"),
            _ => (*word).to_owned(),
        };
        writeln!(out, "| {word} | {} | {} |", code(path), markdown(said))?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_rows_fit() {
        let line = |path: &str, came| Line {
            path: path.to_owned(),
            came,
            said: "something that takes more columns than there are, by far".to_owned(),
        };
        let mut lines = vec![
            line("a", Came::Unchanged),
            line("team10/b", Came::Changes),
            line("team2/b", Came::Changes),
            line("z", Came::Refused),
        ];
        lines.sort_by(Line::order);
        let mut out = String::new();
        text(&lines, UNCHANGED, Layout::plain(50), &mut out).unwrap();
        let firsts: Vec<&str> =
            out.lines().filter(|it| it.starts_with("  ") && !it.starts_with("   ")).collect();
        assert_eq!(firsts.len(), 4, "{out}");
        assert!(firsts[0].starts_with("  refused     z"), "{out}");
        assert!(firsts[1].contains("team2/b") && firsts[2].contains("team10/b"), "{out}");
        assert_eq!(firsts[3], "  no changes  1");
        assert!(out.lines().all(|it| it.len() <= 50), "{out}");
    }
}
