//! The plans of many stacks in every format: a table with the worst first, and then those that have something to say.

use crate::comment::{Flavour, Options, document};
use crate::escape::{code, markdown};
use std::fmt::Write;

use crate::fleet::record::{self, Head, Record};
use crate::fleet::{Came, Line, UNCHANGED, markdown_table, not_in_it, text};
use crate::html;
use crate::layout::Layout;
use crate::style::Label;
use crate::summary::Total;
use crate::text::Frame;
use privlink_core::drift::shell_word;
use privlink_core::escape::terminal;
use privlink_core::plan::Plan;
use privlink_core::plural;

/// A format of many plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For a step's summary.
    Markdown,
    /// For a browser.
    Html,
}

/// What came of planning a stack.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// Its path below the folder.
    pub path: &'a str,
    /// Its file or folder, as a command of its own takes it.
    pub source: &'a str,
    /// Its plan, or why there is none, in a line.
    pub plan: Result<&'a Plan, &'a str>,
    /// With what the command would have ended for it alone.
    pub exit_code: u8,
}

impl Outcome<'_> {
    /// The line of it in a table.
    pub fn line(&self) -> Line {
        match self.plan {
            Ok(plan) => Line::of_plan(self.path.to_owned(), plan),
            Err(why) => Line::failed(self.path.to_owned(), why.to_owned()),
        }
    }
}

/// Plans that are shown together. They are added in order of their paths.
#[derive(Clone, Debug)]
pub struct Plans<'a> {
    format: Format,
    head: &'a Head,
    layout: Layout,
    full: bool,
    kept: Vec<(Line, String)>,
    totals: Total,
    failed: usize,
}

impl<'a> Plans<'a> {
    /// None yet, in a format; with ids and all fields if that is asked for.
    pub fn new(format: Format, head: &'a Head, layout: Layout, full: bool) -> Self {
        let (kept, totals, failed) = (Vec::new(), Total::default(), 0);
        Self { format, head, layout, full, kept, totals, failed }
    }

    /// Takes what came of a stack, and gives what can be written of it now: JSON is not held.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn add(&mut self, outcome: &Outcome<'_>) -> Result<String, serde_json::Error> {
        let line = outcome.line();
        match outcome.plan {
            Ok(plan) => self.totals.add(&Total::of(plan)),
            Err(_) => self.failed += 1,
        }
        if self.format != Format::Json {
            let is_told = line.came != Came::Unchanged;
            let shown = outcome.plan.ok().filter(|_| is_told).map(|plan| self.one(outcome, plan));
            self.kept.push((line, shown.unwrap_or_default()));
            return Ok(String::new());
        }
        let Line { path, came, said } = line;
        let result = outcome.plan.ok().map(crate::json::value).transpose()?;
        let source = outcome.source.to_owned();
        let record = Record { path, source, came, said, exit_code: outcome.exit_code, result };
        let is_first = self.totals.plans() + self.failed == 1;
        let head = if is_first { self.head.json()? } else { String::new() };
        Ok(head + &record::json(&record, is_first)?)
    }

    /// One plan among others, below its path.
    fn one(&self, outcome: &Outcome<'_>, plan: &Plan) -> String {
        let place = self.place(outcome);
        let arguments: Vec<String> = place.iter().chain(&self.head.limits).cloned().collect();
        let path = outcome.path;
        let frame = Frame {
            layout: self.layout,
            full: self.full,
            command: &self.head.command,
            arguments: &place,
            all_arguments: &arguments,
            read: &self.head.read,
        };
        match self.format {
            Format::Html => html::fragment(plan, &frame),
            Format::Markdown => {
                let text = document(&[plan], &Options::new(Flavour::StepSummary));
                format!("## {}\n\n{text}\n", code(path))
            }
            Format::Text | Format::Json => {
                let path = self.layout.style.paint(Label::Heading, terminal(path));
                let mut text = format!("{path}\n");
                // Writing to a String cannot fail.
                let _ = crate::text::plan(plan, &frame, &mut text);
                text + "\n"
            }
        }
    }

    /// The arguments of a command about one stack: its own files, and its own observation.
    fn place(&self, outcome: &Outcome<'_>) -> Vec<String> {
        let mut place = vec!["-f".to_owned(), shell_word(outcome.source)];
        place.extend(self.head.place.iter().cloned());
        if let Some(folder) = &self.head.observed {
            let stem =
                [".yaml", ".yml", ".json"].iter().find_map(|it| outcome.path.strip_suffix(it));
            let file =
                format!("{}/{}.json", folder.trim_end_matches('/'), stem.unwrap_or(outcome.path));
            place.extend(["--observed".to_owned(), shell_word(&file)]);
        }
        place
    }

    /// What is written at the end: the table, the worst stack first, then each that is not without changes; and the counts.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn end(mut self) -> Result<String, serde_json::Error> {
        if self.format == Format::Json {
            let is_empty = self.totals.plans() + self.failed == 0;
            let head = if is_empty { self.head.json()? } else { String::new() };
            return Ok(head + record::END);
        }
        let total = self.total();
        self.kept.sort_by(|(one, _), (other, _)| one.order(other));
        let (lines, shown): (Vec<Line>, Vec<String>) = self.kept.into_iter().unzip();
        if self.format == Format::Html {
            let told = shown.into_iter().enumerate().filter(|(_, it)| !it.is_empty());
            return Ok(html::fleet(&lines, &told.collect::<Vec<_>>(), &total));
        }
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = if self.format == Format::Markdown {
            markdown_table(&lines, &mut out)
        } else {
            let count = plural::count(lines.len(), "stack");
            let head = format!("{count} in {}", self.head.folder);
            let style = self.layout.style;
            out.push_str(&format!("{}\n\n", style.paint(Label::Heading, terminal(&head))));
            text(&lines, UNCHANGED, self.layout, &mut out)
        };
        shown.iter().for_each(|it| out.push_str(it));
        // Writing to a String cannot fail.
        let _ = match self.format {
            Format::Markdown => writeln!(out, "**{}**", markdown(&total)),
            _ => self.layout.paragraph("", &terminal(&total), Some(Label::Heading), &mut out),
        };
        Ok(out)
    }

    /// What all plans come to together.
    fn total(&self) -> String {
        let mut total = Vec::new();
        if self.totals.plans() > 0 || self.failed == 0 {
            let count = plural::count(self.totals.plans(), "stack");
            total.push(format!("{count}. {}", self.totals.line()));
        }
        if self.failed > 0 {
            let count = plural::count(self.failed, "stack");
            total.push(format!("{count} could not be planned."));
        }
        total.extend(not_in_it(&self.head.missing_shards));
        total.join(" ")
    }
}
