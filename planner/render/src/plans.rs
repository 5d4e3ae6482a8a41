//! The plans of many stacks in every format: a table with the worst first, and then those that have something to say.

use std::fmt::Write;

use crate::comment::{Flavour, Options, document};
use crate::escape::{code, markdown};
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

/// How plans of many stacks are shown.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The format.
    pub format: Format,
    /// What is said of all.
    pub head: &'a Head,
    /// How wide text is, and whether it has colours.
    pub layout: Layout,
    /// Whether ids and all fields are shown.
    pub full: bool,
}

/// What is shown of one stack. It needs its plan no more.
#[derive(Clone, Debug)]
pub struct Shown {
    line: Line,
    /// What its plan comes to, if there is one.
    total: Option<Total>,
    text: String,
}

impl Form<'_> {
    /// What is shown of what came of a stack.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn show(&self, outcome: &Outcome<'_>) -> Result<Shown, serde_json::Error> {
        let line = outcome.line();
        let plan = outcome.plan.ok();
        let total = plan.map(Total::of);
        let text = match (self.format, plan) {
            (Format::Json, plan) => {
                let Line { path, came, said } = line.clone();
                let result = plan.map(crate::json::value).transpose()?;
                let source = outcome.source.to_owned();
                let exit_code = outcome.exit_code;
                record::json(&Record { path, source, came, said, exit_code, result })?
            }
            (_, Some(plan)) if line.came != Came::Unchanged => self.one(outcome, plan),
            _ => String::new(),
        };
        Ok(Shown { line, total, text })
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
}

/// Plans that are shown together. They are added in order of their paths.
#[derive(Clone, Debug)]
pub struct Plans<'a> {
    form: Form<'a>,
    kept: Vec<(Line, String)>,
    totals: Total,
    failed: usize,
}

impl<'a> Plans<'a> {
    /// None yet.
    pub fn new(form: Form<'a>) -> Self {
        Self { form, kept: Vec::new(), totals: Total::default(), failed: 0 }
    }

    /// Takes what is shown of a stack, and gives what can be written of it now: JSON is not held.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn add(&mut self, shown: Shown) -> Result<String, serde_json::Error> {
        let Shown { line, total, text } = shown;
        match total {
            Some(total) => self.totals.add(&total),
            None => self.failed += 1,
        }
        if self.form.format != Format::Json {
            self.kept.push((line, text));
            return Ok(String::new());
        }
        let is_first = self.totals.plans() + self.failed == 1;
        let head = if is_first { self.form.head.json()? } else { String::new() };
        Ok(head + &record::line(&text, is_first))
    }

    /// What is written at the end: the table, the worst stack first, then each that is not without changes; and the counts.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn end(mut self) -> Result<String, serde_json::Error> {
        if self.form.format == Format::Json {
            let is_empty = self.totals.plans() + self.failed == 0;
            let head = if is_empty { self.form.head.json()? } else { String::new() };
            return Ok(head + record::END);
        }
        let total = self.total();
        self.kept.sort_by(|(one, _), (other, _)| one.order(other));
        let (lines, shown): (Vec<Line>, Vec<String>) = self.kept.into_iter().unzip();
        if self.form.format == Format::Html {
            let told = shown.into_iter().enumerate().filter(|(_, it)| !it.is_empty());
            return Ok(html::fleet(&lines, &told.collect::<Vec<_>>(), &total));
        }
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = if self.form.format == Format::Markdown {
            markdown_table(&lines, &mut out)
        } else {
            let count = plural::count(lines.len(), "stack");
            let head = format!("{count} in {}", self.form.head.folder);
            let style = self.form.layout.style;
            out.push_str(&format!("{}\n\n", style.paint(Label::Heading, terminal(&head))));
            text(&lines, UNCHANGED, self.form.layout, &mut out)
        };
        shown.iter().for_each(|it| out.push_str(it));
        // Writing to a String cannot fail.
        let _ = match self.form.format {
            Format::Markdown => writeln!(out, "**{}**", markdown(&total)),
            _ => self.form.layout.paragraph("", &terminal(&total), Some(Label::Heading), &mut out),
        };
        Ok(out)
    }

    /// What all plans come to together.
    fn total(&self) -> String {
        let mut total = Vec::new();
        let all = self.totals.plans() + self.failed;
        if self.totals.plans() > 0 || self.failed == 0 {
            let count = plural::count(all, "stack");
            total.push(format!("{count}. {}", self.totals.line_of(all)));
        }
        if self.failed > 0 {
            let count = plural::count(self.failed, "stack");
            total.push(format!("{count} could not be planned."));
        }
        total.extend(not_in_it(&self.form.head.missing_shards));
        total.join(" ")
    }
}
