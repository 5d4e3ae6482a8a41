//! The `privlink` binary: arguments in, exit code out.

mod args;
mod artefact;
mod audience;
mod command_error;
mod commands;
mod completion;
mod connect;
mod exit;
mod gate;
mod input;
mod invocation;
mod pipeline;
mod plan_format;
mod progress;
mod traces;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use mimalloc::MiMalloc;

use crate::args::Args;
use crate::exit::Exit;
use crate::traces::Traces;
use crate::ui::Ui;

/// Plans are made of many small values, and released binaries are static: musl's allocator takes a
/// multiple of the time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The arguments, under the name that the user called: kubectl runs `kubectl-privlink` for
/// `kubectl privlink`; and the name of the command.
fn parse() -> Result<(Args, String), clap::Error> {
    let mut words = std::env::args_os().peekable();
    let called = words.peek().map(std::path::PathBuf::from).unwrap_or_default();
    let is_plugin = called.file_stem().is_some_and(|name| name == "kubectl-privlink");
    let mut command = args::examples::shown(Args::command());
    if is_plugin {
        command = command.bin_name("kubectl privlink");
    }
    let mut matches = command.clone().try_get_matches_from(words)?;
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    let args = Args::from_arg_matches_mut(&mut matches);
    Ok((args.map_err(|error| error.format(&mut command))?, name))
}

fn main() -> ExitCode {
    // A shell that asks for completions is answered, and nothing else is done.
    completion::answer();
    let (args, name) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => return exit::usage(&error),
    };
    let traces = Traces::of_environment();
    let mut ui =
        Ui::new(&args.global, args.command.serves(), traces.as_ref().ok().and_then(Option::as_ref));
    match traces {
        Ok(None) => run(args, &mut ui).into(),
        Ok(Some(mut traces)) => {
            let exit = traces.begin(&name).in_scope(|| run(args, &mut ui));
            if let Some(why) = traces.end(exit) {
                untraced(&why, &mut ui);
            }
            exit.into()
        }
        Err(why) => {
            untraced(&why, &mut ui);
            run(args, &mut ui).into()
        }
    }
}

/// Runs the command, and says what went wrong.
fn run(args: Args, ui: &mut Ui) -> Exit {
    commands::run(args, ui).unwrap_or_else(|error| {
        ui.error(&error);
        error.exit
    })
}

/// Says that spans were not sent, which changes nothing else.
fn untraced(why: &str, ui: &mut Ui) {
    ui.say(&format!("warning: no traces, or not all, were sent: {why}"));
}
