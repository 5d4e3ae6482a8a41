//! The file that node_exporter's textfile collector reads.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use privlink_core::drift::Report;
use privlink_file::{MOST_BYTES, Readers};
use privlink_render as render;

use crate::command_error::{CommandError, io};

/// Writes metrics; the collector never sees half a file. Anybody may read it, since the collector is
/// somebody else.
pub(super) fn write(file: &Path, report: &Report) -> Result<(), CommandError> {
    let shown = file.display().to_string();
    let before = match privlink_file::read_text(file, MOST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io(&shown)(error)),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = render::drift::prometheus::report(
        report,
        i64::try_from(now).unwrap_or_default(),
        &before,
        &mut text,
    );
    privlink_file::replace_text(file, Readers::All, &text).map_err(io(&shown))
}
