//! Files as every part of privlink writes and reads them. Whoever may commit to a working folder may have
//! put anything there: links that lead elsewhere, files of another's making, files without an end. So what
//! is written goes to a new file of a random name, which then takes the old one's place; no link is
//! followed; and no file is read beyond a bound.

mod folder;
mod read;
mod temporary;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub use folder::private_folder;
pub use read::{MOST_BYTES, read, read_text};

use temporary::Temporary;

/// How many bytes are written at once.
const BUFFER: usize = 256 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone: mode 0600.
    Owner,
    /// Everybody: mode 0644 where the user's mask lets it.
    All,
}

/// Replaces a file: a reader sees the old or the new one, never a part. What is there is neither followed
/// nor kept, if it is a link, nor are its permissions. Pipes and devices are written to as they are.
///
/// # Errors
/// The file cannot be written; what was begun is removed.
pub fn replace(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let mut file = OpenOptions::new().write(true).open(path)?;
        return write(&mut file);
    }
    let (temporary, file) = Temporary::beside(path, readers)?;
    let mut out = BufWriter::with_capacity(BUFFER, file);
    write(&mut out)?;
    out.flush()?;
    temporary.rename(path)
}

/// Replaces a file by a text; see [`replace`].
///
/// # Errors
/// As for [`replace`].
pub fn replace_text(path: &Path, readers: Readers, text: &str) -> io::Result<()> {
    replace(path, readers, |file| file.write_all(text.as_bytes()))
}

/// Makes a file that is not there yet, for its owner alone.
///
/// # Errors
/// It is there, be it as a link, or cannot be made.
pub fn create_new(path: &Path) -> io::Result<File> {
    options(Readers::Owner).append(true).create_new(true).open(path)
}

/// Opens a file of its owner's for appending, reading and locking, and makes it if it is not there.
///
/// # Errors
/// It is a link, or cannot be opened.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    options(Readers::Owner).read(true).append(true).create(true).open(path).map_err(|error| {
        let is_link = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink());
        if is_link { io::Error::other("it is a link, which is not followed") } else { error }
    })
}

/// Options that follow no link in the last part of a path.
fn options(readers: Readers) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::All => 0o644,
        };
        options.mode(mode).custom_flags(libc::O_NOFOLLOW);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options
}

#[cfg(test)]
mod tests;
