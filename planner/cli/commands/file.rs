//! Files that commands read and write, of privlink's own making.

use std::path::Path;

use privlink_core::saved::{SavedPlan, Unsound};
use privlink_core::snapshot::Snapshot;
use privlink_core::token;
use privlink_file::{MOST_BYTES, Readers};

use crate::command_error::{CommandError, io};

/// Reads a snapshot.
pub(super) fn read_snapshot(path: &Path) -> Result<Snapshot, CommandError> {
    let shown = path.display().to_string();
    let text = read(path)?;
    let snapshot: Snapshot = serde_json::from_slice(&text)
        .map_err(|error| CommandError::new(format!("{shown} is not a snapshot: {error}")))?;
    let major = |version: &str| version.split('.').next().map(ToOwned::to_owned);
    if major(&snapshot.format_version) != major(privlink_core::snapshot::FORMAT_VERSION) {
        return Err(CommandError::new(format!(
            "{shown} is a snapshot of format {}, and this version reads {}",
            snapshot.format_version,
            privlink_core::snapshot::FORMAT_VERSION
        ))
        .hint("Observe again with this version."));
    }
    Ok(snapshot)
}

/// Refuses a redacted snapshot, where names must be what they are.
pub(super) fn unredacted(path: &Path, snapshot: &Snapshot) -> Result<(), CommandError> {
    if !snapshot.redacted {
        return Ok(());
    }
    let shown = path.display();
    Err(CommandError::new(format!("{shown} is redacted: names in it may be pseudonyms"))
        .hint("Take one that was observed without --redact."))
}

/// Reads a saved plan.
pub(super) fn read_plan(path: &Path) -> Result<SavedPlan, CommandError> {
    let shown = path.display().to_string();
    let meant =
        "This takes a saved plan, as `plan --out` writes it; desired state is given with -f.";
    let text = read_text(path).map_err(|error| error.hint(meant))?;
    let saved = SavedPlan::parse(&text).map_err(|error| {
        let is_other = matches!(error, Unsound::Broken(_));
        CommandError::new(format!("{shown}: {error}")).hint(if is_other {
            meant
        } else {
            "Make it again with `plan --out`."
        })
    })?;
    token::written(&saved.plan).for_each(privlink_http::secret::hold);
    Ok(saved)
}

/// All of a file that somebody names, up to a bound.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    privlink_file::read(path, MOST_BYTES).map_err(io(&path.display().to_string()))
}

/// All of a file of text that somebody names, up to a bound.
pub(super) fn read_text(path: &Path) -> Result<String, CommandError> {
    privlink_file::read_text(path, MOST_BYTES).map_err(io(&path.display().to_string()))
}

/// Writes what is shown of something to a file that only the user may read, without the secrets that are held.
pub(super) fn write_shown(path: &Path, text: &str) -> Result<(), CommandError> {
    write_private(path, &privlink_http::secret::hide(text))
}

/// Writes a file that only the user may read; see [`privlink_file::replace`].
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), CommandError> {
    let written = privlink_file::replace_text(path, Readers::Owner, text);
    written.map_err(io(&path.display().to_string()))
}
