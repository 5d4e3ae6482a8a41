//! A plan as JSON.

use std::fmt;

use privlink_core::change::show_value;
use privlink_core::plan::Plan;

/// Writes a plan as indented JSON for programs to read: unknowns are words, so this is not the
/// plan to apply.
///
/// # Errors
///
/// Fails when the writer does.
pub fn plan(plan: &Plan, out: &mut dyn fmt::Write) -> fmt::Result {
    let value = serde_json::to_value(plan).map_err(|_| fmt::Error)?;
    let text = serde_json::to_string_pretty(&show_value(value)).map_err(|_| fmt::Error)?;
    writeln!(out, "{text}")
}
