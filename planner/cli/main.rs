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
mod progress;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use mimalloc::MiMalloc;

use crate::args::Args;
use crate::ui::Ui;

/// Plans are made of many small values, and released binaries are static: musl's allocator takes a
/// multiple of the time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The arguments, under the name that the user called: kubectl runs `kubectl-privlink` for
/// `kubectl privlink`.
fn parse() -> Result<Args, clap::Error> {
    let mut words = std::env::args_os().peekable();
    let called = words.peek().map(std::path::PathBuf::from).unwrap_or_default();
    let is_plugin = called.file_stem().is_some_and(|name| name == "kubectl-privlink");
    let mut command = args::examples::shown(Args::command());
    if is_plugin {
        command = command.bin_name("kubectl privlink");
    }
    let mut matches = command.clone().try_get_matches_from(words)?;
    Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn main() -> ExitCode {
    // A shell that asks for completions is answered, and nothing else is done.
    completion::answer();
    let args = match parse() {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    let mut ui = Ui::new(&args.global);
    match commands::run(args, &mut ui) {
        Ok(exit) => exit.into(),
        Err(error) => {
            ui.error(&error);
            error.exit.into()
        }
    }
}
