//! The world's file: one JSON document, replaced as a whole, under a lock.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use privlink_file::Readers;

use crate::{Error, World};

/// How long to wait between two tries for the lock.
const LOCK_POLL: Duration = Duration::from_millis(25);

/// A world file that this process alone uses, for as long as this value lives.
#[derive(Debug)]
pub struct WorldFile {
    path: PathBuf,
    // The operating system lets go of the lock when the file is closed, also by a crash.
    _lock: File,
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl WorldFile {
    /// Takes the lock of a world file, whether the file is there or not. Folders that are missing are
    /// made, the last of them with a `.gitignore` for all that is in it.
    ///
    /// # Errors
    /// Another process holds the lock for all of `wait`, or the lock file cannot be made.
    pub async fn lock(path: &Path, wait: Duration) -> Result<Self, Error> {
        let lock_path = beside(path, ".lock");
        let failed = |source| Error::File { path: lock_path.clone(), source };
        make_folder(path).map_err(failed)?;
        let mut lock = privlink_file::open_or_create(&lock_path).map_err(failed)?;
        let deadline = Instant::now() + wait;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    let mut holder = String::new();
                    // For the message only: who holds it may not have said.
                    let _ = (&mut lock).take(64).read_to_string(&mut holder);
                    let holder = match holder.trim() {
                        "" => String::new(),
                        pid => format!(" (pid {pid})"),
                    };
                    return Err(Error::InUse { path: path.to_owned(), holder });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
            }
        }
        lock.set_len(0).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The world in the file; nothing if the file is not there.
    ///
    /// # Errors
    /// It cannot be read, or is not a world of a version this build reads.
    pub fn read(&self) -> Result<Option<World>, Error> {
        let text = match privlink_file::read(&self.path, privlink_file::MOST_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::File { path: self.path.clone(), source }),
        };
        let reason = |reason: String| Error::Format { path: self.path.clone(), reason };
        let document = serde_json::from_slice(&text).map_err(|error| reason(error.to_string()))?;
        World::from_json(document, &self.path).map(Some)
    }

    /// Replaces the file's world. A reader sees the old or the new one, never a part.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, world: &World) -> Result<(), Error> {
        privlink_file::replace(&self.path, Readers::Owner, |mut file| {
            serde_json::to_writer(&mut file, world)?;
            file.write_all(b"\n")
        })
        .map_err(|source| Error::File { path: self.path.clone(), source })
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let was_there = fs::symlink_metadata(folder).is_ok();
    privlink_file::private_folder(folder)?;
    if was_there {
        return Ok(());
    }
    privlink_file::replace_text(&folder.join(".gitignore"), Readers::All, "*\n")
}
