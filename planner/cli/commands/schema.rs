//! `schema`: prints a JSON Schema.

use std::collections::BTreeMap;

use privlink_render::schemas;
use serde_json::Value;

use crate::args::Schema;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &Schema, ui: &mut Ui) -> Result<Exit, CommandError> {
    let schemas = schemas();
    let Some(schema) = schemas.get(args.name.as_str()) else {
        let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
        return Err(CommandError::new(format!("there is no schema `{}`", args.name))
            .hint(format!("Choose one of {}.", names.join(", "))));
    };
    ui.print(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}

/// All JSON Schemas by name: of the input, and of what is printed and saved.
fn schemas() -> BTreeMap<String, Value> {
    let stem = |file: &str| file.trim_end_matches(".schema.json").to_owned();
    let all = schemas::files().into_iter().chain(schemas::output_files());
    all.map(|(file, schema)| (stem(file), schema)).collect()
}
