//! Several stacks: each folder is one, with a cluster of its own.

use std::path::Path;
use std::sync::Arc;

use privlink_core::escape::terminal;
use privlink_core::plan::Plan;
use privlink_core::plural;
use privlink_engine::observe::SharedLists;
use privlink_render::fleet::{self, Line};
use privlink_render::html;
use privlink_render::style::Label;
use privlink_render::summary;

use super::super::comment;
use super::super::stacks::{self, Source};
use super::{From, Made, one};
use crate::args::{self, Format};
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::ui::Ui;

/// How many stacks each job plans before their outcome is shown. They are held in memory until then.
const AT_ONCE: usize = 32;

/// The outcome of one stack, with what is to be shown of it.
struct Shown {
    ui: Ui,
    exit: Exit,
    line: Line,
    total: Option<summary::Total>,
    made: Option<Made>,
}

/// Plans the stacks below a folder, several at once, and shows the plans in order of the folders' names.
pub(super) fn run(
    folder: &Path,
    args: &args::Plan,
    jobs: usize,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if !matches!(args.shown.output, Format::Text | Format::Json | Format::Markdown | Format::Html) {
        return Err(CommandError::new("several stacks are shown as text, json, markdown or html"));
    }
    stacks::is_folder(args.observed.as_deref())?;
    let many = &args.input.many;
    let all = stacks::chosen(folder, many, &args.input.input(), ui)?;
    let lists = if args.observed.is_some() { None } else { stacks::shared_lists(&args.place) };
    let jobs = stacks::jobs(&args.place, jobs);
    let mut commented = Commented::default();
    let mut exit = Exit::Done;
    let mut came = Came::default();
    let is_json = args.shown.output == Format::Json;
    let mut between = "[\n";
    for some in all.chunks(AT_ONCE * jobs) {
        let keeping = &*ui;
        let shown = stacks::side_by_side(some, jobs, |stack| {
            shown((folder, stack), args, lists.as_ref(), keeping.keeping())
        })?;
        for mut shown in shown {
            exit = exit.worse(shown.exit);
            let made = shown.made.take();
            commented.add(made.filter(|_| args.comment.is_some()));
            if !is_json {
                came.add(shown);
                continue;
            }
            if shown.total.is_some() {
                ui.print(between)?;
                between = ",\n";
            }
            ui.release(shown.ui)?;
        }
    }
    if is_json {
        let end = if between == "[\n" { "[]\n" } else { "]\n" };
        ui.print(end)?;
    } else {
        came.show(folder, args.shown.output, ui)?;
    }
    if let Some(out) = &args.out {
        let out = out.display();
        ui.say(&format!(
            "Saved the plans below {out}, each where its stack is below {}.",
            folder.display()
        ));
        ui.say(&format!("Apply one: privlink apply {out}/STACK.json"));
    }
    if let Some(id) = &args.comment
        && let Err(error) = commented.keep(id, ui)
    {
        ui.warn(&error);
    }
    Ok(exit)
}

/// The plans that a comment is about: those that have something to say, or else one that has not.
#[derive(Default)]
struct Commented {
    told: Vec<Made>,
    quiet: Option<Made>,
}

impl Commented {
    fn add(&mut self, made: Option<Made>) {
        let Some(made) = made else { return };
        if Line::of_plan(String::new(), &made.plan).came == fleet::Came::Unchanged {
            self.quiet = Some(made);
        } else {
            self.told.push(made);
        }
    }

    fn keep(&self, id: &str, ui: &mut Ui) -> Result<(), CommandError> {
        let quiet = self.quiet.iter().filter(|_| self.told.is_empty());
        let plans: Vec<(&Plan, Option<&str>)> =
            self.told.iter().chain(quiet).map(|it| (&it.plan, it.digest.as_deref())).collect();
        if plans.is_empty() { Ok(()) } else { comment::of_plans(&plans, id, ui) }
    }
}

/// What came of all stacks, until it is shown.
#[derive(Default)]
struct Came {
    stacks: Vec<(Line, Ui)>,
    totals: summary::Total,
    failed: usize,
}

