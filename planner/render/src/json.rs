//! JSON for programs to read. All JSON that is printed, written beside or sent passes here: what nobody knows yet
//! is shown in words, in values and in keys, so a plan as JSON is not the plan to apply.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use privlink_core::plan::Plan;
use privlink_core::unknown::show_value;

/// As a JSON value, with unknowns in words.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn value(it: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::to_value(it).map(show_value)
}

/// As indented JSON, with a line break at the end.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn text(it: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&value(it)?)? + "\n")
}

/// As JSON on one line, with a line break at the end.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub fn line(it: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(&value(it)?)? + "\n")
}

/// Writes a plan as indented JSON.
///
/// # Errors
///
/// Fails when the writer does.
pub fn plan(plan: &Plan, out: &mut dyn fmt::Write) -> fmt::Result {
    out.write_str(&text(plan).map_err(|_| fmt::Error)?)
}
