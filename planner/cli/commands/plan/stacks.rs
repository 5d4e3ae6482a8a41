//! Several stacks: each folder is one, with a cluster of its own.

use std::path::Path;

use privlink_azure::ArmClient;
use privlink_core::plural;
use privlink_render::style::Label;
use privlink_render::summary;

use super::super::stacks::{self, Source};
use super::{From, one};
use crate::args::{self, Format};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

/// How many stacks each job plans before their outcome is shown. They are held in memory until then.
const AT_ONCE: usize = 32;

/// The outcome of one stack.
struct Shown {
    ui: Ui,
    exit: Exit,
    total: Option<summary::Total>,
}

/// Plans the stacks below a folder, several at once, and shows the plans in order of the folders' names.
pub(super) fn run(
    folder: &Path,
    args: &args::Plan,
    jobs: usize,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if !matches!(args.shown.output, Format::Text | Format::Json | Format::Markdown) {
        return Err(CommandError::new("several stacks are shown as text, json or markdown"));
    }
    let input = args::Input {
        filename: vec![folder.to_owned()],
        namespace: args.namespace.clone(),
        strict: args.strict,
    };
    if let Some(observed) = args.observed.as_ref().filter(|it| !it.is_dir()) {
        return Err(CommandError::new(format!(
            "{}: no folder of snapshots, one for each stack",
            observed.display()
        )));
    }
    let all = stacks::below(&input, ui)?;
    let arm = if args.observed.is_some() { None } else { stacks::shared_arm(&args.place) };
    let jobs = stacks::jobs(&args.place, jobs);
    let mut exit = Exit::Done;
    let mut totals = summary::Total::default();
    let mut failed = 0;
    let is_json = args.shown.output == Format::Json;
    let mut between = "[\n";
    for some in all.chunks(AT_ONCE * jobs) {
        let keeping = &*ui;
        let came = stacks::side_by_side(some, jobs, |stack| {
            shown((folder, stack), args, arm.as_ref(), keeping.keeping())
        })?;
        for Shown { ui: kept, exit: its, total } in came {
            if is_json && total.is_some() {
                ui.print(between)?;
                between = ",\n";
            }
            ui.release(kept)?;
            exit = exit.worse(its);
            failed += usize::from(total.is_none());
            total.iter().for_each(|total| totals.add(total));
        }
    }
    if is_json {
        let end = if totals.plans() == 0 { "[]\n" } else { "]\n" };
        ui.print(end)?;
    } else {
        let mut total = Vec::new();
        if totals.plans() > 0 || failed == 0 {
            total.push(format!("{}. {}", plural::count(totals.plans(), "stack"), totals.line()));
        }
        if failed > 0 {
            total.push(format!("{} could not be planned.", plural::count(failed, "stack")));
        }
        let total = total.join(" ");
        let total = match args.shown.output {
            Format::Markdown => format!("**{total}**\n"),
            _ => format!("{}\n", ui.style().paint(Label::Heading, total)),
        };
        ui.print(&total)?;
    }
    Ok(exit)
}

/// Plans one stack, and keeps what is to be shown.
fn shown(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    arm: Option<&ArmClient>,
    mut ui: Ui,
) -> Shown {
    match planned((folder, stack), args, arm, &mut ui) {
        Ok((exit, total)) => Shown { ui, exit, total: Some(total) },
        Err(error) => {
            ui.say(&format!("{}:", stack.name()));
            ui.error(&error);
            Shown { ui, exit: error.exit, total: None }
        }
    }
}

fn planned(
    (folder, stack): (&Path, &Source),
    args: &args::Plan,
    arm: Option<&ArmClient>,
    ui: &mut Ui,
) -> Result<(Exit, summary::Total), CommandError> {
    let observed = args.observed.as_ref().map(|other| stack.beside(folder, other, ".json"));
    let from = From { observed: observed.as_deref(), arm, jobs: 1 };
    let made = one(&stack.input, args, &from, ui)?;
    if args.shown.output == Format::Text && made.plan.is_empty() && made.plan.refusals.is_empty() {
        let heading = format!("Stack {}", privlink_core::escape::terminal(&made.plan.stack));
        ui.print(&format!("{}\n\n", ui.style().paint(Label::Heading, heading)))?;
    }
    let exit = super::show(&made, args, ui)?;
    if args.shown.output != Format::Json {
        ui.print("\n")?;
    }
    Ok((exit, summary::Total::of(&made.plan)))
}
