//! A file that takes another's place once it is whole.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Readers, options};

/// The ending of temporary files. A collector that reads a folder takes none of them.
const ENDING: &str = ".privlink-new";
/// After how long a temporary file is one that a killed run left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

/// A file beside the one it is for. It is removed when it is dropped, unless it was renamed.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    is_done: bool,
}

impl Temporary {
    /// Makes one, of a random name that no other process has. What killed runs left of the same file is
    /// removed.
    pub(crate) fn beside(path: &Path, readers: Readers) -> io::Result<(Self, File)> {
        let mut start = OsString::from(".");
        start.push(path.file_name().unwrap_or_default());
        start.push(".");
        sweep(path, &start);
        let mut name = start;
        name.push(format!("{:016x}{ENDING}", random()));
        let path = path.with_file_name(name);
        let file = options(readers).write(true).create_new(true).open(&path)?;
        Ok((Self { path, is_done: false }, file))
    }

    /// Puts it in a file's place.
    pub(crate) fn rename(mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_done {
            // What is left behind is of no use to anybody.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes temporary files of the same file that are old.
fn sweep(path: &Path, start: &OsString) {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let Ok(entries) = std::fs::read_dir(folder.unwrap_or_else(|| Path::new("."))) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let (name, start) = (name.as_encoded_bytes(), start.as_encoded_bytes());
        if !name.starts_with(start) || !name.ends_with(ENDING.as_bytes()) {
            continue;
        }
        let changed = entry.metadata().and_then(|it| it.modified());
        let age = changed.ok().and_then(|it| it.elapsed().ok());
        if age.is_some_and(|age| age > LEFT_BEHIND) {
            // Another run may have removed it.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Every RandomState has keys of its own from the operating system.
    RandomState::new().hash_one(std::process::id())
}
