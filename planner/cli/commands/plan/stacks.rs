//! Several stacks: each folder is one, with a cluster of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use privlink_core::plan::Plan;
use privlink_core::plural;
use privlink_engine::observe::SharedLists;
use privlink_render::fleet::record::Head;
use privlink_render::fleet::{self, Line};
use privlink_render::layout::Layout;
use privlink_render::notice::Notice;
use privlink_render::plans::{self, Outcome, Plans};

use super::super::stacks::{self, Source};
use super::super::{comment, summary, turns};
use super::{From, Made, one};
use crate::args;
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::ui::Ui;

/// How far from the stack that is shown next one may be that is planned, for each job. Their outcomes are held in memory.
const AHEAD: usize = 32;

/// The outcome of one stack, with what was said of it.
struct Shown {
    ui: Ui,
    path: String,
    source: String,
    made: Result<Made, String>,
    exit: Exit,
    /// That it has not the object that a flag names.
    left_out: Option<CommandError>,
}

/// Plans the stacks below a folder, several at once, and shows the plans together.
pub(super) fn run(
    folder: &Path,
    args: &args::Plan,
    jobs: usize,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let format = args.shown.output.of_many()?;
    stacks::is_folder(args.observed.as_deref())?;
    let many = &args.input.many;
    let all = stacks::chosen(folder, many, &args.input.input(), ui)?;
    let lists = if args.observed.is_some() { None } else { stacks::shared_lists(&args.place) };
    let jobs = stacks::jobs(&args.place, jobs);
    let read = if args.observed.is_some() { "" } else { "just now" };
    let observed = args.observed.as_ref().map(|it| it.display().to_string());
    let head = Head { read: read.to_owned(), observed, ..stacks::head(folder, many, ui)? };
    let mut shown = Showing::new(format, &head, &args.shown, ui)?;
    let mut told = Told::new(args.comment.is_some() || summary::is_shown(ui));
    let mut exit = Exit::Done;
    let mut left_out = Vec::new();
    let keeping = ui.keeping();
    let work = |stack: &Source| outcome((folder, stack), args, lists.as_ref(), keeping.keeping());
    turns::in_turn(&all, (jobs, AHEAD * jobs), work, |came| {
        if let Some(error) = came.left_out {
            left_out.push(error);
            return Ok(());
        }
        exit = exit.worse(came.exit);
        let plan = came.made.as_ref().map(|made| &made.plan).map_err(String::as_str);
        let outcome =
            Outcome { path: &came.path, source: &came.source, plan, exit_code: came.exit.code() };
        shown.add(&outcome, ui)?;
        ui.release(came.ui)?;
        told.add(came.made.ok());
        Ok(())
    })?;
    let count = left_out.len();
    // Somewhere it is meant to be; another shard may have it.
    if count == all.len()
        && head.shard.is_none()
        && let Some(error) = left_out.pop()
    {
        return Err(CommandError { message: format!("in no stack: {}", error.message), ..error });
    }
    if count > 0 {
        let stacks = plural::count(count, "stack");
        ui.say(&format!("note: {stacks} without the object that is named are left out"));
    }
    shown.end(ui)?;
    if let Some(out) = &args.out {
        let out = out.display();
        ui.say(&format!(
            "Saved the plans below {out}, each where its stack is below {}.",
            folder.display()
        ));
        ui.say(&format!("Apply one: privlink apply {out}/STACK.json"));
    }
    told.tell(args.comment.as_deref(), ui);
    Ok(exit)
}

/// Plans as they are shown: on stdout, and in the files that are asked for beside it.
pub(crate) struct Showing<'a> {
    out: Plans<'a>,
    files: Vec<(PathBuf, Plans<'a>, String)>,
}

impl<'a> Showing<'a> {
    /// Begins to show them.
    ///
    /// # Errors
    ///
    /// When a format is none of many plans, or nothing can be written.
    pub(crate) fn new(
        format: plans::Format,
        head: &'a Head,
        shown: &args::Output,
        ui: &mut Ui,
    ) -> Result<Self, CommandError> {
        let out = Plans::new(format, head, ui.layout(), shown.full);
        let mut files = Vec::new();
        for (format, file) in &shown.render {
            let plans = Plans::new(format.of_many()?, head, Layout::default(), shown.full);
            files.push((file.clone(), plans, String::new()));
        }
        Ok(Self { out, files })
    }

