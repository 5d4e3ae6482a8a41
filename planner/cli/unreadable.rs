//! What could not be read, and what that means: nothing is planned as if it were not there.

use privlink_core::facts::Facts;
use privlink_core::snapshot::Snapshot;
use privlink_core::unread;

use crate::command_error::CommandError;

/// All that could not be read, each with the reason.
pub(crate) fn lines(snapshot: &Snapshot) -> Vec<String> {
    let azure = snapshot.azure.iter().map(|(path, reading)| (path.as_str(), reading));
    let line = |(what, why): (&str, &str)| format!("unreadable: {what}: {why}");
    let all = azure.chain(unread::of_kubernetes(snapshot));
    all.filter_map(unread::failed).map(line).collect()
}

/// Says why nothing can be predicted, if something could not be read that every prediction rests on.
///
/// # Errors
/// If so.
pub(crate) fn check(snapshot: &Snapshot, facts: &Facts) -> Result<(), CommandError> {
    let failures = unread::essential(snapshot, facts);
    let Some((first, others)) = failures.split_first() else { return Ok(()) };
    let error = CommandError::new(privlink_core::escape::terminal(first));
    let rest = "What cannot be read is not taken for absent, so nothing is planned.";
    Err(match others.len() {
        0 => error.hint(rest),
        more => error
            .hint(format!("{more} more could not be read; `privlink observe` shows all."))
            .hint(rest),
    })
}
