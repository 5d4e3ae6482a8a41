//! One command on many stacks: each as it would be alone, a table of what came of them, the worst first, and then what
//! those said that are not well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use privlink_core::annotation::keys::PLS_NAME;
use privlink_core::desired::Target;
use privlink_core::escape::terminal;
use privlink_core::plural;
use privlink_render::fleet::{self as table, Came, Line};
use privlink_render::style::Label;

use crate::args::{Input, Many, TargetFlags};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(super) use privlink_render::fleet::UNCHANGED;

use super::stacks::{self, Source};

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
            let came = stacks::side_by_side(&wave, jobs, |source| {
                let mut ui = keeping.keeping();
                let came = work(source, &mut ui);
                let path = source.below(self.folder);
                match came {
                    Ok(exit) => (line(path, exit, &mut ui), exit, ui),
                    Err(error) => {
                        ui.say(&format!("{path}:"));
                        ui.error(&error);
                        let exit = error.exit;
                        (Line::failed(path, error.line()), exit, ui)
                    }
                }
            })?;
            for (line, came, kept) in came {
                exit = exit.worse(came);
                shown.push((line, kept));
            }
        }
        shown.sort_by(|(one, _), (other, _)| one.order(other));
        let (lines, kept): (Vec<Line>, Vec<Ui>) = shown.into_iter().unzip();
        if let (true, Some(revision)) = (lines.is_empty(), &self.many.changed_since) {
            ui.say(&format!("No stack has a file that differs from {revision}."));
            return Ok(exit);
        }
        self.show(&lines, ui)?;
        for kept in kept {
            let says = kept.has_result();
            ui.release(kept)?;
            if says {
                ui.print("\n")?;
            }
        }
        ui.print(&format!("{}\n", ui.style().paint(Label::Heading, total(&lines))))?;
        Ok(exit)
    }

    fn show(&self, lines: &[Line], ui: &mut Ui) -> Result<(), CommandError> {
        let count = plural::count(lines.len(), "stack");
        let head = format!("{count} in {}", self.folder.display());
        let mut text = format!("{}\n\n", ui.style().paint(Label::Heading, terminal(&head)));
        // Writing to a String cannot fail.
        let _ = table::text(lines, self.quiet, ui.layout(), &mut text);
        ui.print(&text)
    }
}

/// How many stacks there are, and how many of them failed or were refused.
fn total(lines: &[Line]) -> String {
    let of = |came: Came| lines.iter().filter(|it| it.came == came).count();
    let mut total = format!("{}.", plural::count(lines.len(), "stack"));
    for (count, what) in [(of(Came::Refused), "refused"), (of(Came::Failed), "failed")] {
        if count > 0 {
            total.push_str(&format!(" {count} {what}."));
        }
    }
    total
}

/// What came of a stack that was worked on, by what it said last.
fn line(path: String, exit: Exit, ui: &mut Ui) -> Line {
    let said = ui.last_line().to_owned();
    if exit == Exit::Done && said.is_empty() {
        ui.drop_result();
    }
    let came = match exit {
        Exit::Done if said.is_empty() => Came::Unchanged,
        Exit::Done => Came::Well,
        Exit::Refused => Came::Refused,
        Exit::Changes => Came::Changes,
        Exit::AwaitingApproval => Came::Noted,
        _ => Came::Failed,
    };
    Line { path, came, said }
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
            .hint("Make them with `plan --stacks FOLDER --out FOLDER`."));
    }
    let source = |path: PathBuf| Source {
        input: Input { filename: vec![path], namespace: None, strict: false },
    };
    Ok(found.into_iter().map(source).collect())
}

/// Refuses other formats than text for what is written of several stacks.
pub(super) fn as_text(is_text: bool) -> Result<(), CommandError> {
    match is_text {
        true => Ok(()),
        false => Err(CommandError::new("several stacks are shown as text")),
    }
}

/// Stacks in the order in which they can be applied: one whose endpoints reach a Private Link Service by its id comes
/// after the one whose Service makes it, by its name. Those that reach each other crosswise come together.
pub(super) fn waves(sources: Vec<Source>) -> Vec<Vec<Source>> {
    let with_links = |source: Source| {
        let links = Links::of(&source);
        (source, links)
    };
    let mut left: Vec<(Source, Links)> = sources.into_iter().map(with_links).collect();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let made: BTreeSet<String> = left.iter().flat_map(|(_, it)| it.made.clone()).collect();
        let waits = |links: &Links| {
            links.reached.iter().any(|it| made.contains(it) && !links.made.contains(it))
        };
        let (later, now): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, links)| waits(links));
        if now.is_empty() {
            waves.push(later.into_iter().map(|(source, _)| source).collect());
            break;
        }
        waves.push(now.into_iter().map(|(source, _)| source).collect());
        left = later;
    }
    waves
}

/// The Private Link Services of a stack, by name in lower case.
#[derive(Debug, Default)]
struct Links {
    /// Those that its Services make.
    made: BTreeSet<String>,
    /// Those that its endpoints reach by id.
    reached: BTreeSet<String>,
}

impl Links {
    /// Those of a stack; one that cannot be read has none, and says so itself.
    fn of(source: &Source) -> Self {
        let Ok(loaded) = crate::input::load(&source.input, None) else { return Self::default() };
        let services = loaded.desired.services.values();
        let made = services.filter_map(|it| Some(it.annotation(PLS_NAME)?.trim().to_lowercase()));
        let endpoints = loaded.desired.endpoints.values();
        let reached = endpoints.filter_map(|it| match &it.target {
            Target::Id(id) => Some(id.name().to_lowercase()),
            Target::Service(_) | Target::Alias(_) => None,
        });
        Self { made: made.collect(), reached: reached.collect() }
    }
}
