//! `schema`: prints a JSON Schema.

use crate::args::Schema;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Schema, ui: &mut Ui) -> Result<Exit, CommandError> {
    let schemas = super::schemas();
    let Some(schema) = schemas.get(args.name.as_str()) else {
        let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
        return Err(CommandError::new(format!("there is no schema `{}`", args.name))
            .hint(format!("There are {}.", names.join(", "))));
    };
    ui.print(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}
