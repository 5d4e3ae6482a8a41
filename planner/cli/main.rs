//! The `privlink` binary: arguments in, exit code out.

mod args;
mod command_error;
mod commands;
mod connect;
mod exit;
mod input;
mod pin;
mod pipeline;
mod progress;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::ui::Ui;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
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
