//! `forget`: takes objects out of the stack, deleting nothing.

use crate::args::Forget;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Forget, ui: &mut Ui) -> Result<Exit, CommandError> {
    super::apply::forget(&args.input, &args.turn, &args.addresses, ui)
}
