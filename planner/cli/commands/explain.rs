//! `explain`: what a code means, and what to do.

use privlink_core::code::Code;

use crate::args::Explain;
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

/// The page that has a section for every code, which a test checks.
const PAGE: &str = include_str!("../../../docs/diagnostics.md");

pub(crate) fn run(args: &Explain, ui: &mut Ui) -> Result<Exit, CommandError> {
    if !Code::ALL.iter().any(|code| code.as_str() == args.code) {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        return Err(CommandError::new(format!("`{}` is no code", args.code))
            .hint(format!("There are {}.", names.join(", "))));
    }
    let head = format!("## {}\n", args.code);
    let section = PAGE.split(&head).nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    ui.print(&format!("{}\n\n{}\n", args.code, section.trim()))?;
    Ok(Exit::Done)
}
