//! One command on many stacks: each as it would be alone, a table of what came of them, the worst first, and then what
//! those said that are not well.

use std::path::{Path, PathBuf};

use privlink_core::desired::Desired;
use privlink_core::escape::terminal;
use privlink_core::names::natural;
use privlink_core::plural;
use privlink_core::stack_order;
use privlink_render::fleet::record::{self, Record};
use privlink_render::fleet::{self as table, Came, Line};
use privlink_render::style::Label;
use serde_json::Value;

use crate::args::{Input, Many, TargetFlags};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(super) use privlink_render::fleet::UNCHANGED;

use super::stacks::{self, Source};
use super::turns;

/// Many stacks, and how they are gone about.
pub(super) struct Fleet<'a> {
    /// The folder that they are below.
    pub(super) folder: &'a Path,
    /// Which of them, and how many at once.
    pub(super) many: &'a Many,
    /// What else is said of each one's input.
    pub(super) input: &'a Input,
    /// Where they are, if that is asked for.
    pub(super) place: Option<&'a TargetFlags>,
    /// Whether what comes of them is written as JSON.
    pub(super) is_json: bool,
    /// What those are called that are well and have nothing to say.
    pub(super) quiet: &'static str,
}

impl Fleet<'_> {
    /// Works on each, several at once, and shows what came of it.
    ///
    /// # Errors
    ///
    /// When the stacks cannot be listed, or nothing can be written.
    pub(super) fn run(
        &self,
        ui: &mut Ui,
        work: impl Fn(&Source, &mut Ui) -> Result<Exit, CommandError> + Sync,
    ) -> Result<Exit, CommandError> {
        self.run_in_order(vec![self.chosen(ui)?], ui, work)
    }

    /// Those that are meant.
    ///
    /// # Errors
    ///
    /// When they cannot be listed.
    pub(super) fn chosen(&self, ui: &mut Ui) -> Result<Vec<Source>, CommandError> {
        stacks::chosen(self.folder, self.many, self.input, ui)
    }

    /// The same, of some before others.
    pub(super) fn run_in_order(
        &self,
        waves: Vec<Vec<Source>>,
        ui: &mut Ui,
        work: impl Fn(&Source, &mut Ui) -> Result<Exit, CommandError> + Sync,
    ) -> Result<Exit, CommandError> {
        let jobs = super::jobs(self.many.jobs);
        let jobs = self.place.map_or(jobs, |place| stacks::jobs(place, jobs));
        let mut exit = Exit::Done;
        let mut shown = Vec::new();
        for wave in waves {
            let keeping = &*ui;
            let came = turns::side_by_side(&wave, jobs, |source| {
                let path = source.below(self.folder);
                let mut ui = keeping.keeping_of(&path, &source.input.filename);
                let came = work(source, &mut ui);
                let source = source.shown();
                match came {
                    Ok(exit) => Ended { line: self.line(path, exit, &mut ui), source, exit, ui },
                    Err(error) => {
                        ui.say(&format!("{path}:"));
                        ui.error(&error);
                        let exit = error.exit;
                        Ended { line: Line::failed(path, error.line()), source, exit, ui }
                    }
                }
            })?;
            for ended in came {
                exit = exit.worse(ended.exit);
                shown.push(ended);
            }
        }
        match self.is_json {
            true => self.write(shown, ui)?,
            false => self.show(shown, ui)?,
        }
        Ok(exit)
    }

    /// What came of a stack that was worked on, as it was summed up.
    fn line(&self, path: String, exit: Exit, ui: &mut Ui) -> Line {
        let said = ui.summary().map(ToOwned::to_owned);
        if exit == Exit::Done && said.is_none() && !self.is_json {
            ui.drop_result();
        }
        let came = match exit {
            Exit::Done if said.is_none() => Came::Unchanged,
            Exit::Done => Came::Well,
            Exit::Refused => Came::Refused,
            Exit::Changes => Came::Changes,
            Exit::AwaitingApproval => Came::Noted,
            _ => Came::Failed,
        };
        Line { path, came, said: said.unwrap_or_default() }
    }

    /// Writes all as JSON, in order of their paths.
    fn write(&self, mut all: Vec<Ended>, ui: &mut Ui) -> Result<(), CommandError> {
        let head = stacks::head(self.folder, self.many, ui)?;
        ui.print(&head.json().map_err(not_json)?)?;
        all.sort_by(|one, other| natural(&one.line.path, &other.line.path));
        for (at, ended) in all.into_iter().enumerate() {
            let Ended { line: Line { path, came, said }, source, exit, ui: mut kept } = ended;
            let result = result(&kept.take_result()).map_err(not_json)?;
            let record = Record { path, source, came, said, exit_code: exit.code(), result };
            ui.release(kept)?;
            let json = record::json(&record).map_err(not_json)?;
            ui.print(&record::line(&json, at == 0))?;
        }
        ui.print(record::END)
    }

    /// Shows a table, the worst on top, and then what each said.
    fn show(&self, mut all: Vec<Ended>, ui: &mut Ui) -> Result<(), CommandError> {
        all.sort_by(|one, other| one.line.order(&other.line));
        let lines: Vec<Line> = all.iter().map(|it| it.line.clone()).collect();
        self.table(&lines, ui)?;
        for ended in all {
            let says = ended.ui.has_result();
            ui.release(ended.ui)?;
            if says {
                ui.print("\n")?;
            }
        }
        ui.print(&format!("{}\n", ui.style().paint(Label::Heading, total(&lines))))
    }

    fn table(&self, lines: &[Line], ui: &mut Ui) -> Result<(), CommandError> {
        let count = plural::count(lines.len(), "stack");
        let head = format!("{count} in {}", self.folder.display());
        let mut text = format!("{}\n\n", ui.style().paint(Label::Heading, terminal(&head)));
        // Writing to a String cannot fail.
        let _ = table::text(lines, self.quiet, ui.layout(), &mut text);
        ui.print(&text)
    }
}

