//! `show`: a saved plan, or the outcome of a run from its journal.

use privlink_core::event::{self, Event};
use privlink_core::report::Report;
use privlink_render as render;

use crate::args::Show;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::plan_format::Format;
use crate::ui::Ui;

pub(crate) fn run(args: &Show, ui: &mut Ui) -> Result<Exit, CommandError> {
    // A run that was killed may have left half a character.
    let bytes = super::file::read(&args.file)?;
    match event::read(&String::from_utf8_lossy(&bytes)) {
        Some(events) => show_run(&events, args.output, ui)?,
        None => {
            let saved = super::file::read_plan(&args.file)?;
            let called = ui.invocation().of_saved(&saved, &args.file);
            let shown = super::plan::Shown { full: args.full, read: "", called: Some(&called) };
            ui.print(&super::plan::rendered(&saved.plan, args.output, &shown, ui))?;
        }
    }
    Ok(Exit::Done)
}

fn show_run(events: &[Event], format: Format, ui: &mut Ui) -> Result<(), CommandError> {
    let report = Report::of(events);
    if format == Format::Json {
        return ui.print(&super::json(&report)?);
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = render::report::text(&report, ui.style(), &mut text);
    ui.print(&text)
}
