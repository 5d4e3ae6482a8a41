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
    ui.print(&format!("{}\n\n{}\n", args.code, section(&args.code)))?;
    Ok(Exit::Done)
}

fn section(code: &str) -> &'static str {
    let section = PAGE.split(&format!("## {code}\n")).nth(1).unwrap_or_default();
    section.split("\n## ").next().unwrap_or_default().trim()
}

/// What a code means, in the first paragraph of its section.
pub(super) fn describe(code: Code) -> String {
    let paragraph = section(code.as_str()).split("\n\n").next().unwrap_or_default();
    // The severity stands first; it is told apart.
    let text = paragraph.split_once(".**").map_or(paragraph, |(_, text)| text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
