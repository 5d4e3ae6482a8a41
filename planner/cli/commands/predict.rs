//! `predict`: what the controller will write.

use crate::args;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Predict, ui: &mut Ui) -> Result<Exit, CommandError> {
    let _ = (args, ui);
    Err(CommandError::new("pending the controller model"))
}