impl Came {
    fn add(&mut self, shown: Shown) {
        let Shown { ui, line, total, .. } = shown;
        self.failed += usize::from(total.is_none());
        total.iter().for_each(|total| self.totals.add(total));
        self.stacks.push((line, ui));
    }

    /// The table, the worst stack first; then each that is not without changes; and the counts.
    fn show(mut self, folder: &Path, format: Format, ui: &mut Ui) -> Result<(), CommandError> {
        self.stacks.sort_by(|(one, _), (other, _)| one.order(other));
        let (lines, shown): (Vec<Line>, Vec<Ui>) = self.stacks.into_iter().unzip();
        if format == Format::Html {
            let mut told = Vec::new();
            for (at, mut kept) in shown.into_iter().enumerate() {
                let fragment = kept.take_result();
                ui.release(kept)?;
                if !fragment.trim().is_empty() {
                    told.push((at, fragment));
                }
            }
            return ui.print(&html::fleet(&lines, &told, &total(&self.totals, self.failed)));
        }
        let folder = folder.display().to_string();
        let head = format!("{} in {folder}", plural::count(lines.len(), "stack"));
        let mut table = String::new();
        // Writing to a String cannot fail.
        let _ = match format {
            Format::Markdown => fleet::markdown_table(&lines, &mut table),
            _ => {
                let head = terminal(&head);
                table = format!("{}\n\n", ui.style().paint(Label::Heading, head));
                fleet::text(&lines, fleet::UNCHANGED, ui.layout(), &mut table)
            }
        };
        ui.print(&table)?;
        for kept in shown {
            ui.release(kept)?;
        }
        let total = total(&self.totals, self.failed);
        ui.print(&match format {
            Format::Markdown => format!("**{total}**\n"),
            _ => format!("{}\n", ui.style().paint(Label::Heading, total)),
        })
    }
}

/// What all plans come to together.
fn total(totals: &summary::Total, failed: usize) -> String {
    let mut total = Vec::new();
    if totals.plans() > 0 || failed == 0 {
        total.push(format!("{}. {}", plural::count(totals.plans(), "stack"), totals.line()));
    }
    if failed > 0 {
        total.push(format!("{} could not be planned.", plural::count(failed, "stack")));
    }
    total.join(" ")
}

/// Plans one stack, and keeps what is to be shown.
fn shown(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    lists: Option<&Arc<SharedLists>>,
    mut ui: Ui,
) -> Shown {
    let below = stack.below(folder);
    match planned((folder, stack), args, lists, &mut ui) {
        Ok((exit, made)) => {
            let line = Line::of_plan(below, &made.plan);
            let total = Some(summary::Total::of(&made.plan));
            let made = Some(made).filter(|_| args.comment.is_some());
            Shown { ui, exit, line, total, made }
        }
        Err(error) => {
            ui.say(&format!("{}:", stack.name()));
            ui.error(&error);
            let line = Line::failed(below, error.line());
            Shown { ui, exit: error.exit, line, total: None, made: None }
        }
    }
}

fn planned(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    lists: Option<&Arc<SharedLists>>,
    ui: &mut Ui,
) -> Result<(Exit, Made), CommandError> {
    let observed = stack.observed(folder, args.observed.as_deref());
    let from = From { observed: observed.as_deref(), lists, jobs: 1 };
    let out = args.out.as_ref().map(|other| stack.beside(folder, other, ".json"));
    if let Some(parent) = out.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(parent).map_err(io(&parent.display().to_string()))?;
    }
    // One comment has them all.
    let args = &args::Plan { out, comment: None, ..args.clone() };
    let made = one(&stack.input, args, &from, ui)?;
    let exit = super::show(&made, args, ui)?;
    let came = Line::of_plan(String::new(), &made.plan).came;
    if args.shown.output == Format::Html {
        ui.drop_result();
        let read = if args.observed.is_some() { "" } else { "just now" };
        let shown = super::Shown { full: args.shown.full, read };
        let fragment = super::fragment(&made.plan, &shown, ui);
        ui.print(&fragment)?;
    }
    if args.shown.output != Format::Json {
        // The table has all that there is to say of it.
        if came == fleet::Came::Unchanged {
            ui.drop_result();
        } else {
            ui.print("\n")?;
        }
    }
    Ok((exit, made))
}
