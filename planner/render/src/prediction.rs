//! A prediction as text.

use std::fmt::{self, Write};

use privlink_core::change::shown;
use privlink_core::controller::outcome::Outcome;
use privlink_core::escape::terminal;
use privlink_core::field_diff;
use privlink_core::prediction::Prediction;

/// Writes what each sync does, in order, and what Azure holds afterwards.
///
/// # Errors
///
/// Fails when the writer does.
pub fn text(prediction: &Prediction, out: &mut dyn Write) -> fmt::Result {
    for outcome in &prediction.outcomes {
        sync(outcome, out)?;
    }
    let after = prediction.nodes_after();
    writeln!(out, "Azure afterwards")?;
    for (address, node) in after {
        writeln!(out, "  {}", terminal(&address.to_string()))?;
        for field in shown(field_diff::fields(None, Some(node.fields()))) {
            let value = field.after_line().unwrap_or_default();
            writeln!(out, "    {}: {value}", terminal(&field.path))?;
        }
    }
    Ok(())
}

fn sync(outcome: &Outcome, out: &mut dyn Write) -> fmt::Result {
    let clean = |text: &str| terminal(text).into_owned();
    writeln!(out, "Service {}", terminal(&outcome.service.to_string()))?;
    for (at, write) in outcome.writes.iter().enumerate() {
        let id = write.id.as_str();
        let id = id.split_once("/providers/").map_or(id, |(_, id)| id);
        write!(out, "  write {}: {} {}", at + 1, write.method.as_str(), clean(id))?;
        match &write.answer {
            Ok(_) => writeln!(out)?,
            Err(error) => writeln!(out, " refused with {}: {}", error.status, clean(&error.code))?,
        }
    }
    if outcome.writes.is_empty() {
        writeln!(out, "  no write")?;
    }
    for event in &outcome.events {
        let (reason, message) = (clean(&event.reason), clean(&event.message));
        writeln!(out, "  event {:?} {reason}: {message}", event.kind)?;
    }
    match &outcome.status {
        Some(addresses) => {
            let addresses: Vec<String> = addresses.iter().map(|it| clean(it)).collect();
            writeln!(out, "  status: {}", addresses.join(", "))?;
        }
        None => writeln!(out, "  status: as it was")?,
    }
    writeln!(out, "  finalizers: {}", terminal(&outcome.finalizers.join(", ")))?;
    if let Some(error) = &outcome.error {
        writeln!(out, "  error: {}", clean(&error.text))?;
    }
    writeln!(out)
}