    /// Shows what came of a stack, or keeps it.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub(crate) fn add(&mut self, outcome: &Outcome<'_>, ui: &mut Ui) -> Result<(), CommandError> {
        ui.print(&self.out.add(outcome).map_err(not_json)?)?;
        for (_, plans, text) in &mut self.files {
            text.push_str(&plans.add(outcome).map_err(not_json)?);
        }
        Ok(())
    }

    /// Shows what was kept.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub(crate) fn end(self, ui: &mut Ui) -> Result<(), CommandError> {
        ui.print(&self.out.end().map_err(not_json)?)?;
        for (file, plans, text) in self.files {
            super::super::file::write_shown(&file, &(text + &plans.end().map_err(not_json)?))?;
        }
        Ok(())
    }
}

fn not_json(error: serde_json::Error) -> CommandError {
    CommandError::new(format!("a plan cannot be written as JSON: {error}"))
}

/// The plans that a comment or a run's summary is about: those that have something to say, or else one that has not.
#[derive(Default)]
pub(crate) struct Told {
    are_wanted: bool,
    told: Vec<Made>,
    quiet: Option<Made>,
}

impl Told {
    /// None yet; they are kept if anybody wants them.
    pub(crate) fn new(are_wanted: bool) -> Self {
        Self { are_wanted, ..Self::default() }
    }

    fn add(&mut self, made: Option<Made>) {
        let Some(made) = made.filter(|_| self.are_wanted) else { return };
        if Line::of_plan(String::new(), &made.plan).came == fleet::Came::Unchanged {
            self.quiet = Some(made);
        } else {
            self.told.push(made);
        }
    }

    /// Takes a plan that was read.
    pub(crate) fn read(&mut self, plan: Option<Plan>) {
        self.add(plan.map(Made::read));
    }

    /// Keeps the comment and the summary. That they cannot be written is a warning.
    pub(crate) fn tell(&self, comment: Option<&str>, ui: &mut Ui) {
        let quiet = self.quiet.iter().filter(|_| self.told.is_empty());
        let plans: Vec<(&Plan, Option<&str>)> =
            self.told.iter().chain(quiet).map(|it| (&it.plan, it.digest.as_deref())).collect();
        if plans.is_empty() {
            return;
        }
        summary::of_plans(&plans.iter().map(|(plan, _)| *plan).collect::<Vec<_>>(), ui);
        if let Some(id) = comment
            && let Err(error) = comment::of_plans(&plans, id, ui)
        {
            ui.warn(&error);
        }
    }
}

/// Plans one stack, and keeps what is said.
fn outcome(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    lists: Option<&Arc<SharedLists>>,
    mut ui: Ui,
) -> Shown {
    let (path, source) = (stack.below(folder), stack.shown());
    match planned((folder, stack), args, lists, &mut ui) {
        Ok(made) => {
            ui.annotate(&Notice::of_plan(&made.plan));
            let exit = super::exit(&made, args);
            Shown { ui, path, source, made: Ok(made), exit, left_out: None }
        }
        Err(error) if error.is_of_another_stack && args.limits.names_one() => {
            let (made, exit) = (Err(error.line()), error.exit);
            Shown { ui, path, source, made, exit, left_out: Some(error) }
        }
        Err(error) => {
            ui.say(&format!("{}:", stack.name()));
            ui.error(&error);
            let (made, exit) = (Err(error.line()), error.exit);
            Shown { ui, path, source, made, exit, left_out: None }
        }
    }
}

fn planned(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    lists: Option<&Arc<SharedLists>>,
    ui: &mut Ui,
) -> Result<Made, CommandError> {
    let observed = stack.observed(folder, args.observed.as_deref());
    let from = From { observed: observed.as_deref(), lists, jobs: 1 };
    let out = args.out.as_ref().map(|other| stack.beside(folder, other, ".json"));
    if let Some(parent) = out.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(parent).map_err(io(&parent.display().to_string()))?;
    }
    one(&stack.input, &args::Plan { out, ..args.clone() }, &from, ui)
}
