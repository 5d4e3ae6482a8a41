//! Reading, to a bound.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The most bytes that are read of a file, unless its reader says less: many times what a snapshot of a
/// large cluster has. A device without an end is refused there.
pub const MOST_BYTES: usize = 512 << 20;

/// All of a file.
///
/// # Errors
/// It cannot be read, or has more than `most` bytes.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path)?;
    // Room for all of it at once: growing leaves holes of half its size, and a quarter, and so on.
    let length = file.metadata().map_or(0, |it| it.len()).min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::other(format!("it has more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// All of a file of text.
///
/// # Errors
/// As for [`read`], or it is not UTF-8.
pub fn read_text(path: &Path, most: usize) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}
