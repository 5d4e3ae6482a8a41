//! Several stacks: each folder is one, with a cluster of its own.

use std::path::{Path, PathBuf};

use privlink_core::render::style::Label;
use privlink_core::render::{escape, summary};

use super::one;
use crate::args::{self, Format};
use crate::command_error::{CommandError, io};
use crate::exit::Exit;
use crate::ui::Ui;

/// How many stacks each job plans before what came of them is shown. They are held in memory until then.
const AT_ONCE: usize = 32;

/// What came of one stack.
struct Shown {
    ui: Ui,
    exit: Exit,
    total: Option<summary::Total>,
}

/// Plans each folder in a folder, several at once, and shows the plans in order of the folders' names.
pub(super) fn run(
    folder: &Path,
    args: &args::Plan,
    jobs: usize,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if !matches!(args.shown.output, Format::Text | Format::Json | Format::Markdown) {
        return Err(CommandError::new("several stacks are shown as text, json or markdown"));
    }
    let stacks = folders(folder)?;
    let mut exit = Exit::Done;
    let mut totals = summary::Total::default();
    let is_json = args.shown.output == Format::Json;
    let mut between = "[\n";
    for some in stacks.chunks(AT_ONCE * jobs) {
        for Shown { ui: kept, exit: its, total } in side_by_side(some, args, jobs, ui) {
            if is_json && total.is_some() {
                ui.print(between)?;
                between = ",\n";
            }
            ui.release(kept)?;
            exit = exit.worse(its);
            total.iter().for_each(|total| totals.add(total));
        }
    }
    if is_json {
        let end = if totals.plans() == 0 { "[]\n" } else { "]\n" };
        ui.print(end)?;
    } else {
        let total = format!("{}. {}", summary::count(totals.plans(), "stack"), totals.line());
        let total = match args.shown.output {
            Format::Markdown => format!("**{total}**\n"),
            _ => format!("{}\n", ui.style().paint(Label::Heading, total)),
        };
        ui.print(&total)?;
    }
    Ok(exit)
}

/// The folders in a folder, in order of name.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let shown = folder.display().to_string();
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(&shown))? {
        let path = entry.map_err(io(&shown))?.path();
        let is_hidden =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !is_hidden {
            folders.push(path);
        }
    }
    folders.sort();
    if folders.is_empty() {
        return Err(CommandError::new(format!("{shown} holds no folder"))
            .hint("Give each stack a folder in it, or name one stack with -f."));
    }
    Ok(folders)
}

/// What comes of stacks, in their order; every job takes the next one when it is done with one.
fn side_by_side(stacks: &[PathBuf], args: &args::Plan, jobs: usize, ui: &Ui) -> Vec<Shown> {
    if jobs == 1 {
        return stacks.iter().map(|stack| shown(stack, args, ui.keeping())).collect();
    }
    let next = std::sync::Mutex::new(stacks.iter().enumerate());
    let take = || next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let work = || {
        let mut done = Vec::new();
        while let Some((at, stack)) = take() {
            done.push((at, shown(stack, args, ui.keeping())));
        }
        done
    };
    let mut all: Vec<(usize, Shown)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .flat_map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, shown)| shown).collect()
}

/// Plans one stack, and keeps what is to be shown.
fn shown(stack: &Path, args: &args::Plan, mut ui: Ui) -> Shown {
    match planned(stack, args, &mut ui) {
        Ok((exit, total)) => Shown { ui, exit, total: Some(total) },
        Err(error) => {
            ui.say(&format!("{}:", escape::terminal(&name(stack))));
            ui.error(&error);
            Shown { ui, exit: error.exit, total: None }
        }
    }
}

fn planned(
    stack: &Path,
    args: &args::Plan,
    ui: &mut Ui,
) -> Result<(Exit, summary::Total), CommandError> {
    let input = args::Input {
        filename: vec![stack.to_owned()],
        namespace: args.namespace.clone(),
        strict: args.strict,
    };
    let file = |folder: &PathBuf| folder.join(format!("{}.json", name(stack)));
    let observed = args.observed.as_ref().map(file);
    let made = one(&input, args, observed.as_deref(), 1, ui)?;
    if args.shown.output == Format::Text {
        let heading = format!("Stack {}", escape::terminal(&made.plan.stack));
        ui.print(&format!("{}\n\n", ui.style().paint(Label::Heading, heading)))?;
    }
    let exit = super::show(&made, args, ui)?;
    if args.shown.output != Format::Json {
        ui.print("\n")?;
    }
    Ok((exit, summary::Total::of(&made.plan)))
}

fn name(stack: &Path) -> String {
    stack.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
