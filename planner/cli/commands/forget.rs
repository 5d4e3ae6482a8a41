//! `forget`: takes objects out of the stack, deleting nothing.

use privlink_core::address::Address;
use privlink_core::desired::Desired;
use privlink_core::forget;
use privlink_core::input::Input;
use privlink_core::plan::{Mode, Plan};
use privlink_core::plural::count;

use crate::args::{Forget, Limits};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Forget, ui: &mut Ui) -> Result<Exit, CommandError> {
    super::apply::forget(&args.input, &args.turn, &args.addresses, ui)
}

/// The plan to forget.
pub(super) fn plan(
    desired: &Desired,
    observed: &super::Observed,
    addresses: &[Address],
) -> Result<Plan, CommandError> {
    let options = super::options(Mode::Apply, &Limits::default());
    let super::Observed { snapshot, facts, .. } = observed;
    forget::plan(&Input::new(desired, snapshot, facts, &options), addresses).map_err(failed)
}

fn failed(error: forget::Error) -> CommandError {
    let forget::Error::NotMarked { marked, .. } = &error;
    let names: Vec<String> = marked.iter().map(ToString::to_string).collect();
    let hint = match names.len() {
        0 => "It has marked nothing that was read.".to_owned(),
        many => format!("It has marked {}: {}.", count(many, "object"), names.join(", ")),
    };
    CommandError::new(error.to_string()).hint(hint)
}
