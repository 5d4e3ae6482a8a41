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
use privlink_render::plans::{self, Form, Outcome, Plans, Shown};

use super::super::stacks::{self, Source};
use super::super::{comment, summary, turns};
use super::{Basis, Made, one};
use crate::args;
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::plan_format;
use crate::ui::Ui;

/// How far from the stack that is shown next one may be that is planned, for each job. What is shown of them is held in
/// memory.
const AHEAD: usize = 32;

/// What came of one stack, with what was said of it.
struct Ended {
    ui: Ui,
    came: Came,
}

/// What came of one stack.
enum Came {
    /// It is shown.
    Shown {
        exit: Exit,
        shown: Result<Vec<Shown>, CommandError>,
        /// Its plan, where it is told of elsewhere.
        told: Option<Box<Made>>,
    },
    /// It has not the object that a flag names.
    LeftOut(CommandError),
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
    let forms = Forms::of(format, &head, &args.shown, ui)?;
    let mut showing = Showing::new(&forms);
    let mut told = Told::new(args.comment.is_some() || summary::is_shown(ui));
    let mut exit = Exit::Done;
    let mut left_out = Vec::new();
    let keeping = ui.keeping();
    let are_told = told.are_wanted;
    // Whoever plans a stack shows it too, so that a plan is gone before the next is made.
    let work = |stack: &Source| {
        let place = (folder, stack);
        ended(place, args, lists.as_ref(), (&forms, are_told), keeping.keeping())
    };
    turns::in_turn(&all, (jobs, AHEAD * jobs), work, |ended| {
        let (of_stack, shown, plan) = match ended.came {
            Came::Shown { exit, shown, told } => (exit, shown?, told),
            Came::LeftOut(error) => {
                left_out.push(error);
                return Ok(());
            }
        };
        exit = exit.worse(of_stack);
        showing.add(shown, ui)?;
        ui.release(ended.ui)?;
        told.add(plan.map(|plan| *plan));
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
    showing.end(ui)?;
    if let Some(out) = &args.out {
        ui.say(&format!(
            "Saved the plans below {}, each where its stack is below {}.",
            out.display(),
            folder.display()
        ));
        let file = crate::invocation::quoted(&out.join("STACK.json").display().to_string());
        ui.say(&format!("Apply one: {}", super::applying(&file, ui.invocation())));
    }
    told.tell(args.comment.as_deref(), ui);
    Ok(exit)
}

/// How plans are shown: on stdout, and in the files that are asked for beside it.
pub(crate) struct Forms<'a> {
    out: Form<'a>,
    files: Vec<(PathBuf, Form<'a>)>,
}

impl<'a> Forms<'a> {
    /// As the arguments ask.
    ///
    /// # Errors
    ///
    /// When a format is none of many plans.
    pub(crate) fn of(
        format: plans::Format,
        head: &'a Head,
        shown: &args::Output,
        ui: &Ui,
    ) -> Result<Self, CommandError> {
        let full = shown.full;
        let out = Form { format, head, layout: ui.layout(), full };
        let file = |(format, file): &(plan_format::Format, PathBuf)| {
            let form = Form { format: format.of_many()?, head, layout: Layout::default(), full };
            Ok((file.clone(), form))
        };
        let files = shown.render.iter().map(file).collect::<Result<_, CommandError>>()?;
        Ok(Self { out, files })
    }

    /// What is shown of what came of a stack, in each of them.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub(crate) fn show(&self, outcome: &Outcome<'_>) -> Result<Vec<Shown>, CommandError> {
        let files = self.files.iter().map(|(_, form)| form);
        let shown = std::iter::once(&self.out).chain(files).map(|form| form.show(outcome));
        shown.collect::<Result<_, _>>().map_err(not_json)
    }
}

/// Plans as they are shown.
pub(crate) struct Showing<'a> {
    out: Plans<'a>,
    files: Vec<(&'a Path, Plans<'a>, String)>,
}

impl<'a> Showing<'a> {
    /// Begins to show them.
    pub(crate) fn new(forms: &'a Forms<'a>) -> Self {
        let file = |(file, form): &'a (PathBuf, Form<'a>)| {
            (file.as_path(), Plans::new(*form), String::new())
        };
        Self { out: Plans::new(forms.out), files: forms.files.iter().map(file).collect() }
    }

    /// Writes what is shown of a stack, or keeps it.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub(crate) fn add(&mut self, shown: Vec<Shown>, ui: &mut Ui) -> Result<(), CommandError> {
        let mut shown = shown.into_iter();
        if let Some(shown) = shown.next() {
            ui.print(&self.out.add(shown).map_err(not_json)?)?;
        }
        for ((_, plans, text), shown) in self.files.iter_mut().zip(shown) {
            text.push_str(&plans.add(shown).map_err(not_json)?);
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
            super::super::file::write_shown(file, &(text + &plans.end().map_err(not_json)?))?;
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

/// Plans one stack, and keeps what is said and shown.
fn ended(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    lists: Option<&Arc<SharedLists>>,
    (forms, is_told): (&Forms<'_>, bool),
    mut ui: Ui,
) -> Ended {
    let made = match planned((folder, stack), args, lists, &mut ui) {
        Err(error) if error.is_of_another_stack && args.limits.names_one() => {
            return Ended { ui, came: Came::LeftOut(error) };
        }
        made => made,
    };
    let (plan, exit) = match &made {
        Ok(made) => {
            ui.annotate(&Notice::of_plan(&made.plan));
            (Ok(&made.plan), super::exit(made, args))
        }
        Err(error) => {
            ui.say(&format!("{}:", stack.below(folder)));
            ui.error(error);
            (Err(error.line()), error.exit)
        }
    };
    let (path, source) = (stack.below(folder), stack.shown());
    let plan = plan.as_ref().map(|plan| *plan).map_err(String::as_str);
    let outcome = Outcome { path: &path, source: &source, plan, exit_code: exit.code() };
    let shown = forms.show(&outcome);
    let told = made.ok().filter(|_| is_told).map(Box::new);
    Ended { ui, came: Came::Shown { exit, shown, told } }
}

fn planned(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    lists: Option<&Arc<SharedLists>>,
    ui: &mut Ui,
) -> Result<Made, CommandError> {
    let observed = stack.observed(folder, args.observed.as_deref());
    let basis = Basis { observed: observed.as_deref(), lists, jobs: 1 };
    let out = args.out.as_ref().map(|other| stack.beside(folder, other, ".json"));
    if let Some(parent) = out.as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(parent).map_err(io(&parent.display().to_string()))?;
    }
    one(&stack.input, &args::Plan { out, ..args.clone() }, &basis, ui)
}
