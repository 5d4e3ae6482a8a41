//! The journal: a run's events, one JSON object a line, on disk before the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use privlink_core::event::{self, Event, EventKind};

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
        let path = folder.join(format!("{}-{stamp}-{}.jsonl", safe(stack), std::process::id()));
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Self { file: options.open(&path)?, path })
    }

    /// Goes on with a journal. A last line that was cut off is ended, so that the next is whole.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn go_on(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().append(true).read(true).open(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, path: path.to_owned() })
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

/// A journal that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it tells.
    pub events: Vec<Event>,
}

/// The newest journal of a stack in a folder, if there is one that can be read.
pub fn newest(folder: &Path, stack: &str) -> Option<Found> {
    let prefix = format!("{}-", safe(stack));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&prefix) && name.ends_with(".jsonl")
        })
        .collect();
    // The names hold times, and sort by them.
    paths.sort();
    paths.into_iter().rev().find_map(|path| {
        let bytes = std::fs::read(&path).ok()?;
        let events = event::read(&String::from_utf8_lossy(&bytes))?;
        // One stack's name may begin as another's.
        let is_it = events
            .iter()
            .any(|event| matches!(&event.kind, EventKind::Begun { stack: of, .. } if of == stack));
        is_it.then_some(Found { path, events })
    })
}

/// A stack's name as it may stand in the name of a file.
fn safe(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().map(safe).collect()
}