/// How many stacks there are, and how many of them failed or were refused.
pub(super) fn total(lines: &[Line]) -> String {
    let of = |came: Came| lines.iter().filter(|it| it.came == came).count();
    let mut total = format!("{}.", plural::count(lines.len(), "stack"));
    for (count, what) in [(of(Came::Refused), "refused"), (of(Came::Failed), "failed")] {
        if count > 0 {
            total.push_str(&format!(" {count} {what}."));
        }
    }
    total
}

/// How the work on one stack ended.
struct Ended {
    line: Line,
    source: String,
    exit: Exit,
    ui: Ui,
}

/// What a command wrote as JSON: one value, or else an array of all; nothing where it wrote nothing.
fn result(text: &str) -> Result<Option<Value>, serde_json::Error> {
    let mut values: Vec<Value> =
        serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>()?;
    Ok(match values.len() {
        0 | 1 => values.pop(),
        _ => Some(Value::Array(values)),
    })
}

fn not_json(error: serde_json::Error) -> CommandError {
    CommandError::new(format!("what came of the stacks cannot be written as JSON: {error}"))
}

/// Each file with a saved plan below a folder, in order of its path.
///
/// # Errors
///
/// When a folder cannot be read, or there is none.
pub(super) fn saved_plans(folder: &Path) -> Result<Vec<Source>, CommandError> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let shown = folder.display().to_string();
        let entries = std::fs::read_dir(&folder).map_err(crate::command_error::io(&shown))?;
        for entry in entries {
            let entry = entry.map_err(crate::command_error::io(&shown))?;
            let kind = entry.file_type().map_err(crate::command_error::io(&shown))?;
            let path = entry.path();
            // Links are not followed: what is carried out is what lies there.
            if kind.is_dir() {
                left.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|it| it == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let shown = folder.display();
        return Err(CommandError::new(format!("{shown} holds no saved plan"))
            .hint(format!("Desired state is named with -f: privlink apply -f {shown}"))
            .hint("Saved plans of many stacks are made with `plan --stacks FOLDER --out PLANS`."));
    }
    let source = |path: PathBuf| Source {
        input: Input { filename: vec![path], namespace: None, strict: false },
    };
    Ok(found.into_iter().map(source).collect())
}

/// Refuses to work on a part of stacks that have an order: who works on the other parts does not wait for this one.
pub(super) fn can_be_sharded(
    folder: &Path,
    many: &Many,
    input: &Input,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let whole = Many { shard: None, shards: None, ..many.clone() };
    let all = stacks::chosen(folder, &whole, input, ui)?;
    let waves = waves(all);
    let Some(first) = waves.get(1).and_then(|wave| wave.first()) else { return Ok(()) };
    let why = format!(
        "{} reaches a Private Link Service of another stack and must be applied after it, which shards cannot ensure",
        first.below(folder)
    );
    Err(CommandError::new(why)
        .hint("Leave it to another run by --only, or apply all stacks in one run."))
}

/// Stacks in the order in which they can be applied. One that cannot be read needs nobody, and says so itself.
pub(super) fn waves(sources: Vec<Source>) -> Vec<Vec<Source>> {
    let read = |source: &Source| crate::input::load(&source.input, None).map(|it| it.desired);
    let stacks: Vec<Desired> = sources.iter().map(|it| read(it).unwrap_or_default()).collect();
    let waves = stack_order::waves(&stacks).into_iter();
    let named = |wave: Vec<usize>| wave.iter().filter_map(|at| sources.get(*at).cloned()).collect();
    waves.map(named).collect()
}
