//! The file that node_exporter's textfile collector reads.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use privlink_core::drift::Report;
use privlink_render as render;

use crate::command_error::{CommandError, io};

/// Writes metrics beside the file and moves them onto it: the collector never sees half a file. Anybody
/// may read it, since the collector is somebody else.
pub(super) fn write(file: &Path, report: &Report) -> Result<(), CommandError> {
    let shown = file.display().to_string();
    let before = match std::fs::read_to_string(file) {
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
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or("privlink.prom");
    // The collector takes files that end in .prom only.
    let beside = file.with_file_name(format!("{name}.{}.tmp", std::process::id()));
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file));
    written.map_err(|error| {
        // Whether it is there or not, the first error is the one to tell.
        let _ = std::fs::remove_file(&beside);
        io(&shown)(error)
    })
}
