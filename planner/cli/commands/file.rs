//! Files that commands read and write, of privlink's own making.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use privlink_core::saved::{SavedPlan, Unsound};
use privlink_core::snapshot::Snapshot;

use crate::command_error::{CommandError, io};

/// Reads a snapshot.
pub(super) fn read_snapshot(path: &Path) -> Result<Snapshot, CommandError> {
    let shown = path.display().to_string();
    let text = std::fs::read(path).map_err(io(&shown))?;
    let snapshot: Snapshot = serde_json::from_slice(&text)
        .map_err(|error| CommandError::new(format!("{shown} is no snapshot: {error}")))?;
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
    let meant = "A saved plan is meant, which `plan --out` makes; desired state is given with -f.";
    let text = std::fs::read_to_string(path).map_err(|error| io(&shown)(error).hint(meant))?;
    SavedPlan::parse(&text).map_err(|error| {
        let is_other = matches!(error, Unsound::Broken(_));
        CommandError::new(format!("{shown}: {error}")).hint(if is_other {
            meant
        } else {
            "Make it again with `plan --out`."
        })
    })
}

/// Writes a file that only the user may read. A file or link that is there is replaced, and neither its
/// permissions nor what it leads to are kept: whoever may commit to a working folder may have put it there.
/// Pipes and devices are written to as they are.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), CommandError> {
    let shown = path.display().to_string();
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let mut file = OpenOptions::new().write(true).open(path).map_err(io(&shown))?;
        return file.write_all(text.as_bytes()).map_err(io(&shown));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    // The name that was given is told, not that of the file that becomes it.
    write_new(&new, text, &shown)?;
    std::fs::rename(&new, path).map_err(|error| {
        // What is left behind is of no use to anybody.
        let _ = std::fs::remove_file(&new);
        io(&shown)(error)
    })
}

/// Writes a file that is not there yet and that only the user may read.
fn write_new(path: &Path, text: &str, shown: &str) -> Result<(), CommandError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io(shown))?;
    file.write_all(text.as_bytes()).map_err(io(shown))
}
