//! The journal: a run's events, one JSON object a line, on disk before the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use privlink_core::event::Event;

/// An append-only journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins a journal in a folder, which is made if it is not there. Only the user may read it.
    ///
    /// # Errors
    ///
    /// When the folder or the file cannot be made.
    pub fn begin(folder: &Path, stack: &str) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ");
        let path = folder.join(format!("{stack}-{stamp}-{}.jsonl", std::process::id()));
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path })
    }

    /// Appends an event and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn append(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
