//! `policy`: prints a ValidatingAdmissionPolicy with its binding.

use privlink_core::yaml;
use privlink_render::admission_policy::{self, Options};

use crate::args::AdmissionPolicy;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &AdmissionPolicy, ui: &mut Ui) -> Result<Exit, CommandError> {
    let stack = super::guard::stack(&args.filename, ui)?;
    let options = Options {
        name: &args.name,
        deny: args.deny,
        override_verb: (!args.no_override).then_some(args.override_verb.as_str()),
        stack: stack.as_ref(),
    };
    ui.print(&yaml::stream(&admission_policy::objects(&options)))?;
    Ok(Exit::Done)
}
